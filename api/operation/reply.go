package operation

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"cms/web"
)

// Reply is an answer, its body already in its media type.
type Reply struct {
	Status       int
	ContentType  string        `header:"Content-Type" hidden:"true"`
	ETag         string        `header:"ETag" hidden:"true"`
	Location     string        `header:"Location" hidden:"true"`
	Vary         []string      `header:"Vary" hidden:"true"` // added to what middleware says
	CacheControl string        `header:"Cache-Control" hidden:"true"`
	CSP          string        `header:"Content-Security-Policy" hidden:"true"`
	Replayed     string        `header:"Idempotency-Replayed" hidden:"true"`
	RetryAfter   string        `header:"Retry-After" hidden:"true"`
	SetCookie    []http.Cookie `header:"Set-Cookie" hidden:"true"`
	Body         []byte        // documented for each operation

	targets   []web.Target // what a write has changed
	rehearsed bool         // it was a dry run
	made      any          // what it has changed, to be kept with its key; nil for none
}

// JSON is an answer that is v as JSON.
func JSON(status int, v any) (*Reply, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return &Reply{Status: status, ContentType: "application/json", Body: b.Bytes()}, nil
}

// Wrote says what the write that r answers has changed, for the audit log.
func (r *Reply) Wrote(targets ...web.Target) { r.targets = targets }

// Rehearsed says that r answers a dry run, for the audit log.
func (r *Reply) Rehearsed() { r.rehearsed = true }

// Tell has the audit log know what the request of ctx, which r answers, has changed.
func (r *Reply) Tell(ctx context.Context) {
	web.Audit(ctx, r.targets...)
	if r.rehearsed {
		web.AuditDryRun(ctx)
	}
}

// Keep has what the write made be kept with its key: a value for JSON.
func (r *Reply) Keep(made any) { r.made = made }

// Kept is what [Reply.Keep] said, nil for nothing.
func (r *Reply) Kept() any { return r.made }

// RefusedError refuses a write that says in its body what it is about, which is for the
// audit log.
type RefusedError struct {
	error
	Targets []web.Target
}

// Refused is err, of a write that was to change targets.
func Refused(err error, targets []web.Target) error { return &RefusedError{err, targets} }

// Unwrap gives the reason.
func (e *RefusedError) Unwrap() error { return e.error }
