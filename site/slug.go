package site

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"cms/auth"
	"cms/content"
	"cms/say"
)

// maxNumber is how many bytes a slug leaves for the number that tells it from others.
const maxNumber = len("-1000000000")

// newSlug makes the slug of a new entry by the pattern of its collection: in lower case,
// accents transliterated, words joined by hyphens, cut between words. Of a text without a
// letter or a digit it is the day of creation, or the time where the pattern has a date. A
// field that the caller does not see counts as such a text.
func (acc *access) newSlug(fields *content.Object, now time.Time) (content.Slug, error) {
	fields = acc.Schema.WithDefaults(acc.Schema.Coerce(fields))
	return makeSlug(acc.Slugs, languageOf(acc.Collection), fields, acc.hides, now)
}

// NewSlug is the slug that an entry with these fields gets where it is created now, and
// nobody gives one, as [Creating] makes it.
func (s *Site) NewSlug(pr *auth.Principal, collection string, fields *content.Object) (content.Slug, error) {
	acc, err := s.access(pr, collection, auth.Create)
	if err != nil {
		return content.Slug{}, err
	}
	base, err := acc.newSlug(fields, time.Now())
	if err != nil {
		return content.Slug{}, err
	}
	return s.unique.freeSlug(s.repo.View(), collection, base), nil
}

func makeSlug(pattern content.SlugPattern, language string, fields *content.Object, hides func(string) bool, now time.Time) (content.Slug, error) {
	parts := pattern.Parts()
	instead := content.DateLayout
	if slices.ContainsFunc(parts, func(p content.SlugPart) bool { return p.Layout != "" || p.Field == "date" }) {
		instead = "150405"
	}
	var b strings.Builder
	for _, part := range parts {
		if part.Field == "" {
			b.WriteString(part.Text)
			continue
		}
		text := ""
		if !hides(part.Field) {
			var ok bool
			if text, ok = slugText(part, fields, language, now); !ok {
				return content.Slug{}, errNoSlug(part.Field)
			}
		}
		b.WriteString(cmp.Or(text, now.Format(instead)))
	}
	if _, err := content.ParseSlug(b.String() + strings.Repeat("0", maxNumber)); err != nil {
		return content.Slug{}, errSlugTooLong()
	}
	return content.ParseSlug(b.String())
}

// slugText is what a slug has of a field, "" if its text has no letter and no digit. It is
// false where there is no value that a slug can be made of.
func slugText(part content.SlugPart, fields *content.Object, language string, now time.Time) (string, bool) {
	v, has := fields.Get(part.Field)
	dated := part.Layout != "" || part.Field == "date"
	if text, ok := v.(string); ok && dated {
		if t, ok := content.ParseTime(text); ok {
			v = t
		}
	}
	if (!has || v == nil) && part.Field == "date" {
		v = content.Time{Time: now}
	}
	switch v := v.(type) {
	case content.Time:
		return strings.ToLower(v.Format(cmp.Or(part.Layout, content.DateLayout))), true
	case content.Number:
		return slugify(string(v), language), part.Layout == ""
	case bool:
		return map[bool]string{true: "true", false: "false"}[v], part.Layout == ""
	case string:
		return slugify(v, language), part.Layout == "" && strings.TrimSpace(v) != ""
	}
	return "", false
}

// errNoSlug refuses an entry without the field that its slug is made of.
func errNoSlug(field string) error {
	if field == "title" {
		return &Error{Code: Invalid, Detail: say.New("A slug cannot be made from the title. Give a slug."),
			Problems: []content.Problem{{Field: "title", Pointer: "/title", Rule: "required", Detail: say.New("Give the entry a title, or a slug.")}}}
	}
	path := content.FieldPath{field}
	return &Error{Code: Invalid, Detail: say.New("A slug cannot be made, as a field that it is made of is missing or unfit. Give a slug."),
		Problems: []content.Problem{{Field: path.String(), Pointer: path.Pointer(), Rule: "required", Detail: say.New("Give the field a value, or the entry a slug.")}}}
}

// checkNew refuses a slug whose file could not be checked out on every system, or
// whose path would be too long. Self is an entry that is renamed to ref.
func (s *Site) checkNew(in entries, ref, self Ref) error {
	if _, err := s.byName[ref.Collection].Path(ref.Slug); err != nil {
		return errSlugTooLong()
	}
	if err := ref.Slug.Portable(); err != nil {
		return &Error{Code: Malformed, Detail: say.New("The %s, so it could not be checked out on every system. Choose another slug.", err)}
	}
	if s.unique.caseConflict(in, ref, self, s.byName[ref.Collection].Extension) {
		return &Error{Code: Conflict, Detail: say.New("There is an entry whose slug, or a folder of it, differs only in case or in the Unicode form of its accents. On some systems the two would be the same file. Choose another slug.")}
	}
	return nil
}

// errSlugTooLong refuses a slug with which the path of the file, or a segment of it with its
// extension, would be longer than paths may be.
func errSlugTooLong() error {
	return &Error{Code: Invalid, Detail: say.New("The slug is too long for a file of this collection. Choose a shorter one."),
		Problems: []content.Problem{{Rule: "slug", Detail: say.New("With its extension, the name of the file would be longer than 240 bytes, or its path longer than 1,024.")}}}
}
