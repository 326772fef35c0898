package auth

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"
)

// How long to wait after metadata could not be fetched: the shortest time at first,
// twice as long after each further failure.
const (
	minRetry = time.Second
	maxRetry = time.Minute
)

// endpoints are where people log in at a provider, as it tells by its metadata. They
// are fetched when they are first asked for and when they have aged; the last good
// ones are kept while it does not answer. However many ask, one fetches at a time,
// and after a failure nobody does for a while.
type endpoints struct {
	issuer string
	client *http.Client

	current atomic.Pointer[fetchedEndpoints] // nil until a fetch succeeds
	turn    chan struct{}                    // holds one token: who took it may fetch, and owns what follows

	after  time.Time // before which nothing is fetched
	pause  time.Duration
	failed error // why the last fetch did
}

type fetchedEndpoints struct {
	metadata
	at time.Time
}

func newEndpoints(issuer string, client *http.Client) *endpoints {
	e := &endpoints{issuer: issuer, client: client, turn: make(chan struct{}, 1)}
	e.turn <- struct{}{}
	return e
}

func (e *endpoints) get(ctx context.Context) (metadata, error) {
	current := e.current.Load()
	switch {
	case current == nil:
		select {
		case <-e.turn:
		case <-ctx.Done():
			return metadata{}, ctx.Err()
		}
	case time.Since(current.at) > refetchAfter:
		select {
		case <-e.turn:
		default:
			return current.metadata, nil
		}
	default:
		return current.metadata, nil
	}
	defer func() { e.turn <- struct{}{} }()
	e.refresh(ctx)
	if current = e.current.Load(); current == nil {
		return metadata{}, e.failed
	}
	return current.metadata, nil
}

// refresh fetches what has aged, unless somebody else has, or has failed a moment
// ago. The caller has the turn.
func (e *endpoints) refresh(ctx context.Context) {
	current, now := e.current.Load(), time.Now()
	if current != nil && now.Sub(current.at) <= refetchAfter || now.Before(e.after) {
		return
	}
	// Others wait for this answer: that our caller goes away must not end it.
	m, err := discover(context.WithoutCancel(ctx), e.client, e.issuer)
	if err == nil && (m.Authorization == "" || m.Token == "") {
		err = errors.New("its metadata names no endpoints to log in at")
	}
	if err != nil {
		e.pause = min(max(2*e.pause, minRetry), maxRetry)
		e.after, e.failed = time.Now().Add(e.pause), err
		return
	}
	e.pause, e.failed = 0, nil
	e.current.Store(&fetchedEndpoints{m, time.Now()})
}
