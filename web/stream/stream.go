// Package stream keeps event streams open (server-sent events, as the HTML standard has
// them). It hides how many there may be, what wakes and what ends them, and that what
// many of them are told is made once and held within bounds.
//
// A door opens a stream for a caller, having refused who may not listen, and serves it
// until it ends:
//
//	open, err := streams.Open(web.CallerKey(principal))
//	if err != nil {
//		return err
//	}
//	open.Serve(w, r, hello, watcher)
package stream

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"cms/say"
	"cms/web"
)

// Bounds are of how many streams may be open at once.
type Bounds struct {
	PerCaller int // of whom a token names, by all its tokens; 100 when 0
	Total     int // 2000 when 0
}

// How many streams there may be where no other bounds are given.
const (
	perCaller = 100
	total     = 2000
)

// Options are what Streams are made of. Follow is required.
type Options struct {
	Bounds    Bounds
	Heartbeat time.Duration // between the comments that show that a stream is alive; 15 s when 0

	// Follow runs as long as a stream is open, until ctx ends. It calls wake when there
	// may be something to tell, so that whoever makes that wakes one goroutine, however
	// many streams there are.
	Follow func(ctx context.Context, wake func())

	Logger *slog.Logger
}

// Streams are those that are open: how many of whom, and what wakes them.
type Streams struct {
	bounds    Bounds
	heartbeat time.Duration
	follow    func(context.Context, func())
	log       *slog.Logger
	ended     chan struct{} // closed by end
	end       func()

	mu    sync.Mutex
	open  map[string]int // streams, by caller
	count int            // of all of them
	news  chan struct{}  // closed when there may be something to tell
	stop  func()         // ends Follow
}

// New is of no streams yet.
func New(o Options) *Streams {
	s := &Streams{
		bounds:    Bounds{cmp.Or(o.Bounds.PerCaller, perCaller), cmp.Or(o.Bounds.Total, total)},
		heartbeat: cmp.Or(o.Heartbeat, 15*time.Second),
		follow:    o.Follow,
		log:       cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		ended:     make(chan struct{}),
		open:      map[string]int{},
		news:      make(chan struct{}),
	}
	s.end = sync.OnceFunc(func() { close(s.ended) })
	return s
}

// retry is after how many seconds to ask again for a stream that was refused.
const retry = "10"

// Open counts a stream of a caller until it was served, or refuses it.
func (s *Streams) Open(caller string) (*Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.open[caller] >= s.bounds.PerCaller:
		return nil, web.NewProblem(http.StatusTooManyRequests, say.New("You have %d event streams open, which is as many as anyone may. Close one first.", s.bounds.PerCaller)).
			With("Retry-After", retry)
	case s.count >= s.bounds.Total:
		return nil, web.NewProblem(http.StatusServiceUnavailable, say.New("All %d event streams of the service are taken. Try again in a moment, or ask for /v1/changes.", s.bounds.Total)).
			With("Retry-After", retry)
	}
	s.open[caller]++
	if s.count++; s.count == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		s.stop = cancel
		go s.follow(ctx, s.wake)
	}
	return &Stream{streams: s, caller: caller}, nil
}

// leave counts a stream no more.
func (s *Streams) leave(caller string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[caller]--; s.open[caller] == 0 {
		delete(s.open, caller)
	}
	if s.count--; s.count == 0 {
		s.stop()
	}
}

// Opened is how many streams are open.
func (s *Streams) Opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// wake has each stream look whether there is something to tell.
func (s *Streams) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.news)
	s.news = make(chan struct{})
}

// next is closed when there may be something to tell after this. Ask for it first.
func (s *Streams) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

// End ends every stream, now and from now on, so that a server can shut down without
// waiting for who watches.
func (s *Streams) End() { s.end() }
