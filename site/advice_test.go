package site_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cms/advice"
	"cms/auth"
	"cms/content"
	"cms/site"
	"cms/site/sitetest"
)

// newAdvised is a site of pages with a text beside the body, which a local does not see,
// and no page that is not of Valmont.
func newAdvised(t testing.TB) *fixture {
	return siteOf(t, []content.Collection{{Name: "pages", Folder: "pages", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
		{Name: "ville", Type: content.TypeString},
		{Name: "note", Type: content.TypeMarkdown},
		{Name: "textes", Type: content.TypeList, Of: &content.Field{Type: content.TypeMarkdown}},
	}}}}, map[string]map[string]auth.Grant{
		"editor": {"*": auth.Grant{Actions: []auth.Action{auth.Read, auth.Update}}},
		"local": {"pages": {Actions: []auth.Action{auth.Read}, Hide: []string{"note"},
			Where: []auth.Condition{{Field: "ville", Values: []content.Value{"Valmont"}}}}},
	})
}

// advised is what could be better in a text, for a caller.
func advised(f *fixture, pr *auth.Principal, markdown, language string) ([]advice.Finding, error) {
	page, err := f.Blocks(f.Context(), pr, markdown)
	if err != nil {
		return nil, err
	}
	return f.Advice(f.Context(), markdown, page, language)
}

// toldOf is what a report tells: the rules for each text of each entry.
func toldOf(items []site.EntryAdvice) string {
	var all []string
	for _, item := range items {
		for _, text := range item.Texts {
			line := item.Entry.Slug.String() + " " + text.Field.String() + ":"
			for _, f := range text.Findings {
				line += " " + string(f.Rule)
			}
			if !text.Refused.IsZero() {
				line += " refused"
			}
			all = append(all, line)
		}
	}
	return strings.Join(all, "\n")
}

func TestAdvice(t *testing.T) {
	t.Parallel()
	f := newAdvised(t)
	f.Commit(map[string]string{
		"pages/a.md": "---\nville: Valmont\nnote: '[ici](/a)'\ntextes: [bien, '![](/b.png)']\n---\n# Un\n\n[ici](/c)\n",
		"pages/b.md": "---\nville: Lyon\n---\n![](/d.png)\n",
		"pages/c.md": "---\nville: Valmont\nnote: '[ici](/a)'\n---\nBien.\n",
		"pages/d.md": "---\nville: Valmont\n---\n" + strings.Repeat("- ", 8000) + "a\n",
		"pages/e.md": "---\nville: [\n---\n[ici](/a)\n",
	})
	local := person("bob", "local")
	for _, tt := range []struct {
		name string
		pr   *auth.Principal
		q    site.Query
		only []advice.Rule
		want string
	}{
		{"editor", f.editor, site.Query{Limit: 10}, nil, "a : heading-first-level link-vague\na note: link-vague\na textes[1]: image-alternative\nb : image-alternative\nc note: link-vague\nd : refused"},
		{"local", local, site.Query{Limit: 10}, nil, "a : heading-first-level link-vague\na textes[1]: image-alternative\nd : refused"},
		{"rules", f.editor, site.Query{Limit: 10}, []advice.Rule{advice.ImageAlternative, advice.HeadingFirstLevel}, "a : heading-first-level\na textes[1]: image-alternative\nb : image-alternative"},
		{"filter", f.editor, site.Query{Limit: 10, Filters: []site.Filter{{Field: "ville", Op: site.Eq, Value: "Lyon"}}}, nil, "b : image-alternative"},
	} {
		page, err := f.AdviceReport(t.Context(), tt.pr, "pages", tt.q, tt.only...)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := toldOf(page.Items); got != tt.want || page.Next != "" {
			t.Errorf("%s:\ngot  %s, next %q\nwant %s", tt.name, got, page.Next, tt.want)
		}
	}

	_, err := f.AdviceReport(t.Context(), f.editor, "autres", site.Query{Limit: 1})
	refused(t, err, site.NotFound, "")
	_, err = f.AdviceReport(t.Context(), f.editor, "pages", site.Query{})
	refused(t, err, site.Malformed, "")
	_, err = f.AdviceReport(t.Context(), person("eve", "stranger"), "pages", site.Query{Limit: 1})
	refused(t, err, site.Forbidden, "")

	found, err := advised(f, local, "![](/a.png)", "fr")
	if err != nil || len(found) != 1 || found[0].Rule != advice.ImageAlternative {
		t.Errorf("on a text: got %+v, %v", found, err)
	}
	_, err = advised(f, person("eve", "stranger"), "a", "fr")
	refused(t, err, site.Forbidden, "")
	_, err = advised(f, f.editor, strings.Repeat("a", site.MaxPreviewBytes+1), "fr")
	refused(t, err, site.Invalid, "")
}

// What an operator has switched off, nobody is told of.
func TestAdviceThatIsOff(t *testing.T) {
	t.Parallel()
	f := &fixture{sitetest.New(t, sitetest.Options{
		Collections: []content.Collection{{Name: "pages", Folder: "pages", Extension: ".md"}},
		Roles:       map[string]map[string]auth.Grant{"editor": {"*": auth.Grant{Actions: []auth.Action{auth.Read}}}},
		AdviceOff:   []advice.Rule{advice.LinkVague},
	}), person("ann", "editor")}
	f.Commit(map[string]string{"pages/a.md": "---\na: b\n---\n![](/a.png) [ici](/b)\n"})
	page, err := f.AdviceReport(t.Context(), f.editor, "pages", site.Query{Limit: 1})
	if err != nil || toldOf(page.Items) != "a : image-alternative" {
		t.Errorf("got %+v, %v", page, err)
	}
}

// Pages tell of each entry once, also where each may cost little, and what was looked at
// is not looked at again while it stays as it is.
func TestAdviceReportInPages(t *testing.T) {
	t.Parallel()
	f := newAdvised(t)
	files := map[string]string{}
	var want []string
	for i := range 40 {
		body := "Bien. " + strings.Repeat("mot ", 20*i)
		if i%3 == 0 {
			body = "![](/a.png)\n\n" + body
			want = append(want, fmt.Sprintf("p%02d", i))
		}
		files[fmt.Sprintf("pages/p%02d.md", i)] = "---\nville: Valmont\n---\n" + body
	}
	f.Commit(files)
	walk := func(limit int) (slugs []string, pages int) {
		q := site.Query{Limit: limit}
		for looked := 0; ; pages++ {
			page, err := f.AdviceReport(t.Context(), f.editor, "pages", q, advice.ImageAlternative)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range page.Items {
				slugs = append(slugs, item.Entry.Slug.String())
			}
			if looked += page.Looked; page.Next == "" {
				if looked != 40 {
					t.Errorf("looked at %d entries, want 40", looked)
				}
				return slugs, pages + 1
			}
			q.Cursor = page.Next
		}
	}
	if got, pages := walk(7); !slices.Equal(got, want) || pages != 6 {
		t.Errorf("in pages of 7: got %q in %d, want %q in 6", got, pages, want)
	}
	before := f.Spent()
	if got, _ := walk(40); !slices.Equal(got, want) {
		t.Errorf("in one page: got %q, want %q", got, want)
	}
	if spent := f.Spent() - before; spent > 100_000 {
		t.Errorf("what is known cost %d bytes to tell again", spent)
	}
	f.Site = f.Fresh()
	f.Grudge(1024)
	if got, pages := walk(40); !slices.Equal(got, want) || pages < 2 {
		t.Errorf("where a page may cost little: got %q in %d pages, want %q in several", got, pages, want)
	}
}
