package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"cms/auth"
)

// observe names each request and, when it is done, logs it, counts it and
// audits it.
func (a *API) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{id: newRequestID(r), address: a.proxies.client(r)}
		h := w.Header()
		h.Set("X-Request-Id", c.id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		if strings.HasPrefix(r.URL.Path, "/v1/") { // what it tells is for who asks
			h.Set("Cache-Control", "private, no-cache")
		}
		if a.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		rec := &recorder{ResponseWriter: w, body: &arriving{ReadCloser: r.Body, left: r.ContentLength}}
		ctx := withCall(r.Context(), c)
		start := time.Now()
		defer func() { // also when the connection is cut
			took := time.Since(start)
			a.metrics.observe(r.Method, c.route, rec.status, took)
			a.audit(ctx, r, c, rec.status)
			a.log.LogAttrs(ctx, slog.LevelInfo, "request",
				slog.String("method", r.Method), slog.String("path", brief(r.URL.Path)), slog.Int("status", rec.status),
				slog.Int64("bytes", rec.bytes), slog.String("duration", took.String()), slog.String("request_id", c.id))
		}()
		r = r.WithContext(ctx)
		r.Body = rec.body
		next.ServeHTTP(rec, r)
	})
}

// maxLogged is how much is logged of a text that a client chose.
const maxLogged = 1024

// brief is the beginning of a text, for the log.
func brief(s string) string {
	if len(s) <= maxLogged {
		return s
	}
	return strings.ToValidUTF8(s[:maxLogged], "") + "…"
}

// recorder remembers what was answered. It ends a connection on which there is a body
// that nobody has read, instead of reading it.
type recorder struct {
	http.ResponseWriter
	body   *arriving
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
		r.hangUp()
	}
	r.ResponseWriter.WriteHeader(status)
}

// hangUp has the connection end with the answer if more of the body is left than is
// read to keep it.
func (r *recorder) hangUp() {
	if !r.body.ended && (r.body.left < 0 || r.body.left > keptBody) {
		r.Header().Set("Connection", "close")
		_ = http.NewResponseController(r.ResponseWriter).SetReadDeadline(time.Unix(1, 0)) // or the server reads some of it
	}
}

// arriving is a body on its way.
type arriving struct {
	io.ReadCloser
	left  int64 // bytes that are to come; negative where that is not told
	ended bool
}

func (a *arriving) Read(b []byte) (int, error) {
	n, err := a.ReadCloser.Read(b)
	if a.left > 0 {
		a.left -= int64(n)
	}
	a.ended = a.ended || errors.Is(err, io.EOF)
	return n, err
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap is for [http.ResponseController].
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// recover makes a problem of a panic. A connection whose answer had begun is
// cut instead, so that its client does not take half an answer for a whole one.
func (a *API) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause)
			}
			a.log.ErrorContext(r.Context(), "panic", "cause", cause, "stack", string(debug.Stack()), "request_id", requestID(r.Context()))
			if rec, ok := w.(*recorder); ok && rec.status != 0 {
				panic(http.ErrAbortHandler)
			}
			writeProblem(w, r, newProblem(http.StatusInternalServerError, "Something failed here that should not. The log of the service has it under this instance."))
		}()
		next.ServeHTTP(w, r)
	})
}

// bound refuses addresses that are too long, and a query that means several things:
// what cannot be decoded would be dropped silently, and a dry run could become a
// write.
func (a *API) bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.RequestURI) > maxTarget {
			writeProblem(w, r, newProblem(http.StatusRequestURITooLong, fmt.Sprintf("The path and the query of a URL have at most %d bytes together. Ask for less at once.", maxTarget)))
			return
		}
		if p := checkQuery(r.URL.RawQuery); p != nil {
			writeProblem(w, r, p)
			return
		}
		joinLists(r.Header)
		next.ServeHTTP(w, r)
	})
}

// joinLists makes one line of those that a list was sent in (RFC 9110, section
// 5.3): of several, huma reads the first alone, and a condition in another would
// not count.
func joinLists(h http.Header) {
	for _, name := range []string{"Accept", "If-Match", "If-None-Match"} {
		if lines := h.Values(name); len(lines) > 1 {
			h.Set(name, strings.Join(lines, ", "))
		}
	}
}

// maxParameters is how many parameters a query may have.
const maxParameters = 64

// checkQuery says what is wrong with the form of a query, or nil.
func checkQuery(raw string) *Problem {
	if strings.Count(raw, "&") >= maxParameters {
		return newProblem(http.StatusBadRequest, fmt.Sprintf("A query has at most %d parameters.", maxParameters))
	}
	q, err := url.ParseQuery(raw)
	if err != nil {
		return newProblem(http.StatusBadRequest, "The query cannot be decoded. Percent-encode what is not a letter or a digit.")
	}
	for name, values := range q {
		if len(values) > 1 || values[0] == "" {
			p := newProblem(http.StatusBadRequest, "The query has a parameter without a value, or one that stands there twice.")
			p.Errors = []Fault{{Pointer: name, Rule: "query", Detail: "Give this parameter once, with a value: dry_run=true."}}
			return p
		}
	}
	return nil
}

// authenticate asks for a bearer token (RFC 6750) or a session where the
// operation does.
func (a *API) authenticate(ctx huma.Context, next func(huma.Context)) {
	if slices.ContainsFunc(ctx.Operation().Security, func(s map[string][]string) bool { return len(s) == 0 }) {
		next(ctx)
		return
	}
	r, _ := humamux.Unwrap(ctx)
	pr, err := a.caller(r)
	if err != nil {
		writeHuma(ctx, a.problem(ctx.Context(), err))
		return
	}
	callOf(ctx.Context()).principal = pr
	next(ctx)
}

func (a *API) verify(ctx context.Context, headers []string) (*auth.Principal, error) {
	if len(headers) > 1 {
		return nil, newProblem(http.StatusBadRequest, "Send one Authorization header.")
	}
	scheme, token, _ := strings.Cut(strings.Join(headers, ""), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, newProblem(http.StatusUnauthorized, "Send a token: Authorization: Bearer …").
			with("WWW-Authenticate", `Bearer realm="cms"`)
	}
	return a.verifier.Verify(ctx, strings.TrimSpace(token))
}

// challenge tells a client what was wrong with its token (RFC 6750, section 3).
func challenge(e *auth.TokenError) string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	return `Bearer realm="cms", error="` + quote.Replace(e.Code) + `", error_description="` + quote.Replace(e.Detail) + `"`
}
