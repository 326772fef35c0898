package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strings"
	"time"

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
//
// Body is what of it tells requests apart; run is given limit at most.
func (a *API) once(ctx context.Context, r *http.Request, body []byte, limit time.Duration, run func(context.Context) (*reply, error)) (*reply, error) {
	key, ok := parseKey(strings.Join(r.Header.Values(keyHeader), ", "))
	if !ok {
		return nil, newProblem(http.StatusBadRequest, "Idempotency-Key must be a text of 1 to 255 visible ASCII characters in double quotes, such as a UUID.")
	}
	c := callOf(ctx)
	c.key = digest(c.principal.Issuer, c.principal.Subject, key)
	caller := digest(c.principal.Issuer, c.principal.Subject)
	head, _ := a.site.Head()
	claim, err := a.keys.Claim(ctx, state.KeyRequest{ID: c.key, Caller: caller, Fingerprint: fingerprint(r, body), Head: head}, limit+onceGrace, time.Now())
	if err != nil {
		return nil, a.claimProblem(ctx, err)
	}
	if claim.Result != "" {
		return a.repeat(ctx, claim.Result, run)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return a.runOnce(ctx, claim, run)
}

// keyed is the input of a write that may have a key.
type keyed interface{ from() *http.Request }

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
	h := sha256.New()
	for _, p := range []string{r.Method, r.URL.RequestURI(), list("Content-Type"), list("If-Match"), list("If-None-Match")} {
		addPart(h, []byte(p))
	}
	addPart(h, body)
	return hex.EncodeToString(h.Sum(nil))
}

// digest is a SHA-256, in hexadecimal, of all parts and where they end.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		addPart(h, []byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func addPart(h hash.Hash, p []byte) {
	fmt.Fprintf(h, "%d:", len(p))
	h.Write(p)
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
func (a *API) runOnce(ctx context.Context, claim state.Claim, run func(context.Context) (*reply, error)) (r *reply, err error) {
	settle := a.keys.Abandon
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
		if refused := a.tried(ctx, err, run); refused != nil {
			err = refused
		}
		if err != nil {
			return nil, err
		}
	}
	switch r, err = run(ctx); {
	case err != nil:
		p := a.problem(ctx, err)
		if err = p; changedNothing(p.Status) {
			settle = a.keys.Release
		}
	case r.made != nil:
		settle = func(ctx context.Context, c state.Claim) error { return a.keys.Finish(ctx, c, r.made.encode()) }
	default:
		settle = a.keys.Release
	}
	return r, err
}

// changedNothing says whether an answer of this status, which tells of no write that
// was made, means that nothing was saved. Of an internal error nobody can tell, nor of one that came late (504).
func changedNothing(status int) bool {
	return status < http.StatusInternalServerError || status == http.StatusServiceUnavailable || status == http.StatusInsufficientStorage
}

// send answers outside of huma. The Vary of r is added to that of the middleware.
func send(w http.ResponseWriter, r *reply) {
	h := w.Header()
	for name, value := range map[string]string{
		"Content-Type": r.ContentType, "ETag": r.ETag, "Location": r.Location, "Idempotency-Replayed": r.Replayed,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	for _, v := range r.Vary {
		h.Add("Vary", v)
	}
	w.WriteHeader(r.Status)
	w.Write(r.Body) //nolint:gosec // in the media type that the header names, which browsers hold to
}
