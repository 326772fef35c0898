package auth

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"cms/state"
)

// RevocationDelay is how long a revoked token may still be accepted: the time
// between two looks into the database.
const RevocationDelay = 2 * time.Second

// forever stands for the expiry of a token that nobody knows.
var forever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Revocations are the tokens that were taken back before their time, of
// whatever issuer. They are few, and kept in memory, so that asking for each
// request costs nothing; they stay known while the database does not answer.
type Revocations struct {
	store   state.Tokens
	log     *slog.Logger
	current atomic.Pointer[map[state.TokenID]bool]
}

// OpenRevocations reads the revocations in db. Log may be nil.
func OpenRevocations(ctx context.Context, db *state.DB, log *slog.Logger) (*Revocations, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Revocations{store: db.Tokens(), log: log}
	return r, r.read(ctx)
}

// Run keeps them fresh until ctx ends.
func (r *Revocations) Run(ctx context.Context) error {
	tick := time.NewTicker(RevocationDelay)
	defer tick.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := r.read(ctx)
		if err != nil && !told && ctx.Err() == nil {
			r.log.WarnContext(ctx, "tokens that are revoked now may still be accepted", "error", err)
		}
		told = err != nil
	}
}

func (r *Revocations) read(ctx context.Context) error {
	revoked, err := r.store.Revoked(ctx, time.Now())
	if err != nil {
		return err
	}
	r.current.Store(&revoked)
	return nil
}

// Revoked says whether a token was taken back, for Options.
func (r *Revocations) Revoked(issuer, id string) bool {
	return (*r.current.Load())[state.TokenID{Issuer: issuer, ID: id}]
}

// Revoke takes back the token with this id of this issuer until it expires by
// itself; a zero time stands for a time that is not known. Other services on
// the database hear of it within RevocationDelay.
func (r *Revocations) Revoke(ctx context.Context, issuer, id string, expires time.Time) error {
	if issuer == "" || id == "" {
		return errors.New("revoke a token: its issuer and its id (jti) are needed")
	}
	if expires.IsZero() {
		expires = forever
	}
	if err := r.store.Revoke(ctx, state.TokenID{Issuer: issuer, ID: id}, expires, time.Now()); err != nil {
		return err
	}
	return r.read(ctx)
}
