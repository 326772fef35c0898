package editor_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// audits are the next lines of the audit log, which come behind the answers: what, of whom,
// its outcome, how and why.
func (s *service) audits(n int) (lines []string) {
	s.Helper()
	for len(lines) < n {
		select {
		case line := <-s.said.lines:
			lines = append(lines, s.audit(line)...)
		case <-time.After(time.Minute):
			s.Fatalf("got %q of %d lines", lines, n)
		}
	}
	return lines
}

// audit reads a line of the log, which may be another one.
func (s *service) audit(line string) []string {
	s.Helper()
	var is struct {
		Audit *struct {
			Who               struct{ Email, Claimed string }
			Operation, Method string
			Result            struct{ Outcome, How, Reason string }
		}
	}
	if err := json.Unmarshal([]byte(line), &is); err != nil {
		s.Fatalf("%v: %s", err, line)
	}
	a := is.Audit
	if a == nil {
		return nil
	}
	parts := []string{a.Operation, a.Result.Outcome, a.Who.Email, a.Who.Claimed, a.Result.How, a.Result.Reason}
	return []string{strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "; ")}
}

// TestLoginsAreAudited says of each login who it was and how, of one that failed whom it says
// it is of and why, and of what ends one.
func TestLoginsAreAudited(t *testing.T) {
	t.Parallel()
	s := serveAt(t, "localhost")
	want := func(lines ...string) {
		t.Helper()
		if got := s.audits(len(lines)); !slices.Equal(got, lines) {
			t.Errorf("got %q, want %q", got, lines)
		}
	}
	s.http = s.logIn("camille")
	want("login; done; camille@example.org; password")
	f := s.get(s.browser(), "login").form("login")
	for email, why := range map[string]string{"camille@example.org": "the password is wrong", "nobody@example.org": "there is no account of this address"} {
		f.set("email", email)
		f.set("password", "wrong")
		f.submit("").want(http.StatusUnauthorized, "faux")
		want("login; refused; " + email + "; " + why)
	}
	s.get(s.http, "account").form("logout").submit("")
	want("logout; done; camille@example.org")

	s.http = s.logIn("camille")
	f = s.get(s.http, "account/factor").form("account/factor")
	app := f.app()
	f.set("code", app.code())
	f.submit("enrol").want(http.StatusOK)
	want("login; done; camille@example.org; password", "change-factor; done; camille@example.org")
	p := s.enter(s.browser(), "camille")
	want("login; waiting; camille@example.org; password")
	f = p.form("login/factor")
	f.set("code", "000000")
	f.submit("").want(http.StatusUnauthorized)
	want("login-factor; refused; camille@example.org; the code is wrong, or was used before")
	f.set("code", app.code())
	f.submit("").want(http.StatusOK)
	want("login-factor; done; camille@example.org; password and totp")

	f = s.get(f.client, "account").form("account/sessions")
	f.submit("").want(http.StatusOK)
	want("end-sessions; done; camille@example.org")

	link, err := s.accounts.Reset(t.Context(), "camille@example.org", 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	f = s.get(s.browser(), "password?link="+link).form("password")
	f.set("new", "une tout autre phrase de passe")
	f.set("again", "une tout autre phrase de passe")
	f.submit("").want(http.StatusOK)
	want("choose-password; done; camille@example.org")
	f.submit("").want(http.StatusNotFound)
	want("choose-password; refused; the link was used, is too old, was followed by another one, or never was")
}
