package site_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"cms/race"
	"cms/site"
)

// slugsOf are those of a page, and what else it says.
func slugsOf(p *site.Page) []string {
	told := []string{fmt.Sprint(p.Total), p.Next}
	for _, e := range p.Items {
		told = append(told, e.Slug.String())
	}
	return told
}

// TestPass finds each page of lists of every kind by looking at each entry once, and as a
// part of the whole list: they are the same, wherever a pass is cut off.
func TestPass(t *testing.T) {
	t.Parallel()
	race.Sequential(t)
	race.TakesLong(t)
	s := newSite(t)
	random := rand.New(rand.NewPCG(7, 8))
	s.various(random, 300)
	keys := []string{"a", "-a", "b", "-b", "title", "-title", "b.a", "a.a", "code", "@valid", "-path"}
	filters := []site.Filter{{Field: "a", Op: site.Exists, Value: "true"}, {Field: "title", Op: site.Gte, Value: "T2"}, {Field: "b", Op: site.Ne, Value: "true"}, {Field: "a", Op: site.Eq, Value: "rien"}}
	cut := 0
	for range 40 {
		q := site.Query{Limit: 1 + random.IntN(90)}
		for range 1 + random.IntN(3) {
			q.Sort = append(q.Sort, orders(keys[random.IntN(len(keys))])...)
		}
		if random.IntN(2) == 0 {
			q.Filters = []site.Filter{filters[random.IntN(len(filters))]}
		}
		for {
			s.PassFrom(math.MaxInt)
			s.Grudge(1)
			want, ok := s.page(t, q)
			if !ok {
				break
			}
			s.Forget()
			s.PassFrom(1)
			s.Grudge(int64(1 + random.IntN(2)*20_000)) // sometimes a part of the entries in one go
			got, err := s.List(t.Context(), s.editor, "consultations", q)
			for code := (*site.Error)(nil); errors.As(err, &code) && code.Code == site.Unavailable; cut++ {
				got, err = s.List(t.Context(), s.editor, "consultations", q)
			}
			if err != nil || !reflect.DeepEqual(slugsOf(got), slugsOf(want)) {
				t.Fatalf("%+v: got %q, %v, want %q", q, slugsOf(got), err, slugsOf(want))
			}
			if q.Cursor = want.Next; q.Cursor == "" {
				break
			}
		}
	}
	if cut == 0 {
		t.Error("no pass was cut off")
	}
}

// TestPassThenEdit edits between lists, of which the first is a pass: each shows what was
// edited before it, also one that goes on where a pass was cut off, and the pages after a
// pass go on behind it.
func TestPassThenEdit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	random := rand.New(rand.NewPCG(9, 10))
	slugs := s.various(random, 300)
	s.PassFrom(1)
	edit := func(first string) {
		t.Helper()
		r := ref(t, "consultations", slugs[random.IntN(len(slugs))])
		if _, err := s.Update(t.Context(), s.editor, r, site.MergePatch(fields("fields", fields("title", first))), site.Write{Precondition: site.Precondition{Any: true}}); err != nil {
			t.Fatal(err)
		}
		q := site.Query{Limit: 1, Sort: orders("title")}
		page, ok := s.page(t, q)
		if !ok || page.Items[0].Slug != r.Slug || page.Total != len(slugs) {
			t.Fatalf("%s is not the first of %d: %q", r.Slug, len(slugs), slugsOf(page))
		}
	}
	for i := range 6 {
		s.Forget()
		if i%2 == 1 { // leaves a part of a pass
			s.Grudge(20_000)
			if _, err := s.List(t.Context(), s.editor, "consultations", site.Query{Limit: 1, Sort: orders("title")}); err == nil {
				t.Fatal("the list is there at once")
			}
			s.Grudge(1)
		}
		for j := range 3 {
			edit(fmt.Sprintf("A %02d", 99-10*i-j)) // each before those before
		}
	}
	s.Forget()
	if got := s.walk(t, site.Query{Limit: 7, Sort: orders("-title,b")}, func() {}); len(got) != len(slugs) {
		t.Errorf("got %d entries on all pages, want %d", len(got), len(slugs))
	}
}
