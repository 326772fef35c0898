package site_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

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
	for first := 0; first < entries; first += site.MaxBatch {
		var ops []site.Operation
		for i := first; i < first+site.MaxBatch; i++ {
			src := fmt.Sprintf("---\ntitle: Concertation n° %d\nin_progress: %t\ndate: 20%02d-0%d-15\n---\n\nVenez nombreux.\n", i*7919%1000, i%2 == 0, i%25, i%9+1)
			ops = append(ops, site.CreatingSource(ref(b, "consultations", fmt.Sprintf("c%05d", i)), []byte(src), site.Precondition{Absent: true}))
		}
		if _, err := s.Batch(b.Context(), s.editor, ops, site.Write{}); err != nil {
			b.Fatal(err)
		}
	}
	q := site.Query{
		Limit:   100,
		Filters: []site.Filter{{Field: "in_progress", Op: site.Eq, Value: "true"}, {Field: "title", Op: site.Gte, Value: "Concertation n° 2"}},
		Sort:    []site.Order{{Field: "date", Descending: true}, {Field: "title"}},
	}
	list := func() time.Duration {
		begin := time.Now()
		page, err := s.Entries(s.editor, "consultations", q)
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
