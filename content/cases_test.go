package content

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A hard case is a file, edits of it, and what must come of them.
type hardCase struct {
	Name     string
	File     string
	Edits    []Edit
	Expected string
	Error    *Object // kind, field, line, column, lines: those that are given must match
}

func readCases(t *testing.T, folder string) []hardCase {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParseJSON(b)
	if err != nil {
		t.Fatal(err)
	}
	var cases []hardCase
	for _, item := range v.([]Value) {
		o := item.(*Object)
		c := hardCase{Name: str(t, o, "name"), File: str(t, o, "file"), Expected: str(t, o, "expected")}
		if e, ok := o.Get("error"); ok {
			c.Error = e.(*Object)
		}
		edits, _ := o.Get("edits")
		for _, e := range edits.([]Value) {
			c.Edits = append(c.Edits, editOf(t, e.(*Object)))
		}
		cases = append(cases, c)
	}
	return cases
}

func str(t *testing.T, o *Object, key string) string {
	t.Helper()
	v, _ := o.Get(key)
	s, _ := v.(string)
	return s
}

func editOf(t *testing.T, o *Object) Edit {
	t.Helper()
	e := Edit{Op: Op(str(t, o, "op")), After: str(t, o, "after")}
	e.Value, _ = o.Get("value")
	if e.Op == OpRename {
		e.Name = e.Value.(string)
		e.Value = nil
	}
	if to, ok := o.Get("to"); ok {
		e.To = integer(t, to)
	}
	path, _ := o.Get("path")
	steps, _ := path.([]Value)
	for _, step := range steps {
		if n, ok := step.(Number); ok {
			e.Path = append(e.Path, integer(t, n))
		} else {
			e.Path = append(e.Path, step)
		}
	}
	return e
}

func integer(t *testing.T, v Value) int {
	t.Helper()
	n, err := strconv.Atoi(string(v.(Number)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func runCases(t *testing.T, folder string) {
	for _, c := range readCases(t, folder) {
		t.Run(c.Name, func(t *testing.T) {
			src, err := os.ReadFile(filepath.Join(folder, c.File))
			if err != nil {
				t.Fatal(err)
			}
			d := Parse(slices.Clone(src))
			got, err := d.Apply(c.Edits...)
			if string(d.Source()) != string(src) {
				t.Fatalf("the document that was edited changed to\n%q", d.Source())
			}
			if c.Error != nil {
				checkError(t, err, c.Error)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join(folder, c.Expected))
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Source()) != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got.Source(), want)
			}
			if again, err := got.Apply(setsOf(c.Edits)...); err != nil || again != got {
				t.Errorf("setting the same once more changed the document, or failed: %v", err)
			}
		})
	}
}

// setsOf are the edits that change nothing when they are made once more.
func setsOf(edits []Edit) []Edit {
	for _, e := range edits {
		if e.Op != OpSet && e.Op != OpSetBody {
			return nil
		}
	}
	return edits
}

func checkError(t *testing.T, err error, want *Object) {
	t.Helper()
	var got *EditError
	if !errors.As(err, &got) {
		t.Fatalf("got error %v, want an EditError", err)
	}
	if kind := strings.ReplaceAll(str(t, want, "kind"), "-", "_"); string(got.Kind) != kind {
		t.Errorf("got kind %s (%v), want %s", got.Kind, err, kind)
	}
	if field := str(t, want, "field"); field != "" && got.Path.String() != field {
		t.Errorf("got field %s, want %s", got.Path, field)
	}
	for name, n := range map[string]int{"line": got.Line, "column": got.Column} {
		if v, ok := want.Get(name); ok && n != integer(t, v) {
			t.Errorf("got %s %d (%v), want %v", name, n, err, v)
		}
	}
	if v, ok := want.Get("lines"); ok {
		var lines []Value
		for _, n := range got.Lines {
			lines = append(lines, Number(strconv.Itoa(n)))
		}
		if !Equal(lines, v) {
			t.Errorf("got lines %v, want %v", lines, v)
		}
	}
}

func TestHardCases(t *testing.T) { runCases(t, "testdata/cases") }

func TestSharedHardCases(t *testing.T) {
	folder := os.Getenv("CMS_HARD_CASES")
	if folder == "" {
		t.Skip("CMS_HARD_CASES names no folder with a cases.json")
	}
	runCases(t, folder)
}
