package repo

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"path/filepath"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
)

// maxDepth bounds chains of deltas, as git repack does.
const maxDepth = 50

// A pack gathers the objects of a group of commits in Git's pack format
// (gitformat-pack(5)), version 2. Deltas have their base in the same pack, so
// that packs can be repacked by copying.
type pack struct {
	buf     bytes.Buffer
	objects []packedObject
	index   map[Hash]int // into objects
	deflate *zlib.Writer
	stored  *zlib.Writer // for trees and deltas, which hardly get smaller
	saved   savedPack
}

type packedObject struct {
	hash   Hash
	offset int64
	crc    uint32
	depth  int // number of deltas below
}

func newPack() *pack {
	writer := func(level int) *zlib.Writer {
		w, err := zlib.NewWriterLevel(nil, level)
		if err != nil {
			panic(err) // the levels are valid
		}
		return w
	}
	p := &pack{deflate: writer(zlib.BestSpeed), stored: writer(zlib.NoCompression)}
	p.reset()
	return p
}

// reset empties the pack and keeps its memory, up to a bound.
func (p *pack) reset() {
	if p.buf.Cap() > 16<<20 {
		p.buf = bytes.Buffer{}
	}
	p.buf.Reset()
	p.buf.WriteString("PACK\x00\x00\x00\x02\x00\x00\x00\x00") // the count comes last
	p.objects = p.objects[:0]
	p.index = make(map[Hash]int)
}

// add appends the object raw, whose name is h.
func (p *pack) add(kind plumbing.ObjectType, h Hash, raw []byte) {
	w := p.deflate
	if kind == plumbing.TreeObject {
		w = p.stored
	}
	p.put(packedObject{hash: h}, kind, len(raw), nil, func() { p.write(w, raw) })
}

// addDelta appends the object h as the delta that turns base into it. It is
// false, and nothing is done, when base is not in the pack or is at the end of a
// long chain.
func (p *pack) addDelta(h, base Hash, delta []byte) bool {
	i, ok := p.index[base]
	if !ok || p.objects[i].depth >= maxDepth {
		return false
	}
	o := packedObject{hash: h, depth: p.objects[i].depth + 1}
	back := offset(int64(p.buf.Len()) - p.objects[i].offset)
	p.put(o, plumbing.OFSDeltaObject, len(delta), back, func() { p.write(p.stored, delta) })
	return true
}

// put appends an object: its header, where the base of a delta is, and what
// write makes of its content.
func (p *pack) put(o packedObject, kind plumbing.ObjectType, size int, base []byte, write func()) {
	if _, ok := p.index[o.hash]; ok {
		return
	}
	o.offset = int64(p.buf.Len())
	p.buf.Write(objectHeader(kind, int64(size)))
	p.buf.Write(base)
	write()
	o.crc = crc32.ChecksumIEEE(p.buf.Bytes()[o.offset:])
	p.index[o.hash] = len(p.objects)
	p.objects = append(p.objects, o)
}

func (p *pack) write(w *zlib.Writer, raw []byte) {
	w.Reset(&p.buf)
	_, _ = w.Write(raw) // a bytes.Buffer never fails
	w.Close()
}

// objectHeader encodes an object's kind and size: four bits of the size, then
// seven a byte, low ones first.
func objectHeader(kind plumbing.ObjectType, size int64) []byte {
	b := []byte{byte(kind)<<4 | byte(size&0xf)}
	for size >>= 4; size > 0; size >>= 7 {
		b[len(b)-1] |= 0x80
		b = append(b, byte(size&0x7f))
	}
	return b
}

// offset encodes the distance back to a delta's base: seven bits a byte, high
// ones first, each further byte standing for one more than its bits.
func offset(n int64) []byte {
	b := []byte{byte(n & 0x7f)}
	for n >>= 7; n > 0; n >>= 7 {
		n--
		b = append([]byte{0x80 | byte(n&0x7f)}, b...)
	}
	return b
}

// save writes the pack and its index among drafts, and gives them names that k keeps.
// When it returns nil, both are durable and Git sees them.
func (p *pack) save(d disk, drafts string, k *keepFiles) error {
	sum := p.finish()
	name, taken, err := k.reserve(sum)
	for taken {
		sum = p.changeChecksum()
		name, taken, err = k.reserve(sum)
	}
	if err != nil {
		return err
	}
	index, err := encodePackIndex(p.objects, sum)
	if err != nil {
		return err
	}
	draft := filepath.Join(drafts, groupDraft)
	written := make(chan error, 1)
	go func() { written <- writeFile(d, draft+"_idx", index, 0o444) }()
	err = writeFile(d, draft+"_pack", p.buf.Bytes(), 0o444)
	if err = errors.Join(err, <-written); err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	p.saved = savedPack{name, index}
	return placeDrafts(d, draft, name)
}

// finish completes the pack, and says what its checksum is.
func (p *pack) finish() Hash {
	binary.BigEndian.PutUint32(p.buf.Bytes()[8:], uint32(len(p.objects)))
	sum := Hash(sha1.Sum(p.buf.Bytes()))
	p.buf.Write(sum[:])
	return sum
}

// changeChecksum finishes the pack anew, with the same objects and another checksum. Its last
// object, a commit, is stored whole.
func (p *pack) changeChecksum() Hash {
	last := &p.objects[len(p.objects)-1]
	raw := p.buf.Bytes()[:p.buf.Len()-sha1.Size]
	at := int(last.offset) + 1
	for raw[at-1]&0x80 != 0 { // its header
		at++
	}
	at += 2 // zlib's
	rest := bytes.Clone(raw[at:])
	p.buf.Truncate(at)
	p.buf.Write(emptyBlock)
	p.buf.Write(rest)
	last.crc = crc32.ChecksumIEEE(p.buf.Bytes()[last.offset:])
	return p.finish()
}

// A savedPack is what readers need to know of a pack that is in place: its name,
// without extension, and its index.
type savedPack struct {
	name  string
	index []byte
}

// encodePackIndex is the index of a pack of those objects, whose checksum is sum.
func encodePackIndex(objects []packedObject, sum Hash) ([]byte, error) {
	var w idxfile.Writer
	if err := w.OnHeader(uint32(len(objects))); err != nil {
		return nil, err
	}
	for _, o := range objects {
		w.Add(o.hash, uint64(o.offset), o.crc)
	}
	if err := w.OnFooter(sum); err != nil {
		return nil, err
	}
	index, err := w.Index()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := idxfile.NewEncoder(&b).Encode(index); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// A delta says how an object is made of another one.
type delta struct {
	from, to int // sizes
	ops      []byte
}

// copy takes n bytes of the base from off on.
func (d *delta) copy(off, n int) {
	for n > 0 {
		k := min(n, 0xffff)
		head := len(d.ops)
		d.ops = append(d.ops, 0x80)
		for i, v := range [...]int{off, off >> 8, off >> 16, off >> 24, k, k >> 8} {
			if byte(v) != 0 {
				d.ops[head] |= 1 << i
				d.ops = append(d.ops, byte(v))
			}
		}
		off, n = off+k, n-k
	}
}

// insert takes b.
func (d *delta) insert(b []byte) {
	for len(b) > 0 {
		k := min(len(b), 0x7f)
		d.ops = append(append(d.ops, byte(k)), b[:k]...)
		b = b[k:]
	}
}

func (d *delta) bytes() []byte {
	b := binary.AppendUvarint(nil, uint64(d.from))
	b = binary.AppendUvarint(b, uint64(d.to))
	return append(b, d.ops...)
}

// hashObject is the name that Git gives to an object.
func hashObject(kind plumbing.ObjectType, raw []byte) (h Hash) {
	s := newHasher(kind, int64(len(raw)))
	s.Write(raw)
	s.Sum(h[:0])
	return h
}

// newHasher makes the name of an object of that size from what is written to it.
func newHasher(kind plumbing.ObjectType, size int64) hash.Hash {
	s := sha1.New()
	head := append([]byte(kind.String()), ' ')
	s.Write(append(strconv.AppendInt(head, size, 10), 0))
	return s
}
