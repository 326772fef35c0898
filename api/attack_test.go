package api_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"cms/auth"
)

// idProvider is an issuer with an RSA key whose set is fetched over HTTP.
type idProvider struct {
	*httptest.Server
	key  *rsa.PrivateKey
	down atomic.Bool
}

func newIDProvider(t *testing.T) *idProvider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &idProvider{key: key}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case p.down.Load():
			w.WriteHeader(http.StatusBadGateway)
		case r.URL.Path == "/.well-known/openid-configuration":
			json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"})
		default:
			json.NewEncoder(w).Encode(map[string]any{"keys": []any{p.jwk()}})
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *idProvider) jwk() map[string]any {
	return map[string]any{
		"kty": "RSA", "kid": "idp-1", "use": "sig", "alg": "RS256",
		"n": base64.RawURLEncoding.EncodeToString(p.key.N.Bytes()), "e": "AQAB",
	}
}

func (p *idProvider) issuer() auth.Issuer {
	return auth.Issuer{Issuer: p.URL, Audience: "cms", Algorithms: []string{"RS256"}, Discovery: true}
}

// token is a good one, with its claims changed as more says; nil removes.
func (p *idProvider) claims(more map[string]any) jwt.MapClaims {
	c := jwt.MapClaims{
		"iss": p.URL, "aud": "cms", "sub": "ann", "roles": []string{"editor"},
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	for name, v := range more {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return c
}

// forge signs claims under a header that is changed as more says.
func forge(t *testing.T, method jwt.SigningMethod, key any, c jwt.MapClaims, more map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	for name, v := range more {
		if token.Header[name] = v; v == nil {
			delete(token.Header, name)
		}
	}
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// TestTokenAttacks sends forged and broken tokens with a write to the real
// server. Each gets 401 with a challenge (RFC 6750), and changes nothing. What
// Verify alone can be told is held against many more in package auth.
func TestTokenAttacks(t *testing.T) {
	t.Parallel()
	idp, other := newIDProvider(t), newIDProvider(t)
	s := newServer(t, idp.issuer(), other.issuer())
	tag := s.create("consultations", "plan-velo", sample)
	before := s.head()
	edit := func(token string) response {
		return s.do(request{method: "PATCH", path: entryPath("plan-velo"), token: token, body: `{"fields": {"note": 1}}`,
			header: map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": tag}})
	}
	dry := func(token string) response {
		return s.do(request{method: "PATCH", path: entryPath("plan-velo") + "?dry_run=true", token: token, body: `{"fields": {"note": 1}}`,
			header: map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": tag}})
	}
	rs := func(c jwt.MapClaims, header map[string]any) string {
		return forge(t, jwt.SigningMethodRS256, idp.key, c, header)
	}
	hs := func(key []byte, c jwt.MapClaims, header map[string]any) string {
		return forge(t, jwt.SigningMethodHS256, key, c, header)
	}
	none := func(header map[string]any) string {
		return forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, idp.claims(nil), header)
	}
	good := rs(idp.claims(nil), map[string]any{"kid": "idp-1"})
	for _, token := range []string{good, s.token} { // else the table proves nothing
		if res := dry(token); res.status != http.StatusOK {
			t.Fatalf("a good token: got %d %s", res.status, res.body)
		}
	}

	der, err := x509.MarshalPKIXPublicKey(&idp.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	publicJWK, err := json.Marshal(idp.jwk())
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	raw := func(header, claims string) string {
		text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
		sig, err := jwt.SigningMethodRS256.Sign(text, idp.key)
		if err != nil {
			t.Fatal(err)
		}
		return text + "." + base64.RawURLEncoding.EncodeToString(sig)
	}
	payload, err := json.Marshal(idp.claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	and := func(more string) string { return strings.TrimSuffix(string(payload), "}") + "," + more + "}" }

	for name, token := range map[string]string{
		"none":                                none(nil),
		"none in capitals":                    none(map[string]any{"alg": "NONE"}),
		"none, with the signature of another": strings.TrimSuffix(none(nil), ".") + "." + parts[2],
		"no alg":                              none(map[string]any{"alg": nil}),
		"algorithm swap to HS256":             hs(s.issuer.Secret, idp.claims(nil), nil),
		"algorithm swap to RS512":             forge(t, jwt.SigningMethodRS512, idp.key, idp.claims(nil), nil),
		"algorithm swap to PS256":             forge(t, jwt.SigningMethodPS256, idp.key, idp.claims(nil), nil),
		"key confusion: PEM as secret":        hs(publicPEM, idp.claims(nil), nil),
		"key confusion: DER as secret":        hs(der, idp.claims(nil), nil),
		"key confusion: JWK as secret":        hs(publicJWK, idp.claims(nil), map[string]any{"kid": "idp-1"}),
		"key confusion: says RS256":           hs(publicPEM, idp.claims(nil), map[string]any{"alg": "RS256"}),
		"key confusion: issuer with secret":   hs(publicPEM, idp.claims(map[string]any{"iss": "cms"}), nil),
		"embedded jwk":                        forge(t, jwt.SigningMethodRS256, other.key, idp.claims(nil), map[string]any{"jwk": other.jwk()}),
		"embedded jwk, known kid":             forge(t, jwt.SigningMethodRS256, other.key, idp.claims(nil), map[string]any{"jwk": other.jwk(), "kid": "idp-1"}),
		"jku":                                 forge(t, jwt.SigningMethodRS256, other.key, idp.claims(nil), map[string]any{"jku": other.URL + "/keys"}),
		"x5u":                                 forge(t, jwt.SigningMethodRS256, other.key, idp.claims(nil), map[string]any{"x5u": other.URL + "/keys"}),
		"kid is a path":                       rs(idp.claims(nil), map[string]any{"kid": "../../../dev/null"}),
		"kid is a path, empty secret":         hs([]byte{}, idp.claims(map[string]any{"iss": "cms"}), map[string]any{"kid": "/../../dev/null"}),
		"kid is SQL":                          rs(idp.claims(nil), map[string]any{"kid": "' UNION SELECT 'secret' --"}),
		"kid of no key":                       rs(idp.claims(nil), map[string]any{"kid": "idp-2"}),
		"crit":                                rs(idp.claims(nil), map[string]any{"crit": []string{"exp"}}),
		"expired":                             rs(idp.claims(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}), nil),
		"no expiry":                           rs(idp.claims(map[string]any{"exp": nil}), nil),
		"not yet valid":                       rs(idp.claims(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), nil),
		"issued in the future":                rs(idp.claims(map[string]any{"iat": time.Now().Add(time.Hour).Unix()}), nil),
		"wrong issuer":                        rs(idp.claims(map[string]any{"iss": "https://attacker.example"}), nil),
		"issuer with a slash more":            rs(idp.claims(map[string]any{"iss": idp.URL + "/"}), nil),
		"wrong audience":                      rs(idp.claims(map[string]any{"aud": "shop"}), nil),
		"no audience":                         rs(idp.claims(map[string]any{"aud": nil}), nil),
		"another issuer's key":                forge(t, jwt.SigningMethodRS256, other.key, idp.claims(nil), nil),
		"key of one issuer, name of another":  rs(idp.claims(map[string]any{"iss": other.URL}), nil),
		"no subject":                          rs(idp.claims(map[string]any{"sub": nil}), nil),
		"signature cut off":                   parts[0] + "." + parts[1] + ".",
		"truncated signature":                 good[:len(good)-8],
		"truncated claims":                    parts[0] + "." + parts[1][:40] + "." + parts[2],
		"one part":                            parts[0],
		"four parts":                          good + ".e30",
		"oversized":                           rs(idp.claims(map[string]any{"pad": strings.Repeat("x", 28_000)}), nil),
		"duplicate claim":                     raw(`{"alg":"RS256"}`, and(`"roles":["editor"]`)),
		"duplicate claim, escaped":            raw(`{"alg":"RS256"}`, and(`"su\u0062":"root"`)),
		"duplicate header":                    raw(`{"alg":"none","alg":"RS256"}`, string(payload)),
		"limits that cannot be read":          rs(idp.claims(map[string]any{auth.LimitsClaim: "consultations"}), nil),
	} {
		t.Run(name, func(t *testing.T) {
			res := edit(token)
			if res.status != http.StatusUnauthorized {
				t.Fatalf("got %d %s, want 401", res.status, res.body)
			}
			s.problem(res)
			if got := res.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, `Bearer realm="cms", error="invalid_token"`) {
				t.Errorf("got WWW-Authenticate %q", got)
			}
			if strings.Contains(string(res.body)+res.header.Get("WWW-Authenticate"), parts[0]) {
				t.Errorf("the answer repeats the token: %s", res.body)
			}
		})
	}
	if after := s.head(); after != before {
		t.Errorf("the branch has moved from %s to %s", before, after)
	}
}

// TestIssuerOutage stops an issuer before and after its keys were first
// fetched. (That keys rotate is tested with a clock of its own, in package
// auth.)
func TestIssuerOutage(t *testing.T) {
	t.Parallel()
	fresh, known := newIDProvider(t), newIDProvider(t)
	s := newServer(t, fresh.issuer(), known.issuer())
	me := func(p *idProvider) response {
		return s.do(request{method: "GET", path: "/v1/me", token: forge(t, jwt.SigningMethodRS256, p.key, p.claims(nil), map[string]any{"kid": "idp-1"})})
	}
	fresh.down.Store(true)
	res := me(fresh)
	if res.status != http.StatusServiceUnavailable || res.header.Get("Retry-After") == "" {
		t.Errorf("keys never fetched: got %d, Retry-After %q; want 503 with one", res.status, res.header.Get("Retry-After"))
	}
	if p := s.problem(res); p.Code != "unavailable" {
		t.Errorf("got code %q", p.Code)
	}
	if res := me(known); res.status != http.StatusOK {
		t.Errorf("another issuer meanwhile: got %d %s", res.status, res.body)
	}
	known.down.Store(true)
	if res := me(known); res.status != http.StatusOK {
		t.Errorf("keys fetched before the outage: got %d %s", res.status, res.body)
	}
}

// TestLimitedToken shows that a token can do less than its role.
func TestLimitedToken(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tag := s.create("consultations", "plan-velo", sample)
	s.create("pages", "accueil", "---\ntitle: Accueil\n---\n")
	token, err := auth.Mint(s.issuer, auth.Claims{Subject: "bot", Roles: []string{"editor"}, TTL: time.Hour,
		Limits: auth.Limits{"consultations": {auth.Read}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		request request
		want    int
	}{
		{request{method: "GET", path: entryPath("plan-velo")}, 200},
		{request{method: "DELETE", path: entryPath("plan-velo"), header: map[string]string{"If-Match": tag}}, 403},
		{request{method: "GET", path: "/v1/collections/pages/entries/accueil"}, 404},
		{request{method: "GET", path: "/v1/collections/pages/entries"}, 404},
	} {
		test.request.token = token
		if res := s.do(test.request); res.status != test.want {
			t.Errorf("%s %s: got %d %s, want %d", test.request.method, test.request.path, res.status, res.body, test.want)
		}
	}
	if res := s.do(request{method: "GET", path: "/v1/collections", token: token}); strings.Contains(string(res.body), "pages") {
		t.Errorf("got %s, want consultations alone", res.body)
	}
}
