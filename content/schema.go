package content

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// Schema is what a collection expects of the front matter of its entries.
type Schema struct {
	Fields  []Field
	Strict  bool // keys that Fields does not name are problems
	Defined bool // false for a collection without a schema, which expects nothing
}

// Field is what is expected of the value of one key, of one member of an
// object, or of each item of a list.
//
// A field that is left blank (absent, null, an empty string where it holds
// text, an empty list) is valid unless it is Required.
type Field struct {
	Name       string // empty for the items of a list
	Type       Type
	Of         *Field   // list: what each item is
	Fields     []Field  // object: its members; none leaves the members free
	Options    []Value  // select: the values to choose from
	Collection string   // reference: the collection of the entry it names
	Default    Value    // for new entries; nil is none
	Min, Max   *float64 // of a number; of the characters of a text; of the items of a list
	Pattern    string   // of a text: RE2, for the whole value
	Required   bool     // not blank
	Unique     bool     // no other entry of the collection has the value
	ReadOnly   bool     // kept by something else than editors
	Hidden     bool     // not for forms

	Label map[string]string // what people call it, by language tag
	Hint  map[string]string // how to fill it in, by language tag

	pattern *regexp.Regexp // Pattern, once Check compiled it
}

// Type is the kind of value that a field holds.
type Type string

const (
	TypeString    Type = "string"    // a short text
	TypeText      Type = "text"      // a long text
	TypeMarkdown  Type = "markdown"  // a long text in Markdown
	TypeInteger   Type = "integer"   // a number without a fraction: 3, 3.0, 3e2
	TypeNumber    Type = "number"    // any number
	TypeBoolean   Type = "boolean"   // true or false
	TypeDate      Type = "date"      // a day
	TypeDatetime  Type = "datetime"  // a day and a time, or a day alone
	TypeURL       Type = "url"       // http://… or https://… with a host, or /path on the site itself
	TypeEmail     Type = "email"     // a bare address, without a name
	TypeSelect    Type = "select"    // one of the options
	TypeList      Type = "list"      // of one type
	TypeObject    Type = "object"    // a mapping
	TypeImage     Type = "image"     // the name or path of an image, or its http(s) address
	TypeFile      Type = "file"      // the name or path of a file, or its http(s) address
	TypeReference Type = "reference" // the slug of an entry of another collection
)

// Types are all types, in the order in which documentation lists them.
func Types() []Type {
	return []Type{
		TypeString, TypeText, TypeMarkdown, TypeInteger, TypeNumber, TypeBoolean, TypeDate, TypeDatetime,
		TypeURL, TypeEmail, TypeSelect, TypeList, TypeObject, TypeImage, TypeFile, TypeReference,
	}
}

// textual says whether values of the type are strings of the editor's own, to
// which a pattern can apply.
func (t Type) textual() bool {
	switch t {
	case TypeString, TypeText, TypeMarkdown, TypeURL, TypeEmail, TypeImage, TypeFile, TypeReference:
		return true
	}
	return false
}

// bounded says whether Min and Max mean something, and if they count.
func (t Type) bounded() (ok, counts bool) {
	switch t {
	case TypeInteger, TypeNumber:
		return true, false
	case TypeString, TypeText, TypeMarkdown, TypeList:
		return true, true
	}
	return false, false
}

// Order is the names of the fields in the order of the schema.
func (s *Schema) Order() []string {
	names := make([]string, len(s.Fields))
	for i := range s.Fields {
		names[i] = s.Fields[i].Name
	}
	return names
}

// SchemaError is one thing that is wrong with a schema itself.
type SchemaError struct {
	At     FieldPath // where, in the names of the configuration: fields[2].of.pattern
	Field  string    // the field it concerns, by its names: etapes[].date
	Detail string
}

func (e *SchemaError) Error() string { return fmt.Sprintf("field %s: %s", e.Field, e.Detail) }

// Check says all that is wrong with the schema, as joined *[SchemaError]s, or
// nil. It also compiles the patterns, so it comes once, before the schema is
// shared. Whether the collections of references exist is not for it to know.
func (s *Schema) Check() error {
	var c schemaChecker
	c.fields(s.Fields, FieldPath{"fields"}, "")
	return errors.Join(c.errs...)
}

type schemaChecker struct{ errs []error }

func (c *schemaChecker) errorf(at FieldPath, option, field, format string, args ...any) {
	at = slices.Clone(at)
	if option != "" {
		at = append(at, option)
	}
	c.errs = append(c.errs, &SchemaError{At: at, Field: field, Detail: fmt.Sprintf(format, args...)})
}

// fields checks the members of the front matter or of an object.
func (c *schemaChecker) fields(fields []Field, at FieldPath, parent string) {
	seen := make(map[string]bool, len(fields))
	for i := range fields {
		f, at := &fields[i], append(slices.Clone(at), i)
		name := parent + f.Name
		switch {
		case f.Name == "":
			name = at.String()
			c.errorf(at, "name", name, "name is missing")
		case strings.ContainsFunc(f.Name, func(r rune) bool { return r < ' ' || r == 0x7f }):
			c.errorf(at, "name", name, "name has a control character")
		case seen[f.Name]:
			c.errorf(at, "name", name, "another field has the same name")
		}
		seen[f.Name] = true
		c.field(f, at, name)
	}
}

func (c *schemaChecker) field(f *Field, at FieldPath, name string) {
	if !slices.Contains(Types(), f.Type) {
		c.errorf(at, "type", name, "type must be one of %s", joinTypes(Types()))
		return
	}
	c.place(f, at, name)
	c.parts(f, at, name)
	c.bounds(f, at, name)
	c.pattern(f, at, name)
	c.options(f, at, name)
	switch {
	case f.Type == TypeReference && f.Collection == "":
		c.errorf(at, "collection", name, "a reference needs the collection it refers to")
	case f.Type != TypeReference && f.Collection != "":
		c.errorf(at, "collection", name, "collection is for type reference only")
	}
	c.defaultValue(f, at, name)
}

// place checks the options that depend on where the field stands.
func (c *schemaChecker) place(f *Field, at FieldPath, name string) {
	switch {
	case f.Unique && len(at) > len(FieldPath{"fields", 0}):
		c.errorf(at, "unique", name, "unique is for top-level fields only")
	case f.Unique && (f.Type == TypeList || f.Type == TypeObject):
		c.errorf(at, "unique", name, "unique does not apply to type %s", f.Type)
	}
	if f.ReadOnly && slices.Contains(at, any("of")) {
		c.errorf(at, "read_only", name, "read_only does not apply to or within the items of a list")
	}
}

// parts checks what lists and objects are made of.
func (c *schemaChecker) parts(f *Field, at FieldPath, name string) {
	switch {
	case f.Type == TypeList && f.Of == nil:
		c.errorf(at, "of", name, "a list needs the type of its items in of")
	case f.Type != TypeList && f.Of != nil:
		c.errorf(at, "of", name, "of is for type list only")
	case f.Type != TypeObject && len(f.Fields) > 0:
		c.errorf(at, "fields", name, "fields are for type object only")
	}
	if f.Type == TypeList && f.Of != nil {
		at, name := append(slices.Clone(at), "of"), name+"[]"
		switch {
		case f.Of.Name != "":
			c.errorf(at, "name", name, "the items of a list have no name")
		case f.Of.Default != nil:
			c.errorf(at, "default", name, "the items of a list have no default")
		}
		c.field(f.Of, at, name)
	}
	if f.Type == TypeObject {
		c.fields(f.Fields, append(slices.Clone(at), "fields"), name+".")
	}
}

func (c *schemaChecker) bounds(f *Field, at FieldPath, name string) {
	ok, counts := f.Type.bounded()
	for _, b := range []struct {
		option string
		value  *float64
	}{{"min", f.Min}, {"max", f.Max}} {
		switch {
		case b.value == nil:
		case !ok:
			c.errorf(at, b.option, name, "%s does not apply to type %s", b.option, f.Type)
		case math.IsNaN(*b.value) || math.IsInf(*b.value, 0):
			c.errorf(at, b.option, name, "%s must be a number", b.option)
		case counts && (*b.value < 0 || *b.value != math.Trunc(*b.value)):
			c.errorf(at, b.option, name, "%s counts, so it must be a whole number from 0", b.option)
		}
	}
	if f.Min != nil && f.Max != nil && *f.Min > *f.Max {
		c.errorf(at, "max", name, "max is less than min")
	}
}

func (c *schemaChecker) pattern(f *Field, at FieldPath, name string) {
	if f.Pattern == "" {
		return
	}
	if !f.Type.textual() {
		c.errorf(at, "pattern", name, "pattern does not apply to type %s", f.Type)
		return
	}
	re, err := f.compile()
	if err != nil {
		c.errorf(at, "pattern", name, "pattern is not a regular expression of RE2, which has neither look-around nor backreferences: %s", patternFault(err))
		return
	}
	f.pattern = re
}

// compile makes Pattern hold for the whole value. The pattern is parsed by
// itself first, so that one like "a)|(b" does not pass for two groups.
func (f *Field) compile() (*regexp.Regexp, error) {
	if _, err := regexp.Compile(f.Pattern); err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + f.Pattern + `)\z`)
}

func patternFault(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

func (c *schemaChecker) options(f *Field, at FieldPath, name string) {
	switch {
	case f.Type == TypeSelect && len(f.Options) == 0:
		c.errorf(at, "options", name, "a select needs options")
	case f.Type != TypeSelect && len(f.Options) > 0:
		c.errorf(at, "options", name, "options are for type select only")
	}
	for i, v := range f.Options {
		at := append(slices.Clone(at), "options", i)
		switch v.(type) {
		case string, bool, Number, Time:
		default:
			c.errorf(at, "", name, "option %d must be a text, a number or a boolean", i+1)
		}
		if slices.ContainsFunc(f.Options[:i], func(w Value) bool { return Equal(v, w) }) {
			c.errorf(at, "", name, "option %d stands there twice", i+1)
		}
	}
}

// defaultValue checks the default by the rules of its own field.
func (c *schemaChecker) defaultValue(f *Field, at FieldPath, name string) {
	if f.Default == nil || len(c.errs) > 0 && c.concerns(at) {
		return
	}
	var v validator
	v.value(f, f.coerce(f.Default))
	for _, p := range v.problems {
		c.errorf(at, "default", name, "default %s", p.Detail)
	}
}

// concerns says whether an error was found already at at or below.
func (c *schemaChecker) concerns(at FieldPath) bool {
	return slices.ContainsFunc(c.errs, func(err error) bool {
		e := err.(*SchemaError)
		return len(e.At) >= len(at) && slices.Equal(e.At[:len(at)], at)
	})
}

func joinTypes(types []Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	return strings.Join(names, ", ")
}

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
	switch x := v.(type) {
	case string:
		if f.Type != TypeDate && f.Type != TypeDatetime {
			return v
		}
		if t, ok := ParseTime(x); ok && (t.DateOnly || f.Type == TypeDatetime) && Equal(t, x) {
			return t
		}
	case Number:
		if f.Type == TypeInteger {
			if n, ok := asInteger(x); ok && Equal(n, x) {
				return n
			}
		}
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
