package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
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
		rec := &recorder{ResponseWriter: w}
		ctx := withCall(r.Context(), c)
		start := time.Now()
		defer func() { // also when the connection is cut
			took := time.Since(start)
			a.metrics.observe(r.Method, c.route, rec.status, took)
			a.audit(ctx, r, c, rec.status)
			a.log.LogAttrs(ctx, slog.LevelInfo, "request",
				slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", rec.status),
				slog.Int64("bytes", rec.bytes), slog.String("duration", took.String()), slog.String("request_id", c.id))
		}()
		next.ServeHTTP(rec, r.WithContext(ctx))
	})
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
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

// bound limits every request's body, and refuses a query that means several
// things: what cannot be decoded would be dropped silently, and a dry run could
// become a write.
func (a *API) bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := checkQuery(r.URL.RawQuery); p != nil {
			writeProblem(w, r, p)
			return
		}
		limit, room := a.maxBody, int64(0)
		if strings.HasPrefix(r.URL.Path, mediaRoute) {
			limit, room = a.site.MediaLimit(), 1 // one more byte shows the site that there are too many
		}
		if r.ContentLength > limit {
			w.Header().Set("Connection", "close")
			writeProblem(w, r, tooLarge(limit))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit+room)
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

// Bounds of a query, in bytes and in parameters.
const (
	maxQuery      = 32 << 10
	maxParameters = 64
)

// checkQuery says what is wrong with the form of a query, or nil. One that is too
// long is not taken apart.
func checkQuery(raw string) *Problem {
	if len(raw) > maxQuery {
		return newProblem(http.StatusRequestURITooLong, fmt.Sprintf("The query of a URL has at most %d bytes. Ask for less at once.", maxQuery))
	}
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

// receive reads the body of an operation that has one, so that one that is too
// large, too slow or cut short is told as what it is. What can be refused without
// it is refused before.
func (a *API) receive(ctx huma.Context, next func(huma.Context)) {
	if ctx.Operation().RequestBody == nil {
		next(ctx)
		return
	}
	r, w := humamux.Unwrap(ctx)
	if admit, _ := ctx.Operation().Metadata[admitKey].(admit); admit != nil {
		if err := admit(a, principal(ctx.Context()), r.Header.Get("Content-Type")); err != nil {
			if r.ContentLength < 0 || r.ContentLength > smallBody {
				w.Header().Set("Connection", "close") // or the server reads it to its end
			}
			writeHuma(ctx, a.problem(ctx.Context(), err))
			return
		}
	}
	body, err := io.ReadAll(r.Body)
	var (
		large   *http.MaxBytesError
		timeout net.Error
	)
	switch {
	case errors.As(err, &large):
		writeHuma(ctx, tooLarge(large.Limit))
	case errors.As(err, &timeout) && timeout.Timeout():
		writeHuma(ctx, newProblem(http.StatusRequestTimeout, "The body did not arrive in time. Send it again."))
	case err != nil:
		writeHuma(ctx, newProblem(http.StatusBadRequest, "The body was cut short or is not framed as HTTP asks. Send it again."))
	default:
		r.Body = io.NopCloser(bytes.NewReader(body))
		next(ctx)
	}
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
