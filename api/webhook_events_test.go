package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/jsonschema/v6"

	"cms/webhooks"
)

// TestEventsAreAsDocumented has an event of each type delivered, and holds it against the
// schema that the OpenAPI document has for it.
func TestEventsAreAsDocumented(t *testing.T) {
	s, _ := newServerWithHooks(t, bytes.NewBuffer(nil))
	var document struct {
		Webhooks map[string]struct {
			Post struct {
				RequestBody struct {
					Content map[string]struct {
						Schema struct {
							Ref string `json:"$ref"`
						}
					}
				}
			}
		}
	}
	raw := s.do(request{method: "GET", path: "/openapi.json", token: "-"}).body
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(document.Webhooks)); !slices.Equal(got, slices.Sorted(slices.Values(webhooks.Types()))) {
		t.Errorf("the document has the events %q", got)
	}
	schemas := jsonschema.NewCompiler()
	schemas.AssertFormat()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err == nil {
		err = schemas.AddResource("openapi.json", parsed)
	}
	if err != nil {
		t.Fatal(err)
	}

	plain, prefixed := newInbox(t), newInbox(t)
	s.operate("POST", "/v1/webhooks", `{"name": "tout", "url": "`+plain.URL+`"}`, http.StatusCreated, nil)
	s.operate("POST", "/v1/webhooks", `{"name": "prefixe", "url": "`+prefixed.URL+`", "event_type_prefix": "org.example.cms"}`, http.StatusCreated, nil)
	whatever, anew := map[string]string{"If-Match": "*"}, map[string]string{"If-None-Match": "*", "Content-Type": "text/markdown"}
	must := func(r request) {
		t.Helper()
		if res := s.do(r); res.status >= 300 {
			t.Fatalf("%s %s: got %d %s", r.method, r.path, res.status, res.body)
		}
	}
	must(request{method: "PUT", path: entryPath("plan"), header: anew, body: sample})
	s.patch("plan", `{"fields": {"in_progress": false}}`)
	must(request{method: "POST", path: "/v1/collections/consultations/move/plan", header: map[string]string{"If-Match": "*", "Content-Type": "application/json"}, body: `{"to": "plan-velo"}`})
	must(request{method: "DELETE", path: entryPath("plan-velo"), header: whatever})
	const drawing, other = `<svg xmlns="http://www.w3.org/2000/svg"/>`, `<svg xmlns="http://www.w3.org/2000/svg" width="1"/>`
	must(request{method: "PUT", path: "/v1/media/a.svg", header: anew, body: drawing})
	must(request{method: "PUT", path: "/v1/media/a.svg", header: map[string]string{"If-Match": "*", "Content-Type": "image/svg+xml"}, body: other})
	git, _ := s.clone()
	git("mv", "img/a.svg", "img/b.svg")
	git("commit", "-q", "-m", "Renomme")
	git("push", "-q")
	if err := s.repo.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(request{method: "DELETE", path: "/v1/media/b.svg", header: whatever})
	head := strings.TrimSpace(s.runGit("rev-parse", "main")) // a commit as of a join that set something aside
	made := strings.TrimSpace(s.runGit("-c", "user.name=CMS", "-c", "user.email=cms@example.org", "commit-tree", "-p", head, head+"^{tree}",
		"-m", "Join", "-m", "Set-Aside: _consultations/plan-velo.md as cms/conflicts/3f786850e387"))
	s.runGit("update-ref", "refs/heads/main", made, head)
	s.takeOver()
	s.push(map[string]string{"_config.yml": "title: Site\n"})
	for _, name := range []string{"tout", "prefixe"} {
		s.operate("POST", "/v1/webhooks/"+name+"/test", "", http.StatusAccepted, nil)
	}

	for prefix, in := range map[string]*inbox{"": plain, "org.example.cms.": prefixed} {
		seen := func() map[string]posted {
			in.mu.Lock()
			defer in.mu.Unlock()
			all := map[string]posted{}
			for _, p := range in.got {
				var e struct{ Type string }
				if err := json.Unmarshal(p.body, &e); err != nil {
					t.Fatal(err)
				}
				all[strings.TrimPrefix(e.Type, prefix)] = p
			}
			return all
		}
		s.until(fmt.Sprintf("an event of each type behind %q", prefix), func() bool { return len(seen()) == len(webhooks.Types()) })
		for name, p := range seen() {
			media := document.Webhooks[name].Post.RequestBody.Content[p.header.Get("Content-Type")]
			schema, err := schemas.Compile("openapi.json" + media.Schema.Ref)
			if err != nil || media.Schema.Ref == "" {
				t.Errorf("%s: no schema: %v", name, err)
				continue
			}
			event, err := jsonschema.UnmarshalJSON(bytes.NewReader(p.body))
			if err == nil {
				err = schema.Validate(event)
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", name, err, p.body)
			}
			// Each schema tells its events from the others.
			for other, of := range document.Webhooks {
				ref := of.Post.RequestBody.Content[p.header.Get("Content-Type")].Schema.Ref
				if wrong, err := schemas.Compile("openapi.json" + ref); ref != media.Schema.Ref && (err != nil || wrong.Validate(event) == nil) {
					t.Errorf("%s is valid as %s, too: %v", name, other, err)
				}
			}
		}
	}
}
