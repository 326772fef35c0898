package auth

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"cms/state"
)

// A passkey is a key of a device or a password manager, of which we have the public half
// (Web Authentication). It answers a challenge of ours, for the address that the browser is
// really at, so that nobody can be led to give it away. It is a second factor and, where the
// device has made sure who holds it, all that a login takes.
//
// A challenge goes to the browser with a sealed text that says what it is for; nothing is
// stored before it is answered, so that strangers fill nothing. What is stored then is that
// it was, for all services of the database: each is answered once.

// Passkey is one of an account.
type Passkey = state.Passkey

// What passkeys may take.
const (
	MaxPasskeys    = 20
	maxPasskeyName = 60               // bytes
	maxAnswer      = 16 << 10         // bytes that a browser answers
	ceremonyTime   = 5 * time.Minute  // to answer a challenge
	factorPasskey  = "passkey"        // the factor by which sessions begin
	usePasskey     = "passkey answer" // what texts are sealed for
	useNewPasskey  = "passkey add"
)

// What is wrong with a passkey.
var (
	ErrPasskey      = errors.New("the passkey was not taken")
	ErrManyPasskeys = fmt.Errorf("an account has %d passkeys at most", MaxPasskeys)
)

// PasskeysError says why there are no passkeys at the address of the service.
type PasskeysError struct{ Address, Why string }

func (e *PasskeysError) Error() string {
	return fmt.Sprintf("there are no passkeys at %s: %s", e.Address, e.Why)
}

// passkeysAt are the passkeys of a service at an address.
func passkeysAt(address, name string) (*webauthn.WebAuthn, error) {
	if address == "" {
		return nil, &PasskeysError{"no address", "the service does not know its own; set server.public_url"}
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, &PasskeysError{address, "it is no URL"}
	}
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err == nil || net.ParseIP(host) != nil {
		return nil, &PasskeysError{address, "browsers have them for names, not for numbers; set server.public_url to https://NAME, or to http://localhost:PORT on this machine alone"}
	}
	if local := host == "localhost" || strings.HasSuffix(host, ".localhost"); u.Scheme != "https" && !local {
		return nil, &PasskeysError{address, "browsers have them over https alone, or at http://localhost; set server.public_url"}
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: cmp.Or(name, "CMS"), RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		},
		// Password managers tell of what was not asked, which nothing here reads.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, &PasskeysError{address, err.Error()}
	}
	return w, nil
}

// NoPasskeys says why there are none here, with a *PasskeysError; nil where there are.
func (s *Sessions) NoPasskeys() error { return s.noPasskeys }

// Challenge is what a browser asks of a passkey.
type Challenge struct {
	Token   string // what comes back with the answer
	Options string // of the browser's navigator.credentials, in JSON
}

// ceremony is a challenge on its way.
type ceremony struct {
	Mark    string               `json:"mark,omitempty"`    // of the account's password, so that another one ends it
	Session string               `json:"session,omitempty"` // the id of that of who is logged in
	Data    webauthn.SessionData `json:"data"`              // with the account, as its user, unless anybody may answer
	Until   int64                `json:"until"`             // seconds since 1970
}

// owner is an account as the library knows it.
type owner struct {
	state.Account
	keys []Passkey
}

func (o owner) WebAuthnID() []byte          { return []byte(o.ID) }
func (o owner) WebAuthnName() string        { return o.Email }
func (o owner) WebAuthnDisplayName() string { return cmp.Or(o.Name, o.Email) }

func (o owner) WebAuthnCredentials() (all []webauthn.Credential) {
	for _, p := range o.keys {
		id, err := base64.RawURLEncoding.DecodeString(p.ID)
		if err != nil {
			continue
		}
		c := webauthn.Credential{
			ID: id, PublicKey: p.PublicKey, Flags: webauthn.NewCredentialFlags(protocol.AuthenticatorFlags(p.Flags)),
			Authenticator: webauthn.Authenticator{SignCount: p.Count},
		}
		for _, t := range p.Transports {
			c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
		}
		all = append(all, c)
	}
	return all
}

func (s *Sessions) owner(ctx context.Context, account state.Account) (owner, error) {
	keys, err := s.factors.Passkeys(ctx, account.ID)
	return owner{account, keys}, err
}

// challenge seals a ceremony, and gives the options of the browser with it.
func (s *Sessions) challenge(ctx context.Context, c ceremony, use string, options any) (Challenge, error) {
	c.Until = s.o.Now().Add(ceremonyTime).Unix()
	text, err := json.Marshal(c)
	if err != nil {
		return Challenge{}, err
	}
	sealed, err := s.vault.seal(ctx, text, use)
	if err != nil {
		return Challenge{}, err
	}
	shown, err := json.Marshal(options)
	return Challenge{base64.RawURLEncoding.EncodeToString(sealed), string(shown)}, err
}

// answered reads what challenge has sealed, once, or gives ErrPasskey.
func (s *Sessions) answered(ctx context.Context, try Attempt, use string) (c ceremony, err error) {
	if s.passkeys == nil || len(try.Answer) > maxAnswer || len(try.Challenge) > maxAnswer {
		return c, ErrPasskey
	}
	raw, err := base64.RawURLEncoding.DecodeString(try.Challenge)
	if err != nil {
		return c, ErrPasskey
	}
	plain, ok, err := s.vault.unseal(ctx, raw, use)
	if err != nil {
		return c, err
	}
	now := s.o.Now()
	if !ok || json.Unmarshal(plain, &c) != nil || now.Unix() >= c.Until {
		return c, ErrPasskey
	}
	first, err := s.factors.UseChallenge(ctx, hashOf(c.Data.Challenge), time.Unix(c.Until, 0), now)
	if err == nil && !first {
		err = ErrPasskey
	}
	return c, err
}

// ask challenges the passkeys of an account; nothing where it has none, or none work here.
func (s *Sessions) ask(ctx context.Context, account state.Account, session string) (Challenge, error) {
	if s.passkeys == nil {
		return Challenge{}, nil
	}
	of, err := s.owner(ctx, account)
	if err != nil || len(of.keys) == 0 {
		return Challenge{}, err
	}
	options, data, err := s.passkeys.BeginLogin(of)
	if err != nil {
		return Challenge{}, fmt.Errorf("challenge a passkey: %w", err)
	}
	return s.challenge(ctx, ceremony{Mark: hashOf(account.Password), Session: session, Data: *data}, usePasskey, options.Response)
}

// AskPasskey challenges the passkeys of a login that waits for its second factor; the zero
// Challenge where there are none.
func (s *Sessions) AskPasskey(ctx context.Context, text string) (Challenge, error) {
	_, account, err := s.waited(ctx, text)
	if err != nil {
		return Challenge{}, err
	}
	return s.ask(ctx, account, "")
}

// AskOwnPasskey challenges the passkeys of who is logged in, with the token of a session.
func (s *Sessions) AskOwnPasskey(ctx context.Context, pr *Principal, session string) (Challenge, error) {
	account, err := s.own(ctx, pr)
	if err != nil {
		return Challenge{}, err
	}
	return s.ask(ctx, account, SessionID(session))
}

// AskAnyPasskey challenges the passkey of whoever has one, which says of whom it is; the zero
// Challenge where nobody has.
func (s *Sessions) AskAnyPasskey(ctx context.Context) (Challenge, error) {
	if s.passkeys == nil {
		return Challenge{}, nil
	}
	if some, err := s.factors.AnyPasskey(ctx); err != nil || !some {
		return Challenge{}, err
	}
	options, data, err := s.passkeys.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Challenge{}, fmt.Errorf("challenge a passkey: %w", err)
	}
	return s.challenge(ctx, ceremony{Data: *data}, usePasskey, options.Response)
}

// provePasskey says whether an attempt is answered by a passkey of the account, which is of
// the session where somebody is logged in. The error is ErrPasskey, with why.
func (s *Sessions) provePasskey(ctx context.Context, account state.Account, try Attempt, session string) error {
	c, err := s.answered(ctx, try, usePasskey)
	if err != nil {
		return err
	}
	if string(c.Data.UserID) != account.ID || c.Mark != hashOf(account.Password) || c.Session != session {
		return ErrPasskey
	}
	of, err := s.owner(ctx, account)
	if err != nil {
		return err
	}
	answer, err := protocol.ParseCredentialRequestResponseBytes([]byte(try.Answer))
	if err != nil {
		return s.notTaken(ctx, account.ID, err)
	}
	used, err := s.passkeys.ValidateLogin(of, c.Data, answer)
	if err != nil {
		return s.notTaken(ctx, account.ID, err)
	}
	return s.count(ctx, account, used)
}

// notTaken tells the log why an answer was not taken, and gives ErrPasskey.
func (s *Sessions) notTaken(ctx context.Context, account string, err error) error {
	why := err.Error()
	if e := (*protocol.Error)(nil); errors.As(err, &e) {
		why = strings.TrimSpace(e.Details + " " + e.DevInfo)
	}
	s.o.Logger.WarnContext(ctx, "an answer of a passkey was not taken", "account", account, "why", why)
	return ErrPasskey
}

// count notes a use of a passkey, whose signatures it may count.
func (s *Sessions) count(ctx context.Context, account state.Account, used *webauthn.Credential) error {
	id := base64.RawURLEncoding.EncodeToString(used.ID)
	more := !used.Authenticator.CloneWarning
	if more {
		var err error
		if more, err = s.factors.UsePasskey(ctx, account.ID, id, used.Authenticator.SignCount, s.o.Now()); err != nil {
			return err
		}
	}
	if !more {
		s.o.Logger.WarnContext(ctx, "a passkey has counted its uses wrong, and so may have been copied, or was removed meanwhile; it is not taken", "account", account.ID, "passkey", id)
		return ErrPasskey
	}
	return nil
}

// LoginByPasskey begins a session by a passkey alone, whose device has made sure who holds
// it. The error is ErrPasskey, a *TooManyError, or what keeps us from knowing.
func (s *Sessions) LoginByPasskey(ctx context.Context, try Attempt) (*Session, error) {
	network := "network " + networkOf(try.From)
	if err := s.throttle.begin(network, networkPace, s.o.Now()); err != nil {
		return nil, &AttemptError{err, "too many logins have failed", ""}
	}
	account, why, err := s.byPasskey(ctx, try)
	if errors.Is(err, ErrPasskey) {
		return nil, &AttemptError{err, why, account.Email}
	}
	if err != nil {
		return nil, err
	}
	s.throttle.refund(network)
	known := false
	if try.Device != "" {
		if known, err = s.accounts.KnowsDevice(ctx, account.ID, hashOf(try.Device), time.Now()); err != nil {
			return nil, err
		}
	}
	return s.enter(ctx, account, try, known, factorPasskey, byPasskeyAlone)
}

func (s *Sessions) byPasskey(ctx context.Context, try Attempt) (account state.Account, why string, err error) {
	c, err := s.answered(ctx, try, usePasskey)
	if err != nil {
		return account, "the challenge is too old, or was answered", err
	}
	answer, err := protocol.ParseCredentialRequestResponseBytes([]byte(try.Answer))
	if err != nil {
		return account, "the answer is none of a passkey", s.notTaken(ctx, "", err)
	}
	var failed error // of the database, and not of who answers
	find := func(_, handle []byte) (webauthn.User, error) {
		found, err := s.accounts.ByID(ctx, string(bytes.ToValidUTF8(handle, nil)))
		switch {
		case errors.Is(err, state.ErrUnknown):
			return nil, err
		case err == nil && found.Disabled:
			account.Email = found.Email
			return nil, errors.New("the account is disabled")
		case err != nil:
			failed = err
			return nil, err
		}
		of, err := s.owner(ctx, found)
		account, failed = found, err
		return of, err
	}
	if c.Session != "" || c.Mark != "" { // asked of somebody who had a password before
		return account, "the challenge was for another login", ErrPasskey
	}
	_, used, err := s.passkeys.ValidatePasskeyLogin(find, c.Data, answer)
	switch {
	case failed != nil:
		return account, "", failed
	case err != nil:
		return account, "the answer was not taken", s.notTaken(ctx, account.ID, err)
	}
	return account, "the passkey may have been copied", s.count(ctx, account, used)
}

// newPasskey challenges a device to make a passkey for an account.
func (s *Sessions) newPasskey(ctx context.Context, account state.Account, session string) (Challenge, error) {
	if s.noPasskeys != nil {
		return Challenge{}, s.noPasskeys
	}
	of, err := s.owner(ctx, account)
	if err != nil {
		return Challenge{}, err
	}
	if len(of.keys) >= MaxPasskeys {
		return Challenge{}, ErrManyPasskeys
	}
	there := webauthn.Credentials(of.WebAuthnCredentials()).CredentialDescriptors()
	options, data, err := s.passkeys.BeginRegistration(of, webauthn.WithExclusions(there))
	if err != nil {
		return Challenge{}, fmt.Errorf("ask for a passkey: %w", err)
	}
	return s.challenge(ctx, ceremony{Mark: hashOf(account.Password), Session: session, Data: *data}, useNewPasskey, options.Response)
}

// NewPasskey asks for a passkey as the second factor of a login that waits, whose account
// has none yet.
func (s *Sessions) NewPasskey(ctx context.Context, text string) (Challenge, error) {
	account, err := s.bare(ctx, text)
	if err != nil {
		return Challenge{}, err
	}
	return s.newPasskey(ctx, account, "")
}

// bare is the account of a login that waits, which has no factor; or else ErrEnrolled.
func (s *Sessions) bare(ctx context.Context, text string) (state.Account, error) {
	_, account, err := s.waited(ctx, text)
	if err != nil {
		return account, err
	}
	has, err := s.factors.Of(ctx, account.ID)
	if err == nil && has.Any() {
		err = ErrEnrolled
	}
	return account, err
}

// NewOwnPasskey asks for a passkey of who is logged in, who proves themselves by a factor or,
// without one, by their password: a passkey lets in alone.
func (s *Sessions) NewOwnPasskey(ctx context.Context, pr *Principal, session string, try Attempt) (Challenge, error) {
	account, err := s.own(ctx, pr)
	if err != nil {
		return Challenge{}, err
	}
	if s.noPasskeys != nil {
		return Challenge{}, s.noPasskeys
	}
	has, err := s.factors.Of(ctx, account.ID)
	switch {
	case err != nil:
		return Challenge{}, err
	case has.Any():
		_, err = s.proveOwn(ctx, pr, session, try)
	default:
		err = s.provePassword(ctx, account, try)
	}
	if err != nil {
		return Challenge{}, err
	}
	return s.newPasskey(ctx, account, SessionID(session))
}

// provePassword asks for the password of an account, as a login does.
func (s *Sessions) provePassword(ctx context.Context, account state.Account, try Attempt) error {
	if len(try.Password) > MaxPassword {
		return ErrCredentials
	}
	t, err := s.turn(ctx, try, account)
	if err != nil {
		return err
	}
	right, _, err := s.hashers.check(ctx, try.Password, account.Password)
	if err != nil {
		return fmt.Errorf("check a password: %w", err)
	}
	if !right {
		return &AttemptError{ErrCredentials, "the password is wrong", account.Email}
	}
	t.forgive()
	return nil
}

// AddPasskey stores the passkey that a login has waited for, and begins the session. It
// gives the recovery codes, which are nowhere else. The error is also ErrEnrolled.
func (s *Sessions) AddPasskey(ctx context.Context, text string, try Attempt) (*Session, []string, error) {
	account, err := s.bare(ctx, text)
	if err != nil {
		return nil, nil, err
	}
	t, err := s.turn(ctx, try, account)
	if err != nil {
		return nil, nil, err
	}
	codes, err := s.addPasskey(ctx, account, "", try)
	if err != nil {
		return nil, nil, err
	}
	t.forgive()
	session, err := s.enter(ctx, account, try, t.known, factorPasskey, byPassword)
	return session, codes, err
}

// AddOwnPasskey stores a passkey of who is logged in. It gives recovery codes with the first
// factor of an account.
func (s *Sessions) AddOwnPasskey(ctx context.Context, pr *Principal, session string, try Attempt) ([]string, error) {
	account, err := s.own(ctx, pr)
	if err != nil {
		return nil, err
	}
	return s.addPasskey(ctx, account, SessionID(session), try)
}

func (s *Sessions) addPasskey(ctx context.Context, account state.Account, session string, try Attempt) ([]string, error) {
	c, err := s.answered(ctx, try, useNewPasskey)
	if err != nil {
		return nil, err
	}
	if string(c.Data.UserID) != account.ID || c.Mark != hashOf(account.Password) || c.Session != session {
		return nil, ErrPasskey
	}
	answer, err := protocol.ParseCredentialCreationResponseBytes([]byte(try.Answer))
	if err != nil {
		return nil, s.notTaken(ctx, account.ID, err)
	}
	made, err := s.passkeys.CreateCredential(owner{Account: account}, c.Data, answer)
	if err != nil {
		return nil, s.notTaken(ctx, account.ID, err)
	}
	p := Passkey{
		ID: base64.RawURLEncoding.EncodeToString(made.ID), Account: account.ID, Name: passkeyName(try.Name, try.Agent),
		PublicKey: made.PublicKey, Flags: byte(made.Flags.ProtocolValue()), Count: made.Authenticator.SignCount, Created: s.o.Now(),
	}
	for _, t := range made.Transport[:min(len(made.Transport), 8)] {
		if known := string(t); len(known) <= 20 && !strings.Contains(known, ",") {
			p.Transports = append(p.Transports, known)
		}
	}
	codes, hashes := newRecovery(account.ID)
	first, err := s.factors.AddPasskey(ctx, p, MaxPasskeys, hashes, session, factorPasskey)
	switch {
	case errors.Is(err, state.ErrManyPasskeys):
		return nil, ErrManyPasskeys
	case errors.Is(err, state.ErrTaken): // which the browser was told to refuse
		return nil, ErrPasskey
	case err != nil:
		return nil, err
	}
	s.o.Logger.InfoContext(ctx, "a passkey was added", "account", account.ID, "passkey", p.ID)
	if !first {
		codes = nil
	}
	return codes, nil
}

// passkeyName is what its owner calls a passkey or, without a name, where it was made.
func passkeyName(name, agent string) string {
	name = strings.Join(strings.Fields(strings.ToValidUTF8(name, "")), " ")
	name = strings.ToValidUTF8(name[:min(len(name), maxPasskeyName)], "")
	return cmp.Or(name, browserOf(agent), "passkey")
}

// PasskeysOf are those of who is logged in, the oldest first.
func (s *Sessions) PasskeysOf(ctx context.Context, pr *Principal) ([]Passkey, error) {
	account, err := s.own(ctx, pr)
	if err != nil {
		return nil, err
	}
	return s.factors.Passkeys(ctx, account.ID)
}

// RemovePasskey takes a passkey from who is logged in, who proves themselves by a factor. It
// is as [Sessions.RemoveFactor] otherwise.
func (s *Sessions) RemovePasskey(ctx context.Context, pr *Principal, session, id string, try Attempt) error {
	return s.removeOwn(ctx, pr, session, try, "a passkey was removed by its owner", func(account state.Account, needed bool) error {
		return s.factors.RemovePasskey(ctx, account.ID, id, SessionID(session), needed)
	})
}

// Passkeys are those of the account of email, the oldest first.
func (as *Accounts) Passkeys(ctx context.Context, email string) ([]Passkey, error) {
	a, err := as.find(ctx, email)
	if err != nil {
		return nil, err
	}
	return as.factors.Passkeys(ctx, a.ID)
}

// RemovePasskey takes the passkey that is called so, by its name or its id, from the account
// of email, and ends its sessions.
func (as *Accounts) RemovePasskey(ctx context.Context, email, called string) error {
	a, err := as.find(ctx, email)
	if err != nil {
		return err
	}
	all, err := as.factors.Passkeys(ctx, a.ID)
	if err != nil {
		return err
	}
	var ids []string
	for _, p := range all {
		if p.ID == called || p.Name == called {
			ids = append(ids, p.ID)
		}
	}
	switch len(ids) {
	case 0:
		return fmt.Errorf("%s has no passkey %q; cms user passkeys shows them", email, called)
	case 1:
		return as.factors.RemovePasskey(ctx, a.ID, ids[0], "", false)
	}
	return fmt.Errorf("%s has %d passkeys %q; name one by its id, which cms user passkeys shows", email, len(ids), called)
}
