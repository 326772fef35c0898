package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Factors are what people prove themselves by beside their password.
type Factors struct{ db *DB }

// Factors are those in db.
func (db *DB) Factors() Factors { return Factors{db} }

// Factor is what an account has.
type Factor struct {
	TOTP     bool // codes of an app
	Passkeys int
	Recovery int // codes that are left for who has lost the rest
}

// Any says whether there is a factor to ask for.
func (f Factor) Any() bool { return f.TOTP || f.Passkeys > 0 }

// ErrLast refuses to take away the last factor of an account that needs one.
var ErrLast = errors.New("the account needs a factor")

// Of is what an account has.
func (fs Factors) Of(ctx context.Context, account string) (f Factor, err error) {
	return fs.of(ctx, fs.db.reads, account)
}

func (fs Factors) of(ctx context.Context, in interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, account string,
) (f Factor, err error) {
	var totps int
	err = in.QueryRowContext(ctx, fs.db.Bind(`SELECT (SELECT COUNT(*) FROM totps WHERE account = ?), (SELECT COUNT(*) FROM passkeys WHERE account = ?),
		(SELECT COUNT(*) FROM recovery_codes WHERE account = ?)`), account, account, account).Scan(&totps, &f.Passkeys, &f.Recovery)
	if err != nil {
		return f, fmt.Errorf("find the factors of an account: %w", err)
	}
	f.TOTP = totps > 0
	return f, nil
}

// Accounts are the factors of the accounts that have one, by their ids, without the
// recovery codes.
func (fs Factors) Accounts(ctx context.Context) (map[string]Factor, error) {
	rows, err := fs.db.reads.QueryContext(ctx, `SELECT account, 1, 0 FROM totps UNION ALL SELECT account, 0, COUNT(*) FROM passkeys GROUP BY account`)
	if err != nil {
		return nil, fmt.Errorf("list the accounts with factors: %w", err)
	}
	defer rows.Close()
	all := map[string]Factor{}
	for rows.Next() {
		var (
			id              string
			totps, passkeys int
		)
		if err := rows.Scan(&id, &totps, &passkeys); err != nil {
			return nil, fmt.Errorf("list the accounts with factors: %w", err)
		}
		f := all[id]
		f.TOTP, f.Passkeys = f.TOTP || totps > 0, f.Passkeys+passkeys
		all[id] = f
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the accounts with factors: %w", err)
	}
	return all, nil
}

// TOTP is the encrypted secret of the codes of an account, or ErrUnknown.
func (fs Factors) TOTP(ctx context.Context, account string) (secret []byte, err error) {
	err = fs.db.reads.QueryRowContext(ctx, fs.db.Bind(`SELECT secret FROM totps WHERE account = ?`), account).Scan(&secret)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("find the secret of codes: %w", err)
	}
	return secret, nil
}

// AddTOTP stores the encrypted secret of codes, of which that of a step was used, as add
// does; an account that has one keeps that, and the error is ErrTaken.
func (fs Factors) AddTOTP(ctx context.Context, account string, secret []byte, step int64, recovery []string, session, factor string) (first bool, err error) {
	err = fs.db.Tx(ctx, func(tx *sql.Tx) error {
		first, err = fs.add(ctx, tx, account, recovery, session, factor, func(Factor) (sql.Result, error) {
			return tx.ExecContext(ctx, fs.db.Bind(`INSERT INTO totps (account, secret, step) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`), account, secret, step)
		})
		return err
	})
	return first, err
}

// add stores a factor by a statement, which knows those that there are. With the first one
// of an account it stores the hashes of recovery codes, and the sessions of the account end,
// but for one, which began by this factor from now on.
func (fs Factors) add(ctx context.Context, tx *sql.Tx, account string, recovery []string, session, factor string, insert func(Factor) (sql.Result, error)) (first bool, err error) {
	if err := fs.lock(ctx, tx, account); err != nil {
		return false, err
	}
	has, err := fs.of(ctx, tx, account)
	if err != nil {
		return false, err
	}
	res, err := insert(has)
	if err != nil {
		return false, fmt.Errorf("store a factor: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, errors.Join(err, ErrTaken)
	}
	if has.Any() {
		return false, nil
	}
	return true, fs.settle(ctx, tx, account, recovery, session, factor)
}

// lock has others wait who change the factors of an account, until the transaction ends.
func (fs Factors) lock(ctx context.Context, tx *sql.Tx, account string) error {
	if !fs.db.postgres {
		return nil // which has one writer
	}
	if _, err := tx.ExecContext(ctx, `SELECT 1 FROM accounts WHERE id = $1 FOR UPDATE`, account); err != nil {
		return fmt.Errorf("lock an account: %w", err)
	}
	return nil
}

// settle gives an account recovery codes and ends its sessions but for one.
func (fs Factors) settle(ctx context.Context, tx *sql.Tx, account string, recovery []string, session, factor string) error {
	if err := fs.recover(ctx, tx, account, recovery); err != nil {
		return err
	}
	if err := fs.endOthers(ctx, tx, account, session); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fs.db.Bind(`UPDATE sessions SET factor = ? WHERE account = ? AND id = ?`), factor, account, session); err != nil {
		return fmt.Errorf("note the factor of a session: %w", err)
	}
	return nil
}

func (fs Factors) endOthers(ctx context.Context, tx *sql.Tx, account, session string) error {
	if _, err := tx.ExecContext(ctx, fs.db.Bind(`DELETE FROM sessions WHERE account = ? AND id <> ?`), account, session); err != nil {
		return fmt.Errorf("end the sessions of an account: %w", err)
	}
	return nil
}

func (fs Factors) recover(ctx context.Context, tx *sql.Tx, account string, recovery []string) error {
	if _, err := tx.ExecContext(ctx, fs.db.Bind(`DELETE FROM recovery_codes WHERE account = ?`), account); err != nil {
		return fmt.Errorf("replace recovery codes: %w", err)
	}
	for _, hash := range recovery {
		if _, err := tx.ExecContext(ctx, fs.db.Bind(`INSERT INTO recovery_codes (account, hash) VALUES (?, ?)`), account, hash); err != nil {
			return fmt.Errorf("replace recovery codes: %w", err)
		}
	}
	return nil
}

// SetRecovery stores the hashes of recovery codes, in the place of those before.
func (fs Factors) SetRecovery(ctx context.Context, account string, recovery []string) error {
	return fs.db.Tx(ctx, func(tx *sql.Tx) error { return fs.recover(ctx, tx, account, recovery) })
}

// UseStep says whether no code of this step, or a later one, was used before, and notes that
// one is: of several who bring the same, to one.
func (fs Factors) UseStep(ctx context.Context, account string, step int64) (bool, error) {
	n, err := fs.db.exec(ctx, `UPDATE totps SET step = ? WHERE account = ? AND step < ?`, step, account, step)
	if err != nil {
		return false, fmt.Errorf("use a code: %w", err)
	}
	return n > 0, nil
}

// UseRecovery uses up a recovery code, by its hash, and says whether there was one.
func (fs Factors) UseRecovery(ctx context.Context, account, hash string) (bool, error) {
	n, err := fs.db.exec(ctx, `DELETE FROM recovery_codes WHERE account = ? AND hash = ?`, account, hash)
	if err != nil {
		return false, fmt.Errorf("use a recovery code: %w", err)
	}
	return n > 0, nil
}

// Remove takes all factors from an account, and ends its sessions but for one, "" for none.
func (fs Factors) Remove(ctx context.Context, account, session string) error {
	return fs.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, statement := range []string{`DELETE FROM totps WHERE account = ?`, `DELETE FROM passkeys WHERE account = ?`} {
			if _, err := tx.ExecContext(ctx, fs.db.Bind(statement), account); err != nil {
				return fmt.Errorf("remove a factor: %w", err)
			}
		}
		return fs.settle(ctx, tx, account, nil, session, "")
	})
}

// RemoveTOTP takes the app for codes from an account, as take does.
func (fs Factors) RemoveTOTP(ctx context.Context, account, session string, needed bool) error {
	return fs.take(ctx, account, session, needed, `DELETE FROM totps WHERE account = ?`, account)
}

// take removes a factor by a statement, and ends the sessions of the account but for one, ""
// for none. With the last factor go the recovery codes; the error is ErrLast where the
// account needs it, and ErrUnknown where there is no such factor.
func (fs Factors) take(ctx context.Context, account, session string, needed bool, statement string, args ...any) error {
	return fs.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := fs.lock(ctx, tx, account); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, fs.db.Bind(statement), args...)
		if err != nil {
			return fmt.Errorf("remove a factor: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrUnknown)
		}
		switch left, err := fs.of(ctx, tx, account); {
		case err != nil:
			return err
		case left.Any():
			return fs.endOthers(ctx, tx, account, session)
		case needed:
			return ErrLast
		}
		return fs.settle(ctx, tx, account, nil, session, "")
	})
}
