package media

import (
	"bytes"
	"encoding/xml"
	"io"

	"github.com/gabriel-vasile/mimetype"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// How much of a file is read for its type.
const (
	maxProlog = 1 << 20 // before the root of an SVG: comments, a DOCTYPE with entities
	maxBefore = 1024    // before the signature of a PDF, as readers of PDF have it
)

// matches says whether the content of f is of a type, or of a kind of it.
func matches(f io.ReadSeeker, want string) (bool, error) {
	found, err := mimetype.DetectReader(f)
	for ; err == nil && found != nil; found = found.Parent() {
		if found.Is(want) {
			return true, nil
		}
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return false, err
	}
	switch want {
	case types["svg"]:
		return isSVG(f)
	case types["pdf"]:
		return isPDF(f)
	}
	return false, nil
}

// isSVG says whether the first element of an XML document, whatever stands before it,
// is svg.
func isSVG(f io.Reader) (bool, error) {
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
func isPDF(f io.Reader) (bool, error) {
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
