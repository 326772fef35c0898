package stream

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// Bounds of what is held for streams, in bytes: of all parts together, of what is set
// aside for one while it is made, and of what one takes beside its text.
const (
	maxHeld  = 16 << 20
	partRoom = 128 << 10
	partCost = 512
)

// A Source makes the parts of what streams are told.
type Source[N comparable] interface {
	// Make is the text of a part, and the name of the one that follows it: its own, where
	// there is nothing to tell yet.
	Make(ctx context.Context, name N) (text []byte, next N, err error)

	// Holds says whether what leads to next was not overtaken since it was made.
	Holds(next N) bool
}

// Parts are texts for streams. Each is made once for all that ask for it by its name, by
// the one that comes first, never by who makes what it tells of. It is kept for those that
// come later as long as there is room.
type Parts[N comparable] struct {
	room  *semaphore.Weighted // of maxHeld bytes
	taken atomic.Int64        // of it

	mu      sync.Mutex
	named   map[N]*Part[N]
	idle    idle[N] // of named, those that nobody holds
	waiting int     // how many wait for room, while none is idle
}

// NewParts is of no parts yet.
func NewParts[N comparable]() *Parts[N] {
	return &Parts[N]{room: semaphore.NewWeighted(maxHeld), named: map[N]*Part[N]{}}
}

// Part is a text that was made. Whoever gets one has to release it.
type Part[N comparable] struct {
	Text []byte
	Next N // the part that follows

	name   N
	ready  chan struct{} // closed when Text and Next are there
	err    error
	weight int64 // of the room

	// Guarded by Parts.mu.
	holders        int
	older, younger *Part[N] // in idle
}

// Get is the part of a name, which source makes where nobody has had it.
func (s *Parts[N]) Get(ctx context.Context, source Source[N], name N) (*Part[N], error) {
	for {
		p, first := s.hold(name)
		if first {
			s.make(ctx, source, p)
		}
		select {
		case <-p.ready:
		case <-ctx.Done():
			s.Release(p)
			return nil, ctx.Err()
		}
		if p.err == nil && source.Holds(p.Next) {
			return p, nil
		}
		err := p.err
		s.forget(p)
		s.Release(p)
		if first && err != nil || err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
	}
}

// hold is what has the name, held once more. The first one has to make it.
func (s *Parts[N]) hold(name N) (p *Part[N], first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p = s.named[name]
	if first = p == nil; first {
		p = &Part[N]{name: name, ready: make(chan struct{})}
		s.named[name] = p
	}
	if p.holders++; p.holders == 1 && !first {
		s.idle.remove(p)
	}
	return p, first
}

// Release lets go of p, which stays for others as long as there is room.
func (s *Parts[N]) Release(p *Part[N]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.holders--; p.holders > 0 {
		return
	}
	switch there := s.named[p.name] == p; {
	case there && s.waiting == 0:
		s.idle.add(p)
	case there:
		delete(s.named, p.name)
		fallthrough
	default:
		s.give(p.weight)
	}
}

// forget leaves p to those who hold it.
func (s *Parts[N]) forget(p *Part[N]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.named[p.name] == p {
		delete(s.named, p.name)
	}
}

// make has p made, once there is room for it.
func (s *Parts[N]) make(ctx context.Context, source Source[N], p *Part[N]) {
	defer close(p.ready)
	if p.err = s.take(ctx, partRoom); p.err != nil {
		return
	}
	p.weight = partRoom
	if p.Text, p.Next, p.err = source.Make(ctx, p.name); p.err != nil {
		return
	}
	if weight := int64(len(p.Text) + partCost); weight < p.weight { // a larger one is rare, and its room is not waited for
		s.give(p.weight - weight)
		p.weight = weight
	}
	if p.Next == p.name { // when there is more, it is another part
		s.forget(p)
	}
}

// take takes room: first that of what nobody holds, then what is let go of.
func (s *Parts[N]) take(ctx context.Context, bytes int64) error {
	for !s.room.TryAcquire(bytes) {
		if s.drop(1) {
			continue
		}
		err := s.room.Acquire(ctx, bytes)
		s.mu.Lock()
		s.waiting--
		s.mu.Unlock()
		if err != nil {
			return err
		}
		break
	}
	s.taken.Add(bytes)
	return nil
}

// give gives room back.
func (s *Parts[N]) give(bytes int64) {
	s.taken.Add(-bytes)
	s.room.Release(bytes)
}

// drop gives back the room of the oldest part that nobody holds. Where there is none it
// is false, and waiting more wait.
func (s *Parts[N]) drop(waiting int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.idle.oldest
	if oldest == nil {
		s.waiting += waiting
		return false
	}
	s.idle.remove(oldest)
	delete(s.named, oldest.name)
	s.give(oldest.weight)
	return true
}

// Trim drops the parts that nobody holds, and says how many bytes the others take.
func (s *Parts[N]) Trim() int64 {
	for s.drop(0) {
		continue
	}
	return s.taken.Load()
}

// idle are parts in the order in which they were let go of. To take one out and put it
// back, which each stream does with each edit, costs no memory.
type idle[N comparable] struct{ oldest, youngest *Part[N] }

func (all *idle[N]) add(p *Part[N]) {
	if p.older = all.youngest; p.older != nil {
		p.older.younger = p
	} else {
		all.oldest = p
	}
	all.youngest = p
}

// remove takes out p, which is there.
func (all *idle[N]) remove(p *Part[N]) {
	if p.older != nil {
		p.older.younger = p.younger
	} else {
		all.oldest = p.younger
	}
	if p.younger != nil {
		p.younger.older = p.older
	} else {
		all.youngest = p.older
	}
	p.older, p.younger = nil, nil
}
