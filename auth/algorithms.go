package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"slices"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// ed25519Name is what RFC 9864 calls EdDSA with the curve that everybody has. The library
// knows the older name alone.
const ed25519Name = "Ed25519"

// teachEd25519 makes it known to the library, whose algorithms are those of the program.
var teachEd25519 = sync.OnceFunc(func() {
	jwt.RegisterSigningMethod(ed25519Name, func() jwt.SigningMethod { return ed25519Method{jwt.SigningMethodEdDSA} })
})

type ed25519Method struct{ *jwt.SigningMethodEd25519 }

func (ed25519Method) Alg() string { return ed25519Name }

// HS256 is the one algorithm whose key is a shared secret.
const HS256 = "HS256"

// An algorithm is a signature algorithm (RFC 7518) and the keys that it is for.
type algorithm struct {
	name string
	fits func(public any) bool // whether type and curve of a public key are those of the algorithm
}

// algorithms are all that an issuer may use. They are read only.
var algorithms = []algorithm{
	{HS256, isA[[]byte]},
	{"EdDSA", isA[ed25519.PublicKey]},
	{ed25519Name, isA[ed25519.PublicKey]},
	{"ES256", onCurve(elliptic.P256())},
	{"ES384", onCurve(elliptic.P384())},
	{"RS256", isA[*rsa.PublicKey]},
	{"RS384", isA[*rsa.PublicKey]},
	{"RS512", isA[*rsa.PublicKey]},
	{"PS256", isA[*rsa.PublicKey]},
	{"PS384", isA[*rsa.PublicKey]},
	{"PS512", isA[*rsa.PublicKey]},
}

// Algorithms lists the signature algorithms that an issuer may use, in the order in
// which documentation does.
func Algorithms() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = a.name
	}
	return names
}

// fits says whether the type and the curve of a public key are those of alg.
func fits(public any, alg string) bool {
	for _, a := range algorithms {
		if a.name == alg {
			return a.fits(public)
		}
	}
	return false
}

// means says whether a key that is for named is for alg: EdDSA is both names of what it is
// for here.
func means(named, alg string) bool {
	eddsa := []string{"EdDSA", ed25519Name}
	return named == alg || slices.Contains(eddsa, named) && slices.Contains(eddsa, alg)
}

func isA[T any](public any) bool {
	_, ok := public.(T)
	return ok
}

func onCurve(curve elliptic.Curve) func(any) bool {
	return func(public any) bool {
		k, ok := public.(*ecdsa.PublicKey)
		return ok && k.Curve == curve
	}
}
