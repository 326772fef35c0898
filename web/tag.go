package web

import (
	"net/http"
	"strings"

	"cms/say"
)

// ETag is the strong entity tag of a revision (RFC 9110, section 8.8.3).
func ETag(revision string) string { return `"` + revision + `"` }

// Tags is a list of entity tags as If-Match and If-None-Match send it. They are compared
// by the revision that they name, whether they are strong or weak: a proxy that
// compresses makes weak tags of ours, and a revision is a sum of the content, so that an
// edit on the state that it names overwrites nothing.
type Tags struct {
	Any  bool     // *
	list []string // without their quotes: revisions, maybe with what a proxy added
}

// ParseTags reads the value of If-Match or If-None-Match. Members of the list that
// are empty are ignored (RFC 9110, section 5.6.1.2).
func ParseTags(name, s string) (Tags, error) {
	malformed := NewProblem(http.StatusBadRequest, say.New(`%s must be *, or entity tags in double quotes as the ETag header gave them: "3f78…".`, name))
	s = strings.TrimSpace(s)
	if s == "*" {
		return Tags{Any: true}, nil
	}
	var t Tags
	for s = skipEmpty(s); s != ""; {
		rest := strings.TrimPrefix(s, "W/")
		rest, ok := strings.CutPrefix(rest, `"`)
		if !ok {
			return Tags{}, malformed
		}
		value, rest, ok := strings.Cut(rest, `"`)
		if !ok {
			return Tags{}, malformed
		}
		t.list = append(t.list, value)
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

// codings are what proxies that compress add to an entity tag, as Apache, Jetty and Caddy
// do.
var codings = []string{"--gzip", "-gzip", "-br", "-zstd", "-deflate"}

// uncoded is an entity tag's value without what a proxy may have added to it.
func uncoded(value string) string {
	for _, coding := range codings {
		if plain, ok := strings.CutSuffix(value, coding); ok {
			return plain
		}
	}
	return value
}

// Revisions are those that the tags name; not nil, also for none.
func (t Tags) Revisions() []string {
	revisions := []string{}
	for _, value := range t.list {
		revisions = append(revisions, uncoded(value))
	}
	return revisions
}

// Match gives the entity tag that names a revision, which is the one for a 304 to repeat:
// a proxy that compresses may have changed it.
func (t Tags) Match(revision string) (string, bool) {
	if t.Any {
		return ETag(revision), true
	}
	for _, value := range t.list {
		if uncoded(value) == revision {
			return ETag(value), true
		}
	}
	return "", false
}
