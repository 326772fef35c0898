// Package state is the small database beside Git: what is on its way to
// webhooks, sessions, keys of retries. To lose it loses no content.
//
// It is a file of SQLite by default, or a database of PostgreSQL that several
// services share. Statements are written once, in the SQL that both take, with
// ? for parameters (see [DB.Bind]). Times are BIGINT, milliseconds since 1970;
// truth is BIGINT too, 0 or 1.
package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"modernc.org/sqlite"               // and the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Limits of the connections, and of the wait for a lock of SQLite's.
const (
	maxConnections = 16
	maxReaders     = 4 // of SQLite
	idleTime       = 5 * time.Minute
	busyTimeout    = 10 * time.Second
	busyPause      = 10 * time.Millisecond
	readyTimeout   = 2 * time.Second
)

// DB is an open database whose tables are those of this version. It is safe for
// concurrent use. On SQLite one connection writes, so that whoever holds a
// transaction must not write but through it, and others read beside it: they see
// what was committed before they began, and wait for nobody.
type DB struct {
	sql      *sql.DB
	reads    *sql.DB // for statements that change nothing; on PostgreSQL the same
	postgres bool

	findSession *sql.Stmt // on SQLite, where to compile it is most of its work; pgx keeps what it has compiled
}

// Open opens the database at address and brings its tables up to date. The
// address is sqlite:PATH, whose file and folder are made when they are missing,
// or a postgres:// URL, whose database must be there. What was committed to
// either survives a crash of the machine. Errors do not hold the address, which
// may hold a password.
func Open(ctx context.Context, address string) (*DB, error) {
	db := &DB{}
	var err error
	path, lite := strings.CutPrefix(address, "sqlite:")
	switch {
	case lite:
		db.sql, err = openSQLite(path)
	case strings.HasPrefix(address, "postgres://"), strings.HasPrefix(address, "postgresql://"):
		db.postgres = true
		db.sql, err = openPostgres(address)
	default:
		return nil, errors.New("state: the address is neither sqlite:PATH nor postgres://HOST/DATABASE")
	}
	if err != nil {
		return nil, err
	}
	db.reads = db.sql
	err = untilFree(ctx, func() error {
		if lite {
			if err := db.keepBefore(ctx, path); err != nil {
				return err
			}
		}
		return db.migrate(ctx)
	})
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("state: %w", err)
	}
	if lite {
		if db.reads, err = sqliteAt(path, url.Values{"_pragma": {busyPragma, "query_only(1)"}}); err != nil {
			db.sql.Close()
			return nil, err
		}
		db.reads.SetMaxOpenConns(maxReaders)
		db.reads.SetMaxIdleConns(maxReaders)
		if db.findSession, err = db.reads.PrepareContext(ctx, findSession); err != nil {
			db.Close()
			return nil, fmt.Errorf("state: %w", err)
		}
	}
	return db, nil
}

// untilFree works, also while other services open the same new file: SQLite does not wait
// for them while one of them turns its log on or off.
func untilFree(ctx context.Context, work func() error) error {
	for deadline := time.Now().Add(busyTimeout); ; {
		err := work()
		var refused *sqlite.Error
		if !errors.As(err, &refused) || refused.Code()&0xff != sqlite3.SQLITE_BUSY || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(busyPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func openSQLite(path string) (*sql.DB, error) {
	if path == "" {
		return nil, errors.New("state: sqlite: is not followed by the path of a file")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("state: make the folder of the database: %w", err)
	}
	// Made here, because SQLite would let everyone read it, and it holds secrets.
	// Its other files take the mode of this one.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state: open the database: %w", err)
	}
	f.Close()
	db, err := sqliteAt(path, url.Values{"_txlock": {"immediate"}, "_pragma": {
		busyPragma, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
	}})
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

var busyPragma = "busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")"

func sqliteAt(path string, settings url.Values) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+settings.Encode())
	if err != nil {
		return nil, fmt.Errorf("state: open the database: %w", err)
	}
	return db, nil
}

func openPostgres(address string) (*sql.DB, error) {
	db, err := sql.Open("pgx", address)
	if err != nil {
		return nil, errors.New("state: the address of the database cannot be read") // the error may repeat it
	}
	db.SetMaxOpenConns(maxConnections)
	db.SetMaxIdleConns(maxConnections)
	db.SetConnMaxIdleTime(idleTime)
	return db, nil
}

// Close ends the connections. Nothing may use the database any more.
func (db *DB) Close() error {
	var err error
	if db.reads != db.sql {
		err = db.reads.Close()
	}
	return errors.Join(err, db.sql.Close()) // which may empty the log, as the last one
}

// SQL is the connection pool that may write.
func (db *DB) SQL() *sql.DB { return db.sql }

// Postgres says whether this is PostgreSQL.
func (db *DB) Postgres() bool { return db.postgres }

// Ready says why the database cannot be used, or nil.
func (db *DB) Ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	if err := errors.Join(db.sql.PingContext(ctx), db.reads.PingContext(ctx)); err != nil {
		return fmt.Errorf("the database of state.url does not answer: %w", err)
	}
	return nil
}

// Bind writes query for this database: the parameters ? become $1, $2 … on
// PostgreSQL. Query has no ? but those of parameters.
func (db *DB) Bind(query string) string {
	if !db.postgres {
		return query
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}

// Tx runs fn in a transaction, which is committed when fn returns nil and else
// takes nothing. On SQLite it locks out other transactions from its beginning.
// The error of fn comes back as it is.
func (db *DB) Tx(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after Commit; else the error of fn says more
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit a transaction: %w", err)
	}
	return nil
}
