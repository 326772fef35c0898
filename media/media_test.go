package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	stdjpeg "image/jpeg"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"
)

func picture(w, h int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for x := range w {
		for y := range h {
			m.Set(x, y, color.RGBA{uint8(x * 7), uint8(y * 5), uint8(x * y), 255})
		}
	}
	return m
}

func pngOf(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture(w, h)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegOf(t *testing.T, segments ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := stdjpeg.Encode(&b, picture(64, 48), nil); err != nil {
		t.Fatal(err)
	}
	return slices.Concat(b.Bytes()[:2], bytes.Join(segments, nil), b.Bytes()[2:])
}

func segment(marker byte, data string) []byte {
	head := binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(data)+2))
	return append(head, data...)
}

// exif is a segment with a maker, an orientation and a place.
func exif(orientation byte) []byte {
	return segment(markerAPP1, exifHeader+"II*\x00\x08\x00\x00\x00\x02\x00"+
		"\x0f\x01\x02\x00\x04\x00\x00\x00Cam\x00"+
		"\x12\x01\x03\x00\x01\x00\x00\x00"+string(rune(orientation))+"\x00\x00\x00"+
		"\x00\x00\x00\x00SECRET PLACE")
}

func TestStripKeepsThePictureAndItsOrientation(t *testing.T) {
	profile := segment(markerAPP2, "ICC_PROFILE\x00\x01\x01profile")
	for _, test := range []struct {
		name string
		in   []byte
		want []byte
	}{
		{"nothing to strip", jpegOf(t), jpegOf(t)},
		{"upright", jpegOf(t, exif(1)), jpegOf(t)},
		{"turned", jpegOf(t, exif(6)), jpegOf(t, segment(markerAPP1, exifHeader+"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"))},
		{"others", jpegOf(t, segment(markerAPP1, "http://ns.adobe.com/xap/1.0/\x00SECRET"), segment(0xed, "Photoshop SECRET"), segment(markerCOM, "SECRET"), profile, segment(markerAPP2, "MPF\x00SECRET")), jpegOf(t, profile)},
		{"behind the end", append(jpegOf(t), "SECRET"...), jpegOf(t)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if done, err := new(Rules).Strip(&out, "a.JPG", bytes.NewReader(test.in)); err != nil || !done {
				t.Fatalf("got %t, %v", done, err)
			}
			if !bytes.Equal(out.Bytes(), test.want) {
				t.Errorf("got\n%q\nwant\n%q", out.Bytes(), test.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	svg := []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>a()</script></svg>`)
	small := pngOf(t, 20, 10)
	for _, test := range []struct {
		name, file string
		content    []byte
		rules      Rules
		refusal    string
	}{
		{"a PNG", "a.png", small, Rules{}, ""},
		{"upper case", "A.PNG", small, Rules{}, ""},
		{"a JPEG", "b/a.jpeg", jpegOf(t), Rules{}, ""},
		{"a PDF", "a.pdf", []byte("%PDF-1.7\n"), Rules{}, ""},
		{"another type", "a.jpg", small, Rules{}, "The content does not match"},
		{"a page as an image", "a.png", []byte("<html><script>a()</script>"), Rules{}, "The content does not match"},
		{"too many pixels", "a.png", small, Rules{MaxPixels: 199}, "The image has more than 199"},
		{"just enough pixels", "a.png", small, Rules{MaxPixels: 200}, ""},
		{"cut short", "a.png", small[:20], Rules{}, "The image cannot be read"},
		{"SVG", "a.svg", svg, Rules{}, "Files with that extension"},
		{"SVG that is allowed", "a.svg", svg, Rules{Extensions: []string{"svg"}}, ""},
		{"no extension", "png", small, Rules{}, "Files with that extension"},
		{"a program", "a.exe", []byte("MZ"), Rules{}, "Files with that extension"},
		{"empty", "a.png", nil, Rules{}, "The content does not match"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.rules.Check(test.file, bytes.NewReader(test.content))
			var r *RefusedError
			if test.refusal == "" && err != nil || test.refusal != "" && (!errors.As(err, &r) || !strings.HasPrefix(r.Detail.String(), test.refusal)) {
				t.Errorf("got %v, want %q", err, test.refusal)
			}
		})
	}
}

// What may stand before the first element of an SVG, or the signature of a PDF, is no
// reason to refuse it.
func TestCheckReadsPrologs(t *testing.T) {
	t.Parallel()
	const root = `<svg xmlns="http://www.w3.org/2000/svg"/>`
	const declaration = `<?xml version="1.0" encoding="utf-8"?>`
	const doctype = `<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [<!ENTITY ns "http://example.org/ns"> ]>`
	utf16 := func(s string) string {
		b := []byte{0xff, 0xfe}
		for _, c := range []byte(s) {
			b = append(b, c, 0)
		}
		return string(b)
	}
	rules := Rules{Extensions: []string{"svg", "pdf"}}
	for name, taken := range map[string][]string{
		"a.svg": {
			root, "\ufeff" + root, "\n\t " + root, "<!-- Generator: Sketch -->" + root, "\ufeff<!-- é -->\n" + declaration + root, declaration + "\n<!-- a -->\n" + doctype + "\n<!-- <html> -->" + root,
			"\ufeff" + doctype + `<svg xmlns:x="&ns;" xmlns="http://www.w3.org/2000/svg"></svg>`, `<?xml-stylesheet href="a.css"?>` + root,
			"<!--" + strings.Repeat(" long ", 10_000) + "-->" + root, `<svg:svg xmlns:svg="http://www.w3.org/2000/svg"/>`, utf16(declaration + "<!-- a -->" + root),
			`<?xml version="1.0" encoding="iso-8859-1"?><!-- \xe9 -->` + root,
		},
		"a.pdf": {"%PDF-1.7", "\ufeff%PDF-1.4\n", "\r\n\r\n%PDF-1.4", strings.Repeat("x", 1000) + "%PDF-1.4"},
	} {
		for _, s := range taken {
			if err := rules.Check(name, strings.NewReader(s)); err != nil {
				t.Errorf("%s %.80q: got %v", name, s, err)
			}
		}
	}
	for name, refused := range map[string][]string{
		"a.svg": {"", "\ufeff", "<!-- svg -->", "<!-- <svg/> --><html><svg/></html>", doctype, "texte" + root, "<!DOCTYPE html><html>" + root, "%PDF-1.4", "</a>" + root, "<!--" + strings.Repeat(" ", maxProlog) + "-->" + root},
		"a.pdf": {"", root, strings.Repeat("x", 1025) + "%PDF-1.4", "%PD"},
	} {
		for _, s := range refused {
			if err := (*RefusedError)(nil); !errors.As(rules.Check(name, strings.NewReader(s)), &err) {
				t.Errorf("%s %.80q is taken", name, s)
			}
		}
	}
}

// FuzzStrip holds that what is left has no metadata and shows the same picture.
func FuzzStrip(f *testing.F) {
	t := new(testing.T)
	f.Add(jpegOf(t))
	f.Add(jpegOf(t, exif(6), segment(markerCOM, "a")))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out, again bytes.Buffer
		if err := stripJPEG(&out, bytes.NewReader(in)); err != nil {
			return
		}
		if err := stripJPEG(&again, bytes.NewReader(out.Bytes())); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
			t.Errorf("stripped twice, %q becomes %q: %v", out.Bytes(), again.Bytes(), err)
		}
		before, err := stdjpeg.Decode(io.Reader(bytes.NewReader(in)))
		if err != nil || before.Bounds().Dx()*before.Bounds().Dy() > 1<<20 {
			return
		}
		after, err := stdjpeg.Decode(bytes.NewReader(out.Bytes()))
		if err != nil || after.Bounds() != before.Bounds() {
			t.Errorf("the picture cannot be read any more: %v", err)
		}
	})
}
