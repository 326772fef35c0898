package editor

import (
	"errors"
	"net/http"

	"cms/auth"
	"cms/web"
)

// accountView is the page about oneself.
type accountView struct {
	Theme    string
	Password bool // can be changed here
	Tokens   bool // can be made here
	Fault    string
	Sessions []auth.Active
	Current  string // the id of the one that looks
	Factor   auth.Factor
	Needed   bool // a role needs a second factor
	Passkeys []auth.Passkey
	Off      string      // the address of the service, at which there are no passkeys; "" where there are
	Proof    passkeyView // of who is logged in, by a passkey
}

func (e *Editor) account(v *visit) error {
	return e.showAccount(v, http.StatusOK, "")
}

func (e *Editor) showAccount(v *visit, status int, fault string) error {
	return e.showAccountNoting(v, status, nil, fault)
}

func (e *Editor) showAccountNoting(v *visit, status int, told *notice, fault string) error {
	view := accountView{
		Theme: e.shade(v.r), Password: e.o.Accounts != nil && v.caller.Issuer == auth.AccountIssuer, Tokens: e.o.Tokens != nil, Fault: fault,
		Current: auth.SessionID(e.web.Cookies().PageToken(v.r)),
	}
	var err error
	if view.Password {
		if view.Factor, view.Needed, err = e.web.Sessions().FactorOf(v.r.Context(), v.caller); err != nil {
			return err
		}
		if err := e.ownPasskeys(v, &view); err != nil {
			return err
		}
	}
	if view.Sessions, err = e.web.Sessions().Of(v.r.Context(), v.caller); err != nil {
		return err
	}
	return e.showNoting(v, status, "account", v.T("account.title"), "account", told, view)
}

// endSessions ends one session of the caller, or all but the one that asks.
func (e *Editor) endSessions(v *visit) error {
	form, err := e.form(v)
	if err != nil {
		return err
	}
	ctx, token := v.r.Context(), e.web.Cookies().PageToken(v.r)
	if id := form.Get("session"); id != "" {
		err = e.web.Sessions().End(ctx, v.caller, id)
	} else {
		err = e.web.Sessions().EndOthers(ctx, v.caller, token)
	}
	if err != nil {
		return err
	}
	return v.leadTo(Prefix + "account")
}

// changePassword gives the account of the caller another password, which ends all of its
// sessions: so its owner logs in again.
func (e *Editor) changePassword(v *visit) error {
	form, err := e.form(v)
	if err != nil {
		return err
	}
	if e.o.Accounts == nil || v.caller.Issuer != auth.AccountIssuer {
		return web.NotFound()
	}
	password := form.Get("new")
	fault := v.weak(password, form.Get("again"))
	if fault != "" {
		return e.showAccount(v, http.StatusUnprocessableEntity, fault)
	}
	_, status, fault, err := e.attempt(v, auth.Attempt{Email: v.caller.Email, Password: form.Get("old")})
	if waits := (*auth.FactorError)(nil); errors.As(err, &waits) {
		err = nil // the password is right, and the session began by the other factor
	}
	switch {
	case err != nil:
		return err
	case status == http.StatusTooManyRequests:
		return e.showAccount(v, status, fault)
	case fault != "":
		return e.showAccount(v, http.StatusUnprocessableEntity, v.T("account.wrong"))
	}
	if err := e.o.Accounts.SetPassword(v.r.Context(), v.caller.Email, password); err != nil {
		return err
	}
	drop := e.web.Cookies().DropPage()
	http.SetCookie(v.w, &drop)
	return v.leadTo(Prefix + "login?changed=1")
}

// weak says why a password will not do that was typed twice, "" for one that will.
func (v *visit) weak(password, again string) string {
	switch err := auth.CheckPassword(password); {
	case password != again:
		return v.T("account.differ")
	case errors.Is(err, auth.ErrPasswordShort):
		return v.T("account.short", auth.MinPassword)
	case errors.Is(err, auth.ErrPasswordLong):
		return v.T("account.long", auth.MaxPassword)
	case err != nil:
		return v.T("account.odd")
	}
	return ""
}
