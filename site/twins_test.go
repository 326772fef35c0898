package site_test

import (
	"testing"

	"cms/site"
)

// TestFilesAndFoldersOfOneName: where case does not count, no file of an entry is where a folder
// of another one has to be.
func TestFilesAndFoldersOfOneName(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	create := func(slug string) error {
		draft := site.Draft{Slug: ref(t, "consultations", slug).Slug, Fields: fields("title", slug)}
		_, err := f.Create(t.Context(), f.editor, "consultations", draft, site.Write{})
		return err
	}
	for _, slug := range []string{"velo", "été.md/plan", "Velo.m/plan"} {
		if err := create(slug); err != nil {
			t.Fatalf("%s: %v", slug, err)
		}
	}
	for _, slug := range []string{"velo.md/plan", "Velo.md/plan", "velo.MD/plan", "été", "Été", "ÉTÉ"} {
		refused(t, create(slug), site.Conflict, "")
	}
	at := ref(t, "consultations", "velo")
	if _, err := f.Move(t.Context(), f.editor, at, ref(t, "consultations", "Velo.md/plan"), site.Write{Precondition: site.Precondition{Any: true}}); err != nil {
		t.Errorf("an entry moved below its own name: %v", err)
	}
}
