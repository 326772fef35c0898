package state_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"cms/state"
	"cms/state/statetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpen(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db := opened(t, address)
		if err := db.Ready(); err != nil {
			t.Fatal(err)
		}
		if got, want := db.Postgres(), strings.HasPrefix(address, "postgres"); got != want {
			t.Errorf("Postgres() = %v, want %v", got, want)
		}
		first := applied(t, db)
		if len(first) == 0 {
			t.Fatal("no migrations were applied")
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := db.Ready(); err == nil {
			t.Error("a closed database says that it is ready")
		}
		if again := applied(t, opened(t, address)); strings.Join(again, " ") != strings.Join(first, " ") {
			t.Errorf("opened again, migrations are %q, want %q", again, first)
		}
	})
}

// applied are the migrations that db has seen, with the time of each.
func applied(t *testing.T, db *state.DB) []string {
	t.Helper()
	rows, err := db.SQL().QueryContext(t.Context(), `SELECT name || '@' || at FROM migrations ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestOpenTogether(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		var opening sync.WaitGroup
		for range 8 {
			opening.Go(func() {
				db, err := state.Open(context.Background(), address)
				if err != nil {
					t.Error(err)
					return
				}
				db.Close()
			})
		}
		opening.Wait()
	})
}

func TestTx(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db := opened(t, address)
		ctx := t.Context()
		insert := func(name string, then error) error {
			return db.Tx(ctx, func(tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, db.Bind(`INSERT INTO migrations (name, at) VALUES (?, ?)`), name, 1); err != nil {
					return err
				}
				return then
			})
		}
		if err := insert("gardé", nil); err != nil {
			t.Fatal(err)
		}
		if refused := errors.New("refusé"); !errors.Is(insert("perdu", refused), refused) {
			t.Error("the error of the function was lost")
		}
		func() {
			defer func() { _ = recover() }()
			_ = db.Tx(ctx, func(tx *sql.Tx) error {
				_, _ = tx.ExecContext(ctx, db.Bind(`INSERT INTO migrations (name, at) VALUES (?, ?)`), "perdu aussi", 1)
				panic("panne")
			})
		}()
		var names string
		for _, n := range applied(t, db) {
			if !strings.HasPrefix(n, "migrations/") {
				names += n
			}
		}
		if names != "gardé@1" {
			t.Errorf("kept %q, want only what was committed", names)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fichier")
	if err := os.WriteFile(file, []byte("pas une base de données, mais un texte assez long pour en avoir l'air"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{
		"", "sqlite:", "mysql://root:motdepasse@localhost/cms", "sqlite:" + file, "sqlite:" + file + "/state.db",
		"postgres://cms:motdepasse@localhost:999999/cms", "postgres://cms:motdepasse@127.0.0.1:1/cms?connect_timeout=2",
	} {
		db, err := state.Open(t.Context(), address)
		if err == nil {
			db.Close()
			t.Errorf("%q was opened", address)
			continue
		}
		if strings.Contains(err.Error(), "motdepasse") {
			t.Errorf("the error holds the password: %v", err)
		}
	}
}

// opened is the database at address, with tables that are made there and not copied.
func opened(t *testing.T, address string) *state.DB {
	t.Helper()
	db, err := state.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "données ?#%41", "state.db")
	opened(t, "sqlite:"+path)
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("the mode of %s is %o, want 600", filepath.Base(name), got)
		}
	}
}

func TestBind(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db := opened(t, address)
		var a, b string
		if err := db.SQL().QueryRowContext(t.Context(), db.Bind(`SELECT CAST(? AS TEXT), CAST(? AS TEXT)`), "un", "deux").Scan(&a, &b); err != nil {
			t.Fatal(err)
		}
		if a != "un" || b != "deux" {
			t.Errorf("got %q, %q", a, b)
		}
	})
}
