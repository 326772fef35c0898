package api_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// While the repository cannot be read, that is said by 503 with Retry-After at every
// door, and it is over when it can be read again.
func TestReadsThatFail(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "parc", sample)
	first := s.head()
	s.patch("parc", `{"fields":{"title":"Autre"}}`)
	if res := s.upload("plan.pdf", "%PDF-1.4", s.token, "If-None-Match", "*"); res.status != http.StatusCreated {
		t.Fatal(res.status, res.body)
	}
	paths := []string{
		"/v1/changes", "/v1/media/plan.pdf",
		"/v1/collections/consultations/diff/parc?from=" + first,
	}
	packs := filepath.Join(s.git, "objects", "pack")
	if err := os.Rename(packs, packs+"-away"); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		res := s.do(request{method: "GET", path: path})
		if p := s.problem(res); res.status != http.StatusServiceUnavailable || res.header.Get("Retry-After") == "" || p.Code != "unavailable" {
			t.Errorf("GET %s: got %d %s", path, res.status, res.body)
		}
	}
	if err := os.Rename(packs+"-away", packs); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if res := s.do(request{method: "GET", path: path}); res.status != http.StatusOK {
			t.Errorf("GET %s afterwards: got %d %s", path, res.status, res.body)
		}
	}
}
