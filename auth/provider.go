package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"cms/content"
)

// ErrProvider is returned while a provider does not do its part. What happened
// is wrapped for the log, not for who logs in.
var ErrProvider = errors.New("the identity provider cannot be used now")

// ProviderOptions describe where people log in with OpenID Connect.
type ProviderOptions struct {
	Name         string // in URLs
	Issuer       Issuer // a URL; what its tokens are held to, but for Audience and Type
	ClientID     string
	ClientSecret string                // "" for a public client
	Scopes       []string              // openid, profile and email when there are none
	RedirectURL  string                // where the provider sends people back to
	LogoutURL    string                // likewise after a logout; "" where none logs out there
	Knows        func(*Principal) bool // whether one of the roles is known here; nil if any role is
	MaxToken     int                   // bytes of an ID token; DefaultMaxToken when 0
	Client       *http.Client          // nil for one that follows redirects to https only
}

// Provider lets people log in at an OpenID Connect provider: authorization code
// flow with PKCE (RFC 7636), state and nonce. Its ID tokens are verified like
// those of any issuer.
type Provider struct {
	o     ProviderOptions
	trust *trust // of ID tokens
	where *endpoints
}

// NewProvider makes a Provider. It fetches nothing.
func NewProvider(o ProviderOptions) (*Provider, error) {
	if o.Name == "" || o.ClientID == "" || o.RedirectURL == "" {
		return nil, errors.New("a provider needs a name, a client id and a redirect URL")
	}
	if err := checkURL(o.Issuer.Issuer); err != nil {
		return nil, fmt.Errorf("the issuer's name %w, so that nobody can log in there", err)
	}
	if len(o.Scopes) == 0 {
		o.Scopes = []string{"openid", "profile", "email"}
	}
	if !slices.Contains(o.Scopes, "openid") {
		return nil, errors.New(`the scopes lack "openid", without which there is no ID token`)
	}
	o.Client = fetcher(o.Client)
	is := o.Issuer
	is.Audience, is.Type = o.ClientID, ""
	t, err := newTrust(is, Options{Client: o.Client})
	if err != nil {
		return nil, err
	}
	return &Provider{o: o, trust: t, where: newEndpoints(is.Issuer, o.Client)}, nil
}

// Name is how URLs call the provider.
func (p *Provider) Name() string { return p.o.Name }

// identity tells the provider from any other, and from itself under other settings, in a
// few bytes, whatever these are.
func (p *Provider) identity() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{p.o.Name, p.o.Issuer.Issuer, p.o.ClientID, p.o.RedirectURL}, "\n")))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Start begins a login: it gives the URL to send the browser to. The error is
// ErrProvider.
func (p *Provider) Start(ctx context.Context) (where string, f Flow, err error) {
	c, err := p.config(ctx)
	if err != nil {
		return "", f, err
	}
	f = Flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Provider: p.identity()}
	return c.AuthCodeURL(f.State, oauth2.S256ChallengeOption(f.Verifier), oauth2.SetAuthURLParam("nonce", f.Nonce)), f, nil
}

// Check refuses, with a *LoginError or ErrProvider, what cannot end the login that f
// began: the query that a browser came back with. It asks nobody.
func (p *Provider) Check(f Flow, query url.Values) error {
	switch {
	case f.State == "" || !same(query.Get("state"), f.State):
		return errNotBegun
	case f.Provider != p.identity(): // else one provider could be made to end what was begun at another
		return errElsewhere
	case query.Get("iss") != "" && query.Get("iss") != p.o.Issuer.Issuer: // RFC 9207
		return errOther
	}
	switch why := query.Get("error"); {
	case why == "access_denied":
		return errDenied
	case why == "temporarily_unavailable" || why == "server_error":
		return fmt.Errorf("%w: it answers %s", ErrProvider, why)
	case why != "" || query.Get("code") == "":
		return fmt.Errorf("%w (%.40q)", errNotIn, why)
	}
	return nil
}

// Finish ends the login that f began, with the query that the provider sent the
// browser back with, and says who has logged in. The error is a *LoginError,
// ErrProvider or ErrKeysUnavailable.
func (p *Provider) Finish(ctx context.Context, f Flow, query url.Values) (*Principal, Voucher, error) {
	if err := p.Check(f, query); err != nil {
		return nil, Voucher{}, err
	}
	token, err := p.exchange(ctx, f, query.Get("code"))
	if err != nil {
		return nil, Voucher{}, err
	}
	id, _ := token.Extra("id_token").(string)
	pr, err := p.identify(ctx, id, f.Nonce, token.AccessToken)
	if err != nil {
		return nil, Voucher{}, err
	}
	return pr, p.voucher(id), nil
}

// exchange gives the tokens that a code stands for.
func (p *Provider) exchange(ctx context.Context, f Flow, code string) (*oauth2.Token, error) {
	c, err := p.config(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, p.o.Client), fetchTimeout)
	defer cancel()
	token, err := c.Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
		return nil, errUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("%w: exchange the code: %w", ErrProvider, safe(err))
	}
	return token, nil
}

// identify verifies an ID token (OpenID Connect Core 1.0, section 3.1.3.7), and asks
// what it leaves out with the access token.
func (p *Provider) identify(ctx context.Context, token, nonce, access string) (*Principal, error) {
	claimed, err := inspect(token, cmp.Or(p.o.MaxToken, DefaultMaxToken))
	if err != nil {
		return nil, fmt.Errorf("%w: its ID token: %w", ErrProvider, err)
	}
	claims, _, err := p.trust.verify(ctx, token, claimed)
	if errors.Is(err, ErrKeysUnavailable) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its ID token: %w", ErrProvider, err)
	}
	if got, _ := claims["nonce"].(string); !same(got, nonce) {
		return nil, errReplayed
	}
	if party, there := claims["azp"]; there && party != p.o.ClientID {
		return nil, fmt.Errorf("%w: its ID token is for another client", ErrProvider)
	}
	pr, err := p.trust.principal(claims, claimed.all)
	if err == nil && (pr.Name == "" || pr.Email == "" || len(pr.Roles) == 0) {
		var all *content.Object
		switch all, err = p.complete(ctx, claimed.all, pr.Subject, access); {
		case err == nil:
			pr, err = p.trust.principal(claims, all)
		case len(pr.Roles) > 0: // only a name is missing
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its ID token: %w", ErrProvider, err)
	}
	if len(pr.Roles) == 0 || p.o.Knows != nil && !p.o.Knows(pr) {
		return nil, &AttemptError{errNoRole, "the identity provider gives no role that is known here", pr.Issuer + " " + pr.Subject}
	}
	return pr, nil
}

// complete is the claims of an ID token with those that the provider tells at UserInfo
// only (OpenID Connect Core 1.0, section 5.3), if it has one. What the token says, which
// is signed, stands.
func (p *Provider) complete(ctx context.Context, claims *content.Object, subject, access string) (*content.Object, error) {
	m, err := p.where.get(ctx)
	if err != nil || m.UserInfo == "" || access == "" {
		return claims, err
	}
	doc, err := fetchAs(ctx, p.o.Client, m.UserInfo, "application/json", access)
	if err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	v, err := content.ParseJSON(doc)
	info, ok := v.(*content.Object)
	if err != nil || !ok {
		return nil, errors.New("userinfo: the answer is not a JSON object")
	}
	if sub, _ := info.Get("sub"); sub != subject {
		return nil, errors.New("userinfo: the answer is about somebody else")
	}
	all := &content.Object{Members: slices.Clone(claims.Members)}
	if _, told := all.Get("email"); !told { // the word on an address goes with the address
		all.Members = slices.DeleteFunc(all.Members, func(m content.Member) bool { return m.Key == "email_verified" })
	}
	for _, member := range info.Members {
		if _, told := all.Get(member.Key); !told {
			all.Members = append(all.Members, member)
		}
	}
	return all, nil
}

// config is how to log in where the provider's endpoints are.
func (p *Provider) config(ctx context.Context) (*oauth2.Config, error) {
	m, err := p.where.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProvider, err)
	}
	return &oauth2.Config{
		ClientID: p.o.ClientID, ClientSecret: p.o.ClientSecret, RedirectURL: p.o.RedirectURL, Scopes: p.o.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.Authorization, TokenURL: m.Token, AuthStyle: p.authStyle(m)},
	}, nil
}

// authStyle is how the provider wants the client's secret. To try both ways would
// send it twice.
func (p *Provider) authStyle(m metadata) oauth2.AuthStyle {
	basic := len(m.AuthMethods) == 0 || slices.Contains(m.AuthMethods, "client_secret_basic")
	if p.o.ClientSecret != "" && (basic || !slices.Contains(m.AuthMethods, "client_secret_post")) {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}

// safe is err without what the provider answered, which may hold tokens.
func safe(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil {
		return fmt.Errorf("status %d", refused.Response.StatusCode)
	}
	return err
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
