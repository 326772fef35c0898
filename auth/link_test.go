package auth

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Who is invited chooses a password by the newest link, once; before that there is none to
// guess.
func TestInvite(t *testing.T) {
	p := newPeople(t)
	accounts, from := NewAccounts(p.db, []string{"editor", "reader"}), netip.MustParseAddr("192.0.2.1")
	const email = "louis@example.org"
	invite := func(a Account) (string, error) { return accounts.Invite(t.Context(), a, time.Hour) }
	for _, bad := range []Account{{Email: email}, {Email: email, Roles: []string{"nobody"}}, {Email: "x", Roles: []string{"editor"}}, {Email: "camille@example.org", Roles: []string{"editor"}}} {
		if token, err := invite(bad); err == nil {
			t.Errorf("invited %+v by %s", bad, token)
		}
	}
	first, err := invite(Account{Email: "Louis@example.org", Name: "Louis", Roles: []string{"editor"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.try(t, email, "", "192.0.2.1"); !errors.Is(err, ErrCredentials) {
		t.Errorf("without a password: got %v, want %v", err, ErrCredentials)
	}
	token, err := invite(Account{Email: email, Roles: []string{"reader"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, dead := range []string{first, "", "x", hashOf(token)} {
		if _, err := p.Linked(t.Context(), dead, from); !errors.Is(err, ErrLink) {
			t.Errorf("%q: got %v, want %v", dead, err, ErrLink)
		}
		if _, err := p.UseLink(t.Context(), dead, password, from); !errors.Is(err, ErrLink) {
			t.Errorf("%q is used: got %v, want %v", dead, err, ErrLink)
		}
	}
	if pr, err := p.Linked(t.Context(), token, from); err != nil || pr.Email != email || pr.Name != "Louis" || pr.Roles[0] != "reader" {
		t.Errorf("got %+v, %v", pr, err)
	}
	if _, err := p.UseLink(t.Context(), token, "trop court", from); !errors.Is(err, ErrPasswordShort) {
		t.Errorf("a weak password: got %v, want %v", err, ErrPasswordShort)
	}
	if _, err := p.UseLink(t.Context(), token, password, from); err != nil {
		t.Fatal(err)
	}
	if _, err := p.UseLink(t.Context(), token, password, from); !errors.Is(err, ErrLink) {
		t.Errorf("again: got %v, want %v", err, ErrLink)
	}
	if _, err := p.try(t, email, password, "192.0.2.1"); err != nil {
		t.Error(err)
	}
	if s := p.log.String(); strings.Contains(s, token) || !strings.Contains(s, "a password was chosen by a link") {
		t.Errorf("the log is %s", s)
	}
}

// Who tries many links waits, as who tries many passwords does; a good one costs nothing.
func TestLinksAreNotGuessed(t *testing.T) {
	p := newPeople(t)
	from := netip.MustParseAddr("192.0.2.1")
	token, err := NewAccounts(p.db, []string{"editor"}).Reset(t.Context(), "camille@example.org", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	many := (*TooManyError)(nil)
	tries := 0
	for ; !errors.As(err, &many) && tries < 1000; tries++ {
		if _, err := p.Linked(t.Context(), token, from); err != nil && !errors.As(err, &many) {
			t.Fatal(err)
		}
		_, err = p.Linked(t.Context(), "guessed", from)
	}
	if tries != networkPace.free+1 {
		t.Errorf("%d links were looked at", tries)
	}
	if _, err := p.UseLink(t.Context(), token, password, from); !errors.As(err, &many) {
		t.Errorf("from there: got %v, want to wait", err)
	}
	if _, err := p.UseLink(t.Context(), token, password, netip.MustParseAddr("198.51.100.1")); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
}
