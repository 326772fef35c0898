package web

import (
	"net/http"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
)

// compressFrom is from how many bytes on an answer is compressed.
const compressFrom = 1024

// newCompressor compresses texts for the clients that accept it, but for those
// with an entity tag. A strong tag names one sequence of bytes (RFC 9110, section
// 8.8.3): the compressed one would need another, and the revision would no longer
// be the tag.
func newCompressor() (func(http.Handler) http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.MinSize(compressFrom),
		gzhttp.EnableZstd(false),
		gzhttp.CompressionLevel(gzip.BestSpeed),
		gzhttp.ContentTypes([]string{"application/json", mediaProblem, "text/markdown", "text/html", "text/css", "text/javascript"}),
	)
	if err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler {
		return wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&asIs{ResponseWriter: w}, r)
		}))
	}, nil
}

// asIs asks the compressor to leave an answer alone that has an entity tag, and an event
// stream: its events are small, and have to leave at once.
type asIs struct {
	http.ResponseWriter
	begun, plain bool
}

func (u *asIs) WriteHeader(status int) {
	u.begin()
	u.ResponseWriter.WriteHeader(status)
}

func (u *asIs) Write(b []byte) (int, error) {
	u.begin()
	return u.ResponseWriter.Write(b)
}

func (u *asIs) begin() {
	if h := u.Header(); !u.begun && (h.Get("ETag") != "" || h.Get("Content-Type") == "text/event-stream") {
		h.Set(gzhttp.HeaderNoCompression, "yes")
		u.plain = true
	}
	u.begun = true
}

// Unwrap is for [http.ResponseController].
func (u *asIs) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// FlushError is for [http.ResponseController]. What is left alone passes the compressor by,
// which does not tell errors.
func (u *asIs) FlushError() error {
	w := u.ResponseWriter
	if compressor, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok && u.plain {
		w = compressor.Unwrap()
	}
	return http.NewResponseController(w).Flush()
}
