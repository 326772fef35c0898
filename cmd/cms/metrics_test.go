package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"cms/config"
	"cms/repo"
	"cms/web"
)

func TestDebugServesMetricsAndProfiles(t *testing.T) {
	r, err := repo.Open(t.Context(), repo.Options{Path: t.TempDir() + "/site.git", Committer: repo.Person{Name: "CMS", Email: "cms@example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	srv := httptest.NewServer(debugHandler(newRegistry(r, []config.Collection{{Name: "consultations"}})))
	defer srv.Close()
	for path, want := range map[string]string{
		"/metrics":                       "cms_build_info{goversion=",
		"/metrics?":                      `cms_entries{collection="consultations"} 0`,
		"/metrics?repo":                  "cms_commits_total 0",
		"/metrics?kept":                  "cms_packs_kept 0",
		"/metrics?held":                  "cms_packs_held 0",
		"/metrics?failures":              "cms_pack_failures_total 0",
		"/metrics?go":                    "go_goroutines ",
		"/debug/pprof/goroutine?debug=1": "goroutine profile:",
	} {
		res, err := http.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: got %d %v, without %s", path, res.StatusCode, err, want)
		}
	}
}

// TestDebugAnswersToThisMachine, by no name that a page elsewhere could lead here.
func TestDebugAnswersToThisMachine(t *testing.T) {
	r, err := repo.Open(t.Context(), repo.Options{Path: t.TempDir() + "/site.git", Committer: repo.Person{Name: "CMS", Email: "cms@example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	debug := debugHandler(newRegistry(r, nil))
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:6060": 200, "127.0.0.1:6060": 200, "127.8.9.1": 200, "[::1]:6060": 200, "[::1]": 200, "[::ffff:127.0.0.1]:6060": 200,
		"": 421, "attacker.example": 421, "attacker.example:6060": 421, "localhost.attacker.example": 421, "127.0.0.1.attacker.example:6060": 421,
		"10.0.0.1:6060": 421, "0.0.0.0": 421, "[::]:6060": 421, "127.1": 421, "localhost:6060:1": 421, "2130706433": 421,
	} {
		for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/heap?debug=1", "/nowhere"} {
			req := httptest.NewRequest(http.MethodGet, path, nil)
			req.Host = host
			w := httptest.NewRecorder()
			debug.ServeHTTP(w, req)
			if w.Code != want && !(want == 200 && w.Code == 404 && path == "/nowhere") {
				t.Errorf("%s at %q: got %d, want %d", path, host, w.Code, want)
			}
		}
	}
}

// TestPublicMetricsNameNothing: they tell how many entries there are, and not of what.
func TestPublicMetricsNameNothing(t *testing.T) {
	r, err := repo.Open(t.Context(), repo.Options{Path: t.TempDir() + "/site.git", Committer: repo.Person{Name: "CMS", Email: "cms@example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	reg := newRegistry(r, []config.Collection{{Name: "secrets"}, {Name: "dossiers"}})
	w := httptest.NewRecorder()
	web.MetricsHandler(prometheus.Gatherers{reg.common, reg.public}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if got := w.Body.String(); w.Code != 200 || strings.Contains(got, "secrets") || strings.Contains(got, "dossiers") || !strings.Contains(got, "\ncms_entries 0\n") || !strings.Contains(got, "cms_commits_total 0") {
		t.Errorf("got %d %s", w.Code, got)
	}
}
