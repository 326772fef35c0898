package site

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"cms/content"
	"cms/search"
)

// Filter compares a field with a value.
type Filter struct {
	Field string
	Op    Op
	Value string // for In several, with commas between them; true or false for Exists
}

// Op is how a filter compares. A list matches if one of its items does; Ne is
// what Eq is not. Null is no value.
type Op string

// The operators.
const (
	Eq       Op = "eq"
	Ne       Op = "ne"
	Lt       Op = "lt"
	Lte      Op = "lte"
	Gt       Op = "gt"
	Gte      Op = "gte"
	In       Op = "in"
	Contains Op = "contains" // part of a text, whatever its case and accents
	Prefix   Op = "prefix"   // what a text begins with, as it is written
	Exists   Op = "exists"
)

// Ops lists every operator.
func Ops() []Op { return []Op{Eq, Ne, Lt, Lte, Gt, Gte, In, Contains, Prefix, Exists} }

// filter is a Filter that makes sense, for one caller.
type filter struct {
	op     Op
	typed  typedPath
	given  string            // the value as it was given
	values []cell            // the readings of the value, one of each kind that it can be of; for In of each value
	among  map[cellName]bool // the same, of many values
	text   string            // folded, for Contains; in the normal form C, for Prefix
	want   bool              // for Exists
	closed bool              // the field is hidden: no entry has it
}

// filter reads f by the type of what it compares.
func (acc *access) filter(f Filter, typed typedPath) (filter, error) {
	out := filter{op: f.Op, typed: typed, given: f.Value, closed: acc.hides(typed.path)}
	values := []string{f.Value}
	switch f.Op {
	case Exists:
		if f.Value != "true" && f.Value != "false" {
			return out, &Error{Code: Malformed, Detail: "A filter with exists takes true or false."}
		}
		out.want = f.Value == "true"
		return out, nil
	case Contains:
		out.text = search.Fold(f.Value)
		return out, nil
	case Prefix:
		out.text = norm.NFC.String(f.Value)
		return out, nil
	case In:
		if strings.Count(f.Value, ",") >= MaxValues {
			return out, &Error{Code: Malformed, Detail: fmt.Sprintf("A filter with in takes at most %d values.", MaxValues)}
		}
		values = strings.Split(f.Value, ",")
	case Eq, Ne, Lt, Lte, Gt, Gte:
	default:
		return out, &Error{Code: Malformed, Detail: "A filter has an unknown operator. The operators are " + opNames() + "."}
	}
	var c cells
	for _, value := range values {
		read := c.readings(value, out.typed.typ)
		if len(read) == 0 {
			return out, &Error{Code: Malformed, Detail: "A filter compares a field of type " + string(out.typed.typ) + " with a value of another type."}
		}
		out.values = append(out.values, read...)
	}
	if len(out.values) > fewValues {
		out.among = make(map[cellName]bool, len(out.values))
		for i := range out.values {
			out.among[out.values[i].name()] = true
		}
	}
	return out, nil
}

// fewValues are compared one by one.
const fewValues = 8

func opNames() string {
	var names []string
	for _, op := range Ops() {
		names = append(names, string(op))
	}
	return strings.Join(names, ", ")
}

// matches says whether an entry with these fields passes.
func (f *filter) matches(fields values, made *cells) bool {
	var c cell
	if !f.closed {
		c = made.at(fields, f.typed, f.orders())
	}
	switch f.op {
	case Exists:
		return (c.kind != absent) == f.want
	case Ne:
		return !c.some(f.equal)
	case Eq, In:
		return c.some(f.equal)
	case Contains:
		return c.some(func(c *cell) bool { return c.kind == text && strings.Contains(search.Fold(c.text), f.text) })
	case Prefix:
		return c.some(func(c *cell) bool { return c.kind == text && strings.HasPrefix(c.text, f.text) })
	}
	return c.some(f.ordered)
}

// orders says whether the filter asks which of two values comes first.
func (f *filter) orders() bool { return slices.Contains([]Op{Lt, Lte, Gt, Gte}, f.op) }

func (f *filter) equal(c *cell) bool {
	if f.among != nil {
		return f.among[c.name()]
	}
	return slices.ContainsFunc(f.values, func(v cell) bool { return v.equal(c) })
}

func (f *filter) ordered(c *cell) bool {
	return slices.ContainsFunc(f.values, func(v cell) bool {
		if v.kind != c.kind {
			return false
		}
		switch d := c.compare(&v); f.op {
		case Lt:
			return d < 0
		case Lte:
			return d <= 0
		case Gt:
			return d > 0
		default:
			return d >= 0
		}
	})
}

// kindOf is the kind of the values of a type, if they are all of one.
func kindOf(typ content.Type) (kind, bool) {
	k, ok := map[content.Scalar]kind{
		content.Texts: text, content.Numbers: number, content.Booleans: boolean, content.Times: moment,
	}[typ.Scalar()]
	return k, ok
}

// typeAt is the type of the field at path, or of its items if it is a list; ""
// if none of fields says.
func typeAt(fields []content.Field, path string) content.Type {
	for i := range fields {
		f := &fields[i]
		for f.Type == content.TypeList && f.Of != nil {
			f = f.Of
		}
		if fields[i].Name == path {
			return f.Type
		}
		if rest, ok := strings.CutPrefix(path, fields[i].Name+"."); ok {
			return typeAt(f.Fields, rest)
		}
	}
	return ""
}
