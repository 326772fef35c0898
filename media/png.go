package media

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// shown are the chunks of a PNG (W3C PNG, third edition, section 11) that its
// looks depend on: pixels, frames, transparency, colours, density. The others
// are texts, times, Exif, and what programs keep for themselves.
var shown = map[string]bool{
	"IHDR": true, "PLTE": true, "IDAT": true, "IEND": true, "tRNS": true, "bKGD": true, "sBIT": true, "pHYs": true,
	"gAMA": true, "cHRM": true, "sRGB": true, "iCCP": true, "cICP": true, "mDCV": true, "cLLI": true,
	"acTL": true, "fcTL": true, "fdAT": true,
}

// stripPNG copies a PNG, animated or not, without what its looks do not depend
// on and without what stands behind its end. An orientation stays, in an Exif
// chunk that says no more.
func stripPNG(w io.Writer, r io.ReadSeeker) error {
	p := &pngFile{in: bufio.NewReader(r), out: bufio.NewWriter(w)}
	signature := make([]byte, len(pngSignature))
	if _, err := io.ReadFull(p.in, signature); err != nil || string(signature) != pngSignature {
		return fmt.Errorf("%w: no signature", errPicture)
	}
	_, _ = p.out.Write(signature) // Flush returns the error of any write
	for !p.ended {
		if err := p.chunk(); err != nil {
			return err
		}
	}
	return p.out.Flush()
}

type pngFile struct {
	in     *bufio.Reader
	out    *bufio.Writer
	turned bool // an orientation was written
	ended  bool
}

// chunk copies a chunk, or leaves it out.
func (p *pngFile) chunk() error {
	const checksum = 4
	var head [8]byte // length, type
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		return fmt.Errorf("%w: it ends early", errPicture)
	}
	size, kind := int64(binary.BigEndian.Uint32(head[:])), string(head[4:])
	p.ended = kind == "IEND"
	var err error
	switch {
	case shown[kind]:
		_, _ = p.out.Write(head[:])
		_, err = io.CopyN(p.out, p.in, size+checksum)
	case kind == "eXIf" && !p.turned:
		exif := make([]byte, min(size, maxExif))
		if _, err = io.ReadFull(p.in, exif); err == nil {
			_, err = io.CopyN(io.Discard, p.in, size-int64(len(exif))+checksum)
		}
		if o := orientation(exif); o != upright {
			p.write(kind, oriented(o))
			p.turned = true
		}
	case head[4]&0x20 == 0: // critical: without it nothing can be shown
		return fmt.Errorf("%w: an unknown chunk", errPicture)
	default:
		_, err = io.CopyN(io.Discard, p.in, size+checksum)
	}
	if err != nil {
		return fmt.Errorf("%w: a chunk ends early", errPicture)
	}
	return nil
}

// write adds a chunk of its own.
func (p *pngFile) write(kind string, data []byte) {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	chunk = append(append(chunk, kind...), data...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	_, _ = p.out.Write(chunk)
}
