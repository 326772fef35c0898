package content

import (
	"strings"
	"testing"
)

// looseTimes are texts to every reader of YAML, and times to the templates of a site.
var looseTimes = map[string]string{
	"2024-01-03 10:00":              "2024-01-03T10:00:00Z",
	"2024-1-3 9:05":                 "2024-01-03T09:05:00Z",
	"2024-01-02T10:00":              "2024-01-02T10:00:00Z",
	"2024-01-02T10:00Z":             "2024-01-02T10:00:00Z",
	"2024-01-03 10:00 UTC":          "2024-01-03T10:00:00Z",
	"2024-01-03 10:00:30 UTC":       "2024-01-03T10:00:30Z",
	"2024-01-03 10:00:30 GMT":       "2024-01-03T10:00:30Z",
	"2024-01-03 10:00 +0100":        "2024-01-03T10:00:00+01:00",
	"2024-01-03T10:00+01:00":        "2024-01-03T10:00:00+01:00",
	"2024-01-03 10:00 -0330":        "2024-01-03T10:00:00-03:30",
	"2024-01-03 10:00:00 +0000 UTC": "2024-01-03T10:00:00Z",
}

// A time that only templates take for one is a time in a field for times: valid, hinted
// at, the same when it is sent back, and written in full when it is edited.
func TestLooseTimes(t *testing.T) {
	s := &Schema{Defined: true, Fields: []Field{{Name: "quand", Type: TypeDatetime}, {Name: "jour", Type: TypeDate}, {Name: "nom", Type: TypeString}}}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	edit := func(d *Document, field string, v Value) string {
		t.Helper()
		o := s.Coerce(&Object{Members: []Member{{field, v}}})
		got, err := d.MergePatch(&Object{Members: []Member{{"fields", o}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(got.Source())
	}
	for text, want := range looseTimes {
		for _, quote := range []string{"", "'", `"`} {
			d := doc("titre: a\nquand: " + quote + text + quote + " # début\nfin: b\n")
			if v, _ := d.Fields().Get("quand"); v != text {
				t.Errorf("%s is read as %v", text, v)
			}
			problems := s.Validate(d.Fields(), nil)
			if len(problems) != 1 || problems[0].Rule != RuleAmbiguous || !strings.Contains(problems[0].Detail.String(), want) || !Valid(problems) {
				t.Errorf("%s: got the problems %v", text, problems)
			}
			full, _ := ParseTime(want)
			if Key(text, TypeDatetime) != Key(full, TypeDatetime) {
				t.Errorf("%s is not found as %s", text, want)
			}
			if Key(text, TypeString) == Key(want, TypeString) {
				t.Errorf("the text %s is found as %s", text, want)
			}
			source := string(d.Source())
			if got := edit(d, "quand", text); got != source {
				t.Errorf("%s was sent back, and became\n%s", text, got)
			}
			if whole, err := d.Replace(s.Coerce(d.Fields()), d.Body(), nil); err != nil || whole != d {
				t.Errorf("%s was sent back whole: %v", text, err)
			}
			for _, given := range []string{want, "2025-12-31T23:59", "2025-12-31T23:59:00+01:00"} {
				after := Parse([]byte(edit(d, "quand", given)))
				v, _ := after.Fields().Get("quand")
				expected, _ := ParseTime(given)
				if got, ok := v.(Time); !ok || !sameTime(got, expected) {
					t.Errorf("%s: %s was set, and is read as %v of type %T", text, given, v, v)
				}
				if got := strings.Count(string(after.Source()), "\n"); got != strings.Count(source, "\n") || !strings.Contains(string(after.Source()), " # début\n") {
					t.Errorf("%s: %s was set in\n%s", text, given, after.Source())
				}
				if problems := s.Validate(after.Fields(), nil); len(problems) > 0 {
					t.Errorf("%s: %s was set: %v", text, given, problems)
				}
			}
		}
		if problems := s.Validate(doc("jour: "+text+"\n").Fields(), nil); Valid(problems) {
			t.Errorf("%s is a day", text)
		}
		d := doc("nom: " + text + "\n")
		if problems := s.Validate(d.Fields(), nil); len(problems) > 0 {
			t.Errorf("%s in a text: %v", text, problems)
		}
		if got := edit(d, "nom", text+" !"); !strings.Contains(got, text+" !") {
			t.Errorf("%s in a text: %s", text, got)
		}
	}
}
