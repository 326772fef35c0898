package repo

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// A request is an update on its way through the queue.
type request struct {
	ctx  context.Context
	meta Meta
	fn   func(*Tx) error

	done   chan struct{} // closed once result and err are set
	result Result
	err    error

	state atomic.Int32
	sent  chan struct{} // holds one when its commit began to be on the way to a remote; nil where updates do not wait for that
}

func (q *request) answer(result Result, err error) {
	q.result, q.err = result, err
	close(q.done)
}

// A queue holds the requests that wait for the writer.
type queue struct {
	limit int
	wake  chan struct{} // holds one when there may be something to take

	mu      sync.Mutex
	waiting []*request
	closed  bool
}

func newQueue(limit int) *queue { return &queue{limit: limit, wake: make(chan struct{}, 1)} }

// push adds q. ErrBusy when the queue is full, ErrClosed after close.
func (u *queue) push(q *request) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.closed:
		return ErrClosed
	case len(u.waiting) >= u.limit:
		return ErrBusy
	}
	u.waiting = append(u.waiting, q)
	u.signal()
	return nil
}

// cancel takes q out. It is false when the writer has it already.
func (u *queue) cancel(q *request) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.Index(u.waiting, q)
	if i >= 0 {
		u.waiting = slices.Delete(u.waiting, i, i+1)
	}
	return i >= 0
}

// pop takes up to n requests, those that wait longest. It never blocks.
func (u *queue) pop(n int) []*request {
	u.mu.Lock()
	defer u.mu.Unlock()
	n = min(n, len(u.waiting))
	group := slices.Clone(u.waiting[:n])
	u.waiting = slices.Delete(u.waiting, 0, n)
	if len(u.waiting) > 0 {
		u.signal()
	}
	return group
}

// size is how many requests wait.
func (u *queue) size() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.waiting)
}

func (u *queue) signal() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// close lets nothing more in. What waits can still be taken.
func (u *queue) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
}
