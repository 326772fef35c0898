package auth

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"cms/state"
)

// Active is a session that has not ended, as its owner and operators are told of it. Nobody
// comes in by its id.
type Active = state.Active

// Of are the sessions of who pr is, the last used first.
func (s *Sessions) Of(ctx context.Context, pr *Principal) ([]Active, error) {
	account, err := s.accountOf(ctx, pr)
	if err != nil {
		return nil, err
	}
	return s.store.Of(ctx, account.ID, time.Now())
}

// End ends a session of who pr is, if there is one with that id.
func (s *Sessions) End(ctx context.Context, pr *Principal, id string) error {
	account, err := s.accountOf(ctx, pr)
	if err != nil {
		return err
	}
	ended, err := s.store.EndOf(ctx, account.ID, id)
	if ended {
		s.o.Logger.InfoContext(ctx, "a session was ended by its owner", "account", account.ID, "session", id)
	}
	return err
}

// EndOthers ends all sessions of who pr is but that of a token.
func (s *Sessions) EndOthers(ctx context.Context, pr *Principal, token string) error {
	account, err := s.accountOf(ctx, pr)
	if err != nil {
		return err
	}
	ended, err := s.store.EndAllOf(ctx, account.ID, SessionID(token))
	if ended > 0 {
		s.o.Logger.InfoContext(ctx, "sessions were ended by their owner", "account", account.ID, "sessions", ended)
	}
	return err
}

// SessionID is the id of the session that a token is of.
func SessionID(token string) string {
	id, _, _ := strings.Cut(token, ".")
	return id
}

// accountOf is the account of who has a session.
func (s *Sessions) accountOf(ctx context.Context, pr *Principal) (state.Account, error) {
	account, err := accountOf(ctx, s.accounts, pr)
	if errors.Is(err, state.ErrUnknown) {
		err = ErrNoSession
	}
	return account, err
}

// Sessions are those of the account of email, the last used first.
func (as *Accounts) Sessions(ctx context.Context, email string) ([]Active, error) {
	a, err := as.find(ctx, email)
	if err != nil {
		return nil, err
	}
	return as.sessions.Of(ctx, a.ID, time.Now())
}

// EndSessions ends the sessions of the account of email, and says how many there were.
func (as *Accounts) EndSessions(ctx context.Context, email string) (int64, error) {
	a, err := as.find(ctx, email)
	if err != nil {
		return 0, err
	}
	return as.sessions.EndAllOf(ctx, a.ID, "")
}

// clientOf is what is kept of where a session begins.
func clientOf(from netip.Addr, agent string) state.Client {
	c := state.Client{Browser: browserOf(agent)}
	if from.IsValid() {
		c.Address = from.Unmap().String()
	}
	return c
}

// Browsers and systems by what their header User-Agent has, those first that also have
// what others have.
var (
	browsers = [][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"}}
	systems  = [][2]string{{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}
)

// maxProgram is how much is kept of the name of another program.
const maxProgram = 60

// browserOf is what people call a browser, with its system, or the name of another program.
func browserOf(agent string) string {
	find := func(names [][2]string) string {
		for _, name := range names {
			if strings.Contains(agent, name[0]) {
				return name[1]
			}
		}
		return ""
	}
	switch browser, system := find(browsers), find(systems); {
	case browser != "" && system != "":
		return browser + ", " + system
	case browser != "":
		return browser
	}
	name := identity(agent)
	return strings.ToValidUTF8(name[:min(len(name), maxProgram)], "")
}
