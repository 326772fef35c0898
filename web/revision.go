package web

import (
	"io"
	"net/http"
	"time"

	"cms/say"
)

// ServeRevision answers with a file, whose ETag is its revision: with the part that is
// asked for, or by the preconditions of the request (RFC 9110). Its headers are set before.
func ServeRevision(w http.ResponseWriter, r *http.Request, revision string, file io.ReadSeeker) {
	w.Header().Set("ETag", uncode(r.Header, revision))
	http.ServeContent(&ranged{ResponseWriter: w, request: r}, r, "", time.Time{}, file)
}

// uncode has the preconditions in a header name a revision as net/http knows it, where they
// name it as a proxy that compresses does. It gives the tag for the answer.
func uncode(h http.Header, revision string) string {
	for _, name := range []string{"If-Match", "If-None-Match"} {
		t, err := ParseTags(name, h.Get(name))
		if tag, ok := t.Match(revision); err == nil && ok && !t.Any {
			if h.Set(name, ETag(revision)); name == "If-None-Match" {
				h.Set(name, tag)
				return tag
			}
		}
	}
	return ETag(revision)
}

// ranged makes problems of what net/http answers with where a range is outside of
// a file, or a precondition does not hold.
type ranged struct {
	http.ResponseWriter
	request *http.Request
	refused bool
}

func (w *ranged) WriteHeader(status int) {
	details := map[int]say.Text{
		http.StatusRequestedRangeNotSatisfiable: say.New("The file has no such range. Content-Range says how long it is."),
		http.StatusPreconditionFailed:           say.New("The file is not at the revision that If-Match names."),
	}
	detail, refused := details[status]
	if w.refused = refused; refused {
		WriteProblem(w.ResponseWriter, w.request, NewProblem(status, detail))
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *ranged) Write(b []byte) (int, error) {
	if w.refused {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}
