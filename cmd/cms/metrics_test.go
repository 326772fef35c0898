package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cms/config"
	"cms/repo"
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
