package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Where a browser logs out at a provider, and where it does not.
func TestLogoutAtProvider(t *testing.T) {
	const endpoint = "https://id.example.org/end?tenant=a&state=theirs#x"
	long := strings.Repeat("a", maxHint+1)
	for _, tt := range []struct {
		name, endpoint, back, token string
		foreign                     bool
		want                        url.Values // of the address; nil for none
	}{
		{name: "with its ID token", endpoint: endpoint, back: "https://cms.example.org/out", token: "h.c.s",
			want: url.Values{"tenant": {"a"}, "client_id": {"c"}, "id_token_hint": {"h.c.s"}, "post_logout_redirect_uri": {"https://cms.example.org/out"}}},
		{name: "with one that is long", endpoint: endpoint, back: "https://cms.example.org/out", token: long,
			want: url.Values{"tenant": {"a"}, "client_id": {"c"}, "post_logout_redirect_uri": {"https://cms.example.org/out"}}},
		{name: "of another provider", endpoint: endpoint, back: "https://cms.example.org/out", token: "h.c.s", foreign: true},
		{name: "that is not wanted", endpoint: endpoint, token: "h.c.s"},
		{name: "that has no such place", back: "https://cms.example.org/out", token: "h.c.s"},
		{name: "whose place anybody on the way could replace", endpoint: "http://id.example.org/end", back: "https://cms.example.org/out", token: "h.c.s"},
		{name: "whose place is none", endpoint: "javascript:alert(1)", back: "https://cms.example.org/out", token: "h.c.s"},
	} {
		p := newProvider(t)
		p.handle(func(w http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
				"end_session_endpoint": tt.endpoint})
		})
		open := func(redirect string) *Provider {
			made, err := NewProvider(ProviderOptions{Name: "id", ClientID: "c", RedirectURL: redirect, LogoutURL: tt.back,
				Issuer: Issuer{Issuer: p.URL, Audience: audience, Algorithms: []string{"EdDSA"}, Discovery: true}})
			if err != nil {
				t.Fatal(err)
			}
			return made
		}
		login, other := open("https://cms.example.org/callback"), open("https://other.example.org/callback")
		if _, _, err := login.Start(t.Context()); err != nil {
			t.Errorf("%s: nobody can log in: %v", tt.name, err)
		}
		v := login.voucher(tt.token)
		if tt.foreign {
			v = other.voucher(tt.token)
		}
		where, l, err := login.Logout(t.Context(), v)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if tt.want == nil {
			if where != "" || l != (Logout{}) {
				t.Errorf("%s: got %s, %+v", tt.name, where, l)
			}
			continue
		}
		u, err := url.Parse(where)
		if err != nil || u.Scheme+"://"+u.Host+u.Path != "https://id.example.org/end" || u.Fragment != "" || len(where) > 4096 {
			t.Fatalf("%s: got %s, %v", tt.name, where, err)
		}
		tt.want.Set("state", l.State)
		if got := u.Query(); got.Encode() != tt.want.Encode() || len(l.State) < 26 {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		if err := login.CheckLogout(l, url.Values{"state": {l.State}}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		var refused *LoginError
		for _, query := range []url.Values{{}, {"state": {""}}, {"state": {"theirs"}}} {
			if err := login.CheckLogout(l, query); !errors.As(err, &refused) {
				t.Errorf("%s: %v: got %v", tt.name, query, err)
			}
		}
		if other.CheckLogout(l, url.Values{"state": {l.State}}) == nil || login.CheckLogout(Logout{Provider: l.Provider}, url.Values{}) == nil {
			t.Errorf("%s: a logout ends elsewhere, or without a state", tt.name)
		}
	}
}

// A login's cookie is none of a logout's, nor the other way about.
func TestLogoutsAreNoLogins(t *testing.T) {
	fs, err := NewFlows()
	if err != nil {
		t.Fatal(err)
	}
	out, err := fs.SealLogout(Logout{State: "s", Provider: "p", ReturnTo: "/a"})
	if err != nil {
		t.Fatal(err)
	}
	in, err := fs.Seal(Flow{State: "s", Provider: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if l, ok := fs.OpenLogout(out); !ok || l.ReturnTo != "/a" {
		t.Errorf("got %+v, %v", l, ok)
	}
	if f, ok := fs.Open(out); ok {
		t.Errorf("a logout is the login %+v", f)
	}
	if l, ok := fs.OpenLogout(in); ok {
		t.Errorf("a login is the logout %+v", l)
	}
}

// What a browser is given to keep, it keeps: 4096 bytes with name and attributes.
func TestFlowsFitIntoCookies(t *testing.T) {
	fs, err := NewFlows()
	if err != nil {
		t.Fatal(err)
	}
	for _, char := range []string{"a", "&", "<", `"`, "é", "\u2028"} {
		for _, n := range []int{1, 500, 1000, 2000, 4000} {
			s, err := fs.Seal(Flow{State: strings.Repeat("s", 26), ReturnTo: "/" + strings.Repeat(char, n)})
			switch {
			case err != nil && !errors.Is(err, ErrTooLong) || err != nil && n < 600:
				t.Errorf("%d of %q: %v", n, char, err)
			case err == nil && len(s) > maxSealed:
				t.Errorf("%d of %q: %d bytes", n, char, len(s))
			}
		}
		if char == "&" {
			if _, err := fs.Seal(Flow{ReturnTo: "/" + strings.Repeat(char, 2000)}); err != nil {
				t.Errorf("an ordinary query: %v", err)
			}
		}
	}
}
