package content

import (
	"fmt"
	"math"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lookup answers what the rules unique and reference ask about other entries.
type Lookup interface {
	// Taken says whether another entry of the collection has the value.
	Taken(field string, v Value) bool
	// Exists says whether the collection has an entry with the slug.
	Exists(collection, slug string) bool
}

// Validate says all that is wrong with the fields of an entry, in the order of
// the schema, then of the keys it does not name. Nothing that an editor
// submitted is repeated in a problem but the names of fields. With a nil l the
// rules unique and reference are not checked.
//
// The rules of the problems are: required, type, min, max, pattern, options,
// unique, reference, and, where the schema is strict, unknown_field.
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

func (v *validator) problemf(rule, format string, args ...any) {
	v.problems = append(v.problems, Problem{
		Field: v.path.String(), Pointer: v.path.Pointer(), Rule: rule, Detail: fmt.Sprintf(format, args...),
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
				v.problemf("unknown_field", "is not a field of this collection: remove it, or have it added to the schema")
			})
		}
	}
}

// value checks the value x of a field; an absent one is nil.
func (v *validator) value(f *Field, x Value) {
	if f.blank(x) {
		if f.Required {
			v.problemf("required", "must not be empty")
		}
		if _, list := x.([]Value); !list || f.Required {
			return
		}
	}
	if want := f.Type.mismatch(x); want != "" {
		v.problemf("type", "must be %s", want)
		return
	}
	switch x := x.(type) {
	case string:
		v.text(f, x)
	case Number:
		v.number(f, x)
	case []Value:
		v.list(f, x)
	case *Object:
		if f.Type == TypeObject {
			v.members(f.Fields, x)
		}
	}
	if f.Type == TypeSelect && !slices.ContainsFunc(f.Options, func(o Value) bool { return Equal(o, x) }) {
		v.problemf("options", "must be one of %s", listOptions(f.Options))
	}
	if f.Unique && v.lookup != nil && v.lookup.Taken(f.Name, x) {
		v.problemf("unique", "must differ from the %s of every other entry", f.Name)
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
	if ok, _ := f.Type.bounded(); ok {
		v.bounds(f, float64(utf8.RuneCountInString(s)), "must have at %s %s characters")
	}
	if re := f.pattern; f.Pattern != "" {
		if re == nil {
			re, _ = f.compile()
		}
		if re != nil && !re.MatchString(s) {
			v.problemf("pattern", "must match the pattern %s from its first to its last character", f.Pattern)
		}
	}
	if f.Type == TypeReference && v.lookup != nil && !v.lookup.Exists(f.Collection, s) {
		v.problemf("reference", "must be the slug of an entry of %s; there is none by this name", f.Collection)
	}
}

func (v *validator) number(f *Field, n Number) {
	if ok, _ := f.Type.bounded(); ok {
		x, _ := n.Float64()
		v.bounds(f, x, "must be at %s %s")
	}
}

func (v *validator) list(f *Field, items []Value) {
	if f.Type != TypeList {
		return
	}
	v.bounds(f, float64(len(items)), "must have at %s %s items")
	if f.Of == nil {
		return
	}
	for i, item := range items {
		v.within(i, func() { v.value(f.Of, item) })
	}
}

func (v *validator) bounds(f *Field, x float64, format string) {
	if f.Min != nil && x < *f.Min {
		v.problemf("min", format, "least", formatBound(*f.Min))
	}
	if f.Max != nil && x > *f.Max {
		v.problemf("max", format, "most", formatBound(*f.Max))
	}
}

func formatBound(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func listOptions(options []Value) string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = fmt.Sprint(o)
	}
	return strings.Join(names, ", ")
}

// mismatch is what a value of the type would be, where x, which is not null,
// is none; else "". It is a phrase for after "must be".
func (t Type) mismatch(x Value) string {
	ok, want := true, ""
	switch t {
	case TypeBoolean:
		_, ok = x.(bool)
		want = "true or false, without quotes"
	case TypeInteger:
		n, _ := x.(Number)
		ok, want = whole(n), "a whole number, without quotes"
	case TypeNumber:
		n, _ := x.(Number)
		ok, want = finite(n), "a number, without quotes"
	case TypeDate:
		d, isTime := asTime(x)
		ok, want = isTime && d.DateOnly, "a date without a time, like 2019-01-15"
	case TypeDatetime:
		_, ok = asTime(x)
		want = "a date and time, like 2019-01-15T09:30:00+01:00, or a date, like 2019-01-15"
	case TypeList:
		_, ok = x.([]Value)
		want = "a list"
	case TypeObject:
		_, ok = x.(*Object)
		want = "a mapping of keys to values"
	case TypeSelect:
		switch x.(type) {
		case []Value, *Object:
			ok, want = false, "a single value"
		}
	default:
		s, isText := x.(string)
		if !isText {
			return "text; in the file, what reads as a number, a date or a boolean needs quotes to be text"
		}
		ok, want = t.textForm(s)
	}
	if ok {
		return ""
	}
	return want
}

// textForm says whether s has the form that a textual type asks for.
func (t Type) textForm(s string) (ok bool, want string) {
	switch t {
	case TypeURL:
		return webAddress(s), "the address of a web page, beginning with https:// or http://, or a path of this site, beginning with /"
	case TypeEmail:
		a, err := mail.ParseAddress(s)
		return err == nil && a.Address == s, "an email address alone, like name@example.org"
	case TypeImage, TypeFile:
		return fileName(s), "the name or path of a file, without .. and without a scheme, or an address beginning with https:// or http://"
	case TypeReference:
		_, err := ParseSlug(s)
		return err == nil, "the slug of an entry"
	}
	return true, ""
}

// webAddress accepts absolute http and https addresses and paths from the
// site's root. Backslashes are refused since browsers read them as slashes, so
// that /\example.org would lead off the site.
func webAddress(s string) bool {
	if strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return false
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return false
	case u.Scheme == "http" || u.Scheme == "https":
		return u.Hostname() != ""
	}
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//")
}

// fileName accepts what a page may name as its image: a name, a path relative
// or from the site's root, or an http or https address; blanks may occur.
func fileName(s string) bool {
	u, err := url.Parse(s)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		return webAddress(s)
	}
	if scheme, _, ok := strings.Cut(s, ":"); ok && !strings.Contains(scheme, "/") ||
		strings.HasPrefix(s, "//") || strings.ContainsRune(s, '\\') || strings.ContainsFunc(s, unicode.IsControl) {
		return false
	}
	if plain, err := url.PathUnescape(s); err == nil {
		s += "/" + plain
	}
	return !slices.Contains(strings.Split(s, "/"), "..")
}

// asTime is x as a time, where it is one or is the text of one.
func asTime(x Value) (Time, bool) {
	switch x := x.(type) {
	case Time:
		return x, true
	case string:
		return ParseTime(x)
	}
	return Time{}, false
}

func finite(n Number) bool {
	x, err := n.Float64()
	return err == nil && !math.IsInf(x, 0) && !math.IsNaN(x)
}

// whole says whether n has no fraction, whichever way it is written. The text
// is looked at, as a float64 has no fraction left beyond 2^53.
func whole(n Number) bool {
	_, exponent, ok := decimal(strings.TrimPrefix(string(n), "-"))
	return ok && exponent >= 0 && finite(n)
}

// decimal takes the text of a JSON number without its sign apart: its value is
// digits × 10^exponent, with neither leading nor trailing zeros in digits.
func decimal(s string) (digits string, exponent int, ok bool) {
	mantissa, e := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, e = s[:i], s[i+1:]
		n, err := strconv.Atoi(e)
		if err != nil {
			return "", 0, false
		}
		exponent = n
	}
	integer, fraction, _ := strings.Cut(mantissa, ".")
	all := integer + fraction
	if all == "" || strings.Trim(all, "0123456789") != "" {
		return "", 0, false
	}
	digits = strings.TrimRight(all, "0")
	exponent += len(all) - len(digits) - len(fraction)
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		exponent = 0
	}
	return digits, exponent, true
}

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
				v.problemf("read_only", "must stay as it is: this field is not for editing")
			} else if f.Type == TypeObject {
				was, _ := was.(*Object)
				is, _ := is.(*Object)
				v.readOnly(f.Fields, was, is)
			}
		})
	}
}

// NewProblems are those of the problems now that an edit from before to after
// has to answer for: not those that were there already and are about the same
// value, so that a file which broke a rule can be edited in its other fields,
// and its broken value can be mended but not be replaced by another broken one.
// An item of a list may have moved within it.
//
// was and now are the problems of before and after, from the same sources.
func NewProblems(before, after *Object, was, now []Problem) []Problem {
	type key struct{ place, rule string }
	old := make(map[key][]Maybe)
	for _, p := range was {
		place, v := resolve(before, p.Pointer)
		k := key{place, p.Rule}
		old[k] = append(old[k], v)
	}
	var fresh []Problem
	for _, p := range now {
		place, v := resolve(after, p.Pointer)
		k := key{place, p.Rule}
		i := slices.IndexFunc(old[k], v.equal)
		if i < 0 {
			fresh = append(fresh, p)
			continue
		}
		old[k] = slices.Delete(old[k], i, i+1)
	}
	return fresh
}

// resolve follows a JSON Pointer into o. The place is the pointer with "*" for
// the indexes of lists.
func resolve(o *Object, pointer string) (place string, found Maybe) {
	found = Maybe{o, true}
	if pointer == "" {
		return "", found
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for token := range strings.SplitSeq(pointer[1:], "/") {
		var next Maybe
		switch x := found.Value.(type) {
		case *Object:
			next.Value, next.Present = x.Get(unescape.Replace(token))
		case []Value:
			if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(x) {
				next = Maybe{x[i], true}
			}
			token = "*"
		}
		place += "/" + token
		found = next
	}
	return place, found
}
