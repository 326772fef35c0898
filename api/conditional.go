package api

import (
	"net/http"
	"strings"
)

// etag is the strong entity tag of a revision (RFC 9110, section 8.8.3).
func etag(revision string) string { return `"` + revision + `"` }

// tags is a list of entity tags as If-Match and If-None-Match send it.
type tags struct {
	any  bool // *
	list []tag
}

type tag struct {
	value string // without its quotes
	weak  bool
}

// parseTags reads the value of If-Match or If-None-Match.
func parseTags(name, s string) (tags, *Problem) {
	malformed := newProblem(http.StatusBadRequest, name+` must be *, or entity tags in double quotes as the ETag header gave them: "3f78…".`)
	s = strings.TrimSpace(s)
	if s == "*" {
		return tags{any: true}, nil
	}
	var t tags
	for s != "" {
		rest, weak := strings.CutPrefix(s, "W/")
		rest, ok := strings.CutPrefix(rest, `"`)
		if !ok {
			return tags{}, malformed
		}
		value, rest, ok := strings.Cut(rest, `"`)
		if !ok {
			return tags{}, malformed
		}
		t.list = append(t.list, tag{value, weak})
		rest = strings.TrimLeft(rest, " \t")
		if rest != "" && rest[0] != ',' {
			return tags{}, malformed
		}
		s = strings.TrimLeft(rest, ", \t")
	}
	return t, nil
}

// strong are the tags that strong comparison may match.
func (t tags) strong() []string {
	values := []string{}
	for _, tag := range t.list {
		if !tag.weak {
			values = append(values, tag.value)
		}
	}
	return values
}

// matchWeak compares as If-None-Match does (RFC 9110, section 13.1.2).
func (t tags) matchWeak(revision string) bool {
	if t.any {
		return true
	}
	for _, tag := range t.list {
		if tag.value == revision {
			return true
		}
	}
	return false
}
