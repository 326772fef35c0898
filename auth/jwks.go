package auth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

// RSA keys below the lower bound are weak (RFC 7518, section 3.3); those above
// the upper one only make verifying slow.
const (
	minRSA = 2048
	maxRSA = 8192
)

// keySource gives the keys with which a token's signature is tried.
type keySource interface {
	// find returns the keys that fit alg, and have the id kid or none. An empty
	// kid is the absence of one: then every key that fits is returned. The error
	// is ErrKeysUnavailable, never a lack of keys.
	find(ctx context.Context, alg, kid string) ([]key, error)
}

// key is one key of an issuer, bound to the issuer's algorithms that it fits:
// a key of one type is never tried with an algorithm of another.
type key struct {
	id         string
	algorithms []string
	public     any // []byte, ed25519.PublicKey, *ecdsa.PublicKey or *rsa.PublicKey
	private    any // nil when it is not known
}

// keySet is a keySource that never changes.
type keySet []key

func (ks keySet) find(_ context.Context, alg, kid string) ([]key, error) {
	var found []key
	for _, k := range ks {
		if slices.Contains(k.algorithms, alg) && (kid == "" || k.id == "" || k.id == kid) {
			found = append(found, k)
		}
	}
	return found, nil
}

// parseKeySet reads the signature keys of a JWK set (RFC 7517) that fit one of
// algorithms. What is not for signatures, or is of a type that we do not know,
// is skipped, as section 5 has it. The error joins what is wrong with each of
// the others; the sound keys are returned beside it.
func parseKeySet(doc []byte, algorithms []string) (keySet, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(doc, &set); err != nil || set.Keys == nil {
		return nil, errors.New(`the key set is not a JSON object with a list "keys"`)
	}
	var keys keySet
	var errs []error
	for i, raw := range set.Keys {
		jwk, err := jwkset.NewJWKFromRawJSON(raw, jwkset.JWKMarshalOptions{Private: true}, jwkset.JWKValidateOptions{})
		if errors.Is(err, jwkset.ErrUnsupportedKey) {
			continue
		}
		var k key
		if err == nil {
			k, err = bind(jwk, algorithms)
		}
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("key %d of the set: %w", i+1, err))
		case len(k.algorithms) > 0:
			keys = append(keys, k)
		}
	}
	return keys, errors.Join(errs...)
}

// bind says which of algorithms jwk may be used with: none for a key that is
// not for signatures. The error is for a key that must not be used at all.
func bind(jwk jwkset.JWK, algorithms []string) (key, error) {
	meta := jwk.Marshal()
	k := key{id: meta.KID}
	switch material := jwk.Key().(type) {
	case ed25519.PrivateKey:
		k.public, k.private = material.Public(), material
		if !bytes.Equal(material, ed25519.NewKeyFromSeed(material.Seed())) {
			return key{}, errors.New("its public and private parts do not belong together")
		}
	case *ecdsa.PrivateKey:
		k.public, k.private = &material.PublicKey, material
	case *rsa.PrivateKey:
		k.public, k.private = &material.PublicKey, material
	case []byte:
		return key{}, errors.New("is a shared secret, which does not belong in a key set")
	default:
		k.public = material
	}
	if pub, ok := k.public.(*rsa.PublicKey); ok && (pub.N.BitLen() < minRSA || pub.N.BitLen() > maxRSA) {
		return key{}, fmt.Errorf("has %d bits; an RSA key needs %d to %d", pub.N.BitLen(), minRSA, maxRSA)
	}
	signs := len(meta.KEYOPS) == 0 || slices.Contains(meta.KEYOPS, jwkset.KeyOpsVerify) || slices.Contains(meta.KEYOPS, jwkset.KeyOpsSign)
	if meta.USE == jwkset.UseEnc || !signs {
		return k, nil
	}
	for _, alg := range algorithms {
		if (meta.ALG == "" || means(meta.ALG.String(), alg)) && fits(k.public, alg) {
			k.algorithms = append(k.algorithms, alg)
		}
	}
	return k, nil
}
