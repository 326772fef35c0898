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
		for end := 0; ; {
			start := nextWord(text, end)
			if start == len(text) {
				return
			}
			first, _ := utf8.DecodeRuneInString(text[start:])
			spaceless := isSpaceless(first)
			end = wordEnd(text, start, spaceless)
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

// nextWord is where the first word at or behind i begins, or the end of the text.
func nextWord(text string, i int) int {
	for i < len(text) {
		if c := text[i]; c < utf8.RuneSelf {
			if inASCIIWord(c) {
				return i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if inWord(r) {
			return i
		}
		i += size
	}
	return i
}

// wordEnd is where the word at i ends, which is of a script without spaces or is not.
func wordEnd(text string, i int, spaceless bool) int {
	for i < len(text) {
		if c := text[i]; c < utf8.RuneSelf {
			if spaceless || !inASCIIWord(c) {
				return i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if !inWord(r) || isSpaceless(r) != spaceless && !unicode.In(r, unicode.M, unicode.Cf) {
			return i
		}
		i += size
	}
	return i
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

func inASCIIWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// inWord says whether r, which is not ASCII, may be in a word.
func inWord(r rune) bool {
	if r <= unicode.MaxLatin1 {
		return unicode.IsLetter(r) || unicode.IsNumber(r) || r == softHyphen
	}
	return unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Cf) && !isApostrophe(r)
}

const softHyphen = '\u00ad'

// isSpaceless says whether r is of a script that is written without spaces.
func isSpaceless(r rune) bool {
	return r >= 0x0e00 && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) || strings.ContainsRune("ーｰﾞﾟ", r))
}

// normal is a word in lower case, with its accents, which stems depend on, but without
// ligatures of letters and invisible characters.
func normal(w string) string {
	if isComposed(w) { // as most are
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

// isComposed says whether s has only letters that NFKC leaves as they are, whatever is
// beside them: ASCII and, composed, those of French and its neighbors.
func isComposed(s string) bool {
	for _, r := range s {
		if r >= utf8.RuneSelf && (r < 'À' || r > 'ÿ') && r != 'œ' && r != 'Œ' {
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
