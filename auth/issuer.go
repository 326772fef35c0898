package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits of an issuer's settings.
const (
	MinSecret = 32               // bytes of an HS256 secret: the size of the hash (RFC 7518, section 3.2)
	MaxLeeway = 30 * time.Second // a longer leeway hides a wrong clock
)

// Issuer is who may issue tokens and how they are verified. It has exactly one
// of Secret, JWKS, JWKSURL and Discovery, and algorithms of one kind: an issuer
// is either symmetric (HS256, with Secret) or asymmetric (the others, with a key
// set).
type Issuer struct {
	Issuer     string   // claim "iss", compared exactly
	Audience   string   // one of the claim "aud"
	Algorithms []string // of those that Algorithms lists; the first that a key fits is the one that Mint uses

	Secret    []byte `json:"-"` // at least MinSecret bytes
	JWKS      []byte `json:"-"` // a JWK set (RFC 7517); keys with a private part can mint too
	JWKSURL   string // where the JWK set is; https, or http to a loopback address
	Discovery bool   // the issuer's name is a URL, below which it says where its JWK set is

	// RolesClaim is the claim that holds the roles, as a list or as one string
	// with spaces between them. A dot leads into an object: realm_access.roles.
	// "" is "roles".
	RolesClaim string
	// RoleMap translates what the claim holds, such as the names of groups, into
	// roles. Where there is a map, what it does not have grants nothing.
	RoleMap map[string]string
	// NameClaim and EmailClaim are the claims that hold the name and the address with
	// which commits are signed, found as RolesClaim is. "" are "name" and "email".
	NameClaim, EmailClaim string

	Leeway time.Duration // how far clocks may differ, 0 to MaxLeeway
	Type   string        // header "typ" that tokens must have, such as "at+jwt"; "" allows any
}

// Format writes the issuer's name, whatever the verb, and so never its secret.
func (is Issuer) Format(f fmt.State, _ rune) { fmt.Fprint(f, is.Issuer) }

// Check says everything that is wrong with the issuer's settings. It does not
// fetch JWKSURL.
func (is Issuer) Check() error {
	_, err := is.source(Options{})
	return err
}

// source checks the issuer and finds its keys.
func (is Issuer) source(o Options) (keySource, error) {
	errs := is.checkClaims()
	err := is.checkAlgorithms()
	var src keySource
	if err == nil {
		src, err = is.keys(o)
	}
	return src, errors.Join(append(errs, err)...)
}

func (is Issuer) checkClaims() (errs []error) {
	if is.Issuer == "" {
		errs = append(errs, errors.New("the issuer has no name"))
	}
	if is.Audience == "" {
		errs = append(errs, errors.New("there is no audience: a token for another service would be accepted"))
	}
	if is.Leeway < 0 || is.Leeway > MaxLeeway {
		errs = append(errs, fmt.Errorf("the leeway is not between 0 and %s", MaxLeeway))
	}
	return errs
}

func (is Issuer) checkAlgorithms() error {
	if len(is.Algorithms) == 0 {
		return errors.New("there are no algorithms")
	}
	for _, alg := range is.Algorithms {
		if !slices.Contains(Algorithms(), alg) {
			return fmt.Errorf("algorithm %q is not one of %s", alg, strings.Join(Algorithms(), ", "))
		}
	}
	if slices.Contains(is.Algorithms, HS256) && slices.ContainsFunc(is.Algorithms, func(a string) bool { return a != HS256 }) {
		return fmt.Errorf("%s, which has a shared secret, cannot stand beside algorithms that have key pairs", HS256)
	}
	return nil
}

// keys finds the keys of an issuer whose algorithms are sound.
func (is Issuer) keys(o Options) (keySource, error) {
	given := 0
	for _, there := range []bool{len(is.Secret) > 0, len(is.JWKS) > 0, is.JWKSURL != "", is.Discovery} {
		if there {
			given++
		}
	}
	switch symmetric := is.Algorithms[0] == HS256; {
	case given > 1:
		return nil, errors.New("a secret, a key set, the URL of a key set and discovery exclude each other")
	case symmetric && given == 1 && len(is.Secret) == 0:
		return nil, fmt.Errorf("%s needs a secret, not a key set", HS256)
	case symmetric && len(is.Secret) < MinSecret:
		return nil, fmt.Errorf("the secret has %d bytes; %s needs at least %d", len(is.Secret), HS256, MinSecret)
	case symmetric:
		return keySet{{algorithms: []string{HS256}, public: is.Secret, private: is.Secret}}, nil
	case len(is.JWKS) > 0:
		keys, err := parseKeySet(is.JWKS, is.Algorithms)
		if err == nil && len(keys) == 0 {
			err = fmt.Errorf("the key set has no key for %s", strings.Join(is.Algorithms, ", "))
		}
		return keys, err
	case is.JWKSURL != "":
		if err := checkURL(is.JWKSURL); err != nil {
			return nil, fmt.Errorf("the URL of the key set %w", err)
		}
		return newRemoteKeys(is, o), nil
	case is.Discovery:
		if err := checkURL(is.Issuer); err != nil {
			return nil, fmt.Errorf("the issuer's name %w, so that nothing can be discovered there", err)
		}
		return newRemoteKeys(is, o), nil
	}
	return nil, fmt.Errorf("%s needs a key set", is.Algorithms[0])
}
