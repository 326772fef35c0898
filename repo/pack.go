package repo

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
)

// maxDepth bounds chains of deltas, as git repack does.
const maxDepth = 50

// A pack gathers the objects of a group of commits in Git's pack format
// (gitformat-pack(5)), version 2. Deltas have their base in the same pack, so
// that packs can be joined by copying.
type pack struct {
	buf     bytes.Buffer
	objects []packed
	index   map[Hash]int // into objects
	deflate *zlib.Writer
	stored  *zlib.Writer // for trees and deltas, which hardly get smaller
}

type packed struct {
	hash   Hash
	offset int
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
	if _, ok := p.index[h]; ok {
		return
	}
	start := p.buf.Len()
	p.header(kind, len(raw))
	if kind == plumbing.TreeObject {
		p.write(p.stored, raw)
	} else {
		p.write(p.deflate, raw)
	}
	p.close(packed{hash: h, offset: start})
}

// addDelta appends the object h as what turns base into it. It does nothing and
// is false when base is not in the pack or is at the end of a long chain.
func (p *pack) addDelta(h, base Hash, d *delta) bool {
	i, ok := p.index[base]
	if !ok || p.objects[i].depth >= maxDepth {
		return false
	}
	if _, ok := p.index[h]; ok {
		return true
	}
	start := p.buf.Len()
	raw := d.bytes()
	p.header(plumbing.OFSDeltaObject, len(raw))
	p.buf.Write(offset(start - p.objects[i].offset))
	p.write(p.stored, raw)
	p.close(packed{hash: h, offset: start, depth: p.objects[i].depth + 1})
	return true
}

func (p *pack) write(w *zlib.Writer, raw []byte) {
	w.Reset(&p.buf)
	w.Write(raw) // a bytes.Buffer never fails
	w.Close()
}

func (p *pack) close(o packed) {
	o.crc = crc32.ChecksumIEEE(p.buf.Bytes()[o.offset:])
	p.index[o.hash] = len(p.objects)
	p.objects = append(p.objects, o)
}

// header writes an object's kind and size: four bits of the size, then seven a
// byte, low ones first.
func (p *pack) header(kind plumbing.ObjectType, size int) {
	c := byte(kind)<<4 | byte(size&0xf)
	for size >>= 4; size > 0; size >>= 7 {
		p.buf.WriteByte(c | 0x80)
		c = byte(size & 0x7f)
	}
	p.buf.WriteByte(c)
}

// offset encodes the distance back to a delta's base: seven bits a byte, high
// ones first, each further byte standing for one more than its bits.
func offset(n int) []byte {
	b := []byte{byte(n & 0x7f)}
	for n >>= 7; n > 0; n >>= 7 {
		n--
		b = append([]byte{0x80 | byte(n&0x7f)}, b...)
	}
	return b
}

// Names of files that are not in place yet.
const (
	draftPack  = "tmp_cms_pack"
	draftIndex = "tmp_cms_idx"
)

// save writes the pack and its index into folder. When it returns nil, both are
// durable and Git sees them. The pack is in place before its index, because a
// pack without an index is nothing to Git and an index without a pack is an
// error.
func (p *pack) save(d disk, folder string) error {
	binary.BigEndian.PutUint32(p.buf.Bytes()[8:], uint32(len(p.objects)))
	sum := Hash(sha1.Sum(p.buf.Bytes()))
	p.buf.Write(sum[:])
	index, err := p.encodeIndex(sum)
	if err != nil {
		return err
	}
	name := func(s string) string { return filepath.Join(folder, s) }
	written := make(chan error, 1)
	go func() { written <- writeFile(d, name(draftIndex), index, 0o444) }()
	err = writeFile(d, name(draftPack), p.buf.Bytes(), 0o444)
	if err = errors.Join(err, <-written); err == nil {
		err = d.Rename(name(draftPack), name("pack-"+sum.String()+".pack"))
	}
	if err == nil {
		err = d.Rename(name(draftIndex), name("pack-"+sum.String()+".idx"))
	}
	if err != nil {
		return fmt.Errorf("write pack: %w", err) // cleanPacks removes what is left
	}
	if err := d.SyncDir(folder); err != nil {
		return fmt.Errorf("sync pack folder: %w", err)
	}
	return nil
}

// cleanPacks removes what a save that did not come to its end left in folder:
// the drafts, and the pack that was in place when its index was not.
func cleanPacks(d disk, folder string) error {
	index := filepath.Join(folder, draftIndex)
	if raw, err := os.ReadFile(index); err == nil && len(raw) > 40 {
		pack := filepath.Join(folder, fmt.Sprintf("pack-%x", raw[len(raw)-40:len(raw)-20]))
		if _, err := os.Stat(pack + ".idx"); errors.Is(err, fs.ErrNotExist) {
			if err := removeIfThere(d, pack+".pack"); err != nil {
				return err
			}
		}
	}
	return errors.Join(removeIfThere(d, filepath.Join(folder, draftPack)), removeIfThere(d, index))
}

func (p *pack) encodeIndex(sum Hash) ([]byte, error) {
	var w idxfile.Writer
	if err := w.OnHeader(uint32(len(p.objects))); err != nil {
		return nil, err
	}
	for _, o := range p.objects {
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
	s := sha1.New()
	head := append([]byte(kind.String()), ' ')
	s.Write(append(strconv.AppendInt(head, int64(len(raw)), 10), 0))
	s.Write(raw)
	s.Sum(h[:0])
	return h
}
