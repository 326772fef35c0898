package content

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// plainScalars are what readers of YAML 1.1 and of YAML 1.2 take plain scalars for, as
// JSON.
var plainScalars = []struct{ text, old, now string }{
	{"08000", `"08000"`, "8000"}, {"09", `"09"`, "9"}, {"0612345678", `"0612345678"`, "612345678"}, {"010", "8", "10"}, {"0_7", "7", `"0_7"`},
	{"18:00", "64800", `"18:00"`}, {"9:05", "32700", `"9:05"`}, {"12:75", `"12:75"`, `"12:75"`}, {"1:2:3", "3723", `"1:2:3"`}, {"-1:30", "-1800", `"-1:30"`}, {"1:30.5", "5430", `"1:30.5"`},
	{"yes", "true", `"yes"`}, {"Yes", "true", `"Yes"`}, {"YES", "true", `"YES"`}, {"on", "true", `"on"`}, {"no", "false", `"no"`}, {"Off", "false", `"Off"`}, {"tRue", "true", `"tRue"`},
	{"y", `"y"`, `"y"`}, {"N", `"N"`, `"N"`}, {"oui", `"oui"`, `"oui"`}, {"true", "true", "true"}, {"False", "false", "false"},
	{"null", "null", "null"}, {"Null", "null", "null"}, {"nUll", "null", `"nUll"`}, {"~", "null", "null"}, {"none", `"none"`, `"none"`}, {"nil", `"nil"`, `"nil"`},
	{"1_000", "1000", `"1_000"`}, {"1,000", "1000", `"1,000"`}, {"1__0", `"1__0"`, `"1__0"`}, {"1_", `"1_"`, `"1_"`}, {"+3", "3", "3"}, {"-0", "-0", "-0"}, {"00", "0", "0"},
	{"0x1F", "31", "31"}, {"0X1F", `"0X1F"`, `"0X1F"`}, {"-0x1F", "-31", `"-0x1F"`}, {"0x_1", "1", `"0x_1"`}, {"0o17", `"0o17"`, "15"}, {"0b11", "3", `"0b11"`},
	{"1.50", "1.50", "1.50"}, {".5", "0.5", "0.5"}, {"5.", "5", "5"}, {"1,000.5", "1000.5", `"1,000.5"`}, {"1e3", `"1e3"`, "1e3"}, {"1.0e3", `"1.0e3"`, "1.0e3"}, {"1.0e+3", "1.0e+3", "1.0e+3"},
	{".", `"."`, `"."`}, {"+.", `"+."`, `"+."`}, {"1.2.3", `"1.2.3"`, `"1.2.3"`}, {"1-2", `"1-2"`, `"1-2"`}, {"06 12 34 56 78", `"06 12 34 56 78"`, `"06 12 34 56 78"`},
	{".inf", `".inf"`, `".inf"`}, {"-.INF", `"-.INF"`, `"-.INF"`}, {".nan", `".nan"`, `".nan"`}, {"1.0e+999", "1.0e+999", "1.0e+999"},
	{"2024-01-02", `"2024-01-02"`, `"2024-01-02"`}, {"2024-01-02 10:00:00", `"2024-01-02T10:00:00Z"`, `"2024-01-02T10:00:00Z"`}, {"2024-02-30", `"2024-02-30"`, `"2024-02-30"`},
	{"012.5", "12.5", "12.5"}, {"-.5", "-0.5", "-0.5"}, {"1:2:3:4", `"1:2:3:4"`, `"1:2:3:4"`}, {"-0o17", `"-0o17"`, `"-0o17"`}, {"-0.5", "-0.5", "-0.5"}, {"12.", "12", "12"},
	{"75001", "75001", "75001"}, {"123456789012345678901234567890", "123456789012345678901234567890", "123456789012345678901234567890"},
}

// contestedByJS are those that only readers in JavaScript take otherwise.
var contestedByJS = []string{"1__0", "012.5", "-.5", "1:2:3:4", "-0o17"}

// A plain scalar is what readers of the version take it for, the quoted one is a text,
// and what they disagree about is hinted at.
func TestPlainScalars(t *testing.T) {
	for _, tt := range plainScalars {
		for version, want := range map[Version]string{YAML11: tt.old, "": tt.old, YAML12: tt.now} {
			d := ParseAs(version, []byte("---\na: "+tt.text+"\nb: '"+tt.text+"'\nc:\n- "+tt.text+"\n---\n"))
			got, err := d.Fields().MarshalJSON()
			if want := fmt.Sprintf(`{"a":%s,"b":%q,"c":[%s]}`, want, tt.text, want); err != nil || string(got) != want {
				t.Errorf("%s by %q: got %s, %v, want %s", tt.text, version, got, err, want)
			}
			var hinted []string
			for _, p := range d.Problems() {
				if hinted = append(hinted, p.Field); p.Rule != RuleAmbiguous || !p.Hint() || p.Line == 0 || strings.Contains(p.Detail.String(), tt.text+" ") {
					t.Errorf("%s by %q: got the problem %+v", tt.text, version, p)
				}
			}
			if differ := tt.old != tt.now || slices.Contains(contestedByJS, tt.text); differ != slices.Equal(hinted, []string{"a", "c[0]"}) || !differ && len(hinted) > 0 {
				t.Errorf("%s by %q: hints at %v", tt.text, version, hinted)
			}
			// As it was sent, it stays; as the text that it looks like, it is put in quotes.
			if same, err := d.Replace(d.Fields(), d.Body(), nil); err != nil || same != d {
				t.Errorf("%s by %q: sent back it is %q, %v", tt.text, version, same.Source(), err)
			}
			text, err := d.MergePatch(&Object{Members: []Member{{"fields", &Object{Members: []Member{{"a", tt.text}}}}}}, nil)
			if err != nil {
				t.Errorf("%s by %q: %v", tt.text, version, err)
				continue
			}
			if v, _ := text.Fields().Get("a"); !Equal(v, tt.text) {
				t.Errorf("%s by %q: the text was set, and is read as %v", tt.text, version, v)
			}
		}
	}
}

// psychKind is what Psych makes of a plain scalar, as far as we tell one kind from
// another.
func psychKind(ruby *rubyReader, text string) (v any, ok bool) {
	got, err := ruby.load(doc("a: [" + text + "]\n"))
	if err != nil {
		return nil, false // which it cannot read
	}
	m, _ := got.(map[string]any)
	list, _ := m["a"].([]any)
	if len(list) != 1 {
		return nil, false
	}
	return list[0], true
}

// Psych itself reads plain scalars as we do.
func TestPsychReadsPlainScalars(t *testing.T) {
	ruby := startRuby(t)
	if ruby == nil {
		return
	}
	check := func(t interface {
		Helper()
		Errorf(string, ...any)
	}, text string) {
		t.Helper()
		d := doc("a: [" + text + "]\n")
		list, _ := d.Fields().Get("a")
		items, _ := list.([]Value)
		if d.Err() != nil || len(items) != 1 {
			return
		}
		want, ok := psychKind(ruby, text)
		if !ok {
			return
		}
		got := items[0]
		if n, isNumber := want.(Number); isNumber {
			switch strings.ToLower(string(n)) {
			case "infinity", "-infinity", "nan": // which JSON has not
				if want = text; scalarMeans(got, Number(text)) { // beyond a float there
					want = got
				}
			}
		}
		if !scalarMeans(got, want) {
			t.Errorf("%s: got %v (%T), and Psych reads %v (%T)", text, got, got, want, want)
		}
	}
	for _, tt := range plainScalars {
		if !strings.Contains(tt.text, ",") { // which divides items
			check(t, tt.text)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.StringMatching(`[-+0-9.]?[0-9_.:xobeE+-]{0,7}`).Filter(func(s string) bool {
			return s != "" && !strings.HasSuffix(s, ":") && s != "-"
		}).Draw(t, "text"))
		check(t, rapid.SampledFrom([]string{"yes", "no", "on", "off", "true", "false", "null", "y", "n", "~"}).Draw(t, "word")+
			rapid.SampledFrom([]string{"", "", "e", "1", "~"}).Draw(t, "tail"))
	})
}

func scalarMeans(got, want any) bool {
	switch x := got.(type) {
	case Number:
		y, ok := want.(Number)
		if !ok {
			return false
		}
		a, err1 := x.Float64()
		b, err2 := y.Float64()
		return CompareNumbers(x, y) == 0 || err1 == nil && err2 == nil && a == b
	case Time:
		y, ok := want.(time.Time)
		return ok && x.Equal(y)
	}
	return got == want
}

// What a scalar costs is little beside the node that holds it, whatever it looks like.
func TestPlainScalarsCostLittle(t *testing.T) {
	for _, text := range []string{"1.5", "123456789.000000000042", "1e-5", "1.5e+3", "0x1F", "1_000", "18:00", "0612345678", "yes", "un texte assez long pour une ligne"} {
		const times = 1000
		bytes := allocated(func() {
			for range times {
				YAML11.read(text)
				if contested(text) {
					YAML12.dispute(text)
				}
			}
		})
		if bytes > times<<10 {
			t.Errorf("%q: %d bytes to read it", text, bytes/times)
		}
	}
}
