package web

import (
	"net/http"
	"time"

	"github.com/rs/cors"
)

// corsMaxAge is for how long browsers may remember the answer to a preflight.
const corsMaxAge = 2 * time.Hour

// What pages may send and read: what an operation reads or answers with, and what
// browsers, proxies and tracing libraries add to any request.
var (
	asked = []string{
		"Accept", "Accept-Language", "Authorization", "Baggage", "Cache-Control", "Cms-Commit", "Content-Digest", "Content-Language", "Content-Type",
		"Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Last-Event-ID", "Pragma", "Prefer",
		"Range", "Repr-Digest", "Traceparent", "Tracestate", "X-Request-Id", "X-Requested-With",
	}
	exposed = []string{
		"Accept-Patch", "Accept-Ranges", "Allow", "Cms-Commit", "Content-Disposition", "Content-Range", "ETag", "Idempotency-Replayed", "Location",
		"RateLimit", "RateLimit-Policy", "Retry-After", "Vary", "WWW-Authenticate", "X-Request-Id",
	}
)

// allowOrigins lets the pages of some origins call the service from browsers; "*"
// stands for all. Without origins no page of another origin can. Credentials
// that a browser adds by itself (cookies) are never allowed: a page sends a
// token that it was given.
func allowOrigins(origins []string) func(http.Handler) http.Handler {
	if len(origins) == 0 {
		return func(next http.Handler) http.Handler { return next }
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"},
		AllowedHeaders: asked,
		ExposedHeaders: exposed,
		MaxAge:         int(corsMaxAge.Seconds()),
	}).Handler
}
