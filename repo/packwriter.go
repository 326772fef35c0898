package repo

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
)

// A packWriter writes a pack as a stream. How many objects it will have must be
// known when it begins.
type packWriter struct {
	out *bufio.Writer
	sum hash.Hash // of all that was written
	crc uint32    // of what was written since begin
	at  int64     // how much was written
}

// packHeader is how many bytes stand before the first object.
const packHeader = 12

func newPackWriter(w io.Writer, objects int) *packWriter {
	p := &packWriter{out: bufio.NewWriterSize(w, 256<<10), sum: sha1.New()}
	head := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(objects))
	_, _ = p.Write(head) // smaller than the buffer
	return p
}

// Write appends bytes as they are.
func (p *packWriter) Write(b []byte) (int, error) {
	n, err := p.out.Write(b)
	p.sum.Write(b[:n])
	p.crc = crc32.Update(p.crc, crc32.IEEETable, b[:n])
	p.at += int64(n)
	return n, err
}

// begin starts an object whose content, or delta, has that size; base is where
// the base of a delta is. Its content follows, compressed, by Write, until end.
func (p *packWriter) begin(kind plumbing.ObjectType, size int64, base []byte) (packedObject, error) {
	o := packedObject{offset: p.at}
	p.crc = 0
	_, err := p.Write(append(objectHeader(kind, size), base...))
	return o, err
}

// end completes the object that begin started.
func (p *packWriter) end(o packedObject) packedObject {
	o.crc = p.crc
	return o
}

// finish ends the pack, and says what its checksum is.
func (p *packWriter) finish() (Hash, error) {
	sum := Hash(p.sum.Sum(nil))
	if _, err := p.out.Write(sum[:]); err != nil {
		return sum, err
	}
	return sum, p.out.Flush()
}

// changeDraftChecksum writes the drafts of a pack and its index anew, with the same objects
// and another checksum: its last object gets an emptyBlock, so that no other one moves. It
// gives the new index and checksum; where it fails the drafts are as they were, or can be
// changed again.
func changeDraftChecksum(d disk, draft string) (index []byte, sum Hash, err error) {
	const again = "_again"
	objects, sum, err := copyWithAnotherChecksum(d, draft+"_pack", draft+"_idx", draft+again+"_pack")
	if err == nil {
		index, err = encodePackIndex(objects, sum)
	}
	if err == nil {
		err = writeFile(d, draft+again+"_idx", index, 0o444)
	}
	for _, kind := range []string{"_pack", "_idx"} {
		if err == nil {
			err = d.Rename(draft+again+kind, draft+kind)
		}
	}
	if err != nil {
		return nil, sum, errors.Join(err, removeIfExists(d, draft+again+"_pack"), removeIfExists(d, draft+again+"_idx"))
	}
	return index, sum, nil
}

// reserveFor is the name of a pack of others whose drafts are durable, kept from now on. Where
// the same one came before, and may be on its way out, the drafts get another checksum.
func (k *keepFiles) reserveFor(draft string, sum Hash) (name string, err error) {
	name, taken, err := k.reserve(sum)
	for taken && err == nil {
		if _, sum, err = changeDraftChecksum(k.disk, draft); err == nil {
			name, taken, err = k.reserve(sum)
		}
	}
	return name, err
}

// copyWithAnotherChecksum copies a pack that is not empty, durably.
func copyWithAnotherChecksum(d disk, pack, index, to string) (objects []packedObject, sum Hash, err error) {
	entries, err := readIndex(index)
	if err == nil && len(entries) == 0 {
		err = errors.New("the pack is empty")
	}
	if err != nil {
		return nil, sum, err
	}
	in, err := os.Open(pack)
	if err != nil {
		return nil, sum, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, sum, err
	}
	last, end := int64(entries[len(entries)-1].Offset), info.Size()-sha1.Size
	content, err := contentAt(in, last, end)
	if err != nil {
		return nil, sum, err
	}
	out, err := d.Create(to, 0o444)
	if err != nil {
		return nil, sum, err
	}
	part := func(from, to int64) io.Reader { return io.NewSectionReader(in, from, to-from) }
	w := newPackWriter(out, len(entries))
	_, err = io.Copy(w, part(packHeader, last))
	w.crc = 0 // of the last object
	if err == nil {
		_, err = io.Copy(w, io.MultiReader(part(last, content), bytes.NewReader(emptyBlock), part(content, end)))
	}
	for _, e := range entries {
		objects = append(objects, packedObject{hash: e.Hash, offset: int64(e.Offset), crc: e.CRC32})
	}
	objects[len(objects)-1].crc = w.crc
	if err == nil {
		sum, err = w.finish()
	}
	if err == nil {
		err = out.Sync()
	}
	return objects, sum, errors.Join(err, out.Close())
}

// contentAt is where the first block of the compressed content of the object at an offset
// of a pack begins, whose last object ends at end.
func contentAt(pack io.ReaderAt, at, end int64) (int64, error) {
	b := make([]byte, min(maxHeader, end-at))
	if _, err := pack.ReadAt(b, at); err != nil {
		return 0, err
	}
	kind, _, rest := parseHeader(b)
	n := len(b) - len(rest)
	switch kind {
	case plumbing.OFSDeltaObject:
		_, length := parseOffset(rest)
		n += length
	case plumbing.REFDeltaObject:
		n += len(Hash{})
	}
	const zlibHeader = 2
	if n += zlibHeader; n >= len(b) {
		return 0, errDamaged
	}
	return at + int64(n), nil
}
