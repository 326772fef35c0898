package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"

	"cms/state"
)

// Voucher is what is kept of a login at a provider, on the server, for the logout there.
type Voucher = state.Voucher

// maxHint is how many bytes an ID token may have to be kept for a logout: it becomes part
// of an address, of which many servers read no more than 8 KB.
const maxHint = 3 << 10

// voucher is what is kept of a login that an ID token has ended.
func (p *Provider) voucher(token string) Voucher {
	if len(token) > maxHint {
		token = ""
	}
	return Voucher{Provider: p.identity(), IDToken: token}
}

// Vouched says whether v is of a login at p, as p is set up now.
func (p *Provider) Vouched(v Voucher) bool { return v.Provider == p.identity() }

// Logout gives the address at which a browser ends its login at the provider (OpenID
// Connect RP-Initiated Logout 1.0), and what it comes back with; "" where the provider
// has no such place, or nobody is to be logged out there. The error is ErrProvider.
func (p *Provider) Logout(ctx context.Context, v Voucher) (where string, l Logout, err error) {
	if p.o.LogoutURL == "" || !p.Vouched(v) {
		return "", l, nil
	}
	m, err := p.where.get(ctx)
	if err != nil {
		return "", l, fmt.Errorf("%w: %w", ErrProvider, err)
	}
	if m.EndSession == "" {
		return "", l, nil
	}
	at, err := url.Parse(m.EndSession)
	if err != nil {
		return "", l, fmt.Errorf("%w: %w", ErrProvider, err)
	}
	l = Logout{State: rand.Text(), Provider: p.identity()}
	query := at.Query()
	for name, value := range map[string]string{
		"id_token_hint": v.IDToken, "client_id": p.o.ClientID, "post_logout_redirect_uri": p.o.LogoutURL, "state": l.State,
	} {
		if query.Del(name); value != "" {
			query.Set(name, value)
		}
	}
	at.RawQuery, at.Fragment = query.Encode(), ""
	return at.String(), l, nil
}

// CheckLogout refuses, with a *LoginError, a browser that comes back otherwise than l
// has it.
func (p *Provider) CheckLogout(l Logout, query url.Values) error {
	if l.State == "" || !same(query.Get("state"), l.State) || l.Provider != p.identity() {
		return errNoLogout
	}
	return nil
}
