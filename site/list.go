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
	"cms/say"
	"cms/search"
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
	MaxFilters   = 20
	MaxSort      = 5
	MaxValues    = 1000 // of a filter with in
	MaxFields    = 200  // to show
	MaxQueryText = 1000 // of what is looked for, in bytes
	MaxFieldPath = 250  // in bytes
)

// A page ends early where its entries are so large together, or cost so much.
const maxPage = 16 << 20

// Page is a part of a list.
type Page struct {
	Items []*Entry
	Total int    // in the whole list
	Next  string // the cursor of the next page; "" at the end
}

// List lists the entries of a collection that a query asks for. A page goes
// on behind the values and the slug of the last entry of the one before, so
// that none is shown twice and none that stays is left out while others come
// and go. A page can end before it has as many as it may. A field that is hidden
// from pr in some entries is, for filters, sort and text, in none. When ctx ends, or
// the question has cost its share, before the first page of a large collection is
// found, what was done for it is kept for a retry.
//
// Entries are shared with other lists, and must not be changed.
func (s *Site) List(ctx context.Context, pr *auth.Principal, collection string, q Query) (*Page, error) {
	l, err := s.query(ctx, pr, collection, q)
	if err != nil {
		return nil, err
	}
	acc := l.access
	defer func() { acc.budget.release() }()
	found, err := s.findPage(ctx, l, q.Limit+1)
	if err != nil {
		return nil, err
	}
	acc.budget.release()
	acc.budget = s.budget(ctx, pr, pageBudget)
	r := l.reader()
	page := &Page{Total: found.total, Items: make([]*Entry, 0, min(q.Limit, len(found.entries)))}
	visible, shown, size, snap := acc.visible(), set(q.Fields), 0, s.repo.View()
	for i, e := range found.entries {
		if i == q.Limit {
			break
		}
		item, err := s.views.get(acc, visible, e)
		if i > 0 && isUnavailable(err) {
			break
		}
		if err != nil {
			return nil, err
		}
		item = acc.crossCheck(item, snap)
		if q.Fields != nil {
			item = item.only(shown)
		}
		page.Items = append(page.Items, item)
		if size += item.size(); size > maxPage {
			break
		}
	}
	if n := len(page.Items); n < len(found.entries) {
		last := found.entries[n-1]
		page.Next = l.cursor(position{r.key(last), last.Slug.String()})
	}
	return page, nil
}

// query is a query of pr that makes sense, with the budget to find what it asks for.
func (s *Site) query(ctx context.Context, pr *auth.Principal, collection string, q Query) (*list, error) {
	acc, err := s.access(pr, collection, auth.Read)
	if err != nil {
		return nil, err
	}
	acc.budget = s.budget(ctx, pr, scanBudget)
	return acc.list(ctx, q)
}

// asked is a query of pr that makes sense, and what it finds. A page of that has a budget
// of its own, which whoever reads the page releases.
func (s *Site) asked(ctx context.Context, pr *auth.Principal, collection string, q Query) (*list, *order, error) {
	l, err := s.query(ctx, pr, collection, q)
	if err != nil {
		return nil, nil, err
	}
	all, err := s.find(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	l.access.budget = s.budget(ctx, pr, pageBudget)
	return l, all, nil
}

func set(names []string) map[string]bool {
	made := make(map[string]bool, len(names))
	for _, name := range names {
		made[name] = true
	}
	return made
}

// list is a query that makes sense, for one caller.
type list struct {
	access  *access
	filters []filter
	sort    []Order
	words   []string       // folded
	id      string         // of the query, for its cursors
	after   *position      // nil for the first page
	snap    *repo.Snapshot // for what is about other entries
}

// check refuses what asks for more than one query may.
func (q Query) check() error {
	switch {
	case q.Limit < 1 || q.Limit > MaxLimit:
		return &Error{Code: Malformed, Detail: say.New("The limit must be between 1 and %d.", MaxLimit)}
	case len(q.Filters) > MaxFilters:
		return &Error{Code: Malformed, Detail: say.New("Give at most %d filters.", MaxFilters)}
	case len(q.Sort) > MaxSort:
		return &Error{Code: Malformed, Detail: say.New("Sort by at most %d fields.", MaxSort)}
	case len(q.Fields) > MaxFields:
		return &Error{Code: Malformed, Detail: say.New("Ask for at most %d fields.", MaxFields)}
	case len(q.Text) > MaxQueryText:
		return &Error{Code: Malformed, Detail: say.New("Look for at most %d bytes of text.", MaxQueryText)}
	}
	long := func(path string) bool { return len(path) > MaxFieldPath }
	if slices.ContainsFunc(q.Filters, func(f Filter) bool { return long(f.Field) }) ||
		slices.ContainsFunc(q.Sort, func(o Order) bool { return long(o.Field) }) || slices.ContainsFunc(q.Fields, long) {
		return errLongPath()
	}
	return nil
}

func errLongPath() error {
	return &Error{Code: Malformed, Detail: say.New("The path of a field has at most %d bytes.", MaxFieldPath)}
}

func (acc *access) list(ctx context.Context, q Query) (*list, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	l := &list{access: acc, words: distinct(strings.Fields(search.Fold(q.Text))), id: q.id(acc.Name), snap: acc.site.repo.View()}
	acc.visibleHash() // while no other goroutine has acc
	for _, f := range q.Filters {
		typed, err := acc.named(ctx, f.Field)
		if err != nil {
			return nil, err
		}
		made, err := acc.filter(f, typed)
		if err != nil {
			return nil, err
		}
		l.filters = append(l.filters, made)
	}
	for _, o := range q.Sort {
		typed, err := acc.named(ctx, o.Field)
		if err != nil {
			return nil, err
		}
		if !acc.hides(o.Field) {
			l.sort = append(l.sort, Order{typed.path, o.Descending})
		}
	}
	if q.Cursor == "" {
		return l, nil
	}
	var err error
	l.after, err = parseCursor(q.Cursor, l.id)
	return l, err
}

// distinct are words, each once.
func distinct(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

// typed is the sort with the types of its fields.
func (l *list) typed() []sortKey {
	keys := make([]sortKey, len(l.sort))
	for i, o := range l.sort {
		typ := typeAt(l.access.Schema.Fields, o.Field)
		if own, ok := strings.CutPrefix(o.Field, "@"); ok && ownNames[own] != "" {
			typ = ownNames[own]
		}
		keys[i] = sortKey{typedPath{o.Field, typ}, o.Descending}
	}
	return keys
}

// key identifies the list, apart from the entries and the page: callers who see the
// same and ask for the same have the same key.
func (l *list) key() selectionKey {
	h := sha256.New()
	for _, f := range l.filters {
		fmt.Fprintf(h, "%q %q %q %t ", f.op, f.typed.path, f.given, f.closed)
	}
	fmt.Fprintf(h, "%#v %q %s", l.sort, l.words, l.access.visible())
	if l.hasOwn("valid") && l.access.crosses() { // which depends on other entries
		fmt.Fprintf(h, " %s", l.snap.Commit())
	}
	return selectionKey(h.Sum(nil))
}

// eachText calls use with the texts in v.
func eachText(v content.Value, use func(string)) {
	switch v := v.(type) {
	case string:
		use(v)
	case []content.Value:
		for _, item := range v {
			eachText(item, use)
		}
	case *content.Object:
		for _, m := range v.Members {
			eachText(m.Value, use)
		}
	}
}
