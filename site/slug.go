package site

import (
	"strings"

	"github.com/gosimple/slug"

	"cms/content"
)

// maxTitleSlug keeps generated slugs readable, in bytes.
const maxTitleSlug = 80

// slugFromTitle makes a slug of the field "title": in lower case, accents
// transliterated, words joined by hyphens, cut between words.
func slugFromTitle(fields *content.Object) (content.Slug, error) {
	v, _ := fields.Get("title")
	title, _ := v.(string)
	s := slug.MakeLang(strings.NewReplacer("'", " ", "’", " ").Replace(title), "fr")
	if len(s) > maxTitleSlug {
		s = s[:maxTitleSlug+1]
		if i := strings.LastIndexByte(s, '-'); i > 0 {
			s = s[:i]
		} else {
			s = s[:maxTitleSlug]
		}
	}
	made, err := content.ParseSlug(s)
	if err != nil {
		return content.Slug{}, &Error{Code: Invalid, Detail: "There is no title to make a slug of. Give a slug.",
			Problems: []content.Problem{{Field: "title", Pointer: "/title", Rule: "required", Detail: "Give the entry a title, or name its slug."}}}
	}
	return made, nil
}
