package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"cms/race"
)

// readByGoGit reads what a commit leads to: commits, trees, and the files of the last.
func readByGoGit(g *gogit.Repository, from Hash) (commits int, err error) {
	list, err := g.Log(&gogit.LogOptions{From: from})
	if err != nil {
		return 0, err
	}
	err = list.ForEach(func(c *gitobject.Commit) error {
		commits++
		_, err := c.Tree()
		return err
	})
	if err != nil {
		return commits, fmt.Errorf("log: %w", err)
	}
	c, err := g.CommitObject(from)
	if err != nil {
		return commits, err
	}
	files, err := c.Files()
	if err != nil {
		return commits, err
	}
	return commits, files.ForEach(func(f *gitobject.File) error {
		_, err := f.Contents()
		return err
	})
}

// TestGoGitReads: go-git, which lists the packs once and opens them by name time and
// again, reads all beside edits, and what it has listed also when the packs were made
// one and the service was stopped and started meanwhile.
func TestGoGitReads(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	o := options(t.TempDir())
	r, stop := run(t, o)
	const before = 20
	for i := range before {
		put(t, r, "consultations", fmt.Sprint("c", i), fmt.Sprint(i))
	}
	tip := r.View().Commit()
	early, err := gogit.PlainOpen(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readByGoGit(early, tip); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_, err := r.Update(ctx, Meta{Author: ann}, func(tx *Tx) error {
				_, err := tx.Put("consultations", slug(t, fmt.Sprint("c", i%before)), document(fmt.Sprint("w", i)))
				return err
			})
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
	})
	for round := 0; err == nil && (r.Stats().Kept == 0 || round < 2); round++ {
		at, n := r.View().Commit(), 0
		for range 5 { // as it finds nothing while a pack is there whose index comes next
			var g *gogit.Repository
			if g, err = gogit.PlainOpen(o.Path); err != nil {
				break
			}
			n, err = readByGoGit(g, at)
			if !errors.Is(err, plumbing.ErrObjectNotFound) && !errors.Is(err, dotgit.ErrPackfileNotFound) {
				break
			}
		}
		if err != nil || n < before {
			t.Errorf("beside edits: %d commits, %v", n, err)
		}
	}
	cancel()
	writer.Wait()
	stop()
	r = start(t, o)
	for i := 0; r.Stats().Kept == 0; i++ { // until those of the last process are found
		put(t, r, "consultations", "c0", fmt.Sprint("r", i))
	}
	if n, err := readByGoGit(early, tip); err != nil || n != before {
		t.Errorf("after a stop, by packs that were listed before: %d commits, %v; want %d", n, err, before)
	}
}

// TestGoGitKeptOpen: what docs/operate.md says of a repository that go-git keeps open, and
// of its way out.
func TestGoGitKeptOpen(t *testing.T) {
	t.Parallel()
	r, _ := manyPacks(t, 6)
	tip := r.View().Commit()
	open := func() (*gogit.Repository, *filesystem.Storage) {
		g, err := gogit.PlainOpen(r.path)
		if err != nil {
			t.Fatal(err)
		}
		s, ok := g.Storer.(*filesystem.Storage)
		if !ok {
			t.Fatalf("the storage is a %T", g.Storer)
		}
		return g, s
	}
	early, _ := open()
	if _, err := early.CommitObject(tip); err != nil {
		t.Fatal(err)
	}
	j := repackerOf(t, r, osDisk{})
	if err := j.repack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := readByGoGit(early, tip); err != nil {
		t.Errorf("while the packs stay: %v", err)
	}
	early, storage := open() // as it keeps what it has read
	if err := storage.HasEncodedObject(tip); err != nil {
		t.Fatal(err)
	}
	if err := j.removeExpired(t.Context(), later()); err != nil {
		t.Fatal(err)
	}
	if _, err := readByGoGit(early, tip); !errors.Is(err, dotgit.ErrPackfileNotFound) {
		t.Errorf("by packs that are gone: got %v, want the error that docs/operate.md names", err)
	}
	storage.Reindex()
	if _, err := readByGoGit(early, tip); err != nil {
		t.Errorf("after it looked again: %v", err)
	}

	// An index that comes a moment after its pack.
	for name := range packNames(t, r.packFolder()) {
		if err := os.Rename(name+".idx", name+".later"); err != nil {
			t.Fatal(err)
		}
		late, storage := open()
		if _, err := late.CommitObject(tip); !errors.Is(err, dotgit.ErrPackfileNotFound) {
			t.Errorf("before the index came: got %v", err)
		}
		if err := os.Rename(name+".later", name+".idx"); err != nil {
			t.Fatal(err)
		}
		if _, err := late.CommitObject(tip); !errors.Is(err, plumbing.ErrObjectNotFound) {
			t.Errorf("once it came, by the same repository: got %v", err)
		}
		storage.Reindex()
		if _, err := readByGoGit(late, tip); err != nil {
			t.Errorf("after it looked again: %v", err)
		}
	}
	fsck(t, r.path)
}
