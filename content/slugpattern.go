package content

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A SlugPattern says what the slug of a new entry is made of, where none is given:
// fields and what stands around them. The zero one is the title alone.
type SlugPattern struct{ parts []SlugPart }

// A SlugPart is a text, or the value of a field.
type SlugPart struct {
	Text   string // where Field is ""
	Field  string // a key of the front matter
	Layout string // of a date, as package time has it; "" for another value
}

// DateLayout is how dates are written in slugs, where nothing else is said.
const DateLayout = time.DateOnly

// ParseSlugPattern reads a pattern such as {date:2006-01-02}-{title}.
func ParseSlugPattern(s string) (SlugPattern, error) {
	var p SlugPattern
	fields := false
	for rest := s; rest != ""; {
		text, behind, found := strings.Cut(rest, "{")
		if strings.Contains(text, "}") {
			return SlugPattern{}, errors.New("has a } without a { before it; write {title}")
		}
		if text != "" {
			p.parts = append(p.parts, SlugPart{Text: text})
		}
		if !found {
			break
		}
		inside, after, closed := strings.Cut(behind, "}")
		name, layout, dated := strings.Cut(inside, ":")
		switch {
		case !closed || strings.Contains(inside, "{"):
			return SlugPattern{}, errors.New("has a { without a }; write {title}")
		case name == "":
			return SlugPattern{}, errors.New("has braces without the name of a field; write {title}")
		case dated && !isLayout(layout):
			return SlugPattern{}, fmt.Errorf("%q is not a layout of dates; write {%s:2006-01-02}: the year is 2006, the month 01, the day 02", layout, name)
		}
		p.parts = append(p.parts, SlugPart{Field: name, Layout: layout})
		fields, rest = true, after
	}
	if !fields {
		return SlugPattern{}, errors.New("names no field, so that all entries would have the same slug; write {title}")
	}
	var sample strings.Builder
	for _, part := range p.parts {
		switch {
		case part.Layout != "":
			sample.WriteString(time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC).Format(part.Layout))
		case part.Field != "":
			sample.WriteString("a")
		default:
			sample.WriteString(part.Text)
		}
	}
	slug, err := ParseSlug(sample.String())
	if err == nil {
		err = slug.Portable()
	}
	if err != nil {
		return SlugPattern{}, fmt.Errorf("makes slugs that files cannot have: the %w", err)
	}
	return p, nil
}

// isLayout says whether dates that differ are written differently by a layout.
func isLayout(s string) bool {
	return time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC).Format(s) != time.Date(2010, 11, 12, 13, 14, 15, 0, time.UTC).Format(s)
}

// Parts are what slugs are made of, in their order.
func (p SlugPattern) Parts() []SlugPart {
	if len(p.parts) == 0 {
		return []SlugPart{{Field: "title"}}
	}
	return p.parts
}

// Check says why no slugs can be made of fields of these types, or nil; typeOf is "" for
// a field that the schema does not know.
func (p SlugPattern) Check(typeOf func(field string) Type) error {
	for _, part := range p.Parts() {
		switch t := typeOf(part.Field); {
		case part.Field == "" || t == "":
		case part.Layout != "" && t.Scalar() != Times:
			return fmt.Errorf("the field %q has no layout of dates, as it is of the type %s; write {%[1]s}", part.Field, t)
		case t == TypeList || t == TypeObject:
			return fmt.Errorf("the field %q is of the type %s, of which no slug can be made", part.Field, t)
		}
	}
	return nil
}
