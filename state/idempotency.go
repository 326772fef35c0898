package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// KeyLifetime is how long a key and its answer are kept.
const KeyLifetime = 24 * time.Hour

// What [Keys.Claim] refuses.
var (
	// ErrKeyReused: the key stands for another request.
	ErrKeyReused = errors.New("the key stands for another request")
	// ErrKeyInUse: a request with the key is under way.
	ErrKeyInUse = errors.New("a request with the key is under way")
)

// Keys are those by which clients repeat a write safely, each with what the
// write was answered with.
type Keys struct{ db *DB }

// Keys are those in db.
func (db *DB) Keys() Keys { return Keys{db} }

// KeyRequest is a request with a key, as it is stored: hashes alone.
type KeyRequest struct {
	ID          string // a hash of the caller and the key
	Fingerprint string // a hash of the request
	Head        string // the commit that the request comes after; "" before the first
}

// Answer is a response to keep.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Claim is what a request with a key is to do: repeat Answer or, if that is nil,
// run until the lease ends and then Finish, Release or Abandon the claim.
type Claim struct {
	Answer *Answer
	Head   string // of the first request with the key
	Again  bool   // an earlier one was cut off: it may have committed something after Head

	id    string
	lease int64 // its end, by which the claim is told from later ones
}

// Claim takes hold of the key of r for the time of lease. Of several requests at
// once, one does. The errors are ErrKeyReused and ErrKeyInUse.
func (ks Keys) Claim(ctx context.Context, r KeyRequest, lease time.Duration, now time.Time) (Claim, error) {
	c, err := ks.claim(ctx, r, now.Add(lease).UnixMilli(), now)
	if err != nil && !errors.Is(err, ErrKeyReused) && !errors.Is(err, ErrKeyInUse) {
		err = fmt.Errorf("claim a key: %w", err)
	}
	return c, err
}

func (ks Keys) claim(ctx context.Context, r KeyRequest, until int64, now time.Time) (Claim, error) {
	claim := Claim{Head: r.Head, id: r.ID, lease: until}
	if _, err := ks.db.exec(ctx, `DELETE FROM idempotency_keys WHERE id = ? AND created_at < ? AND lease_until < ?`,
		r.ID, now.Add(-KeyLifetime).UnixMilli(), now.UnixMilli()); err != nil {
		return claim, err
	}
	n, err := ks.db.exec(ctx, `INSERT INTO idempotency_keys (id, fingerprint, head, lease_until, created_at, status, header)
		VALUES (?, ?, ?, ?, ?, 0, '') ON CONFLICT (id) DO NOTHING`, r.ID, r.Fingerprint, r.Head, until, now.UnixMilli())
	if err != nil || n > 0 {
		return claim, err
	}
	var (
		fingerprint, header string
		held                int64
		answer              Answer
	)
	err = ks.db.reads.QueryRowContext(ctx, ks.db.Bind(`SELECT fingerprint, head, lease_until, status, header, body FROM idempotency_keys WHERE id = ?`), r.ID).
		Scan(&fingerprint, &claim.Head, &held, &answer.Status, &header, &answer.Body)
	switch {
	case errors.Is(err, sql.ErrNoRows): // released since
		return claim, ErrKeyInUse
	case err != nil:
		return claim, err
	case fingerprint != r.Fingerprint:
		return claim, ErrKeyReused
	case answer.Status != 0:
		claim.Answer = &answer
		return claim, json.Unmarshal([]byte(header), &answer.Header)
	case held > now.UnixMilli():
		return claim, ErrKeyInUse
	}
	claim.Again = true
	n, err = ks.db.exec(ctx, `UPDATE idempotency_keys SET lease_until = ? WHERE id = ? AND lease_until = ? AND status = 0`, until, r.ID, held)
	if err == nil && n == 0 {
		err = ErrKeyInUse
	}
	return claim, err
}

// Finish keeps the answer for those who repeat the request.
func (ks Keys) Finish(ctx context.Context, c Claim, a Answer) error {
	header, err := json.Marshal(a.Header)
	if err == nil {
		_, err = ks.db.exec(ctx, `UPDATE idempotency_keys SET status = ?, header = ?, body = ?, lease_until = 0 WHERE id = ? AND lease_until = ?`,
			a.Status, string(header), a.Body, c.id, c.lease)
	}
	if err != nil {
		return fmt.Errorf("keep the answer to a key: %w", err)
	}
	return nil
}

// Release forgets the key: the request has changed nothing.
func (ks Keys) Release(ctx context.Context, c Claim) error {
	if _, err := ks.db.exec(ctx, `DELETE FROM idempotency_keys WHERE id = ? AND lease_until = ?`, c.id, c.lease); err != nil {
		return fmt.Errorf("release a key: %w", err)
	}
	return nil
}

// Abandon ends the claim of a request of which nobody can say what it did. The
// next one with the key has a claim that says Again.
func (ks Keys) Abandon(ctx context.Context, c Claim) error {
	if _, err := ks.db.exec(ctx, `UPDATE idempotency_keys SET lease_until = 0 WHERE id = ? AND lease_until = ?`, c.id, c.lease); err != nil {
		return fmt.Errorf("abandon a key: %w", err)
	}
	return nil
}

// Purge forgets the keys whose lifetime has ended by now.
func (ks Keys) Purge(ctx context.Context, now time.Time) error {
	if _, err := ks.db.exec(ctx, `DELETE FROM idempotency_keys WHERE created_at < ? AND lease_until < ?`,
		now.Add(-KeyLifetime).UnixMilli(), now.UnixMilli()); err != nil {
		return fmt.Errorf("forget old keys: %w", err)
	}
	return nil
}

// Run purges every hour until ctx ends.
func (ks Keys) Run(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := ks.Purge(ctx, time.Now()); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "old keys of retries stay for now", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
