// Package repotest has what tests of several packages ask of repositories.
package repotest

import (
	"os"
	"path/filepath"
	"strings"
)

// Tip is the commit that a branch is at, or HEAD, in the bare repository or the working
// tree in dir, "" where that is not told by a file of its own, so that only git knows. To
// ask that each time takes longer than much of what is tested.
func Tip(dir, branch string) string {
	if _, err := os.Stat(filepath.Join(dir, ".git", "HEAD")); err == nil {
		dir = filepath.Join(dir, ".git")
	}
	name := filepath.Join("refs/heads", branch)
	if branch == "HEAD" {
		raw, err := os.ReadFile(filepath.Join(dir, "HEAD"))
		ref, is := strings.CutPrefix(string(raw), "ref: ")
		if err != nil || !is {
			return ""
		}
		name = strings.TrimSpace(ref)
	}
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil || len(raw) != 41 {
		return ""
	}
	return strings.TrimSpace(string(raw))
}
