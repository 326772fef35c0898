package site

import (
	"context"
	"fmt"
	"slices"

	"cms/auth"
	"cms/content"
	"cms/repo"
)

// Ref names an entry. The zero Slug is none.
type Ref struct {
	Collection string
	Slug       content.Slug
}

// Entry is one document of a collection, as a caller sees it.
type Entry struct {
	Ref
	Path     content.Path
	Revision string // the Git blob's id, in hexadecimal
	Fields   *content.Object
	Problems []content.Problem // of reading the file and of the collection's schema; empty for a valid entry
	Updated  Change            // the last commit that touched it

	partial bool // the caller does not see all fields
	source  func() ([]byte, error)
}

// Source is the bytes of the file, which must not be changed. It is Forbidden to
// those who do not see all fields.
func (e *Entry) Source() ([]byte, error) {
	if e.partial {
		return nil, &Error{Code: Forbidden, Detail: "Your roles do not show every field of the file, so you cannot have it as it is. Ask for application/json instead."}
	}
	return e.source()
}

// Body is what follows the front matter, byte for byte.
func (e *Entry) Body() (string, error) {
	src, err := e.source()
	return content.Body(src), err
}

// Entry reads one entry.
func (s *Site) Entry(pr *auth.Principal, ref Ref) (*Entry, error) {
	v, err := s.sight(pr, ref.Collection, auth.Read)
	if err != nil {
		return nil, err
	}
	e, ok := s.repo.View().Entry(ref.Collection, ref.Slug)
	if !ok || !v.sees(e) {
		return nil, noEntry()
	}
	return v.view(e)
}

// unreadable says whether a file could not be read for its fields, so that to
// validate them would only list every required one as missing.
func unreadable(problems []content.Problem) bool {
	for _, p := range problems {
		if p.Rule == content.RuleSyntax {
			return true
		}
	}
	return false
}

// Query asks for a page of a list.
type Query struct {
	Limit int    // 1 to [MaxLimit]
	After string // the slug of the last entry of the page before, or ""
}

// MaxLimit is the greatest number of entries in a page.
const MaxLimit = 1000

// Page is a part of a list.
type Page struct {
	Items []*Entry
	Total int    // in the whole list
	Next  string // what After is for the next page; "" at the end
}

// Entries lists a collection in the order of its slugs. Pages stay in step
// while entries come and go: none is shown twice, none that stays is left out.
func (s *Site) Entries(pr *auth.Principal, collection string, q Query) (*Page, error) {
	v, err := s.sight(pr, collection, auth.Read)
	if err != nil {
		return nil, err
	}
	if q.Limit < 1 || q.Limit > MaxLimit {
		return nil, &Error{Code: Malformed, Detail: fmt.Sprintf("The limit must be between 1 and %d.", MaxLimit)}
	}
	all := s.repo.View().Entries(collection)
	if !v.whole {
		all = slices.DeleteFunc(slices.Clone(all), func(e *repo.Entry) bool { return !v.sees(e) })
	}
	page := &Page{Total: len(all), Items: []*Entry{}}
	rest := all[after(all, q.After):]
	for _, e := range rest[:min(q.Limit, len(rest))] {
		shown, err := v.view(e)
		if err != nil {
			return nil, err
		}
		page.Items = append(page.Items, shown)
	}
	if len(rest) > q.Limit {
		page.Next = rest[q.Limit-1].Slug.String()
	}
	return page, nil
}

// after is the index of the first entry whose slug is greater than slug.
func after(entries []*repo.Entry, slug string) int {
	lo, hi := 0, len(entries)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); entries[mid].Slug.String() <= slug {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// Check validates every entry of every collection, for the operator, and
// yields those that have problems. Unlike the entries of a list they are
// checked against each other too.
func (s *Site) Check(ctx context.Context) ([]*Entry, int, error) {
	snap := s.repo.View()
	var broken []*Entry
	total := 0
	for _, c := range s.collections {
		l := newLookup(snapshot{snap})
		for _, e := range snap.Entries(c.Name) {
			if err := ctx.Err(); err != nil {
				return nil, 0, err
			}
			total++
			shown, err := (&sight{Collection: c, whole: true}).view(e)
			if err != nil {
				return nil, 0, err
			}
			if c.Schema.Defined && !unreadable(shown.Problems) {
				shown.Problems = append(e.Problems(), c.Schema.Validate(shown.Fields, l.of(shown.Ref))...)
			}
			if len(shown.Problems) > 0 {
				broken = append(broken, shown)
			}
		}
	}
	return broken, total, nil
}
