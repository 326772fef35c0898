package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"cms/auth"
	"cms/web"
)

// Credentials are the body of a login.
type Credentials struct {
	Email    string `json:"email" doc:"The address of the account." example:"camille@example.org"`
	Password string `json:"password" doc:"Its password."`
}

// Login is a session that has begun, or goes on. Its tokens are in cookies that
// scripts cannot read.
type Login struct {
	Caller         Me        `json:"caller"`
	AccessExpires  time.Time `json:"access_expires" doc:"Refresh the session before then."`
	RefreshExpires time.Time `json:"refresh_expires" doc:"Without a refresh before then the session ends."`
}

// loggedIn answers with a session.
func (a *API) loggedIn(s *auth.Session) (*reply, error) {
	r, err := answer(http.StatusOK, Login{a.meOf(s.Principal), s.AccessUntil.UTC().Truncate(time.Second), s.RefreshUntil.UTC().Truncate(time.Second)})
	if err == nil {
		r.SetCookie, r.CacheControl = a.web.Cookies().Session(s), "no-store"
	}
	return r, err
}

var loginDoc = doc{
	id: "login", tag: "Sessions", public: true,
	summary:   "Log in with a password",
	text:      "Begins a session, in the place of the one that the browser has. After some failures, attempts from the same network have to wait.",
	requests:  map[string]any{mediaJSON: Credentials{}},
	example:   json.RawMessage(`{"email": "camille@example.org", "password": "correct horse battery staple"}`),
	responses: map[int]any{200: Login{}},
	headers:   map[int][]string{200: {"Set-Cookie"}},
	problems:  []int{400, 413, 415, 429},
	body:      smallBody,
}

type loginInput struct {
	Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *loginInput) admit(_ context.Context, a *API) error {
	if _, err := web.MediaType(in.ContentType, "", mediaJSON); err != nil {
		return err
	}
	return a.web.SameOrigin(in.request, false)
}

func (a *API) login(ctx context.Context, in *loginInput) (*reply, error) {
	b, err := decodeBody(in.body, "email", "password")
	if err != nil {
		return nil, err
	}
	try := auth.Attempt{
		Email: b.Text("email"), Password: b.Text("password"),
		From: web.CallOf(ctx).Address, Device: a.web.Cookies().Device(in.request),
	}
	if err := b.Problem(); err != nil {
		return nil, err
	}
	s, err := a.sessions.Login(ctx, try)
	if err != nil {
		return nil, err
	}
	if _, err := a.web.EndSession(ctx, in.request); err != nil {
		return nil, err
	}
	return a.loggedIn(s)
}

var refreshDoc = doc{
	id: "refresh", tag: "Sessions", public: true,
	summary:   "Go on with a session",
	text:      "Exchanges the refresh token, which is in a cookie, for the next tokens. It is good once: one that comes again ends the session.",
	responses: map[int]any{200: Login{}},
	headers:   map[int][]string{200: {"Set-Cookie"}},
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
	token := a.web.Cookies().Refresh(in.request)
	if err := a.web.SameOrigin(in.request, token != ""); err != nil {
		return nil, err
	}
	s, err := a.sessions.Refresh(ctx, token)
	if err != nil {
		return nil, err
	}
	return a.loggedIn(s)
}
