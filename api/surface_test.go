package api_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cms/api"
	"cms/auth"
	"cms/site/sitetest"
	"cms/web"
)

// TestLogIsBrief: what a client sends makes no long lines, wherever it stands.
func TestLogIsBrief(t *testing.T) {
	t.Parallel()
	log := new(lines)
	s := newServerWith(t, func(o *options) { o.Logger = slog.New(slog.NewJSONHandler(log, nil)) })
	long := strings.Repeat("é", 6<<10)
	op := `{"op":"patch","collection":"` + strings.Repeat("c", 200<<10) + `","slug":"a","if_match":"*"}`
	for name, r := range map[string]request{
		"path":      {method: "GET", path: "/v1/" + long, token: "-"},
		"slug":      {method: "DELETE", path: entryPath(long)},
		"media":     {method: "PUT", path: "/v1/media/" + long + ".svg", body: "x", header: map[string]string{"If-None-Match": "*"}},
		"query":     {method: "GET", path: "/v1/collections/consultations/entries?q=" + long},
		"parameter": {method: "GET", path: "/v1/me?" + long + "=1"},
		"batch":     {method: "POST", path: "/v1/batch", body: `{"operations":[` + op + `]}`, header: jsonBody("")},
		"header":    {method: "GET", path: "/v1/me", header: map[string]string{"X-Request-Id": long, "User-Agent": long}},
	} {
		s.do(r)
		got := log.take()
		if got == "" || len(got) > 4<<10 {
			t.Errorf("%s: got %d bytes of log", name, len(got))
		}
	}
	for _, path := range []string{"/v1/me?a=" + strings.Repeat("x", 900_000), "/" + strings.Repeat("x", 17<<10), "/healthz?" + strings.Repeat("x", 17<<10)} {
		w := httptest.NewRecorder()
		s.web.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := log.take(); w.Code != http.StatusRequestURITooLong || len(got) > 4<<10 {
			t.Errorf("an address of %d bytes: got %d, and %d bytes of log", len(path), w.Code, len(got))
		}
		var p api.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Code == "internal" {
			t.Errorf("got %s", w.Body)
		}
	}
}

func TestHeadersOfAnswers(t *testing.T) {
	t.Parallel()
	for publicURL, hsts := range map[string]string{"https://cms.example.org": "max-age=31536000", "http://127.0.0.1": ""} {
		s, _ := newLoginServer(t, publicURL)
		s.create("pages", "accueil", "---\ntitle: x\n---\n")
		for _, path := range []string{
			"/v1/me", "/v1/collections", "/v1/collections/pages/entries", "/v1/collections/pages/entries/accueil", "/v1/nowhere",
			"/v1/collections/pages/history/accueil", "/v1/media", "/v1/media/a.png", "/v1/search?q=x", "/v1/changes", "/openapi.json", "/docs", "/healthz", "/nowhere",
		} {
			for _, token := range []string{"", "-"} {
				res := s.do(request{method: "GET", path: path, token: token})
				cache := res.header.Get("Cache-Control")
				private := strings.Contains(cache, "private") || cache == "no-store" // unless all get the same
				if public := path == "/openapi.json" || path == "/docs" || path == "/healthz"; private == public || cache == "" {
					t.Errorf("%s: got Cache-Control %q", path, cache)
				}
				if got := res.header.Get("Strict-Transport-Security"); got != hsts {
					t.Errorf("%s at %s: got Strict-Transport-Security %q, want %q", path, publicURL, got, hsts)
				}
			}
		}
	}
}

// TestOriginWithoutTLS: a page that was fetched without TLS is not one of a service
// that is reached with it.
func TestOriginWithoutTLS(t *testing.T) {
	t.Parallel()
	db := openAccounts(t)
	sessions, err := auth.NewSessions(auth.SessionOptions{Hash: sitetest.CheapHash, State: db})
	if err != nil {
		t.Fatal(err)
	}
	s := newServerWith(t, func(o *options) { o.Sessions, o.PublicURL = sessions, "https://cms.example.org" })
	var cookies []string
	for _, c := range (&http.Response{Header: s.do(loginRequest(email, password)).header}).Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	n := 0
	send := func(path, host string, from map[string]string) int {
		n++
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"slug":"p`+strings.Repeat("a", n)+`","fields":{"title":"x"}}`))
		r.Host = host
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Cookie", strings.Join(cookies, "; "))
		for k, v := range from {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		s.web.ServeHTTP(w, r)
		return w.Code
	}
	const pages = "/v1/collections/pages/entries"
	for _, host := range []string{"cms.example.org", "inside.example.net"} {
		for _, from := range []map[string]string{
			{"Origin": "http://" + host}, {"Origin": "HTTP://" + host}, {"Origin": "http://" + host, "Sec-Fetch-Site": "same-origin"}, {"Origin": "http://cms.example.org"},
		} {
			for _, path := range []string{pages, "/v1/auth/logout", "/v1/auth/refresh"} {
				if got := send(path, host, from); got != http.StatusForbidden {
					t.Errorf("%s at %s from %v: got %d, want 403", path, host, from, got)
				}
			}
		}
	}
	if got := send("/v1/auth/login", "cms.example.org", map[string]string{"Origin": "http://cms.example.org"}); got != http.StatusForbidden {
		t.Errorf("a login from a page without TLS: got %d", got)
	}
	for _, host := range []string{"cms.example.org", "inside.example.net"} {
		if got := send(pages, host, map[string]string{"Origin": "https://cms.example.org"}); got != http.StatusCreated {
			t.Errorf("at %s from its own pages: got %d", host, got)
		}
	}
}

// TestRateLimitCoversEveryDoor but those of health, also those that lead nowhere.
func TestRateLimitCoversEveryDoor(t *testing.T) {
	t.Parallel()
	for _, door := range []string{
		"POST /hooks/github", "POST /hooks/nobody", "POST /v1/auth/login", "POST /v1/auth/refresh", "GET /v1/auth/oidc/id/start", "GET /v1/auth/oidc/id/callback",
		"POST /v1/deployments", "GET /openapi.json", "GET /docs", "GET /docs/swagger-ui.css", "GET /metrics", "GET /nowhere", "PUT /docs", "GET /v1/me", "GET /v1/media/a.png", "GET /v1/events",
	} {
		s := newServerWith(t, func(o *options) {
			o.PerAddress, o.Metrics, o.Registry = web.Limit{Requests: 2, Window: time.Hour}, true, prometheus.NewRegistry()
		})
		method, path, _ := strings.Cut(door, " ")
		for i := range 3 {
			res := s.do(request{method: method, path: path, token: "-"})
			if (res.status == http.StatusTooManyRequests) != (i == 2) {
				t.Errorf("%s, time %d: got %d", door, i, res.status)
			}
		}
		for _, path := range []string{"/healthz", "/readyz"} {
			if res := s.do(request{method: "GET", path: path, token: "-"}); res.status != http.StatusOK {
				t.Errorf("%s: got %d, want no limit", path, res.status)
			}
		}
	}
}

// TestPublicFilesAreMadeOnce: nobody is made to unpack or to pack them again.
func TestPublicFilesAreMadeOnce(t *testing.T) {
	s := newServer(t)
	for _, path := range []string{"/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/openapi.json", "/docs"} {
		for _, coding := range []string{"", "gzip"} {
			get := func() *httptest.ResponseRecorder {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Header.Set("Accept-Encoding", coding)
				w := httptest.NewRecorder()
				w.Body = nil
				s.web.ServeHTTP(w, r)
				return w
			}
			if w := get(); w.Code != http.StatusOK || w.Header().Get("ETag") == "" || (w.Header().Get("Content-Encoding") == "gzip") != (coding == "gzip") {
				t.Fatalf("%s: got %d %v", path, w.Code, w.Header())
			}
			var before, after runtime.MemStats
			cost := uint64(1 << 30)
			for range 3 { // others allocate too
				runtime.ReadMemStats(&before)
				get()
				runtime.ReadMemStats(&after)
				cost = min(cost, after.TotalAlloc-before.TotalAlloc)
			}
			if cost > 128<<10 {
				t.Errorf("%s as %q: %d bytes were allocated for it again", path, coding, cost)
			}
		}
	}
}
