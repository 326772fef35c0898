package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cms/state/statetest"
)

func TestFlowsAreOpenedAsTheyWereSealed(t *testing.T) {
	db := statetest.Open(t, "sqlite:"+t.TempDir()+"/state.db")
	open := func() *Flows {
		fs, err := OpenFlows(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		return fs
	}
	fs, beside := open(), open()
	stranger, err := NewFlows()
	if err != nil {
		t.Fatal(err)
	}
	f := Flow{State: "s", Nonce: "n", Verifier: "v", Provider: "p", ReturnTo: "/a"}
	s, err := fs.Seal(f)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := beside.Open(s); !ok || got != f {
		t.Errorf("by another service: got %+v, %v", got, ok)
	}
	payload, mac, _ := strings.Cut(s, ".")
	foreign, _ := stranger.Seal(f)
	bad := []string{"", ".", payload, payload + ".", "." + mac, s + "A", s + "=", strings.ToUpper(s), foreign, payload + "." + strings.Repeat("A", len(mac)),
		"eyJzdGF0ZSI6InMifQ", "eyJzdGF0ZSI6InMifQ." + mac, s + "." + mac}
	for i := range s {
		b := []byte(s)
		if b[i] ^= 4; b[i] != '.' {
			bad = append(bad, string(b))
		}
	}
	for _, s := range bad {
		if got, ok := fs.Open(s); ok || got != (Flow{}) {
			t.Errorf("%q: got %+v", s, got)
		}
	}
	if fs.End(f) != nil || fs.End(f) == nil {
		t.Error("a login ends twice")
	}
}

func TestFlowsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, err := NewFlows()
		if err != nil {
			t.Fatal(err)
		}
		s, err := fs.Seal(Flow{State: "s"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(FlowTime - time.Second)
		if _, ok := fs.Open(s); !ok {
			t.Error("it has ended too soon")
		}
		time.Sleep(time.Second)
		if _, ok := fs.Open(s); ok {
			t.Error("it has not ended")
		}
	})
}

// However many people log in, the provider is asked for its metadata now and then,
// and while it fails less and less often.
func TestProviderMetadataIsKept(t *testing.T) {
	p := newProvider(t)
	doc, err := json.Marshal(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token"})
	if err != nil {
		t.Fatal(err)
	}
	p.fail()
	synctest.Test(t, func(t *testing.T) {
		login, err := NewProvider(ProviderOptions{
			Name: "id", Issuer: Issuer{Issuer: p.URL, Audience: audience, Algorithms: []string{"EdDSA"}, Discovery: true}, ClientID: "c", RedirectURL: "http://127.0.0.1/",
			Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		})
		if err != nil {
			t.Fatal(err)
		}
		start := func(n int, want error) {
			t.Helper()
			var all sync.WaitGroup
			for range n {
				all.Go(func() {
					if _, _, err := login.Start(t.Context()); !errors.Is(err, want) {
						t.Errorf("got %v, want %v", err, want)
					}
				})
			}
			all.Wait()
		}
		start(100, ErrProvider)
		p.wantFetches(t, 1)
		for range 600 { // ten minutes
			start(1, ErrProvider)
			time.Sleep(time.Second)
		}
		if got := p.fetches.Load(); got < 10 || got > 20 {
			t.Errorf("a provider that fails was asked %d times in ten minutes", got)
		}
		time.Sleep(maxRetry)
		p.serve(doc)
		p.fetches.Store(0)
		start(100, nil)
		p.wantFetches(t, 1)
		for range 59 {
			time.Sleep(refetchAfter / 60)
			start(10, nil)
		}
		p.wantFetches(t, 1)
		time.Sleep(refetchAfter)
		p.fail() // but the last good ones go on
		start(10, nil)
		start(10, nil)
		p.wantFetches(t, 2)
		p.handle(func(w http.ResponseWriter, _ *http.Request) {
			w.Write(bytes.Replace(doc, []byte("token_endpoint"), []byte("other_endpoint"), 1))
		})
		time.Sleep(maxRetry)
		start(10, nil)
		p.wantFetches(t, 3)
	})
}

// Whatever id a token has, it can be revoked by it; else it is refused.
func TestEveryTokenIDCanBeRevoked(t *testing.T) {
	k := newKeyring(t)
	revoked := map[string]bool{}
	v, err := NewVerifier(Options{Issuers: []Issuer{k.issuer(t, idp, "HS256")}, Revoked: func(_, id string) bool { return revoked[id] }})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{`"4f2c"`, `""`, `42`, `-4.2e1`, `12345678901234567890123456789`, `true`, `null`, `["a"]`, `{"a":"b"}`} {
		payload := fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"a","exp":%d,"jti":%s}`, idp, audience, time.Now().Add(time.Hour).Unix(), id)
		token := signRaw(t, "HS256", k.secret, `{"alg":"HS256"}`, payload)
		_, known, _, err := TokenID(token)
		got, verified := v.Verify(t.Context(), token)
		if err == nil {
			if verified != nil {
				t.Errorf("%s: got %v", id, verified)
			}
			revoked[known] = true
			got, verified = v.Verify(t.Context(), token)
			refused(t, got, verified, "the token has been revoked")
		} else if id != `""` {
			refused(t, got, verified, "jti is neither a string nor a number")
		}
	}
}
