package site

import (
	"testing"

	"cms/content"
)

// FuzzSlug makes slugs of any titles: what comes of one is a slug, readable in
// length, and comes of itself again.
func FuzzSlug(f *testing.F) {
	for _, title := range []string{"", "Plan vélo", "L’eau & l’air", "AUX", "nul", "Œuvre — n° 3", "_-_", "../.git", "a\x00b\xff", "東京",
		"Une consultation dont le titre est si long qu’il faut le couper _- quelque part, entre deux mots si possible",
		"Anticonstitutionnellementanticonstitutionnellementanticonstitutionnellement_____ment"} {
		f.Add(title)
	}
	of := func(title string) (content.Slug, error) {
		return slugFromTitle(&content.Object{Members: []content.Member{{Key: "title", Value: title}}})
	}
	f.Fuzz(func(t *testing.T, title string) {
		made, err := of(title)
		if err != nil {
			return // there is nothing in it to make a slug of
		}
		if len(made.String()) > maxTitleSlug {
			t.Errorf("%q: got %s of %d bytes, want at most %d", title, made, len(made.String()), maxTitleSlug)
		}
		if _, err := content.ParseSlug(made.String()); err != nil {
			t.Errorf("%q: got %s: %v", title, made, err)
		}
		if again, err := of(made.String()); err != nil || again != made {
			t.Errorf("%q: got %s, and of that %s, %v", title, made, again, err)
		}
		if numbered, err := content.ParseSlug(made.String() + "-2"); err != nil || numbered.Portable() != nil {
			t.Errorf("%q: got %s, which takes no number: %v", title, made, err)
		}
		if err := made.Portable(); err != nil && err.Error() != "slug has a segment that Windows keeps for a device" {
			t.Errorf("%q: got %s: %v", title, made, err) // a device's name gets a number
		}
	})
}
