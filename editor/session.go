package editor

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cms/auth"
	"cms/web"
)

// Cookies that keep what a visitor prefers.
const (
	languageCookie = "cms_language"
	themeCookie    = "cms_theme"
)

const year = 365 * 24 * time.Hour

// loginView is the page to log in on.
type loginView struct {
	Providers []Provider
	To        string // the page to go on with
	Email     string
	Fault     string      // why the last try failed
	Changed   bool        // the password was changed just now
	NoAccess  bool        // nobody can log in yet
	Passwords bool        // people can log in with an address and a password
	Renew     bool        // in a dialog of a page whose session is over
	Tab       bool        // logins at providers are made in another tab
	Pending   string      // a login that waits for its second factor, "" for none
	Passkey   passkeyView // of whoever has one; without a token nobody is asked
	Mails     bool        // who has forgotten a password is mailed a link
}

// loginPage shows how to log in.
func (e *Editor) loginPage(v *visit) error {
	asked := v.r.URL.Query()
	if asked.Has("renew") {
		return e.showLogin(v, http.StatusOK, loginView{To: doneLogin, Renew: true})
	}
	to := local(asked.Get("to"))
	if _, err := e.web.PageCaller(v.r); err == nil {
		return v.leadTo(to)
	}
	return e.showLogin(v, http.StatusOK, loginView{To: to, Changed: asked.Has("changed")})
}

func (e *Editor) showLogin(v *visit, status int, view loginView) error {
	view.Providers, view.Passwords = e.o.Providers, e.web.Sessions() != nil
	view.NoAccess = !view.Passwords && len(view.Providers) == 0
	if view.Passwords && len(view.Providers) == 0 && e.o.Accounts != nil {
		anyone, err := e.o.Accounts.Anyone(v.r.Context())
		view.NoAccess = err == nil && !anyone
	}
	view.Mails = e.o.Resets != nil
	if view.Passwords {
		c, err := e.web.Sessions().AskAnyPasskey(v.r.Context())
		if err != nil {
			return err
		}
		view.Passkey = passkeyView{Challenge: c, Do: "get"}
	}
	if view.Renew {
		return e.show(v, status, "renew", v.T("session.over"), "", view)
	}
	return e.show(v, status, "login", v.T("login.title"), "", view)
}

// login begins a session by an address and a password.
func (e *Editor) login(v *visit) error {
	if err := e.web.SameOrigin(v.r, false); err != nil {
		return err
	}
	form, err := e.form(v)
	if err != nil {
		return err
	}
	view := loginView{To: local(form.Get("to")), Email: form.Get("email"), Renew: form.Has("renew")}
	if e.web.Sessions() == nil {
		return e.showLogin(v, http.StatusOK, view)
	}
	s, status, fault, err := e.attempt(v, auth.Attempt{Email: view.Email, Password: form.Get("password")})
	if waits := (*auth.FactorError)(nil); errors.As(err, &waits) {
		web.AuditPendingLogin(v.r.Context(), waits)
		return e.askFactor(v, http.StatusOK, factorView{To: view.To, Renew: view.Renew, Pending: waits.Pending}, waits.Enrol)
	}
	if err != nil {
		return err
	}
	if fault != "" {
		view.Fault = fault
		return e.showLogin(v, status, view)
	}
	if _, err := e.enter(v, s); err != nil {
		return err
	}
	return v.leadTo(view.To)
}

// attempt is a login by an address and a password. A fault says why it failed, and has a
// status.
func (e *Editor) attempt(v *visit, try auth.Attempt) (s *auth.Session, status int, fault string, err error) {
	if len(try.Password) > auth.MaxPassword {
		return nil, http.StatusUnprocessableEntity, v.T("account.long", auth.MaxPassword), nil
	}
	s, err = e.web.Sessions().Login(v.r.Context(), e.from(v, try))
	status, fault, err = v.refused(err)
	return s, status, fault, err
}

// from is an attempt with what is known of where it is made.
func (e *Editor) from(v *visit, try auth.Attempt) auth.Attempt {
	try.From, try.Agent, try.Stay = web.CallOf(v.r.Context()).Address, v.r.UserAgent(), true
	try.Device = e.web.Cookies().Device(v.r)
	return try
}

// refused says why a login failed whose error it is, with a status; other errors it gives
// back.
func (v *visit) refused(err error) (int, string, error) {
	web.AuditReason(v.r.Context(), err)
	many := (*auth.TooManyError)(nil)
	switch {
	case errors.As(err, &many):
		return http.StatusTooManyRequests, v.slow(many), nil
	case errors.Is(err, auth.ErrCredentials):
		return http.StatusUnauthorized, v.T("login.wrong"), nil
	case errors.Is(err, auth.ErrFactor):
		return http.StatusUnauthorized, v.T("factor.wrong"), nil
	case errors.Is(err, auth.ErrPasskey):
		return http.StatusUnauthorized, v.T("passkey.wrong"), nil
	case errors.Is(err, auth.ErrManyPasskeys):
		return http.StatusForbidden, v.T("passkey.many", auth.MaxPasskeys), nil
	}
	return 0, "", err
}

// slow says when to try again.
func (v *visit) slow(many *auth.TooManyError) string {
	seconds := max(1, int(math.Ceil(many.Wait.Seconds())))
	v.w.Header().Set("Retry-After", strconv.Itoa(seconds))
	if seconds > 90 {
		return v.T("login.slow", v.T("minutes", (seconds+59)/60))
	}
	return v.T("login.slow", v.T("seconds", seconds))
}

// enter lets somebody in whose session has begun, in the place of the one before. It gives
// the cookies that the browser has from now on.
func (e *Editor) enter(v *visit, s *auth.Session) ([]http.Cookie, error) {
	if s.How != "" {
		web.AuditLogin(v.r.Context(), s)
	}
	cookies := e.web.Cookies()
	if old := cookies.PageToken(v.r); old != "" {
		if _, err := e.web.Sessions().Logout(v.r.Context(), old); err != nil {
			return nil, err
		}
	}
	set := cookies.Page(s)
	for _, c := range set {
		http.SetCookie(v.w, &c)
	}
	return set, nil
}

// settle goes on where a login at a provider has ended: its session becomes one for
// pages.
func (e *Editor) settle(v *visit) error {
	cookies, to := e.web.Cookies(), local(v.r.URL.Query().Get("to"))
	sessions, token := e.web.Sessions(), cookies.Of(v.r, "cms_access")
	if sessions == nil || token == "" {
		return v.leadTo(loginPath(to))
	}
	s, err := sessions.Settle(v.r.Context(), token)
	if errors.Is(err, auth.ErrNoSession) {
		return v.leadTo(loginPath(to))
	}
	if err != nil {
		return err
	}
	for _, c := range cookies.DropSession() {
		http.SetCookie(v.w, &c)
	}
	if _, err := e.enter(v, s); err != nil {
		return err
	}
	return v.leadTo(to)
}

// leaveView is the page of who has logged out here, and does so at the provider next.
type leaveView struct{ Where string }

// logout ends the session, here and where it began. Who has none is logged out as well.
func (e *Editor) logout(v *visit) error {
	cookies := e.web.Cookies()
	token := cookies.PageToken(v.r)
	if err := e.web.SameOrigin(v.r, token != ""); err != nil {
		return err
	}
	where := ""
	if token != "" && e.web.Sessions() != nil {
		ctx := v.r.Context()
		if pr, err := e.web.PageCaller(v.r); err == nil { // for the audit log
			web.AuditCaller(ctx, pr)
		}
		begun, err := e.web.Sessions().Logout(ctx, token)
		if err != nil {
			return err
		}
		if e.o.Logins != nil && begun.Provider != "" {
			var cookie http.Cookie
			if where, cookie = e.o.Logins.LeaveProvider(ctx, begun, Prefix+"login"); where != "" {
				http.SetCookie(v.w, &cookie)
			}
		}
	}
	drop := cookies.DropPage()
	http.SetCookie(v.w, &drop)
	v.w.Header().Set("Clear-Site-Data", `"storage"`) // what the browser kept of unsaved work
	if where == "" {
		return v.leadTo(Prefix + "login")
	}
	// A redirect would still be of the form, which may lead nowhere else (form-action).
	v.w.Header().Set("Refresh", "0;url="+where)
	return e.show(v, http.StatusOK, "leave", v.T("leave.title"), "", leaveView{where})
}

// loginPath is the page to log in on, which leads on to another.
func loginPath(to string) string {
	if to == "" || to == Prefix {
		return Prefix + "login"
	}
	return Prefix + "login?to=" + url.QueryEscape(to)
}

// StartPath is where a login at a provider begins that leads on to a page.
func (l loginView) StartPath(p Provider) string {
	to := Prefix + "login/continue?to=" + url.QueryEscape(l.To)
	return "/v1/auth/oidc/" + url.PathEscape(p.Name) + "/start?return_to=" + url.QueryEscape(to)
}

// DoneBy is the same login, whose providers are gone to in another tab.
func (l loginView) DoneBy() loginView {
	l.To, l.Tab = doneLogin, true
	return l
}

// local is s if it leads to a page of the editor and nowhere else, in whatever way a
// browser reads it; otherwise to the first one.
func local(s string) string {
	u, err := url.Parse(s)
	odd := func(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f }
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(s, Prefix) || strings.ContainsFunc(s, odd) || strings.Contains(u.Path, "/../") {
		return Prefix
	}
	return s
}

// chooseLanguage keeps the language that a visitor wants.
func (e *Editor) chooseLanguage(v *visit) error {
	if err := e.web.SameOrigin(v.r, false); err != nil {
		return err
	}
	form, err := e.form(v)
	if err != nil {
		return err
	}
	if chosen := form.Get("language"); e.words[chosen] != nil {
		e.keep(v, languageCookie, chosen)
	}
	return v.leadTo(local(form.Get("to")))
}

// chooseTheme keeps whether a visitor wants light or dark pages, or those of the system.
func (e *Editor) chooseTheme(v *visit) error {
	form, err := e.form(v)
	if err != nil {
		return err
	}
	switch theme := form.Get("theme"); theme {
	case "light", "dark":
		e.keep(v, themeCookie, theme)
	default:
		drop := e.web.Cookies().Drop(themeCookie)
		http.SetCookie(v.w, &drop)
	}
	return v.leadTo(local(form.Get("to")))
}

func (e *Editor) keep(v *visit, name, value string) {
	cookie := e.web.Cookies().Set(name, value, v.now.Add(year))
	cookie.SameSite = http.SameSiteLaxMode
	http.SetCookie(v.w, &cookie)
}
