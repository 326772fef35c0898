package repo

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// backup is what is kept of branches that were rewritten: names and commits.
func backup(t *testing.T, dir string) string {
	t.Helper()
	return git(t, dir, "for-each-ref", "--format=%(refname) %(objectname)", "refs/cms/backup")
}

// TestRewritten: what a push takes away is kept by a reference, and the log says so;
// once, and also where another branch is at it or a tag, which may go. So it is when that
// happens while nobody is here.
func TestRewritten(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := options(t.TempDir())
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	o.Clock = func() time.Time { return time.Unix(1790000000, 0) }
	r, stop := run(t, o)
	first := put(t, r, "consultations", "parc", "1").Commit
	lost := put(t, r, "consultations", "parc", "2").Commit
	setMain(t, o.Path, first)
	update(t, r, func(*Tx) error { return nil })
	name := "refs/cms/backup/2026-09-21-" + lost.String()[:12]
	if got, want := backup(t, o.Path), name+" "+lost.String()+"\n"; got != want {
		t.Errorf("kept %q, want %q", got, want)
	}
	want := fmt.Sprintf("level=WARN msg=\"the branch was rewritten\" from=%s to=%s commits=1 backup=%s", lost, first, name)
	if !strings.Contains(log.String(), want) {
		t.Errorf("logged %s, want %s", log.String(), want)
	}
	if got, err := r.Backup(t.Context(), lost); got != name || err != nil {
		t.Errorf("the backup of %s is %q, %v; want %q", lost, got, err, name)
	}
	if got, err := r.Backup(t.Context(), first); got != "" || err != nil {
		t.Errorf("the backup of %s, which is on the branch, is %q, %v", first, got, err)
	}
	git(t, o.Path, "gc", "-q", "--prune=now")
	for _, to := range []Hash{lost, first} { // there and back again: it is kept already
		setMain(t, o.Path, to)
		update(t, r, func(*Tx) error { return nil })
	}
	between := put(t, r, "consultations", "parc", "2b").Commit
	both := put(t, r, "consultations", "parc", "2c").Commit
	setMain(t, o.Path, first)
	update(t, r, func(*Tx) error { return nil })
	if got, err := r.Backup(t.Context(), between); got != "refs/cms/backup/2026-09-21-"+both.String()[:12] || err != nil {
		t.Errorf("the backup of a commit before the tip is %q, %v", got, err)
	}
	held := put(t, r, "consultations", "parc", "3").Commit
	git(t, o.Path, "branch", "side", held.String())
	git(t, o.Path, "tag", "v1", held.String())
	setMain(t, o.Path, first)
	update(t, r, func(*Tx) error { return nil })
	git(t, o.Path, "branch", "-f", "side", first.String())
	git(t, o.Path, "tag", "-d", "v1")
	git(t, o.Path, "gc", "-q", "--prune=now")
	if got, err := r.Backup(t.Context(), held); got != "refs/cms/backup/2026-09-21-"+held.String()[:12] || err != nil {
		t.Errorf("the backup of a commit that others were at is %q, %v", got, err)
	}
	if got := strings.Count(backup(t, o.Path), "\n"); got != 3 {
		t.Errorf("%d backups, want 3", got)
	}
	away := put(t, r, "consultations", "parc", "4").Commit
	end(t, r, stop)

	setMain(t, o.Path, first)
	reader := o
	reader.ReadOnly = true
	again, err := Open(t.Context(), reader)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if got := backup(t, o.Path); strings.Contains(got, away.String()) {
		t.Error("who only reads has kept something")
	}
	r, stop = run(t, o)
	if got := backup(t, o.Path); !strings.Contains(got, away.String()) {
		t.Errorf("kept %q, want %s too", got, away)
	}
	end(t, r, stop)
	if h, _, _, err := decodeIndexFile(&mapping{readIndexFile(t, o.Path)}); err != nil || h.tip != first {
		t.Errorf("the index is saved at %s, want %s: %v", h.tip, first, err)
	}
}

// TestBackupNameTaken: whatever reference has the name of a backup, or is in the way of all
// of them, what is taken from the branch is kept by one of another name, once. Where none is
// possible, the error says what to do.
func TestBackupNameTaken(t *testing.T) {
	t.Parallel()
	for _, step := range []struct{ taken, want string }{
		{"refs/cms/backup/NAME", "refs/cms/backup/NAME-2"},
		{"refs/cms/backup/NAME refs/cms/backup/NAME-2/other", "refs/cms/backup/NAME-3"},
		{"refs/cms/backup/NAME/other", "refs/cms/backup/NAME-2"},
		{"refs/cms/backup", "refs/cms/backups/NAME"},
		{"refs/cms/backup refs/cms/backups/NAME", "refs/cms/backups/NAME-2"},
		{"refs/cms/backup refs/cms/backups", "refs/cms/backup, so that"},
		{"refs/cms", "refs/cms, so that"},
	} {
		for _, packed := range []bool{false, true} {
			o := options(t.TempDir())
			o.Clock = func() time.Time { return time.Unix(1790000000, 0) }
			r, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			s := newScript(r)
			s.commit(t, "1", "parc")
			first := r.View().Commit()
			s.commit(t, "2", "parc")
			lost := r.View().Commit()
			named := func(s string) string { return strings.ReplaceAll(s, "NAME", "2026-09-21-"+lost.String()[:12]) }
			for _, name := range strings.Fields(named(step.taken)) {
				git(t, o.Path, "update-ref", name, first.String())
			}
			if packed {
				git(t, o.Path, "pack-refs", "--all")
			}
			setMain(t, o.Path, first)
			s.commit(t, "3", "neu")
			want := named(step.want)
			if !strings.HasPrefix(want, "refs/cms/backup") || strings.Contains(want, ",") {
				if _, err := r.catchUp(t.Context()); !errors.Is(err, ErrStorage) || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: got error %v, want ErrStorage that says %q", step.taken, err, want)
				}
				git(t, o.Path, "update-ref", "-d", strings.Fields(step.taken)[0])
				s.commit(t, "4", "neu")
				want = named("refs/cms/backup/NAME")
			}
			if s.acked["neu"] == "" {
				t.Errorf("%s: no edit is possible", step.taken)
			}
			if got, err := r.Backup(t.Context(), lost); got != want || err != nil {
				t.Errorf("%s: the backup is %q, %v; want %s", step.taken, got, err, want)
			}
			if got, err := r.makeBackup(lost); string(got) != want || err != nil {
				t.Errorf("%s: a second backup is %q, %v; want %s", step.taken, got, err, want)
			}
			verify(t, r)
			r.Close()
		}
	}
}

// TestRewrittenAndGone: commits that the branch was taken from and that are no more
// keep nobody from going on.
func TestRewrittenAndGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, s := opened(t, dir)
	s.commit(t, "1", "parc")
	first := r.View().Commit()
	s.commit(t, "2", "parc")
	if err := r.saveIndex(true); err != nil {
		t.Fatal(err)
	}
	r.Close()
	setMain(t, dir, first)
	git(t, dir, "gc", "-q", "--prune=now")
	r, s = opened(t, dir)
	s.commit(t, "3", "parc")
	if got := backup(t, dir); got != "" {
		t.Errorf("kept %q", got)
	}
	verify(t, r)
}

// TestBranchGoneAtStart: a branch that was deleted while nobody was here is missed,
// also when the process before was killed, or the power cut, which leaves an earlier tip.
// It can be put back, or done without.
func TestBranchGoneAtStart(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"stopped", "killed", "power cut", "killed without index"} {
		dir := t.TempDir()
		r, s := opened(t, dir)
		s.commit(t, "1", "parc")
		if err := r.saveIndex(true); err != nil {
			t.Fatal(err)
		}
		s.commit(t, "2", "bus")
		tip := r.View().Commit()
		known := NewHash(tipOf(t, dir, "main"))
		var err error
		switch how {
		case "stopped":
			r.flushIndex(1, maxSections)
			err = os.Remove(filepath.Join(dir, tipFile))
		case "power cut":
			known = NewHash(strings.TrimSpace(git(t, dir, "rev-parse", "main~1")))
			err = os.Remove(filepath.Join(dir, tipFile))
		case "killed without index":
			err = os.Remove(filepath.Join(dir, indexFile))
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		git(t, dir, "update-ref", "-d", "refs/heads/main")
		for _, readOnly := range []bool{true, false} {
			o := options(dir)
			o.ReadOnly = readOnly
			r, err := Open(t.Context(), o)
			if err == nil {
				r.Close()
			}
			if want := fmt.Sprintf("update-ref refs/heads/main %s", known); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s, open: got error %v, want ErrGone that says %q", how, err, want)
			}
		}
		setMain(t, dir, tip)
		if known, kept, err := Accept(t.Context(), options(dir)); !known.IsZero() || kept != "" || err != nil {
			t.Errorf("accept a branch that is there: %s, %s, %v", known, kept, err)
		}
		r, _ = opened(t, dir)
		verify(t, r)
		r.Close()

		git(t, dir, "update-ref", "-d", "refs/heads/main")
		known = tip // which was noted by those starts
		got, kept, err := Accept(t.Context(), options(dir))
		if err != nil || got != known || !strings.HasPrefix(kept, backups) || backup(t, dir) != kept+" "+known.String()+"\n" {
			t.Errorf("%s, accept: %s kept as %q, %v; want %s", how, got, kept, err, known)
		}
		r, s = opened(t, dir)
		if n := r.View().Len("consultations"); n != 0 {
			t.Errorf("%d entries after accept", n)
		}
		s.commit(t, "neu", "neu")
		verify(t, r)
	}
}

// TestHook: pushes cannot delete the branch nor take commits away from it; other
// branches are free. What is somebody else's stays.
func TestHook(t *testing.T) {
	t.Parallel()
	long(t)
	o := options(filepath.Join(t.TempDir(), "site.git"))
	o.Branch = "it's/live"
	r, stop := run(t, o)
	put(t, r, "consultations", "parc", "1")
	put(t, r, "consultations", "parc", "2")
	stop()
	git(t, o.Path, "config", "receive.denyDeleteCurrent", "ignore")
	work := clone(t, o.Path)
	refused := func(want string, args ...string) {
		t.Helper()
		_, err := tryGit(work, append([]string{"push", "-q", "origin"}, args...)...)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("push %v: got %v, want %q", args, err, want)
		}
	}
	name := "refs/heads/" + o.Branch
	refused("cannot be deleted", ":"+name)
	refused("cannot be taken away", "+HEAD~1:"+name)
	refused("", "HEAD:refs/heads/side")
	refused("", "+HEAD~1:refs/heads/side")
	refused("", ":refs/heads/side")

	// By another name, and past what Git is told to read instead.
	tip := tipOf(t, o.Path, name)
	git(t, o.Path, "symbolic-ref", "refs/heads/master", name)
	refused("cannot be taken away", "+HEAD~1:refs/heads/master")
	refused("cannot be deleted", ":refs/heads/master")
	git(t, o.Path, "symbolic-ref", "--delete", "refs/heads/master")
	before := strings.TrimSpace(git(t, work, "commit-tree", "-m", "x", "-p", "HEAD~1", "HEAD~1^{tree}"))
	after := strings.TrimSpace(git(t, work, "commit-tree", "-m", "x", "-p", "HEAD", "HEAD~1^{tree}"))
	refused("kept by the service", after+":refs/replace/"+before)
	git(t, work, "push", "-q", "origin", before+":refs/heads/before", after+":refs/heads/after")
	git(t, o.Path, "replace", before, after)
	refused("cannot be taken away", "+"+before+":"+name)
	git(t, o.Path, "replace", "-d", before)
	refused("", ":refs/heads/before", ":refs/heads/after")

	for _, other := range []string{"refs/tags/" + name, "refs/heads/" + name} { // so that the name is ambiguous, which Git's own client would not push to
		git(t, o.Path, "update-ref", other, tip)
	}
	for _, to := range []string{tipOf(t, o.Path, tip+"~1"), strings.Repeat("0", 40)} {
		update := exec.Command(filepath.Join(o.Path, "hooks/update"), name, tip, to)
		update.Dir = o.Path
		if out, err := update.CombinedOutput(); err == nil {
			t.Errorf("the hook lets an ambiguous name be moved to %s: %s", to, out)
		}
	}
	git(t, o.Path, "update-ref", "-d", "refs/tags/"+name)
	git(t, o.Path, "update-ref", "-d", "refs/heads/"+name)

	// What the service keeps is not to be pushed away, as by a mirror that lacks it.
	git(t, o.Path, "update-ref", backups+"2026-01-01-x", tip)
	refused("kept by the service", ":"+backups+"2026-01-01-x")
	refused("kept by the service", "HEAD:refs/cms/incoming/x")
	git(t, o.Path, "update-ref", "-d", backups+"2026-01-01-x")
	if at := tipOf(t, o.Path, name); at != tip {
		t.Errorf("the branch is at %s, want %s", at, tip)
	}
	write(t, work, "x.md", "x\n")
	commitAll(t, work, "x")
	refused("", "HEAD:"+name)

	hook := filepath.Join(o.Path, "hooks/update")
	reopen := func(rewrite, protect bool) string {
		t.Helper()
		o.AllowRewrite, o.Protect = rewrite, protect
		_, stop := run(t, o)
		stop()
		raw, _ := os.ReadFile(hook)
		return string(raw)
	}
	reopen(true, false)
	refused("cannot be deleted", ":"+name)
	tip = tipOf(t, o.Path, name)
	refused("", "+HEAD~1:"+name) // which is kept, though nobody serves it now
	git(t, o.Path, "gc", "-q", "--prune=now")
	if got := strings.Fields(git(t, o.Path, "for-each-ref", "--format=%(objectname)", backups)); !slices.Equal(got, []string{tip}) {
		t.Errorf("kept are %v, want %s", got, tip)
	}
	if err := os.WriteFile(hook, []byte("#!/bin/sh\nexit 0\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	if got := reopen(false, true); got != "#!/bin/sh\nexit 0\n" {
		t.Errorf("another hook became %q", got)
	}
	if err := os.Remove(hook); err != nil {
		t.Fatal(err)
	}
	if got := reopen(false, false); got != "" {
		t.Errorf("unasked, a hook was made: %q", got)
	}
	reopen(false, true)
	refused("cannot be taken away", "+HEAD~2:"+name)
	fsck(t, o.Path)
}

// pushing is a scenario: others put commits on the branch and take some away, and the
// index is saved in between. What they took away has to be there nevertheless.
func pushing(t *testing.T, s *script) {
	r := s.repo
	moveTo := func(name string) {
		if d, ok := r.disk.(*crashDisk); ok && d.fault == crash && d.at > 0 && d.count >= d.at {
			return // nobody is there to push to
		}
		raw, err := os.ReadFile(filepath.Join(r.path, "refs/heads", name))
		if err == nil {
			file := r.branch.path()
			err = os.WriteFile(file, raw, 0o666)
			if d, ok := r.disk.(*crashDisk); ok {
				d.mu.Lock()
				node := &inode{raw, raw}
				d.names[file], d.durable[file] = node, node
				d.mu.Unlock()
			}
		}
		if err != nil {
			t.Error(err)
		}
	}
	moveTo("un")
	s.commit(t, "1", "a", "b")
	_ = r.saveIndex(false) // as the disk allows
	moveTo("deux")
	s.commit(t, "2", "c")
	_ = r.saveIndex(false)
}

// checkPushing: what was acknowledged is reachable, on the branch or from a backup,
// and no commit is told of that is not on the branch.
func checkPushing(t *testing.T, s *script, r *Repo) {
	t.Helper()
	taken(t, r)
	reachable := git(t, r.path, "log", "--all", "--name-only", "--format=")
	for name := range s.acked {
		if !strings.Contains(reachable, "_consultations/"+name+".md") {
			t.Errorf("acknowledged entry %s is nowhere", name)
		}
	}
	list, err := r.Changes(t.Context(), Hash{}, Hash{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	on := strings.Fields(git(t, r.path, "rev-list", "main"))
	for _, c := range list {
		if !slices.Contains(on, c.Commit.String()) {
			t.Errorf("commit %s is told of, and not on the branch", c.Commit)
		}
	}
	if r.Stats().Indexed != len(on) {
		t.Errorf("%d commits are known, %d are on the branch", r.Stats().Indexed, len(on))
	}
}

// beside makes the branches that pushing moves main to, which fork at its tip.
func beside(t *testing.T, base string) {
	for _, name := range []string{"un", "deux"} {
		git(t, base, "update-ref", "refs/heads/"+name, strings.TrimSpace(git(t, base, "commit-tree", "-p", "main", "-m", name, "main^{tree}")))
	}
}

func TestEveryFaultOfPushes(t *testing.T) {
	t.Parallel()
	for f, name := range map[fault]string{failBefore: "without effect", failAfter: "with effect"} {
		t.Run(name, func(t *testing.T) {
			eachFaultFrom(t, f, beside, pushing, func(t *testing.T, s *script, d *crashDisk) {
				s.goesOn(t, d)
				checkPushing(t, s, s.repo)
				verify(t, s.repo)
			})
		})
	}
}

func TestEveryCrashOfPushes(t *testing.T) {
	t.Parallel()
	var seen sync.Map
	eachFaultFrom(t, crash, beside, pushing, func(t *testing.T, s *script, d *crashDisk) {
		for name, c := range cuts {
			files := d.left(c)
			if _, same := seen.LoadOrStore(digest(files, c)+fmt.Sprint(s.acked), true); same {
				continue
			}
			t.Run(name, func(t *testing.T) {
				dir := image(t, s.repo.path, files, c)
				r, after := opened(t, dir)
				checkPushing(t, s, r)
				after.commit(t, "après", "f")
				if len(after.acked) != 1 {
					t.Error("no commit is possible after the crash")
				}
				verify(t, r)
			})
		}
	})
}
