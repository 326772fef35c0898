package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"cms/race"
)

// hold blocks the writer in an update until release is called.
func hold(t *testing.T, r *Repo) (release func()) {
	t.Helper()
	started, released, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_, err := r.Update(context.Background(), Meta{Author: ann}, func(*Tx) error {
			close(started)
			<-released
			return nil
		})
		if err != nil {
			t.Errorf("holding update: %v", err)
		}
	}()
	<-started
	return func() { close(released); <-done }
}

// waiting blocks until n requests are in the queue.
func waiting(r *Repo, n int) {
	for {
		if r.Stats().Queue == n {
			return
		}
		runtime.Gosched()
	}
}

// TestGroup: what waits becomes one pack, a commit each, and one failing update
// of the group fails alone.
func TestGroup(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	put(t, r, "consultations", "parc", "0")
	packs := func() int {
		l, _ := filepath.Glob(filepath.Join(r.path, "objects/pack/*.pack"))
		return len(l)
	}
	before := packs()
	release := hold(t, r)
	var wg sync.WaitGroup
	var results [20]Result
	for i := range results {
		wg.Go(func() {
			res, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
				if _, err := tx.Put("consultations", slug(t, fmt.Sprint("c", i)), document("x")); err != nil {
					return err
				}
				if i%5 == 0 {
					return errors.New("changed my mind")
				}
				e, _ := tx.Entry("consultations", slug(t, "parc"))
				src, err := e.Source()
				if err != nil {
					return err
				}
				_, err = tx.Put("consultations", slug(t, "parc"), document(fmt.Sprint(len(src), i)))
				return err
			})
			if (err != nil) != (i%5 == 0) {
				t.Errorf("update %d: error %v", i, err)
			}
			results[i] = res
		})
		waiting(r, i+1)
	}
	release()
	wg.Wait()
	if got := packs() - before; got != 1 {
		t.Errorf("packs for the group: got %d, want 1", got)
	}
	if got, want := git(t, r.path, "rev-list", "--count", "main"), "17\n"; got != want {
		t.Errorf("commits: got %s, want %s", got, want)
	}
	if got, want := r.Stats(), (Stats{Commits: 17, Groups: 2, Packs: 2, Indexed: 17}); got != want {
		t.Errorf("stats: got %+v, want %+v", got, want)
	}
	seen := make(map[Hash]bool)
	for i, res := range results {
		if i%5 != 0 && (!res.Changed || seen[res.Commit] || res.Snapshot != r.View()) {
			t.Errorf("result %d: %+v", i, res)
		}
		seen[res.Commit] = true
	}
	for i := range results {
		if _, ok := r.View().Entry("consultations", slug(t, fmt.Sprint("c", i))); ok != (i%5 != 0) {
			t.Errorf("entry c%d is there: %v", i, ok)
		}
	}
}

func TestQueueLimits(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.Queue = 2
	r := start(t, o)
	release := hold(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	ran := atomic.Bool{}
	result := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := r.Update(ctx, Meta{Author: ann}, func(*Tx) error { ran.Store(true); return nil })
			result <- err
		}()
	}
	waiting(r, 2)
	if _, err := r.Update(t.Context(), Meta{}, func(*Tx) error { return nil }); !errors.Is(err, ErrBusy) {
		t.Errorf("update beyond the limit: got error %v, want ErrBusy", err)
	}
	cancel()
	for range 2 {
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled update: got error %v", err)
		}
	}
	waiting(r, 0)
	release()
	put(t, r, "pages", "index", "x")
	if ran.Load() {
		t.Error("a cancelled update ran")
	}
}

// TestStop: what is queued when the writer is told to stop is still done; then
// nothing is.
func TestStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, stop := run(t, options(dir))
	release := hold(t, r)
	results := make(chan error, 5)
	for i := range 5 {
		go func() {
			_, err := r.Update(context.Background(), Meta{Author: ann}, func(tx *Tx) error {
				_, err := tx.Put("consultations", slug(t, fmt.Sprint("c", i)), document("x"))
				return err
			})
			results <- err
		}()
	}
	waiting(r, 5)
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	release()
	<-stopped
	for range 5 {
		if err := <-results; err != nil {
			t.Errorf("queued update: %v", err)
		}
	}
	if _, err := r.Update(t.Context(), Meta{}, func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("update after the end: got error %v, want ErrClosed", err)
	}
	again := start(t, options(dir))
	if got := len(again.View().Entries("consultations")); got != 5 {
		t.Errorf("entries after reopening: got %d, want 5", got)
	}
}

// A failingDisk fails while it is told to.
type failingDisk struct {
	osDisk
	err atomic.Pointer[error]
}

func (d *failingDisk) fail(err error) { d.err.Store(&err) }

func (d *failingDisk) failure() error {
	if p := d.err.Load(); p != nil {
		return *p
	}
	return nil
}

func (d *failingDisk) Create(name string, mode os.FileMode) (diskFile, error) {
	if err := d.failure(); err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return d.osDisk.Create(name, mode)
}

// TestStorageFails: all of the group learn of it, readers go on, and the next
// group succeeds once the cause is gone.
func TestStorageFails(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	for _, c := range []struct {
		cause error
		full  bool
	}{{syscall.ENOSPC, true}, {syscall.EDQUOT, true}, {syscall.EROFS, false}, {syscall.EMFILE, false}, {syscall.EIO, false}} {
		t.Run(c.cause.Error(), func(t *testing.T) {
			o := options(t.TempDir())
			d := &failingDisk{}
			o.disk = d
			r := start(t, o)
			put(t, r, "consultations", "parc", "0")
			tip := r.View()
			d.fail(c.cause)
			release := hold(t, r)
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
						_, err := tx.Put("consultations", slug(t, fmt.Sprint("dir/", i)), document("x"))
						return err
					})
					if !errors.Is(err, ErrStorage) || errors.Is(err, ErrFull) != c.full || !errors.Is(err, c.cause) {
						t.Errorf("update: got error %v, want ErrStorage, full: %v", err, c.full)
					}
				})
			}
			waiting(r, 4)
			release()
			wg.Wait()
			if r.View() != tip {
				t.Error("a snapshot was published")
			}
			if e, ok := r.View().Entry("consultations", slug(t, "parc")); !ok || e.Fields().Len() != 2 {
				t.Error("reads do not go on")
			}
			if err := r.Ready(); !errors.Is(err, c.cause) {
				t.Errorf("ready: got %v, want %v", err, c.cause)
			}
			d.fail(nil)
			if c.full { // heals by itself
				comes(t, "room on the disk", func() bool { return r.Ready() == nil })
			}
			put(t, r, "consultations", "dir/0", "1")
			if err := r.Ready(); err != nil {
				t.Errorf("ready after the cause is gone: got %v", err)
			}
			if l := leftBehind(r.path); len(l) > 0 {
				t.Errorf("left behind: %v", l)
			}
		})
	}
}

// TestFolderDeleted: the repository goes away and comes back.
func TestFolderDeleted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "site.git")
	r := start(t, options(dir))
	put(t, r, "consultations", "parc", "0")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	_, err := r.Update(t.Context(), Meta{Author: ann}, func(*Tx) error { return nil })
	if !errors.Is(err, ErrStorage) {
		t.Errorf("update: got error %v, want ErrStorage", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder was made anew")
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	put(t, r, "consultations", "parc", "1")
}

// TestConcurrentUpdates: of those that change one entry from what they read, one
// a round wins; those of different entries all do.
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	r := start(t, durable(t.TempDir()))
	put(t, r, "consultations", "parc", "0")
	stale := errors.New("stale")
	for round := range 5 {
		e, _ := r.View().Entry("consultations", slug(t, "parc"))
		var wins atomic.Int32
		var wg sync.WaitGroup
		for c := range 32 {
			wg.Go(func() {
				_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
					if now, _ := tx.Entry("consultations", slug(t, "parc")); now.Revision != e.Revision {
						return stale
					}
					_, err := tx.Put("consultations", slug(t, "parc"), document(fmt.Sprint(round, "-", c)))
					return err
				})
				if err == nil {
					wins.Add(1)
				} else if !errors.Is(err, stale) {
					t.Errorf("client %d: %v", c, err)
				}
			})
			wg.Go(func() {
				_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
					_, err := tx.Put("consultations", slug(t, fmt.Sprintf("r%d/c%d", round, c)), document("x"))
					return err
				})
				if err != nil {
					t.Errorf("client %d: %v", c, err)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 {
			t.Errorf("round %d: %d clients won, want 1", round, wins.Load())
		}
	}
	if got, want := strings.TrimSpace(git(t, r.path, "rev-list", "--count", "main")), fmt.Sprint(1+5*33); got != want {
		t.Errorf("commits: got %s, want %s", got, want)
	}
}
