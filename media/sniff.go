package media

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// How much of a file is read for its type.
const (
	maxProlog = 1 << 20 // before the root of an SVG: comments, a DOCTYPE with entities
	maxBefore = 1024    // before the signature of a PDF, as readers of PDF have it
	maxHead   = 8 << 10 // of a text, and of the brands of a picture or a film
)

// detected says whether a file has the signature of a type, or of a kind of it.
func detected(want string) func(io.ReadSeeker) (bool, error) {
	return func(f io.ReadSeeker) (bool, error) {
		found, err := mimetype.DetectReader(f)
		return err == nil && isKind(found, want), err
	}
}

func isKind(found *mimetype.MIME, want string) bool {
	for ; found != nil; found = found.Parent() {
		if found.Is(want) {
			return true
		}
	}
	return false
}

// Brands of pictures in the ISO base media file format.
var (
	avifBrands = []string{"avif", "avis"}
	heicBrands = []string{"heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"}
)

// brands are those of a file in the ISO base media file format (ISO 14496-12, 4.3), the
// major one first; none for another file.
func brands(f io.Reader) ([]string, error) {
	b, err := head(f)
	if err != nil || len(b) < 16 || string(b[4:8]) != "ftyp" {
		return nil, err
	}
	end := min(int64(binary.BigEndian.Uint32(b)), int64(len(b)))
	all := []string{string(b[8:12])}
	for at := int64(16); at+4 <= end; at += 4 { // behind the minor version
		all = append(all, string(b[at:at+4]))
	}
	return all, nil
}

// isBrand says whether a picture has one of the brands.
func isBrand(wanted ...string) func(io.ReadSeeker) (bool, error) {
	return func(f io.ReadSeeker) (bool, error) {
		all, err := brands(f)
		return slices.ContainsFunc(all, func(b string) bool { return slices.Contains(wanted, b) }), err
	}
}

// isMovie says whether a file is in the format of MP4, and no picture.
func isMovie(f io.ReadSeeker) (bool, error) {
	all, err := brands(f)
	if len(all) == 0 {
		return false, err
	}
	picture := slices.Concat(avifBrands, heicBrands, []string{"mif1", "msf1"})
	return !slices.Contains(picture, all[0]), err
}

// isText says whether a file is a text, in whatever encoding, that no browser would take
// for a page or a PDF, and begins with one of the texts, if there are some, in whatever case.
func isText(beginnings ...string) func(io.ReadSeeker) (bool, error) {
	return func(f io.ReadSeeker) (bool, error) {
		b, err := head(f)
		if err != nil {
			return false, err
		}
		if found := mimetype.Detect(b); isKind(found, "text/html") || isKind(found, "text/xml") || isKind(found, "image/svg+xml") || isKind(found, "application/pdf") {
			return false, nil
		}
		decoded, _, err := transform.Bytes(unicode.BOMOverride(encoding.Nop.NewDecoder()), b)
		if err != nil || bytes.ContainsFunc(decoded, binaryControl) {
			return false, nil
		}
		text := strings.TrimLeft(string(decoded), " \t\r\n")
		begins := func(with string) bool { return len(text) >= len(with) && strings.EqualFold(text[:len(with)], with) }
		return len(beginnings) == 0 || slices.ContainsFunc(beginnings, begins), nil
	}
}

// isJSON says whether a file is a text that begins as JSON does, with an object or with
// one of the signs.
func isJSON(signs ...string) func(io.ReadSeeker) (bool, error) {
	text := isText(signs...)
	return func(f io.ReadSeeker) (bool, error) {
		if is, err := text(f); !is || err != nil {
			return false, err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return false, err
		}
		b, err := head(f)
		d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff"))))
		d.UseNumber()
		depth := 0
		for err == nil {
			var token json.Token
			switch token, err = d.Token(); token {
			case json.Delim('{'), json.Delim('['):
				depth++
			case json.Delim('}'), json.Delim(']'):
				depth--
			}
		}
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		return ended && (depth == 0 || len(b) == maxHead), nil
	}
}

// starts says whether a file begins with one of the signatures.
func starts(signatures ...string) func(io.ReadSeeker) (bool, error) {
	return func(f io.ReadSeeker) (bool, error) {
		b, err := head(f)
		return slices.ContainsFunc(signatures, func(s string) bool { return bytes.HasPrefix(b, []byte(s)) }), err
	}
}

// binaryControl says whether a rune is no part of a text (WHATWG MIME Sniffing, section 3).
func binaryControl(r rune) bool {
	return r <= 0x08 || r == 0x0b || r >= 0x0e && r <= 0x1a || r >= 0x1c && r <= 0x1f
}

// head is the beginning of a file.
func head(f io.Reader) ([]byte, error) {
	b := make([]byte, maxHead)
	n, err := io.ReadFull(f, b)
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		err = nil
	}
	return b[:n], err
}

// isSVG says whether the first element of an XML document, whatever stands before it,
// is svg.
func isSVG(f io.ReadSeeker) (bool, error) {
	in := &failing{Reader: io.LimitReader(f, maxProlog)}
	d := xml.NewDecoder(transform.NewReader(in, unicode.BOMOverride(encoding.Nop.NewDecoder())))
	d.Strict = false // of entities that the DOCTYPE declares
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		token, err := d.RawToken()
		if err != nil {
			return false, in.err
		}
		switch token := token.(type) {
		case xml.StartElement:
			return token.Name.Local == "svg", nil
		case xml.CharData:
			if len(bytes.TrimSpace(token)) > 0 {
				return false, nil
			}
		case xml.EndElement:
			return false, nil
		}
	}
}

// isPDF says whether the signature of a PDF is near the beginning.
func isPDF(f io.ReadSeeker) (bool, error) {
	head := make([]byte, maxBefore+len("%PDF-"))
	n, err := io.ReadFull(f, head)
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		err = nil
	}
	return bytes.Contains(head[:n], []byte("%PDF-")), err
}

// failing notes that its reader failed.
type failing struct {
	io.Reader
	err error
}

func (r *failing) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
