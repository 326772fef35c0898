package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/go-webauthn/webauthn/webauthn"

	"cms/state"
)

// ErrCredentials refuses a login. It does not say whether there is such an
// account, whether it is disabled, or what its password is not.
var ErrCredentials = errors.New("the address or the password is wrong")

// ErrNoSession refuses a token of a session that has ended or never was, and
// one that has expired.
var ErrNoSession = errors.New("there is no such session, or it has ended")

// The paces at which logins may fail. From a browser where the account was
// logged in to before, only what failed in that browser counts; from elsewhere,
// what failed for the account from the same network, and for any account from
// there. So nobody can keep people out of an account who use it in their own
// browser, or from another network.
var (
	accountPace = pace{free: 5, longest: 15 * time.Minute}
	networkPace = pace{free: 50, longest: 10 * time.Second}
)

// deviceLifetime is how long a browser is remembered.
const deviceLifetime = 365 * 24 * time.Hour

// SessionOptions is what Sessions need. State is required.
type SessionOptions struct {
	State    *state.DB
	Access   time.Duration // how long an access token is good for; 10 min when 0
	Idle     time.Duration // how long a session lasts without being refreshed; 24 h when 0
	Lifetime time.Duration // how long it lasts at most; 7 days when 0
	Logger   *slog.Logger  // hears of logins; may be nil

	Now func() time.Time // by which guesses are slowed down and codes count; [time.Now] if nil

	// Hash is what the hash of a password costs: nil, as OWASP advises, but in tests of what
	// else a login does.
	Hash *argon2id.Params

	Name       string                    // of the service, in apps for codes
	PublicURL  string                    // its address, for which passkeys are; "" has none
	NeedFactor func(roles []string) bool // says whose accounts need a second factor; nil for nobody's

	// Vouches says whether the word of an issuer on people counts. Sessions that began by
	// the word of another one do not. Nil is any issuer's.
	Vouches func(issuer string) bool
}

// Sessions let people in and remember them. It is safe for concurrent use.
//
// A session has two tokens, which are random and say nothing: a short-lived one
// for access, and one that is exchanged for the next two. A refresh token is
// good once. Whoever comes with one that was used has stolen it, or was robbed
// of it; there is no telling who, so the session ends for both. Tokens are stored
// as hashes, and looked up each time: a logout, another role, a disabled account
// count at once.
type Sessions struct {
	accounts state.Accounts
	store    state.Sessions
	factors  state.Factors
	vault    vault
	hashers  hashers
	throttle throttle
	o        SessionOptions

	passkeys   *webauthn.WebAuthn // nil where there are none
	noPasskeys error              // why
}

// NewSessions makes Sessions on o.State.
func NewSessions(o SessionOptions) (*Sessions, error) {
	if o.State == nil {
		return nil, errors.New("sessions need a database")
	}
	if o.Access == 0 {
		o.Access = 10 * time.Minute
	}
	if o.Idle == 0 {
		o.Idle = 24 * time.Hour
	}
	if o.Lifetime == 0 {
		o.Lifetime = 7 * 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	passkeys, none := passkeysAt(o.PublicURL, o.Name)
	s := &Sessions{
		passkeys: passkeys, noPasskeys: none,
		accounts: o.State.Accounts(), store: o.State.Sessions(), factors: o.State.Factors(), vault: vault{db: o.State}, o: o,
		hashers: newHashers(max(1, runtime.GOMAXPROCS(0)/2), argon2Params),
	}
	if o.Hash != nil {
		s.hashers.params = o.Hash
	}
	return s, nil
}

// Session is what a browser is given. Its tokens are nowhere else.
type Session struct {
	Principal *Principal

	Access       string
	AccessUntil  time.Time
	Refresh      string
	RefreshUntil time.Time
	How          string // its owner has proved themselves, in the audit log; "" for one that goes on
	Device       string // what the browser is known by from now on; "" when it was known
	DeviceUntil  time.Time
}

// Attempt is a login with a password or a passkey.
type Attempt struct {
	Email, Password string
	Code            string     // of the second factor, "" for none
	Challenge       string     // the token of a [Challenge]
	Answer          string     // of a passkey to it, in JSON; "" for none
	Name            string     // of a passkey that is added
	From            netip.Addr // of the client
	Agent           string     // what the client says it is: its header User-Agent
	Device          string     // what Session.Device was in this browser, "" for none
	Stay            bool       // ask for a session as [Sessions.Stay] prolongs it
}

// Login begins a new session. The error is ErrCredentials, a *FactorError where it needs a
// second factor, ErrFactor, a *TooManyError, or what keeps us from knowing.
func (s *Sessions) Login(ctx context.Context, try Attempt) (*Session, error) {
	email, err := emailOf(try.Email)
	if err != nil { // which may be a password: it is told nobody
		return nil, &AttemptError{ErrCredentials, "what was given is no address", ""}
	}
	if len(try.Password) > MaxPassword {
		return nil, &AttemptError{ErrCredentials, "the password is longer than any", email}
	}
	account, err := s.accounts.ByEmail(ctx, email)
	if err != nil && !errors.Is(err, state.ErrUnknown) {
		return nil, err
	}
	account.Email = email
	t, err := s.turn(ctx, try, account)
	if err != nil {
		return nil, &AttemptError{err, "too many logins have failed", email}
	}
	right, outdated, err := s.hashers.check(ctx, try.Password, account.Password)
	if err != nil {
		return nil, fmt.Errorf("check a password: %w", err)
	}
	if !right || account.Disabled {
		why := "the password is wrong"
		switch {
		case account.ID == "":
			why = "there is no account of this address"
		case right:
			why = "the account is disabled"
		}
		s.o.Logger.WarnContext(ctx, "login refused", "account", account.ID, "of", email, "why", why, "from", try.From.String())
		return nil, &AttemptError{ErrCredentials, why, email}
	}
	if outdated {
		if account.Password, err = s.rehash(ctx, account, try.Password); err != nil {
			return nil, err
		}
	}
	return s.pass(ctx, account, try, t)
}

// turn is an attempt that is looked at. It counts as failed until it is forgiven, with
// those before it, or refunded alone.
type turn struct {
	known           bool // the browser was logged in from before
	forgive, refund func()
}

// pace lets an attempt through, or refuses it with a *TooManyError.
func (s *Sessions) pace(try Attempt, email string, known bool) (turn, error) {
	now := s.o.Now()
	if known {
		key := "device " + hashOf(try.Device)
		return turn{true, func() { s.throttle.forgive(key) }, func() { s.throttle.refund(key) }}, s.throttle.begin(key, accountPace, now)
	}
	network := "network " + networkOf(try.From)
	account := network + " " + email
	if err := s.throttle.begin(network, networkPace, now); err != nil {
		return turn{}, err
	}
	if err := s.throttle.begin(account, accountPace, now); err != nil {
		s.throttle.refund(network)
		return turn{}, err
	}
	return turn{
		forgive: func() {
			s.throttle.forgive(account)
			s.throttle.refund(network)
		},
		refund: func() {
			s.throttle.refund(account)
			s.throttle.refund(network)
		},
	}, nil
}

// networkOf is what one client has of addresses: an IPv4 address, or the 64 bits
// of an IPv6 network.
func networkOf(from netip.Addr) string {
	from = from.Unmap()
	if from.Is6() {
		if p, err := from.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return from.String()
}

// rehash stores the hash that today's parameters make, and gives it.
func (s *Sessions) rehash(ctx context.Context, a state.Account, password string) (string, error) {
	hash, err := s.hashers.hash(ctx, password)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, s.accounts.Rehash(ctx, a.ID, a.Password, hash)
}

// Meet begins a session of someone for whom an issuer vouches, such as a
// [Provider], which gives a voucher. The account is made when there is none, and takes
// over what pr says. The error is ErrCredentials when it is disabled. It comes from an
// address, by what says it is agent.
func (s *Sessions) Meet(ctx context.Context, pr *Principal, by Voucher, from netip.Addr, agent string) (*Session, error) {
	claims, err := claimsText(pr.Claims)
	if err != nil {
		return nil, fmt.Errorf("store an account: %w", err)
	}
	account, err := s.accounts.Meet(ctx, state.Account{
		ID: rand.Text(), Issuer: pr.Issuer, Subject: pr.Subject, Email: pr.Email, Name: pr.Name, Roles: pr.Roles, Claims: claims, CreatedAt: time.Now(),
	})
	if err != nil {
		return nil, err
	}
	if account.Disabled {
		s.o.Logger.WarnContext(ctx, "login refused", "account", account.ID, "issuer", pr.Issuer)
		return nil, &AttemptError{ErrCredentials, "the account is disabled", pr.Issuer + " " + pr.Subject}
	}
	return s.begin(ctx, account, state.Session{Voucher: by, Client: clientOf(from, agent)}, false, byProvider)
}

// begin starts a session with tokens that nobody has seen before, and what else is to be
// stored; how says how its owner has proved themselves. The error is ErrCredentials where
// the account is not any more as it was found.
func (s *Sessions) begin(ctx context.Context, account state.Account, stored state.Session, stay bool, how string) (*Session, error) {
	now := time.Now()
	stored.ID, stored.Account, stored.EndsAt = rand.Text(), account.ID, now.Add(s.o.Lifetime)
	issue := s.issue
	if stay {
		issue = s.issueStaying
	}
	session, err := issue(&stored, account, now)
	if err != nil {
		return nil, err
	}
	err = s.store.Begin(ctx, stored, account.Password, now)
	if errors.Is(err, state.ErrUnknown) {
		s.o.Logger.WarnContext(ctx, "login refused, as the account was changed meanwhile", "account", account.ID)
		return nil, &AttemptError{ErrCredentials, "the account was changed meanwhile", account.Email}
	}
	if err != nil {
		return nil, err
	}
	session.How = how
	s.o.Logger.InfoContext(ctx, "logged in", "account", account.ID, "session", stored.ID, "by", how)
	return session, nil
}

// issue makes the next tokens of a session, and puts their hashes into stored.
func (s *Sessions) issue(stored *state.Session, account state.Account, now time.Time) (*Session, error) {
	pr, err := principalOf(account)
	if err != nil {
		return nil, err
	}
	access, refresh := rand.Text(), rand.Text()
	stored.AccessHash, stored.RefreshHash = hashOf(access), hashOf(refresh)
	stored.AccessUntil = earlier(now.Add(s.o.Access), stored.EndsAt)
	stored.RefreshUntil = earlier(now.Add(s.o.Idle), stored.EndsAt)
	pr.Expires = stored.AccessUntil
	return &Session{
		Principal: pr,
		Access:    stored.ID + "." + access, AccessUntil: stored.AccessUntil,
		Refresh: stored.ID + "." + refresh, RefreshUntil: stored.RefreshUntil,
	}, nil
}

// find gives a session that counts, and its account, or state.ErrUnknown.
func (s *Sessions) find(ctx context.Context, id string) (state.Session, state.Account, error) {
	stored, account, err := s.store.Find(ctx, id)
	if err == nil && account.Issuer != "" && s.o.Vouches != nil && !s.o.Vouches(account.Issuer) {
		err = state.ErrUnknown
	}
	if err == nil && stored.Factor == "" && s.needs(account) { // began before that was asked
		err = state.ErrUnknown
	}
	return stored, account, err
}

// open gives the session of an access token that is good at a time, and its account, or
// ErrNoSession. The session is one that stays, or one that does not, as is asked.
func (s *Sessions) open(ctx context.Context, access string, staying bool, now time.Time) (state.Session, state.Account, error) {
	id, secret, _ := strings.Cut(access, ".")
	stored, account, err := s.find(ctx, id)
	if errors.Is(err, state.ErrUnknown) ||
		err == nil && (stays(&stored) != staying || !hashes(secret, stored.AccessHash) || !now.Before(stored.AccessUntil)) {
		err = ErrNoSession
	}
	return stored, account, err
}

// Principal is who an access token speaks for, or ErrNoSession.
func (s *Sessions) Principal(ctx context.Context, access string) (*Principal, error) {
	stored, account, err := s.open(ctx, access, false, time.Now())
	if err != nil {
		return nil, err
	}
	return speaker(&stored, account)
}

// speaker is who a session speaks for, until its access ends.
func speaker(stored *state.Session, account state.Account) (*Principal, error) {
	pr, err := principalOf(account)
	if err != nil {
		return nil, err
	}
	pr.Expires = stored.AccessUntil
	return pr, nil
}

// Refresh exchanges a refresh token for the next tokens, or returns
// ErrNoSession. A token that was used before ends the session.
func (s *Sessions) Refresh(ctx context.Context, refresh string) (*Session, error) {
	id, secret, _ := strings.Cut(refresh, ".")
	stored, account, err := s.find(ctx, id)
	if errors.Is(err, state.ErrUnknown) {
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, err
	}
	if stays(&stored) {
		return nil, ErrNoSession
	}
	now := time.Now()
	if !now.Before(stored.RefreshUntil) {
		_, err := s.store.End(ctx, id)
		return nil, errors.Join(ErrNoSession, err)
	}
	next := stored
	session, err := s.issue(&next, account, now)
	if err != nil {
		return nil, err
	}
	if hashes(secret, stored.RefreshHash) {
		first, err := s.store.Rotate(ctx, stored.RefreshHash, next)
		if err != nil {
			return nil, err
		}
		if first {
			return session, nil
		}
	}
	s.o.Logger.WarnContext(ctx, "a refresh token was used twice; its session has ended", "account", account.ID, "session", id)
	if _, err := s.store.End(ctx, id); err != nil {
		return nil, err
	}
	return nil, ErrNoSession
}

// Logout ends the session of a token, access or refresh, and gives what it was begun
// with at a provider. One that is of no session does nothing.
func (s *Sessions) Logout(ctx context.Context, token string) (Voucher, error) {
	id, secret, _ := strings.Cut(token, ".")
	stored, _, err := s.store.Find(ctx, id)
	if errors.Is(err, state.ErrUnknown) {
		return Voucher{}, nil
	}
	if err != nil {
		return Voucher{}, err
	}
	if !hashes(secret, stored.AccessHash) && !hashes(secret, stored.RefreshHash) {
		return Voucher{}, nil
	}
	return s.store.End(ctx, id)
}

// hashOf is how a token is stored. A token has 128 random bits and more, so
// that a fast hash does.
func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func hashes(token, hash string) bool {
	return subtle.ConstantTimeCompare([]byte(hashOf(token)), []byte(hash)) == 1
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
