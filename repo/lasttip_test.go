package repo

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRewrittenAfterKill: what was acknowledged after the index was saved, and taken from
// the branch after a kill, is kept by a reference, and the log says so; once. Who only reads
// keeps nothing.
func TestRewrittenAfterKill(t *testing.T) {
	t.Parallel()
	for _, indexed := range []bool{true, false} {
		dir := t.TempDir()
		r, s := opened(t, dir)
		s.commit(t, "1", "parc")
		first := r.View().Commit()
		if indexed {
			if err := r.saveIndex(true); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"a", "b", "c"} {
			s.commit(t, name, name)
		}
		lost := r.View().Commit()
		r.Close()
		setMain(t, dir, first)

		var log bytes.Buffer
		o := options(dir)
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.Clock = func() time.Time { return time.Unix(1790000000, 0) }
		for range 2 {
			o.ReadOnly = true
			reader, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			reader.Close()
			if got := backup(t, dir); got != "" && log.Len() == 0 {
				t.Errorf("who only reads has kept %q", got)
			}
			o.ReadOnly = false
			if r, err = Open(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			name := "refs/cms/backup/2026-09-21-" + lost.String()[:12]
			if got, want := backup(t, dir), name+" "+lost.String()+"\n"; got != want {
				t.Errorf("kept %q, want %q", got, want)
			}
			want := fmt.Sprintf("level=WARN msg=\"the branch was rewritten\" from=%s to=%s commits=3 backup=%s", lost, first, name)
			if strings.Count(log.String(), want) != 1 {
				t.Errorf("logged %s, want once %s", log.String(), want)
			}
			if got, err := r.Backup(t.Context(), lost); got != name || err != nil {
				t.Errorf("the backup of %s is %q, %v; want %q", lost, got, err, name)
			}
			r.Close()
		}
		r, s = opened(t, dir)
		s.commit(t, "neu", "neu")
		verify(t, r)
	}
}

// TestSavedTip: a tip that was noted is passed over where it is damaged, of another branch or
// gone, and where the branch leads to it, as after a power cut.
func TestSavedTip(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	r, s := opened(t, base)
	s.commit(t, "1", "parc")
	first := r.View().Commit()
	s.commit(t, "2", "bus")
	tip := r.View().Commit()
	r.Close()
	file := filepath.Join(base, tipFile)
	raw, err := os.ReadFile(file)
	if want := tip.String() + " refs/heads/main\n"; string(raw) != want || err != nil {
		t.Fatalf("noted %q, %v; want %q", raw, err, want)
	}
	gone, tree := Hash{1}.String(), strings.TrimSpace(git(t, base, "rev-parse", "main^{tree}"))
	for name, noted := range map[string]string{
		"empty": "", "zeros": strings.Repeat("\x00", len(raw)), "cut short": string(raw[:len(raw)-1]), "no commit": "main refs/heads/main\n",
		"another branch": gone + " refs/heads/live\n", "gone": gone + " refs/heads/main\n", "a tree": tree + " refs/heads/main\n",
		"before": first.String() + " refs/heads/main\n", "longer before": string(raw) + "y\n",
	} {
		if err := os.WriteFile(file, []byte(noted), 0o666); err != nil {
			t.Fatal(err)
		}
		r, err := Open(t.Context(), options(base))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := r.View().Commit(); got != tip || r.savedTip() != tip {
			t.Errorf("%s: at %s, and noted is %s; want %s", name, got, r.savedTip(), tip)
		}
		r.Close()
	}
	if got := backup(t, base); got != "" {
		t.Errorf("kept %q", got)
	}
	r, s = opened(t, base)
	s.commit(t, "3", "neu")
	verify(t, r)
}

// TestRewrittenTwice: an index that is of a history which was left before the kill keeps
// nobody from seeing that the branch was taken from another one after it.
func TestRewrittenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, s := opened(t, dir)
	s.commit(t, "1", "parc")
	first := r.View().Commit()
	s.commit(t, "2", "a")
	left := r.View().Commit()
	if err := r.saveIndex(true); err != nil {
		t.Fatal(err)
	}
	setMain(t, dir, first)
	s.commit(t, "3", "b")
	lost := r.View().Commit()
	r.Close()
	setMain(t, dir, first)
	r, s = opened(t, dir)
	s.commit(t, "4", "c")
	for _, commit := range []Hash{left, lost} {
		if got, err := r.Backup(t.Context(), commit); got == "" || err != nil {
			t.Errorf("the backup of %s is %q, %v", commit, got, err)
		}
	}
	verify(t, r)
}

// A tiplessDisk cannot overwrite files.
type tiplessDisk struct{ unsyncedDisk }

func (tiplessDisk) Overwrite(string, []byte) error { return errors.New("input/output error") }

// TestTipUnsaved: where the tip cannot be noted, edits go on, and the log says so once.
func TestTipUnsaved(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := options(t.TempDir())
	o.disk, o.Logger = tiplessDisk{}, slog.New(slog.NewTextHandler(&log, nil))
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := newScript(r)
	for _, name := range []string{"a", "b"} {
		if s.commit(t, "un", name); s.acked[name] == "" {
			t.Errorf("edit %s was refused", name)
		}
	}
	if strings.Count(log.String(), "the tip cannot be noted") != 1 {
		t.Errorf("logged %s", log.String())
	}
	verify(t, r)
}

// TestEveryCrashThenRewritten: at whichever moment the process is killed, what it acknowledged
// is kept where the branch is taken back before the next start.
func TestEveryCrashThenRewritten(t *testing.T) {
	t.Parallel()
	answered := func(t *testing.T, s *script) {
		for _, slugs := range [][]string{{"a", "b", "2026/c"}, {"d", "e"}} {
			before := maps.Clone(s.acked)
			s.commit(t, "un", slugs...)
			if d, ok := s.repo.disk.(*crashDisk); ok && d.at > 0 && d.count > d.at {
				s.acked = before // it was killed before it could answer
			}
		}
	}
	eachFault(t, crash, answered, func(t *testing.T, s *script, d *crashDisk) {
		killed := cuts["process killed"]
		dir := image(t, s.repo.path, d.left(killed), killed)
		write(t, dir, "refs/heads/main", git(t, dir, "rev-list", "--max-parents=0", "main")) // whoever holds the lock
		r, after := opened(t, dir)
		after.commit(t, "après", "f")
		reachable := git(t, dir, "log", "--all", "--name-only", "--format=")
		for name := range s.acked {
			if !strings.Contains(reachable, "_consultations/"+name+".md") {
				t.Errorf("acknowledged entry %s is nowhere", name)
			}
		}
		verify(t, r)
	})
}
