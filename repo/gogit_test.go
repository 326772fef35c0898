package repo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
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
			if n, err = readByGoGit(g, at); !errors.Is(err, plumbing.ErrObjectNotFound) {
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
