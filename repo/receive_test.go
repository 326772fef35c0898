package repo

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
)

// TestSamePushAgain: a push that could not move its branch comes again, with the very same
// pack, and again. Each is placed, as maintenance may have made up its mind to drop the one
// before, and called by its checksum: go-git, which fetches, reads no others.
func TestSamePushAgain(t *testing.T) {
	t.Parallel()
	atLength(t)
	bare, work := host(t)
	h := serveHost(t, bare)
	r := synchronous(t, &Remote{URL: h.URL, Token: "jeton-secret"})
	mine := clone(t, r.path)
	tip := r.View().Commit()
	for i := range 40 { // so that the last of the pack is a delta sometimes
		write(t, mine, fmt.Sprintf("_consultations/tram-%02d.md", i), "---\ntitle: Tram\n---\n"+strings.Repeat("Une ligne.\n", 50+i))
	}
	commitAll(t, mine, "Tram")
	pack := func(options ...string) {
		t.Helper()
		q, err := r.Quarantine()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("git", slices.Concat([]string{"-C", mine, "pack-objects", "-q", "--threads=1", "--revs"}, options, []string{filepath.Join(q.Objects(), "pack", "pack")})...)
		cmd.Stdin = strings.NewReader("HEAD\n^" + tip.String() + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := q.place(); err != nil {
			t.Fatal(err)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	before := packsOf(t, r)
	for range 3 {
		pack("--no-reuse-delta", "--delta-base-offset")
		pack("--no-reuse-delta") // deltas name their bases
		pack("--window=0")
	}
	if now := packsOf(t, r); len(now) != len(before)+9 {
		t.Errorf("there are %d packs, %d before: nine were pushed", len(now), len(before))
	}
	for _, name := range packsOf(t, r) {
		if out := git(t, r.path, "verify-pack", name+".idx"); out != "" {
			t.Errorf("git verify-pack of %s says %s", filepath.Base(name), out)
		}
		raw, err := os.ReadFile(name + ".pack")
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("pack-%x", raw[len(raw)-20:]); filepath.Base(name) != want {
			t.Errorf("a pack is called %s, and its checksum is %s", filepath.Base(name), want)
		}
	}
	other, err := gogit.PlainOpen(r.path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.CommitObject(plumbing.NewHash(tipOf(t, mine, "HEAD"))); err != nil {
		t.Errorf("go-git, of what was pushed: %v", err)
	}
	if _, err := other.CommitObject(plumbing.NewHash(strings.Repeat("7", 40))); err != plumbing.ErrObjectNotFound {
		t.Errorf("go-git, of what there is not: %v", err)
	}

	// Fetching goes on.
	git(t, mine, "push", "-q", bare, "HEAD:main")
	git(t, work, "pull", "-q", "origin", "main")
	git(t, work, "commit", "-q", "--allow-empty", "-m", "Ailleurs")
	git(t, work, "push", "-q", "origin", "HEAD:main")
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := r.View().Commit().String(), onHost(t, bare); got != want {
		t.Errorf("the branch is at %s, the host at %s", got, want)
	}
	if out := git(t, r.path, "fsck", "--strict", "--no-dangling"); out != "" {
		t.Errorf("git fsck says %s", out)
	}
}

// packsOf are the packs of a repository, without extension.
func packsOf(t *testing.T, r *Repo) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(r.packFolder(), "*.pack"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range found {
		found[i] = strings.TrimSuffix(name, ".pack")
	}
	return found
}

// TestManyLargeCommitsOfAPush: a push of commits that each change much, which takes few objects,
// is looked at as far as it could be taken in.
func TestManyLargeCommitsOfAPush(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		commits int
		refused bool
	}{
		"some": {10, false},
		"many": {60, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, s := opened(t, dir)
			s.commit(t, "1", "parc")
			from := r.View().Commit()
			const files, most = 500, 2000
			blob := object(t, dir, "blob", document("x").Source())
			var folder strings.Builder
			for i := range files {
				folder.WriteString(item("100644", fmt.Sprintf("%03d.md", i), blob))
			}
			full := object(t, dir, "tree", []byte(folder.String()))
			to := from
			for i := range c.commits {
				tree := object(t, dir, "tree", []byte(item("40000", fmt.Sprint("f", i%2), full)))
				to = NewHash(object(t, dir, "commit", fmt.Appendf(nil,
					"tree %s\nparent %s\nauthor D <d@x> 1700000000 +0000\ncommitter D <d@x> 1700000000 +0000\n\n%d\n", tree, to, i)))
			}
			r.history.maxSteps = most
			q, err := r.Quarantine()
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			p, err := q.Compare(t.Context(), from, to)
			if err != nil {
				t.Fatal(err)
			}
			looked := 0
			for _, commit := range p.Commits {
				var found []PushedFile
				if found, err = p.Of(commit); err != nil {
					break
				}
				looked += len(found)
			}
			if refused := errors.Is(err, ErrPushTooLarge); refused != c.refused || !refused && err != nil {
				t.Errorf("got %v after %d files, want that it is refused to be %t", err, looked, c.refused)
			}
			if bound := most*manyDiffs + c.commits*stepsPerCommit; looked > bound {
				t.Errorf("looked at %d files, want %d at most", looked, bound)
			}
			if !c.refused {
				setMain(t, dir, to)
			}
			if _, err := r.catchUp(t.Context()); err != nil {
				t.Errorf("what is not refused cannot be taken in: %v", err)
			}
		})
	}
}
