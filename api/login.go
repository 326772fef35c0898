package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"cms/api/openapi"
	"cms/api/operation"
	"cms/auth"
	"cms/web"
	"cms/web/login"
)

// Credentials are the body of a login.
type Credentials struct {
	Email    string `json:"email" doc:"The address of the account." example:"camille@example.org"`
	Password string `json:"password" doc:"Its password."`
	Code     string `json:"code,omitempty" doc:"Of its second factor, or a recovery code." example:"123456"`
}

// Login is a session that has begun, or goes on. Its tokens are in cookies that
// scripts cannot read.
type Login struct {
	Caller         Me        `json:"caller"`
	AccessExpires  time.Time `json:"access_expires" doc:"Refresh the session before then."`
	RefreshExpires time.Time `json:"refresh_expires" doc:"Without a refresh before then the session ends."`
}

// loggedIn answers with a session.
func (a *API) loggedIn(s *auth.Session, err error) (*reply, error) {
	if err != nil {
		return nil, err
	}
	r, err := answer(http.StatusOK, Login{a.meOf(s.Principal), s.AccessUntil.UTC().Truncate(time.Second), s.RefreshUntil.UTC().Truncate(time.Second)})
	if err == nil {
		r.SetCookie, r.CacheControl = a.web.Cookies().Session(s), "no-store"
	}
	return r, err
}

var loginDoc = doc{
	ID: "login", Tag: "Sessions", Public: true,
	Summary:   "Log in with a password",
	Text:      "Begins a session, in the place of the one that the browser has. After some failures, attempts from the same network have to wait. 401 second_factor asks for code.",
	Requests:  map[string]any{mediaJSON: Credentials{}},
	Example:   json.RawMessage(`{"email": "camille@example.org", "password": "correct horse battery staple"}`),
	Responses: map[int]any{200: Login{}},
	Headers:   map[int][]string{200: {"Set-Cookie"}},
	Problems:  []int{400, 403, 413, 415, 429},
	Body:      smallBody,
}

type loginInput struct {
	operation.Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *loginInput) Admit(_ context.Context, a *API) error {
	if _, err := web.MediaType(in.ContentType, "", mediaJSON); err != nil {
		return err
	}
	return a.web.SameOrigin(in.Request(), false)
}

func (a *API) login(ctx context.Context, in *loginInput) (*reply, error) {
	b, err := decodeBody(in.Content(), "email", "password", "code")
	if err != nil {
		return nil, err
	}
	email, password, code := b.Text("email"), b.Text("password"), b.Optional("code")
	if err := b.Problem(); err != nil {
		return nil, err
	}
	return a.loggedIn(a.logins.Enter(ctx, in.Request(), email, password, code))
}

var refreshDoc = doc{
	ID: "refresh", Tag: "Sessions", Public: true,
	Summary:   "Go on with a session",
	Text:      "Exchanges the refresh token, which is in a cookie, for the next tokens. It is good once: one that comes again ends the session.",
	Responses: map[int]any{200: Login{}},
	Headers:   map[int][]string{200: {"Set-Cookie"}},
}

// Browser is the request itself, for operations that work with its cookies.
type Browser struct{ request *http.Request }

// Resolve implements [huma.Resolver].
func (b *Browser) Resolve(ctx huma.Context) []error {
	b.request, _ = humamux.Unwrap(ctx)
	return nil
}

type browserInput struct{ Browser }

func (a *API) refresh(ctx context.Context, in *browserInput) (*reply, error) {
	return a.loggedIn(a.logins.Refresh(ctx, in.request))
}

// LoggedOut is a session that has ended here, and is to end at its identity provider.
type LoggedOut struct {
	LogoutURL string `json:"logout_url" doc:"Send the browser there, so that the login ends at the identity provider too. It is good for this browser, once, for ten minutes."`
}

var logoutDoc = doc{
	ID: "logout", Tag: "Sessions", Public: true,
	Summary:   "End the session",
	Text:      "Ends the session of the cookies and takes them back. Where it began at a provider that has a place to log out, the answer has its address or, to a browser that asks for HTML, redirects there.",
	Responses: map[int]any{200: LoggedOut{}, 204: nil, 303: nil},
	Headers:   map[int][]string{200: {"Set-Cookie"}, 204: {"Set-Cookie"}, 303: {"Location", "Set-Cookie"}},
}

type logoutInput struct {
	Browser
	ReturnTo string `query:"return_to" doc:"The path of this service to go on with when the provider has ended the login, of at most 2048 bytes." example:"/editor/"`
}

func (a *API) logout(ctx context.Context, in *logoutInput) (*reply, error) {
	where, cookies, err := a.logins.Leave(ctx, in.request, in.ReturnTo)
	if err != nil {
		return nil, err
	}
	if where == "" {
		return &reply{Status: http.StatusNoContent, SetCookie: cookies}, nil
	}
	r := &reply{Status: http.StatusSeeOther, Location: where}
	if !login.ForPeople(in.request) {
		if r, err = answer(http.StatusOK, LoggedOut{where}); err != nil {
			return nil, err
		}
	}
	r.CacheControl, r.Vary, r.SetCookie = "no-store", []string{"Accept"}, cookies
	return r, nil
}

// led is what the logins tell a browser.
func led(a *login.Answer, err error) (*reply, error) {
	if err != nil {
		return nil, err
	}
	r := &reply{Status: a.Status, Location: a.Location, RetryAfter: a.RetryAfter, CacheControl: "no-store", Vary: a.Vary, SetCookie: a.Cookies, Body: a.Page}
	if a.Page != nil {
		r.ContentType, r.CSP = login.ContentType, login.Policy
	}
	return r, nil
}

// InProvider names a provider.
type InProvider struct {
	Provider string `path:"provider" doc:"The name of the identity provider." example:"id"`
}

// pages is what is said of the operations that people follow links to.
const pages = " A browser is told why a login fails by a page."

var startLoginDoc = doc{
	ID: "start-login", Tag: "Sessions", Public: true,
	Summary:   "Log in at an identity provider",
	Text:      "Sends the browser to the provider (OpenID Connect), which sends it back to callback." + pages,
	Responses: map[int]any{303: nil},
	Headers:   map[int][]string{303: {"Location", "Set-Cookie"}},
	AnyQuery:  true, // others are refused by the logins, as people are to be told by a page
	Problems:  []int{400, 404, 429},
}

type startInput struct {
	Browser
	InProvider
	ReturnTo string `query:"return_to" doc:"The path of this service to go on with after the login, of at most 2048 bytes." example:"/editor/"`
}

func (a *API) startLogin(ctx context.Context, in *startInput) (*reply, error) {
	return led(a.logins.Start(ctx, in.request, in.Provider, in.ReturnTo))
}

var finishLoginDoc = doc{
	ID: "finish-login", Tag: "Sessions", Public: true, AnyQuery: true,
	Summary:   "Come back from an identity provider",
	Text:      "Where the provider sends the browser. Begins a session and leads on to return_to.",
	Responses: map[int]any{200: map[string]any{"text/html": openapi.File{}}},
	Headers:   map[int][]string{200: {"Set-Cookie"}},
	Problems:  []int{400, 404, 429},
}

type finishInput struct {
	Browser
	InProvider
}

func (a *API) finishLogin(ctx context.Context, in *finishInput) (*reply, error) {
	return led(a.logins.Finish(ctx, in.request, in.Provider))
}

var finishLogoutDoc = doc{
	ID: "finish-logout", Tag: "Sessions", Public: true, AnyQuery: true,
	Summary:   "Come back from a logout",
	Text:      "Where the provider sends the browser that has logged out there. Leads on to the return_to of the logout, or to another login.",
	Responses: map[int]any{200: map[string]any{"text/html": openapi.File{}}},
	Headers:   map[int][]string{200: {"Set-Cookie"}},
	Problems:  []int{404},
}

func (a *API) finishLogout(ctx context.Context, in *finishInput) (*reply, error) {
	return led(a.logins.FinishLogout(ctx, in.request, in.Provider))
}
