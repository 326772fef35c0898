package repo

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
)

// A mapping is a part of a file of the index, mapped. Records are read from it
// when they are asked for, so that they take memory which the system may have
// back. It outlives the name of the file, and ends when nothing refers to it.
type mapping struct{ data []byte }

// openMapping maps a file but for its first bytes.
func openMapping(name string, first int64) (*mapping, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := first - first%int64(os.Getpagesize())
	size := info.Size() - from
	if info.Size() <= first || size != int64(int(size)) {
		return nil, errors.New("there is nothing to map")
	}
	mapped, err := syscall.Mmap(int(f.Fd()), from, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", name, err)
	}
	s := &mapping{mapped[first-from:]}
	runtime.AddCleanup(s, func(mapped []byte) { _ = syscall.Munmap(mapped) }, mapped)
	return s, nil
}

// read calls use with what is mapped, of which it must keep nothing. It is an
// error when the file was cut short, or the disk fails.
func (s *mapping) read(use func(data []byte) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			if _, fault := v.(interface{ Addr() uintptr }); !fault {
				panic(v)
			}
			err = errors.New("what is mapped cannot be read")
		}
		runtime.KeepAlive(s)
	}()
	return use(s.data)
}

// A recordPos is where in a mapping a record is, and the checksum over it.
type recordPos struct {
	file      *mapping
	at        int64
	size, sum uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(reading []byte) uint32 { return crc32.Checksum(reading, castagnoli) }

// read calls use with the record at p, of which it must keep nothing. What is another by
// now, as the file was written over, is an error.
func (p *recordPos) read(use func(record []byte)) error {
	return p.file.read(func(data []byte) error {
		b := data[p.at:][:p.size]
		if checksum(b) != p.sum {
			return errors.New("checksum of a reading does not match")
		}
		use(b)
		return nil
	})
}
