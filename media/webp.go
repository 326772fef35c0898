package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Flags of the chunk VP8X of a WebP (RFC 9649, section 2.7).
const (
	webpExif = 0x08
	webpXMP  = 0x04
)

// stripWebP copies a WebP, animated or not, without Exif, XMP, chunks that are
// not known and what stands behind its end. An orientation stays, in an Exif
// chunk that says no more. The source is read twice: first to know how long the
// result is, which its beginning says.
func stripWebP(w io.Writer, r io.ReadSeeker) error {
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	measured := &webpFile{in: bufio.NewReader(r)}
	if err := measured.copy(); err != nil {
		return err
	}
	if _, err := r.Seek(start, io.SeekStart); err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	again := &webpFile{in: bufio.NewReader(r), out: out, size: measured.size, orientation: measured.orientation}
	if err := again.copy(); err != nil {
		return err
	}
	return out.Flush()
}

type webpFile struct {
	in  *bufio.Reader
	out *bufio.Writer // nil to measure only

	// What measuring finds.
	size        int64 // of the result behind its first eight bytes
	orientation byte  // upright where none is to be said

	extended, turned bool
}

// copy reads the file once, and writes what is left of it.
func (p *webpFile) copy() error {
	const header = 12 // RIFF, size, WEBP
	head := make([]byte, header)
	if _, err := io.ReadFull(p.in, head); err != nil || string(head[:4]) != "RIFF" || string(head[8:]) != "WEBP" {
		return fmt.Errorf("%w: no RIFF of WEBP", errPicture)
	}
	rest := int64(binary.LittleEndian.Uint32(head[4:])) - 4
	if p.out != nil {
		binary.LittleEndian.PutUint32(head[4:], uint32(p.size))
		_, _ = p.out.Write(head) // Flush returns the error of any write
	} else {
		p.size, p.orientation = 4, upright
	}
	for n := 0; rest > 0; n++ {
		read, err := p.chunk(n == 0, rest)
		if err != nil {
			return err
		}
		rest -= read
	}
	return nil
}

// chunk copies a chunk, or leaves it out. It says how long the chunk was.
func (p *webpFile) chunk(first bool, rest int64) (int64, error) {
	const header = 8 // name, size
	head := make([]byte, header)
	if _, err := io.ReadFull(p.in, head); err != nil {
		return 0, fmt.Errorf("%w: it ends early", errPicture)
	}
	size := int64(binary.LittleEndian.Uint32(head[4:]))
	padded := size + size%2
	if header+size > rest {
		return 0, fmt.Errorf("%w: a chunk is longer than the file", errPicture)
	}
	var err error
	switch name := string(head[:4]); {
	case name == "VP8X" && first:
		err = p.extend(head, size)
	case first && (name == "VP8 " || name == "VP8L"), p.extended && p.keeps(name):
		err = p.pass(head, padded)
	case name == "EXIF" && p.extended && !p.turned:
		err = p.turn(padded)
	case first:
		err = errPicture
	default:
		_, err = io.CopyN(io.Discard, p.in, padded)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: a chunk is broken", errPicture)
	}
	return header + padded, nil
}

// keeps says whether the looks of an extended file depend on a chunk.
func (p *webpFile) keeps(name string) bool {
	switch name {
	case "VP8 ", "VP8L", "ALPH", "ICCP", "ANIM", "ANMF":
		return true
	}
	return false
}

// pass copies a chunk whose head is read.
func (p *webpFile) pass(head []byte, padded int64) error {
	if p.out == nil {
		p.size += int64(len(head)) + padded
		_, err := io.CopyN(io.Discard, p.in, padded)
		return err
	}
	_, _ = p.out.Write(head)
	_, err := io.CopyN(p.out, p.in, padded)
	return err
}

// extend copies the chunk that says what the file holds.
func (p *webpFile) extend(head []byte, size int64) error {
	const length = 10 // flags, reserved, width, height
	if size != length {
		return errPicture
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(p.in, data); err != nil {
		return err
	}
	p.extended = true
	p.turned = data[0]&webpExif == 0 // an Exif that is not announced does not count
	data[0] &^= webpXMP | webpExif
	if p.orientation != upright {
		data[0] |= webpExif
	}
	p.write(head, data)
	return nil
}

// turn puts the orientation, if there is one, in the place of an Exif chunk.
func (p *webpFile) turn(padded int64) error {
	exif := make([]byte, min(padded, maxExif))
	if _, err := io.ReadFull(p.in, exif); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, p.in, padded-int64(len(exif))); err != nil {
		return err
	}
	p.turned = true
	p.orientation = orientation(bytes.TrimPrefix(exif, []byte(exifHeader)))
	if p.orientation != upright {
		data := oriented(p.orientation)
		p.write(binary.LittleEndian.AppendUint32([]byte("EXIF"), uint32(len(data))), data)
	}
	return nil
}

// write adds a chunk, of an even length.
func (p *webpFile) write(head, data []byte) {
	if p.out == nil {
		p.size += int64(len(head) + len(data))
		return
	}
	_, _ = p.out.Write(head)
	_, _ = p.out.Write(data)
}
