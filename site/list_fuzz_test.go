package site_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cms/race"
	"cms/site"
)

// page lists consultations. Whatever is asked for, the answer is a page that
// keeps its promises or a refusal that says what is wrong.
func (f *fixture) page(t *testing.T, q site.Query) (*site.Page, bool) {
	t.Helper()
	page, err := f.List(t.Context(), f.editor, "consultations", q)
	if refused := (*site.Error)(nil); errors.As(err, &refused) {
		if refused.Code != site.Malformed || refused.Detail.IsZero() {
			t.Fatalf("%+v: got %v, want a refusal as malformed that says why", q, err)
		}
		return nil, false
	}
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	if len(page.Items) > q.Limit || len(page.Items) > page.Total || page.Next != "" && len(page.Items) != q.Limit {
		t.Fatalf("%+v: got %d entries of %d and the cursor %q", q, len(page.Items), page.Total, page.Next)
	}
	return page, true
}

// walk follows the cursors of a list to its end and gives the slugs on the way.
func (f *fixture) walk(t *testing.T, q site.Query, between func()) []string {
	t.Helper()
	var slugs []string
	for {
		page, ok := f.page(t, q)
		if !ok {
			t.Fatalf("%+v is refused", q)
		}
		for _, e := range page.Items {
			slugs = append(slugs, e.Slug.String())
		}
		if page.Next == "" {
			return slugs
		}
		q.Cursor = page.Next
		between()
	}
}

// various fills the consultations with entries whose fields are of any type,
// and gives their slugs in order.
func (f *fixture) various(random *rand.Rand, n int) []string {
	f.Helper()
	values := []string{"", "null", "true", "false", "0", "-3", "12.5", "1e300", ".inf", "2026-01-15", "2026-01-15 09:29:08 +0100",
		"Écluse", "écluse", "eclipse", "'2026-01-15'", "'12.5'", "[]", "[null, 3]", "[b, a]", "[[1], [2]]", "{a: 1, b: {c: x}}", "[{a: 1}, {a: x}]",
		"\"\\0\\uFFFF\"", strings.Repeat("é", 90)}
	var ops []site.Operation
	var slugs []string
	for i := range n {
		var src strings.Builder
		fmt.Fprintf(&src, "---\ntitle: T%d\n", random.IntN(5))
		for _, field := range []string{"a", "b"} {
			if random.IntN(4) > 0 {
				fmt.Fprintf(&src, "%s: %s\n", field, values[random.IntN(len(values))])
			}
		}
		src.WriteString("---\nCorps.\n")
		r := ref(f.TB, "consultations", fmt.Sprintf("c%03d", i))
		slugs = append(slugs, r.Slug.String())
		ops = append(ops, site.CreatingSource(r, []byte(src.String()), site.Precondition{Absent: true}))
	}
	if _, err := f.Batch(f.Context(), f.editor, ops, site.Write{}); err != nil {
		f.Fatal(err)
	}
	return slugs
}

// FuzzFilter asks for lists in every way. What a filter and its contrary let
// through is the whole list, each entry once.
func FuzzFilter(f *testing.F) {
	s := newSite(f)
	all := len(s.various(rand.New(rand.NewPCG(1, 2)), 60))
	for _, op := range append(site.Ops(), "like", "") {
		f.Add("a", string(op), "3", "-b", "")
		f.Add("title", string(op), "true", "a,b.c", "corps")
	}
	for own := range strings.SplitSeq("slug path updated updated.author valid @slug @rien", " ") {
		f.Add(own, "eq", "true", "-"+own, "")
		f.Add(own, "exists", "true", own+",title", "")
	}
	f.Add("b.c", "in", "x,2026-01-15,NaN,Inf,0x1p-2,1e999", "a\x00b", "\xff")
	f.Add("a", "lte", "9999-12-31", strings.Repeat("a.", 300), "\x00")
	f.Add("in_progress", "eq", "oui", "a,a,a,a,a,a", "T1 T2")
	contrary := map[site.Op]site.Op{site.Eq: site.Ne, site.Ne: site.Eq}
	f.Fuzz(func(t *testing.T, field, op, value, sort, text string) {
		q := site.Query{Limit: 7, Text: text, Sort: orders(sort)}
		q.Filters = []site.Filter{{Field: field, Op: site.Op(op), Value: value}}
		page, ok := s.page(t, q)
		if !ok {
			return
		}
		if slugs := s.walk(t, q, func() {}); len(slugs) != page.Total {
			t.Fatalf("%+v: %d entries on all pages, want %d", q, len(slugs), page.Total)
		}
		q.Text = ""
		here, _ := s.page(t, q)
		switch other := contrary[site.Op(op)]; {
		case other != "":
			q.Filters[0].Op = other
		case op == string(site.Exists):
			q.Filters[0].Value = map[string]string{"true": "false", "false": "true"}[value]
		default:
			return
		}
		if there, _ := s.page(t, q); here.Total+there.Total != all {
			t.Fatalf("%+v lets %d through and its contrary %d, want %d in sum", q, here.Total, there.Total, all)
		}
	})
}

// orders reads keys to sort by, with commas between them.
func orders(s string) []site.Order {
	var all []site.Order
	for key := range strings.SplitSeq(s, ",") {
		field, descending := strings.CutPrefix(key, "-")
		all = append(all, site.Order{Field: field, Descending: descending})
	}
	return all
}

// FuzzCursor gives lists cursors that they never gave. One that is taken leads
// to a place of the list, like any other.
func FuzzCursor(f *testing.F) {
	s := newSite(f)
	s.various(rand.New(rand.NewPCG(3, 4)), 40)
	for _, sort := range []string{"a", "-a,b", "title", "b.a,-title", "a,b", "-updated,slug", "@valid,@updated.author"} {
		page, err := s.List(s.Context(), s.editor, "consultations", site.Query{Limit: 9, Sort: orders(sort)})
		if err != nil {
			f.Fatal(err)
		}
		raw, err := base64.RawURLEncoding.DecodeString(page.Next)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, sort)
		f.Add(raw[:len(raw)/2], sort)
		f.Add([]byte(strings.Replace(string(raw), `"t":`, `"t":9`, 1)), sort)
	}
	f.Add([]byte("null"), "a")
	f.Add([]byte("null"), "a\x00b")
	f.Add([]byte("null"), strings.Repeat("a", site.MaxFieldPath+1))
	f.Fuzz(func(t *testing.T, raw []byte, sort string) {
		q := site.Query{Limit: 5, Sort: orders(sort)}
		if _, ok := s.page(t, q); !ok {
			return // refused without a cursor, too
		}
		whole := s.walk(t, q, func() {})
		q.Cursor = base64.RawURLEncoding.EncodeToString(raw)
		if _, ok := s.page(t, q); !ok {
			return
		}
		rest := s.walk(t, q, func() {})
		if !slices.Equal(rest, whole[len(whole)-len(rest):]) {
			t.Fatalf("sorted by %q, behind %q: got %q, want the end of %q", sort, raw, rest, whole)
		}
	})
}

// TestWalkDuringEdits follows cursors while other entries come, change and go:
// each entry that stays as it is comes once, in its order.
func TestWalkDuringEdits(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	s := newSite(t)
	random := rand.New(rand.NewPCG(5, 6))
	stay := s.various(random, 80)
	stays := func(slugs []string) []string {
		return slices.DeleteFunc(slugs, func(slug string) bool { return slug[0] != 'c' })
	}
	restless := 0
	edit := func() {
		restless++
		r := ref(t, "consultations", fmt.Sprintf("%c%d", "axz"[random.IntN(3)], random.IntN(4)))
		w := site.Write{Precondition: site.Precondition{Any: true}}
		var err error
		switch _, gone := s.Entry(s.Context(), s.editor, r); {
		case gone != nil:
			_, err = s.Create(t.Context(), s.editor, r.Collection, site.Draft{Slug: r.Slug, Fields: fields("title", "Neuf", "a", "eclipse", "b", true)}, site.Write{})
		case random.IntN(2) == 0:
			_, err = s.Delete(t.Context(), s.editor, r, w)
		default:
			_, err = s.Update(t.Context(), s.editor, r, site.MergePatch(fields("fields", fields("a", fmt.Sprint(restless)))), w)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	keys := []string{"a", "-a", "b", "-b", "title", "-title", "b.a", "a.a", "code", "@valid", "path"}
	for range 15 {
		q := site.Query{Limit: 1 + random.IntN(20)}
		for range random.IntN(4) {
			q.Sort = append(q.Sort, orders(keys[random.IntN(len(keys))])...)
		}
		got := stays(s.walk(t, q, edit))
		q.Limit = site.MaxLimit
		if want := stays(s.walk(t, q, edit)); !slices.Equal(got, want) {
			t.Errorf("%+v: got %q, want %q", q.Sort, got, want)
		}
		kept := s.walk(t, q, func() {})
		q.Filters = append(q.Filters, site.Filter{Field: "title", Op: site.Ne, Value: fmt.Sprint("inconnu", restless)}) // which all are: sorted anew, and not otherwise
		if anew := s.walk(t, q, func() {}); !slices.Equal(kept, anew) {
			t.Errorf("%+v: got %q, want as sorted anew %q", q.Sort, kept, anew)
		}
		if slices.Sort(got); !slices.Equal(got, stay) {
			t.Errorf("%+v: got %q, want each of %q", q.Sort, got, stay)
		}
	}
	if restless < 50 {
		t.Errorf("%d edits on the way, want more", restless)
	}
}
