package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"cms/state"
)

// Resets mail links to those who have forgotten their password. Who asks learns nothing: an
// address is only put into a queue, whether anybody has it or not, and everything else is
// done by Run, which nobody waits for.
type Resets struct {
	accounts state.Accounts
	mail     func(ctx context.Context, to, token string, until time.Time) error
	log      *slog.Logger
	queue    chan asked
	throttle throttle
	now      func() time.Time
}

type asked struct {
	email string
	from  netip.Addr
}

// The paces at which links are asked for: by one client, who is told to wait, and for one
// address, of which nobody is told.
var (
	askPace  = pace{free: 5, longest: 10 * time.Minute}
	mailPace = pace{free: 2, first: 10 * time.Minute, longest: time.Hour}
)

// maxAsked is how many wait to be looked at.
const maxAsked = 200

// ErrBusy refuses one more that would wait.
var ErrBusy = errors.New("too many ask for links now")

// NewResets mails links to the accounts in db.
func NewResets(db *state.DB, log *slog.Logger, mail func(ctx context.Context, to, token string, until time.Time) error) *Resets {
	return &Resets{accounts: db.Accounts(), mail: mail, log: log, queue: make(chan asked, maxAsked), now: time.Now}
}

// Ask has a link mailed to an address, if it is that of an account with a password here. The
// error is a *TooManyError for who asks too often, or ErrBusy; it says nothing of the address.
func (rs *Resets) Ask(email string, from netip.Addr) error {
	if err := rs.throttle.begin("ask "+networkOf(from), askPace, rs.now()); err != nil {
		return err
	}
	select {
	case rs.queue <- asked{email, from}:
		return nil
	default:
		return ErrBusy
	}
}

// Run mails what was asked for, one after the other, until ctx ends.
func (rs *Resets) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-rs.queue:
			rs.answer(ctx, a)
		}
	}
}

// answer mails a link, or tells the log why not.
func (rs *Resets) answer(ctx context.Context, a asked) {
	email, err := emailOf(a.email)
	if err != nil { // which may be a password: it is told nobody
		rs.log.InfoContext(ctx, "no link was mailed", "why", "what was given is no address", "from", a.from.String())
		return
	}
	refuse := func(why string) {
		rs.log.InfoContext(ctx, "no link was mailed", "to", email, "why", why, "from", a.from.String())
	}
	account, err := rs.accounts.ByEmail(ctx, email)
	switch {
	case errors.Is(err, state.ErrUnknown):
		refuse("there is no account of this address with a password here")
		return
	case err != nil:
		rs.log.ErrorContext(ctx, "cannot mail a link", "error", err)
		return
	case account.Disabled:
		refuse("the account is disabled")
		return
	}
	if err := rs.throttle.begin("mail "+account.ID, mailPace, rs.now()); err != nil {
		refuse("it was mailed others just now")
		return
	}
	token, until := rand.Text(), time.Now().Add(ForgotTime)
	if err := rs.accounts.AddAskedLink(ctx, account.ID, hashOf(token), until); err != nil {
		rs.log.ErrorContext(ctx, "cannot mail a link", "error", err)
		return
	}
	if err := rs.mail(ctx, account.Email, token, until); err != nil {
		rs.log.ErrorContext(ctx, "cannot mail a link", "account", account.ID, "error", err)
		return
	}
	rs.log.InfoContext(ctx, "a link to choose a password was mailed", "account", account.ID, "from", a.from.String())
}
