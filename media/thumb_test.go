package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	jpegs "image/jpeg"
	"image/png"
	"testing"
)

// corners is a picture of w by h whose upper left quarter alone is red, on white.
func corners(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{255, 255, 255, 255}
			if x < w/2 && y < h/2 {
				c = color.RGBA{255, 0, 0, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

// redCorner is where a picture is red: "left top", say.
func redCorner(t *testing.T, b []byte) string {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	found := ""
	for name, at := range map[string]image.Point{"left top": {w / 8, h / 8}, "right top": {w * 7 / 8, h / 8}, "left bottom": {w / 8, h * 7 / 8}, "right bottom": {w * 7 / 8, h * 7 / 8}} {
		if _, g, _, _ := m.At(at.X, at.Y).RGBA(); g < 0x8000 {
			found += name
		}
	}
	return fmt.Sprintf("%dx%d %s", w, h, found)
}

// withExif is a JPEG that says how it is to be turned.
func withExif(b []byte, o byte) []byte {
	data := append([]byte(exifHeader), oriented(o)...)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, markerAPP1}, uint16(len(data)+2))
	return append(append(append(bytes.Clone(b[:2]), segment...), data...), b[2:]...)
}

func TestThumbnails(t *testing.T) {
	t.Parallel()
	var asJPEG, asPNG, asGIF bytes.Buffer
	if err := errors.Join(jpegs.Encode(&asJPEG, corners(800, 400), nil), png.Encode(&asPNG, corners(800, 400)), gif.Encode(&asGIF, corners(800, 400), nil)); err != nil {
		t.Fatal(err)
	}
	glassy := corners(30, 20)
	glassy.SetRGBA(29, 19, color.RGBA{})
	var asClear bytes.Buffer
	if err := png.Encode(&asClear, glassy); err != nil {
		t.Fatal(err)
	}
	turnedPNG := bytes.Clone(asPNG.Bytes()[:33])
	turnedPNG = append(append(turnedPNG, pngChunk("eXIf", string(oriented(6)))...), asPNG.Bytes()[33:]...)
	for _, tt := range []struct {
		name, media string
		src         []byte
		want, is    string
	}{
		{"a JPEG", "image/jpeg", asJPEG.Bytes(), "320x160 left top", "image/jpeg"},
		{"a PNG", "image/png", asPNG.Bytes(), "320x160 left top", "image/jpeg"},
		{"a GIF", "image/gif", asGIF.Bytes(), "320x160 left top", "image/jpeg"},
		{"a small one that shines through", "image/png", asClear.Bytes(), "30x20 left top", "image/png"},
		{"mirrored", "image/jpeg", withExif(asJPEG.Bytes(), 2), "320x160 right top", "image/jpeg"},
		{"upside down", "image/jpeg", withExif(asJPEG.Bytes(), 3), "320x160 right bottom", "image/jpeg"},
		{"flipped", "image/jpeg", withExif(asJPEG.Bytes(), 4), "320x160 left bottom", "image/jpeg"},
		{"transposed", "image/jpeg", withExif(asJPEG.Bytes(), 5), "160x320 left top", "image/jpeg"},
		{"turned right", "image/jpeg", withExif(asJPEG.Bytes(), 6), "160x320 right top", "image/jpeg"},
		{"transversed", "image/jpeg", withExif(asJPEG.Bytes(), 7), "160x320 right bottom", "image/jpeg"},
		{"turned left", "image/jpeg", withExif(asJPEG.Bytes(), 8), "160x320 left bottom", "image/jpeg"},
		{"a PNG that is turned", "image/png", turnedPNG, "160x320 right top", "image/jpeg"},
	} {
		of, err := OpenThumb(bytes.NewReader(tt.src), tt.media)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		b, is, err := of.Make(320)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := redCorner(t, b); got != tt.want || is != tt.is {
			t.Errorf("%s is %s (%s), want %s (%s)", tt.name, got, is, tt.want, tt.is)
		}
	}
}

// TestNoThumbnail of what is no picture, or would cost too much: nothing of it is decoded.
func TestNoThumbnail(t *testing.T) {
	t.Parallel()
	huge := func(w, h uint32) []byte { // a PNG that says so, and has no pixels
		b := pngOf(t, 4, 4)
		head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
		return append(append(bytes.Clone(b[:8]), pngChunk("IHDR", string(head)+"\x08\x06\x00\x00\x00")...), b[33:]...)
	}
	progressive := func(w, h uint16) []byte { // a JPEG that says so, and has no scan
		b := append([]byte{0xff, markerSOI, 0xff, markerAPP0, 0, 16}, "JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"...)
		b = append(b, 0xff, 0xc2, 0, 17, 8)
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, h), w)
		return append(b, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)
	}
	for name, f := range map[string]struct {
		media string
		src   []byte
	}{
		"an SVG":                    {"image/svg+xml", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)},
		"an SVG that says PNG":      {"image/png", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)},
		"a PNG that says JPEG":      {"image/jpeg", pngOf(t, 4, 4)},
		"nothing":                   {"image/png", nil},
		"too many pixels":           {"image/png", huge(10_000, 10_000)},
		"more than a number holds":  {"image/png", huge(0x7fffffff, 0x7fffffff)},
		"too much memory":           {"image/png", huge(5_000, 4_000)},
		"a progressive one, larger": {"image/jpeg", progressive(4_000, 3_000)},
		"a document":                {"application/pdf", []byte("%PDF-1.7\n")},
	} {
		if of, err := OpenThumb(bytes.NewReader(f.src), f.media); !errors.Is(err, ErrNoThumbnail) {
			t.Errorf("%s: %v, %v", name, of, err)
		}
	}
	cut := pngOf(t, 400, 400)
	of, err := OpenThumb(bytes.NewReader(cut[:len(cut)/2]), "image/png")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := of.Make(320); !errors.Is(err, ErrNoThumbnail) {
		t.Errorf("of one that is cut short: %v", err)
	}
	if of, err := OpenThumb(bytes.NewReader(progressive(1_000, 1_000)), "image/jpeg"); err != nil || of.Memory < 12_000_000 {
		t.Errorf("a small progressive one: %+v, %v", of, err)
	}
}
