package content

import (
	"strings"
	"testing"
)

// Every way to set fields gives a file that has no front matter one, and leaves its body
// as it is; none does where there is nothing to set.
func TestFilesWithoutFrontMatter(t *testing.T) {
	title := &Object{Members: []Member{{"title", "Le port"}}}
	for _, tt := range []struct{ name, src, want string }{
		{"plain", "# Le port\n\nTexte\n", "---\ntitle: Le port\n---\n# Le port\n\nTexte\n"},
		{"empty", "", "---\ntitle: Le port\n---\n"},
		{"in CRLF", "Un\r\nDeux\r\n", "---\r\ntitle: Le port\r\n---\r\nUn\r\nDeux\r\n"},
		{"mixed line endings", "Un\r\nDeux\nTrois", "---\ntitle: Le port\n---\nUn\r\nDeux\nTrois"},
		{"with a byte order mark", "\ufeffTexte\n", "\ufeff---\ntitle: Le port\n---\nTexte\n"},
		{"with a blank line", "\nTexte\n", "---\ntitle: Le port\n---\n\nTexte\n"},
		{"with a rule below", "Texte\n\n---\n\nFin\n", "---\ntitle: Le port\n---\nTexte\n\n---\n\nFin\n"},
	} {
		d := Parse([]byte(tt.src))
		for how, edit := range map[string]func() (*Document, error){
			"replace": func() (*Document, error) { return d.Replace(title, d.Body(), nil) },
			"merge patch": func() (*Document, error) {
				return d.MergePatch(&Object{Members: []Member{{"fields", title}}}, nil)
			},
			"JSON Patch": func() (*Document, error) {
				return d.JSONPatch(t.Context(), []byte(`[{"op":"add","path":"/fields/title","value":"Le port"}]`), nil)
			},
		} {
			got, err := edit()
			if err != nil {
				t.Errorf("%s, %s: %v", tt.name, how, err)
			} else if string(got.Source()) != tt.want {
				t.Errorf("%s, %s: got\n%q\nwant\n%q", tt.name, how, got.Source(), tt.want)
			}
		}
		nothing := &Object{Members: []Member{{"fields", &Object{Members: []Member{{"absent", nil}}}}}}
		if got, err := d.MergePatch(nothing, nil); err != nil || got != d {
			t.Errorf("%s: a patch that removes what is not there: got %q, %v", tt.name, got.Source(), err)
		}
		both := &Object{Members: []Member{{"fields", title}, {"body", "Neuf\n"}}}
		if got, err := d.MergePatch(both, nil); err != nil || got.Fields().Len() != 1 || strings.TrimRight(got.Body(), "\r\n") != "Neuf" {
			t.Errorf("%s: fields and body: got %q, %v", tt.name, got.Source(), err)
		}
	}
	if _, err := Parse([]byte("---\ntitle: a\n")).MergePatch(&Object{Members: []Member{{"fields", title}}}, nil); kindOf(err) != KindNoFrontMatter {
		t.Errorf("a front matter that is never closed: got %v", err)
	}
}
