package auth

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cms/race"
)

// provider is an identity provider's key endpoint.
type provider struct {
	*httptest.Server
	answer  atomic.Pointer[http.HandlerFunc]
	fetches atomic.Int32
}

func newProvider(t *testing.T) *provider {
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		(*p.answer.Load())(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) serve(doc []byte) {
	p.handle(func(w http.ResponseWriter, _ *http.Request) { w.Write(doc) })
}

func (p *provider) fail() {
	p.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
}

func (p *provider) handle(h http.HandlerFunc) { p.answer.Store(&h) }

// verifier trusts p for EdDSA. Its connections end with their request, since
// within a synctest bubble an idle one would hold the clock.
func (p *provider) verifier(t *testing.T, log *bytes.Buffer) *Verifier {
	t.Helper()
	v, err := NewVerifier(Options{
		Issuers: []Issuer{{Issuer: idp, Audience: audience, Algorithms: []string{"EdDSA"}, JWKSURL: p.URL}},
		Client:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		Logger:  slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (p *provider) wantFetches(t *testing.T, want int32) {
	t.Helper()
	if got := p.fetches.Load(); got != want {
		t.Errorf("keys were fetched %d times, want %d", got, want)
	}
}

func TestRemoteKeysRotate(t *testing.T) {
	race.TakesLong(t)
	old, next := newKeyring(t), newKeyring(t)
	p := newProvider(t)
	p.serve(set(t, jwk(t, old.ed25519.Public(), "old")))
	synctest.Test(t, func(t *testing.T) {
		v := p.verifier(t, new(bytes.Buffer))
		p.wantFetches(t, 0)
		token := func(k keyring, kid string) string {
			return sign(t, "EdDSA", k.ed25519, map[string]any{"kid": kid}, claims(map[string]any{"exp": time.Now().Add(24 * time.Hour).Unix()}))
		}
		accepted := func(token string) {
			t.Helper()
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { accepted(token(old, "old")) })
		}
		all.Wait()
		p.wantFetches(t, 1)

		// A new key comes: the first token that names it makes us look again.
		p.serve(set(t, jwk(t, old.ed25519.Public(), "old"), jwk(t, next.ed25519.Public(), "next")))
		time.Sleep(refetchEvery)
		accepted(token(next, "next"))
		p.wantFetches(t, 2)

		// Tokens with unknown key ids do not make us hammer the provider.
		for range 100 {
			got, err := v.Verify(t.Context(), token(next, "unknown"))
			refused(t, got, err, "the issuer has no such key")
		}
		p.wantFetches(t, 2)

		// The old key goes: it is refused once the keys have aged.
		p.serve(set(t, jwk(t, next.ed25519.Public(), "next")))
		accepted(token(old, "old"))
		time.Sleep(refetchAfter + time.Second)
		got, err := v.Verify(t.Context(), token(old, "old"))
		refused(t, got, err, "the issuer has no such key")
		p.wantFetches(t, 3)
	})
}

func TestRemoteKeysSurviveAnOutage(t *testing.T) {
	k := newKeyring(t)
	p := newProvider(t)
	p.fail()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		v := p.verifier(t, &log)
		token := sign(t, "EdDSA", k.ed25519, map[string]any{"kid": "k1"}, claims(map[string]any{"exp": time.Now().Add(24 * time.Hour).Unix()}))
		for range 5 {
			if got, err := v.Verify(t.Context(), token); got != nil || !errors.Is(err, ErrKeysUnavailable) {
				t.Errorf("before any key: got %+v, %v; want %v", got, err, ErrKeysUnavailable)
			}
		}
		p.wantFetches(t, 1)
		if got := log.String(); !strings.Contains(got, "status 502") || strings.Contains(got, token) {
			t.Errorf("got log %q, want the status", got)
		}

		time.Sleep(refetchEvery)
		p.serve(set(t, jwk(t, k.ed25519.Public(), "k1")))
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("after the outage: %v", err)
		}
		for name, outage := range map[string]http.HandlerFunc{
			"status":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
			"no JSON":   func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
			"no keys":   func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"keys":[]}`)) },
			"too large": func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte(" "), maxFetched+1)) },
		} {
			p.handle(outage)
			time.Sleep(refetchAfter + time.Second)
			before := p.fetches.Load()
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Errorf("%s: %v; want the last good keys", name, err)
			}
			p.wantFetches(t, before+1)
		}
	})
}

// A bad key in the set does not take the good ones with it.
func TestRemoteKeysSkipUnusable(t *testing.T) {
	k := newKeyring(t)
	p := newProvider(t)
	p.serve(set(t, []byte(`{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`), jwk(t, k.secret, "hs"), jwk(t, k.ed25519.Public(), "k1")))
	var log bytes.Buffer
	v := p.verifier(t, &log)
	if _, err := v.Verify(t.Context(), sign(t, "EdDSA", k.ed25519, nil, claims(nil))); err != nil {
		t.Error(err)
	}
	if got := log.String(); !strings.Contains(got, "key 1 of the set") || !strings.Contains(got, "key 2 of the set") {
		t.Errorf("got log %q, want both keys named", got)
	}
	// What the set calls a secret is no key for HS256 either.
	got, err := v.Verify(t.Context(), sign(t, "HS256", k.secret, map[string]any{"kid": "hs"}, claims(nil)))
	refused(t, got, err, "the issuer does not sign with this algorithm")
}

func TestRemoteKeysDoNotFollowToPlainHTTP(t *testing.T) {
	p := newProvider(t)
	p.handle(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://attacker.example/jwks.json", http.StatusFound)
	})
	r := newRemoteKeys(Issuer{Issuer: idp, Algorithms: []string{"EdDSA"}, JWKSURL: p.URL}, Options{})
	if _, err := r.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "https://") {
		t.Errorf("got error %v, want that the redirect is refused", err)
	}
}

// An issuer that is known by its URL alone says where its keys are.
func TestDiscovery(t *testing.T) {
	k, next := newKeyring(t), newKeyring(t)
	keys := set(t, jwk(t, k.ed25519.Public(), "k1"))
	where := "/jwks.json"
	var url, issuer string
	p := newProvider(t)
	url = p.URL
	issuer = url
	p.handle(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q}`, issuer, url+where)
		case where:
			w.Write(keys)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		v, err := NewVerifier(Options{
			Issuers: []Issuer{{Issuer: url, Audience: audience, Algorithms: []string{"EdDSA"}, Discovery: true}},
			Client:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		})
		if err != nil {
			t.Fatal(err)
		}
		token := func(k keyring, kid string) string {
			return sign(t, "EdDSA", k.ed25519, map[string]any{"kid": kid}, claims(map[string]any{"iss": url, "exp": time.Now().Add(24 * time.Hour).Unix()}))
		}
		issuer = url + "/another"
		if _, err := v.Verify(t.Context(), token(k, "k1")); !errors.Is(err, ErrKeysUnavailable) {
			t.Errorf("metadata of another issuer: got %v, want %v", err, ErrKeysUnavailable)
		}
		time.Sleep(refetchEvery)
		issuer = url
		if _, err := v.Verify(t.Context(), token(k, "k1")); err != nil {
			t.Error(err)
		}

		// The keys move to another place.
		time.Sleep(refetchEvery)
		where, keys = "/v2/keys", set(t, jwk(t, next.ed25519.Public(), "k2"))
		if _, err := v.Verify(t.Context(), token(next, "k2")); err != nil {
			t.Errorf("after a move: %v", err)
		}
		got, err := v.Verify(t.Context(), token(k, "k1"))
		refused(t, got, err, "the issuer has no such key")

		// An outage of the metadata alone takes nothing away.
		time.Sleep(refetchAfter + time.Second)
		p.fail()
		if _, err := v.Verify(t.Context(), token(next, "k2")); err != nil {
			t.Errorf("in an outage: %v", err)
		}
	})
}

func TestDiscoveryRefuses(t *testing.T) {
	p := newProvider(t)
	for name, test := range map[string]struct{ answer, want string }{
		"no JSON":          {"<html>", "not the metadata"},
		"another issuer":   {`{"issuer": "https://attacker.example", "jwks_uri": "https://id.example.org/jwks"}`, "another issuer"},
		"a slash too many": {`{"issuer": "` + p.URL + `/", "jwks_uri": "https://id.example.org/jwks"}`, "another issuer"},
		"plain http":       {`{"issuer": "` + p.URL + `", "jwks_uri": "http://id.example.org/jwks"}`, "https://"},
		"a file":           {`{"issuer": "` + p.URL + `", "jwks_uri": "file:///etc/passwd"}`, "absolute URL"},
		"no key set":       {`{"issuer": "` + p.URL + `"}`, "names no key set"},
	} {
		t.Run(name, func(t *testing.T) {
			p.serve([]byte(test.answer))
			r := newRemoteKeys(Issuer{Issuer: p.URL, Algorithms: []string{"EdDSA"}, Discovery: true}, Options{})
			if _, err := r.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
		})
	}
}
