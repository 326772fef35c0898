package editor_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestSessions are shown to who has them, by their browsers, and end where that is asked
// for.
func TestSessions(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	other, stranger := s.logIn("camille"), s.logIn("rene")
	p := s.get(s.http, "account").want(http.StatusOK, "Où vous êtes connecté", "127.0.0.1", "Ce navigateur", "Terminer toutes les autres")
	if n := strings.Count(p.source, `name="session"`); n != 1 {
		t.Errorf("%d sessions can be ended, want the other one", n)
	}
	s.get(stranger, "account").want(http.StatusOK, "Ce navigateur").wantNot("Terminer")
	end := p.form("account/sessions")
	theft := s.get(stranger, "account").form("account/theme") // posts as another account
	theft.action, theft.values = end.action, end.values
	theft.submit("").want(http.StatusOK)
	s.get(other, "account").want(http.StatusOK)
	end.submit("").want(http.StatusOK, "Ce navigateur").wantNot("Terminer")
	if p := s.get(other, ""); !strings.Contains(p.at, "/login") {
		t.Errorf("the session that was ended is at %s", p.at)
	}
	one, two := s.logIn("camille"), s.logIn("camille")
	p = s.get(one, "account")
	all := p.form("account/sessions")
	all.values = nil
	all.submit("").want(http.StatusOK).wantNot("Terminer")
	for name, client := range map[string]*http.Client{"first": s.http, "last": two} {
		if p := s.get(client, ""); !strings.Contains(p.at, "/login") {
			t.Errorf("the %s session is at %s", name, p.at)
		}
	}
	s.get(stranger, "account").want(http.StatusOK)
	s.get(one, "account").want(http.StatusOK)
}
