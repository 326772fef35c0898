package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"cms/race"
)

const traceConfig = loadConfig + `webhooks:
  - {name: site, url: "%s/secret-of-the-url", secret_env: CMS_HOOK_SECRET, allow_private: true, headers: {X-Key: {value: secret-of-a-header}}}
tracing: {endpoint: "%s", headers: {Authorization: {value: secret-of-the-collector}}, sample: 0}
`

// told is a span, as a collector is told of it.
type told struct {
	TraceID, SpanID, ParentSpanID, TraceState, Name string
	Kind                                            int
	Status                                          struct{ Code int }
	Attributes                                      []struct {
		Key   string
		Value struct{ StringValue, IntValue string }
	}
}

func (s told) attribute(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.StringValue + a.Value.IntValue
		}
	}
	return ""
}

// TestTraces follows an edit that another service began: through the request, the commit
// and the deliveries of its event, of which the first is refused and the second made by
// the service after a restart, to the receiver; in the log and at a collector.
func TestTraces(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	const (
		traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
		parent  = "00f067aa0ba902b7"
		state   = "ours=1,theirs=2"
	)
	var (
		mu      sync.Mutex
		bodies  []byte
		spans   []told
		arrived = make(chan http.Header, 10)
	)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent struct {
			ResourceSpans []struct{ ScopeSpans []struct{ Spans []told } }
		}
		if err == nil {
			err = json.Unmarshal(body, &sent)
		}
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != "secret-of-the-collector" {
			t.Errorf("got %s %v: %v", r.URL, r.Header, err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, body...)
		spans = append(spans, sent.ResourceSpans[0].ScopeSpans[0].Spans...)
	}))
	defer collector.Close()
	var requests sync.Map
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, again := requests.LoadOrStore(r.Header.Get("Webhook-Id"), true); !again {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		arrived <- r.Header
	}))
	defer receiver.Close()

	p := newProcess(t, 3, traceConfig, receiver.URL, collector.URL)
	p.serve()
	req, err := http.NewRequest("PATCH", p.url+entriesPath+"/donnees-sante?message=secret-of-the-query", strings.NewReader(`{"fields": {"title": "secret of the body"}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer " + p.token, "Content-Type": merge, "If-Match": "*",
		"Traceparent": "00-" + traceID + "-" + parent + "-01", "Tracestate": state,
	} {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	var edited struct{ Updated struct{ Commit string } }
	if err := json.NewDecoder(res.Body).Decode(&edited); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("got %d %v", res.StatusCode, err)
	}
	res.Body.Close()
	first := <-arrived
	p.stop()
	p.serve()
	second := <-arrived
	p.stop() // what is left is told

	mu.Lock()
	defer mu.Unlock()
	byID, byName := map[string]told{}, map[string][]told{}
	for _, s := range spans {
		if s.TraceID != traceID || s.TraceState != state {
			t.Errorf("a span of another trace: %+v", s)
		}
		byID[s.SpanID], byName[s.Name] = s, append(byName[s.Name], s)
	}
	request, commit, attempts := byName["PATCH /v1/collections/{collection}/entries/{slug}"], byName["commit"], byName["webhook site"]
	if len(request) != 1 || len(commit) != 1 || len(attempts) != 2 || len(byID) != 4 {
		t.Fatalf("got %+v", spans)
	}
	if r := request[0]; r.ParentSpanID != parent || r.Kind != 2 || r.attribute("http.response.status_code") != "200" ||
		r.attribute("http.route") == "" || r.attribute("cms.request_id") != res.Header.Get("X-Request-Id") {
		t.Errorf("got the request %+v", r)
	}
	if c := commit[0]; c.ParentSpanID != request[0].SpanID || c.Kind != 1 || c.attribute("cms.commit") != edited.Updated.Commit {
		t.Errorf("got the commit %+v", c)
	}
	for i, header := range []http.Header{first, second} {
		s := byID[strings.Split(header.Get("Traceparent")+"---", "-")[2]]
		if header.Get("Traceparent") != "00-"+traceID+"-"+s.SpanID+"-01" || header.Get("Tracestate") != state ||
			s.ParentSpanID != commit[0].SpanID || s.Kind != 3 || s.attribute("http.response.status_code") != []string{"503", "200"}[i] ||
			s.attribute("cms.commit") != edited.Updated.Commit || s.attribute("cms.event.type") != "entry.updated" || s.Status.Code != []int{2, 0}[i] {
			t.Errorf("attempt %d had %v, and its span is %+v", i, header, s)
		}
	}
	for _, secret := range []string{"secret", p.token, "donnees-sante", "Ann", hookSecret, testSecret} {
		if bytes.Contains(bodies, []byte(secret)) {
			t.Errorf("the collector is told %q", secret)
		}
	}
	lines := map[string]int{}
	for line := range strings.Lines(p.log.String()) {
		var told struct {
			Msg, Path string
			TraceID   string `json:"trace_id"`
		}
		if err := json.Unmarshal([]byte(line), &told); err != nil {
			t.Fatal(err)
		}
		if told.TraceID == traceID {
			lines[told.Msg]++
		}
	}
	for _, msg := range []string{"request", "audit", "webhook not delivered", "webhook delivered"} {
		if lines[msg] != 1 {
			t.Errorf("%d lines %q of the log have the trace: %v", lines[msg], msg, lines)
		}
	}
}
