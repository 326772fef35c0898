package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Kinds of databases, and so of their dumps.
const (
	SQLite     = "sqlite"
	PostgreSQL = "postgresql"
)

// ErrNoProgram says that PostgreSQL's own program that the work needs is not installed here.
var ErrNoProgram = errors.New("is not installed here; it comes with PostgreSQL's client")

// ErrOccupied says that a database is there, which is not to be overwritten.
var ErrOccupied = errors.New("there is a database already")

// Kind is the kind of the database at address, "" where that names none.
func Kind(address string) string {
	switch {
	case strings.HasPrefix(address, "sqlite:"):
		return SQLite
	case strings.HasPrefix(address, "postgres://"), strings.HasPrefix(address, "postgresql://"):
		return PostgreSQL
	}
	return ""
}

// Dump writes the database at address, as it is at one moment, to a new file that only
// its owner may read, while services use it. It changes nothing: the tables may be those
// of another version. What it says are the migrations that the database has seen.
func Dump(ctx context.Context, address, file string) (seen []string, err error) {
	if Kind(address) == PostgreSQL {
		return dumpPostgres(ctx, address, file)
	}
	path := strings.TrimPrefix(address, "sqlite:")
	if _, err := os.Stat(path); err != nil { // which SQLite would make
		return nil, fmt.Errorf("state: there is no database: %w", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	f.Close() // SQLite takes an empty file as a new one, and leaves its mode
	db, err := sqliteAt(path, url.Values{"_pragma": {busyPragma}})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, file); err != nil {
		return nil, fmt.Errorf("state: copy the database: %w", err)
	}
	return migrationsOf(ctx, SQLite, file)
}

func dumpPostgres(ctx context.Context, address, file string) (seen []string, err error) {
	db, err := openPostgres(address)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if seen, err = readMigrations(ctx, db); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	f.Close()
	return seen, postgresProgram(ctx, address, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file="+file)
}

// postgresProgram runs one of PostgreSQL's programs on the database at address, whose
// password it is not given as an argument, which others could see.
func postgresProgram(ctx context.Context, address, program string, args ...string) error {
	path, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf("state: %s %w", program, ErrNoProgram)
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("state: the address of the database cannot be read") // the error may repeat it
	}
	environ := os.Environ()
	if password, ok := u.User.Password(); ok {
		u.User = url.User(u.User.Username())
		environ = append(environ, "PGPASSWORD="+password)
	}
	query := u.Query()
	if password := query.Get("password"); password != "" {
		query.Del("password")
		u.RawQuery = query.Encode()
		environ = append(environ, "PGPASSWORD="+password)
	}
	cmd := exec.CommandContext(ctx, path, append(args, "--no-password", "--dbname="+u.String())...)
	cmd.Env = environ
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("state: %s: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// migrationsOf are the migrations that a dump of SQLite has seen.
func migrationsOf(ctx context.Context, kind, file string) ([]string, error) {
	if kind != SQLite {
		return nil, nil
	}
	db, err := sqliteAt(file, url.Values{"mode": {"ro"}})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return readMigrations(ctx, db)
}

func readMigrations(ctx context.Context, db *sql.DB) ([]string, error) {
	rows, err := db.QueryContext(ctx, `SELECT name FROM migrations ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("state: read the migrations: %w", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("state: read the migrations: %w", err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("state: read the migrations: %w", err)
	}
	return names, nil
}

// Later are those of the migrations that this version does not know: a later one made
// them.
func Later(seen []string) ([]string, error) {
	known, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("find the migrations: %w", err)
	}
	var later []string
	for _, name := range seen {
		if !slices.Contains(known, name) {
			later = append(later, name)
		}
	}
	return later, nil
}

// CheckDump looks at all of a dump: whether SQLite finds it whole, or PostgreSQL's program
// can read it.
func CheckDump(ctx context.Context, kind, file string) error {
	if kind == PostgreSQL {
		path, err := exec.LookPath("pg_restore")
		if err != nil {
			return fmt.Errorf("state: pg_restore %w", ErrNoProgram)
		}
		// As SQL, which goes nowhere: to list it alone would not read the rows.
		if out, err := exec.CommandContext(ctx, path, "--file="+os.DevNull, file).CombinedOutput(); err != nil {
			return fmt.Errorf("state: pg_restore: %w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	db, err := sqliteAt(file, url.Values{"mode": {"ro"}})
	if err != nil {
		return err
	}
	defer db.Close()
	var says string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&says); err != nil {
		return fmt.Errorf("state: check the database: %w", err)
	}
	if says != "ok" {
		return fmt.Errorf("state: the database is damaged: %s", says)
	}
	return nil
}

// Vacant is nil where nothing is at the address that Load would overwrite; else the error
// is ErrOccupied.
func Vacant(ctx context.Context, address string) error {
	if Kind(address) == SQLite {
		path := strings.TrimPrefix(address, "sqlite:")
		for _, name := range []string{path, path + "-wal", path + "-journal"} {
			if _, err := os.Lstat(name); err == nil {
				return fmt.Errorf("%w, %s", ErrOccupied, name)
			}
		}
		return nil
	}
	db, err := openPostgres(address)
	if err != nil {
		return err
	}
	defer db.Close()
	var tables int
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relkind IN ('r', 'p', 'v', 'm', 'S')`).Scan(&tables)
	if err != nil {
		return fmt.Errorf("state: look into the database: %w", err)
	}
	if tables > 0 {
		return fmt.Errorf("%w: that of state.url has %d tables", ErrOccupied, tables)
	}
	return nil
}

// Load makes a database at address, where none is, of a dump of its kind, all of it or
// nothing. The file of SQLite is moved there, from the same file system.
func Load(ctx context.Context, address, file string) error {
	if err := Vacant(ctx, address); err != nil {
		return err
	}
	if Kind(address) == PostgreSQL {
		return postgresProgram(ctx, address, "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", file)
	}
	path := strings.TrimPrefix(address, "sqlite:")
	if err := os.Link(file, path); err != nil { // which overwrites nothing
		return fmt.Errorf("state: place the database: %w", err)
	}
	return os.Remove(file)
}
