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
	"sync"
	"time"
)

// Options are what Streams are made of. Follow is required.
type Options struct {
	Places    *Places       // that these streams take, and perhaps those of other doors; nil for some of their own
	Heartbeat time.Duration // between the comments that show that a stream is alive; 15 s when 0

	// Follow runs as long as a stream is open, until ctx ends. It calls wake when there
	// may be something to tell, so that whoever makes that wakes one goroutine, however
	// many streams there are.
	Follow func(ctx context.Context, wake func())

	Logger *slog.Logger
}

// Streams are those of a door that are open, and what wakes them.
type Streams struct {
	places    *Places
	heartbeat time.Duration
	follow    func(context.Context, func())
	log       *slog.Logger
	ended     chan struct{} // closed by end
	end       func()

	mu    sync.Mutex
	count int           // of those that are open
	news  chan struct{} // closed when there may be something to tell
	stop  func()        // ends Follow
}

// New is of no streams yet.
func New(o Options) *Streams {
	s := &Streams{
		places:    o.Places,
		heartbeat: cmp.Or(o.Heartbeat, 15*time.Second),
		follow:    o.Follow,
		log:       cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		ended:     make(chan struct{}),
		news:      make(chan struct{}),
	}
	if s.places == nil {
		s.places = NewPlaces(Bounds{})
	}
	s.end = sync.OnceFunc(func() { close(s.ended) })
	return s
}

// Open takes a place for a stream of a caller until it was served, or refuses it.
func (s *Streams) Open(caller string) (*Stream, error) {
	if err := s.places.take(caller); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count++; s.count == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		s.stop = cancel
		go s.follow(ctx, s.wake)
	}
	return &Stream{streams: s, caller: caller}, nil
}

// leave gives the place of a stream back.
func (s *Streams) leave(caller string) {
	s.places.leave(caller)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count--; s.count == 0 {
		s.stop()
	}
}

// Opened is how many streams of this door are open.
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
