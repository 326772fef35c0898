package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// File is a file of a page that anyone may have, plain and compressed, each made once.
type File struct {
	media          string
	plain, gzipped func() []byte // gzipped is nil for what gains nothing by it
	tag            string        // tells versions apart
}

// NewFile is a file of which one form is given.
func NewFile(media string, plain, gzipped []byte) File {
	sum := sha256.New()
	sum.Write(plain)
	sum.Write(gzipped)
	f := File{media: media, tag: hex.EncodeToString(sum.Sum(nil))[:32]}
	switch {
	case plain == nil:
		f.gzipped = func() []byte { return gzipped }
		f.plain = sync.OnceValue(func() []byte { return gunzip(gzipped) })
	case strings.HasPrefix(media, "image/"):
		f.plain = func() []byte { return plain }
	default:
		f.plain = func() []byte { return plain }
		f.gzipped = sync.OnceValue(func() []byte { return zip(plain) })
	}
	return f
}

// ServeHTTP implements [http.Handler].
func (f File) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.media)
	body, tag := f.plain, f.tag
	if f.gzipped != nil {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			h.Set("Content-Encoding", "gzip")
			body, tag = f.gzipped, tag+"-gzip"
		}
	}
	h.Set("ETag", ETag(tag))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body()))
}

// acceptsGzip says whether the client decodes gzip, as all browsers do.
func acceptsGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, q, _ := strings.Cut(coding, ";")
		if strings.TrimSpace(name) == "gzip" {
			return strings.TrimRight(strings.TrimSpace(q), "0.") != "q="
		}
	}
	return false
}

func gunzip(b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err == nil {
		b, err = io.ReadAll(z)
	}
	if err != nil { // cannot be: it is part of the program
		panic(err)
	}
	return b
}

func zip(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	if err = errors.Join(err, z.Close()); err != nil { // cannot be: it is memory
		panic(err)
	}
	return out.Bytes()
}
