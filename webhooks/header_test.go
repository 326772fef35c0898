package webhooks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cms/state"
)

func TestHeadersAreChecked(t *testing.T) {
	for name, tt := range map[string]struct {
		e    Endpoint
		want string // "" for none
	}{
		"sound":             {Endpoint{Headers: map[string]string{"Authorization": "Bearer hunter2", "X-Site": "Ville de Nîmes", "User-Agent": "cms"}}, ""},
		"no name":           {Endpoint{Headers: map[string]string{"X Site": "hunter2"}}, `"X Site" is not the name`},
		"one of ours":       {Endpoint{Headers: map[string]string{"content-type": "hunter2"}}, "Content-Type is set by the service"},
		"the signature":     {Endpoint{Headers: map[string]string{"webhook-signature": "hunter2"}}, "Webhook-Signature is set by the service"},
		"the host":          {Endpoint{Headers: map[string]string{"host": "hunter2"}}, "Host is set by the service"},
		"that of a preset":  {Endpoint{Type: "github", Token: "jeton", Headers: map[string]string{"authorization": "hunter2"}}, "Authorization is set by the service"},
		"beside a preset":   {Endpoint{Type: "netlify", Headers: map[string]string{"Authorization": "hunter2"}}, ""},
		"twice":             {Endpoint{Headers: map[string]string{"X-Site": "hunter2", "x-site": "hunter2"}}, "X-Site is duplicated"},
		"empty":             {Endpoint{Headers: map[string]string{"X-Site": ""}}, "the value of the header X-Site"},
		"another line":      {Endpoint{Headers: map[string]string{"X-Site": "hunter2\r\nX-Other: 1"}}, "the value of the header X-Site"},
		"long":              {Endpoint{Headers: map[string]string{"X-Site": strings.Repeat("hunter2", 2000)}}, "longer than 8192 bytes"},
		"prefix":            {Endpoint{EventTypePrefix: "org.example.cms"}, ""},
		"prefix with a dot": {Endpoint{EventTypePrefix: "org.example."}, "must be a reverse DNS name"},
		"prefix of a build": {Endpoint{Type: "netlify", EventTypePrefix: "org.example"}, "only for endpoints that receive events"},
	} {
		tt.e.Name, tt.e.URL = "site", "https://builds.example.org/hook"
		if tt.e.signed() {
			tt.e.Secret = secret
		}
		err := tt.e.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
		if strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: the error tells the value: %v", name, err)
		}
	}
	many := Endpoint{Name: "site", URL: "https://builds.example.org/hook", Secret: secret, Headers: map[string]string{}}
	for i := range maxHeaders + 1 {
		many.Headers[fmt.Sprintf("X-%d", i)] = "1"
	}
	if err := many.Check(); err == nil {
		t.Errorf("%d headers are no error", len(many.Headers))
	}
}

// A receiver gets the headers, and what it answers with them keeps their values to
// itself.
func TestHeadersAreSentAndNotTold(t *testing.T) {
	each(t, func(b *bench) {
		b.site.answer = func(_ int, w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			_, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			fmt.Fprintf(w, "%s|%s|%s|%s", r.Header.Get("Authorization"), key, r.Header.Get("X-Site"), r.Header.Get("User-Agent"))
		}
		b.e.Headers = map[string]string{"authorization": "Bearer hunter2-hunter2", "X-Site": "ville"}
		r := b.relay()
		stop := start(r)
		defer stop()
		b.h.commit("plan-velo")
		var all []Delivery
		b.until("an attempt", func() bool {
			var err error
			if all, err = r.Deliveries(t.Context(), state.DeliveryFilter{Limit: 10}); err != nil {
				t.Fatal(err)
			}
			return len(all) == 1 && len(all[0].Tries) > 0
		})
		if got, want := all[0].Tries[0].Response, "***|***|ville|cms-webhooks"; got != want {
			t.Errorf("the answer is told as %q, want %q", got, want)
		}
	})
}

// Of an answer that repeats a secret over and over no part is told, wherever what is
// read of it is cut.
func TestSecretsInLongAnswers(t *testing.T) {
	const key = "un-secret-qui-se-repete"
	for _, token := range []bool{false, true} {
		for shift := range len(key) {
			e := Endpoint{Name: "site", URL: "https://example.org", Type: "gitlab", Token: key}
			if !token {
				e = Endpoint{Name: "site", URL: "https://example.org", Secret: secret, Headers: map[string]string{"X-Key": key}}
			}
			s, err := newSender(e)
			if err != nil {
				t.Fatal(err)
			}
			body := strings.Repeat(".", shift) + strings.Repeat(key, maxResponse/len(key)+1)
			if got := s.told([]byte(body[:maxResponse])); len(got) > keptResponse || strings.Contains(got, key[:minMasked]) {
				t.Fatalf("shifted by %d, %d bytes are told, which hold the secret or a part of it", shift, len(got))
			}
		}
	}
}

// The type that a receiver sees has the prefix; the filters and what operators are
// told do not.
func TestEventTypePrefix(t *testing.T) {
	each(t, func(b *bench) {
		b.e.EventTypePrefix, b.e.Events = "org.example.cms", []string{"entry.updated"}
		r := b.relay()
		stop := start(r)
		defer stop()
		b.h.commit("plan-velo")
		if _, err := r.Test(t.Context(), b.e.Name); err != nil {
			t.Fatal(err)
		}
		b.until("the event and the test", func() bool { return len(b.site.arrivals(t)) == 2 && b.done() })
		got := map[string]bool{}
		for _, a := range b.site.arrivals(t) {
			var ev Event
			if err := json.Unmarshal([]byte(a.body), &ev); err != nil {
				t.Fatal(err)
			}
			got[ev.Type] = true
		}
		if !got["org.example.cms.entry.updated"] || !got["org.example.cms.webhook.test"] {
			t.Errorf("got the types %v", got)
		}
		told, err := r.Deliveries(t.Context(), state.DeliveryFilter{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range told {
			if strings.HasPrefix(d.Type, "org.") {
				t.Errorf("a delivery is told of the type %s", d.Type)
			}
		}
	})
}

// A header of the endpoint goes with every preset, beside what that sets.
func TestHeadersOfBuilds(t *testing.T) {
	var got http.Header
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer s.Close()
	e := Endpoint{Name: "site", URL: s.URL, Type: "github", Token: "jeton", AllowPrivate: true, Headers: map[string]string{"X-Site": "ville"}}
	sender, err := newSender(e)
	if err != nil {
		t.Fatal(err)
	}
	defer sender.close()
	if _, err := sender.post(t.Context(), "evt_1", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if got.Get("X-Site") != "ville" || got.Get("Authorization") != "Bearer jeton" {
		t.Errorf("got the headers %v", got)
	}
}
