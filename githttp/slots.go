package githttp

import (
	"context"
	"net/http"
	"sync"
	"time"

	"cms/say"
	"cms/web"
)

// slotWait is how long a request waits for its turn.
const slotWait = 10 * time.Second

// slots are how many requests are served at once. One caller gets half of them, and at least
// one.
type slots struct {
	free  chan struct{}
	share int

	mu    sync.Mutex
	lanes map[string]*lane // by caller
}

// lane is the slots of one caller.
type lane struct {
	free  chan struct{}
	users int // who have one or wait for one
}

func newSlots(n int) *slots {
	return &slots{free: make(chan struct{}, n), share: max(1, n/2), lanes: map[string]*lane{}}
}

// take waits for a slot, a moment at most.
func (s *slots) take(ctx context.Context, caller string) (release func(), err error) {
	l := s.enter(caller)
	ctx, cancel := context.WithTimeout(ctx, slotWait)
	defer cancel()
	select {
	case l.free <- struct{}{}:
	case <-ctx.Done():
		s.leave(caller)
		return nil, errBusy()
	}
	select {
	case s.free <- struct{}{}:
	case <-ctx.Done():
		<-l.free
		s.leave(caller)
		return nil, errBusy()
	}
	return sync.OnceFunc(func() {
		<-s.free
		<-l.free
		s.leave(caller)
	}), nil
}

func (s *slots) enter(caller string) *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[caller]
	if l == nil {
		l = &lane{free: make(chan struct{}, s.share)}
		s.lanes[caller] = l
	}
	l.users++
	return l
}

func (s *slots) leave(caller string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lanes[caller]; l.users == 1 {
		delete(s.lanes, caller)
	} else {
		l.users--
	}
}

func errBusy() error {
	return web.NewProblem(http.StatusServiceUnavailable, say.New("Too many clones, fetches and pushes are under way. Try again in a moment.")).With("Retry-After", "10")
}
