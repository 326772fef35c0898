package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
)

// readers are those who read the repository itself beside the service, in loops: Git's
// commands, and programs on go-git and libgit2. None of them may meet an error.
type readers struct {
	repository, dir string
	keepPacks       time.Duration // of the service: who reads for longer may miss some
	gcEvery         time.Duration

	// Held by what lists the packs once and wants them all to be there, and alone by
	// Git's own gc, which removes those that it has repacked at once.
	strict sync.RWMutex

	mu        sync.Mutex
	counts    map[string]int
	indexLost time.Time // when a pack was last seen to have lost its index
}

// beside has readers read for d beside writers. The packs that were repacked stay for a
// fifth of that, so that many of them are old enough to go while somebody reads.
func (b *bench) beside(ctx context.Context, d time.Duration) error {
	sh := shape{"1,000 flat", 1000, 0}
	repository := filepath.Join(b.dir, "site.git")
	if _, err := makeSite(ctx, repository, sh); err != nil {
		return err
	}
	keepPacks := d / 5
	svc, _, err := b.startWith(ctx, b.dir, func(addr, debug string) []byte {
		brief := fmt.Sprintf("repository: {keep_packs: %s, ", keepPacks)
		return []byte(strings.Replace(fmt.Sprintf(configuration, addr, debug, repository, repository), "repository: {", brief, 1))
	})
	if err != nil {
		return err
	}
	l := &soakLoad{service: svc, shape: sh, acked: make([]int64, sh.entries)}
	r := &readers{repository: repository, dir: b.dir, keepPacks: keepPacks, gcEvery: 2 * d / 5, counts: make(map[string]int)}
	err = r.run(ctx, d, l)
	kept, metricErr := svc.metric(ctx, "cms_packs_kept")
	if err = errors.Join(err, metricErr, svc.stop()); err != nil {
		svc.kill()
		return err
	}
	b.printf("%d edits acknowledged in %s; %.0f packs stayed at the end.\n", l.edits.Load(), d, kept)
	for _, name := range slices.Sorted(maps.Keys(r.counts)) {
		b.printf("%8d  %s\n", r.counts[name], name)
	}
	return l.verify(ctx, repository)
}

// run has everybody write and read until d is over, or something fails.
func (r *readers) run(ctx context.Context, d time.Duration, l *soakLoad) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	until := time.Now().Add(d)
	var all sync.WaitGroup
	for c := range soakWriters {
		all.Go(func() {
			if err := l.write(ctx, &http.Client{Transport: &http.Transport{}}, c, until); err != nil {
				cancel(fmt.Errorf("writer: %w", err))
			}
		})
	}
	kinds := map[string]func(context.Context) error{
		"git fsck --strict":               r.git(&r.strict, "fsck", "--strict", "--no-dangling", "--no-progress"),
		"git log --stat":                  r.git(nil, "log", "--stat", "-n", "200", "main"),
		"git rev-list --objects":          r.git(nil, "rev-list", "--objects", "-n", "50", "main"),
		"git clone":                       r.clone("--no-local"),
		"git clone, by path":              r.clone(),
		"git gc --auto":                   r.upkeep,
		"go-git, opened for each reading": r.goGit(1),
		"go-git, kept open":               r.goGit(1000),
	}
	if python, ok := hasLibgit2(ctx); ok {
		for _, mode := range []string{"opened for each reading", "kept open"} {
			kinds["libgit2, "+mode] = r.libgit2(python, mode)
		}
	} else {
		r.count("readings by libgit2: there is no python3 with pygit2")
	}
	all.Go(func() {
		for ctx.Err() == nil && time.Now().Before(until) {
			r.lookForLostIndexes(ctx)
			rest(ctx, 250*time.Millisecond)
		}
	})
	for name, read := range kinds {
		all.Go(func() {
			for ctx.Err() == nil && time.Now().Before(until) {
				began := time.Now()
				err := read(context.WithoutCancel(ctx))
				switch {
				case err == nil:
				case time.Since(began) > r.keepPacks:
					r.count("readings that took longer than the packs stay that they had listed")
					continue
				case r.indexWasLost(began):
					r.count("readings while an index was gone that git gc had removed")
					continue
				default:
					cancel(fmt.Errorf("%s: %w", name, err))
				}
				r.count(name)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func (r *readers) count(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what]++
}

// lookForLostIndexes notes whether a pack has lost its index: git gc takes it for left
// over if the pack came while it listed the folder. The service puts it back at its second
// look. One that is being placed is kept, one that is being removed soon gone.
func (r *readers) lookForLostIndexes(ctx context.Context) {
	folder := filepath.Join(r.repository, "objects", "pack")
	lost := func(pack string) bool {
		name := strings.TrimSuffix(pack, ".pack")
		_, err := os.Stat(pack)
		_, indexErr := os.Stat(name + ".idx")
		_, keepErr := os.Stat(name + ".keep")
		return err == nil && errors.Is(indexErr, fs.ErrNotExist) && errors.Is(keepErr, fs.ErrNotExist)
	}
	packs, _ := filepath.Glob(filepath.Join(folder, "pack-*.pack")) // the pattern is right
	packs = slices.DeleteFunc(packs, func(p string) bool { return !lost(p) })
	if len(packs) == 0 {
		return
	}
	rest(ctx, 50*time.Millisecond)
	if slices.ContainsFunc(packs, lost) {
		r.mu.Lock()
		r.indexLost = time.Now()
		r.mu.Unlock()
	}
}

// indexWasLost says whether a reading that began then may have failed for want of an
// index.
func (r *readers) indexWasLost(began time.Time) bool {
	r.lookForLostIndexes(context.Background())
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.indexLost.After(began.Add(-time.Second))
}

// git runs a command of Git's on the repository, under lock if there is one.
func (r *readers) git(lock *sync.RWMutex, args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		if lock != nil {
			lock.RLock()
			defer lock.RUnlock()
		}
		_, err := command(ctx, "", "git", append([]string{"--git-dir", r.repository}, args...)...)
		return err
	}
}

// clone clones the repository. By a path alone Git links the files that it finds, and
// fails where a .keep goes at that moment.
func (r *readers) clone(way ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		r.strict.RLock()
		defer r.strict.RUnlock()
		to, err := os.MkdirTemp(r.dir, "clone")
		if err != nil {
			return err
		}
		args := slices.Concat([]string{"clone", "-q", "--bare"}, way, []string{r.repository, to})
		if _, err = command(ctx, "", "git", args...); err != nil && len(way) == 0 && keepWent.MatchString(err.Error()) {
			r.count("git clone by path met a .keep that went")
			err = nil
		}
		return errors.Join(err, os.RemoveAll(to))
	}
}

var keepWent = regexp.MustCompile(`fatal: failed to copy file to '[^']*\.keep': No such file or directory`)

// upkeep has Git look whether there is something to do, now and then: seldom enough for
// packs to grow old meanwhile.
func (r *readers) upkeep(ctx context.Context) error {
	rest(ctx, r.gcEvery)
	r.strict.Lock()
	_, err := command(ctx, "", "git", "--git-dir", r.repository, "-c", "gc.autoDetach=false", "gc", "--auto", "-q")
	r.strict.Unlock()
	return err
}

// goGit reads the branch by go-git, from a repository that is opened again after so many
// readings, and as docs/operate.md tells programs to: when it knows too little.
func (r *readers) goGit(readings int) func(context.Context) error {
	const attempts = 20 // which Git's gc may take, as it removes packs one by one
	var open *gogit.Repository
	n := 0
	return func(ctx context.Context) error {
		var err error
		for i := range attempts {
			if open == nil {
				if open, err = gogit.PlainOpen(r.repository); err != nil {
					return err
				}
			}
			err = readBranch(open)
			if n++; n%readings == 0 {
				open = nil
			}
			if !errors.Is(err, plumbing.ErrObjectNotFound) && !errors.Is(err, dotgit.ErrPackfileNotFound) {
				return err
			}
			r.count("go-git had to open the repository anew: " + errors.Unwrap(err).Error())
			open = nil
			rest(ctx, time.Duration(i)*50*time.Millisecond)
		}
		return err
	}
}

// readBranch reads the last commits of the branch, with their trees, and some files.
func readBranch(g *gogit.Repository) error {
	head, err := g.Reference("refs/heads/main", true)
	if err != nil {
		return err
	}
	tip, err := g.CommitObject(head.Hash())
	if err != nil {
		return fmt.Errorf("tip %s: %w", head.Hash(), err)
	}
	c := tip
	for range 20 {
		if _, err := c.Tree(); err != nil {
			return fmt.Errorf("tree of commit %s: %w", c.Hash, err)
		}
		if c.NumParents() == 0 {
			break
		}
		child := c.Hash
		if c, err = c.Parent(0); err != nil {
			return fmt.Errorf("parent of commit %s: %w", child, err)
		}
	}
	files, err := tip.Files()
	if err != nil {
		return fmt.Errorf("files of commit %s: %w", tip.Hash, err)
	}
	defer files.Close()
	for range 100 {
		f, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("files of commit %s: %w", tip.Hash, err)
		}
		if _, err := f.Contents(); err != nil {
			return fmt.Errorf("file %s of commit %s: %w", f.Name, tip.Hash, err)
		}
	}
	return nil
}

// byLibgit2 reads the branch as readBranch does, for some seconds.
const byLibgit2 = `
import sys, time, pygit2
path, mode, until = sys.argv[1], sys.argv[2], time.time() + 5
repository = pygit2.Repository(path)
while time.time() < until:
    if mode != "kept open":
        repository = pygit2.Repository(path)
    tip = repository.references["refs/heads/main"].target
    for n, commit in enumerate(repository.walk(tip, pygit2.GIT_SORT_NONE)):
        commit.tree
        if n == 20:
            break
    def read(tree, left):
        for e in tree:
            if left == 0:
                break
            found = repository[e.id]
            if isinstance(found, pygit2.Tree):
                left = read(found, left)
            else:
                found.data
                left -= 1
        return left
    read(repository[tip].tree, 100)
`

// hasLibgit2 finds a Python that has libgit2.
func hasLibgit2(ctx context.Context) (python string, ok bool) {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(ctx, python, "-c", "import pygit2").Run() == nil {
			return python, true
		}
	}
	return "", false
}

// libgit2 reads by it, from one repository or from one that is opened each time.
func (r *readers) libgit2(python, mode string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := command(ctx, "", python, "-c", byLibgit2, r.repository, mode)
		return err
	}
}
