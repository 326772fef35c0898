package site

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// The background waits while somebody is busy, but not for ever, and not after its end.
func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g gate
		waited := func(ctx context.Context) (time.Duration, error) {
			began := time.Now()
			err := g.pass(ctx)
			return time.Since(began), err
		}
		if d, err := waited(t.Context()); d != 0 || err != nil {
			t.Errorf("an open gate keeps for %v: %v", d, err)
		}
		one, other := g.enter(), g.enter()
		if d, err := waited(t.Context()); d != gateWait || err != nil {
			t.Errorf("a busy gate keeps for %v: %v", d, err)
		}
		one()
		time.AfterFunc(gateWait/4, other)
		if d, err := waited(t.Context()); d != gateWait/4 || err != nil {
			t.Errorf("a gate that is busy for a while keeps for %v: %v", d, err)
		}
		defer g.enter()()
		ctx, cancel := context.WithTimeout(t.Context(), gateWait/4)
		defer cancel()
		for _, want := range []time.Duration{gateWait / 4, 0} {
			if d, err := waited(ctx); d != want || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a gate keeps for %v whom ends: %v", d, err)
			}
		}
	})
}
