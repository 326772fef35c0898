package editor

import (
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"rsc.io/qr"

	"cms/auth"
	"cms/web"
)

// The second factor: asked for after the password, set up right there where a role needs it,
// or on the page of one's account. All of it works without scripts.

// factorView is the page that asks for a code, or on which an app is set up.
type factorView struct {
	To      string // the page to go on with
	Pending string // the login that waits; "" where somebody is logged in
	Renew   bool   // in a dialog of a page whose session is over
	Fault   string

	Secret  string       // of the app that is set up, in groups
	Picture template.URL // the same, to be photographed
	Codes   []string     // for who has lost the app, once
	Title   string
}

// askFactor asks for the code of a login that waits, or to set up an app.
func (e *Editor) askFactor(v *visit, status int, view factorView, enrol bool) error {
	if !enrol {
		view.Title = v.T("factor.title")
		return e.show(v, status, "factor", view.Title, "", view)
	}
	set, err := e.web.Sessions().Enrol(v.r.Context(), view.Pending)
	if err != nil {
		return e.lapsed(v, err)
	}
	return e.showEnrol(v, status, view, set)
}

// showEnrol shows how to set up an app.
func (e *Editor) showEnrol(v *visit, status int, view factorView, set auth.Enrolment) error {
	code, err := qr.Encode(set.URI, qr.M)
	if err != nil {
		return err
	}
	view.Pending, view.Title = set.Token, v.T("factor.enrol")
	view.Picture = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG())) //nolint:gosec // an image that was made here
	for i := 0; i < len(set.Secret); i += 4 {
		view.Secret = strings.TrimSpace(view.Secret + " " + set.Secret[i:min(i+4, len(set.Secret))])
	}
	return e.show(v, status, "enrol", view.Title, "", view)
}

// lapsed leads back to the login where one that waited is over.
func (e *Editor) lapsed(v *visit, err error) error {
	if errors.Is(err, auth.ErrPending) || errors.Is(err, auth.ErrEnrolled) {
		return e.showLogin(v, http.StatusUnauthorized, loginView{To: Prefix, Fault: v.T("factor.late")})
	}
	return err
}

// postedFactor is what a form about a second factor has sent, and the attempt that it is.
func (e *Editor) postedFactor(v *visit) (factorView, auth.Attempt, error) {
	if err := e.web.SameOrigin(v.r, false); err != nil {
		return factorView{}, auth.Attempt{}, err
	}
	form, err := e.form(v)
	if err == nil && e.web.Sessions() == nil {
		err = web.NotFound()
	}
	view := factorView{To: local(form.Get("to")), Pending: form.Get("pending"), Renew: form.Has("renew")}
	return view, e.from(v, auth.Attempt{Code: form.Get("code")}), err
}

// loginFactor goes on with a login by the code of its second factor.
func (e *Editor) loginFactor(v *visit) error {
	view, try, err := e.postedFactor(v)
	if err != nil {
		return err
	}
	s, err := e.web.Sessions().GoOn(v.r.Context(), view.Pending, try)
	if waits := (*auth.FactorError)(nil); errors.As(err, &waits) {
		return e.askFactor(v, http.StatusUnprocessableEntity, view, waits.Enrol)
	}
	status, fault, err := v.refused(err)
	if err != nil {
		return e.lapsed(v, err)
	}
	if view.Fault = fault; fault != "" {
		return e.askFactor(v, status, view, false)
	}
	if _, err := e.enter(v, s); err != nil {
		return err
	}
	return v.leadTo(view.To)
}

// loginEnrol goes on with a login by setting up the app that its account needs.
func (e *Editor) loginEnrol(v *visit) error {
	view, try, err := e.postedFactor(v)
	if err != nil {
		return err
	}
	s, codes, err := e.web.Sessions().Enrolled(v.r.Context(), view.Pending, try)
	status, fault, err := v.refused(err)
	if err != nil {
		return e.lapsed(v, err)
	}
	if view.Fault = fault; fault != "" {
		return e.askFactor(v, status, view, true)
	}
	if _, err := e.enter(v, s); err != nil {
		return err
	}
	if view.Renew {
		view.To = doneLogin
	}
	return e.showCodes(v, factorView{To: view.To, Renew: view.Renew, Codes: codes})
}

// showCodes shows the recovery codes, which are shown once.
func (e *Editor) showCodes(v *visit, view factorView) error {
	return e.show(v, http.StatusOK, "codes", v.T("factor.codes"), "", view)
}

// factorPage is where who is logged in sets up an app.
func (e *Editor) factorPage(v *visit) error {
	return e.enrolOwn(v, http.StatusOK, "")
}

func (e *Editor) enrolOwn(v *visit, status int, fault string) error {
	set, err := e.web.Sessions().EnrolOwn(v.r.Context(), v.caller)
	if err != nil {
		return v.foreign(err)
	}
	return e.showEnrol(v, status, factorView{Fault: fault}, set)
}

// foreign is err, of who has no password here as of who asks for a page that is not theirs.
func (v *visit) foreign(err error) error {
	if errors.Is(err, auth.ErrNoSession) {
		return web.NotFound()
	}
	return err
}

// changeFactor sets up an app for who is logged in, or removes it, or makes other recovery
// codes, for a code of it.
func (e *Editor) changeFactor(v *visit) error {
	form, err := e.form(v)
	if err != nil {
		return err
	}
	codes, err := e.changedFactor(v, form)
	status, fault, err := v.refused(err)
	switch {
	case errors.Is(err, auth.ErrPending), errors.Is(err, auth.ErrEnrolled):
		return v.leadTo(Prefix + "account")
	case errors.Is(err, auth.ErrNeeded):
		status, fault = http.StatusForbidden, v.T("factor.needed")
	case err != nil:
		return v.foreign(err)
	}
	switch {
	case fault != "" && form.Get("do") == "enrol":
		return e.enrolOwn(v, status, fault)
	case fault != "":
		return e.showAccountNoting(v, status, &notice{"bad", fault}, "")
	case codes != nil:
		return e.showCodes(v, factorView{To: Prefix + "account", Codes: codes})
	}
	return v.leadTo(Prefix + "account")
}

func (e *Editor) changedFactor(v *visit, form url.Values) ([]string, error) {
	ctx, sessions, code, token := v.r.Context(), e.web.Sessions(), form.Get("code"), e.web.Cookies().PageToken(v.r)
	from := web.CallOf(ctx).Address
	switch form.Get("do") {
	case "enrol":
		return sessions.EnrolledOwn(ctx, v.caller, token, form.Get("pending"), code)
	case "codes":
		return sessions.NewRecovery(ctx, v.caller, code, from)
	case "remove":
		return nil, sessions.RemoveFactor(ctx, v.caller, token, code, from)
	}
	return nil, web.NotFound()
}
