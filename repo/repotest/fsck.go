package repotest

import "path/filepath"

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
