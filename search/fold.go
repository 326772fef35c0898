package search

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold is s without what people do not mean when they look for it: case, accents,
// ligatures, invisible characters, and which of several apostrophes, quotes, hyphens and
// spaces was typed. Everything that looks for text compares what this makes of it.
func Fold(s string) string { return string(AppendFold(nil, s)) }

// AppendFold appends Fold of s to b.
func AppendFold(b []byte, s string) []byte {
	b = slices.Grow(b, len(s))
	for s != "" {
		if c := s[0]; c < utf8.RuneSelf {
			switch {
			case 'A' <= c && c <= 'Z':
				c += 'a' - 'A'
			case c == '`':
				c = '\''
			}
			b, s = append(b, c), s[1:]
			continue
		}
		end := 1
		for end < len(s) && s[end] >= utf8.RuneSelf {
			end++
		}
		// What is ASCII decomposes into itself, and nothing moves across it. The acute
		// accent would become a blank.
		for _, r := range norm.NFKD.String(strings.ReplaceAll(s[:end], "´", "’")) {
			b = appendFoldedRune(b, r)
		}
		s = s[end:]
	}
	return b
}

func appendFoldedRune(b []byte, r rune) []byte {
	switch {
	case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r):
		return b
	case isApostrophe(r):
		return append(b, '\'')
	case strings.ContainsRune("“”„‟«»", r):
		return append(b, '"')
	case unicode.Is(unicode.Pd, r), r == '−':
		return append(b, '-')
	case r >= utf8.RuneSelf && unicode.IsSpace(r):
		return append(b, ' ')
	}
	r = unicode.ToLower(r)
	if as, ok := letters[r]; ok {
		return append(b, as...)
	}
	return utf8.AppendRune(b, r)
}

// letters are those that no decomposition takes apart.
var letters = map[rune]string{
	'œ': "oe", 'æ': "ae", 'ß': "ss", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ħ': "h", 'ı': "i", 'ŋ': "n", 'ς': "σ",
}

// isApostrophe says whether r is an apostrophe, or typed for one.
func isApostrophe(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '\'' || r == '`'
	}
	return strings.ContainsRune("'’‘‛ʼʻʹ`´′＇", r)
}
