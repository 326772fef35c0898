package auth

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"cms/content"
	"cms/say"
)

// DefaultMaxToken is how many bytes a token may have where no other limit is configured.
const DefaultMaxToken = 32 << 10

// Limits of what is read from a token that nobody has verified yet, in bytes.
const (
	maxSubject = 255 // OpenID Connect Core, section 2
	maxKeyID   = 255
)

// Options is what a Verifier needs.
type Options struct {
	Issuers []Issuer     // with different names; each passes its Check
	Client  *http.Client // fetches key sets; nil for one that follows redirects to https only
	Logger  *slog.Logger // hears of key sets that cannot be fetched; may be nil
	MaxSize int          // bytes of a token; DefaultMaxToken when 0

	// Revoked says whether the token with this id ("jti") of this issuer was
	// taken back before its time; nil for never. It is asked for each token.
	Revoked func(issuer, id string) bool
}

// Verifier tells true tokens from false ones. It is safe for concurrent use.
type Verifier struct {
	issuers  map[string]*trust
	maxSize  int
	revoked  func(issuer, id string) bool
	verified verified
}

// trust is an issuer with everything that its tokens are held to.
type trust struct {
	Issuer
	keys   keySource
	parser *jwt.Parser
}

// NewVerifier makes a Verifier. It fetches nothing: the keys behind a URL are
// fetched when the first token of their issuer comes in.
func NewVerifier(o Options) (*Verifier, error) {
	known, err := newVerified()
	if err != nil {
		return nil, err
	}
	v := &Verifier{issuers: make(map[string]*trust, len(o.Issuers)), maxSize: cmp.Or(o.MaxSize, DefaultMaxToken), revoked: o.Revoked, verified: known}
	for _, is := range o.Issuers {
		if v.issuers[is.Issuer] != nil {
			return nil, fmt.Errorf("issuer %q is duplicated", is.Issuer)
		}
		if is.Issuer == AccountIssuer {
			return nil, fmt.Errorf("issuer %q: the name is that of accounts here; take another", is.Issuer)
		}
		t, err := newTrust(is, o)
		if err != nil {
			return nil, fmt.Errorf("issuer %q: %w", is.Issuer, err)
		}
		v.issuers[is.Issuer] = t
	}
	return v, nil
}

func newTrust(is Issuer, o Options) (*trust, error) {
	keys, err := is.source(o)
	if err != nil {
		return nil, err
	}
	teachEd25519()
	return &trust{Issuer: is, keys: keys, parser: jwt.NewParser(
		jwt.WithValidMethods(is.Algorithms),
		jwt.WithIssuer(is.Issuer),
		jwt.WithAudience(is.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(is.Leeway),
		jwt.WithStrictDecoding(),
	)}, nil
}

// TokenError says why a token is refused.
type TokenError struct {
	Code   string   // for WWW-Authenticate (RFC 6750, section 3.1): always "invalid_token"
	Detail say.Text // safe to show to who sent the token; in English printable ASCII without quotes and backslashes
}

func (e *TokenError) Error() string { return "token refused: " + e.Detail.String() }

func refuse(detail say.Text) error { return &TokenError{Code: "invalid_token", Detail: detail} }

// Verify says whose token it is. The error is a *TokenError when the token is
// to blame; else it is ErrKeysUnavailable, or ctx's.
func (v *Verifier) Verify(ctx context.Context, token string) (*Principal, error) {
	p, err := v.verified.get(ctx, token, time.Now())
	if err == nil && p == nil {
		if p, err = v.prove(ctx, token); err == nil {
			v.verified.put(token, p)
		}
	}
	if err != nil {
		return nil, v.blamed(token, err)
	}
	if p.id != "" && v.revoked != nil && v.revoked(p.issuer.Issuer.Issuer, p.id) {
		return nil, v.blamed(token, refuse(say.New("the token has been revoked")))
	}
	principal := *p.principal
	return &principal, nil
}

// blamed is the refusal of a token with whom it says it is of.
func (v *Verifier) blamed(token string, err error) error {
	refused := (*TokenError)(nil)
	if !errors.As(err, &refused) {
		return err
	}
	of := ""
	if c, err := inspect(token, v.maxSize); err == nil {
		sub, _ := c.all.Get("sub")
		of = c.issuer
		if s, ok := sub.(string); ok {
			of += " sub=" + s
		}
		if id, _ := idOf(c.all); id != "" {
			of += " jti=" + id
		}
	}
	return &AttemptError{err, refused.Detail.String(), of}
}

// prove verifies a token, but for whether it was revoked.
func (v *Verifier) prove(ctx context.Context, token string) (*proof, error) {
	claimed, err := inspect(token, v.maxSize)
	if err != nil {
		return nil, err
	}
	is := v.issuers[claimed.issuer]
	if is == nil {
		return nil, refuse(say.New("the issuer is not trusted here"))
	}
	claims, keys, err := is.verify(ctx, token, claimed)
	if err != nil {
		return nil, err
	}
	principal, err := is.principal(claims, claimed.all)
	if err != nil {
		return nil, err
	}
	id, _ := idOf(claimed.all)
	return &proof{
		issuer: is, algorithm: claimed.algorithm, keyID: claimed.keyID, keys: keys, id: id,
		principal: principal, end: principal.Expires.Add(is.Leeway),
	}, nil
}

// verify holds a token to everything that its issuer is bound to, and gives its
// claims, and the keys of which one has signed it. The errors are those of [Verifier.Verify].
func (is *trust) verify(ctx context.Context, token string, claimed claimed) (jwt.MapClaims, []key, error) {
	switch {
	case !slices.Contains(is.Algorithms, claimed.algorithm):
		return nil, nil, refuse(say.New("the issuer does not sign with this algorithm"))
	case is.Type != "" && !sameType(is.Type, claimed.typ):
		return nil, nil, refuse(say.New("the token is not of the type that the issuer issues for this service"))
	}
	found, err := is.keys.find(ctx, claimed.algorithm, claimed.keyID)
	if err != nil {
		return nil, nil, err
	}
	if len(found) == 0 {
		return nil, nil, refuse(say.New("the issuer has no such key"))
	}
	var set jwt.VerificationKeySet
	for _, k := range found {
		set.Keys = append(set.Keys, k.public)
	}
	claims := jwt.MapClaims{}
	if _, err := is.parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return set, nil }); err != nil {
		return nil, nil, refusal(err)
	}
	return claims, found, nil
}

// claimed is what an unverified token says about how to verify it, and what
// else it says.
type claimed struct {
	issuer, algorithm, keyID, typ string
	all                           *content.Object
}

// inspect reads what is needed to choose an issuer and its keys, and refuses
// what no sound token has. Of the header, jku, jwk, x5u and x5c are ignored:
// keys come from the issuer's settings alone.
func inspect(token string, maxSize int) (c claimed, err error) {
	switch parts := strings.Split(token, "."); {
	case len(token) > maxSize:
		return c, refuse(say.New("the token is larger than the %d bytes that are read; put fewer groups into it, or raise server.max_token_bytes", maxSize))
	case strings.ContainsAny(token, "\r\n"): // which base64 decoders skip
		return c, refuse(say.New("the token is not base64url"))
	case len(parts) != 3:
		return c, refuse(say.New("the token is not a signed JWT"))
	default:
		header, err := segment(parts[0])
		if err != nil {
			return c, err
		}
		claims, err := segment(parts[1])
		if err != nil {
			return c, err
		}
		return read(header, claims)
	}
}

// segment decodes a JSON object. Duplicate members are refused at every depth,
// as RFC 7519, section 4 allows: which one counts would depend on the reader.
func segment(s string) (*content.Object, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, refuse(say.New("the token is not base64url"))
	}
	v, err := content.ParseJSON(b)
	o, ok := v.(*content.Object)
	if err != nil || !ok {
		return nil, refuse(say.New("the header or the claims are not a JSON object with unique members"))
	}
	return o, nil
}

func read(header, claims *content.Object) (c claimed, err error) {
	if _, ok := header.Get("crit"); ok {
		return c, refuse(say.New("the token has critical extensions, of which none is supported")) // RFC 7515, section 4.1.11
	}
	str := func(o *content.Object, name string) string {
		v, ok := o.Get(name)
		s, isString := v.(string)
		if ok && !isString && err == nil {
			err = refuse(say.New("%s is not a string", name))
		}
		return s
	}
	c = claimed{
		issuer:    str(claims, "iss"),
		algorithm: str(header, "alg"),
		keyID:     str(header, "kid"),
		typ:       str(header, "typ"),
		all:       claims,
	}
	if _, ok := idOf(claims); err == nil && !ok {
		err = refuse(say.New("jti is neither a string nor a number"))
	}
	if err == nil && !plausible(c.keyID) {
		err = refuse(say.New("kid is not the name of a key"))
	}
	return c, err
}

// idOf is the id of a token, by which it can be revoked; "" where it has none. That
// of one whose id is a number is the number as it is written. What is neither could
// be revoked by no text.
func idOf(claims *content.Object) (id string, ok bool) {
	v, there := claims.Get("jti")
	switch v := v.(type) {
	case string:
		return v, true
	case content.Number:
		return v.String(), true
	}
	return "", !there
}

// plausible says whether a key id looks like one. Ours is only ever compared;
// a path or a query in it is an attack on something, so it ends here.
func plausible(kid string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/+=@|#"
	return len(kid) <= maxKeyID && strings.Trim(kid, allowed) == "" && !strings.Contains(kid, "..")
}

// sameType compares media types as RFC 7515, section 4.1.9 has it.
func sameType(a, b string) bool {
	short := func(s string) string { return strings.TrimPrefix(strings.ToLower(s), "application/") }
	return short(a) == short(b)
}

// refusal says what golang-jwt found, in words that repeat nothing of the token.
func refusal(err error) error {
	for _, r := range []struct {
		is     error
		detail say.Text
	}{
		{jwt.ErrTokenMalformed, say.New("the token is not a signed JWT")},
		{jwt.ErrTokenSignatureInvalid, say.New("the signature is wrong")},
		{jwt.ErrTokenExpired, say.New("the token has expired")},
		{jwt.ErrTokenNotValidYet, say.New("the token is not valid yet")},
		{jwt.ErrTokenUsedBeforeIssued, say.New("the token was issued in the future")},
		{jwt.ErrTokenInvalidAudience, say.New("the token is for another audience")},
		{jwt.ErrTokenInvalidIssuer, say.New("the issuer is not trusted here")},
		{jwt.ErrTokenRequiredClaimMissing, say.New("the token lacks exp or aud")},
		{jwt.ErrInvalidType, say.New("a claim has the wrong type")},
	} {
		if errors.Is(err, r.is) {
			return refuse(r.detail)
		}
	}
	return refuse(say.New("the token cannot be verified"))
}

// principal reads the claims of a verified token.
func (is *trust) principal(claims jwt.MapClaims, all *content.Object) (*Principal, error) {
	subject, _ := claims["sub"].(string)
	if subject == "" || len(subject) > maxSubject || !utf8.ValidString(subject) {
		return nil, refuse(say.New("the token has no subject"))
	}
	limits, ok := limitsOf(all)
	if !ok {
		return nil, refuse(say.New("the limits of the token are not lists of actions by collection"))
	}
	p := &Principal{Issuer: is.Issuer.Issuer, Subject: subject, Roles: is.mapped(roles(all, is.rolesClaim())), Limits: limits, Claims: all}
	if end, err := claims.GetExpirationTime(); err == nil && end != nil {
		p.Expires = end.Time
	}
	p.Name, _ = claimAt(all, cmp.Or(is.NameClaim, "name")).(string)
	if emailVerified(all) {
		p.Email, _ = claimAt(all, cmp.Or(is.EmailClaim, "email")).(string)
	}
	return p, nil
}

// emailVerified says whether the address in the claims may be used. Some providers send
// the word as a text. An issuer that says nothing of it is believed.
func emailVerified(claims *content.Object) bool {
	v, _ := claims.Get("email_verified")
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return v
	case string:
		return v == "true"
	}
	return false
}

func (is Issuer) rolesClaim() string {
	if is.RolesClaim == "" {
		return "roles"
	}
	return is.RolesClaim
}

// mapped translates what the roles claim holds into roles, each once.
func (is Issuer) mapped(names []string) []string {
	if is.RoleMap == nil {
		return names
	}
	var roles []string
	for _, name := range names {
		if role, ok := is.RoleMap[name]; ok && !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}

// unmapped is what the roles claim must hold for roles: for each the first name
// that the map translates into it.
func (is Issuer) unmapped(roles []string) ([]string, error) {
	if is.RoleMap == nil {
		return roles, nil
	}
	names := make([]string, len(roles))
	for i, role := range roles {
		for _, name := range slices.Sorted(maps.Keys(is.RoleMap)) {
			if is.RoleMap[name] == role {
				names[i] = name
				break
			}
		}
		if names[i] == "" {
			return nil, fmt.Errorf("nothing in the map of issuer %q becomes the role %q", is.Issuer, role)
		}
	}
	return names, nil
}

// roles reads a claim that is a list of strings, or one string with spaces
// between the roles, as in "scope"; whatever else there is grants nothing.
func roles(claims *content.Object, name string) []string {
	switch v := claimAt(claims, name).(type) {
	case string:
		return strings.Fields(v)
	case []content.Value:
		var names []string
		for _, item := range v {
			if s, ok := item.(string); ok && s != "" {
				names = append(names, s)
			}
		}
		return names
	}
	return nil
}

// claimAt is the claim called name, or else the one at the end of the path
// name, whose steps a dot separates (realm_access.roles); nil for none.
func claimAt(claims *content.Object, name string) content.Value {
	v, ok := claims.Get(name)
	for rest := name; !ok && rest != ""; {
		var step string
		step, rest, _ = strings.Cut(rest, ".")
		v, _ = claims.Get(step)
		claims, _ = v.(*content.Object)
	}
	return v
}
