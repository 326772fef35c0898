package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alexedwards/argon2id"

	"cms/content"
	"cms/state"
)

// AccountIssuer is the issuer of principals that have an account with a password
// here. No issuer of tokens may have this name.
const AccountIssuer = "account"

// Accounts are the people who log in with a password, as an operator sees them.
type Accounts struct {
	store    state.Accounts
	sessions state.Sessions
	factors  state.Factors
	roles    []string // those of the policy; an account can have no others
	params   *argon2id.Params
}

// NewAccounts are the accounts in db. Roles are those that an account may have.
func NewAccounts(db *state.DB, roles []string) *Accounts {
	return &Accounts{store: db.Accounts(), sessions: db.Sessions(), factors: db.Factors(), roles: roles, params: argon2Params}
}

// Account is a person who may log in.
type Account struct {
	Email    string
	Name     string
	Roles    []string
	Claims   *content.Object // for the conditions of roles; nil for none
	Issuer   string          // who vouches for the person; "" for an account with a password
	Subject  string          // at the issuer, or else the account's id
	Disabled bool
	Invited  bool      // and has not chosen a password yet
	Login    time.Time // the last one; zero for none
	Factor   Factor    // what it proves itself by beside its password, without recovery codes
}

// Add makes an account.
func (as *Accounts) Add(ctx context.Context, a Account, password string) error {
	email, err := emailOf(a.Email)
	if err != nil {
		return err
	}
	if err := errors.Join(as.checkRoles(a.Roles), CheckPassword(password)); err != nil {
		return err
	}
	hash, err := newHashers(1, as.params).hash(ctx, password)
	if err != nil {
		return fmt.Errorf("add an account: %w", err)
	}
	claims, err := claimsText(a.Claims)
	if err != nil {
		return fmt.Errorf("add an account: %w", err)
	}
	id := rand.Text()
	err = as.store.Add(ctx, state.Account{
		ID: id, Subject: id, Email: email, Name: a.Name, Roles: a.Roles, Claims: claims, Password: hash, CreatedAt: time.Now(),
	})
	if errors.Is(err, state.ErrTaken) {
		return fmt.Errorf("there is already an account of %s", email)
	}
	return err
}

// SetPassword gives the account of email another password, and ends its
// sessions.
func (as *Accounts) SetPassword(ctx context.Context, email, password string) error {
	if err := CheckPassword(password); err != nil {
		return err
	}
	a, err := as.find(ctx, email)
	if err != nil {
		return err
	}
	if a.Issuer != "" {
		return fmt.Errorf("the password of %s is kept by %s", email, a.Issuer)
	}
	hash, err := newHashers(1, as.params).hash(ctx, password)
	if err != nil {
		return fmt.Errorf("set a password: %w", err)
	}
	return as.store.SetPassword(ctx, a.ID, hash)
}

// SetRoles gives the account of email these roles and claims, in running
// sessions too. Those of people whom an issuer vouches for come from it.
func (as *Accounts) SetRoles(ctx context.Context, email string, roles []string, claims *content.Object) error {
	if err := as.checkRoles(roles); err != nil {
		return err
	}
	a, err := as.find(ctx, email)
	if err != nil {
		return err
	}
	if a.Issuer != "" {
		return fmt.Errorf("the roles of %s come from %s, at each login", email, a.Issuer)
	}
	text, err := claimsText(claims)
	if err != nil {
		return fmt.Errorf("change an account: %w", err)
	}
	return as.store.SetRoles(ctx, a.ID, roles, text)
}

// SetDisabled shuts the account of email, or opens it again. Its sessions end.
func (as *Accounts) SetDisabled(ctx context.Context, email string, disabled bool) error {
	a, err := as.find(ctx, email)
	if err != nil {
		return err
	}
	return as.store.SetDisabled(ctx, a.ID, disabled)
}

// Delete removes the account of email, with its sessions. Who logs in at an issuer has a
// new one at the next login there.
func (as *Accounts) Delete(ctx context.Context, email string) error {
	a, err := as.find(ctx, email)
	if err != nil {
		return err
	}
	return as.store.Delete(ctx, a.ID)
}

// List are all accounts, ordered by address.
func (as *Accounts) List(ctx context.Context) ([]Account, error) {
	stored, err := as.store.List(ctx)
	if err != nil {
		return nil, err
	}
	logins, err := as.store.Logins(ctx)
	if err != nil {
		return nil, err
	}
	factors, err := as.factors.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Account, len(stored))
	for i, a := range stored {
		pr, err := principalOf(a)
		if err != nil {
			return nil, err
		}
		all[i] = Account{Claims: pr.Claims, Email: a.Email, Name: a.Name, Roles: a.Roles, Issuer: a.Issuer, Subject: a.Subject, Disabled: a.Disabled, Login: logins[a.ID], Factor: factors[a.ID],
			Invited: a.Issuer == "" && a.Password == ""}
	}
	return all, nil
}

// Anyone says whether somebody can log in with a password.
func (as *Accounts) Anyone(ctx context.Context) (bool, error) {
	all, err := as.store.List(ctx)
	return slices.ContainsFunc(all, func(a state.Account) bool { return a.Issuer == "" && !a.Disabled && a.Password != "" }), err
}

// Principal is whom the one account speaks for that who means: by its address or, where
// several have the address or none, by its subject.
func (as *Accounts) Principal(ctx context.Context, who string) (*Principal, error) {
	a, err := as.find(ctx, who)
	if err != nil {
		return nil, err
	}
	return principalOf(a)
}

// find is the one account that who means: by its address or, where several
// have the address or none, by its subject.
func (as *Accounts) find(ctx context.Context, who string) (state.Account, error) {
	all, err := as.store.List(ctx)
	if err != nil {
		return state.Account{}, err
	}
	email, _ := emailOf(who)
	found := slices.DeleteFunc(all, func(a state.Account) bool {
		return a.Subject != who && (email == "" || !strings.EqualFold(a.Email, email))
	})
	switch len(found) {
	case 0:
		return state.Account{}, fmt.Errorf("there is no account of %s; cms user list shows them all", who)
	case 1:
		return found[0], nil
	}
	return state.Account{}, fmt.Errorf("there are %d accounts of %s; name one by its subject, which cms user list shows", len(found), who)
}

func (as *Accounts) checkRoles(roles []string) error {
	if len(roles) == 0 {
		return errors.New("an account needs a role")
	}
	for _, role := range roles {
		if !slices.Contains(as.roles, role) {
			return fmt.Errorf("there is no role %q in the configuration", role)
		}
	}
	return nil
}

// emailOf is an address as accounts are found by it: letters are the same,
// whether large or small.
func emailOf(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if !address(s) {
		return "", fmt.Errorf("%q is not an e-mail address", s)
	}
	return s, nil
}

// principalOf is who the sessions of an account speak for.
func principalOf(a state.Account) (*Principal, error) {
	pr := &Principal{Issuer: cmp.Or(a.Issuer, AccountIssuer), Subject: a.Subject, Name: a.Name, Email: a.Email, Roles: a.Roles}
	claims, err := content.ParseJSON([]byte(a.Claims))
	if err != nil {
		return nil, fmt.Errorf("read the claims of account %s: %w", a.ID, err)
	}
	pr.Claims, _ = claims.(*content.Object)
	var ok bool
	if pr.Limits, ok = limitsOf(pr.Claims); !ok {
		return nil, fmt.Errorf("read the limits of account %s: they are not lists of actions by collection", a.ID)
	}
	return pr, nil
}

// accountOf is the account that pr, the principal of one, speaks for, or [state.ErrUnknown].
func accountOf(ctx context.Context, accounts state.Accounts, pr *Principal) (state.Account, error) {
	issuer := pr.Issuer
	if issuer == AccountIssuer {
		issuer = ""
	}
	return accounts.BySubject(ctx, issuer, pr.Subject)
}

func claimsText(claims *content.Object) (string, error) {
	if claims == nil {
		claims = &content.Object{}
	}
	b, err := claims.MarshalJSON()
	return string(b), err
}
