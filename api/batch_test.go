package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"cms/api"
)

func jsonBody(ifMatch string) map[string]string {
	h := map[string]string{"Content-Type": "application/json"}
	if ifMatch != "" {
		h["If-Match"] = ifMatch
	}
	return h
}

// TestMoveDiffRevert takes an entry through a rename, an edit and its deletion,
// and back to what it was at first.
func TestMoveDiffRevert(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const at = "/v1/collections/consultations/"
	tag := s.create("consultations", "plan-velo", sample)
	s.create("consultations", "autre", sample)
	for name, tt := range map[string]struct {
		header map[string]string
		body   string
		status int
	}{
		"taken":           {jsonBody(tag), `{"to": "autre"}`, 409},
		"case twin":       {jsonBody(tag), `{"to": "AUTRE"}`, 409},
		"device":          {jsonBody(tag), `{"to": "aux"}`, 400},
		"stale":           {jsonBody(`"0123"`), `{"to": "b"}`, 412},
		"no precondition": {jsonBody(""), `{"to": "b"}`, 428},
		"no name":         {jsonBody(tag), `{}`, 422},
		"out of it":       {jsonBody(tag), `{"to": "../b"}`, 422},
	} {
		if res := s.do(request{method: "POST", path: at + "move/plan-velo", header: tt.header, body: tt.body}); res.status != tt.status {
			t.Errorf("%s: got %d %s, want %d", name, res.status, res.body, tt.status)
		}
	}
	res := s.do(request{method: "POST", path: at + "move/plan-velo", header: jsonBody(tag), body: `{"to": "2026/plan"}`})
	if res.status != http.StatusOK || res.header.Get("ETag") != tag || res.header.Get("Location") != entryPath("2026/plan") {
		t.Fatalf("move: got %d %s at %s", res.status, res.body, res.header.Get("Location"))
	}
	if got := s.runGit("show", "--format=%s", "--name-status", "-M", "main"); !strings.Contains(got, "R100\t_consultations/plan-velo.md\t_consultations/2026/plan.md") ||
		!strings.HasPrefix(got, "Move consultations/plan-velo to consultations/2026/plan\n") {
		t.Errorf("git sees %s", got)
	}
	if res := s.do(request{method: "PATCH", path: entryPath("2026/plan"), header: mergePatch(tag), body: `{"fields": {"note": 4}}`}); res.status != http.StatusOK {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	diff := s.do(request{method: "GET", path: at + "diff/2026/plan?from=" + strings.Trim(tag, `"`)})
	if diff.status != http.StatusOK || !strings.Contains(string(diff.body), `"changed":[{"field":"note","old":3,"new":4}]`) || !strings.Contains(string(diff.body), `-note: 3\n+note: 4`) {
		t.Errorf("diff: got %d %s", diff.status, diff.body)
	}
	if res := s.do(request{method: "GET", path: at + "diff/2026/plan?from=0123"}); res.status != http.StatusBadRequest {
		t.Errorf("diff from nowhere: got %d, want 400", res.status)
	}
	if res := s.do(request{method: "DELETE", path: entryPath("2026/plan"), header: map[string]string{"If-Match": "*"}}); res.status != http.StatusNoContent {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	res = s.do(request{method: "POST", path: at + "revert/2026/plan", header: jsonBody(""), body: `{"to": ` + tag + `}`})
	if res.status != http.StatusCreated || res.header.Get("ETag") != tag {
		t.Fatalf("restore: got %d %s", res.status, res.body)
	}
	if got := s.file("_consultations/2026/plan.md"); got != sample {
		t.Errorf("restored: got %q, want %q", got, sample)
	}
	if res = s.do(request{method: "POST", path: at + "revert/2026/plan", header: jsonBody(""), body: `{"to": ` + tag + `}`}); res.status != http.StatusPreconditionRequired {
		t.Errorf("revert without If-Match: got %d, want 428", res.status)
	}
}

// TestBatch makes several writes in one commit, and none where one is refused.
func TestBatch(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tag := s.create("consultations", "plan-velo", sample)
	before := s.head()
	batch := func(ops string) response {
		return s.do(request{method: "POST", path: "/v1/batch", header: jsonBody(""), body: `{"message": "Tout à la fois", "operations": [` + ops + `]}`})
	}
	const create = `{"op": "create", "collection": "consultations", "fields": {"title": "Les quais"}}`
	refused := batch(create + `, {"op": "patch", "collection": "consultations", "slug": "quais", "if_match": "*", "fields": {}},
		{"op": "patch", "collection": "consultations", "slug": "les-quais", "if_match": "*", "fields": {"note": 9, "link": "x"}}`)
	if p := s.problem(refused); refused.status != http.StatusNotFound || p.Operation == nil || *p.Operation != 1 {
		t.Errorf("got %d %s, want 404 of operation 1", refused.status, refused.body)
	}
	refused = batch(create + `, {"op": "patch", "collection": "consultations", "slug": "les-quais", "if_match": "*", "fields": {"note": 9, "link": "x"}}`)
	if p := s.problem(refused); refused.status != http.StatusUnprocessableEntity || len(p.Errors) != 2 || !strings.HasPrefix(p.Errors[0].Pointer, "/operations/1/fields/") {
		t.Errorf("got %d %s, want 422 with both fields", refused.status, refused.body)
	}
	for _, ops := range []string{``, `{}`, `3`, `{"op": "delete", "collection": "consultations", "slug": "plan-velo", "fields": {}}`} {
		if res := batch(ops); res.status != http.StatusUnprocessableEntity {
			t.Errorf("%q: got %d %s, want 422", ops, res.status, res.body)
		}
	}
	if s.head() != before {
		t.Error("a refused batch was committed")
	}
	res := batch(create + `, {"op": "patch", "collection": "consultations", "slug": "les-quais", "if_match": "*", "fields": {"note": 4}},
		{"op": "move", "collection": "consultations", "slug": "plan-velo", "if_match": ` + string(mustJSON(t, tag)) + `, "to": "velo"}`)
	var done api.BatchResult
	if err := json.Unmarshal(res.body, &done); err != nil || res.status != http.StatusOK || len(done.Items) != 3 || done.Commit != s.head() {
		t.Fatalf("got %d %s: %v", res.status, res.body, err)
	}
	if got, want := s.runGit("log", "--format=%s", before+"..main"), "Tout à la fois\n"; got != want {
		t.Errorf("got commits %q, want %q", got, want)
	}
	if got := s.runGit("ls-tree", "-r", "--name-only", "main"); got != "_consultations/les-quais.md\n_consultations/velo.md\n" {
		t.Errorf("got files %q", got)
	}
	if got := s.file("_consultations/les-quais.md"); !strings.Contains(got, "note: 4\n") {
		t.Errorf("the second operation has not seen the first: %q", got)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPreconditionsByRFC9110 holds what RFC 9110, section 13, says against
// writes, and names that go into commits against what Git reads of them.
func TestPreconditionsByRFC9110(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tag := s.create("consultations", "plan-velo", sample)
	for name, tt := range map[string]struct {
		request
		status int
	}{
		"DELETE if absent":       {request{method: "DELETE", path: entryPath("plan-velo"), header: map[string]string{"If-None-Match": "*"}}, 412},
		"DELETE if not this":     {request{method: "DELETE", path: entryPath("plan-velo"), header: map[string]string{"If-Match": "*", "If-None-Match": "W/" + tag}}, 412},
		"PATCH if absent":        {request{method: "PATCH", path: entryPath("plan-velo"), header: map[string]string{"Content-Type": "application/merge-patch+json", "If-None-Match": "*"}, body: `{}`}, 412},
		"POST with a tag":        {request{method: "POST", path: entryPath("")[:len(entryPath(""))-1], header: jsonBody(tag), body: `{"fields": {"title": "x"}}`}, 412},
		"GET of another":         {request{method: "GET", path: entryPath("plan-velo"), header: map[string]string{"If-Match": `"0"`}}, 412},
		"null is absent":         {request{method: "POST", path: entryPath("")[:len(entryPath(""))-1] + "?dry_run=true", header: jsonBody(""), body: `{"slug": null, "message": null, "on_behalf_of": null, "fields": {"title": "x"}}`}, 200},
		"unknown member of whom": {request{method: "PATCH", path: entryPath("plan-velo"), header: mergePatch("*"), body: `{"on_behalf_of": {"name": "A", "email": "a@example.org", "x": 1}}`}, 422},
		"trailers in a name":     {request{method: "PATCH", path: entryPath("plan-velo"), header: mergePatch("*"), body: `{"on_behalf_of": {"name": "A\nSigned-off-by: B", "email": "a@example.org"}}`}, 422},
		"long name":              {request{method: "PATCH", path: entryPath("plan-velo"), header: mergePatch("*"), body: `{"on_behalf_of": {"name": "` + strings.Repeat("a", 101) + `", "email": "a@example.org"}}`}, 422},
		"one of a list":          {request{method: "PATCH", path: entryPath("plan-velo"), header: mergePatch(`"0", ` + tag), body: `{}`}, 200},
	} {
		if res := s.do(tt.request); res.status != tt.status {
			t.Errorf("%s: got %d %s, want %d", name, res.status, res.body, tt.status)
		} else if tt.status == 412 && !strings.HasPrefix(name, "POST") && res.header.Get("ETag") != tag {
			t.Errorf("%s: got ETag %s, want %s", name, res.header.Get("ETag"), tag)
		}
	}
}
