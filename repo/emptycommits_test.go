package repo

import (
	"os/exec"
	"strings"
	"testing"
)

// TestPagesOfEmptyCommits: a page of changes costs no more where commits change nothing.
func TestPagesOfEmptyCommits(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	first := put(t, r, "consultations", "parc", "Le parc").Commit
	const empty = maxPageCommits + 100
	const line = "commit refs/heads/main\ncommitter D <d@example.org> 1700000000 +0000\ndata 4\nRien\n"
	cmd := exec.CommandContext(t.Context(), "git", "fast-import", "--quiet")
	cmd.Dir = r.path
	cmd.Stdin = strings.NewReader(line + "from refs/heads/main^0\n" + strings.Repeat(line, empty-1))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	last := put(t, r, "consultations", "parc", "Le parc 2").Commit

	var pages []int
	for since := first; since != last; {
		list, err := r.NextChanges(t.Context(), since, Hash{}, 10)
		if err != nil || len(list) == 0 {
			t.Fatalf("got %d commits, %v", len(list), err)
		}
		pages, since = append(pages, len(list)), list[len(list)-1].Commit
	}
	var back []int
	for until := last; !until.IsZero(); {
		list, next, err := r.ChangesBack(t.Context(), first, until, 10)
		if err != nil || len(list) == 0 {
			t.Fatalf("backwards: got %d commits, %v", len(list), err)
		}
		back, until = append(back, len(list)), next
	}
	for name, got := range map[string][]int{"forwards": pages, "backwards": back} {
		if len(got) != 2 || got[0] != maxPageCommits || got[1] != empty+1-maxPageCommits {
			t.Errorf("%s: pages of %d commits, want %d and the rest", name, got, maxPageCommits)
		}
	}
	if all, err := r.Changes(t.Context(), first, Hash{}, 10); err != nil || len(all) != empty+1 {
		t.Errorf("all changes: got %d commits, %v", len(all), err)
	}
}
