package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	database "cms/state"
)

// deliveries measures the database on SQLite, when an endpoint has failed for long:
// all deliveries are on one path, or each on its own, and wait for another attempt.
func (b *bench) deliveries(ctx context.Context) error {
	b.printf(`
## A backlog of deliveries, on SQLite

*Heads* are those that may be tried next. *Prune* forgets them all once they are
finished; the slowest reading of one delivery meanwhile is what everybody else waits.

| deliveries | paths | heads | prune | slowest reading meanwhile | alone |
|---|---|---|---|---|---|
`)
	for _, n := range []int{1000, b.plan.backlog} {
		for _, paths := range []int{1, n} {
			if err := b.backlog(ctx, n, paths); err != nil {
				return err
			}
		}
	}
	return nil
}

const dead = "dead" // the endpoint

func (b *bench) backlog(ctx context.Context, n, paths int) error {
	fmt.Fprintf(os.Stderr, "deliveries: %d on %d paths\n", n, paths)
	db, err := database.Open(ctx, "sqlite:"+filepath.Join(b.dir, fmt.Sprintf("backlog-%d-%d.db", n, paths)))
	if err != nil {
		return err
	}
	defer db.Close()
	w := db.Webhooks()
	all, err := enqueue(ctx, w, n, paths)
	if err != nil {
		return err
	}
	heads, err := timed(5, func(int) error {
		found, err := w.Heads(ctx, dead, 256)
		if want := min(paths, 256); err == nil && len(found) != want {
			err = fmt.Errorf("there are %d heads, want %d", len(found), want)
		}
		return err
	})
	if err != nil {
		return err
	}
	read := func(int) error {
		_, err := w.Delivery(ctx, all[0].ID)
		if errors.Is(err, database.ErrUnknown) { // once it is forgotten
			err = nil
		}
		return err
	}
	alone, err := timed(100, read)
	if err != nil {
		return err
	}
	if err := settle(ctx, w, all, database.Failed); err != nil {
		return err
	}

	var wg sync.WaitGroup
	done := make(chan struct{})
	var meanwhile []time.Duration
	var failed error
	wg.Go(func() {
		for failed == nil {
			select {
			case <-done:
				return
			default:
			}
			var r result
			r, failed = timed(1, read)
			meanwhile = append(meanwhile, r.median)
		}
	})
	began := time.Now()
	err = w.Prune(ctx, time.Now().Add(time.Hour))
	took := time.Since(began)
	close(done)
	wg.Wait()
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	b.printf("| %d | %d | %.1f ms | %.0f ms | %.1f ms | %.2f ms |\n", n, paths, milliseconds(heads.median), milliseconds(took), milliseconds(slowest(meanwhile)), milliseconds(alone.median))
	return nil
}

// enqueue fills the queue of the endpoint, of which every attempt has failed so far.
func enqueue(ctx context.Context, w *database.Webhooks, n, paths int) (all []database.Delivery, err error) {
	const step = 1000
	now := time.Now()
	if err := w.Configure(ctx, []string{dead}, "0", now); err != nil {
		return nil, err
	}
	for from := 0; from < n; from += step {
		var some []database.Delivery
		for i := from; i < min(n, from+step); i++ {
			some = append(some, database.Delivery{
				EventID: fmt.Sprint("evt_", i), Type: "entry.updated", Subject: "consultations/x", Path: fmt.Sprintf("_consultations/%d.md", i%paths),
				Commit: fmt.Sprintf("%040d", i), Body: fmt.Sprintf(`{"x":"%0500d"}`, i), Created: now, Next: now,
			})
		}
		if _, err := w.Advance(ctx, dead, database.Cursor{Commit: strconv.Itoa(from)}, database.Cursor{Commit: strconv.Itoa(from + step)}, now, some); err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, settle(ctx, w, all, database.Pending)
}

// settle records a failed attempt of each.
func settle(ctx context.Context, w *database.Webhooks, all []database.Delivery, as string) error {
	const step = 1000
	for from := 0; from < len(all); from += step {
		var results []database.Result
		for i := from; i < min(len(all), from+step); i++ {
			all[i].Attempts++
			results = append(results, database.Result{
				Delivery: all[i], State: as, Next: time.Now().Add(time.Hour),
				Attempt: database.Attempt{N: all[i].Attempts, At: time.Now(), Took: time.Millisecond, Status: 503, Response: "down"},
			})
		}
		if err := w.Record(ctx, results); err != nil {
			return err
		}
	}
	return nil
}
