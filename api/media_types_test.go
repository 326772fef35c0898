package api_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestMediaTypes serves each file as what its extension stands for, and shows only what
// runs no code.
func TestMediaTypes(t *testing.T) {
	s := newServer(t)
	const avif = "\x00\x00\x00\x14ftypavif\x00\x00\x00\x00mif1"
	const page = "<!DOCTYPE html><script>a()</script>"
	for path, content := range map[string]string{"a.avif": avif, "a.CSV": "nom;prix\nA;5 €\n", "a.gpx": `<?xml version="1.0"?><gpx/>`} {
		if res := s.upload(path, content, "", "If-None-Match", "*"); res.status != 201 {
			t.Errorf("%s: got %d %s", path, res.status, res.body)
		}
	}
	for path, content := range map[string]string{"b.csv": page, "b.avif": page, "b.html": page, "b.ics": "BEGIN:VCALENDAR\n"} {
		if res := s.upload(path, content, "", "If-None-Match", "*"); res.status != 422 {
			t.Errorf("%s: got %d %s", path, res.status, res.body)
		}
	}
	git, dir := s.clone()
	for _, name := range []string{"c.html", "c.js", "c.xml", "c.jpe", "c.gpx"} {
		write(t, dir, "img/"+name, page)
	}
	git("add", ".")
	git("commit", "-q", "-m", "Fichiers")
	git("push", "-q")
	if err := s.repo.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, mediaType := range map[string]string{
		"a.avif": "image/avif", "a.CSV": "text/csv", "a.gpx": "application/gpx+xml", "c.gpx": "application/gpx+xml",
		"c.html": "application/octet-stream", "c.js": "application/octet-stream", "c.xml": "application/octet-stream", "c.jpe": "application/octet-stream",
	} {
		h := s.do(request{method: "GET", path: "/v1/media/" + path}).header
		if h.Get("Content-Type") != mediaType || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got %v, want %s", path, h, mediaType)
		}
		shown := h.Get("Content-Disposition") == "" && h.Get("Content-Security-Policy") == ""
		saved := h.Get("Content-Disposition") == "attachment" && strings.Contains(h.Get("Content-Security-Policy"), "sandbox")
		if inline := path == "a.avif"; shown != inline || saved == inline {
			t.Errorf("%s: got %v", path, h)
		}
	}
}

// TestMediaTypesOfTheDocument holds that put-media lists what is taken.
func TestMediaTypesOfTheDocument(t *testing.T) {
	s := newServer(t)
	var document struct {
		Paths map[string]struct {
			Put struct {
				RequestBody struct {
					Content map[string]json.RawMessage
				}
			}
		}
	}
	if err := json.Unmarshal(s.do(request{method: "GET", path: "/openapi.json", token: "-"}).body, &document); err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(document.Paths["/v1/media/{path}"].Put.RequestBody.Content))
	want := []string{"application/gpx+xml", "application/octet-stream", "application/pdf", "image/avif", "image/jpeg", "image/png", "image/svg+xml", "text/csv"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
