package state_test

import (
	"testing"
	"time"

	"cms/state"
	"cms/state/statetest"
)

// TestTally: how endpoints and sessions do, in numbers.
func TestTally(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db := statetest.Open(t, address)
		hooks, now := db.Webhooks(), time.UnixMilli(1_800_000_000_000).UTC()
		if got, err := hooks.Tally(t.Context()); err != nil || got != (state.Tally{}) {
			t.Errorf("of nothing: got %+v, %v", got, err)
		}
		if err := hooks.Configure(t.Context(), []string{"a", "b"}, "", now); err != nil {
			t.Fatal(err)
		}
		if _, err := hooks.Disable(t.Context(), "b", "of a test", now); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			id, err := hooks.Enqueue(t.Context(), "a", state.Delivery{Path: string(rune('x' + i)), State: state.Pending, Created: now.Add(time.Duration(i) * time.Minute)})
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				d, err := hooks.Start(t.Context(), id, now)
				if err != nil {
					t.Fatal(err)
				}
				if err := hooks.Record(t.Context(), []state.Result{{Delivery: d, Attempt: state.Attempt{N: 1, At: now}, State: state.Failed}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		got, err := hooks.Tally(t.Context())
		if want := (state.Tally{Enabled: 1, Disabled: 1, Waiting: 2, Oldest: now.Add(time.Minute), Failed: 1}); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
		if err := db.Accounts().Add(t.Context(), camille()); err != nil {
			t.Fatal(err)
		}
		for id, until := range map[string]time.Time{"S1": now.Add(time.Hour), "S2": now.Add(2 * time.Hour)} {
			if err := db.Sessions().Begin(t.Context(), state.Session{ID: id, Account: camille().ID, RefreshUntil: until}, camille().Password, now); err != nil {
				t.Fatal(err)
			}
		}
		for at, want := range map[time.Time]int{now: 2, now.Add(90 * time.Minute): 1, now.Add(3 * time.Hour): 0} {
			if n, err := db.Sessions().Count(t.Context(), at); err != nil || n != want {
				t.Errorf("%d sessions, %v; want %d", n, err, want)
			}
		}
	})
}
