//go:build !unix

package repo

import (
	"io"
	"os"
)

// mapFile is the content of a file, in memory: this system is not asked to map it.
func mapFile(f *os.File, size int) (raw []byte, unmap func([]byte), err error) {
	raw = make([]byte, size)
	_, err = io.ReadFull(io.NewSectionReader(f, 0, int64(size)), raw)
	return raw, func([]byte) {}, err
}
