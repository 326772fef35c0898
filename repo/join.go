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
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
)

// joinBytes bounds how much is joined at once.
const joinBytes = 1 << 30

// A packFile is a pack on disk.
type packFile struct {
	name  string // with its folder, without extension
	size  int64
	made  int64 // Unix nanoseconds
	plain bool  // nothing but its index belongs to it, so that it may be joined
}

// listPacks lists the packs in folder that have an index, the smallest first.
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
		if errors.Is(err, fs.ErrNotExist) {
			continue // Git removed it just now
		} else if err != nil {
			return nil, err
		}
		packs = append(packs, packFile{filepath.Join(folder, name), info.Size(), info.ModTime().UnixNano(), len(ext) == 2})
	}
	slices.SortFunc(packs, func(a, b packFile) int { return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.name, b.name)) })
	return packs, nil
}

// joinable lists the packs in folder that are to be joined next: none where Git's
// own upkeep keeps an index over several packs, which would miss them.
func joinable(folder string) ([]packFile, error) {
	if _, err := os.Stat(filepath.Join(folder, "multi-pack-index")); err == nil {
		return nil, nil
	}
	packs, err := listPacks(folder)
	return choose(packs), err
}

// choose picks the packs to join: the smallest ones, and each next one as long
// as it is smaller than all before it together. So a byte is copied about as
// often as the logarithm of the number of packs.
func choose(packs []packFile) []packFile {
	packs = slices.DeleteFunc(slices.Clone(packs), func(p packFile) bool { return !p.plain })
	var sum int64
	for i, p := range packs {
		if sum+p.size > joinBytes || i > 1 && p.size >= sum {
			return packs[:i]
		}
		sum += p.size
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
	j := joiner{out: newPackWriter(f, len(objects)), number: objects, heads: make(map[string]head), writers: make(map[int]*zlib.Writer)}
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
	deepest int             // the longest chain of deltas in the pack that is being copied

	// Memory that is used again.
	object, spare []byte
	inflate       io.ReadCloser
	writers       map[int]*zlib.Writer // by level
}

type head struct {
	number int // into objects
	raw    []byte
}

// readWhole is how long a pack may be to be read at once.
const readWhole = 4 << 20

// take copies the objects of p that are not there yet, as they are: deltas stay
// deltas. Only trees that were stored whole become deltas where they can.
func (j *joiner) take(p packFile, entries []idxfile.Entry) error {
	f, err := os.Open(p.name + ".pack")
	if err != nil {
		return err
	}
	defer f.Close()
	var pack io.ReaderAt = f
	if p.size <= readWhole {
		raw := make([]byte, p.size)
		if _, err := io.ReadFull(f, raw); err != nil {
			return err
		}
		pack = bytes.NewReader(raw)
	}
	if j.deepest, err = longestChain(pack, entries); err != nil {
		return err
	}
	moved := make(map[int64]int, len(entries)) // the number of an object by its old offset
	for i, e := range entries {
		at, end := int64(e.Offset), p.size-20
		if i+1 < len(entries) {
			end = int64(entries[i+1].Offset)
		}
		if at >= end || end > p.size {
			return fmt.Errorf("object %s is damaged", e.Hash)
		}
		if j.number[e.Hash] < 0 {
			if err := j.copy(e, io.NewSectionReader(pack, at, end-at), moved); err != nil {
				return fmt.Errorf("object %s: %w", e.Hash, err)
			}
		}
		moved[at] = j.number[e.Hash]
	}
	return nil
}

// longestChain is how many deltas the longest chain of a pack has.
func longestChain(pack io.ReaderAt, entries []idxfile.Entry) (int, error) {
	longest, depths := 0, make(map[int64]int) // of the deltas, by offset
	for _, e := range entries {
		var b [maxHeader]byte
		at := int64(e.Offset)
		n, err := pack.ReadAt(b[:], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if kind, _, rest := parseHeader(b[:n]); kind == plumbing.OFSDeltaObject {
			back, _ := parseOffset(rest)
			depths[at] = depths[at-back] + 1
			longest = max(longest, depths[at])
		}
	}
	return longest, nil
}

// copyBytes is how much of an object is held at once.
const copyBytes = 64 << 10

// maxHeader is how long the header of an object can be at most: its size, and
// the distance to the base of a delta, or its name.
const maxHeader = 10 + 20

// copy appends one object, which stands in its old pack as in says.
func (j *joiner) copy(e idxfile.Entry, in *io.SectionReader, moved map[int64]int) error {
	var b [maxHeader]byte
	n, err := in.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	kind, size, rest := parseHeader(b[:n])
	var base []byte
	depth := 0
	switch kind {
	case plumbing.TreeObject:
		return j.tree(e, size, in, n-len(rest))
	case plumbing.OFSDeltaObject:
		back, length := parseOffset(rest)
		i, ok := moved[int64(e.Offset)-back]
		if !ok {
			return errors.New("delta has no base")
		}
		to := j.objects[i]
		depth = to.depth + 1
		base, rest = offset(j.out.at-to.offset), rest[length:]
	}
	o, err := j.out.begin(kind, size, base)
	if err != nil {
		return err
	}
	old := n - len(rest) // of the header
	sum := crc32.Update(0, crc32.IEEETable, b[:old])
	j.object = slices.Grow(j.object[:0], copyBytes)[:copyBytes]
	for at := int64(old); at < in.Size(); {
		n, err := in.ReadAt(j.object, at)
		if n == 0 {
			return err
		}
		sum = crc32.Update(sum, crc32.IEEETable, j.object[:n])
		if _, err := j.out.Write(j.object[:n]); err != nil {
			return err
		}
		at += int64(n)
	}
	if sum != e.CRC32 {
		return errors.New("is damaged")
	}
	o.hash, o.depth = e.Hash, depth
	j.done(o)
	return nil
}

// done notes the object that was written.
func (j *joiner) done(o packed) {
	j.number[o.hash] = len(j.objects)
	j.objects = append(j.objects, j.out.end(o))
}

// tree appends a tree that was stored whole: as a delta of the one that was so
// before, which is of the same folder if they begin alike. With the chains that
// its own pack may hang on it, that makes twice maxDepth at most.
func (j *joiner) tree(e idxfile.Entry, size int64, in *io.SectionReader, header int) error {
	j.object = slices.Grow(j.object[:0], int(in.Size()))[:in.Size()]
	if _, err := in.ReadAt(j.object, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if crc32.ChecksumIEEE(j.object) != e.CRC32 {
		return errors.New("is damaged")
	}
	raw, err := j.inflated(j.object[header:], size)
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
	if int64(len(j.object)) < size { // it is compressed
		_, err = j.out.Write(j.object[header:])
	} else {
		err = j.deflate(zlib.BestSpeed, raw)
	}
	if err == nil {
		j.done(o)
	}
	return err
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
