package content

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// A PagePattern says where a site has the pages of entries: an http or https URL, or a path,
// with placeholders for parts of an entry's name.
type PagePattern struct{ text string }

// pagePlaceholder is what a pattern has in the place of a part of the entry's name.
var pagePlaceholder = regexp.MustCompile(`\{[^{}]*\}`)

// pagePlaceholders are those that there are. Name is the last part of the slug, without the
// date that may be before it, whose parts are year, month and day.
var pagePlaceholders = []string{"{collection}", "{slug}", "{name}", "{year}", "{month}", "{day}"}

// ParsePagePattern reads a pattern.
func ParsePagePattern(pattern string) (PagePattern, error) {
	for _, found := range pagePlaceholder.FindAllString(pattern, -1) {
		if !slices.Contains(pagePlaceholders, found) {
			return PagePattern{}, fmt.Errorf("the pattern of pages has %s; there are %s", found, strings.Join(pagePlaceholders, ", "))
		}
	}
	if !strings.Contains(pattern, "{slug}") && !strings.Contains(pattern, "{name}") {
		return PagePattern{}, fmt.Errorf("the pattern of pages needs {slug} or {name}: %q is the same for every entry", pattern)
	}
	if u, err := url.Parse(pagePlaceholder.ReplaceAllString(pattern, "x")); err != nil || u.Scheme != "" && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return PagePattern{}, fmt.Errorf("the pattern of pages is no http or https URL and no path: %q", pattern)
	}
	return PagePattern{pattern}, nil
}

// IsURL says whether the pages are at URLs; otherwise they are at paths.
func (p PagePattern) IsURL() bool { return strings.Contains(p.text, "://") }

// datedName is a name with a date before it.
var datedName = regexp.MustCompile(`^(\d{4})-(\d{2})-(\d{2})-(.+)$`)

// Page is where the page of an entry is. It is false where the site can have none, as the
// pattern asks for a date that its name has not got.
func (p PagePattern) Page(collection, slug string) (at string, ok bool) {
	name := slug[strings.LastIndexByte(slug, '/')+1:]
	values := map[string]string{"{collection}": collection, "{slug}": slug, "{name}": name}
	if d := datedName.FindStringSubmatch(name); d != nil {
		values["{year}"], values["{month}"], values["{day}"], values["{name}"] = d[1], d[2], d[3], d[4]
	}
	ok = true
	at = pagePlaceholder.ReplaceAllStringFunc(p.text, func(found string) string {
		value := values[found]
		if ok = ok && value != ""; p.IsURL() {
			segments := strings.Split(value, "/")
			for i := range segments {
				segments[i] = url.PathEscape(segments[i])
			}
			value = strings.Join(segments, "/")
		}
		return value
	})
	return at, ok
}
