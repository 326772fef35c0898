package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cms/content"
)

// TestSameWordsThroughEveryDoor sends the same words, as people spell them, wherever the
// API takes words: what one door finds, however it is spelled, the others do; and what one
// refuses as a value that another entry has, as it is spelled there, the others do.
func TestSameWordsThroughEveryDoor(t *testing.T) {
	t.Parallel()
	s := newServerOf(t, []content.Collection{{Name: "lieux", Folder: "_lieux", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
		{Name: "title", Type: "string", Required: true}, {Name: "nom", Type: "string", Unique: true},
	}}}}, func(*options) {})
	const at = "/v1/collections/lieux/"
	anew := map[string]string{"Content-Type": "application/json", "If-None-Match": "*"}
	patched := map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": "*"}
	text := func(v string) string { return string(mustJSON(t, v)) }
	want := func(status int, r request) response {
		t.Helper()
		res := s.do(r)
		if res.status != status {
			t.Fatalf("%s %s %s: got %d %s, want %d", r.method, r.path, r.body, res.status, res.body, status)
		}
		return res
	}
	want(201, request{method: "PUT", path: at + "entries/autre", header: anew, body: `{"fields": {"title": "Tout autre", "nom": "Tout autre"}, "body": ""}`})
	for name, spellings := range map[string][]string{
		"l-eau-de-la-valmonte": {"L’eau de la Valmonte", "l'eau de la valmonte", "L`EAU DE LA VALMONTE", "Lʼeau de la\u00a0Valmonte", "L’e\u0061\u0075 de la\u202fVALMONTE"},
		"coeur-de-ville":       {"Cœur de ville", "CŒUR DE VILLE", "coeur de ville", "Cœ\u00adur de\u2009ville"},
		"finances-de-l-etat":   {"ﬁnances de l’État", "Finances de l'E\u0301tat", "FINANCES DE L‘ÉTAT"},
		"strasse-du-port":      {"Straße du port", "STRASSE DU PORT", "straſſe du port"},
	} {
		for _, title := range spellings {
			body := `{"fields": {"title": ` + text(title) + `, "nom": ` + text(title) + `}}`
			var made struct{ Slug string }
			if err := json.Unmarshal(want(201, request{method: "POST", path: at + "entries", header: jsonBody(""), body: body}).body, &made); err != nil || !strings.HasPrefix(made.Slug, name) {
				t.Errorf("%q: got the slug %s, %v, want %s", title, made.Slug, err, name)
			}
		}
		for _, words := range spellings {
			asked := url.QueryEscape(words)
			for _, door := range []string{
				at + "entries?q=" + asked, at + "entries?filter%5Btitle%5D%5Bcontains%5D=" + asked, at + "entries?where=title:contains:" + asked,
				"/v1/search?q=" + asked, "/v1/search?collection=lieux&q=" + asked,
			} {
				var found struct{ Total int }
				if err := json.Unmarshal(want(200, request{method: "GET", path: door}).body, &found); err != nil || found.Total != len(spellings) {
					t.Errorf("%s: got %d, %v, want %d", door, found.Total, err, len(spellings))
				}
			}
			operation := func(op string) string {
				return `{"operations": [{"collection": "lieux", ` + op + `, "fields": {"title": "Encore", "nom": ` + text(words) + `}}]}`
			}
			for what, r := range map[string]request{
				"post":           {method: "POST", path: at + "entries", header: jsonBody(""), body: `{"fields": {"title": "Encore", "nom": ` + text(words) + `}}`},
				"put":            {method: "PUT", path: at + "entries/encore", header: anew, body: `{"fields": {"title": "Encore", "nom": ` + text(words) + `}, "body": ""}`},
				"put of a file":  {method: "PUT", path: at + "entries/encore", header: map[string]string{"Content-Type": "text/markdown", "If-None-Match": "*"}, body: "---\ntitle: Encore\nnom: " + text(words) + "\n---\n"},
				"put over":       {method: "PUT", path: at + "entries/autre", header: jsonBody("*"), body: `{"fields": {"title": "Encore", "nom": ` + text(words) + `}, "body": ""}`},
				"patch":          {method: "PATCH", path: at + "entries/autre", header: patched, body: `{"fields": {"nom": ` + text(words) + `}}`},
				"JSON patch":     {method: "PATCH", path: at + "entries/autre", header: map[string]string{"Content-Type": "application/json-patch+json", "If-Match": "*"}, body: `[{"op": "replace", "path": "/fields/nom", "value": ` + text(words) + `}]`},
				"dry run":        {method: "PATCH", path: at + "entries/autre?dry_run=true", header: patched, body: `{"fields": {"nom": ` + text(words) + `}}`},
				"batch":          {method: "POST", path: "/v1/batch", header: jsonBody(""), body: operation(`"op": "create"`)},
				"batch of edits": {method: "POST", path: "/v1/batch", header: jsonBody(""), body: operation(`"op": "patch", "slug": "autre", "if_match": "*"`)},
			} {
				res := s.do(r)
				var p struct{ Errors []struct{ Rule string } }
				if err := json.Unmarshal(res.body, &p); err != nil || res.status != http.StatusUnprocessableEntity || len(p.Errors) != 1 || p.Errors[0].Rule != "unique" {
					t.Errorf("%s of %q: got %d %s, want that it is not unique", what, words, res.status, res.body)
				}
			}
		}
	}
	// An entry that a push brought says of itself what an edit would have been refused for.
	pushed := fmt.Sprintf("---\ntitle: Poussé\nnom: %q\n---\n", "L’eau de la Valmonte")
	s.push(map[string]string{"_lieux/pousse.md": pushed})
	var e struct {
		Valid    bool
		Problems []struct{ Rule string }
	}
	if err := json.Unmarshal(want(200, request{method: "GET", path: at + "entries/pousse"}).body, &e); err != nil || e.Valid || len(e.Problems) != 1 || e.Problems[0].Rule != "unique" {
		t.Errorf("got %+v, %v, want that its name is not unique", e, err)
	}
}
