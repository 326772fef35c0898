package editor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"cms/auth"
	"cms/web"
)

// A session that is over loses nothing of what was being written. Scripts ask whether there
// is one before they send a form, and have people log in again in a dialog. Without them
// the form comes here, and goes on after the login that its answer asks for.

// doneLogin is where a login ends that was made for another tab.
const doneLogin = Prefix + "login/done"

// session tells a script whose pages these are.
func (e *Editor) session(v *visit) error {
	return v.json(map[string]string{"account": accountOf(v.caller)})
}

// loginDone is the page of a tab that was opened to log in.
func (e *Editor) loginDone(v *visit) error {
	return e.show(v, http.StatusOK, "done", v.T("session.done"), "", nil)
}

// Account tells the accounts apart that share a browser.
func (v *visit) Account() string { return accountOf(v.caller) }

func accountOf(pr *auth.Principal) string {
	if pr == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(web.CallerKey(pr)))
	return hex.EncodeToString(sum[:8])
}

// Names of what is sent beside a form that goes on after a login.
const (
	loginPrefix    = "login."
	loginTo        = loginPrefix + "to"
	loginEmail     = loginPrefix + "email"
	loginPassword  = loginPrefix + "password"
	loginPending   = loginPrefix + "pending" // a login that waits for its second factor
	loginCode      = loginPrefix + "code"
	loginChallenge = loginPrefix + "challenge" // of a passkey
	loginAnswer    = loginPrefix + "answer"
)

// mayGoOn says whether the form that is sent to an address goes on after a login: each does
// whose route does not say otherwise.
func (e *Editor) mayGoOn(to *url.URL) bool {
	_, pattern := e.mux.Handler(&http.Request{Method: http.MethodPost, URL: to})
	return e.goOn[pattern]
}

// againView is a form whose session is over, and what to do about it.
type againView struct {
	loginView
	Sent []choice // names, as labels, and values
}

// sentForm is what a form has sent whose session is over; nil where it is none that goes
// on, or comes from another site.
func (e *Editor) sentForm(v *visit) url.Values {
	if !e.mayGoOn(v.r.URL) || e.web.SameOrigin(v.r, true) != nil {
		return nil
	}
	posted, err := e.form(v)
	if err != nil {
		return nil
	}
	return withoutLogin(posted)
}

// withoutLogin is what a form has sent beside a login.
func withoutLogin(posted url.Values) url.Values {
	sent := maps.Clone(posted)
	maps.DeleteFunc(sent, func(name string, _ []string) bool { return strings.HasPrefix(name, loginPrefix) })
	return sent
}

// askAgain shows a form that goes on after a login.
func (e *Editor) askAgain(v *visit, status int, view loginView, sent url.Values) error {
	again := againView{loginView: view}
	again.Providers, again.Passwords = e.o.Providers, e.web.Sessions() != nil
	if again.Passwords {
		c, err := e.challengeAgain(v, &again.loginView)
		if err != nil {
			return err
		}
		again.Passkey = passkeyView{Challenge: c, Do: "get", Prefix: loginPrefix}
	}
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		for _, value := range sent[name] {
			again.Sent = append(again.Sent, choice{Value: value, Label: name})
		}
	}
	return e.show(v, status, "again", v.T("refusal.session"), "", again)
}

// challengeAgain is the challenge of a passkey, behind a password or in its place. Where a
// login has waited for too long, it begins anew.
func (e *Editor) challengeAgain(v *visit, view *loginView) (auth.Challenge, error) {
	ctx, sessions := v.r.Context(), e.web.Sessions()
	if view.Pending != "" {
		c, err := sessions.AskPasskey(ctx, view.Pending)
		if !errors.Is(err, auth.ErrPending) {
			return c, err
		}
		view.Pending, view.Fault = "", v.T("factor.late")
	}
	return sessions.AskAnyPasskey(ctx)
}

// attemptAgain is a login by a password, by the code or the passkey that one has waited for,
// or by a passkey alone.
func (e *Editor) attemptAgain(v *visit, email string, posted url.Values) (s *auth.Session, status int, fault string, err error) {
	ctx, try := v.r.Context(), e.from(v, auth.Attempt{Code: posted.Get(loginCode), Challenge: posted.Get(loginChallenge), Answer: posted.Get(loginAnswer)})
	switch {
	case posted.Has(loginPending):
		s, err = e.web.Sessions().GoOn(ctx, posted.Get(loginPending), try)
	case try.Answer != "":
		s, err = e.web.Sessions().LoginByPasskey(ctx, try)
	default:
		return e.attempt(v, auth.Attempt{Email: email, Password: posted.Get(loginPassword)})
	}
	status, fault, err = v.refused(err)
	return s, status, fault, err
}

// loginAgain logs in who has sent a form without a session, and goes on with the form: as
// whoever has made it, and nobody else.
func (e *Editor) loginAgain(v *visit) error {
	if err := e.web.SameOrigin(v.r, true); err != nil {
		return err
	}
	posted, err := e.form(v)
	if err != nil {
		return err
	}
	view := loginView{To: local(posted.Get(loginTo)), Email: posted.Get(loginEmail)}
	sent := withoutLogin(posted)
	to, err := url.Parse(view.To)
	if err != nil || !e.mayGoOn(to) || e.web.Sessions() == nil {
		return v.leadTo(loginPath(Prefix))
	}
	s, status, fault, err := e.attemptAgain(v, view.Email, posted)
	waits := (*auth.FactorError)(nil)
	switch {
	case errors.As(err, &waits) && !waits.Enrol:
		web.AuditPendingLogin(v.r.Context(), waits)
		view.Pending = waits.Pending
		return e.askAgain(v, http.StatusOK, view, sent)
	case errors.As(err, &waits): // for a factor that is to be set up first, in another tab
		status, fault = http.StatusForbidden, v.T("factor.needed")
	case errors.Is(err, auth.ErrPending):
		status, fault = http.StatusUnauthorized, v.T("factor.late")
	case err != nil:
		return err
	case status == http.StatusUnauthorized && posted.Has(loginPending):
		view.Pending = posted.Get(loginPending)
	}
	if by := sent.Get("account"); fault == "" && by != "" && by != accountOf(s.Principal) {
		_, err := e.web.Sessions().Logout(v.r.Context(), s.Access)
		if err != nil {
			return err
		}
		status, fault = http.StatusForbidden, v.T("session.other")
	}
	if fault != "" {
		view.Fault = fault
		return e.askAgain(v, status, view, sent)
	}
	set, err := e.enter(v, s)
	if err != nil {
		return err
	}
	r := v.r.Clone(v.r.Context())
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = to.Path, to.RawPath, to.RawQuery
	body := []byte(sent.Encode())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Del("Cookie")
	for _, c := range v.r.Cookies() {
		if c.Name != set[0].Name {
			r.AddCookie(c)
		}
	}
	r.AddCookie(&set[0])
	e.ServeHTTP(v.w, r)
	return nil
}
