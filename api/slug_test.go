package api_test

import (
	"testing"

	"cms/content"
)

// TestSlugPatterns names new entries by the pattern of their collection, at each door that
// makes some, and says which field is missing.
func TestSlugPatterns(t *testing.T) {
	pattern, err := content.ParseSlugPattern("{date:2006-01-02}-{nom}")
	if err != nil {
		t.Fatal(err)
	}
	posts := content.Collection{Name: "posts", Folder: "_posts", Extension: ".md", Slugs: pattern, Language: "en", Schema: content.Schema{Defined: true, Fields: []content.Field{
		{Name: "nom", Type: "string"}, {Name: "date", Type: "date"},
	}}}
	s := newServerOf(t, []content.Collection{posts}, func(*options) {})
	create := func(body string) response {
		return s.do(request{method: "POST", path: "/v1/collections/posts/entries", header: jsonBody(""), body: body})
	}
	const fields = `{"fields": {"nom": "N° 5 & Q&R", "date": "2026-01-02"}}`
	for _, want := range []string{"2026-01-02-n-5-and-q-r", "2026-01-02-n-5-and-q-r-2"} {
		if res := create(fields); res.status != 201 || s.entry(res).Slug != want {
			t.Errorf("got %d %s, want %s", res.status, res.body, want)
		}
	}
	if res := create(`{"slug": "autre", "fields": {"nom": "A"}}`); res.status != 201 || s.entry(res).Slug != "autre" {
		t.Errorf("a slug of one's own: got %d %s", res.status, res.body)
	}
	res := create(`{"fields": {"date": "2026-01-02"}}`)
	if p := s.problem(res); res.status != 422 || len(p.Errors) != 1 || p.Errors[0].Field != "nom" || p.Errors[0].Rule != "required" {
		t.Errorf("without the field: got %d %s", res.status, res.body)
	}
	res = s.do(request{method: "POST", path: "/v1/batch", header: jsonBody(""), body: `{"operations": [
		{"op": "create", "collection": "posts", "fields": {"nom": "😀", "date": "2026-03-04"}},
		{"op": "create", "collection": "posts", "fields": {"nom": "B", "date": "2026-03-04"}}]}`})
	if res.status != 200 {
		t.Fatalf("a batch: got %d %s", res.status, res.body)
	}
	if got := s.do(request{method: "GET", path: "/v1/collections/posts/entries/2026-03-04-b"}); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
