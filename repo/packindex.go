package repo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
)

// A packIndex says where a pack has its objects (gitformat-pack(5), version 2; of version 1
// that is made: see modernIndex).
// Its bytes stay what they are in the file: those of a large one are mapped, so
// that to open it costs the same whatever its size, and no memory of ours.
type packIndex struct {
	raw     []byte
	objects int
	mapped  bool
}

// mapFrom is the size from which on indexes are mapped. To map the many small
// ones would take a page and more for each.
const mapFrom = 64 << 10

// Where the parts of an index begin: the numbers of objects up to each first
// byte of a name, the names, then their sums, then their offsets.
const (
	indexFanout = 8
	indexNames  = indexFanout + 256*4
)

// parseIndex takes raw as an index. What it does not look at, the names and the
// sum over all, may be damaged yet: then objects are not found, or found to be
// damaged.
func parseIndex(raw []byte) (packIndex, error) {
	x := packIndex{raw: raw}
	if len(raw) < indexFrame {
		return x, errDamaged
	}
	if !bytes.HasPrefix(raw, []byte(packIndexMagic+"\x00\x00\x00\x02")) {
		return x, errors.New("is none of version 2")
	}
	before := uint32(0)
	for i := range 256 {
		n := x.upTo(i)
		if n < before {
			return x, errDamaged
		}
		before = n
	}
	x.objects = int(before)
	// What is left is offsets beyond 2 GB, for some of the objects.
	left := len(raw) - indexFrame - indexItem*x.objects
	if left < 0 || left%8 != 0 || left/8 > x.objects {
		return x, errDamaged
	}
	return x, nil
}

// upTo is how many names begin with that byte or a lesser one.
func (x *packIndex) upTo(first int) uint32 {
	return binary.BigEndian.Uint32(x.raw[indexFanout+4*first:])
}

// place is which of the names of the index is that of the object h.
func (x *packIndex) place(h Hash) (i int, ok bool) {
	from := 0
	if h[0] > 0 {
		from = int(x.upTo(int(h[0]) - 1))
	}
	n := int(x.upTo(int(h[0]))) - from
	if n <= 0 || from+n > x.objects {
		return 0, false
	}
	i, ok = sort.Find(n, func(i int) int {
		name := indexNames + 20*(from+i)
		return bytes.Compare(h[:], x.raw[name:name+20])
	})
	return from + i, ok
}

// find is the offset of the object h in the pack, and the sum of its bytes there.
func (x *packIndex) find(h Hash) (at int64, crc uint32, ok bool, err error) {
	i, ok := x.place(h)
	if !ok {
		return 0, 0, false, nil
	}
	sums := indexNames + 20*x.objects
	offsets := sums + 4*x.objects
	crc = binary.BigEndian.Uint32(x.raw[sums+4*i:])
	short := binary.BigEndian.Uint32(x.raw[offsets+4*i:])
	if short <= math.MaxInt32 {
		return int64(short), crc, true, nil
	}
	long := offsets + 4*x.objects + 8*int(short&math.MaxInt32)
	if long+8 > len(x.raw)-2*20 {
		return 0, 0, false, errDamaged
	}
	at = int64(binary.BigEndian.Uint64(x.raw[long:]))
	return at, crc, true, nil // the pack knows what is beyond its end
}

// A knownPack is a pack as readers know it.
type knownPack struct {
	name   string // with its folder, without extension
	index  packIndex
	damage error // of the index
}

// loadPack opens the index of a pack, which is f.
func loadPack(name string, f *os.File) (*knownPack, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	p := &knownPack{name: name}
	size := info.Size()
	var raw []byte
	switch {
	case size > math.MaxInt/2:
		p.damage = errDamaged
	case size < mapFrom:
		raw = make([]byte, size)
		if _, err = io.ReadFull(f, raw); err != nil {
			return nil, err
		}
	default:
		var unmap func([]byte)
		if raw, unmap, err = mapFile(f, int(size)); err != nil {
			return nil, err
		}
		runtime.AddCleanup(p, unmap, raw)
		p.index.mapped = true
	}
	err = p.guarded(func() error {
		modern, err := modernIndex(raw, name+".pack")
		if err != nil {
			return err
		}
		mapped := p.index.mapped && bytes.HasPrefix(raw, []byte(packIndexMagic))
		p.index, err = parseIndex(modern)
		p.index.mapped = mapped
		return err
	})
	if errors.Is(err, fs.ErrNotExist) { // the pack has gone
		return nil, err
	}
	if p.damage == nil && err != nil {
		p.damage = fmt.Errorf("index of %s: %w", name, err)
	}
	return p, nil
}

// find is like that of the index.
func (p *knownPack) find(h Hash) (at int64, crc uint32, ok bool, err error) {
	if p.damage != nil {
		return 0, 0, false, p.damage
	}
	if !p.index.mapped {
		at, crc, ok, err = p.index.find(h)
	} else {
		err = p.guarded(func() (err error) {
			at, crc, ok, err = p.index.find(h)
			return err
		})
	}
	if err != nil {
		err = fmt.Errorf("index of %s: %w", p.name, err)
	}
	return at, crc, ok, err
}

// guarded calls f, which looks at mapped bytes. If they cannot be read, because
// the disk fails or the file was cut, that is an error and not the end of the
// process.
func (p *knownPack) guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		fault := recover()
		if _, ok := fault.(interface{ Addr() uintptr }); ok {
			err = errors.New("cannot be read")
		} else if fault != nil {
			panic(fault)
		}
		runtime.KeepAlive(p) // until here its index must stay mapped
	}()
	return f()
}
