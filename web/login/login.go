// Package login lets people in and out in their browsers: by the password of an account or
// at an identity provider, where links lead to and back. It hides the cookies of what is
// under way, and the pages that say how it ended. Whichever door offers a login, it can
// lead on to any path of the service:
//
//	<a href="{{login.StartPath "id" "/notes/"}}">Log in</a>
package login

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"cms/auth"
	"cms/web"
)

// Logins are those of a service.
type Logins struct {
	web       *web.Floor
	sessions  *auth.Sessions
	providers []*auth.Provider
	flows     *auth.Flows
	pace      *web.Limiter // of what is asked of providers
	log       *slog.Logger
}

// Options are what Logins are made of. The floor is required, and has sessions.
type Options struct {
	Web       *web.Floor
	Providers []*auth.Provider // where people may log in, with different names
	Flows     *auth.Flows      // of logins there; those of this process alone when nil
}

// New makes the logins of a service.
func New(o Options) (*Logins, error) {
	if o.Web == nil || o.Web.Sessions() == nil {
		return nil, errors.New("login: a floor with sessions is required")
	}
	l := &Logins{web: o.Web, sessions: o.Web.Sessions(), providers: o.Providers, flows: o.Flows, log: o.Web.Log()}
	var err error
	if l.pace, err = web.NewLimiter("login", pace); err != nil {
		return nil, err
	}
	if l.flows == nil {
		if l.flows, err = auth.NewFlows(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Enter begins a session by the password of an account, and the code of its second factor,
// in the place of the one that the
// browser has. Its cookies are those of [web.Cookies.Session].
func (l *Logins) Enter(ctx context.Context, r *http.Request, email, password, code string) (*auth.Session, error) {
	s, err := l.sessions.Login(ctx, auth.Attempt{
		Email: email, Password: password, Code: code,
		From: web.CallOf(ctx).Address, Agent: r.UserAgent(), Device: l.web.Cookies().Device(r),
	})
	if waits := (*auth.FactorError)(nil); errors.As(err, &waits) {
		web.AuditPendingLogin(ctx, waits)
	}
	if err != nil {
		return nil, err
	}
	web.AuditLogin(ctx, s)
	if _, err := l.web.EndSession(ctx, r); err != nil {
		return nil, err
	}
	return s, nil
}

// Refresh goes on with the session that the browser has.
func (l *Logins) Refresh(ctx context.Context, r *http.Request) (*auth.Session, error) {
	token := l.web.Cookies().Refresh(r)
	if err := l.web.SameOrigin(r, token != ""); err != nil {
		return nil, err
	}
	return l.sessions.Refresh(ctx, token)
}

// An Answer is what a browser is told of a login, or where it is sent. No cache keeps it.
type Answer struct {
	Status     int
	Location   string // "" for a page
	RetryAfter string // in seconds, "" for none
	Vary       []string
	Cookies    []http.Cookie
	Page       []byte // HTML, which Policy holds
}

// ContentType is the media type of pages.
const ContentType = mediaHTML + "; charset=utf-8"

// Policy allows pages nothing at all: they have no script, no style and no form.
const Policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// Send answers a request.
func (a *Answer) Send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	for name, value := range map[string]string{"Location": a.Location, "Retry-After": a.RetryAfter} {
		if value != "" {
			h.Set(name, value)
		}
	}
	if a.Page != nil {
		h.Set("Content-Type", ContentType)
		h.Set("Content-Security-Policy", Policy)
	}
	for _, name := range a.Vary {
		h.Add("Vary", name)
	}
	for i := range a.Cookies {
		http.SetCookie(w, &a.Cookies[i])
	}
	w.WriteHeader(a.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.Page)
	}
}

// kept is a cookie that comes back with what a provider's page leads to.
func (l *Logins) kept(name, value string) http.Cookie {
	cookie := l.web.Cookies().Set(name, value, time.Now().Add(auth.FlowTime))
	cookie.SameSite = http.SameSiteLaxMode
	return cookie
}
