package site_test

import (
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/media"
	"cms/site"
	"cms/site/sitetest"
)

// TestSubjectsInFrench: what the service says of a commit is in the language of the site,
// and what someone says of theirs is as they said it.
func TestSubjectsInFrench(t *testing.T) {
	t.Parallel()
	f := &fixture{sitetest.New(t, sitetest.Options{
		Collections: []content.Collection{
			{Name: "pages", Folder: "pages", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{{Name: "title", Type: "string"}, {Name: "voisine", Type: "reference", Collection: "pages"}}}},
		},
		Roles: map[string]map[string]auth.Grant{
			"editor": {"*": auth.Grant{Actions: everything}, auth.Media: auth.Grant{Actions: everything}},
			"local":  {"pages": auth.Grant{Actions: everything, Hide: []string{"note"}}},
		},
		Media:    site.MediaOptions{MaxBytes: 1000, Scratch: t.TempDir(), Rules: media.Rules{Extensions: []string{"svg"}}},
		Language: "fr",
	}), person("ann", "editor")}
	un, deux := ref(t, "pages", "un"), ref(t, "pages", "deux")
	create := func(r site.Ref, pairs ...any) site.Operation {
		return site.Creating("pages", site.Draft{Slug: r.Slug, Fields: fields(pairs...)}, site.Precondition{})
	}
	set := func(r site.Ref, pairs ...any) site.Operation {
		return site.Updating(r, site.MergePatch(fields("fields", fields(pairs...))), anyRevision)
	}
	var first string // the commit that made un
	for _, tt := range []struct {
		operations []site.Operation
		message    string
		want       string
	}{
		{[]site.Operation{create(un, "title", "Un")}, "", "Crée pages/un"},
		{[]site.Operation{set(un, "title", "Une", "note", "x")}, "", "Modifie pages/un : title, note"},
		{[]site.Operation{set(un, "title", "Un")}, "Update the title", "Update the title"},
		{[]site.Operation{create(deux, "title", "Deux", "voisine", "un")}, "", "Crée pages/deux"},
		{[]site.Operation{site.Following(site.Moving(un, ref(t, "pages", "trois"), anyRevision), site.UpdateReferences)}, "", "Déplace pages/un vers pages/trois avec 1 référence"},
		{[]site.Operation{site.Moving(ref(t, "pages", "trois"), un, anyRevision)}, "", "Déplace pages/trois vers pages/un"},
		{[]site.Operation{site.Reverting(un, "first", anyRevision)}, "", "Rétablit une version de pages/un : title"},
		{[]site.Operation{set(un, "title", "Un"), set(deux, "title", "Trois")}, "", "Modifie pages/deux et une autre modification"},
		{[]site.Operation{set(deux, "title", "Deux"), create(ref(t, "pages", "a")), create(ref(t, "pages", "b"))}, "", "Crée pages/a et 2 autres modifications"},
		{[]site.Operation{site.Deleting(ref(t, "pages", "a"), anyRevision)}, "", "Supprime pages/a"},
		{[]site.Operation{site.PuttingMedia("a.svg", []byte(anSVG), site.Precondition{Absent: true})}, "", "Crée img/a.svg"},
		{[]site.Operation{site.MovingMedia("a.svg", "b.svg", site.KeepReferences, anyRevision)}, "", "Déplace img/a.svg vers img/b.svg"},
		{[]site.Operation{site.DeletingMedia("b.svg", site.KeepReferences, anyRevision)}, "", "Supprime img/b.svg"},
	} {
		if strings.HasPrefix(tt.want, "Rétablit") {
			tt.operations[0] = site.Reverting(un, first, anyRevision)
		}
		var err error
		if len(tt.operations) == 1 {
			_, err = f.Make(t.Context(), f.editor, tt.operations[0], site.Write{Message: tt.message})
		} else {
			_, err = f.Batch(t.Context(), f.editor, tt.operations, site.Write{Message: tt.message})
		}
		if err != nil {
			t.Fatalf("%s: %v", tt.want, err)
		}
		if got := strings.TrimSpace(f.RunGit("log", "-1", "--format=%s", "main")); got != tt.want {
			t.Errorf("got the subject %q, want %q", got, tt.want)
		}
		if strings.Contains(tt.want, "title, note") && first == "" {
			first = f.Tip()
		}
	}
	page, err := f.History(t.Context(), person("bob", "local"), deux, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range page.Items {
		if c.Message != "Modifie pages/deux" && c.Message != "Crée pages/deux" {
			t.Errorf("who does not see every field is told %q", c.Message)
		}
	}
}
