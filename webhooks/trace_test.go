package webhooks

import (
	"net/http"
	"testing"
	"time"

	"cms/state"
	"cms/trace"
)

// Each attempt continues the trace of the request whose commit the event is of, though
// the service that knew it is gone; and so does one that is sent again. What no request
// made has none.
func TestAttemptsContinueTraces(t *testing.T) {
	const (
		first  = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		second = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01"
	)
	each(t, func(b *bench) {
		b.site.answer = func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}
		build := b.e
		build.Name, build.Type, build.Coalesce = "build", generic, time.Hour
		stop := start(b.relay(b.e, build))
		b.h.traced = trace.Parse(first, "a=1,b=2")
		b.h.commit("plan-velo")
		b.until("the refusal", func() bool { return len(b.site.arrivals(t)) > 0 })
		stop()
		was := b.h.state()
		for i := range was {
			was[i].Trace = trace.Context{}
		}
		b.h.force(was) // as after a restart
		stop = start(b.relay(b.e, build))
		defer func() { stop() }()
		b.until("the second attempt", func() bool { return len(b.site.arrivals(t)) == 2 })
		all := func() []state.Delivery {
			b.Helper()
			all, err := b.db.Webhooks().Deliveries(t.Context(), state.DeliveryFilter{Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			return all
		}
		b.until("its end", func() bool {
			for _, d := range all() {
				if d.Endpoint == "site" && d.State != state.Delivered {
					return false
				}
			}
			return true
		})
		for _, d := range all() {
			if d.TraceParent != first || d.TraceState != "a=1,b=2" {
				t.Errorf("got %+v", d)
			}
		}
		if n, err := b.relay(b.e, build).RedeliverRange(t.Context(), "site", time.Time{}, time.Now().Add(time.Hour)); err != nil || n != 1 {
			t.Errorf("%d are sent again: %v", n, err)
		}
		stop()
		stop = start(b.relay(b.e, build))
		b.until("it again", func() bool { return len(b.site.arrivals(t)) == 3 })
		for _, a := range b.site.arrivals(t) {
			if a.header.Get("Traceparent") != first || a.header.Get("Tracestate") != "a=1,b=2" {
				t.Errorf("got %v", a.header)
			}
		}

		b.h.traced = trace.Parse(second, "")
		b.h.commit("plan-velo")
		b.until("the build of the last commit", func() bool {
			for _, d := range all() {
				if d.Endpoint == "build" && d.TraceParent == second && d.TraceState == "" {
					return true
				}
			}
			return false
		})
		b.until("the event", func() bool { return len(b.site.arrivals(t)) == 4 })
		b.h.traced = trace.Context{}
		b.h.commit("plan-velo")
		b.until("the event of a push", func() bool { return len(b.site.arrivals(t)) == 5 })
		if got := b.site.arrivals(t); got[3].header.Get("Traceparent") != second || got[4].header.Values("Traceparent") != nil {
			t.Errorf("got %v and %v", got[3].header, got[4].header)
		}
	})
}
