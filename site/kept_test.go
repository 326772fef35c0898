package site_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/race"
	"cms/site"
)

// many fills the consultations with n entries.
func (f *fixture) many(n int) {
	f.Helper()
	for first := 0; first < n; first += site.MaxBatch {
		var ops []site.Operation
		for i := first; i < min(n, first+site.MaxBatch); i++ {
			src := fmt.Sprintf("---\ntitle: Concertation n° %d\nnote: %d\nin_progress: %t\n---\nCorps.\n", i*7919%n, i%6, i%2 == 0)
			ops = append(ops, site.CreatingSource(ref(f.TB, "consultations", fmt.Sprintf("c%05d", i)), []byte(src), site.Precondition{Absent: true}))
		}
		if _, err := f.Batch(f.Context(), f.editor, ops, site.Write{}); err != nil {
			f.Fatal(err)
		}
	}
}

func (f *fixture) patch(slug string, o *content.Object) error {
	_, err := f.Update(f.Context(), f.editor, ref(f, "consultations", slug), site.MergePatch(fields("fields", o)), whatever)
	return err
}

// allocated is the least number of bytes that a call of do takes, each after a
// call of before.
func allocated(before, do func()) uint64 {
	least := ^uint64(0)
	for range 8 {
		before()
		var m0, m1 runtime.MemStats
		runtime.ReadMemStats(&m0)
		do()
		runtime.ReadMemStats(&m1)
		least = min(least, m1.TotalAlloc-m0.TotalAlloc)
	}
	return least
}

// TestAListAfterAnEditCostsTheEdit counts the bytes that lists take after one edit:
// in a collection of four times the size, or with CMS_SITE_SIZES=all of 16, they are about
// as many.
func TestAListAfterAnEditCostsTheEdit(t *testing.T) {
	if testing.Short() {
		t.Skip("makes thousands of entries")
	}
	large := 4_000
	if os.Getenv("CMS_SITE_SIZES") == "all" {
		large = 16_000
	}
	queries := []site.Query{
		{Limit: 20},
		{Limit: 20, Sort: orders("title")},
		{Limit: 20, Sort: orders("-note,title"), Filters: []site.Filter{{Field: "in_progress", Op: site.Eq, Value: "true"}, {Field: "title", Op: site.Gte, Value: "Concertation n° 2"}}},
		{Limit: 20, Sort: orders("note"), Text: "concertation"},
	}
	took := map[int][]uint64{}
	for _, n := range []int{1000, large} {
		s := newSite(t)
		s.many(n)
		list := func(q site.Query) {
			page, ok := s.page(t, q)
			if !ok || len(page.Items) != q.Limit {
				t.Fatalf("%+v: no page", q)
			}
		}
		for i, q := range queries {
			list(q)
			edits := 0
			took[n] = append(took[n], allocated(func() {
				edits++
				if err := s.patch(fmt.Sprintf("c%05d", (i+1)*100+edits), fields("title", fmt.Sprintf("Concertation n° %d", edits), "note", content.Number(fmt.Sprint(edits%6)))); err != nil {
					t.Fatal(err)
				}
			}, func() { list(q) }))
		}
		partial := &auth.Principal{Subject: "bob", Roles: []string{"partial"}, Claims: fields("values", "x")}
		edits := 0
		took[n] = append(took[n], allocated(func() {
			edits++
			if err := s.patch(fmt.Sprintf("c%05d", 700+edits), fields("a", "x")); err != nil {
				t.Fatal(err)
			}
		}, func() {
			if c, err := s.Collection(t.Context(), partial, "consultations"); err != nil || c.Total != edits {
				t.Fatalf("got a total of %d, %v, want %d", c.Total, err, edits)
			}
		}))
	}
	t.Logf("bytes: %v", took)
	for i := range took[1000] {
		if few, all := took[1000][i], took[large][i]; all > few*2 {
			t.Errorf("list %d: %d bytes of 1,000 entries, and %d of %d", i, few, all, large)
		}
	}
}

// TestKeptListsAreAsMadeAfresh edits at random, in every way, and compares lists
// that were kept, some of them over many edits, with those of a site that keeps
// none.
func TestKeptListsAreAsMadeAfresh(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	random := rand.New(rand.NewPCG(7, 8))
	s.various(random, 60)
	sorts := []string{"", "a", "-a", "b,-a", "title,-b", "-title", "b.c", "-updated,slug", "valid,path", "-slug"}
	filters := [][]site.Filter{nil, {{Field: "a", Op: site.Exists, Value: "true"}}, {{Field: "b", Op: site.Ne, Value: "3"}},
		{{Field: "title", Op: site.Lt, Value: "T3"}}, {{Field: "a", Op: site.In, Value: "3,12.50,écluse"}}, {{Field: "a", Op: site.Contains, Value: "ecl"}}}
	callers := []*auth.Principal{s.editor, {Subject: "bob", Roles: []string{"partial"}, Claims: fields("values", []content.Value{"Écluse", content.Number("12.50"), true})},
		{Subject: "eve", Roles: []string{"partial"}, Claims: fields("values", "eclipse")}}
	values := []any{nil, true, content.Number("0"), content.Number("12.5"), content.Number("1250e-2"), content.Number("9007199254740993"), "Écluse", "eclipse", []content.Value{content.Number("3"), "b"}, fields("c", "x")}
	draw := func() *content.Object {
		return fields("title", fmt.Sprint("T", random.IntN(5)), "a", values[random.IntN(len(values))], "b", values[random.IntN(len(values))])
	}
	slug := func() string { return fmt.Sprintf("c%03d", random.IntN(90)) }
	base := strings.TrimSpace(s.RunGit("rev-parse", "main"))
	steps := 120
	if testing.Short() {
		steps = 40
	}
	for step := range steps {
		switch random.IntN(12) {
		case 0, 1, 2:
			_, _ = s.Create(t.Context(), s.editor, "consultations", site.Draft{Slug: ref(t, "consultations", slug()).Slug, Fields: draft(draw())}, site.Write{})
		case 3, 4, 5, 6:
			_ = s.patch(slug(), draw())
		case 7, 8:
			_, _ = s.Delete(t.Context(), s.editor, ref(t, "consultations", slug()), whatever)
		case 9:
			_, _ = s.Move(t.Context(), s.editor, ref(t, "consultations", slug()), ref(t, "consultations", slug()), whatever)
		case 10:
			src := "---\ntitle: T2\na: 3\n---\n"
			s.FastImport(fmt.Sprintf("commit refs/heads/main\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 0\nfrom refs/heads/main^0\nM 100644 inline _consultations/%s.md\ndata %d\n%s\n", slug(), len(src), src))
		case 11: // the branch is rewritten, and all since is gone
			if random.IntN(3) == 0 {
				src := fmt.Sprintf("---\ntitle: T%d\n---\n", step)
				s.FastImport(fmt.Sprintf("commit refs/heads/main\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 0\nfrom %s\nM 100644 inline _consultations/z%d.md\ndata %d\n%s\n", base, step, len(src), src), "--force")
			}
		}
		if step%3 > 0 {
			continue
		}
		fresh := s.Fresh()
		for range 6 {
			q := site.Query{Limit: 1 + random.IntN(30), Sort: orders(sorts[random.IntN(len(sorts))]), Filters: filters[random.IntN(len(filters))]}
			if q.Sort[0].Field == "" {
				q.Sort = nil
			}
			pr := callers[random.IntN(len(callers))]
			for { // every page of the list
				got, err := s.List(s.Context(), pr, "consultations", q)
				want, err2 := fresh.List(t.Context(), pr, "consultations", q)
				if err != nil && err2 != nil && code(t, err) == site.Malformed && code(t, err2) == site.Malformed {
					break // no entry has the field now
				}
				if err != nil || err2 != nil {
					t.Fatal(err, err2)
				}
				if g, w := told(got), told(want); !reflect.DeepEqual(g, w) {
					t.Fatalf("step %d, %+v for %s: got\n%s\nwant\n%s", step, q, pr.Subject, strings.Join(g, "\n"), strings.Join(w, "\n"))
				}
				if q.Cursor = got.Next; q.Cursor == "" {
					break
				}
			}
		}
	}
}

// draft is an object without the members that are null.
func draft(o *content.Object) *content.Object {
	kept := &content.Object{}
	for _, m := range o.Members {
		if m.Value != nil {
			kept.Members = append(kept.Members, m)
		}
	}
	return kept
}

// told is what a page says.
func told(p *site.Page) []string {
	lines := []string{fmt.Sprint(p.Total, " ", p.Next)}
	for _, e := range p.Items {
		b, _ := e.Fields.MarshalJSON()
		lines = append(lines, fmt.Sprintf("%s %s %s %s %v", e.Slug, e.Revision, e.Updated.Commit, b, e.Problems))
	}
	return lines
}

// TestListsBesideEdits has readers list in several orders while a writer edits and
// takes away: each page is one of some moment, whole and in order.
func TestListsBesideEdits(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	s := newSite(t)
	s.many(600)
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for reader := range 6 {
		readers.Go(func() {
			for turn := 0; ctx.Err() == nil; turn++ {
				q := site.Query{Limit: site.MaxLimit, Sort: orders([]string{"note", "-note", "note,title", "note,-in_progress"}[(reader+turn)%4])}
				if turn%3 == 0 {
					q.Filters = []site.Filter{{Field: "note", Op: site.Gte, Value: fmt.Sprint(turn % 5)}}
				}
				page, err := s.List(s.Context(), s.editor, "consultations", q)
				if err != nil || len(page.Items) != page.Total || page.Total == 0 && q.Filters == nil {
					t.Errorf("%+v: got %d entries of %d, %v", q, len(page.Items), page.Total, err)
					return
				}
				last := content.Number("")
				for _, e := range page.Items {
					v, _ := e.Fields.Get("note")
					n, _ := v.(content.Number)
					if d := content.CompareNumbers(last, n); last != "" && d != 0 && (d < 0) == q.Sort[0].Descending {
						t.Errorf("%+v: %s comes before %s", q, last, n)
						return
					}
					last = n
				}
			}
		})
	}
	for i := range 60 {
		var err error
		if i%3 == 0 {
			_, err = s.Delete(t.Context(), s.editor, ref(t, "consultations", fmt.Sprintf("c%05d", i)), whatever)
		} else {
			err = s.patch(fmt.Sprintf("c%05d", i), fields("note", content.Number(fmt.Sprint(i%9))))
		}
		if err != nil {
			t.Error(err)
		}
	}
	stop()
	readers.Wait()
}

// patience is a context that ends after it was asked so many times whether it has.
type patience struct {
	context.Context
	left int
}

func (p *patience) Err() error {
	if p.left--; p.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// TestAListKeepsItsTime gives lists of a large collection too little time: they end
// when it is over, and what they did is not done again.
func TestAListKeepsItsTime(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	s := newSite(t)
	const entries = 5000
	s.many(entries)
	q := site.Query{Limit: 10, Sort: orders("-note,title"), Filters: []site.Filter{{Field: "in_progress", Op: site.Eq, Value: "true"}}}
	for tries := 1; ; tries++ {
		page, err := s.List(&patience{t.Context(), 3}, s.editor, "consultations", q) // of which two go to the names of fields
		if err == nil {
			if page.Total != entries/2 || tries < 2 {
				t.Errorf("got %d entries at try %d", page.Total, tries)
			}
			want, err := s.Fresh().List(s.Context(), s.editor, "consultations", q)
			if err != nil || !reflect.DeepEqual(told(page), told(want)) {
				t.Errorf("got %q, want %q", told(page), told(want))
			}
			return
		}
		if !errors.Is(err, context.DeadlineExceeded) || tries > 100 {
			t.Fatalf("try %d: got %v", tries, err)
		}
	}
}

// TestNumbersInLists filters and sorts by numbers that no float64 tells apart, and
// by texts in both normal forms.
func TestNumbersInLists(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i, v := range []any{content.Number("9007199254740992"), content.Number("9007199254740993"), content.Number("1.5"), content.Number("1.50"), content.Number("100"), content.Number("1e2"),
		content.Number("1e300"), content.Number("-9007199254740993"), content.Number("0.1"), content.Number("0.10000000000000000001"), "e\u0301cluse", "écluse", "Écluse"} {
		if _, err := s.Create(t.Context(), s.editor, "consultations", site.Draft{Slug: ref(t, "consultations", fmt.Sprint("e", i)).Slug, Fields: fields("title", "T", "n", v)}, site.Write{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		op    site.Op
		value string
		want  int
	}{
		{site.Eq, "9007199254740993", 1}, {site.Eq, "1.500", 2}, {site.Eq, "15e-1", 2}, {site.Eq, "1E2", 2}, {site.Eq, "100.0", 2}, {site.Eq, "0.1", 1},
		{site.Ne, "1.5", 11}, {site.Lt, "9007199254740993", 8}, {site.Lte, "9007199254740993", 9}, {site.Gt, "9007199254740992", 2 + 3}, {site.Gte, "-9007199254740992", 9 + 3},
		{site.In, "1.5,9007199254740992", 3}, {site.Eq, "1e999999999", 0}, {site.Lt, "1e999999999", 10}, {site.Gt, "-1e999999999999999999999", 10 + 3}, // as texts, words come behind
		{site.Eq, "écluse", 2}, {site.Eq, "e\u0301cluse", 2}, {site.Ne, "écluse", 11}, {site.In, "e\u0301cluse", 2}, {site.Contains, "ECLUSE", 3},
	} {
		page, ok := s.page(t, site.Query{Limit: 20, Filters: []site.Filter{{Field: "n", Op: c.op, Value: c.value}}})
		if !ok || page.Total != c.want {
			t.Errorf("%s %s: got %d entries, want %d", c.op, c.value, page.Total, c.want)
		}
	}
	up := []string{"e7", "e8", "e9", "e2", "e3", "e4", "e5", "e0", "e1", "e6", "e10", "e11", "e12"}
	if got := s.walk(t, site.Query{Limit: 1, Sort: orders("n")}, func() {}); !reflect.DeepEqual(got, up) {
		t.Errorf("got %q, want %q", got, up)
	}
	down := []string{"e12", "e10", "e11", "e6", "e1", "e0", "e4", "e5", "e2", "e3", "e9", "e8", "e7"}
	if got := s.walk(t, site.Query{Limit: 1, Sort: orders("-n")}, func() {}); !reflect.DeepEqual(got, down) {
		t.Errorf("downwards: got %q, want %q", got, down)
	}
}

// TestUniqueValuesAreComparedAsValues takes what another entry has in other words.
func TestUniqueValuesAreComparedAsValues(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	create := func(slug string, code any) error {
		_, err := s.Create(t.Context(), s.editor, "consultations", site.Draft{Slug: ref(t, "consultations", slug).Slug, Fields: fields("title", "T", "code", code)}, site.Write{})
		return err
	}
	for _, c := range []struct{ slug, code string }{{"a", "e\u0301t\u00e9"}, {"b", "été "}, {"c", "Été"}, {"d", "ete"}} {
		if err := create(c.slug, c.code); err != nil {
			t.Errorf("%q: %v", c.code, err)
		}
	}
	refused(t, create("e", "été"), site.Invalid, "unique")
	refused(t, s.patch("d", fields("code", "\u00e9te\u0301")), site.Invalid, "unique")
	if err := s.patch("a", fields("code", "été")); err != nil {
		t.Errorf("its own value in another normal form: %v", err)
	}
	if e, err := s.Entry(s.Context(), s.editor, ref(t, "consultations", "a")); err != nil {
		t.Error(err)
	} else if v, _ := e.Fields.Get("code"); v != "été" {
		t.Errorf("the edit left %q", v)
	}
}
