package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/gif"
	jpegs "image/jpeg"
	"image/png"
	"io"
	"slices"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

// ErrNoThumbnail is that of a file of which no thumbnail is made: it is no picture that can
// be decoded here, is broken, or would cost too much.
var ErrNoThumbnail = errors.New("no thumbnail is made of this file")

// thumbTypes are the media types of files that thumbnails are made of.
var thumbTypes = []string{"image/jpeg", "image/png", "image/gif", "image/webp"}

// HasThumbnail says whether thumbnails are made of files of a media type.
func HasThumbnail(mediaType string) bool { return slices.Contains(thumbTypes, mediaType) }

// Thumbnails are of pictures that have so many pixels, and take so much memory while they
// are decoded, at most.
const (
	maxThumbPixels = 40_000_000
	MaxThumbMemory = 128 << 20
)

// Thumb is a picture of which a thumbnail can be made.
type Thumb struct {
	Memory int64 // about how many bytes it takes at once to make the thumbnail

	media       string
	orientation byte
	src         io.ReadSeeker
}

// OpenThumb looks at a picture of a media type, without decoding it. The error is
// ErrNoThumbnail, or one of reading.
func OpenThumb(src io.ReadSeeker, mediaType string) (*Thumb, error) {
	if !HasThumbnail(mediaType) {
		return nil, ErrNoThumbnail
	}
	c, format, err := image.DecodeConfig(bufio.NewReader(src))
	if err != nil || "image/"+format != mediaType {
		return nil, ErrNoThumbnail
	}
	pixels := int64(c.Width) * int64(c.Height)
	if c.Width <= 0 || c.Height <= 0 || pixels > maxThumbPixels {
		return nil, ErrNoThumbnail
	}
	t := &Thumb{media: mediaType, src: src, orientation: upright}
	each := int64(4) // bytes of a pixel
	switch mediaType {
	case "image/jpeg":
		if err := t.rewind(); err != nil {
			return nil, err
		}
		var progressive bool
		if t.orientation, progressive = lookAtJPEG(src); progressive {
			each = 15 // three coefficients of four bytes, and what they become
		}
	case "image/png":
		each = 8 // of 16 bits, if it has them
		if err := t.rewind(); err != nil {
			return nil, err
		}
		t.orientation = orientationOfPNG(src)
	case "image/webp":
		each = 8
		if err := t.rewind(); err != nil {
			return nil, err
		}
		measured := &webpFile{in: bufio.NewReader(src)}
		if measured.copy() == nil {
			t.orientation = measured.orientation
		}
	}
	if t.Memory = pixels * each; t.Memory > MaxThumbMemory {
		return nil, ErrNoThumbnail
	}
	return t, nil
}

func (t *Thumb) rewind() error {
	_, err := t.src.Seek(0, io.SeekStart)
	return err
}

// Make decodes the picture and scales it down, so that it has at most side pixels in width
// and in height; of a moving one, the first picture. It is turned as the file says. The
// result is a JPEG where nothing shines through, otherwise a PNG.
func (t *Thumb) Make(side int) (b []byte, mediaType string, err error) {
	if err := t.rewind(); err != nil {
		return nil, "", err
	}
	decode := map[string]func(io.Reader) (image.Image, error){
		"image/jpeg": jpegs.Decode, "image/png": png.Decode, "image/gif": gif.Decode, "image/webp": webp.Decode,
	}[t.media]
	src, err := decode(bufio.NewReader(t.src))
	if err != nil {
		return nil, "", ErrNoThumbnail
	}
	small := turned(scaled(src, side), t.orientation)
	var out bytes.Buffer
	if small.Opaque() {
		mediaType, err = "image/jpeg", jpegs.Encode(&out, small, &jpegs.Options{Quality: 82})
	} else {
		mediaType, err = "image/png", png.Encode(&out, small)
	}
	if err != nil {
		return nil, "", fmt.Errorf("encode a thumbnail: %w", err)
	}
	return out.Bytes(), mediaType, nil
}

// scaled is a picture in a square of side pixels; as it is, where it is no larger. A large
// one is thinned out first, so that each of its pixels costs little.
func scaled(src image.Image, side int) *image.RGBA {
	b := src.Bounds()
	w, h := fitted(b.Dx(), b.Dy(), side)
	if few := 4; b.Dx() > 2*few*w || b.Dy() > 2*few*h {
		thin := image.NewRGBA(image.Rect(0, 0, max(1, min(b.Dx(), few*w)), max(1, min(b.Dy(), few*h))))
		draw.ApproxBiLinear.Scale(thin, thin.Bounds(), src, b, draw.Src, nil)
		src, b = thin, thin.Bounds()
	}
	small := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.BiLinear.Scale(small, small.Bounds(), src, b, draw.Src, nil)
	return small
}

// fitted is a size within a square, of the same proportions.
func fitted(w, h, side int) (int, int) {
	if w <= side && h <= side {
		return w, h
	}
	if w >= h {
		return side, max(1, h*side/w)
	}
	return max(1, w*side/h), side
}

// turned is a picture the way up that an orientation says (TIFF 6.0, section 8).
func turned(src *image.RGBA, o byte) *image.RGBA {
	w, h := src.Bounds().Dx(), src.Bounds().Dy()
	var to func(x, y int) (int, int)
	size := image.Rect(0, 0, w, h)
	switch o {
	case 2:
		to = func(x, y int) (int, int) { return w - 1 - x, y }
	case 3:
		to = func(x, y int) (int, int) { return w - 1 - x, h - 1 - y }
	case 4:
		to = func(x, y int) (int, int) { return x, h - 1 - y }
	case 5:
		to = func(x, y int) (int, int) { return y, x }
	case 6:
		to = func(x, y int) (int, int) { return h - 1 - y, x }
	case 7:
		to = func(x, y int) (int, int) { return h - 1 - y, w - 1 - x }
	case 8:
		to = func(x, y int) (int, int) { return y, w - 1 - x }
	default:
		return src
	}
	if o >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	dst := image.NewRGBA(size)
	for y := range h {
		for x := range w {
			tx, ty := to(x, y)
			dst.SetRGBA(tx, ty, src.RGBAAt(x, y))
		}
	}
	return dst
}

// lookAtJPEG is how a JPEG is to be turned, and whether it is progressive, which takes much
// to decode.
func lookAtJPEG(r io.Reader) (o byte, progressive bool) {
	j := &jpeg{in: bufio.NewReader(r)}
	o = upright
	for range 10_000 {
		marker, err := j.marker()
		if err != nil || marker == markerSOS || marker == markerEOI {
			return o, progressive
		}
		if marker == markerSOI || marker == 0x01 || marker >= 0xd0 && marker <= 0xd7 {
			continue
		}
		var length [2]byte
		if _, err := io.ReadFull(j.in, length[:]); err != nil || binary.BigEndian.Uint16(length[:]) < 2 {
			return o, progressive
		}
		size := int(binary.BigEndian.Uint16(length[:])) - len(length)
		switch marker {
		case 0xc2: // SOF2
			progressive = true
		case markerAPP1:
			data := make([]byte, size)
			if _, err := io.ReadFull(j.in, data); err != nil {
				return o, progressive
			}
			if tiff, is := bytes.CutPrefix(data, []byte(exifHeader)); is && o == upright {
				o = orientation(tiff)
			}
			continue
		}
		if _, err := j.in.Discard(size); err != nil {
			return o, progressive
		}
	}
	return o, progressive
}

// orientationOfPNG is how a PNG is to be turned that says so before its pixels.
func orientationOfPNG(r io.Reader) byte {
	in := bufio.NewReader(r)
	if _, err := in.Discard(8); err != nil {
		return upright
	}
	for range 10_000 {
		var head [8]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return upright
		}
		size := int64(binary.BigEndian.Uint32(head[:4]))
		switch string(head[4:]) {
		case "IDAT", "IEND":
			return upright
		case "eXIf":
			tiff := make([]byte, min(size, maxExif))
			if _, err := io.ReadFull(in, tiff); err != nil {
				return upright
			}
			return orientation(tiff)
		}
		if _, err := io.CopyN(io.Discard, in, size+4); err != nil {
			return upright
		}
	}
	return upright
}
