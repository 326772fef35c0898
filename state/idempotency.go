package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// KeyLifetime is how long a key and its result are kept.
const KeyLifetime = 24 * time.Hour

// Bounds of what is kept for one caller. Beyond them the oldest goes first: of a
// result, what the write did can still be found in Git by the key; a key that is
// forgotten can be used again.
const (
	MaxResults = 1 << 20 // bytes
	MaxKeys    = 10_000
)

// What [Keys.Claim] refuses.
var (
	// ErrKeyReused: the key stands for another request.
	ErrKeyReused = errors.New("the key stands for another request")
	// ErrKeyInUse: a request with the key is under way.
	ErrKeyInUse = errors.New("a request with the key is under way")
)

// Keys are those by which clients repeat a write safely, each with what the write
// did: names and revisions, nothing of what was written.
type Keys struct{ db *DB }

// Keys are those in db.
func (db *DB) Keys() Keys { return Keys{db} }

// KeyRequest is a request with a key, as it is stored: hashes alone.
type KeyRequest struct {
	ID          string // a hash of the caller and the key
	Caller      string // a hash of the caller
	Fingerprint string // a hash of the request
	Head        string // the commit that the request comes after; "" before the first
}

// Claim is what a request with a key is to do: tell Result or, if that is empty,
// run until the lease ends and then Finish, Release or Abandon the claim.
type Claim struct {
	Result string
	Head   string // of the first request with the key
	Again  bool   // an earlier one was cut off: it may have committed something after Head

	id, caller string
	lease      int64 // its end, by which the claim is told from later ones
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
	claim := Claim{Head: r.Head, id: r.ID, caller: r.Caller, lease: until}
	if _, err := ks.db.exec(ctx, `DELETE FROM idempotency_keys WHERE id = ? AND created_at < ? AND lease_until < ?`,
		r.ID, now.Add(-KeyLifetime).UnixMilli(), now.UnixMilli()); err != nil {
		return claim, err
	}
	n, err := ks.db.exec(ctx, `INSERT INTO idempotency_keys (id, caller, fingerprint, head, lease_until, created_at)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`, r.ID, r.Caller, r.Fingerprint, r.Head, until, now.UnixMilli())
	if err != nil || n > 0 {
		return claim, err
	}
	var (
		fingerprint, result string
		held                int64
	)
	err = ks.db.reads.QueryRowContext(ctx, ks.db.Bind(`SELECT fingerprint, head, lease_until, result FROM idempotency_keys WHERE id = ?`), r.ID).
		Scan(&fingerprint, &claim.Head, &held, &result)
	switch {
	case errors.Is(err, sql.ErrNoRows): // released since
		return claim, ErrKeyInUse
	case err != nil:
		return claim, err
	case fingerprint != r.Fingerprint:
		return claim, ErrKeyReused
	case result != "":
		claim.Result = result
		return claim, nil
	case held > now.UnixMilli():
		return claim, ErrKeyInUse
	}
	claim.Again = true
	n, err = ks.db.exec(ctx, `UPDATE idempotency_keys SET lease_until = ? WHERE id = ? AND lease_until = ? AND result = ''`, until, r.ID, held)
	if err == nil && n == 0 {
		err = ErrKeyInUse
	}
	return claim, err
}

// Finish keeps the result, which is not empty, for those who repeat the request.
func (ks Keys) Finish(ctx context.Context, c Claim, result string) error {
	err := ks.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, ks.db.Bind(`UPDATE idempotency_keys SET result = ?, size = ?, lease_until = 0 WHERE id = ? AND lease_until = ?`),
			result, len(result), c.id, c.lease)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, ks.db.Bind(`DELETE FROM idempotency_keys WHERE caller = ? AND lease_until = 0 AND created_at <
			(SELECT created_at FROM idempotency_keys WHERE caller = ? ORDER BY created_at DESC LIMIT 1 OFFSET ?)`), c.caller, c.caller, MaxKeys-1)
		if err != nil {
			return err
		}
		return ks.trim(ctx, tx, c.caller)
	})
	if err != nil {
		return fmt.Errorf("keep the result of a key: %w", err)
	}
	return nil
}

// trim forgets the oldest results of a caller that has too many bytes of them.
func (ks Keys) trim(ctx context.Context, tx *sql.Tx, caller string) error {
	var size int64
	err := tx.QueryRowContext(ctx, ks.db.Bind(`SELECT COALESCE(SUM(size), 0) FROM idempotency_keys WHERE caller = ?`), caller).Scan(&size)
	if err != nil || size <= MaxResults {
		return err
	}
	_, err = tx.ExecContext(ctx, ks.db.Bind(`UPDATE idempotency_keys SET result = '', size = 0 WHERE id IN (SELECT id FROM
		(SELECT id, SUM(size) OVER (ORDER BY created_at DESC, id) AS newer FROM idempotency_keys WHERE caller = ?) AS ranked WHERE newer > ?)`),
		caller, MaxResults)
	return err
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

// Purge forgets the keys whose lifetime has ended by now, some at a time, so that others
// write in between.
func (ks Keys) Purge(ctx context.Context, now time.Time) error {
	for n := int64(step); n == step; {
		var err error
		if n, err = ks.purgeSome(ctx, now); err != nil {
			return fmt.Errorf("forget old keys: %w", err)
		}
	}
	return nil
}

// purgeSome is one step of Purge, and says how many keys it took.
func (ks Keys) purgeSome(ctx context.Context, now time.Time) (int64, error) {
	return ks.db.exec(ctx, `DELETE FROM idempotency_keys WHERE id IN (SELECT id FROM idempotency_keys WHERE created_at < ? AND lease_until < ? LIMIT ?)`,
		now.Add(-KeyLifetime).UnixMilli(), now.UnixMilli(), step)
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
