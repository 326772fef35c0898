package site

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"cms/content"
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
	Exists   Op = "exists"
)

// Ops lists every operator.
func Ops() []Op { return []Op{Eq, Ne, Lt, Lte, Gt, Gte, In, Contains, Exists} }

// filter is a Filter that makes sense, for one caller.
type filter struct {
	op     Op
	typed  typedPath
	values []cell // the readings of the value, one of each kind that it can be of; for In of each value
	text   string // folded, for Contains
	want   bool   // for Exists
	closed bool   // the field is hidden: no entry has it
	column []cell
}

// filter reads f by the type that the schema gives its field.
func (v *sight) filter(f Filter) (filter, error) {
	out := filter{op: f.Op, typed: typedPath{f.Field, typeAt(v.Schema.Fields, f.Field)}, closed: v.closed(f.Field)}
	values := []string{f.Value}
	switch f.Op {
	case Exists:
		if f.Value != "true" && f.Value != "false" {
			return out, &Error{Code: Malformed, Detail: "A filter with exists takes true or false."}
		}
		out.want = f.Value == "true"
		return out, nil
	case Contains:
		out.text = fold(f.Value)
		return out, nil
	case In:
		values = strings.Split(f.Value, ",")
	case Eq, Ne, Lt, Lte, Gt, Gte:
	default:
		return out, &Error{Code: Malformed, Detail: "A filter has an operator that there is not. The operators are " + opNames() + "."}
	}
	c := newCells()
	for _, value := range values {
		read := c.readings(value, out.typed.typ)
		if len(read) == 0 {
			return out, &Error{Code: Malformed, Detail: "A filter compares a field of the type " + string(out.typed.typ) + " with something of another type."}
		}
		out.values = append(out.values, read...)
	}
	return out, nil
}

func opNames() string {
	var names []string
	for _, op := range Ops() {
		names = append(names, string(op))
	}
	return strings.Join(names, ", ")
}

// matches says whether the entry at i of the column passes.
func (f *filter) matches(i int) bool {
	c := &f.column[i]
	if f.closed {
		c = &cell{}
	}
	switch f.op {
	case Exists:
		return (c.kind != absent) == f.want
	case Ne:
		return !c.some(f.equal)
	case Eq, In:
		return c.some(f.equal)
	case Contains:
		return c.some(func(c *cell) bool { return c.kind == text && strings.Contains(fold(c.text), f.text) })
	}
	return c.some(f.ordered)
}

func (f *filter) equal(c *cell) bool {
	return slices.ContainsFunc(f.values, func(v cell) bool {
		return v.kind == c.kind && v.number == c.number && v.text == c.text
	})
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

// readings are what a value of a query can mean for a field of type typ: one
// cell for each kind, none if it is not of the type.
func (c *cells) readings(value string, typ content.Type) []cell {
	var read []cell
	if n, err := strconv.ParseFloat(value, 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
		read = append(read, cell{kind: number, number: n})
	}
	if t, ok := content.ParseTime(value); ok {
		read = append(read, c.of(t, ""))
	}
	if value == "true" || value == "false" {
		read = append(read, c.of(value == "true", ""))
	}
	if want, typed := kindOf(typ); typed {
		if want != text {
			return slices.DeleteFunc(read, func(c cell) bool { return c.kind != want })
		}
		read = nil
	}
	return append(read, c.of(value, ""))
}

// kindOf is the kind of the values of a type, if they are all of one.
func kindOf(typ content.Type) (kind, bool) {
	switch typ {
	case content.TypeInteger, content.TypeNumber:
		return number, true
	case content.TypeBoolean:
		return boolean, true
	case content.TypeDate, content.TypeDatetime:
		return moment, true
	case content.TypeString, content.TypeText, content.TypeMarkdown, content.TypeURL, content.TypeEmail, content.TypeImage, content.TypeFile, content.TypeReference:
		return text, true
	}
	return absent, false
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
