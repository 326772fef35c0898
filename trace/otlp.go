package trace

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Bounds of what waits for a collector.
const (
	maxWaiting  = 2048 // spans; beyond them new ones are dropped
	batchSize   = 512
	sendTimeout = 10 * time.Second
	lastTimeout = 2 * time.Second // for what is left at the end
	minPause    = time.Second     // after a failure; it doubles
	maxPause    = time.Minute
)

// Options are what a Tracer is made of. The endpoint is required.
type Options struct {
	Endpoint string            // of the collector, below which /v1/traces is
	Headers  map[string]string // of each request to it
	Service  string            // the name of this one; cms when ""
	Version  string            // of this one
	Sample   float64           // how much of the traces that begin here is told of, from 0 to 1
	Every    time.Duration     // how often it is told of; 5 s when 0
	Logger   *slog.Logger      // discards if nil
}

// Tracer tells a collector of spans, by OTLP over HTTP in JSON. A nil one tells nobody.
type Tracer struct {
	url     string
	headers map[string]string
	about   resource
	sample  float64
	every   time.Duration
	client  *http.Client
	log     *slog.Logger
	ended   chan spanJSON
	dropped atomic.Int64
}

// New makes a tracer, which tells nothing until it runs.
func New(o Options) (*Tracer, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the endpoint of traces is not an absolute http or https URL")
	}
	if math.IsNaN(o.Sample) || o.Sample < 0 || o.Sample > 1 {
		return nil, errors.New("the sample of traces is not between 0 and 1")
	}
	if !strings.HasSuffix(u.Path, "/v1/traces") {
		u = u.JoinPath("v1", "traces")
	}
	about := []attribute{{"service.name", cmp.Or(o.Service, "cms")}}
	if o.Version != "" {
		about = append(about, attribute{"service.version", o.Version})
	}
	return &Tracer{
		url: u.String(), headers: o.Headers, about: resource{encoded(about)}, sample: o.Sample, every: cmp.Or(o.Every, 5*time.Second),
		client: &http.Client{
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: sendTimeout, IdleConnTimeout: maxPause},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		log:   cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		ended: make(chan spanJSON, maxWaiting),
	}, nil
}

// add leaves a span to Run. Nobody waits for a collector: where too many wait for it, the
// span is dropped.
func (t *Tracer) add(s *Span, ended time.Time) {
	told := spanJSON{
		TraceID: hex.EncodeToString(s.context.Trace[:]), SpanID: hex.EncodeToString(s.context.Span[:]), State: s.context.State,
		Flags: uint32(s.context.Flags), Name: s.name, Kind: s.kind,
		Start: strconv.FormatInt(s.began.UnixNano(), 10), End: strconv.FormatInt(s.began.UnixNano()+int64(ended.Sub(s.began)), 10),
		Attributes: encoded(s.attrs),
	}
	if s.parent != [8]byte{} {
		told.ParentID = hex.EncodeToString(s.parent[:])
	}
	if s.failed != "" {
		told.Status = &status{Code: 2, Message: s.failed}
	}
	select {
	case t.ended <- told:
	default:
		t.dropped.Add(1)
	}
}

// Run tells of spans until ctx ends, and then of what is left. It returns nil.
func (t *Tracer) Run(ctx context.Context) error {
	if t == nil {
		return nil
	}
	defer t.client.CloseIdleConnections()
	ticks := time.NewTicker(t.every)
	defer ticks.Stop()
	var batch []spanJSON
	for {
		select {
		case s := <-t.ended:
			if batch = append(batch, s); len(batch) < batchSize {
				continue
			}
		case <-ticks.C:
		case <-ctx.Done():
			t.finish(ctx, batch)
			return nil
		}
		if batch = t.insist(ctx, batch); ctx.Err() == nil {
			t.tellDropped()
		}
	}
}

// insist sends a batch until it is taken or refused for good, or ctx ends. It gives what
// is to be sent yet.
func (t *Tracer) insist(ctx context.Context, batch []spanJSON) []spanJSON {
	for pause := minPause; len(batch) > 0; pause = min(2*pause, maxPause) {
		again, err := t.send(ctx, batch)
		if err == nil {
			break
		}
		if again && ctx.Err() != nil {
			return batch
		}
		t.log.Warn("spans could not be sent", "spans", len(batch), "error", err, "again", again)
		if !again {
			break
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return batch
		}
	}
	return nil
}

// finish sends what is left, once.
func (t *Tracer) finish(ctx context.Context, batch []spanJSON) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTimeout)
	defer cancel()
	for left := true; left; {
		select {
		case s := <-t.ended:
			batch = append(batch, s)
		default:
			left = false
		}
	}
	if len(batch) > 0 {
		if _, err := t.send(ctx, batch); err != nil {
			t.log.Warn("the last spans could not be sent", "spans", len(batch), "error", err)
		}
	}
	t.tellDropped()
}

func (t *Tracer) tellDropped() {
	if n := t.dropped.Swap(0); n > 0 {
		t.log.Warn("spans were dropped, as too many wait for the collector", "spans", n)
	}
}

// send posts a batch. Where it fails it says whether to try again, by the specification of
// OTLP over HTTP. The error does not hold the URL, which may be a secret in itself.
func (t *Tracer) send(ctx context.Context, batch []spanJSON) (again bool, err error) {
	body, err := json.Marshal(export{[]resourceSpans{{t.about, []scopeSpans{{scope{"cms"}, batch}}}}})
	if err != nil {
		return false, fmt.Errorf("encode spans: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return false, errors.New("the collector's URL cannot be asked")
	}
	for name, value := range t.headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := t.client.Do(req)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		return true, failed.Err
	} else if err != nil {
		return true, err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection can be used again
	switch {
	case res.StatusCode/100 == 2:
		return false, nil
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusBadGateway,
		res.StatusCode == http.StatusServiceUnavailable, res.StatusCode == http.StatusGatewayTimeout:
		again = true
	}
	return again, fmt.Errorf("the collector answered %s", res.Status)
}

// The request of OTLP, in the JSON form of its protocol buffers: numbers of 64 bits are
// texts, ids are hexadecimal.
type (
	export struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   resource     `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	resource struct {
		Attributes []keyValue `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope      `json:"scope"`
		Spans []spanJSON `json:"spans"`
	}
	scope struct {
		Name string `json:"name"`
	}
	spanJSON struct {
		TraceID    string     `json:"traceId"`
		SpanID     string     `json:"spanId"`
		State      string     `json:"traceState,omitempty"`
		ParentID   string     `json:"parentSpanId,omitempty"`
		Flags      uint32     `json:"flags"`
		Name       string     `json:"name"`
		Kind       Kind       `json:"kind"`
		Start      string     `json:"startTimeUnixNano"`
		End        string     `json:"endTimeUnixNano"`
		Attributes []keyValue `json:"attributes,omitempty"`
		Status     *status    `json:"status,omitempty"`
	}
	status struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	keyValue struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

func encoded(attrs []attribute) []keyValue {
	all := make([]keyValue, len(attrs))
	for i, a := range attrs {
		switch v := a.value.(type) {
		case int:
			all[i] = keyValue{a.key, map[string]any{"intValue": strconv.Itoa(v)}}
		default:
			all[i] = keyValue{a.key, map[string]any{"stringValue": fmt.Sprint(v)}}
		}
	}
	return all
}
