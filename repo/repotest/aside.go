package repotest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Aside is a version of an entry to set aside.
type Aside struct {
	ID         string
	Collection string
	Slug       string
	Path       string
	Base       string // the text that both sides began with, "" for none
	Text       string // "" for a deletion
}

// SetAside makes a conflict in a bare repository as the join with a Git host leaves one.
func SetAside(t testing.TB, dir string, a Aside) {
	t.Helper()
	git := func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "git", append([]string{"--git-dir", dir, "-c", "user.name=CMS", "-c", "user.email=cms@example.org"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
		cmd.Stdin = strings.NewReader(stdin)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, said.Bytes())
		}
		return strings.TrimSpace(string(out))
	}
	none := strings.Repeat("0", 40)
	blob := func(text string) string {
		if text == "" {
			return none
		}
		return git(text, "hash-object", "-w", "--stdin")
	}
	head := git("", "rev-parse", "main")
	message := fmt.Sprintf("Set %s/%s aside\n\nConflict-Entry: %s/%s\nConflict-Path: %s\nConflict-Base: %s\nConflict-Ours: %s\nConflict-Theirs: %s\nConflict-Commit: %s\n",
		a.Collection, a.Slug, a.Collection, a.Slug, a.Path, blob(a.Base), blob(a.Text), none, head)
	git("", "update-ref", "refs/heads/cms/conflicts/"+a.ID, git(message, "commit-tree", "-p", head, head+"^{tree}"))
}
