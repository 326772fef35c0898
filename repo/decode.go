package repo

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// maxDeltaChain bounds how many deltas are followed. Git makes no longer ones.
const maxDeltaChain = 4095

// maxObject is beyond how many bytes no object is held in memory.
func (s *store) maxObject() int64 {
	if s.maxInMemory > 0 {
		return s.maxInMemory
	}
	return objectBound
}

// readPacked reads an object of a pack.
func (s *store) readPacked(at address, upTo int64) (foundObject, error) {
	if b := s.bases.get(at.pack, at.offset); b.raw != nil && b.crc == at.crc {
		return foundObject{kind: b.kind, size: int64(len(b.raw)), raw: copyIfBlob(b.kind, b.raw)}, nil
	}
	r, err := s.set().reader(at.pack)
	if err != nil {
		return foundObject{}, err
	}
	a, err := s.decode(r, at, upTo)
	if a.stream == nil {
		r.close()
	}
	return a, err
}

// copyIfBlob is raw for one who must not spoil what the cache holds: blobs are for
// the caller to keep.
func copyIfBlob(kind plumbing.ObjectType, raw []byte) []byte {
	if kind == plumbing.BlobObject {
		return bytes.Clone(raw)
	}
	return raw
}

// decode reads an object by r, which belongs to the stream if it answers with one.
func (s *store) decode(r *packReader, at address, upTo int64) (a foundObject, err error) {
	h, err := r.head(at.offset)
	if err != nil {
		return foundObject{}, err
	}
	if h.deltified() {
		return s.readDelta(r, h, at, upTo)
	}
	a.kind, a.size = h.kind, h.size
	switch {
	case upTo < 0:
	case h.size > upTo:
		in, err := r.content(h.size, r.verify(at.crc))
		if err != nil {
			return foundObject{}, err
		}
		a.stream = &objectStream{in, func() error { r.close(); return nil }}
	default:
		if a.raw, err = r.whole(h, r.verify(at.crc), s.maxObject()); err != nil {
			return foundObject{}, err
		}
		if a.kind == plumbing.TreeObject {
			s.bases.put(at.pack, at.offset, cachedBase{a.kind, a.raw, at.crc})
		}
	}
	return a, nil
}

// A deltaChain is the deltas that make an object, its own first, and what they rest on.
type deltaChain struct {
	deltas []packedDelta
	kind   plumbing.ObjectType
	base   packHead
	check  func() error // of the base, as in packedDelta
	raw    []byte       // of the base, or of what is made of it and deltas that were left out; nil when it is to be read
}

type packedDelta struct {
	offset int64
	check  func() error // against the sum that the index tells, of what was found by its name; nil for others
}

// resolve finds what the delta h, which stands at, rests on.
func (s *store) resolve(r *packReader, h packHead, at address) (c deltaChain, err error) {
	check := r.verify(at.crc)
	for h.deltified() {
		if c.deltas = append(c.deltas, packedDelta{h.offset, check}); len(c.deltas) > maxDeltaChain {
			return c, errDamaged
		}
		to, named := h.offset-h.back, h.kind == plumbing.REFDeltaObject
		var crc uint32
		if check = nil; named {
			// The base may stand behind it, but never rest on it.
			var ok bool
			if to, crc, ok, err = r.pack.find(h.base); err != nil {
				return c, err
			}
			if !ok || c.has(to) {
				return c, errDamaged
			}
			check = r.verify(crc)
		}
		if b := s.bases.get(r.pack, to); b.raw != nil && (!named || b.crc == crc) {
			c.kind, c.raw = b.kind, b.raw
			return c, nil
		}
		if h, err = r.head(to); err != nil {
			return c, err
		}
	}
	c.kind, c.base, c.check = h.kind, h, check
	return c, nil
}

// has says whether the object at that offset is among the deltas.
func (c *deltaChain) has(offset int64) bool {
	return slices.ContainsFunc(c.deltas, func(d packedDelta) bool { return d.offset == offset })
}

// readDelta reads an object that is kept as the delta h.
func (s *store) readDelta(r *packReader, h packHead, at address, upTo int64) (a foundObject, err error) {
	a.size = -1 // not known
	if upTo < unbounded {
		// The delta tells the size; its first bytes are enough.
		in, err := r.content(h.size, nil)
		if err == nil {
			delta := bufio.NewReaderSize(in, 16)
			if _, err = deltaSize(delta); err == nil {
				a.size, err = deltaSize(delta)
			}
		}
		if err != nil {
			return foundObject{}, err
		}
	}
	c, err := s.resolve(r, h, at)
	if err != nil {
		return foundObject{}, err
	}
	a.kind = c.kind
	switch {
	case upTo < 0:
	case a.size > upTo:
		a.stream, err = s.streamDelta(r, c)
	default:
		a.raw, err = s.applyDeltas(r, c)
		a.size = int64(len(a.raw))
	}
	if err != nil {
		return foundObject{}, err
	}
	return a, nil
}

// applyDeltas makes an object in memory.
func (s *store) applyDeltas(r *packReader, c deltaChain) (raw []byte, err error) {
	raw = c.raw
	if raw == nil {
		if _, err = r.head(c.base.offset); err == nil {
			raw, err = r.whole(c.base, c.check, s.maxObject())
		}
		if err != nil {
			return nil, err
		}
		s.bases.put(r.pack, c.base.offset, cachedBase{c.kind, raw, r.crc()})
	}
	for i := len(c.deltas) - 1; i >= 0; i-- {
		h, err := r.head(c.deltas[i].offset)
		if err != nil {
			return nil, err
		}
		delta, err := r.whole(h, c.deltas[i].check, s.maxObject())
		if err != nil {
			return nil, err
		}
		p, size, err := newPatcher(bytes.NewReader(raw), int64(len(raw)), bytes.NewReader(delta))
		if err != nil {
			return nil, err
		}
		if raw, err = readExactly(p, size, s.maxObject()); err != nil {
			return nil, err
		}
		if i > 0 || c.kind == plumbing.TreeObject {
			s.bases.put(r.pack, c.deltas[i].offset, cachedBase{c.kind, raw, r.crc()})
		}
	}
	return raw, nil
}

// streamDelta makes a large object as a stream. A delta copies from anywhere in
// its base, so that every object that it rests on is put on disk: else a large
// one would have to be in memory, or be read anew for each copy.
func (s *store) streamDelta(r *packReader, c deltaChain) (_ io.ReadCloser, err error) {
	base := scratch{ReaderAt: bytes.NewReader(c.raw), size: int64(len(c.raw))}
	defer func() {
		if err != nil {
			base.Close()
		}
	}()
	if c.raw == nil {
		if _, err = r.head(c.base.offset); err != nil {
			return nil, err
		}
		in, err := r.content(c.base.size, c.check)
		if err != nil {
			return nil, err
		}
		if base, err = s.scratch(in, c.base.size); err != nil {
			return nil, err
		}
	}
	for i := len(c.deltas) - 1; ; i-- {
		h, err := r.head(c.deltas[i].offset)
		if err != nil {
			return nil, err
		}
		in, err := r.content(h.size, c.deltas[i].check)
		if err != nil {
			return nil, err
		}
		p, size, err := newPatcher(base, base.size, bufio.NewReader(in))
		if err != nil {
			return nil, err
		}
		if i == 0 {
			last := base
			return &objectStream{&exactReader{in: p, left: size}, func() error {
				r.close()
				return last.Close()
			}}, nil
		}
		next, err := s.scratch(p, size)
		if err != nil {
			return nil, err
		}
		base.Close()
		base = next
	}
}

// A scratch is an object on its way, on disk if it is large.
type scratch struct {
	io.ReaderAt
	size int64
	file *os.File // nil when it is in memory
}

// scratchFrom is the size from which on it is on disk.
const scratchFrom = 1 << 20

// scratch puts size bytes of in where they can be read from anywhere.
func (s *store) scratch(in io.Reader, size int64) (c scratch, err error) {
	if size < scratchFrom {
		raw, err := readExactly(in, size, scratchFrom)
		return scratch{ReaderAt: bytes.NewReader(raw), size: size}, err
	}
	const pattern = "tmp_obj_cms_*" // which git prune removes if we cannot
	f, err := os.CreateTemp(filepath.Join(s.dir, "objects"), pattern)
	if err != nil { // the repository may be one to read only
		if f, err = os.CreateTemp("", pattern); err != nil {
			return c, err
		}
	}
	c = scratch{ReaderAt: f, size: size, file: f}
	err = os.Remove(f.Name())
	if err == nil {
		_, err = io.Copy(f, &exactReader{in: in, left: size})
	}
	if err != nil {
		return c, errors.Join(err, f.Close())
	}
	return c, nil
}

// Close lets the bytes go.
func (c scratch) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// readLoose reads an object that is a file of its own (gitrepository-layout(5)).
func (s *store) readLoose(folders []string, h Hash, upTo int64) (a foundObject, err error) {
	name := hex.EncodeToString(h[:])
	for _, folder := range folders {
		f, err := s.set().openFile(filepath.Join(folder, name[:2], name[2:]))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return foundObject{}, err
		}
		a, err = s.decodeLoose(f, h, upTo)
		if a.stream == nil {
			f.Close()
		}
		return a, err
	}
	return foundObject{}, plumbing.ErrObjectNotFound
}

// decodeLoose reads the object h, which f is, and which belongs to the stream if it
// answers with one.
func (s *store) decodeLoose(f *os.File, h Hash, upTo int64) (a foundObject, err error) {
	z, err := zlib.NewReader(bufio.NewReader(f))
	if err != nil {
		return foundObject{}, err
	}
	const longestHead = 32 // a kind, a space, a size and a NUL
	in := bufio.NewReaderSize(z, 4<<10)
	ahead, err := in.Peek(longestHead)
	if err != nil && !errors.Is(err, io.EOF) {
		return foundObject{}, err
	}
	head, _, ok := bytes.Cut(ahead, []byte{0})
	kind, size, spaced := bytes.Cut(head, []byte{' '})
	if !ok || !spaced {
		return foundObject{}, errDamaged
	}
	if a.kind, err = plumbing.ParseObjectType(string(kind)); err != nil {
		return foundObject{}, err
	}
	if a.size, err = strconv.ParseInt(string(size), 10, 64); err != nil || a.size < 0 {
		return foundObject{}, errDamaged
	}
	if _, err := in.Discard(len(head) + 1); err != nil {
		return foundObject{}, err
	}
	sum := newHasher(a.kind, a.size)
	whole := &exactReader{in: io.TeeReader(in, sum), left: a.size, check: func() error { return checkName(sum, h) }}
	switch {
	case upTo < 0:
	case a.size > upTo:
		a.stream = &objectStream{whole, f.Close}
	default:
		if a.raw, err = readExactly(whole, a.size, s.maxObject()); err != nil {
			return foundObject{}, err
		}
	}
	return a, nil
}

// checkName fails unless what was summed is the object h.
func checkName(sum hash.Hash, h Hash) error {
	if Hash(sum.Sum(nil)) != h {
		return errDamaged
	}
	return nil
}

// A baseCache keeps objects of packs that were read: trees, and the bases of
// deltas. Each store has its own, so that who reads much does not push out what
// others need.
type baseCache struct {
	mu   sync.Mutex
	kept *simplelru.LRU[baseKey, cachedBase]
	size int // in bytes
}

// The name is enough for the pack, being the sum of its bytes.
type baseKey struct {
	pack   string
	offset int64
}

// A cachedBase is an object, and the sum of its bytes in the pack. A delta finds its
// base by the offset alone; who comes by a name compares the sum with the index, as it
// does for what is read.
type cachedBase struct {
	kind plumbing.ObjectType
	raw  []byte
	crc  uint32
}

// objectCache bounds what a store keeps of the objects that it read, in bytes,
// and objectsKept their number.
const (
	objectCache = 32 << 20
	objectsKept = 16 << 10
)

// get is the object of a pack at that offset, without content if it was not kept.
func (c *baseCache) get(p *knownPack, offset int64) cachedBase {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		return cachedBase{}
	}
	b, _ := c.kept.Get(baseKey{p.name, offset})
	return b
}

// put keeps b, whose content must not be changed from now on.
func (c *baseCache) put(p *knownPack, offset int64, b cachedBase) {
	if len(b.raw) > objectCache/2 || len(b.raw) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept, _ = simplelru.NewLRU(objectsKept, func(_ baseKey, b cachedBase) { c.size -= len(b.raw) }) // fails for no size alone
	}
	key := baseKey{p.name, offset}
	if c.kept.Contains(key) {
		return
	}
	c.size += len(b.raw)
	c.kept.Add(key, b)
	for c.size > objectCache {
		c.kept.RemoveOldest()
	}
}

func (c *baseCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil {
		c.kept.Purge()
	}
}
