package web

import (
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"

	"cms/say"
)

// A Starting answers in the stead of a service that listens and cannot work yet, so that
// who asks is told, and waits: /healthz with 200, everything else with 503, Retry-After and
// how far it has come, people by a page. It knows nobody, so it tells everybody the same.
type Starting struct {
	Progress func() say.Text // how far the start has come
	Secure   bool            // clients reach the service over TLS
}

// startingRetry is after how many seconds a client asks again.
const startingRetry = 2

// ServeHTTP implements [http.Handler].
func (s *Starting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := &record{Call: Call{ID: newRequestID(r)}}
	r = r.WithContext(withRecord(r.Context(), call))
	h := w.Header()
	h.Set("X-Request-Id", call.ID)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if s.Secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if read := r.Method == http.MethodGet || r.Method == http.MethodHead; read && r.URL.Path == "/healthz" {
		healthz(w, r)
		return
	} else if best, err := Negotiate(strings.Join(r.Header.Values("Accept"), ","), mediaProblem, "text/html"); read && r.URL.Path != "/readyz" && err == nil && best == "text/html" {
		s.page(w, r)
		return
	}
	p := NewProblem(http.StatusServiceUnavailable, say.New("The service is starting. Try again after the seconds in Retry-After.")).With("Retry-After", strconv.Itoa(startingRetry))
	p.Errors = []Fault{{Rule: "starting", Detail: s.Progress()}}
	WriteProblem(w, r, p)
}

// page tells somebody in a browser, which asks again by itself.
func (s *Starting) page(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	language := Speak(strings.Join(r.Header.Values("Accept-Language"), ","), h.Add)
	h.Add("Vary", "Accept")
	h.Set("Retry-After", strconv.Itoa(startingRetry))
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.WriteHeader(http.StatusServiceUnavailable)
	if r.Method == http.MethodHead {
		return
	}
	in := func(t say.Text) string { return html.EscapeString(t.In(language)) }
	//nolint:gosec // in escapes each text
	fmt.Fprintf(w, "<!doctype html>\n<html lang=%q>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n"+
		"<meta name=\"color-scheme\" content=\"light dark\">\n<meta http-equiv=\"refresh\" content=\"%d\">\n"+
		"<title>%[3]s</title>\n<h1>%[3]s</h1>\n<p role=\"status\">%s</p>\n<p>%s</p>\n",
		language, startingRetry, in(say.New("The service is starting")), in(s.Progress()), in(say.New("This page asks again by itself.")))
}
