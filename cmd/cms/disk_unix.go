//go:build linux || darwin

package main

import (
	"errors"

	"golang.org/x/sys/unix"
)

// diskFree is how many bytes are left, to who is not root, where path is.
func diskFree(path string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

// alive says whether there is a process of that id.
func alive(pid int) bool {
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}
