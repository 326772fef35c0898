package auth

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cms/content"
	"cms/say"
	"cms/state"
)

// PersonalPrefix begins every personal token, so that whoever looks for secrets in files
// finds them.
const PersonalPrefix = "cms_pat_"

// DefaultTokenLifetime is how long a personal token lasts at most where no other bound is
// configured.
const DefaultTokenLifetime = 365 * 24 * time.Hour

// Bounds of personal tokens.
const (
	MaxTokens    = 100 // of an account
	MaxTokenName = 100 // characters
)

// Reasons why a personal token is not made.
var (
	ErrTokenName  = fmt.Errorf("a token has a name of at most %d characters, on one line", MaxTokenName)
	ErrTokenEnd   = errors.New("a token ends at a time to come, and within the time that tokens last at most")
	ErrTokenCount = fmt.Errorf("an account has at most %d tokens: end one that is not used", MaxTokens)
	ErrNoAccount  = errors.New("there is no such account, or it is disabled")
)

// usedEvery is how exactly the last use of a token is known: not each use is written down.
const usedEvery = time.Minute

// PersonalOptions is what PersonalTokens need. State is required.
type PersonalOptions struct {
	State    *state.DB
	Lifetime time.Duration // of a token, at most; DefaultTokenLifetime when 0
	Logger   *slog.Logger  // hears of tokens that are made and ended; may be nil

	Vouches func(issuer string) bool // as in [SessionOptions]
}

// PersonalTokens are tokens that people make for programs of theirs, such as Git. One lets
// its bearer do what its account may do at that moment, or less. It is random and says
// nothing, is stored as a hash and looked up each time: it ends with its account, its
// password, its time, or when its owner says so.
type PersonalTokens struct {
	store    state.PersonalTokens
	accounts state.Accounts
	o        PersonalOptions
}

// NewPersonalTokens makes PersonalTokens on o.State.
func NewPersonalTokens(o PersonalOptions) *PersonalTokens {
	if o.Lifetime == 0 {
		o.Lifetime = DefaultTokenLifetime
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &PersonalTokens{store: o.State.PersonalTokens(), accounts: o.State.Accounts(), o: o}
}

// Lifetime is how long a token lasts at most.
func (ts *PersonalTokens) Lifetime() time.Duration { return ts.o.Lifetime }

// PersonalToken is what is known of one. The token itself is told once, when it is made.
type PersonalToken struct {
	ID     string
	Name   string
	Limits Limits // what it may at most; nil for all that its account may
	Made   time.Time
	Ends   time.Time
	Used   time.Time // about; zero for never
	Ended  bool
}

// Make makes a token of the account that pr is of. The error is one of those above, or what
// keeps us from making it.
func (ts *PersonalTokens) Make(ctx context.Context, pr *Principal, name string, limits Limits, ends time.Time) (token string, err error) {
	a, err := ts.accountOf(ctx, pr)
	if err != nil {
		return "", err
	}
	now := time.Now()
	name = strings.TrimSpace(name)
	switch {
	case name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > MaxTokenName || identity(name) == "" || strings.ContainsFunc(name, unicode.IsControl):
		return "", ErrTokenName
	case !ends.After(now) || ends.After(now.Add(ts.o.Lifetime)):
		return "", ErrTokenEnd
	}
	stored := ""
	if limits != nil {
		b, err := json.Marshal(limits)
		if err != nil {
			return "", fmt.Errorf("make a token: %w", err)
		}
		stored = string(b)
	}
	token = PersonalPrefix + rand.Text() + rand.Text()
	t := state.PersonalToken{ID: rand.Text(), Account: a.ID, Hash: hashOf(token), Name: name, Limits: stored, CreatedAt: now, EndsAt: ends}
	switch err := ts.store.Add(ctx, t, MaxTokens, now); {
	case errors.Is(err, state.ErrTokens):
		return "", ErrTokenCount
	case errors.Is(err, state.ErrUnknown):
		return "", ErrNoAccount
	case err != nil:
		return "", err
	}
	ts.o.Logger.InfoContext(ctx, "a personal token was made", "account", a.ID, "token", t.ID, "ends", ends.UTC())
	return token, nil
}

// Of are the tokens of the account that pr is of, the newest first.
func (ts *PersonalTokens) Of(ctx context.Context, pr *Principal) ([]PersonalToken, error) {
	a, err := ts.accountOf(ctx, pr)
	if err != nil {
		return nil, err
	}
	stored, err := ts.store.Of(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	all := make([]PersonalToken, len(stored))
	for i, t := range stored {
		limits, err := storedLimits(t)
		if err != nil {
			return nil, err
		}
		all[i] = PersonalToken{ID: t.ID, Name: t.Name, Limits: limits, Made: t.CreatedAt, Ends: t.EndsAt, Used: t.UsedAt, Ended: !time.Now().Before(t.EndsAt)}
	}
	return all, nil
}

// End ends a token of the account that pr is of. One that there is not is no error.
func (ts *PersonalTokens) End(ctx context.Context, pr *Principal, id string) error {
	a, err := ts.accountOf(ctx, pr)
	if err != nil {
		return err
	}
	err = ts.store.End(ctx, a.ID, id)
	if errors.Is(err, state.ErrUnknown) {
		return nil
	}
	if err == nil {
		ts.o.Logger.InfoContext(ctx, "a personal token was ended", "account", a.ID, "token", id)
	}
	return err
}

// Principal is who a personal token speaks for: its account as it is now, within the limits
// of both. The error is a *TokenError when the token is to blame.
func (ts *PersonalTokens) Principal(ctx context.Context, token string) (*Principal, error) {
	if len(token) != len(PersonalPrefix)+2*len(rand.Text()) {
		return nil, refuse(say.New("the token is not one that was made here"))
	}
	t, a, err := ts.store.Find(ctx, hashOf(token))
	switch now := time.Now(); {
	case errors.Is(err, state.ErrUnknown), err == nil && a.Issuer != "" && ts.o.Vouches != nil && !ts.o.Vouches(a.Issuer):
		return nil, refuse(say.New("the token has been ended, with its account or by its owner, or was not made here"))
	case err != nil:
		return nil, err
	case !now.Before(t.EndsAt):
		return nil, refuse(say.New("the token has expired"))
	case now.Sub(t.UsedAt) >= usedEvery:
		if err := ts.store.Used(ctx, t.ID, now.Add(-usedEvery), now); err != nil { // which is no reason to refuse it
			ts.o.Logger.WarnContext(ctx, "the use of a personal token is not noted", "token", t.ID, "error", err)
		}
	}
	pr, err := principalOf(a)
	if err != nil {
		return nil, err
	}
	limits, err := storedLimits(t)
	if err != nil {
		return nil, err
	}
	pr.Limits, pr.Expires = pr.Limits.and(limits), t.EndsAt
	return pr, nil
}

// accountOf is the account of who is logged in.
func (ts *PersonalTokens) accountOf(ctx context.Context, pr *Principal) (state.Account, error) {
	a, err := accountOf(ctx, ts.accounts, pr)
	if errors.Is(err, state.ErrUnknown) {
		return a, ErrNoAccount
	}
	return a, err
}

func storedLimits(t state.PersonalToken) (Limits, error) {
	if t.Limits == "" {
		return nil, nil
	}
	v, err := content.ParseJSON([]byte(t.Limits))
	limits, ok := readLimits(v)
	if err != nil || !ok {
		return nil, fmt.Errorf("the limits of the personal token %s cannot be read", t.ID)
	}
	return limits, nil
}

// and is what is within both limits.
func (l Limits) and(other Limits) Limits {
	switch {
	case l == nil:
		return other
	case other == nil:
		return l
	}
	both := Limits{}
	for _, limits := range []Limits{l, other} {
		for target := range limits {
			both[target] = slices.DeleteFunc(Actions(), func(a Action) bool { return !l.Allow(a, target) || !other.Allow(a, target) })
		}
	}
	return both
}
