package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"cms/api/openapi"
	"cms/auth"
	"cms/say"
	"cms/web"
)

// loginPace is how often a client may begin and end logins at providers, whatever
// limits are configured: each end is a question to the provider.
var loginPace = web.Limit{Requests: 60, Window: time.Minute}

// limitLogins counts what an address asks of providers.
func (a *API) limitLogins(ctx context.Context) error {
	return a.logins.Admit(http.Header{}, web.Network(web.CallOf(ctx).Address))
}

// InProvider names a provider.
type InProvider struct {
	Provider string `path:"provider" doc:"The name of the identity provider." example:"id"`
}

func (a *API) provider(name string) (*auth.Provider, error) {
	i := slices.IndexFunc(a.providers, func(p *auth.Provider) bool { return p.Name() == name })
	if i < 0 {
		return nil, web.NewProblem(http.StatusNotFound, say.New("There is no such identity provider here."))
	}
	return a.providers[i], nil
}

// flowCookie has a login at a provider that is under way.
const flowCookie = "cms_login"

var startLoginDoc = doc{
	id: "start-login", tag: "Sessions", public: true,
	summary:   "Log in at an identity provider",
	text:      "Sends the browser to the provider (OpenID Connect, authorization code flow with PKCE), which sends it back to callback." + pages,
	responses: map[int]any{303: nil},
	headers:   map[int][]string{303: {"Location", "Set-Cookie"}},
	anyQuery:  true, // others are refused here, as people are to be told by a page
	problems:  []int{400, 404, 429},
}

// pages is what is said of the operations that people follow links to.
const pages = " A browser is told why a login fails by a page, in English or French."

type startInput struct {
	Browser
	InProvider
	ReturnTo string `query:"return_to" doc:"The path of this service to go on with after the login, of at most 2048 bytes." example:"/editor/"`
}

// maxReturnTo is how long a path to go on with may be, in bytes.
const maxReturnTo = 2048

func (a *API) startLogin(ctx context.Context, in *startInput) (*reply, error) {
	r, err := a.beginLogin(ctx, in)
	if err != nil {
		return a.toldLogin(ctx, in.request, err)
	}
	return r, nil
}

func (a *API) beginLogin(ctx context.Context, in *startInput) (*reply, error) {
	p, err := a.provider(in.Provider)
	if err != nil {
		return nil, err
	}
	for name := range in.request.URL.Query() {
		if name != "return_to" {
			wrong := web.NewProblem(http.StatusUnprocessableEntity, say.New("The request has parameters that are unknown or wrong."))
			wrong.Errors = []web.Fault{{Detail: say.New("unexpected query parameter; the only one is return_to"), Pointer: "query"}}
			return nil, wrong
		}
	}
	if err := checkReturn(in.ReturnTo); err != nil {
		return nil, err
	}
	if err := a.limitLogins(ctx); err != nil {
		return nil, err
	}
	where, flow, err := p.Start(ctx)
	if err != nil {
		return nil, err
	}
	flow.ReturnTo = in.ReturnTo
	value, err := a.flows.Seal(flow)
	if err != nil {
		return nil, tooLong(err)
	}
	return &reply{Status: http.StatusSeeOther, Location: where, CacheControl: "no-store", SetCookie: []http.Cookie{a.kept(flowCookie, value)}}, nil
}

// kept is a cookie that comes back with what a provider's page leads to.
func (a *API) kept(name, value string) http.Cookie {
	cookie := a.web.Cookies().Set(name, value, time.Now().Add(auth.FlowTime))
	cookie.SameSite = http.SameSiteLaxMode
	return cookie
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

var finishLoginDoc = doc{
	id: "finish-login", tag: "Sessions", public: true, anyQuery: true,
	summary:   "Come back from an identity provider",
	text:      "Where the provider sends the browser. Begins a session and leads on to return_to." + pages,
	responses: map[int]any{200: map[string]any{mediaHTML: openapi.File{}}},
	headers:   map[int][]string{200: {"Set-Cookie"}},
	problems:  []int{400, 404, 429},
}

type finishInput struct {
	Browser
	InProvider
}

func (a *API) finishLogin(ctx context.Context, in *finishInput) (*reply, error) {
	r, err := a.endLogin(ctx, in)
	if err != nil {
		return a.toldLogin(ctx, in.request, err)
	}
	return r, nil
}

func (a *API) endLogin(ctx context.Context, in *finishInput) (*reply, error) {
	p, err := a.provider(in.Provider)
	if err != nil {
		return nil, err
	}
	flow, _ := a.flows.Open(a.web.Cookies().Of(in.request, flowCookie)) // else empty, which is refused
	query := in.request.URL.Query()
	if err := p.Check(flow, query); err != nil {
		if refused := (*auth.LoginError)(nil); errors.As(err, &refused) { // whose text does not say what the provider has against us
			a.log.InfoContext(ctx, "a login at a provider has failed", "provider", p.Name(), "error", err, "request_id", web.RequestID(ctx))
		}
		return nil, err
	}
	if err := a.limitLogins(ctx); err != nil {
		return nil, err
	}
	if err := a.flows.End(flow); err != nil {
		return nil, err
	}
	pr, by, err := p.Finish(ctx, flow, query)
	if err != nil {
		return nil, err
	}
	s, err := a.sessions.Meet(ctx, pr, by)
	if err != nil {
		return nil, err
	}
	if _, err := a.web.EndSession(ctx, in.request); err != nil {
		return nil, err
	}
	if !localPath(flow.ReturnTo) {
		flow.ReturnTo = "/v1/me"
	}
	return &reply{
		Status: http.StatusOK, ContentType: htmlType, CacheControl: "no-store", CSP: loginPolicy, Vary: []string{"Accept-Language"},
		SetCookie: append(a.web.Cookies().Session(s), a.web.Cookies().Drop(flowCookie)),
		Body:      loginPage(in.request, words{"You are logged in", "Vous êtes connecté"}, words{}, words{"Continue", "Continuer"}, flow.ReturnTo, true),
	}, nil
}
