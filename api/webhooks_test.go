package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"cms/api/hooks"
	"cms/state"
	"cms/webhooks"
)

const hookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// builder takes webhooks, and answers with the status that it is told to.
type builder struct {
	mu     sync.Mutex
	status int
	got    []string          // type and webhook-id
	placed map[string]string // sequences of commits
	forged int
}

func (b *builder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	library, _ := standardwebhooks.NewWebhook(hookSecret)
	var event struct {
		Type, Sequence string
		Data           struct{ Commit string }
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Join(err, library.Verify(body, r.Header), json.Unmarshal(body, &event)) != nil {
		b.forged++
	}
	if b.placed == nil {
		b.placed = map[string]string{}
	}
	b.placed[event.Data.Commit] = event.Sequence
	b.got = append(b.got, event.Type+" "+r.Header.Get("webhook-id"))
	w.WriteHeader(b.status)
	io.WriteString(w, "Réponse du site")
}

func (b *builder) answer(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
}

func (b *builder) sequence(commit string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.placed[commit]
}

func (b *builder) count(typ string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, g := range b.got {
		if strings.HasPrefix(g, typ) {
			n++
		}
	}
	return n
}

// newServerWithHooks has the endpoint "site", which leads to a builder. What it
// logs goes to log.
func newServerWithHooks(t *testing.T, log io.Writer) (*server, *builder) {
	t.Helper()
	b := &builder{status: http.StatusOK}
	receiver := httptest.NewServer(b)
	t.Cleanup(receiver.Close)
	var relay *webhooks.Relay
	s := newServerWith(t, func(o *options) {
		db, err := state.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "state.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		relay, err = webhooks.New(t.Context(), webhooks.Options{
			Source: o.Site, State: db, PublicURL: "http://cms.example.org", Private: true, Logger: slog.New(slog.NewTextHandler(log, nil)),
			Endpoints: []webhooks.Endpoint{{Name: "site", URL: receiver.URL + "/jeton-secret", Secret: hookSecret, AllowPrivate: true, Events: []string{"entry.*"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		o.Webhooks = relay
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- relay.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("webhooks: %v", err)
		}
		if b.forged > 0 {
			t.Errorf("the library refuses %d requests", b.forged)
		}
	})
	s.operator = s.mint("operator", "editor")
	return s, b
}

// operate asks for something as an operator of webhooks, and reads the answer.
func (s *server) operate(method, path, body string, status int, into any) {
	s.Helper()
	res := s.do(request{method: method, path: path, body: body, token: s.operator, header: map[string]string{"Content-Type": "application/json"}})
	if res.status != status {
		s.Fatalf("%s %s: got %d %s, want %d", method, path, res.status, res.body, status)
	}
	if into != nil {
		if err := json.Unmarshal(res.body, into); err != nil {
			s.Fatal(err)
		}
	}
}

// until waits for ok.
func (s *server) until(what string, ok func() bool) {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("waited in vain for %s", what)
		}
	}
}

// An endpoint that said it wants no more is disabled; its operator sees why,
// enables it, and it gets what it missed.
func TestDisabledWebhookIsEnabled(t *testing.T) {
	t.Parallel()
	s, b := newServerWithHooks(t, io.Discard)
	b.answer(http.StatusGone)
	s.create("consultations", "plan-velo", sample)
	var hook hooks.Webhook
	s.until("the end", func() bool { s.operate("GET", "/v1/webhooks/site", "", 200, &hook); return !hook.Enabled })
	if !strings.Contains(hook.DisabledReason, "410") || hook.DisabledAt == nil || strings.Contains(hook.Host, "jeton-secret") {
		t.Errorf("got %+v", hook)
	}
	s.operate("POST", "/v1/webhooks/site/test", "", 409, nil)
	s.create("consultations", "budget", sample)
	b.answer(http.StatusOK)
	s.operate("PATCH", "/v1/webhooks/site", `{"enabled": true}`, 200, &hook)
	if !hook.Enabled {
		t.Errorf("got %+v", hook)
	}
	var page hooks.Deliveries
	s.until("what was missed", func() bool {
		s.operate("GET", "/v1/deliveries?state=delivered&entry=consultations/budget", "", 200, &page)
		return len(page.Items) == 1
	})
	d := page.Items[0]
	if len(d.Attempts) != 1 || d.Attempts[0].Status != 200 || d.Attempts[0].Response != "Réponse du site" || d.Webhook != "site" || d.Type != "entry.created" {
		t.Errorf("got %+v", d)
	}
	page = hooks.Deliveries{}
	s.operate("GET", "/v1/deliveries?webhook=site&state=failed", "", 200, &page)
	if len(page.Items) != 1 || page.Items[0].Attempts[0].Status != 410 || page.Items[0].Attempts[0].Error == "" {
		t.Errorf("got %+v, want the event that was answered by 410", page)
	}
	s.operate("PATCH", "/v1/webhooks/site", `{"enabled": false}`, 200, &hook)
	if hook.Enabled {
		t.Errorf("got %+v", hook)
	}
	s.create("consultations", "sursis", sample)
	s.operate("PATCH", "/v1/webhooks/site", `{"enabled": true}`, 200, nil)
	s.until("what was missed", func() bool { return b.count("entry.created") == 3 })
}

func TestRedeliver(t *testing.T) {
	t.Parallel()
	s, b := newServerWithHooks(t, io.Discard)
	s.create("consultations", "plan-velo", sample)
	s.create("consultations", "budget", sample)
	var sent hooks.Sent
	s.operate("POST", "/v1/webhooks/site/test", "", 202, &sent)
	var d hooks.Delivery
	s.until("the test", func() bool {
		s.operate("GET", "/v1/deliveries/"+sent.Delivery, "", 200, &d)
		return d.State == "delivered"
	})
	if d.Type != "webhook.test" || b.count("webhook.test") != 1 {
		t.Errorf("got %+v", d)
	}
	s.until("the events", func() bool { return b.count("entry.created") == 2 })
	var page hooks.Deliveries
	s.until("the records", func() bool {
		s.operate("GET", "/v1/deliveries?state=delivered&limit=2", "", 200, &page)
		return len(page.Items) == 2 && page.NextCursor != nil
	})
	first := page.Items[1]
	s.operate("GET", "/v1/deliveries?limit=2&cursor="+*page.NextCursor, "", 200, &page)
	if len(page.Items) != 1 || page.Items[0].ID >= first.ID {
		t.Errorf("the second page is %+v", page)
	}
	s.operate("POST", "/v1/deliveries/"+first.ID+"/redeliver", "", 202, &sent)
	s.until("the copy", func() bool {
		s.operate("GET", "/v1/deliveries/"+sent.Delivery, "", 200, &d)
		return d.State == "delivered"
	})
	if d.EventID != first.EventID || d.ID == first.ID {
		t.Errorf("got %+v of %+v", d, first)
	}
	before := b.count("")
	var n hooks.Redelivered
	s.operate("POST", "/v1/webhooks/site/redeliver", `{"since": "2020-01-01T00:00:00Z"}`, 202, &n)
	s.until("the range", func() bool { return b.count("") == before+n.Count })
	if n.Count != 4 {
		t.Errorf("%d were sent again, want 4", n.Count)
	}
	s.operate("POST", "/v1/webhooks/site/redeliver", `{"since": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z"}`, 202, &n)
	if n.Count != 0 {
		t.Errorf("%d were sent again, want none", n.Count)
	}
}

func TestWebhooksRefused(t *testing.T) {
	t.Parallel()
	s, b := newServerWithHooks(t, io.Discard)
	editor, auditor := s.token, s.mint("auditor")
	for _, test := range []struct {
		name, method, path, body, token string
		status                          int
	}{
		{"no right", "GET", "/v1/webhooks", "", editor, 403},
		{"no right to deliveries", "GET", "/v1/deliveries", "", editor, 403},
		{"no token", "GET", "/v1/webhooks", "", "-", 401},
		{"reading", "GET", "/v1/webhooks", "", auditor, 200},
		{"no right to change", "PATCH", "/v1/webhooks/site", `{"enabled": true}`, auditor, 403},
		{"no right to test", "POST", "/v1/webhooks/site/test", "", auditor, 403},
		{"no right to redeliver", "POST", "/v1/deliveries/dlv_1/redeliver", "", auditor, 403},
		{"unknown", "GET", "/v1/webhooks/autre", "", s.operator, 404},
		{"unknown to change", "PATCH", "/v1/webhooks/autre", `{"enabled": true}`, s.operator, 404},
		{"unknown to test", "POST", "/v1/webhooks/autre/test", "", s.operator, 404},
		{"unknown range", "POST", "/v1/webhooks/autre/redeliver", `{"since": "2020-01-01T00:00:00Z"}`, s.operator, 404},
		{"unknown delivery", "GET", "/v1/deliveries/dlv_1", "", s.operator, 404},
		{"unknown to redeliver", "POST", "/v1/deliveries/dlv_1/redeliver", "", s.operator, 404},
		{"no JSON", "PATCH", "/v1/webhooks/site", "{", s.operator, 400},
		{"nothing said", "PATCH", "/v1/webhooks/site", "{}", s.operator, 422},
		{"no boolean", "PATCH", "/v1/webhooks/site", `{"enabled": "oui"}`, s.operator, 422},
		{"another member", "PATCH", "/v1/webhooks/site", `{"enabled": true, "secret": "x"}`, s.operator, 422},
		{"no date", "POST", "/v1/webhooks/site/redeliver", `{"since": "hier"}`, s.operator, 422},
		{"no range", "POST", "/v1/webhooks/site/redeliver", `{}`, s.operator, 422},
		{"no state", "GET", "/v1/deliveries?state=perdu", "", s.operator, 422},
		{"too many", "GET", "/v1/deliveries?limit=101", "", s.operator, 422},
	} {
		t.Run(test.name, func(t *testing.T) {
			res := s.do(request{method: test.method, path: test.path, body: test.body, token: test.token, header: map[string]string{"Content-Type": "application/json"}})
			if res.status != test.status {
				t.Errorf("got %d %s, want %d", res.status, res.body, test.status)
			}
			if test.status >= 400 {
				s.problem(res)
			}
		})
	}
	if b.count("") != 0 {
		t.Error("something was sent")
	}
}

// TestDeliveriesTellNoSecrets: a role for webhooks alone learns how deliveries go, and
// nothing of what they are about.
func TestDeliveriesTellNoSecrets(t *testing.T) {
	t.Parallel()
	s, b := newServerWithHooks(t, io.Discard)
	b.answer(http.StatusInternalServerError)
	s.create("consultations", "cachette", sample)
	s.until("the event is refused", func() bool { return b.count("entry.created") > 0 })
	var id string
	s.until("the attempt is kept", func() bool {
		var page hooks.Deliveries
		s.operate("GET", "/v1/deliveries?entry=consultations/cachette", "", 200, &page)
		if len(page.Items) != 1 || len(page.Items[0].Attempts) == 0 {
			return false
		}
		id = page.Items[0].ID
		return true
	})
	commit := s.head()
	for role, token := range map[string]string{"webhooks alone": s.mint("operator"), "reads webhooks": s.mint("auditor"), "sees a part": s.mint("operator", "reader")} {
		for path, status := range map[string]int{"/v1/deliveries": 200, "/v1/deliveries/" + id: 200, "/v1/webhooks": 200, "/v1/webhooks/site": 200,
			"/v1/deliveries?entry=consultations/cachette": 403, "/v1/deliveries?entry=consultations/nulle": 403} {
			res := s.do(request{method: "GET", path: path, token: token})
			body := string(res.body)
			if res.status != status || strings.Contains(body, "cachette") || strings.Contains(body, "Réponse") || strings.Contains(body, "Ann") ||
				strings.Contains(path, "deliveries") && strings.Contains(body, commit) {
				t.Errorf("%s, %s: got %d %s", role, path, res.status, body)
			}
			if strings.HasPrefix(path, "/v1/deliveries") && status == 200 && (!strings.Contains(body, `"status":500`) || !strings.Contains(body, `"state":"pending"`)) {
				t.Errorf("%s, %s: got %s, want the states", role, path, body)
			}
		}
	}
	if res := s.do(request{method: "GET", path: "/v1/deliveries/" + id, token: s.operator}); !strings.Contains(string(res.body), "cachette") || !strings.Contains(string(res.body), "Réponse") {
		t.Errorf("who sees everything: got %s", res.body)
	}
}
