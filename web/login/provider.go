package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"cms/auth"
	"cms/say"
	"cms/web"
)

// Path is what the operations at providers are below, by the provider's name.
const Path = "/v1/auth/oidc/"

// StartPath is where a login begins that leads on to returnTo, if that is not "".
func StartPath(provider, returnTo string) string {
	path := Path + url.PathEscape(provider) + "/start"
	if returnTo != "" {
		path += "?return_to=" + url.QueryEscape(returnTo)
	}
	return path
}

// home is where a login leads on to that names no path.
const home = "/v1/me"

// pace is how often a client may begin and end logins at providers, whatever
// limits are configured: each end is a question to the provider.
var pace = web.Limit{Requests: 60, Window: time.Minute}

// admit counts what an address asks of providers.
func (l *Logins) admit(ctx context.Context) error {
	return l.pace.Admit(http.Header{}, web.Network(web.CallOf(ctx).Address))
}

func (l *Logins) provider(name string) (*auth.Provider, error) {
	i := slices.IndexFunc(l.providers, func(p *auth.Provider) bool { return p.Name() == name })
	if i < 0 {
		return nil, web.NewProblem(http.StatusNotFound, say.New("There is no such identity provider here."))
	}
	return l.providers[i], nil
}

// flowCookie has a login at a provider that is under way.
const flowCookie = "cms_login"

// maxReturnTo is how long a path to go on with may be, in bytes.
const maxReturnTo = 2048

// Start sends a browser to a provider, which sends it back to callback. The request has
// no other parameter than return_to.
func (l *Logins) Start(ctx context.Context, r *http.Request, provider, returnTo string) (*Answer, error) {
	a, err := l.start(ctx, r, provider, returnTo)
	if err != nil {
		return l.refusal(ctx, r, err)
	}
	return a, nil
}

func (l *Logins) start(ctx context.Context, r *http.Request, provider, returnTo string) (*Answer, error) {
	p, err := l.provider(provider)
	if err != nil {
		return nil, err
	}
	for name := range r.URL.Query() {
		if name != "return_to" {
			wrong := web.NewProblem(http.StatusUnprocessableEntity, say.New("The request has parameters that are unknown or wrong."))
			wrong.Errors = []web.Fault{{Detail: say.New("unexpected query parameter; the only one is return_to"), Pointer: "query"}}
			return nil, wrong
		}
	}
	if err := checkReturn(returnTo); err != nil {
		return nil, err
	}
	if err := l.admit(ctx); err != nil {
		return nil, err
	}
	where, flow, err := p.Start(ctx)
	if err != nil {
		return nil, err
	}
	flow.ReturnTo = returnTo
	value, err := l.flows.Seal(flow)
	if err != nil {
		return nil, tooLong(err)
	}
	return &Answer{Status: http.StatusSeeOther, Location: where, Cookies: []http.Cookie{l.kept(flowCookie, value)}}, nil
}

// checkReturn refuses a path to go on with that is none of this service, unless it is "".
func checkReturn(path string) error {
	switch {
	case path != "" && !localPath(path):
		return web.NewProblem(http.StatusBadRequest, say.New("return_to must be a path of this service, such as /editor/."))
	case len(path) > maxReturnTo:
		return web.NewProblem(http.StatusUnprocessableEntity, say.New("return_to is longer than 2048 bytes."))
	}
	return nil
}

// tooLong tells that what a browser is to keep, of which return_to is the only part that
// the client chose, is more than it keeps.
func tooLong(err error) error {
	if errors.Is(err, auth.ErrTooLong) {
		return web.NewProblem(http.StatusUnprocessableEntity, say.New("return_to is longer than a browser keeps."))
	}
	return err
}

// localPath says whether s leads to this service and nowhere else, in whatever
// way a browser reads it.
func localPath(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") &&
		!strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f })
}

// Finish begins the session of who comes back from a provider, in the place of the one
// that the browser has, and leads on to the return_to of the login.
func (l *Logins) Finish(ctx context.Context, r *http.Request, provider string) (*Answer, error) {
	a, err := l.finish(ctx, r, provider)
	if err != nil {
		return l.refusal(ctx, r, err)
	}
	return a, nil
}

func (l *Logins) finish(ctx context.Context, r *http.Request, provider string) (*Answer, error) {
	p, err := l.provider(provider)
	if err != nil {
		return nil, err
	}
	flow, _ := l.flows.Open(l.web.Cookies().Of(r, flowCookie)) // else empty, which is refused
	query := r.URL.Query()
	if err := p.Check(flow, query); err != nil {
		if refused := (*auth.LoginError)(nil); errors.As(err, &refused) { // whose text does not say what the provider has against us
			l.log.InfoContext(ctx, "a login at a provider has failed", "provider", p.Name(), "error", err, "request_id", web.RequestID(ctx))
		}
		return nil, err
	}
	if err := l.admit(ctx); err != nil {
		return nil, err
	}
	if err := l.flows.End(flow); err != nil {
		return nil, err
	}
	pr, by, err := p.Finish(ctx, flow, query)
	if err != nil {
		return nil, err
	}
	s, err := l.sessions.Meet(ctx, pr, by, web.CallOf(ctx).Address, r.UserAgent())
	if err != nil {
		return nil, err
	}
	web.AuditLogin(ctx, s)
	if _, err := l.web.EndSession(ctx, r); err != nil {
		return nil, err
	}
	if !localPath(flow.ReturnTo) {
		flow.ReturnTo = home
	}
	return &Answer{
		Status: http.StatusOK, Vary: []string{"Accept-Language"},
		Cookies: append(l.web.Cookies().Session(s), l.web.Cookies().Drop(flowCookie)),
		Page:    page(r, words{"You are logged in", "Vous êtes connecté"}, words{}, words{"Continue", "Continuer"}, flow.ReturnTo, true),
	}, nil
}
