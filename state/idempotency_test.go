package state_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cms/state"
	"cms/state/statetest"
)

func TestKeys(t *testing.T) {
	const lease = time.Minute
	now := time.UnixMilli(1_700_000_000_000)
	request := state.KeyRequest{ID: "k", Caller: "c", Fingerprint: "f", Head: "h1"}
	later := request
	later.Head = "h2"
	other := request
	other.Fingerprint = "g"
	const result = `{"slug":"é"}`

	statetest.Each(t, func(t *testing.T, address string) {
		keys := statetest.Open(t, address).Keys()
		claim := func(r state.KeyRequest, at time.Time, want error) state.Claim {
			t.Helper()
			c, err := keys.Claim(t.Context(), r, lease, at)
			if !errors.Is(err, want) {
				t.Fatalf("claim: got %v, want %v", err, want)
			}
			return c
		}
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		first := claim(request, now, nil)
		if first.Result != "" || first.Again || first.Head != "h1" {
			t.Errorf("first: got %+v", first)
		}
		claim(request, now.Add(lease-time.Second), state.ErrKeyInUse)
		claim(other, now, state.ErrKeyReused)

		second := claim(later, now.Add(lease), nil)
		if second.Result != "" || !second.Again || second.Head != "h1" {
			t.Errorf("after the lease: got %+v, want one that says Again, since h1", second)
		}
		ok(keys.Finish(t.Context(), first, "other")) // too late: it is another's now
		ok(keys.Release(t.Context(), first))
		claim(request, now.Add(lease), state.ErrKeyInUse)

		ok(keys.Abandon(t.Context(), second))
		third := claim(later, now.Add(lease+time.Second), nil)
		if !third.Again || third.Head != "h1" {
			t.Errorf("after it was abandoned: got %+v, want one that says Again, since h1", third)
		}
		ok(keys.Finish(t.Context(), third, result))
		ok(keys.Purge(t.Context(), now.Add(state.KeyLifetime)))
		if got := claim(later, now.Add(state.KeyLifetime), nil); got.Result != result {
			t.Errorf("finished: got %q, want %q", got.Result, result)
		}
		claim(other, now.Add(lease), state.ErrKeyReused)

		expired := now.Add(state.KeyLifetime + time.Second)
		fourth := claim(other, expired, nil)
		if fourth.Result != "" || fourth.Again {
			t.Errorf("after its lifetime: got %+v, want a new key", fourth)
		}
		ok(keys.Release(t.Context(), fourth))
		fifth := claim(request, expired, nil)
		if fifth.Again {
			t.Error("after its release: the claim says Again")
		}
		ok(keys.Abandon(t.Context(), fifth))
		ok(keys.Purge(t.Context(), expired.Add(state.KeyLifetime+time.Second)))
		if got := claim(later, expired.Add(state.KeyLifetime), nil); got.Again {
			t.Error("a purged key is still there")
		}
	})
}

func TestOneOfManyClaims(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		keys := statetest.Open(t, address).Keys()
		now := time.UnixMilli(1_700_000_000_000)
		for _, at := range []time.Time{now, now.Add(time.Minute)} { // a new key, and one whose lease has ended
			var (
				wg    sync.WaitGroup
				holds atomic.Int32
			)
			for range 8 {
				wg.Go(func() {
					_, err := keys.Claim(t.Context(), state.KeyRequest{ID: "k", Fingerprint: "f"}, time.Minute, at)
					if err == nil {
						holds.Add(1)
					} else if !errors.Is(err, state.ErrKeyInUse) {
						t.Errorf("claim: %v", err)
					}
				})
			}
			wg.Wait()
			if got := holds.Load(); got != 1 {
				t.Errorf("claims that hold: got %d, want 1", got)
			}
		}
	})
}

// TestKeysAreBounded: whatever a caller does, what is kept for it has an end, and
// that of others stays.
func TestKeysAreBounded(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db := statetest.Open(t, address)
		keys := db.Keys()
		now := time.UnixMilli(1_700_000_000_000)
		write := func(caller string, n int, result string) {
			t.Helper()
			c, err := keys.Claim(t.Context(), state.KeyRequest{ID: fmt.Sprint(caller, n), Caller: caller, Fingerprint: "f", Head: "h"}, time.Minute, now.Add(time.Duration(n)*time.Millisecond))
			if err == nil {
				err = keys.Finish(t.Context(), c, result)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		count := func(query string) (n int) {
			t.Helper()
			if err := db.SQL().QueryRowContext(t.Context(), query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		write("b", 0, "small")
		large := strings.Repeat("x", state.MaxResults/4)
		for n := range 10 {
			write("a", n, large)
		}
		if got := count(`SELECT SUM(LENGTH(result)) FROM idempotency_keys WHERE caller = 'a'`); got != state.MaxResults {
			t.Errorf("bytes of results: got %d, want %d", got, state.MaxResults)
		}
		if got := count(`SELECT COUNT(*) FROM idempotency_keys`); got != 11 {
			t.Errorf("keys: got %d, want 11", got)
		}
		oldest, err := keys.Claim(t.Context(), state.KeyRequest{ID: "a0", Caller: "a", Fingerprint: "f"}, time.Minute, now)
		if err != nil || !oldest.Again || oldest.Head != "h" {
			t.Errorf("a result that is forgotten: got %+v, %v; want a claim that says Again", oldest, err)
		}

		tx, err := db.SQL().BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		for n := range state.MaxKeys {
			if _, err := tx.ExecContext(t.Context(), db.Bind(`INSERT INTO idempotency_keys (id, caller, fingerprint, head, lease_until, created_at) VALUES (?, 'a', 'f', '', 0, ?)`),
				fmt.Sprint("old", n), n); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		write("a", 11, "small")
		if got := count(`SELECT COUNT(*) FROM idempotency_keys WHERE caller = 'a'`); got != state.MaxKeys {
			t.Errorf("keys of a caller: got %d, want %d", got, state.MaxKeys)
		}
		if got := count(`SELECT COUNT(*) FROM idempotency_keys WHERE caller = 'b' AND result = 'small'`); got != 1 {
			t.Error("those of another caller are gone")
		}
	})
}

// TestKeysOfBefore: what an earlier version kept of answers goes, and its keys stay.
func TestKeysOfBefore(t *testing.T) {
	old, err := os.ReadFile("migrations/030_keys.sql")
	if err != nil {
		t.Fatal(err)
	}
	statetest.Each(t, func(t *testing.T, address string) {
		db := statetest.Open(t, address)
		table := string(old)
		if db.Postgres() {
			table = strings.Replace(table, "BLOB", "BYTEA", 1)
		}
		for _, query := range []string{
			`DROP TABLE idempotency_keys`, table, `DELETE FROM migrations WHERE name = 'migrations/040_results.sql'`,
			`INSERT INTO idempotency_keys VALUES ('k', 'f', 'h1', 0, 1700000000000, 201, '{}', 'the whole entry')`,
		} {
			if _, err := db.SQL().ExecContext(t.Context(), query); err != nil {
				t.Fatalf("%s: %v", query, err)
			}
		}
		db.Close()
		keys := statetest.Open(t, address).Keys()
		got, err := keys.Claim(t.Context(), state.KeyRequest{ID: "k", Caller: "c", Fingerprint: "f", Head: "h2"}, time.Minute, time.UnixMilli(1_700_000_000_000))
		if err != nil || got.Result != "" || !got.Again || got.Head != "h1" {
			t.Errorf("got %+v, %v; want a claim that says Again, since h1", got, err)
		}
	})
}
