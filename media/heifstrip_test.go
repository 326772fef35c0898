package media

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// item is one of a HEIF, in its data or, stored, within what describes it.
type item struct {
	kind, content string
	stored        bool
}

// heifWith is an AVIF of items, and boxes besides.
func heifWith(items []item, besides ...string) string {
	u16 := func(n int) string { return string(binary.BigEndian.AppendUint16(nil, uint16(n))) }
	u32 := func(n int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }
	build := func(data int) (string, int) {
		var infos, places, stored, kept string
		for i, it := range items {
			info := "\x02\x00\x00\x00" + u16(i+1) + u16(0) + it.kind + "\x00"
			if it.kind == "mime" {
				info += "application/rdf+xml\x00"
			}
			infos += box("infe", info)
			method, at := 0, data+len(kept)
			if it.stored {
				method, at = 1, len(stored)
				stored += it.content
			} else {
				kept += it.content
			}
			places += u16(i+1) + u16(method) + u16(0) + u16(1) + u32(at) + u32(len(it.content))
		}
		meta := box("meta", "\x00\x00\x00\x00", box("hdlr", "x"), box("iinf", "\x00\x00\x00\x00"+u16(len(items))+infos),
			box("iloc", "\x01\x00\x00\x00\x44\x00"+u16(len(items))+places), box("idat", stored),
			box("iprp", box("ipco", box("ispe", "\x00\x00\x00\x00"+u32(8)+u32(8)), box("udes", "\x00\x00\x00\x00fr\x00SECRET\x00\x00\x00"))))
		before := ftyp("avif", "mif1") + meta + strings.Join(besides, "")
		return before + box("mdat", kept), len(before) + 8
	}
	_, data := build(0)
	file, _ := build(data)
	return file
}

func TestStripHEIF(t *testing.T) {
	t.Parallel()
	picture := item{kind: "av01", content: "the picture"}
	secret := "\x00\x00\x00\x00" + string(tiff(6))
	besides := []string{
		box("uuid", "0123456789abcdefSECRET"), box("free", "SECRET"),
		box("moov", box("mvhd", "kept"), box("udta", "SECRET"), box("meta", "SECRET"), box("trak", box("tkhd", "kept"), box("udta", box("\xa9xyz", "SECRET")))),
	}
	for name, items := range map[string][]item{
		"nothing":    {picture},
		"Exif":       {picture, {kind: "Exif", content: secret}},
		"Exif first": {{kind: "Exif", content: secret}, picture},
		"XMP":        {picture, {kind: "mime", content: "<x:xmpmeta>SECRET</x:xmpmeta>"}, {kind: "uri ", content: "SECRET"}},
		"within":     {{kind: "grid", content: "also kept", stored: true}, picture, {kind: "mime", content: strings.Repeat("SECRET", 20), stored: true}, {kind: "Exif", content: secret, stored: true}},
	} {
		for _, file := range []string{"a.avif", "a.heif", "a.heic"} {
			in := heifWith(items, besides...)
			out := stripped(t, file, []byte(in+"SECRET"[:5]))
			if len(out) != len(in) || bytes.Count(out, []byte("kept")) != strings.Count(in, "kept") || !bytes.Contains(out, []byte(picture.content)) {
				t.Errorf("%s: %q became %q", name, in, out)
			}
			if again := stripped(t, file, out); !bytes.Equal(again, out) {
				t.Errorf("%s: stripped twice, %q becomes %q", name, out, again)
			}
			if before, err := heifPixels(strings.NewReader(in)); err != nil || before != 64 {
				t.Errorf("%s: got %d pixels, %v", name, before, err)
			}
			if after, err := heifPixels(bytes.NewReader(out)); err != nil || after != 64 {
				t.Errorf("%s: got %d pixels, %v", name, after, err)
			}
			if name == "Exif" && !bytes.Contains(out, []byte(emptyExif)) || name == "within" && !bytes.Contains(out, []byte(emptyXMP)) {
				t.Errorf("%s: %q has nothing in the place of its metadata", name, out)
			}
		}
	}

	// Where the metadata cannot be found, the file is refused.
	whole := heifWith([]item{picture, {kind: "Exif", content: secret}})
	for name, in := range map[string]string{
		"cut short":            whole[:len(whole)-20],
		"a box that is longer": strings.Replace(whole, "\x00\x09hdlr", "\xff\x09hdlr", 1),
		"elsewhere":            strings.Replace(whole, "\x00\x02\x00\x00\x00\x00\x00\x01", "\x00\x02\x00\x02\x00\x00\x00\x01", 1), // its place is that of another item
		"in no data":           strings.Replace(whole, "mdat", "mdax", 1),
	} {
		if in == whole {
			t.Fatalf("%s: nothing is changed", name)
		}
		var out bytes.Buffer
		if _, err := new(Rules).Strip(&out, "a.heic", strings.NewReader(in)); err == nil || err.Error() != "The image cannot be read." {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

// FuzzStripHEIF holds that stripping twice is stripping once.
func FuzzStripHEIF(f *testing.F) {
	f.Add([]byte(heifWith([]item{{kind: "av01", content: "picture"}, {kind: "Exif", content: "Exif"}, {kind: "mime", content: "XMP", stored: true}})))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out, again bytes.Buffer
		if _, err := new(Rules).Strip(&out, "a.heic", bytes.NewReader(in)); err != nil {
			return
		}
		if _, err := new(Rules).Strip(&again, "a.heic", bytes.NewReader(out.Bytes())); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
			t.Errorf("stripped twice, %q becomes %q: %v", out.Bytes(), again.Bytes(), err)
		}
	})
}
