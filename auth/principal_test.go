package auth

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestPerson(t *testing.T) {
	tests := []struct {
		name        string
		p           Principal
		wantName    string
		wantAddress string
	}{
		{"both", Principal{Issuer: idp, Subject: "7", Name: "Camille Moreau", Email: "camille@example.org"}, "Camille Moreau", "camille@example.org"},
		{"accents", Principal{Issuer: idp, Subject: "7", Name: "Noémie Lefèvre", Email: "noémie@mairie.example"}, "Noémie Lefèvre", "noémie@mairie.example"},
		{"neither", Principal{Issuer: idp, Subject: "248289761001"}, "248289761001", "248289761001@users.noreply.id.example.org"},
		{"issuer with a port", Principal{Issuer: "http://localhost:8081/realms/cms", Subject: "7"}, "7", "7@users.noreply.localhost"},
		{"issuer is no URL", Principal{Issuer: "CMS demo", Subject: "bot"}, "bot", "bot@cms-demo.invalid"},
		{"odd subject", Principal{Issuer: "cms", Subject: "auth0|a b%<é>"}, "auth0|a b%é", "auth0|a%20b%25%3C%C3%A9%3E@cms.invalid"},
		{"commit injection", Principal{Issuer: "cms", Subject: "7", Name: "Eve <root@example.org>\nparent 0", Email: "eve@example.org>\nauthor x <y"}, "Eve root@example.org parent 0", "7@cms.invalid"},
		{"no address", Principal{Issuer: "cms", Subject: "7", Name: "Eve", Email: "eve"}, "Eve", "7@cms.invalid"},
		{"two signs", Principal{Issuer: "cms", Subject: "7", Name: "Eve", Email: "eve@a@b"}, "Eve", "7@cms.invalid"},
		{"name of punctuation", Principal{Issuer: "cms", Subject: "7", Name: " .,; "}, "7", "7@cms.invalid"},
		{"nothing to show", Principal{Issuer: "...", Subject: "<>"}, "unknown", "%3C%3E@users.invalid"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			name, address := test.p.Person()
			if name != test.wantName || address != test.wantAddress {
				t.Errorf("got %q, %q; want %q, %q", name, address, test.wantName, test.wantAddress)
			}
		})
	}
}

// Whatever a token claims, a commit can hold it.
func TestPersonIsAlwaysAGitIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Principal{
			Issuer:  rapid.String().Draw(t, "issuer"),
			Subject: rapid.StringN(1, -1, -1).Draw(t, "subject"),
			Name:    rapid.String().Draw(t, "name"),
			Email:   rapid.OneOf(rapid.String(), rapid.StringMatching(`.*@.*`)).Draw(t, "email"),
		}
		name, address := p.Person()
		for _, s := range []string{name, address} {
			if s == "" || strings.ContainsAny(s, "<>\n\r\x00") || strings.TrimSpace(s) != s || !utf8.ValidString(s) {
				t.Fatalf("%+v: got %q, %q", p, name, address)
			}
		}
		if strings.Count(address, "@") != 1 {
			t.Fatalf("%+v: got address %q", p, address)
		}
	})
}

func TestUnverifiedEmailIsNotUsed(t *testing.T) {
	k := newKeyring(t)
	v := newVerifier(t, k.issuer(t, idp, "HS256"))
	for _, test := range []struct {
		verified any
		want     string
	}{{nil, "camille@example.org"}, {true, "camille@example.org"}, {false, ""},
		{"true", "camille@example.org"}, {"false", ""}, {"TRUE", ""}, {"", ""}, {"1", ""}, {1, ""}, {0, ""}, {[]any{true}, ""}, {map[string]any{"verified": true}, ""}} {
		got, err := v.Verify(t.Context(), sign(t, "HS256", k.secret, nil, claims(map[string]any{"email_verified": test.verified})))
		if err != nil {
			t.Fatal(err)
		}
		if got.Email != test.want {
			t.Errorf("email_verified %v: got %q, want %q", test.verified, got.Email, test.want)
		}
	}
}
