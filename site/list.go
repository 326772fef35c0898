package site

import (
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

// Entries lists the entries of a collection that a query asks for. A page goes
// on behind the values and the slug of the last entry of the one before, so
// that none is shown twice and none that stays is left out while others come
// and go. A field that is hidden from pr in some entries is, for filters, sort
// and text, in none.
func (s *Site) Entries(pr *auth.Principal, collection string, q Query) (*Page, error) {
	v, err := s.sight(pr, collection, auth.Read)
	if err != nil {
		return nil, err
	}
	l, err := v.list(q)
	if err != nil {
		return nil, err
	}
	t := s.tables.of(collection, s.repo.View().Entries(collection))
	found, total, more := l.page(t, q.Limit)
	page := &Page{Items: make([]*Entry, len(found)), Total: total}
	for i, e := range found {
		if page.Items[i], err = v.view(e); err != nil {
			return nil, err
		}
		if q.Fields != nil {
			page.Items[i].Fields = only(page.Items[i].Fields, q.Fields)
		}
	}
	if more {
		page.Next = l.cursor(t, found[len(found)-1])
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
	after   *place   // nil for the first page
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
	l.after, err = parsePlace(q.Cursor, l.id, len(l.sort))
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

// page is the entries behind the cursor, how many the whole list has, and
// whether there are more behind the page.
func (l *list) page(ix *table, limit int) (found []*repo.Entry, total int, more bool) {
	for i := range l.filters {
		l.filters[i].column = ix.column(l.filters[i].typed)
	}
	order, columns := ix.order(l.typed())
	for n := range ix.entries {
		i := n
		if order != nil {
			i = int(order[n])
		}
		if !l.has(ix, i) {
			continue
		}
		total++
		switch {
		case more || l.after != nil && l.compare(columns, i, ix) <= 0:
		case len(found) == limit:
			more = true
		default:
			found = append(found, ix.entries[i])
		}
	}
	return found, total, more
}

// typed is the sort with the types of its fields.
func (l *list) typed() []sortKey {
	keys := make([]sortKey, len(l.sort))
	for i, o := range l.sort {
		keys[i] = sortKey{typedPath{o.Field, typeAt(l.sight.Schema.Fields, o.Field)}, o.Descending}
	}
	return keys
}

// has says whether the entry at i is in the list.
func (l *list) has(ix *table, i int) bool {
	for j := range l.filters {
		if !l.filters[j].matches(i) {
			return false
		}
	}
	e := ix.entries[i]
	return l.sight.sees(e) && (len(l.words) == 0 || l.mentions(e))
}

// mentions says whether each word is in e.
func (l *list) mentions(e *repo.Entry) bool {
	var b strings.Builder
	for _, m := range e.Fields().Members {
		if !l.sight.closed(m.Key) {
			writeTexts(&b, m.Value)
		}
	}
	if src, err := e.Source(); err == nil { // else the fields alone are searched
		b.WriteString(content.Body(src))
	}
	text := fold(b.String())
	return !slices.ContainsFunc(l.words, func(w string) bool { return !strings.Contains(text, w) })
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

// only is an object with the keys alone that are named.
func only(o *content.Object, keys []string) *content.Object {
	return &content.Object{Members: slices.DeleteFunc(slices.Clone(o.Members), func(m content.Member) bool { return !slices.Contains(keys, m.Key) })}
}
