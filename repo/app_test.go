package repo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"cms/race"
)

// issuedTokens are tokens of which the last one alone is good.
type issuedTokens struct {
	mu     sync.Mutex
	n      int
	last   string
	broken error
}

func (k *issuedTokens) good() string { return fmt.Sprintf("ghs_secret%d", k.n) }

// expire has another token be the good one, and nobody knows.
func (k *issuedTokens) expire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.n++
}

func (k *issuedTokens) Token(context.Context) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken != nil {
		return "", k.broken
	}
	if k.last == "" {
		k.last = k.good()
	}
	return k.last, nil
}

func (k *issuedTokens) Reject(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last == token {
		k.last = ""
	}
}

func (k *issuedTokens) Last() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last
}

// takes serves a host to those who come with the good token.
func (k *issuedTokens) takes(t *testing.T, h *httpHost) string {
	t.Helper()
	at, err := url.Parse(strings.TrimSuffix(h.URL, "/host.git"))
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(at)
		r.Out.SetBasicAuth("git", "jeton-secret")
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		k.mu.Lock()
		good := k.good()
		k.mu.Unlock()
		if name, token, _ := req.BasicAuth(); name != "x-access-token" || token != good {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		forward.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/host.git"
}

// TestTokensThatEnd: a token that the remote does not take any more is asked for anew, by
// whatever asks the remote, and what cannot be had is told without a secret.
func TestTokensThatEnd(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, work := host(t)
	keys := new(issuedTokens)
	r := upstreamed(t, &Remote{URL: keys.takes(t, serveHost(t, bare)), Username: "x-access-token", Tokens: keys})
	for i := range 3 {
		put(t, r, "consultations", "bus", fmt.Sprintf("Le bus %d", i))
		keys.expire()
		inStep(t, r, bare)
		keys.expire()
		if tip, err := r.remote.Look(t.Context(), "main"); err != nil || tip != r.View().Commit() {
			t.Errorf("look: %s, %v", tip, err)
		}
		pull(t, work)
		tip := pushed(t, work, "_consultations/tram.md", fmt.Sprintf("---\ntitle: %d\n---\n", i))
		keys.expire()
		fetched(t, r, tip)
	}
	keys.expire()
	keys.mu.Lock()
	keys.last, keys.broken = "", errors.New("the app is suspended")
	keys.mu.Unlock()
	put(t, r, "consultations", "bus", "Le bus 4")
	if err := r.push(t.Context()); err == nil || !strings.Contains(err.Error(), "the app is suspended") {
		t.Errorf("push without a token: %v", err)
	}
	keys.mu.Lock()
	keys.last, keys.broken = "ghs_secretwrong", nil
	keys.mu.Unlock()
	inStep(t, r, bare) // once more with a new one
	if err := r.remote.plain(errors.New("no entry for " + keys.Last())); strings.Contains(err.Error(), "ghs_") {
		t.Errorf("an error tells the token: %v", err)
	}
}
