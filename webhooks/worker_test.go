package webhooks

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cms/state"
)

// worker is one for b.e, which runs nowhere.
func (b *bench) worker() *worker {
	b.Helper()
	b.relay()
	return &worker{endpoint: b.e, store: b.db.Webhooks(), log: b.log.logger()}
}

// refused is an attempt that the endpoint answered like this.
func refused(status int, asked time.Duration) outcome {
	err := &refusal{status, asked}
	return outcome{state.Result{State: state.Pending, Attempt: state.Attempt{N: 1, Status: status, Error: err.Error()}}, asked}
}

// An endpoint that asks to be left alone is, and so is one that fails again and
// again; one success ends that.
func TestPauses(t *testing.T) {
	each(t, func(b *bench) {
		c := b.worker()
		paused := func() time.Duration { return time.Until(c.pause) }
		c.handle(t.Context(), refused(http.StatusInternalServerError, 0))
		if paused() > 0 {
			t.Errorf("one failure pauses for %s", paused())
		}
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			c.pause = time.Time{}
			if c.handle(t.Context(), refused(status, 10*time.Minute)); paused() < 9*time.Minute || paused() > 10*time.Minute {
				t.Errorf("%d with Retry-After: 600 pauses for %s", status, paused())
			}
		}
		c.pause = time.Time{}
		for range 40 {
			c.handle(t.Context(), refused(http.StatusBadGateway, 0))
			if paused() > maxPause {
				t.Fatalf("paused for %s", paused())
			}
		}
		if c.failures < failureThreshold || paused() <= 0 {
			t.Errorf("after %d failures paused for %s", c.failures, paused())
		}
		if n := c.launch(t.Context()); n <= 0 || len(c.inFlight) > 0 {
			t.Errorf("a pause tries %d deliveries, and waits %s", len(c.inFlight), n)
		}
		c.handle(t.Context(), outcome{Result: state.Result{State: state.Delivered}})
		if c.failures != 0 {
			t.Errorf("after a success there are %d failures", c.failures)
		}
	})
}

// An endpoint that took nothing for three days is disabled, and says why.
func TestGivesUp(t *testing.T) {
	each(t, func(b *bench) {
		b.site.answer = func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
		r := b.relay()
		stop := start(r)
		b.h.commit("plan-velo")
		b.until("the first attempt", func() bool { return len(b.site.arrivals(t)) > 0 })
		stop()
		long := time.Now().Add(-maxRetryAge).UnixMilli()
		if _, err := b.db.SQL().ExecContext(t.Context(), b.db.Bind(`UPDATE webhook_deliveries SET started_at = ?, next_at = ?`), long, long); err != nil {
			t.Fatal(err)
		}
		again := b.relay()
		stop = start(again)
		defer stop()
		b.until("the end", func() bool { return !b.row().Disabled.IsZero() })
		s, err := again.Endpoint(t.Context(), "site")
		if err != nil || !strings.Contains(s.Reason, fmt.Sprint(maxRetryAge)) {
			t.Errorf("got %+v, %v", s, err)
		}
		// Said once it is so, which the database shows before.
		b.until("the log to say so", func() bool { return strings.Contains(b.log.String(), "webhook endpoint disabled") })
		ds, err := b.db.Webhooks().Deliveries(t.Context(), state.DeliveryFilter{Limit: 2})
		if err != nil || len(ds) != 1 || ds[0].State != state.Failed {
			t.Errorf("got %+v, %v, want the delivery given up", ds, err)
		}
		if _, err := again.Test(t.Context(), "site"); !errors.Is(err, ErrDisabled) {
			t.Errorf("a test of it: got %v, want %v", err, ErrDisabled)
		}
	})
}

// Once a change is told, nothing that was enqueued after it goes by what was before,
// even where the worker of before is still there.
func TestOutdatedWorkerTriesNothing(t *testing.T) {
	for what, change := range map[string]func(*Relay) error{
		"changed": func(r *Relay) error {
			_, err := r.Change(t.Context(), "carte", func(e *Endpoint) error { e.URL = "https://carte.example.org/"; return nil })
			return err
		},
		"renewed":  func(r *Relay) error { _, _, err := r.Renew(t.Context(), "carte", 0); return err },
		"disabled": func(r *Relay) error { _, err := r.Disable(t.Context(), "carte"); return err },
		"deleted":  func(r *Relay) error { return r.Delete(t.Context(), "carte") },
	} {
		t.Run(what, func(t *testing.T) {
			each(t, func(b *bench) {
				r := b.relay()
				if _, _, err := r.Create(b.Context(), Endpoint{Name: "carte", URL: "https://ancienne.example.org/"}); err != nil {
					b.Fatal(err)
				}
				w := &worker{endpoint: Endpoint{Name: "carte"}, settings: b.row().Settings, store: r.store, log: b.log.logger(), stale: true}
				if _, err := r.Test(b.Context(), "carte"); err != nil {
					b.Fatal(err)
				}
				if err := w.refill(b.Context(), time.Now()); err != nil || len(w.queue) != 1 {
					b.Fatalf("%d deliveries wait, %v", len(w.queue), err)
				}
				if err := change(r); err != nil {
					b.Fatal(err)
				}
				if wait := w.launch(b.Context()); !w.outdated || len(w.inFlight) > 0 || wait >= 0 {
					b.Errorf("outdated: %t, with %d attempts, waits for %s", w.outdated, len(w.inFlight), wait)
				}
			})
		})
	}
}
