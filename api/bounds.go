package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Bounds of operations that name no other. A server has bounds of its own, for
// headers, for connections at rest and for what is no operation.
const (
	operationTime = 30 * time.Second // from the headers to the answer
	answerTime    = 30 * time.Second // more, to send an answer, or that the time is over
	transferTime  = 5 * time.Minute  // for a file, up or down, instead of both
	smallBody     = 64 << 10         // of what holds names, addresses and settings
	keptBody      = 4 << 10          // what is left of a body, and read to keep the connection
	maxTarget     = 16 << 10         // of a request's path and query together
)

// bounds are what one operation may take. The OpenAPI document tells them.
type bounds struct {
	time time.Duration // until it is answered, the arrival of its body included; 0 for as long as it likes
	body int64         // bytes; 0 where it has none
}

const boundsKey = "bounds" // in the metadata of an operation

// set puts b on op, and into its description.
func (b bounds) set(op *huma.Operation) {
	op.Metadata = map[string]any{boundsKey: b}
	op.Extensions = map[string]any{}
	if b.time > 0 {
		op.Extensions["x-timeout-seconds"] = b.time.Seconds()
	}
	if b.body > 0 {
		op.Extensions["x-max-body-bytes"] = b.body
	}
}

// hold runs next within the bounds of op: what of the body is too much or too
// late is an error to who reads it, and the context of the request ends with its
// time.
func hold(op *huma.Operation, w http.ResponseWriter, r *http.Request, next func(*http.Request)) {
	b, _ := op.Metadata[boundsKey].(bounds)
	if b.body > 0 {
		r.Body = http.MaxBytesReader(w, r.Body, b.body)
	}
	if b.time > 0 {
		within(w, b.time, b.time+answerTime)
		ctx, cancel := context.WithTimeout(r.Context(), b.time)
		defer cancel()
		r = r.WithContext(ctx)
	}
	next(r)
}

// within sets when a request must have arrived, and been answered. Where that
// cannot be set, as in some tests, the server's own bounds are left.
func within(w http.ResponseWriter, arrive, answered time.Duration) {
	control, now := http.NewResponseController(w), time.Now()
	_ = control.SetReadDeadline(now.Add(arrive))
	_ = control.SetWriteDeadline(now.Add(answered))
}
