package repo

import (
	"fmt"
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
