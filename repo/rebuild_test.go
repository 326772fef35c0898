package repo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cms/race"
)

// A gate is a disk on which files of some name are neither made nor added to before it is open.
type gate struct {
	disk
	suffix  string
	reached chan struct{} // has one when somebody waits
	open    chan struct{} // closed when it is
}

func newGate(suffix string) *gate {
	return &gate{osDisk{}, suffix, make(chan struct{}, 1), make(chan struct{})}
}

func (g *gate) Create(name string, mode os.FileMode) (diskFile, error) {
	g.pass(name)
	return g.disk.Create(name, mode)
}

func (g *gate) Append(name string) (diskFile, error) {
	g.pass(name)
	return g.disk.Append(name)
}

func (g *gate) pass(name string) {
	if strings.HasSuffix(name, g.suffix) {
		select {
		case g.reached <- struct{}{}:
		default:
		}
		<-g.open
	}
}

// rebuilding is a repository whose index is large, with some entries in it, and what its
// options are. Its index is to be rebuilt, at g.
func rebuilding(t *testing.T, g *gate) (*Repo, Options, func()) {
	t.Helper()
	o := options(many(t, warmThreshold))
	warmed(t, o)
	o.Memory = 1 << 10
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.disk, r.rebuildBeyond, r.sections = g, 0, maxSections+1
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-r.stopped; r.Close() })
	return r, o, func() {
		t.Helper()
		cancel()
		if err := errors.Join(<-done, r.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// whole wants the index to have all that the branch has, in so many sections; 0 is any.
func whole(t *testing.T, o Options, sections int) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(o.Path, indexFile+tmpSuffix)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file is left: %v", err)
	}
	h, _, n, err := decodeIndexFile(&mapping{readIndexFile(t, o.Path)})
	if err != nil || sections > 0 && n != sections || h.journal == nil {
		t.Fatalf("the index has %d sections, want %d: %v", n, sections, err)
	}
	r := start(t, o)
	if h.tip != r.View().Commit() {
		t.Errorf("the index is at %s, want %s", h.tip, r.View().Commit())
	}
	for _, e := range r.View().Entries("consultations") {
		if e.Fields().Len() == 0 {
			t.Errorf("%s has no fields", e.Slug)
		}
	}
	if read, parsed := r.budget.read.Load(), r.budget.parsed.Load(); read+parsed > 0 {
		t.Errorf("%d blobs were read and %d parsed, want none", read, parsed)
	}
}

// comes waits until a condition does.
func comes(t *testing.T, what string, ok func() bool) {
	t.Helper()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-poll.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come within a minute", what)
		}
	}
}

// TestRebuild: a large index is made anew while edits go on, and has those too.
func TestRebuild(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	g := newGate(indexFile + tmpSuffix)
	r, o, stop := rebuilding(t, g)
	<-g.reached
	put(t, r, "consultations", "pendant", "Pendant")
	update(t, r, func(tx *Tx) error {
		return tx.Move("consultations", slug(t, "f01/e00001"), "consultations", slug(t, "ailleurs"))
	})
	close(g.open)
	comes(t, "the rebuild", func() bool {
		h, _, n, err := decodeIndexFile(&mapping{readIndexFile(t, o.Path)})
		return err == nil && n == 2 && h.tip == r.View().Commit()
	})
	put(t, r, "consultations", "ensuite", "Ensuite")
	stop()
	whole(t, o, 3)
}

// TestRebuildEnds: a stop does not wait for a rebuild, of which nothing is left.
func TestRebuildEnds(t *testing.T) {
	t.Parallel()
	g := newGate(indexFile + tmpSuffix)
	r, o, stop := rebuilding(t, g)
	<-g.reached
	before := len(readIndexFile(t, o.Path))
	put(t, r, "consultations", "pendant", "Pendant")
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	comes(t, "the end of the queue", func() bool {
		_, err := r.Update(t.Context(), Meta{}, func(*Tx) error { return nil })
		return errors.Is(err, ErrClosed)
	})
	close(g.open)
	<-stopped
	if after := len(readIndexFile(t, o.Path)); after <= before || after > before+1<<16 {
		t.Errorf("the index has %d bytes, want what was edited beside the %d before", after, before)
	}
	whole(t, o, 0)
}

// TestRebuildRewritten: what is rebuilt while commits are taken back is not used.
func TestRebuildRewritten(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	g := newGate(indexFile + tmpSuffix)
	r, o, stop := rebuilding(t, g)
	<-g.reached
	first := strings.TrimSpace(git(t, o.Path, "commit-tree", "-m", "Autre", "trunk^{tree}"))
	setBranch(t, o.Path, "trunk", first)
	put(t, r, "consultations", "pendant", "Pendant")
	close(g.open)
	comes(t, "another rebuild", func() bool {
		h, _, _, err := decodeIndexFile(&mapping{readIndexFile(t, o.Path)})
		return err == nil && h.tip == r.View().Commit()
	})
	stop()
	whole(t, o, 2)
}

// TestSaveBeside: edits go on while the index is saved, also for the first time, and it lacks
// what came meanwhile, and no more. What is called off, or has commits that are taken back
// meanwhile, is saved the next time.
func TestSaveBeside(t *testing.T) {
	t.Parallel()
	save := func(r *Repo, ctx context.Context, meanwhile func(g *gate)) {
		t.Helper()
		suffix := indexFile
		if r.history.journal == nil {
			suffix += tmpSuffix
		}
		g := newGate(suffix)
		r.disk = g
		r.startSave(ctx, nil)
		meanwhile(g)
		close(g.open)
		if err := r.finishRebuild(<-r.rebuild.done); err != nil || r.rebuild != nil {
			t.Fatalf("save: %v", err)
		}
	}
	for name, test := range map[string]struct {
		meanwhile        func(t *testing.T, dir string, r *Repo, s *script, g *gate)
		called, sections int // off before it begins; how many the index has in the end
	}{
		"edit": {func(t *testing.T, _ string, r *Repo, s *script, g *gate) {
			<-g.reached
			s.commit(t, "trois", "c")
			if s.acked["c"] == "" || r.View().Commit() == r.rebuild.tip {
				t.Error("the edit was not made meanwhile")
			}
		}, 0, 4},
		"nothing":    {func(*testing.T, string, *Repo, *script, *gate) {}, 0, 3},
		"called off": {func(t *testing.T, _ string, _ *Repo, s *script, _ *gate) { s.commit(t, "trois", "c") }, 1, 3},
		"rewritten": {func(t *testing.T, dir string, r *Repo, s *script, g *gate) {
			<-g.reached
			setMain(t, dir, NewHash(strings.TrimSpace(git(t, dir, "commit-tree", "-m", "Autre", "main^{tree}"))))
			if _, err := r.catchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.commit(t, "trois", "c")
		}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, s := opened(t, dir)
			s.commit(t, "zéro", "z")
			save(r, t.Context(), func(g *gate) {
				<-g.reached
				s.commit(t, "un", "a")
			})
			if r.indexed != r.history.size() || r.sections != 2 {
				t.Errorf("the first index has %d commits in %d sections, want %d in 2", r.indexed, r.sections, r.history.size())
			}
			s.commit(t, "deux", "b")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.called > 0 {
				cancel()
			}
			save(r, ctx, func(g *gate) { test.meanwhile(t, dir, r, s, g) })
			r.flushIndex(1, maxSections)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			o := options(dir)
			h, at, n, err := decodeIndexFile(&mapping{readIndexFile(t, dir)})
			if err != nil || n != test.sections || h.journal == nil || h.tip != r.View().Commit() {
				t.Fatalf("the index has %d sections, want %d: %v", n, test.sections, err)
			}
			for b := range r.View().blobs() {
				if at.find(b.key()) == nil {
					t.Errorf("the index lacks the parse result of blob %s", b.hash)
				}
			}
			verify(t, start(t, o))
		})
	}
}

// TestCalledOffKeepsParseResults: what was read and is nowhere else is saved by a stop that calls
// off the first index.
func TestCalledOffKeepsParseResults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, s := opened(t, dir)
	s.commit(t, "un", "a")
	found := r.unindexed
	b := found[0].blob
	encoded, ok := b.encode()
	if r.unindexed = nil; len(found) != 1 || !ok {
		t.Fatalf("there are %d parse results", len(found))
	}
	b.parsed.Store(nil) // as where memory has no room for it
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.startSave(ctx, []record{{b, encoded}})
	if err := r.finishRebuild(<-r.rebuild.done); err != nil {
		t.Fatal(err)
	}
	r.flushIndex(1, maxSections)
	if _, at, _, err := decodeIndexFile(&mapping{readIndexFile(t, dir)}); err != nil || at.find(b.key()) == nil {
		t.Errorf("the index lacks the parse result: %v", err)
	}
}
