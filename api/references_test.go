package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"cms/api"
	"cms/content"
)

// links is a collection of entries that refer to consultations.
var links = content.Collection{Name: "liens", Folder: "liens", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
	{Name: "title", Type: content.TypeString},
	{Name: "vers", Type: content.TypeReference, Collection: "consultations"},
	{Name: "etapes", Type: content.TypeList, Of: &content.Field{Type: content.TypeObject, Fields: []content.Field{{Name: "vers", Type: content.TypeReference, Collection: "consultations"}}}},
}}}

// TestReferences asks what refers to an entry, and moves and deletes it by each door.
func TestReferences(t *testing.T) {
	s := newServerOf(t, []content.Collection{links}, func(*options) {})
	s.create("consultations", "plan-velo", sample)
	s.create("liens", "un", "---\ntitle: Un\nvers: plan-velo\n---\n")
	s.create("liens", "deux", "---\ntitle: Deux\netapes:\n- vers: 'plan-velo' # là\n---\n")
	const at = "/v1/collections/consultations/"
	c := newConformance(t, s.do(request{method: "GET", path: "/openapi.json"}).body)
	ask := func(id string, r request, status int, has string) response {
		t.Helper()
		res := s.do(r)
		if res.status != status || !strings.Contains(string(res.body), has) {
			t.Fatalf("%s %s: got %d %s, want %d with %s", r.method, r.path, res.status, res.body, status, has)
		}
		if status != http.StatusUnprocessableEntity {
			c.check(s, id, r, res)
		}
		return res
	}
	one := `{"collection":"liens","slug":"un","title":"Un","field":"vers","pointer":"/fields/vers"}`
	two := `{"collection":"liens","slug":"deux","title":"Deux","field":"etapes[0].vers","pointer":"/fields/etapes/0/vers"}`
	ask("entry-references", request{method: "GET", path: at + "references/plan-velo"}, 200, `{"items":[`+two+`,`+one+`],"next_cursor":null}`)
	res := ask("entry-references", request{method: "GET", path: at + "references/plan-velo?limit=1"}, 200, `{"items":[`+two+`],"next_cursor":"`)
	var page api.References
	if err := json.Unmarshal(res.body, &page); err != nil {
		t.Fatal(err)
	}
	ask("entry-references", request{method: "GET", path: at + "references/plan-velo?limit=1&cursor=" + *page.NextCursor}, 200, `{"items":[`+one+`],"next_cursor":null}`)
	ask("entry-references", request{method: "GET", path: at + "references/plan-velo?cursor=x"}, 400, "cursor")
	ask("entry-references", request{method: "GET", path: at + "references/absent"}, 404, "")
	ask("entry-references", request{method: "GET", path: at + "references/plan-velo", token: s.mint("reader")}, 200, `{"items":[],"next_cursor":null}`)

	tip := s.head()
	ask("delete-entry", request{method: "DELETE", path: entryPath("plan-velo") + "?references=refuse", header: map[string]string{"If-Match": "*"}}, 409, `"references":[`+two+`,`+one+`]`)
	ask("delete-entry", request{method: "DELETE", path: entryPath("plan-velo") + "?references=update", header: map[string]string{"If-Match": "*"}}, 422, "references")
	ask("delete-entry", request{method: "DELETE", path: entryPath("plan-velo") + "?references=clear&dry_run=true", header: map[string]string{"If-Match": "*"}}, 200, `"references":[`+two+`,`+one+`]`)
	ask("move-entry", request{method: "POST", path: at + "move/plan-velo?references=refuse", header: jsonBody("*"), body: `{"to":"plan"}`}, 409, `"references":[`+two)
	ask("batch", request{method: "POST", path: "/v1/batch", header: jsonBody(""), body: `{"operations":[{"op":"delete","collection":"consultations","slug":"plan-velo","if_match":"*","references":"refuse"}]}`}, 409, `"references":[`+two)
	ask("batch", request{method: "POST", path: "/v1/batch", header: jsonBody(""), body: `{"operations":[{"op":"delete","collection":"consultations","slug":"plan-velo","if_match":"*","references":"update"}]}`}, 422, "/operations/0/references")
	ask("batch", request{method: "POST", path: "/v1/batch?dry_run=true", header: jsonBody(""), body: `{"operations":[{"op":"move","collection":"consultations","slug":"plan-velo","if_match":"*","to":"plan","references":"update"}]}`}, 200, `"references":[`+two)
	if got := s.head(); got != tip {
		t.Fatalf("something was committed: %s", s.runGit("show", got))
	}
	move := request{method: "POST", path: at + "move/plan-velo?references=update", header: jsonBody("*"), body: `{"to":"plan"}`}
	ask("move-entry", move, 200, `"slug":"plan"`)
	if got := s.runGit("show", "--format=%s", "--stat", "main"); !strings.HasPrefix(got, "Move consultations/plan-velo to consultations/plan with 2 references\n") || !strings.Contains(got, "3 files changed, 2 insertions(+), 2 deletions(-)") {
		t.Errorf("got the commit %s", got)
	}
	if got := s.runGit("show", "main:liens/deux.md"); got != "---\ntitle: Deux\netapes:\n- vers: 'plan' # là\n---\n" {
		t.Errorf("got %s", got)
	}
	var changes struct {
		Items []struct {
			Slug, Action string
			Changed      []string
		}
	}
	res = ask("list-changes", request{method: "GET", path: "/v1/changes?since=" + tip}, 200, "")
	if err := json.Unmarshal(res.body, &changes); err != nil || len(changes.Items) != 3 {
		t.Errorf("got the changes %s", res.body)
	}
	ask("entry-history", request{method: "GET", path: "/v1/collections/liens/history/un"}, 200, "with 2 references")
	ask("batch", request{method: "POST", path: "/v1/batch", header: jsonBody(""), body: `{"operations":[{"op":"delete","collection":"liens","slug":"deux","if_match":"*"},{"op":"delete","collection":"consultations","slug":"plan","if_match":"*","references":"clear"}]}`}, 200, `"changed":true`)
	if got := s.runGit("show", "main:liens/un.md"); got != "---\ntitle: Un\n---\n" {
		t.Errorf("got %s", got)
	}
}
