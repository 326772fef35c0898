package login

import (
	"context"
	"net/http"

	"cms/auth"
	"cms/web"
)

// logoutCookie has a logout at a provider that is under way.
const logoutCookie = "cms_logout"

// Leave ends the session that a browser has, at once: the cookies take those of the
// session back. Where it began at an identity provider that has a place to log out,
// where is its address, to which the browser is to be sent with the cookies; it leads on
// to returnTo, unless that is "".
func (l *Logins) Leave(ctx context.Context, r *http.Request, returnTo string) (where string, cookies []http.Cookie, err error) {
	if err := l.web.SameOrigin(r, l.web.Cookies().HaveSession(r)); err != nil {
		return "", nil, err
	}
	if err := checkReturn(returnTo); err != nil {
		return "", nil, err
	}
	if pr, err := l.web.Caller(r); err == nil { // for the audit log
		web.AuditCaller(ctx, pr)
	}
	begun, err := l.web.EndSession(ctx, r)
	if err != nil {
		return "", nil, err
	}
	cookies = l.web.Cookies().DropSession()
	where, cookie := l.LeaveProvider(ctx, begun, returnTo)
	if where != "" {
		cookies = append(cookies, cookie)
	}
	return where, cookies, nil
}

// LeaveProvider is the address at which a browser ends the login that a session was begun
// by, and the cookie that it comes back with, which leads on to a path of this service; ""
// for none. Here the session has ended, so that a provider which cannot be asked is nothing
// that the logout fails for.
func (l *Logins) LeaveProvider(ctx context.Context, begun auth.Voucher, returnTo string) (string, http.Cookie) {
	for _, p := range l.providers {
		where, logout, err := p.Logout(ctx, begun)
		var value string
		if err == nil && where != "" {
			logout.ReturnTo = returnTo
			value, err = l.flows.SealLogout(logout)
		}
		if err != nil {
			l.log.WarnContext(ctx, "cannot log out at a provider", "provider", p.Name(), "error", err, "request_id", web.RequestID(ctx))
			continue
		}
		if where != "" {
			return where, l.kept(logoutCookie, value)
		}
	}
	return "", http.Cookie{}
}

// LoggedOut is the last part of the path that a provider sends back to who has logged out.
const LoggedOut = "logged-out"

// FinishLogout leads who has logged out at a provider on to the return_to of the logout,
// or to another login.
func (l *Logins) FinishLogout(ctx context.Context, r *http.Request, provider string) (*Answer, error) {
	a, err := l.finishLogout(r, provider)
	if err != nil {
		return l.refusal(ctx, r, err)
	}
	return a, nil
}

func (l *Logins) finishLogout(r *http.Request, provider string) (*Answer, error) {
	p, err := l.provider(provider)
	if err != nil {
		return nil, err
	}
	logout, _ := l.flows.OpenLogout(l.web.Cookies().Of(r, logoutCookie)) // else empty, which is refused
	if err := p.CheckLogout(logout, r.URL.Query()); err != nil {
		return nil, err
	}
	link, path := words{"Continue", "Continuer"}, logout.ReturnTo
	if !localPath(path) {
		link, path = words{"Log in again", "Se reconnecter"}, StartPath(p.Name(), "")
	}
	return &Answer{
		Status: http.StatusOK, Vary: []string{"Accept-Language"},
		Cookies: []http.Cookie{l.web.Cookies().Drop(logoutCookie)},
		Page:    page(r, words{"You are logged out", "Vous êtes déconnecté"}, words{}, link, path, path == logout.ReturnTo),
	}, nil
}
