package api

import "testing"

func TestNegotiate(t *testing.T) {
	for _, tt := range []struct{ accept, want string }{
		{"", mediaJSON},
		{"*/*", mediaJSON},
		{"*", mediaJSON},
		{"application/*", mediaJSON},
		{"text/*", mediaMarkdown},
		{"APPLICATION/JSON", mediaJSON},
		{"application/json; charset=utf-8", mediaJSON},
		{"text/markdown", mediaMarkdown},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", mediaJSON},
		{"text/markdown;q=0, */*", mediaJSON},
		{"text/markdown, */*;q=0.1", mediaMarkdown},
		{"application/json;q=0.5, text/markdown;q=0.6", mediaMarkdown},
		{"application/json;q=0.5, */*;q=0.9", mediaMarkdown},
		{"application/json, text/markdown", mediaJSON},
		{"nonsense;;, text/markdown", mediaMarkdown},
		{"application/json;q=0", ""},
		{"*/*;q=0", ""},
		{"image/png", ""},
		{"text/markdown;q=2", ""},
		{";", ""},
	} {
		got, err := negotiate(tt.accept, mediaJSON, mediaMarkdown)
		if got != tt.want || (err == nil) == (tt.want == "") {
			t.Errorf("Accept: %s: got %q, %v; want %q", tt.accept, got, err, tt.want)
		}
	}
}
