package search

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for want, same := range map[string][]string{
		"l'eau de la valmonte":       {"L’eau de la Valmonte", "l'eau de la valmonte", "L`EAU de la Valmonte", "lʼeau de la Valmonte", "l´eau de la\u00a0Valmonte", "l′eau\u202fde la\u2009Valmonte", "L＇EAU DE LA VALMONTE"},
		"coeur":                      {"cœur", "CŒUR", "coeur", "cœ\u00adur", "\ufeffcœur"},
		"finances":                   {"ﬁnances", "Finances", "ﬁ\u200bnances"},
		"ete":                        {"été", "E\u0301te\u0301", "ÉTÉ"},
		"aegir strasse oresund lodz": {"Ægir Straße Øresund Łódź", "ÆGIR STRASSE øresund łódź"},
		"porte-a-porte":              {"porte‑à‑porte", "Porte–à—porte", "porte−à−porte"},
		"\"oui\"":                    {"“Oui”", "\"oui\"", "„oui‟"},
		"m2...":                      {"m²…", "M2..."},
		"σ":                          {"ς", "Σ"},
		"東京":                         {"東京"},
	} {
		for _, s := range same {
			if got := Fold(s); got != want {
				t.Errorf("%q: got %q, want %q", s, got, want)
			}
		}
	}
}

// TestFoldOfParts folds texts of parts that stand in every order, as a whole and once
// more: what was folded stays, and no part changes another.
func TestFoldOfParts(t *testing.T) {
	t.Parallel()
	parts := []string{"a", "Z", "é", "É", "e\u0301", "\u0301", "\u0327\u0301", "\u0301\u0327", "ſ", "K", "İ", "한", "\u1100\u1161", "ﬁ", "œ", "\xff", "\xc3", " ", "\n", "ẞ", "Ω", "ὠ\u0345", "𝒜", "’", "´", "\u00a0", "\u00ad", "‑", "²", "…"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var whole, apart strings.Builder
		for range r.IntN(8) {
			part := parts[r.IntN(len(parts))]
			if part == "\u1100\u1161" || part == "\xff" || part == "\xc3" {
				part += " " // what may join with the next
			}
			whole.WriteString(part)
			apart.WriteString(Fold(part))
		}
		got := Fold(whole.String())
		if got != apart.String() || Fold(got) != got {
			t.Fatalf("%q: got %q, and of its parts %q, again %q", whole.String(), got, apart.String(), Fold(got))
		}
	}
}
