package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

const (
	idp      = "https://id.example.org"
	audience = "cms"
)

// keyring holds a key pair of each kind that an issuer may have.
type keyring struct {
	secret  []byte
	ed25519 ed25519.PrivateKey
	p256    *ecdsa.PrivateKey
	p384    *ecdsa.PrivateKey
	rsa     *rsa.PrivateKey
}

// rsaKeys are those that were made, which takes long: the nth keyring of each test has the nth.
var rsaKeys struct {
	sync.Mutex
	made []*rsa.PrivateKey
	had  map[testing.TB]int
}

func rsaKey(t testing.TB) (*rsa.PrivateKey, error) {
	rsaKeys.Lock()
	defer rsaKeys.Unlock()
	n := rsaKeys.had[t]
	if n == len(rsaKeys.made) {
		key, err := rsa.GenerateKey(rand.Reader, minRSA)
		if err != nil {
			return nil, err
		}
		rsaKeys.made = append(rsaKeys.made, key)
	}
	if rsaKeys.had == nil {
		rsaKeys.had = map[testing.TB]int{}
	}
	rsaKeys.had[t] = n + 1
	return rsaKeys.made[n], nil
}

func newKeyring(t testing.TB) keyring {
	t.Helper()
	k := keyring{secret: make([]byte, MinSecret)}
	rand.Read(k.secret)
	_, k.ed25519, _ = ed25519.GenerateKey(nil)
	var err1, err2, err3 error
	k.p256, err1 = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.p384, err2 = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	k.rsa, err3 = rsaKey(t)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return k
}

// private is what signs with alg.
func (k keyring) private(alg string) any {
	switch alg {
	case "HS256":
		return k.secret
	case "EdDSA", "Ed25519":
		return k.ed25519
	case "ES256":
		return k.p256
	case "ES384":
		return k.p384
	}
	return k.rsa
}

// issuer makes one that trusts the key of alg and no other.
func (k keyring) issuer(t testing.TB, name, alg string) Issuer {
	t.Helper()
	is := Issuer{Issuer: name, Audience: audience, Algorithms: []string{alg}}
	if alg == "HS256" {
		is.Secret = k.secret
	} else {
		is.JWKS = set(t, jwk(t, k.private(alg), "k1"))
	}
	return is
}

// jwk is key as JSON, with its private part if it has one. More members may
// follow as pairs.
func jwk(t testing.TB, key any, kid string, more ...string) json.RawMessage {
	t.Helper()
	j, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{
		Marshal:  jwkset.JWKMarshalOptions{Private: true},
		Metadata: jwkset.JWKMetadataOptions{KID: kid},
	})
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]any{}
	b, _ := json.Marshal(j.Marshal())
	if err := json.Unmarshal(b, &members); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(more); i += 2 {
		members[more[i]] = more[i+1]
	}
	b, _ = json.Marshal(members)
	return b
}

func set(t testing.TB, keys ...json.RawMessage) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{"keys": append([]json.RawMessage{}, keys...)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// claims are those of a good token, changed as more says; a nil value removes.
func claims(more map[string]any) map[string]any {
	m := map[string]any{
		"iss": idp, "aud": audience, "sub": "camille",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		"name": "Camille Moreau", "email": "camille@example.org", "roles": []string{"editor"},
	}
	merge(m, more)
	return m
}

func merge(m, more map[string]any) {
	maps.Copy(m, more)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
}

// sign makes a token of any header and payload.
func sign(t testing.TB, alg string, key any, header, payload map[string]any) string {
	t.Helper()
	h := map[string]any{"typ": "JWT", "alg": alg}
	merge(h, header)
	hb, _ := json.Marshal(h)
	pb, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	return signRaw(t, alg, key, string(hb), string(pb))
}

func signRaw(t testing.TB, alg string, key any, header, payload string) string {
	t.Helper()
	text := b64(header) + "." + b64(payload)
	method := jwt.GetSigningMethod(alg)
	if alg == "none" {
		key = jwt.UnsafeAllowNoneSignatureType
	}
	sig, err := method.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(string(sig))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func newVerifier(t testing.TB, issuers ...Issuer) *Verifier {
	t.Helper()
	v, err := NewVerifier(Options{Issuers: issuers})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// refused fails the test unless err is a TokenError with this detail.
func refused(t testing.TB, got *Principal, err error, detail string) {
	t.Helper()
	var te *TokenError
	if got != nil || !errors.As(err, &te) || te.Code != "invalid_token" || te.Detail.String() != detail {
		t.Errorf("got %+v, error %v; want the refusal %q", got, err, detail)
	}
}
