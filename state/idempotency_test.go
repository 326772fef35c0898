package state_test

import (
	"errors"
	"net/http"
	"reflect"
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
	request := state.KeyRequest{ID: "k", Fingerprint: "f", Head: "h1"}
	later := request
	later.Head = "h2"
	other := request
	other.Fingerprint = "g"
	answer := state.Answer{Status: 201, Header: http.Header{"Etag": {`"r"`}}, Body: []byte("é\x00")}

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
		if first.Answer != nil || first.Again || first.Head != "h1" {
			t.Errorf("first: got %+v", first)
		}
		claim(request, now.Add(lease-time.Second), state.ErrKeyInUse)
		claim(other, now, state.ErrKeyReused)

		second := claim(later, now.Add(lease), nil)
		if second.Answer != nil || !second.Again || second.Head != "h1" {
			t.Errorf("after the lease: got %+v, want one that says Again, since h1", second)
		}
		ok(keys.Finish(t.Context(), first, state.Answer{Status: 500})) // too late: it is another's now
		ok(keys.Release(t.Context(), first))
		claim(request, now.Add(lease), state.ErrKeyInUse)

		ok(keys.Abandon(t.Context(), second))
		third := claim(later, now.Add(lease+time.Second), nil)
		if !third.Again || third.Head != "h1" {
			t.Errorf("after it was abandoned: got %+v, want one that says Again, since h1", third)
		}
		ok(keys.Finish(t.Context(), third, answer))
		ok(keys.Purge(t.Context(), now.Add(state.KeyLifetime)))
		if got := claim(later, now.Add(state.KeyLifetime), nil); got.Answer == nil || !reflect.DeepEqual(*got.Answer, answer) {
			t.Errorf("finished: got %+v, want %+v", got.Answer, answer)
		}
		claim(other, now.Add(lease), state.ErrKeyReused)

		expired := now.Add(state.KeyLifetime + time.Second)
		fourth := claim(other, expired, nil)
		if fourth.Answer != nil || fourth.Again {
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
