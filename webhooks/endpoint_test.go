package webhooks

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"cms/state/statetest"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const secret = "whsec_bGEgY29uY2VydGF0aW9uIGNvbW1lbmNlIGljaQ=="

func TestNewRefusesEndpoints(t *testing.T) {
	whsec := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	const hook = "https://ann:hunter2@builds.example.org/hook/k3y?token=t0k3n"
	tests := []struct {
		name     string
		endpoint Endpoint
		want     string // "" for none
	}{
		{"sound", Endpoint{Name: "site", URL: hook, Secret: secret, Events: []string{"entry.*"}}, ""},
		{"raw secret of 24 bytes", Endpoint{Name: "site", URL: hook, Secret: "vingt-quatre octets, oui"}, ""},
		{"keys of 24 and 64 bytes", Endpoint{Name: "site", URL: hook, Secret: whsec(64)}, ""},
		{"plain http, allowed", Endpoint{Name: "site", URL: "http://127.0.0.1:9000/", Secret: secret, AllowPrivate: true}, ""},
		{"plain http", Endpoint{Name: "site", URL: "http://builds.example.org/", Secret: secret}, `"site": the url is plain http`},
		{"no scheme", Endpoint{Name: "site", URL: "builds.example.org/k3y", Secret: secret}, `"site": the url is not`},
		{"another scheme", Endpoint{Name: "site", URL: "ftp://builds.example.org/k3y", Secret: secret, AllowPrivate: true}, `"site": the url is not`},
		{"no URL at all", Endpoint{Name: "site", URL: "https://ann:hunter2@%zz/k3y", Secret: secret}, `"site": the url is not`},
		{"no name", Endpoint{URL: hook, Secret: secret}, `"": the name may have only letters, digits, - and _, 1 to 64 of them`},
		{"unknown event", Endpoint{Name: "site", URL: hook, Secret: secret, Events: []string{"entry.*", "entries.*"}}, `"site": unknown event "entries.*"; there are entry.created`},
		{"no secret", Endpoint{Name: "site", URL: hook}, `"site": the secret is shorter than 24 bytes`},
		{"short raw secret", Endpoint{Name: "site", URL: hook, Secret: "trop court, trop court!"}, `"site": the secret is shorter than 24 bytes`},
		{"not base64", Endpoint{Name: "site", URL: hook, Secret: "whsec_hunter2,hunter2,hunter2,hunter2"}, `"site": the secret after whsec_ is not`},
		{"short key", Endpoint{Name: "site", URL: hook, Secret: whsec(23)}, `of 23 bytes`},
		{"long key", Endpoint{Name: "site", URL: hook, Secret: whsec(65)}, `of 65 bytes`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(t.Context(), Options{State: statetest.Open(t, "sqlite:"+t.TempDir()+"/state.db"), Source: &history{}, PublicURL: "https://cms.example.org", Endpoints: []Endpoint{tt.endpoint}})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want %q", err, tt.want)
			}
			for _, secret := range []string{"hunter2", "k3y", "t0k3n", "trop court"} {
				if strings.Contains(fmt.Sprint(err), secret) {
					t.Errorf("error %q gives away %q", err, secret)
				}
			}
		})
	}
}

func TestNewNamesEveryBadEndpoint(t *testing.T) {
	_, err := New(t.Context(), Options{State: statetest.Open(t, "sqlite:"+t.TempDir()+"/state.db"), Source: &history{}, PublicURL: "https://cms.example.org", Endpoints: []Endpoint{
		{Name: "un", URL: "https://example.org", Secret: secret},
		{Name: "deux", URL: "https://example.org", Secret: "court"},
		{Name: "un", URL: "https://example.org", Secret: secret},
	}})
	for _, want := range []string{`"deux": the secret`, `"un": the name is duplicated`} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("got error %v, want %q in it", err, want)
		}
	}
}

// A receiver verifies with the library, given the secret as its documentation
// says, and with no other secret.
func TestSecretsVerify(t *testing.T) {
	const raw = "une phrase de passe, et même accentuée"
	tests := []struct {
		name, secret string
		receiver     func() (*standardwebhooks.Webhook, error)
		want         bool
	}{
		{"as it is", secret, func() (*standardwebhooks.Webhook, error) { return standardwebhooks.NewWebhook(secret) }, true},
		{"raw text, raw key", raw, func() (*standardwebhooks.Webhook, error) { return standardwebhooks.NewWebhookRaw([]byte(raw)) }, true},
		{"raw text, encoded", raw, func() (*standardwebhooks.Webhook, error) {
			return standardwebhooks.NewWebhook("whsec_" + base64.StdEncoding.EncodeToString([]byte(raw)))
		}, true},
		{"another", secret, func() (*standardwebhooks.Webhook, error) { return standardwebhooks.NewWebhookRaw([]byte(raw)) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			signer, err := keyOf(tt.secret)
			if err != nil {
				t.Fatal(err)
			}
			receiver, err := tt.receiver()
			if err != nil {
				t.Fatal(err)
			}
			now, body := time.Now(), []byte(`{"specversion":"1.0"}`)
			signature, err := signer.Sign("evt_1", now, body)
			if err != nil {
				t.Fatal(err)
			}
			header := http.Header{}
			header.Set("webhook-id", "evt_1")
			header.Set("webhook-timestamp", fmt.Sprint(now.Unix()))
			header.Set("webhook-signature", signature)
			if err := receiver.Verify(body, header); (err == nil) != tt.want {
				t.Errorf("verify: %v, want success %v", err, tt.want)
			}
		})
	}
}

func TestEndpointInLogs(t *testing.T) {
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "endpoint", Endpoint{Name: "site", URL: "https://k3y@example.org", Secret: "hunter2"})
	if got := out.String(); !strings.Contains(got, "endpoint=site") || strings.Contains(got, "k3y") || strings.Contains(got, "hunter2") {
		t.Errorf("logged %q, want the name alone", got)
	}
}

// TestRenewedAgain: whoever did not get the answer to a renewal renews once more, and the
// receiver still has the secret from before both.
func TestRenewedAgain(t *testing.T) {
	t.Parallel()
	now := time.Now()
	e := Endpoint{Name: "carte", URL: "https://carte.example.org/", Secret: newSecret()}
	var secrets []string
	renew := func(overlap time.Duration) {
		secrets = append(secrets, e.Secret)
		e.renew(newSecret(), now, now.Add(overlap))
	}
	good := func(at time.Time, want ...string) {
		t.Helper()
		signers, err := e.signers()
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequest(http.MethodPost, e.URL, nil)
		if err := (&sender{endpoint: e, signers: signers}).sign(req, "evt_1", at, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		for i, secret := range append(slices.Clone(secrets), e.Secret) {
			w, err := keyOf(secret)
			if err != nil {
				t.Fatal(err)
			}
			if got := w.VerifyIgnoringTimestamp([]byte("{}"), req.Header) == nil; got != slices.Contains(want, secret) {
				t.Errorf("secret %d of %d is good: %t", i, len(secrets)+1, got)
			}
		}
	}
	renew(time.Hour)
	renew(24 * time.Hour)
	good(now, secrets[0], secrets[1], e.Secret)
	good(now.Add(2*time.Hour), secrets[1], e.Secret)
	for range 2 * maxOlder {
		renew(24 * time.Hour)
	}
	good(now, append(slices.Clone(secrets[len(secrets)-1-maxOlder:]), e.Secret)...)
	renew(0) // as one that has leaked
	good(now.Add(time.Second), e.Secret)
}
