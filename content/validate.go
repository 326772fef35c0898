package content

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cms/say"
)

// Lookup answers what the rules unique and reference ask about other entries.
type Lookup interface {
	// Taken says whether another entry of the collection has the value in a field.
	Taken(f *Field, v Value) bool
	// Exists says whether the collection has an entry with the slug.
	Exists(collection, slug string) bool
}

// Validate says all that is wrong with the fields of an entry, in the order of
// the schema, then of the keys it does not name. Nothing that an editor
// submitted is repeated in a problem but the names of fields. With a nil l the
// rules unique and reference are not checked.
//
// The rules of the problems are: required, type, min, max, pattern, options,
// unique, reference, and, where the schema is strict, unknown_field. Those of the rule
// ambiguous are hints: the entry is valid all the same.
func (s *Schema) Validate(fields *Object, l Lookup) []Problem {
	if !s.Defined {
		return nil
	}
	v := validator{strict: s.Strict, lookup: l}
	v.members(s.Fields, fields)
	return v.problems
}

type validator struct {
	strict   bool
	lookup   Lookup // may be nil
	path     FieldPath
	problems []Problem
}

func (v *validator) problem(rule string, detail say.Text) {
	v.problems = append(v.problems, Problem{
		Field: v.path.String(), Pointer: v.path.Pointer(), Rule: rule, Detail: detail,
	})
}

// within runs check with step added to the path.
func (v *validator) within(step any, check func()) {
	v.path = append(v.path, step)
	check()
	v.path = v.path[:len(v.path)-1]
}

func (v *validator) members(fields []Field, o *Object) {
	get := o.index()
	for i := range fields {
		f := &fields[i]
		v.within(f.Name, func() {
			x, _ := get(f.Name)
			v.value(f, x)
		})
	}
	if !v.strict || len(fields) == 0 {
		return
	}
	for _, key := range o.Keys() {
		if !slices.ContainsFunc(fields, func(f Field) bool { return f.Name == key }) {
			v.within(key, func() {
				v.problem("unknown_field", say.New("is not a field of this collection: remove it, or have it added to the schema"))
			})
		}
	}
}

// value checks the value x of a field; an absent one is nil.
func (v *validator) value(f *Field, x Value) {
	if f.blank(x) {
		if f.Required {
			v.problem("required", say.New("must not be empty"))
		}
		if _, list := x.([]Value); !list || f.Required {
			return
		}
	}
	if rules := f.Type.rules(); !rules.admits(x) {
		v.problem("type", say.New("must be %s", rules.expects))
		return
	}
	switch x := x.(type) {
	case string:
		if t, ok := ParseTime(x); ok && t.loose && f.Type.Scalar() == Times {
			v.problem(RuleAmbiguous, say.New("is a time to some readers and a text to others: write it in full, as %s", t))
		}
		v.text(f, x)
	case Number:
		v.bounds(f, x, nothing)
	case []Value:
		v.list(f, x)
	case *Object:
		v.members(f.Fields, x)
	}
	if f.Type == TypeSelect && !slices.ContainsFunc(f.Options, func(o Value) bool { return Equal(o, x) }) {
		v.problem("options", say.New("must be one of %s", joined(f.Options)))
	}
	if f.Unique && v.lookup != nil && v.lookup.Taken(f, x) {
		v.problem("unique", say.New("must differ from the %s of every other entry", f.Name))
	}
}

// blank says whether the field is left empty.
func (f *Field) blank(x Value) bool {
	switch x := x.(type) {
	case nil:
		return true
	case string:
		return x == "" && (f.Type.textual() || f.Type == TypeSelect)
	case []Value:
		return len(x) == 0 && f.Type == TypeList
	}
	return false
}

func (v *validator) text(f *Field, s string) {
	v.bounds(f, count(utf8.RuneCountInString(s)), characters)
	if re := f.pattern; f.Pattern != "" {
		if re == nil {
			re, _ = f.compile()
		}
		if re != nil && !re.MatchString(s) {
			v.problem("pattern", say.New("must match the pattern %s from its first to its last character", f.Pattern))
		}
	}
	if f.Type == TypeReference && v.lookup != nil && !v.lookup.Exists(f.Collection, s) {
		v.problem("reference", say.New("must be the slug of an entry of %s; there is none by this name", f.Collection))
	}
}

func (v *validator) list(f *Field, list []Value) {
	v.bounds(f, count(len(list)), items)
	if f.Of == nil {
		return
	}
	for i, item := range list {
		v.within(i, func() { v.value(f.Of, item) })
	}
}

// bounds checks x, a value or how many there are of something, against Min and Max.
func (v *validator) bounds(f *Field, x Number, of counted) {
	if f.Min != "" && CompareNumbers(x, f.Min) < 0 {
		v.problem("min", of.least(f.Min))
	}
	if f.Max != "" && CompareNumbers(x, f.Max) > 0 {
		v.problem("max", of.most(f.Max))
	}
}

// counted is what a bound counts.
type counted int

const (
	nothing counted = iota // it is the bound of a value
	characters
	items
)

func (c counted) least(bound Number) say.Text {
	switch n, one := shown(bound), CompareNumbers(bound, "1") == 0; {
	case c == nothing:
		return say.New("must be at least %v", n)
	case c == characters && one:
		return say.New("must have at least 1 character")
	case c == characters:
		return say.New("must have at least %v characters", n)
	case one:
		return say.New("must have at least 1 item")
	default:
		return say.New("must have at least %v items", n)
	}
}

func (c counted) most(bound Number) say.Text {
	switch n, one := shown(bound), CompareNumbers(bound, "1") == 0; {
	case c == nothing:
		return say.New("must be at most %v", n)
	case c == characters && one:
		return say.New("must have at most 1 character")
	case c == characters:
		return say.New("must have at most %v characters", n)
	case one:
		return say.New("must have at most 1 item")
	default:
		return say.New("must have at most %v items", n)
	}
}

// shown is a bound as an argument of a text that has it without an exponent, and with all
// of its digits.
func shown(bound Number) any {
	f, exact := Float(bound)
	if !exact {
		if n, err := strconv.ParseInt(string(bound), 10, 64); err == nil {
			return n
		}
		return string(bound)
	}
	if text := strconv.FormatFloat(f, 'f', -1, 64); text != fmt.Sprint(f) {
		return text
	}
	return f
}

func count(n int) Number { return Number(strconv.Itoa(n)) }

// CheckWrite says which fields that are read-only an edit from before to after
// changes. For a new entry before is [Schema.WithDefaults] of nothing.
func (s *Schema) CheckWrite(before, after *Object) []Problem {
	var v validator
	v.readOnly(s.Fields, before, after)
	return v.problems
}

func (v *validator) readOnly(fields []Field, before, after *Object) {
	for i := range fields {
		f := &fields[i]
		v.within(f.Name, func() {
			was, had := before.Get(f.Name)
			is, has := after.Get(f.Name)
			if f.ReadOnly && (had != has || !Equal(was, is)) {
				v.problem("read_only", say.New("must stay as it is: this field is not for editing"))
			} else if f.Type == TypeObject {
				was, _ := was.(*Object)
				is, _ := is.(*Object)
				v.readOnly(f.Fields, was, is)
			}
		})
	}
}

// Retain is an object with the read-only fields of was in the place of its own: what
// an edit comes to that leaves them as they are.
func (s *Schema) Retain(was, is *Object) *Object { return retain(s.Fields, was, is) }

func retain(fields []Field, was, is *Object) *Object {
	out := &Object{}
	if is != nil {
		out.Members = slices.Clone(is.Members)
	}
	for i := range fields {
		f := &fields[i]
		v, had := was.Get(f.Name)
		x, has := out.Get(f.Name)
		inner, object := x.(*Object)
		if !f.ReadOnly {
			within, _ := v.(*Object)
			if f.Type != TypeObject || within == nil && inner == nil || has && x != nil && !object {
				continue
			}
			kept := retain(f.Fields, within, inner)
			if v, had = kept, len(kept.Members) > 0 || has; Equal(v, x) {
				continue
			}
		}
		at := slices.IndexFunc(out.Members, func(m Member) bool { return m.Key == f.Name })
		switch {
		case at >= 0 && had:
			out.Members[at].Value = v
		case at >= 0:
			out.Members = slices.Delete(out.Members, at, at+1)
		case had:
			out.Members = append(out.Members, Member{Key: f.Name, Value: v})
		}
	}
	return out
}

// NewProblems are those of the problems now that an edit from before to after
// has to answer for: not those that were there already and are about the same
// value, so that a file which broke a rule can be edited in its other fields,
// and its broken value can be mended but not be replaced by another broken one.
// An item of a list may have moved within it.
//
// was and now are the problems of before and after, from the same sources.
func NewProblems(before, after *Object, was, now []Problem) []Problem {
	type key struct {
		place, rule string
		present     bool
		value       int
	}
	x := newIdentities(nil, exactKey)
	keyOf := func(r *resolver, p Problem) key {
		place, v := r.resolve(p.Pointer)
		return key{place, p.Rule, v.Present, x.of(v.Value)}
	}
	old, from, to := make(map[key]int), newResolver(before), newResolver(after)
	rest := make(map[string]bool) // the rules of problems that stand for others
	for _, p := range was {
		if p.Stands() {
			rest[p.Rule] = true
		} else {
			old[keyOf(from, p)]++
		}
	}
	var fresh []Problem
	for _, p := range now {
		known := rest[p.Rule]
		if !p.Stands() {
			k := keyOf(to, p)
			known = old[k] > 0
			old[k]--
		}
		if !known {
			fresh = append(fresh, p)
		}
	}
	return fresh
}

// A resolver follows JSON Pointers into the fields of an entry.
type resolver struct {
	fields  *Object
	members map[*Object]func(string) (Value, bool)
}

func newResolver(fields *Object) *resolver {
	return &resolver{fields, make(map[*Object]func(string) (Value, bool))}
}

func (r *resolver) get(o *Object, key string) (Value, bool) {
	get := r.members[o]
	if get == nil {
		get = o.index()
		r.members[o] = get
	}
	return get(key)
}

// resolve follows one. The place is the pointer with "*" for the indexes of lists.
func (r *resolver) resolve(pointer string) (place string, found Maybe) {
	found = Maybe{r.fields, true}
	if pointer == "" {
		return "", found
	}
	steps := strings.Split(pointer[1:], "/")
	for i, step := range steps {
		var next Maybe
		switch x := found.Value.(type) {
		case *Object:
			next.Value, next.Present = r.get(x, UnescapeToken(step))
		case []Value:
			if at, err := strconv.Atoi(step); err == nil && at >= 0 && at < len(x) {
				next = Maybe{x[at], true}
			}
			steps[i] = "*"
		}
		found = next
	}
	return strings.Join(steps, "/"), found
}
