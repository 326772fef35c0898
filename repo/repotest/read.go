package repotest

import (
	"fmt"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
)

// Read is a file as it is at a commit of the bare repository in dir, read by another
// program than what is tested, and without a process.
func Read(dir, commit, path string) (string, error) {
	r, err := git.PlainOpen(dir)
	if err != nil {
		return "", err
	}
	c, err := r.CommitObject(plumbing.NewHash(commit))
	if err != nil {
		return "", fmt.Errorf("commit %q: %w", commit, err)
	}
	file, err := c.File(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return file.Contents()
}
