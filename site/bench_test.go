package site_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"cms/content"
	"cms/site"
)

// BenchmarkList lists 100 of 10,000 entries, filtered and sorted by two fields,
// of a collection that stands still and of one in which an entry was edited
// since the list before. Beside the mean it reports the 50th and the 99th
// percentile; the latter is to stay below 5 ms.
//
//	go test ./site -run '^$' -bench List -benchtime 1000x
func BenchmarkList(b *testing.B) {
	const entries = 10_000
	s := newSite(b)
	fill(b, s, entries, func(i int) string {
		return fmt.Sprintf("---\ntitle: Concertation n° %d\nin_progress: %t\ndate: 20%02d-0%d-15\n---\n\nVenez nombreux.\n", i*7919%1000, i%2 == 0, i%25, i%9+1)
	})
	q := site.Query{
		Limit:   100,
		Filters: []site.Filter{{Field: "in_progress", Op: site.Eq, Value: "true"}, {Field: "title", Op: site.Gte, Value: "Concertation n° 2"}},
		Sort:    []site.Order{{Field: "date", Descending: true}, {Field: "title"}},
	}
	list := func() time.Duration {
		begin := time.Now()
		page, err := s.List(s.Context(), s.editor, "consultations", q)
		took := time.Since(begin)
		if err != nil || len(page.Items) != q.Limit {
			b.Fatalf("got %v", err)
		}
		return took
	}
	list() // makes the columns
	run := func(before func(i int)) func(*testing.B) {
		return func(b *testing.B) {
			var times []time.Duration
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				before(i)
				b.StartTimer()
				times = append(times, list())
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
		}
	}
	b.Run("still", run(func(int) {}))
	b.Run("edited", run(func(i int) {
		r := ref(b, "consultations", fmt.Sprintf("c%05d", i*7919%entries))
		patch := site.MergePatch(fields("fields", fields("title", fmt.Sprintf("Concertation n° %d", i))))
		if _, err := s.Update(b.Context(), s.editor, r, patch, site.Write{Precondition: site.Precondition{Any: true}}); err != nil {
			b.Fatal(err)
		}
	}))
}

// BenchmarkSearch searches 10,000 entries for two words that all of them have, and shows 20.
//
//	go test ./site -run '^$' -bench Search -benchtime 500x
func BenchmarkSearch(b *testing.B) {
	const entries = 10_000
	s := newSite(b)
	fill(b, s, entries, func(i int) string {
		return fmt.Sprintf("---\ntitle: Les mobilités du quotidien, n° %d\ndate: 20%02d-0%d-15\n---\n\nUn atelier sur les mobilités, ouvert à tous, aura lieu à la mairie.\n\n* Contexte : la ville revoit son plan, et demande un avis.\n", i, i%25, i%9+1)
	})
	q := site.Search{Text: "mobilités atelier", Limit: 20}
	for b.Loop() {
		hits, err := s.Search(s.Context(), s.editor, q)
		if err != nil || hits.Total != entries || len(hits.Items) != q.Limit {
			b.Fatalf("got %v", err)
		}
	}
}

// fill creates the consultations c00000, c00001 and so on, n of them, a multiple of
// [site.MaxBatch].
func fill(b *testing.B, s *fixture, n int, source func(i int) string) {
	b.Helper()
	for first := 0; first < n; first += site.MaxBatch {
		var ops []site.Operation
		for i := first; i < first+site.MaxBatch; i++ {
			ops = append(ops, site.CreatingSource(ref(b, "consultations", fmt.Sprintf("c%05d", i)), []byte(source(i)), site.Precondition{Absent: true}))
		}
		if _, err := s.Batch(b.Context(), s.editor, ops, site.Write{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCreate creates entries of one title, so that each slug gets a number,
// and BenchmarkUnique entries with a unique value, in collections of growing
// size. The commits are real, so what grows is also what Git asks for; "x-100" is
// how many times the time per entry is that of 100 entries.
//
//	go test ./site -run '^$' -bench 'Create|Unique' -benchtime 300x
func BenchmarkCreate(b *testing.B) {
	benchmarkGrowth(b, func(int) *content.Object { return fields("title", "Plan vélo") })
}

func BenchmarkUnique(b *testing.B) {
	benchmarkGrowth(b, func(i int) *content.Object {
		return fields("title", fmt.Sprint("Plan vélo ", i), "code", fmt.Sprint("n", i))
	})
}

func benchmarkGrowth(b *testing.B, draft func(i int) *content.Object) {
	var few float64
	for _, entries := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(entries), func(b *testing.B) {
			s := newSite(b)
			for first := 0; first < entries; first += site.MaxBatch {
				var ops []site.Operation
				for i := first; i < min(first+site.MaxBatch, entries); i++ {
					ops = append(ops, site.Creating("consultations", site.Draft{Fields: draft(i)}, site.Precondition{}))
				}
				if _, err := s.Batch(b.Context(), s.editor, ops, site.Write{}); err != nil {
					b.Fatal(err)
				}
			}
			i := entries
			for b.Loop() {
				if _, err := s.Create(b.Context(), s.editor, "consultations", site.Draft{Fields: draft(i)}, site.Write{}); err != nil {
					b.Fatal(err)
				}
				i++
			}
			each := float64(b.Elapsed()) / float64(b.N)
			if entries == 100 {
				few = each
			}
			b.ReportMetric(each/few, "x-100")
		})
	}
}
