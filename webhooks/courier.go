package webhooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"cms/state"
)

const (
	parallel   = 8   // attempts at once, for one endpoint
	batch      = 256 // deliveries read at once
	tolerance  = 5   // failures in a row, after which one attempt at a time is made
	maxPause   = 10 * time.Minute
	lockName   = "webhooks"
	pruneEvery = time.Hour
)

// deliver runs a courier for each endpoint while this service is the one that
// delivers.
func (r *Relay) deliver(ctx context.Context, closing <-chan struct{}, wake <-chan struct{}) {
	for {
		lock, err := r.db.TryLock(ctx, lockName)
		if err != nil {
			r.log.Error("webhooks cannot be delivered yet", "error", err)
		}
		if lock != nil {
			r.lead(ctx, closing, wake, lock)
			lock.Release()
		}
		select {
		case <-closing:
			return
		case <-time.After(lookout):
		}
	}
}

// lead starts and wakes couriers until closing is closed or the lock may be
// lost.
func (r *Relay) lead(ctx context.Context, closing <-chan struct{}, wake <-chan struct{}, lock *state.Lock) {
	couriers := map[string]*courier{}
	ended := make(chan struct{}, 1) // has a token when a courier has
	var running sync.WaitGroup
	defer running.Wait()
	leading, stop := context.WithCancel(ctx)
	defer stop()
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	for {
		rows, err := r.store.Cursors(ctx)
		if err != nil {
			r.log.Error("webhook endpoints cannot be read", "error", err)
		}
		for name, c := range couriers {
			if err == nil && !slices.ContainsFunc(rows, func(row state.Endpoint) bool { return row.Name == name }) {
				c.stop() // its endpoint was deleted
				delete(couriers, name)
			}
		}
		for _, row := range rows {
			e, ok := r.endpoint(row)
			c := couriers[row.Name]
			if c != nil && (!row.Disabled.IsZero() || c.settings != row.Settings) {
				c.stop()
			}
			if !ok || c != nil && !c.ended() || !row.Disabled.IsZero() {
				continue
			}
			s, err := newSender(e)
			if err != nil {
				r.log.Error("webhook endpoint cannot be used", "endpoint", e, "error", err)
				continue
			}
			c = &courier{endpoint: e, settings: row.Settings, sender: s, store: r.store, log: r.log.With("endpoint", e), wake: make(chan struct{}, 1), done: make(chan struct{})}
			var delivering context.Context
			delivering, c.stop = context.WithCancel(leading)
			couriers[row.Name] = c
			running.Go(func() {
				c.run(ctx, delivering.Done())
				poke(ended)
			})
		}
		for _, c := range couriers {
			poke(c.wake)
		}
		var look <-chan time.Time
		if r.db.Postgres() || err != nil {
			look = time.After(lookout)
		}
		select {
		case <-wake:
		case <-ended: // its endpoint may have been enabled or changed meanwhile
		case <-look:
			if err := lock.Check(ctx); err != nil {
				r.log.Error("webhooks are left to another service", "error", err)
				return
			}
		case <-prune.C:
			if err := r.store.Prune(ctx, time.Now().Add(-memory)); err != nil {
				r.log.Error("old deliveries cannot be removed", "error", err)
			}
		case <-closing:
			return
		}
	}
}

// courier delivers to one endpoint. Its goroutine owns all that changes.
type courier struct {
	endpoint Endpoint
	settings string // of the endpoint, in the database
	sender   *sender
	store    *state.Webhooks
	log      *slog.Logger
	wake     chan struct{} // has a token when there may be something new
	done     chan struct{} // closed at the end
	stop     func()        // ends it soon; for anyone

	queue    []state.Delivery // due, and held back by no other
	flying   map[string]bool  // ids under way
	results  chan tried
	stale    bool      // the queue may lack something
	due      time.Time // when the next delivery is; zero when none is known
	failures int       // in a row
	pause    time.Time // until when nothing is tried
}

// tried is what came of an attempt, and for how long the endpoint asked to be left
// alone.
type tried struct {
	state.Result
	asked time.Duration
}

func (c *courier) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// run delivers until stop is closed, and waits for attempts under way, or until
// the endpoint is disabled.
func (c *courier) run(ctx context.Context, stop <-chan struct{}) {
	defer close(c.done)
	defer c.sender.close()
	c.flying, c.results, c.stale = map[string]bool{}, make(chan tried, parallel), true
	for {
		disabled := false
		select {
		case <-stop:
			for len(c.flying) > 0 {
				c.settle(ctx, <-c.results)
			}
			return
		default:
		}
		wait := c.launch(ctx)
		var timer <-chan time.Time
		if wait >= 0 {
			timer = time.After(wait)
		}
		select {
		case res := <-c.results:
			disabled = c.settle(ctx, res)
		case <-c.wake:
			c.stale = true
		case <-timer:
			c.stale = true
		case <-stop:
		}
		if disabled {
			for len(c.flying) > 0 {
				c.settle(ctx, <-c.results)
			}
			return
		}
	}
}

// launch starts what may be tried now. It returns how long to wait for more at
// most, negative when there is nothing to wait for but news.
func (c *courier) launch(ctx context.Context) time.Duration {
	now := time.Now()
	if c.pause.After(now) {
		return c.pause.Sub(now)
	}
	room := parallel
	if c.endpoint.builds() || c.failures >= tolerance {
		room = 1
	}
	if len(c.queue) == 0 && c.stale && len(c.flying) < room {
		if err := c.refill(ctx, now); err != nil {
			c.log.Error("deliveries cannot be read", "error", err)
			return lookout
		}
	}
	for len(c.flying) < room && len(c.queue) > 0 {
		d := c.queue[0]
		c.queue = c.queue[1:]
		if c.endpoint.builds() {
			started, err := c.store.Start(ctx, d.ID, now)
			if errors.Is(err, state.ErrUnknown) {
				continue
			}
			if err != nil {
				c.log.Error("a build cannot be started", "error", err)
				c.stale = true
				return lookout
			}
			d = started
		}
		c.flying[d.ID] = true
		go func() { c.results <- c.attempt(ctx, d) }()
	}
	if c.due.IsZero() || len(c.flying) >= room {
		return -1
	}
	return max(0, c.due.Sub(now))
}

// refill reads what is due.
func (c *courier) refill(ctx context.Context, now time.Time) error {
	heads, err := c.store.Heads(ctx, c.endpoint.Name, batch+len(c.flying))
	if err != nil {
		return err
	}
	c.due, c.stale = time.Time{}, false
	for _, d := range heads {
		switch {
		case c.flying[d.ID]:
		case d.Next.After(now):
			c.due = d.Next
			return nil
		default:
			c.queue = append(c.queue, d)
		}
	}
	return nil
}

// attempt tries a delivery once. It runs in a goroutine of its own.
func (c *courier) attempt(ctx context.Context, d state.Delivery) tried {
	began := time.Now()
	said, err := c.sender.post(ctx, d.EventID, []byte(d.Body))
	r := tried{Result: state.Result{Delivery: d, State: state.Delivered, Next: began, Attempt: state.Attempt{
		N: d.Attempts + 1, At: began, Took: time.Since(began), Status: said.status, Response: said.response,
	}}}
	if err == nil {
		return r
	}
	r.Attempt.Error, r.asked = err.Error(), asked(err)
	r.State = state.Pending
	first := d.Started
	if first.IsZero() {
		first = began
	}
	now := time.Now()
	if r.Next = now.Add(backoff(d.Attempts, err)); r.Next.Sub(first) > patience {
		r.State, r.Next = state.Failed, now
	}
	if gone(err) {
		r.State = state.Failed
	}
	return r
}

// settle records res and what else has come in. It says whether the endpoint is
// disabled now.
func (c *courier) settle(ctx context.Context, res tried) (disabled bool) {
	all := []tried{res}
	for more := true; more; {
		select {
		case res := <-c.results:
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
	if err := c.store.Settle(ctx, results); err != nil {
		c.log.Error("attempts could not be recorded; the events will be sent again", "error", err)
		c.pause = time.Now().Add(lookout)
	}
	c.stale = true
	for _, r := range all {
		delete(c.flying, r.Delivery.ID)
		disabled = c.heed(ctx, r) || disabled
	}
	return disabled
}

// heed logs a result, and learns from it how the endpoint does.
func (c *courier) heed(ctx context.Context, r tried) (disabled bool) {
	d, now := r.Delivery, time.Now()
	if r.State == state.Delivered {
		if c.failures >= tolerance {
			if err := c.store.Hasten(ctx, c.endpoint.Name, now); err != nil {
				c.log.Error("deliveries could not be hastened", "error", err)
			}
		}
		c.failures = 0
		c.log.Info("webhook delivered", "event", d.EventID, "type", d.Type, "subject", d.Subject, "attempt", r.Attempt.N, "took", r.Attempt.Took)
		return false
	}
	c.failures++
	c.log.Warn("webhook not delivered", "event", d.EventID, "type", d.Type, "subject", d.Subject, "attempt", r.Attempt.N, "error", r.Attempt.Error, "next", r.Next.Sub(now))
	if c.failures >= tolerance {
		c.rest(now.Add(min(backoff(c.failures-tolerance, nil), maxPause)))
	}
	c.rest(now.Add(r.asked))
	if c.endpoint.builds() {
		if err := c.store.Supersede(ctx, c.endpoint.Name, d.Path, now); err != nil {
			c.log.Error("an older build could not be dropped", "error", err)
		}
	}
	switch {
	case r.Attempt.Status == http.StatusGone:
		return c.disable(ctx, "the endpoint answered 410 Gone", now)
	case r.State == state.Failed && c.dead(ctx, r):
		return c.disable(ctx, fmt.Sprintf("no event was taken for %s", patience), now)
	}
	return false
}

// rest tries nothing before then.
func (c *courier) rest(then time.Time) {
	if then.After(c.pause) {
		c.pause = then
	}
}

// dead says whether the endpoint took nothing since the first attempt of a
// delivery that was given up.
func (c *courier) dead(ctx context.Context, r tried) bool {
	rows, err := c.store.Cursors(ctx)
	if err != nil {
		c.log.Error("webhook endpoints cannot be read", "error", err)
		return false
	}
	for _, row := range rows {
		if row.Name == c.endpoint.Name {
			return row.Succeeded.Before(r.Delivery.Started)
		}
	}
	return false
}

func (c *courier) disable(ctx context.Context, reason string, now time.Time) bool {
	if _, err := c.store.Disable(ctx, c.endpoint.Name, reason, now); err != nil {
		c.log.Error("webhook endpoint could not be disabled", "reason", reason, "error", err)
		return false
	}
	c.log.Error("webhook endpoint disabled", "reason", reason)
	return true
}
