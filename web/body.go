package web

import (
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"cms/say"
)

// Body reads the body of a request of an operation that bounds it. It is the caller's
// until release is called, which gives back the room that it takes.
func (f *Floor) Body(r *http.Request) (body []byte, release func(), err error) {
	c := recordOf(r.Context())
	if err := Announced(r); err != nil {
		return nil, nil, err
	}
	caller := ""
	if c.Principal != nil {
		caller = CallerKey(c.Principal)
	}
	return f.bodies.read(r.Context(), caller, r.Body, r.ContentLength, c.Operation.Body)
}

// Announced refuses a body that says itself that it is longer than its operation takes.
func Announced(r *http.Request) error {
	if limit := CallOf(r.Context()).Operation.Body; r.ContentLength > limit {
		return TooLarge(limit)
	}
	return nil
}

// TooLarge refuses a body of more than limit bytes.
func TooLarge(limit int64) *Problem {
	return NewProblem(http.StatusRequestEntityTooLarge, say.New("The body is larger than the %d bytes that are accepted.", limit))
}

// MaxBody is how many bytes the body of a request may have, where its operation names no
// other bound.
func (f *Floor) MaxBody() int64 { return f.maxBody }

// MediaType is which of the accepted media types a request's body is in. A 415
// names the accepted ones, also in the header that is given, if any.
func MediaType(contentType, header string, accepted ...string) (string, error) {
	media, params, err := mime.ParseMediaType(contentType)
	charset := strings.ToLower(params["charset"])
	if err == nil && slices.Contains(accepted, media) && (charset == "" || charset == "utf-8") {
		return media, nil
	}
	p := NewProblem(http.StatusUnsupportedMediaType, say.New("The Content-Type must be %s, in UTF-8.", say.Or(accepted...)))
	if header != "" {
		p = p.With(header, strings.Join(accepted, ", "))
	}
	return "", p
}

// arriving is a body on its way. It ends at the bound of its operation, and its failures
// are problems.
type arriving struct {
	io.ReadCloser
	left  int64 // bytes that are to come; negative where that is not told
	limit int64 // bytes that are taken; 0 for no bound
	taken int64
	ended bool

	arrived func() // is called at its end; nil for nothing
}

func newArriving(r *http.Request) *arriving {
	return &arriving{ReadCloser: r.Body, left: r.ContentLength}
}

func (a *arriving) Read(b []byte) (int, error) {
	if a.limit > 0 && int64(len(b)) > a.limit-a.taken+1 {
		b = b[:a.limit-a.taken+1] // one byte more says that it is too long
	}
	n, err := a.ReadCloser.Read(b)
	if a.left > 0 {
		a.left -= int64(n)
	}
	a.taken += int64(n)
	switch over := a.taken - a.limit; {
	case a.limit > 0 && over > 0:
		a.taken = a.limit
		return n - int(over), TooLarge(a.limit)
	case errors.Is(err, io.EOF):
		if a.ended = true; a.arrived != nil {
			a.arrived()
		}
	case err != nil:
		return n, unread(err)
	}
	return n, err
}

// unread says why a body could not be read.
func unread(err error) *Problem {
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return NewProblem(http.StatusRequestTimeout, say.New("The body did not arrive in time. Send it again."))
	}
	return NewProblem(http.StatusBadRequest, say.New("The body was cut short or is not framed as HTTP asks. Send it again."))
}

// smallBody is what each body may have in memory without asking.
const smallBody = 64 << 10

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
	return NewProblem(http.StatusServiceUnavailable, say.New("Too many large requests are under way. Nothing was saved; try again in a moment.")).With("Retry-After", "2")
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
