package auth

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"cms/auth/devicetest"
)

// token is a device with passkeys, at a page of an origin.
type token struct{ devicetest.Device }

func newToken() *token {
	return &token{devicetest.New("cms.example.org", "https://cms.example.org")}
}

// make makes a passkey as it is asked to, and answers.
func (k *token) make(t *testing.T, c Challenge) Attempt {
	t.Helper()
	answer, err := k.Make(c.Options)
	if err != nil {
		t.Fatal(err)
	}
	return Attempt{Challenge: c.Token, Answer: answer}
}

// sign answers a challenge with the passkey that was made last.
func (k *token) sign(t *testing.T, c Challenge) Attempt {
	t.Helper()
	answer, err := k.Sign(c.Options)
	if err != nil {
		t.Fatal(err)
	}
	return Attempt{Challenge: c.Token, Answer: answer}
}

// add adds a passkey to Camille, who is logged in and has proved herself.
func (g *guarded) add(t *testing.T, s *Session, k *token, proof Attempt) []string {
	t.Helper()
	c, err := g.NewOwnPasskey(t.Context(), s.Principal, s.Access, proof)
	if err != nil {
		t.Fatal(err)
	}
	codes, err := g.AddOwnPasskey(t.Context(), s.Principal, s.Access, k.make(t, c))
	if err != nil {
		t.Fatalf("%v: %s", err, g.log)
	}
	return codes
}

func (g *guarded) logIn(t *testing.T) *Session {
	t.Helper()
	s, err := g.Login(t.Context(), g.attempt(""))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// of gives an answer the rest of an attempt.
func (g *guarded) of(answer Attempt) Attempt {
	try := g.attempt("")
	try.Challenge, try.Answer = answer.Challenge, answer.Answer
	return try
}

// A passkey is asked for behind the password, once for each challenge, at this address and
// of this account.
func TestPasskey(t *testing.T) {
	g := newGuarded(t)
	s, other := g.logIn(t), g.logIn(t)
	if _, err := g.NewOwnPasskey(t.Context(), s.Principal, s.Access, Attempt{Password: "wrong"}); !errors.Is(err, ErrCredentials) {
		t.Errorf("without the password: got %v, want %v", err, ErrCredentials)
	}
	k := newToken()
	codes := g.add(t, s, k, Attempt{Password: password})
	if len(codes) != recoveryCodes {
		t.Errorf("got %d recovery codes", len(codes))
	}
	if _, err := g.Stay(t.Context(), s.Access); err != nil {
		t.Errorf("the session that added it: %v", err)
	}
	if _, err := g.Stay(t.Context(), other.Access); !errors.Is(err, ErrNoSession) {
		t.Errorf("a session without it: got %v, want %v", err, ErrNoSession)
	}
	waits := func() (string, Challenge) {
		t.Helper()
		text := g.waits(t, false)
		c, err := g.AskPasskey(t.Context(), text)
		if err != nil || c.Token == "" {
			t.Fatalf("got %+v, %v", c, err)
		}
		return text, c
	}
	refused := func(why, text string, answer Attempt) {
		t.Helper()
		if s, err := g.GoOn(t.Context(), text, g.of(answer)); !errors.Is(err, ErrPasskey) {
			t.Errorf("%s: got %v, %v; want %v", why, s, err, ErrPasskey)
		}
		g.now = g.now.Add(time.Hour) // so that nobody waits for it
	}
	text, c := waits()
	good := k.sign(t, c)
	in, err := g.GoOn(t.Context(), text, g.of(good))
	if err != nil {
		t.Fatalf("%v: %s", err, g.log)
	}
	if stored, _, err := g.store.Find(t.Context(), SessionID(in.Access)); err != nil || stored.Factor != factorPasskey || in.How != "password and passkey" {
		t.Errorf("the session began by %q, %q, %v", stored.Factor, in.How, err)
	}
	text, _ = waits()
	refused("the same answer again", text, good)
	text, c = waits()
	g.now = g.now.Add(ceremonyTime)
	refused("too late", text, k.sign(t, c))
	text, c = waits()
	refused("another device", text, newTokenWith(t).sign(t, c))
	text, c = waits()
	elsewhere := token{k.At("https://cms.example.org.evil.example")}
	refused("at another address", text, elsewhere.sign(t, c))
	text, c = waits()
	refused("of no account of ours", text, Attempt{Challenge: c.Token, Answer: `{"id":"x"}`})
	text, c = waits()
	refused("more than an answer is", text, Attempt{Challenge: c.Token, Answer: strings.Repeat("x", maxAnswer+1)})
	text, c = waits()
	refused("a challenge of another time", text, Attempt{Challenge: c.Token[:len(c.Token)-2], Answer: k.sign(t, c).Answer})
	own, err := g.AskOwnPasskey(t.Context(), in.Principal, in.Access)
	if err != nil {
		t.Fatal(err)
	}
	text, _ = waits()
	refused("a challenge of a session", text, k.sign(t, own))
	_, c = waits()
	if _, err := g.AddOwnPasskey(t.Context(), in.Principal, in.Access, k.sign(t, c)); !errors.Is(err, ErrPasskey) {
		t.Errorf("a challenge for a login adds a passkey: got %v", err)
	}
	if s, err := g.Login(t.Context(), g.attempt(codes[0])); err != nil || s.How != "password and recovery" {
		t.Errorf("a recovery code: got %+v, %v", s, err)
	}
	if s, err := g.Login(t.Context(), g.attempt("000000")); !errors.Is(err, ErrFactor) {
		t.Errorf("a code of no app: got %v, %v", s, err)
	}
}

func newTokenWith(t *testing.T) *token {
	t.Helper()
	k := newToken()
	k.Add()
	return k
}

// A passkey whose count of signatures does not grow may be a copy.
func TestCopiedPasskey(t *testing.T) {
	g := newGuarded(t)
	k := newToken()
	g.add(t, g.logIn(t), k, Attempt{Password: password})
	try := func(count uint32) error {
		k.Credentials[0].Counter = count
		g.now = g.now.Add(time.Hour) // so that nobody waits
		text := g.waits(t, false)
		c, err := g.AskPasskey(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.GoOn(t.Context(), text, g.of(k.sign(t, c)))
		return err
	}
	for _, step := range []struct {
		count uint32
		want  error
	}{{0, nil}, {5, nil}, {5, ErrPasskey}, {4, ErrPasskey}, {0, ErrPasskey}, {6, nil}} {
		if err := try(step.count); !errors.Is(err, step.want) {
			t.Errorf("at %d: got %v, want %v", step.count, err, step.want)
		}
	}
	if !strings.Contains(g.log.String(), "may have been copied") {
		t.Error("the log does not say so")
	}
}

// A passkey lets in alone where the device has made sure who holds it.
func TestPasskeyAlone(t *testing.T) {
	g := newGuarded(t)
	if c, err := g.AskAnyPasskey(t.Context()); err != nil || c.Token != "" {
		t.Errorf("before anybody has one: got %+v, %v", c, err)
	}
	k := newToken()
	s := g.logIn(t)
	g.add(t, s, k, Attempt{Password: password})
	try := func(change func(*token)) (*Session, error) {
		t.Helper()
		c, err := g.AskAnyPasskey(t.Context())
		if err != nil || c.Token == "" {
			t.Fatalf("got %+v, %v", c, err)
		}
		now := *k
		change(&now)
		a := now.sign(t, c)
		a.Stay = true
		return g.LoginByPasskey(t.Context(), a)
	}
	in, err := try(func(*token) {})
	if err != nil {
		t.Fatalf("%v: %s", err, g.log)
	}
	if pr, err := g.Stay(t.Context(), in.Access); err != nil || pr.Email != "camille@example.org" || in.How != "passkey" || in.Device == "" {
		t.Errorf("got %+v, %v, by %q", pr, err, in.How)
	}
	for why, change := range map[string]func(*token){
		"nobody was made sure of": func(k *token) { k.Options.UserNotVerified = true },
		"another owner":           func(k *token) { k.Options.UserHandle = []byte("nobody") },
		"no owner":                func(k *token) { k.Options.UserHandle = nil },
		"another key":             func(k *token) { k.Credentials = newTokenWith(t).Credentials },
	} {
		if s, err := try(change); !errors.Is(err, ErrPasskey) {
			t.Errorf("%s: got %v, %v; want %v", why, s, err, ErrPasskey)
		}
	}
	own, err := g.AskOwnPasskey(t.Context(), s.Principal, s.Access)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := g.LoginByPasskey(t.Context(), k.sign(t, own)); !errors.Is(err, ErrPasskey) {
		t.Errorf("by a challenge of a session: got %v, %v", s, err)
	}
	if err := NewAccounts(g.db, nil).SetDisabled(t.Context(), "camille@example.org", true); err != nil {
		t.Fatal(err)
	}
	s, err = try(func(*token) {})
	if attempt := (*AttemptError)(nil); !errors.As(err, &attempt) || attempt.Of != "camille@example.org" {
		t.Errorf("a disabled account: got %v, %v", s, err)
	}
	many := (*TooManyError)(nil)
	for range 2 * networkPace.free {
		if _, err = g.LoginByPasskey(t.Context(), Attempt{Challenge: "x", Answer: "x"}); errors.As(err, &many) {
			break
		}
	}
	if many == nil {
		t.Error("wrong answers are looked at without an end")
	}
}

// Passkeys and an app stand beside each other; who removes one proves to have one, and where
// a role needs one the last stays.
func TestPasskeysOfOnesOwn(t *testing.T) {
	g := newGuarded(t)
	s := g.logIn(t)
	k := newToken()
	codes := g.add(t, s, k, Attempt{Password: password})
	if _, err := g.NewOwnPasskey(t.Context(), s.Principal, s.Access, Attempt{Password: password}); !errors.Is(err, ErrFactor) {
		t.Errorf("a second one by the password: got %v, want %v", err, ErrFactor)
	}
	own := func() Attempt {
		t.Helper()
		c, err := g.AskOwnPasskey(t.Context(), s.Principal, s.Access)
		if err != nil {
			t.Fatal(err)
		}
		return k.sign(t, c)
	}
	g.now = g.now.Add(time.Second)
	if more := g.add(t, s, k, own()); more != nil {
		t.Errorf("a second one gives recovery codes: %q", more)
	}
	set, err := g.EnrolOwn(t.Context(), s.Principal)
	if err != nil {
		t.Fatal(err)
	}
	if more, err := g.EnrolledOwn(t.Context(), s.Principal, s.Access, set.Token, g.code(t, set.Secret)); err != nil || more != nil {
		t.Errorf("an app beside them: got %q, %v", more, err)
	}
	want := Factor{TOTP: true, Passkeys: 2, Recovery: recoveryCodes}
	if has, _, err := g.FactorOf(t.Context(), s.Principal); err != nil || has != want {
		t.Errorf("got %+v, %v; want %+v", has, err, want)
	}
	g.needed = true
	all, err := g.PasskeysOf(t.Context(), s.Principal)
	if err != nil || len(all) != 2 || all[0].Name == "" || all[0].Used.IsZero() {
		t.Fatalf("got %+v, %v", all, err)
	}
	if err := g.RemovePasskey(t.Context(), s.Principal, s.Access, all[0].ID, Attempt{Code: "000000"}); !errors.Is(err, ErrFactor) {
		t.Errorf("removed for a wrong code: got %v", err)
	}
	if err := g.RemovePasskey(t.Context(), s.Principal, s.Access, all[0].ID, own()); err != nil {
		t.Fatal(err)
	}
	if err := g.RemoveFactor(t.Context(), s.Principal, s.Access, Attempt{Code: codes[0]}); err != nil {
		t.Fatal(err)
	}
	if err := g.RemovePasskey(t.Context(), s.Principal, s.Access, all[1].ID, own()); !errors.Is(err, ErrNeeded) {
		t.Errorf("the last one: got %v, want %v", err, ErrNeeded)
	}
	if _, err := g.Stay(t.Context(), s.Access); err != nil {
		t.Errorf("the session that removed them: %v", err)
	}
	accounts := NewAccounts(g.db, []string{"editor"})
	if list, err := accounts.List(t.Context()); err != nil || list[0].Factor.Passkeys != 1 {
		t.Errorf("the list has %+v, %v", list, err)
	}
	if err := accounts.RemovePasskey(t.Context(), "camille@example.org", "none"); err == nil {
		t.Error("one is removed that there is not")
	}
	if err := accounts.RemovePasskey(t.Context(), "camille@example.org", all[1].Name); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Stay(t.Context(), s.Access); !errors.Is(err, ErrNoSession) {
		t.Errorf("a session of before: got %v, want %v", err, ErrNoSession)
	}
	g.waits(t, true)
}

// A login whose account needs a factor may have a passkey for it, and there are bounds.
func TestNeededPasskey(t *testing.T) {
	g := newGuarded(t)
	g.needed = true
	text := g.waits(t, true)
	c, err := g.NewPasskey(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	late, err := g.NewPasskey(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	k := newToken()
	answer := g.of(k.make(t, c))
	s, codes, err := g.AddPasskey(t.Context(), text, answer)
	if err != nil || len(codes) != recoveryCodes {
		t.Fatalf("got %v, %q, %v: %s", s, codes, err, g.log)
	}
	if _, err := g.Stay(t.Context(), s.Access); err != nil {
		t.Error(err)
	}
	if s, _, err := g.AddPasskey(t.Context(), text, g.of(newToken().make(t, late))); !errors.Is(err, ErrEnrolled) {
		t.Errorf("another one by the password alone: got %v, %v", s, err)
	}
	for i := range MaxPasskeys + 1 {
		c, err := g.AskOwnPasskey(t.Context(), s.Principal, s.Access)
		if err != nil {
			t.Fatal(err)
		}
		c, err = g.NewOwnPasskey(t.Context(), s.Principal, s.Access, k.sign(t, c))
		if i == MaxPasskeys-1 {
			if !errors.Is(err, ErrManyPasskeys) {
				t.Errorf("one more than there may be: got %v", err)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		add := k.make(t, c)
		add.Name = strings.Repeat("é", maxPasskeyName)
		if _, err := g.AddOwnPasskey(t.Context(), s.Principal, s.Access, add); err != nil {
			t.Fatal(err)
		}
	}
	all, err := g.PasskeysOf(t.Context(), s.Principal)
	if err != nil || len(all) != MaxPasskeys || slices.ContainsFunc(all, func(p Passkey) bool { return len(p.Name) > maxPasskeyName }) {
		t.Errorf("got %d, %v", len(all), err)
	}
}

// Where browsers have no passkeys there are none, and who asks is told why.
func TestAddressesOfPasskeys(t *testing.T) {
	for address, has := range map[string]bool{
		"https://cms.example.org": true, "https://cms.example.org:8443": true, "http://localhost:8080": true,
		"http://cms.example.org": false, "http://127.0.0.1:8080": false, "https://192.0.2.1": false, "https://[2001:db8::1]": false, "": false,
	} {
		w, err := passkeysAt(address, "CMS")
		if none := (*PasskeysError)(nil); (w != nil) != has || (err == nil) != has || !has && !errors.As(err, &none) {
			t.Errorf("%s: got %v, %v", address, w, err)
		}
		if has && !slices.Equal(w.Config.RPOrigins, []string{address}) {
			t.Errorf("%s: the origins are %q", address, w.Config.RPOrigins)
		}
	}
}
