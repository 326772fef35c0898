package stream_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cms/auth"
	"cms/web"
	"cms/web/stream"
)

// reader is a watcher, and the client that it is told by.
type reader struct {
	*httptest.ResponseRecorder
	full    atomic.Bool // takes nothing more
	refused atomic.Bool // by Check
	news    string      // to be told next
	told    int         // times
	expires time.Time
}

func newReader() *reader { return &reader{ResponseRecorder: httptest.NewRecorder()} }

func (r *reader) Tell(_ context.Context, w *stream.Writer) error {
	r.told++
	_, err := w.Write([]byte(r.news))
	r.news = ""
	return err
}

func (r *reader) Check(*http.Request) error {
	if r.refused.Load() {
		return errors.New("may not listen")
	}
	return nil
}

func (r *reader) Expires() time.Time { return r.expires }

func (r *reader) Write(b []byte) (int, error) {
	if r.full.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	return r.ResponseRecorder.Write(b)
}

// source wakes streams on demand.
type source struct {
	running bool
	wake    func()
}

func (s *source) follow(ctx context.Context, wake func()) {
	s.running, s.wake = true, wake
	<-ctx.Done()
	s.running = false
}

// serve opens a stream of a caller for r, and has it served until done is closed.
func serve(ctx context.Context, t *testing.T, s *stream.Streams, caller string, r *reader) (done chan struct{}) {
	t.Helper()
	open, err := s.Open(caller)
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan struct{})
	go func() {
		defer close(done)
		open.Serve(r, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody), []byte("hello\n"), r)
	}()
	synctest.Wait()
	return done
}

func TestStreamsTellWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src source
		s := stream.New(stream.Options{Follow: src.follow, Heartbeat: time.Minute})
		if src.running {
			t.Error("something is followed for nobody")
		}
		r := newReader()
		r.news = "first\n"
		done := serve(t.Context(), t, s, "ann", r)
		if got := r.Body.String(); got != "hello\nfirst\n" || !r.Flushed || !src.running {
			t.Errorf("got %q, flushed %v", got, r.Flushed)
		}
		r.news = "second\n"
		src.wake()
		synctest.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := r.Body.String(); got != "hello\nfirst\nsecond\n: alive\n\n" || r.told != 2 {
			t.Errorf("got %q after it was told %d times", got, r.told)
		}
		s.End()
		s.End() // as often as one likes
		<-done
		synctest.Wait()
		if s.Opened() != 0 || src.running {
			t.Errorf("%d streams are open at the end, followed %v", s.Opened(), src.running)
		}
		<-serve(t.Context(), t, s, "ann", r) // ends at once
		synctest.Wait()
	})
}

func TestStreamsEndWithTheirCaller(t *testing.T) {
	for name, end := range map[string]func(r *reader, gone func()){
		"gone": func(_ *reader, gone func()) { gone() },
		"revoked": func(r *reader, _ func()) {
			r.refused.Store(true)
			time.Sleep(auth.RevocationDelay)
		},
		"expired": func(r *reader, _ func()) {
			time.Sleep(time.Until(r.expires)) // the leeway lets it in
			synctest.Wait()
			r.refused.Store(true)
			time.Sleep(time.Second)
		},
		"takes nothing": func(r *reader, _ func()) {
			r.full.Store(true)
			time.Sleep(15 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var src source
				s := stream.New(stream.Options{Follow: src.follow})
				ctx, gone := context.WithCancel(t.Context())
				defer gone()
				r := newReader()
				r.expires = time.Now().Add(auth.RevocationDelay / 2)
				done := serve(ctx, t, s, "ann", r)
				end(r, gone)
				synctest.Wait()
				select {
				case <-done:
				default:
					t.Error("the stream goes on")
					gone()
					<-done
				}
				synctest.Wait()
				if s.Opened() != 0 || src.running {
					t.Errorf("%d streams are open, followed %v", s.Opened(), src.running)
				}
			})
		})
	}
}

func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src source
		s := stream.New(stream.Options{Follow: src.follow, Places: stream.NewPlaces(stream.Bounds{PerCaller: 2, Total: 3})})
		ctx, gone := context.WithCancel(t.Context())
		first := serve(ctx, t, s, "ann", newReader())
		serve(t.Context(), t, s, "ann", newReader())
		refused := func(caller string, status int) {
			t.Helper()
			_, err := s.Open(caller)
			if p := (*web.Problem)(nil); !errors.As(err, &p) || p.Status != status || p.GetHeaders().Get("Retry-After") == "" {
				t.Errorf("got %v, want %d", err, status)
			}
		}
		refused("ann", 429)
		serve(t.Context(), t, s, "lou", newReader())
		refused("max", 503)
		gone()
		<-first
		serve(t.Context(), t, s, "max", newReader())
		if s.Opened() != 3 {
			t.Errorf("%d streams are open, want 3", s.Opened())
		}
		s.End()
		synctest.Wait()
	})
}

// book makes parts of a size; the one after a name is the next number.
type book struct {
	mu    sync.Mutex
	made  map[int]int // times
	size  int
	last  int
	stale atomic.Bool
	wait  chan struct{} // nil not to wait for
}

func (b *book) Make(ctx context.Context, name int) ([]byte, int, error) {
	b.mu.Lock()
	b.made[name]++
	b.mu.Unlock()
	if b.wait != nil {
		select {
		case <-b.wait:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
	return []byte(strings.Repeat("x", b.size)), min(name+1, b.last), nil
}

func (b *book) Holds(int) bool { return !b.stale.Swap(false) }

// A part is made once for all who ask for it, and kept for those who come later; what is
// at the end, or was overtaken, is made anew.
func TestPartsAreMadeOnce(t *testing.T) {
	parts, b := stream.NewParts[int](), &book{made: map[int]int{}, last: 2}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			p, err := parts.Get(t.Context(), b, 1)
			if err != nil || p.Next != 2 {
				t.Errorf("got %v, %v", p, err)
				return
			}
			parts.Release(p)
		})
	}
	all.Wait()
	get := func(name, made int) {
		t.Helper()
		p, err := parts.Get(t.Context(), b, name)
		if err != nil {
			t.Fatal(err)
		}
		if b.made[name] != made {
			t.Errorf("%d was made %d times, want %d", name, b.made[name], made)
		}
		parts.Release(p)
	}
	get(1, 1)
	get(2, 1)
	get(2, 2)
	b.stale.Store(true)
	get(1, 2)
	get(1, 2)
	if left := parts.Trim(); left != 0 {
		t.Errorf("%d bytes are taken for nobody", left)
	}
	get(1, 3)
}

// Who makes a part may go; then one of the others makes it.
func TestPartsAreMadeForThoseWhoStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parts, b := stream.NewParts[int](), &book{made: map[int]int{}, last: 9, wait: make(chan struct{})}
		ctx, gone := context.WithCancel(t.Context())
		errs := make(chan error, 3)
		get := func(ctx context.Context) {
			p, err := parts.Get(ctx, b, 1)
			if err == nil {
				parts.Release(p)
			}
			errs <- err
		}
		go get(ctx)
		synctest.Wait()
		go get(t.Context())
		go get(t.Context())
		synctest.Wait()
		gone()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("who has gone got %v", err)
		}
		synctest.Wait()
		close(b.wait)
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if b.made[1] != 2 {
			t.Errorf("it was made %d times, want twice", b.made[1])
		}
		if left := parts.Trim(); left != 0 {
			t.Errorf("%d bytes are taken for nobody", left)
		}
	})
}

// What is held at once is bounded: who asks for more waits until something is let go of.
func TestPartsHaveTheirRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, room = 100 << 10, 16 << 20
		parts, b := stream.NewParts[int](), &book{made: map[int]int{}, size: size, last: 1 << 20}
		var held []*stream.Part[int]
		got := make(chan *stream.Part[int], 1)
		for n := 1; ; n++ {
			go func() {
				p, err := parts.Get(t.Context(), b, n)
				if err != nil {
					t.Error(err)
				}
				got <- p
			}()
			synctest.Wait()
			if len(got) == 0 {
				break // it waits
			}
			held = append(held, <-got)
		}
		if n := len(held); n < room/size/2 || n > room/size {
			t.Errorf("%d parts of %d bytes are held in %d", n, size, room)
		}
		for _, p := range held { // those that nobody holds make room
			parts.Release(p)
		}
		synctest.Wait()
		held = append(held[:0], <-got)
		for n := range 2 * room / size {
			p, err := parts.Get(t.Context(), b, 10_000+n)
			if err != nil {
				t.Fatal(err)
			}
			parts.Release(p)
		}
		parts.Release(held[0])
		if left := parts.Trim(); left != 0 {
			t.Errorf("%d bytes are taken for nobody", left)
		}
	})
}
