package auth

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestBrowsers(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                  "Firefox, Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0":           "Edge, Windows",
		"Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36":                            "Chrome, Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1": "Safari, iPhone",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":                   "Safari, macOS",
		"curl/8.14.1": "curl/8.14.1",
		"":            "",
	} {
		if got := browserOf(agent); got != want {
			t.Errorf("%s: got %q, want %q", agent, got, want)
		}
	}
	if got := browserOf("<b>\x1b[2J" + strings.Repeat("é", 99)); len(got) > maxProgram || strings.ContainsAny(got, "<>\x1b\ufffd") || !strings.HasSuffix(got, "é") {
		t.Errorf("got %q", got)
	}
}

// People see their own sessions and end them, those of nobody else.
func TestOwnSessions(t *testing.T) {
	p := newPeople(t)
	if err := NewAccounts(p.db, []string{"editor"}).Add(t.Context(), Account{Email: "louis@example.org", Roles: []string{"editor"}}, password); err != nil {
		t.Fatal(err)
	}
	enter := func(email string) *Session {
		t.Helper()
		s, err := p.Login(t.Context(), Attempt{Email: email, Password: password, From: netip.MustParseAddr("::ffff:192.0.2.1"), Agent: "curl/8", Stay: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first, second, louis := enter("camille@example.org"), enter("camille@example.org"), enter("louis@example.org")
	all, err := p.Of(t.Context(), first.Principal)
	if err != nil || len(all) != 2 {
		t.Fatalf("got %+v, %v; want the two of the account", all, err)
	}
	for _, a := range all {
		if a.ID != SessionID(first.Access) && a.ID != SessionID(second.Access) || a.Client.Address != "192.0.2.1" || a.Client.Browser != "curl/8" || a.Begun.IsZero() {
			t.Errorf("got %+v", a)
		}
	}
	wantOpen := func(s *Session, open bool) {
		t.Helper()
		if _, err := p.Stay(t.Context(), s.Access); (err == nil) != open || err != nil && !errors.Is(err, ErrNoSession) {
			t.Errorf("is open: %v, want %t", err, open)
		}
	}
	if err := p.End(t.Context(), first.Principal, SessionID(louis.Access)); err != nil {
		t.Fatal(err)
	}
	wantOpen(louis, true)
	if err := p.End(t.Context(), first.Principal, SessionID(second.Access)); err != nil {
		t.Fatal(err)
	}
	wantOpen(second, false)
	second = enter("camille@example.org")
	if err := p.EndOthers(t.Context(), second.Principal, second.Access); err != nil {
		t.Fatal(err)
	}
	wantOpen(first, false)
	wantOpen(second, true)
	wantOpen(louis, true)
	if err := NewAccounts(p.db, nil).Delete(t.Context(), "camille@example.org"); err != nil {
		t.Fatal(err)
	}
	wantOpen(second, false)
	if _, err := p.Of(t.Context(), second.Principal); !errors.Is(err, ErrNoSession) {
		t.Errorf("of an account that is gone: got %v, want %v", err, ErrNoSession)
	}
}
