package auth

import (
	"encoding/hex"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"cms/state"
)

// The vectors of RFC 6238, appendix B, of which codes here are the last six digits.
func TestTOTP(t *testing.T) {
	secret := []byte("12345678901234567890")
	for seconds, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := totpAt(secret, seconds/30); got != want {
			t.Errorf("at %d: got %s, want %s", seconds, got, want)
		}
		for drift, counts := range map[int64]bool{-60: false, -30: true, 0: true, 30: true, 60: false} {
			if step, ok := stepOf(secret, want, time.Unix(seconds+drift, 0)); seconds > 60 && ok != counts || ok && step != seconds/30 {
				t.Errorf("%d s later it is of step %d, %t", drift, step, ok)
			}
		}
	}
	want := "otpauth://totp/Consultations%20citoyennes:a+b@example.org?issuer=Consultations+citoyennes&secret=" + base32Text.EncodeToString(secret)
	if got := totpURI("Consultations citoyennes", "a+b@example.org", secret); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// guarded are people whose editors need a second factor, at a time of its own.
type guarded struct {
	*people
	now    time.Time
	needed bool
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{people: newPeople(t), now: time.Unix(2_000_000_000, 0)}
	var err error
	g.Sessions, err = NewSessions(SessionOptions{
		State: g.db, Logger: slog.New(slog.NewTextHandler(g.log, nil)), Name: "CMS", PublicURL: "https://cms.example.org", Now: func() time.Time { return g.now },
		NeedFactor: func(roles []string) bool { return g.needed && slices.Contains(roles, "editor") },
	})
	if err != nil {
		t.Fatal(err)
	}
	g.hashers.params = cheapParams
	return g
}

func (g *guarded) attempt(code string) Attempt {
	return Attempt{Email: "camille@example.org", Password: password, Code: code, From: netip.MustParseAddr("192.0.2.1"), Stay: true}
}

// code is that of an app in which the secret was typed.
func (g *guarded) code(t *testing.T, secret string) string {
	t.Helper()
	raw, err := base32Text.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return totpAt(raw, g.now.Unix()/30)
}

// waits is a login that waits for a second factor.
func (g *guarded) waits(t *testing.T, enrol bool) string {
	t.Helper()
	s, err := g.Login(t.Context(), g.attempt(""))
	waits := (*FactorError)(nil)
	if !errors.As(err, &waits) || waits.Enrol != enrol || s != nil {
		t.Fatalf("got %+v, %v; want that it waits", s, err)
	}
	return waits.Pending
}

// setUp sets up an app and gives its secret, and the recovery codes.
func (g *guarded) setUp(t *testing.T) (secret string, codes []string) {
	t.Helper()
	s, err := g.Login(t.Context(), g.attempt(""))
	if err != nil {
		t.Fatal(err)
	}
	set, err := g.EnrolOwn(t.Context(), s.Principal)
	if err == nil {
		codes, err = g.EnrolledOwn(t.Context(), s.Principal, s.Access, set.Token, g.code(t, set.Secret))
	}
	if err != nil || len(codes) != recoveryCodes {
		t.Fatalf("got the codes %q, %v", codes, err)
	}
	return set.Secret, codes
}

// Who has set up an app has no session without a code of it, of which each counts once.
func TestSecondFactor(t *testing.T) {
	g := newGuarded(t)
	other, err := g.Login(t.Context(), g.attempt(""))
	if err != nil {
		t.Fatal(err)
	}
	secret, codes := g.setUp(t)
	if _, err := g.Stay(t.Context(), other.Access); !errors.Is(err, ErrNoSession) {
		t.Errorf("a session that began without it: got %v, want %v", err, ErrNoSession)
	}
	text := g.waits(t, false)
	if _, err := g.GoOn(t.Context(), text, g.attempt(g.code(t, secret))); !errors.Is(err, ErrFactor) {
		t.Errorf("the code that set it up, again: got %v, want %v", err, ErrFactor)
	}
	g.now = g.now.Add(30 * time.Second)
	good := g.code(t, secret)
	s, err := g.GoOn(t.Context(), text, g.attempt(good[:3]+" "+good[3:]))
	if err != nil {
		t.Fatal(err)
	}
	if stored, _, err := g.store.Find(t.Context(), SessionID(s.Access)); err != nil || stored.Factor != factorTOTP {
		t.Errorf("the session began by %q, %v", stored.Factor, err)
	}
	for name, try := range map[string]func(Attempt) (*Session, error){
		"with the password": func(a Attempt) (*Session, error) { return g.Login(t.Context(), a) },
		"behind it":         func(a Attempt) (*Session, error) { return g.GoOn(t.Context(), text, a) },
	} {
		if s, err := try(g.attempt(good)); !errors.Is(err, ErrFactor) {
			t.Errorf("the same code %s: got %v, %v; want %v", name, s, err, ErrFactor)
		}
	}
	g.now = g.now.Add(-30 * time.Second)
	if s, err := g.GoOn(t.Context(), text, g.attempt(g.code(t, secret))); !errors.Is(err, ErrFactor) {
		t.Errorf("an older code: got %v, %v; want %v", s, err, ErrFactor)
	}
	g.now = g.now.Add(time.Minute)
	if _, err := g.Login(t.Context(), g.attempt(g.code(t, secret))); err != nil {
		t.Errorf("with the password at once: %v", err)
	}

	// Who has lost the app has codes on paper, each once.
	if s, err := g.Login(t.Context(), g.attempt(strings.ToLower(codes[0]))); err != nil {
		t.Error(err)
	} else if stored, _, err := g.store.Find(t.Context(), SessionID(s.Access)); err != nil || stored.Factor != factorRecovery {
		t.Errorf("the session began by %q, %v", stored.Factor, err)
	}
	if _, err := g.Login(t.Context(), g.attempt(codes[0])); !errors.Is(err, ErrFactor) {
		t.Errorf("a recovery code again: got %v, want %v", err, ErrFactor)
	}
	has, needed, err := g.FactorOf(t.Context(), s.Principal)
	if err != nil || !has.TOTP || has.Recovery != recoveryCodes-1 || needed {
		t.Errorf("got %+v, %t, %v", has, needed, err)
	}
	if _, err := g.NewRecovery(t.Context(), s.Principal, s.Access, Attempt{Code: "000000"}); !errors.Is(err, ErrFactor) {
		t.Errorf("other codes without one: got %v, want %v", err, ErrFactor)
	}
	fresh, err := g.NewRecovery(t.Context(), s.Principal, s.Access, Attempt{Code: codes[1]})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Login(t.Context(), g.attempt(codes[2])); !errors.Is(err, ErrFactor) {
		t.Errorf("a code that was replaced: got %v, want %v", err, ErrFactor)
	}
	if err := g.RemoveFactor(t.Context(), s.Principal, s.Access, Attempt{Code: fresh[0]}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Stay(t.Context(), s.Access); err != nil {
		t.Errorf("the session that removed it: %v", err)
	}
	if _, err := g.Login(t.Context(), g.attempt("")); err != nil {
		t.Errorf("without it: %v", err)
	}
	told := g.log.String()
	for _, secret := range append(slices.Concat(codes, fresh), secret, text, good) {
		if strings.Contains(told, secret) {
			t.Errorf("the log tells %s", secret)
		}
	}
}

// Where a role needs a second factor there is no session before it is set up, and none of
// those that began without it is left.
func TestNeededFactor(t *testing.T) {
	g := newGuarded(t)
	before, err := g.Login(t.Context(), g.attempt(""))
	if err != nil {
		t.Fatal(err)
	}
	g.needed = true
	if _, err := g.Stay(t.Context(), before.Access); !errors.Is(err, ErrNoSession) {
		t.Errorf("a session from before: got %v, want %v", err, ErrNoSession)
	}
	text, second := g.waits(t, true), g.waits(t, true)
	if s, err := g.GoOn(t.Context(), text, g.attempt("123456")); err == nil || s != nil {
		t.Errorf("with a code of nothing: got %v, %v", s, err)
	}
	set, err := g.Enrol(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	late, err := g.Enrol(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.Enrolled(t.Context(), set.Token, g.attempt("000000")); !errors.Is(err, ErrFactor) {
		t.Errorf("a wrong code: got %v, want %v", err, ErrFactor)
	}
	if _, _, err := g.Enrolled(t.Context(), text, g.attempt(g.code(t, set.Secret))); !errors.Is(err, ErrPending) {
		t.Errorf("a login without an app: got %v, want %v", err, ErrPending)
	}
	s, codes, err := g.Enrolled(t.Context(), set.Token, g.attempt(g.code(t, set.Secret)))
	if err != nil || len(codes) != recoveryCodes {
		t.Fatalf("got %v, %q, %v", s, codes, err)
	}
	if _, err := g.Stay(t.Context(), s.Access); err != nil {
		t.Error(err)
	}
	if _, _, err := g.Enrolled(t.Context(), late.Token, g.attempt(g.code(t, late.Secret))); !errors.Is(err, ErrEnrolled) {
		t.Errorf("another app by the password alone: got %v, want %v", err, ErrEnrolled)
	}
	if err := g.RemoveFactor(t.Context(), s.Principal, s.Access, Attempt{Code: codes[0]}); !errors.Is(err, ErrNeeded) {
		t.Errorf("removed: got %v, want %v", err, ErrNeeded)
	}

	// Who has lost everything begins anew, with an operator's help.
	accounts := NewAccounts(g.db, []string{"editor"})
	if all, err := accounts.List(t.Context()); err != nil || all[0].Factor != (Factor{TOTP: true}) {
		t.Errorf("the list has %+v, %v", all, err)
	}
	if err := accounts.ResetFactor(t.Context(), "camille@example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Stay(t.Context(), s.Access); !errors.Is(err, ErrNoSession) {
		t.Errorf("a session by the factor that is gone: got %v, want %v", err, ErrNoSession)
	}
	if s, err := g.Login(t.Context(), g.attempt(codes[1])); err == nil {
		t.Errorf("a recovery code of before lets in: %v", s)
	}
	g.waits(t, true)
}

// A login waits for its account as it was, for a while, and for nobody else.
func TestLoginsThatWait(t *testing.T) {
	g := newGuarded(t)
	secret, _ := g.setUp(t)
	g.now = g.now.Add(time.Minute)
	text := g.waits(t, false)
	refused := func(why, text string) {
		t.Helper()
		if s, err := g.GoOn(t.Context(), text, g.attempt(g.code(t, secret))); !errors.Is(err, ErrPending) {
			t.Errorf("%s: got %v, %v; want %v", why, s, err, ErrPending)
		}
	}
	refused("nothing", "")
	refused("no text of ours", "AAAA")
	refused("another text", text[:len(text)-2])
	began := g.now
	g.now = g.now.Add(pendingTime)
	refused("too late", text)
	g.now = began
	if err := NewAccounts(g.db, nil).SetDisabled(t.Context(), "camille@example.org", true); err != nil {
		t.Fatal(err)
	}
	refused("of a disabled account", text)
	if err := NewAccounts(g.db, nil).SetDisabled(t.Context(), "camille@example.org", false); err != nil {
		t.Fatal(err)
	}
	if err := NewAccounts(g.db, nil).SetPassword(t.Context(), "camille@example.org", "une autre phrase de passe"); err != nil {
		t.Fatal(err)
	}
	refused("by another password than now", text)
}

// Who has the password guesses codes at the pace of passwords, and from many networks at
// that of the account.
func TestCodesAreNotGuessed(t *testing.T) {
	g := newGuarded(t)
	g.setUp(t)
	many := (*TooManyError)(nil)
	guess := func(from string) error {
		try := g.attempt("000000")
		try.From = netip.MustParseAddr(from)
		_, err := g.Login(t.Context(), try)
		return err
	}
	looked := 0
	for range 60 { // one a second, with the password in between, which is right
		if err := guess("192.0.2.1"); errors.Is(err, ErrFactor) {
			looked++
		} else if !errors.As(err, &many) {
			t.Fatal(err)
		}
		if _, err := g.Login(t.Context(), g.attempt("")); err == nil {
			t.Fatal("the password alone lets in")
		}
		g.now = g.now.Add(time.Second)
	}
	if looked > 12 {
		t.Errorf("%d codes were looked at in a minute, from one network", looked)
	}
	g.now, looked = g.now.Add(2*time.Hour), 0
	for i := range 100 {
		from := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String()
		if err := guess(from); errors.Is(err, ErrFactor) {
			looked++
		} else if !errors.As(err, &many) {
			t.Fatal(err)
		}
	}
	if looked > codePace.free+1 {
		t.Errorf("%d codes were looked at, from many networks", looked)
	}
}

// What is stored of a factor says nothing without the key, and for no other account.
func TestSecretsAreSealed(t *testing.T) {
	g := newGuarded(t)
	secret, codes := g.setUp(t)
	account, err := g.accounts.ByEmail(t.Context(), "camille@example.org")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := g.factors.TOTP(t.Context(), account.ID)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base32Text.DecodeString(secret)
	if err != nil || strings.Contains(hex.EncodeToString(sealed), hex.EncodeToString(raw)) {
		t.Errorf("the secret is stored as it is: %v", err)
	}
	if plain, ok, err := g.vault.unseal(t.Context(), sealed, totpUse(account.ID)); err != nil || !ok || string(plain) != string(raw) {
		t.Errorf("got %x, %t, %v", plain, ok, err)
	}
	for _, use := range []string{totpUse("another"), pendingUse} {
		if _, ok, err := g.vault.unseal(t.Context(), sealed, use); err != nil || ok {
			t.Errorf("as %s: %t, %v", use, ok, err)
		}
	}
	if used, err := g.db.Factors().UseRecovery(t.Context(), account.ID, hashOf(plainCode(codes[0]))); err != nil || used {
		t.Errorf("the hash is that of the code alone: %t, %v", used, err)
	}
	if !slices.Contains(codes, codes[0]) || len(codes[0]) != recoveryLength+3 || (state.Factor{}).Any() {
		t.Errorf("the codes are %q", codes)
	}
}
