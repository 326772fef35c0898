package site

import (
	"strings"
	"unicode"

	"github.com/gosimple/slug"
	"golang.org/x/text/unicode/norm"
)

// maxTitleSlug keeps what slugs have of a text readable, in bytes.
const maxTitleSlug = 80

// signs are the signs that stand for letters in slugs. Others only part words: what they
// are called depends on the language and on what is meant, and readers of an address
// rarely spell them out.
var signs = map[rune]string{
	'№': " n ", // as N° is
	'€': " eur ", '£': " gbp ",
	'×': " x ",
}

// ands is the word for & between words, by language. Between letters, as in Q&R, it is
// none.
var ands = map[string]string{
	"da": "og", "de": "und", "en": "and", "es": "y", "fi": "ja", "fr": "et", "ga": "agus", "hu": "es", "it": "e",
	"nl": "en", "no": "og", "pt": "e", "ro": "si", "ru": "i", "sv": "och", "tr": "ve",
}

// slugify makes a text a part of a slug: "" of a text without a letter or a digit.
func slugify(text, language string) string {
	runes := []rune(norm.NFC.String(text))
	var b strings.Builder
	for i, r := range runes {
		switch said, known := signs[r]; {
		case known:
			b.WriteString(said)
		case r == '&' && i > 0 && i+1 < len(runes) && unicode.IsSpace(runes[i-1]) && unicode.IsSpace(runes[i+1]):
			b.WriteString(ands[language])
		case r == '_':
			b.WriteRune(r)
		case r == 'ª' || r == 'º' || unicode.In(r, unicode.P, unicode.S):
			b.WriteByte(' ')
		case unicode.In(r, unicode.Cf, unicode.Variation_Selector):
		default:
			form := norm.NFKC.String(string(r))
			if fraction := strings.ReplaceAll(form, "\u2044", " "); fraction != form { // as ½
				form = " " + fraction + " "
			}
			b.WriteString(form)
		}
	}
	if language == "no" {
		language = "nb"
	}
	s := slug.MakeLang(b.String(), language)
	if len(s) > maxTitleSlug {
		s = s[:maxTitleSlug+1]
		if i := strings.LastIndexByte(s, '-'); i > 0 {
			s = s[:i]
		} else {
			s = s[:maxTitleSlug]
		}
	}
	return strings.Trim(s, "-_")
}
