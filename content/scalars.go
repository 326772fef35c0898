package content

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"cms/say"
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

// Versions are all that there are, as words.
func Versions() []string { return []string{string(YAML11), string(YAML12)} }

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

func (v Version) is12() bool { return v == YAML12 }

// readers are those of front matter that differ about plain scalars, first those of the
// versions. They are read only.
var readers = []struct {
	who  say.Text
	read func(string) Value
}{
	{say.New("readers of YAML 1.1, as Jekyll"), read11},
	{say.New("readers of YAML 1.2"), read12},
	{say.New("js-yaml 3, as Eleventy has it"), readJS3},
	{say.New("js-yaml 4"), readJS4},
}

// contested says whether readers differ about a plain scalar.
func contested(text string) bool {
	if text == "" || text[0] >= 'a' && text[0] <= 'z' && len(text) > 5 {
		return false // as nearly always
	}
	if number(text) && !strings.ContainsAny(text, "eE") && (text[0] != '-' || plainInteger(text)) {
		return false
	}
	if _, _, ok := scanTime(text); ok {
		return false
	}
	first := readers[0].read(text)
	for _, r := range readers[1:] {
		if !Equal(first, r.read(text)) {
			return true
		}
	}
	return false
}

// dispute says how readers differ about a plain scalar on which they do, beginning with
// what it is by v, and how to mend it.
func (v Version) dispute(text string) say.Text {
	ours, theirs := readers[0], readers[0]
	if v.is12() {
		ours = readers[1]
	}
	here := v.read(text)
	var there Value
	for _, theirs = range readers {
		if there = theirs.read(text); !Equal(here, there) {
			break
		}
	}
	sort := sortOf(there)
	if sort == sortOf(here) {
		sort = say.New("another one")
	}
	return say.New("is %s here and to %s, and %s to %s: put it in quotes to make it a text, or write it unambiguously", sortOf(here), ours.who, sort, theirs.who)
}

// sortOf says in a sentence what v is.
func sortOf(v Value) say.Text {
	switch v.(type) {
	case nil:
		return say.New("empty")
	case bool:
		return say.New("true or false")
	case Number:
		return say.New("a number")
	}
	return say.New("a text")
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
	if numeric(s) {
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

var (
	integerJS3 = regexp.MustCompile(`^[-+]?(0b[01_]*[01]|0x[0-9a-fA-F_]*[0-9a-fA-F]|0[0-7_]*[0-7]|0|[1-9]([0-9_]*[0-9])?)$`)
	base60JS3  = regexp.MustCompile(`^[-+]?([1-9][0-9_]*(:[0-5]?[0-9])+|[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*)$`)
	floatJS3   = regexp.MustCompile(`^([-+]?(0|[1-9][0-9_]*)(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9_]*[0-9][0-9_]*([eE][-+]?[0-9]+)?)$`)
	integerJS4 = regexp.MustCompile(`^[-+]?(0b[01]+|0x[0-9a-fA-F]+|0o[0-7]+|[0-9]+)$`)
	floatJS4   = regexp.MustCompile(`^([-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?|\.[0-9]+([eE][-+]?[0-9]+)?)$`)
)

// readJS3 follows js-yaml 3, whose words are those of YAML 1.2, and whose numbers are of
// habits of its own, most of them those of 1.1.
func readJS3(s string) Value {
	v := read12(s)
	if !numeric(s) {
		return v
	}
	digits := strings.ReplaceAll(s, "_", "")
	switch {
	case integerJS3.MatchString(s):
		return integerOf(s, digits, 0)
	case base60JS3.MatchString(s):
		return sixtieths(s, digits)
	case floatJS3.MatchString(s) && !strings.HasSuffix(s, "_"):
		return floatOf(s, digits)
	}
	return s
}

// readJS4 follows js-yaml 4, which is close to the core schema.
func readJS4(s string) Value {
	if !numeric(s) {
		return read12(s)
	}
	switch {
	case integerJS4.MatchString(s):
		base := 0
		if plain := strings.TrimLeft(s, "+-"); len(plain) < 2 || plain[1] >= '0' && plain[1] <= '9' {
			base = 10
		}
		return integerOf(s, s, base)
	case floatJS4.MatchString(s):
		return floatOf(s, s)
	}
	return s
}

// numeric says whether s begins as numbers do.
func numeric(s string) bool {
	return s != "" && (s[0] >= '0' && s[0] <= '9' || s[0] == '-' || s[0] == '+' || s[0] == '.')
}

// sixtieths adds the parts of a number of base 60, the last of which has the weight of
// one: 18:00 is 1080.
func sixtieths(s, digits string) Value {
	sum, sign := new(big.Rat), big.NewRat(1, 1)
	if digits[0] == '-' {
		sign.Neg(sign)
	}
	for part := range strings.SplitSeq(strings.TrimLeft(digits, "+-"), ":") {
		n, ok := new(big.Rat).SetString(strings.TrimSuffix(part, "."))
		if !ok {
			return s
		}
		sum.Add(sum.Mul(sum, big.NewRat(60, 1)), n)
	}
	sum.Mul(sum, sign)
	if sum.IsInt() {
		return Number(sum.Num().String())
	}
	f, _ := sum.Float64()
	return Number(strconv.AppendFloat(nil, f, 'g', -1, 64))
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
