package content

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func parse(t *testing.T, s string) Value {
	t.Helper()
	v, err := ParseJSON([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}

func TestParseJSONKeepsOrderAndNumbers(t *testing.T) {
	const in = `{"z":1.50,"a":[null,true,-0,12345678901234567890,1e400],"é":{"b\"":"\u00e9\ud83d\udea2\n\\/"}}`
	const want = `{"z":1.50,"a":[null,true,-0,12345678901234567890,1e400],"é":{"b\"":"é🚢\n\\/"}}`
	b, err := parse(t, " "+in+"\n").(*Object).MarshalJSON()
	if err != nil || string(b) != want {
		t.Errorf("got %s, %v\nwant %s", b, err, want)
	}
	if !json.Valid(b) {
		t.Errorf("%s is not JSON", b)
	}
}

func TestParseJSONRefuses(t *testing.T) {
	for in, at := range map[string][2]int{
		``: {1, 1}, `{"a":1,` + "\n" + `"a":2}`: {2, 1}, `"\ud800"`: {1, 2}, `"\ud800\u0041"`: {1, 2}, `"\udc00"`: {1, 2}, "\"é\xff\"": {1, 3},
		`1 2`: {1, 3}, `[1,]`: {1, 4}, `{,}`: {1, 2}, `{"a" 1}`: {1, 6}, `01`: {1, 1}, `1.`: {1, 1}, `-`: {1, 1}, `1e`: {1, 1}, `nul`: {1, 1}, `"a`: {1, 1},
		"\"\t\"": {1, 2}, `"\x"`: {1, 2}, `{"a":1`: {1, 7}, `[1`: {1, 3},
		strings.Repeat("[", 101) + strings.Repeat("]", 101): {1, 101},
	} {
		_, err := ParseJSON([]byte(in))
		var got *SyntaxError
		if !errors.As(err, &got) || got.Line != at[0] || got.Column != at[1] {
			t.Errorf("%q: got %v, want an error at line %d, column %d", in, err, at[0], at[1])
		}
	}
	if _, err := ParseJSON([]byte(strings.Repeat("[", 100) + strings.Repeat("]", 100))); err != nil {
		t.Errorf("100 levels: %v", err)
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e+3,"\u00e9"],"b":null}`, `"\ud83d\udea2"`, `[[],{}]`, "\xff", `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ParseJSON(b)
		if err != nil {
			return
		}
		if !json.Valid(b) {
			t.Fatalf("%q is not JSON to encoding/json", b)
		}
		out, err := appendJSON(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseJSON(out)
		if err != nil || !identical(v, again) {
			t.Fatalf("%q was written as %q, which is read as %v, %v", b, out, again, err)
		}
	})
}

func at(t *testing.T, s string) Time {
	t.Helper()
	v, ok := ParseTime(s)
	if !ok {
		t.Fatalf("%q is no time", s)
	}
	return v
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b Value
		want bool
	}{
		{Number("1.50"), Number("1.5"), true}, {Number("1e3"), Number("1000"), true}, {Number("0"), Number("-0"), true},
		{Number("9007199254740993"), Number("9007199254740992"), false}, {Number("1e999999999"), Number("2e999999999"), false},
		{Number("1.50000000000000000001"), Number("1.5"), false}, {Number("1e999999999"), Number("10e999999998"), true},
		{Number("100000000000000000001"), Number("1e20"), false}, {"e\u0301", "\u00e9", false},
		{Number("1"), "1", false}, {nil, nil, true}, {nil, false, false}, {"", nil, false}, {true, true, true},
		{parse(t, `{"a":1,"b":[2]}`), parse(t, `{"b":[2.0],"a":1}`), true}, {parse(t, `{"a":1}`), parse(t, `{"b":1}`), false},
		{parse(t, `[1,2]`), parse(t, `[2,1]`), false}, {(*Object)(nil), &Object{}, true},
		{at(t, "2021-06-01 18:30:00 +0200"), at(t, "2021-06-01T18:30:00+02:00"), true},
		{at(t, "2021-06-01 18:30:00 +0200"), at(t, "2021-06-01T16:30:00Z"), false}, {at(t, "2021-06-01"), at(t, "2021-06-01T00:00:00Z"), false},
		{at(t, "2021-06-01"), "2021-06-01", true}, {"2021-06-01T18:30:00+02:00", at(t, "2021-06-01 18:30:00 +0200"), true}, {at(t, "2021-06-01"), "juin", false},
		{"2021-06-01", "2021-06-01T00:00:00Z", false},
	} {
		if got := Equal(c.a, c.b); got != c.want {
			t.Errorf("Equal(%v, %v) is %v", c.a, c.b, got)
		}
		if Equal(c.b, c.a) != c.want {
			t.Errorf("Equal(%v, %v) is not symmetric", c.a, c.b)
		}
		if x := newIdentities(nil, looseKey); c.want && x.of(c.a) != x.of(c.b) {
			t.Errorf("%v and %v are equal and have two numbers", c.a, c.b)
		}
		if x := newIdentities(nil, exactKey); (x.of(c.a) == x.of(c.b)) != c.want {
			t.Errorf("%v and %v have one number: %v, want %v", c.a, c.b, !c.want, c.want)
		}
		if same := Key(c.a, "") == Key(c.b, ""); same != (c.want || c.a == "e\u0301") {
			t.Errorf("%v and %v have the keys %s and %s", c.a, c.b, Key(c.a, ""), Key(c.b, ""))
		}
	}
}

func TestParseTime(t *testing.T) {
	for in, want := range map[string]string{
		"2019-01-15": "2019-01-15", "2019-1-5": "2019-01-05", "2019-01-15T09:29:08Z": "2019-01-15T09:29:08Z",
		"2019-01-15 09:29:08 +0000": "2019-01-15T09:29:08Z", "2019-01-15 09:29:08 +01:30": "2019-01-15T09:29:08+01:30",
		"2019-01-15 9:29:08": "2019-01-15T09:29:08Z", "2019-01-15t09:29:08.250-05": "2019-01-15T09:29:08.25-05:00",
		"2019-01-15   09:29:08Z": "2019-01-15T09:29:08Z", "2019-01-15 09:29:08 +0000 UTC": "2019-01-15T09:29:08Z",
		"2019-07-15 09:29:08.5 +0200 CEST": "2019-07-15T09:29:08.5+02:00",
		"2019-02-30":                       "", "2019-13-01": "", "2019-01-15T25:00:00Z": "", "2019-01-15T09:29": "2019-01-15T09:29:00Z", "2019-01-15T25:00": "", "2019-01-15T09:60": "", "2019-01-15T09": "", "2019-01-15 ": "", "19-01-15": "",
		"2019-01-15T09:29:08+": "", "2019-01-15 09:29:08 +2500": "", "2019-01-15 09:29:08 demain": "", "2019-01-15 09:29 demain": "", "2019-01-15 09:29 utc": "", "": "", "2019-": "",
	} {
		got, ok := ParseTime(in)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%q: got %v, %v, want %q", in, got, ok, want)
		}
	}
}

func TestTimeLayouts(t *testing.T) {
	value := at(t, "2021-09-02T19:00:00+01:00")
	for own, want := range map[string]string{
		"2019-01-15 09:29:08 +0000": "2021-09-02 19:00:00 +0100", "2019-01-15T09:29:08Z": "2021-09-02T19:00:00+01:00",
		"2019-01-15 09:29:08": "2021-09-02 18:00:00", "2019-01-15": "2021-09-02 19:00:00 +0100", "2019-1-15 09:29:08 +01": "2021-9-2 19:00:00 +01",
		"2019-01-15T09:29:08.000+00:00": "2021-09-02T19:00:00.000+01:00", "2019-01-15t09:29:08 Z": "2021-09-02t19:00:00 +01:00",
	} {
		_, layout, ok := scanTime(own)
		if got := value.in(layout, rubyLayout); !ok || got != want {
			t.Errorf("in the layout of %s: got %s, want %s", own, got, want)
		}
		if again, _, ok := scanTime(value.in(layout, rubyLayout)); !ok || !again.Equal(value.Time) {
			t.Errorf("in the layout of %s: %s is read as %v", own, value.in(layout, rubyLayout), again)
		}
	}
}

func TestFieldPath(t *testing.T) {
	p := FieldPath{"etapes", 1, "date de/fin~"}
	if got, want := p.String(), "etapes[1].date de/fin~"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := p.Pointer(), "/etapes/1/date de~1fin~0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
