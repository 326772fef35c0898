package editor_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cms/editor"
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

// TestLink is followed to choose a password, which says whose it is and refuses a weak one.
func TestLink(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	token, err := s.accounts.Reset(t.Context(), "camille@example.org", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	stranger := s.stranger()
	path := strings.TrimPrefix(editor.LinkPath(token), editor.Prefix)
	s.get(stranger, "password?link=guessed").want(http.StatusNotFound, "Ce lien n’est plus valable").wantNot("example.org")
	p := s.get(stranger, path).want(http.StatusOK, "Camille", "camille@example.org", "Au moins 12 caractères")
	if p.header.Get("Referrer-Policy") != "no-referrer" {
		t.Error("the link may be told to others as where one comes from")
	}
	for _, bad := range [][2]string{{"trop court", "trop court"}, {"une phrase de passe", "une autre phrase"}} {
		f := p.form("password")
		f.set("new", bad[0])
		f.set("again", bad[1])
		f.submit("").want(http.StatusUnprocessableEntity, "camille@example.org")
	}
	s.get(s.http, "").want(http.StatusOK) // nothing has happened yet
	f := p.form("password")
	f.set("new", "une phrase toute neuve")
	f.set("again", "une phrase toute neuve")
	if p := f.submit("").want(http.StatusSeeOther); p.header.Get("Location") != editor.Prefix+"login?changed=1" {
		t.Errorf("leads to %s", p.header.Get("Location"))
	}
	f.submit("").want(http.StatusNotFound, "Ce lien n’est plus valable")
	if p := s.get(s.http, ""); !strings.Contains(p.at, "/login") {
		t.Errorf("a session from before is at %s", p.at)
	}
	l := s.get(stranger, "login").form("login")
	l.set("email", "camille@example.org")
	l.set("password", "une phrase toute neuve")
	if p := l.submit("").want(http.StatusSeeOther); p.header.Get("Location") != editor.Prefix {
		t.Errorf("the new password leads to %s", p.header.Get("Location"))
	}
}
