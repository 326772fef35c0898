package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cms/state"
	"cms/state/statetest"
)

// TestDump: what was committed is in it, also what stands in the write-ahead log alone, and
// is there again when it is loaded, unless something is there.
func TestDump(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		kind, dir := state.Kind(address), t.TempDir()
		db := statetest.Open(t, address)
		if err := db.Accounts().Add(t.Context(), camille()); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		token := state.TokenID{Issuer: "cms", ID: "1"}
		if err := db.Tokens().Revoke(t.Context(), token, now.Add(time.Hour), now); err != nil {
			t.Fatal(err)
		}
		if err := db.Sessions().Begin(t.Context(), state.Session{ID: "S", Account: camille().ID, RefreshUntil: now.Add(time.Hour)}, camille().Password, now); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "dump")
		seen, err := state.Dump(t.Context(), address, file)
		if err != nil {
			t.Fatal(err)
		}
		if len(seen) != len(applied(t, db)) {
			t.Errorf("the dump has seen %q", seen)
		}
		if later, err := state.Later(append(seen, "migrations/999_later.sql")); err != nil || !slices.Equal(later, []string{"migrations/999_later.sql"}) {
			t.Errorf("later are %q, %v", later, err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the dump has the mode %v, %v", info.Mode(), err)
		}
		if _, err := state.Dump(t.Context(), address, file); !errors.Is(err, os.ErrExist) {
			t.Errorf("over another file: %v", err)
		}
		if err := state.CheckDump(t.Context(), kind, file); err != nil {
			t.Error(err)
		}
		if err := state.Load(t.Context(), address, file); !errors.Is(err, state.ErrOccupied) {
			t.Errorf("over what is there: %v", err)
		}

		other := "sqlite:" + filepath.Join(dir, "other.db")
		if kind == state.PostgreSQL {
			other = statetest.Postgres(t)
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := state.Load(t.Context(), other, file); err != nil {
			t.Fatal(err)
		}
		again := statetest.Open(t, other)
		if a, err := again.Accounts().ByEmail(t.Context(), camille().Email); err != nil || a.Password != camille().Password {
			t.Errorf("the account is %+v, %v", a, err)
		}
		if revoked, err := again.Tokens().Revoked(t.Context(), now); err != nil || !revoked[token] {
			t.Errorf("revoked are %v, %v", revoked, err)
		}
		if n, err := again.Sessions().EndAll(t.Context()); err != nil || n != 1 {
			t.Errorf("%d sessions ended, %v", n, err)
		}
		if _, _, err := again.Sessions().Find(t.Context(), "S"); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("the session: %v", err)
		}

		broken := filepath.Join(dir, "broken")
		if err := os.WriteFile(broken, raw[:len(raw)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := state.CheckDump(t.Context(), kind, broken); err == nil {
			t.Error("half of a dump is taken for a whole one")
		}
	})
}

// TestDumpOfNothing makes no database.
func TestDumpOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if _, err := state.Dump(t.Context(), "sqlite:"+path, path+".copy"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it was made")
	}
	t.Setenv("PATH", t.TempDir())
	if err := state.CheckDump(t.Context(), state.PostgreSQL, path); !errors.Is(err, state.ErrNoProgram) || !strings.Contains(err.Error(), "pg_restore") {
		t.Errorf("without PostgreSQL's programs: %v", err)
	}
}
