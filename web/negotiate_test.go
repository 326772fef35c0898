package web

import "testing"

func TestNegotiate(t *testing.T) {
	for _, tt := range []struct{ accept, want string }{
		{"", "application/json"},
		{"*/*", "application/json"},
		{"*", "application/json"},
		{"application/*", "application/json"},
		{"text/*", "text/markdown"},
		{"APPLICATION/JSON", "application/json"},
		{"application/json; charset=utf-8", "application/json"},
		{"text/markdown", "text/markdown"},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", "application/json"},
		{"text/markdown;q=0, */*", "application/json"},
		{"text/markdown, */*;q=0.1", "text/markdown"},
		{"application/json;q=0.5, text/markdown;q=0.6", "text/markdown"},
		{"application/json;q=0.5, */*;q=0.9", "text/markdown"},
		{"application/json, text/markdown", "application/json"},
		{"nonsense;;, text/markdown", "text/markdown"},
		{"application/json;q=0", ""},
		{"*/*;q=0", ""},
		{"image/png", ""},
		{"text/markdown;q=2", ""},
		{";", ""},
	} {
		got, err := Negotiate(tt.accept, "application/json", "text/markdown")
		if got != tt.want || (err == nil) == (tt.want == "") {
			t.Errorf("Accept: %s: got %q, %v; want %q", tt.accept, got, err, tt.want)
		}
	}
}

func TestLanguage(t *testing.T) {
	for _, tt := range []struct{ accept, want string }{
		{"", "en"}, {"de", "en"}, {"*", "en"}, {"fr", "fr"}, {"FR-ca", "fr"}, {"fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7", "fr"}, {"en-GB, fr;q=0.9", "en"},
		{"fr;q=0.4, en;q=0.5", "en"}, {"de;q=1, fr;q=0.1", "fr"}, {"fr;q=0", "en"}, {"fr;q=x", "en"}, {" fr ; q=0.3 ", "fr"}, {"frisian", "en"}, {";;,,", "en"},
	} {
		if got := Language(tt.accept, "en", "fr"); got != tt.want {
			t.Errorf("Accept-Language: %s: got %q, want %q", tt.accept, got, tt.want)
		}
	}
}
