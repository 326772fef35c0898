package site_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/site"
)

// What depends on an entry that cannot be read now is refused until it can be: nothing
// is taken for free, absent or out of sight meanwhile.
func TestEntriesThatCannotBeReadNow(t *testing.T) {
	t.Parallel()
	f := siteWithin(t, 1, []content.Collection{{Name: "pages", Folder: "pages", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
		{Name: "code", Type: content.TypeString, Unique: true},
		{Name: "next", Type: content.TypeReference, Collection: "pages"},
	}}}}, map[string]map[string]auth.Grant{
		"editor": {"*": auth.Grant{Actions: []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete}}, auth.Media: auth.Grant{Actions: []auth.Action{auth.Create}}},
		"own":    {"pages": {Actions: []auth.Action{auth.Read, auth.Create}, Where: []auth.Condition{{Field: "code", Values: []content.Value{"a", "c"}}}}},
	})
	create := func(pr *auth.Principal, slug string, of *content.Object) error {
		_, err := f.Create(t.Context(), pr, "pages", site.Draft{Slug: ref(t, "pages", slug).Slug, Fields: of}, site.Write{})
		return err
	}
	f.Commit(map[string]string{"pages/un.md": "---\ncode: a\n---\n"}) // in a pack that nobody has opened yet
	packs := filepath.Join(f.Git, "objects", "pack")
	away := func(do func()) {
		t.Helper()
		if err := os.Rename(packs, packs+"-away"); err != nil {
			t.Fatal(err)
		}
		do()
		if err := os.Rename(packs+"-away", packs); err != nil {
			t.Fatal(err)
		}
	}
	own := person("bob", "own")
	away(func() {
		_, err := f.Entry(f.Context(), f.editor, ref(t, "pages", "un"))
		refused(t, err, site.Unavailable, "")
		_, err = f.Entry(f.Context(), own, ref(t, "pages", "un"))
		refused(t, err, site.Unavailable, "")
		refused(t, create(f.editor, "deux", fields("code", "a")), site.Unavailable, "")
		refused(t, create(f.editor, "deux", fields("code", "b")), site.Unavailable, "")
		refused(t, create(own, "deux", fields("code", "c", "next", "un")), site.Unavailable, "")
		_, err = f.PutMedia(t.Context(), f.editor, "a.pdf", strings.NewReader("%PDF-1.4"), site.Write{Precondition: site.Precondition{Absent: true}})
		refused(t, err, site.Unavailable, "")
	})
	if _, err := f.Entry(f.Context(), own, ref(t, "pages", "un")); err != nil {
		t.Error(err)
	}
	refused(t, create(f.editor, "deux", fields("code", "a")), site.Invalid, "unique")
	if err := create(own, "deux", fields("code", "c", "next", "un")); err != nil {
		t.Error(err)
	}
}
