package auth

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"cms/state"
)

// A second factor is what people prove themselves by beside their password: codes of an
// app or a passkey, and codes on paper for who has lost them. An account that has one, or whose role needs
// one, has no session before it is given: a login that waits for it is a sealed text that
// its browser keeps.

// The factors by which sessions begin.
const (
	factorTOTP     = "totp"
	factorRecovery = "recovery"
)

// What is wrong with a factor.
var (
	ErrFactor   = errors.New("the code is wrong, or was used before")
	ErrPending  = errors.New("the login has taken too long, or its account was changed")
	ErrEnrolled = errors.New("the account has a second factor already")
	ErrNeeded   = errors.New("a role of the account needs a second factor")
)

// FactorError is a login whose password is right, and which needs a second factor.
type FactorError struct {
	Pending string // what goes on with the login
	Enrol   bool   // there is none yet: one is to be set up
	Has     Factor // what there is

	Of string // whose it is, by the address, which only the log may say
}

func (e *FactorError) Error() string { return "a second factor is needed" }

// How people have proved themselves who are let in, in the audit log.
const (
	byPassword     = "password"
	byPasskeyAlone = "passkey"
	byProvider     = "provider"
)

// pendingTime is how long a login may wait for its second factor.
const pendingTime = 10 * time.Minute

// codePace is the pace at which codes of one account may fail, wherever they come from: who
// sends them has the password. It is for browsers that are not known.
var codePace = pace{free: 20, longest: time.Minute}

// recoveryCodes is how many there are. Each has 80 random bits.
const (
	recoveryCodes  = 10
	recoveryLength = 16
)

// pending is a login that waits for its second factor, or the setting up of one.
type pending struct {
	Account string `json:"account"`
	Mark    string `json:"mark"`             // of the password that was given, so that another one ends it
	Secret  []byte `json:"secret,omitempty"` // of codes that are being set up
	Until   int64  `json:"until"`            // seconds since 1970
}

// vault encrypts what the database and browsers keep for us, with a key of the database's
// services.
type vault struct {
	db   *state.DB
	mu   sync.Mutex
	aead cipher.AEAD // owned by mu
}

func (v *vault) open(ctx context.Context) (cipher.AEAD, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.aead != nil {
		return v.aead, nil
	}
	key, err := v.db.Secret(ctx, "second factors", freshKey())
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("the key of second factors: %w", err)
	}
	v.aead, err = cipher.NewGCMWithRandomNonce(block)
	return v.aead, err
}

// seal encrypts text, which is for what alone.
func (v *vault) seal(ctx context.Context, text []byte, what string) ([]byte, error) {
	aead, err := v.open(ctx)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, text, []byte(what)), nil //nolint:gosec // which makes a nonce itself
}

// unseal is what seal has encrypted for what; false for anything else.
func (v *vault) unseal(ctx context.Context, text []byte, what string) ([]byte, bool, error) {
	aead, err := v.open(ctx)
	if err != nil {
		return nil, false, err
	}
	plain, err := aead.Open(nil, nil, text, []byte(what))
	return plain, err == nil, nil
}

const pendingUse = "pending"

// wait is a text by which a login of the account goes on.
func (s *Sessions) wait(ctx context.Context, account state.Account, secret []byte) (string, error) {
	text, err := json.Marshal(pending{account.ID, hashOf(account.Password), secret, s.o.Now().Add(pendingTime).Unix()}) //nolint:gosec // is encrypted
	if err != nil {
		return "", err
	}
	sealed, err := s.vault.seal(ctx, text, pendingUse)
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// waited reads what wait has given, and finds the account, or ErrPending.
func (s *Sessions) waited(ctx context.Context, text string) (p pending, account state.Account, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return p, account, ErrPending
	}
	plain, ok, err := s.vault.unseal(ctx, raw, pendingUse)
	if err != nil {
		return p, account, err
	}
	if !ok || json.Unmarshal(plain, &p) != nil || s.o.Now().Unix() >= p.Until {
		return p, account, ErrPending
	}
	account, err = s.accounts.ByID(ctx, p.Account)
	if errors.Is(err, state.ErrUnknown) || err == nil && (account.Disabled || hashOf(account.Password) != p.Mark) {
		err = ErrPending
	}
	return p, account, err
}

// needs says whether a role of an account needs a second factor.
func (s *Sessions) needs(account state.Account) bool {
	return account.Issuer == "" && s.o.NeedFactor != nil && s.o.NeedFactor(account.Roles)
}

// GoOn goes on with a login that waits for a second factor, which is the Code of an attempt,
// or its Answer by a passkey. The error is ErrPending, ErrFactor, ErrPasskey, a *FactorError
// without either, a *TooManyError, or what keeps us from knowing.
func (s *Sessions) GoOn(ctx context.Context, text string, try Attempt) (*Session, error) {
	_, account, err := s.waited(ctx, text)
	if err != nil {
		return nil, err
	}
	t, err := s.turn(ctx, try, account)
	if err != nil {
		return nil, &AttemptError{err, "too many logins have failed", account.Email}
	}
	return s.pass(ctx, account, try, t)
}

// turn lets an attempt at an account through, as one at its password.
func (s *Sessions) turn(ctx context.Context, try Attempt, account state.Account) (t turn, err error) {
	if try.Device != "" {
		if t.known, err = s.accounts.KnowsDevice(ctx, account.ID, hashOf(try.Device), time.Now()); err != nil {
			return t, err
		}
	}
	return s.pace(try, account.Email, t.known)
}

// pass asks for the second factor that an account needs, whose password was right, and
// begins its session.
func (s *Sessions) pass(ctx context.Context, account state.Account, try Attempt, t turn) (*Session, error) {
	has, err := s.factors.Of(ctx, account.ID)
	if err != nil {
		return nil, err
	}
	factor := ""
	if has.Any() || s.needs(account) {
		if try.Code == "" && try.Answer == "" || !has.Any() {
			t.refund() // and no more, or who has the password would guess codes at no pace
			text, err := s.wait(ctx, account, nil)
			if err != nil {
				return nil, err
			}
			return nil, &FactorError{Pending: text, Enrol: !has.Any(), Has: has, Of: account.Email}
		}
		if factor, err = s.prove(ctx, account, try, "", t); err != nil {
			return nil, err
		}
		if factor == factorRecovery {
			s.o.Logger.WarnContext(ctx, "a recovery code was used", "account", account.ID, "left", has.Recovery-1)
		}
	}
	t.forgive()
	return s.enter(ctx, account, try, t.known, factor, byPassword)
}

// enter begins the session of an account that has proved itself, by what is said.
func (s *Sessions) enter(ctx context.Context, account state.Account, try Attempt, known bool, factor, by string) (*Session, error) {
	if factor != "" && by == byPassword {
		by += " and " + factor
	}
	session, err := s.begin(ctx, account, state.Session{Client: clientOf(try.From, try.Agent), Factor: factor}, try.Stay, by)
	if err != nil || known {
		return session, err
	}
	session.Device, session.DeviceUntil = rand.Text(), time.Now().Add(deviceLifetime)
	return session, s.accounts.AddDevice(ctx, account.ID, hashOf(session.Device), session.DeviceUntil)
}

// prove says by which factor an attempt is one of the account, who may be logged in already
// with the session of an id. The error is ErrFactor or ErrPasskey, with why, or a
// *TooManyError.
func (s *Sessions) prove(ctx context.Context, account state.Account, try Attempt, session string, t turn) (string, error) {
	key := "code " + account.ID
	if !t.known {
		if err := s.throttle.begin(key, codePace, s.o.Now()); err != nil {
			t.refund()
			return "", &AttemptError{err, "too many codes were wrong", account.Email}
		}
	}
	factor := factorPasskey
	var err error
	if try.Answer != "" {
		err = s.provePasskey(ctx, account, try, session)
	} else if factor, err = s.factorOf(ctx, account.ID, plainCode(try.Code)); err == nil && factor == "" {
		s.o.Logger.WarnContext(ctx, "login refused, as the code is wrong or was used", "account", account.ID)
		err = ErrFactor
	}
	switch {
	case errors.Is(err, ErrFactor):
		return "", &AttemptError{err, "the code is wrong, or was used before", account.Email}
	case errors.Is(err, ErrPasskey):
		return "", &AttemptError{err, "the passkey was not taken", account.Email}
	case err != nil:
		return "", err
	}
	s.throttle.forgive(key)
	return factor, nil
}

// plainCode is a code as it was typed, without what only helps to read it.
func plainCode(code string) string {
	if len(code) > 100 {
		return ""
	}
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(code))
}

// factorOf is the factor whose code it is, "" for none. The code is used up.
func (s *Sessions) factorOf(ctx context.Context, account, code string) (string, error) {
	if len(code) == recoveryLength {
		used, err := s.factors.UseRecovery(ctx, account, recoveryHash(account, code))
		if err != nil || !used {
			return "", err
		}
		return factorRecovery, nil
	}
	sealed, err := s.factors.TOTP(ctx, account)
	if errors.Is(err, state.ErrUnknown) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	secret, ok, err := s.vault.unseal(ctx, sealed, totpUse(account))
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fmt.Errorf("the secret of the codes of account %s cannot be read with the key of this database; cms user reset-factor removes it", account)
	}
	step, ok := stepOf(secret, code, s.o.Now())
	if !ok {
		return "", nil
	}
	first, err := s.factors.UseStep(ctx, account, step)
	if err != nil || !first {
		return "", err
	}
	return factorTOTP, nil
}

func totpUse(account string) string { return "totp " + account }

func recoveryHash(account, code string) string { return hashOf(account + " " + code) }

// newRecovery makes recovery codes, and what is stored of them.
func newRecovery(account string) (codes, hashes []string) {
	for range recoveryCodes {
		code := rand.Text()[:recoveryLength]
		hashes = append(hashes, recoveryHash(account, code))
		codes = append(codes, strings.Join([]string{code[:4], code[4:8], code[8:12], code[12:]}, "-"))
	}
	return codes, hashes
}

// Enrolment is an app for codes that is being set up.
type Enrolment struct {
	Token  string // what goes on with it
	Secret string // in base32, to be typed
	URI    string // the same, for a picture
}

// Enrol begins to set up an app for codes: of a login that waits, which has none.
func (s *Sessions) Enrol(ctx context.Context, text string) (Enrolment, error) {
	_, account, err := s.waited(ctx, text)
	if err != nil {
		return Enrolment{}, err
	}
	return s.enrolment(ctx, account)
}

// EnrolOwn begins to set up an app for codes of who is logged in.
func (s *Sessions) EnrolOwn(ctx context.Context, pr *Principal) (Enrolment, error) {
	account, err := s.own(ctx, pr)
	if err != nil {
		return Enrolment{}, err
	}
	return s.enrolment(ctx, account)
}

func (s *Sessions) enrolment(ctx context.Context, account state.Account) (Enrolment, error) {
	secret := make([]byte, totpSecret)
	rand.Read(secret) // never fails
	token, err := s.wait(ctx, account, secret)
	if err != nil {
		return Enrolment{}, err
	}
	return Enrolment{Token: token, Secret: base32Text.EncodeToString(secret), URI: totpURI(s.o.Name, account.Email, secret)}, nil
}

// Enrolled ends the setting up of an app that a login has waited for, by a code of it, and
// begins the session. It gives the recovery codes, which are nowhere else. The error is
// also ErrEnrolled.
func (s *Sessions) Enrolled(ctx context.Context, token string, try Attempt) (*Session, []string, error) {
	p, _, err := s.waited(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	account, err := s.bare(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	t, err := s.turn(ctx, try, account)
	if err != nil {
		return nil, nil, err
	}
	codes, err := s.enrolled(ctx, p, account, try.Code, "")
	if err != nil {
		return nil, nil, err
	}
	t.forgive()
	session, err := s.enter(ctx, account, try, t.known, factorTOTP, byPassword)
	return session, codes, err
}

// EnrolledOwn ends the setting up of an app of who is logged in, with the token of a session,
// which goes on while others end. It gives recovery codes with the first factor of an account.
func (s *Sessions) EnrolledOwn(ctx context.Context, pr *Principal, session, token, code string) ([]string, error) {
	own, err := s.own(ctx, pr)
	if err != nil {
		return nil, err
	}
	p, account, err := s.waited(ctx, token)
	if err == nil && account.ID != own.ID {
		err = ErrPending
	}
	if err != nil {
		return nil, err
	}
	return s.enrolled(ctx, p, account, code, SessionID(session))
}

// enrolled stores an app, if a code is one of it.
func (s *Sessions) enrolled(ctx context.Context, p pending, account state.Account, code, session string) ([]string, error) {
	if len(p.Secret) != totpSecret {
		return nil, ErrPending
	}
	step, ok := stepOf(p.Secret, plainCode(code), s.o.Now())
	if !ok {
		return nil, ErrFactor
	}
	sealed, err := s.vault.seal(ctx, p.Secret, totpUse(account.ID))
	if err != nil {
		return nil, err
	}
	codes, hashes := newRecovery(account.ID)
	first, err := s.factors.AddTOTP(ctx, account.ID, sealed, step, hashes, session, factorTOTP)
	if errors.Is(err, state.ErrTaken) {
		return nil, ErrEnrolled
	}
	if err != nil {
		return nil, err
	}
	s.o.Logger.InfoContext(ctx, "a second factor was set up", "account", account.ID)
	if !first {
		codes = nil
	}
	return codes, nil
}

// Factor is what an account has.
type Factor = state.Factor

// FactorOf is what who is logged in has, and whether a role needs it.
func (s *Sessions) FactorOf(ctx context.Context, pr *Principal) (has Factor, needed bool, err error) {
	account, err := s.own(ctx, pr)
	if err != nil {
		return has, false, err
	}
	has, err = s.factors.Of(ctx, account.ID)
	return has, s.needs(account), err
}

// proveOwn asks who is logged in, with the token of a session, for a factor before something
// is done.
func (s *Sessions) proveOwn(ctx context.Context, pr *Principal, session string, try Attempt) (state.Account, error) {
	account, err := s.own(ctx, pr)
	if err != nil {
		return account, err
	}
	t, err := s.turn(ctx, try, account)
	if err != nil {
		return account, err
	}
	if _, err = s.prove(ctx, account, try, SessionID(session), t); err == nil {
		t.forgive()
	}
	return account, err
}

// NewRecovery gives who is logged in other recovery codes, for a factor.
func (s *Sessions) NewRecovery(ctx context.Context, pr *Principal, session string, try Attempt) ([]string, error) {
	account, err := s.proveOwn(ctx, pr, session, try)
	if err != nil {
		return nil, err
	}
	codes, hashes := newRecovery(account.ID)
	return codes, s.factors.SetRecovery(ctx, account.ID, hashes)
}

// RemoveFactor takes the app for codes from who is logged in, for a factor, unless it is the
// last one and a role needs one: ErrNeeded. The session of the token goes on, others end.
func (s *Sessions) RemoveFactor(ctx context.Context, pr *Principal, session string, try Attempt) error {
	return s.removeOwn(ctx, pr, session, try, "a second factor was removed by its owner", func(account state.Account, needed bool) error {
		return s.factors.RemoveTOTP(ctx, account.ID, SessionID(session), needed)
	})
}

func (s *Sessions) removeOwn(ctx context.Context, pr *Principal, session string, try Attempt, said string, remove func(state.Account, bool) error) error {
	has, needed, err := s.FactorOf(ctx, pr)
	if err != nil {
		return err
	}
	if needed && (has.Passkeys == 0 || has.Passkeys == 1 && !has.TOTP) { // before a code is used up
		return ErrNeeded
	}
	account, err := s.proveOwn(ctx, pr, session, try)
	if err != nil {
		return err
	}
	err = remove(account, needed)
	switch {
	case errors.Is(err, state.ErrLast):
		return ErrNeeded
	case errors.Is(err, state.ErrUnknown): // which somebody else removed
		return nil
	case err == nil:
		s.o.Logger.WarnContext(ctx, said, "account", account.ID)
	}
	return err
}

// own is the account of who is logged in by a password.
func (s *Sessions) own(ctx context.Context, pr *Principal) (state.Account, error) {
	if pr.Issuer != AccountIssuer {
		return state.Account{}, ErrNoSession
	}
	return s.accountOf(ctx, pr)
}

// ResetFactor takes the second factor from the account of email, and ends its sessions.
func (as *Accounts) ResetFactor(ctx context.Context, email string) error {
	a, err := as.find(ctx, email)
	if err != nil {
		return err
	}
	return as.factors.Remove(ctx, a.ID, "")
}
