package site_test

import (
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/site"
)

// The same files mean what the reader of their collection takes them for, at every door:
// entries, lists, filters, histories, moves, reverts and rights.
func TestFilesAreReadAsTheirCollectionIs(t *testing.T) {
	t.Parallel()
	every := []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete}
	schema := content.Schema{Defined: true, Fields: []content.Field{{Name: "title", Type: content.TypeString}, {Name: "ouvert", Type: content.TypeBoolean}, {Name: "dep", Type: content.TypeString}}}
	open := auth.Grant{Actions: every}
	open.Where = []auth.Condition{{Field: "ouvert", Values: []content.Value{true}}}
	hiding := auth.Grant{Actions: every}
	hiding.Hide = []string{"dep"}
	f := siteOf(t, []content.Collection{
		{Name: "jekyll", Folder: "_j", Extension: ".md", Schema: schema},
		{Name: "hugo", Folder: "h", Extension: ".md", Schema: schema, YAML: content.YAML12},
	}, map[string]map[string]auth.Grant{
		"editor": {"*": auth.Grant{Actions: every}}, "open": {"*": open}, "hiding": {"*": hiding},
	})
	const src = "---\ntitle: Un\nouvert: yes\ndep: 09\n---\n"
	f.Commit(map[string]string{"_j/un.md": src, "h/un.md": src})
	f.Commit(map[string]string{"_j/un.md": strings.Replace(src, "Un", "Une", 1), "h/un.md": strings.Replace(src, "Un", "Une", 1)})
	said := func(pr *auth.Principal, collection, slug string) string {
		t.Helper()
		e, err := f.Entry(t.Context(), pr, ref(t, collection, slug))
		if err != nil {
			return "refused"
		}
		b, err := e.Fields.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var rules []string
		for _, p := range e.Problems {
			rules = append(rules, p.Field+" "+p.Rule)
		}
		return string(b) + " " + strings.Join(rules, ", ")
	}
	const (
		old = `{"title":"Une","ouvert":true,"dep":"09"} ouvert ambiguous, dep ambiguous`
		now = `{"title":"Une","ouvert":"yes","dep":9} ouvert ambiguous, dep ambiguous, ouvert type, dep type`
	)
	openly, hider := person("bob", "open"), person("eve", "hiding")
	for range 2 { // from the files, and from what is kept of them
		for _, tt := range []struct {
			pr               *auth.Principal
			collection, want string
		}{
			{f.editor, "jekyll", old}, {f.editor, "hugo", now},
			{openly, "jekyll", old}, {openly, "hugo", "refused"},
			{hider, "jekyll", `{"title":"Une","ouvert":true} ouvert ambiguous`}, {hider, "hugo", `{"title":"Une","ouvert":"yes"} ouvert ambiguous, ouvert type`},
		} {
			if got := said(tt.pr, tt.collection, "un"); got != tt.want {
				t.Errorf("%s in %s: got %s, want %s", tt.pr.Subject, tt.collection, got, tt.want)
			}
		}
	}
	for _, collection := range []string{"jekyll", "hugo"} {
		h, err := f.History(t.Context(), openly, ref(t, collection, "un"), "", 10)
		if seen := err == nil && len(h.Items) == 2; seen != (collection == "jekyll") {
			t.Errorf("%s: who sees what is open is told the history %+v, %v", collection, h, err)
		}
		d, err := f.Diff(t.Context(), f.editor, ref(t, collection, "un"), "", "")
		if err != nil || len(d.Changed) != 1 {
			t.Errorf("%s: the difference is %+v, %v", collection, d, err)
		}
	}

	// Moved, a file is what its new collection reads, and has to please it.
	anyone := site.Write{Precondition: site.Precondition{Any: true}}
	_, err := f.Move(t.Context(), f.editor, ref(t, "jekyll", "un"), ref(t, "hugo", "deux"), anyone)
	refused(t, err, site.Invalid, "")
	if _, err := f.Move(t.Context(), f.editor, ref(t, "hugo", "un"), ref(t, "jekyll", "deux"), anyone); err != nil {
		t.Errorf("what a move mends is refused: %v", err)
	}
	if got := said(f.editor, "jekyll", "deux"); got != old {
		t.Errorf("moved, it is %s, want %s", got, old)
	}
	// What is set is written for both.
	for _, collection := range []string{"jekyll", "hugo"} {
		_, err := f.Create(t.Context(), f.editor, collection, site.Draft{Slug: ref(t, collection, "neuf").Slug, Fields: fields("title", "no", "ouvert", true, "dep", "09")}, site.Write{})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.source(ref(t, collection, "neuf")); got != "---\ntitle: \"no\"\nouvert: true\ndep: \"09\"\n---\n" {
			t.Errorf("%s: got %s", collection, got)
		}
	}
	f.Commit(map[string]string{"h/trois.md": src})
	set := site.MergePatch(fields("fields", fields("ouvert", true, "dep", "09")))
	if _, err := f.Update(t.Context(), f.editor, ref(t, "hugo", "trois"), set, anyone); err != nil {
		t.Fatal(err)
	}
	if got := f.source(ref(t, "hugo", "trois")); got != "---\ntitle: Un\nouvert: true\ndep: \"09\"\n---\n" {
		t.Errorf("got %s", got)
	}
}
