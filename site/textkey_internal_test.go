package site

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/collate"
	"golang.org/x/text/unicode/norm"
)

// TestCommonLetters holds the keys of every pair of letters, and of each letter among
// numbers, to those of the collator.
func TestCommonLetters(t *testing.T) {
	t.Parallel()
	var all []rune
	for r := rune(0); r < 0x2100; r++ {
		if commonLetters().letter(r) != nil || r >= '0' && r <= '9' {
			all = append(all, r)
		}
	}
	for _, want := range "azAZ09éèêëàâùûüçôöîïœæÉÈÀÇŒ'’-–—«»“”…°n.,;:!?()/&@#%\u00a0\u202f" {
		if !strings.ContainsRune(string(all), want) {
			t.Errorf("%q is left to the collator", want)
		}
	}
	var buffer collate.Buffer
	k, collator := new(textKeys), newCollator()
	check := func(s string) {
		if !k.compose(s) {
			t.Fatalf("%q is left to the collator", s)
		}
		buffer.Reset()
		if want := collator.KeyFromString(&buffer, s); !bytes.Equal(k.key, want) {
			t.Fatalf("%q: got % x, want % x", s, k.key, want)
		}
	}
	check("")
	for _, a := range all {
		for _, b := range all {
			check(string(a) + string(b))
		}
		for _, n := range []string{"0", "00", "1", "9", "10", "007", "1002003004005006007008009000", strings.Repeat("7", 300)} {
			check(n + string(a) + n + string(a))
			check(string(a) + n + string(a))
		}
	}
}

// FuzzTextKeys holds the key of any text to the collator's.
func FuzzTextKeys(f *testing.F) {
	for _, s := range []string{"", "Consultation n° 12 sur l’eau", "E\u0301cole 007", "\u0301a", "l·l", "日本 12", "①٣１2", "a\x00b", "\xff1", strings.Repeat("é1", 600)} {
		f.Add(s)
	}
	k, collator, buffer := new(textKeys), newCollator(), new(collate.Buffer)
	f.Fuzz(func(t *testing.T, s string) {
		s = norm.NFC.String(s)
		cut := s
		if len(s) > maxText {
			cut = strings.ToValidUTF8(s[:maxText], "")
		}
		buffer.Reset()
		want := collator.KeyFromString(buffer, cut)
		if want = want[:min(len(want), maxTextKey)]; !bytes.Equal(k.of(s), want) {
			t.Errorf("%q: got % x, want % x", s, k.of(s), want)
		}
		if composed := k.compose(cut); composed && !utf8.ValidString(cut) {
			t.Errorf("%q, which is no text, is not left to the collator", s)
		}
	})
}

func BenchmarkTextKeys(b *testing.B) {
	k := new(textKeys)
	const s = "Consultation n°123456 sur les mobilités du quotidien"
	b.Run("composed", func(b *testing.B) {
		for b.Loop() {
			k.of(s)
		}
	})
	b.Run("collated", func(b *testing.B) {
		for b.Loop() {
			k.collate(s)
		}
	})
}
