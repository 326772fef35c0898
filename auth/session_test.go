package auth

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"

	"cms/content"
	"cms/state"
	"cms/state/statetest"
)

const password = "une phrase de passe longue"

// people are sessions on a database with the account of Camille.
type people struct {
	*Sessions
	db  *state.DB
	log *bytes.Buffer
}

func newPeople(t *testing.T) *people {
	t.Helper()
	p := &people{db: statetest.Open(t, "sqlite:"+t.TempDir()+"/state.db"), log: new(bytes.Buffer)}
	accounts := NewAccounts(p.db, []string{"editor", "reader"})
	accounts.params = cheapParams
	if err := accounts.Add(t.Context(), Account{Email: "Camille@example.org ", Name: "Camille Moreau", Roles: []string{"editor"}}, password); err != nil {
		t.Fatal(err)
	}
	var err error
	if p.Sessions, err = NewSessions(SessionOptions{State: p.db, Logger: slog.New(slog.NewTextHandler(p.log, nil))}); err != nil {
		t.Fatal(err)
	}
	p.hashers.params = cheapParams
	return p
}

// cheapParams hash a password in a millisecond, for tests that log in again and again.
var cheapParams = &argon2id.Params{Memory: 1 << 10, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}

func (p *people) try(t *testing.T, email, password, from string) (*Session, error) {
	t.Helper()
	return p.Login(t.Context(), Attempt{Email: email, Password: password, From: netip.MustParseAddr(from)})
}

func (p *people) login(t *testing.T) *Session {
	t.Helper()
	s, err := p.try(t, "camille@example.org", password, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLogin(t *testing.T) {
	p := newPeople(t)
	s := p.login(t)
	want := &Principal{Issuer: AccountIssuer, Subject: s.Principal.Subject, Name: "Camille Moreau", Email: "camille@example.org", Roles: []string{"editor"},
		Claims: &content.Object{}, Expires: s.AccessUntil.Truncate(time.Millisecond)}
	s.Principal.Expires = want.Expires
	if got, err := p.Principal(t.Context(), s.Access); err != nil || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(s.Principal, want) || want.Subject == "" {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for name, try := range map[string][2]string{
		"wrong password":   {"camille@example.org", password + "."},
		"no password":      {"camille@example.org", ""},
		"huge password":    {"camille@example.org", strings.Repeat("x", 1<<20)},
		"unknown account":  {"louis@example.org", password},
		"no address":       {"", password},
		"SQL":              {"' OR 1=1 --@example.org", password},
		"another spelling": {"camille@example.org", strings.ToUpper(password)},
	} {
		if s, err := p.try(t, try[0], try[1], "192.0.2.1"); s != nil || !errors.Is(err, ErrCredentials) {
			t.Errorf("%s: got %v, %v; want %v", name, s, err, ErrCredentials)
		}
	}
	if err := NewAccounts(p.db, nil).SetDisabled(t.Context(), "camille@example.org", true); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Principal(t.Context(), s.Access); !errors.Is(err, ErrNoSession) {
		t.Errorf("disabled, with a session: got %v, want %v", err, ErrNoSession)
	}
	if s, err := p.try(t, "camille@example.org", password, "192.0.2.2"); s != nil || !errors.Is(err, ErrCredentials) {
		t.Errorf("disabled: got %v, %v; want %v", s, err, ErrCredentials)
	}
	if log := p.log.String(); strings.Contains(log, password) || strings.Contains(log, s.Access) || strings.Contains(log, s.Refresh) {
		t.Errorf("the log holds a secret: %s", log)
	}
}

// The accents of a password may be typed in two ways.
func TestPasswordsAreNormal(t *testing.T) {
	h := newHashers(1, argon2Params)
	hash, err := h.hash(t.Context(), "une clé e\u0301clairée")
	if err != nil {
		t.Fatal(err)
	}
	if right, outdated, err := h.check(t.Context(), "une cle\u0301 éclairée", hash); !right || outdated || err != nil {
		t.Errorf("got %v, outdated %v, %v; want that it is right", right, outdated, err)
	}
}

func TestPasswordIsRehashed(t *testing.T) {
	p := newPeople(t)
	weak, err := argon2id.CreateHash(password, cheapParams)
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.accounts.ByEmail(t.Context(), "camille@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.accounts.SetPassword(t.Context(), a.ID, weak); err != nil {
		t.Fatal(err)
	}
	p.hashers.params = argon2Params
	p.login(t)
	if a, err = p.accounts.ByEmail(t.Context(), "camille@example.org"); err != nil || !strings.Contains(a.Password, "m=19456,t=2,p=1") {
		t.Errorf("got the hash %.40q, %v; want one with the parameters of today", a.Password, err)
	}
	p.login(t)
}

// What is compared with where there is no account costs as much as a password.
func TestUnknownAccountsCostTheSame(t *testing.T) {
	params, salt, key, err := argon2id.DecodeHash(nobody)
	if err != nil || *params != *argon2Params || len(salt) != 16 || len(key) != 32 {
		t.Errorf("got %+v, salt of %d, key of %d bytes, %v; want %+v", params, len(salt), len(key), err, argon2Params)
	}
}

func TestRefreshRotates(t *testing.T) {
	p := newPeople(t)
	first := p.login(t)
	second, err := p.Refresh(t.Context(), first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	if second.Refresh == first.Refresh || second.Access == first.Access || second.Principal.Email != "camille@example.org" {
		t.Errorf("got %+v after %+v, want other tokens of the same person", second, first)
	}
	if _, err := p.Principal(t.Context(), first.Access); !errors.Is(err, ErrNoSession) {
		t.Errorf("the access token of before: got %v, want %v", err, ErrNoSession)
	}
	if _, err := p.Principal(t.Context(), second.Access); err != nil {
		t.Error(err)
	}

	// The used token comes again: all that came of it ends, and nothing else.
	other := p.login(t)
	if s, err := p.Refresh(t.Context(), first.Refresh); s != nil || !errors.Is(err, ErrNoSession) {
		t.Errorf("a used refresh token: got %v, %v; want %v", s, err, ErrNoSession)
	}
	if _, err := p.Refresh(t.Context(), second.Refresh); !errors.Is(err, ErrNoSession) {
		t.Errorf("the refresh token that followed: got %v, want %v", err, ErrNoSession)
	}
	if _, err := p.Principal(t.Context(), second.Access); !errors.Is(err, ErrNoSession) {
		t.Errorf("the access token that followed: got %v, want %v", err, ErrNoSession)
	}
	if _, err := p.Principal(t.Context(), other.Access); err != nil {
		t.Errorf("another session: %v", err)
	}
	if !strings.Contains(p.log.String(), "used twice") {
		t.Errorf("got log %q, want it to tell of the reuse", p.log)
	}
}

func TestSessionTokensAreNotInterchangeable(t *testing.T) {
	p := newPeople(t)
	s := p.login(t)
	for name, token := range map[string]string{
		"refresh": s.Refresh, "none": "", "id alone": strings.SplitN(s.Access, ".", 2)[0],
		"id and nothing": strings.SplitN(s.Access, ".", 2)[0] + ".", "its hash": strings.SplitN(s.Access, ".", 2)[0] + "." + hashOf(s.Access), "garbage": "a.b.c",
	} {
		if pr, err := p.Principal(t.Context(), token); pr != nil || !errors.Is(err, ErrNoSession) {
			t.Errorf("%s as access token: got %v, %v; want %v", name, pr, err, ErrNoSession)
		}
	}
	if _, err := p.Logout(t.Context(), "unknown.token"); err != nil {
		t.Error(err)
	}
	if _, err := p.Logout(t.Context(), strings.SplitN(s.Access, ".", 2)[0]+".guessed"); err != nil {
		t.Error(err)
	}
	if _, err := p.Principal(t.Context(), s.Access); err != nil {
		t.Errorf("after the logout of others: %v", err)
	}
	if _, err := p.Logout(t.Context(), s.Refresh); err != nil {
		t.Error(err)
	}
	if _, err := p.Principal(t.Context(), s.Access); !errors.Is(err, ErrNoSession) {
		t.Errorf("after the logout: got %v, want %v", err, ErrNoSession)
	}
}

// A session has an end that no refresh moves, and ends earlier when nobody
// refreshes it.
func TestSessionsExpire(t *testing.T) {
	p := newPeople(t)
	account, err := p.accounts.ByEmail(t.Context(), "camille@example.org")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	at := func(access, refresh, end time.Duration) string {
		t.Helper()
		stored := state.Session{ID: fmt.Sprint(access, refresh, end), Account: account.ID, AccessHash: hashOf("a"), RefreshHash: hashOf("r"),
			AccessUntil: now.Add(access), RefreshUntil: now.Add(refresh), EndsAt: now.Add(end)}
		if err := p.store.Begin(t.Context(), stored, account.Password, now.Add(-24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		return stored.ID
	}
	expired := at(-time.Second, time.Hour, 2*time.Hour)
	if _, err := p.Principal(t.Context(), expired+".a"); !errors.Is(err, ErrNoSession) {
		t.Errorf("expired access: got %v, want %v", err, ErrNoSession)
	}
	s, err := p.Refresh(t.Context(), expired+".r")
	if err != nil {
		t.Fatal(err)
	}
	if end := now.Add(2 * time.Hour); s.RefreshUntil.After(end) || s.AccessUntil.After(now.Add(11*time.Minute)) {
		t.Errorf("got access until %s, refresh until %s; want none beyond the end at %s", s.AccessUntil, s.RefreshUntil, end)
	}
	idle := at(-time.Hour, -time.Second, 2*time.Hour)
	if _, err := p.Refresh(t.Context(), idle+".r"); !errors.Is(err, ErrNoSession) {
		t.Errorf("idle: got %v, want %v", err, ErrNoSession)
	}
}

// Whoever guesses must wait, and makes no one else wait.
func TestGuessingIsSlowedDown(t *testing.T) {
	p := newPeople(t)
	mine := p.login(t) // in a browser that is known from now on
	now := time.Now()
	p.o.Now = func() time.Time { return now } // however long a guess takes
	guess := func(email, from string) error {
		_, err := p.try(t, email, "a guess that is wrong", from)
		return err
	}
	var wait *TooManyError
	failures := 0
	for failures < 20 && !errors.As(guess("camille@example.org", "192.0.2.66"), &wait) {
		failures++
	}
	if failures != accountPace.free || wait == nil || wait.Wait <= 0 || wait.Wait > time.Second {
		t.Fatalf("after %d failures: %v; want a wait of up to a second after %d", failures, wait, accountPace.free)
	}
	if _, err := p.try(t, "camille@example.org", password, "192.0.2.66"); !errors.As(err, &wait) {
		t.Errorf("the right password, from where the guesses came: got %v, want to wait", err)
	}
	if _, err := p.try(t, "camille@example.org", password, "192.0.2.1"); err != nil {
		t.Errorf("from another network: %v", err)
	}
	if _, err := p.Login(t.Context(), Attempt{Email: "camille@example.org", Password: password, Device: mine.Device, From: netip.MustParseAddr("192.0.2.66")}); err != nil {
		t.Errorf("in a known browser, from where the guesses came: %v", err)
	}
	if err := guess("louis@example.org", "192.0.2.66"); !errors.Is(err, ErrCredentials) {
		t.Errorf("another account: got %v, want %v", err, ErrCredentials)
	}

	// An account that is not there waits alike.
	for range accountPace.free {
		guess("nobody@example.org", "192.0.2.67")
	}
	if err := guess("nobody@example.org", "192.0.2.67"); !errors.As(err, &wait) {
		t.Errorf("an unknown account: got %v, want to wait", err)
	}
	// A network of IPv6 is one client.
	for i := range accountPace.free {
		guess("camille@example.org", fmt.Sprintf("2001:db8:1:2::%x", i+1))
	}
	if err := guess("camille@example.org", "2001:db8:1:2:ffff::1"); !errors.As(err, &wait) {
		t.Errorf("another address of the network: got %v, want to wait", err)
	}
	if err := guess("camille@example.org", "2001:db8:1:3::1"); !errors.Is(err, ErrCredentials) {
		t.Errorf("another network: got %v, want %v", err, ErrCredentials)
	}
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var th throttle
		p := pace{free: 2, longest: 4 * time.Second}
		wait := func() time.Duration {
			var many *TooManyError
			if err := th.begin("k", p, time.Now()); errors.As(err, &many) {
				return many.Wait
			}
			return 0
		}
		var waits []time.Duration
		for range 6 {
			if w := wait(); w > 0 {
				waits = append(waits, w)
				time.Sleep(w)
				if wait() != 0 {
					t.Fatal("refused after the wait")
				}
			}
		}
		if want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second}; !slices.Equal(waits, want) {
			t.Errorf("waited %v, want %v", waits, want)
		}
		time.Sleep(forgetAfter + time.Second)
		for range p.free {
			if wait() != 0 {
				t.Error("the failures of an hour ago count")
			}
		}
		th.forgive("k")
		if wait() != 0 {
			t.Error("a success did not take back what had failed")
		}
	})
}

// However many keys come, memory is bounded.
func TestThrottleIsBounded(t *testing.T) {
	var th throttle
	now := time.Now()
	for i := range maxTrails + 10 {
		th.begin(fmt.Sprint(i), accountPace, now)
	}
	if n := len(th.trails); n > maxTrails {
		t.Errorf("got %d keys, want at most %d", n, maxTrails)
	}
}

func TestAccountsRefuse(t *testing.T) {
	accounts := NewAccounts(statetest.Open(t, "sqlite:"+t.TempDir()+"/state.db"), []string{"editor"})
	good := Account{Email: "ann@example.org", Name: "Ann", Roles: []string{"editor"}}
	tests := []struct {
		name     string
		change   func(*Account)
		password string
		want     string
	}{
		{"short password", func(*Account) {}, "éàèùçéàèùç1", "fewer than 12 characters"},
		{"long password", func(*Account) {}, strings.Repeat("x", 1025), "longer than 1024 bytes"},
		{"password that is no text", func(*Account) {}, strings.Repeat("\xff", 20), "not UTF-8"},
		{"no address", func(a *Account) { a.Email = "ann" }, password, "not an e-mail address"},
		{"unknown role", func(a *Account) { a.Roles = []string{"admin"} }, password, `no role "admin"`},
		{"no role", func(a *Account) { a.Roles = nil }, password, "needs a role"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := good
			test.change(&a)
			if err := accounts.Add(t.Context(), a, test.password); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), test.password) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
		})
	}
	if err := accounts.Add(t.Context(), good, password); err != nil {
		t.Fatal(err)
	}
	good.Email = "ANN@example.org"
	if err := accounts.Add(t.Context(), good, password); err == nil || !strings.Contains(err.Error(), "already an account") {
		t.Errorf("the same address again: got %v", err)
	}
	if err := accounts.SetPassword(t.Context(), "louis@example.org", password); err == nil || !strings.Contains(err.Error(), "no account of louis") {
		t.Errorf("password of nobody: got %v", err)
	}
}

func TestRevocations(t *testing.T) {
	db := statetest.Open(t, "sqlite:"+t.TempDir()+"/state.db")
	here, err := OpenRevocations(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := OpenRevocations(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	for id, expires := range map[string]time.Time{"leaked": {}, "soon": time.Now().Add(time.Hour), "over": time.Now().Add(-time.Hour)} {
		if err := elsewhere.Revoke(t.Context(), "cms", id, expires); err != nil {
			t.Fatal(err)
		}
	}
	if here.Revoked("cms", "leaked") {
		t.Error("known before it was read")
	}
	if err := here.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Revocations{here, elsewhere} {
		if !r.Revoked("cms", "leaked") || !r.Revoked("cms", "soon") || r.Revoked("cms", "over") || r.Revoked("idp", "leaked") {
			t.Errorf("got %v, want those of cms that have not expired", *r.current.Load())
		}
	}
	if err := here.Revoke(t.Context(), "cms", "", time.Time{}); err == nil {
		t.Error("a token without an id was revoked")
	}
	// What is known stays so while the database does not answer.
	db.Close()
	if err := here.read(t.Context()); err == nil || !here.Revoked("cms", "leaked") {
		t.Errorf("without a database: got %v, want an error, and the token still revoked", err)
	}
}

// Whose issuer does not count any more, because it is not configured, is logged out.
func TestSessionsOfIssuersThatAreGone(t *testing.T) {
	p := newPeople(t)
	gone := false
	p.Sessions.o.Vouches = func(issuer string) bool { return issuer == idp && !gone }
	s, err := p.Meet(t.Context(), &Principal{Issuer: idp, Subject: "lea", Roles: []string{"editor"}}, Voucher{}, netip.Addr{}, "")
	if err != nil {
		t.Fatal(err)
	}
	here := p.login(t)
	if _, err := p.Principal(t.Context(), s.Access); err != nil {
		t.Error(err)
	}
	gone = true
	if _, err := p.Principal(t.Context(), s.Access); !errors.Is(err, ErrNoSession) {
		t.Errorf("got %v, want %v", err, ErrNoSession)
	}
	if _, err := p.Refresh(t.Context(), s.Refresh); !errors.Is(err, ErrNoSession) {
		t.Errorf("got %v, want %v", err, ErrNoSession)
	}
	if _, err := p.Principal(t.Context(), here.Access); err != nil {
		t.Errorf("who has a password: %v", err)
	}
	if _, err := p.Logout(t.Context(), s.Access); err != nil {
		t.Error(err)
	}
}
