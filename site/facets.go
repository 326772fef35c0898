package site

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cms/auth"
	"cms/content"
	"cms/repo"
	"cms/search"

	"cms/say"
)

// FacetQuery asks which values fields have among the entries of a list, and how often.
type FacetQuery struct {
	Fields  []string // 1 to [MaxFacets], named as in filters
	Filters []Filter // as in [Query]
	Text    string
	Limit   int // values of each field, 1 to [MaxFacetValues]
}

// Bounds of what it may ask for. A text of more bytes is no value to choose from.
const (
	MaxFacets      = 10
	MaxFacetValues = 1000
	maxFacetText   = 250
)

// Facets are the values of fields in a list.
type Facets struct {
	Items []Facet // in the order of the query
	Total int     // entries of the list
}

// Facet is the values of one field, in the entries that the list finds without its filters
// on that field: those that can be chosen instead.
type Facet struct {
	Field   string
	Values  []FacetValue // the most frequent first
	More    int          // values that were left out
	Without int          // entries that have none
}

// FacetValue is a value, and how many entries have it; of a list, among others.
type FacetValue struct {
	Value content.Value // true or false, a number, a text or a [content.Time]
	Count int
}

// Facets counts the values of fields, as pr sees them: a field that is hidden from pr in
// some entries is in none. What was counted is kept, and follows the edits.
func (s *Site) Facets(ctx context.Context, pr *auth.Principal, collection string, q FacetQuery) (*Facets, error) {
	acc, err := s.access(pr, collection, auth.Read)
	if err != nil {
		return nil, err
	}
	switch {
	case len(q.Fields) < 1 || len(q.Fields) > MaxFacets:
		return nil, &Error{Code: Malformed, Detail: say.New("Ask for the values of 1 to %d fields.", MaxFacets)}
	case q.Limit < 1 || q.Limit > MaxFacetValues:
		return nil, &Error{Code: Malformed, Detail: say.New("The limit must be between 1 and %d.", MaxFacetValues)}
	case slices.ContainsFunc(q.Fields, func(f string) bool { return len(f) > MaxFieldPath }):
		return nil, errLongPath()
	}
	acc.budget = s.budget(ctx, pr, scanBudget)
	l, err := acc.list(ctx, Query{Limit: 1, Filters: q.Filters, Text: q.Text})
	if err != nil {
		return nil, err
	}
	found, err := s.find(ctx, l)
	if err != nil {
		return nil, err
	}
	all := &Facets{Total: found.len()}
	for _, name := range q.Fields {
		typed, err := acc.named(ctx, name)
		if err != nil {
			return nil, err
		}
		others := *l
		others.filters = slices.DeleteFunc(slices.Clone(l.filters), func(f filter) bool { return f.typed.path == typed.path })
		if acc.hides(typed.path) {
			found, err := s.find(ctx, &others)
			if err != nil {
				return nil, err
			}
			all.Items = append(all.Items, Facet{Field: name, Without: found.len()})
			continue
		}
		f, err := s.facets.count(ctx, s, &others, typed, q.Limit)
		if err != nil {
			return nil, err
		}
		f.Field = name
		all.Items = append(all.Items, *f)
	}
	return all, nil
}

// facetCache holds, for each list and field of late, how often which value is there. Each
// is brought from one edition of the collection to another by their differences. They are
// derived and may be dropped; the zero value is ready.
type facetCache struct {
	mu    sync.Mutex
	of    map[facetKey]*facet
	clock int64 // counts what was asked for
}

// facetKey names a field in a list; keysOfEntries stands for their names.
type facetKey struct {
	collection, path string
	list             selectionKey
}

// keysOfEntries is the path of what is no field: the names of those that entries have.
const keysOfEntries = "@"

// Bounds of what is kept of all collections.
const (
	maxKeptFacets   = 64
	maxKeptCounters = 200_000
)

// facet is one of them.
type facet struct {
	used int64        // when it was last asked for; guarded by facetCache.mu
	held atomic.Int64 // how many values it has

	lock chan struct{} // held by whoever uses what follows

	made    bool
	at      repo.Edition
	without int
	counts  map[cellName]int
	ordered []FacetValue // of counts; nil when they have changed

	pending *order    // what is being counted
	after   *position // up to where it was
}

// count is the values of a field in a list, limit of them at most.
func (all *facetCache) count(ctx context.Context, s *Site, l *list, typed typedPath, limit int) (*Facet, error) {
	f := all.get(l, typed)
	select {
	case f.lock <- struct{}{}:
		defer func() { <-f.lock }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer all.trim(f)
	if err := f.follow(ctx, s, l, typed); err != nil {
		return nil, err
	}
	if f.ordered == nil {
		f.ordered = inOrder(f.counts, typed.typ)
	}
	shown := f.ordered[:min(limit, len(f.ordered))]
	return &Facet{Values: slices.Clone(shown), More: len(f.ordered) - len(shown), Without: f.without}, nil
}

// get is the facet of a field in a list, marked as used.
func (all *facetCache) get(l *list, typed typedPath) *facet {
	key := facetKey{l.access.Name, typed.path, l.key()}
	if typed.path == "@valid" && l.access.crosses() && !l.hasOwn("valid") { // which depends on other entries
		key.list = sha256.Sum256(fmt.Appendf(key.list[:], "%s", l.snap.Commit()))
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.of == nil {
		all.of = map[facetKey]*facet{}
	}
	f := all.of[key]
	if f == nil {
		f = &facet{lock: make(chan struct{}, 1)}
		all.of[key] = f
	}
	all.clock++
	f.used = all.clock
	return f
}

// trim drops the least recently used facets, but for f, until the rest is within bounds.
func (all *facetCache) trim(f *facet) {
	f.held.Store(int64(len(f.counts)))
	all.mu.Lock()
	defer all.mu.Unlock()
	for {
		var held int64
		var oldest facetKey
		found := false
		for key, o := range all.of {
			held += o.held.Load()
			if o != f && (!found || o.used < all.of[oldest].used) {
				oldest, found = key, true
			}
		}
		if !found || len(all.of) <= maxKeptFacets && held <= maxKeptCounters {
			return
		}
		delete(all.of, oldest)
	}
}

// follow makes the facet that of the newest edition. What was counted when it ends with an
// error is kept.
func (f *facet) follow(ctx context.Context, s *Site, l *list, typed typedPath) error {
	r := l.reader()
	r.own = r.own || strings.HasPrefix(typed.path, "@")
	if f.made && f.step(s.repo.View().Edition(l.access.Name), l.reader(), typed) {
		return nil
	}
	f.made = false
	if f.pending == nil {
		found, err := s.selected(ctx, l)
		if err != nil {
			return err
		}
		if !found.sure {
			return errUnreadable()
		}
		f.pending, f.at, f.after = found.order, found.at, nil
		f.without, f.counts, f.ordered = 0, map[cellName]int{}, nil
	}
	if err := l.access.budget.acquireSlot(); err != nil {
		return err
	}
	defer l.access.budget.release()
	done := 0
	for e := range f.pending.behind(f.after, r.key) {
		r.looked += lookCost + e.Weight()/8 // little of it is decoded
		f.add(r.valuesOf(e, typed), 1)
		if r.unread {
			f.pending = nil
			return errUnreadable()
		}
		if done++; done%chunkSize > 0 && r.looked < maxChunkBytes {
			continue
		}
		f.after = &position{r.key(e), e.Slug.String()}
		if err := l.access.budget.spend(r.looked); err != nil {
			return err
		}
		r.looked = 0
	}
	f.pending, f.made = nil, true
	if err := l.access.budget.spend(r.looked); err != nil {
		return err
	}
	f.step(s.repo.View().Edition(l.access.Name), l.reader(), typed)
	return nil
}

// step makes the facet that of another edition. It is false, and nothing is done, when that
// is too much, or cannot be done now.
func (f *facet) step(to repo.Edition, r *reader, typed typedPath) bool {
	r.own = r.own || strings.HasPrefix(typed.path, "@")
	type difference struct {
		names []cellName
		n     int
	}
	var all []difference
	changes := 0
	for e, gone := range to.Since(f.at) {
		if changes++; changes > minRebuild {
			return false
		}
		if _, there := r.finds(e); there {
			all = append(all, difference{r.valuesOf(e, typed), map[bool]int{true: -1, false: 1}[gone]})
		}
		if r.unread || r.looked > maxChunkBytes {
			return false
		}
	}
	for _, d := range all {
		f.add(d.names, d.n)
	}
	f.at = to
	return true
}

// valuesOf are the values of a field of e, each once, none where e has no field. What is no
// value to choose from has the zero name.
func (r *reader) valuesOf(e *repo.Entry, typed typedPath) (names []cellName) {
	if typed.path == keysOfEntries {
		r.looked += e.Weight()
		for _, key := range e.Fields().Keys() {
			if !r.list.access.hides(key) {
				names = append(names, cellName{kind: text, text: key})
			}
		}
		return names
	}
	c := r.cells.at(r.glimpse(e), typed, false)
	if c.kind == absent && c.items == nil {
		return nil
	}
	c.some(func(c *cell) bool {
		name := c.name()
		if c.kind == absent || c.kind == other || len(c.text) > maxFacetText {
			name = cellName{}
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		return len(names) == maxFacetItems
	})
	return names
}

// add counts the values of an entry, n times.
func (f *facet) add(names []cellName, n int) {
	if len(names) == 0 {
		f.without += n
	}
	for _, name := range names {
		if name == (cellName{}) {
			continue
		}
		if f.counts[name] += n; f.counts[name] == 0 {
			delete(f.counts, name)
		}
		f.ordered = nil
	}
}

// maxFacetItems bounds the items of one list that are counted.
const maxFacetItems = 200

// inOrder are counted values, the most frequent first, then by what they say.
func inOrder(counts map[cellName]int, typ content.Type) []FacetValue {
	type counted struct {
		FacetValue
		label string
	}
	var all []counted
	for name, n := range counts {
		v := name.value(typ)
		all = append(all, counted{FacetValue{v, n}, search.Fold(fmt.Sprint(v))})
	}
	slices.SortFunc(all, func(a, b counted) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.label, b.label), strings.Compare(fmt.Sprint(a.Value), fmt.Sprint(b.Value)))
	})
	ordered := make([]FacetValue, len(all))
	for i := range all {
		ordered[i] = all[i].FacetValue
	}
	return ordered
}

// value is one that the cells of that name are of, as a field of the type has it.
func (name cellName) value(typ content.Type) content.Value {
	switch name.kind {
	case boolean:
		return name.number == 1
	case number:
		return plain(content.Number(name.text))
	case moment:
		t := time.UnixMicro(name.moment).UTC()
		if zoned := withinYears(t); zoned.Location() != time.UTC {
			return content.Time{Time: zoned}
		}
		midnight := t.Equal(t.Truncate(24 * time.Hour))
		return content.Time{Time: t, DateOnly: typ == content.TypeDate || typ != content.TypeDatetime && midnight}
	}
	return name.text
}

// withinYears is t in UTC or, where RFC 3339 has no such year, as for the last hours of 9999
// west of Greenwich, in the zone farthest from there, which has every time that can be written.
func withinYears(t time.Time) time.Time {
	const farthest = 23*3600 + 59*60
	switch year := t.Year(); {
	case year > 9999:
		return t.In(time.FixedZone("", -farthest))
	case year < 0:
		return t.In(time.FixedZone("", farthest))
	}
	return t
}

// plain is a number as people write it, where that is exact and short.
func plain(n content.Number) content.Number {
	const longest = 20
	f, _ := n.Float64()
	if text := content.Number(strconv.FormatFloat(f, 'f', -1, 64)); len(text) <= longest && content.CompareNumbers(text, n) == 0 {
		return text
	}
	return n
}
