package site

import (
	"fmt"
	"strings"
	"testing"
	"time"

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
		return makeSlug(content.SlugPattern{}, "fr", &content.Object{Members: []content.Member{{Key: "title", Value: title}}}, hidesNothing, now)
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

var now = time.Date(2026, 11, 27, 10, 15, 2, 0, time.UTC)

func hidesNothing(string) bool { return false }

// TestSlugsOfTitles makes the slugs that people would.
func TestSlugsOfTitles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ language, title, want string }{
		{"fr", "N° 5", "n-5"}, {"fr", "N°5", "n-5"}, {"fr", "№ 5", "n-5"}, {"fr", "nº 5", "n-5"}, {"fr", "20 °C", "20-c"},
		{"fr", "Q&R", "q-r"}, {"fr", "R & D", "r-et-d"}, {"en", "R & D", "r-and-d"}, {"none", "R & D", "r-d"}, {"fr", "& moi &", "moi"},
		{"fr", "L’eau & l’air", "l-eau-et-l-air"}, {"fr", "Œuvre, cœur et ÆON", "oeuvre-coeur-et-aeon"},
		{"fr", "Repas à 1 €", "repas-a-1-eur"}, {"fr", "5€", "5-eur"}, {"fr", "100 % bio", "100-bio"}, {"fr", "3 × 4", "3-x-4"},
		{"fr", "1½ tasse", "1-1-2-tasse"}, {"fr", "120 m²", "120-m2"}, {"fr", "Café™ ®©", "cafe"}, {"fr", "1ᵉʳ étage", "1er-etage"}, {"fr", "Louis Ⅳ", "louis-iv"},
		{"fr", "Agent·e·s", "agent-e-s"}, {"fr", "C++ v1.2", "c-v1-2"}, {"fr", "contact@ville", "contact-ville"}, {"fr", "§ 3 — suite…", "3-suite"},
		{"fr", "Bonjour😀monde 👨‍👩‍👧 !", "bonjour-monde"}, {"fr", "Sou\u00adhait", "souhait"}, {"fr", "E\u0301te\u0301", "ete"},
		{"de", "Straße für Äpfel", "strasse-fuer-aepfel"}, {"fr", "Noël ä ö ü ß", "noel-a-o-u-ss"}, {"fr", "Đà Łódź Þór ø", "da-lodz-thor-o"},
		{"fr", "Ελλάδα", "ellada"}, {"ru", "Привет, мир", "privet-mir"}, {"fr", "東京", "dong-jing"}, {"fr", "ＡＢＣ　１", "abc-1"}, {"fr", "a_b", "a_b"},
		{"fr", "😀", "2026-11-27"}, {"fr", "...", "2026-11-27"}, {"fr", "_-_", "2026-11-27"}, {"fr", "?!", "2026-11-27"},
		{"fr", "", "invalid"}, {"fr", " \u00a0", "invalid"},
	} {
		made, err := makeSlug(content.SlugPattern{}, tt.language, &content.Object{Members: []content.Member{{Key: "title", Value: tt.title}}}, hidesNothing, now)
		got := made.String()
		if err != nil {
			got, _, _ = strings.Cut(err.Error(), ":")
		}
		if got != tt.want {
			t.Errorf("%s, %s: got %s, want %s", tt.title, tt.language, got, tt.want)
		}
	}
}

// TestSlugsOfPatterns makes slugs of other fields, and says which is missing.
func TestSlugsOfPatterns(t *testing.T) {
	t.Parallel()
	day, _ := content.ParseTime("2026-01-02")
	moment, _ := content.ParseTime("2026-01-02T23:30:00+11:00")
	of := func(members ...any) *content.Object {
		o := &content.Object{}
		for i := 0; i < len(members); i += 2 {
			o.Members = append(o.Members, content.Member{Key: members[i].(string), Value: members[i+1]})
		}
		return o
	}
	long := strings.Repeat("mot ", 60)
	for _, tt := range []struct {
		pattern string
		fields  *content.Object
		want    string
	}{
		{"{date:2006-01-02}-{title}", of("title", "L’été", "date", day), "2026-01-02-l-ete"},
		{"{date:2006-01-02}-{title}", of("title", "L’été", "date", moment), "2026-01-02-l-ete"},
		{"{date:2006-01-02}-{title}", of("title", "L’été", "date", "2026-01-02T10:00:00Z"), "2026-01-02-l-ete"},
		{"{date:2006-01-02}-{title}", of("title", "L’été"), "2026-11-27-l-ete"},
		{"{date:2006-01-02}-{title}", of("title", "L’été", "date", nil), "2026-11-27-l-ete"},
		{"{date:2006-01-02}-{title}", of("title", "😀", "date", day), "2026-01-02-101502"},
		{"{date:2006-01-02}-{title}", of("title", "L’été", "date", "demain"), "missing date"},
		{"{date:2006-01-02}-{title}", of("date", day), "missing title"},
		{"{date}/{title}", of("title", "a/b", "date", day), "2026-01-02/a-b"},
		{"{debut:2006/01-Jan}-x", of("debut", day), "2026/01-jan-x"},
		{"{debut:2006}-x", of(), "missing debut"},
		{"{nom}", of("nom", "Œuvre", "title", "Autre"), "oeuvre"},
		{"{code}-{title}", of("code", content.Number("12.5"), "title", "a"), "12-5-a"},
		{"{ouvert}", of("ouvert", true), "true"},
		{"{tags}", of("tags", []content.Value{"a"}), "missing tags"},
		{"{secret}-{title}", of("secret", "cache", "title", "a"), "2026-11-27-a"},
		{"{title}-{title}-{title}", of("title", long), "too long"},
	} {
		p, err := content.ParseSlugPattern(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		made, err := makeSlug(p, "fr", tt.fields, func(field string) bool { return field == "secret" }, now)
		got := made.String()
		if refused, ok := err.(*Error); ok {
			if got = fmt.Sprintf("missing %s", refused.Problems[0].Field); refused.Problems[0].Rule == "slug" {
				got = "too long"
			}
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.pattern, got, tt.want)
		}
	}
}
