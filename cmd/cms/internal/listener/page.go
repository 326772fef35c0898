package listener

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	docs "cms/content"
)

// maxPages is how many entries are remembered whose pages are to be looked for.
const maxPages = 500

// pageTimeout is how long the site may take to answer for one page.
const pageTimeout = 10 * time.Second

// pages says where the site has the pages of entries.
type pages struct {
	patterns map[string]docs.PagePattern // by collection, "" for all others
	dir      string                      // where patterns that are no URLs lead
	wait     time.Duration               // how long pages are looked for that are not there
	client   *http.Client
}

// newPages reads patterns: of all collections, or of one, with its name and = before it.
func newPages(patterns []string, dir string, wait time.Duration) (*pages, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	p := &pages{patterns: map[string]docs.PagePattern{}, dir: dir, wait: wait, client: &http.Client{Timeout: pageTimeout}}
	for _, given := range patterns {
		collection, pattern, named := strings.Cut(given, "=")
		if !named || strings.ContainsAny(collection, "{}/:") {
			collection, pattern = "", given
		}
		if _, twice := p.patterns[collection]; twice {
			return nil, fmt.Errorf("there are two patterns of pages for %q", collection)
		}
		read, err := docs.ParsePagePattern(pattern)
		if err != nil {
			return nil, err
		}
		p.patterns[collection] = read
	}
	return p, nil
}

// of is where the page of an entry is. It is false where the site can have none, as the
// pattern asks for a date that its name has not got, or is not asked about.
func (p *pages) of(collection, slug string) (at string, ok, asked bool) {
	pattern, asked := p.patterns[collection]
	if !asked {
		if pattern, asked = p.patterns[""]; !asked {
			return "", false, false
		}
	}
	at, ok = pattern.Page(collection, slug)
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
