package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// A database that a newer version has changed is refused, and stays as it is; the file of
// before the change, which was kept, is taken again.
func TestOneStepBack(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state [1].db")
	open := func() error {
		t.Helper()
		db, err := Open(t.Context(), "sqlite:"+path)
		if err != nil {
			return err
		}
		return db.Close()
	}
	copies := func() (names []string) {
		t.Helper()
		all, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range all {
			if strings.Contains(at.Name(), beforeSuffix) || strings.Contains(at.Name(), ".draft-") {
				names = append(names, at.Name())
			}
		}
		return names
	}
	change := func(statement string) {
		t.Helper()
		db, err := openSQLite(path)
		if err == nil {
			_, err = db.ExecContext(t.Context(), statement)
		}
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	if names := copies(); names != nil {
		t.Errorf("a new database has the copies %q", names)
	}
	change(`INSERT INTO accounts (id, issuer, subject, email, name, roles, claims, password, disabled, created_at)
		VALUES ('C1', '', 'C1', 'c@example.org', 'C', '[]', '{}', 'hash', 0, 1)`)

	// As if one of the migrations were to come.
	change(`DROP TABLE recovery_codes; DROP TABLE totps; ALTER TABLE sessions DROP COLUMN factor; DELETE FROM migrations WHERE name = 'migrations/102_factors.sql'`)
	if err := os.WriteFile(path+beforeSuffix+"020_older", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	before := filepath.Base(path) + beforeSuffix + "102_factors"
	if names := copies(); len(names) != 1 || names[0] != before {
		t.Fatalf("got the copies %q, want %s", names, before)
	}
	if at, err := os.Stat(filepath.Join(dir, before)); err != nil || at.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", at.Mode(), err)
	}
	change(`INSERT INTO migrations VALUES ('migrations/999_newer.sql', 1)`)
	if err := open(); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "999_newer.sql") || !strings.Contains(err.Error(), beforeSuffix) {
		t.Errorf("got %v, want %v, what by, and what to do", err, ErrNewer)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(dir, before), path); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if a, err := db.Accounts().ByID(t.Context(), "C1"); err != nil || a.Email != "c@example.org" || !a.CreatedAt.Equal(time.UnixMilli(1)) {
		t.Errorf("got %+v, %v", a, err)
	}
}
