package api

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"
	"github.com/swaggest/swgui/v5/static"
)

// page shows the OpenAPI document to people: Swagger UI, started by a script of
// ours. All of it is in the program, and it asks nobody but this service.
type page struct{ files map[string]pageFile }

// pageFile is a file that anyone may have, plain and compressed, each made once.
type pageFile struct {
	media          string
	plain, gzipped func() []byte // gzipped is nil for what gains nothing by it
	tag            string        // tells versions apart
}

// newPageFile is a file of which one form is given.
func newPageFile(media string, plain, gzipped []byte) pageFile {
	f := pageFile{media: media, tag: digest(string(plain), string(gzipped))[:32]}
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

//go:embed docs
var docsFiles embed.FS

// pagePolicy allows what the page is made of and nothing else. Swagger UI sets
// styles from scripts and draws its icons from data: URLs; it needs neither inline
// scripts nor eval.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// newPage reads the files of the page.
func newPage() (*page, error) {
	p := &page{map[string]pageFile{}}
	for _, f := range []struct {
		name, media string
		from        fs.FS
		path        string
	}{
		{"", "text/html; charset=utf-8", docsFiles, "docs/index.html"},
		{"start.js", "text/javascript; charset=utf-8", docsFiles, "docs/start.js"},
		{"swagger-ui.css", "text/css; charset=utf-8", static.FS, "swagger-ui.css.gz"},
		{"swagger-ui-bundle.js", "text/javascript; charset=utf-8", static.FS, "swagger-ui-bundle.js.gz"},
		{"favicon-32x32.png", "image/png", static.FS, "favicon-32x32.png"},
	} {
		b, err := fs.ReadFile(f.from, f.path)
		if err != nil {
			return nil, fmt.Errorf("api: %w", err)
		}
		if strings.HasSuffix(f.path, ".gz") {
			p.files[f.name] = newPageFile(f.media, nil, b)
		} else {
			p.files[f.name] = newPageFile(f.media, b, nil)
		}
	}
	return p, nil
}

// ServeHTTP answers with the page, or with the file of it that the path names.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := p.files[mux.Vars(r)["file"]]
	if !ok {
		writeProblem(w, r, newProblem(http.StatusNotFound, "The page at /docs has no such file."))
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	f.serve(w, r)
}

func (f pageFile) serve(w http.ResponseWriter, r *http.Request) {
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
	h.Set("ETag", etag(tag))
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
