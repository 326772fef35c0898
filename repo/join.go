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
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// join puts the objects of many small packs into one, which is in place, durably,
// when it returns nil; the others are kept from then on. It may run beside the
// writer and beside Git. No object is left out, whether something refers to it or
// not.
func (j *joins) join(ctx context.Context) error {
	packs, err := j.candidates()
	if err != nil || len(packs) < 2 {
		return err
	}
	slices.SortFunc(packs, func(a, b packFile) int { return cmp.Or(cmp.Compare(a.made, b.made), cmp.Compare(a.name, b.name)) })
	sum, err := j.write(ctx, packs)
	var name string
	if err == nil {
		name, err = placePack(j.disk, j.folder, joinDraft, sum)
	}
	if err != nil {
		return errors.Join(err, cleanPacks(j.disk, j.folder, joinDraft))
	}
	j.keepAll(packs, name)
	return nil
}

// write makes the drafts of the pack of all objects of packs, reads them back, and
// says the sum of the pack.
func (j *joins) write(ctx context.Context, packs []packFile) (sum Hash, err error) {
	objects := make(map[Hash]int)
	indexes := make([][]idxfile.Entry, len(packs))
	for i, p := range packs {
		if indexes[i], err = readIndex(p.name + ".idx"); err != nil {
			return sum, j.failed(p, err)
		}
		for _, e := range indexes[i] {
			objects[e.Hash] = -1
		}
	}
	draft := filepath.Join(j.folder, joinDraft)
	f, err := j.disk.Create(draft+"_pack", 0o444)
	if err != nil {
		return sum, fmt.Errorf("write pack: %w", err)
	}
	c := joiner{
		out: newPackWriter(f, len(objects)), objects: make([]packed, 0, len(objects)), number: objects,
		heads: make(map[string]head), writers: make(map[int]*zlib.Writer),
	}
	for i, p := range packs {
		began := time.Now()
		if err = c.take(p, indexes[i]); err != nil {
			err = j.failed(p, err)
			break
		}
		if err = j.pause(ctx, began); err != nil {
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
	index, err := encodeIndex(c.objects, sum)
	if err == nil {
		err = writeFile(j.disk, draft+"_idx", index, 0o444)
	}
	if err == nil {
		err = newest(draft+"_pack", packs)
	}
	if err != nil {
		return sum, fmt.Errorf("write index: %w", err)
	}
	began := time.Now()
	written, err := readBack(ctx, draft+"_pack", draft+"_idx")
	if err == nil && (len(written) != len(objects) || !within(objects, written)) {
		err = errors.New("it lacks objects")
	}
	if err != nil {
		return sum, fmt.Errorf("read joined pack back: %s", err.Error()) // not the error of one of packs
	}
	return sum, j.pause(ctx, began)
}

// within says whether all objects of a are in b.
func within[T any](a map[Hash]T, b map[Hash]struct{}) bool {
	for h := range a {
		if _, ok := b[h]; !ok {
			return false
		}
	}
	return true
}

// newest makes a pack look newer than others, whatever the clock did: Git reads
// objects from the newest pack that has them, and takes others as not needed.
func newest(name string, others []packFile) error {
	at := time.Now()
	for _, p := range others {
		if made := time.Unix(0, p.made); !made.Before(at) {
			at = made.Add(time.Second)
		}
	}
	return os.Chtimes(name, at, at)
}

// A joiner copies the objects of packs, from old to new, into one.
type joiner struct {
	out     *packWriter
	objects []packed
	number  map[Hash]int    // into objects; -1 of those that are not there yet
	heads   map[string]head // the last tree that was stored whole, by what is alike in those of a folder

	// The pack that is being copied.
	in      window
	size    int64
	entries []idxfile.Entry // by offset
	moved   []int           // the number of each entry's object
	deepest int             // how many deltas its longest chain has

	// Memory that is used again.
	object, spare []byte
	inflate       io.ReadCloser
	writers       map[int]*zlib.Writer // by level
}

type head struct {
	number int // into objects
	raw    []byte
}

// take copies the objects of p that are not there yet, as they are: deltas stay
// deltas. Only trees that were stored whole become deltas where they can.
func (j *joiner) take(p packFile, entries []idxfile.Entry) error {
	f, err := os.Open(p.name + ".pack")
	if err != nil {
		return err
	}
	defer f.Close()
	j.in.open(f)
	j.size, j.entries, j.moved = p.size, entries, j.moved[:0]
	if err := j.measure(); err != nil {
		return err
	}
	for i, e := range entries {
		end := p.size - 20
		if i+1 < len(entries) {
			end = int64(entries[i+1].Offset)
		}
		if j.number[e.Hash] < 0 {
			if err := j.copy(e, end); err != nil {
				return fmt.Errorf("object %s: %w", e.Hash, err)
			}
		}
		j.moved = append(j.moved, j.number[e.Hash])
		runtime.Gosched() // whoever waits for a commit goes first
	}
	return nil
}

// measure finds out how many deltas the longest chain of the pack has.
func (j *joiner) measure() error {
	j.deepest = 0
	depths := make([]int, len(j.entries)) // of the deltas
	for i, e := range j.entries {
		kind, _, rest, _, err := j.header(e)
		if err != nil {
			return fmt.Errorf("object %s: %w", e.Hash, err)
		}
		if kind != plumbing.OFSDeltaObject {
			continue
		}
		back, _ := parseOffset(rest)
		if base, ok := entryAt(j.entries[:i], int64(e.Offset)-back); ok {
			depths[i] = depths[base] + 1
			j.deepest = max(j.deepest, depths[i])
		}
	}
	return nil
}

// maxHeader is how long the header of an object can be at most: its size, and
// the distance to the base of a delta, or its name.
const maxHeader = 10 + 20

// header reads the header of an object, which is n bytes long, and says what
// follows it.
func (j *joiner) header(e idxfile.Entry) (kind plumbing.ObjectType, size int64, rest []byte, n int, err error) {
	at := int64(e.Offset)
	if at < 0 || at >= j.size-20 {
		return 0, 0, nil, 0, errDamaged
	}
	b, err := j.in.read(at, int(min(maxHeader, j.size-at)))
	if err != nil {
		return 0, 0, nil, 0, err
	}
	kind, size, rest = parseHeader(b)
	return kind, size, rest, len(b) - len(rest), nil
}

// copy appends one object, which ends in its old pack before end.
func (j *joiner) copy(e idxfile.Entry, end int64) error {
	kind, size, rest, header, err := j.header(e)
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
		return j.tree(e, size, end, header)
	case plumbing.OFSDeltaObject:
		back, length := parseOffset(rest)
		i, ok := entryAt(j.entries[:len(j.moved)], int64(e.Offset)-back)
		if !ok {
			return fmt.Errorf("%w: its delta has no base", errDamaged)
		}
		to := j.objects[j.moved[i]]
		depth = to.depth + 1
		base = offset(j.out.at - to.offset)
		header += length
	}
	o, err := j.out.begin(kind, size, base)
	if err != nil {
		return err
	}
	var sum uint32
	for at, skip := int64(e.Offset), header; at < end; skip = 0 {
		b, err := j.in.read(at, int(min(end-at, windowBytes)))
		if err != nil {
			return err
		}
		sum = crc32.Update(sum, crc32.IEEETable, b)
		if _, err := j.out.Write(b[min(skip, len(b)):]); err != nil {
			return err
		}
		at += int64(len(b))
	}
	if sum != e.CRC32 {
		return errDamaged
	}
	o.hash, o.depth = e.Hash, depth
	j.done(o)
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

// done notes the object that was written.
func (j *joiner) done(o packed) {
	j.number[o.hash] = len(j.objects)
	j.objects = append(j.objects, j.out.end(o))
}

// tree appends a tree that was stored whole: as a delta of the one that was so
// before, which is of the same folder if they begin alike. With the chains that
// its own pack may hang on it, that makes twice maxDepth at most.
func (j *joiner) tree(e idxfile.Entry, size, end int64, header int) error {
	object, err := j.whole(int64(e.Offset), end)
	if err != nil {
		return err
	}
	if crc32.ChecksumIEEE(object) != e.CRC32 {
		return errDamaged
	}
	raw, err := j.inflated(object[header:], size)
	if err != nil {
		return err
	}
	alike := string(raw[:max(0, bytes.IndexByte(raw, 0))])
	last, ok := j.heads[alike]
	j.spare = last.raw
	j.heads[alike] = head{len(j.objects), raw}
	if ok && j.objects[last.number].depth < 2*maxDepth-j.deepest {
		if d := treeDelta(last.raw, raw); len(d) < len(raw)/2 && makes(last.raw, d, raw) {
			to := j.objects[last.number]
			o, err := j.out.begin(plumbing.OFSDeltaObject, int64(len(d)), offset(j.out.at-to.offset))
			if err != nil {
				return err
			}
			o.hash, o.depth = e.Hash, to.depth+1
			if err := j.deflate(zlib.NoCompression, d); err != nil {
				return err
			}
			j.done(o)
			return nil
		}
	}
	o, err := j.out.begin(plumbing.TreeObject, size, nil)
	if err != nil {
		return err
	}
	o.hash = e.Hash
	if int64(len(object)) < size { // it is compressed
		_, err = j.out.Write(object[header:])
	} else {
		err = j.deflate(zlib.BestSpeed, raw)
	}
	if err == nil {
		j.done(o)
	}
	return err
}

// makes says whether the delta d makes the object to of from.
func makes(from, d, to []byte) bool {
	got, err := packfile.PatchDelta(from, d)
	return err == nil && bytes.Equal(got, to)
}

// whole is the part of the pack between two offsets. It is good until the next.
func (j *joiner) whole(at, end int64) ([]byte, error) {
	n := int(end - at)
	if n <= windowBytes {
		return j.in.read(at, n)
	}
	j.object = slices.Grow(j.object[:0], n)[:n]
	_, err := io.ReadFull(io.NewSectionReader(j.in.file, at, int64(n)), j.object)
	return j.object, err
}

// deflate appends b, compressed at that level. The writers are kept: each takes
// much memory.
func (j *joiner) deflate(level int, b []byte) (err error) {
	z := j.writers[level]
	if z == nil {
		if z, err = zlib.NewWriterLevel(j.out, level); err != nil {
			return err
		}
		j.writers[level] = z
	}
	z.Reset(j.out)
	_, err = z.Write(b)
	return errors.Join(err, z.Close())
}

// inflated is the content of an object of that size.
func (j *joiner) inflated(b []byte, size int64) ([]byte, error) {
	raw := slices.Grow(j.spare[:0], int(size))[:size]
	j.spare = nil
	if unstore(raw, b) {
		return raw, nil
	}
	var err error
	if j.inflate == nil {
		j.inflate, err = zlib.NewReader(bytes.NewReader(b))
	} else {
		err = j.inflate.(zlib.Resetter).Reset(bytes.NewReader(b), nil)
	}
	if err == nil {
		_, err = io.ReadFull(j.inflate, raw)
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	return raw, err
}

// unstore fills raw with what the zlib stream b holds (RFC 1950), if it is only
// stored there (RFC 1951, 3.2.4), as trees of the writer's packs are. The sum at
// the end is not looked at: that of the pack's index covers the same.
func unstore(raw, b []byte) bool {
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
