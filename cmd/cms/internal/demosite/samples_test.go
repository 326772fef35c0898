package demosite

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"cms/content"
)

// sampleEntries reads every consultation.
func sampleEntries(t *testing.T) map[string]string {
	t.Helper()
	names, err := fs.Glob(Files(), "_consultations/*.md")
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]string{}
	for _, name := range names {
		b, err := fs.ReadFile(Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		entries[name] = string(b)
	}
	return entries
}

// The samples are read without a problem, and their fields are of the types
// that the documented schema of consultations asks for.
func TestSamplesAreValid(t *testing.T) {
	kinds := map[string]func(content.Value) bool{
		"title": func(v content.Value) bool { s, ok := v.(string); return ok && s != "" },
		"date":  func(v content.Value) bool { d, ok := v.(content.Time); return ok && !d.DateOnly },
		"link": func(v content.Value) bool {
			s, ok := v.(string)
			return v == nil || ok && strings.HasPrefix(s, "https://")
		},
		"description":    func(v content.Value) bool { _, ok := v.(string); return ok },
		"organisateur":   func(v content.Value) bool { _, ok := v.(string); return ok },
		"screenshot":     func(v content.Value) bool { _, ok := v.(string); return v == nil || ok },
		"in_progress":    func(v content.Value) bool { _, ok := v.(bool); return ok },
		"note-citoyenne": mark,
		"note-decidee":   mark,
		"ordre": func(v content.Value) bool {
			n, ok := v.(content.Number)
			return ok && !strings.ContainsAny(n.String(), ".e")
		},
		"methodes": func(v content.Value) bool {
			list, ok := v.([]content.Value)
			for _, item := range list {
				_, text := item.(string)
				ok = ok && text
			}
			return ok
		},
	}
	entries := sampleEntries(t)
	if len(entries) != 12 {
		t.Errorf("got %d consultations, want 12", len(entries))
	}
	orders := map[content.Value]string{}
	for name, src := range entries {
		d := content.Parse([]byte(src))
		if d.Err() != nil || len(d.Problems()) > 0 {
			t.Errorf("%s: %v %v", name, d.Err(), d.Problems())
		}
		for key, sound := range kinds {
			v, ok := d.Fields().Get(key)
			if !ok && (key == "title" || key == "date") || ok && !sound(v) {
				t.Errorf("%s: %s is %#v", name, key, v)
			}
		}
		order, _ := d.Fields().Get("ordre")
		if other, taken := orders[order]; taken {
			t.Errorf("%s and %s have the same place %v", name, other, order)
		}
		orders[order] = name
	}
}

func mark(v content.Value) bool {
	n, ok := v.(content.Number)
	return v == nil || ok && regexp.MustCompile(`^[0-5]$`).MatchString(n.String())
}

// The samples are written as people write; a formatter that tidies them up
// would take from the demo what it is to show.
func TestSamplesKeepTheirQuirks(t *testing.T) {
	for name, pattern := range map[string]string{
		"a blank before the colon":  `(?m)^organisateur : `,
		"a key without a value":     `(?m)^link:$`,
		"a blank after the colon":   `(?m)^link: $`,
		"an unindented list":        `(?m)^methodes:\n- `,
		"an indented list":          `(?m)^methodes:\n {2}- `,
		"a deeper list":             `(?m)^methodes:\n {4}- `,
		"a list in brackets":        `(?m)^methodes: \[[^]]`,
		"an empty list":             `(?m)^methodes: \[\]$`,
		"a Ruby date":               `(?m)^date: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000$`,
		"a Ruby date of elsewhere":  `(?m)^date: .* \+0200$`,
		"a hyphenated key":          `(?m)^note-citoyenne: \d`,
		"double quotes":             `(?m)^title: "`,
		"single quotes":             `(?m)^title: '.*''`,
		"a folded block":            `(?m)^description: >-$`,
		"a literal block":           `(?m)^description: \|$`,
		"a comment on a line":       `(?m)^# `,
		"a comment after a value":   `(?m)^organisateur : .* # `,
		"blanks at the end":         `(?m)^title: .* {2}$`,
		"blanks after the closer":   `(?m)^--- +$`,
		"blanks at the end of text": `(?m)^\* Contexte : $`,
		"CRLF":                      `(?m)^title: .*\r$`,
		"no newline at the end":     `[^\n]\z`,
		"a key the schema has not":  `(?m)^garante: `,
		"a raw link":                `<a href="https://`,
		"a raw video":               `<iframe .*dailymotion`,
		"a comment in the text":     `<!-- `,
	} {
		found := false
		for _, src := range sampleEntries(t) {
			found = found || regexp.MustCompile(pattern).MatchString(src)
		}
		if !found {
			t.Errorf("no sample has %s", name)
		}
	}
}
