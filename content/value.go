package content

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
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
// times by their instant, objects without regard to the order of keys. A Time
// also equals a string that [ParseTime] reads as that instant, as it becomes
// one on its way through JSON.
func Equal(a, b Value) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case Number:
		y, ok := b.(Number)
		return ok && sameNumber(string(x), string(y))
	case Time:
		switch y := b.(type) {
		case Time:
			return x.Equal(y.Time)
		case string:
			t, ok := ParseTime(y)
			return ok && x.Equal(t.Time)
		}
		return false
	case string:
		if t, ok := b.(Time); ok {
			return Equal(t, x)
		}
		y, ok := b.(string)
		return ok && x == y
	case bool:
		return x == b
	case []Value:
		y, ok := b.([]Value)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !Equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case *Object:
		y, ok := b.(*Object)
		if !ok || x.Len() != y.Len() {
			return false
		}
		get := y.index()
		for i, n := 0, x.Len(); i < n; i++ {
			if v, ok := get(x.Members[i].Key); !ok || !Equal(x.Members[i].Value, v) {
				return false
			}
		}
		return true
	}
	return false
}

// sameNumber compares JSON numbers: integers exactly, all else as float64.
// (A big.Rat of 1e999999999 would fill the memory.)
func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	if isInteger(a) && isInteger(b) {
		return strings.TrimPrefix(a, "-") == "0" && strings.TrimPrefix(b, "-") == "0"
	}
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err1 == nil && err2 == nil && x == y && !math.IsNaN(x)
}

func isInteger(s string) bool { return !strings.ContainsAny(s, ".eE") }
