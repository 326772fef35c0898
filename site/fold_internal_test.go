package site

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// TestFold compares fold with what it is to be, of texts of letters, marks that stand
// in every order behind them, and bytes that are no text.
func TestFold(t *testing.T) {
	t.Parallel()
	plain := func(s string) string {
		return strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return unicode.ToLower(r)
		}, norm.NFD.String(s))
	}
	parts := []string{"a", "Z", "é", "É", "e\u0301", "\u0301", "\u0327\u0301", "\u0301\u0327", "ſ", "K", "İ", "한", "\u1100\u1161", "ﬁ", "œ", "\u0903", "\u20dd", "\xff", "\xc3", " ", "\n", "ẞ", "Ω", "ὠ\u0345", "𝒜"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var b strings.Builder
		for range r.IntN(8) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		if s := b.String(); fold(s) != plain(s) {
			t.Fatalf("%q: got %q, want %q", s, fold(s), plain(s))
		}
	}
}

// TestCellNames gives cells the same name if they are equal, and only then.
func TestCellNames(t *testing.T) {
	t.Parallel()
	var c cells
	var all []cell
	for _, s := range []string{"1", "1.0", "10e-1", "-0", "0", "1e400", "10e399", "-1e400", "9007199254740993", "9007199254740992", "0.1", "0.10000000000000000001",
		"true", "false", "2026-01-02", "2026-01-02T00:00:00Z", "2026-01-02T01:00:00+01:00", "écluse", "e\u0301cluse", "ecluse", "", "null"} {
		all = append(all, c.readings(s, "")...)
	}
	for i := range all {
		for j := range all {
			if got, want := all[i].name() == all[j].name(), all[i].equal(&all[j]); got != want {
				t.Errorf("%+v and %+v: the names are the same: %t, the cells equal: %t", all[i], all[j], got, want)
			}
		}
	}
}
