package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims is what a minted token says of its bearer.
type Claims struct {
	ID      string // by which the token can be revoked; "" for one that nobody has to know
	Subject string // required
	Name    string
	Email   string
	Roles   []string
	Limits  Limits         // nil for none
	Extra   map[string]any // claims beside those, for the conditions of a Policy
	TTL     time.Duration  // more than 0
}

// Mint signs a token with the issuer's secret, or with the first private key
// of its set that fits one of its algorithms, tried in their order. The roles go
// where the issuer's RolesClaim says, in the words of its RoleMap. The token was
// verified before it is returned, so that a Verifier with the same issuer
// accepts it.
func Mint(issuer Issuer, claims Claims) (string, error) {
	if claims.TTL <= 0 {
		return "", errors.New("mint token: the time to live is not more than 0")
	}
	if claims.Subject == "" {
		return "", errors.New("mint token: there is no subject")
	}
	v, err := NewVerifier(Options{Issuers: []Issuer{issuer}})
	if err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	alg, signer, err := v.issuers[issuer.Issuer].signer()
	if err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	if claims.Roles, err = issuer.unmapped(claims.Roles); err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	t := jwt.NewWithClaims(jwt.GetSigningMethod(alg), claims.of(issuer, time.Now()))
	if signer.id != "" {
		t.Header["kid"] = signer.id
	}
	if issuer.Type != "" {
		t.Header["typ"] = issuer.Type
	}
	token, err := t.SignedString(signer.private)
	if err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	if _, err := v.Verify(context.Background(), token); err != nil {
		return "", fmt.Errorf("mint token: it would not be accepted: %w", err)
	}
	return token, nil
}

// signer chooses the key to sign with.
func (is *trust) signer() (alg string, k key, err error) {
	keys, ok := is.keys.(keySet)
	if !ok {
		return "", key{}, fmt.Errorf("the private keys of issuer %q are not at hand", is.Issuer.Issuer)
	}
	for _, alg := range is.Algorithms {
		found, _ := keys.find(context.Background(), alg, "")
		for _, k := range found {
			if k.private != nil {
				return alg, k, nil
			}
		}
	}
	return "", key{}, fmt.Errorf("the key set of issuer %q has no private key", is.Issuer.Issuer)
}

func (c Claims) of(is Issuer, now time.Time) jwt.MapClaims {
	m := jwt.MapClaims{}
	maps.Copy(m, c.Extra)
	maps.Copy(m, jwt.MapClaims{
		"iss": is.Issuer,
		"aud": is.Audience,
		"sub": c.Subject,
		"iat": now.Unix(),
		"exp": now.Add(c.TTL).Unix(),
		"jti": cmp.Or(c.ID, rand.Text()),
	})
	if c.Limits != nil {
		m[LimitsClaim] = c.Limits
	}
	if c.Name != "" {
		m["name"] = c.Name
	}
	if c.Email != "" {
		m["email"] = c.Email
	}
	if len(c.Roles) > 0 {
		place(m, is.rolesClaim(), c.Roles)
	}
	return m
}

// place puts roles where the function roles finds them. A name with a colon,
// such as that of a namespaced claim (https://example.org/roles), is no path.
func place(m map[string]any, name string, roles []string) {
	steps := []string{name}
	if !strings.Contains(name, ":") {
		steps = strings.Split(name, ".")
	}
	for _, step := range steps[:len(steps)-1] {
		inner := map[string]any{}
		m[step] = inner
		m = inner
	}
	m[steps[len(steps)-1]] = roles
}

// TokenID is by what a token can be revoked: its issuer, its id (jti) and when it
// expires by itself. The token is not verified: to take back a false one harms
// nobody. The error says why it has no id, without repeating it.
func TokenID(token string) (issuer, id string, expires time.Time, err error) {
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		return "", "", expires, errors.New("what was given is not a JWT")
	}
	issuer, _ = claims["iss"].(string)
	if parts := strings.Split(token, "."); len(parts) == 3 {
		if all, err := segment(parts[1]); err == nil {
			id, _ = idOf(all)
		}
	}
	if issuer == "" || id == "" {
		return "", "", expires, errors.New("the token has no issuer or no id (jti), so that it cannot be revoked by itself; change the key of its issuer")
	}
	if end, err := claims.GetExpirationTime(); err == nil && end != nil {
		expires = end.Add(MaxLeeway)
	}
	return issuer, id, expires, nil
}
