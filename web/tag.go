package web

import (
	"net/http"
	"strings"
)

// ETag is the strong entity tag of a revision (RFC 9110, section 8.8.3).
func ETag(revision string) string { return `"` + revision + `"` }

// Tags is a list of entity tags as If-Match and If-None-Match send it.
type Tags struct {
	Any  bool // *
	list []tag
}

type tag struct {
	value string // without its quotes: a revision, maybe with what a proxy added
	weak  bool
}

// ParseTags reads the value of If-Match or If-None-Match. Members of the list that
// are empty are ignored (RFC 9110, section 5.6.1.2).
func ParseTags(name, s string) (Tags, error) {
	malformed := NewProblem(http.StatusBadRequest, name+` must be *, or entity tags in double quotes as the ETag header gave them: "3f78…".`)
	s = strings.TrimSpace(s)
	if s == "*" {
		return Tags{Any: true}, nil
	}
	var t Tags
	for s = skipEmpty(s); s != ""; {
		rest, weak := strings.CutPrefix(s, "W/")
		rest, ok := strings.CutPrefix(rest, `"`)
		if !ok {
			return Tags{}, malformed
		}
		value, rest, ok := strings.Cut(rest, `"`)
		if !ok {
			return Tags{}, malformed
		}
		t.list = append(t.list, tag{value, weak})
		rest = strings.TrimLeft(rest, " \t")
		if rest != "" && rest[0] != ',' {
			return Tags{}, malformed
		}
		s = skipEmpty(rest)
	}
	return t, nil
}

// skipEmpty is what of a list is left behind its commas and blanks.
func skipEmpty(s string) string { return strings.TrimLeft(s, ", \t") }

// uncoded is an entity tag's value without what a proxy that compresses may have
// added to it, as Apache does.
func uncoded(tag string) string { return strings.TrimSuffix(tag, "-gzip") }

// Strong are the revisions that strong comparison may match.
func (t Tags) Strong() []string {
	values := []string{}
	for _, tag := range t.list {
		if !tag.weak {
			values = append(values, uncoded(tag.value))
		}
	}
	return values
}

// Weak are the revisions that weak comparison may match.
func (t Tags) Weak() []string {
	var values []string
	for _, tag := range t.list {
		values = append(values, uncoded(tag.value))
	}
	return values
}

// MatchWeak compares as If-None-Match does (RFC 9110, section 13.1.2). It gives
// the entity tag that matches, which is the one for a 304 to repeat: a proxy
// that compresses may have changed it.
func (t Tags) MatchWeak(revision string) (string, bool) {
	if t.Any {
		return ETag(revision), true
	}
	for _, tag := range t.list {
		if uncoded(tag.value) == revision {
			return ETag(tag.value), true
		}
	}
	return "", false
}
