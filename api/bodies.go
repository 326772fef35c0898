package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
)

// Payload is the body of a request, for the operations that have one. It is read once
// the operation has admitted the request: by who sends it, and by all else that can
// be told without it.
type Payload struct {
	body    []byte // nil until then
	request *http.Request
	writer  http.ResponseWriter
}

// Resolve implements [huma.Resolver].
func (s *Payload) Resolve(ctx huma.Context) []error {
	s.request, s.writer = humamux.Unwrap(ctx)
	return nil
}

func (s *Payload) payload() *Payload { return s }

// admitter is the input of an operation that has a body. Admit refuses what can be
// refused before it is read.
type admitter interface {
	admit(ctx context.Context, a *API) error
	payload() *Payload
}

// receive admits a request and, unless its body is a stream that the operation reads,
// reads it. Release gives back the room that it takes.
func (a *API) receive(ctx context.Context, in admitter, d *doc, limit int64) (release func(), err error) {
	s := in.payload()
	if err := in.admit(ctx, a); err != nil {
		return nil, err
	}
	if s.request.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	if d.streamed {
		return func() {}, nil
	}
	caller := ""
	if pr := principal(ctx); pr != nil {
		caller = callerKey(pr)
	}
	s.body, release, err = a.bodies.read(ctx, caller, s.request.Body, s.request.ContentLength, limit)
	if err != nil {
		return nil, bodyProblem(err)
	}
	return release, nil
}

// bodyProblem says why a body could not be read.
func bodyProblem(err error) error {
	var (
		large   *http.MaxBytesError
		timeout net.Error
		told    *Problem
	)
	switch {
	case errors.As(err, &told):
		return told
	case errors.As(err, &large):
		return tooLarge(large.Limit)
	case errors.As(err, &timeout) && timeout.Timeout():
		return newProblem(http.StatusRequestTimeout, "The body did not arrive in time. Send it again.")
	}
	return newProblem(http.StatusBadRequest, "The body was cut short or is not framed as HTTP asks. Send it again.")
}

// DefaultBodyMemory is how many bytes of bodies are held at once where no other
// limit is configured.
const DefaultBodyMemory = 64 << 20

// Bounds of those who wait for room.
const (
	roomWait      = 5 * time.Second // then a request is refused
	maxWaiting    = 128             // requests
	waitingPerOne = 16              // requests of one caller
)

// bodies is the account of the bodies that are held in memory, by all requests
// together. What a small body has, each body may have without asking: so whoever
// writes little is never in the way of those who write much. For more, a body asks
// once, for all that it may become, so that none holds room while it waits for more.
// One caller gets a quarter of it all, so that nobody alone fills it.
type bodies struct {
	share int64

	mu      sync.Mutex
	free    int64
	held    map[string]int64 // by caller
	waiting []*claimant      // the first one came first
}

// claimant waits for room.
type claimant struct {
	caller string
	bytes  int64
	given  chan struct{} // closed by who gives it
}

// newBodies is an account of total bytes, of bodies that are at most limit long.
func newBodies(total, limit int64) *bodies {
	total = max(total, limit)
	return &bodies{share: max(total/4, limit), free: total, held: map[string]int64{}}
}

// read reads a body of length bytes, -1 where it is not told, and of limit at most.
// It is the caller's until release is called.
func (b *bodies) read(ctx context.Context, caller string, r io.Reader, length, limit int64) (body []byte, release func(), err error) {
	release = func() {}
	most := limit // that it may become
	if length >= 0 {
		most = min(length, limit)
	}
	body = make([]byte, min(most, smallBody))
	if length < 0 {
		body = body[:min(most, 4<<10)]
	}
	n := 0
	for {
		var more int
		more, err = io.ReadFull(r, body[n:])
		n += more
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil
			break
		}
		if err != nil || int64(n) == length {
			break
		}
		if int64(n) == most { // one byte more is too many; the reader says so
			if _, err = io.ReadFull(r, make([]byte, 1)); errors.Is(err, io.EOF) {
				err = nil
			}
			break
		}
		if n == smallBody {
			if release, err = b.take(ctx, caller, most); err != nil {
				return nil, nil, err
			}
		}
		size := min(int64(2*n), most)
		if length >= 0 && n >= smallBody {
			size = most
		}
		body = append(make([]byte, 0, size), body[:n]...)[:size]
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return body[:n], release, nil
}

// take waits for room for n bytes of a caller, a moment at most.
func (b *bodies) take(ctx context.Context, caller string, n int64) (release func(), err error) {
	release = sync.OnceFunc(func() { b.give(caller, n) })
	b.mu.Lock()
	if len(b.waiting) == 0 && b.fits(caller, n) {
		b.grant(caller, n)
		b.mu.Unlock()
		return release, nil
	}
	mine := 0
	for _, c := range b.waiting {
		if c.caller == caller {
			mine++
		}
	}
	c := &claimant{caller, n, make(chan struct{})}
	if len(b.waiting) == maxWaiting || mine == waitingPerOne {
		b.mu.Unlock()
		return nil, noRoom()
	}
	b.waiting = append(b.waiting, c)
	b.serve()
	b.mu.Unlock()

	timer := time.NewTimer(roomWait)
	defer timer.Stop()
	select {
	case <-c.given:
		return release, nil
	case <-timer.C:
	case <-ctx.Done():
	}
	if !b.leave(c) { // it was given at this moment
		release()
	}
	return nil, noRoom()
}

func noRoom() error {
	return newProblem(http.StatusServiceUnavailable, "Too many large requests are under way. Nothing was saved; try again in a moment.").with("Retry-After", "2")
}

func (b *bodies) fits(caller string, n int64) bool {
	return n <= b.free && b.held[caller]+n <= b.share
}

func (b *bodies) grant(caller string, n int64) {
	b.free -= n
	b.held[caller] += n
}

// give takes room back.
func (b *bodies) give(caller string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
	if b.held[caller] -= n; b.held[caller] == 0 {
		delete(b.held, caller)
	}
	b.serve()
}

// leave says whether c still waited, and waits no more.
func (b *bodies) leave(c *claimant) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.waiting {
		if b.waiting[i] == c {
			b.waiting = append(b.waiting[:i:i], b.waiting[i+1:]...)
			b.serve()
			return true
		}
	}
	return false
}

// serve gives room to those who wait, in their order, but for those who wait for
// what they hold themselves. The caller holds mu.
func (b *bodies) serve() {
	var left []*claimant
	full := false
	for _, c := range b.waiting {
		own := b.held[c.caller]+c.bytes > b.share
		if full = full || !own && c.bytes > b.free; full || own {
			left = append(left, c)
			continue
		}
		b.grant(c.caller, c.bytes)
		close(c.given)
	}
	b.waiting = left
}
