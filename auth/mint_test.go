package auth

import (
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestMintIsAccepted(t *testing.T) {
	k := newKeyring(t)
	c := Claims{Subject: "bot", Name: "Robot", Email: "bot@example.org", Roles: []string{"editor", "reader"}, TTL: time.Hour}
	want := &Principal{Issuer: idp, Subject: "bot", Name: "Robot", Email: "bot@example.org", Roles: []string{"editor", "reader"}}
	for _, claim := range []string{"", "realm_access.roles", "https://example.org/roles"} {
		for _, alg := range Algorithms() {
			is := k.issuer(t, idp, alg)
			is.RolesClaim, is.Type = claim, "at+jwt"
			token, err := Mint(is, c)
			if err != nil {
				t.Fatalf("%s: %v", alg, err)
			}
			got, err := newVerifier(t, is).Verify(t.Context(), token)
			if err == nil {
				got.Claims, got.Expires = nil, time.Time{}
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, roles in %q: got %+v, %v; want %+v", alg, claim, got, err, want)
			}
		}
	}
}

func TestMintedTokenExpires(t *testing.T) {
	k := newKeyring(t)
	is := k.issuer(t, idp, "HS256")
	synctest.Test(t, func(t *testing.T) {
		token, err := Mint(is, Claims{Subject: "bot", TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		v := newVerifier(t, is)
		time.Sleep(time.Hour - time.Second)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("a second before: %v", err)
		}
		time.Sleep(time.Second)
		got, err := v.Verify(t.Context(), token)
		refused(t, got, err, "the token has expired")
	})
}

func TestMintedClaims(t *testing.T) {
	k := newKeyring(t)
	synctest.Test(t, func(t *testing.T) {
		is := k.issuer(t, idp, "EdDSA")
		ids := map[any]bool{}
		for range 2 {
			token, err := Mint(is, Claims{Subject: "bot", TTL: 90 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			got := jwt.MapClaims{}
			parsed, _, err := jwt.NewParser().ParseUnverified(token, got)
			if err != nil {
				t.Fatal(err)
			}
			if parsed.Header["kid"] != "k1" || parsed.Header["typ"] != "JWT" {
				t.Errorf("got header %v, want kid k1 and typ JWT", parsed.Header)
			}
			ids[got["jti"]] = true
			delete(got, "jti")
			now := float64(time.Now().Unix())
			want := jwt.MapClaims{"iss": idp, "aud": audience, "sub": "bot", "iat": now, "exp": now + 90}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got claims %v, want %v", got, want)
			}
		}
		if len(ids) != 2 || ids[nil] {
			t.Errorf("got token ids %v, want two", ids)
		}
	})
}

func TestMintRefuses(t *testing.T) {
	k := newKeyring(t)
	public := k.issuer(t, idp, "EdDSA")
	public.JWKS = set(t, jwk(t, k.ed25519.Public(), "k1"))
	remote := Issuer{Issuer: idp, Audience: audience, Algorithms: []string{"EdDSA"}, JWKSURL: "https://id.example.org/jwks.json"}
	hs := k.issuer(t, idp, "HS256")
	tests := []struct {
		name   string
		issuer Issuer
		claims Claims
		want   string
	}{
		{"no time to live", hs, Claims{Subject: "bot"}, "time to live"},
		{"negative time to live", hs, Claims{Subject: "bot", TTL: -time.Hour}, "time to live"},
		{"over before it begins", hs, Claims{Subject: "bot", TTL: time.Nanosecond}, "expired"},
		{"no subject", hs, Claims{TTL: time.Hour}, "no subject"},
		{"too many roles", hs, Claims{Subject: "bot", TTL: time.Hour, Roles: strings.Fields(strings.Repeat("editor ", 4000))}, "larger than the 32768 bytes"},
		{"public keys only", public, Claims{Subject: "bot", TTL: time.Hour}, "no private key"},
		{"keys elsewhere", remote, Claims{Subject: "bot", TTL: time.Hour}, "not at hand"},
		{"unsound issuer", Issuer{Issuer: idp}, Claims{Subject: "bot", TTL: time.Hour}, "no audience"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			token, err := Mint(test.issuer, test.claims)
			if token != "" || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, %v; want the error %q", token, err, test.want)
			}
		})
	}
}
