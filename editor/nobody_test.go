package editor_test

import (
	"net/http"
	"testing"
)

// TestNobodyCanLogIn is told on the page to log in on, with what to do about it.
func TestNobodyCanLogIn(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	for who := range people {
		s.get(s.stranger(), "login").want(http.StatusOK, "Mot de passe").wantNot("cms user add")
		if err := s.accounts.SetDisabled(t.Context(), who+"@example.org", true); err != nil {
			t.Fatal(err)
		}
	}
	s.get(s.stranger(), "login").want(http.StatusOK, "Personne ne peut se connecter", "cms user add camille@example.org --role editor")
	if err := s.accounts.SetDisabled(t.Context(), "camille@example.org", false); err != nil {
		t.Fatal(err)
	}
	s.get(s.stranger(), "login").want(http.StatusOK).wantNot("cms user add")
}
