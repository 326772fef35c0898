package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestIssuerCheck(t *testing.T) {
	k, other := newKeyring(t), newKeyring(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	halves := append(append(ed25519.PrivateKey{}, k.ed25519[:32]...), other.ed25519[32:]...)
	tests := []struct {
		name   string
		change func(*Issuer) // of an issuer with EdDSA and its key
		want   string        // part of the error, "" for none
	}{
		{"sound", func(*Issuer) {}, ""},
		{"no name", func(is *Issuer) { is.Issuer = "" }, "has no name"},
		{"no audience", func(is *Issuer) { is.Audience = "" }, "no audience"},
		{"no algorithm", func(is *Issuer) { is.Algorithms = nil }, "no algorithms"},
		{"none", func(is *Issuer) { is.Algorithms = []string{"none"} }, `algorithm "none" is not one of`},
		{"HS512", func(is *Issuer) { is.Algorithms = []string{"HS512"} }, `algorithm "HS512" is not one of`},
		{"both kinds", func(is *Issuer) { is.Algorithms = []string{"EdDSA", "HS256"} }, "cannot stand beside"},
		{"leeway", func(is *Issuer) { is.Leeway = 31 * time.Second }, "leeway"},
		{"no keys", func(is *Issuer) { is.JWKS = nil }, "EdDSA needs a key set"},
		{"secret and keys", func(is *Issuer) { is.Secret = k.secret }, "exclude each other"},
		{"secret for EdDSA", func(is *Issuer) { is.JWKS, is.Secret = nil, k.secret }, "EdDSA needs a key set"},
		{"keys for HS256", func(is *Issuer) { is.Algorithms = []string{"HS256"} }, "needs a secret, not a key set"},
		{"short secret", func(is *Issuer) {
			is.Algorithms, is.JWKS, is.Secret = []string{"HS256"}, nil, k.secret[:31]
		}, "the secret has 31 bytes; HS256 needs at least 32"},
		{"no secret", func(is *Issuer) { is.Algorithms, is.JWKS = []string{"HS256"}, nil }, "the secret has 0 bytes"},
		{"key set is no JSON", func(is *Issuer) { is.JWKS = []byte("-----BEGIN PUBLIC KEY-----") }, "not a JSON object"},
		{"one key, no set", func(is *Issuer) { is.JWKS = jwk(t, k.ed25519, "k1") }, `with a list "keys"`},
		{"empty set", func(is *Issuer) { is.JWKS = set(t) }, "no key for EdDSA"},
		{"no key that fits", func(is *Issuer) { is.JWKS = set(t, jwk(t, k.p256, "k1")) }, "no key for EdDSA"},
		{"key of another algorithm", func(is *Issuer) {
			is.Algorithms, is.JWKS = []string{"RS256"}, set(t, jwk(t, k.rsa, "k1", "alg", "PS256"))
		}, "no key for RS256"},
		{"key for encryption", func(is *Issuer) { is.JWKS = set(t, jwk(t, k.ed25519, "k1", "use", "enc")) }, "no key for EdDSA"},
		{"curve of another algorithm", func(is *Issuer) {
			is.Algorithms, is.JWKS = []string{"ES256"}, set(t, jwk(t, k.p384, "k1"), jwk(t, p521, "k2"))
		}, "no key for ES256"},
		{"weak key", func(is *Issuer) {
			is.Algorithms, is.JWKS = []string{"RS256"}, set(t, jwk(t, k.rsa, "k1"), jwk(t, weak, "k2"))
		}, "key 2 of the set: has 1024 bits"},
		{"secret in the set", func(is *Issuer) { is.JWKS = set(t, jwk(t, k.ed25519, "k1"), jwk(t, k.secret, "k2")) }, "key 2 of the set: is a shared secret"},
		{"broken key", func(is *Issuer) { is.JWKS = set(t, json.RawMessage(`{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`)) }, "key 1 of the set"},
		{"public half of another key", func(is *Issuer) { is.JWKS = set(t, jwk(t, halves, "k1")) }, "key 1 of the set: its public and private parts do not belong together"},
		{"unknown kind of key is skipped", func(is *Issuer) {
			is.JWKS = set(t, json.RawMessage(`{"kty":"AKP","alg":"ML-DSA-44"}`), jwk(t, k.ed25519, "k1"))
		}, ""},
		{"URL", func(is *Issuer) { is.JWKS, is.JWKSURL = nil, "https://id.example.org/jwks.json" }, ""},
		{"URL without TLS, on this machine", func(is *Issuer) { is.JWKS, is.JWKSURL = nil, "http://127.0.0.1:8081/jwks.json" }, ""},
		{"URL without TLS", func(is *Issuer) { is.JWKS, is.JWKSURL = nil, "http://id.example.org/jwks.json" }, "https://"},
		{"URL that only looks local", func(is *Issuer) { is.JWKS, is.JWKSURL = nil, "http://127.0.0.1.example.org/" }, "https://"},
		{"URL with a password", func(is *Issuer) { is.JWKS, is.JWKSURL = nil, "https://me:hunter2@id.example.org/" }, "without credentials"},
		{"discovery", func(is *Issuer) { is.JWKS, is.Discovery = nil, true }, ""},
		{"discovery beside a key set", func(is *Issuer) { is.Discovery = true }, "exclude each other"},
		{"discovery of a name", func(is *Issuer) { is.JWKS, is.Discovery, is.Issuer = nil, true, "cms" }, "nothing can be discovered"},
		{"discovery without TLS", func(is *Issuer) { is.JWKS, is.Discovery, is.Issuer = nil, true, "http://id.example.org" }, "https://"},
		{"no URL", func(is *Issuer) { is.JWKS, is.JWKSURL = nil, "jwks.json" }, "absolute URL"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			is := k.issuer(t, idp, "EdDSA")
			test.change(&is)
			err := is.Check()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v shows a password", err)
			}
			if _, verr := NewVerifier(Options{Issuers: []Issuer{is}}); (verr == nil) != (err == nil) {
				t.Errorf("NewVerifier: %v; Check: %v", verr, err)
			}
		})
	}
	if _, err := NewVerifier(Options{Issuers: []Issuer{k.issuer(t, idp, "EdDSA"), k.issuer(t, idp, "HS256")}}); err == nil {
		t.Error("an issuer that stands twice was accepted")
	}
}

// An issuer may end up in a log line; its secret must not.
func TestIssuerIsPrintedByName(t *testing.T) {
	is := Issuer{Issuer: "cms", Secret: []byte("correct horse battery staple, twice")}
	j, err := json.Marshal(is)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{fmt.Sprintf("%v", is), fmt.Sprintf("%+v", &is), fmt.Sprintf("%#v", is), fmt.Sprintf("%s", []Issuer{is})} {
		if strings.Trim(got, "[]") != "cms" {
			t.Errorf("got %q, want the name alone", got)
		}
	}
	if strings.Contains(string(j), "Secret") || strings.Contains(string(j), "JWKS\"") {
		t.Errorf("got %s, which has the secret", j)
	}
}
