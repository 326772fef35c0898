// Package repotest has what tests of several packages ask of repositories.
package repotest

import (
	"os"
	"path/filepath"
	"strings"
)

// Tip is the commit that a branch of the bare repository in dir is at, "" where that is not
// told by a file of its own, so that only git knows. To ask that each time takes longer
// than much of what is tested.
func Tip(dir, branch string) string {
	raw, err := os.ReadFile(filepath.Join(dir, "refs/heads", branch))
	if err != nil || len(raw) != 41 {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// FsckArgs are the arguments of git that have it check the bare repository in dir,
// without a process for each kind of file that is not there.
func FsckArgs(dir string) []string {
	var args []string
	for key, pattern := range map[string]string{"core.commitGraph": "info/commit-graph*", "core.multiPackIndex": "pack/multi-pack-index*"} {
		if there, err := filepath.Glob(filepath.Join(dir, "objects", pattern)); err == nil && len(there) == 0 {
			args = append(args, "-c", key+"=false")
		}
	}
	return append(args, "fsck", "--strict", "--full", "--no-dangling")
}
