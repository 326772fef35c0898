package content

import (
	"errors"
	"strings"
	"testing"
)

func tomlDoc(fm string) *Document { return Parse([]byte("+++\n" + fm + "+++\nCorps\n")) }

func TestTOMLTables(t *testing.T) {
	etape := &Object{[]Member{{"nom", "Bilan"}, {"mois", []Value{Number("6")}}}}
	for name, tt := range map[string]struct {
		fm   string
		edit Edit
		want string
	}{
		"dotted key added":   {"a.b = 1\na.c = 2 # c\nz = 1\n", Set(FieldPath{"a", "d"}, "x"), "a.b = 1\na.c = 2 # c\na.d = \"x\"\nz = 1\n"},
		"dotted key removed": {"a.b = 1\na.c = 2 # c\nz = 1\n", Remove(FieldPath{"a", "b"}), "a.c = 2 # c\nz = 1\n"},
		"all dotted keys":    {"a.b = 1\nz = 1\na.c.d = 2\n", Remove(FieldPath{"a"}), "z = 1\n"},
		"in a table":         {"[t]\na . b = 1\n", Set(FieldPath{"t", "a", "c"}, true), "[t]\na . b = 1\na . c = true\n"},
		"table removed":      {"x = 1\n\n# t\n[t]\na = 1\nb.c = 2\n[t.u]\nc = 1\n[v]\nd = 1\n", Remove(FieldPath{"t"}), "x = 1\n\n# t\n[v]\nd = 1\n"},
		"table below it":     {"[t]\na = 1\n[t.u]\nc = 1\n[v]\nd = 1\n", Remove(FieldPath{"t", "u"}), "[t]\na = 1\n[v]\nd = 1\n"},
		"only tables below":  {"[t.u]\nc = 1\n[t.w]\nc = 2\n[v]\nd = 1\n", Remove(FieldPath{"t"}), "[v]\nd = 1\n"},
		"table of a list":    {"[[e]]\nnom = 'A'\n[[e.s]]\nq = 1\n[[e]]\nnom = 'B'\n", Remove(FieldPath{"e", 0}), "[[e]]\nnom = 'B'\n"},
		"list of tables":     {"k = 1\n[[e]]\nnom = 'A'\n[[e]]\nnom = 'B'\n", Remove(FieldPath{"e"}), "k = 1\n"},
		"table appended": {"[[e]] # un\nnom='A'\n\n[[e]] # deux\nnom='B'\n[e.z]\nq = 1\n\n[v]\nd = 1\n", Append(FieldPath{"e"}, etape),
			"[[e]] # un\nnom='A'\n\n[[e]] # deux\nnom='B'\n[e.z]\nq = 1\n\n[[e]]\nnom=\"Bilan\"\nmois=[6]\n\n[v]\nd = 1\n"},
		"time of day": {"h = 07:32:00 # h\n", Set(FieldPath{"h"}, "08:00:00.5"), "h = 08:00:00.5 # h\n"},
		"no time":     {"h = 07:32:00\n", Set(FieldPath{"h"}, "midi"), "h = \"midi\"\n"},
	} {
		d := tomlDoc(tt.fm)
		got, err := d.Apply(tt.edit)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if want := string(tomlDoc(tt.want).Source()); string(got.Source()) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got.Source(), want)
		}
	}
	for name, edit := range map[string]Edit{
		"moved": MoveItem(FieldPath{"e", 1}, 0), "inserted": Insert(FieldPath{"e", 0}, etape), "renamed": Rename(FieldPath{"e"}, "f"), "no table": Append(FieldPath{"e"}, "x"),
	} {
		_, err := tomlDoc("[[e]]\na = 1\n[[e]]\na = 2\n").Apply(edit)
		if e := new(EditError); !errors.As(err, &e) || e.Kind != KindRefused {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

func TestTOMLTextOfLinesInCRLF(t *testing.T) {
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	d := Parse([]byte(crlf("+++\na = \"\"\"\nun\ndeux\"\"\"\n+++\nCorps\n")))
	got, err := d.Apply(Set(FieldPath{"a"}, "un\ntrois"))
	if want := crlf("+++\n") + `a = "un\ntrois"` + crlf("\n+++\nCorps\n"); err != nil || string(got.Source()) != want {
		t.Errorf("got %v, %q, want %q", err, got.Source(), want)
	}
}
