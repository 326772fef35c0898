package content

import (
	"slices"
	"strings"
)

// Coerce gives values the type of their field where they have another by the
// way they came: the strings of date and datetime fields become Times, and 5.0
// becomes 5 in an integer field. What does not read as its type stays as it
// is. Every value of the result is [Equal] to the one it was, so that a value
// which is sent back unchanged is no change of the document. fields itself is
// not changed.
func (s *Schema) Coerce(fields *Object) *Object {
	return coerceMembers(s.Fields, fields)
}

func coerceMembers(fields []Field, o *Object) *Object {
	if o == nil || len(fields) == 0 {
		return o
	}
	c := &Object{Members: slices.Clone(o.Members)}
	for i := range fields {
		for j := range c.Members {
			if m := &c.Members[j]; m.Key == fields[i].Name {
				m.Value = fields[i].coerce(m.Value)
			}
		}
	}
	return c
}

func (f *Field) coerce(v Value) Value {
	if coerce := f.Type.rules().coerce; coerce != nil {
		return coerce(v)
	}
	switch x := v.(type) {
	case []Value:
		if f.Type == TypeList && f.Of != nil {
			items := make([]Value, len(x))
			for i := range x {
				items[i] = f.Of.coerce(x[i])
			}
			return items
		}
	case *Object:
		if f.Type == TypeObject {
			return coerceMembers(f.Fields, x)
		}
	}
	return v
}

// asInteger is n without fraction and exponent: 5 for 5.0, 300 for 3e2. It is
// false where n is no whole number, or is one beyond 21 digits.
func asInteger(n Number) (Number, bool) {
	s, negative := strings.CutPrefix(string(n), "-")
	digits, exponent, ok := decimal(s)
	if !ok || exponent < 0 || len(digits)+exponent > 21 {
		return "", false
	}
	if digits == "" {
		return "0", true
	}
	digits += strings.Repeat("0", exponent)
	if negative {
		digits = "-" + digits
	}
	return Number(digits), true
}

// WithDefaults is fields with the defaults of the keys that it does not have,
// at the end in the order of the schema, for a new entry. A key that is there
// as null is kept. Objects, and objects in lists, that are there have their
// members filled in too. fields may be nil and is not changed.
func (s *Schema) WithDefaults(fields *Object) *Object {
	return withDefaults(s.Fields, fields)
}

func withDefaults(fields []Field, o *Object) *Object {
	filled := &Object{}
	if o != nil {
		filled.Members = slices.Clone(o.Members)
	}
	for i := range fields {
		f := &fields[i]
		j := slices.IndexFunc(filled.Members, func(m Member) bool { return m.Key == f.Name })
		switch {
		case j >= 0:
			filled.Members[j].Value = f.fill(filled.Members[j].Value)
		case f.Default != nil:
			filled.Members = append(filled.Members, Member{f.Name, f.fill(f.coerce(f.Default))})
		}
	}
	return filled
}

// fill gives the objects in v their defaults.
func (f *Field) fill(v Value) Value {
	switch x := v.(type) {
	case *Object:
		if f.Type == TypeObject {
			return withDefaults(f.Fields, x)
		}
	case []Value:
		if f.Type == TypeList && f.Of != nil {
			items := make([]Value, len(x))
			for i := range x {
				items[i] = f.Of.fill(x[i])
			}
			return items
		}
	}
	return v
}
