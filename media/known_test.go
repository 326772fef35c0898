package media

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"image/color"
	"slices"
	"strings"
	"testing"
)

// box is one of the ISO base media file format.
func box(kind string, inside ...string) string {
	data := strings.Join(inside, "")
	return string(binary.BigEndian.AppendUint32(nil, uint32(8+len(data)))) + kind + data
}

// ftyp begins a file with these brands, the major one first.
func ftyp(brands ...string) string {
	return box("ftyp", brands[0], "\x00\x00\x00\x00", strings.Join(brands[1:], ""))
}

// heifOf is a HEIF whose pictures have these sides.
func heifOf(brand string, sides ...uint32) string {
	var ispe []string
	for _, side := range sides {
		both := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(make([]byte, 4), side), side)
		ispe = append(ispe, box("ispe", string(both)))
	}
	return ftyp(brand, "mif1") + box("free", "abc") + box("meta", "\x00\x00\x00\x00", box("hdlr", "x"), box("iprp", box("ipco", ispe...))) + box("mdat", "x")
}

// zipOf is a ZIP whose first file is of that name.
func zipOf(t *testing.T, name, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	raw := b.Bytes()
	raw[6] &^= 0x08 // no descriptor behind the data, as writers of EPUB and ODF have it
	binary.LittleEndian.PutUint32(raw[18:], uint32(len(content)))
	binary.LittleEndian.PutUint32(raw[22:], uint32(len(content)))
	return string(raw)
}

// samples are a file of each known type.
func samples(t *testing.T) map[string]string {
	t.Helper()
	gif, err := base64.StdEncoding.DecodeString("R0lGODlhAQABAIAAAAUEBAAAACwAAAAAAQABAAACAkQBADs=")
	if err != nil {
		t.Fatal(err)
	}
	var gz, tarred bytes.Buffer
	z, a := gzip.NewWriter(&gz), tar.NewWriter(&tarred)
	if err := errors.Join(z.Close(), a.WriteHeader(&tar.Header{Name: "a", Mode: 0o600}), a.Close()); err != nil {
		t.Fatal(err)
	}
	const ole = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
	const ogg = "OggS\x00\x02"
	const font = "\x00\x01\x00\x00\x00\x0a\x00\x80\x00\x03\x00\x20"
	odf := func(kind string) string { return zipOf(t, "mimetype", "application/vnd.oasis.opendocument."+kind) }
	jpeg, png := string(jpegOf(t)), string(pngOf(t, 4, 4))
	return map[string]string{
		"jpg": jpeg, "jpeg": jpeg, "png": png, "gif": string(gif), "webp": string(riff(lossless(3, 3, color.NRGBA{A: 255}))),
		"avif": heifOf("avif", 8), "heic": heifOf("heic", 8, 16), "heif": heifOf("mif1", 8), "ico": "\x00\x00\x01\x00\x01\x00\x10\x10\x00\x00\x01\x00",
		"svg": `<svg xmlns="http://www.w3.org/2000/svg"/>`,
		"pdf": "%PDF-1.7", "odt": odf("text"), "ods": odf("spreadsheet"), "odp": odf("presentation"), "odg": odf("graphics"),
		"docx": zipOf(t, "word/document.xml", "x"), "xlsx": zipOf(t, "xl/workbook.xml", "x"), "pptx": zipOf(t, "ppt/presentation.xml", "x"),
		"doc": ole, "xls": ole, "ppt": ole, "rtf": `{\rtf1 a}`, "epub": zipOf(t, "mimetype", "application/epub+zip"),
		"txt": "Bonjour", "csv": "nom;âge\nAnn;5\n", "tsv": "a\tb\n", "json": ` {"a": 1}`, "geojson": `{"type": "FeatureCollection"}`,
		"ics": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "vcf": "BEGIN:VCARD\r\n", "vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\nBonjour\n", "srt": "1\n00:00:01,000 --> 00:00:02,000\nBonjour\n",
		"mp3": "ID3\x03\x00\x00\x00\x00\x00\x0a" + strings.Repeat("\x00", 20), "m4a": ftyp("M4A ", "isom"), "aac": "\xff\xf1\x50\x80\x00\x1f\xfc", "ogg": ogg, "oga": ogg, "opus": ogg,
		"flac": "fLaC\x00\x00\x00\x22", "wav": "RIFF\x24\x00\x00\x00WAVEfmt ", "mp4": ftyp("isom", "mp42"), "m4v": ftyp("M4V ", "isom"),
		"mov": ftyp("qt  "), "webm": "\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "ogv": ogg,
		"zip": zipOf(t, "a.txt", "a"), "gz": gz.String(), "tar": tarred.String(), "7z": "7z\xbc\xaf\x27\x1c\x00\x04",
		"woff": "wOFF\x00\x01\x00\x00", "woff2": "wOF2\x00\x01\x00\x00", "ttf": font, "otf": "OTTO\x00\x0a\x00\x80",
	}
}

// TestKnown takes a file of each known type, and takes none for what it is not.
func TestKnown(t *testing.T) {
	t.Parallel()
	rules := Rules{Extensions: Known()}
	all := samples(t)
	alike := func(ext, of string) bool { // a file of the one may have the other extension
		same := func(exts string) bool {
			return strings.Contains(exts, " "+ext+" ") && strings.Contains(exts, " "+of+" ")
		}
		zipped := " odt ods odp odg docx xlsx pptx epub zip "
		text := " txt csv tsv srt "
		return ext == of || same(" jpg jpeg ") || same(" heic heif ") || same(" doc xls ppt ") || same(" ogg oga opus ogv ") || same(" mp4 m4v m4a mov ") || same(" json geojson ") ||
			ext == "zip" && strings.Contains(zipped, " "+of+" ") ||
			strings.Contains(text, " "+ext+" ") && strings.Contains(text+" rtf json geojson ics vcf vtt ", " "+of+" ") ||
			ext == "heif" && of == "avif"
	}
	for _, ext := range Known() {
		if all[ext] == "" {
			t.Errorf("there is no file of %s", ext)
		}
		for of, content := range all {
			err := rules.Check("a."+ext, strings.NewReader(content))
			refused := (*RefusedError)(nil)
			switch {
			case ext == of && err != nil:
				t.Errorf("%s is refused: %v", ext, err)
			case err == nil && !alike(ext, of):
				t.Errorf("%s is taken as %s", of, ext)
			case err != nil && !errors.As(err, &refused):
				t.Errorf("%s as %s: %v", of, ext, err)
			}
		}
	}
}

// TestTexts takes the texts that programs write, and no pages or programs.
func TestTexts(t *testing.T) {
	t.Parallel()
	rules := Rules{Extensions: Known()}
	utf16 := "\xff\xfea\x00;\x00b\x00\n\x00"
	for name, taken := range map[string][]string{
		"a.csv":  {"", "\ufeffnom;prix\nA;5 €\n", "nom;caf\xe9\n", utf16, "seul\n", `"a","<b>"` + "\n"},
		"a.txt":  {"", "a\fb\n", strings.Repeat("é", maxHead)},
		"a.ics":  {"\ufeffBEGIN:VCALENDAR\n", "begin:vcalendar\r\n"},
		"a.vtt":  {"WEBVTT", "\ufeffWEBVTT - Titre\n"},
		"a.json": {"[]", "\n{}", "\ufeff[1, 2.5e3]", `[` + strings.Repeat(`"texte", `, maxHead) + `1]`},
	} {
		for _, s := range taken {
			if err := rules.Check(name, strings.NewReader(s)); err != nil {
				t.Errorf("%s %.40q: got %v", name, s, err)
			}
		}
	}
	page := "<!DOCTYPE html><script>a()</script>"
	for name, refused := range map[string][]string{
		"a.csv":  {page, "\ufeff" + page, " \n<html>", "a\x00b", "MZ\x90\x00\x03", `<svg xmlns="http://www.w3.org/2000/svg"/>`, `<?xml version="1.0"?><a/>`},
		"a.txt":  {page, "\x7fELF\x02\x01\x01\x00"},
		"a.ics":  {"", "BEGIN:VCARD\n", page},
		"a.vtt":  {"", "1\n", page},
		"a.json": {"", page, "var a = 1", "1", "{", "{a: 1}", `{"a": 1}}`, "[1] function"},
	} {
		for _, s := range refused {
			if err := (*RefusedError)(nil); !errors.As(rules.Check(name, strings.NewReader(s)), &err) {
				t.Errorf("%s %.40q is taken", name, s)
			}
		}
	}
}

// TestHEIFPixels finds how large pictures are that nothing here decodes.
func TestHEIFPixels(t *testing.T) {
	t.Parallel()
	rules := Rules{Extensions: Known(), MaxPixels: 100}
	huge := heifOf("avif", 1<<32-1)
	for _, test := range []struct {
		name, content string
		refused       bool
	}{
		{"a.avif", heifOf("avif", 10), false},
		{"a.avif", heifOf("avif", 11), true},
		{"a.heic", heifOf("heic", 5, 11, 6), true},
		{"a.heic", heifOf("heic", 5, 10, 6), false},
		{"a.avif", huge, true},
		{"a.avif", huge[:len(huge)-30], false}, // it cannot be told
		{"a.avif", ftyp("avif"), false},
		{"a.avif", ftyp("avif") + "\x00\x00\x00\x01meta\xff\xff\xff\xff\xff\xff\xff\xff", false},
		{"a.avif", ftyp("avif") + "\xff\xff\xff\xffmdat", false},
		{"a.avif", ftyp("mif1", "avif", "miaf"), false},
	} {
		err := rules.Check(test.name, strings.NewReader(test.content))
		if (err != nil) != test.refused {
			t.Errorf("%s %q: got %v", test.name, test.content, err)
		}
	}
}

// TestInline shows what runs no code, and nothing that the configuration adds.
func TestInline(t *testing.T) {
	t.Parallel()
	rules := Rules{Types: map[string]string{"gpx": "application/gpx+xml", "jpe": "image/jpeg", "x": "video/x-own"}}
	for _, ext := range Known() {
		kind, _, _ := strings.Cut(rules.Type("a."+ext), "/")
		want := ext != "svg" && (ext == "pdf" || slices.Contains([]string{"image", "audio", "video"}, kind))
		if got := rules.Inline("A." + strings.ToUpper(ext)); got != want {
			t.Errorf("%s: got %t, want %t", ext, got, want)
		}
	}
	for _, name := range []string{"a.gpx", "a.jpe", "a.x", "a.html", "a.js", "a.xml", "a", ".jpg/a"} {
		if rules.Inline(name) {
			t.Errorf("%s is shown", name)
		}
	}
	if got := rules.Accepted(); !slices.Equal(got, []string{"application/gpx+xml", "application/pdf", "image/gif", "image/jpeg", "image/png", "image/webp", "video/x-own"}) {
		t.Errorf("got %q", got)
	}
	// Another extension of a known type has its content looked at and stripped.
	if err := rules.Check("a.jpe", strings.NewReader("<html>")); err == nil {
		t.Error("a page is taken for a JPEG")
	}
	var out bytes.Buffer
	if done, err := rules.Strip(&out, "a.jpe", bytes.NewReader(jpegOf(t, exif(1)))); err != nil || !done || !bytes.Equal(out.Bytes(), jpegOf(t)) {
		t.Errorf("got %t, %v", done, err)
	}
	if err := rules.Check("a.gpx", strings.NewReader("anything")); err != nil {
		t.Errorf("got %v", err)
	}
}

// TestCheckType takes types of other files, and none that browsers run.
func TestCheckType(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ ext, media, want string }{
		{".gpx", "application/gpx+xml", "gpx application/gpx+xml"},
		{"GPX", "Application/GPX+XML", "gpx application/gpx+xml"},
		{".log", "text/plain; charset=utf-8", "log text/plain; charset=utf-8"},
		{".csv", "text/csv", "csv text/csv"},
		{".xml", "application/xml", "xml application/xml"},
		{".bin", "application/octet-stream", "bin application/octet-stream"},
		{"", "application/gpx+xml", "is not an extension; write .gpx"},
		{".tar.gz", "application/gzip", "is not an extension; write .gpx"},
		{"a/b", "application/gpx+xml", "is not an extension; write .gpx"},
		{".é", "application/gpx+xml", "is not an extension; write .gpx"},
		{".gpx", "gpx", `"gpx" is not a media type; write application/gpx+xml`},
		{".gpx", "*/*", `"*/*" is not a media type; write application/gpx+xml`},
		{".gpx", "a/b\r\nX: y", "\"a/b\\r\\nX: y\" is not a media type; write application/gpx+xml"},
		{".gpx", "", `"" is not a media type; write application/gpx+xml`},
		{".csv", "text/plain", "is known as text/csv; add csv to extensions instead"},
		{".svg", "image/png", "is known as image/svg+xml; add svg to extensions instead"},
	} {
		ext, checked, err := CheckType(test.ext, test.media)
		got := ext + " " + checked
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: %s: got %q, want %q", test.ext, test.media, got, test.want)
		}
	}
	for _, media := range []string{
		"text/html", "TEXT/HTML; charset=utf-8", "application/xhtml+xml", "text/javascript", "text/javascript1.5", "application/javascript", "application/ecmascript",
		"application/x-javascript", "text/css", "image/svg+xml", "text/xsl", "application/xslt+xml", "application/wasm", "multipart/x-mixed-replace", "message/rfc822",
	} {
		if _, _, err := CheckType(".x", media); err == nil || !strings.Contains(err.Error(), "browsers run") {
			t.Errorf("%s: got %v", media, err)
		}
	}
}
