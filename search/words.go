package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"golang.org/x/text/unicode/norm"
)

// maxWord is the longest word that is looked at, in bytes. Longer ones are no
// words.
const maxWord = 64

// word is one word of a text, or two letters in a row of a script without spaces.
type word struct {
	text       string // in lower case
	start, end int    // in the text, in bytes
	elided     bool   // it is before an apostrophe
	joined     bool   // of a script without spaces, so that it has no stem
	part       bool   // one letter of several such, which is found by itself
}

// words yields the words of a text in their order, those that are in every text too.
func words(text string) func(yield func(word) bool) {
	return func(yield func(word) bool) {
		for i := 0; i < len(text); {
			start := i + strings.IndexFunc(text[i:], inWord)
			if start < i {
				return
			}
			first, _ := utf8.DecodeRuneInString(text[start:])
			spaceless := isSpaceless(first)
			end := len(text)
			if n := strings.IndexFunc(text[start:], func(r rune) bool {
				return !inWord(r) || isSpaceless(r) != spaceless && !unicode.In(r, unicode.M, unicode.Cf)
			}); n >= 0 {
				end = start + n
			}
			i = end
			if spaceless {
				if !yieldLetters(text, start, end, yield) {
					return
				}
				continue
			}
			w := word{text: normal(text[start:end]), start: start, end: end}
			next, _ := utf8.DecodeRuneInString(text[end:])
			w.elided = isApostrophe(next)
			if end-start <= maxWord && w.text != "" && !yield(w) {
				return
			}
		}
	}
}

// yieldLetters yields each two letters that follow each other in a part of a text, and each
// letter by itself.
func yieldLetters(text string, start, end int, yield func(word) bool) bool {
	before := -1
	alone := start+letter(text[start:end]) == end
	for at := start; at < end; {
		next := at + letter(text[at:end])
		if before >= 0 && !yield(word{text: normal(text[before:next]), start: before, end: next, joined: true}) {
			return false
		}
		if !yield(word{text: normal(text[at:next]), start: at, end: next, joined: true, part: !alone}) {
			return false
		}
		before, at = at, next
	}
	return true
}

// letter is how many bytes the first letter of s has, with the marks on it.
func letter(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if !unicode.In(r, unicode.M, unicode.Cf) && r != 'ﾞ' && r != 'ﾟ' {
			break
		}
		n += size
	}
	return n
}

func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Cf) && !isApostrophe(r)
}

// isSpaceless says whether r is of a script that is written without spaces.
func isSpaceless(r rune) bool {
	return r >= 0x0e00 && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) || strings.ContainsRune("ーｰﾞﾟ", r))
}

// normal is a word in lower case, with its accents, which stems depend on, but without
// ligatures of letters and invisible characters.
func normal(w string) string {
	if isASCII(w) { // as most are
		return strings.ToLower(w)
	}
	visible := strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf && unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, w)
	return norm.NFKC.String(visible)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isStop says whether a word is in every text of the language.
func (l *language) isStop(w word) bool { return w.elided && l.elided[w.text] || l.stop[w.text] }

// term is what a word is found by: its stem, without accents. The plural of
// "vélo" and "photo", which the stemmer leaves, is taken off first.
func (l *language) term(w string) string {
	if l.stem == nil {
		return Fold(w)
	}
	if len(w) > len("dos") && strings.HasSuffix(w, "os") {
		w = strings.TrimSuffix(w, "s")
	}
	env := snowballstem.NewEnv(w)
	l.stem(env)
	return Fold(env.Current())
}

// terms are what a word of a text can be found by: its term and, if it has
// accents, that of the word written without them.
func (l *language) terms(w word) []string {
	if w.joined {
		return []string{Fold(w.text)}
	}
	t := l.term(w.text)
	if bare := Fold(w.text); bare != w.text {
		if other := l.term(bare); other != t {
			return []string{t, other}
		}
	}
	return []string{t}
}
