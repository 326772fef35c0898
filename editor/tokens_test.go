package editor_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"cms/auth"
)

// TestTokens are made on a page, which shows them once, and ended there. They speak for
// who made them, within the limits that were chosen.
func TestTokens(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{"_consultations/parc.md": "---\ntitle: Parc\n---\n"})
	page := s.get(s.http, "account/tokens").want(http.StatusOK, "Vous n’en avez pas")
	s.get(s.http, "account").want(http.StatusOK, "Jetons personnels")

	f := page.form("account/tokens")
	f.set("name", " ")
	f.submit("").want(http.StatusUnprocessableEntity, "un nom de 100 caractères")

	f = page.form("account/tokens")
	f.set("name", "portable")
	f.tick("for", "consultations")
	made := f.submit("").want(http.StatusOK, "ne sera plus affiché", "portable", "Lire seulement : Consultations", "jamais utilisé")
	token := regexp.MustCompile(auth.PersonalPrefix + `[A-Z2-7]{52}`).FindString(made.source)
	if token == "" {
		t.Fatalf("no token is shown: %s", made.text())
	}
	if p := s.get(s.http, "account/tokens"); strings.Contains(p.source, token) {
		t.Error("the token is shown again")
	}
	pr, err := s.tokens.Principal(t.Context(), token)
	if err != nil || pr.Email != "camille@example.org" || pr.Limits.String() != "consultations: read" {
		t.Errorf("got %+v, %v", pr, err)
	}
	page = s.get(s.http, "account/tokens").want(http.StatusOK, "dernière utilisation")

	// Others neither see nor end it.
	dominique := s.logIn("dominique")
	s.get(dominique, "account/tokens").want(http.StatusOK, "Vous n’en avez pas").wantNot("portable")
	at := regexp.MustCompile(`account/tokens/[A-Z2-7]+/end`).FindString(page.source)
	s.send(dominique, "POST", "/editor/"+at, "")
	if _, err := s.tokens.Principal(t.Context(), token); err != nil {
		t.Errorf("ended by somebody else: %v", err)
	}
	page.form(at).submit("").want(http.StatusOK, "Vous n’en avez pas")
	if _, err := s.tokens.Principal(t.Context(), token); err == nil {
		t.Error("the token was ended, and lives")
	}

	// Nobody makes one for what they do not see, nor without a session.
	if p := s.send(s.http, "POST", "/editor/account/tokens", "name=x&days=7&for=geheim"); p.status != http.StatusNotFound {
		t.Errorf("for an unknown collection: got %d, want 404", p.status)
	}
	if p := s.send(s.stranger(), "POST", "/editor/account/tokens", "name=x&days=7"); strings.Contains(p.source, auth.PersonalPrefix) {
		t.Error("a stranger has made a token")
	}
}
