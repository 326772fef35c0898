package repo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"cms/race"
)

// A lateDisk fails what comes after the point of no return, while it is told to.
type lateDisk struct {
	unsyncedDisk
	syncs   atomic.Int64 // how many syncs of the branch's folder are to fail
	renames atomic.Int64 // how many renames of the branch's lock are to tell a failure
}

func (d *lateDisk) SyncDir(name string) error {
	if strings.HasSuffix(name, "refs/heads") && d.syncs.Load() > 0 {
		d.syncs.Add(-1)
		return &os.PathError{Op: "sync", Path: name, Err: syscall.EIO}
	}
	return d.unsyncedDisk.SyncDir(name)
}

func (d *lateDisk) Rename(oldname, newname string) error {
	err := d.unsyncedDisk.Rename(oldname, newname)
	if strings.HasSuffix(oldname, ".lock") && d.renames.Load() > 0 {
		d.renames.Add(-1)
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: syscall.ENOENT}
	}
	return err
}

// TestLateFailure: what fails after the branch has moved is not told as not saved.
// It is published when it is durable, and not before, and it can be found by its key.
func TestLateFailure(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	d := &lateDisk{}
	o.disk = d
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := newScript(r)
	s.commit(t, "un", "a")
	before := r.View()

	ask := func(key string, fn func(*Tx) error) *request {
		return &request{ctx: t.Context(), meta: Meta{Author: ann, Key: key}, done: make(chan struct{}), fn: fn}
	}
	saved := ask("k1", func(tx *Tx) error {
		_, err := tx.Put("consultations", slug(t, "b"), document("deux"))
		return err
	})
	idle := ask("k2", func(*Tx) error { return nil })
	d.syncs.Store(2)
	r.commit(t.Context(), []*request{saved, idle})
	if err := saved.err; !errors.Is(err, ErrUnsure) || errors.Is(err, ErrStorage) {
		t.Errorf("update: got error %v, want ErrUnsure alone", err)
	}
	if err := idle.err; !errors.Is(err, ErrStorage) || errors.Is(err, ErrUnsure) {
		t.Errorf("update without a change: got error %v, want ErrStorage alone", err)
	}
	if err := r.Ready(); r.View() != before {
		t.Errorf("published before it was durable; ready: %v", err)
	}
	if l, _ := filepath.Glob(filepath.Join(r.path, "objects/pack/*.keep")); len(l) != 1 {
		t.Errorf("packs that are kept while nobody can tell: got %v, want one", l)
	}
	if err := r.probe(t.Context()); !errors.Is(err, ErrStorage) || r.View() != before {
		t.Errorf("while the folder cannot be synced: got error %v and the snapshot of %s", err, r.View().Commit())
	}
	if err := r.probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.View().Entry("consultations", slug(t, "b")); !ok {
		t.Error("what was saved is not published")
	}
	if l := leftBehind(r.path); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
	if h, err := r.FindKey(t.Context(), before.Commit(), "k1"); err != nil || h != r.View().Commit() {
		t.Errorf("find key: got %s, %v; want %s", h, err, r.View().Commit())
	}
	s.commit(t, "trois", "c")
	s.check(t, r)
	verify(t, r)
}

// TestKeyAfterLateFailure: whoever asks for the key has it decided first.
func TestKeyAfterLateFailure(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	d := &lateDisk{}
	o.disk = d
	r := start(t, o)
	head := put(t, r, "consultations", "a", "un").Commit
	release := hold(t, r) // no poll comes in between
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := r.Update(context.Background(), Meta{Author: ann, Key: "k1"}, func(tx *Tx) error {
			_, err := tx.Put("consultations", slug(t, "b"), document("deux"))
			return err
		})
		if !errors.Is(err, ErrUnsure) {
			t.Errorf("update: got error %v, want ErrUnsure", err)
		}
	})
	waiting(r, 1)
	d.syncs.Store(1)
	release()
	wg.Wait()
	if h, err := r.FindKey(t.Context(), head, "k1"); err != nil || h.IsZero() || h != r.View().Commit() {
		t.Errorf("find key: got %s, %v; want %s", h, err, r.View().Commit())
	}
}

// TestRenameThatWorked: a rename that tells a failure and had its effect, as over a
// network, is none.
func TestRenameThatWorked(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	d := &lateDisk{}
	o.disk = d
	r := start(t, o)
	put(t, r, "consultations", "a", "un")
	d.renames.Store(1)
	res := put(t, r, "consultations", "a", "deux")
	if got := tipOf(t, r.path, "main"); got != res.Commit.String() || d.renames.Load() != 0 {
		t.Errorf("branch: got %s, want %s", got, res.Commit)
	}
}

// A folderDisk notes which folders are synced, the first of which fails where it is told to.
type folderDisk struct {
	unsyncedDisk
	mu     sync.Mutex
	fails  string
	synced []string
}

func (d *folderDisk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name == d.fails {
		d.fails = ""
		return &os.PathError{Op: "sync", Path: name, Err: syscall.EIO}
	}
	d.synced = append(d.synced, name)
	return d.unsyncedDisk.SyncDir(name)
}

// TestBranchFolder: the folder of a branch such as site/live is durable before an edit is
// acknowledged, though it was made by one that failed, or by a process before; and it is
// synced once.
func TestBranchFolder(t *testing.T) {
	t.Parallel()
	race.Sequential(t)
	dir := site(t)
	git(t, dir, "branch", "-m", "trunk", "site/live")
	git(t, dir, "pack-refs", "--all")
	heads := filepath.Join(dir, "refs/heads")
	if err := os.Remove(filepath.Join(heads, "site")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	d := new(folderDisk)
	o := options(dir)
	o.Branch, o.disk = "site/live", d
	edit := func(r *Repo, title string) (heads int, err error) {
		d.mu.Lock()
		d.synced = nil
		d.mu.Unlock()
		_, err = tryPut(t.Context(), t, r, Meta{}, "bus", title)
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, folder := range d.synced {
			if folder == filepath.Join(dir, "refs/heads") {
				heads++
			}
		}
		return heads, err
	}
	r, stop := run(t, o)
	d.mu.Lock()
	d.fails = heads
	d.mu.Unlock()
	if _, err := edit(r, "un"); !errors.Is(err, ErrStorage) {
		t.Errorf("the folder cannot be synced: got %v, want ErrStorage", err)
	}
	for i, want := range []int{1, 0} {
		if n, err := edit(r, "deux "+strconv.Itoa(i)); err != nil || n != want {
			t.Errorf("edit %d after that: %v, with %d syncs of the folder above; want %d", i, err, n, want)
		}
	}
	stop()
	r = start(t, o)
	if n, err := edit(r, "trois"); err != nil || n != 1 {
		t.Errorf("after a start: %v, with %d syncs of the folder above; want 1", err, n)
	}
}
