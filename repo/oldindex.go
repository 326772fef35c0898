package repo

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// packIndexMagic begins each index of a pack but those of version 1.
const packIndexMagic = "\xfftOc"

// modernIndex is the index of a pack as version 2 has it, of one that may be of version 1
// (gitformat-pack(5)), as Git makes them with pack.indexVersion=1 and has read since ever. That
// lacks the sums of objects, so that the whole pack is read for them, and its own is looked at.
func modernIndex(raw []byte, pack string) ([]byte, error) {
	const fanout, item, sums = 256 * 4, 4 + 20, 2 * sha1.Size
	if bytes.HasPrefix(raw, []byte(packIndexMagic)) || len(raw) < fanout+sums {
		return raw, nil
	}
	n := int(binary.BigEndian.Uint32(raw[fanout-4:]))
	end := len(raw) - sha1.Size
	if len(raw) != fanout+item*n+sums || sha1.Sum(raw[:end]) != [sha1.Size]byte(raw[end:]) {
		return nil, errDamaged
	}
	objects := make([]packedObject, n)
	for i := range objects {
		at := raw[fanout+item*i:]
		objects[i] = packedObject{offset: int64(binary.BigEndian.Uint32(at)), hash: Hash(at[4:item])}
	}
	slices.SortFunc(objects, func(a, b packedObject) int { return cmp.Compare(a.offset, b.offset) })
	if err := sumObjects(objects, pack); err != nil {
		return nil, err
	}
	return encodePackIndex(objects, Hash(raw[len(raw)-sums:]))
}

// sumObjects gives each object of a pack, in their order there, the sum of its bytes.
func sumObjects(objects []packedObject, pack string) error {
	f, err := os.Open(pack)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(io.NewSectionReader(f, packHeader, info.Size()), 256<<10)
	at := int64(packHeader)
	for i := range objects {
		end := info.Size() - sha1.Size
		if i+1 < len(objects) {
			end = objects[i+1].offset
		}
		if objects[i].offset != at || end <= at {
			return fmt.Errorf("%w: the pack has other objects", errDamaged)
		}
		sum := crc32.NewIEEE()
		if _, err := io.CopyN(sum, in, end-at); errors.Is(err, io.EOF) {
			return errDamaged
		} else if err != nil {
			return err
		}
		objects[i].crc, at = sum.Sum32(), end
	}
	return nil
}
