package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Markers of JPEG (ITU T.81, table B.1).
const (
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerAPP0 = 0xe0 // JFIF
	markerAPP1 = 0xe1 // Exif, XMP
	markerAPP2 = 0xe2 // colour profiles, and other things
	markerAdob = 0xee // APP14: how the colours are coded
	markerAPPF = 0xef
	markerCOM  = 0xfe
)

// stripJPEG copies a JPEG without its metadata: Exif, XMP, IPTC, comments,
// embedded thumbnails, and whatever stands behind its end. What the picture
// looks like stays: every coded byte of it, its colour profile, and its
// orientation, in an Exif segment that says no more.
func stripJPEG(w io.Writer, r io.ReadSeeker) error {
	j := &jpeg{in: bufio.NewReader(r), out: bufio.NewWriter(w)}
	marker, err := j.marker()
	if err != nil || marker != markerSOI {
		return errors.Join(errPicture, err)
	}
	_, _ = j.out.Write([]byte{0xff, markerSOI}) // Flush returns the error of any write
	for marker != markerEOI {
		if marker, err = j.marker(); err != nil {
			return err
		}
		if err := j.segment(marker); err != nil {
			return err
		}
	}
	return j.out.Flush()
}

type jpeg struct {
	in    *bufio.Reader
	out   *bufio.Writer
	begun bool // the 0xFF of the next marker is read
}

// marker reads 0xFF, fill bytes, and a marker.
func (j *jpeg) marker() (byte, error) {
	b, err := byte(0xff), error(nil)
	if !j.begun {
		b, err = j.in.ReadByte()
	}
	if err != nil || b != 0xff {
		return 0, fmt.Errorf("%w: no marker", errPicture)
	}
	j.begun = false
	for b == 0xff {
		if b, err = j.in.ReadByte(); err != nil {
			return 0, fmt.Errorf("%w: it ends early", errPicture)
		}
	}
	return b, nil
}

// segment copies what a marker begins, or leaves it out.
func (j *jpeg) segment(marker byte) error {
	if marker == markerEOI || marker == 0x01 || marker >= 0xd0 && marker <= 0xd7 {
		_, _ = j.out.Write([]byte{0xff, marker})
		return nil
	}
	var length [2]byte
	if _, err := io.ReadFull(j.in, length[:]); err != nil {
		return fmt.Errorf("%w: it ends early", errPicture)
	}
	size := int(binary.BigEndian.Uint16(length[:])) - len(length)
	if marker == markerSOI || size < 0 {
		return fmt.Errorf("%w: a segment is broken", errPicture)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(j.in, data); err != nil {
		return fmt.Errorf("%w: it ends early", errPicture)
	}
	if marker == markerAPP1 {
		tiff, _ := bytes.CutPrefix(data, []byte(exifHeader))
		o := orientation(tiff)
		if o == upright {
			return nil
		}
		data = append([]byte(exifHeader), oriented(o)...)
		binary.BigEndian.PutUint16(length[:], uint16(len(data)+len(length)))
	} else if !keeps(marker, data) {
		return nil
	}
	_, _ = j.out.Write([]byte{0xff, marker})
	_, _ = j.out.Write(length[:])
	_, _ = j.out.Write(data)
	if marker == markerSOS {
		return j.scan()
	}
	return nil
}

// keeps says whether a segment is needed to show the picture.
func keeps(marker byte, data []byte) bool {
	switch marker {
	case markerAPP0:
		return bytes.HasPrefix(data, []byte("JFIF\x00"))
	case markerAPP2:
		return bytes.HasPrefix(data, []byte("ICC_PROFILE\x00"))
	case markerAdob:
		return bytes.HasPrefix(data, []byte("Adobe"))
	}
	return marker != markerCOM && (marker < markerAPP0 || marker > markerAPPF)
}

// scan copies coded data, up to the marker that ends it.
func (j *jpeg) scan() error {
	for {
		chunk, err := j.in.ReadSlice(0xff)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("%w: it ends early", errPicture)
		} else if err != nil {
			_, _ = j.out.Write(chunk)
			continue
		}
		next, err := j.in.Peek(1)
		if err != nil {
			return fmt.Errorf("%w: it ends early", errPicture)
		}
		if stuffed := next[0] == 0 || next[0] >= 0xd0 && next[0] <= 0xd7; !stuffed {
			_, _ = j.out.Write(chunk[:len(chunk)-1])
			j.begun = true
			return nil
		}
		_, _ = j.out.Write(chunk)
	}
}
