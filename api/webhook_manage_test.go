package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"cms/api/hooks"
)

// inbox keeps what is posted to it.
type inbox struct {
	*httptest.Server
	mu  sync.Mutex
	got []posted
}

type posted struct {
	header http.Header
	body   []byte
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	i := &inbox{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		i.got = append(i.got, posted{r.Header.Clone(), body})
	}))
	t.Cleanup(i.Close)
	return i
}

// signed are the posts of a type that a secret verifies.
func (i *inbox) signed(t *testing.T, typ, secret string) (n int) {
	t.Helper()
	library, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, p := range i.got {
		var event struct{ Type string }
		if json.Unmarshal(p.body, &event) == nil && event.Type == typ && library.Verify(p.body, p.header) == nil {
			n++
		}
	}
	return n
}

// TestMakeWebhook takes an endpoint through its life: made, sent an edit, given
// another secret, led elsewhere, deleted.
func TestMakeWebhook(t *testing.T) {
	t.Parallel()
	log := &lines{}
	s, _ := newServerWithHooks(t, log)
	first, second := newInbox(t), newInbox(t)
	s.create("consultations", "plan-velo", sample)

	res := s.do(request{method: "POST", path: "/v1/webhooks", token: s.operator, header: map[string]string{"Content-Type": "application/json"},
		body: `{"name": "carte", "url": "` + first.URL + `/jeton", "events": ["entry.*"], "collections": ["consultations"]}`})
	var made hooks.WebhookSecret
	if err := json.Unmarshal(res.body, &made); err != nil || res.status != http.StatusCreated {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	if !strings.HasPrefix(made.Secret, "whsec_") || made.Configured || !made.Enabled || res.header.Get("Location") != "/v1/webhooks/carte" || res.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %+v %v", made, res.header)
	}
	s.patch("plan-velo", `{"fields": {"in_progress": false}}`)
	s.until("the event", func() bool { return first.signed(t, "entry.updated", made.Secret) == 1 })

	var renewed hooks.WebhookSecret
	s.operate("POST", "/v1/webhooks/carte/secret", `{"overlap": "1h"}`, http.StatusOK, &renewed)
	if renewed.Secret == made.Secret {
		t.Fatal("the secret is the same")
	}
	s.operate("POST", "/v1/webhooks/carte/test", "", http.StatusAccepted, nil)
	s.until("the test event, signed with both", func() bool {
		return first.signed(t, "webhook.test", made.Secret) == 1 && first.signed(t, "webhook.test", renewed.Secret) == 1
	})
	s.operate("POST", "/v1/webhooks/carte/secret", `{"overlap": "0s"}`, http.StatusOK, &made)
	s.operate("PATCH", "/v1/webhooks/carte", `{"url": "`+second.URL+`", "fields": ["title"]}`, http.StatusOK, nil)
	s.operate("POST", "/v1/webhooks/carte/test", "", http.StatusAccepted, nil)
	s.until("the test event elsewhere", func() bool { return second.signed(t, "webhook.test", made.Secret) == 1 })
	if n := second.signed(t, "webhook.test", renewed.Secret); n != 0 {
		t.Error("a secret whose time is over signs")
	}
	s.patch("plan-velo", `{"fields": {"in_progress": true}}`)
	s.patch("plan-velo", `{"fields": {"title": "Un autre titre"}}`)
	s.until("the edit of the title", func() bool { return second.signed(t, "entry.updated", made.Secret) == 1 })

	s.operate("DELETE", "/v1/webhooks/carte", "", http.StatusNoContent, nil)
	s.operate("GET", "/v1/webhooks/carte", "", http.StatusNotFound, nil)
	var left hooks.Deliveries
	if s.operate("GET", "/v1/deliveries?webhook=carte", "", http.StatusOK, &left); len(left.Items) > 0 {
		t.Errorf("deliveries are left: %+v", left)
	}
	s.patch("plan-velo", `{"fields": {"title": "Encore un titre"}}`)
	logged := log.take()
	for _, secret := range []string{made.Secret, renewed.Secret, "/jeton"} {
		if strings.Contains(logged, secret) {
			t.Error("the log tells a secret")
		}
	}
	all := s.do(request{method: "GET", path: "/v1/webhooks", token: s.operator})
	if bytes.Contains(all.body, []byte("whsec_")) {
		t.Errorf("a list tells a secret: %s", all.body)
	}
}

// TestWebhookRefused checks what cannot be made or changed, and that nothing is.
func TestWebhookRefused(t *testing.T) {
	t.Parallel()
	s, _ := newServerWithHooks(t, io.Discard)
	s.operate("POST", "/v1/webhooks", `{"name": "carte", "url": "https://carte.example.org/"}`, http.StatusCreated, nil)
	s.operate("POST", "/v1/webhooks", `{"name": "rappel", "type": "netlify", "url": "https://api.netlify.com/build_hooks/1", "coalesce": "30s"}`, http.StatusCreated, nil)
	before := s.do(request{method: "GET", path: "/v1/webhooks", token: s.operator})
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/v1/webhooks", `{"name": "carte", "url": "https://autre.example.org/"}`, 409},
		{"POST", "/v1/webhooks", `{"name": "site", "url": "https://autre.example.org/"}`, 409},
		{"POST", "/v1/webhooks", `{"url": "https://autre.example.org/"}`, 422},
		{"POST", "/v1/webhooks", `{"name": "autre"}`, 422},
		{"POST", "/v1/webhooks", `{"name": "../autre", "url": "https://autre.example.org/"}`, 422},
		{"POST", "/v1/webhooks", `{"name": "autre", "url": "file:///etc/passwd"}`, 422},
		{"POST", "/v1/webhooks", `{"name": "autre", "url": "https://autre.example.org/", "events": ["entry.lost"]}`, 422},
		{"POST", "/v1/webhooks", `{"name": "autre", "url": "https://autre.example.org/", "events": "entry.*"}`, 422},
		{"POST", "/v1/webhooks", `{"name": "autre", "url": "https://autre.example.org/", "collections": ["inconnue"]}`, 422},
		{"POST", "/v1/webhooks", `{"name": "autre", "url": "https://autre.example.org/", "secret": "whsec_"}`, 422},
		{"POST", "/v1/webhooks", `{"name": "autre", "url": "https://autre.example.org/", "allow_private": true}`, 422},
		{"POST", "/v1/webhooks", `{"name": "autre", "url": "https://autre.example.org/", "type": "github"}`, 422},
		{"POST", "/v1/webhooks", `{"name": "autre", "url": "https://autre.example.org/", "coalesce": "30s"}`, 422},
		{"POST", "/v1/webhooks", `{"name": "autre", "url": "https://autre.example.org/", "type": "vercel", "coalesce": "bientôt"}`, 422},
		{"PATCH", "/v1/webhooks/site", `{"url": "https://autre.example.org/"}`, 409},
		{"PATCH", "/v1/webhooks/carte", `{"url": null}`, 422},
		{"PATCH", "/v1/webhooks/carte", `{"name": "autre"}`, 422},
		{"PATCH", "/v1/webhooks/carte", `{"enabled": "non", "url": "https://autre.example.org/"}`, 422},
		{"PATCH", "/v1/webhooks/carte", `{"url": "https://autre.example.org/", "coalesce": "2s"}`, 422},
		{"PATCH", "/v1/webhooks/inconnu", `{"enabled": false}`, 404},
		{"DELETE", "/v1/webhooks/site", ``, 409},
		{"DELETE", "/v1/webhooks/inconnu", ``, 404},
		{"POST", "/v1/webhooks/site/secret", `{}`, 409},
		{"POST", "/v1/webhooks/rappel/secret", `{}`, 409},
		{"POST", "/v1/webhooks/carte/secret", `{"overlap": "8760h"}`, 422},
	} {
		res := s.do(request{method: c.method, path: c.path, body: c.body, token: s.operator, header: map[string]string{"Content-Type": "application/json"}})
		if res.status != c.status {
			t.Errorf("%s %s %s: got %d %s, want %d", c.method, c.path, c.body, res.status, res.body, c.status)
		}
		s.problem(res)
		if bytes.Contains(res.body, []byte("autre.example.org")) {
			t.Errorf("%s %s: the problem repeats the URL: %s", c.method, c.path, res.body)
		}
	}
	if after := s.do(request{method: "GET", path: "/v1/webhooks", token: s.operator}); !bytes.Equal(after.body, before.body) {
		t.Errorf("got %s, want %s", after.body, before.body)
	}
	for _, c := range [][2]string{{"POST", "/v1/webhooks"}, {"DELETE", "/v1/webhooks/carte"}, {"POST", "/v1/webhooks/carte/secret"}} {
		res := s.do(request{method: c[0], path: c[1], body: `{"name": "autre", "url": "https://autre.example.org/"}`, header: map[string]string{"Content-Type": "application/json"}})
		if res.status != http.StatusForbidden {
			t.Errorf("%s %s as an editor: got %d, want 403", c[0], c[1], res.status)
		}
	}
}
