package repo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// An sshRoad leads to an sshd: it counts connections, and breaks them.
type sshRoad struct {
	address string
	made    atomic.Int32

	mu    sync.Mutex
	conns map[net.Conn]bool // of those who come
	deaf  map[net.Conn]bool // of which nothing goes on any more
}

// roadTo has d be reached by a road.
func roadTo(t *testing.T, d *sshd) *sshRoad {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &sshRoad{address: l.Addr().String(), conns: make(map[net.Conn]bool), deaf: make(map[net.Conn]bool)}
	host := d.address
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", host)
			if err != nil {
				from.Close()
				continue
			}
			w.made.Add(1)
			w.mu.Lock()
			w.conns[from] = true
			w.mu.Unlock()
			wg.Go(func() { w.carry(from, to, from) })
			wg.Go(func() { w.carry(to, from, from) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.cut()
		wg.Wait()
	})
	known, err := os.ReadFile(d.knownHosts)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(d.address)
	_, here, _ := net.SplitHostPort(w.address)
	write(t, filepath.Dir(d.knownHosts), "known_hosts", strings.ReplaceAll(string(known), ":"+port, ":"+here))
	d.address = w.address
	return w
}

// carry carries what comes, until either side ends.
func (w *sshRoad) carry(to, from, of net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		w.mu.Lock()
		deaf := w.deaf[of]
		w.mu.Unlock()
		if !deaf {
			if _, failed := to.Write(b[:n]); failed != nil {
				err = failed
			}
		}
		if err != nil {
			break
		}
	}
	to.Close()
	from.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, of)
}

// cut ends all connections.
func (w *sshRoad) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.Close()
	}
}

// forget has nothing come through of the connections that there are, and tells nobody.
func (w *sshRoad) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		w.deaf[c] = true
	}
}

func (w *sshRoad) open() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.conns)
}

// is says how many connections there were since the last time that it was asked.
func (w *sshRoad) is(t *testing.T, what string, want int) {
	t.Helper()
	if got := int(w.made.Swap(0)); got != want {
		t.Errorf("%s: %d connections, want %d", what, got, want)
	}
}

// TestSSHOneConnection: pushes, fetches and what is waited for there share one connection,
// which ends with the repository.
func TestSSHOneConnection(t *testing.T) {
	t.Parallel()
	atLength(t)
	d := serveSSHD(t)
	road := roadTo(t, d)
	bare, work := host(t)
	o := options(t.TempDir())
	o.Remote = d.remote(bare)
	o.Remote.Push = true
	if err := Clone(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	road.is(t, "a clone", 1)
	r, stop := run(t, o)
	r.remote.ssh.answer = time.Minute // however busy the machine is
	for i := range 4 {
		put(t, r, "consultations", "bus", fmt.Sprint("Le bus ", i))
		inStep(t, r, bare)
		pull(t, work)
		fetched(t, r, pushed(t, work, "_consultations/tram.md", fmt.Sprintf("---\ntitle: Le tram %d\n---\n", i)))
	}
	road.is(t, "4 pushes and fetches", 1)
	if n := road.open(); n != 1 {
		t.Errorf("%d connections are open, want the one that is kept", n)
	}
	stop()
	comes(t, "the end of the connection", func() bool { return road.open() == 0 })
}

// TestSSHSyncOneConnection: so do edits that are done when the host has them, beside fetches.
func TestSSHSyncOneConnection(t *testing.T) {
	t.Parallel()
	atLength(t)
	d := serveSSHD(t)
	road := roadTo(t, d)
	bare, _ := host(t)
	r := synchronous(t, d.remote(bare))
	r.remote.ssh.answer = time.Minute // however busy the machine is
	put(t, r, "consultations", "bus", "Le bus")
	road.is(t, "a clone, and a service", 2)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 5 {
				if _, err := tryPut(t.Context(), t, r, Meta{}, fmt.Sprint("bus-", i), fmt.Sprint("Le bus ", n)); err != nil {
					t.Error(err)
				}
				if err := r.Fetch(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantHostAtTip(t, bare, r)
	road.is(t, "20 edits and fetches", 0)
}

// TestSSHHeals: a connection that was cut, or that a router forgot, or on which the host
// lets nobody start another program, costs no contact.
func TestSSHHeals(t *testing.T) {
	t.Parallel()
	atLength(t)
	d := serveSSHD(t)
	road := roadTo(t, d)
	bare, work := host(t)
	r := synchronous(t, d.remote(bare))
	put(t, r, "consultations", "bus", "Le bus")
	r.remote.ssh.answer = 50 * time.Millisecond
	road.is(t, "a clone, and a service", 2)
	for i, trouble := range []func(){road.cut, road.forget} {
		trouble()
		put(t, r, "consultations", "bus", fmt.Sprint("Le bus ", i))
		wantHostAtTip(t, bare, r)
		if made := road.made.Swap(0); made < 1 {
			t.Errorf("trouble %d: the connection is the one before", i)
		}
		trouble()
		pull(t, work)
		fetched(t, r, pushed(t, work, "_consultations/tram.md", fmt.Sprintf("---\ntitle: Le tram %d\n---\n", i)))
		if made := road.made.Swap(0); made < 1 {
			t.Errorf("trouble %d: the fetch is by the connection before", i)
		}
	}
}

// TestSSHCutAmidst: a connection that breaks off while the host takes a push leaves unknown
// what came of that, and it is not sent again.
func TestSSHCutAmidst(t *testing.T) {
	t.Parallel()
	atLength(t)
	d := serveSSHD(t)
	road := roadTo(t, d)
	bare, _ := host(t)
	r := synchronous(t, d.remote(bare))
	put(t, r, "consultations", "bus", "Le bus")
	began := filepath.Join(t.TempDir(), "began")
	hook := filepath.Join(bare, "hooks", "pre-receive")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\necho >>"+began+"\nwhile read -r line; do :; done\nuntil [ -e "+began+".end ]; do sleep 0.01; done\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := tryPut(t.Context(), t, r, Meta{}, "bus", "Le bus 4")
		done <- err
	}()
	runs := func() int { raw, _ := os.ReadFile(began); return len(raw) }
	comes(t, "the push", func() bool { return runs() > 0 })
	road.cut()
	if err := <-done; !errors.Is(err, ErrUnsure) {
		t.Errorf("got %v, want ErrUnsure", err)
	}
	if err := os.WriteFile(began+".end", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := runs(); n != 1 {
		t.Errorf("the push was sent %d times, want once", n)
	}
	comesBack(t, r, "bus", "Le bus 5")
	wantHostAtTip(t, bare, r)
	fsck(t, bare)
}

// TestSSHCredentials: what the files of keys say counts for the next contact, though a
// connection is kept.
func TestSSHCredentials(t *testing.T) {
	t.Parallel()
	atLength(t)
	d := serveSSHD(t)
	road := roadTo(t, d)
	bare, _ := host(t)
	r := upstreamed(t, d.remote(bare))
	put(t, r, "consultations", "bus", "Le bus")
	inStep(t, r, bare)
	_, other := keyPair(t, "other")
	for name, tt := range map[string]struct{ file, by, want string }{
		"the host is not known any more": {d.knownHosts, "/dev/null", "knownhosts: key is unknown"},
		"another key":                    {d.keyFile, other, "unable to authenticate"},
		"no key":                         {d.keyFile, "/dev/null", "read the private key"},
	} {
		was, err := os.ReadFile(tt.file)
		if err != nil {
			t.Fatal(err)
		}
		is, err := os.ReadFile(tt.by)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Dir(tt.file), filepath.Base(tt.file), string(is))
		put(t, r, "consultations", "bus", "Le bus, "+name)
		if err := r.push(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: pushed, or %v; want %s", name, err, tt.want)
		}
		if err := r.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: fetched, or %v; want %s", name, err, tt.want)
		}
		write(t, filepath.Dir(tt.file), filepath.Base(tt.file), string(was))
		inStep(t, r, bare)
	}
	comes(t, "the end of the connections before", func() bool { return road.open() == 1 })
}

// TestSSHAge: a connection ends that nobody uses for a while, and one that is old.
func TestSSHAge(t *testing.T) {
	t.Parallel()
	atLength(t)
	d := serveSSHD(t)
	road := roadTo(t, d)
	bare, _ := host(t)
	r := upstreamed(t, d.remote(bare))
	l := r.remote.ssh
	idle := func(d time.Duration) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.idle = d
	}
	idle(time.Millisecond)
	for i := range 3 {
		put(t, r, "consultations", "bus", fmt.Sprint("Le bus ", i))
		inStep(t, r, bare)
		comes(t, "the end of the connection", func() bool { return road.open() == 0 })
	}
	idle(time.Hour)
	put(t, r, "consultations", "bus", "Le bus")
	inStep(t, r, bare)
	l.mu.Lock()
	l.kept.made = time.Now().Add(-sshAge)
	l.mu.Unlock()
	road.made.Store(0)
	put(t, r, "consultations", "bus", "Le bus, plus tard")
	inStep(t, r, bare)
	road.is(t, "of an old connection", 1)
}

// TestSSHBeside: one contact that ends early, or for which the host starts no program on the
// connection, leaves another one on it alone.
func TestSSHBeside(t *testing.T) {
	t.Parallel()
	atLength(t)
	for name, lines := range map[string]string{"": "", "one program on a connection": "MaxSessions 1\n"} {
		d := serveSSHDWith(t, lines)
		road := roadTo(t, d)
		bare, _ := host(t)
		r := synchronous(t, d.remote(bare))
		put(t, r, "consultations", "bus", "Le bus")
		began := filepath.Join(t.TempDir(), "began")
		hook := filepath.Join(bare, "hooks", "pre-receive")
		if err := os.WriteFile(hook, []byte("#!/bin/sh\n: >"+began+"\nuntil [ -e "+began+".end ]; do sleep 0.01; done\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := tryPut(t.Context(), t, r, Meta{}, "bus", "Le bus 4")
			done <- err
		}()
		comes(t, "the push", func() bool { return exists(began) })
		if _, err := r.remoteHead(t.Context()); err != nil {
			t.Errorf("%s: a look beside a push: %v", name, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		access, err := r.remote.auth(ctx)
		if err != nil {
			t.Fatal(err)
		}
		p, err := access.(*sshAccess).start(ctx, "sleep 600", false)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		stop := context.AfterFunc(ctx, p.abandon)
		cancel()
		if stop() {
			p.abandon()
		}
		if _, err := r.remoteHead(t.Context()); err != nil {
			t.Errorf("%s: after one that ended early: %v", name, err)
		}
		if err := os.WriteFile(began+".end", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: the push: %v", name, err)
		}
		wantHostAtTip(t, bare, r)
		comes(t, "the end of what is not kept", func() bool { return road.open() <= 1 })
	}
}

// TestSSHHookAfter: what a hook of the host does after it took a push comes to its end,
// though nobody waits for it.
func TestSSHHookAfter(t *testing.T) {
	t.Parallel()
	d := serveSSHD(t)
	bare, _ := host(t)
	r := upstreamed(t, d.remote(bare))
	done := filepath.Join(t.TempDir(), "done")
	hook := filepath.Join(bare, "hooks", "post-receive")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\nuntil [ -e "+done+".may ]; do sleep 0.01; done\necho 'Le site est construit.'\n: >"+done+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, r, "consultations", "bus", "Le bus")
	inStep(t, r, bare)
	if exists(done) {
		t.Error("the push waited for what the host does after it")
	}
	if err := os.WriteFile(done+".may", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	comes(t, "the end of the hook", func() bool { return exists(done) })
}

// TestSSHSays: what a host says that starts no program of Git's is told.
func TestSSHSays(t *testing.T) {
	t.Parallel()
	atLength(t)
	d := serveSSHD(t)
	bare, _ := host(t)
	r := upstreamed(t, d.remote(bare))
	put(t, r, "consultations", "bus", "Le bus")
	inStep(t, r, bare)
	if err := os.Rename(bare, bare+".away"); err != nil {
		t.Fatal(err)
	}
	put(t, r, "consultations", "bus", "Le bus 4")
	if err := r.push(t.Context()); err == nil || !strings.Contains(err.Error(), "does not appear to be a git repository") {
		t.Errorf("pushed, or %v; want the host's words", err)
	}
	if err := r.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "does not appear to be a git repository") {
		t.Errorf("fetched, or %v; want the host's words", err)
	}
	if err := os.Rename(bare+".away", bare); err != nil {
		t.Fatal(err)
	}
	inStep(t, r, bare)
}
