package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cms/state"
	"cms/state/statetest"
)

// TestBackupOfPostgres: the database of PostgreSQL is in the archive, by its own programs,
// and is restored into an empty one. Its password is no argument of theirs.
func TestBackupOfPostgres(t *testing.T) {
	t.Parallel()
	from, to := statetest.Postgres(t), statetest.Postgres(t)
	dir := t.TempDir()
	if err := makeSite(filepath.Join(dir, "site.git"), 2); err != nil {
		t.Fatal(err)
	}
	configured := func(name, path, address string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		err := os.WriteFile(file, []byte("repository: {path: "+path+", committer: {name: CMS, email: cms@example.org}}\n"+
			"state: {url: \""+address+"\"}\ncollections: [{name: consultations, folder: _consultations}]\n"), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	cms := func(want int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if code := run(t.Context(), args, os.Environ(), &out, &out); code != want {
			t.Fatalf("%q ended with %d, want %d: %s", args, code, want, out.String())
		}
		return out.String()
	}
	db := statetest.Open(t, from)
	now := time.Now()
	if err := db.Accounts().Add(t.Context(), state.Account{ID: "C1", Subject: "C1", Email: "camille@example.org", CreatedAt: now}); err != nil {
		t.Fatal(err)
	}
	if err := db.Sessions().Begin(t.Context(), state.Session{ID: "S", Account: "C1", RefreshUntil: now.Add(time.Hour)}, "", now); err != nil {
		t.Fatal(err)
	}
	old := configured("old.yaml", "site.git", from)
	if said := cms(exitOK, "backup", "--config", old, filepath.Join(dir, "backups")); !strings.Contains(said, "the database of PostgreSQL") {
		t.Errorf("said %s", said)
	}
	archives, err := filepath.Glob(filepath.Join(dir, "backups", "*.tar"))
	if err != nil || len(archives) != 1 {
		t.Fatal(archives, err)
	}
	if said := cms(exitFailed, "restore", "--config", configured("taken.yaml", "new.git", from), archives[0]); !strings.Contains(said, "there is a database already") {
		t.Errorf("said %s", said)
	}
	fresh := configured("new.yaml", "new.git", to)
	cms(exitOK, "restore", "--config", fresh, "--check", archives[0])
	if said := cms(exitOK, "restore", "--config", fresh, archives[0]); !strings.Contains(said, "1 accounts; 1 sessions are ended") {
		t.Errorf("said %s", said)
	}
	if _, err := git(filepath.Join(dir, "new.git"), "fsck", "--strict"); err != nil {
		t.Error(err)
	}
	if a, err := statetest.Open(t, to).Accounts().ByEmail(t.Context(), "camille@example.org"); err != nil || a.ID != "C1" {
		t.Errorf("the account is %+v, %v", a, err)
	}
}

// TestRestoreBeginsEpoch: what happens after a restore has a greater sequence than what the
// archive lacks, so that who heard of that takes it for later.
func TestRestoreBeginsEpoch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := makeSite(filepath.Join(dir, "old.git"), 2); err != nil {
		t.Fatal(err)
	}
	configured := func(name string) string {
		t.Helper()
		file := filepath.Join(dir, name+".yaml")
		err := os.WriteFile(file, []byte("repository: {path: "+name+".git, committer: {name: CMS, email: cms@example.org}}\n"+
			"state: {url: \"sqlite:"+filepath.Join(dir, name+".db")+"\"}\ncollections: [{name: consultations, folder: _consultations}]\n"), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	history := func(name string) state.History {
		t.Helper()
		db, err := state.Open(t.Context(), "sqlite:"+filepath.Join(dir, name+".db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		h, err := db.Webhooks().History(t.Context(), "c0ffee", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	cms := func(args ...string) {
		t.Helper()
		var out bytes.Buffer
		if code := run(t.Context(), args, os.Environ(), &out, &out); code != exitOK {
			t.Fatalf("%q ended with %d: %s", args, code, out.String())
		}
	}
	was := history("old")
	cms("backup", "--config", configured("old"), filepath.Join(dir, "backups"))
	archives, err := filepath.Glob(filepath.Join(dir, "backups", "*.tar"))
	if err != nil || len(archives) != 1 {
		t.Fatal(archives, err)
	}
	cms("restore", "--config", configured("new"), archives[0])
	if now := history("new"); now.Epoch <= was.Epoch || now.Commit != was.Commit {
		t.Errorf("the restored database is in epoch %d at %s, after epoch %d at %s", now.Epoch, now.Commit, was.Epoch, was.Commit)
	}
}
