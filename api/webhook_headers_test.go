package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"cms/api/hooks"
)

// last is the header of what came last of a type, and how many there were.
func (i *inbox) last(t *testing.T, typ string) (header http.Header, n int) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, p := range i.got {
		var event struct{ Type string }
		if err := json.Unmarshal(p.body, &event); err != nil {
			t.Fatal(err)
		}
		if event.Type == typ {
			header, n = p.header, n+1
		}
	}
	return header, n
}

// TestHeadersOfWebhooks: operators say which headers an endpoint is sent, whose values
// nobody is told again, wherever the endpoint leads then.
func TestHeadersOfWebhooks(t *testing.T) {
	log := &lines{}
	s, _ := newServerWithHooks(t, log)
	in, elsewhere := newInbox(t), newInbox(t)
	var told bytes.Buffer // all that operators are answered
	operate := func(method, path, body string, status int) hooks.Webhook {
		t.Helper()
		res := s.do(request{method: method, path: path, body: body, token: s.operator, header: map[string]string{"Content-Type": "application/json"}})
		told.Write(res.body)
		var w hooks.Webhook
		if err := json.Unmarshal(res.body, &w); err != nil || res.status != status {
			t.Fatalf("%s %s %s: got %d %s, want %d", method, path, body, res.status, res.body, status)
		}
		return w
	}
	arrives := func(i *inbox, typ string) http.Header {
		t.Helper()
		_, before := i.last(t, typ)
		operate("POST", "/v1/webhooks/carte/test", "", http.StatusAccepted)
		var header http.Header
		s.until("the event", func() bool {
			var n int
			header, n = i.last(t, typ)
			return n > before
		})
		return header
	}

	made := operate("POST", "/v1/webhooks", `{"name": "carte", "url": "`+in.URL+`", "headers": {"authorization": "Bearer un-secret", "X-Two": "deux"}, "event_type_prefix": "org.example.cms"}`, http.StatusCreated)
	if len(made.Headers) != 2 || made.Headers["Authorization"] != "***" || made.Headers["X-Two"] != "***" || made.Prefix != "org.example.cms" {
		t.Errorf("got %+v", made)
	}
	const typ = "org.example.cms.webhook.test"
	if h := arrives(in, typ); h.Get("Authorization") != "Bearer un-secret" || h.Get("X-Two") != "deux" {
		t.Errorf("got %v", h)
	}
	// What is sent back as it was told stays, null takes away, the rest is set.
	patched := operate("PATCH", "/v1/webhooks/carte", `{"headers": {"Authorization": "***", "x-two": null, "X-Three": "un-troisieme"}}`, http.StatusOK)
	if len(patched.Headers) != 2 || patched.Headers["X-Three"] != "***" {
		t.Errorf("got %+v", patched)
	}
	if h := arrives(in, typ); h.Get("Authorization") != "Bearer un-secret" || h.Values("X-Two") != nil || h.Get("X-Three") != "un-troisieme" {
		t.Errorf("got %v", h)
	}
	for _, body := range []string{
		`{"headers": {"Host": "a"}}`, `{"headers": {"a b": "a"}}`, `{"headers": {"X-A": "a\r\nb"}}`, `{"headers": {"X-A": 1}}`, `{"headers": ["X-A"]}`,
		`{"event_type_prefix": "un préfixe"}`, `{"event_type_prefix": 1}`,
		// Who may change the endpoint is not who may know what it sends.
		`{"url": "` + elsewhere.URL + `"}`, `{"url": "` + elsewhere.URL + `", "headers": {}}`,
		`{"url": "` + elsewhere.URL + `", "headers": {"authorization": "***", "X-Three": "3"}}`, `{"url": "` + elsewhere.URL + `", "headers": {"X-Three": "3"}}`,
	} {
		operate("PATCH", "/v1/webhooks/carte", body, http.StatusUnprocessableEntity)
	}
	if operate("PATCH", "/v1/webhooks/carte", `{"url": "`+in.URL+`/ailleurs"}`, http.StatusOK); arrives(in, typ).Get("X-Three") != "un-troisieme" {
		t.Error("another path on the same host has lost the headers")
	}
	operate("PATCH", "/v1/webhooks/carte", `{"url": "`+elsewhere.URL+`", "headers": {"Authorization": "Bearer un-autre-secret", "x-three": null}, "event_type_prefix": null}`, http.StatusOK)
	if h := arrives(elsewhere, "webhook.test"); h.Get("Authorization") != "Bearer un-autre-secret" || h.Values("X-Three") != nil {
		t.Errorf("got %v", h)
	}
	if gone := operate("PATCH", "/v1/webhooks/carte", `{"url": "`+in.URL+`", "headers": null}`, http.StatusOK); gone.Headers != nil || arrives(in, "webhook.test").Values("Authorization") != nil {
		t.Errorf("got %+v", gone)
	}
	for _, path := range []string{"/v1/webhooks", "/v1/deliveries?webhook=carte"} {
		told.Write(s.do(request{method: "GET", path: path, token: s.operator}).body)
	}
	told.WriteString(log.take())
	for _, secret := range []string{"un-secret", "un-autre-secret", "un-troisieme"} {
		if strings.Contains(told.String(), secret) {
			t.Errorf("the value %q is told", secret)
		}
	}
}
