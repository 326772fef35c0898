package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrUnknown is returned for what is not in the database.
var ErrUnknown = errors.New("is not in the database")

// ErrTaken is returned for an account whose address another one has.
var ErrTaken = errors.New("the address is taken")

// Account is a person who may log in.
type Account struct {
	ID        string
	Issuer    string // who vouches for the person; "" when the account has a password
	Subject   string // at the issuer; the ID when there is none
	Email     string // unique among the accounts with a password
	Name      string
	Roles     []string
	Claims    string // what else is known of the person, a JSON object
	Password  string // its hash; "" for none
	Disabled  bool
	CreatedAt time.Time
}

// Accounts are the people who may log in.
type Accounts struct{ db *DB }

// Accounts are those in db.
func (db *DB) Accounts() Accounts { return Accounts{db} }

const accountColumns = `accounts.id, issuer, subject, email, accounts.name, roles, claims, password, disabled, accounts.created_at`

// Add stores a new account. The error is ErrTaken when there is one with a
// password and the same address.
func (as Accounts) Add(ctx context.Context, a Account) error {
	roles, err := rolesText(a.Roles)
	if err != nil {
		return err
	}
	added, err := as.db.exec(ctx, `INSERT INTO accounts (id, issuer, subject, email, name, roles, claims, password, disabled, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		a.ID, a.Issuer, a.Subject, a.Email, a.Name, roles, a.Claims, a.Password, truth(a.Disabled), a.CreatedAt.UnixMilli())
	switch {
	case err != nil:
		return fmt.Errorf("add an account: %w", err)
	case added == 0:
		return ErrTaken
	}
	return nil
}

// Meet stores the account of a person for whom an issuer vouches, or updates
// the name, the address, the roles and the claims of the one that there is. It
// returns the account as it is then: it may be disabled.
func (as Accounts) Meet(ctx context.Context, a Account) (Account, error) {
	roles, err := rolesText(a.Roles)
	if err != nil {
		return Account{}, err
	}
	row := as.db.sql.QueryRowContext(ctx, as.db.Bind(`INSERT INTO accounts (id, issuer, subject, email, name, roles, claims, password, disabled, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, '', 0, ?)
		ON CONFLICT (issuer, subject) DO UPDATE SET email = excluded.email, name = excluded.name, roles = excluded.roles, claims = excluded.claims
		RETURNING `+accountColumns),
		a.ID, a.Issuer, a.Subject, a.Email, a.Name, roles, a.Claims, a.CreatedAt.UnixMilli())
	found, err := scanAccount(row)
	if err != nil {
		return Account{}, fmt.Errorf("store an account: %w", err)
	}
	return found, nil
}

// ByEmail is the account with a password and this address, or ErrUnknown.
func (as Accounts) ByEmail(ctx context.Context, email string) (Account, error) {
	return as.one(ctx, `issuer = '' AND email = ?`, email)
}

// ByID is the account with this id, or ErrUnknown.
func (as Accounts) ByID(ctx context.Context, id string) (Account, error) {
	return as.one(ctx, `id = ?`, id)
}

// BySubject is the account of whom an issuer, "" for none, knows by this subject, or
// ErrUnknown.
func (as Accounts) BySubject(ctx context.Context, issuer, subject string) (Account, error) {
	return as.one(ctx, `issuer = ? AND subject = ?`, issuer, subject)
}

func (as Accounts) one(ctx context.Context, where string, args ...any) (Account, error) {
	a, err := scanAccount(as.db.reads.QueryRowContext(ctx, as.db.Bind(`SELECT `+accountColumns+` FROM accounts WHERE `+where), args...))
	if err != nil && !errors.Is(err, ErrUnknown) {
		err = fmt.Errorf("find an account: %w", err)
	}
	return a, err
}

// List are all accounts, ordered by address.
func (as Accounts) List(ctx context.Context) ([]Account, error) {
	rows, err := as.db.reads.QueryContext(ctx, `SELECT `+accountColumns+` FROM accounts ORDER BY email, issuer, subject`)
	if err != nil {
		return nil, fmt.Errorf("list the accounts: %w", err)
	}
	defer rows.Close()
	var all []Account
	for rows.Next() {
		a, err := scanAccount(rows)
		if err != nil {
			return nil, fmt.Errorf("list the accounts: %w", err)
		}
		all = append(all, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the accounts: %w", err)
	}
	return all, nil
}

// Logins are when each account was last logged in to, by its id; not those that never were.
func (as Accounts) Logins(ctx context.Context) (map[string]time.Time, error) {
	rows, err := as.db.reads.QueryContext(ctx, `SELECT id, login_at FROM accounts WHERE login_at > 0`)
	if err != nil {
		return nil, fmt.Errorf("list the last logins: %w", err)
	}
	defer rows.Close()
	all := map[string]time.Time{}
	for rows.Next() {
		var (
			id string
			at int64
		)
		if err := rows.Scan(&id, &at); err != nil {
			return nil, fmt.Errorf("list the last logins: %w", err)
		}
		all[id] = time.UnixMilli(at)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the last logins: %w", err)
	}
	return all, nil
}

// Delete removes the account, and with it all that is only its own.
func (as Accounts) Delete(ctx context.Context, id string) error {
	return as.db.Tx(ctx, func(tx *sql.Tx) error {
		if as.db.postgres { // so that no login stores a session meanwhile
			if _, err := tx.ExecContext(ctx, `SELECT 1 FROM accounts WHERE id = $1 FOR UPDATE`, id); err != nil {
				return fmt.Errorf("delete an account: %w", err)
			}
		}
		if err := as.forget(ctx, tx, id); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, as.db.Bind(`DELETE FROM accounts WHERE id = ?`), id)
		if err != nil {
			return fmt.Errorf("delete an account: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return fmt.Errorf("delete an account: %w", errors.Join(err, ErrUnknown))
		}
		return nil
	})
}

// forget ends the sessions and tokens of an account, and the links by which it may get a
// password, and forgets its devices.
func (as Accounts) forget(ctx context.Context, tx *sql.Tx, id string) error {
	for _, statement := range []string{`DELETE FROM sessions WHERE account = ?`, `DELETE FROM devices WHERE account = ?`, `DELETE FROM links WHERE account = ?`,
		`DELETE FROM personal_tokens WHERE account = ?`} {
		if _, err := tx.ExecContext(ctx, as.db.Bind(statement), id); err != nil {
			return fmt.Errorf("end the sessions of an account: %w", err)
		}
	}
	return nil
}

// SetPassword stores the hash of a new password, and ends the sessions and the personal
// tokens of the account. Nothing that was known before lets anybody in any more.
func (as Accounts) SetPassword(ctx context.Context, id, hash string) error {
	return as.change(ctx, id, `UPDATE accounts SET password = ? WHERE id = ?`, hash)
}

// Rehash stores another hash of the password that the account has, unless it
// has another by now.
func (as Accounts) Rehash(ctx context.Context, id, old, hash string) error {
	if _, err := as.db.exec(ctx, `UPDATE accounts SET password = ? WHERE id = ? AND password = ?`, hash, id, old); err != nil {
		return fmt.Errorf("store the hash of a password: %w", err)
	}
	return nil
}

// SetRoles gives the account these roles and claims. They hold at once, in
// running sessions too.
func (as Accounts) SetRoles(ctx context.Context, id string, roles []string, claims string) error {
	text, err := rolesText(roles)
	if err != nil {
		return err
	}
	n, err := as.db.exec(ctx, `UPDATE accounts SET roles = ?, claims = ? WHERE id = ?`, text, claims, id)
	if err == nil && n == 0 {
		err = ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("change an account: %w", err)
	}
	return nil
}

// SetDisabled shuts the account or opens it again, and ends its sessions and tokens.
func (as Accounts) SetDisabled(ctx context.Context, id string, disabled bool) error {
	return as.change(ctx, id, `UPDATE accounts SET disabled = ? WHERE id = ?`, truth(disabled))
}

// change updates an account, ends its sessions and tokens and forgets its devices.
func (as Accounts) change(ctx context.Context, id, update string, value any) error {
	return as.db.Tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, as.db.Bind(update), value, id)
		if err != nil {
			return fmt.Errorf("change an account: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return fmt.Errorf("change an account: %w", errors.Join(err, ErrUnknown))
		}
		return as.forget(ctx, tx, id)
	})
}

// MaxDevices is how many browsers of an account are remembered, the last ones: a program
// that logs in is a new one each time.
const MaxDevices = 200

// AddDevice remembers a browser from which the account was logged in to.
func (as Accounts) AddDevice(ctx context.Context, id, hash string, until time.Time) error {
	err := as.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, as.db.Bind(`INSERT INTO devices (hash, account, until_at) VALUES (?, ?, ?)`), hash, id, until.UnixMilli()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, as.db.Bind(forgetDevices), id, id, MaxDevices-1)
		return err
	})
	if err != nil {
		return fmt.Errorf("remember a device: %w", err)
	}
	return nil
}

// forgetDevices forgets the devices of an account that are older than so many and one.
const forgetDevices = `DELETE FROM devices WHERE account = ? AND until_at <
	(SELECT until_at FROM devices WHERE account = ? ORDER BY until_at DESC LIMIT 1 OFFSET ?)`

// KnowsDevice says whether the account was logged in to from this browser.
func (as Accounts) KnowsDevice(ctx context.Context, id, hash string, now time.Time) (bool, error) {
	var n int
	err := as.db.reads.QueryRowContext(ctx, as.db.Bind(`SELECT COUNT(*) FROM devices WHERE hash = ? AND account = ? AND until_at > ?`),
		hash, id, now.UnixMilli()).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("find a device: %w", err)
	}
	return n > 0, nil
}

func scanAccount(row interface{ Scan(...any) error }) (Account, error) {
	var (
		a         Account
		roles     string
		disabled  int64
		createdAt int64
	)
	err := row.Scan(&a.ID, &a.Issuer, &a.Subject, &a.Email, &a.Name, &roles, &a.Claims, &a.Password, &disabled, &createdAt)
	if errors.Is(err, sql.ErrNoRows) {
		return a, ErrUnknown
	}
	if err != nil {
		return a, err
	}
	a.Disabled, a.CreatedAt = disabled != 0, time.UnixMilli(createdAt)
	return a, json.Unmarshal([]byte(roles), &a.Roles)
}

func rolesText(roles []string) (string, error) {
	b, err := json.Marshal(append([]string{}, roles...))
	return string(b), err
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// exec runs a statement and gives how many rows it touched.
func (db *DB) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	res, err := db.sql.ExecContext(ctx, db.Bind(statement), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
