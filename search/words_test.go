package search

import (
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// What is decided quickly for the letters of most texts is what Unicode's tables say of them,
// whatever is beside them.
func TestQuickWaysAreThoseOfUnicode(t *testing.T) {
	const beyond = 0x0180 // of Latin Extended-A
	for r := rune(unicode.MaxASCII + 1); r < beyond; r++ {
		if want := unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Cf) && !isApostrophe(r); inWord(r) != want {
			t.Errorf("%q is in words: %v, want %v", r, !want, want)
		}
	}
	lower := func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(r)
	}
	for a := range rune(beyond) {
		for _, b := range []rune{'a', 'É', 'œ', '\u00ad', '\u0301', '\u0327', 'ſ', 'ﬁ', '…'} {
			visible := ""
			for _, r := range []rune{a, b, a} {
				if r = lower(r); r >= 0 {
					visible += string(r)
				}
			}
			if got, want := normal(string([]rune{a, b, a})), norm.NFKC.String(visible); got != want {
				t.Errorf("%q%q%q gives %q, want %q", a, b, a, got, want)
			}
		}
	}
}
