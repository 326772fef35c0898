package state

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
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
		for _, name := range names {
			if err := db.migrateOne(ctx, tx, name); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
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
