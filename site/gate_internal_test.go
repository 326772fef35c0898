package site

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// The background waits while somebody waits for a list, but not for ever, and not after its end.
func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g gate
		waited := func(ctx context.Context) (time.Duration, error) {
			shift := g.shift()
			began := time.Now()
			err := shift.pass(ctx)
			return time.Since(began), err
		}
		if d, err := waited(t.Context()); d != 0 || err != nil {
			t.Errorf("an open gate keeps for %v: %v", d, err)
		}
		one, other := g.enterList(), g.enterList()
		if d, err := waited(t.Context()); d != gateWait || err != nil {
			t.Errorf("a busy gate keeps for %v: %v", d, err)
		}
		one()
		time.AfterFunc(gateWait/4, other)
		if d, err := waited(t.Context()); d != gateWait/4 || err != nil {
			t.Errorf("a gate that is busy for a while keeps for %v: %v", d, err)
		}
		defer g.enterList()()
		ctx, cancel := context.WithTimeout(t.Context(), gateWait/4)
		defer cancel()
		for _, want := range []time.Duration{gateWait / 4, 0} {
			if d, err := waited(ctx); d != want || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a gate keeps for %v whom ends: %v", d, err)
			}
		}
	})
}

// Beside writes that never end the background works a part of the time.
func TestGateBesideWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g gate
		shift := g.shift()
		waited := func(worked time.Duration) time.Duration {
			time.Sleep(worked)
			began := time.Now()
			if err := shift.pass(t.Context()); err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		leave := g.enterWrite()
		for _, worked := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond} {
			if d := waited(worked); d != gateRest*worked {
				t.Errorf("after %v of work it rests for %v", worked, d)
			}
		}
		if d := waited(time.Minute); d != gateWait {
			t.Errorf("after a minute of work it rests for %v", d)
		}
		list := g.enterList()
		if d := waited(time.Millisecond); d != gateWait {
			t.Errorf("it rests for %v while somebody waits for a list", d)
		}
		list()
		time.AfterFunc(51*time.Millisecond, leave) // the first of which it works
		if d := waited(50 * time.Millisecond); d != time.Millisecond {
			t.Errorf("it rests for %v until the last has written", d)
		}
		if d := waited(50 * time.Millisecond); d != 0 {
			t.Errorf("it rests for %v when nobody writes", d)
		}
	})
}
