package site

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"cms/content"
	"cms/repo"
)

// tables are what lists are made from, for each collection the table of the
// newest listing that was asked for. They are derived and may be dropped.
type tables struct {
	mu     sync.Mutex
	newest map[string]*table
}

// table holds the values of entries by which lists were filtered and sorted, in
// a form that is fast to compare.
type table struct {
	entries []*repo.Entry // ordered by slug; never changed

	mu      sync.Mutex
	columns map[typedPath][]cell // in the order of entries
	orders  map[string]ordered
}

// ordered is the numbers of entries as keys sort them.
type ordered struct {
	keys    []sortKey
	columns [][]cell // of the keys
	rows    []int32
}

// typedPath is a field and the type that the schema gives it.
type typedPath struct {
	path string
	typ  content.Type
}

type sortKey struct {
	typedPath
	descending bool
}

// Bounds of what a table keeps, as queries may name any field.
const (
	maxColumns = 32
	maxOrders  = 16
	maxFresh   = 1000 // entries that are put in their places one by one
)

// of is the table of a collection's entries. What is known of entries that the
// table before it had is taken from there.
func (all *tables) of(collection string, entries []*repo.Entry) *table {
	all.mu.Lock()
	defer all.mu.Unlock()
	old := all.newest[collection]
	if old != nil && len(old.entries) == len(entries) && (len(entries) == 0 || &old.entries[0] == &entries[0]) {
		return old
	}
	ix := &table{entries: entries, columns: map[typedPath][]cell{}, orders: map[string]ordered{}}
	if old != nil {
		ix.inherit(old)
	}
	if all.newest == nil {
		all.newest = map[string]*table{}
	}
	all.newest[collection] = ix
	return ix
}

// inherit makes the columns and the orders of old those of ix. What an edit costs
// the next list is to copy them, not to sort them anew.
func (ix *table) inherit(old *table) {
	old.mu.Lock()
	defer old.mu.Unlock()
	was, now, fresh := ix.compare(old)
	c := newCells()
	for at, cells := range old.columns {
		column := make([]cell, len(was))
		for i, j := range was {
			if j >= 0 {
				column[i] = cells[j]
			} else {
				column[i] = c.at(ix.entries[i].Fields(), at)
			}
		}
		ix.columns[at] = column
	}
	if len(fresh) > maxFresh {
		return
	}
	for name, o := range old.orders {
		next := ix.arrange(o.keys)
		for _, j := range o.rows {
			if i := now[j]; i >= 0 {
				next.rows = append(next.rows, i)
			}
		}
		for _, i := range fresh {
			at, _ := slices.BinarySearchFunc(next.rows, i, next.compare)
			next.rows = slices.Insert(next.rows, at, i)
		}
		ix.orders[name] = next
	}
}

// compare gives the number in old of each entry of ix, the number in ix of each
// of old, both -1 where there is none, and the entries of ix that old has not.
func (ix *table) compare(old *table) (was, now, fresh []int32) {
	was, now = make([]int32, len(ix.entries)), make([]int32, len(old.entries))
	j := 0
	for i, e := range ix.entries {
		for j < len(old.entries) && old.entries[j] != e && old.entries[j].Slug.String() < e.Slug.String() {
			now[j] = -1
			j++
		}
		if j < len(old.entries) && (old.entries[j] == e || old.entries[j].Slug == e.Slug && old.entries[j].Revision == e.Revision) {
			was[i], now[j] = int32(j), int32(i)
			j++
		} else {
			was[i] = -1
			fresh = append(fresh, int32(i))
		}
	}
	for ; j < len(old.entries); j++ {
		now[j] = -1
	}
	return was, now, fresh
}

// column is the values of a field, one for each entry.
func (ix *table) column(at typedPath) []cell {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.columnLocked(at)
}

func (ix *table) columnLocked(at typedPath) []cell {
	if column, ok := ix.columns[at]; ok {
		return column
	}
	if len(ix.columns) >= maxColumns {
		clear(ix.columns)
		clear(ix.orders) // which hold columns, too
	}
	c := newCells()
	column := make([]cell, len(ix.entries))
	for i, e := range ix.entries {
		column[i] = c.at(e.Fields(), at)
	}
	ix.columns[at] = column
	return column
}

// order is the entries' numbers as keys sort them, and the columns that were
// compared; nil without keys, for the order of the slugs.
func (ix *table) order(keys []sortKey) ([]int32, [][]cell) {
	if len(keys) == 0 {
		return nil, nil
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	name := fmt.Sprintf("%#v", keys) // with its paths quoted, as they may hold any character
	if o, ok := ix.orders[name]; ok {
		return o.rows, o.columns
	}
	o := ix.arrange(keys)
	for i := range ix.entries {
		o.rows = append(o.rows, int32(i))
	}
	slices.SortFunc(o.rows, o.compare)
	if len(ix.orders) >= maxOrders {
		clear(ix.orders)
	}
	ix.orders[name] = o
	return o.rows, o.columns
}

// arrange is an order by keys that has no rows yet.
func (ix *table) arrange(keys []sortKey) ordered {
	o := ordered{keys: keys, columns: make([][]cell, len(keys)), rows: make([]int32, 0, len(ix.entries))}
	for i, k := range keys {
		o.columns[i] = ix.columnLocked(k.typedPath)
	}
	return o
}

func (o *ordered) compare(a, b int32) int {
	for i, k := range o.keys {
		if d := o.columns[i][a].sorted(&o.columns[i][b], k.descending); d != 0 {
			return d
		}
	}
	return cmp.Compare(a, b) // by slug
}

// cell is the value of a field of an entry. The zero cell is none.
type cell struct {
	kind   kind
	number float64 // of a number; of a moment, microseconds since 1970; of a boolean, 0 or 1
	text   string
	key    string // by which texts are sorted
	items  []cell // of a list
}

// kind is what values can be compared by. Values of different kinds are sorted
// in this order.
type kind uint8

const (
	absent kind = iota
	boolean
	number
	moment
	text
	other // an object
)

// some says whether match holds for the cell or, for a list, one of its items.
func (c *cell) some(match func(*cell) bool) bool {
	if c.items == nil {
		return match(c)
	}
	for i := range c.items {
		if match(&c.items[i]) {
			return true
		}
	}
	return false
}

func (c *cell) compare(d *cell) int {
	return cmp.Or(cmp.Compare(c.kind, d.kind), cmp.Compare(c.number, d.number), strings.Compare(c.key, d.key))
}

// sorted is compare in the direction of a sort, absent values last.
func (c *cell) sorted(d *cell, descending bool) int {
	if (c.kind == absent) != (d.kind == absent) {
		if c.kind == absent {
			return 1
		}
		return -1
	}
	if descending {
		return d.compare(c)
	}
	return c.compare(d)
}

// cells makes cells. It is not for use by two goroutines at once.
type cells struct {
	collator *collate.Collator
	buffer   collate.Buffer
}

func newCells() *cells { return &cells{collator: collate.New(language.French)} }

// maxKey bounds the key of a text, in bytes: longer texts that begin alike are
// sorted as equal.
const maxKey = 120

// at is the cell of the field at a path.
func (c *cells) at(fields *content.Object, at typedPath) cell {
	return c.of(lookUp(fields, at.path), at.typ)
}

// lookUp is the value at a path; in a list, those of all its items.
func lookUp(v content.Value, path string) content.Value {
	switch v := v.(type) {
	case *content.Object:
		if found, ok := v.Get(path); ok {
			return found
		}
		for i := range len(path) {
			if path[i] != '.' {
				continue
			}
			if inner, ok := v.Get(path[:i]); ok {
				return lookUp(inner, path[i+1:])
			}
		}
	case []content.Value:
		found := []content.Value{}
		for _, item := range v {
			if f := lookUp(item, path); f != nil {
				found = append(found, f)
			}
		}
		return found
	}
	return nil
}

// of is the cell of a value that the schema expects to be of type typ, or "".
// A list is sorted by its first item.
func (c *cells) of(v content.Value, typ content.Type) cell {
	switch v := v.(type) {
	case bool:
		if v {
			return cell{kind: boolean, number: 1}
		}
		return cell{kind: boolean}
	case content.Number:
		n, _ := v.Float64() // infinite beyond the greatest float64
		return cell{kind: number, number: min(max(n, -math.MaxFloat64), math.MaxFloat64)}
	case content.Time:
		return cell{kind: moment, number: float64(v.UnixMicro())}
	case string:
		if k, _ := kindOf(typ); k == moment {
			if t, ok := content.ParseTime(v); ok {
				return c.of(t, typ)
			}
		}
		c.buffer.Reset()
		prefix := v[:min(len(v), maxKey)]
		key := c.collator.KeyFromString(&c.buffer, prefix)
		return cell{kind: text, text: v, key: string(key[:min(len(key), maxKey)])}
	case []content.Value:
		if len(v) == 0 {
			return cell{}
		}
		items := make([]cell, len(v))
		for i := range v {
			items[i] = c.of(v[i], typ)
		}
		list := items[0]
		list.items = items
		return list
	case *content.Object:
		return cell{kind: other}
	}
	return cell{}
}

// fold is s without case and accents.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(s))
}
