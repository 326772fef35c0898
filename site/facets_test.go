package site_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"cms/auth"
	"cms/content"
	"cms/race"
	"cms/site"
)

// counted is facets in one text: field: value×count … +more -without.
func counted(t *testing.T, all *site.Facets, err error) string {
	t.Helper()
	if err != nil {
		return string(code(t, err))
	}
	var out []string
	for _, f := range all.Items {
		text := f.Field + ":"
		for _, v := range f.Values {
			b, err := json.Marshal(v.Value)
			if err != nil {
				t.Fatal(err)
			}
			text += fmt.Sprintf(" %s×%d", b, v.Count)
		}
		out = append(out, fmt.Sprintf("%s +%d -%d", text, f.More, f.Without))
	}
	return fmt.Sprintf("%s (%d)", strings.Join(out, "; "), all.Total)
}

func facetSite(t *testing.T) *fixture {
	return siteOf(t, []content.Collection{{Name: "pages", Folder: "pages", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
		{Name: "title", Type: content.TypeString, Required: true}, {Name: "tags", Type: content.TypeList, Of: &content.Field{Type: content.TypeString}},
		{Name: "le", Type: content.TypeDate}, {Name: "n", Type: content.TypeNumber}, {Name: "ouvert", Type: content.TypeBoolean}, {Name: "ville", Type: content.TypeString}}}}},
		map[string]map[string]auth.Grant{
			"editor":  {"*": {Actions: everything}},
			"local":   {"pages": {Actions: []auth.Action{auth.Read}, Hide: []string{"n"}, Where: []auth.Condition{{Field: "ville", Values: []content.Value{"Valmont"}}}}},
			"partial": {"pages": {Actions: []auth.Action{auth.Read}, Hide: []string{"n"}}},
		})
}

// TestFacetsWithinYears: times that UTC has in no year of RFC 3339 are told as some that
// filters take, and find what was counted.
func TestFacetsWithinYears(t *testing.T) {
	t.Parallel()
	f := siteOf(t, []content.Collection{{Name: "pages", Folder: "pages", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
		{Name: "at", Type: content.TypeDatetime}, {Name: "le", Type: content.TypeDate},
	}}}}, map[string]map[string]auth.Grant{"editor": {"*": {Actions: everything}}})
	f.Commit(map[string]string{
		"pages/a.md": "---\nat: 9999-12-31 23:59:59 -05:00\nle: 9999-12-31 19:00:00 -05:00\nfree: 9999-12-31 19:00:00 -05:00\n---\n",
		"pages/b.md": "---\nat: 0000-01-01 00:00:00 +05:00\nle: 0000-01-01 05:00:00 +05:00\n---\n",
		"pages/c.md": "---\nat: 9999-12-31 00:00:59 -23:59\n---\n",
	})
	all, err := f.Facets(t.Context(), f.editor, "pages", site.FacetQuery{Fields: []string{"at", "le", "free"}, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, facet := range all.Items {
		for _, v := range facet.Values {
			said := fmt.Sprint(v.Value)
			if _, err := time.Parse(time.RFC3339, said); err != nil && !v.Value.(content.Time).DateOnly {
				t.Errorf("%s: %v", facet.Field, err)
			}
			page, err := f.List(t.Context(), f.editor, "pages", site.Query{Limit: 10, Filters: []site.Filter{{Field: facet.Field, Op: site.Eq, Value: said}}})
			if err != nil || page.Total != v.Count {
				t.Errorf("%s: %s is counted %d times, and found as %+v, %v", facet.Field, said, v.Count, page, err)
			}
		}
		if len(facet.Values) == 0 {
			t.Errorf("%s has no values", facet.Field)
		}
	}
}

// TestFacets counts the values of fields of all types, for those who see all and for those
// who do not.
func TestFacets(t *testing.T) {
	t.Parallel()
	f := facetSite(t)
	f.Commit(map[string]string{
		"pages/a.md": "---\ntitle: A\ntags: [eau, vélo, eau]\nle: 2026-01-02\nn: 1.50\nouvert: true\nville: Valmont\n---\n",
		"pages/b.md": "---\ntitle: B\ntags: [eau]\nle: 2026-01-02\nn: 1.5\nouvert: false\nville: Lyon\n---\n",
		"pages/c.md": "---\ntitle: C\ntags: []\nn: 2\nville: Valmont\n---\ncorps\n",
		"pages/d.md": "---\ntags: [ve\u0301lo, {x: 1}, " + strings.Repeat("long", 100) + "]\nville: Nîmes\n---\n",
	})
	local, partial := person("max", "local"), person("pat", "partial")
	ask := func(pr *auth.Principal, q site.FacetQuery) string {
		if q.Limit == 0 {
			q.Limit = 10
		}
		all, err := f.Facets(t.Context(), pr, "pages", q)
		return counted(t, all, err)
	}
	eq := func(field, value string) []site.Filter {
		return []site.Filter{{Field: field, Op: site.Eq, Value: value}}
	}
	for _, tt := range []struct {
		pr   *auth.Principal
		q    site.FacetQuery
		want string
	}{
		{f.editor, site.FacetQuery{Fields: []string{"tags"}}, `tags: "eau"×2 "vélo"×2 +0 -1 (4)`},
		{f.editor, site.FacetQuery{Fields: []string{"le", "n", "ouvert"}}, `le: "2026-01-02"×2 +0 -2; n: 1.5×2 2×1 +0 -1; ouvert: false×1 true×1 +0 -2 (4)`},
		{f.editor, site.FacetQuery{Fields: []string{"ville"}, Limit: 1}, `ville: "Valmont"×2 +2 -0 (4)`},
		{f.editor, site.FacetQuery{Fields: []string{"valid", "updated.author.name"}}, `valid: true×3 false×1 +0 -0; updated.author.name: "D"×4 +0 -0 (4)`},
		{f.editor, site.FacetQuery{Fields: []string{"tags", "ville"}, Filters: eq("ville", "Valmont")}, `tags: "eau"×1 "vélo"×1 +0 -1; ville: "Valmont"×2 "Lyon"×1 "Nîmes"×1 +0 -0 (2)`},
		{f.editor, site.FacetQuery{Fields: []string{"ville"}, Text: "corps"}, `ville: "Valmont"×1 +0 -0 (1)`},
		{f.editor, site.FacetQuery{Fields: []string{"absent"}}, "malformed"},
		{f.editor, site.FacetQuery{}, "malformed"},
		{f.editor, site.FacetQuery{Fields: []string{"n"}, Limit: site.MaxFacetValues + 1}, "malformed"},
		{f.editor, site.FacetQuery{Fields: slices.Repeat([]string{"n"}, site.MaxFacets+1)}, "malformed"},
		{f.editor, site.FacetQuery{Fields: []string{strings.Repeat("n", site.MaxFieldPath+1)}}, "malformed"},
		{local, site.FacetQuery{Fields: []string{"tags", "ville"}}, `tags: "eau"×1 "vélo"×1 +0 -1; ville: "Valmont"×2 +0 -0 (2)`},
		{local, site.FacetQuery{Fields: []string{"n"}}, "malformed"},
		{local, site.FacetQuery{Fields: []string{"ville"}, Filters: eq("n", "2")}, "malformed"},
		{partial, site.FacetQuery{Fields: []string{"n"}}, "malformed"},
		{partial, site.FacetQuery{Fields: []string{"ouvert"}}, `ouvert: false×1 true×1 +0 -2 (4)`},
		{person("x", "nobody"), site.FacetQuery{Fields: []string{"title"}}, "forbidden"},
	} {
		for range 2 { // the second time from what was kept
			if got := ask(tt.pr, tt.q); got != tt.want {
				t.Errorf("%s, %+v: got %s, want %s", tt.pr.Name, tt.q, got, tt.want)
			}
		}
	}
	if _, err := f.Facets(t.Context(), f.editor, "autres", site.FacetQuery{Fields: []string{"title"}, Limit: 1}); code(t, err) != site.NotFound {
		t.Errorf("of a collection that is not there: got %v", err)
	}
}

// TestFacetsFollowEdits: after random edits, what is kept counts as what is counted anew,
// for every role.
func TestFacetsFollowEdits(t *testing.T) {
	t.Parallel()
	f := facetSite(t)
	r := rand.New(rand.NewPCG(3, 1))
	queries := []site.FacetQuery{
		{Fields: []string{"tags", "ville", "valid", "updated.author.email"}, Limit: 100},
		{Fields: []string{"tags", "ville"}, Limit: 2, Filters: []site.Filter{{Field: "ville", Op: site.Ne, Value: "Lyon"}}},
		{Fields: []string{"title"}, Limit: 3, Text: "eau"},
	}
	const markdown = "---\n%stags: [%s, %s]\nville: %s\n---\n"
	for step := range 40 {
		files := map[string]string{}
		for range 1 + r.IntN(3) {
			title := ""
			if r.IntN(3) > 0 {
				title = fmt.Sprintf("title: T%d\n", r.IntN(4))
			}
			tags, villes := []string{"eau", "air", "vélo", "feu"}, []string{"Valmont", "Lyon", "Nîmes"}
			files[fmt.Sprintf("pages/p%d.md", r.IntN(20))] = fmt.Sprintf(markdown, title, tags[r.IntN(4)], tags[r.IntN(4)], villes[r.IntN(3)])
		}
		f.Commit(files)
		if slug := ref(t, "pages", fmt.Sprintf("p%d", r.IntN(20))); r.IntN(3) == 0 {
			_, err := f.Delete(t.Context(), f.editor, slug, site.Write{Precondition: site.Precondition{Any: true}})
			if err != nil && code(t, err) != site.NotFound {
				t.Fatal(err)
			}
		}
		fresh := f.Fresh()
		for _, role := range []string{"editor", "local", "partial"} {
			for i, q := range queries {
				kept, err := f.Facets(t.Context(), person("max", role), "pages", q)
				got := counted(t, kept, err)
				anew, err := fresh.Facets(t.Context(), person("max", role), "pages", q)
				if want := counted(t, anew, err); got != want || strings.Contains(got, "unavailable") {
					t.Fatalf("step %d, %s, query %d: got\n%s\nwant\n%s", step, role, i, got, want)
				}
			}
		}
	}
}

// TestFacetsCostTheEdit: what is counted once costs no more than what changed, and a
// question that may cost little gets further each time it is asked.
func TestFacetsCostTheEdit(t *testing.T) {
	t.Parallel()
	race.Sequential(t)
	race.TakesLong(t)
	f := newSite(t)
	f.many(3000)
	q := site.FacetQuery{Fields: []string{"note", "in_progress"}, Limit: 10}
	first := f.Spent()
	if _, err := f.Facets(t.Context(), f.editor, "consultations", q); err != nil {
		t.Fatal(err)
	}
	whole := f.Spent() - first
	if err := f.patch("c00007", fields("note", content.Number("9"))); err != nil {
		t.Fatal(err)
	}
	before := f.Spent()
	got, err := f.Facets(t.Context(), f.editor, "consultations", q)
	if err != nil || f.Spent()-before > whole/100 {
		t.Errorf("after an edit it costs %d of %d, %v", f.Spent()-before, whole, err)
	}
	if text := counted(t, got, err); !strings.Contains(text, "9×1 +0") || got.Total != 3000 {
		t.Errorf("after an edit: got %s", text)
	}
	grudging := f.Fresh()
	grudging.Grudge(2000)
	for try := 0; ; try++ {
		again, err := grudging.Facets(t.Context(), f.editor, "consultations", q)
		if err == nil {
			if try == 0 || counted(t, again, nil) != counted(t, got, nil) {
				t.Errorf("after %d refusals: got %s", try, counted(t, again, nil))
			}
			break
		}
		if code(t, err) != site.Unavailable || try > 1000 {
			t.Fatalf("try %d: got %v", try, err)
		}
	}
}
