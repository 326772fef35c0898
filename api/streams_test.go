package api_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cms/auth"
	"cms/web/stream"
)

// A change is read and shown once for all who see the same, however many they are.
func TestStreamsReadOnceForEachVisibility(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "plan", sample)
	tokens := []string{s.token, s.mint("reader"), s.limited("Ville de Valmont"), s.limitedAs("max", "Ville de Valmont")}
	const kinds, each, edits = 3, 12, 5 // the last two see the same
	var watches []*watch
	for _, token := range tokens {
		for range each {
			watches = append(watches, s.watch(token, ""))
		}
	}
	before := s.api.Made()
	for n := range edits {
		s.patch("plan", fmt.Sprintf(`{"fields":{"title":"Plan %d"}}`, n))
		for _, w := range watches {
			w.want("updated plan")
		}
	}
	if made := s.api.Made() - before; made != edits*kinds {
		t.Errorf("%d watchers of %d kinds made %d edits read %d times, want %d", len(watches), kinds, edits, made, edits*kinds)
	}
	later := s.watch(s.token, strings.Fields(s.runGit("rev-list", "main"))[edits])
	later.want("updated plan", "updated plan", "updated plan", "updated plan", "updated plan")
	if made := s.api.Made() - before; made != edits*kinds {
		t.Errorf("who comes later made it read %d times", made)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	s := newServerWith(t, func(o *options) { o.Streams = stream.NewPlaces(stream.Bounds{PerCaller: 2, Total: 3}) })
	other, third := s.limitedAs("lou", "x"), s.limitedAs("max", "x")
	first := s.watch(s.token, "")
	s.watch(s.token, "")
	refused := func(token string, status int, code string) {
		t.Helper()
		res := s.do(request{method: "GET", path: "/v1/events", token: token})
		if p := s.problem(res); p.Status != status || p.Code != code || res.header.Get("Retry-After") == "" {
			t.Errorf("got %d %s, Retry-After %q, want %d %s", p.Status, p.Code, res.header.Get("Retry-After"), status, code)
		}
	}
	refused(s.mint("reader"), 429, "too_many_requests") // of the same caller, by another token
	s.watch(other, "")
	refused(third, 503, "unavailable")
	first.close()
	s.until("a stream that was closed", func() bool { return s.api.Opened() == 2 })
	s.watch(third, "").close()
	s.until("a stream that was closed", func() bool { return s.api.Opened() == 2 })
	s.watch(s.token, "")
	s.api.EndStreams()
	s.until("the end of the streams", func() bool { return s.api.Opened() == 0 })
}

// A commit of many files is told in parts, of which each is read once.
func TestStreamsTellLargeCommitsInParts(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "avant", sample)
	start := s.head()
	git, dir := s.clone()
	const files = 450
	var want []string
	for n := range files {
		slug := fmt.Sprintf("c%03d", n)
		write(t, dir, "_consultations/"+slug+".md", sample)
		want = append(want, "created "+slug)
	}
	git("add", ".")
	git("commit", "-qm", "Tout")
	live := []*watch{s.watch(s.token, ""), s.watch(s.token, ""), s.watch(s.limited("personne"), "")}
	before := s.api.Made()
	git("push", "-q", "origin", "main")
	live = append(live[:2], s.watch(s.token, start)) // who sees nothing of it gets nothing
	for _, w := range live {
		for i, event := range want {
			m := w.next()
			if got := m.event.Action + " " + m.event.Slug; got != event || (m.id != "") != (i == files-1) {
				t.Fatalf("event %d: got %s with id %q, want %s", i, got, m.id, event)
			}
		}
	}
	s.create("consultations", "apres", sample)
	for _, w := range live {
		w.want("created apres")
	}
	s.until("what was made", func() bool { return s.api.Made()-before >= 2*(3+1) })
	if made := s.api.Made() - before; made > 2*(3+1) {
		t.Errorf("two kinds of watchers made a commit of %d files and one of one read %d times", files, made)
	}
}

// What an edit costs does not depend on how many watch it: to tell one more watcher
// what others were told takes no memory at all.
func TestOneMoreWatcherCostsNothing(t *testing.T) {
	s := newServer(t)
	s.create("consultations", "plan", sample)
	w := &stuck{header: http.Header{}, wrote: make(chan struct{})}
	editor := &auth.Principal{Subject: "ann", Roles: []string{"editor"}}
	for _, edits := range []int{1, 3} {
		catchUp, err := s.api.Catching(t.Context(), editor, w)
		if err != nil {
			t.Fatal(err)
		}
		for n := range edits {
			s.patch("plan", fmt.Sprintf(`{"fields":{"title":"Plan %d %d"}}`, edits, n))
		}
		if err := catchUp(); err != nil { // the first one reads it
			t.Fatal(err)
		}
		before, written := s.api.Made(), w.written
		const watchers = 1000
		var mallocs [2]runtime.MemStats
		runtime.ReadMemStats(&mallocs[0])
		for range watchers {
			if err := catchUp(); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&mallocs[1])
		// Half of one each is what the service itself may do meanwhile.
		if n := mallocs[1].Mallocs - mallocs[0].Mallocs; n > watchers/2 {
			t.Errorf("%d watchers of %d edits allocate %d times", watchers, edits, n)
		}
		if s.api.Made() != before || w.written-written < watchers*edits {
			t.Errorf("%d edits: got %d parts made anew and %d writes", edits, s.api.Made()-before, w.written-written)
		}
	}
}

// stuck is a connection that takes nothing more once it is closed up.
type stuck struct {
	http.ResponseWriter // nil
	header              http.Header
	mu                  sync.Mutex
	full                bool
	written             int           // times
	wrote               chan struct{} // closed with the first bytes
	once                sync.Once
}

func (w *stuck) Header() http.Header             { return w.header }
func (w *stuck) WriteHeader(int)                 {}
func (w *stuck) SetReadDeadline(time.Time) error { return nil }
func (w *stuck) FlushError() error               { return nil }

// SetWriteDeadline is obeyed at once: what could not be written by then fails.
func (w *stuck) SetWriteDeadline(time.Time) error { return nil }

func (w *stuck) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.once.Do(func() { close(w.wrote) })
	if w.full {
		return 0, os.ErrDeadlineExceeded
	}
	w.written++
	return len(b), nil
}

// Who does not take the events is cut off, and holds nothing then.
func TestSlowStreamsAreCutOff(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "plan", sample)
	honest := s.watch(s.token, "")
	var streams sync.WaitGroup
	for range 20 {
		w := &stuck{header: http.Header{}, wrote: make(chan struct{})}
		req, err := http.NewRequestWithContext(t.Context(), "GET", "/v1/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.RemoteAddr = "127.0.0.1:1"
		req.Header.Set("Authorization", "Bearer "+s.token)
		streams.Go(func() { s.web.ServeHTTP(w, req) })
		<-w.wrote
		w.mu.Lock()
		w.full = true
		w.mu.Unlock()
	}
	s.patch("plan", `{"fields":{"title":"Autre"}}`)
	honest.want("updated plan")
	streams.Wait()
	s.until("the slow ones", func() bool { return s.api.Opened() == 1 })
	honest.close()
	s.until("the honest one", func() bool { return s.api.Opened() == 0 })
	if !s.api.RoomIsWhole() {
		t.Error("what was told is still held")
	}
}

// wires are connections that take as little memory as they can.
type wires struct {
	*server
	got [4096]byte
}

// connect opens a stream and reads its first event.
func (s *wires) connect(token string) net.Conn {
	s.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n", token)
	s.heard(conn, "\"}\n\n")
	return conn
}

// heard reads from a connection until it has said what it has to, which nothing more
// follows than the end of a line or an event.
func (s *wires) heard(conn net.Conn, said string) {
	s.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		s.Fatal(err)
	}
	for text := s.got[:0]; !bytes.Contains(text, []byte(said)); {
		n, err := conn.Read(s.got[len(text):])
		if text = s.got[:len(text)+n]; err != nil {
			s.Fatalf("%q does not come: %v", said, err)
		}
	}
}

// watchers is how many there are in TestManyStreamsTakeLittle.
func watchers(t *testing.T) int {
	if n := os.Getenv("CMS_STREAMS"); n != "" {
		many, err := strconv.Atoi(n)
		if err != nil {
			t.Fatal(err)
		}
		return many
	}
	return 250
}

// The service has 2,000 streams within 100 MB, and an edit takes no more with them
// than with ten, but for what it is to write to each.
func TestManyStreamsTakeLittle(t *testing.T) {
	const perStream, perEvent = 50_000, 2_000
	s := &wires{server: newServerWith(t, func(o *options) {
		o.Streams = stream.NewPlaces(stream.Bounds{PerCaller: 100_000, Total: 100_000})
		o.Heartbeat = time.Hour
	})}
	s.create("consultations", "plan", sample)
	tokens := []string{s.token, s.mint("reader")}
	var conns []net.Conn
	edit := func(n int) (allocated uint64) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.patch("plan", fmt.Sprintf(`{"fields":{"title":"Plan %d"}}`, n))
		for _, c := range conns {
			s.heard(c, `"changed":["title"]`)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	least := func(from int) uint64 {
		t.Helper()
		return min(edit(from), edit(from+1), edit(from+2))
	}
	held := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	for i := range 10 {
		conns = append(conns, s.connect(tokens[i%len(tokens)]))
	}
	few, rest := least(0), held()
	n := watchers(t)
	for i := len(conns); i < n; i++ {
		conns = append(conns, s.connect(tokens[i%len(tokens)]))
	}
	many, full := least(3), held()
	t.Logf("%d streams take %d bytes, an edit with ten allocates %d, with all %d", n, full-rest, few, many)
	if each := (full - rest) / int64(n-10); each > perStream {
		t.Errorf("a stream takes %d bytes, want at most %d", each, perStream)
	}
	if many > few+uint64(n)*perEvent {
		t.Errorf("an edit allocates %d bytes with %d streams, %d with ten", many, n, few)
	}
}
