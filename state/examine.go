package state

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Examined is what can be seen of a database without changing it.
type Examined struct {
	Damage  string        // what SQLite finds wrong; "" for nothing
	Later   []string      // migrations that this version does not know
	Missing []string      // migrations that it has not seen yet
	Readers bool          // others than its owner may read the file
	Ahead   time.Duration // how far its clock is ahead of this one; of PostgreSQL
}

// Examine looks at the database at address, whatever its version. The error is
// [fs.ErrNotExist] where there is none of SQLite.
func Examine(ctx context.Context, address string) (*Examined, error) {
	x := &Examined{}
	var db *sql.DB
	var err error
	if path, lite := strings.CutPrefix(address, "sqlite:"); lite {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		x.Readers = info.Mode().Perm()&0o077 != 0
		if db, err = sqliteAt(path, url.Values{"mode": {"ro"}, "_pragma": {busyPragma, "query_only(1)"}}); err != nil {
			return nil, err
		}
		defer db.Close()
		if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&x.Damage); err != nil {
			return nil, fmt.Errorf("check the database: %w", err)
		}
		if x.Damage == "ok" {
			x.Damage = ""
		}
	} else {
		if db, err = openPostgres(address); err != nil {
			return nil, err
		}
		defer db.Close()
		var there time.Time
		if err := db.QueryRowContext(ctx, `SELECT now()`).Scan(&there); err != nil {
			return nil, fmt.Errorf("ask the database: %w", err)
		}
		x.Ahead = time.Until(there)
	}
	if x.Damage != "" {
		return x, nil
	}
	seen, err := readMigrations(ctx, db)
	if err != nil && !strings.Contains(err.Error(), "no such table") && !strings.Contains(err.Error(), "does not exist") { // else all are missing
		return nil, err
	}
	if x.Later, err = Later(seen); err != nil {
		return nil, err
	}
	known, err := fs.Glob(migrations, "migrations/*.sql")
	for _, name := range known {
		if !slices.Contains(seen, name) {
			x.Missing = append(x.Missing, name)
		}
	}
	return x, err
}
