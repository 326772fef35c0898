package editor

import (
	"html/template"
	"reflect"
	"strings"
	"testing"
	"time"

	"cms/content"
)

// TestParts: a part is made once of what it shows, and anew as soon as anything of that, or
// the language, differs.
func TestParts(t *testing.T) {
	made := 0
	tmpl := template.Must(template.New("page").Funcs(template.FuncMap{
		"part": func(string, any) (string, error) { return "", nil },
		"made": func() string { made++; return "" },
	}).Parse(`{{define "row"}}{{made}}{{$p := index . 0}}{{with index . 1}}{{$p.T "yes"}} {{.Title}} {{range .Cells}}{{.Label}}{{.Text}}{{end}}{{with .State}}{{.Text}}{{end}}{{end}}{{end}}`))
	all, err := loadWords()
	if err != nil {
		t.Fatal(err)
	}
	p := newParts()
	french, english := p.of(tmpl, all["fr"]), p.of(tmpl, all["en"])
	rows := []row{
		{},
		{Title: "a"},
		{Title: "<b>"},
		{Slug: "a"},
		{Title: "a", Cells: []cellView{{Label: "x", Text: "y"}}},
		{Title: "a", Cells: []cellView{{Label: "xy"}}},
		{Title: "a", Cells: []cellView{{Label: "x", Text: "y"}, {}}},
		{Title: "a", State: &stateView{}},
		{Title: "a", State: &stateView{Text: "y"}},
		{Title: "a", Pick: true},
		{Title: "a", Thumbs: true},
	}
	for range 2 {
		for _, r := range rows {
			html, err := french("row", r)
			if err != nil || strings.Contains(string(html), "<b>") {
				t.Fatalf("%q, %v", html, err)
			}
		}
		if made != len(rows) {
			t.Fatalf("%d rows were made, of %d", made, len(rows))
		}
	}
	html, err := english("row", rows[1])
	if err != nil || !strings.HasPrefix(string(html), "Yes a") || made != len(rows)+1 {
		t.Errorf("in the other language: %q, %v", html, err)
	}
	if got := p.size.Load(); got <= 0 || got > 1000 {
		t.Errorf("%d bytes are kept", got)
	}
}

// TestPartsAreBounded: whatever is asked for, so much is kept.
func TestPartsAreBounded(t *testing.T) {
	p := newParts()
	for i := range 3 * maxParts / maxPart {
		p.keep([32]byte{byte(i), byte(i >> 8)}, template.HTML(strings.Repeat("x", maxPart)))
	}
	p.keep([32]byte{1, 2, 3}, template.HTML(strings.Repeat("x", maxPart+1)))
	kept := 0
	for _, html := range p.made.Values() {
		kept += len(html)
	}
	if kept > maxParts || kept < maxParts/2 || int64(kept) != p.size.Load() {
		t.Errorf("%d bytes are kept, counted as %d", kept, p.size.Load())
	}
}

// TestWritten: values that differ in anything that a template can read are written
// differently, and equal ones alike.
func TestWritten(t *testing.T) {
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	field := func(change func(*content.Field)) *control {
		f := &content.Field{Name: "a", Type: content.TypeSelect, Label: map[string]string{"fr": "A", "en": "B"}}
		change(f)
		return &control{Words: &words{language: "fr"}, Field: f, Path: content.FieldPath{"a", 1}}
	}
	values := []any{
		field(func(*content.Field) {}),
		field(func(f *content.Field) { f.Min = "1" }),
		field(func(f *content.Field) { f.Max = "1" }),
		field(func(f *content.Field) { f.Label = map[string]string{"fr": "AB", "en": ""} }),
		field(func(f *content.Field) { f.Label = map[string]string{"fr": "A"} }),
		field(func(f *content.Field) { f.Options = []content.Value{"1"} }),
		field(func(f *content.Field) { f.Options = []content.Value{content.Number("1")} }),
		field(func(f *content.Field) { f.Options = []content.Value{content.Time{Time: day}} }),
		field(func(f *content.Field) { f.Options = []content.Value{content.Time{Time: day.Add(time.Second)}} }),
		field(func(f *content.Field) { f.Options = []content.Value{content.Time{Time: day, DateOnly: true}} }),
		field(func(f *content.Field) { f.Default = &content.Object{Members: []content.Member{{Key: "a"}}} }),
		field(func(f *content.Field) { f.Of = &content.Field{Hidden: true} }),
		field(func(f *content.Field) { f.Of = &content.Field{} }),
		&control{Items: []*control{{Value: "x"}}},
		&control{Members: []*control{{Value: "x"}}},
		&control{Items: []*control{{Value: "x"}, {}}},
		&control{Linked: &linkedFile{}},
		&control{Faults: []string{"a", "b"}},
		&control{Faults: []string{"a b"}},
	}
	seen := map[string]int{}
	for i, v := range values {
		is := string(written(nil, reflect.ValueOf(v)))
		if j, ok := seen[is]; ok {
			t.Errorf("%d and %d are written alike", i, j)
		}
		seen[is] = i
		for range 10 { // whose maps have no order
			if string(written(nil, reflect.ValueOf(v))) != is {
				t.Fatalf("%d is written in several ways", i)
			}
		}
	}
}
