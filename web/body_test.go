package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const mib = 1 << 20

// stalling is a body that stops on its way until it is let go.
type stalling struct {
	first io.Reader
	let   chan struct{}
}

func (s stalling) Read(b []byte) (int, error) {
	n, err := s.first.Read(b)
	if errors.Is(err, io.EOF) {
		<-s.let
	}
	return n, err
}

func zeros(n int) io.Reader { return bytes.NewReader(make([]byte, n)) }

func isBusy(err error) bool {
	var p *Problem
	return errors.As(err, &p) && p.Status == http.StatusServiceUnavailable && p.GetHeaders().Get("Retry-After") != ""
}

func isTooLarge(err error) bool {
	var p *Problem
	return errors.As(err, &p) && p.Status == http.StatusRequestEntityTooLarge
}

func (b *bodies) used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var sum int64
	for _, n := range b.held {
		sum += n
	}
	return sum
}

func TestBodiesAreReadWhole(t *testing.T) {
	b := newBodies(8*mib, mib)
	for _, size := range []int{0, 1, 4095, 4096, 4097, smallBody - 1, smallBody, smallBody + 1, 300_000, mib - 1, mib} {
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(rand.Uint32())
		}
		for _, length := range []int64{-1, int64(size)} {
			got, release, err := b.read(t.Context(), "a", bytes.NewReader(want), length, mib)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes (length %d): got %d, %v", size, length, len(got), err)
			}
			if held := b.used(); (held > 0) != (size > smallBody || length < 0 && size == smallBody) || held < int64(len(got)-smallBody) {
				t.Errorf("%d bytes (length %d): %d are accounted for", size, length, held)
			}
			release()
			release()
		}
	}
	if _, _, err := b.read(t.Context(), "a", &arriving{ReadCloser: io.NopCloser(zeros(mib + 1)), left: -1, limit: mib}, -1, mib); !isTooLarge(err) {
		t.Errorf("one byte too many: got %v", err)
	}
	if b.used() != 0 || b.free != 8*mib {
		t.Errorf("%d bytes are held after all", b.used())
	}
}

// Whoever fills the account with bodies that do not end is in nobody's way who sends
// little, nor in that of another caller; and after a moment the others are told.
func TestSlowBodiesLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBodies(8*mib, mib) // two for each caller
		let := make(chan struct{})
		var slow sync.WaitGroup
		held := func(caller string, n int) {
			for range n {
				slow.Go(func() {
					_, release, err := b.read(t.Context(), caller, stalling{zeros(smallBody + 1), let}, mib, mib)
					if err == nil {
						release()
					}
				})
			}
			synctest.Wait()
		}
		held("hostile", 200)
		if got := b.used(); got != 2*mib {
			t.Fatalf("one caller holds %d bytes, want its share", got)
		}
		for _, caller := range []string{"editor", "hostile", ""} {
			if _, _, err := b.read(t.Context(), caller, zeros(smallBody), smallBody, mib); err != nil {
				t.Errorf("a small body of %q: %v", caller, err)
			}
		}
		_, release, err := b.read(t.Context(), "editor", zeros(mib), mib, mib)
		if err != nil {
			t.Fatal(err)
		}
		release()

		for i := range 3 {
			held(fmt.Sprint("another ", i), 2)
		}
		start := time.Now()
		if _, _, err := b.read(t.Context(), "editor", zeros(mib), mib, mib); !isBusy(err) || time.Since(start) != roomWait {
			t.Errorf("while there is no room: got %v after %s", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, _, err := b.read(ctx, "editor", zeros(mib), mib, mib); !isBusy(err) || time.Since(start) != time.Second {
			t.Errorf("a request that ends: got %v after %s", err, time.Since(start))
		}
		waited := make(chan error, 1)
		go func() {
			_, release, err := b.read(t.Context(), "editor", zeros(mib), mib, mib)
			if err == nil {
				release()
			}
			waited <- err
		}()
		synctest.Wait()
		close(let)
		if err := <-waited; err != nil {
			t.Errorf("when there was room: got %v", err)
		}
		slow.Wait()
		if b.used() != 0 || len(b.waiting) != 0 {
			t.Errorf("%d bytes are held and %d wait after all", b.used(), len(b.waiting))
		}
	})
}

// However many come and go, they never hold more than there is, nor one of them more
// than its share, and those who can be served are.
func TestBodiesNeverHoldMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBodies(100, 10)
		var all sync.WaitGroup
		for i := range 300 {
			all.Go(func() {
				caller, n := fmt.Sprint(i%7), 1+rand.Int64N(10)
				time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
				release, err := b.take(t.Context(), caller, n)
				if err != nil {
					if !isBusy(err) {
						t.Errorf("got %v", err)
					}
					return
				}
				b.mu.Lock()
				if b.free < 0 || b.held[caller] > b.share {
					t.Errorf("%d are left, and %s holds %d", b.free, caller, b.held[caller])
				}
				b.mu.Unlock()
				time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
				release()
			})
		}
		all.Wait()
		if b.used() != 0 || b.free != 100 || len(b.held) != 0 || len(b.waiting) != 0 {
			t.Errorf("after all: %d held by %d, %d free, %d wait", b.used(), len(b.held), b.free, len(b.waiting))
		}
	})
}
