package content

import (
	"math"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
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

// Types are all types, in the order in which documentation lists them.
func Types() []Type {
	return []Type{
		TypeString, TypeText, TypeMarkdown, TypeInteger, TypeNumber, TypeBoolean, TypeDate, TypeDatetime,
		TypeURL, TypeEmail, TypeSelect, TypeList, TypeObject, TypeImage, TypeFile, TypeReference,
	}
}

// maxAddress is how long an email address can be (RFC 5321): the name, the at sign and
// the domain.
const maxAddress = 64 + 1 + 255

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

// admits says whether x, which is not null, is a value of the type.
func (t Type) admits(x Value) bool {
	switch t {
	case TypeBoolean:
		_, ok := x.(bool)
		return ok
	case TypeInteger:
		n, ok := x.(Number)
		return ok && whole(n)
	case TypeNumber:
		n, ok := x.(Number)
		return ok && finite(n)
	case TypeDate:
		d, ok := asTime(x)
		return ok && d.DateOnly
	case TypeDatetime:
		_, ok := asTime(x)
		return ok
	case TypeList:
		_, ok := x.([]Value)
		return ok
	case TypeObject:
		_, ok := x.(*Object)
		return ok
	case TypeSelect:
		return scalars([]Value{x})
	}
	s, ok := x.(string)
	return ok && t.admitsText(s)
}

func (t Type) admitsText(s string) bool {
	switch t {
	case TypeURL:
		return webAddress(s)
	case TypeEmail:
		if len(s) > maxAddress {
			return false
		}
		a, err := mail.ParseAddress(s)
		return err == nil && a.Address == s
	case TypeImage, TypeFile:
		return fileName(s)
	case TypeReference:
		_, err := ParseSlug(s)
		return err == nil
	}
	return true
}

// expectation says to an editor what a value of the type must be.
func (t Type) expectation() string {
	switch t {
	case TypeBoolean:
		return "true or false, without quotes"
	case TypeInteger:
		return "a whole number, without quotes"
	case TypeNumber:
		return "a number, without quotes"
	case TypeDate:
		return "a date without a time, like 2019-01-15"
	case TypeDatetime:
		return "a date and time, like 2019-01-15T09:30:00+01:00, or a date, like 2019-01-15"
	case TypeURL:
		return "the address of a web page, beginning with https:// or http://, or a path of this site, beginning with /"
	case TypeEmail:
		return "an email address alone, like name@example.org"
	case TypeSelect:
		return "a single value"
	case TypeList:
		return "a list"
	case TypeObject:
		return "a mapping of keys to values"
	case TypeImage, TypeFile:
		return "the name or path of a file, without .. and without a scheme, or an address beginning with https:// or http://"
	case TypeReference:
		return "the slug of an entry"
	}
	return "text; in the file, what reads as a number, a date or a boolean needs quotes to be text"
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
