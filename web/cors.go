package web

import (
	"net/http"
	"time"

	"github.com/rs/cors"
)

// corsMaxAge is for how long browsers may remember the answer to a preflight.
const corsMaxAge = 2 * time.Hour

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
		AllowedHeaders: []string{"Accept", "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "If-Range", "Last-Event-ID", "Range", "X-Request-Id"},
		ExposedHeaders: []string{"Accept-Patch", "ETag", "Idempotency-Replayed", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-Id"},
		MaxAge:         int(corsMaxAge.Seconds()),
	}).Handler
}
