package state_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"cms/state"
	"cms/state/statetest"
)

var began = time.UnixMilli(1_800_000_000_000)

// queueOf opens a database that has an endpoint.
func queueOf(t *testing.T, address string) (*state.DB, *state.Webhooks) {
	t.Helper()
	db := statetest.Open(t, address)
	w := db.Webhooks()
	if err := w.Configure(t.Context(), []string{"site"}, "", began); err != nil {
		t.Fatal(err)
	}
	return db, w
}

func delivery(n int, path, from string) state.Delivery {
	return state.Delivery{EventID: fmt.Sprint("evt_", n), Path: path, From: from, Body: "{}", Created: began, Next: began.Add(time.Duration(n) * time.Second)}
}

// expectHeads compares the heads with those that all pending deliveries make.
func expectHeads(t *testing.T, w *state.Webhooks, when string) []state.Delivery {
	t.Helper()
	heads, err := w.Heads(t.Context(), "site", 1000)
	if err != nil {
		t.Fatal(err)
	}
	pending, err := w.Deliveries(t.Context(), state.DeliveryFilter{State: state.Pending, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(pending, func(a, b state.Delivery) int { return int(a.Seq - b.Seq) })
	var want []int64
	taken := map[string]bool{}
	for _, d := range pending {
		if !taken[d.Path] && (d.From == "" || !taken[d.From]) {
			want = append(want, d.Seq)
		}
		taken[d.Path] = true
		if d.From != "" {
			taken[d.From] = true
		}
	}
	var got []int64
	for _, d := range heads {
		got = append(got, d.Seq)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("%s: the heads are %v, want %v", when, got, want)
	}
	return heads
}

// Whatever is enqueued, delivered, given up and superseded: the heads are those
// that no earlier delivery on one of their paths holds back.
func TestHeads(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		_, w := queueOf(t, address)
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 1))
		path := func() string { return fmt.Sprint("_c/", random.IntN(6), ".md") }
		for n := range 150 {
			when := fmt.Sprintf("seed %d, step %d", seed, n)
			switch heads := expectHeads(t, w, when); {
			case random.IntN(3) == 0 || len(heads) == 0:
				var ds []state.Delivery
				for i := range 1 + random.IntN(4) {
					from := ""
					if random.IntN(3) == 0 {
						from = path()
					}
					ds = append(ds, delivery(n+i, path(), from))
				}
				to := state.Cursor{Commit: fmt.Sprint(n)}
				rows, err := w.Cursors(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if ok, err := w.Advance(t.Context(), "site", rows[0].Cursor, to, began, ds); !ok || err != nil {
					t.Fatal(ok, err)
				}
			case random.IntN(10) == 0:
				if err := w.Supersede(t.Context(), "site", path(), began); err != nil {
					t.Fatal(err)
				}
			default:
				d := heads[random.IntN(len(heads))]
				become := []string{state.Delivered, state.Failed, state.Pending}[random.IntN(3)]
				if err := w.Record(t.Context(), []state.Result{{Delivery: d, State: become, Next: began, Attempt: state.Attempt{N: d.Attempts + 1, At: began}}}); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// What is enqueued while the one before it is settled, by another service too, is
// not held back for ever.
func TestHeadsBesideEnqueueing(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		_, w := queueOf(t, address)
		var adding sync.WaitGroup
		for i := range 2 {
			adding.Go(func() {
				for n := range 20 {
					if _, err := w.Enqueue(context.Background(), "site", delivery(20*i+n, "_c/x.md", "")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		added := make(chan struct{})
		go func() { adding.Wait(); close(added) }()
		done := 0
		for over := false; ; {
			select {
			case <-added:
				over = true
			default:
			}
			heads, err := w.Heads(t.Context(), "site", 10)
			if err != nil || len(heads) > 1 {
				t.Fatalf("got %d heads on one path, %v", len(heads), err)
			}
			if len(heads) == 0 && over {
				break
			}
			for _, d := range heads {
				done++
				if err := w.Record(t.Context(), []state.Result{{Delivery: d, State: state.Delivered, Attempt: state.Attempt{N: 1, At: began}}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if done != 40 {
			t.Errorf("%d deliveries went, want 40", done)
		}
	})
}

// Sessions, tokens and the like are read while somebody writes, however long.
func TestReadsDoNotWait(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db, w := queueOf(t, address)
		if err := db.Accounts().Add(t.Context(), camille()); err != nil {
			t.Fatal(err)
		}
		s := state.Session{ID: "S1", Account: "C1", AccessUntil: began.Add(time.Hour), RefreshUntil: began.Add(time.Hour), EndsAt: began.Add(time.Hour)}
		if err := db.Sessions().Begin(t.Context(), s, began); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := db.Tx(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `UPDATE webhook_endpoints SET next_seq = 1000`); err != nil {
				return err
			}
			var errs []error
			note := func(err error) { errs = append(errs, err) }
			_, _, err := db.Sessions().Find(ctx, "S1")
			note(err)
			_, err = db.Accounts().ByEmail(ctx, camille().Email)
			note(err)
			_, err = db.Accounts().List(ctx)
			note(err)
			_, err = db.Accounts().KnowsDevice(ctx, "C1", "d", began)
			note(err)
			_, err = db.Tokens().Revoked(ctx, began)
			note(err)
			_, err = db.Deployments().All(ctx)
			note(err)
			_, err = w.Endpoints(ctx)
			note(err)
			_, err = w.Cursors(ctx)
			note(err)
			_, err = w.Heads(ctx, "site", 10)
			note(err)
			_, err = w.Deliveries(ctx, state.DeliveryFilter{Limit: 10})
			note(err)
			return errors.Join(errs...)
		})
		if err != nil {
			t.Error(err)
		}
		// And what was committed before is seen.
		for range 50 {
			if err := db.Sessions().Begin(t.Context(), state.Session{ID: "S2", Account: "C1", RefreshUntil: began.Add(time.Hour)}, began); err != nil {
				t.Fatal(err)
			}
			if _, _, err := db.Sessions().Find(t.Context(), "S2"); err != nil {
				t.Fatalf("a session that has begun is not found: %v", err)
			}
			if _, err := db.Sessions().End(t.Context(), "S2"); err != nil {
				t.Fatal(err)
			}
			if _, _, err := db.Sessions().Find(t.Context(), "S2"); !errors.Is(err, state.ErrUnknown) {
				t.Fatalf("a session that has ended is found: %v", err)
			}
		}
	})
}

// Pruned is what was finished before the time, with its attempts, and nothing else.
func TestPruneMany(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db, w := queueOf(t, address)
		var ds []state.Delivery
		for n := range 700 {
			ds = append(ds, delivery(n, fmt.Sprint("_c/", n, ".md"), ""))
		}
		if ok, err := w.Advance(t.Context(), "site", state.Cursor{}, state.Cursor{Commit: "a"}, began, ds); !ok || err != nil {
			t.Fatal(ok, err)
		}
		heads, err := w.Heads(t.Context(), "site", 690)
		if err != nil {
			t.Fatal(err)
		}
		var results []state.Result
		for i, d := range heads {
			at := began
			if i >= 600 {
				at = began.Add(time.Hour)
			}
			results = append(results, state.Result{Delivery: d, State: state.Delivered, Attempt: state.Attempt{N: 1, At: at}})
		}
		if err := w.Record(t.Context(), results); err != nil {
			t.Fatal(err)
		}
		if err := w.Prune(t.Context(), began.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		count := func(query string) (n int) {
			t.Helper()
			if err := db.SQL().QueryRowContext(t.Context(), query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n, tries := count(`SELECT COUNT(*) FROM webhook_deliveries`), count(`SELECT COUNT(*) FROM webhook_attempts`); n != 100 || tries != 90 {
			t.Errorf("%d deliveries with %d attempts are left, want 100 with 90", n, tries)
		}

		// Those that wait are changed in steps, too.
		if _, err := w.Disable(t.Context(), "site", "pause", began); err != nil {
			t.Fatal(err)
		}
		if err := w.Enable(t.Context(), "site", began.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		if n := count(`SELECT COUNT(*) FROM webhook_deliveries WHERE state = 'pending' AND next_at < 1800000000000`); n != 10 {
			t.Errorf("%d deliveries are due after the endpoint was enabled, want 10", n)
		}
	})
}

// An endpoint made through the API goes with all of its deliveries.
func TestDeleteMany(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		_, w := queueOf(t, address)
		if err := w.Create(t.Context(), state.Endpoint{Name: "other", Created: began}, 10); err != nil {
			t.Fatal(err)
		}
		var ds []state.Delivery
		for n := range 600 {
			ds = append(ds, delivery(n, "_c/x.md", ""))
		}
		for _, name := range []string{"site", "other"} {
			if ok, err := w.Advance(t.Context(), name, state.Cursor{}, state.Cursor{Commit: "a"}, began, ds); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		if err := w.Delete(t.Context(), "site"); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("a configured one: got %v, want %v", err, state.ErrUnknown)
		}
		if err := w.Delete(t.Context(), "other"); err != nil {
			t.Fatal(err)
		}
		left, err := w.Deliveries(t.Context(), state.DeliveryFilter{Limit: 2000})
		if err != nil || len(left) != 600 || left[0].Endpoint != "site" {
			t.Errorf("%d deliveries are left, %v; want the 600 of the other endpoint", len(left), err)
		}
	})
}
