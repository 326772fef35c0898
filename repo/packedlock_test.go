package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cms/race"
)

// A pickyDisk fails at one operation on the file of a name.
type pickyDisk struct {
	unsyncedDisk
	fails string // the operation and the end of the name
}

func (d *pickyDisk) failure(operation, name string) error {
	if op, of, _ := strings.Cut(d.fails, " "); op == operation && strings.HasSuffix(name, of) {
		return &fs.PathError{Op: operation, Path: name, Err: errInjected}
	}
	return nil
}

func (d *pickyDisk) Create(name string, mode os.FileMode) (diskFile, error) {
	f, err := d.unsyncedDisk.Create(name, mode)
	return pickyFile{f, d, name}, err
}

func (d *pickyDisk) Link(oldname, newname string) error {
	if err := d.failure("link", newname); err != nil {
		return err
	}
	return d.unsyncedDisk.Link(oldname, newname)
}

func (d *pickyDisk) Rename(oldname, newname string) error {
	if err := d.failure("rename", newname); err != nil {
		return err
	}
	return d.unsyncedDisk.Rename(oldname, newname)
}

type pickyFile struct {
	diskFile
	disk *pickyDisk
	name string
}

func (f pickyFile) Sync() error { return f.disk.failure("sync", f.name) }

// TestLandBesideOthers: a push of the branch and of other references is told as not saved
// only where nothing of it is; what could keep the others from being changed is had before
// the branch moves.
func TestLandBesideOthers(t *testing.T) {
	t.Parallel()
	race.Sequential(t)
	for name, tt := range map[string]struct {
		fails string
		moved bool // the branch
		want  error
	}{
		"whole":                           {"", true, nil},
		"packed-refs cannot be locked":    {"link packed-refs.lock", false, ErrStorage},
		"packed-refs cannot be written":   {"rename packed-refs", true, ErrUnsure},
		"another one cannot be written":   {"sync neuf~cms.lock", false, ErrStorage},
		"another one cannot be moved":     {"rename neuf", true, ErrUnsure},
		"the branch itself cannot be set": {"rename trunk", false, ErrStorage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := site(t)
			git(t, dir, "pack-refs", "--all")
			o := options(dir)
			d := new(pickyDisk)
			o.disk = d
			r := start(t, o)
			from := r.View().Commit()
			to := NewHash(strings.TrimSpace(git(t, dir, "commit-tree", "-p", "trunk", "-m", "Pousser", "trunk^{tree}")))
			side := NewHash(tipOf(t, dir, "side"))
			q, err := r.Quarantine()
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			d.fails = tt.fails
			err = q.Land(t.Context(), []RefChange{
				{Name: "refs/heads/side", Old: side}, {Name: "refs/heads/neuf", New: to}, {Name: "refs/heads/trunk", Old: from, New: to},
			})
			d.fails = ""
			if !errors.Is(err, tt.want) || errors.Is(err, ErrUnsure) != (tt.want == ErrUnsure) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if now := r.View().Commit(); (now == to) != tt.moved {
				t.Errorf("the branch is at %s, from %s to %s", now, from, to)
			}
			refs := git(t, dir, "for-each-ref")
			for ref, there := range map[string]bool{"refs/heads/side": tt.want != nil, "refs/heads/neuf": tt.want == nil} {
				if tt.want != ErrUnsure && strings.Contains(refs, ref+"\n") != there {
					t.Errorf("%s is not as it was told: there are\n%s", ref, refs)
				}
			}
			put(t, r, "consultations", "bus", "Le bus")
			git(t, dir, "pack-refs", "--all")
		})
	}
}

// TestLandAtOnce: of pushes that would change one reference at once, one does.
func TestLandAtOnce(t *testing.T) {
	t.Parallel()
	dir := site(t)
	r := start(t, options(dir))
	from := NewHash(tipOf(t, dir, "side"))
	for round := range loaded(20, 5, 3) {
		var wg sync.WaitGroup
		var landed atomic.Value
		var n atomic.Int32
		for i := range 4 {
			to := NewHash(strings.TrimSpace(git(t, dir, "commit-tree", "-p", from.String(), "-m", fmt.Sprint(round, i), "side^{tree}")))
			wg.Go(func() {
				q, err := r.Quarantine()
				if err != nil {
					t.Error(err)
					return
				}
				defer q.Close()
				switch err := q.Land(t.Context(), []RefChange{{Name: "refs/heads/side", Old: from, New: to}}); {
				case err == nil:
					n.Add(1)
					landed.Store(to)
				case !errors.Is(err, ErrNotForward) && !errors.Is(err, ErrBusy):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		now := NewHash(tipOf(t, dir, "side"))
		if n.Load() != 1 || landed.Load() != now {
			t.Fatalf("%d pushes landed, %v as the last; the reference is at %s", n.Load(), landed.Load(), now)
		}
		from = now
	}
}

// A lockedDisk has somebody else give the lock of packed-refs back once it was met.
type lockedDisk struct {
	unsyncedDisk
	met atomic.Int32
}

func (d *lockedDisk) Link(oldname, newname string) error {
	err := d.unsyncedDisk.Link(oldname, newname)
	if filepath.Base(newname) == "packed-refs.lock" && errors.Is(err, fs.ErrExist) && d.met.Add(1) == 1 {
		return errors.Join(err, os.Remove(newname))
	}
	return err
}

// TestPackedRefsLocked: somebody packs references for a moment, and is waited for.
func TestPackedRefsLocked(t *testing.T) {
	t.Parallel()
	dir := site(t)
	git(t, dir, "pack-refs", "--all")
	side := NewHash(tipOf(t, dir, "side"))
	if err := os.WriteFile(filepath.Join(dir, "packed-refs.lock"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	d := new(lockedDisk)
	b := branch{disk: d, dir: dir, name: "refs/heads/side"}
	if err := b.remove(side); err != nil {
		t.Error(err)
	}
	if now, err := b.read(); err != nil || !now.IsZero() || d.met.Load() != 1 {
		t.Errorf("it is at %s, %v; the lock was met %d times", now, err, d.met.Load())
	}
	git(t, dir, "pack-refs", "--all")
	fsck(t, dir)
}

func TestEveryFaultOfLanding(t *testing.T) {
	t.Parallel()
	for f, name := range map[fault]string{failBefore: "without effect", failAfter: "with effect"} {
		t.Run(name, func(t *testing.T) {
			eachFaultFrom(t, f, landable, landAll, func(t *testing.T, s *script, d *crashDisk) {
				s.goesOn(t, d)
				checkLanded(t, s, s.repo.path)
				verify(t, s.repo)
			})
		})
	}
}

// TestEveryCrashOfLanding: nothing that is left keeps anybody from packing references, nor
// from ending some.
func TestEveryCrashOfLanding(t *testing.T) {
	t.Parallel()
	eachFaultFrom(t, crash, landable, landAll, eachImage(func(t *testing.T, s *script, dir string) {
		checkLanded(t, s, dir)
		checkStart(t, s, dir)
		b := branch{disk: unsyncedDisk{}, dir: dir, name: "refs/heads/un"}
		if err := b.remove(NewHash(tipOf(t, dir, "un"))); err != nil {
			t.Error(err)
		}
		git(t, dir, "pack-refs", "--all")
	}))
}

// TestPackedRefsLockOfOthers: a start removes the lock of packed-refs that a process of ours
// left that was killed, and no other.
func TestPackedRefsLockOfOthers(t *testing.T) {
	t.Parallel()
	race.Sequential(t)
	dir := site(t)
	lock := filepath.Join(dir, "packed-refs.lock")
	for _, before := range []string{"packed-refs~cms0", "packed-refs~cms1", "packed-refs"} { // it became packed-refs
		git(t, dir, "pack-refs", "--all")
		name := filepath.Join(dir, before)
		if before != "packed-refs" {
			if err := os.WriteFile(name, nil, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Link(name, lock); err != nil {
			t.Fatal(err)
		}
		_, stop := run(t, options(dir))
		stop()
		if exists(lock) || exists(name) != (before == "packed-refs") {
			t.Errorf("%s: the lock is there: %v, and what it was made of: %v", before, exists(lock), exists(name))
		}
	}
	if err := os.WriteFile(lock, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	_, stop := run(t, options(dir))
	stop()
	if err := os.Remove(lock); err != nil {
		t.Errorf("that of others: %v", err)
	}
	fsck(t, dir)
}

// landable makes what landAll pushes, beside a branch that is packed.
func landable(t *testing.T, base string) {
	beside(t, base)
	git(t, base, "update-ref", "refs/heads/side", "main")
	git(t, base, "pack-refs", "--all")
}

// landAll is a scenario: a push has the branch go on, another one begin and one end.
func landAll(t *testing.T, s *script) {
	r := s.repo
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // as the writer does
		select {
		case a := <-r.landings:
			a.done <- r.updateRef(ctx, a)
		case <-ctx.Done():
		}
	}()
	from, to := NewHash(tipOf(t, r.path, "main")), NewHash(tipOf(t, r.path, "un"))
	q, err := r.Quarantine()
	if err != nil {
		t.Fatal(err)
	}
	s.landed = q.Land(ctx, []RefChange{
		{Name: "refs/heads/main", Old: from, New: to}, {Name: "refs/heads/side", Old: from}, {Name: "refs/heads/neuf", New: to},
	})
	_ = q.Close() // as the disk allows
}

// checkLanded: all of a push is there or nothing, as far as that was told.
func checkLanded(t *testing.T, s *script, dir string) {
	t.Helper()
	refs := git(t, dir, "for-each-ref", "--contains", "un", "--format=%(refname)") + git(t, dir, "for-each-ref", "refs/heads/side", "--format=%(refname)")
	for name, pushed := range map[string]bool{"main": true, "neuf": true, "side": false} {
		if there := strings.Contains(refs, "refs/heads/"+name+"\n"); !errors.Is(s.landed, ErrUnsure) && there == pushed != (s.landed == nil) {
			t.Errorf("told was %v, and %s is not so: there are\n%s", s.landed, name, refs)
		}
	}
}
