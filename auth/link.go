package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"cms/state"
)

// A link lets the owner of an account choose a password, once. Its token is random and
// stored as a hash. A newer one takes its place, as does a new password; it is no good for
// an account that is disabled. One that anybody may ask for ends others of its kind alone:
// nobody takes an invitation away by asking for a reset.

// How long links are good, unless it is said.
const (
	InviteTime = 7 * 24 * time.Hour
	ResetTime  = 24 * time.Hour
	ForgotTime = time.Hour // of one that anybody may ask for
)

// ErrLink refuses a link: it was used, is too old, was followed by another one, or never
// was. It does not say which.
var ErrLink = errors.New("the link is not good any more")

// Invite makes an account without a password, and gives the token of a link by which its
// owner chooses one. Somebody who was invited and has not followed the link is invited
// anew.
func (as *Accounts) Invite(ctx context.Context, a Account, lasting time.Duration) (string, error) {
	email, err := emailOf(a.Email)
	if err != nil {
		return "", err
	}
	if err := as.checkRoles(a.Roles); err != nil {
		return "", err
	}
	claims, err := claimsText(a.Claims)
	if err != nil {
		return "", fmt.Errorf("invite: %w", err)
	}
	id := rand.Text()
	err = as.store.Add(ctx, state.Account{ID: id, Subject: id, Email: email, Name: a.Name, Roles: a.Roles, Claims: claims, CreatedAt: time.Now()})
	if errors.Is(err, state.ErrTaken) {
		there, findErr := as.store.ByEmail(ctx, email)
		switch {
		case findErr != nil:
			return "", findErr
		case there.Password != "" || there.Disabled:
			return "", fmt.Errorf("there is already an account of %s; cms user reset gives it another link", email)
		}
		id, err = there.ID, as.store.SetRoles(ctx, there.ID, a.Roles, claims)
	}
	if err != nil {
		return "", err
	}
	return as.link(ctx, id, lasting)
}

// Reset gives the token of a link by which the owner of the account of email chooses
// another password. The one that there is stays good until then.
func (as *Accounts) Reset(ctx context.Context, email string, lasting time.Duration) (string, error) {
	a, err := as.find(ctx, email)
	switch {
	case err != nil:
		return "", err
	case a.Issuer != "":
		return "", fmt.Errorf("the password of %s is kept by %s", email, a.Issuer)
	case a.Disabled:
		return "", fmt.Errorf("the account of %s is disabled; cms user disable --undo opens it", email)
	}
	return as.link(ctx, a.ID, lasting)
}

func (as *Accounts) link(ctx context.Context, id string, lasting time.Duration) (string, error) {
	token := rand.Text()
	return token, as.store.SetLink(ctx, id, hashOf(token), time.Now().Add(lasting))
}

// Linked is whose link a token is of. The error is ErrLink, or a *TooManyError.
func (s *Sessions) Linked(ctx context.Context, token string, from netip.Addr) (*Principal, error) {
	account, err := s.linked(ctx, token, from)
	if err != nil {
		return nil, err
	}
	return principalOf(account)
}

// linked finds the account of a link, and has those wait who try many.
func (s *Sessions) linked(ctx context.Context, token string, from netip.Addr) (state.Account, error) {
	network := "link " + networkOf(from)
	if err := s.throttle.begin(network, networkPace, s.o.Now()); err != nil {
		return state.Account{}, err
	}
	account, err := s.accounts.ByLink(ctx, hashOf(token), time.Now())
	if errors.Is(err, state.ErrUnknown) {
		return account, &AttemptError{ErrLink, "the link was used, is too old, was followed by another one, or never was", ""}
	}
	s.throttle.refund(network)
	return account, err
}

// UseLink gives the account of a link a password, which ends its sessions, and says whose
// it is. The error is that of [CheckPassword], ErrLink, or a *TooManyError.
func (s *Sessions) UseLink(ctx context.Context, token, password string, from netip.Addr) (*Principal, error) {
	account, err := s.linked(ctx, token, from)
	if err != nil {
		return nil, err
	}
	if err := CheckPassword(password); err != nil {
		return nil, err
	}
	hash, err := s.hashers.hash(ctx, password)
	if err != nil {
		return nil, fmt.Errorf("set a password: %w", err)
	}
	err = s.accounts.UseLink(ctx, hashOf(token), hash, time.Now())
	if errors.Is(err, state.ErrUnknown) {
		return nil, &AttemptError{ErrLink, "the link was used meanwhile", account.Email}
	}
	if err != nil {
		return nil, err
	}
	s.o.Logger.InfoContext(ctx, "a password was chosen by a link", "account", account.ID, "from", from.String())
	return principalOf(account)
}
