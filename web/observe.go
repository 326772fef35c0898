package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"cms/trace"
)

// observe names each request and, when it is done, logs it, counts it and
// audits it.
func (f *Floor) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &record{Call: Call{ID: newRequestID(r), Address: f.proxies.client(r)}, body: newArriving(r)}
		h := w.Header()
		h.Set("X-Request-Id", c.ID)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "private, no-cache") // but for what is [Operation.Public]
		if f.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		answer := &recorder{ResponseWriter: w, body: c.body, begins: func(status int) { f.tellCommit(h, c, status) }}
		ctx := withRecord(r.Context(), c)
		f.account(ctx, r, c, answer, func(ctx context.Context) {
			r = r.WithContext(ctx)
			r.Body = c.body
			next.ServeHTTP(answer, r)
		})
		answer.linger(f.lingering)
	})
}

// account has a request answered and tells what came of it, also when its connection is
// cut.
func (f *Floor) account(ctx context.Context, r *http.Request, c *record, answer *recorder, serve func(context.Context)) {
	start := time.Now()
	ctx, span := f.tracer.Start(ctx, trace.FromHeader(r.Header), "request", trace.Server)
	defer func() {
		took := time.Since(start)
		tell(span, r, c, answer.status)
		f.metrics.observe(r.Method, c.Operation, answer.status, took)
		f.audit(ctx, r, c, answer.status)
		level := slog.LevelInfo
		if c.quiet {
			level = slog.LevelDebug
		}
		f.log.LogAttrs(ctx, level, "request",
			slog.String("method", r.Method), slog.String("path", brief(r.URL.Path)), slog.Int("status", answer.status),
			slog.Int64("bytes", answer.bytes), trace.Duration(took), slog.String("request_id", c.ID))
	}()
	serve(ctx)
}

// tell says in a request's span what is told to third parties: no path, as the names of
// entries may be hidden from some, and nothing of who asks. What is no operation of a
// client's, such as a look at the health of the service, is only told where the client
// traces it.
func tell(span *trace.Span, r *http.Request, c *record, status int) {
	defer span.End()
	if c.Operation.Name == "" && !span.Remote() {
		span.Drop()
	}
	method := r.Method
	if !defined(method) {
		method = "_OTHER"
	}
	span.Rename(strings.TrimSpace(method + " " + c.Operation.Route))
	span.Set("http.request.method", method)
	if c.Operation.Route != "" {
		span.Set("http.route", c.Operation.Route)
	}
	span.Set("http.response.status_code", status)
	span.Set("cms.request_id", c.ID)
	if status >= http.StatusInternalServerError {
		span.Fail(http.StatusText(status))
	}
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
// that nobody has read, after the answer.
type recorder struct {
	http.ResponseWriter
	body   *arriving
	begins func(status int) // is told before the answer begins
	ends   bool             // the connection, with this answer
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
		r.begins(status)
		r.hangUp()
	}
	r.ResponseWriter.WriteHeader(status)
}

// keptBody is what may be left of a body, and is read to keep the connection.
const keptBody = 4 << 10

// hangUp has the connection end with the answer if more of the body is left than is
// read to keep it.
func (r *recorder) hangUp() {
	if !r.body.ended && (r.body.left < 0 || r.body.left > keptBody) {
		r.ends = true
		r.Header().Set("Connection", "close")
		_ = http.NewResponseController(r.ResponseWriter).EnableFullDuplex() // or the server reads some of it before it answers
	}
}

// What is thrown away of a body after the answer, at most.
const (
	lingerTime  = 5 * time.Second
	lingerBytes = 32 << 20
)

// linger throws away what still comes of a body that is not wanted, until stopping ends.
// Many clients send all of it before they look for an answer, and would lose that on a
// connection that is closed meanwhile (RFC 9112, section 9.6). Nothing is read of what is
// too long for that.
func (r *recorder) linger(stopping context.Context) {
	if !r.ends {
		return
	}
	control := http.NewResponseController(r.ResponseWriter)
	hangUp := func() { _ = control.SetReadDeadline(time.Unix(1, 0)) } // or the server reads on
	defer hangUp()
	if r.body.left > lingerBytes || control.Flush() != nil || control.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(stopping, func() {
		defer close(stopped)
		hangUp()
	})
	_, _ = io.CopyN(io.Discard, r.body.ReadCloser, lingerBytes)
	if !stop() {
		<-stopped
	}
}

// EndLingering has nobody wait any more, now and from now on, for the rest of a body that
// was refused, so that a server can shut down.
func (f *Floor) EndLingering() { f.endLingering() }

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
func (f *Floor) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause)
			}
			f.log.ErrorContext(r.Context(), "panic", "cause", cause, "stack", string(debug.Stack()), "request_id", RequestID(r.Context()))
			if answer, ok := w.(*recorder); ok && answer.status != 0 {
				panic(http.ErrAbortHandler)
			}
			f.refuse(w, r, internal())
		}()
		next.ServeHTTP(w, r)
	})
}
