//go:build unix

package repo

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapFile is the content of a file, which the system reads when it is looked at
// and may let go of at any time. unmap must be called once nobody looks at it.
func mapFile(f *os.File, size int) (raw []byte, unmap func([]byte), err error) {
	raw, err = unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, &os.PathError{Op: "mmap", Path: f.Name(), Err: err}
	}
	return raw, func(raw []byte) { _ = unix.Munmap(raw) }, nil // fails for what is not mapped
}
