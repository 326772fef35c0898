package auth

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"cms/race"
)

func TestVerifyAcceptsEveryAlgorithm(t *testing.T) {
	k := newKeyring(t)
	for _, alg := range Algorithms() {
		t.Run(alg, func(t *testing.T) {
			v := newVerifier(t, k.issuer(t, idp, alg))
			for kid, header := range map[string]map[string]any{"with kid": {"kid": "k1"}, "without": nil} {
				got, err := v.Verify(t.Context(), sign(t, alg, k.private(alg), header, claims(nil)))
				want := &Principal{Issuer: idp, Subject: "camille", Name: "Camille Moreau", Email: "camille@example.org", Roles: []string{"editor"}}
				if err == nil {
					got.Claims, got.Expires = nil, time.Time{}
				}
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s: got %+v, %v; want %+v", kid, got, err, want)
				}
			}
		})
	}
}

func TestVerifyRefusesAttacks(t *testing.T) {
	k, other := newKeyring(t), newKeyring(t)
	der, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, err := x509.MarshalPKIXPublicKey(&k.p256.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	pemOf := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}) }
	publicOf := func(key any, kid string) map[string]any {
		var m map[string]any
		if err := json.Unmarshal(jwk(t, key, kid), &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "d")
		return m
	}

	// Issuers with one algorithm each, and one with several keys.
	issuers := map[string]string{
		"hs": "HS256", "ed": "EdDSA", "es": "ES256", "rs": "RS256",
	}
	var trusted []Issuer
	for name, alg := range issuers {
		trusted = append(trusted, k.issuer(t, name, alg))
	}
	trusted = append(trusted, Issuer{Issuer: "neighbour", Audience: audience, Algorithms: []string{"EdDSA"},
		JWKS: set(t, jwk(t, other.ed25519, "k1"))})
	typed := k.issuer(t, "typed", "EdDSA")
	typed.Type = "at+jwt"
	v := newVerifier(t, append(trusted, typed)...)

	now := time.Now()
	good := func(iss string, more map[string]any) string {
		c := claims(map[string]any{"iss": iss})
		merge(c, more)
		return sign(t, issuers[iss], k.private(issuers[iss]), nil, c)
	}
	for iss := range issuers { // else the table proves nothing
		if _, err := v.Verify(t.Context(), good(iss, nil)); err != nil {
			t.Fatalf("good token of %q: %v", iss, err)
		}
	}
	whole := good("ed", nil)
	parts := strings.Split(whole, ".")
	payload := func(iss string) map[string]any { return claims(map[string]any{"iss": iss}) }
	raw := func(header, payload string) string { return signRaw(t, "EdDSA", k.ed25519, header, payload) }
	const edHeader = `{"alg":"EdDSA"}`
	rawClaims := func(more string) string {
		b, _ := json.Marshal(payload("ed"))
		return strings.TrimSuffix(string(b), "}") + more + "}"
	}

	const (
		algorithm = "the issuer does not sign with this algorithm"
		signature = "the signature is wrong"
		noKey     = "the issuer has no such key"
		issuer    = "the issuer is not trusted here"
		lacks     = "the token lacks exp or aud"
		wrongType = "a claim has the wrong type"
		notJWT    = "the token is not a signed JWT"
		notBase64 = "the token is not base64url"
		notUnique = "the header or the claims are not a JSON object with unique members"
		notKid    = "kid is not the name of a key"
		subject   = "the token has no subject"
	)
	tests := []struct{ name, token, want string }{
		{"none", sign(t, "none", nil, nil, payload("ed")), algorithm},
		{"none, where there is a secret", sign(t, "none", nil, nil, payload("hs")), algorithm},
		{"None", sign(t, "none", nil, map[string]any{"alg": "None"}, payload("ed")), algorithm},
		{"nOnE", sign(t, "none", nil, map[string]any{"alg": "nOnE"}, payload("ed")), algorithm},
		{"no alg", sign(t, "none", nil, map[string]any{"alg": nil}, payload("ed")), algorithm},
		{"alg is a list", sign(t, "none", nil, map[string]any{"alg": []string{"EdDSA"}}, payload("ed")), "alg is not a string"},
		{"signature cut off", parts[0] + "." + parts[1] + ".", signature},

		{"HS256 with the RSA key's PEM", sign(t, "HS256", pemOf(der), nil, payload("rs")), algorithm},
		{"HS256 with the RSA key's DER", sign(t, "HS256", der, nil, payload("rs")), algorithm},
		{"HS256 with the EC key's PEM", sign(t, "HS256", pemOf(ecDER), nil, payload("es")), algorithm},
		{"HS256 with the EC key's DER", sign(t, "HS256", ecDER, nil, payload("es")), algorithm},
		{"HS256 with the Ed25519 key", sign(t, "HS256", []byte(k.ed25519.Public().(ed25519.PublicKey)), nil, payload("ed")), algorithm},
		{"HS256 that calls itself RS256", sign(t, "HS256", pemOf(der), map[string]any{"alg": "RS256"}, payload("rs")), signature},
		{"PS256 for RS256", sign(t, "PS256", k.rsa, nil, payload("rs")), algorithm},
		{"RS512 for RS256", sign(t, "RS512", k.rsa, nil, payload("rs")), algorithm},
		{"RS256 that calls itself PS256", sign(t, "RS256", k.rsa, map[string]any{"alg": "PS256"}, payload("rs")), algorithm},
		{"HS512 for HS256", sign(t, "HS512", k.secret, nil, payload("hs")), algorithm},
		{"another alg's key", sign(t, "ES256", k.p256, nil, payload("ed")), algorithm},

		{"another issuer's key", sign(t, "EdDSA", other.ed25519, nil, payload("ed")), signature},
		{"another issuer's key, and its kid", sign(t, "EdDSA", other.ed25519, map[string]any{"kid": "k1"}, payload("ed")), signature},
		{"our key, another issuer's name", sign(t, "EdDSA", k.ed25519, nil, payload("neighbour")), signature},
		{"another secret", sign(t, "HS256", other.secret, nil, payload("hs")), signature},
		{"empty secret", sign(t, "HS256", []byte{}, nil, payload("hs")), signature},
		{"embedded jwk", sign(t, "EdDSA", other.ed25519, map[string]any{"jwk": publicOf(other.ed25519, "k1"), "kid": "k1"}, payload("ed")), signature},
		{"jku", sign(t, "EdDSA", other.ed25519, map[string]any{"jku": "https://attacker.example/jwks.json", "kid": "k1"}, payload("ed")), signature},
		{"x5u", sign(t, "RS256", other.rsa, map[string]any{"x5u": "https://attacker.example/cert.pem"}, payload("rs")), signature},
		{"x5c", sign(t, "RS256", other.rsa, map[string]any{"x5c": []string{base64.StdEncoding.EncodeToString(der)}}, payload("rs")), signature},
		{"crit", sign(t, "EdDSA", k.ed25519, map[string]any{"crit": []string{"b64"}, "b64": false}, payload("ed")), "the token has critical extensions, of which none is supported"},

		{"kid of no key", sign(t, "EdDSA", k.ed25519, map[string]any{"kid": "k2"}, payload("ed")), noKey},
		{"kid is a path", sign(t, "HS256", []byte{}, map[string]any{"kid": "../../../../dev/null"}, payload("hs")), notKid},
		{"kid is a path, rightly signed", sign(t, "HS256", k.secret, map[string]any{"kid": "../../../../dev/null"}, payload("hs")), notKid},
		{"kid is SQL", sign(t, "EdDSA", k.ed25519, map[string]any{"kid": "x' UNION SELECT 'aaa"}, payload("ed")), notKid},
		{"kid is a command", sign(t, "EdDSA", k.ed25519, map[string]any{"kid": "k1;id"}, payload("ed")), notKid},
		{"kid has a NUL", sign(t, "EdDSA", k.ed25519, map[string]any{"kid": "k1\x00"}, payload("ed")), notKid},
		{"kid is a number", sign(t, "EdDSA", k.ed25519, map[string]any{"kid": 1}, payload("ed")), "kid is not a string"},
		{"kid is long", sign(t, "EdDSA", k.ed25519, map[string]any{"kid": strings.Repeat("k", 300)}, payload("ed")), notKid},

		{"expired", good("ed", map[string]any{"exp": now.Add(-time.Minute).Unix()}), "the token has expired"},
		{"expired for ever", good("ed", map[string]any{"exp": -1}), "the token has expired"},
		{"no exp", good("ed", map[string]any{"exp": nil}), lacks},
		{"exp is null", raw(edHeader, strings.Replace(rawClaims(""), `"exp":`, `"exp":null,"was":`, 1)), wrongType},
		{"exp is text", good("ed", map[string]any{"exp": "tomorrow"}), wrongType},
		{"exp is too large for a number", raw(edHeader, strings.Replace(rawClaims(""), `"exp":`, `"exp":1e999,"was":`, 1)), notJWT},
		{"not yet valid", good("ed", map[string]any{"nbf": now.Add(time.Hour).Unix()}), "the token is not valid yet"},
		{"nbf is text", good("ed", map[string]any{"nbf": "yesterday"}), wrongType},
		{"issued in the future", good("ed", map[string]any{"iat": now.Add(time.Hour).Unix()}), "the token was issued in the future"},
		{"unknown issuer", sign(t, "EdDSA", k.ed25519, nil, payload("https://attacker.example")), issuer},
		{"issuer in other letters", sign(t, "EdDSA", k.ed25519, nil, payload("ED")), issuer},
		{"no issuer", sign(t, "EdDSA", k.ed25519, nil, claims(map[string]any{"iss": nil})), issuer},
		{"issuer is a list", sign(t, "EdDSA", k.ed25519, nil, claims(map[string]any{"iss": []string{"ed"}})), "iss is not a string"},
		{"wrong audience", good("ed", map[string]any{"aud": "shop"}), "the token is for another audience"},
		{"wrong audiences", good("ed", map[string]any{"aud": []string{"shop", "cms2"}}), "the token is for another audience"},
		{"no audience", good("ed", map[string]any{"aud": nil}), lacks},
		{"audience is an object", good("ed", map[string]any{"aud": map[string]any{"cms": true}}), lacks},
		{"no subject", good("ed", map[string]any{"sub": nil}), subject},
		{"empty subject", good("ed", map[string]any{"sub": ""}), subject},
		{"subject is a number", good("ed", map[string]any{"sub": 7}), subject},
		{"long subject", good("ed", map[string]any{"sub": strings.Repeat("s", 256)}), subject},
		{"typ of an ID token", sign(t, "EdDSA", k.ed25519, nil, payload("typed")), "the token is not of the type that the issuer issues for this service"},

		{"duplicate claim", raw(edHeader, rawClaims(`,"sub":"admin"`)), notUnique},
		{"duplicate claim, escaped", raw(edHeader, rawClaims(`,"s\u0075b":"admin"`)), notUnique},
		{"duplicate claim, nested", raw(edHeader, rawClaims(`,"realm_access":{"roles":[],"roles":["admin"]}`)), notUnique},
		{"duplicate header", raw(`{"alg":"EdDSA","alg":"none"}`, rawClaims("")), notUnique},
		{"claims twice", raw(edHeader, rawClaims("")+rawClaims("")), notUnique},
		{"claims are a list", raw(edHeader, "["+rawClaims("")+"]"), notUnique},
		{"claims are not UTF-8", raw(edHeader, rawClaims(",\"x\":\"\xff\"")), notUnique},

		{"empty", "", notJWT},
		{"one segment", "abc", notJWT},
		{"two segments", parts[0] + "." + parts[1], notJWT},
		{"four segments", whole + ".e30", notJWT},
		{"encrypted (JWE)", "eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d", notJWT},
		{"only dots", "..", notUnique},
		{"garbage", "!!!.???.###", notBase64},
		{"truncated payload", parts[0] + "." + parts[1][:len(parts[1])/2-len(parts[1])/2%4] + "." + parts[2], notUnique},
		{"truncated signature", whole[:len(whole)-2], signature},
		{"padded", parts[0] + "==." + parts[1] + "." + parts[2], notBase64},
		{"newline", whole + "\n", notBase64},
		{"newline within", parts[0] + "\n." + parts[1] + "." + parts[2], notBase64},
		{"Bearer in front", "Bearer " + whole, notBase64},
		{"oversized", good("ed", map[string]any{"pad": strings.Repeat("x", DefaultMaxToken)}), "the token is larger than the 32768 bytes that are read; put fewer groups into it, or raise server.max_token_bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := v.Verify(t.Context(), test.token)
			refused(t, got, err, test.want)
		})
	}
}

func TestVerifyLeeway(t *testing.T) {
	k := newKeyring(t)
	strict, lenient := k.issuer(t, "strict", "HS256"), k.issuer(t, "lenient", "HS256")
	lenient.Leeway = MaxLeeway
	v := newVerifier(t, strict, lenient)
	late := func(iss string) string {
		return sign(t, "HS256", k.secret, nil, claims(map[string]any{"iss": iss, "exp": time.Now().Add(-10 * time.Second).Unix()}))
	}
	if _, err := v.Verify(t.Context(), late("lenient")); err != nil {
		t.Errorf("within the leeway: %v", err)
	}
	got, err := v.Verify(t.Context(), late("strict"))
	refused(t, got, err, "the token has expired")
}

// With several keys a token without a kid is tried with all that fit.
func TestVerifyChoosesAmongKeys(t *testing.T) {
	a, b := newKeyring(t), newKeyring(t)
	v := newVerifier(t, Issuer{Issuer: idp, Audience: audience, Algorithms: []string{"EdDSA", "ES256"}, JWKS: set(t,
		jwk(t, a.ed25519, "a"), jwk(t, b.ed25519, "b"), jwk(t, a.p256, "a"), jwk(t, b.p256, "enc", "use", "enc"))})
	tests := []struct {
		name   string
		alg    string
		key    any
		header map[string]any
		want   string // refusal
	}{
		{"first, no kid", "EdDSA", a.ed25519, nil, ""},
		{"second, no kid", "EdDSA", b.ed25519, nil, ""},
		{"second, its kid", "EdDSA", b.ed25519, map[string]any{"kid": "b"}, ""},
		{"second, the first's kid", "EdDSA", b.ed25519, map[string]any{"kid": "a"}, "the signature is wrong"},
		{"other type, same kid", "ES256", a.p256, map[string]any{"kid": "a"}, ""},
		{"kid of a key of another type", "ES256", a.p256, map[string]any{"kid": "b"}, "the issuer has no such key"},
		{"key for encryption", "ES256", b.p256, nil, "the signature is wrong"},
		{"key for encryption, its kid", "ES256", b.p256, map[string]any{"kid": "enc"}, "the issuer has no such key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := v.Verify(t.Context(), sign(t, test.alg, test.key, test.header, claims(nil)))
			if test.want != "" {
				refused(t, got, err, test.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRolesClaim(t *testing.T) {
	k := newKeyring(t)
	tests := []struct {
		name  string
		claim string
		extra map[string]any
		want  []string
	}{
		{"list", "", map[string]any{"roles": []string{"editor", "reviewer"}}, []string{"editor", "reviewer"}},
		{"one string", "", map[string]any{"roles": "editor  reviewer"}, []string{"editor", "reviewer"}},
		{"absent", "", map[string]any{"roles": nil}, nil},
		{"other types", "", map[string]any{"roles": []any{1, "editor", nil, map[string]any{}}}, []string{"editor"}},
		{"an object", "", map[string]any{"roles": map[string]any{"editor": true}}, nil},
		{"another claim", "groups", map[string]any{"groups": []string{"web"}}, []string{"web"}},
		{"scope", "scope", map[string]any{"scope": "openid editor"}, []string{"openid", "editor"}},
		{"path", "realm_access.roles", map[string]any{"realm_access": map[string]any{"roles": []string{"editor"}}}, []string{"editor"}},
		{"path that ends early", "realm_access.roles", map[string]any{"realm_access": "editor"}, nil},
		{"long path", "resource_access.cms.roles", map[string]any{"resource_access": map[string]any{"cms": map[string]any{"roles": []string{"bot"}}}}, []string{"bot"}},
		{"namespaced claim", "https://example.org/roles", map[string]any{"https://example.org/roles": []string{"editor"}}, []string{"editor"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			is := k.issuer(t, idp, "HS256")
			is.RolesClaim = test.claim
			got, err := newVerifier(t, is).Verify(t.Context(), sign(t, "HS256", k.secret, nil, claims(test.extra)))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Roles, test.want) {
				t.Errorf("got roles %q, want %q", got.Roles, test.want)
			}
		})
	}
}

func TestRoleMap(t *testing.T) {
	k := newKeyring(t)
	is := k.issuer(t, idp, "HS256")
	is.RolesClaim = "groups"
	is.RoleMap = map[string]string{"/editors": "editor", "/valmont/redaction": "editor", "/staff": "reader"}
	v := newVerifier(t, is)
	tests := []struct {
		name   string
		groups any
		want   []string
	}{
		{"one", []string{"/editors"}, []string{"editor"}},
		{"two that mean the same", []string{"/editors", "/valmont/redaction"}, []string{"editor"}},
		{"two", []string{"/staff", "/editors"}, []string{"reader", "editor"}},
		{"unmapped", []string{"/others"}, nil},
		{"the name of a role is no group", []string{"editor", "/staff"}, []string{"reader"}},
		{"none", nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := v.Verify(t.Context(), sign(t, "HS256", k.secret, nil, claims(map[string]any{"groups": test.groups})))
			if err != nil || !reflect.DeepEqual(got.Roles, test.want) {
				t.Errorf("got %+v, %v; want roles %q", got, err, test.want)
			}
		})
	}

	token, err := Mint(is, Claims{Subject: "bot", Roles: []string{"editor"}, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Verify(t.Context(), token); err != nil || !reflect.DeepEqual(got.Roles, []string{"editor"}) {
		t.Errorf("minted: got %+v, %v; want the role editor", got, err)
	}
	if _, err := Mint(is, Claims{Subject: "bot", Roles: []string{"admin"}, TTL: time.Hour}); err == nil || !strings.Contains(err.Error(), `the role "admin"`) {
		t.Errorf("minted for a role without a group: got error %v, want one that names it", err)
	}
}

func TestVerifyRefusesRevoked(t *testing.T) {
	k := newKeyring(t)
	v, err := NewVerifier(Options{
		Issuers: []Issuer{k.issuer(t, idp, "HS256"), k.issuer(t, "other", "HS256")},
		Revoked: func(issuer, id string) bool { return issuer == idp && id == "leaked" },
	})
	if err != nil {
		t.Fatal(err)
	}
	token := func(more map[string]any) string { return sign(t, "HS256", k.secret, nil, claims(more)) }
	got, err := v.Verify(t.Context(), token(map[string]any{"jti": "leaked"}))
	refused(t, got, err, "the token has been revoked")
	for name, token := range map[string]string{
		"another id":             token(map[string]any{"jti": "other"}),
		"no id":                  token(nil),
		"same id, other issuer":  token(map[string]any{"jti": "leaked", "iss": "other"}),
		"an id that is a number": token(map[string]any{"jti": 7}),
	} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyType(t *testing.T) {
	k := newKeyring(t)
	is := k.issuer(t, idp, "HS256")
	is.Type = "at+jwt"
	v := newVerifier(t, is)
	for _, typ := range []string{"at+jwt", "AT+JWT", "application/at+jwt"} {
		if _, err := v.Verify(t.Context(), sign(t, "HS256", k.secret, map[string]any{"typ": typ}, claims(nil))); err != nil {
			t.Errorf("typ %q: %v", typ, err)
		}
	}
}

// Whatever byte of a good token changes, it is refused.
func TestVerifyRefusesEveryChange(t *testing.T) {
	race.TakesLong(t)
	k := newKeyring(t)
	for _, alg := range []string{"HS256", "EdDSA", "ES256", "RS256"} {
		v := newVerifier(t, k.issuer(t, idp, alg))
		token := sign(t, alg, k.private(alg), map[string]any{"kid": "k1"}, claims(nil))
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		for i := range len(token) {
			for _, c := range []byte("Aa0_-.=\n\x00\xff") {
				if token[i] == c {
					continue
				}
				changed := token[:i] + string(c) + token[i+1:]
				var te *TokenError
				if got, err := v.Verify(t.Context(), changed); got != nil || !errors.As(err, &te) {
					t.Fatalf("%s: byte %d of %q changed to %q: got %+v, %v; want a refusal", alg, i, token, c, got, err)
				}
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	k, other := newKeyring(f), newKeyring(f)
	v := newVerifier(f, k.issuer(f, "hs", "HS256"), k.issuer(f, "ed", "EdDSA"), k.issuer(f, "es", "ES256"), k.issuer(f, "rs", "RS256"))
	for iss, alg := range map[string]string{"hs": "HS256", "ed": "EdDSA", "es": "ES256", "rs": "RS256"} {
		f.Add(sign(f, alg, other.private(alg), map[string]any{"kid": "k1"}, claims(map[string]any{"iss": iss})))
		f.Add(sign(f, alg, k.private(alg), nil, claims(map[string]any{"iss": iss, "exp": 1})))
		f.Add(sign(f, "none", nil, nil, claims(map[string]any{"iss": iss})))
	}
	f.Add("")
	f.Add("..")
	f.Add("e30.e30.e30")
	f.Fuzz(func(t *testing.T, token string) {
		got, err := v.Verify(t.Context(), token)
		var te *TokenError
		if got != nil || !errors.As(err, &te) {
			t.Fatalf("Verify(%q) = %+v, %v; want a refusal", token, got, err)
		}
		if strings.ContainsFunc(te.Detail.String(), func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
			t.Fatalf("detail %q cannot stand in a header", te.Detail)
		}
	})
}
