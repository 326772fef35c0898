package main

import (
	"context"
	"errors"
	"net/http"
	"time"
)

const (
	sortedList = "/v1/collections/consultations/entries?filter[in_progress]=true&filter[ordre][gte]=0&sort=-ordre,title&limit=100"
	wordSearch = "/v1/search?q=mobilit%C3%A9s+atelier&limit=20"
	busyEdits  = 100 // edits a second beside lists and searches
)

// lists measures lists and searches while entries change.
func (b *bench) lists(ctx context.Context) error {
	b.printf("\n## Lists and searches beside %d edits/s\n\nOne client asks every 10 ms: for 100 of a list, filtered and sorted by two fields, of\nwhich the edits change one; or for two words.\n\n| | idle: median | 99th percentile | busy: median | 99th percentile | × idle | edits: median | 99th percentile |\n|---|---|---|---|---|---|---|---|\n", busyEdits)
	sh := b.plan.shapes[1]
	svc, _, _, err := b.site(ctx, "lists", sh)
	if err != nil {
		return err
	}
	defer svc.kill()
	for _, row := range []struct{ name, path string }{{"list of " + sh.name, sortedList}, {"search in " + sh.name, wordSearch}} {
		if err := svc.until(ctx, row.path); err != nil { // what answers it is made for the first time
			return err
		}
		if _, err := svc.paced(ctx, row.path, time.Second); err != nil {
			return err
		}
		idle, err := svc.paced(ctx, row.path, b.plan.duration)
		if err != nil {
			return err
		}
		edits := svc.edits(ctx, sh, busyEdits)
		busy, err := svc.paced(ctx, row.path, b.plan.duration)
		e, failed := edits.stop()
		if err = errors.Join(err, failed); err != nil {
			return err
		}
		b.printf("| %s | %.2f ms | %.2f ms | %.2f ms | %.2f ms | %.1f | %.1f ms | %.1f ms |\n", row.name, milliseconds(idle.median), milliseconds(idle.p99),
			milliseconds(busy.median), milliseconds(busy.p99), busy.p99.Seconds()/idle.p99.Seconds(), milliseconds(e.median), milliseconds(e.p99))
	}
	if err := svc.stop(); err != nil {
		return err
	}
	return b.listAfterEdit(ctx)
}

// paced asks for a path every 10 ms for a while, or as soon as the answer before is
// there.
func (s *service) paced(ctx context.Context, path string, d time.Duration) (result, error) {
	var took []time.Duration
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for start := time.Now(); time.Since(start) < d; <-ticks.C {
		began := time.Now()
		if _, err := s.get(ctx, http.DefaultClient, s.url+path); err != nil {
			return result{}, err
		}
		took = append(took, time.Since(began))
	}
	return resultOf(took, d), nil
}

// listAfterEdit measures the first list after an edit, of the last shape.
func (b *bench) listAfterEdit(ctx context.Context) error {
	sh := b.plan.shapes[len(b.plan.shapes)-1]
	svc, _, _, err := b.site(ctx, "list-after-edit", sh)
	if err != nil {
		return err
	}
	defer svc.kill()
	again, bytes, err := svc.repeatedly(ctx, 1, sortedList) // the first ever
	if err != nil {
		return err
	}
	b.printf("\n## A list after an edit, %s entries\n\n| | median | slowest | allocated | × unchanged |\n|---|---|---|---|---|\n| the first since the start | %.1f ms | – | %.1f MB | – |\n", sh.name, milliseconds(again.median), bytes/(1<<20))
	if again, bytes, err = svc.repeatedly(ctx, 30, sortedList); err != nil {
		return err
	}
	b.printf("| unchanged | %.1f ms | %.1f ms | %.1f MB | 1.0 |\n", milliseconds(again.median), milliseconds(again.p99), bytes/(1<<20))
	var after []result
	total := 0.0
	for i := range 30 {
		if _, _, err := svc.patch(ctx, http.DefaultClient, sh.slug(i*7919%sh.entries), i); err != nil {
			return err
		}
		r, bytes, err := svc.repeatedly(ctx, 1, sortedList)
		if err != nil {
			return err
		}
		after, total = append(after, r), total+bytes
	}
	r := together(after)
	b.printf("| after an edit | %.1f ms | %.1f ms | %.1f MB | %.1f |\n", milliseconds(r.median), milliseconds(r.p99), total/30/(1<<20), r.median.Seconds()/again.median.Seconds())
	return svc.stop()
}
