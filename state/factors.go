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
	Recovery int  // codes that are left for who has lost the rest
}

// Any says whether there is a factor to ask for.
func (f Factor) Any() bool { return f.TOTP }

// Of is what an account has.
func (fs Factors) Of(ctx context.Context, account string) (f Factor, err error) {
	var totps int
	err = fs.db.reads.QueryRowContext(ctx, fs.db.Bind(`SELECT (SELECT COUNT(*) FROM totps WHERE account = ?), (SELECT COUNT(*) FROM recovery_codes WHERE account = ?)`),
		account, account).Scan(&totps, &f.Recovery)
	if err != nil {
		return f, fmt.Errorf("find the factors of an account: %w", err)
	}
	f.TOTP = totps > 0
	return f, nil
}

// Accounts are the ids of the accounts that have a factor.
func (fs Factors) Accounts(ctx context.Context) (map[string]bool, error) {
	rows, err := fs.db.reads.QueryContext(ctx, `SELECT account FROM totps`)
	if err != nil {
		return nil, fmt.Errorf("list the accounts with factors: %w", err)
	}
	defer rows.Close()
	all := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("list the accounts with factors: %w", err)
		}
		all[id] = true
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

// AddTOTP stores the encrypted secret of codes, of which that of a step was used, and the
// hashes of recovery codes; an account that has one keeps that, and the error is ErrTaken.
// The sessions of the account end, but for one, which began by this factor from now on.
func (fs Factors) AddTOTP(ctx context.Context, account string, secret []byte, step int64, recovery []string, session, factor string) error {
	return fs.db.Tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, fs.db.Bind(`INSERT INTO totps (account, secret, step) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`), account, secret, step)
		if err != nil {
			return fmt.Errorf("store a factor: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrTaken)
		}
		return fs.settle(ctx, tx, account, recovery, session, factor)
	})
}

// settle gives an account recovery codes and ends its sessions but for one.
func (fs Factors) settle(ctx context.Context, tx *sql.Tx, account string, recovery []string, session, factor string) error {
	if err := fs.recover(ctx, tx, account, recovery); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fs.db.Bind(`DELETE FROM sessions WHERE account = ? AND id <> ?`), account, session); err != nil {
		return fmt.Errorf("end the sessions of an account: %w", err)
	}
	if _, err := tx.ExecContext(ctx, fs.db.Bind(`UPDATE sessions SET factor = ? WHERE account = ? AND id = ?`), factor, account, session); err != nil {
		return fmt.Errorf("note the factor of a session: %w", err)
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
		if _, err := tx.ExecContext(ctx, fs.db.Bind(`DELETE FROM totps WHERE account = ?`), account); err != nil {
			return fmt.Errorf("remove a factor: %w", err)
		}
		return fs.settle(ctx, tx, account, nil, session, "")
	})
}
