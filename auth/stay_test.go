package auth

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"cms/state/statetest"
)

// guests are sessions on a database with the account of Camille, where people stay.
type guests struct{ *people }

func eachGuests(t *testing.T, test func(t *testing.T, g *guests)) {
	statetest.Each(t, func(t *testing.T, address string) {
		p := &people{db: statetest.Open(t, address)}
		if err := NewAccounts(p.db, []string{"editor"}).Add(t.Context(), Account{Email: "camille@example.org", Name: "Camille Moreau", Roles: []string{"editor"}}, password); err != nil {
			t.Fatal(err)
		}
		p.Sessions = sessionsOn(t, p, SessionOptions{Idle: time.Hour})
		test(t, &guests{p})
	})
}

// sessionsOn are others on the same database, as after a restart with another
// configuration.
func sessionsOn(t *testing.T, p *people, o SessionOptions) *Sessions {
	t.Helper()
	o.State = p.db
	s, err := NewSessions(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (g *guests) enter(t *testing.T, s *Sessions) *Session {
	t.Helper()
	session, err := s.Login(t.Context(), Attempt{Email: "camille@example.org", Password: password, From: netip.MustParseAddr("192.0.2.1"), Stay: true})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func wantStay(t *testing.T, s *Sessions, token string) *Principal {
	t.Helper()
	pr, err := s.Stay(t.Context(), token)
	if err != nil {
		t.Fatalf("got %v, want that the session goes on", err)
	}
	return pr
}

func wantGone(t *testing.T, s *Sessions, token, why string) {
	t.Helper()
	if pr, err := s.Stay(t.Context(), token); !errors.Is(err, ErrNoSession) {
		t.Errorf("%s: got %v, %v; want %v", why, pr, err, ErrNoSession)
	}
}

// TestStayingSessions have one token, for two tabs at once, and for pages alone.
func TestStayingSessions(t *testing.T) {
	eachGuests(t, func(t *testing.T, g *guests) {
		s := g.enter(t, g.Sessions)
		if s.Refresh != "" || s.Device == "" {
			t.Errorf("a session that stays has the tokens %q and %q, want one and that of the browser", s.Refresh, s.Device)
		}
		for range 2 { // tabs
			if pr := wantStay(t, g.Sessions, s.Access); pr.Email != "camille@example.org" || pr.Issuer != AccountIssuer {
				t.Errorf("the session is of %+v", pr)
			}
		}
		if pr, err := g.Principal(t.Context(), s.Access); !errors.Is(err, ErrNoSession) {
			t.Errorf("as an access token: got %v, %v; want %v", pr, err, ErrNoSession)
		}
		if next, err := g.Refresh(t.Context(), s.Access); !errors.Is(err, ErrNoSession) {
			t.Errorf("as a refresh token: got %v, %v; want %v", next, err, ErrNoSession)
		}
		wantStay(t, g.Sessions, s.Access) // for all that
		id, _, _ := strings.Cut(s.Access, ".")
		for why, token := range map[string]string{"no token": "", "no secret": id, "an empty secret": id + ".", "another secret": id + ".x", "another session": "x" + s.Access} {
			wantGone(t, g.Sessions, token, why)
		}
		api, err := g.try(t, "camille@example.org", password, "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		wantGone(t, g.Sessions, api.Access, "the access token of a session that does not stay")
		wantGone(t, g.Sessions, api.Refresh, "the refresh token of a session that does not stay")
	})
}

// TestStayIsProlonged by use, up to the lifetime of sessions, and not at each use.
func TestStayIsProlonged(t *testing.T) {
	eachGuests(t, func(t *testing.T, g *guests) {
		s := g.enter(t, g.Sessions)
		id, _, _ := strings.Cut(s.Access, ".")
		rested := func(left time.Duration) time.Time { // as if it had rested until so much of its hour is left
			t.Helper()
			until := time.Now().Add(left).Truncate(time.Millisecond)
			if err := g.store.Prolong(t.Context(), id, until); err != nil {
				t.Fatal(err)
			}
			return until
		}
		until := rested(10 * time.Minute)
		if pr := wantStay(t, g.Sessions, s.Access); !pr.Expires.After(until.Add(45 * time.Minute)) {
			t.Errorf("used ten minutes before its end it goes on until %s, was until %s", pr.Expires, until)
		}
		if stored, _, err := g.store.Find(t.Context(), id); err != nil || !stored.AccessUntil.After(until) || !stored.RefreshUntil.Equal(stored.AccessUntil) {
			t.Errorf("stored is %+v, %v; want that it lasts longer, and is kept as long", stored, err)
		}
		until = rested(55 * time.Minute)
		wantStay(t, g.Sessions, s.Access)
		if stored, _, err := g.store.Find(t.Context(), id); err != nil || !stored.AccessUntil.Equal(until) {
			t.Errorf("used after five minutes it is stored anew: %+v, %v", stored, err)
		}
		until = rested(10 * time.Minute)
		if pr, err := g.Look(t.Context(), s.Access); err != nil || !pr.Expires.Equal(until) {
			t.Errorf("looked at, it is %+v, %v; want it to end at %s", pr, err, until)
		}
		if stored, _, err := g.store.Find(t.Context(), id); err != nil || !stored.AccessUntil.Equal(until) {
			t.Errorf("looked at, it is stored anew: %+v, %v", stored, err)
		}
		rested(-time.Second)
		if _, err := g.Look(t.Context(), s.Access); !errors.Is(err, ErrNoSession) {
			t.Errorf("looked at, having rested for too long: %v", err)
		}
		wantGone(t, g.Sessions, s.Access, "rested for too long")

		short := sessionsOn(t, g.people, SessionOptions{Idle: time.Hour, Lifetime: 20 * time.Minute})
		s = g.enter(t, short)
		id, _, _ = strings.Cut(s.Access, ".")
		rested(time.Minute)
		if pr := wantStay(t, short, s.Access); pr.Expires.After(s.AccessUntil) {
			t.Errorf("it goes on until %s, though it ends at %s", pr.Expires, s.AccessUntil)
		}
	})
}

// TestStayEnds at a logout, and with what the account loses.
func TestStayEnds(t *testing.T) {
	eachGuests(t, func(t *testing.T, g *guests) {
		accounts := NewAccounts(g.db, []string{"editor"})
		one, other := g.enter(t, g.Sessions), g.enter(t, g.Sessions)
		if _, err := g.Logout(t.Context(), one.Access+"x"); err != nil {
			t.Fatal(err)
		}
		wantStay(t, g.Sessions, one.Access)
		if _, err := g.Logout(t.Context(), one.Access); err != nil {
			t.Fatal(err)
		}
		wantGone(t, g.Sessions, one.Access, "logged out")
		wantStay(t, g.Sessions, other.Access)

		if err := accounts.SetDisabled(t.Context(), "camille@example.org", true); err != nil {
			t.Fatal(err)
		}
		wantGone(t, g.Sessions, other.Access, "disabled")
		if err := accounts.SetDisabled(t.Context(), "camille@example.org", false); err != nil {
			t.Fatal(err)
		}
		third := g.enter(t, g.Sessions)
		if err := accounts.SetPassword(t.Context(), "camille@example.org", password+" !"); err != nil {
			t.Fatal(err)
		}
		wantGone(t, g.Sessions, third.Access, "begun with another password")
	})
}

// TestSettle has what began at a provider stay, once.
func TestSettle(t *testing.T) {
	eachGuests(t, func(t *testing.T, g *guests) {
		const idp = "https://id.example.org"
		gone := false
		sessions := sessionsOn(t, g.people, SessionOptions{Vouches: func(issuer string) bool { return !gone || issuer != idp }})
		meet := func() *Session {
			t.Helper()
			s, err := sessions.Meet(t.Context(), &Principal{Issuer: idp, Subject: "lea", Name: "Léa", Roles: []string{"editor"}}, Voucher{Provider: "id", IDToken: "kept"}, netip.Addr{}, "")
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		began := meet()
		var (
			mu   sync.Mutex
			won  []*Session
			wait sync.WaitGroup
		)
		for range 8 { // tabs
			wait.Go(func() {
				s, err := sessions.Settle(t.Context(), began.Access)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won = append(won, s)
				case !errors.Is(err, ErrNoSession):
					t.Errorf("got %v, want %v", err, ErrNoSession)
				}
			})
		}
		wait.Wait()
		if len(won) != 1 {
			t.Fatalf("%d sessions came of one, want 1", len(won))
		}
		s := won[0]
		if pr := wantStay(t, sessions, s.Access); pr.Issuer != idp || pr.Subject != "lea" {
			t.Errorf("the session is of %+v", pr)
		}
		if time.Until(s.AccessUntil) > 7*24*time.Hour {
			t.Errorf("it ends at %s, later than the one before", s.AccessUntil)
		}
		if _, err := sessions.Principal(t.Context(), began.Access); !errors.Is(err, ErrNoSession) {
			t.Errorf("the access token still counts: %v", err)
		}
		if _, err := sessions.Refresh(t.Context(), began.Refresh); !errors.Is(err, ErrNoSession) {
			t.Errorf("the refresh token still counts: %v", err)
		}
		wantStay(t, sessions, s.Access) // what was exchanged ends nothing
		for why, token := range map[string]string{"a session that stays": s.Access, "a refresh token": meet().Refresh, "nothing": "", "a wrong secret": meet().Access + "x"} {
			if _, err := sessions.Settle(t.Context(), token); !errors.Is(err, ErrNoSession) {
				t.Errorf("settling %s: got %v, want %v", why, err, ErrNoSession)
			}
		}
		gone = true
		wantGone(t, sessions, s.Access, "its provider counts no more")
		if _, err := sessions.Settle(t.Context(), meet().Access); !errors.Is(err, ErrNoSession) {
			t.Errorf("settling what a provider vouched for that counts no more: got %v", err)
		}
		gone = false
		if v, err := sessions.Logout(t.Context(), s.Access); err != nil || v != (Voucher{Provider: "id", IDToken: "kept"}) {
			t.Errorf("the logout gives %+v, %v; want what it was begun with", v, err)
		}
	})
}
