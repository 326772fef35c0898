package listener

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxPages is how many entries are remembered whose pages are to be looked for.
const maxPages = 500

// pageTimeout is how long the site may take to answer for one page.
const pageTimeout = 10 * time.Second

// pages says where the site has the pages of entries.
type pages struct {
	patterns map[string]string // by collection, "" for all others
	dir      string            // where patterns that are no URLs lead
	wait     time.Duration     // how long pages are looked for that are not there
	client   *http.Client
}

// placeholder is what a pattern has in the place of a part of the entry's name.
var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// placeholders are those that there are. Name is the last part of the slug, without the date
// that may be before it, whose parts are year, month and day.
var placeholders = []string{"{collection}", "{slug}", "{name}", "{year}", "{month}", "{day}"}

// newPages reads patterns: of all collections, or of one, with its name and = before it.
func newPages(patterns []string, dir string, wait time.Duration) (*pages, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	p := &pages{patterns: map[string]string{}, dir: dir, wait: wait, client: &http.Client{Timeout: pageTimeout}}
	for _, given := range patterns {
		collection, pattern, named := strings.Cut(given, "=")
		if !named || strings.ContainsAny(collection, "{}/:") {
			collection, pattern = "", given
		}
		if p.patterns[collection] != "" {
			return nil, fmt.Errorf("there are two patterns of pages for %q", collection)
		}
		for _, found := range placeholder.FindAllString(pattern, -1) {
			if !slices.Contains(placeholders, found) {
				return nil, fmt.Errorf("the pattern of pages has %s; there are %s", found, strings.Join(placeholders, ", "))
			}
		}
		if !strings.Contains(pattern, "{slug}") && !strings.Contains(pattern, "{name}") {
			return nil, fmt.Errorf("the pattern of pages needs {slug} or {name}: %q is the same for every entry", pattern)
		}
		if u, err := url.Parse(placeholder.ReplaceAllString(pattern, "x")); err != nil || u.Scheme != "" && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			return nil, fmt.Errorf("the pattern of pages is no http or https URL and no path: %q", pattern)
		}
		p.patterns[collection] = pattern
	}
	return p, nil
}

// dated is a name with a date before it.
var dated = regexp.MustCompile(`^(\d{4})-(\d{2})-(\d{2})-(.+)$`)

// of is where the page of an entry is. It is false where the site can have none, as the
// pattern asks for a date that its name has not got, or is not asked about.
func (p *pages) of(collection, slug string) (at string, ok, asked bool) {
	pattern, asked := p.patterns[collection]
	if !asked {
		if pattern, asked = p.patterns[""]; !asked {
			return "", false, false
		}
	}
	name := slug[strings.LastIndexByte(slug, '/')+1:]
	values := map[string]string{"{collection}": collection, "{slug}": slug, "{name}": name}
	if d := dated.FindStringSubmatch(name); d != nil {
		values["{year}"], values["{month}"], values["{day}"], values["{name}"] = d[1], d[2], d[3], d[4]
	}
	isURL, ok := strings.Contains(pattern, "://"), true
	at = placeholder.ReplaceAllStringFunc(pattern, func(found string) string {
		value := values[found]
		if ok = ok && value != ""; isURL {
			segments := strings.Split(value, "/")
			for i := range segments {
				segments[i] = url.PathEscape(segments[i])
			}
			value = strings.Join(segments, "/")
		}
		return value
	})
	return at, ok, true
}

// isThere says whether the site has a page.
func (p *pages) isThere(ctx context.Context, at string) bool {
	if !strings.Contains(at, "://") {
		path := filepath.FromSlash(at)
		if !filepath.IsAbs(path) {
			if !filepath.IsLocal(path) {
				return false
			}
			path = filepath.Join(p.dir, path)
		}
		info, err := os.Stat(path)
		return err == nil && info.Mode().IsRegular()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return false
	}
	req.Header.Set("Cache-Control", "no-cache")
	res, err := p.client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxHook)) // so that the connection is used again
	return res.StatusCode/100 == 2
}

// look says which of some entries have their pages. Those that have not are looked for again
// for a while, as what serves the site may be behind.
func (p *pages) look(ctx context.Context, entries []string) (found, missing []string) {
	pause := 100 * time.Millisecond
	for until := time.Now().Add(p.wait); ; pause *= 2 {
		missing = nil
		for _, entry := range entries {
			collection, slug, _ := strings.Cut(entry, "/")
			at, ok, _ := p.of(collection, slug)
			if ok && p.isThere(ctx, at) {
				found = append(found, entry)
			} else {
				missing = append(missing, entry)
			}
		}
		if entries = missing; len(missing) == 0 || time.Now().Add(pause).After(until) {
			return found, missing
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return found, missing
		}
	}
}
