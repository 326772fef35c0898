package operation

import (
	"bytes"
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

	targets []web.Target // what a write has changed
	made    any          // the same, to be kept with its key; nil for none
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

// Targets are what [Reply.Wrote] said.
func (r *Reply) Targets() []web.Target { return r.targets }

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
