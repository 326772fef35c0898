package site

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"cms/auth"
	"cms/content"
	"cms/repo"
)

// Query asks for a page of a list. Fields are named by paths whose steps dots
// separate; a step into a list is one into each of its items.
type Query struct {
	Limit   int      // 1 to [MaxLimit]
	Cursor  string   // [Page.Next] of the page before, or ""
	Filters []Filter // all of them hold
	Sort    []Order  // then by slug
	Text    string   // each word is part of the fields' texts or the body, whatever its case and accents
	Fields  []string // the top-level fields to show; nil for all
}

// Order is one key to sort by. Entries without the field come last.
type Order struct {
	Field      string
	Descending bool
}

// MaxLimit is the greatest number of entries in a page.
const MaxLimit = 1000

// Bounds of what a query may ask for.
const (
	maxFilters = 20
	maxSort    = 5
)

// Page is a part of a list.
type Page struct {
	Items []*Entry
	Total int    // in the whole list
	Next  string // the cursor of the next page; "" at the end
}

// Entries is [Site.List] for those who wait as long as it takes.
func (s *Site) Entries(pr *auth.Principal, collection string, q Query) (*Page, error) {
	return s.List(context.Background(), pr, collection, q)
}

// List lists the entries of a collection that a query asks for. A page goes
// on behind the values and the slug of the last entry of the one before, so
// that none is shown twice and none that stays is left out while others come
// and go. A field that is hidden from pr in some entries is, for filters, sort
// and text, in none. When ctx ends before the first page of a large collection is
// found, what was done for it is not lost to the next one who asks.
//
// Entries are shared with other lists, and must not be changed.
func (s *Site) List(ctx context.Context, pr *auth.Principal, collection string, q Query) (*Page, error) {
	v, err := s.sight(pr, collection, auth.Read)
	if err != nil {
		return nil, err
	}
	l, err := v.list(q)
	if err != nil {
		return nil, err
	}
	all, err := s.find(ctx, l)
	if err != nil {
		return nil, err
	}
	r := l.reader()
	found := make([]*repo.Entry, 0, min(q.Limit+1, all.len()))
	for e := range all.behind(l.after, r.key) {
		if found = append(found, e); len(found) > q.Limit {
			break
		}
	}
	page := &Page{Total: all.len()}
	if len(found) > q.Limit {
		found = found[:q.Limit]
		last := found[q.Limit-1]
		page.Next = l.cursor(spot{r.key(last), last.Slug.String()})
	}
	page.Items = make([]*Entry, len(found))
	reads := v.reads()
	for i, e := range found {
		if page.Items[i], err = s.views.of(v, reads, e); err != nil {
			return nil, err
		}
		if q.Fields != nil {
			page.Items[i] = page.Items[i].only(q.Fields)
		}
	}
	return page, nil
}

// list is a query that makes sense, for one caller.
type list struct {
	sight   *sight
	filters []filter
	sort    []Order
	words   []string // folded
	id      string   // of the query, for its cursors
	after   *spot    // nil for the first page
}

func (v *sight) list(q Query) (*list, error) {
	l := &list{sight: v, words: strings.Fields(fold(q.Text)), id: q.id(v.Name)}
	switch {
	case q.Limit < 1 || q.Limit > MaxLimit:
		return nil, &Error{Code: Malformed, Detail: fmt.Sprintf("The limit must be between 1 and %d.", MaxLimit)}
	case len(q.Filters) > maxFilters:
		return nil, &Error{Code: Malformed, Detail: fmt.Sprintf("Give at most %d filters.", maxFilters)}
	case len(q.Sort) > maxSort:
		return nil, &Error{Code: Malformed, Detail: fmt.Sprintf("Sort by at most %d fields.", maxSort)}
	}
	for _, f := range q.Filters {
		made, err := v.filter(f)
		if err != nil {
			return nil, err
		}
		l.filters = append(l.filters, made)
	}
	for _, o := range q.Sort {
		if !v.closed(o.Field) {
			l.sort = append(l.sort, o)
		}
	}
	if q.Cursor == "" {
		return l, nil
	}
	var err error
	l.after, err = parseCursor(q.Cursor, l.id)
	return l, err
}

// closed says whether the field at path is hidden from the caller in some
// entries.
func (v *sight) closed(path string) bool {
	return !v.whole && slices.ContainsFunc(v.grants, func(g auth.Grant) bool {
		return g.Allows(auth.Read) && slices.ContainsFunc(g.Hide, func(f string) bool {
			return path == f || strings.HasPrefix(path, f+".")
		})
	})
}

// typed is the sort with the types of its fields.
func (l *list) typed() []sortKey {
	keys := make([]sortKey, len(l.sort))
	for i, o := range l.sort {
		keys[i] = sortKey{typedPath{o.Field, typeAt(l.sight.Schema.Fields, o.Field)}, o.Descending}
	}
	return keys
}

// name tells what the list depends on beside the entries and its page: who sees
// the same, and asks for the same, has the same.
func (l *list) name() selectionName {
	h := sha256.New()
	for _, f := range l.filters {
		fmt.Fprintf(h, "%q %q %q %t ", f.op, f.typed.path, f.given, f.closed)
	}
	fmt.Fprintf(h, "%#v %q %s", l.sort, l.words, l.sight.reads())
	return selectionName(h.Sum(nil))
}

func writeTexts(b *strings.Builder, v content.Value) {
	switch v := v.(type) {
	case string:
		b.WriteString(v)
		b.WriteByte('\n')
	case []content.Value:
		for _, item := range v {
			writeTexts(b, item)
		}
	case *content.Object:
		for _, m := range v.Members {
			writeTexts(b, m.Value)
		}
	}
}
