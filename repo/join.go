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
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
)

// Bounds of what is joined at once. That of objects bounds the memory that it
// takes, some 300 bytes for each.
const (
	joinBytes   = 1 << 30
	joinObjects = 1 << 18
)

// A packFile is a pack on disk.
type packFile struct {
	name    string // with its folder, without extension
	size    int64  // in bytes
	objects int64
	made    int64 // Unix nanoseconds
	plain   bool  // nothing but its index belongs to it, so that it may be joined
}

// weight is what it takes to copy the pack, in bytes. Its one tree that is stored
// whole can be nearly all of it, and is next to nothing in the joined pack, whence
// the bound by the number of objects.
func (p packFile) weight() int64 {
	if p.objects == 1 {
		return p.size
	}
	return min(p.size, p.objects*objectWeight)
}

// objectWeight is more than a commit, a delta, or an entry that is compressed
// usually take, in bytes.
const objectWeight = 2 << 10

// listPacks lists the packs in folder that have an index, the lightest first.
func listPacks(folder string) ([]packFile, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	extensions := make(map[string][]string) // by name
	for _, f := range files {
		if name, ext, ok := strings.Cut(f.Name(), "."); ok && strings.HasPrefix(name, "pack-") {
			extensions[name] = append(extensions[name], ext)
		}
	}
	var packs []packFile
	for name, ext := range extensions {
		if !slices.Contains(ext, "pack") || !slices.Contains(ext, "idx") {
			continue
		}
		info, err := os.Stat(filepath.Join(folder, name+".pack"))
		index, indexErr := os.Stat(filepath.Join(folder, name+".idx"))
		if err = cmp.Or(err, indexErr); errors.Is(err, fs.ErrNotExist) {
			continue // Git removed it just now
		} else if err != nil {
			return nil, err
		}
		packs = append(packs, packFile{
			name: filepath.Join(folder, name), size: info.Size(), objects: max(0, index.Size()-indexFrame) / indexItem,
			made: info.ModTime().UnixNano(), plain: len(ext) == 2,
		})
	}
	slices.SortFunc(packs, func(a, b packFile) int {
		return cmp.Or(cmp.Compare(a.weight(), b.weight()), cmp.Compare(a.name, b.name))
	})
	return packs, nil
}

// The size of an index (gitformat-pack(5), version 2) is that of its frame and of
// an item for each object, but for those beyond 2 GB.
const (
	indexFrame = 8 + 256*4 + 2*20
	indexItem  = 20 + 4 + 4
)

// joinable lists the packs in folder that are to be joined next: none where Git's
// own upkeep keeps an index over several packs, which would miss them.
func joinable(folder string) ([]packFile, error) {
	if _, err := os.Stat(filepath.Join(folder, "multi-pack-index")); err == nil {
		return nil, nil
	}
	packs, err := listPacks(folder)
	return choose(packs), err
}

// choose picks the packs to join: the lightest ones, and each next one as long
// as it is lighter than all before it together. So an object is copied about as
// often as the logarithm of the number of packs.
func choose(packs []packFile) []packFile {
	packs = slices.DeleteFunc(slices.Clone(packs), func(p packFile) bool { return !p.plain })
	var weight, size, objects int64
	for i, p := range packs {
		if size+p.size > joinBytes || objects+p.objects > joinObjects || i > 1 && p.weight() >= weight {
			return packs[:i]
		}
		weight, size, objects = weight+p.weight(), size+p.size, objects+p.objects
	}
	return packs
}

// joinPacks puts the objects of many small packs into one. It may run beside the
// writer and beside Git: the joined pack is in place, durably, before the others
// go, and no object is left out, whether something refers to it or not. rest
// says how long to rest after so much work, so that others get on; nil is never.
func joinPacks(ctx context.Context, d disk, folder string, rest func(worked time.Duration) time.Duration) error {
	packs, err := joinable(folder)
	if err != nil || len(packs) < 2 {
		return err
	}
	slices.SortFunc(packs, func(a, b packFile) int { return cmp.Or(cmp.Compare(a.made, b.made), cmp.Compare(a.name, b.name)) })
	name, err := writeJoined(ctx, d, folder, packs, rest)
	if err != nil {
		return errors.Join(err, cleanPacks(d, folder, joinDraft))
	}
	for _, p := range packs {
		if p.name == name {
			continue
		}
		if err := errors.Join(removeIfThere(d, p.name+".idx"), removeIfThere(d, p.name+".pack")); err != nil {
			return err
		}
	}
	return d.SyncDir(folder)
}

// writeJoined writes the pack of all objects of packs, and says its name.
func writeJoined(ctx context.Context, d disk, folder string, packs []packFile, rest func(worked time.Duration) time.Duration) (name string, err error) {
	objects := make(map[Hash]int)
	indexes := make([][]idxfile.Entry, len(packs))
	for i, p := range packs {
		if indexes[i], err = readIndex(p.name + ".idx"); err != nil {
			return "", fmt.Errorf("index of %s: %w", filepath.Base(p.name), err)
		}
		for _, e := range indexes[i] {
			objects[e.Hash] = -1
		}
	}
	f, err := d.Create(filepath.Join(folder, joinDraft+"_pack"), 0o444)
	if err != nil {
		return "", fmt.Errorf("write pack: %w", err)
	}
	j := joiner{
		out: newPackWriter(f, len(objects)), objects: make([]packed, 0, len(objects)), number: objects,
		heads: make(map[string]head), writers: make(map[int]*zlib.Writer),
	}
	for i, p := range packs {
		began := time.Now()
		if err = j.take(p, indexes[i]); err != nil {
			err = fmt.Errorf("pack %s: %w", filepath.Base(p.name), err)
			break
		}
		if rest != nil {
			select {
			case <-ctx.Done():
			case <-time.After(rest(time.Since(began))):
			}
		}
		if err = ctx.Err(); err != nil {
			break
		}
	}
	var sum Hash
	if err == nil {
		sum, err = j.out.finish()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	index, err := encodeIndex(j.objects, sum)
	if err == nil {
		err = writeFile(d, filepath.Join(folder, joinDraft+"_idx"), index, 0o444)
	}
	if err != nil {
		return "", fmt.Errorf("write index: %w", err)
	}
	return placePack(d, folder, joinDraft, sum)
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

// find is the number of the entry at that offset, among those before the entry i.
func (j *joiner) find(at int64, i int) (int, bool) {
	return slices.BinarySearchFunc(j.entries[:i], at, func(e idxfile.Entry, at int64) int {
		return cmp.Compare(int64(e.Offset), at)
	})
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
		if base, ok := j.find(int64(e.Offset)-back, i); ok {
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
		i, ok := j.find(int64(e.Offset)-back, len(j.moved))
		if !ok {
			return errors.New("delta has no base")
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
		if d := treeDelta(last.raw, raw); len(d) < len(raw)/2 {
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

// readIndex lists the objects of a pack, in order of offset.
func readIndex(name string) ([]idxfile.Entry, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	index := idxfile.NewMemoryIndex()
	if err := idxfile.NewDecoder(f).Decode(index); err != nil {
		return nil, err
	}
	iter, err := index.EntriesByOffset()
	if err != nil {
		return nil, err
	}
	defer iter.Close()
	var list []idxfile.Entry
	for {
		e, err := iter.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		list = append(list, *e)
	}
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
