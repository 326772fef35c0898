package site_test

import (
	"testing"

	"cms/auth"
	"cms/content"
)

// TestMisplacedAreForWhoSeesAll, as entries are that are one on some systems, and templates tell nobody of a field that is hidden from them.
func TestMisplacedAreForWhoSeesAll(t *testing.T) {
	t.Parallel()
	all := []auth.Action{auth.Read, auth.Create}
	f := siteOf(t, []content.Collection{{
		Name: "pages", Folder: "pages", Extension: ".md",
		Schema:    content.Schema{Defined: true, Fields: []content.Field{{Name: "title", Type: content.TypeString}, {Name: "note", Type: content.TypeString}}},
		Templates: []content.Template{{Name: "t", Fields: &content.Object{Members: []content.Member{{Key: "title", Value: "T"}, {Key: "note", Value: "geheim"}}}}},
	}}, map[string]map[string]auth.Grant{
		"editor": {"*": {Actions: all}},
		"local":  {"pages": {Actions: all, Hide: []string{"note"}}},
	})
	f.Commit(map[string]string{"pages/Perdue.MD": "---\ntitle: Perdue\n---\n", "pages/une.md": "", "pages/Une.md": "", "pages/été.md": "", "pages/e\u0301te\u0301.md": "", "pages/deux.md": ""})
	for pr, want := range map[*auth.Principal]int{f.editor: 1, person("lou", "local"): 0} {
		found, err := f.Misplaced(pr)
		if err != nil || len(found) != want {
			t.Errorf("%s is told of %v, %v", pr.Subject, found, err)
		}
		twins, err := f.Twins(pr, "pages")
		if err != nil || len(twins) != want*4 {
			t.Errorf("%s is told of %v, %v", pr.Subject, twins, err)
		}
		c, err := f.Collection(t.Context(), pr, "pages")
		if err != nil {
			t.Fatal(err)
		}
		if _, told := c.Templates[0].Fields.Get("note"); told != (want == 1) {
			t.Errorf("%s is told of the note: %t", pr.Subject, told)
		}
	}
	if _, err := f.Misplaced(person("eve", "stranger")); err == nil {
		t.Error("who has no role is answered")
	}
	if _, err := f.Twins(person("eve", "stranger"), "pages"); err == nil {
		t.Error("who has no role is told of entries")
	}
	if c, err := f.Collection(t.Context(), f.editor, "pages"); err != nil || c.Templates[0].Fields.Len() != 2 {
		t.Errorf("what one may not see is gone for all: %v", err)
	}
}
