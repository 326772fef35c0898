package repo

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// joinBytes bounds how much is joined at once, and held in memory for it.
const joinBytes = 64 << 20

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

// joinPacks puts the objects of many small packs into one. It may run beside
// the writer and beside Git: the joined pack is in place, durably, before the
// others go, and no object is left out, whether something refers to it or not.
func joinPacks(ctx context.Context, d disk, folder string) error {
	if _, err := os.Stat(filepath.Join(folder, "multi-pack-index")); err == nil {
		return nil // of Git's own upkeep, which would miss the packs
	}
	packs, err := listPacks(folder)
	if err != nil {
		return err
	}
	chosen := choose(packs)
	if len(chosen) < 2 {
		return nil
	}
	slices.SortFunc(chosen, func(a, b packFile) int { return cmp.Or(cmp.Compare(a.made, b.made), cmp.Compare(a.name, b.name)) })
	j := joiner{pack: newPack(), heads: make(map[string]head)}
	for _, p := range chosen {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := j.take(p); err != nil {
			return fmt.Errorf("pack %s: %w", filepath.Base(p.name), err)
		}
	}
	joined, err := j.pack.save(d, folder, joinDraft)
	if err != nil {
		return errors.Join(err, cleanPacks(d, folder, joinDraft))
	}
	for _, p := range chosen {
		if p.name == joined {
			continue
		}
		if err := errors.Join(removeIfThere(d, p.name+".idx"), removeIfThere(d, p.name+".pack")); err != nil {
			return err
		}
	}
	return d.SyncDir(folder)
}

// A joiner copies the objects of packs, from old to new, into one.
type joiner struct {
	pack  *pack
	heads map[string]head // the last tree that was stored whole, by what is alike in those of a folder
}

type head struct {
	hash Hash
	raw  []byte
}

// take copies the objects of p that are not there yet, as they are: deltas stay
// deltas. Only trees that were stored whole become deltas where they can.
func (j *joiner) take(p packFile) error {
	raw, err := os.ReadFile(p.name + ".pack")
	if err != nil {
		return err
	}
	entries, err := readIndex(p.name + ".idx")
	if err != nil {
		return err
	}
	moved := make(map[int]int, len(entries)) // the place of an object by its old offset
	for i, e := range entries {
		at, end := int(e.Offset), len(raw)-20
		if i+1 < len(entries) {
			end = int(entries[i+1].Offset)
		}
		if at >= end || end > len(raw) || crc32.ChecksumIEEE(raw[at:end]) != e.CRC32 {
			return fmt.Errorf("object %s is damaged", e.Hash)
		}
		if _, ok := j.pack.index[e.Hash]; !ok {
			if err := j.copy(e.Hash, raw[at:end], at, moved); err != nil {
				return fmt.Errorf("object %s: %w", e.Hash, err)
			}
		}
		moved[at] = j.pack.index[e.Hash]
	}
	return nil
}

// copy appends one object, whose bytes in its old pack are raw.
func (j *joiner) copy(h Hash, raw []byte, at int, moved map[int]int) error {
	kind, size, rest := parseHeader(raw)
	o := packed{hash: h}
	var base []byte
	switch kind {
	case plumbing.TreeObject:
		return j.tree(h, size, rest)
	case plumbing.OFSDeltaObject:
		back, n := parseOffset(rest)
		i, ok := moved[at-back]
		if !ok {
			return errors.New("delta has no base")
		}
		to := j.pack.objects[i]
		o.depth = to.depth + 1
		base, rest = offset(int64(j.pack.buf.Len())-to.offset), rest[n:]
	}
	j.pack.put(o, kind, size, base, func() { j.pack.buf.Write(rest) })
	return nil
}

// tree appends a tree that was stored whole: as a delta of the one that was so
// before, which is of the same folder if they begin alike. Chains of these and
// those within a group add up to twice maxDepth at most.
func (j *joiner) tree(h Hash, size int, content []byte) error {
	r, err := zlib.NewReader(bytes.NewReader(content))
	if err != nil {
		return err
	}
	raw := make([]byte, size)
	if _, err := io.ReadFull(r, raw); err != nil {
		return err
	}
	alike := string(raw[:max(0, bytes.IndexByte(raw, 0))])
	last, ok := j.heads[alike]
	j.heads[alike] = head{h, raw}
	if ok {
		if d := packfile.DiffDelta(last.raw, raw); len(d) < len(raw)/2 && j.pack.addDelta(h, last.hash, d) {
			return nil
		}
	}
	j.pack.put(packed{hash: h}, plumbing.TreeObject, size, nil, func() { j.pack.write(j.pack.deflate, raw) })
	return nil
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

// parseHeader reads what [pack.header] writes, and says what follows it.
func parseHeader(b []byte) (kind plumbing.ObjectType, size int, rest []byte) {
	kind, size = plumbing.ObjectType(b[0]>>4&7), int(b[0]&0xf)
	i := 1
	for shift := 4; b[i-1]&0x80 != 0 && i < len(b); i, shift = i+1, shift+7 {
		size |= int(b[i]&0x7f) << shift
	}
	return kind, size, b[i:]
}

// parseOffset reads what [offset] makes, and says how long it is.
func parseOffset(b []byte) (back, n int) {
	for n < len(b) {
		back = back<<7 | int(b[n]&0x7f)
		n++
		if b[n-1]&0x80 == 0 {
			break
		}
		back++
	}
	return back, n
}
