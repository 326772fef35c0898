package api_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"cms/auth"
)

// loginProvider is a small OpenID Connect provider, where Ann is logged in.
type loginProvider struct {
	idProvider
	t      *testing.T
	asked  url.Values     // what the last browser came with
	claims map[string]any // changes of the next ID token
	ends   bool           // whether people can log out there
	calls  atomic.Int64   // that the service made
}

// loginKey is that of all login providers: no server knows two of them.
var loginKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newLoginProvider(t *testing.T) *loginProvider {
	t.Helper()
	p := &loginProvider{idProvider: idProvider{key: loginKey()}, t: t}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.calls.Add(1)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		metadata := map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token"}
		if p.ends {
			metadata["end_session_endpoint"] = p.URL + "/end?tenant=a"
		}
		json.NewEncoder(w).Encode(metadata)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"keys": []any{p.jwk()}})
	})
	mux.HandleFunc("/token", p.token)
	return p
}

// token exchanges the code, if PKCE and the client's secret are right.
func (p *loginProvider) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	id, secret, _ := r.BasicAuth()
	if r.FormValue("code") != "good" || base64.RawURLEncoding.EncodeToString(sum[:]) != p.asked.Get("code_challenge") ||
		id != "cms-client" || secret != "s3cret" || r.FormValue("redirect_uri") != p.asked.Get("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		w.Write([]byte(`{"error": "invalid_grant"}`))
		return
	}
	claims := p.idProvider.claims(map[string]any{
		"aud": "cms-client", "sub": "ann-7", "name": "Ann Éditrice", "email": "ann@example.org", "roles": nil,
		"groups": []string{"/editors"}, "nonce": p.asked.Get("nonce"),
	})
	for name, v := range p.claims {
		claims[name] = v
	}
	json.NewEncoder(w).Encode(map[string]string{"access_token": "x", "token_type": "Bearer",
		"id_token": forge(p.t, jwt.SigningMethodRS256, p.key, claims, map[string]any{"kid": "idp-1"})})
}

func (p *loginProvider) provider() *auth.Provider { return p.named("id") }

func (p *loginProvider) named(name string) *auth.Provider {
	p.t.Helper()
	is := p.issuer()
	is.RolesClaim, is.RoleMap = "groups", map[string]string{"/editors": "editor"}
	made, err := auth.NewProvider(auth.ProviderOptions{
		Name: name, Issuer: is, ClientID: "cms-client", ClientSecret: "s3cret", RedirectURL: "http://127.0.0.1/v1/auth/oidc/" + name + "/callback",
		LogoutURL: "http://127.0.0.1/v1/auth/oidc/" + name + "/logged-out",
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return made
}

// start begins a login, as far as the provider, and gives the state.
func (p *loginProvider) start(b *browser, query string) string {
	p.t.Helper()
	res := b.want(303, request{method: "GET", path: "/v1/auth/oidc/id/start" + query})
	where, err := url.Parse(res.header.Get("Location"))
	if err != nil || !strings.HasPrefix(where.String(), p.URL+"/authorize?") {
		p.t.Fatalf("got Location %q", res.header.Get("Location"))
	}
	p.asked = where.Query()
	for name, want := range map[string]string{"response_type": "code", "client_id": "cms-client", "code_challenge_method": "S256", "scope": "openid profile email"} {
		if got := p.asked.Get(name); got != want {
			p.t.Errorf("the provider is asked with %s=%q, want %q", name, got, want)
		}
	}
	if c := res.header.Get("Set-Cookie"); !strings.Contains(c, "SameSite=Lax") || !strings.Contains(c, "HttpOnly") {
		p.t.Errorf("got the cookie %s", c)
	}
	return p.asked.Get("state")
}

func callback(query string) request {
	return request{method: "GET", path: "/v1/auth/oidc/id/callback?" + query}
}

func TestProviderLogin(t *testing.T) {
	t.Parallel()
	p := newLoginProvider(t)
	s, db := newLoginServer(t, "http://127.0.0.1", p.provider())
	b := s.browser()
	b.from = nil
	state := p.start(b, "?return_to=%2Feditor%2F%3Fa%3D1")
	res := b.want(200, callback("code=good&session_state=x&state="+state))
	if !strings.Contains(string(res.body), `url=/editor/?a=1"`) {
		t.Errorf("got %s, want a page that leads to /editor/?a=1", res.body)
	}
	me := b.want(200, getMe)
	for _, want := range []string{`"subject":"ann-7"`, `"issuer":"` + p.URL, `"roles":["editor"]`, `"email":"ann@example.org"`} {
		if !strings.Contains(string(me.body), want) {
			t.Errorf("got %s, want %s", me.body, want)
		}
	}
	b.want(400, callback("code=good&state="+state)) // once

	// The account is found again by issuer and subject, and stays shut.
	if err := auth.NewAccounts(db, nil).SetDisabled(t.Context(), "ann@example.org", true); err != nil {
		t.Fatal(err)
	}
	b.want(401, getMe)
	b.want(401, callback("code=good&state="+p.start(b, "")))
}

func TestProviderLoginRefuses(t *testing.T) {
	t.Parallel()
	p, other := newLoginProvider(t), newIDProvider(t)
	s, _ := newLoginServer(t, "http://127.0.0.1", p.provider())
	for name, test := range map[string]struct {
		query  string // STATE stands for the right one
		claims map[string]any
		want   int
	}{
		"no state":          {"code=good", nil, 400},
		"another state":     {"code=good&state=invented", nil, 400},
		"denied":            {"error=access_denied&state=STATE", nil, 400},
		"no code":           {"state=STATE", nil, 400},
		"wrong code":        {"code=bad&state=STATE", nil, 400},
		"another issuer":    {"code=good&state=STATE&iss=" + url.QueryEscape(other.URL), nil, 400},
		"another nonce":     {"code=good&state=STATE", map[string]any{"nonce": "replayed"}, 400},
		"no nonce":          {"code=good&state=STATE", map[string]any{"nonce": ""}, 400},
		"wrong audience":    {"code=good&state=STATE", map[string]any{"aud": "cms"}, 503},
		"wrong party":       {"code=good&state=STATE", map[string]any{"azp": "shop"}, 503},
		"expired":           {"code=good&state=STATE", map[string]any{"exp": 1}, 503},
		"issuer of another": {"code=good&state=STATE", map[string]any{"iss": other.URL}, 503},
	} {
		t.Run(name, func(t *testing.T) {
			b := &browser{&server{TB: t, url: s.url}, s.browser().client, nil}
			p.claims = test.claims
			b.want(test.want, callback(strings.ReplaceAll(test.query, "STATE", p.start(b, ""))))
			b.want(401, getMe)
		})
	}
	p.claims = nil
	victim, attacker := s.browser(), s.browser()
	victim.want(400, callback("code=good&state="+p.start(attacker, ""))) // begun in another browser
	victim.want(404, request{method: "GET", path: "/v1/auth/oidc/nothing/start"})
	for _, where := range []string{"https://attacker.example/", "//attacker.example", `/\attacker.example`, "editor", "javascript:alert(1)", "/%09/attacker.example\t"} {
		victim.want(400, request{method: "GET", path: "/v1/auth/oidc/id/start?return_to=" + url.QueryEscape(where)})
	}
}

// A login ends where it was begun, whatever the providers have in common.
func TestProviderLoginEndsWhereItBegan(t *testing.T) {
	t.Parallel()
	p, foreign := newLoginProvider(t), newLoginProvider(t)
	s, _ := newLoginServer(t, "http://127.0.0.1", p.provider(), p.named("twin"), foreign.named("other"))
	for _, at := range []string{"twin", "other"} {
		b := s.browser()
		b.from = nil
		state := p.start(b, "")
		foreign.asked = p.asked // it lets in whoever comes
		res := b.want(400, request{method: "GET", path: "/v1/auth/oidc/" + at + "/callback?code=good&state=" + state})
		if !strings.Contains(string(res.body), "another identity provider") {
			t.Errorf("at %s: got %s", at, res.body)
		}
		b.want(401, getMe)
		b.want(200, callback("code=good&state="+state))
	}
}

// TestNobodyMakesUsCallTheProvider: a provider is asked for its metadata once, and
// about no login but those that were begun here, each once.
func TestNobodyMakesUsCallTheProvider(t *testing.T) {
	t.Parallel()
	p, foreign := newLoginProvider(t), newLoginProvider(t)
	s, _ := newLoginServer(t, "http://127.0.0.1", p.provider())
	elsewhere, _ := newLoginServer(t, "http://127.0.0.1", foreign.provider())
	b := s.browser()
	b.from = nil
	p.start(b, "")
	p.calls.Store(0)
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"state":"s","nonce":"n","verifier":"v","provider":"id"}`))
	stolen := elsewhere.browser()
	stolen.from = nil
	foreign.start(stolen, "")
	for _, cookie := range []string{"", unsigned, unsigned + ".", unsigned + "." + unsigned, stolen.cookies()["cms_login"]} {
		for range 20 {
			header := map[string]string{}
			if cookie != "" {
				header["Cookie"] = "cms_login=" + cookie
			}
			if res := s.do(request{method: "GET", path: "/v1/auth/oidc/id/callback?code=x&state=s", token: "-", header: header}); res.status != 400 {
				t.Fatalf("got %d %s", res.status, res.body)
			}
		}
	}
	if n := p.calls.Load(); n != 0 {
		t.Fatalf("nobody made us call the provider %d times", n)
	}
	state := p.start(b, "")
	kept := b.cookies()["cms_login"]
	for i, want := range []int{400, 400, 400} { // a wrong code is tried once
		res := s.do(request{method: "GET", path: "/v1/auth/oidc/id/callback?code=bad&state=" + state, token: "-", header: map[string]string{"Cookie": "cms_login=" + kept}})
		if n := p.calls.Load(); res.status != want || n != 1 {
			t.Errorf("time %d: got %d after %d calls, want %d after one: %s", i, res.status, n, want, res.body)
		}
	}
}

// TestLoginsAtProvidersArePaced, whatever limits are configured.
func TestLoginsAtProvidersArePaced(t *testing.T) {
	t.Parallel()
	p := newLoginProvider(t)
	s, _ := newLoginServer(t, "http://127.0.0.1", p.provider())
	answers := map[int]int{}
	for range 100 {
		res := s.do(request{method: "GET", path: "/v1/auth/oidc/id/start", token: "-"})
		if answers[res.status]++; res.status == http.StatusTooManyRequests && res.header.Get("Retry-After") == "" {
			t.Fatal("got no Retry-After")
		}
	}
	if answers[303] < 60 || answers[429] < 20 || answers[303]+answers[429] != 100 {
		t.Errorf("got the answers %v", answers)
	}
	if n := p.calls.Load(); n != 1 {
		t.Errorf("the provider was called %d times", n)
	}
}

func TestProviderThatCannotBeReached(t *testing.T) {
	t.Parallel()
	p := newLoginProvider(t)
	s, _ := newLoginServer(t, "http://127.0.0.1", p.provider())
	p.Close()
	for range 3 {
		if res := s.do(request{method: "GET", path: "/v1/auth/oidc/id/start", token: "-"}); res.status != 503 || res.header.Get("Retry-After") == "" {
			t.Errorf("got %d", res.status)
		}
	}
}
