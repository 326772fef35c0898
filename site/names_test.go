package site_test

import (
	"fmt"
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/site"
)

// TestNamesOfLists filters and sorts by what is the entries' own, by fields of the same
// names, and by names that there are not.
func TestNamesOfLists(t *testing.T) {
	t.Parallel()
	f := siteOf(t, []content.Collection{
		{Name: "pages", Folder: "pages", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "title", Type: content.TypeString, Required: true}, {Name: "voir", Type: content.TypeReference, Collection: "pages"},
			{Name: "note", Type: content.TypeString}}}},
		{Name: "permis", Folder: "permis", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{{Name: "slug", Type: content.TypeInteger}}}},
		{Name: "libres", Folder: "libres", Extension: ".md"},
		{Name: "vides", Folder: "vides", Extension: ".md"},
	}, map[string]map[string]auth.Grant{
		"editor":  {"*": {Actions: everything}},
		"limited": {"pages": {Actions: []auth.Action{auth.Read}, Hide: []string{"note", "secret"}}},
	})
	bob := person("bob", "editor")
	for i, slug := range []string{"b", "a/z", "c"} {
		pr := f.editor
		if i == 2 {
			pr = bob
		}
		if err := f.createSource(pr, ref(t, "pages", slug), fmt.Sprintf("---\ntitle: T%d\nnote: n\nsecret: s\nextra: {x: %d}\n---\n", i, i)); err != nil {
			t.Fatal(err)
		}
	}
	f.Commit(map[string]string{
		"pages/d.md": "---\ntitle: T3\nvoir: rien\n---\n", "pages/e.md": "---\nvoir: b\n---\n", "pages/f.md": "---\ntitle: [\n---\n",
		"permis/y.md": "---\nslug: 10\n---\n",
		"libres/x.md": "---\nslug: b\npath: q\n---\n", "libres/y.md": "---\nslug: a\n---\n",
	})
	f.FastImport("commit refs/heads/main\ncommitter D <d@example.org> 1500000000 +0000\ndata 0\nfrom refs/heads/main^0\nM 100644 inline permis/x.md\ndata 16\n---\nslug: 2\n---\n\n")
	limited := person("max", "limited")
	list := func(pr *auth.Principal, collection, filter, sort string) string {
		q := site.Query{Limit: 10}
		if sort != "" {
			q.Sort = orders(sort)
		}
		for part := range strings.SplitSeq(filter, " ") {
			if name, rest, ok := strings.Cut(part, ":"); ok {
				op, value, _ := strings.Cut(rest, ":")
				q.Filters = append(q.Filters, site.Filter{Field: name, Op: site.Op(op), Value: value})
			}
		}
		page, err := f.List(t.Context(), pr, collection, q)
		if err != nil {
			return string(code(t, err))
		}
		var slugs []string
		for _, e := range page.Items {
			slugs = append(slugs, e.Slug.String())
		}
		return strings.Join(slugs, " ")
	}
	const no = "malformed"
	for _, tt := range []struct {
		pr                             *auth.Principal
		collection, filter, sort, want string
	}{
		{f.editor, "pages", "", "-slug", "f e d c b a/z"},
		{f.editor, "pages", "", "-@slug", "f e d c b a/z"},
		{f.editor, "pages", "", "path", "a/z b c d e f"},
		{f.editor, "pages", "slug:eq:a/z", "", "a/z"},
		{f.editor, "pages", "@slug:in:b,c", "", "b c"},
		{f.editor, "pages", "path:contains:pages/A", "", "a/z"},
		{f.editor, "pages", "slug:prefix:a/", "", "a/z"},
		{f.editor, "pages", "path:prefix:pages/a/", "", "a/z"},
		{f.editor, "pages", "path:prefix:PAGES/", "", ""},
		{f.editor, "pages", "slug:prefix:a slug:prefix:b", "", ""},
		{f.editor, "pages", "title:prefix:T", "-slug", "d c b a/z"},
		{limited, "pages", "note:prefix:n", "", no},
		{f.editor, "pages", "updated.author:eq:bob", "", "c"},
		{f.editor, "pages", "updated.author.email:eq:bob@example.org", "", "c"},
		{f.editor, "pages", "updated.author.name:ne:bob @updated.author.name:ne:D", "", "a/z b"},
		{f.editor, "pages", "updated:gte:2020-01-01", "-slug", "f e d c b a/z"},
		{f.editor, "pages", "updated:lt:2020-01-01", "", ""},
		{f.editor, "pages", "updated:eq:hier", "", no},
		{f.editor, "permis", "", "updated", "x y"},
		{f.editor, "permis", "", "-updated", "y x"},
		{f.editor, "pages", "valid:eq:true", "", "a/z b c"},
		{f.editor, "pages", "valid:eq:false", "", "d e f"},
		{f.editor, "pages", "", "valid,-slug", "f e d c b a/z"},
		{f.editor, "pages", "extra.x:gte:1", "-extra.x", "c a/z"},
		{f.editor, "pages", "secret:eq:s", "", "a/z b c"},
		{f.editor, "pages", "inconnu:eq:a", "", no},
		{f.editor, "pages", "inconnu:exists:false", "", no},
		{f.editor, "pages", "", "-inconnu", no},
		{f.editor, "pages", "", "extra.y", no},
		{f.editor, "pages", "", "@title", no},
		{f.editor, "pages", "@rien:eq:1", "", no},
		{limited, "pages", "note:eq:n", "", no},
		{limited, "pages", "secret:exists:true", "", no},
		{limited, "pages", "", "secret", no},
		{limited, "pages", "", "note", no},
		{limited, "pages", "title:gte:T1", "-title", "d c a/z"},
		{limited, "pages", "updated.author:eq:bob", "", "c"},
		{f.editor, "permis", "slug:gt:2", "", "y"},
		{f.editor, "permis", "@slug:eq:x", "", "x"},
		{f.editor, "permis", "", "-slug", "y x"},
		{f.editor, "permis", "", "@slug", "x y"},
		{f.editor, "libres", "", "slug", "y x"},
		{f.editor, "libres", "", "@slug", "x y"},
		{f.editor, "libres", "path:eq:q", "", "x"},
		{f.editor, "libres", "title:eq:q", "", no},
		{f.editor, "vides", "title:eq:q", "-rien", ""},
	} {
		if got := list(tt.pr, tt.collection, tt.filter, tt.sort); got != tt.want {
			t.Errorf("%s of %s by %q, sorted by %q: got %q, want %q", tt.pr.Name, tt.collection, tt.filter, tt.sort, got, tt.want)
		}
	}
	f.Commit(map[string]string{"pages/rien.md": "---\ntitle: Rien\n---\n"})
	if got := list(f.editor, "pages", "valid:eq:false", ""); got != "e f" {
		t.Errorf("once the reference leads somewhere: got %q", got)
	}
	f.Commit(map[string]string{"pages/b.md": "---\ntitle: T\ninconnu: 1\n---\n"})
	if got := list(f.editor, "pages", "inconnu:eq:1", ""); got != "b" {
		t.Errorf("once an entry has the field: got %q", got)
	}
}

// TestNamesThatMayBeMeant: a name that there is not is told with the nearest one that the
// caller may see.
func TestNamesThatMayBeMeant(t *testing.T) {
	t.Parallel()
	f := siteOf(t, []content.Collection{
		{Name: "pages", Folder: "pages", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "title", Type: content.TypeString}, {Name: "note", Type: content.TypeString},
			{Name: "lieux", Type: content.TypeList, Of: &content.Field{Type: content.TypeObject, Fields: []content.Field{{Name: "commune", Type: content.TypeString}}}}}}},
	}, map[string]map[string]auth.Grant{
		"editor":  {"*": {Actions: everything}},
		"limited": {"pages": {Actions: []auth.Action{auth.Read}, Hide: []string{"note", "secret"}}},
		"local":   {"pages": {Actions: []auth.Action{auth.Read}, Where: []auth.Condition{{Field: "title", Values: []content.Value{"A"}}}}},
	})
	f.Commit(map[string]string{"pages/a.md": "---\ntitle: A\nnote: n\nsecret: s\nauteur: x\n---\n", "pages/b.md": "---\ntitle: B\nordre: 1\n---\n"})
	for _, tt := range []struct{ role, name, want string }{
		{"editor", "titel", "title"}, {"editor", "Title", "title"}, {"editor", "nots", "note"}, {"editor", "secrt", "secret"}, {"editor", "ordr", "ordre"},
		{"editor", "lieux.comune", "lieux.commune"}, {"editor", "update", "updated"}, {"editor", "updated.autor", "updated.author"}, {"editor", "valide", "valid"},
		{"editor", "rien-de-tel", ""}, {"editor", "auter", "auteur"},
		{"limited", "nots", ""}, {"limited", "note", ""}, {"limited", "secrt", ""}, {"limited", "auter", "auteur"},
		{"local", "ordr", ""}, {"local", "auter", "auteur"}, {"local", "secrt", "secret"},
	} {
		pr := person("max", tt.role)
		_, sorted := f.List(t.Context(), pr, "pages", site.Query{Limit: 1, Sort: orders(tt.name)})
		_, filtered := f.List(t.Context(), pr, "pages", site.Query{Limit: 1, Filters: []site.Filter{{Field: tt.name, Op: site.Eq, Value: "x"}}})
		_, counted := f.Facets(t.Context(), pr, "pages", site.FacetQuery{Fields: []string{tt.name}, Limit: 1})
		for _, err := range []error{sorted, filtered, counted} {
			if code(t, err) != site.Malformed {
				t.Fatalf("%s of %s: got %v", tt.name, tt.role, err)
			}
			_, meant, _ := strings.Cut(err.Error(), "Did you mean ")
			if got := strings.Trim(meant, "\"?"); got != tt.want {
				t.Errorf("%s of %s: got %q, want %q", tt.name, tt.role, got, tt.want)
			}
		}
	}
}

// TestCursorsHaveRoom sorts by as many long texts as a query may: the cursor is one that
// the API takes back.
func TestCursorsHaveRoom(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	long := strings.Repeat("Délibération ", 200)
	for _, slug := range []string{strings.Repeat(strings.Repeat("a", 200)+"/", 4) + strings.Repeat("b", 190), "z"} {
		f.Commit(map[string]string{"_consultations/" + slug + ".md": fmt.Sprintf("---\ntitle: %s\na: %[1]s\nb: %[1]s\nc: %[1]s\nd: %[1]s\n---\n", long)})
	}
	page, err := f.List(t.Context(), f.editor, "consultations", site.Query{Limit: 1, Sort: orders("title,-a,b,-c,d")})
	if err != nil || page.Next == "" || len(page.Next) > 8192 {
		t.Fatalf("got a cursor of %d bytes, %v", len(page.Next), err)
	}
	page, err = f.List(t.Context(), f.editor, "consultations", site.Query{Limit: 1, Sort: orders("title,-a,b,-c,d"), Cursor: page.Next})
	if err != nil || len(page.Items) != 1 || page.Items[0].Slug.String() != "z" {
		t.Errorf("behind the cursor: got %v, %v", page, err)
	}
}
