package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// What a provider tells of who logs in: in the ID token, at UserInfo or at both.
func TestLoginAsksUserInfo(t *testing.T) {
	k := newKeyring(t)
	var (
		info   any // what UserInfo answers; nil for an error
		asked  []string
		token  map[string]any
		server *httptest.Server
	)
	mux := http.NewServeMux()
	server = httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{
			"issuer": server.URL, "jwks_uri": server.URL + "/keys", "authorization_endpoint": server.URL + "/authorize",
			"token_endpoint": server.URL + "/token", "userinfo_endpoint": server.URL + "/me",
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { w.Write(set(t, jwk(t, k.ed25519, "k1"))) })
	mux.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"access_token": "jeton", "token_type": "Bearer",
			"id_token": sign(t, "Ed25519", k.ed25519, map[string]any{"kid": "k1"}, token)})
	})
	mux.HandleFunc("/me", func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Authorization"))
		if info == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		json.NewEncoder(w).Encode(info)
	})
	p, err := NewProvider(ProviderOptions{
		Name: "id", ClientID: "c", RedirectURL: "http://127.0.0.1/",
		Issuer: Issuer{Issuer: server.URL, Audience: audience, Algorithms: []string{"Ed25519"}, Discovery: true,
			RolesClaim: "realm.roles", RoleMap: map[string]string{"/editors": "editor", "/guests": "guest"}},
		Knows: func(pr *Principal) bool { return slices.Contains(pr.Roles, "editor") },
	})
	if err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	roles := object{"roles": []string{"/editors"}}
	for _, tt := range []struct {
		name        string
		token, info any // claims
		asks        bool
		want        Principal
		refusal     string // of a *LoginError
		broken      bool   // ErrProvider
	}{
		{name: "all in the token", token: object{"name": "Léa", "email": "lea@example.org", "realm": roles}, info: object{"sub": "lea", "name": "Eve"},
			want: Principal{Name: "Léa", Email: "lea@example.org", Roles: []string{"editor"}}},
		{name: "all at UserInfo", token: object{}, info: object{"sub": "lea", "name": "Léa", "email": "lea@example.org", "realm": roles}, asks: true,
			want: Principal{Name: "Léa", Email: "lea@example.org", Roles: []string{"editor"}}},
		{name: "what the token says stands", token: object{"name": "Léa", "realm": roles}, info: object{"sub": "lea", "name": "Eve", "email": "lea@example.org"}, asks: true,
			want: Principal{Name: "Léa", Email: "lea@example.org", Roles: []string{"editor"}}},
		{name: "an address that is not verified", token: object{"email_verified": true, "realm": roles}, info: object{"sub": "lea", "email": "lea@example.org", "email_verified": false}, asks: true,
			want: Principal{Roles: []string{"editor"}}},
		{name: "about somebody else", token: object{}, info: object{"sub": "eve", "name": "Eve", "realm": roles}, asks: true, broken: true},
		{name: "about nobody", token: object{}, info: object{"name": "Eve", "realm": roles}, asks: true, broken: true},
		{name: "no object", token: object{}, info: []int{1}, asks: true, broken: true},
		{name: "no answer, and no role", token: object{"name": "Léa"}, asks: true, broken: true},
		{name: "no answer, and a role", token: object{"name": "Léa", "realm": roles}, asks: true, want: Principal{Name: "Léa", Roles: []string{"editor"}}},
		{name: "about somebody else, and a role", token: object{"realm": roles}, info: object{"sub": "eve", "name": "Eve"}, asks: true, want: Principal{Roles: []string{"editor"}}},
		{name: "no role at all", token: object{"name": "Léa", "email": "lea@example.org"}, info: object{"sub": "lea"}, asks: true, refusal: "no role here"},
		{name: "a role that means none here", token: object{"name": "Léa", "email": "lea@example.org", "realm": object{"roles": "/staff"}}, info: object{"sub": "lea"}, asks: true, refusal: "no role here"},
		{name: "a role that the policy has not", token: object{"name": "Léa", "email": "lea@example.org", "realm": object{"roles": "/guests"}}, refusal: "no role here"},
	} {
		_, flow, err := p.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		asked, info = nil, tt.info
		token = claims(object{"iss": server.URL, "aud": "c", "sub": "lea", "nonce": flow.Nonce, "name": nil, "email": nil, "roles": nil})
		merge(token, tt.token.(object))
		got, _, err := p.Finish(t.Context(), flow, url.Values{"state": {flow.State}, "code": {"x"}})
		if (len(asked) > 0) != tt.asks || tt.asks && asked[0] != "Bearer jeton" {
			t.Errorf("%s: UserInfo was asked with %q", tt.name, asked)
		}
		var refused *LoginError
		switch {
		case tt.broken:
			if got != nil || !errors.Is(err, ErrProvider) {
				t.Errorf("%s: got %+v, %v", tt.name, got, err)
			}
		case tt.refusal != "":
			if got != nil || !errors.As(err, &refused) || !strings.Contains(refused.Detail.String(), tt.refusal) {
				t.Errorf("%s: got %+v, %v", tt.name, got, err)
			}
		case err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case got.Subject != "lea" || got.Name != tt.want.Name || got.Email != tt.want.Email || !slices.Equal(got.Roles, tt.want.Roles):
			t.Errorf("%s: got %+v", tt.name, got)
		}
	}
}

// The claims that hold name and address are those that the issuer's settings name.
func TestClaimsOfNameAndAddress(t *testing.T) {
	k := newKeyring(t)
	nested := map[string]any{"profile": map[string]any{"display": "Léa", "mail": "lea@example.org"}, "preferred_username": "lea", "upn": "lea@corp.example.org", "a.b": "plat"}
	for _, tt := range []struct{ nameClaim, emailClaim, name, email string }{
		{"", "", "Camille Moreau", "camille@example.org"},
		{"name", "email", "Camille Moreau", "camille@example.org"},
		{"preferred_username", "upn", "lea", "lea@corp.example.org"},
		{"profile.display", "profile.mail", "Léa", "lea@example.org"},
		{"a.b", "absent", "plat", ""},
		{"profile", "profile.display.x", "", ""},
	} {
		is := k.issuer(t, idp, "EdDSA")
		is.NameClaim, is.EmailClaim = tt.nameClaim, tt.emailClaim
		got, err := newVerifier(t, is).Verify(t.Context(), sign(t, "EdDSA", k.ed25519, nil, claims(nested)))
		if err != nil || got.Name != tt.name || got.Email != tt.email {
			t.Errorf("%q, %q: got %+v, %v", tt.nameClaim, tt.emailClaim, got, err)
		}
		unverified := claims(nested)
		unverified["email_verified"] = false
		if got, err := newVerifier(t, is).Verify(t.Context(), sign(t, "EdDSA", k.ed25519, nil, unverified)); err != nil || got.Email != "" {
			t.Errorf("%q, not verified: got %+v, %v", tt.emailClaim, got, err)
		}
	}
}
