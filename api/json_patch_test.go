package api_test

import (
	"net/http"
	"testing"
)

// TestJSONPatchesOfAnyForm sends any body as a JSON Patch: it is applied, or refused with
// a problem that blames the request and leaves the entry as it is. Many more are tried in
// package content.
func TestJSONPatchesOfAnyForm(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "plan-velo", sample)
	read := request{method: "GET", path: entryPath("plan-velo"), header: map[string]string{"Accept": "text/markdown"}}
	for _, patch := range []string{
		`[]`, `{}`, `[{}]`, `[null]`, ``, `[{"op": "add", "path": "", "value": null}]`,
		`[{"op": "replace", "path": "/fields/title", "value": "Plan marche"}]`,
		`[{"op": "add", "path": "/fields/methodes/-", "value": {"a~b": [1.5e300, "\u0000"]}}]`,
		`[{"op": "remove", "path": "/fields/title"}]`,
		`[{"op": "move", "from": "/fields/methodes", "path": "/fields/methodes/0"}]`,
		`[{"op": "copy", "from": "/fields", "path": "/fields/a~1b"}, {"op": "test", "path": "/body", "value": 3}]`,
		`[{"op": "replace", "path": "/body", "value": "---\n---\n"}]`,
		`[{"op": "replace", "path": "/fields", "value": {"title": "---\n"}}]`,
	} {
		res := s.do(request{method: "PATCH", path: entryPath("plan-velo"), body: patch,
			header: map[string]string{"Content-Type": "application/json-patch+json", "If-Match": "*"}})
		now := s.do(read)
		switch {
		case res.status >= 500 || now.status != http.StatusOK:
			t.Fatalf("got %d %s, and then %d", res.status, res.body, now.status)
		case res.status != http.StatusOK && string(now.body) != sample:
			t.Fatalf("refused with %d, and yet %q became %q", res.status, sample, now.body)
		case string(now.body) == sample:
			continue
		}
		back := s.do(request{method: "PUT", path: entryPath("plan-velo") + "?exact=true", body: sample,
			header: map[string]string{"Content-Type": "text/markdown", "If-Match": res.header.Get("ETag")}})
		if back.status != http.StatusOK {
			t.Fatalf("what was saved cannot be replaced: got %d %s", back.status, back.body)
		}
	}
}
