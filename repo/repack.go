package repo

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
)

// repack puts the objects of many small packs into one, which is in place, durably,
// when it returns nil; the others are obsolete from then on. It may run beside the
// writer and beside Git. No object is left out, whether something refers to it or
// not.
func (rp *repacker) repack(ctx context.Context) error {
	packs, err := rp.candidates()
	if err != nil || len(packs) < 2 {
		return err
	}
	slices.SortFunc(packs, func(a, b packFile) int { return cmp.Or(cmp.Compare(a.made, b.made), cmp.Compare(a.name, b.name)) })
	sum, err := rp.write(ctx, packs)
	var name string
	if err == nil {
		name = filepath.Join(rp.folder, packName(sum))
		err = placeDrafts(rp.disk, filepath.Join(rp.drafts, repackDraft), name)
	}
	if err != nil {
		return errors.Join(err, removeDrafts(rp.disk, filepath.Join(rp.drafts, repackDraft), rp.folder))
	}
	rp.markObsolete(packs, name)
	return nil
}

// write makes the drafts of the pack of all objects of packs, reads them back, and
// says the sum of the pack.
func (rp *repacker) write(ctx context.Context, packs []packFile) (sum Hash, err error) {
	objects := make(map[Hash]int)
	indexes := make([][]idxfile.Entry, len(packs))
	for i, p := range packs {
		if indexes[i], err = readIndex(p.name + ".idx"); err != nil {
			return sum, rp.packError(p, err)
		}
		for _, e := range indexes[i] {
			objects[e.Hash] = -1
		}
	}
	draft := filepath.Join(rp.drafts, repackDraft)
	f, err := rp.disk.Create(draft+"_pack", 0o444)
	if err != nil {
		return sum, fmt.Errorf("write pack: %w", err)
	}
	c := packMerger{
		out: newPackWriter(f, len(objects)), objects: make([]packedObject, 0, len(objects)), indexOf: objects,
		lastTrees: make(map[string]lastTree), writers: make(map[int]*zlib.Writer),
	}
	for i, p := range packs {
		began := time.Now()
		if err = c.copyPack(p, indexes[i]); err != nil {
			err = rp.packError(p, err)
			break
		}
		if err = rp.pause(ctx, began); err != nil {
			break
		}
	}
	if err == nil {
		sum, err = c.out.finish()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return sum, err
	}
	index, err := encodePackIndex(c.objects, sum)
	if err == nil {
		err = writeFile(rp.disk, draft+"_idx", index, 0o444)
	}
	if err == nil {
		err = makeNewest(draft+"_pack", packs)
	}
	if err != nil {
		return sum, fmt.Errorf("write index: %w", err)
	}
	began := time.Now()
	written, err := verifyPack(ctx, draft+"_pack", draft+"_idx")
	if err == nil && (len(written) != len(objects) || !containsAll(objects, written)) {
		err = errors.New("it lacks objects")
	}
	if err != nil {
		return sum, fmt.Errorf("read new pack back: %s", err.Error()) // not the error of one of packs
	}
	return sum, rp.pause(ctx, began)
}

// containsAll says whether all objects of a are in b.
func containsAll[T any](a map[Hash]T, b map[Hash]struct{}) bool {
	for h := range a {
		if _, ok := b[h]; !ok {
			return false
		}
	}
	return true
}

// makeNewest makes a pack look newer than others, whatever the clock did: Git reads
// objects from the newest pack that has them, and takes others as not needed.
func makeNewest(name string, others []packFile) error {
	at := time.Now()
	for _, p := range others {
		if made := time.Unix(0, p.made); !made.Before(at) {
			at = made.Add(time.Second)
		}
	}
	return os.Chtimes(name, at, at)
}

// A packMerger copies the objects of packs, from old to new, into one.
type packMerger struct {
	out       *packWriter
	objects   []packedObject
	indexOf   map[Hash]int        // into objects; -1 of those that are not there yet
	lastTrees map[string]lastTree // the last tree that was stored whole, by what is alike in those of a folder

	// The pack that is being copied.
	in       window
	size     int64
	entries  []idxfile.Entry // by offset
	copiedTo []int           // the number of each entry's object
	deepest  int             // how many deltas its longest chain has

	// Memory that is used again.
	object, spare []byte
	part          []byte // of what a delta makes
	inflate       io.ReadCloser
	writers       map[int]*zlib.Writer // by level
}

type lastTree struct {
	number int // into objects
	raw    []byte
}

// copyPack copies the objects of p that are not there yet, as they are: deltas stay
// deltas. Only trees that were stored whole become deltas where they can.
func (m *packMerger) copyPack(p packFile, entries []idxfile.Entry) error {
	f, err := os.Open(p.name + ".pack")
	if err != nil {
		return err
	}
	defer f.Close()
	m.in.open(f)
	m.size, m.entries, m.copiedTo = p.size, entries, m.copiedTo[:0]
	if err := m.measureChains(); err != nil {
		return err
	}
	for i, e := range entries {
		end := p.size - 20
		if i+1 < len(entries) {
			end = int64(entries[i+1].Offset)
		}
		if m.indexOf[e.Hash] < 0 {
			if err := m.copy(e, end); err != nil {
				return fmt.Errorf("object %s: %w", e.Hash, err)
			}
		}
		m.copiedTo = append(m.copiedTo, m.indexOf[e.Hash])
		runtime.Gosched() // whoever waits for a commit goes first
	}
	return nil
}

// measureChains finds out how many deltas the longest chain of the pack has.
func (m *packMerger) measureChains() error {
	m.deepest = 0
	depths := make([]int, len(m.entries)) // of the deltas
	for i, e := range m.entries {
		kind, _, rest, _, err := m.header(e)
		if err != nil {
			return fmt.Errorf("object %s: %w", e.Hash, err)
		}
		if kind != plumbing.OFSDeltaObject {
			continue
		}
		back, _ := parseOffset(rest)
		if base, ok := entryAt(m.entries[:i], int64(e.Offset)-back); ok {
			depths[i] = depths[base] + 1
			m.deepest = max(m.deepest, depths[i])
		}
	}
	return nil
}

// maxHeader is how long the header of an object can be at most: its size, and
// the distance to the base of a delta, or its name.
const maxHeader = 10 + 20

// header reads the header of an object, which is n bytes long, and says what
// follows it.
func (m *packMerger) header(e idxfile.Entry) (kind plumbing.ObjectType, size int64, rest []byte, n int, err error) {
	at := int64(e.Offset)
	if at < 0 || at >= m.size-20 {
		return 0, 0, nil, 0, errDamaged
	}
	b, err := m.in.read(at, int(min(maxHeader, m.size-at)))
	if err != nil {
		return 0, 0, nil, 0, err
	}
	kind, size, rest = parseHeader(b)
	return kind, size, rest, len(b) - len(rest), nil
}

// copy appends one object, which ends in its old pack before end.
func (m *packMerger) copy(e idxfile.Entry, end int64) error {
	kind, size, rest, header, err := m.header(e)
	if err != nil {
		return err
	}
	if int64(e.Offset)+int64(header) > end {
		return errDamaged
	}
	var base []byte
	depth := 0
	switch kind {
	case plumbing.TreeObject:
		return m.tree(e, size, end, header)
	case plumbing.OFSDeltaObject:
		back, length := parseOffset(rest)
		i, ok := entryAt(m.entries[:len(m.copiedTo)], int64(e.Offset)-back)
		if !ok {
			return fmt.Errorf("%w: its delta has no base", errDamaged)
		}
		to := m.objects[m.copiedTo[i]]
		depth = to.depth + 1
		base = offset(m.out.at - to.offset)
		header += length
	}
	o, err := m.out.begin(kind, size, base)
	if err != nil {
		return err
	}
	var sum uint32
	for at, skip := int64(e.Offset), header; at < end; skip = 0 {
		b, err := m.in.read(at, int(min(end-at, windowBytes)))
		if err != nil {
			return err
		}
		sum = crc32.Update(sum, crc32.IEEETable, b)
		if _, err := m.out.Write(b[min(skip, len(b)):]); err != nil {
			return err
		}
		at += int64(len(b))
	}
	if sum != e.CRC32 {
		return errDamaged
	}
	o.hash, o.depth = e.Hash, depth
	m.added(o)
	return nil
}

var errDamaged = errors.New("is damaged")

// A window is the part of a file that is in memory.
type window struct {
	file io.ReaderAt
	at   int64  // where it begins
	held []byte // what it holds
}

// windowBytes is how much of a pack is in memory at once: more than a group of
// commits usually takes.
const windowBytes = 1 << 20

// open makes the window one of another file.
func (w *window) open(f io.ReaderAt) { w.file, w.at, w.held = f, 0, w.held[:0] }

// read is the part of the file that begins at that offset, n bytes of it, at most
// windowBytes. It is good until the next read.
func (w *window) read(at int64, n int) ([]byte, error) {
	if at < w.at || at+int64(n) > w.at+int64(len(w.held)) {
		w.held = slices.Grow(w.held[:0], windowBytes)[:windowBytes]
		got, err := w.file.ReadAt(w.held, at)
		w.at, w.held = at, w.held[:got]
		if n > got {
			return nil, cmp.Or(err, io.ErrUnexpectedEOF)
		}
	}
	from := int(at - w.at)
	return w.held[from : from+n], nil
}

// added notes the object that was written.
func (m *packMerger) added(o packedObject) {
	m.indexOf[o.hash] = len(m.objects)
	m.objects = append(m.objects, m.out.end(o))
}

// tree appends a tree that was stored whole: as a delta of the one that was so
// before, which is of the same folder if they begin alike. With the chains that
// its own pack may hang on it, that makes twice maxDepth at most.
func (m *packMerger) tree(e idxfile.Entry, size, end int64, header int) error {
	object, err := m.whole(int64(e.Offset), end)
	if err != nil {
		return err
	}
	if crc32.ChecksumIEEE(object) != e.CRC32 {
		return errDamaged
	}
	raw, err := m.inflated(object[header:], size)
	if err != nil {
		return err
	}
	alike := string(raw[:max(0, bytes.IndexByte(raw, 0))])
	last, ok := m.lastTrees[alike]
	m.spare = last.raw
	m.lastTrees[alike] = lastTree{len(m.objects), raw}
	if ok && m.objects[last.number].depth < 2*maxDepth-m.deepest {
		if d := treeDelta(last.raw, raw); len(d) < len(raw)/2 && m.deltaMakes(last.raw, d, raw) {
			to := m.objects[last.number]
			o, err := m.out.begin(plumbing.OFSDeltaObject, int64(len(d)), offset(m.out.at-to.offset))
			if err != nil {
				return err
			}
			o.hash, o.depth = e.Hash, to.depth+1
			if err := m.deflate(zlib.NoCompression, d); err != nil {
				return err
			}
			m.added(o)
			return nil
		}
	}
	o, err := m.out.begin(plumbing.TreeObject, size, nil)
	if err != nil {
		return err
	}
	o.hash = e.Hash
	if int64(len(object)) < size { // it is compressed
		_, err = m.out.Write(object[header:])
	} else {
		err = m.deflate(zlib.BestSpeed, raw)
	}
	if err == nil {
		m.added(o)
	}
	return err
}

// deltaMakes says whether the delta d makes the object to of from, by what readers apply
// deltas with. It holds the two against each other bit by bit: a tree of a large folder is
// too much to be made for that, once for each pack.
func (m *packMerger) deltaMakes(from, d, to []byte) bool {
	p, size, err := newPatcher(bytes.NewReader(from), int64(len(from)), bytes.NewReader(d))
	if err != nil || size != int64(len(to)) {
		return false
	}
	if m.part == nil {
		m.part = make([]byte, comparePart)
	}
	for {
		n, err := p.Read(m.part)
		if n > len(to) || !bytes.Equal(m.part[:n], to[:n]) {
			return false
		}
		if to = to[n:]; err != nil {
			return errors.Is(err, io.EOF) && len(to) == 0
		}
	}
}

// comparePart is how many bytes are compared at once.
const comparePart = 32 << 10

// whole is the part of the pack between two offsets. It is good until the next.
func (m *packMerger) whole(at, end int64) ([]byte, error) {
	n := int(end - at)
	if n <= windowBytes {
		return m.in.read(at, n)
	}
	m.object = slices.Grow(m.object[:0], n)[:n]
	_, err := io.ReadFull(io.NewSectionReader(m.in.file, at, int64(n)), m.object)
	return m.object, err
}

// deflate appends b, compressed at that level. The writers are kept: each takes
// much memory.
func (m *packMerger) deflate(level int, b []byte) (err error) {
	z := m.writers[level]
	if z == nil {
		if z, err = zlib.NewWriterLevel(m.out, level); err != nil {
			return err
		}
		m.writers[level] = z
	}
	z.Reset(m.out)
	_, err = z.Write(b)
	return errors.Join(err, z.Close())
}

// inflated is the content of an object of that size.
func (m *packMerger) inflated(b []byte, size int64) ([]byte, error) {
	raw := slices.Grow(m.spare[:0], int(size))[:size]
	m.spare = nil
	if inflateStored(raw, b) {
		return raw, nil
	}
	var err error
	if m.inflate == nil {
		m.inflate, err = zlib.NewReader(bytes.NewReader(b))
	} else {
		err = m.inflate.(zlib.Resetter).Reset(bytes.NewReader(b), nil)
	}
	if err == nil {
		_, err = io.ReadFull(m.inflate, raw)
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	return raw, err
}

// inflateStored fills raw with what the zlib stream b holds (RFC 1950), if it is only
// stored there (RFC 1951, 3.2.4), as trees of the writer's packs are. The sum at
// the end is not looked at: that of the pack's index covers the same.
func inflateStored(raw, b []byte) bool {
	for b = b[min(2, len(b)):]; len(b) >= 5 && b[0]&^1 == 0; {
		last, n := b[0] == 1, int(binary.LittleEndian.Uint16(b[1:]))
		if b = b[5:]; n > len(b) || n > len(raw) {
			return false
		}
		copy(raw, b[:n])
		raw, b = raw[n:], b[n:]
		if last {
			return len(raw) == 0
		}
	}
	return false
}

// parseHeader reads what [objectHeader] makes, and says what follows it.
func parseHeader(b []byte) (kind plumbing.ObjectType, size int64, rest []byte) {
	kind, size = plumbing.ObjectType(b[0]>>4&7), int64(b[0]&0xf)
	i := 1
	for shift := 4; b[i-1]&0x80 != 0 && i < len(b); i, shift = i+1, shift+7 {
		size |= int64(b[i]&0x7f) << shift
	}
	return kind, size, b[i:]
}

// parseOffset reads what [offset] makes, and says how long it is.
func parseOffset(b []byte) (back int64, n int) {
	for n < len(b) {
		back = back<<7 | int64(b[n]&0x7f)
		n++
		if b[n-1]&0x80 == 0 {
			break
		}
		back++
	}
	return back, n
}
