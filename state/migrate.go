package state

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Migrations are the tables, in the order of the files' names. A file that was
// released is never changed; a new one changes what it made. They are in SQL
// that both databases take, but for BLOB, which is BYTEA on PostgreSQL.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrateLock is the number of the lock that keeps services which start together
// from making the same tables on PostgreSQL.
const migrateLock = 0x636d73

var blob = regexp.MustCompile(`\bBLOB\b`)

// migrate runs the migrations that the database has not seen, all or none.
func (db *DB) migrate(ctx context.Context) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("find the migrations: %w", err)
	}
	return db.Tx(ctx, func(tx *sql.Tx) error {
		if db.postgres {
			if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", migrateLock); err != nil {
				return fmt.Errorf("wait for other migrations: %w", err)
			}
		}
		if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, at BIGINT NOT NULL)`); err != nil {
			return fmt.Errorf("make the table of migrations: %w", err)
		}
		if err := db.checkKnown(ctx, tx, names); err != nil {
			return err
		}
		for _, name := range names {
			if err := db.migrateOne(ctx, tx, name); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
}

// ErrNewer refuses a database that a newer version has changed: this one would pass over
// what it does not know, such as a second factor.
var ErrNewer = errors.New("a newer version of this program has changed the database")

// checkKnown refuses a database with migrations that are not of this version.
func (db *DB) checkKnown(ctx context.Context, tx *sql.Tx, names []string) error {
	done, err := db.done(ctx, tx)
	if err != nil {
		return err
	}
	unknown := slices.DeleteFunc(done, func(name string) bool { return slices.Contains(names, name) })
	if len(unknown) == 0 {
		return nil
	}
	return fmt.Errorf("%w (by %s): use that version, or restore the database from before the upgrade: for SQLite the file beside it that ends in %sNAME, otherwise your backup",
		ErrNewer, strings.Join(unknown, ", "), beforeSuffix)
}

// done are the migrations that the database has seen.
func (db *DB) done(ctx context.Context, in interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}) ([]string, error) {
	rows, err := in.QueryContext(ctx, `SELECT name FROM migrations ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("list the migrations: %w", err)
		}
		all = append(all, name)
	}
	return all, rows.Err()
}

// beforeSuffix is in the name of a copy of a database, before that of the first migration
// that it has not seen.
const beforeSuffix = ".before-"

// keepBefore copies the database of SQLite at path beside it, if there is something in it
// and migrations are to come, so that the version before can be used again. Of such copies
// the last is kept.
func (db *DB) keepBefore(ctx context.Context, path string) error {
	var tables int
	if err := db.sql.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_master WHERE name = 'migrations'`).Scan(&tables); err != nil || tables == 0 {
		return err
	}
	done, err := db.done(ctx, db.sql)
	if err != nil {
		return err
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("find the migrations: %w", err)
	}
	i := slices.IndexFunc(names, func(name string) bool { return !slices.Contains(done, name) })
	if i < 0 || len(done) == 0 {
		return nil
	}
	at := path + beforeSuffix + strings.TrimSuffix(filepath.Base(names[i]), ".sql")
	if _, err := os.Stat(at); err == nil {
		return nil // by another service, or a start that failed
	}
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".draft-") // which its owner alone reads
	if err != nil {
		return fmt.Errorf("copy the database before it is changed: %w", err)
	}
	draft.Close()
	defer os.Remove(draft.Name())
	if _, err := db.sql.ExecContext(ctx, `VACUUM INTO ?`, draft.Name()); err != nil {
		return fmt.Errorf("copy the database before it is changed: %w", err)
	}
	older, err := filepath.Glob(escapeGlob(path) + beforeSuffix + "*")
	if err == nil {
		err = os.Rename(draft.Name(), at)
	}
	for _, name := range older {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// escapeGlob is a path as a pattern of itself.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

func (db *DB) migrateOne(ctx context.Context, tx *sql.Tx, name string) error {
	var done int
	if err := tx.QueryRowContext(ctx, db.Bind(`SELECT COUNT(*) FROM migrations WHERE name = ?`), name).Scan(&done); err != nil || done > 0 {
		return err
	}
	src, err := migrations.ReadFile(name)
	if err != nil {
		return err
	}
	statements := string(src)
	if db.postgres {
		statements = blob.ReplaceAllString(statements, "BYTEA")
	}
	if _, err := tx.ExecContext(ctx, statements); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, db.Bind(`INSERT INTO migrations (name, at) VALUES (?, ?)`), name, time.Now().UnixMilli())
	return err
}
