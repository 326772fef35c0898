package content

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// A Value of a field is one of
//
//	nil           null, and a key without a value
//	bool
//	Number        an integer or a float, as its decimal text
//	string
//	Time          a date or a date-time written plain
//	[]Value       a list
//	*Object       a mapping, in the order of the file
//
// Other types never occur in a Document; [ParseJSON] yields all of them but
// Time, which a [Schema] makes of the strings of its date fields.
type Value = any

// Number is a number as its JSON text (RFC 8259, section 6).
type Number = json.Number

// Member is a key and its value.
type Member struct {
	Key   string
	Value Value
}

// Object is a mapping that keeps the order of its keys. The zero Object is
// empty. An Object that is part of a Document must not be changed.
type Object struct {
	Members []Member
}

// Get is the value of key.
func (o *Object) Get(key string) (Value, bool) {
	if o == nil {
		return nil, false
	}
	for i := range o.Members {
		if o.Members[i].Key == key {
			return o.Members[i].Value, true
		}
	}
	return nil, false
}

// Keys are the keys in their order.
func (o *Object) Keys() []string {
	keys := make([]string, o.Len())
	for i := range keys {
		keys[i] = o.Members[i].Key
	}
	return keys
}

// Len is the number of members.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.Members)
}

// index finds members by key, in constant time where o is large.
func (o *Object) index() func(key string) (Value, bool) {
	if o.Len() <= 16 {
		return o.Get
	}
	at := make(map[string]int, len(o.Members))
	for i, m := range o.Members {
		at[m.Key] = i
	}
	return func(key string) (Value, bool) {
		i, ok := at[key]
		if !ok {
			return nil, false
		}
		return o.Members[i].Value, true
	}
}

// Equal says whether a and b mean the same: numbers as numbers (1.50 is 1.5),
// texts byte by byte, so that an edit may bring one to another normal form,
// times if they are of the same instant, offset and kind, objects without regard
// to the order of keys. A Time also equals a string that [ParseTime] reads as
// that time, as it becomes one on its way through JSON.
func Equal(a, b Value) bool { return comparison{times: sameTime}.equal(a, b) }

// identical is Equal for values of the same type only, with the keys of objects
// in their order, and for times in whatever zone.
func identical(a, b Value) bool { return comparison{exact: true, times: sameInstant}.equal(a, b) }

// comparison is a way to compare what was with what is now.
type comparison struct {
	exact bool                     // types are the same, and so is the order of keys
	times func(was, now Time) bool // what equal times are

	rounds bool // a number is equal to what a program that keeps float64s makes of it
	forms  bool // a text that only some readers take for a time is not equal to that time in full

	budget *budget // nil for as long as it takes
}

func (c comparison) equal(was, now Value) bool {
	c.budget.step(1)
	switch x := was.(type) {
	case nil:
		return now == nil
	case Number:
		y, ok := now.(Number)
		return ok && (CompareNumbers(x, y) == 0 || c.rounds && rounded(x, y))
	case Time:
		if y, ok := now.(string); ok && !c.exact {
			t, ok := ParseTime(y)
			return ok && c.times(x, t)
		}
		y, ok := now.(Time)
		return ok && c.times(x, y)
	case string:
		if y, ok := now.(Time); ok && !c.exact {
			t, ok := ParseTime(x)
			return ok && c.times(t, y) && (!c.forms || y.loose || !t.loose)
		}
		y, ok := now.(string)
		return ok && x == y
	case bool:
		return x == now
	case []Value:
		y, ok := now.([]Value)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !c.equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case *Object:
		y, ok := now.(*Object)
		return ok && x.Len() == y.Len() && c.members(x, y)
	}
	return false
}

// members compares objects of the same size.
func (c comparison) members(x, y *Object) bool {
	get := y.index()
	for i, n := 0, x.Len(); i < n; i++ {
		m := x.Members[i]
		v, ok := get(m.Key)
		if c.exact {
			v, ok = y.Members[i].Value, y.Members[i].Key == m.Key
		}
		if !ok || !c.equal(m.Value, v) {
			return false
		}
	}
	return true
}

// Key is a text that values of a field of type t share if and only if they are one to
// whoever looks for a value: those that are [Equal], and texts that differ in nothing but
// their Unicode normal form. Case and accents count. In a field for times, texts that
// [ParseTime] reads as one time are one; elsewhere they are texts, whatever they look like.
func Key(v Value, t Type) string {
	if s, ok := v.(string); ok && t.Scalar() == Times {
		if at, ok := ParseTime(s); ok {
			v = at
		}
	}
	return string(appendKey(nil, v))
}

func appendKey(b []byte, v Value) []byte {
	switch x := v.(type) {
	case Number:
		return append(append(b, 'n'), Normal(x)...)
	case string:
		if t, ok := ParseTime(x); ok && t.String() == x { // what a Time becomes on its way through JSON
			return appendKey(b, t)
		}
		return appendJSONString(b, norm.NFC.String(x))
	case Time:
		return append(append(b, 't'), x.String()...)
	case []Value:
		b = append(b, '[')
		for _, item := range x {
			b = append(appendKey(b, item), ',')
		}
		return append(b, ']')
	case *Object:
		sorted := slices.Clone(members(x))
		slices.SortFunc(sorted, func(a, b Member) int { return strings.Compare(a.Key, b.Key) })
		b = append(b, '{')
		for _, m := range sorted {
			b = append(appendKey(appendJSONString(b, m.Key), m.Value), ',')
		}
		return append(b, '}')
	case bool:
		return strconv.AppendBool(b, x)
	}
	return append(b, "null"...)
}
