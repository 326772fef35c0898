package repo

import (
	"bufio"
	"crypto/sha1"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"

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
