package login

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"cms/auth"
	"cms/web"
)

func newLogins(t *testing.T) *Logins {
	t.Helper()
	floor, err := web.New(web.Options{Verifier: &auth.Verifier{}, Sessions: &auth.Sessions{}, PublicURL: "http://127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	provider, err := auth.NewProvider(auth.ProviderOptions{
		Name: "id", ClientID: "cms", ClientSecret: "s", RedirectURL: "http://127.0.0.1" + Path + "id/callback",
		Issuer: auth.Issuer{Issuer: "https://127.0.0.1:1", Audience: "cms", Algorithms: []string{"ES256"}, Discovery: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(Options{Web: floor, Providers: []*auth.Provider{provider}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestReturnTo: a login leads on to any path of the service, whichever door it is of, and
// to no other place.
func TestReturnTo(t *testing.T) {
	for _, path := range []string{"", "/", "/editor/", "/editor/c/consultations?q=vélo&sort=-date#haut", "/v1/me", "/a%2Fb/..", "/" + strings.Repeat("a", maxReturnTo-1)} {
		if err := checkReturn(path); err != nil {
			t.Errorf("%q: got %v", path, err)
		}
	}
	for path, status := range map[string]int{
		"editor/": 400, "//example.org/": 400, "https://example.org/": 400, "/\\example.org": 400, "\\/example.org": 400, "javascript:alert(1)": 400,
		"/a\tb": 400, "/\n": 400, "/%zz": 400, "a /": 400, "/" + strings.Repeat("a", maxReturnTo): 422,
	} {
		p := (*web.Problem)(nil)
		if err := checkReturn(path); !errors.As(err, &p) || p.Status != status {
			t.Errorf("%q: got %v, want %d", path, err, status)
		}
	}
	start, err := url.Parse(StartPath("id", "/editor/?q=a&b"))
	if err != nil || start.Path != Path+"id/start" || start.Query().Get("return_to") != "/editor/?q=a&b" {
		t.Errorf("got %v, %v", start, err)
	}
}

// TestRefusalLeadsBack: a browser is told by a page why a login fails, which leads to
// another try with the same path to go on with; a program is told by the error.
func TestRefusalLeadsBack(t *testing.T) {
	l := newLogins(t)
	ask := func(provider, accept string) (*Answer, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, StartPath(provider, "/editor/"), nil)
		r.Header.Set("Accept", accept)
		return l.Start(ctx, r, provider, "/editor/")
	}
	for provider, status := range map[string]int{"id": http.StatusServiceUnavailable, "autre": http.StatusNotFound} {
		if _, err := ask(provider, "application/json"); err == nil || l.web.Problem(t.Context(), err).Status != status {
			t.Errorf("%s: got %v, want %d", provider, err, status)
		}
		a, err := ask(provider, "text/html")
		if err != nil || a.Status != status {
			t.Fatalf("%s: got %+v, %v", provider, a, err)
		}
		w := httptest.NewRecorder()
		a.Send(w, httptest.NewRequest(http.MethodGet, "/", nil))
		h := w.Result().Header
		if w.Code != status || h.Get("Content-Security-Policy") != Policy || h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != ContentType {
			t.Errorf("%s: got %d %v", provider, w.Code, h)
		}
		again := strings.Contains(w.Body.String(), `href="/v1/auth/oidc/id/start?return_to=%2Feditor%2F"`)
		if known := provider == "id"; again != known {
			t.Errorf("%s: got %s", provider, w.Body)
		}
	}
	w := httptest.NewRecorder()
	if l.Refuse(w, httptest.NewRequest(http.MethodGet, "/v1/me", nil), web.NotFound()) || w.Body.Len() > 0 {
		t.Error("what is no login is refused by a page")
	}
}
