package site_test

import (
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/site"
)

// newCrossed is a site of events with places, of which some have a condition, and
// people, whom visitors may not read.
func newCrossed(t testing.TB) *fixture {
	reference := func(name, to string) content.Field {
		return content.Field{Name: name, Type: content.TypeReference, Collection: to}
	}
	lieu := reference("", "lieux")
	return siteOf(t, []content.Collection{
		{Name: "lieux", Folder: "lieux", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "title", Type: content.TypeString}, {Name: "code", Type: content.TypeString, Unique: true}}}},
		{Name: "gens", Folder: "gens", Extension: ".md"},
		{Name: "evenements", Folder: "evenements", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "title", Type: content.TypeString},
			reference("lieu", "lieux"),
			{Name: "lieux", Type: content.TypeList, Of: &lieu},
			{Name: "etapes", Type: content.TypeList, Of: &content.Field{Type: content.TypeObject, Fields: []content.Field{reference("lieu", "lieux"), {Name: "heure", Type: content.TypeString}}}},
			reference("guide", "gens"),
		}}},
	}, map[string]map[string]auth.Grant{
		"editor":  {"*": auth.Grant{Actions: everything}},
		"visitor": {"evenements": auth.Grant{Actions: everything}, "lieux": {Actions: everything, Where: []auth.Condition{{Field: "ouvert", Values: []content.Value{true}}}}},
	})
}

// TestProblemsWithOtherEntries tells each door what is wrong with an entry because of
// others, as Check does, and no more once the others are as they must be.
func TestProblemsWithOtherEntries(t *testing.T) {
	t.Parallel()
	f := newCrossed(t)
	f.Commit(map[string]string{
		"lieux/parc.md":    "---\ntitle: Parc\ncode: a\nouvert: true\n---\n",
		"lieux/cave.md":    "---\ntitle: Cave\ncode: a\n---\n",
		"gens/ann.md":      "---\n---\n",
		"evenements/un.md": "---\ntitle: Un\nlieu: parc\nlieux: [parc, cave, nulle-part]\netapes: [{lieu: ici}]\nguide: ann\n---\nFête.\n",
		"evenements/ok.md": "---\ntitle: Bien\nlieu: parc\nguide: personne\n---\nFête.\n",
	})
	rules := func(problems []content.Problem) string {
		var told []string
		for _, p := range problems {
			told = append(told, p.Field+" "+p.Rule)
		}
		return strings.Join(told, ", ")
	}
	visitor := person("bob", "visitor")
	check := func(pr *auth.Principal, collection, slug, want string) {
		t.Helper()
		e, err := f.Entry(t.Context(), pr, ref(t, collection, slug))
		if err != nil {
			t.Fatal(err)
		}
		got := []string{rules(e.Problems)}
		for range 2 { // once kept
			page, err := f.List(t.Context(), pr, collection, site.Query{Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Items {
				if e.Slug.String() == slug {
					got = append(got, rules(e.Problems))
				}
			}
		}
		if collection == "evenements" {
			hits, err := f.Search(t.Context(), pr, site.Search{Text: "fête", Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range hits.Items {
				if h.Entry.Slug.String() == slug {
					got = append(got, rules(h.Entry.Problems))
				}
			}
			out, err := f.Update(t.Context(), pr, ref(t, collection, slug), site.MergePatch(fields("fields", fields("title", "Neuf "+pr.Name+want))), whatever)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, rules(out.Entry.Problems))
		}
		if pr == f.editor {
			broken, _, err := f.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			found := ""
			for _, e := range broken {
				if e.Ref == ref(t, collection, slug) {
					found = rules(e.Problems)
				}
			}
			got = append(got, found)
		}
		for i, told := range got {
			if told != want {
				t.Errorf("%s/%s for %s, door %d: got %q, want %q", collection, slug, pr.Name, i, told, want)
			}
		}
	}
	check(f.editor, "lieux", "parc", "code unique")
	check(f.editor, "lieux", "cave", "code unique")
	check(visitor, "lieux", "parc", "code unique")
	check(f.editor, "evenements", "un", "lieux[2] reference, etapes[0].lieu reference")
	check(visitor, "evenements", "un", "lieux[1] reference, lieux[2] reference, etapes[0].lieu reference")
	check(f.editor, "evenements", "ok", "guide reference")
	check(visitor, "evenements", "ok", "")
	f.Commit(map[string]string{
		"lieux/cave.md":    "---\ntitle: Cave\ncode: b\nouvert: true\n---\n",
		"lieux/ici.md":     "---\ncode: c\nouvert: true\n---\n",
		"gens/personne.md": "---\n---\n", "lieux/nulle-part.md": "---\nouvert: true\n---\n",
	})
	for _, pr := range []*auth.Principal{f.editor, visitor} {
		check(pr, "lieux", "parc", "")
		check(pr, "evenements", "un", "")
		check(pr, "evenements", "ok", "")
	}
}
