package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ErrTokens is returned for one token more than an account may have.
var ErrTokens = errors.New("the account has as many tokens as it may")

// PersonalToken is a token that somebody has made for a program of theirs, as it is
// stored: its hash, never the token.
type PersonalToken struct {
	ID        string
	Account   string // the id of the account
	Hash      string
	Name      string
	Limits    string // what it may at most, a JSON object; "" for all that the account may
	CreatedAt time.Time
	EndsAt    time.Time
	UsedAt    time.Time // about; zero for never
}

// PersonalTokens are those of all accounts.
type PersonalTokens struct{ db *DB }

// PersonalTokens are those in db.
func (db *DB) PersonalTokens() PersonalTokens { return PersonalTokens{db} }

const personalTokenColumns = `personal_tokens.id, account, hash, personal_tokens.name, limits, personal_tokens.created_at, ends_at, used_at`

// Add stores a token, in the place of those of its account that have ended by now. The
// error is ErrTokens where the account has most of them, and ErrUnknown where it has
// been disabled or is not there.
func (ts PersonalTokens) Add(ctx context.Context, t PersonalToken, most int, now time.Time) error {
	lock := ""
	if ts.db.postgres {
		lock = " FOR UPDATE" // two at once are counted one after the other
	}
	err := ts.db.Tx(ctx, func(tx *sql.Tx) error {
		var there int
		err := tx.QueryRowContext(ctx, ts.db.Bind(`SELECT 1 FROM accounts WHERE id = ? AND disabled = 0`+lock), t.Account).Scan(&there)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrUnknown
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, ts.db.Bind(`DELETE FROM personal_tokens WHERE account = ? AND ends_at <= ?`), t.Account, now.UnixMilli()); err != nil {
			return err
		}
		var has int
		if err := tx.QueryRowContext(ctx, ts.db.Bind(`SELECT COUNT(*) FROM personal_tokens WHERE account = ?`), t.Account).Scan(&has); err != nil {
			return err
		}
		if has >= most {
			return ErrTokens
		}
		_, err = tx.ExecContext(ctx, ts.db.Bind(`INSERT INTO personal_tokens (id, account, hash, name, limits, created_at, ends_at, used_at) VALUES (?, ?, ?, ?, ?, ?, ?, 0)`),
			t.ID, t.Account, t.Hash, t.Name, t.Limits, t.CreatedAt.UnixMilli(), t.EndsAt.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("add a personal token: %w", err)
	}
	return nil
}

const findPersonalToken = `SELECT ` + accountColumns + `, ` + personalTokenColumns + `
	FROM personal_tokens JOIN accounts ON accounts.id = personal_tokens.account WHERE hash = ? AND disabled = 0`

// Find gives the token with this hash, and its account. The error is ErrUnknown when there
// is none, or the account is disabled.
func (ts PersonalTokens) Find(ctx context.Context, hash string) (PersonalToken, Account, error) {
	var t scannedToken
	a, err := scanAccount(more{ts.db.reads.QueryRowContext(ctx, ts.db.Bind(findPersonalToken), hash), t.dest()})
	if err != nil && !errors.Is(err, ErrUnknown) {
		err = fmt.Errorf("find a personal token: %w", err)
	}
	return t.token(), a, err
}

// Used notes that a token was used, unless that was noted since the time before.
func (ts PersonalTokens) Used(ctx context.Context, id string, before, now time.Time) error {
	if _, err := ts.db.exec(ctx, `UPDATE personal_tokens SET used_at = ? WHERE id = ? AND used_at < ?`, now.UnixMilli(), id, before.UnixMilli()); err != nil {
		return fmt.Errorf("note the use of a personal token: %w", err)
	}
	return nil
}

// Of are the tokens of an account, the newest first.
func (ts PersonalTokens) Of(ctx context.Context, account string) ([]PersonalToken, error) {
	rows, err := ts.db.reads.QueryContext(ctx, ts.db.Bind(`SELECT `+personalTokenColumns+` FROM personal_tokens WHERE account = ? ORDER BY created_at DESC, id`), account)
	if err != nil {
		return nil, fmt.Errorf("list the personal tokens: %w", err)
	}
	defer rows.Close()
	var all []PersonalToken
	for rows.Next() {
		var t scannedToken
		if err := rows.Scan(t.dest()...); err != nil {
			return nil, fmt.Errorf("list the personal tokens: %w", err)
		}
		all = append(all, t.token())
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the personal tokens: %w", err)
	}
	return all, nil
}

// End ends a token of an account. The error is ErrUnknown when there is no such one.
func (ts PersonalTokens) End(ctx context.Context, account, id string) error {
	n, err := ts.db.exec(ctx, `DELETE FROM personal_tokens WHERE id = ? AND account = ?`, id, account)
	if err == nil && n == 0 {
		err = ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("end a personal token: %w", err)
	}
	return nil
}

// scannedToken is a token with its times as they are stored.
type scannedToken struct {
	PersonalToken
	created, ends, used int64
}

func (t *scannedToken) dest() []any {
	return []any{&t.ID, &t.Account, &t.Hash, &t.Name, &t.Limits, &t.created, &t.ends, &t.used}
}

func (t *scannedToken) token() PersonalToken {
	t.CreatedAt, t.EndsAt = time.UnixMilli(t.created), time.UnixMilli(t.ends)
	if t.used > 0 {
		t.UsedAt = time.UnixMilli(t.used)
	}
	return t.PersonalToken
}
