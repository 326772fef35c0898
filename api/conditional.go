package api

import (
	"net/http"
	"strings"

	"cms/site"
)

// etag is the strong entity tag of a revision (RFC 9110, section 8.8.3).
func etag(revision string) string { return `"` + revision + `"` }

// tags is a list of entity tags as If-Match and If-None-Match send it.
type tags struct {
	any  bool // *
	list []tag
}

type tag struct {
	value string // without its quotes: a revision, maybe with what a proxy added
	weak  bool
}

// parseTags reads the value of If-Match or If-None-Match. Members of the list that
// are empty are ignored (RFC 9110, section 5.6.1.2).
func parseTags(name, s string) (tags, *Problem) {
	malformed := newProblem(http.StatusBadRequest, name+` must be *, or entity tags in double quotes as the ETag header gave them: "3f78…".`)
	s = strings.TrimSpace(s)
	if s == "*" {
		return tags{any: true}, nil
	}
	var t tags
	for s = skipEmpty(s); s != ""; {
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
		s = skipEmpty(rest)
	}
	return t, nil
}

// skipEmpty is what of a list is left behind its commas and blanks.
func skipEmpty(s string) string { return strings.TrimLeft(s, ", \t") }

// strong are the tags that strong comparison may match.
func (t tags) strong() []string {
	values := []string{}
	for _, tag := range t.list {
		if !tag.weak {
			values = append(values, uncoded(tag.value))
		}
	}
	return values
}

// values are all tags, for weak comparison.
func (t tags) values() []string {
	var values []string
	for _, tag := range t.list {
		values = append(values, uncoded(tag.value))
	}
	return values
}

// matchWeak compares as If-None-Match does (RFC 9110, section 13.1.2). It gives
// the entity tag that matches, which is the one for a 304 to repeat: a proxy
// that compresses may have changed it.
func (t tags) matchWeak(revision string) (string, bool) {
	if t.any {
		return etag(revision), true
	}
	for _, tag := range t.list {
		if uncoded(tag.value) == revision {
			return etag(tag.value), true
		}
	}
	return "", false
}

// Preconditions are the headers of a conditional write.
type Preconditions struct {
	IfMatch     string `header:"If-Match" doc:"The ETag of the revision that the edit is for, or * for whatever is there."`
	IfNoneMatch string `header:"If-None-Match" doc:"* for what is not there yet: to create. ETags of revisions that must not be there."`
}

// parse joins the headers with the base of a merge.
func (c Preconditions) parse(base string) (site.Precondition, error) {
	pre := site.Precondition{Base: base}
	if base != "" && (c.IfMatch != "" || c.IfNoneMatch != "") {
		return pre, newProblem(http.StatusBadRequest, "The parameter base stands in the place of If-Match and If-None-Match. Give one of them.")
	}
	if c.IfMatch != "" {
		t, p := parseTags("If-Match", c.IfMatch)
		if p != nil {
			return pre, p
		}
		pre.Any, pre.Revisions = t.any, t.strong()
	}
	if c.IfNoneMatch != "" {
		t, p := parseTags("If-None-Match", c.IfNoneMatch)
		if p != nil {
			return pre, p
		}
		pre.Absent, pre.Not = t.any, t.values()
	}
	return pre, nil
}

// ofCollection holds the headers against the target of a request that adds to a
// collection: it is there, and has no entity tag.
func (c Preconditions) ofCollection() error {
	pre, err := c.parse("")
	if err != nil {
		return err
	}
	if pre.Revisions != nil && !pre.Any || pre.Absent {
		return newProblem(http.StatusPreconditionFailed, "If-Match and If-None-Match are about the path of the request, which is a collection and has no ETag. Leave them out; a slug that is taken is refused anyway.")
	}
	return nil
}
