package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cms/auth"
)

// TestMoveToAnotherCollection takes an entry to where other rules hold, and its
// history with it.
func TestMoveToAnotherCollection(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tag := s.create("consultations", "plan-velo", sample)
	loose := s.create("pages", "mentions", "---\nnote: 9\n---\n")
	s.create("pages", "taken", "---\ntitle: Prise\n---\n")
	before := s.head()
	for name, tt := range map[string]struct {
		path   string
		header map[string]string
		body   string
		token  string
		status int
	}{
		"taken there":        {"consultations/move/plan-velo", jsonBody(tag), `{"to": "taken", "collection": "pages"}`, "", 409},
		"twin there":         {"consultations/move/plan-velo", jsonBody(tag), `{"to": "Taken", "collection": "pages"}`, "", 409},
		"no such collection": {"consultations/move/plan-velo", jsonBody(tag), `{"to": "plan", "collection": "archives"}`, "", 404},
		"rules there":        {"pages/move/mentions", jsonBody(loose), `{"to": "mentions", "collection": "consultations"}`, "", 422},
		"no right there":     {"consultations/move/plan-velo", jsonBody(tag), `{"to": "plan", "collection": "pages"}`, s.mint("limited"), 404},
		"no right here":      {"consultations/move/plan-velo", jsonBody(tag), `{"to": "plan", "collection": "pages"}`, s.mint("reader"), 403},
	} {
		res := s.do(request{method: "POST", path: "/v1/collections/" + tt.path, header: tt.header, body: tt.body, token: tt.token})
		if res.status != tt.status {
			t.Errorf("%s: got %d %s, want %d", name, res.status, res.body, tt.status)
		}
	}
	if s.head() != before {
		t.Error("a refused move was committed")
	}
	res := s.do(request{method: "POST", path: "/v1/collections/consultations/move/plan-velo", header: jsonBody(tag), body: `{"to": "plans/velo", "collection": "pages"}`})
	const there = "/v1/collections/pages/entries/plans/velo"
	if res.status != http.StatusOK || res.header.Get("ETag") != tag || res.header.Get("Location") != there {
		t.Fatalf("got %d %s at %s, want 200 with the same ETag at %s", res.status, res.body, res.header.Get("Location"), there)
	}
	if got, want := s.runGit("show", "--format=%s", "--name-status", "-M", "main"), "Move consultations/plan-velo to pages/plans/velo\n\nR100\t_consultations/plan-velo.md\tpages/plans/velo.md\n"; got != want {
		t.Errorf("git sees %q, want %q", got, want)
	}
	if res := s.do(request{method: "GET", path: entryPath("plan-velo")}); res.status != http.StatusNotFound {
		t.Errorf("the entry is still where it was: got %d", res.status)
	}
	if got := strings.Count(s.runGit("log", "--follow", "--format=%H", "main", "--", "pages/plans/velo.md"), "\n"); got != 2 {
		t.Errorf("git follows it through %d commits, want 2", got)
	}
}

// TestPreconditionsOfSeveralLines reads If-Match as one list, however many
// lines it comes in (RFC 9110, section 5.3).
func TestPreconditionsOfSeveralLines(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tag := s.create("consultations", "plan-velo", sample)
	for _, tt := range []struct {
		lines  []string
		status int
	}{
		{[]string{`"0"`, `"1"`}, http.StatusPreconditionFailed},
		{[]string{`"0"`, `W/"1"`}, http.StatusPreconditionFailed},
		{[]string{`"0"`, "W/" + tag}, http.StatusOK},
		{[]string{`"0"`, "velo"}, http.StatusBadRequest},
		{[]string{tag, `"0"`}, http.StatusOK},
		{[]string{`"0", "1"`, tag}, http.StatusOK},
	} {
		req, err := http.NewRequest("PATCH", s.url+entryPath("plan-velo"), strings.NewReader(`{"fields": {"note": 3}}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Bearer " + s.token}, "Content-Type": {"application/merge-patch+json"}, "If-Match": tt.lines}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != tt.status {
			t.Errorf("%q: got %d, want %d", tt.lines, res.StatusCode, tt.status)
		}
	}
}

// TestCaseTwins refuses a new entry whose file would be that of another one
// where names are compared without case, by every way to create one.
func TestCaseTwins(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "Plan-Vélo", sample)
	before := s.head()
	const list = "/v1/collections/consultations/entries"
	for name, r := range map[string]request{
		"POST":  {method: "POST", path: list, header: jsonBody(""), body: `{"slug": "plan-vélo", "fields": {"title": "x"}}`},
		"PUT":   {method: "PUT", path: entryPath("PLAN-VÉLO"), header: map[string]string{"Content-Type": "text/markdown", "If-None-Match": "*"}, body: sample},
		"batch": {method: "POST", path: "/v1/batch", header: jsonBody(""), body: `{"operations": [{"op": "create", "collection": "consultations", "slug": "a", "fields": {"title": "x"}}, {"op": "create", "collection": "consultations", "slug": "A", "fields": {"title": "x"}}]}`},
	} {
		if res := s.do(r); res.status != http.StatusConflict || !strings.Contains(s.problem(res).Detail.String(), "case") {
			t.Errorf("%s: got %d %s, want 409 that tells of the case", name, res.status, res.body)
		}
	}
	if got := s.head(); got != before {
		t.Error("a refused entry was committed")
	}
	if res := s.do(request{method: "POST", path: list, header: jsonBody(""), body: `{"slug": "plan-vélos", "fields": {"title": "x"}}`}); res.status != http.StatusCreated {
		t.Errorf("another slug: got %d %s", res.status, res.body)
	}
	// Under a title's slug the number counts twins, too, and an entry may change
	// the case of its own.
	s.create("consultations", "Les-Quais", sample)
	if res := s.do(request{method: "POST", path: list, header: jsonBody(""), body: `{"fields": {"title": "Les quais"}}`}); res.header.Get("Location") != entryPath("les-quais-2") {
		t.Errorf("got %d at %q, want les-quais-2", res.status, res.header.Get("Location"))
	}
	if res := s.do(request{method: "POST", path: "/v1/collections/consultations/move/Les-Quais", header: jsonBody("*"), body: `{"to": "les-quais"}`}); res.status != http.StatusOK {
		t.Errorf("another case: got %d %s", res.status, res.body)
	}
}

// TestHiddenFieldsComeBack reverts and restores for someone who does not see a
// field: it is on disk as before, and not in what they get.
func TestHiddenFieldsComeBack(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	src := strings.Replace(sample, "in_progress: true\n", "", 1)
	s.create("consultations", "plan-velo", src)
	limited, err := auth.Mint(s.issuer, auth.Claims{Subject: "lou", Roles: []string{"limited"}, TTL: time.Hour,
		Extra: map[string]any{"org": []string{"Ville de Valmont"}}})
	if err != nil {
		t.Fatal(err)
	}
	as := func(method, path string, header map[string]string, body string, status int) response {
		t.Helper()
		res := s.do(request{method: method, path: path, header: header, body: body, token: limited})
		if res.status != status || strings.Contains(string(res.body), "note") {
			t.Fatalf("%s %s: got %d %s, want %d without the note", method, path, res.status, res.body, status)
		}
		return res
	}
	const revert = "/v1/collections/consultations/revert/plan-velo"
	on := func() string { t.Helper(); return s.file("_consultations/plan-velo.md") }
	first := as("GET", entryPath("plan-velo"), nil, "", 200).header.Get("ETag")

	as("PATCH", entryPath("plan-velo"), mergePatch("*"), `{"fields": {"title": "Plan marche"}}`, 200)
	if res := s.do(request{method: "PATCH", path: entryPath("plan-velo"), header: mergePatch("*"), body: `{"fields": {"note": 5}}`}); res.status != http.StatusOK {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	as("POST", revert, jsonBody("*"), `{"to": `+first+`}`, 200)
	if got, want := on(), strings.Replace(src, "note: 3", "note: 5", 1); got != want {
		t.Errorf("reverted: got %q, want %q", got, want)
	}

	as("DELETE", entryPath("plan-velo"), map[string]string{"If-Match": "*"}, "", 204)
	as("POST", revert+"?dry_run=true", jsonBody(""), `{"to": `+first+`}`, 200)
	restored := as("POST", revert, jsonBody(""), `{"to": "`+strings.TrimSpace(s.runGit("rev-parse", "main~1"))+`"}`, 201)
	if restored.header.Get("ETag") != first {
		t.Errorf("restored at %s, want %s", restored.header.Get("ETag"), first)
	}
	if got, want := on(), strings.Replace(src, "note: 3", "note: 5", 1); got != want {
		t.Errorf("restored: got %q, want %q", got, want)
	}
}
