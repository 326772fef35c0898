package content

import (
	"bytes"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawNumber draws a number whose value is often that of another one.
func drawNumber(rt *rapid.T, label string) Number {
	return Number(rapid.StringMatching(`-?(0|[1-9][0-9]{0,3}|90071992547409(92|93))(\.[0-9]{1,3})?([eE][+-]?[0-9])?`).Draw(rt, label))
}

func ratOf(rt *rapid.T, n Number) *big.Rat {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		rt.Fatalf("%s is no number", n)
	}
	return r
}

// TestNumbersAreExact compares numbers, their normal forms and what they are
// sorted by with rationals.
func TestNumbersAreExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drawNumber(rt, "a"), drawNumber(rt, "b")
		want := ratOf(rt, a).Cmp(ratOf(rt, b))
		if got := CompareNumbers(a, b); got != want {
			rt.Fatalf("%s against %s: got %d, want %d", a, b, got, want)
		}
		if got := bytes.Compare(AppendOrdered(nil, a, 40), AppendOrdered(nil, b, 40)); got != want {
			rt.Fatalf("bytes of %s against those of %s: got %d, want %d", a, b, got, want)
		}
		if (Normal(a) == Normal(b)) != (want == 0) || ratOf(rt, Normal(a)).Cmp(ratOf(rt, a)) != 0 {
			rt.Fatalf("the normal forms of %s and %s are %s and %s", a, b, Normal(a), Normal(b))
		}
		if Equal(a, b) != (want == 0) || (Key(a, TypeNumber) == Key(b, TypeNumber)) != (want == 0) {
			rt.Fatalf("%s and %s: equal %t, keys %s and %s", a, b, Equal(a, b), Key(a, TypeNumber), Key(b, TypeNumber))
		}
		if n, ok := ParseNumber(string(a)); !ok || CompareNumbers(n, a) != 0 {
			rt.Fatalf("%s is read as %s", a, n)
		}
	})
}

func TestParseNumber(t *testing.T) {
	for in, want := range map[string]Number{
		"+5": "5", "007": "7", ".5": "0.5", "-.5e3": "-0.5e3", "5.": "5", "1e999999999": "1e999999999", "-0": "-0", "0x1p-2": "2.5e-01",
		"9007199254740993": "9007199254740993", "1E+2": "1e+2",
		"9_007_199_254_740_993": "9007199254740993", "1_0.5_0e1_0": "10.50e10", "1_0e4_00": "10e400", "0x1_0p0": "1.6e+01", "_1": "", "1__0": "", "1_": "",
		"": "", ".": "", "e5": "", "1e": "", "1e+-5": "", "--1": "", "NaN": "", "Inf": "", "1\u0020": "", "1,5": "", "1.2.3": "",
	} {
		if got, ok := ParseNumber(in); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %t, want %q", in, got, ok, want)
		}
	}
}

// TestHugeNumbersAreCheap counts what it takes to compare numbers that would fill
// the memory if they were written out.
func TestHugeNumbersAreCheap(t *testing.T) {
	huge := Number("1e999999999999999999999")
	for n, want := range map[Number]int{"1e999999999": 1, "10e999999999999999999998": 0, "-1e999999999999999999999": 1, "1e-999999999999999999999": 1, "2e999999999999999999999": -1} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, text := CompareNumbers(huge, n), fmt.Sprint(Normal(n), Key(n, TypeNumber), string(AppendOrdered(nil, n, 40)))
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; got != want || took > 64<<10 || len(text) > 1000 {
			t.Errorf("%s: got %d with %d bytes allocated, want %d", n, got, took, want)
		}
	}
	if long := Number(strings.Repeat("9", 1000)); len(AppendOrdered(nil, long, 40)) > 50 {
		t.Errorf("a number of 1,000 digits is sorted by %d bytes", len(AppendOrdered(nil, long, 40)))
	}
}

// TestRoundedNumbers sends back what a program that keeps float64s has read.
func TestRoundedNumbers(t *testing.T) {
	for _, c := range []struct {
		was, sent string
		changed   bool
	}{
		{"3.14159265358979323846", "3.141592653589793", false},
		{"3.141592653589793", "3.14159265358979323846", true},
		{"1.50", "1.5", false},
		{"9007199254740993", "9007199254740992", true},
		{"100", "1e2", false},
	} {
		src := "---\nn: " + c.was + "\n---\n"
		d, err := Parse([]byte(src)).Replace(&Object{Members: []Member{{"n", Number(c.sent)}}}, "", nil)
		if err != nil || (string(d.Source()) != src) != c.changed {
			t.Errorf("%s in place of %s: got %q, %v, want a change: %t", c.sent, c.was, d.Source(), err, c.changed)
		}
	}
}
