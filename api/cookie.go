package api

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"cms/auth"
)

// The cookies of a session, by their names without the prefix.
const (
	accessCookie  = "cms_access"
	refreshCookie = "cms_refresh"
	deviceCookie  = "cms_device"
	flowCookie    = "cms_login"
)

// cookies writes and reads cookies that scripts cannot see, that go to this
// host alone and only over TLS: the prefix __Host- makes browsers hold us to
// that, and keeps neighbours from planting one. On this machine alone, where
// there is no TLS, they have neither prefix nor Secure.
type cookies struct{ plain bool }

// cookiesFor are those of a service that is reached at publicURL.
func cookiesFor(publicURL string) cookies {
	u, err := url.Parse(publicURL)
	if err != nil || u.Scheme != "http" {
		return cookies{}
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return cookies{plain: u.Hostname() == "localhost" || err == nil && ip.IsLoopback()}
}

func (c cookies) name(name string) string {
	if c.plain {
		return name
	}
	return "__Host-" + name
}

// set is a cookie with a value until a time.
func (c cookies) set(name, value string, until time.Time) http.Cookie {
	return http.Cookie{
		Name: c.name(name), Value: value, Path: "/", MaxAge: max(1, int(time.Until(until).Seconds())),
		HttpOnly: true, Secure: !c.plain, SameSite: http.SameSiteStrictMode,
	}
}

// drop takes a cookie back.
func (c cookies) drop(name string) http.Cookie {
	cookie := c.set(name, "", time.Now())
	cookie.MaxAge = -1
	return cookie
}

// of is the value of the request's cookie, "" where there is none or several.
func (c cookies) of(r *http.Request, name string) string {
	found := r.CookiesNamed(c.name(name))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// session is what a browser is given for s.
func (c cookies) session(s *auth.Session) []http.Cookie {
	set := []http.Cookie{c.set(accessCookie, s.Access, s.AccessUntil), c.set(refreshCookie, s.Refresh, s.RefreshUntil)}
	if s.Device != "" {
		set = append(set, c.set(deviceCookie, s.Device, s.DeviceUntil))
	}
	return set
}

// Browser is the request itself, for operations that work with its cookies.
type Browser struct{ request *http.Request }

// Resolve implements [huma.Resolver].
func (b *Browser) Resolve(ctx huma.Context) []error {
	b.request, _ = humamux.Unwrap(ctx)
	return nil
}

// sameOrigin refuses what the page of another site makes a browser send. Where
// a cookie says who it is, the browser has to say where it comes from.
func (a *API) sameOrigin(r *http.Request, byCookie bool) error {
	if err := a.crossOrigin.Check(r); err != nil {
		return forbidden("This comes from the page of another site. Send it from a page of this service.")
	}
	if site := r.Header.Get("Sec-Fetch-Site"); a.secure && (byCookie || site == "") && strings.HasPrefix(strings.ToLower(r.Header.Get("Origin")), "http:") {
		return forbidden("This comes from a page that was not fetched over TLS, which anyone on the way could have changed. Use the https address of this service.")
	}
	if byCookie && r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
		return forbidden("A change that a cookie authenticates has to say where it comes from: send the header Origin with the address of this service, or use a bearer token.")
	}
	return nil
}

func forbidden(detail string) error {
	p := newProblem(http.StatusForbidden, detail)
	p.Code = "forbidden"
	return p
}

// caller is who sends a request: whom its bearer token speaks for or, where it
// has no Authorization header, whom its session is of. What is sent on purpose
// counts more than what a browser sends by itself, so a bad token is not made
// good by a cookie.
func (a *API) caller(r *http.Request) (*auth.Principal, error) {
	access := ""
	if a.sessions != nil && len(r.Header.Values("Authorization")) == 0 {
		access = a.cookies.of(r, accessCookie)
	}
	if access == "" {
		return a.verify(r.Context(), r.Header.Values("Authorization"))
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := a.sameOrigin(r, true); err != nil {
			return nil, err
		}
	}
	pr, err := a.sessions.Principal(r.Context(), access)
	if errors.Is(err, auth.ErrNoSession) {
		return nil, sessionOver()
	}
	return pr, err
}

func sessionOver() *Problem {
	return newProblem(http.StatusUnauthorized, "The session has ended, or has to be refreshed: POST /v1/auth/refresh, or log in again.").
		with("WWW-Authenticate", `Bearer realm="cms"`)
}
