package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"cms/say"
)

const (
	maxTarget     = 16 << 10 // of a request's path and query together, in bytes
	maxParameters = 64       // of a query
)

// bound refuses addresses that are too long, and a query that cannot be read whole: what
// cannot be decoded would be dropped silently, and a dry run could become a write.
func (f *Floor) bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.RequestURI) > maxTarget {
			f.refuse(w, r, NewProblem(http.StatusRequestURITooLong, say.New("The path and the query of a URL have at most %d bytes together. Ask for less at once.", maxTarget)))
			return
		}
		if err := checkQuery(r.URL.RawQuery); err != nil {
			f.refuse(w, r, err)
			return
		}
		joinLists(r.Header)
		next.ServeHTTP(w, r)
	})
}

// joinLists makes one line of those that a list was sent in (RFC 9110, section
// 5.3): many readers take the first of several alone, and a condition in another
// would not count.
func joinLists(h http.Header) {
	for _, name := range []string{"Accept", "Accept-Language", "If-Match", "If-None-Match"} {
		if lines := h.Values(name); len(lines) > 1 {
			h.Set(name, strings.Join(lines, ", "))
		}
	}
}

// checkQuery says what is wrong with a query as a whole.
func checkQuery(raw string) error {
	if strings.Count(raw, "&") >= maxParameters {
		return NewProblem(http.StatusBadRequest, say.New("A query has at most %d parameters.", maxParameters))
	}
	if _, err := url.ParseQuery(raw); err != nil {
		return NewProblem(http.StatusBadRequest, say.New("The query cannot be decoded. Percent-encode what is not a letter or a digit."))
	}
	return nil
}

// checkParameters says what is wrong with the parameters of a request of op.
func checkParameters(r *http.Request, op *Operation) error {
	if op.Form {
		return nil
	}
	for name, values := range r.URL.Query() {
		if len(values) > 1 && !slices.Contains(op.Repeatable, name) || slices.Contains(values, "") {
			p := NewProblem(http.StatusBadRequest, say.New("The query has a parameter without a value, or repeats one."))
			p.Errors = []Fault{{Pointer: name, Rule: "query", Detail: say.New("Give this parameter once, with a value, such as dry_run=true.")}}
			return p
		}
	}
	return nil
}
