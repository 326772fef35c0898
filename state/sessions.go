package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Session is somebody who is logged in, as it is stored: hashes of tokens, never
// the tokens.
type Session struct {
	ID           string
	Account      string // the id of the account
	AccessHash   string
	AccessUntil  time.Time
	RefreshHash  string // "" for a session of one token
	RefreshUntil time.Time
	EndsAt       time.Time // beyond which it cannot be refreshed
	Factor       string    // the second factor by which it began, "" for none

	Voucher Voucher // that Begin is given and End gives back; Find leaves it out
	Client  Client  // that Begin is given and Of gives back; Find leaves it out
}

// Client is where a session began.
type Client struct {
	Address string // "" where it is not known
	Browser string // its name, "" where that is not known
}

// Active is a session that has not ended, as people are told of it.
type Active struct {
	ID     string
	Begun  time.Time // zero where that is not known
	Used   time.Time // about when, the last time; zero where that is not known
	Client Client
}

// Voucher is what is kept of a login at an identity provider for the logout there.
type Voucher struct {
	Provider string // "" for a login with a password
	IDToken  string // "" where it is not kept
}

// Sessions are who is logged in.
type Sessions struct{ db *DB }

// Sessions are those in db.
func (db *DB) Sessions() Sessions { return Sessions{db} }

// Begin stores a new session, in the place of those that have ended by now. The error is
// ErrUnknown where the account has been disabled, or its password is not the one any more
// whose hash is given: who has changed it has ended the sessions that there were.
func (ss Sessions) Begin(ctx context.Context, s Session, password string, now time.Time) error {
	lock := ""
	if ss.db.postgres {
		lock = " FOR UPDATE" // a change of the account comes before this, or sees the session
	}
	err := ss.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, statement := range []string{`DELETE FROM sessions WHERE refresh_until < ?`, `DELETE FROM devices WHERE until_at < ?`} {
			if _, err := tx.ExecContext(ctx, ss.db.Bind(statement), now.UnixMilli()); err != nil {
				return err
			}
		}
		var same int
		err := tx.QueryRowContext(ctx, ss.db.Bind(`SELECT 1 FROM accounts WHERE id = ? AND password = ? AND disabled = 0`+lock), s.Account, password).Scan(&same)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrUnknown
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, ss.db.Bind(`INSERT INTO sessions (id, account, access_hash, access_until, refresh_hash, refresh_until, ends_at, provider, id_token, begun_at, used_at, address, browser, factor)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
			s.ID, s.Account, s.AccessHash, s.AccessUntil.UnixMilli(), s.RefreshHash, s.RefreshUntil.UnixMilli(), s.EndsAt.UnixMilli(),
			s.Voucher.Provider, s.Voucher.IDToken, now.UnixMilli(), now.UnixMilli(), s.Client.Address, s.Client.Browser, s.Factor)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, ss.db.Bind(`UPDATE accounts SET login_at = ? WHERE id = ?`), now.UnixMilli(), s.Account)
		return err
	})
	if err != nil {
		return fmt.Errorf("begin a session: %w", err)
	}
	return nil
}

// findSession finds a session by its id. It is asked with each page.
const findSession = `SELECT ` + accountColumns + `, sessions.id, account, access_hash, access_until, refresh_hash, refresh_until, ends_at, factor
	FROM sessions JOIN accounts ON accounts.id = sessions.account WHERE sessions.id = ? AND disabled = 0`

// Find gives the session and its account. The error is ErrUnknown when there is
// no such session, or the account is disabled.
func (ss Sessions) Find(ctx context.Context, id string) (Session, Account, error) {
	var (
		s                                Session
		accessUntil, refreshUntil, endAt int64
	)
	var row *sql.Row
	if ss.db.findSession != nil {
		row = ss.db.findSession.QueryRowContext(ctx, id)
	} else {
		row = ss.db.reads.QueryRowContext(ctx, ss.db.Bind(findSession), id)
	}
	a, err := scanAccount(more{row, []any{&s.ID, &s.Account, &s.AccessHash, &accessUntil, &s.RefreshHash, &refreshUntil, &endAt, &s.Factor}})
	if errors.Is(err, ErrUnknown) {
		return s, a, err
	}
	if err != nil {
		return s, a, fmt.Errorf("find a session: %w", err)
	}
	s.AccessUntil, s.RefreshUntil, s.EndsAt = time.UnixMilli(accessUntil), time.UnixMilli(refreshUntil), time.UnixMilli(endAt)
	return s, a, nil
}

// more scans columns that follow those of an account.
type more struct {
	row  *sql.Row
	dest []any
}

func (m more) Scan(dest ...any) error { return m.row.Scan(append(dest, m.dest...)...) }

// Count is how many there are that have not ended by now.
func (ss Sessions) Count(ctx context.Context, now time.Time) (n int, err error) {
	if err := ss.db.reads.QueryRowContext(ctx, ss.db.Bind(`SELECT COUNT(*) FROM sessions WHERE refresh_until >= ?`), now.UnixMilli()).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the sessions: %w", err)
	}
	return n, nil
}

// EndAll ends all sessions, and says how many there were; and the links by which passwords
// are chosen.
func (ss Sessions) EndAll(ctx context.Context) (n int64, err error) {
	err = ss.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM links`); err != nil {
			return err
		}
		ended, err := tx.ExecContext(ctx, `DELETE FROM sessions`)
		if err != nil {
			return err
		}
		n, err = ended.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("end all sessions: %w", err)
	}
	return n, nil
}

// Rotate gives the session the tokens of next, if its refresh token is still
// the one with the hash old: of several who try at once, one succeeds.
func (ss Sessions) Rotate(ctx context.Context, old string, next Session) (bool, error) {
	n, err := ss.db.exec(ctx, `UPDATE sessions SET access_hash = ?, access_until = ?, refresh_hash = ?, refresh_until = ?, used_at = ? WHERE id = ? AND refresh_hash = ?`,
		next.AccessHash, next.AccessUntil.UnixMilli(), next.RefreshHash, next.RefreshUntil.UnixMilli(), time.Now().UnixMilli(), next.ID, old)
	if err != nil {
		return false, fmt.Errorf("refresh a session: %w", err)
	}
	return n > 0, nil
}

// Prolong has a session last until then, if it has not ended.
func (ss Sessions) Prolong(ctx context.Context, id string, until time.Time) error {
	if _, err := ss.db.exec(ctx, `UPDATE sessions SET access_until = ?, refresh_until = ?, used_at = ? WHERE id = ?`,
		until.UnixMilli(), until.UnixMilli(), time.Now().UnixMilli(), id); err != nil {
		return fmt.Errorf("prolong a session: %w", err)
	}
	return nil
}

// End ends the session, if it has not ended yet, and gives what it was begun with: of
// several who end it, to one.
func (ss Sessions) End(ctx context.Context, id string) (v Voucher, err error) {
	row := ss.db.sql.QueryRowContext(ctx, ss.db.Bind(`DELETE FROM sessions WHERE id = ? RETURNING provider, id_token`), id)
	if err := row.Scan(&v.Provider, &v.IDToken); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Voucher{}, fmt.Errorf("end a session: %w", err)
	}
	return v, nil
}

// maxActive is how many sessions people are told of, the last ones used.
const maxActive = 200

// Of are the sessions of an account that have not ended, the last used first.
func (ss Sessions) Of(ctx context.Context, account string, now time.Time) ([]Active, error) {
	rows, err := ss.db.reads.QueryContext(ctx, ss.db.Bind(`SELECT id, begun_at, used_at, address, browser FROM sessions
		WHERE account = ? AND refresh_until > ? ORDER BY used_at DESC, id LIMIT ?`), account, now.UnixMilli(), maxActive)
	if err != nil {
		return nil, fmt.Errorf("list the sessions of an account: %w", err)
	}
	defer rows.Close()
	var all []Active
	for rows.Next() {
		var (
			a           Active
			begun, used int64
		)
		if err := rows.Scan(&a.ID, &begun, &used, &a.Client.Address, &a.Client.Browser); err != nil {
			return nil, fmt.Errorf("list the sessions of an account: %w", err)
		}
		a.Begun, a.Used = maybeTime(begun), maybeTime(used)
		all = append(all, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the sessions of an account: %w", err)
	}
	return all, nil
}

// EndOf ends one session of an account, and says whether there was one.
func (ss Sessions) EndOf(ctx context.Context, account, id string) (bool, error) {
	n, err := ss.db.exec(ctx, `DELETE FROM sessions WHERE account = ? AND id = ?`, account, id)
	if err != nil {
		return false, fmt.Errorf("end a session: %w", err)
	}
	return n > 0, nil
}

// EndAllOf ends the sessions of an account but the one with the id keep, and says how many
// there were.
func (ss Sessions) EndAllOf(ctx context.Context, account, keep string) (int64, error) {
	n, err := ss.db.exec(ctx, `DELETE FROM sessions WHERE account = ? AND id <> ?`, account, keep)
	if err != nil {
		return 0, fmt.Errorf("end the sessions of an account: %w", err)
	}
	return n, nil
}

// maybeTime is a time that is zero where none was stored.
func maybeTime(milliseconds int64) time.Time {
	if milliseconds == 0 {
		return time.Time{}
	}
	return time.UnixMilli(milliseconds)
}
