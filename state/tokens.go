package state

import (
	"context"
	"fmt"
	"time"
)

// TokenID names a token: who issued it, and its claim "jti".
type TokenID struct{ Issuer, ID string }

// Tokens are those that were taken back before their time.
type Tokens struct{ db *DB }

// Tokens are those in db.
func (db *DB) Tokens() Tokens { return Tokens{db} }

// Revoke takes a token back until it expires by itself, and forgets those that
// have expired by now. A token may be revoked again.
func (ts Tokens) Revoke(ctx context.Context, token TokenID, expiresAt, now time.Time) error {
	_, err := ts.db.exec(ctx, `INSERT INTO revoked_tokens (issuer, id, expires_at) VALUES (?, ?, ?)
		ON CONFLICT (issuer, id) DO UPDATE SET expires_at = excluded.expires_at WHERE excluded.expires_at > revoked_tokens.expires_at`,
		token.Issuer, token.ID, expiresAt.UnixMilli())
	if err == nil {
		_, err = ts.db.exec(ctx, `DELETE FROM revoked_tokens WHERE expires_at < ?`, now.UnixMilli())
	}
	if err != nil {
		return fmt.Errorf("revoke a token: %w", err)
	}
	return nil
}

// Revoked are the tokens that were taken back and have not expired by now.
func (ts Tokens) Revoked(ctx context.Context, now time.Time) (map[TokenID]bool, error) {
	rows, err := ts.db.reads.QueryContext(ctx, ts.db.Bind(`SELECT issuer, id FROM revoked_tokens WHERE expires_at >= ?`), now.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("list the revoked tokens: %w", err)
	}
	defer rows.Close()
	revoked := map[TokenID]bool{}
	for rows.Next() {
		var t TokenID
		if err := rows.Scan(&t.Issuer, &t.ID); err != nil {
			return nil, fmt.Errorf("list the revoked tokens: %w", err)
		}
		revoked[t] = true
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the revoked tokens: %w", err)
	}
	return revoked, nil
}
