package api_test

import (
	"encoding/base64"
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
	if got := s.file("liens/deux.md"); got != "---\ntitle: Deux\netapes:\n- vers: 'plan' # là\n---\n" {
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
	if got := s.file("liens/un.md"); got != "---\ntitle: Un\n---\n" {
		t.Errorf("got %s", got)
	}
}

// TestMediaBesideEntries writes an image and the entry that shows it in one commit, and
// moves and deletes it by each door.
func TestMediaBesideEntries(t *testing.T) {
	s := newWholeServer(t)
	c := newConformance(t, s.do(request{method: "GET", path: "/openapi.json"}).body)
	ask := func(id string, r request, status int, has string) response {
		t.Helper()
		res := s.do(r)
		if res.status != status || !strings.Contains(string(res.body), has) {
			t.Fatalf("%s %s: got %d %s, want %d with %s", r.method, r.path, res.status, res.body, status, has)
		}
		c.check(s.server, id, r, res)
		return res
	}
	const svg = `<svg xmlns="http://www.w3.org/2000/svg"/>`
	image := base64.StdEncoding.EncodeToString([]byte(svg))
	batch := func(key, operations string) request {
		return request{method: "POST", path: "/v1/batch", body: `{"operations":[` + operations + `]}`, header: map[string]string{"Content-Type": "application/json", "Idempotency-Key": key}}
	}
	put := `{"op":"create","collection":"media","slug":"photos/a.svg","content":"` + image + `"}`
	page := `{"op":"create","collection":"pages","slug":"un","fields":{"title":"Un"},"body":"![a](/img/photos/a.svg)\n"}`
	for name, operation := range map[string]string{
		"no content":    `{"op":"create","collection":"media","slug":"a.svg"}`,
		"no base64":     `{"op":"create","collection":"media","slug":"a.svg","content":"?"}`,
		"no name":       `{"op":"create","collection":"media","content":"` + image + `"}`,
		"outside":       `{"op":"create","collection":"media","slug":"../a.svg","content":"` + image + `"}`,
		"patch":         `{"op":"patch","collection":"media","slug":"a.svg","if_match":"*"}`,
		"fields":        `{"op":"put","collection":"media","slug":"a.svg","if_match":"*","content":"` + image + `","fields":{}}`,
		"clear":         `{"op":"delete","collection":"media","slug":"a.svg","if_match":"*","references":"clear"}`,
		"not its type":  `{"op":"create","collection":"media","slug":"a.png","content":"` + image + `"}`,
		"no new name":   `{"op":"move","collection":"media","slug":"a.svg","if_match":"*"}`,
		"no such thing": `{"op":"create","collection":"pages","slug":"a","content":"` + image + `"}`,
	} {
		res := s.do(batch("x", page+","+operation))
		if res.status != http.StatusUnprocessableEntity || !strings.Contains(string(res.body), "/operations/1/") && !strings.Contains(string(res.body), `"operation":1`) {
			t.Errorf("%s: got %d %s", name, res.status, res.body)
		}
		c.check(s.server, "batch", batch("x", page+","+operation), res)
	}
	ask("batch", batch("x", put+","+page+`,{"op":"delete","collection":"media","slug":"b.svg","if_match":"*"}`), 404, `"operation":2`)
	res := ask("batch", batch("un", put+","+page), 200, `"collection":"media","slug":"photos/a.svg","revision":"`)
	tip := s.head()
	if got := s.runGit("show", "--format=", "--name-status", "main"); got != "A\timg/photos/a.svg\nA\tpages/un.md\n" {
		t.Errorf("got %s", got)
	}
	again := ask("batch", batch("un", put+","+page), 200, `"collection":"media"`)
	if string(again.body) != string(res.body) || again.header.Get("Idempotency-Replayed") != "true" || s.head() != tip {
		t.Errorf("again: got %s, want %s", again.body, res.body)
	}
	var feed struct {
		Items []struct{ Media, Slug, Action, Commit string }
	}
	list := ask("list-changes", request{method: "GET", path: "/v1/changes"}, 200, "")
	if err := json.Unmarshal(list.body, &feed); err != nil || len(feed.Items) != 2 || feed.Items[0].Slug+feed.Items[1].Slug != "un" || feed.Items[0].Media+feed.Items[1].Media != "photos/a.svg" || feed.Items[0].Commit != feed.Items[1].Commit {
		t.Errorf("got the changes %s", list.body)
	}
	body := `{"collection":"pages","slug":"un","title":"Un","field":"body","pointer":"/body"}`
	ask("media-references", request{method: "GET", path: "/v1/media-references/photos/a.svg"}, 200, `{"items":[`+body+`],"next_cursor":null}`)
	ask("media-references", request{method: "GET", path: "/v1/media-references/photos%2Fa.svg?limit=1", token: s.mint("photographer")}, 200, `{"items":[],"next_cursor":null}`)
	ask("media-references", request{method: "GET", path: "/v1/media-references/photos/b.svg"}, 404, "")
	whatever := map[string]string{"If-Match": "*"}
	ask("delete-media", request{method: "DELETE", path: "/v1/media/photos/a.svg?references=refuse", header: whatever}, 409, `"references":[`+body+`]`)
	ask("delete-media", request{method: "DELETE", path: "/v1/media/photos/a.svg?references=clear", header: whatever}, 422, "query.references")
	move := func(query string) request {
		return request{method: "POST", path: "/v1/media-move/photos/a.svg" + query, header: jsonBody("*"), body: `{"to":"vues/b.svg"}`}
	}
	ask("move-media", move("?references=refuse"), 409, `"references":[`+body+`]`)
	ask("move-media", move("?references=update&dry_run=true"), 200, `"references":[`+body+`]`)
	if s.head() != tip {
		t.Fatalf("something was committed: %s", s.runGit("show", "main"))
	}
	keyed := move("?references=update")
	keyed.header["Idempotency-Key"] = "deux"
	first := ask("move-media", keyed, 200, `"path":"vues/b.svg"`)
	if got := first.header.Get("Location"); got != "/v1/media/vues/b.svg" {
		t.Errorf("got the location %q", got)
	}
	if second := ask("move-media", keyed, 200, ""); string(second.body) != string(first.body) || second.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again: got %s, want %s", second.body, first.body)
	}
	if got := s.file("pages/un.md"); !strings.HasSuffix(got, "![a](/img/vues/b.svg)\n") {
		t.Errorf("got %s", got)
	}
	ask("batch", batch("x", `{"op":"delete","collection":"pages","slug":"un","if_match":"*"},{"op":"delete","collection":"media","slug":"vues/b.svg","if_match":"*","references":"refuse"}`), 200, `"collection":"media"`)
	if got := s.runGit("ls-tree", "-r", "--name-only", "main"); got != "" {
		t.Errorf("got %s", got)
	}
}
