package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cms/api"
	"cms/web"
)

// countedBody is a body without end, which tells how much of it is read.
type countedBody struct{ read int }

func (b *countedBody) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '['
	}
	b.read += len(p)
	return len(p), nil
}

// TestRefusedUnread: who may not do what they ask for is told so before their body is
// read, whatever the operation, and next to nothing is spent on it.
func TestRefusedUnread(t *testing.T) {
	s := newWholeServer(t)
	s.create("consultations", "plan", sample)
	s.create("pages", "plan", "---\ntitle: x\n---\n")
	reader, limited, operator, auditor := s.mint("reader"), s.limited("Ville d’Aubeterre"), s.mint("operator"), s.mint("auditor")
	tokens := map[string]string{
		"nobody": "", "a forged token": s.token[:len(s.token)-4] + "AAAA", "no role": s.mint(), "an unknown role": s.mint("stranger"),
		"a reader": reader, "another place": limited, "webhooks": operator, "looks at webhooks": auditor, "photos": s.mint("photographer"),
	}
	may := map[string][]string{ // with these, it is no refusal
		"preview":              {"a reader", "another place", "webhooks", "looks at webhooks", "photos"},
		"create-entry":         {"another place"},
		"move-entry":           {"another place"}, // of a small body, by those who may move others
		"revert-entry":         {"another place"},
		"batch":                {"another place", "photos"}, // of files
		"create-webhook":       {"webhooks"},
		"patch-webhook":        {"webhooks"},
		"renew-webhook-secret": {"webhooks"},
		"redeliver-range":      {"webhooks"},
		"report-deployment":    {"webhooks"},
	}
	open := []string{"login"} // to everybody: what it reads is bounded
	seen := 0
	for path, operations := range s.bounded() {
		for method, op := range operations {
			if op.RequestBody == nil || has(open, op.OperationID) {
				continue
			}
			for media := range op.RequestBody.Content {
				for who, token := range tokens {
					if has(may[op.OperationID], who) {
						continue
					}
					for _, length := range []int64{-1, int64(op.MaxBody)} {
						seen++
						s.refusedUnread(method, path, op, media, who, token, length)
					}
				}
			}
		}
	}
	if seen < 100 {
		t.Errorf("got %d refusals, want one for each operation and kind of caller", seen)
	}
}

// refusedUnread sends a request to the API itself, and holds its refusal to what it
// may cost.
func (s *whole) refusedUnread(method, path string, op bounded, media, who, token string, length int64) {
	s.Helper()
	path = strings.NewReplacer("{collection}", "consultations", "{slug}", "plan", "{path}", "a.svg", "{name}", "site", "{provider}", "github").Replace(path)
	body := &countedBody{}
	request := func() *http.Request {
		r := httptest.NewRequest(strings.ToUpper(method), path, io.NopCloser(body))
		r.ContentLength = length
		r.Header.Set("Content-Type", media)
		r.Header.Set("If-Match", "*")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return r
	}
	s.web.ServeHTTP(httptest.NewRecorder(), request()) // what is made once, is made
	var cost uint64
	w := httptest.NewRecorder()
	for try := 0; try < 3 && (try == 0 || cost > 256<<10); try++ { // others allocate too
		r := request()
		body.read, w = 0, httptest.NewRecorder()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.web.ServeHTTP(w, r)
		runtime.ReadMemStats(&after)
		cost = after.TotalAlloc - before.TotalAlloc
	}
	if w.Code != 401 && w.Code != 403 && w.Code != 404 {
		s.Errorf("%s by %s: got %d %s", op.OperationID, who, w.Code, w.Body)
	}
	if body.read > 64<<10 || cost > 256<<10 {
		s.Errorf("%s by %s (length %d): %d bytes were read and %d allocated for a %d", op.OperationID, who, length, body.read, cost, w.Code)
	}
	if w.Header().Get("Connection") != "close" {
		s.Errorf("%s by %s (length %d): the connection is kept, with a body on it", op.OperationID, who, length)
	}
}

func has(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

// TestConnectionsWithUnreadBodiesEnd: what is answered without its body is not read
// afterwards either, at any door and none.
func TestConnectionsWithUnreadBodiesEnd(t *testing.T) {
	t.Parallel()
	s := newServerWith(t, func(o *options) { o.PerAddress = web.Limit{Requests: 1000, Window: time.Hour} })
	for _, path := range []string{"GET /v1/me", "POST /v1/me", "POST /v1/batch", "POST /hooks/github", "POST /hooks/x", "PUT /nowhere", "GET /docs", "GET /healthz", "DELETE /v1/media/a.svg", "POST /v1/preview", "GET /v1/events?x="} {
		for _, length := range []int64{-1, 1 << 20} {
			method, target, _ := strings.Cut(path, " ")
			body := &countedBody{}
			r := httptest.NewRequest(method, target, io.NopCloser(body))
			r.ContentLength = length
			w := httptest.NewRecorder()
			s.web.ServeHTTP(w, r)
			if w.Header().Get("Connection") != "close" || body.read > 0 {
				t.Errorf("%s (length %d): got %d, Connection %q, %d bytes read", path, length, w.Code, w.Header().Get("Connection"), body.read)
			}
		}
	}
	if res := s.do(request{method: "POST", path: "/v1/preview", body: `{"body":"a"}`, header: jsonBody("")}); res.header.Get("Connection") == "close" {
		t.Error("a connection whose body was read ends")
	}
}

// countedListener counts what a server reads of its connections.
type countedListener struct {
	net.Listener
	read *atomic.Int64
}

func (l countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countedConn{c, l.read}, err
}

type countedConn struct {
	net.Conn
	read *atomic.Int64
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Add(int64(n))
	return n, err
}

// TestServerReadsNothingOfRefusedBodies is the same over a connection, where the server
// itself would read on: it answers before anything of the body has come. What comes
// after the answer is thrown away, up to a bound, for clients that send all before they
// look.
func TestServerReadsNothingOfRefusedBodies(t *testing.T) {
	t.Parallel()
	const thrownAway, chunk = 32 << 20, 64 << 10
	s := newServer(t)
	srv := httptest.NewUnstartedServer(s.web)
	read := new(atomic.Int64)
	srv.Listener = countedListener{srv.Listener, read}
	srv.Start()
	defer srv.Close()
	text := fmt.Sprintf("%x\r\n%s\r\n", chunk, strings.Repeat("x", chunk))
	for _, path := range []string{"/v1/batch", "/hooks/github", "/v1/preview", "/nowhere"} {
		for head, after := range map[string]int64{"Transfer-Encoding: chunked": thrownAway, "Content-Length: 200000": 200_000, "Content-Length: 50000000": 0} {
			read.Store(0)
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%s\r\n\r\n", path, head)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			var p api.Problem
			if err := json.NewDecoder(res.Body).Decode(&p); err != nil || p.Status != res.StatusCode || !res.Close {
				t.Errorf("%s, %s: got %d, closed %v, %v", path, head, res.StatusCode, res.Close, err)
			}
			if n := read.Load(); n > 1<<10 {
				t.Errorf("%s, %s: the server has read %d bytes before it answered", path, head, n)
			}
			for err := error(nil); err == nil; { // until the server hangs up
				_, err = io.WriteString(conn, text)
			}
			conn.Close()
			if n := read.Load(); n > after+2*chunk {
				t.Errorf("%s, %s: the server has read %d bytes", path, head, n)
			}
		}
	}
}
