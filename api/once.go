package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/gorilla/mux"

	"cms/state"
)

const keyHeader = "Idempotency-Key"

// How long a write with a key may take before it is given up, and how much
// longer its key is held: until the writer, which finishes what it has begun, is
// done.
const (
	onceTime  = time.Minute
	onceGrace = time.Minute
)

// once makes a write that has an Idempotency-Key a single time
// (draft-ietf-httpapi-idempotency-key-header): whoever sends the same request
// with the same key again is told what it did the first time. Kept is what was
// done, not how it was answered: what of it is shown is up to the rights that the
// caller has then. A dry run and what was refused changed nothing, and may be sent
// again with their key.
func (a *API) once(ctx huma.Context, next func(huma.Context)) {
	given := ctx.Header(keyHeader)
	if given == "" || a.keys == nil || !takesKey(ctx.Operation()) {
		next(ctx)
		return
	}
	r, w := humamux.Unwrap(ctx)
	body, err := io.ReadAll(r.Body) // receive holds it in memory
	if err != nil {
		writeHuma(ctx, a.problem(ctx.Context(), err))
		return
	}
	a.underKey(w, r, body, onceTime, func(w http.ResponseWriter, r *http.Request) {
		r.Body = io.NopCloser(bytes.NewReader(body))
		next(params{humamux.NewContext(ctx.Operation(), r, w), mux.Vars(r), r.Header})
	})
}

// underKey runs a write for as long as limit at most, unless its key has an
// answer. Body is what of it tells requests apart.
func (a *API) underKey(w http.ResponseWriter, r *http.Request, body []byte, limit time.Duration, run http.HandlerFunc) {
	key, ok := parseKey(strings.Join(r.Header.Values(keyHeader), ", "))
	if !ok {
		writeProblem(w, r, newProblem(http.StatusBadRequest, "Idempotency-Key must be a text of 1 to 255 visible ASCII characters in double quotes, such as a UUID."))
		return
	}
	c := callOf(r.Context())
	c.key = digest(c.principal.Issuer, c.principal.Subject, key)
	caller := digest(c.principal.Issuer, c.principal.Subject)
	head, _ := a.site.Head()
	claim, err := a.keys.Claim(r.Context(), state.KeyRequest{ID: c.key, Caller: caller, Fingerprint: fingerprint(r, body), Head: head}, limit+onceGrace, time.Now())
	if err != nil {
		writeProblem(w, r, a.claimProblem(r.Context(), err))
		return
	}
	if claim.Result != "" {
		a.repeat(w, r, claim.Result, run)
		return
	}
	timed, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	a.runOnce(w, r.WithContext(timed), claim, run)
}

// takesKey says whether an operation documents the header.
func takesKey(op *huma.Operation) bool {
	for _, p := range op.Parameters {
		if p.In == "header" && p.Name == keyHeader {
			return true
		}
	}
	return false
}

// parseKey is the key in a header: a string in double quotes (RFC 9651, section
// 3.3.3), or the same without them, as many clients send it.
func parseKey(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if inner, ok := strings.CutPrefix(s, `"`); ok {
		if s, ok = strings.CutSuffix(inner, `"`); !ok {
			return "", false
		}
	}
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }
	return s, s != "" && len(s) <= 255 && !strings.ContainsFunc(s, odd)
}

// fingerprint tells requests with the same key apart.
func fingerprint(r *http.Request, body []byte) string {
	list := func(name string) string { return strings.Join(r.Header.Values(name), ", ") }
	return digest(r.Method, r.URL.RequestURI(), list("Content-Type"), list("If-Match"), list("If-None-Match"), string(body))
}

// digest is a SHA-256, in hexadecimal, of all parts and where they end.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (a *API) claimProblem(ctx context.Context, err error) *Problem {
	var p *Problem
	switch {
	case errors.Is(err, state.ErrKeyReused):
		p = newProblem(http.StatusUnprocessableEntity, "This Idempotency-Key was used for another request. Nothing was saved; use a new key for each write.")
		p.Code = "idempotency_key_reused"
	case errors.Is(err, state.ErrKeyInUse):
		p = newProblem(http.StatusConflict, "A request with this Idempotency-Key is under way. Send it again in a moment for its answer.").with("Retry-After", "1")
		p.Code = "idempotency_key_in_use"
	default:
		a.log.ErrorContext(ctx, "cannot keep the key of a write", "error", err, "request_id", requestID(ctx))
		p = newProblem(http.StatusServiceUnavailable, "Idempotency-Key cannot be kept now. Nothing was saved; try again in a moment.").with("Retry-After", "10")
	}
	return p
}

// runOnce runs a write under its claim and keeps what it did before the answer is
// sent, so that nobody who has the answer can find the key in use.
func (a *API) runOnce(w http.ResponseWriter, r *http.Request, claim state.Claim, run http.HandlerFunc) {
	ctx := r.Context()
	buffer := &answerBuffer{ResponseWriter: w, header: http.Header{}}
	settle := a.keys.Abandon
	func() {
		defer func() { // after a panic, too, and whether or not the client waits
			if err := settle(context.WithoutCancel(ctx), claim); err != nil {
				a.log.ErrorContext(ctx, "the key of a write stays in use until its lease ends", "error", err, "request_id", requestID(ctx))
			}
		}()
		if claim.Again {
			commit, err := a.site.FindKey(ctx, claim.Head, callOf(ctx).key)
			if err == nil && commit != "" {
				err = a.alreadyMade(ctx, commit)
			}
			if refused := a.tried(w, r, err, run); refused != nil {
				buffer = refused
				return
			}
			if err != nil {
				writeProblem(buffer, r, a.problem(ctx, err))
				return
			}
		}
		run(buffer, r)
		switch status, made := buffer.status, callOf(ctx).made; {
		case status < http.StatusBadRequest && made != nil:
			settle = func(ctx context.Context, c state.Claim) error { return a.keys.Finish(ctx, c, made.encode()) }
		case changedNothing(status):
			settle = a.keys.Release
		}
	}()
	send(w, buffer.status, buffer.header, buffer.body.Bytes())
}

// changedNothing says whether an answer of this status, which tells of no write that
// was made, means that nothing was saved. Of an internal error nobody can tell, nor of one that came late (504).
func changedNothing(status int) bool {
	return status < http.StatusInternalServerError || status == http.StatusServiceUnavailable || status == http.StatusInsufficientStorage
}

// answerBuffer is an answer that is not sent yet, to be sent by ResponseWriter.
type answerBuffer struct {
	http.ResponseWriter
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *answerBuffer) Header() http.Header { return b.header }

func (b *answerBuffer) WriteHeader(status int) { b.status = status }

func (b *answerBuffer) Write(p []byte) (int, error) { return b.body.Write(p) }

// Unwrap is for [http.ResponseController].
func (b *answerBuffer) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// send answers. The Vary of header is added to that of the middleware.
func send(w http.ResponseWriter, status int, header http.Header, body []byte) {
	h := w.Header()
	vary := append(h.Values("Vary"), header.Values("Vary")...)
	maps.Copy(h, header)
	if len(vary) > 0 {
		h["Vary"] = vary
	}
	w.WriteHeader(status)
	w.Write(body)
}
