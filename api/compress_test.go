package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cms/api"
)

func TestCompression(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for i := range 20 {
		s.create("consultations", fmt.Sprintf("plan-%d", i), sample)
	}
	long := s.create("consultations", "long", strings.Replace(sample, "Corps.", strings.Repeat("Corps du texte. ", 200), 1))
	const list = "/v1/collections/consultations/entries"
	gzipped := map[string]string{"Accept-Encoding": "gzip"}

	res := s.do(request{method: "GET", path: list, header: gzipped})
	if got := res.header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("got Content-Encoding %q, want gzip", got)
	}
	zr, err := gzip.NewReader(bytes.NewReader(res.body))
	if err != nil {
		t.Fatal(err)
	}
	var found api.Entries
	if err := json.NewDecoder(zr).Decode(&found); err != nil || found.Total != 21 {
		t.Fatalf("got %d entries, %v", found.Total, err)
	}

	for name, r := range map[string]request{
		"small":      {method: "GET", path: "/v1/me", header: gzipped},
		"refused":    {method: "GET", path: list, header: map[string]string{"Accept-Encoding": "gzip;q=0"}},
		"no coder":   {method: "GET", path: list, header: map[string]string{"Accept-Encoding": "br"}},
		"with a tag": {method: "GET", path: entryPath("long"), header: gzipped},
	} {
		res := s.do(r)
		if got := res.header.Get("Content-Encoding"); res.status != http.StatusOK || got != "" {
			t.Errorf("%s: got %d with Content-Encoding %q, want none", name, res.status, got)
		}
		if vary := strings.Join(res.header.Values("Vary"), ", "); !strings.Contains(vary, "Accept-Encoding") {
			t.Errorf("%s: got Vary: %s, want Accept-Encoding in it", name, vary)
		}
		for name := range res.header {
			if strings.Contains(name, "Compression") {
				t.Errorf("got the header %s", name)
			}
		}
	}
	if got := s.do(request{method: "GET", path: entryPath("long"), header: gzipped}).header.Get("ETag"); got != long {
		t.Errorf("got the ETag %s to who accepts gzip, want %s", got, long)
	}

	byProxy := strings.TrimSuffix(long, `"`) + `-gzip"`
	again := s.do(request{method: "GET", path: entryPath("long"), header: map[string]string{"If-None-Match": byProxy}})
	if again.status != http.StatusNotModified || again.header.Get("ETag") != byProxy {
		t.Errorf("If-None-Match %s: got %d with ETag %s, want 304 with the same", byProxy, again.status, again.header.Get("ETag"))
	}
	for _, want := range []int{http.StatusOK, http.StatusPreconditionFailed} {
		edit := s.do(request{method: "PATCH", path: entryPath("long"), body: `{"fields": {"note": 4}}`,
			header: map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": byProxy}})
		if edit.status != want {
			t.Errorf("If-Match %s: got %d %s, want %d", byProxy, edit.status, edit.body, want)
		}
	}
}
