package repo

import (
	"os/exec"
	"strings"
	"testing"
)

// TestParentsAsGitReadsThem: a commit has the parents that follow its tree. Git reads no others,
// and does not ask whether they are there, so that they can be pushed.
func TestParentsAsGitReadsThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	git(t, dir, "init", "-q", "--bare")
	object := func(kind, raw string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", "hash-object", "-t", kind, "-w", "--stdin", "--literally")
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(raw)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	const by = "A <a@x> 1700000000 +0000\n"
	tree, nowhere := object("tree", ""), strings.Repeat("1", 40)
	first := object("commit", "tree "+tree+"\nauthor "+by+"committer "+by+"\nx\n")
	for name, head := range map[string]string{
		"behind another line":               "parent " + first + "\nx-note y\nparent " + nowhere + "\nauthor " + by,
		"behind an author without anything": "parent " + first + "\nauthor\nparent " + nowhere + "\n",
	} {
		raw := "tree " + tree + "\n" + head + "committer " + by + "\nx\n"
		made := object("commit", raw)
		if got := strings.TrimSpace(git(t, dir, "rev-list", "--parents", "-1", made)); got != made+" "+first {
			t.Fatalf("%s: git reads %q", name, got)
		}
		c, err := parseCommit([]byte(raw))
		if err != nil || len(c.parents) != 1 || c.parents[0].String() != first {
			t.Errorf("%s: got %+v, %v; want the parent %s alone", name, c, err, first)
		}
	}
}
