package trace

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// collector keeps the spans that it is sent. Its first answers are those given.
type collector struct {
	*httptest.Server
	mu      sync.Mutex
	answers []int
	asked   []*http.Request
	bodies  []export
}

func newCollector(t *testing.T, answers ...int) *collector {
	t.Helper()
	c := &collector{answers: answers}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		var body export
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&body); err != nil {
			t.Errorf("%v: %s", err, raw)
		}
		if err != nil || r.Header.Get("Content-Type") != "application/json" || r.URL.Path != "/v1/traces" || r.Method != http.MethodPost {
			t.Errorf("got %s %s %v: %v", r.Method, r.URL, r.Header, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked, c.bodies = append(c.asked, r), append(c.bodies, body)
		if n := len(c.asked); n <= len(c.answers) {
			w.WriteHeader(c.answers[n-1])
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// said has a token for each line of a log.
type said chan struct{}

func (s said) Write(b []byte) (int, error) {
	s <- struct{}{}
	return len(b), nil
}

func newTracer(t *testing.T, o Options) *Tracer {
	t.Helper()
	o.Every = time.Hour
	tracer, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// ended runs a tracer whose work is done.
func ended(tracer *Tracer) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = tracer.Run(ctx)
}

// TestSpans follows a request of another service through two parts of this one.
func TestSpans(t *testing.T) {
	c := newCollector(t)
	tracer := newTracer(t, Options{Endpoint: c.URL + "/", Headers: map[string]string{"Authorization": "Bearer x"}, Service: "site", Version: "1.2", Sample: 0})
	ctx, request := tracer.Start(context.Background(), Parse(given, "a=1"), "request", Server)
	request.Rename("GET /notes")
	request.Set("http.response.status_code", 503)
	request.Fail("Service Unavailable")
	inner, part := Start(ctx, "save")
	if Of(inner) != part.Context() || Of(ctx) != request.Context() || !request.Remote() {
		t.Errorf("got %v in %v", Of(inner), Of(ctx))
	}
	part.Set("cms.commit", "abc")
	part.End()
	request.End()
	request.End() // counts for nothing
	_, dropped := Start(ctx, "dropped")
	dropped.Drop()
	dropped.End()
	ended(tracer)

	if len(c.bodies) != 1 || c.asked[0].Header.Get("Authorization") != "Bearer x" {
		t.Fatalf("got %+v", c.bodies)
	}
	told := c.bodies[0].ResourceSpans[0]
	if about, err := json.Marshal(told.Resource); err != nil || string(about) != `{"attributes":[{"key":"service.name","value":{"stringValue":"site"}},{"key":"service.version","value":{"stringValue":"1.2"}}]}` {
		t.Errorf("got %s %v", about, err)
	}
	spans := told.ScopeSpans[0].Spans
	if len(spans) != 2 {
		t.Fatalf("got %+v", spans)
	}
	save, get := spans[0], spans[1]
	id := request.Context().Span
	if get.TraceID != given[3:35] || get.ParentID != given[36:52] || get.SpanID != hex.EncodeToString(id[:]) || get.State != "a=1" || get.Flags != 1 ||
		get.Name != "GET /notes" || get.Kind != Server || get.Status == nil || get.Status.Code != 2 || get.Attributes[0].Value["intValue"] != "503" {
		t.Errorf("got %+v", get)
	}
	if save.TraceID != get.TraceID || save.ParentID != get.SpanID || save.Kind != Internal || save.Status != nil || save.Attributes[0].Value["stringValue"] != "abc" {
		t.Errorf("got %+v", save)
	}
	if len(get.Start) != 19 || get.End < save.End || get.Start > save.Start {
		t.Errorf("got the times %s to %s, and within them %s to %s", get.Start, get.End, save.Start, save.End)
	}
}

// TestSampling: who comes with a trace says whether it is told of; of others the sample is.
func TestSampling(t *testing.T) {
	for sample, want := range map[float64]int{0: 0, 1: 200, 0.5: -1} {
		c := newCollector(t)
		tracer := newTracer(t, Options{Endpoint: c.URL, Sample: sample})
		for range 200 {
			ctx, s := tracer.Start(context.Background(), Context{}, "request", Server)
			if !Of(ctx).Valid() || s.Remote() {
				t.Fatal("a trace that begins here has no name")
			}
			s.End()
		}
		unsampled, s := tracer.Start(context.Background(), Parse(strings.TrimSuffix(given, "1")+"0", ""), "request", Server)
		if Of(unsampled).Parent() != strings.TrimSuffix(given, "1")+"0" {
			t.Errorf("got %v", Of(unsampled))
		}
		s.End()
		ended(tracer)
		got := 0
		for _, b := range c.bodies {
			got += len(b.ResourceSpans[0].ScopeSpans[0].Spans)
		}
		if want >= 0 && got != want || want < 0 && (got < 50 || got > 150) {
			t.Errorf("a sample of %v: %d of 200", sample, got)
		}
	}
}

// TestWithoutTracer: what came in is passed on, and nothing begins.
func TestWithoutTracer(t *testing.T) {
	var none *Tracer
	ctx, s := none.Start(context.Background(), Context{}, "request", Server)
	if s != nil || Of(ctx).Valid() {
		t.Errorf("got %v", s)
	}
	s.Set("a", 1)
	s.Rename("b")
	s.Fail("c")
	s.Drop()
	s.End()
	ctx, s = none.Start(ctx, Parse(given, "a=1"), "request", Server)
	ctx, part := Start(ctx, "save")
	if got := Of(ctx); got.Parent() != given || got.State != "a=1" || part.Context() != s.Context() {
		t.Errorf("got %v", got)
	}
	part.End()
	if err := none.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCollectorInTrouble: what it refuses for now is sent again, what it refuses for good
// is not, and nobody waits for it.
func TestCollectorInTrouble(t *testing.T) {
	for status, want := range map[int]int{http.StatusServiceUnavailable: 2, http.StatusTooManyRequests: 2, http.StatusBadRequest: 1, http.StatusFound: 1} {
		c := newCollector(t, status)
		said := make(said, 100)
		tracer := newTracer(t, Options{Endpoint: c.URL, Sample: 1, Logger: slog.New(slog.NewTextHandler(said, nil))})
		for range batchSize {
			_, s := tracer.Start(context.Background(), Context{}, "request", Server)
			s.End()
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- tracer.Run(ctx) }()
		<-said
		cancel() // what is to be sent again is, at once
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := len(c.asked); got != want {
			t.Errorf("after %d it was asked %d times, want %d", status, got, want)
		}
	}
	var log bytes.Buffer
	tracer := newTracer(t, Options{Endpoint: "http://user-of-nobody.invalid/secret", Sample: 1, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	for range maxWaiting + 7 {
		_, s := tracer.Start(context.Background(), Context{}, "request", Server)
		s.End()
	}
	ended(tracer)
	if said := log.String(); !strings.Contains(said, `"spans":7`) || !strings.Contains(said, "could not be sent") || strings.Contains(said, "secret") {
		t.Errorf("the log says %s", said)
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no endpoint": {Sample: 1}, "a path": {Endpoint: "/v1/traces"}, "another scheme": {Endpoint: "ftp://a"}, "a large sample": {Endpoint: "http://a", Sample: 2},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for endpoint, want := range map[string]string{
		"http://a": "http://a/v1/traces", "https://a/otlp/": "https://a/otlp/v1/traces", "http://a/v1/traces": "http://a/v1/traces",
	} {
		if tracer, err := New(Options{Endpoint: endpoint}); err != nil || tracer.url != want {
			t.Errorf("%s: got %v %v", endpoint, tracer, err)
		}
	}
}
