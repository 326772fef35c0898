package repo

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cms/race"
)

// A cutter passes connections on to a host, and resets the one that carries a byte more than
// may pass, to the host or back, from when that is set.
type cutter struct {
	URL      string
	up, down atomic.Int64 // how many bytes may still pass to the host, and back
	cuts     atomic.Int32
	open     sync.Map // of the client's connections
}

func newCutter(t *testing.T, host string) *cutter {
	t.Helper()
	at, err := url.Parse(host)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{URL: strings.Replace(host, at.Host, l.Addr().String(), 1)}
	c.heal()
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			c.open.Store(from, true)
			conns.Go(func() { c.pass(from.(*net.TCPConn), at.Host) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		c.open.Range(func(conn, _ any) bool { // which the client keeps for later
			_ = conn.(net.Conn).Close()
			return true
		})
		conns.Wait()
	})
	return c
}

func (c *cutter) heal() { c.up.Store(math.MaxInt64); c.down.Store(math.MaxInt64) }

// pass carries one connection, until either end closes it or it is cut.
func (c *cutter) pass(from *net.TCPConn, host string) {
	to, err := net.Dial("tcp", host)
	if err != nil {
		_ = from.Close()
		return
	}
	var both sync.WaitGroup
	carry := func(dst, src net.Conn, left *atomic.Int64) {
		defer func() { _, _ = dst.Close(), src.Close() }()
		for buffer := make([]byte, 64); ; {
			n, err := src.Read(buffer)
			if n > 0 && left.Add(-int64(n)) < 0 {
				c.cuts.Add(1)
				_ = from.SetLinger(0) // which resets it
				return
			}
			if _, failed := dst.Write(buffer[:n]); err != nil || failed != nil {
				return
			}
		}
	}
	both.Go(func() { carry(to, from, &c.up) })
	both.Go(func() { carry(from, to, &c.down) })
	both.Wait()
}

// TestPushCut: wherever the connection ends, no edit that was acknowledged is lost, none that
// was refused is there, and both sides come in step when it is there again.
func TestPushCut(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	for _, synchronous := range []bool{false, true} {
		bare, _ := host(t)
		c := newCutter(t, serveHost(t, bare).URL)
		r := upstreamed(t, &Remote{URL: c.URL, Token: "jeton-secret", Sync: synchronous})
		put(t, r, "consultations", "bus", "Le bus")
		want := make(map[string]bool) // whether an edit has to be there
		for i, bytes := range []int64{0, 300, 700, 1400} {
			if i%2 == 0 && !exhaustively() {
				continue // all where CMS_CRASH_ROUNDS is set
			}
			for j, way := range []*atomic.Int64{&c.up, &c.down} {
				name := fmt.Sprintf("e%d-%d", i, j)
				if synchronous {
					comesBack(t, r, "bus", name) // so that it is this edit whose push is cut
				}
				way.Store(bytes)
				_, err := tryPut(t.Context(), t, r, Meta{}, name, "Texte")
				switch {
				case err == nil:
					want[name] = true
				case !synchronous:
					t.Errorf("%s: %v", name, err)
				case errors.As(err, new(*RemoteError)):
					want[name] = false
				case !errors.Is(err, ErrUnsure):
					t.Errorf("%s: got %v, want that nothing was saved, or that it is not known", name, err)
				}
				if !synchronous {
					_ = r.push(t.Context()) // which fails, or the answer came before the cut
				}
				c.heal()
			}
		}
		if c.cuts.Load() == 0 {
			t.Error("nothing was cut")
		}
		if err := r.Fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
		inStep(t, r, bare)
		for name, there := range want {
			if _, ok := r.View().Entry("consultations", slug(t, name)); ok != there {
				t.Errorf("sync %v: %s is there: %v, want %v", synchronous, name, ok, there)
			}
		}
	}
}

// TestPushTooLarge: the host takes no push of that size, as when its disk is full; once it
// does, what waits comes there.
func TestPushTooLarge(t *testing.T) {
	t.Parallel()
	atLength(t)
	for _, synchronous := range []bool{false, true} {
		bare, _ := host(t)
		h := serveHost(t, bare)
		r := upstreamed(t, &Remote{URL: h.URL, Token: "jeton-secret", Sync: synchronous})
		put(t, r, "consultations", "bus", "Le bus")
		inStep(t, r, bare)
		git(t, bare, "config", "receive.maxInputSize", "100")
		_, err := tryPut(t.Context(), t, r, Meta{}, "velo", "Le vélo")
		if !synchronous && err == nil {
			err = r.push(t.Context())
		}
		refused := (*refusal)(nil)
		if !errors.As(err, &refused) || synchronous != errors.Is(err, ErrStorage) {
			t.Errorf("sync %v: got %v, want the host's refusal", synchronous, err)
		}
		if _, ok := r.View().Entry("consultations", slug(t, "velo")); ok == synchronous {
			t.Errorf("sync %v: the entry is there: %v", synchronous, ok)
		}
		git(t, bare, "config", "--unset", "receive.maxInputSize")
		comesBack(t, r, "velo", "Le vélo enfin")
		inStep(t, r, bare)
	}
}
