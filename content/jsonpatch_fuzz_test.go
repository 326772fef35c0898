package content

import (
	"errors"
	"testing"
)

// FuzzJSONPatch applies any text as a JSON Patch: it is applied, or refused with an error
// that blames the patch, and leaves the document as it is.
func FuzzJSONPatch(f *testing.F) {
	for _, seed := range []string{
		`[]`, `{}`, `[{}]`, `[null]`, ``, `[{"op": "add", "path": "", "value": null}]`,
		`[{"op": "replace", "path": "/fields/title", "value": "Plan marche"}]`,
		`[{"op": "add", "path": "/fields/methodes/-", "value": {"a~b": [1.5e300, "\u0000"]}}]`,
		`[{"op": "remove", "path": "/fields/title"}]`,
		`[{"op": "move", "from": "/fields/methodes", "path": "/fields/methodes/0"}]`,
		`[{"op": "copy", "from": "/fields", "path": "/fields/a~1b"}, {"op": "test", "path": "/body", "value": 3}]`,
		`[{"op": "replace", "path": "/body", "value": "---\n---\n"}]`,
		`[{"op": "replace", "path": "/fields", "value": {"title": "---\n"}}]`,
	} {
		f.Add([]byte(seed))
	}
	const src = "---\ntitle: Plan vélo\nlink:\norganisateur : Ville de Valmont\nmethodes:\n- L'atelier\ndate: 2019-01-15 09:29:08 +0000\nin_progress: true\nnote: 3\n---\n\nCorps.  \n"
	schema := &Schema{Fields: []Field{{Name: "date", Type: "datetime"}, {Name: "note", Type: "integer"}}}
	f.Fuzz(func(t *testing.T, patch []byte) {
		d := Parse([]byte(src))
		got, err := d.JSONPatch(t.Context(), patch, schema)
		if string(d.Source()) != src {
			t.Fatalf("%q became %q", src, d.Source())
		}
		if err != nil {
			syntax := (*SyntaxError)(nil)
			if got != nil || kindOf(err) == "" && !errors.As(err, &syntax) && !errors.Is(err, ErrTestFailed) {
				t.Fatalf("refused with %v, and %v", err, got)
			}
			return
		}
		if err := unchanged(got); err != nil {
			t.Fatalf("%q: %v", got.Source(), err)
		}
		back, err := got.Replace(d.Fields(), d.Body(), nil)
		if err != nil || !Equal(back.Fields(), d.Fields()) || back.Body() != d.Body() {
			t.Fatalf("%q cannot become %q again: %v", got.Source(), src, err)
		}
	})
}
