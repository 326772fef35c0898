package media

import (
	"encoding/binary"
	"io"
)

// maxMeta is how much is read of what describes a picture in the HEIF format.
const maxMeta = 1 << 20

// heifPixels is how many pixels the largest picture of an AVIF or HEIC has, by the
// properties ispe of its box meta (ISO 23008-12, section 6.5.3); 0 where none is found.
func heifPixels(f io.ReadSeeker) (int64, error) {
	var head [16]byte
	for {
		n, err := io.ReadFull(f, head[:8])
		if n == 0 || err == io.ErrUnexpectedEOF {
			return 0, nil
		} else if err != nil {
			return 0, err
		}
		size, header := int64(binary.BigEndian.Uint32(head[:])), int64(8)
		if size == 1 {
			if _, err := io.ReadFull(f, head[8:]); err != nil {
				return 0, nil //nolint:nilerr // it ends early: there is nothing to measure
			}
			size, header = int64(binary.BigEndian.Uint64(head[8:])), 16
		}
		if size < header { // up to the end of the file, or broken
			return 0, nil
		}
		if string(head[4:8]) == "meta" {
			meta, err := io.ReadAll(io.LimitReader(f, min(size-header, maxMeta)))
			if err != nil || len(meta) < 4 {
				return 0, err
			}
			return largest(meta[4:]), nil // behind version and flags
		}
		if _, err := f.Seek(size-header, io.SeekCurrent); err != nil {
			return 0, nil //nolint:nilerr // longer than any file
		}
	}
}

// largest is how many pixels the largest ispe among some boxes says.
func largest(boxes []byte) (most int64) {
	for len(boxes) >= 8 {
		size := int64(binary.BigEndian.Uint32(boxes))
		if size < 8 || size > int64(len(boxes)) {
			return most
		}
		switch inside := boxes[8:size]; string(boxes[4:8]) {
		case "iprp", "ipco":
			most = max(most, largest(inside))
		case "ispe":
			if len(inside) >= 12 {
				w, h := int64(binary.BigEndian.Uint32(inside[4:])), int64(binary.BigEndian.Uint32(inside[8:]))
				most = max(most, pixelsOf(w, h))
			}
		}
		boxes = boxes[size:]
	}
	return most
}
