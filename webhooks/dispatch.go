package webhooks

import (
	"context"
	"slices"
	"sync"
	"time"

	"cms/state"
)

const (
	lockName   = "webhooks"
	pruneEvery = time.Hour
)

// deliver runs a worker for each endpoint while this service is the one that
// delivers.
func (r *Relay) deliver(ctx context.Context, closing <-chan struct{}, wake <-chan struct{}) {
	for {
		lock, err := r.db.TryLock(ctx, lockName)
		if err != nil {
			r.log.Error("webhooks cannot be delivered yet", "error", err)
		}
		if lock != nil {
			r.dispatch(ctx, closing, wake, lock)
			lock.Release()
		}
		select {
		case <-closing:
			return
		case <-time.After(pollInterval):
		}
	}
}

// dispatch starts and wakes workers until closing is closed or the lock may be
// lost.
func (r *Relay) dispatch(ctx context.Context, closing <-chan struct{}, wake <-chan struct{}, lock *state.Lock) {
	workers := map[string]*worker{}
	ended := make(chan struct{}, 1) // has a token when a worker has
	var running sync.WaitGroup
	defer running.Wait()
	dispatching, stop := context.WithCancel(ctx)
	defer stop()
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	for {
		rows, err := r.store.Cursors(ctx)
		if err != nil {
			r.log.Error("webhook endpoints cannot be read", "error", err)
		}
		for name, w := range workers {
			if err == nil && !slices.ContainsFunc(rows, func(row state.Endpoint) bool { return row.Name == name }) {
				w.stop() // its endpoint was deleted
				delete(workers, name)
			}
		}
		for _, row := range rows {
			e, ok := r.endpoint(row)
			w := workers[row.Name]
			if w != nil && (!row.Disabled.IsZero() || w.settings != row.Settings) {
				w.stop()
			}
			if !ok || w != nil && !w.ended() || !row.Disabled.IsZero() {
				continue
			}
			s, err := newSender(e)
			if err != nil {
				r.log.Error("webhook endpoint cannot be used", "endpoint", e, "error", err)
				continue
			}
			w = &worker{endpoint: e, settings: row.Settings, sender: s, store: r.store, tracer: r.tracer, log: r.log.With("endpoint", e), wake: make(chan struct{}, 1), done: make(chan struct{})}
			var delivering context.Context
			delivering, w.stop = context.WithCancel(dispatching)
			workers[row.Name] = w
			running.Go(func() {
				w.run(ctx, delivering.Done())
				poke(ended)
			})
		}
		for _, w := range workers {
			poke(w.wake)
		}
		var look <-chan time.Time
		if r.db.Postgres() || err != nil {
			look = time.After(pollInterval)
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
			if err := r.store.Prune(ctx, time.Now().Add(-retention)); err != nil {
				r.log.Error("old deliveries cannot be removed", "error", err)
			}
		case <-closing:
			return
		}
	}
}
