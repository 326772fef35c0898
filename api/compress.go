package api

import (
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
)

// What is compressed, and from how many bytes on. An event stream is not: its
// events are small, and have to leave at once.
const (
	compressFrom = 1024
	eventsPath   = "/v1/events"
)

// newCompressor compresses texts for the clients that accept it, but for those
// with an entity tag. A strong tag names one sequence of bytes (RFC 9110, section
// 8.8.3): the compressed one would need another, and the revision would no longer
// be the tag.
func newCompressor() (func(http.Handler) http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.MinSize(compressFrom),
		gzhttp.EnableZstd(false),
		gzhttp.CompressionLevel(gzip.BestSpeed),
		gzhttp.ContentTypes([]string{mediaJSON, mediaProblem, mediaMarkdown, "text/html", "text/css", "text/javascript"}),
	)
	if err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler {
		compressed := wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&untagged{ResponseWriter: w}, r)
		}))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == eventsPath {
				next.ServeHTTP(w, r)
				return
			}
			compressed.ServeHTTP(w, r)
		})
	}, nil
}

// untagged asks the compressor to leave an answer alone that has an entity tag.
type untagged struct {
	http.ResponseWriter
	begun bool
}

func (u *untagged) WriteHeader(status int) {
	u.begin()
	u.ResponseWriter.WriteHeader(status)
}

func (u *untagged) Write(b []byte) (int, error) {
	u.begin()
	return u.ResponseWriter.Write(b)
}

func (u *untagged) begin() {
	if h := u.Header(); !u.begun && h.Get("ETag") != "" {
		h.Set(gzhttp.HeaderNoCompression, "yes")
	}
	u.begun = true
}

// Unwrap is for [http.ResponseController].
func (u *untagged) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// uncoded is an entity tag's value without what a proxy that compresses may have
// added to it, as Apache does.
func uncoded(tag string) string { return strings.TrimSuffix(tag, "-gzip") }
