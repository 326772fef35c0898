package content

import (
	"cmp"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// An exactNumber is the value of a number, whichever way it is written: of all that
// Normal says of it, the digits and where they stand. So numbers are compared
// exactly, and 1e999999999 costs no more than its text.
type exactNumber struct {
	negative bool
	digits   string   // of an integer that neither begins nor ends with 0; "" for 0
	exponent *big.Int // of the power of ten that the integer is multiplied by; nil for 0
}

func exactly(n Number) exactNumber {
	s, negative := strings.CutPrefix(string(n), "-")
	s, power := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		s, power = s[:i], strings.TrimPrefix(s[i+1:], "+")
	}
	whole, fraction, _ := strings.Cut(s, ".")
	digits := strings.TrimRight(whole+fraction, "0")
	exponent := new(big.Int)
	if power != "" {
		exponent.SetString(power, 10)
	}
	exponent.Add(exponent, big.NewInt(int64(len(whole)-len(digits))))
	if digits = strings.TrimLeft(digits, "0"); digits == "" {
		return exactNumber{}
	}
	return exactNumber{negative, digits, exponent}
}

// Normal is the one form that all numbers of a value have in common: an integer
// that does not end with 0, and a power of ten if it is not the 0th. 1.50 is
// 15e-1, and -0.0 is 0.
func Normal(n Number) Number {
	d := exactly(n)
	if d.digits == "" {
		return "0"
	}
	var b []byte
	if d.negative {
		b = append(b, '-')
	}
	b = append(b, d.digits...)
	if d.exponent.Sign() != 0 {
		b = d.exponent.Append(append(b, 'e'), 10)
	}
	return Number(b)
}

// sign is -1, 0 or 1.
func (d exactNumber) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

// magnitude is how many digits stand before the point; 0 or less when zeros
// follow it.
func (d exactNumber) magnitude() *big.Int {
	return new(big.Int).Add(d.exponent, big.NewInt(int64(len(d.digits))))
}

// CompareNumbers orders a and b by their values, exactly.
func CompareNumbers(a, b Number) int {
	if a == b {
		return 0
	}
	x, y := exactly(a), exactly(b)
	if d := cmp.Compare(x.sign(), y.sign()); d != 0 || x.digits == "" {
		return d
	}
	d := cmp.Or(x.magnitude().Cmp(y.magnitude()), strings.Compare(x.digits, y.digits))
	if x.negative {
		return -d
	}
	return d
}

// Float is the float64 next to n, and whether the shortest text of it is n.
func Float(n Number) (f float64, exact bool) {
	f, err := n.Float64()
	return f, err == nil && CompareNumbers(n, Number(strconv.FormatFloat(f, 'e', -1, 64))) == 0
}

// AppendOrdered appends bytes to b that are ordered as the numbers are, by their
// first digits, of which the bytes hold as many as digits says, and by powers of
// ten that an int64 has room for. None of them is the beginning of another.
func AppendOrdered(b []byte, n Number, digits int) []byte {
	d := exactly(n)
	b = append(b, byte(1+d.sign()))
	if d.digits == "" {
		return b
	}
	magnitude := d.magnitude()
	at := int64(math.MaxInt64)
	if magnitude.IsInt64() {
		at = magnitude.Int64()
	} else if magnitude.Sign() < 0 {
		at = math.MinInt64
	}
	from := len(b)
	b = AppendOrderedInt(b, at)
	b = append(append(b, d.digits[:min(len(d.digits), digits)]...), 0)
	if d.negative {
		for i := from; i < len(b); i++ {
			b[i] = ^b[i]
		}
	}
	return b
}

// AppendOrderedInt appends eight bytes to b that are ordered as integers are.
func AppendOrderedInt(b []byte, n int64) []byte {
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte((uint64(n)^(1<<63))>>shift))
	}
	return b
}

// ParseNumber reads a decimal number as people write it: with a sign, leading
// zeros, underscores between digits as Go has them, or a point without digits on one of its
// sides; else as a float of Go.
func ParseNumber(s string) (Number, bool) {
	if strings.Contains(s, "_") && !strings.ContainsAny(s, "xX") {
		if _, err := strconv.ParseFloat(s, 64); err == nil || errors.Is(err, strconv.ErrRange) {
			s = strings.ReplaceAll(s, "_", "")
		}
	}
	t, negative := strings.CutPrefix(s, "-")
	if !negative {
		t = strings.TrimPrefix(t, "+")
	}
	mantissa, power := t, ""
	if i := strings.IndexAny(t, "eE"); i >= 0 {
		mantissa, power = t[:i], t[i+1:]
		if !isDigits(strings.TrimLeft(power, "+-")) || len(power)-len(strings.TrimLeft(power, "+-")) > 1 {
			mantissa = ""
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if !isDigits(whole + fraction) {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return "", false
		}
		return Number(strconv.FormatFloat(f, 'e', -1, 64)), true
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	n := whole
	if fraction != "" {
		n += "." + fraction
	}
	if power != "" {
		n += "e" + power
	}
	if negative {
		n = "-" + n
	}
	return Number(n), true
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// rounded says whether now, a value that was sent, is what a program that keeps
// numbers as float64s makes of was: that is no change. Two integers are always
// compared exactly.
func rounded(was, now Number) bool {
	if isInteger(string(was)) && isInteger(string(now)) {
		return false
	}
	f, err := strconv.ParseFloat(string(was), 64)
	return err == nil && CompareNumbers(now, Number(strconv.FormatFloat(f, 'e', -1, 64))) == 0
}

func isInteger(s string) bool { return !strings.ContainsAny(s, ".eE") }
