package editor_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"cms/auth"
	"cms/editor"
	"cms/web/login"
)

// TestLogoutAtProvider: who has logged in at a provider logs out there too, from a page, and
// comes back to the login.
func TestLogoutAtProvider(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	mux := http.NewServeMux()
	id := httptest.NewServer(mux)
	t.Cleanup(id.Close)
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": id.URL, "jwks_uri": id.URL + "/keys", "authorization_endpoint": id.URL + "/authorize", "token_endpoint": id.URL + "/token", "end_session_endpoint": id.URL + "/end"})
	})
	back := s.url + "/v1/auth/oidc/id/callback"
	provider, err := auth.NewProvider(auth.ProviderOptions{
		Name: "id", ClientID: "c", RedirectURL: back, LogoutURL: s.url + "/v1/auth/oidc/id/logged-out",
		Issuer: auth.Issuer{Issuer: id.URL, Audience: "cms", Algorithms: []string{"EdDSA"}, Discovery: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	logins, err := login.New(login.Options{Web: s.floor, Providers: []*auth.Provider{provider}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := editor.New(editor.Options{Web: s.floor, Site: s.Site, Name: "Consultations", Logins: logins})
	if err != nil {
		t.Fatal(err)
	}
	which := sha256.Sum256([]byte(strings.Join([]string{"id", id.URL, "c", back}, "\n")))
	voucher := auth.Voucher{Provider: base64.RawURLEncoding.EncodeToString(which[:]), IDToken: "h.c.s"}
	if !provider.Vouched(voucher) {
		t.Fatal("the voucher is not of the provider")
	}
	ask := func(method, path string, cookies []*http.Cookie) *http.Response {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, s.url+path, http.NoBody)
		r.Header.Set("Origin", s.url)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w.Result()
	}
	enter := func(v auth.Voucher) []*http.Cookie {
		t.Helper()
		begun, err := s.floor.Sessions().Meet(t.Context(), &auth.Principal{Issuer: id.URL, Subject: "ann", Name: "Ann", Email: "ann@example.org", Roles: []string{"editor"}}, v, netip.Addr{}, "")
		if err != nil {
			t.Fatal(err)
		}
		access := s.floor.Cookies().Set("cms_access", begun.Access, begun.AccessUntil)
		a := ask(http.MethodGet, "/editor/login/continue?to=/editor/", []*http.Cookie{&access})
		for _, c := range a.Cookies() {
			if c.Name == "cms_pages" {
				return []*http.Cookie{c}
			}
		}
		t.Fatalf("the login is answered with %v", a.Header)
		return nil
	}
	pages := enter(voucher)
	a := ask(http.MethodPost, "/editor/logout", pages)
	where, _ := strings.CutPrefix(a.Header.Get("Refresh"), "0;url=")
	at, err := url.Parse(where)
	if err != nil || a.StatusCode != http.StatusOK || !strings.HasPrefix(where, id.URL+"/end?") || at.Query().Get("id_token_hint") != "h.c.s" || at.Query().Get("post_logout_redirect_uri") != s.url+"/v1/auth/oidc/id/logged-out" {
		t.Fatalf("the logout (%d) leads to %q", a.StatusCode, where)
	}
	cookies := map[string]*http.Cookie{}
	for _, c := range a.Cookies() {
		cookies[c.Name] = c
	}
	if cookies["cms_pages"] == nil || cookies["cms_pages"].MaxAge >= 0 || cookies["cms_logout"] == nil || a.Header.Get("Clear-Site-Data") != `"storage"` {
		t.Errorf("the logout has the headers %v", a.Header)
	}
	if a := ask(http.MethodGet, "/editor/account", pages); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the session is still there: %d", a.StatusCode)
	}
	// And back to the login.
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/auth/oidc/id/logged-out?state="+url.QueryEscape(at.Query().Get("state")), http.NoBody)
	r.AddCookie(cookies["cms_logout"])
	done, err := logins.FinishLogout(t.Context(), r, "id")
	if err != nil || !strings.Contains(string(done.Page), "url=/editor/login") {
		t.Errorf("the provider leads back to %v %v", done, err)
	}
	// Who began otherwise, or where the provider does not answer, is logged out here.
	id.Close()
	for _, v := range []auth.Voucher{{}, {Provider: "another"}, voucher} {
		pages := enter(v)
		if a := ask(http.MethodPost, "/editor/logout", pages); v != voucher && (a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/editor/login") {
			t.Errorf("with %+v the logout (%d) leads to %q", v, a.StatusCode, a.Header.Get("Location"))
		}
		if a := ask(http.MethodGet, "/editor/account", pages); a.StatusCode != http.StatusSeeOther {
			t.Errorf("with %+v the session is still there: %d", v, a.StatusCode)
		}
	}
}
