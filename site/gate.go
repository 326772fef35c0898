package site

import (
	"context"
	"sync"
	"time"
)

// A gate lets work in the background wait while somebody waits for an answer that needs
// the processors. The zero gate is open.
type gate struct {
	mu     sync.Mutex
	lists  crowd // of those who wait for a list: the background waits until they have it
	writes crowd // of those who write, which may never end: it works a part of the time
}

// A crowd is how many there are, and a channel that is closed when all have left.
type crowd struct {
	here int
	left chan struct{}
}

// Work in the background passes the gate once for so many entries. There it is kept for
// gateWait at most, that it gets on whatever comes, and beside writes for so many times as
// it has worked.
const (
	gateEntries = 100
	gateWait    = time.Second
	gateRest    = 9
)

// enterList keeps others waiting until what it returns is called.
func (g *gate) enterList() (leave func()) { return g.enter(&g.lists) }

// enterWrite slows others down until what it returns is called.
func (g *gate) enterWrite() (leave func()) { return g.enter(&g.writes) }

func (g *gate) enter(c *crowd) (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.here++; c.here == 1 {
		c.left = make(chan struct{})
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if c.here--; c.here == 0 {
			close(c.left)
		}
	}
}

// A shift is work in the background that passes a gate again and again.
type shift struct {
	gate  *gate
	since time.Time // when it passed last, or began
}

func (g *gate) shift() *shift { return &shift{g, time.Now()} }

// pass lets those at the gate go first, as far as it says. The error is that of ctx.
func (s *shift) pass(ctx context.Context) error {
	worked := time.Since(s.since)
	s.gate.mu.Lock()
	wait, left := time.Duration(0), s.gate.lists.left
	switch {
	case s.gate.lists.here > 0:
		wait = gateWait
	case s.gate.writes.here > 0:
		wait, left = min(gateWait, gateRest*worked), s.gate.writes.left
	}
	s.gate.mu.Unlock()
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-left:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	s.since = time.Now()
	return ctx.Err()
}

// awaitWarm waits until the writer has read what there is of every collection, if it is
// read for the first time.
func (s *Site) awaitWarm(ctx context.Context) error {
	for _, c := range s.collections {
		if err := s.repo.AwaitWarm(ctx, c.Name); err != nil {
			return err
		}
	}
	return nil
}
