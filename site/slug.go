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
	s := slug.MakeLang(strings.Map(apostropheToSpace, title), "fr")
	if len(s) > maxTitleSlug {
		s = s[:maxTitleSlug+1]
		if i := strings.LastIndexByte(s, '-'); i > 0 {
			s = s[:i]
		} else {
			s = s[:maxTitleSlug]
		}
		s = strings.TrimRight(s, "-_")
	}
	made, err := content.ParseSlug(s)
	if err != nil {
		return content.Slug{}, &Error{Code: Invalid, Detail: "A slug cannot be made from the title. Give a slug.",
			Problems: []content.Problem{{Field: "title", Pointer: "/title", Rule: "required", Detail: "Give the entry a title, or a slug."}}}
	}
	return made, nil
}

// apostropheToSpace is r, or a space for an apostrophe and what is typed for it.
func apostropheToSpace(r rune) rune {
	if strings.ContainsRune("'’‘ʼ`´′", r) {
		return ' '
	}
	return r
}

// checkNew refuses a slug whose file could not be checked out on every system, or
// whose path would be too long. Self is an entry that is renamed to ref.
func (s *Site) checkNew(in entries, ref, self Ref) error {
	if _, err := s.byName[ref.Collection].Path(ref.Slug); err != nil {
		return errSlugTooLong()
	}
	if err := ref.Slug.Portable(); err != nil {
		return &Error{Code: Malformed, Detail: "The " + err.Error() + ", so it could not be checked out on every system. Choose another slug."}
	}
	if s.unique.caseConflict(in, ref, self) {
		return &Error{Code: Conflict, Detail: "There is an entry whose slug, or a folder of it, differs only in case or in the Unicode form of its accents. On some systems the two would be the same file. Choose another slug."}
	}
	return nil
}

// errSlugTooLong refuses a slug with which the path of the file, or a segment of it with its
// extension, would be longer than paths may be.
func errSlugTooLong() error {
	return &Error{Code: Invalid, Detail: "The slug is too long for a file of this collection. Choose a shorter one.",
		Problems: []content.Problem{{Rule: "slug", Detail: "With its extension, the name of the file would be longer than 240 bytes, or its path longer than 1,024."}}}
}
