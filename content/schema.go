package content

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
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
	Of         *Field  // list: what each item is
	Fields     []Field // object: its members; none leaves the members free
	Options    []Value // select: the values to choose from
	Collection string  // reference: the collection of the entry it names
	Default    Value   // for new entries; nil is none
	Min, Max   Number  // of a number; of the characters of a text; of the items of a list; "" is none
	Pattern    string  // of a text: RE2, for the whole value
	Required   bool    // not blank
	Unique     bool    // no other entry of the collection has the value
	ReadOnly   bool    // kept by something else than editors
	Hidden     bool    // not for forms

	Label map[string]string // what people call it, by language tag
	Hint  map[string]string // how to fill it in, by language tag

	pattern *regexp.Regexp // Pattern, once Check compiled it
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
	var wrong []*SchemaError
	checkFields(s.Fields, FieldPath{"fields"}, "", &wrong)
	errs := make([]error, len(wrong))
	for i, e := range wrong {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// fieldCheck is the check of one field.
type fieldCheck struct {
	*Field
	at    FieldPath
	name  string // etapes[].date
	wrong *[]*SchemaError
}

// errorf notes what is wrong with an option of the field.
func (c fieldCheck) errorf(option, format string, args ...any) {
	c.errorAt(c.below(option), format, args...)
}

func (c fieldCheck) errorAt(at FieldPath, format string, args ...any) {
	*c.wrong = append(*c.wrong, &SchemaError{At: at, Field: c.name, Detail: fmt.Sprintf(format, args...)})
}

func (c fieldCheck) below(steps ...any) FieldPath { return slices.Concat(c.at, steps) }

// checkFields checks the members of the front matter or of an object.
func checkFields(fields []Field, at FieldPath, parent string, wrong *[]*SchemaError) {
	seen := make(map[string]bool, len(fields))
	for i := range fields {
		f := &fields[i]
		c := fieldCheck{f, slices.Concat(at, FieldPath{i}), parent + f.Name, wrong}
		switch {
		case f.Name == "":
			c.name = c.at.String()
			c.errorf("name", "name is missing")
		case strings.ContainsFunc(f.Name, unicode.IsControl):
			c.errorf("name", "name has a control character")
		case seen[f.Name]:
			c.errorf("name", "another field has the same name")
		}
		seen[f.Name] = true
		c.check()
	}
}

func (c fieldCheck) check() {
	if !slices.Contains(Types(), c.Type) {
		c.errorf("type", "type must be one of %s", joined(Types()))
		return
	}
	before := len(*c.wrong)
	c.checkPlace()
	c.checkParts()
	c.checkBounds()
	c.checkPattern()
	c.checkOptions()
	switch {
	case c.Type == TypeReference && c.Collection == "":
		c.errorf("collection", "a reference needs the collection it refers to")
	case c.Type != TypeReference && c.Collection != "":
		c.errorf("collection", "collection is for type reference only")
	}
	if len(*c.wrong) == before { // else there is nothing to hold the default to
		c.checkDefault()
	}
}

// checkPlace checks the options that depend on where the field stands.
func (c fieldCheck) checkPlace() {
	switch {
	case c.Unique && len(c.at) > len(FieldPath{"fields", 0}):
		c.errorf("unique", "unique is for top-level fields only")
	case c.Unique && (c.Type == TypeList || c.Type == TypeObject):
		c.errorf("unique", "unique does not apply to type %s", c.Type)
	}
	if c.ReadOnly && slices.Contains(c.at, any("of")) {
		c.errorf("read_only", "read_only does not apply to or within the items of a list")
	}
}

// checkParts checks what lists and objects are made of.
func (c fieldCheck) checkParts() {
	switch {
	case c.Type == TypeList && c.Of == nil:
		c.errorf("of", "a list needs the type of its items in of")
	case c.Type != TypeList && c.Of != nil:
		c.errorf("of", "of is for type list only")
	case c.Type != TypeObject && len(c.Fields) > 0:
		c.errorf("fields", "fields are for type object only")
	case c.Type == TypeList:
		items := fieldCheck{c.Of, c.below("of"), c.name + "[]", c.wrong}
		if items.Name != "" {
			items.errorf("name", "the items of a list have no name")
		}
		if items.Default != nil {
			items.errorf("default", "the items of a list have no default")
		}
		items.check()
	case c.Type == TypeObject:
		checkFields(c.Fields, c.below("fields"), c.name+".", c.wrong)
	}
}

func (c fieldCheck) checkBounds() {
	limits := c.Type.rules().limits
	check := func(option string, bound Number) {
		switch {
		case bound == "":
		case limits == unlimited:
			c.errorf(option, "%s does not apply to type %s", option, c.Type)
		case !finite(bound):
			c.errorf(option, "%s must be a number", option)
		case limits == byCount && (CompareNumbers(bound, "0") < 0 || !whole(bound)):
			c.errorf(option, "%s counts, so it must be a whole number from 0", option)
		}
	}
	check("min", c.Min)
	check("max", c.Max)
	if c.Min != "" && c.Max != "" && finite(c.Min) && finite(c.Max) && CompareNumbers(c.Min, c.Max) > 0 {
		c.errorf("max", "max is less than min")
	}
}

func (c fieldCheck) checkPattern() {
	if c.Pattern == "" {
		return
	}
	if !c.Type.textual() {
		c.errorf("pattern", "pattern does not apply to type %s", c.Type)
		return
	}
	re, err := c.compile()
	if err != nil {
		c.errorf("pattern", "pattern must be a regular expression as RE2 has them, without look-around and backreferences: %s",
			strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return
	}
	c.pattern = re
}

// compile makes Pattern hold for the whole value. The pattern is parsed by
// itself first, so that one like "a)|(b" does not pass for two groups.
func (f *Field) compile() (*regexp.Regexp, error) {
	if _, err := regexp.Compile(f.Pattern); err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + f.Pattern + `)\z`)
}

func (c fieldCheck) checkOptions() {
	switch {
	case c.Type == TypeSelect && len(c.Options) == 0:
		c.errorf("options", "a select needs options")
	case c.Type != TypeSelect && len(c.Options) > 0:
		c.errorf("options", "options are for type select only")
	}
	for i, v := range c.Options {
		switch v.(type) {
		case string, bool, Number, Time:
		default:
			c.errorAt(c.below("options", i), "option %d must be a text, a number or a boolean", i+1)
		}
		if slices.ContainsFunc(c.Options[:i], func(w Value) bool { return Equal(v, w) }) {
			c.errorAt(c.below("options", i), "option %d is duplicated", i+1)
		}
	}
}

// checkDefault holds the default to the rules of its own field.
func (c fieldCheck) checkDefault() {
	if c.Default == nil {
		return
	}
	var v validator
	v.value(c.Field, c.coerce(c.Default))
	for _, p := range v.problems {
		c.errorf("default", "default %s", p.Detail)
	}
}

// joined is values as a list in a sentence.
func joined[T any](values []T) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = fmt.Sprint(v)
	}
	return strings.Join(names, ", ")
}
