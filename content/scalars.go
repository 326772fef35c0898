package content

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// Readers of YAML differ in what a scalar without quotes and tag is. What reads the site
// decides what a document means; what others would take otherwise is hinted at.

// Version is that of YAML by which a front matter is read.
type Version string

// The versions. The zero Version is YAML11.
const (
	YAML11 Version = "1.1" // as Ruby's Psych reads, and so Jekyll
	YAML12 Version = "1.2" // as the core schema has it, and so most of what is not Ruby
)

// read is what a plain scalar means. Dates and times are read alike, as readers of
// either version do. What JSON has no form for, as .inf, is the text that is written.
func (v Version) read(text string) Value {
	if t, _, ok := scanTime(text); ok {
		return t
	}
	if v == YAML12 {
		return read12(text)
	}
	return read11(text)
}

// disputed says how readers of the two versions differ about a plain scalar; "" where
// they do not.
func disputed(text string) string {
	if text == "" || text[0] >= 'a' && text[0] <= 'z' && len(text) > 5 {
		return "" // as nearly always
	}
	if number(text) && !strings.ContainsAny(text, "eE") {
		return ""
	}
	if _, _, ok := scanTime(text); ok {
		return ""
	}
	old, now := read11(text), read12(text)
	if Equal(old, now) {
		return ""
	}
	a, b := sortOf(old), sortOf(now)
	if a == b {
		b = "another one"
	}
	return "is " + a + " to readers of YAML 1.1, as Jekyll, and " + b + " to those of 1.2"
}

// sortOf says in a sentence what v is.
func sortOf(v Value) string {
	switch v.(type) {
	case nil:
		return "empty"
	case bool:
		return "true or false"
	case Number:
		return "a number"
	}
	return "a text"
}

var (
	sexagesimal = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9]){1,2}(\.[0-9_]*)?$`)
	float11     = regexp.MustCompile(`^[-+]?([0-9][0-9_,]*)?\.[0-9]*([eE][-+][0-9]+)?$`)
	integer11   = regexp.MustCompile(`^[-+]?(0b[01_,]+|0[0-7_,]+|0|[1-9]([0-9]|,[0-9]|_[0-9])*|0x[0-9a-fA-F_,]+)$`)
	integer12   = regexp.MustCompile(`^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)
	float12     = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
)

// separators are what Psych lets stand between digits.
var separators = strings.NewReplacer(",", "", "_", "")

// read11 follows Psych, whose numbers are those of YAML 1.1 with exceptions of its own.
func read11(s string) Value {
	if plainInteger(s) {
		return Number(s)
	}
	switch strings.ToLower(s[:min(len(s), 6)]) {
	case "", "~", "null":
		return nil
	case "yes", "true", "on":
		return true
	case "no", "false", "off":
		return false
	}
	if c := s[0]; c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' {
		switch {
		case sexagesimal.MatchString(s):
			return base60(s)
		case float11.MatchString(s):
			return floatOf(s, separators.Replace(s))
		case integer11.MatchString(s):
			return integerOf(s, separators.Replace(s), 0)
		}
	}
	return s
}

// base60 adds hours, minutes and seconds as Psych does, to which 18:00 are hours and
// minutes.
func base60(s string) Value {
	parts := strings.Split(strings.ReplaceAll(s, "_", ""), ":")
	if strings.Contains(s, ".") {
		sum := 0.0
		for i, part := range parts {
			f, _ := strconv.ParseFloat(part, 64)
			sum += f * []float64{3600, 60, 1}[i]
		}
		return Number(strconv.AppendFloat(nil, sum, 'f', -1, 64))
	}
	sum := new(big.Int)
	for i, part := range parts {
		n, ok := new(big.Int).SetString(part, 10)
		if !ok {
			return s
		}
		sum.Add(sum, n.Mul(n, big.NewInt([]int64{3600, 60, 1}[i])))
	}
	return Number(sum.String())
}

// read12 follows the core schema of YAML 1.2.
func read12(s string) Value {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return nil
	case "true", "True", "TRUE":
		return true
	case "false", "False", "FALSE":
		return false
	}
	switch {
	case plainInteger(s):
		return Number(s)
	case integer12.MatchString(s):
		base := 10
		if strings.HasPrefix(s, "0o") || strings.HasPrefix(s, "0x") {
			base = 0
		}
		return integerOf(s, s, base)
	case float12.MatchString(s):
		return floatOf(s, s)
	}
	return s
}

// integerOf is the number that digits are; s, as which they are written, if none.
func integerOf(s, digits string, base int) Value {
	n, ok := new(big.Int).SetString(digits, base)
	if !ok {
		return s
	}
	return Number(n.String())
}

// floatOf is the number that text, which is written as s, is; s if it is none, or too
// large for one.
func floatOf(s, text string) Value {
	if number(text) {
		return Number(text)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f-f != 0 {
		return s
	}
	return Number(strconv.AppendFloat(nil, f, 'g', -1, 64))
}

// tagOf is the tag that a plain scalar has by its value; was is that of the library.
func tagOf(v Value, was string) string {
	switch x := v.(type) {
	case nil:
		return "!!null"
	case bool:
		return "!!bool"
	case Number:
		if isInteger(string(x)) {
			return "!!int"
		}
		return "!!float"
	case string:
		if was != "!!float" || !strings.EqualFold(strings.TrimLeft(x, "+-"), ".inf") && !strings.EqualFold(x, ".nan") {
			return "!!str"
		}
	}
	return was
}
