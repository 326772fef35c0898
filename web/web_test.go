package web_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cms/auth"
	"cms/say"
	"cms/web"
)

// form is a door as a person sees it: it answers with pages, also when it refuses.
type form struct {
	floor *web.Floor
	save  http.Handler
}

func newForm(floor *web.Floor) *form {
	f := &form{floor: floor}
	f.save = floor.Handle(web.Operation{Name: "save-note", Route: "/notes/{id}", Body: 1 << 10}, f.answer)
	return f
}

func (f *form) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.save.ServeHTTP(w, r) }

func (f *form) answer(w http.ResponseWriter, r *http.Request) error {
	body, release, err := f.floor.Body(r)
	if err != nil {
		return err
	}
	defer release()
	switch string(body) {
	case "panic":
		panic("of a test")
	case "fail":
		return errors.New("a secret cause")
	case "dry":
		web.AuditDryRun(r.Context())
		return nil
	case "same":
		web.Audit(r.Context(), web.Target{Collection: "notes", Name: r.URL.Path, Unchanged: true})
		return nil
	}
	web.Audit(r.Context(), web.Target{Collection: "notes", Name: r.URL.Path})
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<p>%s saved %d bytes", web.Principal(r.Context()).Subject, len(body))
	return nil
}

// Refuse shows a page.
func (f *form) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := f.floor.Problem(r.Context(), err)
	p.Tell(r.Context())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.Status)
	fmt.Fprintf(w, "<h1>%s</h1><p>%s", p.Code, p.Detail)
}

// remote is a door as Git sees it, which sends a token as a password.
type remote struct {
	floor *web.Floor
	http.Handler
}

func newRemote(floor *web.Floor) *remote {
	return &remote{floor, floor.Handle(web.Operation{Name: "fetch", Route: "/git/", Caller: func(r *http.Request) (*auth.Principal, error) {
		_, token, ok := r.BasicAuth()
		if !ok {
			return nil, web.NewProblem(http.StatusUnauthorized, say.New("Send a token as the password."))
		}
		return floor.Token(r.Context(), token)
	}}, func(w http.ResponseWriter, r *http.Request) error {
		n, err := io.Copy(io.Discard, r.Body) // nothing bounds it, and nothing holds it
		if err == nil {
			fmt.Fprintf(w, "%s sent %d", web.Principal(r.Context()).Subject, n)
		}
		return err
	})}
}

func (d *remote) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := d.floor.Problem(r.Context(), err)
	p.Tell(r.Context())
	w.Header().Set("WWW-Authenticate", `Basic realm="cms"`)
	http.Error(w, p.Detail.String(), p.Status)
}

var issuer = auth.Issuer{Issuer: "cms", Audience: "cms", Algorithms: []string{"HS256"}, Secret: []byte("0123456789abcdef0123456789abcdef")}

func mint(t *testing.T, subject string) string {
	t.Helper()
	token, err := auth.Mint(issuer, auth.Claims{Subject: subject, Roles: []string{"editor"}, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// doors is a floor with a form and a remote.
func doors(t *testing.T, o web.Options) *web.Floor {
	t.Helper()
	var err error
	if o.Verifier, err = auth.NewVerifier(auth.Options{Issuers: []auth.Issuer{issuer}}); err != nil {
		t.Fatal(err)
	}
	floor, err := web.New(o)
	if err != nil {
		t.Fatal(err)
	}
	floor.Mount("/notes/", newForm(floor))
	floor.Mount("/git/", newRemote(floor))
	return floor
}

func ask(floor http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	floor.ServeHTTP(w, r)
	return w
}

// TestDoorsRefuseInTheirManner: whether the door refuses, the floor before it, or a
// panic.
func TestDoorsRefuseInTheirManner(t *testing.T) {
	floor := doors(t, web.Options{PerCaller: web.Limit{Requests: 6, Window: time.Hour}})
	token := mint(t, "ann")
	bearer := []string{"Authorization", "Bearer " + token}
	long := strings.Repeat("x", 1025)
	for _, c := range []struct {
		path, body string
		header     []string
		status     int
		code       string // in the page
	}{
		{"/notes/1", "a", bearer, 200, "ann saved 1 bytes"},
		{"/notes/1", "a", nil, 401, "<h1>unauthenticated</h1>"},
		{"/notes/1", "a", []string{"Authorization", "Bearer x"}, 401, "<h1>unauthenticated</h1>"},
		{"/notes/1", long, bearer, 413, "<h1>too_large</h1>"},
		{"/notes/1?a=%zz", "a", bearer, 400, "<h1>malformed</h1>"},
		{"/notes/1?a=1&a=2", "a", bearer, 400, "<h1>malformed</h1>"},
		{"/notes/1?" + strings.Repeat("x", 17<<10), "a", bearer, 414, "<h1>uri_too_long</h1>"},
		{"/notes/1", "panic", bearer, 500, "<h1>internal</h1>"},
		{"/notes/1", "fail", bearer, 500, "<h1>internal</h1>"},
		{"/git/info", "a", nil, 401, "Send a token as the password."},
		{"/git/info", long, nil, 401, "Send a token as the password."},
		{"/nowhere", "", nil, 404, `"code":"not_found"`},
		{"/notes", "", bearer, 404, `"code":"not_found"`},
	} {
		w := ask(floor, "POST", c.path, c.body, c.header...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.code) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("POST %.20s %.20s: got %d %s, want %d %s", c.path, c.body, w.Code, w.Body, c.status, c.code)
		}
		if w.Header().Get("X-Request-Id") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("POST %.20s: got the headers %v", c.path, w.Header())
		}
	}
	for range 7 {
		ask(floor, "POST", "/notes/1", "a", bearer...)
	}
	if w := ask(floor, "POST", "/notes/1", "a", bearer...); w.Code != 429 || !strings.Contains(w.Body.String(), "<h1>too_many_requests</h1>") {
		t.Errorf("one too many: got %d %s", w.Code, w.Body)
	}
	r := httptest.NewRequest("POST", "/git/info", strings.NewReader(strings.Repeat("x", 100<<10)))
	r.SetBasicAuth("ben", mint(t, "ben"))
	w := httptest.NewRecorder()
	floor.ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != "ben sent 102400" {
		t.Errorf("a stream by a token in the password: got %d %s", w.Code, w.Body)
	}
}

// TestCallsAreWrittenDown: in the logs and the metrics, whatever the door.
func TestCallsAreWrittenDown(t *testing.T) {
	var log bytes.Buffer
	floor := doors(t, web.Options{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Registry: prometheus.NewRegistry(), Metrics: true})
	token := mint(t, "ann")
	type line struct {
		Msg   string
		Audit struct {
			Who       struct{ Subject string }
			Operation string
			Result    struct {
				Status  int
				Code    string
				Changed []web.Target
			}
		}
	}
	for _, c := range []struct {
		body, subject string
		status        int
		code          string
		changed       int
	}{
		{"a", "ann", 200, "", 1},
		{"a", "", 401, "unauthenticated", 0},
		{"panic", "ann", 500, "internal", 0},
	} {
		log.Reset()
		var header []string
		if c.subject != "" {
			header = []string{"Authorization", "Bearer " + token}
		}
		ask(floor, "POST", "/notes/1", c.body, header...)
		audits := 0
		for dec := json.NewDecoder(&log); ; {
			var l line
			if err := dec.Decode(&l); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if l.Msg != "audit" {
				continue
			}
			audits++
			if a := l.Audit; a.Who.Subject != c.subject || a.Operation != "save-note" || a.Result.Status != c.status || a.Result.Code != c.code || len(a.Result.Changed) != c.changed {
				t.Errorf("%s: got %+v", c.body, a)
			}
		}
		if audits != 1 {
			t.Errorf("%s: got %d audit lines, want 1", c.body, audits)
		}
	}
	ask(floor, "POST", "/nowhere", "")
	got := ask(floor, "GET", "/metrics", "").Body.String()
	for _, want := range []string{
		`cms_http_requests_total{method="POST",route="/notes/{id}",status="200"} 1`,
		`cms_http_requests_total{method="POST",route="/notes/{id}",status="500"} 1`,
		`cms_http_requests_total{method="POST",route="none",status="404"} 1`,
		`cms_http_request_duration_seconds_count{method="POST",route="/notes/{id}"} 3`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

// TestHealthIsReadAlone: the pages of the floor itself answer to GET and HEAD.
func TestHealthIsReadAlone(t *testing.T) {
	floor := doors(t, web.Options{Ready: []web.Check{{Code: "disk_full", Detail: say.New("The disk is full."), Run: func() error { return errors.New("a secret cause") }}}})
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/healthz", 200, `{"status":"ok"}`},
		{"HEAD", "/healthz", 200, ""},
		{"POST", "/healthz", 405, `"code":"method_not_allowed"`},
		{"GET", "/readyz", 503, `"rule":"disk_full"`},
		{"GET", "/metrics", 404, `"code":"not_found"`},
	} {
		w := ask(floor, c.method, c.path, "")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s %s: got %d %s", c.method, c.path, w.Code, w.Body)
		}
		if w.Code == 405 && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: got Allow %q", c.method, c.path, w.Header().Get("Allow"))
		}
	}
}

// TestBodiesEndAtTheirBound: for who reads them as a stream, too, by the byte.
func TestBodiesEndAtTheirBound(t *testing.T) {
	const limit = 100
	floor := doors(t, web.Options{})
	for sent := limit - 2; sent < limit+3; sent++ {
		for _, length := range []int64{-1, int64(sent)} {
			var read int64
			var err error
			h := floor.Handle(web.Operation{Caller: web.Anyone, Body: limit}, func(_ http.ResponseWriter, r *http.Request) error {
				read, err = io.Copy(io.Discard, r.Body)
				return nil
			})
			outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) })
			floor.Mount("/stream", door{outer})
			r := httptest.NewRequest("POST", "/stream", io.NopCloser(strings.NewReader(strings.Repeat("x", sent))))
			r.ContentLength = length
			floor.ServeHTTP(httptest.NewRecorder(), r)
			var p *web.Problem
			over := errors.As(err, &p) && p.Status == http.StatusRequestEntityTooLarge
			if over != (sent > limit) || read != int64(min(sent, limit)) || err != nil && !over {
				t.Errorf("%d bytes (length %d): read %d, %v", sent, length, read, err)
			}
			floor = doors(t, web.Options{})
		}
	}
}

// TestRequestsAfterOneThatTookTooLong have their own time, on the same connection.
func TestRequestsAfterOneThatTookTooLong(t *testing.T) {
	const limit = 50 * time.Millisecond
	for _, body := range []string{"", "a body"} {
		floor := doors(t, web.Options{})
		h := floor.Handle(web.Operation{Caller: web.Anyone, Time: limit, Body: 100}, func(_ http.ResponseWriter, r *http.Request) error {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return err
			}
			<-r.Context().Done()
			return web.NotFound()
		})
		after := floor.Handle(web.Operation{Caller: web.Anyone, Time: time.Hour}, func(_ http.ResponseWriter, r *http.Request) error {
			if r.Context().Err() != nil {
				return web.NotFound()
			}
			return nil
		})
		floor.Mount("/slow", door{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			select {
			case <-r.Context().Done():
				t.Errorf("the time of a request with %q ends its connection", body)
			case <-time.After(2 * limit):
			}
		})})
		floor.Mount("/after", door{after})
		server := httptest.NewServer(floor)
		defer server.Close()
		for i, path := range []string{"/slow", "/after"} {
			var reused bool
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) { reused = got.Reused }})
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			res, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if want := []int{http.StatusNotFound, http.StatusOK}[i]; res.StatusCode != want || reused != (i == 1) {
				t.Errorf("%s with %q: got %s, on a connection that was used before: %t", path, body, res.Status, reused)
			}
			body = ""
		}
	}
}

// Whoever sends all of a body before they look for the answer gets it, however little of
// the body was wanted.
func TestRefusedBodiesGetTheirAnswer(t *testing.T) {
	const sent = 16 << 20 // more than a connection holds that nobody reads from
	floor := doors(t, web.Options{})
	for path, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"/read":   func(_ http.ResponseWriter, r *http.Request) error { _, err := io.Copy(io.Discard, r.Body); return err },
		"/unread": func(http.ResponseWriter, *http.Request) error { return web.NotFound() },
	} {
		floor.Mount(path, door{floor.Handle(web.Operation{Caller: web.Anyone, Body: 100}, h)})
	}
	server := httptest.NewServer(floor)
	defer server.Close()
	for path, want := range map[string]int{"/read": http.StatusRequestEntityTooLarge, "/unread": http.StatusNotFound} {
		for framing, body := range map[string]string{
			fmt.Sprint("Content-Length: ", sent): strings.Repeat("x", sent),
			"Transfer-Encoding: chunked":         fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", sent, strings.Repeat("x", sent)),
		} {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n%s", path, framing, body); err != nil {
				t.Errorf("%s, %s: %v", path, framing, err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Errorf("%s, %s: %v", path, framing, err)
				continue
			}
			if told, err := io.ReadAll(res.Body); res.StatusCode != want || !res.Close || !strings.Contains(string(told), "\"status\"") || err != nil {
				t.Errorf("%s, %s: got %d %s, close %t, %v", path, framing, res.StatusCode, told, res.Close, err)
			}
		}
	}
}

// Whoever sends no more than a part of a body knows when they have all of the answer: the
// connection is not closed at once.
func TestRefusedBodiesNeedNotEnd(t *testing.T) {
	floor := doors(t, web.Options{})
	floor.Mount("/unread", door{floor.Handle(web.Operation{Caller: web.Anyone, Body: 100}, func(http.ResponseWriter, *http.Request) error { return web.NotFound() })})
	server := httptest.NewServer(floor)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if told, err := io.ReadAll(io.LimitReader(res.Body, res.ContentLength)); err != nil || int64(len(told)) != res.ContentLength || !strings.Contains(string(told), "\"status\"") {
		t.Errorf("got %q of %d bytes: %v", told, res.ContentLength, err)
	}
}

// door is a handler without a manner of its own.
type door struct{ http.Handler }

func (door) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	var p *web.Problem
	if errors.As(err, &p) {
		web.WriteProblem(w, r, p)
	}
}
