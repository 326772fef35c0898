package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Passkey is a key of a device or a password manager, of which we have the public half.
type Passkey struct {
	ID         string // what the device calls it, in base64url; unique
	Account    string // the id of the account
	Name       string // that its owner gave
	PublicKey  []byte // in COSE
	Flags      byte   // of the authenticator, as it was added
	Transports []string
	Count      uint32 // of its signatures, the last that was told; 0 of one that does not count
	Created    time.Time
	Used       time.Time // zero for never
}

// ErrManyPasskeys refuses one passkey more than an account may have.
var ErrManyPasskeys = errors.New("the account has as many passkeys as it may have")

const passkeyColumns = `id, account, name, public_key, flags, transports, count, created_at, used_at` //nolint:gosec // names of columns

// Passkeys are those of an account, the oldest first.
func (fs Factors) Passkeys(ctx context.Context, account string) ([]Passkey, error) {
	rows, err := fs.db.reads.QueryContext(ctx, fs.db.Bind(`SELECT `+passkeyColumns+` FROM passkeys WHERE account = ? ORDER BY created_at, id`), account)
	if err != nil {
		return nil, fmt.Errorf("list the passkeys of an account: %w", err)
	}
	defer rows.Close()
	var all []Passkey
	for rows.Next() {
		var (
			p             Passkey
			flags, count  int64
			created, used int64
			transports    string
		)
		if err := rows.Scan(&p.ID, &p.Account, &p.Name, &p.PublicKey, &flags, &transports, &count, &created, &used); err != nil {
			return nil, fmt.Errorf("list the passkeys of an account: %w", err)
		}
		p.Flags, p.Count, p.Created, p.Used = byte(flags), uint32(count), fromMillis(created), fromMillis(used)
		if transports != "" {
			p.Transports = strings.Split(transports, ",")
		}
		all = append(all, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the passkeys of an account: %w", err)
	}
	return all, nil
}

// AnyPasskey says whether anybody has one.
func (fs Factors) AnyPasskey(ctx context.Context) (bool, error) {
	var n int
	if err := fs.db.reads.QueryRowContext(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM passkeys LIMIT 1) AS one`).Scan(&n); err != nil {
		return false, fmt.Errorf("look for passkeys: %w", err)
	}
	return n > 0, nil
}

// AddPasskey stores one as a factor, as AddTOTP does. The error is ErrTaken where somebody
// has it already, and ErrManyPasskeys where the account has as many as is said.
func (fs Factors) AddPasskey(ctx context.Context, p Passkey, most int, recovery []string, session, factor string) (first bool, err error) {
	err = fs.db.Tx(ctx, func(tx *sql.Tx) error {
		first, err = fs.add(ctx, tx, p.Account, recovery, session, factor, func(has Factor) (sql.Result, error) {
			if has.Passkeys >= most {
				return nil, ErrManyPasskeys
			}
			return tx.ExecContext(ctx, fs.db.Bind(`INSERT INTO passkeys (`+passkeyColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING`),
				p.ID, p.Account, storable(p.Name), p.PublicKey, int64(p.Flags), storable(strings.Join(p.Transports, ",")), int64(p.Count), p.Created.UnixMilli())
		})
		return err
	})
	return first, err
}

// UsePasskey notes a use of a passkey and the count of its signatures, and says whether that
// is more than before: one that counts and is copied is found out so. Of several who bring
// the same count it is one's.
func (fs Factors) UsePasskey(ctx context.Context, account, id string, count uint32, now time.Time) (bool, error) {
	n, err := fs.db.exec(ctx, `UPDATE passkeys SET count = ?, used_at = ? WHERE account = ? AND id = ? AND (count < ? OR count = 0 AND CAST(? AS BIGINT) = 0)`,
		int64(count), now.UnixMilli(), account, id, int64(count), int64(count))
	if err != nil {
		return false, fmt.Errorf("use a passkey: %w", err)
	}
	return n > 0, nil
}

// RemovePasskey takes a passkey from an account, as RemoveTOTP does its app.
func (fs Factors) RemovePasskey(ctx context.Context, account, id, session string, needed bool) error {
	return fs.take(ctx, account, session, needed, `DELETE FROM passkeys WHERE account = ? AND id = ?`, account, id)
}

// UseChallenge notes that a challenge, by its hash, was answered, and says whether it is so
// for the first time. Those are forgotten whose time is over.
func (fs Factors) UseChallenge(ctx context.Context, hash string, until, now time.Time) (first bool, err error) {
	err = fs.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, fs.db.Bind(`DELETE FROM used_challenges WHERE until_at < ?`), now.UnixMilli()); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, fs.db.Bind(`INSERT INTO used_challenges (hash, until_at) VALUES (?, ?) ON CONFLICT DO NOTHING`), hash, until.UnixMilli())
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		first = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("use a challenge: %w", err)
	}
	return first, nil
}
