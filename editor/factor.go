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

	Passkey passkeyView // that is asked for, or made
	Kept    bool        // there is another factor already, and codes for who has lost it
}

// askFactor asks for the code of a login that waits, or to set up an app.
func (e *Editor) askFactor(v *visit, status int, view factorView, enrol bool) error {
	ctx, sessions := v.r.Context(), e.web.Sessions()
	if !enrol {
		c, err := sessions.AskPasskey(ctx, view.Pending)
		if err != nil {
			return e.lapsed(v, err)
		}
		view.Title, view.Passkey = v.T("factor.title"), passkeyView{Challenge: c, Do: "get"}
		return e.show(v, status, "factor", view.Title, "", view)
	}
	set, err := sessions.Enrol(ctx, view.Pending)
	if err != nil {
		return e.lapsed(v, err)
	}
	if sessions.NoPasskeys() == nil {
		c, err := sessions.NewPasskey(ctx, view.Pending)
		if err != nil {
			return e.lapsed(v, err)
		}
		view.Passkey = passkeyView{Challenge: c, Do: "create"}
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
	return view, e.from(v, proofOf(form)), err
}

// proofOf is the factor that a form has sent: a code, or a passkey's answer.
func proofOf(form url.Values) auth.Attempt {
	return auth.Attempt{Code: form.Get("code"), Challenge: form.Get("challenge"), Answer: form.Get("answer"), Name: form.Get("name")}
}

// loginFactor goes on with a login by its second factor.
func (e *Editor) loginFactor(v *visit) error {
	view, try, err := e.postedFactor(v)
	if err != nil {
		return err
	}
	s, err := e.web.Sessions().GoOn(v.r.Context(), view.Pending, try)
	if waits := (*auth.FactorError)(nil); errors.As(err, &waits) {
		web.AuditPendingLogin(v.r.Context(), waits)
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

// loginEnrol goes on with a login by setting up the app, or the passkey, that its account needs.
func (e *Editor) loginEnrol(v *visit) error {
	view, try, err := e.postedFactor(v)
	if err != nil {
		return err
	}
	add := e.web.Sessions().Enrolled
	if try.Answer != "" {
		add = e.web.Sessions().AddPasskey
	}
	s, codes, err := add(v.r.Context(), view.Pending, try)
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
	if form.Get("do") == "passkey" {
		return e.newPasskey(v, form)
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
	case fault != "" && form.Get("do") == "add":
		return e.showAccountNoting(v, status, &notice{"bad", fault}, "")
	case fault != "":
		return e.showAccountNoting(v, status, &notice{"bad", fault}, "")
	case codes != nil:
		return e.showCodes(v, factorView{To: Prefix + "account", Codes: codes})
	}
	return v.leadTo(Prefix + "account")
}

func (e *Editor) changedFactor(v *visit, form url.Values) ([]string, error) {
	ctx, sessions, token := v.r.Context(), e.web.Sessions(), e.web.Cookies().PageToken(v.r)
	try := e.from(v, proofOf(form))
	do, which, _ := strings.Cut(form.Get("do"), " ")
	switch do {
	case "enrol":
		return sessions.EnrolledOwn(ctx, v.caller, token, form.Get("pending"), try.Code)
	case "add":
		return sessions.AddOwnPasskey(ctx, v.caller, token, try)
	case "codes":
		return sessions.NewRecovery(ctx, v.caller, token, try)
	case "remove":
		return nil, sessions.RemoveFactor(ctx, v.caller, token, try)
	case "remove-passkey":
		return nil, sessions.RemovePasskey(ctx, v.caller, token, which, try)
	}
	return nil, web.NotFound()
}
