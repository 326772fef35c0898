package stream

import (
	"cmp"
	"net/http"
	"sync"

	"cms/say"
	"cms/web"
)

// Bounds are of how many streams may be open at once.
type Bounds struct {
	PerCaller int // of whom a token names, by all its tokens and sessions; 100 when 0
	Total     int // 2000 when 0
}

// How many streams there may be where no other bounds are given.
const (
	perCaller = 100
	total     = 2000
)

// Places are those for streams, which the doors of a service share: what a stream takes
// does not go by the door that it was asked for at.
type Places struct {
	bounds Bounds

	mu    sync.Mutex
	taken map[string]int // by caller
	count int            // of all of them
}

// NewPlaces are all free.
func NewPlaces(b Bounds) *Places {
	return &Places{
		bounds: Bounds{cmp.Or(b.PerCaller, perCaller), cmp.Or(b.Total, total)},
		taken:  map[string]int{},
	}
}

// retry is after how many seconds to ask again for a stream that was refused.
const retry = "10"

// take takes a place for a caller, or says why there is none.
func (p *Places) take(caller string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.taken[caller] >= p.bounds.PerCaller:
		return web.NewProblem(http.StatusTooManyRequests, say.New("You have %d event streams open, which is as many as anyone may. Close one first.", p.bounds.PerCaller)).
			With("Retry-After", retry)
	case p.count >= p.bounds.Total:
		return web.NewProblem(http.StatusServiceUnavailable, say.New("All %d event streams of the service are taken. Try again in a moment, or ask for /v1/changes.", p.bounds.Total)).
			With("Retry-After", retry)
	}
	p.taken[caller]++
	p.count++
	return nil
}

// leave gives a place back.
func (p *Places) leave(caller string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[caller]--; p.taken[caller] == 0 {
		delete(p.taken, caller)
	}
	p.count--
}

// Taken is how many places are taken.
func (p *Places) Taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}
