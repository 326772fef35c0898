package search

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/french"
	"golang.org/x/text/unicode/norm"
)

// maxWord is the longest word that is looked at, in bytes. Longer ones are no
// words.
const maxWord = 64

// word is one word of a text.
type word struct {
	text       string // in lower case
	start, end int    // in the text, in bytes
}

// words yields the words of a text, without those that are elided (l', d', qu')
// and those that stand in every text.
func words(text string) func(yield func(word) bool) {
	return func(yield func(word) bool) {
		for i := 0; i < len(text); {
			start := i + strings.IndexFunc(text[i:], inWord)
			if start < i {
				return
			}
			end := len(text)
			if n := strings.IndexFunc(text[start:], func(r rune) bool { return !inWord(r) }); n >= 0 {
				end = start + n
			}
			i = end
			if end-start > maxWord {
				continue
			}
			w := word{normal(text[start:end]), start, end}
			if w.text == "" {
				continue
			}
			next, _ := utf8.DecodeRuneInString(text[end:])
			if isApostrophe(next) && slices.Contains(elided, w.text) || slices.Contains(stopWords, w.text) {
				continue
			}
			if !yield(w) {
				return
			}
		}
	}
}

func inWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Cf) && !isApostrophe(r)
}

// normal is a word in lower case, with its accents, which stems depend on, but without
// ligatures of letters and invisible characters.
func normal(w string) string {
	visible := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, w)
	return norm.NFKC.String(visible)
}

var (
	elided    = []string{"l", "d", "j", "m", "t", "s", "n", "c", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu"}
	stopWords = []string{"le", "la", "les", "de", "du", "des", "un", "une", "et", "ou", "à", "au", "aux", "en", "dans", "par", "pour", "sur", "ce", "cet", "cette", "ces", "que", "qui", "se", "il", "elle", "ils", "elles", "est", "sont", "a", "ne", "pas", "son", "sa", "ses", "avec"}
)

// term is what a word is found by: its stem, without accents. The plural of
// "vélo" and "photo", which the stemmer leaves, is taken off first.
func term(w string) string {
	if len(w) > len("dos") && strings.HasSuffix(w, "os") {
		w = strings.TrimSuffix(w, "s")
	}
	env := snowballstem.NewEnv(w)
	french.Stem(env)
	return Fold(env.Current())
}

// terms are what a word of a text can be found by: its term and, if it has
// accents, that of the word written without them.
func terms(w string) []string {
	t := term(w)
	if bare := Fold(w); bare != w {
		if other := term(bare); other != t {
			return []string{t, other}
		}
	}
	return []string{t}
}
