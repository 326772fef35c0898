package repo

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"cms/race"
)

// TestReferences: loose ones count before packed ones, those that stand for others are told
// apart, and what is no reference is none.
func TestReferences(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two := strings.Repeat("1", 40), strings.Repeat("2", 40)
	for name, text := range map[string]string{
		"packed-refs": "# pack-refs with: peeled fully-peeled sorted \n" +
			one + " refs/heads/both\n" + one + " refs/heads/damaged\n" + one + " refs/heads/empty\n" +
			one + " refs/headstrong\n" + one + " refs/notes/n\n" + one + " refs/tags/v1\n^" + two + "\n" + one + "\trefs/tags/v2\r\n",
		"refs/heads/both":      two + "\n",
		"refs/heads/damaged":   "x\n",
		"refs/heads/live":      "ref: refs/heads/both\n",
		"refs/heads/a/b":       one + "\n",
		"refs/heads/a/b.lock":  two + "\n",
		"refs/heads/nothing":   strings.Repeat("0", 40) + "\n",
		"refs/heads/empty/x~":  two + "\n",
		"refs/tags/loose":      two + "\n",
		"refs/remotes/o/other": two + "\n",
	} {
		write(t, dir, name, text)
	}
	if err := os.Remove(filepath.Join(dir, "refs/heads/empty/x~")); err != nil {
		t.Fatal(err)
	}
	refs, err := references(dir, "refs/heads", "refs/tags", "refs/cms/backup")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, ref := range refs {
		at := ref.at.String()[:1]
		if ref.err != nil {
			at = "?"
		}
		fmt.Fprintf(&got, "%s %s\n", at, ref.name)
	}
	want := "1 refs/heads/a/b\n2 refs/heads/both\n? refs/heads/damaged\n1 refs/heads/empty\n? refs/heads/live\n2 refs/tags/loose\n1 refs/tags/v1\n1 refs/tags/v2\n"
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

// TestPackedReferencesCost: what looks at references takes as many bytes for each of them
// where Git has packed many.
func TestPackedReferencesCost(t *testing.T) {
	race.Sequential(t)
	dir := t.TempDir()
	r, s := opened(t, dir)
	s.commit(t, "1", "parc")
	first := r.View().Commit()
	s.commit(t, "2", "parc")
	tip := r.View().Commit()
	const few = 150
	pack := func(t *testing.T, n int) {
		var b strings.Builder
		for _, below := range []string{backups, conflicts, replacedTips, "refs/tags/"} {
			for i := range n {
				fmt.Fprintf(&b, "%s %s%06d\n", first, below, i)
			}
		}
		write(t, dir, "packed-refs", b.String())
	}
	for name, look := range map[string]func() error{
		"a backup is made":        func() error { _, err := r.makeBackup(tip); return err },
		"a backup is looked for":  func() error { _, err := r.Backup(t.Context(), NewHash(strings.Repeat("7", 40))); return err },
		"references are offered":  func() error { _, err := r.References(); return err },
		"conflicts are listed":    func() error { _, err := r.Conflicts(t.Context()); return err },
		"conflicts are looked at": func() error { r.lookAside(t.Context()); return nil },
		"tips are kept":           func() error { _, err := r.tipsBelow(replacedTips); return err },
	} {
		var cost [2]uint64
		for i, n := range []int{few, 4 * few} {
			pack(t, n)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := look()
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			cost[i] = after.TotalAlloc - before.TotalAlloc
		}
		if few, many := cost[0], cost[1]; many > 6*few+64<<10 {
			t.Errorf("%s: %d bytes beside four times as many references, %d before", name, many, few)
		}
	}
	verify(t, r)
}
