package site

import (
	"cmp"
	"iter"
	"slices"
	"sort"
	"strings"

	"cms/repo"
)

// An order holds entries by their keys, then by slug, and never changes: put and
// remove make another one, which shares with this one all but the way to what
// they changed. It keeps one key for each node, and asks for others again, so
// that an entry takes a pointer's room. The nil order has no entries.
type order struct {
	size  int      // entries
	first position // where it begins, or before that
	rows  []*repo.Entry
	kids  []*order // or these, none of them empty
}

// position is a place in an order: that of the entry with this key and slug, whether
// it is there or not.
type position struct{ key, slug string }

func (s position) compare(t position) int {
	return cmp.Or(strings.Compare(s.key, t.key), strings.Compare(s.slug, t.slug))
}

// keyFunc gives the key of an entry, the same each time.
type keyFunc func(*repo.Entry) string

func (key keyFunc) position(e *repo.Entry) position { return position{key(e), e.Slug.String()} }

// Nodes have half of this when they are split, and are joined with others when
// they have a quarter.
const (
	orderRows = 256
	orderKids = 64
)

func (o *order) len() int {
	if o == nil {
		return 0
	}
	return o.size
}

// newOrder is the order of rows, which are in order.
func newOrder(rows []*repo.Entry, key keyFunc) *order {
	var level []*order
	for part := range slices.Chunk(rows, orderRows/2) {
		first := key.position(part[0])
		first.key = strings.Clone(first.key) // which may be a part of a larger text
		level = append(level, &order{size: len(part), first: first, rows: slices.Clone(part)})
	}
	for len(level) > 1 {
		var above []*order
		for part := range slices.Chunk(level, orderKids/2) {
			above = append(above, parent(slices.Clone(part)))
		}
		level = above
	}
	if len(level) == 0 {
		return nil
	}
	return level[0]
}

func parent(kids []*order) *order {
	o := &order{first: kids[0].first, kids: kids}
	for _, k := range kids {
		o.size += k.size
	}
	return o
}

// search is the number of the row at a position or behind it, and whether it is there.
func (o *order) search(at position, key keyFunc) (int, bool) {
	return slices.BinarySearchFunc(o.rows, at, func(e *repo.Entry, at position) int { return key.position(e).compare(at) })
}

// kid is the number of the one that holds a position.
func (o *order) kid(at position) int {
	return max(0, sort.Search(len(o.kids), func(i int) bool { return o.kids[i].first.compare(at) > 0 })-1)
}

// put adds e at its position, in place of the entry there if there is one.
func (o *order) put(at position, e *repo.Entry, key keyFunc) *order {
	if o == nil {
		return &order{size: 1, first: at, rows: []*repo.Entry{e}}
	}
	halves := o.with(at, e, key)
	if len(halves) > 1 {
		return parent(halves)
	}
	return halves[0]
}

// with is put, in two halves where one node would be too large.
func (o *order) with(at position, e *repo.Entry, key keyFunc) []*order {
	first := o.first
	if at.compare(first) < 0 {
		first = at
	}
	if o.kids == nil {
		i, there := o.search(at, key)
		if there {
			rows := slices.Clone(o.rows)
			rows[i] = e
			return []*order{{size: o.size, first: first, rows: rows}}
		}
		rows := make([]*repo.Entry, 0, len(o.rows)+1)
		rows = append(append(append(rows, o.rows[:i]...), e), o.rows[i:]...)
		if n := len(rows); n > orderRows {
			half := rows[n/2:]
			return []*order{{size: n / 2, first: first, rows: slices.Clone(rows[:n/2])}, {size: len(half), first: key.position(half[0]), rows: slices.Clone(half)}}
		}
		return []*order{{size: len(rows), first: first, rows: rows}}
	}
	i := o.kid(at)
	kids := slices.Concat(o.kids[:i], o.kids[i].with(at, e, key), o.kids[i+1:])
	if n := len(kids); n > orderKids {
		return []*order{parent(slices.Clone(kids[:n/2])), parent(slices.Clone(kids[n/2:]))}
	}
	return []*order{parent(kids)}
}

// remove takes out the entry at a position. It is false when there is none.
func (o *order) remove(at position, key keyFunc) (*order, bool) {
	if o == nil {
		return nil, false
	}
	if o.kids == nil {
		i, there := o.search(at, key)
		if !there {
			return o, false
		}
		if o.size == 1 {
			return nil, true
		}
		rows := slices.Concat(o.rows[:i], o.rows[i+1:])
		return &order{size: len(rows), first: o.first, rows: rows}, true
	}
	i := o.kid(at)
	less, there := o.kids[i].remove(at, key)
	switch {
	case !there:
		return o, false
	case less == nil && len(o.kids) == 1:
		return nil, true
	case less == nil:
		return parent(slices.Concat(o.kids[:i], o.kids[i+1:])), true
	}
	kids := slices.Clone(o.kids)
	kids[i] = less
	if i+1 == len(kids) {
		i--
	}
	if i >= 0 && kids[i].joins(kids[i+1]) {
		kids = slices.Concat(kids[:i], []*order{kids[i].join(kids[i+1])}, kids[i+2:])
	}
	if len(kids) == 1 {
		return kids[0], true
	}
	return parent(kids), true
}

// joins says whether two neighbours should be one.
func (o *order) joins(next *order) bool {
	rows, kids := len(o.rows)+len(next.rows), len(o.kids)+len(next.kids)
	return (o.kids == nil) == (next.kids == nil) && rows <= orderRows/4 && kids <= orderKids/4
}

func (o *order) join(next *order) *order {
	if o.kids != nil {
		return parent(slices.Concat(o.kids, next.kids))
	}
	return &order{size: o.size + next.size, first: o.first, rows: slices.Concat(o.rows, next.rows)}
}

// behind yields the entries behind a position, all of them when it is nil.
func (o *order) behind(at *position, key keyFunc) iter.Seq[*repo.Entry] {
	return func(yield func(*repo.Entry) bool) { o.walk(at, key, yield) }
}

func (o *order) walk(at *position, key keyFunc, yield func(*repo.Entry) bool) bool {
	if o == nil {
		return true
	}
	row, kid := 0, 0
	if at != nil && o.kids == nil {
		there := false
		if row, there = o.search(*at, key); there {
			row++
		}
	} else if at != nil {
		kid = o.kid(*at)
	}
	for _, e := range o.rows[row:] {
		if !yield(e) {
			return false
		}
	}
	if o.kids == nil {
		return true
	}
	for i, k := range o.kids[kid:] {
		if i > 0 {
			at = nil
		}
		if !k.walk(at, key, yield) {
			return false
		}
	}
	return true
}
