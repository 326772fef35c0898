package api

import (
	"context"
	"net/http"

	"cms/api/openapi"
	"cms/auth"
	"cms/web"
)

// LoggedOut is a session that has ended here, and is to end at its identity provider.
type LoggedOut struct {
	LogoutURL string `json:"logout_url" doc:"Send the browser there, so that the login ends at the identity provider too. It is good for this browser, once, for ten minutes."`
}

// logoutCookie has a logout at a provider that is under way.
const logoutCookie = "cms_logout"

var logoutDoc = doc{
	id: "logout", tag: "Sessions", public: true,
	summary:   "End the session",
	text:      "Ends the session of the cookies and takes them back. Where it began at a provider that has a place to log out, the answer has its address or, to a browser that asks for HTML, redirects there.",
	responses: map[int]any{200: LoggedOut{}, 204: nil, 303: nil},
	headers:   map[int][]string{200: {"Set-Cookie"}, 204: {"Set-Cookie"}, 303: {"Location", "Set-Cookie"}},
}

type logoutInput struct {
	Browser
	ReturnTo string `query:"return_to" doc:"The path of this service to go on with when the provider has ended the login, of at most 2048 bytes." example:"/editor/"`
}

func (a *API) logout(ctx context.Context, in *logoutInput) (*reply, error) {
	if err := a.web.SameOrigin(in.request, a.web.Cookies().HaveSession(in.request)); err != nil {
		return nil, err
	}
	if err := checkReturn(in.ReturnTo); err != nil {
		return nil, err
	}
	begun, err := a.web.EndSession(ctx, in.request)
	if err != nil {
		return nil, err
	}
	done := a.web.Cookies().DropSession()
	where, cookie := a.logoutAt(ctx, begun, in.ReturnTo)
	if where == "" {
		return &reply{Status: http.StatusNoContent, SetCookie: done}, nil
	}
	r := &reply{Status: http.StatusSeeOther, Location: where}
	if !forPeople(in.request) {
		if r, err = answer(http.StatusOK, LoggedOut{where}); err != nil {
			return nil, err
		}
	}
	r.CacheControl, r.Vary, r.SetCookie = "no-store", []string{"Accept"}, append(done, cookie)
	return r, nil
}

// logoutAt is the address at which a browser ends the login that a session was begun by,
// and the cookie that it comes back with; "" for none. Here the session has ended, so
// that a provider which cannot be asked is nothing that the logout fails for.
func (a *API) logoutAt(ctx context.Context, begun auth.Voucher, returnTo string) (string, http.Cookie) {
	for _, p := range a.providers {
		where, l, err := p.Logout(ctx, begun)
		var value string
		if err == nil && where != "" {
			l.ReturnTo = returnTo
			value, err = a.flows.SealLogout(l)
		}
		if err != nil {
			a.log.WarnContext(ctx, "cannot log out at a provider", "provider", p.Name(), "error", err, "request_id", web.RequestID(ctx))
			continue
		}
		if where != "" {
			return where, a.kept(logoutCookie, value)
		}
	}
	return "", http.Cookie{}
}

const loggedOut = "logged-out" // the last part of the path

var finishLogoutDoc = doc{
	id: "finish-logout", tag: "Sessions", public: true, anyQuery: true,
	summary:   "Come back from a logout",
	text:      "Where the provider sends the browser that has logged out there. Leads on to the return_to of the logout, or to another login.",
	responses: map[int]any{200: map[string]any{mediaHTML: openapi.File{}}},
	headers:   map[int][]string{200: {"Set-Cookie"}},
	problems:  []int{404},
}

func (a *API) finishLogout(ctx context.Context, in *finishInput) (*reply, error) {
	r, err := a.endLogout(in)
	if err != nil {
		return a.toldLogin(ctx, in.request, err)
	}
	return r, nil
}

func (a *API) endLogout(in *finishInput) (*reply, error) {
	p, err := a.provider(in.Provider)
	if err != nil {
		return nil, err
	}
	l, _ := a.flows.OpenLogout(a.web.Cookies().Of(in.request, logoutCookie)) // else empty, which is refused
	if err := p.CheckLogout(l, in.request.URL.Query()); err != nil {
		return nil, err
	}
	link, path := words{"Continue", "Continuer"}, l.ReturnTo
	if !localPath(path) {
		link, path = words{"Log in again", "Se reconnecter"}, startPath(p.Name(), "")
	}
	return &reply{
		Status: http.StatusOK, ContentType: htmlType, CacheControl: "no-store", CSP: loginPolicy, Vary: []string{"Accept-Language"},
		SetCookie: []http.Cookie{a.web.Cookies().Drop(logoutCookie)},
		Body:      loginPage(in.request, words{"You are logged out", "Vous êtes déconnecté"}, words{}, link, path, path == l.ReturnTo),
	}, nil
}
