package auth

import (
	"context"
	"crypto/rand"
	"time"

	"cms/state"
)

// A session may stay for as long as it is used: it has one token, which does not change,
// so that several tabs of a browser can use it at once. Each use prolongs it, up to the
// lifetime of sessions. It is for pages, whose token is in a cookie that scripts do not
// see; as a bearer token it counts for nothing.

// tellUse is how exactly people are told when a session was last used.
const tellUse = 10 * time.Minute

// stays says whether a session is of that kind.
func stays(s *state.Session) bool { return s.RefreshHash == "" }

// issueStaying makes the token of a session that stays, and puts its hash into stored.
func (s *Sessions) issueStaying(stored *state.Session, account state.Account, now time.Time) (*Session, error) {
	pr, err := principalOf(account)
	if err != nil {
		return nil, err
	}
	token := rand.Text()
	stored.AccessHash = hashOf(token)
	stored.AccessUntil = earlier(now.Add(s.o.Idle), stored.EndsAt)
	stored.RefreshUntil = stored.AccessUntil // behind which it is swept
	pr.Expires = stored.AccessUntil
	return &Session{Principal: pr, Access: stored.ID + "." + token, AccessUntil: stored.EndsAt}, nil
}

// Stay is who a session that stays is of, and prolongs it; otherwise the error is
// ErrNoSession. The database hears of it once in a quarter of the time that a session
// may rest, and in ten minutes.
func (s *Sessions) Stay(ctx context.Context, token string) (*Principal, error) {
	return s.staying(ctx, token, true)
}

// Look is who a session that stays is of, as Stay tells it, without prolonging it: for what
// a page does by itself while nobody uses it.
func (s *Sessions) Look(ctx context.Context, token string) (*Principal, error) {
	return s.staying(ctx, token, false)
}

func (s *Sessions) staying(ctx context.Context, token string, prolong bool) (*Principal, error) {
	now := time.Now()
	stored, account, err := s.open(ctx, token, true, now)
	if err != nil {
		return nil, err
	}
	if until := earlier(now.Add(s.o.Idle), stored.EndsAt); prolong && until.Sub(stored.AccessUntil) > min(s.o.Idle/4, tellUse) {
		if err := s.store.Prolong(ctx, stored.ID, until); err != nil {
			return nil, err
		}
		stored.AccessUntil = until
	}
	return speaker(&stored, account)
}

// Settle exchanges a session, named by its access token, for one that stays, in its place:
// it ends when the one before would have ended, and a logout ends it at its provider too.
// The error is ErrNoSession where it does not count, or somebody else has exchanged it.
func (s *Sessions) Settle(ctx context.Context, access string) (*Session, error) {
	now := time.Now()
	stored, account, err := s.open(ctx, access, false, now)
	if err != nil {
		return nil, err
	}
	next := stored
	next.RefreshHash = ""
	session, err := s.issueStaying(&next, account, now)
	if err != nil {
		return nil, err
	}
	first, err := s.store.Rotate(ctx, stored.RefreshHash, next)
	if err != nil {
		return nil, err
	}
	if !first {
		return nil, ErrNoSession
	}
	s.o.Logger.InfoContext(ctx, "the session stays", "account", account.ID, "session", stored.ID)
	return session, nil
}
