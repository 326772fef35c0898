// Package statetest gives tests a database of their own, of each kind.
package statetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"cms/state"
)

// PostgresEnv is the variable with the URL of a PostgreSQL server for tests,
// whose user may create databases.
const PostgresEnv = "CMS_POSTGRES_URL"

// Each runs test as a subtest on SQLite and, where the environment names a
// server, on PostgreSQL. The address is that of a database without tables,
// which is dropped at the end.
func Each(t *testing.T, test func(t *testing.T, address string)) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, "sqlite:"+filepath.Join(t.TempDir(), "state.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, Postgres(t))
	})
}

// Postgres gives the address of a database on the server that the environment
// names; without one it skips the test.
func Postgres(t *testing.T) string {
	t.Helper()
	server := os.Getenv(PostgresEnv)
	if server == "" {
		t.Skip("NOT TESTED ON POSTGRESQL: " + PostgresEnv + " names no server")
	}
	return create(t, server)
}

// Open opens the database at address until the test ends. A new one of SQLite is a copy of
// one whose tables are there, which are made once.
func Open(t *testing.T, address string) *state.DB {
	t.Helper()
	if path, lite := strings.CutPrefix(address, "sqlite:"); lite {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			file, err := empty()
			if err == nil {
				err = os.WriteFile(path, file, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return opened(t, address)
}

func opened(t testing.TB, address string) *state.DB {
	t.Helper()
	db, err := state.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// empty is the file of a database that has its tables and nothing in them.
var empty = sync.OnceValues(func() ([]byte, error) {
	return File(func(context.Context, *state.DB) error { return nil })
})

// File is the file of a database of SQLite that is filled once, for many tests to open a
// copy of it each, by OpenFile.
func File(fill func(ctx context.Context, db *state.DB) error) ([]byte, error) {
	dir, err := os.MkdirTemp("", "state")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx, path := context.Background(), filepath.Join(dir, "state.db")
	db, err := state.Open(ctx, "sqlite:"+path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(fill(ctx, db), db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// OpenFile opens a copy of what File gave until the test ends.
func OpenFile(t testing.TB, file []byte) *state.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return opened(t, "sqlite:"+path)
}

// create makes a database on the server.
func create(t *testing.T, server string) string {
	t.Helper()
	name := "cms_test_" + strings.ToLower(rand.Text())
	admin := func(statement string) {
		t.Helper()
		db, err := sql.Open("pgx", server)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(context.Background(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	admin("CREATE DATABASE " + name)
	t.Cleanup(func() { admin("DROP DATABASE " + name + " WITH (FORCE)") })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("the URL of the server cannot be read")
	}
	u.Path = "/" + name
	return u.String()
}
