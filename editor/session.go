package editor

import (
	"errors"
	"net/http"
	"net/url"
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
	Fault     string // why the last try failed
	NoAccess  bool   // nobody can log in yet
	Passwords bool   // people can log in with an address and a password
}

// loginPage shows how to log in.
func (e *Editor) loginPage(v *visit) error {
	to := local(v.r.URL.Query().Get("to"))
	if _, err := e.web.PageCaller(v.r); err == nil {
		return v.leadTo(to)
	}
	return e.showLogin(v, http.StatusOK, loginView{To: to})
}

func (e *Editor) showLogin(v *visit, status int, view loginView) error {
	view.Providers, view.Passwords = e.o.Providers, e.web.Sessions() != nil
	view.NoAccess = !view.Passwords && len(view.Providers) == 0
	if view.Passwords && len(view.Providers) == 0 && e.o.Accounts != nil {
		all, err := e.o.Accounts.List(v.r.Context())
		view.NoAccess = err == nil && len(all) == 0
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
	view := loginView{To: local(form.Get("to")), Email: form.Get("email")}
	sessions := e.web.Sessions()
	if sessions == nil {
		return e.showLogin(v, http.StatusOK, view)
	}
	ctx, cookies := v.r.Context(), e.web.Cookies()
	s, err := sessions.Login(ctx, auth.Attempt{
		Email: view.Email, Password: form.Get("password"), From: web.CallOf(ctx).Address, Device: cookies.Device(v.r), Stay: true,
	})
	many := (*auth.TooManyError)(nil)
	switch {
	case errors.As(err, &many):
		v.w.Header().Set("Retry-After", seconds(many.Wait))
		view.Fault = v.T("login.slow", seconds(many.Wait))
		return e.showLogin(v, http.StatusTooManyRequests, view)
	case errors.Is(err, auth.ErrCredentials):
		view.Fault = v.T("login.wrong")
		return e.showLogin(v, http.StatusUnauthorized, view)
	case err != nil:
		return err
	}
	return e.enter(v, s, view.To)
}

func seconds(d time.Duration) string {
	return time.Duration(max(d.Round(time.Second), time.Second)).String()
}

// enter leads somebody in whose session has begun, in the place of the one before.
func (e *Editor) enter(v *visit, s *auth.Session, to string) error {
	cookies := e.web.Cookies()
	if old := cookies.PageToken(v.r); old != "" {
		if _, err := e.web.Sessions().Logout(v.r.Context(), old); err != nil {
			return err
		}
	}
	for _, c := range cookies.Page(s) {
		http.SetCookie(v.w, &c)
	}
	return v.leadTo(to)
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
	return e.enter(v, s, to)
}

// logout ends the session. Who has none is logged out as well.
func (e *Editor) logout(v *visit) error {
	cookies := e.web.Cookies()
	token := cookies.PageToken(v.r)
	if err := e.web.SameOrigin(v.r, token != ""); err != nil {
		return err
	}
	if token != "" && e.web.Sessions() != nil {
		if _, err := e.web.Sessions().Logout(v.r.Context(), token); err != nil {
			return err
		}
	}
	drop := cookies.DropPage()
	http.SetCookie(v.w, &drop)
	v.w.Header().Set("Clear-Site-Data", `"storage"`) // what the browser kept of unsaved work
	return v.leadTo(Prefix + "login")
}

// loginPath is the page to log in on, which leads on to another.
func loginPath(to string) string {
	if to == "" || to == Prefix {
		return Prefix + "login"
	}
	return Prefix + "login?to=" + url.QueryEscape(to)
}

// startPath is where a login at a provider begins that leads on to a page.
func (l loginView) StartPath(p Provider) string {
	to := Prefix + "login/continue?to=" + url.QueryEscape(l.To)
	return "/v1/auth/oidc/" + url.PathEscape(p.Name) + "/start?return_to=" + url.QueryEscape(to)
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

// accountView is the page about oneself.
type accountView struct {
	Theme    string
	Password bool // can be changed here
	Fault    string
}

func (e *Editor) account(v *visit) error {
	return e.showAccount(v, http.StatusOK, "")
}

func (e *Editor) showAccount(v *visit, status int, fault string) error {
	return e.show(v, status, "account", v.T("account.title"), "account", accountView{
		Theme: e.shade(v.r), Password: e.o.Accounts != nil && v.caller.Issuer == auth.AccountIssuer, Fault: fault,
	})
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
	ctx := v.r.Context()
	_, err = e.web.Sessions().Login(ctx, auth.Attempt{
		Email: v.caller.Email, Password: form.Get("old"), From: web.CallOf(ctx).Address, Device: e.web.Cookies().Device(v.r), Stay: true,
	})
	many := (*auth.TooManyError)(nil)
	switch {
	case errors.As(err, &many):
		return e.showAccount(v, http.StatusTooManyRequests, v.T("login.slow", seconds(many.Wait)))
	case errors.Is(err, auth.ErrCredentials):
		return e.showAccount(v, http.StatusUnprocessableEntity, v.T("account.wrong"))
	case err != nil:
		return err
	}
	switch password := form.Get("new"); {
	case password != form.Get("again"):
		return e.showAccount(v, http.StatusUnprocessableEntity, v.T("account.differ"))
	case len([]rune(password)) < auth.MinPassword:
		return e.showAccount(v, http.StatusUnprocessableEntity, v.T("account.short", auth.MinPassword))
	default:
		if err := e.o.Accounts.SetPassword(ctx, v.caller.Email, password); err != nil {
			return err
		}
	}
	drop := e.web.Cookies().DropPage()
	http.SetCookie(v.w, &drop)
	return v.leadTo(Prefix + "login?changed=1")
}
