package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// SetLink stores the hash of the token of a link by which the owner of the account may
// choose a password until then, in the place of those before.
func (as Accounts) SetLink(ctx context.Context, id, hash string, until time.Time) error {
	err := as.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, as.db.Bind(`DELETE FROM links WHERE account = ? AND asked = 1`), id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, as.db.Bind(setLink), id, 0, hash, until.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("store a link: %w", err)
	}
	return nil
}

// AddAskedLink stores a link that anybody may ask for. It takes the place of the last one
// that was asked for, and leaves that of [Accounts.SetLink] as it is.
func (as Accounts) AddAskedLink(ctx context.Context, id, hash string, until time.Time) error {
	if _, err := as.db.exec(ctx, setLink, id, 1, hash, until.UnixMilli()); err != nil {
		return fmt.Errorf("store a link: %w", err)
	}
	return nil
}

const setLink = `INSERT INTO links (account, asked, hash, until_at) VALUES (?, ?, ?, ?)
	ON CONFLICT (account, asked) DO UPDATE SET hash = excluded.hash, until_at = excluded.until_at`

// linked is the account of a link that is good, whose owner may log in.
const linked = `issuer = '' AND disabled = 0 AND id = (SELECT account FROM links WHERE hash = ? AND until_at > ?)`

// ByLink is the account of a link that is good at a time, or ErrUnknown.
func (as Accounts) ByLink(ctx context.Context, hash string, now time.Time) (Account, error) {
	return as.one(ctx, linked, hash, now.UnixMilli())
}

// UseLink gives the account of a link another password, by its hash, and ends its links and
// sessions. Of several who use it at once, one does; the error of the others is
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
