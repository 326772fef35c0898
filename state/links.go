package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// SetLink stores the hash of the token of a link by which the owner of the account may
// choose a password until then, in the place of the one before.
func (as Accounts) SetLink(ctx context.Context, id, hash string, until time.Time) error {
	_, err := as.db.exec(ctx, `INSERT INTO links (account, hash, until_at) VALUES (?, ?, ?)
		ON CONFLICT (account) DO UPDATE SET hash = excluded.hash, until_at = excluded.until_at`, id, hash, until.UnixMilli())
	if err != nil {
		return fmt.Errorf("store a link: %w", err)
	}
	return nil
}

// linked is the account of a link that is good, whose owner may log in.
const linked = `issuer = '' AND disabled = 0 AND id = (SELECT account FROM links WHERE hash = ? AND until_at > ?)`

// ByLink is the account of a link that is good at a time, or ErrUnknown.
func (as Accounts) ByLink(ctx context.Context, hash string, now time.Time) (Account, error) {
	return as.one(ctx, linked, hash, now.UnixMilli())
}

// UseLink gives the account of a link another password, by its hash, and ends the link and
// the sessions. Of several who use it at once, one does; the error of the others is
// ErrUnknown.
func (as Accounts) UseLink(ctx context.Context, link, password string, now time.Time) error {
	return as.db.Tx(ctx, func(tx *sql.Tx) error {
		var id string
		err := tx.QueryRowContext(ctx, as.db.Bind(`UPDATE accounts SET password = ? WHERE `+linked+` RETURNING id`), password, link, now.UnixMilli()).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrUnknown
		}
		if err != nil {
			return fmt.Errorf("use a link: %w", err)
		}
		res, err := tx.ExecContext(ctx, as.db.Bind(`DELETE FROM links WHERE account = ? AND hash = ?`), id, link)
		if err != nil {
			return fmt.Errorf("use a link: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 { // somebody else was first
			return errors.Join(err, ErrUnknown)
		}
		return as.forget(ctx, tx, id)
	})
}
