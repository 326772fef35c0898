package repo

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// TestMergeThatDropsEntries: what a merge leaves out of one side, and no commit of the other
// has deleted, is deleted by the merge: it is told so, and can be restored.
func TestMergeThatDropsEntries(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	const c = "consultations"
	for _, name := range []string{"parc", "gare", "bus", "port"} {
		put(t, r, c, name, "Base "+name)
	}
	work := clone(t, r.path)
	git(t, work, "config", "user.name", "Denis")
	git(t, work, "config", "user.email", "denis@ville.example")
	git(t, work, "rm", "-q", "_consultations/gare.md")
	git(t, work, "mv", "_consultations/bus.md", "_consultations/tram.md")
	commitAll(t, work, "Dehors")

	put(t, r, c, "neu", "1")
	update(t, r, func(tx *Tx) error { return tx.Delete(c, slug(t, "neu")) })
	put(t, r, c, "neu", "2")
	put(t, r, c, "gare", "Encore")
	put(t, r, c, "bus", "Base bus") // no change
	update(t, r, func(tx *Tx) error { return tx.Delete(c, slug(t, "port")) })
	e, _ := r.View().Entry(c, slug(t, "neu"))

	git(t, work, "fetch", "-q")
	git(t, work, "merge", "-q", "-s", "ours", "-m", "Les nôtres", "origin/main")
	git(t, work, "push", "-q")
	tip := tipOf(t, work, "HEAD")
	s := await(t, r, func(s *Snapshot) bool { return s.Commit().String() == tip })

	var got []string
	deletions, err := r.Deletions(s, c, DeletedAt{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range deletions {
		got = append(got, fmt.Sprintf("%s by %q", d.Slug, d.Message))
		if d.Slug.String() == "neu" && d.Previous != e.Revision {
			t.Errorf("neu was %s before, want %s", d.Previous, e.Revision)
		}
	}
	if want := `neu by "Les nôtres", gare by "Dehors"`; strings.Join(got, ", ") != want {
		t.Errorf("deleted are %s, want %s", strings.Join(got, ", "), want)
	}
	if list := r.Recent(e.Path, 1); len(list) != 1 || list[0].Action != Deleted || list[0].Commit.String() != tip {
		t.Errorf("the last change of neu is %+v, want its deletion by the merge", list)
	}
}

// TestManyMergesThatDropEntries: what merges have deleted is told in a time that grows with
// the history, also where others have deleted the same file often, beside them.
func TestManyMergesThatDropEntries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	git(t, dir, "init", "-q", "--bare", "-b", "main")
	const file, merges = "_consultations/x.md", 400
	const create, remove = "M 100644 inline " + file + "\ndata 2\nx\n\n", "D " + file + "\n"
	var b strings.Builder
	commits := 0
	commit := func(branch, change string, parents ...int) int {
		commits++
		fmt.Fprintf(&b, "commit refs/heads/%s\nmark :%d\ncommitter D <d@example.org> %d +0000\ndata 1\nx\n", branch, commits, 1700000000+commits)
		for i, p := range parents {
			fmt.Fprintf(&b, "%s :%d\n", [...]string{"from", "merge"}[i], p)
		}
		b.WriteString(change + "\n")
		return commits
	}
	first := commit("main", "M 100644 inline a.md\ndata 2\nx\n\n")
	one, other := first, first
	for range merges / 2 {
		one = commit("main", remove, commit("main", create, one))
	}
	for range merges {
		other = commit("other", remove, other, commit("side", create, other))
	}
	commit("main", "", one, other)
	cmd := exec.CommandContext(t.Context(), "git", "fast-import", "--quiet", "--force")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(b.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r := start(t, options(dir))
	deletions, creations := 0, 0
	for _, c := range r.Recent(filePath(t, file), 10*merges) {
		switch c.Action {
		case Deleted:
			deletions++
		case Created:
			creations++
		}
	}
	if want := merges + merges/2; deletions != want || creations != want {
		t.Errorf("got %d deletions and %d creations, want %d of each", deletions, creations, want)
	}
}
