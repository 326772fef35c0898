package repo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cms/race"
	"cms/repo/repotest"
)

// extend takes in what leads to tip.
func (h *history) extend(ctx context.Context, s *store, tip Hash) (touched []string, rewritten bool, err error) {
	e, err := h.extension(ctx, s, tip, nil)
	if err != nil {
		return nil, false, err
	}
	return h.apply(e), len(e.lost) > 0, nil
}

// opened is a repository without a running writer: the test is the writer.
func opened(t *testing.T, dir string) (*Repo, *script) {
	t.Helper()
	r, err := Open(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, newScript(r)
}

func taken(t *testing.T, r *Repo) *Snapshot {
	t.Helper()
	s, err := r.catchUp(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func setMain(t *testing.T, dir string, to Hash) {
	t.Helper()
	setBranch(t, dir, "main", to.String())
}

// setBranch puts a branch at a commit that is there, as "git update-ref" does.
func setBranch(t *testing.T, dir, branch, to string) {
	t.Helper()
	if err := repotest.SetBranch(dir, branch, to); err != nil {
		t.Fatal(err)
	}
}

// TestUnreadablePush: whichever object of a push cannot be read, nothing of it is
// told: not now, not when the push is withdrawn, not after a start with the index
// that was saved meanwhile. Once it can be read, all of it is.
func TestUnreadablePush(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	dir := t.TempDir()
	r, s := opened(t, dir)
	git(t, dir, "config", "receive.unpackLimit", "1000")
	s.commit(t, "1", "parc", "bus")
	first := r.View().Commit()
	work := clone(t, dir)
	write(t, work, "_consultations/2026/neu.md", "---\ntitle: neu\n---\n")
	write(t, work, "_consultations/parc.md", "---\ntitle: dehors\n---\n")
	commitAll(t, work, "Dehors")
	git(t, work, "commit", "-q", "--allow-empty", "-m", "Rien")
	push(t, work)
	pushed := NewHash(tipOf(t, work, "HEAD"))
	objects, err := filepath.Glob(filepath.Join(dir, "objects/[0-9a-f][0-9a-f]/*"))
	if err != nil || len(objects) < 6 {
		t.Fatalf("loose objects: %v, %v", objects, err)
	}
	told := func(r *Repo) string {
		list, err := r.Changes(t.Context(), Hash{}, Hash{}, 0)
		if err != nil {
			t.Error(err)
		}
		return fmt.Sprint(list, slices.Sorted(maps.Keys(r.history.touches)), r.history.tip, r.Stats().Indexed)
	}
	want := told(r)
	for _, object := range objects {
		setMain(t, dir, pushed)
		if err := os.Rename(object, object+".away"); err != nil {
			t.Fatal(err)
		}
		_ = r.store.Close() // what it has kept in memory
		if _, err := r.catchUp(t.Context()); !errors.Is(err, ErrStorage) {
			t.Fatalf("without %s: got error %v, want ErrStorage", object, err)
		}
		if got := told(r); got != want || r.View().Commit() != first {
			t.Errorf("without %s: told %s, want %s", object, got, want)
		}
		if err := r.saveIndex(true); err != nil {
			t.Fatal(err)
		}
		setMain(t, dir, first)
		if taken(t, r).Commit() != first {
			t.Error("withdrawn, but not back")
		}
		reader := options(dir)
		reader.ReadOnly = true
		again, err := Open(t.Context(), reader)
		if err != nil {
			t.Fatal(err)
		}
		if got := told(again); got != want {
			t.Errorf("after a start, without %s: told %s, want %s", object, got, want)
		}
		again.Close()
		if err := os.Rename(object+".away", object); err != nil {
			t.Fatal(err)
		}
	}
	setMain(t, dir, pushed)
	if taken(t, r).Commit() != pushed {
		t.Error("what can be read was not taken in")
	}
	verify(t, r)
}

// TestIndexUnreachable: an index that tells of commits which its tip does not follow upon
// is put right.
func TestIndexUnreachable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, s := opened(t, dir)
	s.commit(t, "1", "parc")
	first := r.View().Commit()
	s.commit(t, "2", "parc", "bus")
	tip := r.history.tip
	r.history.tip = first // as one that was ahead of its branch was saved
	if err := r.saveIndex(true); err != nil {
		t.Fatal(err)
	}
	r.history.tip = tip
	r.Close()
	setMain(t, dir, first)
	r, s = opened(t, dir)
	if n := r.Stats().Indexed; n != 1 {
		t.Errorf("%d commits are told of, want 1", n)
	}
	s.commit(t, "3", "tram")
	verify(t, r)
}

// TestTakenBack: when commits are taken back, only they are dropped, and only what
// took their place is read; the history before stays as it is.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	dir := t.TempDir()
	r, s := opened(t, dir)
	for i := range 40 {
		s.commit(t, fmt.Sprint(i), "parc", fmt.Sprint("e", i), "bus")
	}
	tip := r.View().Commit()
	for _, c := range []struct {
		name       string
		move       func() Hash
		lost, news int
	}{
		{"one", func() Hash { return NewHash(strings.TrimSpace(git(t, dir, "rev-parse", "main~1"))) }, 1, 0},
		{"another in its place", func() Hash {
			return NewHash(strings.TrimSpace(git(t, dir, "commit-tree", "-p", "main~1", "-m", "Autre", "main^{tree}")))
		}, 1, 1},
		{"forward again", func() Hash { return tip }, 1, 2},
		{"fifty", func() Hash { return NewHash(strings.TrimSpace(git(t, dir, "rev-parse", "main~50"))) }, 50, 0},
		{"all", func() Hash { return NewHash(orphanOf(t, dir, "main")) }, 70, 1},
	} {
		setMain(t, dir, c.move())
		e, err := r.history.extension(t.Context(), r.store, NewHash(tipOf(t, dir, "main")), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(e.lost) != c.lost || len(e.added) != c.news {
			t.Errorf("%s: %d commits dropped and %d read, want %d and %d", c.name, len(e.lost), len(e.added), c.lost, c.news)
		}
		taken(t, r)
		if err := r.saveIndex(false); err != nil {
			t.Fatal(err)
		}
		verify(t, r)
	}
	s.commit(t, "après", "après")
	verify(t, r)
}

func orphanOf(t *testing.T, dir, name string) string {
	t.Helper()
	return strings.TrimSpace(git(t, dir, "commit-tree", "-m", "Seul", name+"^{tree}"))
}

// TestBranchGoesAnywhere moves the branch about among the commits of a history with
// merges, and compares each time what is known with what a fresh start reads; with
// the journal, and without it.
func TestBranchGoesAnywhere(t *testing.T) {
	t.Parallel()
	long(t)
	for seed := range uint64(scaled(2, 1, 1)) {
		dir := t.TempDir()
		r, s := opened(t, dir)
		s.commit(t, "0", "a", "b")
		random := rand.New(rand.NewPCG(seed, 3))
		commits := []string{r.View().Commit().String()}
		for i := range 12 {
			parent := commits[random.IntN(len(commits))]
			setMain(t, dir, NewHash(parent))
			taken(t, r)
			s.commit(t, fmt.Sprint(i), string(rune('a'+random.IntN(4))))
			tip := r.View().Commit().String()
			if random.IntN(2) == 0 {
				args := []string{"commit-tree", "-p", tip, "-m", "Fusion", tip + "^{tree}"}
				if other := commits[random.IntN(len(commits))]; other != tip {
					args = append(args[:3:3], append([]string{"-p", other}, args[3:]...)...)
				}
				tip = strings.TrimSpace(git(t, dir, args...))
				setMain(t, dir, NewHash(tip))
				taken(t, r)
			}
			commits = append(commits, tip)
			if random.IntN(3) == 0 {
				if err := r.saveIndex(random.IntN(2) == 0); err != nil {
					t.Fatal(err)
				}
			}
			compare(t, r)
		}
		verify(t, r)
	}
}
