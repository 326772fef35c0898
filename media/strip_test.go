package media

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	stdpng "image/png"
	"slices"
	"testing"

	stdwebp "golang.org/x/image/webp"
)

// tiff is Exif with a maker, an orientation and a place.
func tiff(orientation byte) []byte {
	return exif(orientation)[4+len(exifHeader):]
}

func pngChunk(kind, data string) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), kind+data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// pngWith is a PNG with chunks behind its header.
func pngWith(t *testing.T, chunks ...[]byte) []byte {
	b := pngOf(t, 20, 10)
	const header = len(pngSignature) + 4 + 4 + 13 + 4
	return slices.Concat(b[:header], bytes.Join(chunks, nil), b[header:])
}

func riffChunk(name, data string) []byte {
	b := append(binary.LittleEndian.AppendUint32([]byte(name), uint32(len(data))), data...)
	if len(data)%2 == 1 {
		b = append(b, 0)
	}
	return b
}

func riff(chunks ...[]byte) []byte {
	data := append([]byte("WEBP"), bytes.Join(chunks, nil)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(data))), data...)
}

// lossless is the chunk of a picture, encoded as RFC 9649, section 3 has it:
// each pixel of the one colour that there is takes no bit at all.
func lossless(w, h int, c color.NRGBA) []byte {
	var bits uint64
	var n int
	data := []byte{0x2f}
	put := func(v uint64, width int) {
		bits |= v << n
		for n += width; n >= 8; n -= 8 {
			data = append(data, byte(bits))
			bits >>= 8
		}
	}
	put(uint64(w-1), 14)
	put(uint64(h-1), 14)
	put(0, 1+3+1+1+1) // no alpha, version 0, no transform, no cache, one group of codes
	for _, symbol := range []byte{c.G, c.R, c.B, c.A} {
		put(0b101, 3) // a simple code, of one symbol, of eight bits
		put(uint64(symbol), 8)
	}
	put(0b001, 3) // distances: a simple code, of one symbol, of one bit
	put(0, 1)
	put(0, 7)
	return riffChunk("VP8L", string(data))
}

// extended is the first chunk of a WebP of 20 × 10 pixels with these features.
func extended(flags byte) []byte {
	return riffChunk("VP8X", string([]byte{flags, 0, 0, 0, 19, 0, 0, 9, 0, 0}))
}

func TestStripPNG(t *testing.T) {
	kept := slices.Concat(pngChunk("gAMA", "\x00\x00\xb1\x8f"), pngChunk("pHYs", "\x00\x00\x0b\x13\x00\x00\x0b\x13\x01"))
	text := slices.Concat(pngChunk("tEXt", "Author\x00SECRET"), pngChunk("zTXt", "a\x00\x00SECRET"), pngChunk("iTXt", "XML:com.adobe.xmp\x00\x00\x00\x00\x00SECRET"),
		pngChunk("tIME", "SECRET!"), pngChunk("prVt", "SECRET"))
	large := slices.Concat(tiff(6), bytes.Repeat([]byte("SECRET"), maxExif))
	turned := pngChunk("eXIf", string(oriented(6)))
	for _, test := range []struct {
		name     string
		in, want []byte
	}{
		{"nothing to strip", pngWith(t, kept), pngWith(t, kept)},
		{"texts and times", pngWith(t, text, kept), pngWith(t, kept)},
		{"upright", pngWith(t, pngChunk("eXIf", string(tiff(1)))), pngWith(t)},
		{"turned", pngWith(t, pngChunk("eXIf", string(tiff(6)))), pngWith(t, turned)},
		{"turned, with much Exif", pngWith(t, pngChunk("eXIf", string(large))), pngWith(t, turned)},
		{"turned twice", pngWith(t, turned, pngChunk("eXIf", string(tiff(3)))), pngWith(t, turned)},
		{"Exif that is cut short", pngWith(t, pngChunk("eXIf", "II*")), pngWith(t)},
		{"behind the end", append(pngWith(t), "SECRET"...), pngWith(t)},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := stripped(t, "a.png", test.in)
			if !bytes.Equal(out, test.want) {
				t.Errorf("got\n%q\nwant\n%q", out, test.want)
			}
			got, err := stdpng.Decode(bytes.NewReader(out))
			if err != nil {
				t.Fatal(err)
			}
			samePixels(t, got, picture(20, 10))
		})
	}
}

func TestStripWebP(t *testing.T) {
	const icc, alpha = 0x20, 0x10
	colour := color.NRGBA{200, 30, 70, 255}
	pixels := lossless(20, 10, colour)
	profile, xmp := riffChunk("ICCP", "profile"), riffChunk("XMP ", "SECRET!")
	exifOf := func(tiff []byte) []byte { return riffChunk("EXIF", string(tiff)) }
	turned := riff(extended(webpExif), pixels, exifOf(oriented(6)))
	for _, test := range []struct {
		name     string
		in, want []byte
	}{
		{"simple", riff(pixels), riff(pixels)},
		{"simple, with more behind", riff(pixels, riffChunk("XMP ", "SECRET")), riff(pixels)},
		{"XMP and others", riff(extended(icc|webpXMP), profile, pixels, xmp, riffChunk("prvt", "SECRET")), riff(extended(icc), profile, pixels)},
		{"upright", riff(extended(alpha|webpExif), pixels, exifOf(tiff(1))), riff(extended(alpha), pixels)},
		{"turned", riff(extended(webpExif|webpXMP), pixels, exifOf(tiff(6)), xmp), turned},
		{"turned, with a header", riff(extended(webpExif), pixels, exifOf(slices.Concat([]byte(exifHeader), tiff(6)))), turned},
		{"turned twice", riff(extended(webpExif), pixels, exifOf(tiff(6)), exifOf(tiff(3))), turned},
		{"Exif that is not announced", riff(extended(0), pixels, exifOf(tiff(6))), riff(extended(0), pixels)},
		{"behind the end", append(riff(pixels), "SECRET"...), riff(pixels)},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := stripped(t, "a.webp", test.in)
			if !bytes.Equal(out, test.want) {
				t.Errorf("got\n%q\nwant\n%q", out, test.want)
			}
			got, err := stdwebp.Decode(bytes.NewReader(out))
			if err != nil {
				t.Fatal(err)
			}
			want := image.NewNRGBA(image.Rect(0, 0, 20, 10))
			for i := range want.Pix {
				want.Pix[i] = []byte{colour.R, colour.G, colour.B, colour.A}[i%4]
			}
			samePixels(t, got, want)
		})
	}
}

func TestStripRefusesBrokenPictures(t *testing.T) {
	png, webp := pngWith(t), riff(extended(webpExif), lossless(20, 10, color.NRGBA{}), riffChunk("EXIF", string(tiff(6))))
	for name, in := range map[string][]byte{
		"short.png":     png[:len(png)-5],
		"critical.png":  pngWith(t, pngChunk("SECR", "ET")),
		"no.png":        webp,
		"short.webp":    webp[:len(webp)-3],
		"long.webp":     riff(riffChunk("VP8L", "/")[:8], []byte("abc")),
		"extended.webp": riff(riffChunk("VP8X", "short")),
		"other.webp":    riff(riffChunk("SECR", "ET")),
		"no.webp":       png,
	} {
		var out bytes.Buffer
		if _, err := new(Rules).Strip(&out, name, bytes.NewReader(in)); err == nil || err.Error() != "The image cannot be read." {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

func stripped(t *testing.T, name string, in []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if done, err := new(Rules).Strip(&out, name, bytes.NewReader(in)); err != nil || !done {
		t.Fatalf("got %t, %v", done, err)
	}
	if bytes.Contains(out.Bytes(), []byte("SECRET")) {
		t.Errorf("%q holds what was to be stripped", out.Bytes())
	}
	return out.Bytes()
}

func samePixels(t *testing.T, got, want image.Image) {
	t.Helper()
	if got.Bounds() != want.Bounds() {
		t.Fatalf("got a picture of %v, want %v", got.Bounds(), want.Bounds())
	}
	for y := range want.Bounds().Dy() {
		for x := range want.Bounds().Dx() {
			gr, gg, gb, ga := got.At(x, y).RGBA()
			wr, wg, wb, wa := want.At(x, y).RGBA()
			if gr != wr || gg != wg || gb != wb || ga != wa {
				t.Fatalf("at %d, %d: got %v, want %v", x, y, got.At(x, y), want.At(x, y))
			}
		}
	}
}

// FuzzStripPNGAndWebP holds that stripping twice is stripping once, and that
// what could be shown still can.
func FuzzStripPNGAndWebP(f *testing.F) {
	t := new(testing.T)
	f.Add(pngWith(t, pngChunk("eXIf", string(tiff(6))), pngChunk("tEXt", "a")))
	f.Add(riff(extended(webpExif), lossless(20, 10, color.NRGBA{}), riffChunk("EXIF", string(tiff(6)))))
	f.Add(riff(lossless(3, 3, color.NRGBA{})))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, name := range []string{"a.png", "a.webp"} {
			var out, again bytes.Buffer
			if _, err := new(Rules).Strip(&out, name, bytes.NewReader(in)); err != nil {
				continue
			}
			if _, err := new(Rules).Strip(&again, name, bytes.NewReader(out.Bytes())); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
				t.Errorf("%s: stripped twice, %q becomes %q: %v", name, out.Bytes(), again.Bytes(), err)
			}
			before, _, err := image.DecodeConfig(bytes.NewReader(in))
			if err != nil || before.Width*before.Height > 1<<16 {
				continue
			}
			if _, _, err = image.Decode(bytes.NewReader(in)); err != nil {
				continue
			}
			if _, _, err = image.Decode(bytes.NewReader(out.Bytes())); err != nil {
				t.Errorf("%s: the picture cannot be read any more: %v", name, err)
			}
		}
	})
}
