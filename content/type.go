package content

import (
	"math"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"cms/say"
)

// Type is the kind of value that a field holds.
type Type string

// The types. Their values are strings where nothing else is said.
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

// Scalar is what the values of a type are to those who compare them.
type Scalar int

// The kinds of scalars.
const (
	Mixed Scalar = iota // lists, objects, and what may be of several kinds
	Texts
	Numbers
	Booleans
	Times
)

// typeRules are what is particular to a type. All that depends on a type is said here,
// but for the structure of lists, objects and selects.
type typeRules struct {
	name    Type
	scalar  Scalar
	limits  limits
	admits  func(Value) bool  // whether a value that is not null is one of the type
	coerce  func(Value) Value // gives a value the type, where it reads as it; nil leaves it as it is
	expects say.Text          // what it must be, to an editor
}

// limits are what Min and Max mean.
type limits int

const (
	unlimited limits = iota // nothing
	byValue
	byCount // of the characters or items
)

var (
	expectsText = say.New("text; in the file, what reads as a number, a date or a boolean needs quotes to be text")
	expectsFile = say.New("the name or path of a file, without .. and without a scheme, or an address beginning with https:// or http://")
)

// types are the rules of all types, in the order in which documentation lists them.
// They are read only.
var types = []typeRules{
	{TypeString, Texts, byCount, textThat(anyText), nil, expectsText},
	{TypeText, Texts, byCount, textThat(anyText), nil, expectsText},
	{TypeMarkdown, Texts, byCount, textThat(anyText), nil, expectsText},
	{TypeInteger, Numbers, byValue, numberThat(whole), toInteger, say.New("a whole number, without quotes")},
	{TypeNumber, Numbers, byValue, numberThat(finite), nil, say.New("a number, without quotes")},
	{TypeBoolean, Booleans, unlimited, isA[bool], nil, say.New("true or false, without quotes")},
	{TypeDate, Times, unlimited, isDate, toDate, say.New("a date without a time, like 2019-01-15")},
	{TypeDatetime, Times, unlimited, isTime, toTime, say.New("a date and time, like 2019-01-15T09:30:00+01:00, or a date, like 2019-01-15")},
	{TypeURL, Texts, unlimited, textThat(webAddress), nil, say.New("the address of a web page, beginning with https:// or http://, or a path of this site, beginning with /")},
	{TypeEmail, Texts, unlimited, textThat(mailAddress), nil, say.New("an email address alone, like name@example.org")},
	{TypeSelect, Mixed, unlimited, isScalar, nil, say.New("a single value")},
	{TypeList, Mixed, byCount, isA[[]Value], nil, say.New("a list")},
	{TypeObject, Mixed, unlimited, isA[*Object], nil, say.New("a mapping of keys to values")},
	{TypeImage, Texts, unlimited, textThat(fileName), nil, expectsFile},
	{TypeFile, Texts, unlimited, textThat(fileName), nil, expectsFile},
	{TypeReference, Texts, unlimited, textThat(slugText), nil, say.New("the slug of an entry")},
}

// Types are all types, in the order in which documentation lists them.
func Types() []Type {
	names := make([]Type, len(types))
	for i := range types {
		names[i] = types[i].name
	}
	return names
}

// rules are those of the type; those of one that does not exist admit texts.
func (t Type) rules() typeRules {
	for i := range types {
		if types[i].name == t {
			return types[i]
		}
	}
	return typeRules{admits: textThat(anyText), expects: expectsText}
}

// Scalar is what the values of the type are to those who compare them.
func (t Type) Scalar() Scalar { return t.rules().scalar }

// textual says whether values of the type are strings of the editor's own, to
// which a pattern can apply.
func (t Type) textual() bool { return t.Scalar() == Texts }

func isA[T any](x Value) bool {
	_, ok := x.(T)
	return ok
}

func isScalar(x Value) bool { return scalars([]Value{x}) }

func isDate(x Value) bool {
	t, ok := asTime(x)
	return ok && t.DateOnly
}

func isTime(x Value) bool {
	_, ok := asTime(x)
	return ok
}

func textThat(admits func(string) bool) func(Value) bool {
	return func(x Value) bool {
		s, ok := x.(string)
		return ok && admits(s)
	}
}

func numberThat(admits func(Number) bool) func(Value) bool {
	return func(x Value) bool {
		n, ok := x.(Number)
		return ok && admits(n)
	}
}

func anyText(string) bool { return true }

func slugText(s string) bool {
	_, err := ParseSlug(s)
	return err == nil
}

func mailAddress(s string) bool {
	if len(s) > maxAddress {
		return false
	}
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}

// maxAddress is how long an email address can be (RFC 5321): the name, the at sign and
// the domain.
const maxAddress = 64 + 1 + 255

func toTime(x Value) Value {
	if t, ok := asTime(x); ok {
		return t
	}
	return x
}

func toDate(x Value) Value {
	if t, ok := asTime(x); ok && t.DateOnly {
		return t
	}
	return x
}

func toInteger(x Value) Value {
	if n, ok := x.(Number); ok {
		if n, ok := asInteger(n); ok {
			return n
		}
	}
	return x
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
