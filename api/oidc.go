package api

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"cms/api/openapi"
	"cms/auth"
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
		return nil, web.NewProblem(http.StatusNotFound, "There is no such identity provider here.")
	}
	return a.providers[i], nil
}

// flowCookie has a login at a provider that is under way.
const flowCookie = "cms_login"

var startLoginDoc = doc{
	id: "start-login", tag: "Sessions", public: true,
	summary:   "Log in at an identity provider",
	text:      "Sends the browser to the provider (OpenID Connect, authorization code flow with PKCE), which sends it back to callback.",
	responses: map[int]any{303: nil},
	headers:   map[int][]string{303: {"Location", "Set-Cookie"}},
	problems:  []int{400, 404, 429, 503},
}

type startInput struct {
	InProvider
	ReturnTo string `query:"return_to" maxLength:"2048" doc:"The path of this service to go on with after the login." example:"/editor/"`
}

func (a *API) startLogin(ctx context.Context, in *startInput) (*reply, error) {
	p, err := a.provider(in.Provider)
	if err != nil {
		return nil, err
	}
	if in.ReturnTo != "" && !localPath(in.ReturnTo) {
		return nil, web.NewProblem(http.StatusBadRequest, "return_to must be a path of this service, such as /editor/.")
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
		return nil, err
	}
	cookie := a.web.Cookies().Set(flowCookie, value, time.Now().Add(auth.FlowTime))
	cookie.SameSite = http.SameSiteLaxMode // the provider's page leads back here
	return &reply{Status: http.StatusSeeOther, Location: where, CacheControl: "no-store", SetCookie: []http.Cookie{cookie}}, nil
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
	text:      "Where the provider sends the browser. Begins a session and leads on to return_to.",
	responses: map[int]any{200: map[string]any{"text/html": openapi.File{}}},
	headers:   map[int][]string{200: {"Set-Cookie"}},
	problems:  []int{400, 404, 429, 503},
}

type finishInput struct {
	Browser
	InProvider
}

func (a *API) finishLogin(ctx context.Context, in *finishInput) (*reply, error) {
	p, err := a.provider(in.Provider)
	if err != nil {
		return nil, err
	}
	flow, _ := a.flows.Open(a.web.Cookies().Of(in.request, flowCookie)) // else empty, which is refused
	query := in.request.URL.Query()
	if err := p.Check(flow, query); err != nil {
		return nil, err
	}
	if err := a.limitLogins(ctx); err != nil {
		return nil, err
	}
	if !a.flows.End(flow) {
		return nil, &auth.LoginError{Detail: "This login was ended already. Log in again."}
	}
	pr, err := p.Finish(ctx, flow, query)
	if err != nil {
		return nil, err
	}
	s, err := a.sessions.Meet(ctx, pr)
	if err != nil {
		return nil, err
	}
	if err := a.web.EndSession(ctx, in.request); err != nil {
		return nil, err
	}
	if !localPath(flow.ReturnTo) {
		flow.ReturnTo = "/v1/me"
	}
	// A redirect would still belong to the navigation that the provider's page
	// began, and browsers leave SameSite=Strict cookies out of it. A page of our
	// own begins another.
	var page bytes.Buffer
	fmt.Fprintf(&page, goOn, html.EscapeString(flow.ReturnTo))
	return &reply{
		Status: http.StatusOK, ContentType: "text/html; charset=utf-8", CacheControl: "no-store",
		CSP:       "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
		SetCookie: append(a.web.Cookies().Session(s), a.web.Cookies().Drop(flowCookie)), Body: page.Bytes(),
	}, nil
}

// goOn has a place for the path that it leads to.
const goOn = `<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0;url=%[1]s">
<title>cms</title>
<p><a href="%[1]s">Continuer · Continue</a></p>
`
