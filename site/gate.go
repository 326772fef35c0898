package site

import (
	"context"
	"sync"
	"time"
)

// A gate lets work in the background wait while somebody waits for an answer that needs
// the processors. The zero gate is open.
type gate struct {
	mu   sync.Mutex
	busy int
	idle chan struct{} // closed when nobody is busy any more
}

// Work in the background passes the gate once for so many entries, and is kept there for
// so long at most, that it gets on whatever comes.
const (
	gateEntries = 100
	gateWait    = time.Second
)

// enter keeps others waiting until what it returns is called.
func (g *gate) enter() (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy++; g.busy == 1 {
		g.idle = make(chan struct{})
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.busy--; g.busy == 0 {
			close(g.idle)
		}
	}
}

// pass waits until nobody is busy, or for gateWait. The error is that of ctx.
func (g *gate) pass(ctx context.Context) error {
	g.mu.Lock()
	busy, idle := g.busy > 0, g.idle
	g.mu.Unlock()
	if !busy {
		return ctx.Err()
	}
	timer := time.NewTimer(gateWait)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	case <-ctx.Done():
	}
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
