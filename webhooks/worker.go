package webhooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"cms/state"
	"cms/trace"
)

const (
	parallel         = 8   // attempts at once, for one endpoint
	batch            = 256 // deliveries read at once
	failureThreshold = 5   // failures in a row, after which one attempt at a time is made
	maxPause         = 10 * time.Minute
)

// worker delivers to one endpoint. Its goroutine owns all that changes.
type worker struct {
	endpoint Endpoint
	settings string // of the endpoint, in the database
	sender   *sender
	store    *state.Webhooks
	tracer   *trace.Tracer
	log      *slog.Logger
	wake     chan struct{} // has a token when there may be something new
	done     chan struct{} // closed at the end
	stop     func()        // ends it soon; for anyone

	queue    []state.Delivery // due, and held back by no other
	inFlight map[string]bool  // ids under way
	results  chan outcome
	stale    bool      // the queue may lack something
	due      time.Time // when the next delivery is; zero when none is known
	failures int       // in a row
	pause    time.Time // until when nothing is tried
	outdated bool      // the endpoint was changed, disabled or deleted
}

// outcome is what came of an attempt, and for how long the endpoint asked to be left
// alone.
type outcome struct {
	state.Result
	asked time.Duration
}

func (w *worker) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// run delivers until stop is closed, or until the endpoint is not what it was. It
// waits for attempts under way.
func (w *worker) run(ctx context.Context, stop <-chan struct{}) {
	defer close(w.done)
	defer w.sender.close()
	w.inFlight, w.results, w.stale = map[string]bool{}, make(chan outcome, parallel), true
	for {
		wait := time.Duration(0)
		select {
		case <-stop:
			w.outdated = true
		default:
			wait = w.launch(ctx)
		}
		if w.outdated {
			for len(w.inFlight) > 0 {
				w.record(ctx, <-w.results)
			}
			return
		}
		var timer <-chan time.Time
		if wait >= 0 {
			timer = time.After(wait)
		}
		select {
		case res := <-w.results:
			w.record(ctx, res)
		case <-w.wake:
			w.stale = true
		case <-timer:
			w.stale = true
		case <-stop:
		}
	}
}

// launch starts what may be tried now. It returns how long to wait for more at
// most, negative when there is nothing to wait for but news.
func (w *worker) launch(ctx context.Context) time.Duration {
	now := time.Now()
	if w.pause.After(now) {
		return w.pause.Sub(now)
	}
	room := parallel
	if w.endpoint.builds() || w.failures >= failureThreshold {
		room = 1
	}
	if len(w.queue) == 0 && w.stale && len(w.inFlight) < room {
		if err := w.refill(ctx, now); err != nil {
			w.log.Error("deliveries cannot be read", "error", err)
			return pollInterval
		}
	}
	// An operator who was told of a change relies on it from then on, so whoever
	// tries what was enqueued after it has to have seen it.
	if len(w.inFlight) < room && len(w.queue) > 0 {
		current, err := w.store.Current(ctx, w.endpoint.Name, w.settings)
		if err != nil {
			w.log.Error("the endpoint cannot be read", "error", err)
			return pollInterval
		}
		if !current {
			w.outdated = true
			return -1
		}
	}
	for len(w.inFlight) < room && len(w.queue) > 0 {
		d := w.queue[0]
		w.queue = w.queue[1:]
		if w.endpoint.builds() {
			started, err := w.store.Start(ctx, d.ID, now)
			if errors.Is(err, state.ErrUnknown) {
				continue
			}
			if err != nil {
				w.log.Error("a build cannot be started", "error", err)
				w.stale = true
				return pollInterval
			}
			d = started
		}
		w.inFlight[d.ID] = true
		go func() { w.results <- w.attempt(ctx, d) }()
	}
	if w.due.IsZero() || len(w.inFlight) >= room {
		return -1
	}
	return max(0, w.due.Sub(now))
}

// refill reads what is due.
func (w *worker) refill(ctx context.Context, now time.Time) error {
	heads, err := w.store.Heads(ctx, w.endpoint.Name, batch+len(w.inFlight))
	if err != nil {
		return err
	}
	w.due, w.stale = time.Time{}, false
	for _, d := range heads {
		switch {
		case w.inFlight[d.ID]:
		case d.Next.After(now):
			w.due = d.Next
			return nil
		default:
			w.queue = append(w.queue, d)
		}
	}
	return nil
}

// attempt tries a delivery once. It runs in a goroutine of its own.
func (w *worker) attempt(ctx context.Context, d state.Delivery) outcome {
	ctx, span := w.span(ctx, d)
	defer span.End()
	began := time.Now()
	said, err := w.sender.post(ctx, d.EventID, []byte(d.Body))
	if said.status != 0 {
		span.Set("http.response.status_code", said.status)
	}
	r := outcome{Result: state.Result{Delivery: d, State: state.Delivered, Next: began, Attempt: state.Attempt{
		N: d.Attempts + 1, At: began, Took: time.Since(began), Status: said.status, Response: said.response,
	}}}
	if err == nil {
		return r
	}
	span.Fail("not taken") // the error may tell where to
	r.Attempt.Error, r.asked = w.sender.masker.Replace(err.Error()), asked(err)
	r.State = state.Pending
	first := d.Started
	if first.IsZero() {
		first = began
	}
	now := time.Now()
	if r.Next = now.Add(backoff(d.Attempts, err)); r.Next.Sub(first) > maxRetryAge {
		r.State, r.Next = state.Failed, now
	}
	if gone(err) {
		r.State = state.Failed
	}
	return r
}

// span begins that of an attempt, which continues the trace of the request that the event
// comes of. It does not tell the URL, which may be a secret in itself.
func (w *worker) span(ctx context.Context, d state.Delivery) (context.Context, *trace.Span) {
	ctx, span := w.tracer.Start(ctx, trace.Parse(d.TraceParent, d.TraceState), "webhook "+w.endpoint.Name, trace.Client)
	span.Set("http.request.method", http.MethodPost)
	span.Set("http.request.resend_count", d.Attempts)
	span.Set("cms.webhook", w.endpoint.Name)
	span.Set("cms.event.type", d.Type)
	span.Set("cms.event.id", d.EventID)
	span.Set("cms.commit", d.Commit)
	return ctx, span
}

// traced is ctx in the trace that d continues, for the log.
func traced(ctx context.Context, d state.Delivery) context.Context {
	ctx, _ = (*trace.Tracer)(nil).Start(ctx, trace.Parse(d.TraceParent, d.TraceState), "", trace.Client)
	return ctx
}

// record records res and what else has come in.
func (w *worker) record(ctx context.Context, res outcome) {
	all := []outcome{res}
	for more := true; more; {
		select {
		case res := <-w.results:
			all = append(all, res)
		default:
			more = false
		}
	}
	// What was tried is recorded even at the end of the grace.
	ctx = context.WithoutCancel(ctx)
	results := make([]state.Result, len(all))
	for i, r := range all {
		results[i] = r.Result
	}
	if err := w.store.Record(ctx, results); err != nil {
		w.log.Error("attempts could not be recorded; the events will be sent again", "error", err)
		w.pause = time.Now().Add(pollInterval)
	}
	w.stale = true
	for _, r := range all {
		delete(w.inFlight, r.Delivery.ID)
		w.handle(ctx, r)
	}
}

// handle logs a result, and learns from it how the endpoint does.
func (w *worker) handle(ctx context.Context, r outcome) {
	d, now := r.Delivery, time.Now()
	ctx = traced(ctx, d)
	if r.State == state.Delivered {
		if w.failures >= failureThreshold {
			if err := w.store.RetryNow(ctx, w.endpoint.Name, now); err != nil {
				w.log.Error("waiting deliveries could not be retried now", "error", err)
			}
		}
		w.failures = 0
		w.log.InfoContext(ctx, "webhook delivered", "event", d.EventID, "type", d.Type, "subject", d.Subject, "attempt", r.Attempt.N, trace.Duration(r.Attempt.Took))
		return
	}
	w.failures++
	w.log.WarnContext(ctx, "webhook not delivered", "event", d.EventID, "type", d.Type, "subject", d.Subject, "attempt", r.Attempt.N, "error", r.Attempt.Error, "next", r.Next.Sub(now))
	if w.failures >= failureThreshold {
		w.rest(now.Add(min(backoff(w.failures-failureThreshold, nil), maxPause)))
	}
	w.rest(now.Add(r.asked))
	if w.endpoint.builds() {
		if err := w.store.Supersede(ctx, w.endpoint.Name, d.Path, now); err != nil {
			w.log.Error("an older build could not be dropped", "error", err)
		}
	}
	switch {
	case r.Attempt.Status == http.StatusGone:
		w.disable(ctx, "the endpoint answered 410 Gone", now)
	case r.State == state.Failed && w.dead(ctx, r):
		w.disable(ctx, fmt.Sprintf("no event was taken for %s", maxRetryAge), now)
	}
}

// rest tries nothing before then.
func (w *worker) rest(then time.Time) {
	if then.After(w.pause) {
		w.pause = then
	}
}

// dead says whether the endpoint took nothing since the first attempt of a
// delivery that was given up.
func (w *worker) dead(ctx context.Context, r outcome) bool {
	rows, err := w.store.Cursors(ctx)
	if err != nil {
		w.log.Error("webhook endpoints cannot be read", "error", err)
		return false
	}
	for _, row := range rows {
		if row.Name == w.endpoint.Name {
			return row.Succeeded.Before(r.Delivery.Started)
		}
	}
	return false
}

func (w *worker) disable(ctx context.Context, reason string, now time.Time) {
	if _, err := w.store.Disable(ctx, w.endpoint.Name, reason, now); err != nil {
		w.log.Error("webhook endpoint could not be disabled", "reason", reason, "error", err)
		return
	}
	w.outdated = true
	w.log.Error("webhook endpoint disabled", "reason", reason)
}
