package site

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"cms/content"
)

// typedPath is a field and the type that the schema gives it.
type typedPath struct {
	path string
	typ  content.Type
}

type sortKey struct {
	typedPath
	descending bool
}

// cell is the value of a field of an entry, in a form that is fast to compare.
// The zero cell is none.
type cell struct {
	kind   kind
	number float64 // of a number, rounded; of a boolean, 0 or 1
	moment int64   // microseconds since 1970
	text   string  // in the Unicode normal form C; of a number, as it is written
	key    string  // by which texts are compared in order, where it was asked for
	items  []cell  // of a list
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

// equal compares values themselves: numbers exactly, texts by what they say.
func (c *cell) equal(d *cell) bool {
	return c.kind == d.kind && c.number == d.number && c.moment == d.moment &&
		(c.text == d.text || c.kind == number && content.CompareNumbers(content.Number(c.text), content.Number(d.text)) == 0)
}

// cellName is the same for cells that are equal, and for those alone.
type cellName struct {
	kind   kind
	number float64
	moment int64
	text   string
}

func (c *cell) name() cellName {
	if c.kind == number {
		return cellName{kind: number, text: string(content.Normal(content.Number(c.text)))}
	}
	return cellName{c.kind, c.number, c.moment, c.text}
}

// compare orders values of one kind. Of texts it needs the keys.
func (c *cell) compare(d *cell) int {
	by := cmp.Or(cmp.Compare(c.number, d.number), cmp.Compare(c.moment, d.moment), strings.Compare(c.key, d.key))
	if by == 0 && c.kind == number && c.text != d.text {
		return content.CompareNumbers(content.Number(c.text), content.Number(d.text)) // which the same float64 is next to
	}
	return by
}

// Bounds of what values are sorted by: longer ones that begin alike are sorted as equal.
// A cursor, of 8,192 bytes at most, has room for the keys of as many texts as a query may
// sort by.
const (
	maxDigits  = 120  // of a number
	maxText    = 1000 // of a text, in bytes
	maxTextKey = 740  // of its key, where each letter takes two before accents and case
)

// appendTo appends bytes to b that are ordered as cells are sorted, absent ones
// last in both directions. None of them is the beginning of another.
func (c *cell) appendTo(b []byte, keys *textKeys, descending bool) []byte {
	if c.kind == absent {
		return append(b, 0xff)
	}
	from := len(b)
	b = append(b, byte(c.kind))
	switch c.kind {
	case boolean:
		b = append(b, byte(c.number))
	case number:
		b = content.AppendOrdered(b, content.Number(c.text), maxDigits)
	case moment:
		b = content.AppendOrderedInt(b, c.moment)
	case text:
		for _, k := range keys.of(c.text) {
			if b = append(b, k); k == 0 {
				b = append(b, 0xff)
			}
		}
		b = append(b, 0, 1)
	}
	if descending {
		for i := from; i < len(b); i++ {
			b[i] = ^b[i]
		}
	}
	return b
}

// cells makes cells. It is not for use by two goroutines at once.
type cells struct{ keys textKeys }

// at is the cell of the field at a path, with a key if it is to be compared in order.
func (c *cells) at(fields values, at typedPath, ordered bool) cell {
	return c.of(lookUpIn(fields, at.path), at.typ, ordered)
}

// values are those of keys: an object, or a glimpse of one.
type values interface {
	Get(key string) (content.Value, bool)
}

// lookUpIn is the value at a path.
func lookUpIn(o values, path string) content.Value {
	if found, ok := o.Get(path); ok {
		return found
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if inner, ok := o.Get(path[:i]); ok {
			return lookUp(inner, path[i+1:])
		}
	}
	return nil
}

// lookUp is the value at a path; in a list, those of all its items.
func lookUp(v content.Value, path string) content.Value {
	switch v := v.(type) {
	case *content.Object:
		return lookUpIn(v, path)
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
func (c *cells) of(v content.Value, typ content.Type, ordered bool) cell {
	switch v := v.(type) {
	case bool:
		if v {
			return cell{kind: boolean, number: 1}
		}
		return cell{kind: boolean}
	case content.Number:
		n, _ := v.Float64() // infinite beyond the greatest float64
		return cell{kind: number, number: min(max(n, -math.MaxFloat64), math.MaxFloat64), text: string(v)}
	case content.Time:
		return cell{kind: moment, moment: v.UnixMicro()}
	case string:
		if k, _ := kindOf(typ); k == moment {
			if t, ok := content.ParseTime(v); ok {
				return c.of(t, typ, ordered)
			}
		}
		made := cell{kind: text, text: norm.NFC.String(v)}
		if ordered {
			made.key = string(c.keys.of(made.text))
		}
		return made
	case []content.Value:
		if len(v) == 0 {
			return cell{}
		}
		items := make([]cell, len(v))
		for i := range v {
			items[i] = c.of(v[i], typ, ordered)
		}
		list := items[0]
		list.items = items
		return list
	case *content.Object:
		return cell{kind: other}
	}
	return cell{}
}

// readings are what a value of a query can mean for a field of type typ: one
// cell for each kind, none if it is not of the type.
func (c *cells) readings(value string, typ content.Type) []cell {
	var read []cell
	if n, ok := content.ParseNumber(value); ok {
		read = append(read, c.of(n, "", true))
	}
	if t, ok := content.ParseTime(value); ok {
		read = append(read, c.of(t, "", true))
	}
	if value == "true" || value == "false" {
		read = append(read, c.of(value == "true", "", true))
	}
	if want, typed := kindOf(typ); typed {
		if want != text {
			return slices.DeleteFunc(read, func(c cell) bool { return c.kind != want })
		}
		read = nil
	}
	return append(read, c.of(value, "", true))
}
