package repo

import (
	"compress/zlib"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"slices"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// A packReader reads the objects of one pack, one at a time, as streams.
type packReader struct {
	set  *packSet
	pack *knownPack
	file *openPack

	// A window of the file: held[at:] is what comes next, and next the offset
	// behind it.
	held []byte
	at   int
	next int64
	sum  uint32 // over the object so far, but for held[from:at]
	from int

	window  []byte
	inflate io.ReadCloser // a zlib.Resetter, nil at first
}

// packReaders are kept, because of their memory.
var packReaders = sync.Pool{New: func() any { return &packReader{window: make([]byte, 32<<10)} }}

// firstWindow is how much of an object is read at first: most of them are
// shorter.
const firstWindow = 4 << 10

// reader opens a pack for reading. It must be closed.
func (s *packSet) reader(p *knownPack) (*packReader, error) {
	file, err := s.open(p)
	if err != nil {
		return nil, err
	}
	r, _ := packReaders.Get().(*packReader)
	r.set, r.pack, r.file = s, p, file
	return r, nil
}

func (r *packReader) close() {
	r.set.release(r.file)
	r.set, r.pack, r.file, r.held = nil, nil, nil, nil
	packReaders.Put(r)
}

// end is where the objects of the pack end.
func (r *packReader) end() int64 { return r.file.size - 20 }

// seek goes to where an object begins.
func (r *packReader) seek(at int64) error {
	if at < 12 || at >= r.end() {
		return errDamaged
	}
	r.held, r.at, r.from, r.next, r.sum = r.window[:0], 0, 0, at, 0
	return r.fill(firstWindow)
}

// fill reads up to n bytes on, when none is left.
func (r *packReader) fill(n int) error {
	r.sum = r.crc()
	r.held, r.at, r.from = r.window[:0], 0, 0
	n = int(min(int64(n), r.end()-r.next))
	if n <= 0 {
		return io.EOF
	}
	got, err := r.file.ReadAt(r.window[:n], r.next)
	if got == 0 {
		return err
	}
	r.held, r.next = r.window[:got], r.next+int64(got)
	return nil
}

// crc is the sum over the object as far as it was read.
func (r *packReader) crc() uint32 {
	return crc32.Update(r.sum, crc32.IEEETable, r.held[r.from:r.at])
}

func (r *packReader) Read(b []byte) (int, error) {
	if r.at == len(r.held) {
		if err := r.fill(len(r.window)); err != nil {
			return 0, err
		}
	}
	n := copy(b, r.held[r.at:])
	r.at += n
	return n, nil
}

func (r *packReader) ReadByte() (byte, error) {
	if r.at == len(r.held) {
		if err := r.fill(len(r.window)); err != nil {
			return 0, err
		}
	}
	r.at++
	return r.held[r.at-1], nil
}

// A packHead is what stands before an object's content, or before a delta.
type packHead struct {
	offset int64
	kind   plumbing.ObjectType
	size   int64 // of the content, or of the delta
	back   int64 // how far away the base of an OFSDelta is
	base   Hash  // of a REFDelta
}

// head reads what stands before the content of the object at that offset, which
// is read next.
func (r *packReader) head(at int64) (h packHead, err error) {
	if err := r.seek(at); err != nil {
		return h, err
	}
	ahead := r.held[:min(len(r.held), maxHeader)]
	h.offset = at
	var rest []byte
	h.kind, h.size, rest = parseHeader(ahead)
	switch h.kind {
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
	case plumbing.OFSDeltaObject:
		back, n := parseOffset(rest)
		if back <= 0 || back > at-12 {
			return h, errDamaged
		}
		h.back, rest = back, rest[n:]
	case plumbing.REFDeltaObject:
		if len(rest) < len(h.base) {
			return h, errDamaged
		}
		rest = rest[copy(h.base[:], rest):]
	default:
		return h, errDamaged
	}
	if h.size < 0 {
		return h, errDamaged
	}
	r.at = len(ahead) - len(rest)
	return h, nil
}

// deltified says whether the object is kept as a delta.
func (h packHead) deltified() bool { return h.kind > plumbing.TagObject }

// content reads on: size bytes, compressed. At their end check is asked, if it is
// not nil.
func (r *packReader) content(size int64, check func() error) (io.Reader, error) {
	var err error
	if r.inflate == nil {
		r.inflate, err = zlib.NewReader(r)
	} else {
		err = r.inflate.(zlib.Resetter).Reset(r, nil)
	}
	return &exactReader{in: r.inflate, left: size, check: check}, err
}

// verify is a check of the whole object against the sum that the index tells.
func (r *packReader) verify(crc uint32) func() error {
	return func() error {
		if r.crc() != crc {
			return errDamaged
		}
		return nil
	}
}

// whole reads the content of an object into memory.
func (r *packReader) whole(h packHead, check func() error, most int64) ([]byte, error) {
	in, err := r.content(h.size, check)
	if err != nil {
		return nil, err
	}
	return readExactly(in, h.size, most)
}

// An exactReader reads what must have so many bytes left, no more and no less.
type exactReader struct {
	in    io.Reader
	left  int64
	check func() error // at the end; nil is none
	err   error        // of the end, once it was looked at
}

func (e *exactReader) Read(b []byte) (n int, err error) {
	if e.left > 0 {
		n, err = e.in.Read(b[:min(int64(len(b)), e.left)])
		e.left -= int64(n)
		switch {
		case err != nil && e.left > 0:
			return n, unexpected(err)
		case err != nil && !errors.Is(err, io.EOF):
			return n, err
		case e.left > 0:
			return n, nil
		}
	}
	if e.err == nil {
		e.err = e.end()
	}
	if n > 0 && errors.Is(e.err, io.EOF) {
		return n, nil
	}
	return n, e.err // with the last bytes: who knows how many there are may not read on
}

// end is io.EOF when nothing follows and all was right.
func (e *exactReader) end() error {
	var more [1]byte
	n, err := io.ReadFull(e.in, more[:])
	switch {
	case n > 0:
		return errDamaged
	case !errors.Is(err, io.EOF):
		return err
	}
	if e.check != nil {
		if err := e.check(); err != nil {
			return err
		}
	}
	return io.EOF
}

// readExactly reads size bytes, at most that many, into memory, which grows with
// what is really there.
func readExactly(in io.Reader, size, most int64) ([]byte, error) {
	const first = 1 << 20
	if size > most {
		return nil, fmt.Errorf("has %d bytes, more than the %d that are held in memory", size, most)
	}
	b := make([]byte, min(size, first))
	for done := 0; ; {
		n, err := io.ReadFull(in, b[done:])
		if err != nil {
			return nil, err
		}
		if done += n; int64(done) == size {
			break
		}
		b = slices.Grow(b, int(min(size-int64(done), 3*int64(done))))
		b = b[:min(int64(cap(b)), size)]
	}
	if _, err := in.Read(nil); !errors.Is(err, io.EOF) { // that is what looks at the end
		return nil, err
	}
	return b, nil
}

// A patcher makes an object of its base and of a delta (gitformat-pack(5)), as a
// stream.
type patcher struct {
	base     io.ReaderAt
	baseSize int64
	delta    interface {
		io.Reader
		io.ByteReader
	}
	left int64 // of the object
	from int64 // where in the base the copy that is under way goes on
	copy int64 // what is left of it
	new  int64 // what is left of new bytes, which stand in the delta
}

// newPatcher says how large the object will be, too.
func newPatcher(base io.ReaderAt, baseSize int64, delta interface {
	io.Reader
	io.ByteReader
}) (p *patcher, size int64, err error) {
	p = &patcher{base: base, baseSize: baseSize, delta: delta}
	from, err := deltaSize(delta)
	if err == nil {
		p.left, err = deltaSize(delta)
	}
	if err == nil && from != baseSize {
		err = errDamaged
	}
	return p, p.left, err
}

// deltaSize reads one of the sizes that a delta begins with.
func deltaSize(delta io.ByteReader) (n int64, err error) {
	for shift := 0; shift < 63; shift += 7 {
		b, err := delta.ReadByte()
		if err != nil {
			return 0, unexpected(err)
		}
		if n |= int64(b&0x7f) << shift; b&0x80 == 0 {
			return n, nil
		}
	}
	return 0, errDamaged
}

// unexpected is err for where the end is none.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Read reads the object, and makes sure that the delta ends with it.
func (p *patcher) Read(b []byte) (done int, err error) {
	for done < len(b) && p.left > 0 {
		if p.copy == 0 && p.new == 0 {
			if err := p.step(); err != nil {
				return done, err
			}
		}
		n := int(min(int64(len(b)-done), p.copy+p.new))
		if p.copy > 0 {
			n, err = p.base.ReadAt(b[done:done+n], p.from)
			if n > 0 {
				err = nil // the end of the base is one
			}
			p.from, p.copy = p.from+int64(n), p.copy-int64(n)
		} else {
			n, err = p.delta.Read(b[done : done+n])
			p.new -= int64(n)
		}
		p.left -= int64(n)
		if done += n; n == 0 && err != nil {
			return done, unexpected(err)
		}
	}
	if p.left > 0 || done > 0 {
		return done, nil
	}
	if _, err := p.delta.ReadByte(); err == nil {
		return 0, errDamaged
	} else if !errors.Is(err, io.EOF) {
		return 0, err
	}
	return 0, io.EOF
}

// step reads what the delta does next.
func (p *patcher) step() error {
	op, err := p.delta.ReadByte()
	if err != nil {
		return unexpected(err)
	}
	if op&0x80 == 0 {
		p.new = int64(op)
	} else {
		var args [7]byte // the bytes of where from, and of how many, of which those that are 0 are left out
		for i := range args {
			if op&(1<<i) != 0 {
				if args[i], err = p.delta.ReadByte(); err != nil {
					return unexpected(err)
				}
			}
		}
		p.from = int64(args[0]) | int64(args[1])<<8 | int64(args[2])<<16 | int64(args[3])<<24
		p.copy = int64(args[4]) | int64(args[5])<<8 | int64(args[6])<<16
		if p.copy == 0 {
			p.copy = 1 << 16
		}
	}
	if n := p.copy + p.new; n == 0 || n > p.left || p.copy > 0 && p.from+p.copy > p.baseSize {
		return errDamaged
	}
	return nil
}

// An objectStream is an object that is read on. After Close it gives nothing.
type objectStream struct {
	io.Reader
	close func() error // nil when it is closed
}

func (s *objectStream) Read(b []byte) (int, error) {
	if s.close == nil {
		return 0, fs.ErrClosed
	}
	n, err := s.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = storageError(err)
	}
	return n, err
}

func (s *objectStream) Close() error {
	if s.close == nil {
		return nil
	}
	done := s.close
	s.close = nil
	return done()
}

// unbounded is no bound.
const unbounded = math.MaxInt64
