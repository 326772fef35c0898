// Package once makes a write that has an Idempotency-Key a single time
// (draft-ietf-httpapi-idempotency-key-header): whoever sends the same request with the
// same key again is told what it did the first time.
//
// Kept is what was done, not how it was answered: what of it is shown is up to the
// rights that the caller has then. A dry run and what was refused changed nothing, and
// may be sent again with their key. The database that keeps the keys cannot commit
// together with Git, so the commit itself says which key it answers: after a crash the
// commits since the key came tell whether the write was made.
package once

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"cms/auth"
	"cms/state"
	"cms/web"
)

// Header has the key of a request.
const Header = "Idempotency-Key"

// grace is how much longer than the write that has it a key is held: until the
// writer, which finishes what it has begun, is done.
const grace = time.Minute

// Errors of requests with a key, beside those of their writes, [state.ErrKeyReused] and
// [state.ErrKeyInUse].
var (
	ErrMalformed   = errors.New("the header Idempotency-Key has no key")
	ErrUnavailable = errors.New("keys cannot be kept now")
	ErrUnseen      = errors.New("the write was made, and the caller may not know")
	ErrWithdrawn   = errors.New("the write was made, and its commit was taken from the history since")
)

// MadeError says that the write was made, in a commit, but that what it did cannot be
// told any more. Who may not know of the commit gets ErrUnseen instead; and where it is in the
// history no more, who may make the write ErrWithdrawn.
type MadeError struct{ Commit string }

// Error implements [error].
func (e *MadeError) Error() string { return "the write was made in the commit " + e.Commit }

// A History finds the commits that writes have made.
type History interface {
	Head() (commit string, superseded <-chan struct{})
	FindKey(ctx context.Context, since, key string) (commit string, err error) // "" for none
	SeesCommit(ctx context.Context, pr *auth.Principal, commit string) (bool, error)
	Position(commit string) (at int, known bool)
}

// Door is where writes come in, whose answers are of type A.
type Door[A any] interface {
	// Kept is what the write of an answer has done, to be kept with its key; "" where
	// nothing was written.
	Kept(answer A) string

	// Again answers with what was kept, as far as the caller may see it now. It gives
	// a MadeError when that cannot be told.
	Again(ctx context.Context, kept string) (A, error)

	// Tell is the status of the answer to an error, and the error as it is to be
	// answered.
	Tell(ctx context.Context, err error) (status int, told error)
}

// Attempt is how a write is to be made.
type Attempt struct {
	Key string // for its commit to name
	Dry bool   // it was made before: it is only to be seen whether the caller may make it
}

// Writes makes those of a door once.
type Writes[A any] struct {
	keys    *state.Keys
	history History
	door    Door[A]
	log     *slog.Logger
}

// New makes the writes of a door once. The logger may be nil.
func New[A any](keys *state.Keys, history History, door Door[A], log *slog.Logger) *Writes[A] {
	return &Writes[A]{keys, history, door, cmp.Or(log, slog.New(slog.DiscardHandler))}
}

// Request is one with a key.
type Request struct {
	*http.Request
	Caller *auth.Principal
	Body   []byte        // what of it tells requests apart
	Limit  time.Duration // what the write may take
}

// Do makes the write of a request, by run, or tells what it did before: then replayed is
// true, also with an error, but for one that says that it cannot be told now.
func (w *Writes[A]) Do(ctx context.Context, r Request, run func(context.Context, Attempt) (A, error)) (answer A, replayed bool, err error) {
	key, ok := parseKey(strings.Join(r.Header.Values(Header), ", "))
	if !ok {
		return answer, false, ErrMalformed
	}
	o := &write[A]{w, r.Caller, Digest(r.Caller.Issuer, r.Caller.Subject, key), run}
	head, _ := w.history.Head()
	claim, err := w.keys.Claim(ctx, state.KeyRequest{
		ID: o.key, Caller: Digest(r.Caller.Issuer, r.Caller.Subject), Fingerprint: fingerprint(r), Head: head,
	}, r.Limit+grace, time.Now())
	switch {
	case errors.Is(err, state.ErrKeyReused), errors.Is(err, state.ErrKeyInUse):
		return answer, false, err
	case err != nil:
		w.log.ErrorContext(ctx, "cannot keep the key of a write", "error", err, "request_id", web.RequestID(ctx))
		return answer, false, ErrUnavailable
	case claim.Result != "":
		return o.repeat(ctx, claim.Result)
	}
	ctx, cancel := context.WithTimeout(ctx, r.Limit)
	defer cancel()
	answer, err = o.make(ctx, claim)
	return answer, false, err
}

// write is one that a request asks for.
type write[A any] struct {
	*Writes[A]
	caller *auth.Principal
	key    string // a hash of it and the caller
	run    func(context.Context, Attempt) (A, error)
}

// make runs a write under its claim and keeps what it did before the answer is
// sent, so that nobody who has the answer can find the key in use.
func (w *write[A]) make(ctx context.Context, claim state.Claim) (answer A, err error) {
	settle := w.keys.Abandon
	defer func() { // after a panic, too, and whether or not the client waits
		if err := settle(context.WithoutCancel(ctx), claim); err != nil {
			w.log.ErrorContext(ctx, "the key of a write stays in use until its lease ends", "error", err, "request_id", web.RequestID(ctx))
		}
	}()
	if claim.Again {
		commit, err := w.history.FindKey(ctx, claim.Head, w.key)
		if err == nil && commit != "" {
			err = w.made(ctx, commit)
		}
		if err != nil {
			if refused := w.refusal(ctx, err); refused != nil {
				err = refused
			}
			return answer, err
		}
	}
	answer, err = w.run(ctx, Attempt{Key: w.key})
	if err != nil {
		status, err := w.door.Tell(ctx, err)
		if changedNothing(status) {
			settle = w.keys.Release
		}
		return answer, err
	}
	settle = w.keys.Release
	if kept := w.door.Kept(answer); kept != "" {
		settle = func(ctx context.Context, c state.Claim) error { return w.keys.Finish(ctx, c, kept) }
	}
	return answer, nil
}

// changedNothing says whether an answer of this status, which tells of no write that was
// made, means that nothing was saved. Of an internal error nobody can tell, nor of one
// that came late (504).
func changedNothing(status int) bool {
	return status < http.StatusInternalServerError || status == http.StatusServiceUnavailable || status == http.StatusInsufficientStorage
}

// repeat answers a write that was made before with what it did, as far as the caller
// may see it now. Who could not make it any more is answered as if it had not been made,
// so that nobody learns by the key of another token that it was.
func (w *write[A]) repeat(ctx context.Context, kept string) (answer A, replayed bool, err error) {
	answer, err = w.door.Again(ctx, kept)
	if lost := (*MadeError)(nil); errors.As(err, &lost) {
		err = w.made(ctx, lost.Commit)
	}
	if err == nil {
		return answer, true, nil
	}
	if refused := w.refusal(ctx, err); refused != nil {
		return answer, false, refused
	}
	status, err := w.door.Tell(ctx, err)
	return answer, !byRights(status) && status < http.StatusInternalServerError, err
}

// made is the answer to a write that the commit holds, for who may see that; otherwise
// ErrUnseen, or ErrWithdrawn where nobody could.
func (w *write[A]) made(ctx context.Context, commit string) error {
	switch sees, err := w.history.SeesCommit(ctx, w.caller, commit); {
	case err != nil:
		return err
	case sees:
		return &MadeError{commit}
	}
	if _, known := w.history.Position(commit); !known {
		return ErrWithdrawn
	}
	return ErrUnseen
}

// refusal is how a write that was made before is refused to who may not make it now, as
// any other such write would be: it is run dry. Nil if err is none by rights, or is to be
// told itself.
func (w *write[A]) refusal(ctx context.Context, err error) error {
	if status, _ := w.door.Tell(ctx, err); !byRights(status) && !errors.Is(err, ErrWithdrawn) {
		return nil
	}
	if _, err = w.run(ctx, Attempt{Key: w.key, Dry: true}); err == nil {
		return nil
	}
	if status, err := w.door.Tell(ctx, err); byRights(status) {
		return err
	}
	return nil
}

// byRights says whether a status refuses by what the caller may do or see.
func byRights(status int) bool {
	return status == http.StatusForbidden || status == http.StatusNotFound
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
func fingerprint(r Request) string {
	list := func(name string) string { return strings.Join(r.Header.Values(name), ", ") }
	h := sha256.New()
	for _, p := range []string{r.Method, r.URL.RequestURI(), list("Content-Type"), list("If-Match"), list("If-None-Match")} {
		addPart(h, []byte(p))
	}
	addPart(h, r.Body)
	return hex.EncodeToString(h.Sum(nil))
}

// Digest is a SHA-256, in hexadecimal, of all parts and where they end.
func Digest(parts ...string) string {
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
