package editor

import (
	"errors"
	"net/http"
	"net/url"

	"cms/auth"
	"cms/web"
)

// Passkeys are asked for by a script: it hands a challenge, which stands in the page, to the
// browser, and sends the answer with the form. The form works without it, by a code.

// passkeyView is a challenge in a form.
type passkeyView struct {
	auth.Challenge

	Do     string // get or create, as navigator.credentials has it
	Prefix string // of the names of what it sends
}

// ownPasskeys fills in what the page about oneself has of passkeys.
func (e *Editor) ownPasskeys(v *visit, view *accountView) (err error) {
	sessions, ctx := e.web.Sessions(), v.r.Context()
	if none := (*auth.PasskeysError)(nil); errors.As(sessions.NoPasskeys(), &none) {
		view.Off = none.Address
	}
	if view.Passkeys, err = sessions.PasskeysOf(ctx, v.caller); err != nil {
		return err
	}
	c, err := sessions.AskOwnPasskey(ctx, v.caller, e.web.Cookies().PageToken(v.r))
	view.Proof = passkeyView{Challenge: c, Do: "get"}
	return err
}

// newPasskeyView is the page on which a passkey is made.
type newPasskeyView struct{ Passkey passkeyView }

// newPasskey asks for a passkey, once who is logged in has proved themselves by a factor or a
// password.
func (e *Editor) newPasskey(v *visit, form url.Values) error {
	try := e.from(v, proofOf(form))
	try.Password = form.Get("password")
	c, err := e.web.Sessions().NewOwnPasskey(v.r.Context(), v.caller, e.web.Cookies().PageToken(v.r), try)
	if none := (*auth.PasskeysError)(nil); errors.As(err, &none) {
		return e.showAccountNoting(v, http.StatusConflict, nil, "") // which says why
	}
	status, fault, err := v.refused(err)
	switch {
	case err != nil:
		return v.foreign(err)
	case fault != "" && !form.Has("code"):
		fault = v.T("account.wrong")
		fallthrough
	case fault != "":
		return e.showAccountNoting(v, status, &notice{"bad", fault}, "")
	}
	return e.show(v, http.StatusOK, "passkey", v.T("passkey.add"), "account", newPasskeyView{Passkey: passkeyView{Challenge: c, Do: "create"}})
}

// loginPasskey begins a session by a passkey alone.
func (e *Editor) loginPasskey(v *visit) error {
	view, try, err := e.postedFactor(v)
	if err != nil {
		return err
	}
	s, err := e.web.Sessions().LoginByPasskey(v.r.Context(), try)
	status, fault, err := v.refused(err)
	if err != nil {
		return err
	}
	if fault != "" {
		return e.showLogin(v, status, loginView{To: view.To, Renew: view.Renew, Fault: fault})
	}
	if _, err := e.enter(v, s); err != nil {
		return err
	}
	return v.leadTo(view.To)
}

// forgotView is the page of who has forgotten a password.
type forgotView struct {
	Mails bool // a link is mailed
	Asked bool // and was just asked for
	Fault string
}

func (e *Editor) forgotPage(v *visit) error { return e.showForgot(v, http.StatusOK, forgotView{}) }

func (e *Editor) showForgot(v *visit, status int, view forgotView) error {
	view.Mails = e.o.Resets != nil
	return e.show(v, status, "forgot", v.T("forgot.title"), "", view)
}

// forgot has a link mailed to an address, and says the same whoever's it is.
func (e *Editor) forgot(v *visit) error {
	if err := e.web.SameOrigin(v.r, false); err != nil {
		return err
	}
	form, err := e.form(v)
	if err != nil {
		return err
	}
	if e.o.Resets == nil {
		return web.NotFound()
	}
	err = e.o.Resets.Ask(form.Get("email"), web.CallOf(v.r.Context()).Address)
	many := (*auth.TooManyError)(nil)
	switch {
	case errors.As(err, &many):
		return e.showForgot(v, http.StatusTooManyRequests, forgotView{Fault: v.slow(many)})
	case errors.Is(err, auth.ErrBusy):
		v.w.Header().Set("Retry-After", "60")
		return e.showForgot(v, http.StatusServiceUnavailable, forgotView{Fault: v.T("forgot.busy")})
	case err != nil:
		return err
	}
	return e.showForgot(v, http.StatusOK, forgotView{Asked: true})
}
