package site_test

import (
	"testing"

	"cms/site"
)

// TestSameWordsThroughEveryDoor looks for titles as different people type them: lists,
// filters and searches find the same, and the titles get the same slug. As unique values
// they stay different.
func TestSameWordsThroughEveryDoor(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	create := func(slug, title string, code any) error {
		o := fields("title", title)
		if code != nil {
			o = fields("title", title, "code", code)
		}
		draft := site.Draft{Fields: o, Body: "Texte.\n"}
		if slug != "" {
			draft.Slug = ref(t, "consultations", slug).Slug
		}
		_, err := f.Create(t.Context(), f.editor, "consultations", draft, site.Write{})
		return err
	}
	for slug, spellings := range map[string][]string{
		"l-eau-de-la-valmonte": {"L’eau de la Valmonte", "l'eau de la valmonte", "L`EAU DE LA VALMONTE", "Lʼeau de la\u00a0Valmonte", "l´eau\u202fde la Valmonte"},
		"coeur-de-ville":       {"Cœur de ville", "CŒUR DE VILLE", "coeur de ville", "Cœ\u00adur de\u2009ville"},
		"finances-de-l-etat":   {"ﬁnances de l’État", "Finances de l'E\u0301tat", "FINANCES DE L‘ÉTAT"},
		"porte-a-porte":        {"Porte‑à‑porte", "porte-à-porte", "Porte–a\u0300–porte"},
	} {
		for i, title := range spellings {
			if err := create("", title, title); err != nil {
				t.Fatalf("%s: %v", title, err)
			}
			want := slug
			if i > 0 {
				want += "-" + string(rune('1'+i))
			}
			if _, err := f.Entry(t.Context(), f.editor, ref(t, "consultations", want)); err != nil {
				t.Errorf("%q has not the slug %s: %v", title, want, err)
			}
			refused(t, create("autre", "Autre", title), site.Invalid, "unique")
		}
		for _, words := range spellings {
			list, err := f.List(t.Context(), f.editor, "consultations", site.Query{Limit: 100, Text: words})
			if err != nil || list.Total != len(spellings) {
				t.Errorf("a list by %q: got %v, %v, want %d", words, list, err, len(spellings))
			}
			part, err := f.List(t.Context(), f.editor, "consultations", site.Query{Limit: 100, Filters: []site.Filter{{Field: "title", Op: site.Contains, Value: words}}})
			if err != nil || part.Total != len(spellings) {
				t.Errorf("a filter by %q: got %v, %v, want %d", words, part, err, len(spellings))
			}
			hits, err := f.Search(t.Context(), f.editor, site.Search{Limit: 100, Text: words})
			if err != nil || hits.Total != len(spellings) {
				t.Errorf("a search for %q: got %v, %v, want %d", words, hits, err, len(spellings))
			}
		}
	}
}
