package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cms/race"
)

// await waits until the snapshot satisfies ok.
func await(t *testing.T, r *Repo, ok func(*Snapshot) bool) *Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		s := r.View()
		if ok(s) {
			return s
		}
		select {
		case <-s.Superseded():
		case <-ctx.Done():
			t.Fatalf("still at %s", s.Commit())
		}
	}
}

func TestPushFromOutside(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	put(t, r, "consultations", "parc", "Le parc")
	put(t, r, "consultations", "gone", "x")
	put(t, r, "consultations", "bus", "y")
	work := clone(t, r.path)

	// Without a write, the push is seen by itself.
	write(t, work, "_consultations/parc.md", "---\ntitle: Dehors\n---\n")
	git(t, work, "rm", "-q", "_consultations/gone.md")
	git(t, work, "mv", "_consultations/bus.md", "_consultations/tram.md")
	commitAll(t, work, "De dehors")
	git(t, work, "push", "-q")
	tip := tipOf(t, work, "HEAD")
	s := await(t, r, func(s *Snapshot) bool { return s.Commit().String() == tip })
	e, _ := s.Entry("consultations", slug(t, "parc"))
	if title, _ := e.Fields().Get("title"); title != "Dehors" {
		t.Errorf("title: got %v", title)
	}
	if _, ok := s.Entry("consultations", slug(t, "gone")); ok {
		t.Error("deleted entry is still there")
	}
	e, _ = s.Entry("consultations", slug(t, "tram"))
	if u := e.Updated(); u.Action != Moved || u.From.String() != "_consultations/bus.md" || u.Author.Name != "Denis Dehors" {
		t.Errorf("moved entry: got %+v", u)
	}

	// With a write, it is seen before the function runs.
	write(t, work, "_consultations/parc.md", "---\ntitle: Encore\n---\n")
	commitAll(t, work, "Encore")
	git(t, work, "push", "-q")
	update(t, r, func(tx *Tx) error {
		e, _ := tx.Entry("consultations", slug(t, "parc"))
		if title, _ := e.Fields().Get("title"); title != "Encore" {
			t.Errorf("title in an update after the push: got %v, want Encore", title)
		}
		_, err := tx.Put("consultations", slug(t, "parc"), document("Dedans"))
		return err
	})
	if got, want := strings.Fields(git(t, r.path, "log", "--format=%an", "-2")), "[Anne Éditrice Denis Dehors]"; fmt.Sprint(got) != want {
		t.Errorf("authors: got %v, want %v", got, want)
	}
}

// TestMergeFromOutside: somebody merges a branch, in both directions.
func TestMergeFromOutside(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	base := put(t, r, "consultations", "parc", "Le parc").Commit
	work := clone(t, r.path)
	write(t, work, "_consultations/side.md", "side\n")
	commitAll(t, work, "A côté")
	ours := put(t, r, "consultations", "parc", "Le parc 2").Commit
	git(t, work, "pull", "-q", "--no-rebase", "--no-edit")
	git(t, work, "push", "-q")
	tip := tipOf(t, work, "HEAD")
	s := await(t, r, func(s *Snapshot) bool { return s.Commit().String() == tip })

	e, _ := s.Entry("consultations", slug(t, "parc"))
	if got := e.Updated().Commit; got != ours {
		t.Errorf("parc was updated by %s, want %s: a merge that takes one side changes nothing", got, ours)
	}
	e, _ = s.Entry("consultations", slug(t, "side"))
	if got := e.Updated().Message; got != "A côté" {
		t.Errorf("side was updated by %q", got)
	}
	for _, c := range []struct {
		since Hash
		want  string
	}{
		{ours, "merge: created _consultations/side.md"},
		{base, "side: created _consultations/side.md, merge: updated _consultations/parc.md"},
	} {
		list, err := r.Changes(t.Context(), c.since, Hash{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, cc := range list {
			kind := "side"
			if cc.Commit == s.Commit() {
				kind = "merge"
			}
			for _, f := range cc.Changes {
				got = append(got, fmt.Sprintf("%s: %s %s", kind, f.Action, f.Path))
			}
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("changes since %s: got %q, want %q", c.since, s, c.want)
		}
	}
}

func TestForcePushFromOutside(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	first := put(t, r, "consultations", "parc", "1").Commit
	lost := put(t, r, "consultations", "parc", "2").Commit
	put(t, r, "consultations", "other", "3")
	setMain(t, r.path, first)
	s := await(t, r, func(s *Snapshot) bool { return s.Commit() == first })
	if e, _ := s.Entry("consultations", slug(t, "parc")); e.Updated().Commit != first {
		t.Errorf("updated: got %+v, want by %s", e.Updated(), first)
	}
	if _, err := r.Changes(t.Context(), lost, Hash{}, 0); !errors.Is(err, ErrUnknownCommit) {
		t.Errorf("changes since a commit that was undone: got error %v, want ErrUnknownCommit", err)
	}
	put(t, r, "consultations", "parc", "4")
}

func TestBranchDeletedFromOutside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, options(dir))
	tip := put(t, r, "consultations", "parc", "1").Commit
	git(t, dir, "update-ref", "-d", "refs/heads/main")
	_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error { return nil })
	if !errors.Is(err, ErrStorage) || !strings.Contains(err.Error(), "main") {
		t.Errorf("update: got error %v, want ErrStorage that names the branch", err)
	}
	if r.View().Commit() != tip {
		t.Error("the snapshot went away with the branch")
	}
	setMain(t, dir, tip)
	put(t, r, "consultations", "parc", "2")
}

// TestLostRace: another process moves the branch after the function ran. The
// function runs again on the new tip.
func TestLostRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(dir)
	d := &hookedDisk{}
	o.disk = d
	r := start(t, o)
	first := put(t, r, "consultations", "parc", "1").Commit
	work := clone(t, dir)
	write(t, work, "_consultations/side.md", "side\n")
	commitAll(t, work, "Plus vite")
	d.beforeLink.Store(func() { git(t, work, "push", "-q") })
	var runs []string
	res := update(t, r, func(tx *Tx) error {
		_, saw := tx.Entry("consultations", slug(t, "side"))
		runs = append(runs, fmt.Sprint(saw))
		_, err := tx.Put("consultations", slug(t, "parc"), document("2"))
		return err
	})
	if got, want := fmt.Sprint(runs), "[false true]"; got != want {
		t.Errorf("function saw the other commit: got %s, want %s", got, want)
	}
	if got, want := git(t, dir, "log", "--format=%s"), "Update consultations/parc\nPlus vite\nCreate consultations/parc\n"; got != want {
		t.Errorf("log: got %q, want %q", got, want)
	}
	if list, err := r.Changes(t.Context(), first, res.Commit, 0); err != nil || len(list) != 2 {
		t.Errorf("changes: got %v, %v; want two commits", list, err)
	}
}

// A hookedDisk does something right before the next lock is taken.
type hookedDisk struct {
	unsyncedDisk
	beforeLink atomic.Value // of func()
}

func (d *hookedDisk) Link(oldname, newname string) error {
	if f, _ := d.beforeLink.Swap(func() {}).(func()); f != nil {
		f()
	}
	return d.unsyncedDisk.Link(oldname, newname)
}

// TestForeignLock: Git holds the lock of the branch for a moment. It is waited
// for, not removed.
func TestForeignLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(dir)
	d := &hookedDisk{}
	o.disk = d
	r := start(t, o)
	put(t, r, "consultations", "parc", "1")
	lock := filepath.Join(dir, "refs/heads/main.lock")
	if err := os.WriteFile(lock, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	attempts := 0
	var release func()
	release = func() {
		if attempts++; attempts == 3 {
			if err := os.Remove(lock); err != nil {
				t.Error(err)
			}
			return
		}
		d.beforeLink.Store(release)
	}
	d.beforeLink.Store(release)
	put(t, r, "consultations", "parc", "2")
	if attempts != 3 {
		t.Errorf("the lock was taken at attempt %d, want 3", attempts)
	}
}

// TestStaleLock: of the locks that are there at the start, only our own goes.
func TestStaleLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, stop := run(t, options(dir))
	put(t, r, "consultations", "parc", "1")
	stop()
	lock, draft := r.branch.lockPath(), r.branch.draftPath()
	if err := os.WriteFile(draft, []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(draft, lock); err != nil {
		t.Fatal(err)
	}
	r, stop = run(t, options(dir))
	put(t, r, "consultations", "parc", "2")
	end(t, r, stop)

	if err := os.WriteFile(lock, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := os.Stat(lock); err != nil {
		t.Errorf("lock of another process: %v, want it kept", err)
	}
}

// TestPushesBesideWriters: sixteen writers here, or six where neither CMS_CRASH_ROUNDS nor the race detector asks for them, a clone that pulls and pushes
// there. Nothing that was acknowledged on either side is missing.
func TestPushesBesideWriters(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	dir := t.TempDir()
	r := start(t, durable(dir))
	put(t, r, "pages", "index", "Accueil")
	work := clone(t, dir)
	var wg sync.WaitGroup
	var mine sync.Map
	pushed := make(chan struct{})
	for w := range loaded(16, 6, 6) {
		wg.Go(func() {
			for i := 0; ; i++ {
				res, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
					_, err := tx.Put("consultations", slug(t, fmt.Sprintf("w%d/%d", w, i)), document("x"))
					return err
				})
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				mine.Store(res.Commit.String(), true)
				select {
				case <-pushed:
					return
				default:
				}
			}
		})
	}
	var theirs []string
	for i := range loaded(5, 1, 1) {
		write(t, work, fmt.Sprintf("dehors-%d.md", i), "x\n")
		commitAll(t, work, "Dehors")
		for {
			git(t, work, "pull", "-q", "--rebase")
			if _, err := tryGit(work, "push", "-q"); err == nil {
				break
			}
			if t.Failed() {
				break
			}
			// Hold the writers back for once: Git is hardly ever the faster one.
			_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
				git(t, work, "pull", "-q", "--rebase")
				tryGit(work, "push", "-q")
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if _, err := tryGit(dir, "merge-base", "--is-ancestor", tipOf(t, work, "HEAD"), "main"); err == nil {
				break
			}
		}
		theirs = append(theirs, tipOf(t, work, "HEAD"))
	}
	close(pushed)
	wg.Wait()
	log := make(map[string]bool)
	for _, c := range strings.Fields(git(t, dir, "rev-list", "main")) {
		log[c] = true
	}
	for _, c := range theirs {
		if !log[c] {
			t.Errorf("pushed commit %s is missing", c)
		}
	}
	mine.Range(func(c, _ any) bool {
		if !log[c.(string)] {
			t.Errorf("acknowledged commit %s is missing", c)
		}
		return true
	})
}

// TestPacksOfOtherNames: git maintenance packs loose objects into packs that are not called
// as others are, and then removes the objects.
func TestPacksOfOtherNames(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	put(t, r, "consultations", "parc", "1")
	work := clone(t, r.path)
	git(t, r.path, "config", "receive.unpackLimit", "100")
	write(t, work, "_consultations/bus.md", "---\ntitle: Le bus\n---\n")
	commitAll(t, work, "Le bus")
	git(t, work, "push", "-q")
	for range 2 { // the second time it removes what the first one has packed
		git(t, r.path, "maintenance", "run", "--quiet", "--task=loose-objects")
	}
	if packs, err := filepath.Glob(filepath.Join(r.path, "objects/pack/loose-*.pack")); len(packs) != 1 || err != nil {
		t.Skipf("this git made the packs %v, %v", packs, err)
	}
	put(t, r, "consultations", "parc", "2")
	e, ok := r.View().Entry("consultations", slug(t, "bus"))
	if !ok {
		t.Fatal("the entry that was pushed is not there")
	}
	if _, err := r.Blob(t.Context(), e.Revision); err != nil {
		t.Errorf("read what was pushed: %v", err)
	}
	verify(t, r)
	c, err := NewCopy(r.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, dir := range []string{r.path, copyTo(t, c)} {
		if _, err := Verify(t.Context(), dir); err != nil {
			t.Errorf("%s: %v", filepath.Base(dir), err)
		}
	}
}
