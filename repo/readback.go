package repo

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
)

// verifyPack reads a pack and its index from the disk, whole, and says which objects
// they have: after it, nothing stands between those and Git but what zlib streams
// and deltas hold. It checks the sums of both files and of each object, and that
// each delta has its base.
func verifyPack(ctx context.Context, pack, index string) (map[Hash]struct{}, error) {
	raw, err := os.ReadFile(index)
	if err != nil {
		return nil, err
	}
	const sums = 2 * sha1.Size // of the pack, then of the index
	if len(raw) < sums || sha1.Sum(raw[:len(raw)-sha1.Size]) != [sha1.Size]byte(raw[len(raw)-sha1.Size:]) {
		return nil, fmt.Errorf("index %w", errDamaged)
	}
	decoded, err := parsePackIndex(raw, pack)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	entries, err := byOffset(decoded)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(pack)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := packCheck{entries: entries, objects: make(map[Hash]struct{}, len(entries))}
	for _, e := range entries {
		r.objects[e.Hash] = struct{}{}
	}
	if err := r.read(ctx, f, Hash(raw[len(raw)-sums:])); err != nil {
		return nil, err
	}
	return r.objects, nil
}

// A packCheck holds a pack against its index.
type packCheck struct {
	in      window
	size    int64
	sum     hash.Hash       // of what was read
	entries []idxfile.Entry // by offset
	objects map[Hash]struct{}
}

func (r *packCheck) read(ctx context.Context, f *os.File, want Hash) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r.in.open(f)
	r.size, r.sum = info.Size(), sha1.New()
	const head = 12
	if r.size < head+sha1.Size {
		return errDamaged
	}
	b, err := r.in.read(0, head)
	if err != nil {
		return err
	}
	r.sum.Write(b)
	if string(b[:8]) != "PACK\x00\x00\x00\x02" || int(binary.BigEndian.Uint32(b[8:])) != len(r.entries) {
		return fmt.Errorf("pack %w: its index has another number of objects", errDamaged)
	}
	at := int64(head)
	for i, e := range r.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := r.size - sha1.Size
		if i+1 < len(r.entries) {
			end = int64(r.entries[i+1].Offset)
		}
		if int64(e.Offset) != at || end <= at {
			return fmt.Errorf("pack %w: its index has other objects", errDamaged)
		}
		if err := r.object(i, end); err != nil {
			return fmt.Errorf("object %s: %w", e.Hash, err)
		}
		at = end
		runtime.Gosched() // whoever waits for a commit goes first
	}
	if b, err = r.in.read(at, sha1.Size); err != nil {
		return err
	}
	if Hash(b) != want || Hash(r.sum.Sum(nil)) != want {
		return fmt.Errorf("pack %w: its sum is another", errDamaged)
	}
	return nil
}

// object reads the entry i, which ends before end.
func (r *packCheck) object(i int, end int64) error {
	e := r.entries[i]
	at := int64(e.Offset)
	b, err := r.in.read(at, int(min(maxHeader, end-at)))
	if err != nil {
		return err
	}
	switch kind, _, rest := parseHeader(b); kind {
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
	case plumbing.OFSDeltaObject:
		back, _ := parseOffset(rest)
		if _, ok := entryAt(r.entries[:i], at-back); !ok {
			return fmt.Errorf("%w: its delta has no base", errDamaged)
		}
	case plumbing.REFDeltaObject:
		if len(rest) < sha1.Size {
			return errDamaged
		}
		if _, ok := r.objects[Hash(rest[:sha1.Size])]; !ok {
			return fmt.Errorf("%w: its delta has no base", errDamaged)
		}
	default:
		return fmt.Errorf("%w: it is of no kind", errDamaged)
	}
	var crc uint32
	for at < end {
		b, err := r.in.read(at, int(min(end-at, windowBytes)))
		if err != nil {
			return err
		}
		crc = crc32.Update(crc, crc32.IEEETable, b)
		r.sum.Write(b)
		at += int64(len(b))
	}
	if crc != e.CRC32 {
		return errDamaged
	}
	return nil
}

// entryAt is the number of the entry at that offset.
func entryAt(entries []idxfile.Entry, at int64) (int, bool) {
	return slices.BinarySearchFunc(entries, at, func(e idxfile.Entry, at int64) int {
		return cmp.Compare(int64(e.Offset), at)
	})
}

// readIndex lists the objects of a pack, in order of offset.
func readIndex(name string) ([]idxfile.Entry, error) {
	index, err := openPackIndex(name)
	if err != nil {
		return nil, err
	}
	return byOffset(index)
}

// openPackIndex reads the index of a pack.
func openPackIndex(name string) (*idxfile.MemoryIndex, error) {
	raw, err := os.ReadFile(name) // go-git reads it four bytes at a time
	if err != nil {
		return nil, err
	}
	return parsePackIndex(raw, strings.TrimSuffix(name, ".idx")+".pack")
}

// parsePackIndex reads the index of the pack of that file name.
func parsePackIndex(raw []byte, pack string) (*idxfile.MemoryIndex, error) {
	raw, err := modernIndex(raw, pack)
	if err != nil {
		return nil, err
	}
	index := idxfile.NewMemoryIndex()
	if err := idxfile.NewDecoder(bytes.NewReader(raw)).Decode(index); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return index, nil
}

func byOffset(index *idxfile.MemoryIndex) ([]idxfile.Entry, error) {
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
