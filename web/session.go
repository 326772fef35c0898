package web

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"cms/auth"
	"cms/say"
)

// The cookies of a session, by their names without the prefix.
const (
	accessCookie  = "cms_access"
	refreshCookie = "cms_refresh"
	deviceCookie  = "cms_device"
)

// Cookies writes and reads cookies that scripts cannot see, that go to this
// host alone and only over TLS: the prefix __Host- makes browsers hold us to
// that, and keeps neighbours from planting one. On this machine alone, where
// there is no TLS, they have neither prefix nor Secure.
type Cookies struct{ plain bool }

// cookiesFor are those of a service that is reached at publicURL.
func cookiesFor(publicURL string) Cookies {
	u, err := url.Parse(publicURL)
	if err != nil || u.Scheme != "http" {
		return Cookies{}
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return Cookies{plain: u.Hostname() == "localhost" || err == nil && ip.IsLoopback()}
}

// Cookies are those of the service.
func (f *Floor) Cookies() Cookies { return f.cookies }

func (c Cookies) name(name string) string {
	if c.plain {
		return name
	}
	return "__Host-" + name
}

// Access is the name of the cookie that says who sends a request.
func (c Cookies) Access() string { return c.name(accessCookie) }

// Set is a cookie with a value until a time.
func (c Cookies) Set(name, value string, until time.Time) http.Cookie {
	return http.Cookie{
		Name: c.name(name), Value: value, Path: "/", MaxAge: max(1, int(time.Until(until).Seconds())),
		HttpOnly: true, Secure: !c.plain, SameSite: http.SameSiteStrictMode,
	}
}

// Drop takes a cookie back.
func (c Cookies) Drop(name string) http.Cookie {
	cookie := c.Set(name, "", time.Now())
	cookie.MaxAge = -1
	return cookie
}

// Of is the value of the request's cookie, "" where there is none or several.
func (c Cookies) Of(r *http.Request, name string) string {
	found := r.CookiesNamed(c.name(name))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// Session is what a browser is given for s.
func (c Cookies) Session(s *auth.Session) []http.Cookie {
	set := []http.Cookie{c.Set(accessCookie, s.Access, s.AccessUntil), c.Set(refreshCookie, s.Refresh, s.RefreshUntil)}
	if s.Device != "" {
		set = append(set, c.Set(deviceCookie, s.Device, s.DeviceUntil))
	}
	return set
}

// DropSession takes the cookies of a session back.
func (c Cookies) DropSession() []http.Cookie {
	return []http.Cookie{c.Drop(accessCookie), c.Drop(refreshCookie)}
}

// Refresh is the token that a browser goes on with its session by, "" for none.
func (c Cookies) Refresh(r *http.Request) string { return c.Of(r, refreshCookie) }

// Device is what a browser is known by that has logged in before, "" for none.
func (c Cookies) Device(r *http.Request) string { return c.Of(r, deviceCookie) }

// HaveSession says whether a browser sends the cookies of a session.
func (c Cookies) HaveSession(r *http.Request) bool {
	return c.Of(r, accessCookie) != "" || c.Of(r, refreshCookie) != ""
}

// EndSession ends the session that a browser has, so that nobody who knows its tokens
// has a part in what comes after. It gives what the session was begun with at a provider.
func (f *Floor) EndSession(ctx context.Context, r *http.Request) (begun auth.Voucher, err error) {
	var errs []error
	for _, name := range []string{accessCookie, refreshCookie} {
		if token := f.cookies.Of(r, name); token != "" {
			v, err := f.sessions.Logout(ctx, token)
			if errs = append(errs, err); v != (auth.Voucher{}) {
				begun = v
			}
		}
	}
	return begun, errors.Join(errs...)
}

// SameOrigin refuses what the page of another site makes a browser send. Where
// a cookie says who it is, the browser has to say where it comes from.
func (f *Floor) SameOrigin(r *http.Request, byCookie bool) error {
	if err := f.crossOrigin.Check(r); err != nil {
		return NewProblem(http.StatusForbidden, say.New("This comes from the page of another site. Send it from a page of this service."))
	}
	if site := r.Header.Get("Sec-Fetch-Site"); f.secure && (byCookie || site == "") && strings.HasPrefix(strings.ToLower(r.Header.Get("Origin")), "http:") {
		return NewProblem(http.StatusForbidden, say.New("This comes from a page that was not fetched over TLS, which anyone on the way could have changed. Use the https address of this service."))
	}
	if byCookie && r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
		return NewProblem(http.StatusForbidden, say.New("A change that is authenticated by a cookie must say where it comes from: send the header Origin with the address of this service, or use a bearer token."))
	}
	return nil
}

// pageCookie has the session of somebody who looks at pages. It goes along when a link
// leads here from elsewhere, as one in a mail does; what changes something is a form of a
// page of ours, which [Floor.SameOrigin] sees to.
const pageCookie = "cms_pages"

// Page is what a browser is given for a session that stays, which pages are looked at
// with.
func (c Cookies) Page(s *auth.Session) []http.Cookie {
	cookie := c.Set(pageCookie, s.Access, s.AccessUntil)
	cookie.SameSite = http.SameSiteLaxMode
	set := []http.Cookie{cookie}
	if s.Device != "" {
		set = append(set, c.Set(deviceCookie, s.Device, s.DeviceUntil))
	}
	return set
}

// DropPage takes back what Page gave.
func (c Cookies) DropPage() http.Cookie { return c.Drop(pageCookie) }

// PageToken is the token of the session that a browser looks at pages with, "" for none.
func (c Cookies) PageToken(r *http.Request) string { return c.Of(r, pageCookie) }

// PageCaller is who looks at a page, or sends a form of one. The error is
// [auth.ErrNoSession] where nobody is logged in.
func (f *Floor) PageCaller(r *http.Request) (*auth.Principal, error) {
	token := f.cookies.PageToken(r)
	if f.sessions == nil || token == "" {
		return nil, auth.ErrNoSession
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := f.SameOrigin(r, true); err != nil {
			return nil, err
		}
	}
	return f.sessions.Stay(r.Context(), token)
}

// PageWatcher is PageCaller for what a page does by itself, which is no use of a session.
func (f *Floor) PageWatcher(r *http.Request) (*auth.Principal, error) {
	token := f.cookies.PageToken(r)
	if f.sessions == nil || token == "" {
		return nil, auth.ErrNoSession
	}
	return f.sessions.Look(r.Context(), token)
}
