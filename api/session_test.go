package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"cms/api"
	"cms/auth"
	"cms/site/sitetest"
	"cms/state"
	"cms/state/statetest"
)

const (
	email    = "camille@example.org"
	password = "une phrase de passe longue"
)

// accountsFile is a database with the account of Camille, whose password is hashed once for
// all tests, and cheaply as of a first login.
var accountsFile = sync.OnceValues(func() ([]byte, error) {
	return statetest.File(func(ctx context.Context, db *state.DB) error {
		err := auth.NewAccounts(db, []string{"editor"}).Add(ctx, auth.Account{Email: email, Name: "Camille Moreau", Roles: []string{"editor"}}, password)
		logins, loginsErr := auth.NewSessions(auth.SessionOptions{Hash: sitetest.CheapHash, State: db})
		if err = errors.Join(err, loginsErr); err != nil {
			return err
		}
		first, err := logins.Login(ctx, auth.Attempt{Email: email, Password: password})
		if err != nil {
			return err
		}
		_, err = logins.Logout(ctx, first.Refresh)
		return err
	})
})

// openAccounts opens a copy of it until the test ends.
func openAccounts(t *testing.T) *state.DB {
	t.Helper()
	file, err := accountsFile()
	if err != nil {
		t.Fatal(err)
	}
	return statetest.OpenFile(t, file)
}

// newLoginServer is a server with the account of Camille, an editor.
func newLoginServer(t *testing.T, publicURL string, providers ...*auth.Provider) (*server, *state.DB) {
	t.Helper()
	db := openAccounts(t)
	now := time.Now()
	sessions, err := auth.NewSessions(auth.SessionOptions{Hash: sitetest.CheapHash, State: db, Now: func() time.Time { return now }}) // however long a guess takes
	if err != nil {
		t.Fatal(err)
	}
	return newServerWith(t, func(o *options) {
		o.Sessions, o.Providers, o.PublicURL = sessions, providers, publicURL
	}), db
}

// browser keeps cookies, and says where its requests come from as browsers do.
type browser struct {
	*server
	client *http.Client
	from   map[string]string // headers of each request
}

func (s *server) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	return &browser{s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		map[string]string{"Origin": s.url, "Sec-Fetch-Site": "same-origin"}}
}

func (b *browser) send(r request) response {
	b.Helper()
	where := r.path
	if strings.HasPrefix(where, "/") {
		where = b.url + where
	}
	req, err := http.NewRequest(r.method, where, strings.NewReader(r.body))
	if err != nil {
		b.Fatal(err)
	}
	for _, headers := range []map[string]string{b.from, r.header} {
		for k, v := range headers {
			req.Header.Set(k, v)
		}
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	return response{res.StatusCode, res.Header, body}
}

func (b *browser) login() response {
	b.Helper()
	res := b.send(loginRequest(email, password))
	if res.status != http.StatusOK {
		b.Fatalf("login: got %d %s", res.status, res.body)
	}
	return res
}

func loginRequest(email, password string) request {
	body, _ := json.Marshal(map[string]string{"email": email, "password": password})
	return request{method: "POST", path: "/v1/auth/login", body: string(body), header: map[string]string{"Content-Type": "application/json"}}
}

// cookies are those that the browser has, by name.
func (b *browser) cookies() map[string]string {
	u, _ := url.Parse(b.url)
	found := map[string]string{}
	for _, c := range b.client.Jar.Cookies(u) {
		found[c.Name] = c.Value
	}
	return found
}

// steal is another browser with these cookies.
func (s *server) steal(cookies map[string]string) *browser {
	b := s.browser()
	u, _ := url.Parse(s.url)
	for name, value := range cookies {
		b.client.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
	}
	return b
}

func (b *browser) want(status int, r request) response {
	b.Helper()
	res := b.send(r)
	if res.status != status {
		b.Errorf("%s %s: got %d %s, want %d", r.method, r.path, res.status, res.body, status)
	} else if status >= 400 {
		b.problem(res)
	}
	return res
}

var (
	getMe   = request{method: "GET", path: "/v1/me"}
	refresh = request{method: "POST", path: "/v1/auth/refresh"}
	logout  = request{method: "POST", path: "/v1/auth/logout"}
)

func createPage(slug string) request {
	return request{method: "PUT", path: "/v1/collections/pages/entries/" + slug, body: "---\ntitle: Page\n---\n",
		header: map[string]string{"Content-Type": "text/markdown", "If-None-Match": "*"}}
}

func TestSession(t *testing.T) {
	t.Parallel()
	s, _ := newLoginServer(t, "http://127.0.0.1")
	b := s.browser()
	b.want(401, getMe)
	b.want(401, refresh)
	b.want(204, logout)
	b.want(401, loginRequest(email, password+"."))
	b.want(401, loginRequest("nobody@example.org", password))
	res := b.login()
	var login api.Login
	if err := json.Unmarshal(res.body, &login); err != nil {
		t.Fatal(err)
	}
	if c := login.Caller; c.Email != email || c.Issuer != auth.AccountIssuer || strings.Join(c.Roles, " ") != "editor" || len(c.Permissions["pages"]) != 4 || len(c.Permissions["media"]) != 4 {
		t.Errorf("got the caller %+v", c)
	}
	for _, value := range b.cookies() {
		if strings.Contains(string(res.body), value) {
			t.Errorf("the body holds a token: %s", res.body)
		}
	}
	b.want(200, getMe)
	b.want(201, createPage("accueil"))
	if got := s.runGit("log", "-1", "--format=%an <%ae>"); got != "Camille Moreau <camille@example.org>\n" {
		t.Errorf("the commit is by %s", got)
	}

	before := b.cookies()
	b.want(200, refresh)
	after := b.cookies()
	if before["cms_access"] == after["cms_access"] || before["cms_refresh"] == after["cms_refresh"] || before["cms_device"] != after["cms_device"] {
		t.Errorf("got cookies %v after %v, want other tokens and the same device", after, before)
	}
	b.want(200, getMe)
	b.want(204, logout)
	if left := b.cookies(); left["cms_access"] != "" || left["cms_refresh"] != "" {
		t.Errorf("after the logout there are %v", left)
	}
	s.steal(after).want(401, getMe)
	s.steal(after).want(401, refresh)
}

// A header counts and a cookie beside it does not, good or bad.
func TestBearerBesideCookie(t *testing.T) {
	t.Parallel()
	s, _ := newLoginServer(t, "http://127.0.0.1")
	b := s.browser()
	b.login()
	bearer := getMe
	bearer.token = s.token
	if res := b.want(200, bearer); !strings.Contains(string(res.body), `"subject":"ann"`) {
		t.Errorf("got %s, want whom the header names", res.body)
	}
	bearer.token = "forged"
	b.want(401, bearer)

	// A bearer token is sent on purpose, so it may come from anywhere.
	write := createPage("ailleurs")
	write.token = s.token
	b.from = map[string]string{"Origin": "https://attacker.example", "Sec-Fetch-Site": "cross-site"}
	b.want(201, write)
}

func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	for publicURL, want := range map[string]struct {
		prefix string
		secure bool
	}{
		"https://cms.example.org": {"__Host-", true},
		"http://cms.example.org":  {"__Host-", true}, // browsers refuse them: nobody logs in without TLS
		"http://localhost:8080":   {"", false},
		"http://[::1]:8080":       {"", false},
	} {
		s, _ := newLoginServer(t, publicURL)
		res := s.browser().login()
		cookies := (&http.Response{Header: res.header}).Cookies()
		if len(cookies) != 3 {
			t.Errorf("%s: got %d cookies, want 3", publicURL, len(cookies))
		}
		for _, c := range cookies {
			if strings.HasPrefix(c.Name, "__Host-") != (want.prefix != "") || c.Secure != want.secure || !c.HttpOnly ||
				c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge <= 0 {
				t.Errorf("%s: got %s", publicURL, c)
			}
		}
		if got := res.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: got Cache-Control %q", publicURL, got)
		}
	}
}

// TestCrossSiteRequests sends what the page of another site can make a browser
// send with the cookies of a session, were they not SameSite=Strict.
func TestCrossSiteRequests(t *testing.T) {
	t.Parallel()
	s, _ := newLoginServer(t, "http://127.0.0.1")
	victim := s.browser()
	victim.login()
	stolen := victim.cookies()
	before := s.runGit("for-each-ref")
	form := request{method: "POST", path: "/v1/collections/pages/entries", body: "title=x", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}
	plain := request{method: "POST", path: "/v1/collections/pages/entries", body: `{"fields":{"title":"x"}}`, header: map[string]string{"Content-Type": "text/plain"}}
	for name, from := range map[string]map[string]string{
		"another site":         {"Origin": "https://attacker.example", "Sec-Fetch-Site": "cross-site"},
		"a neighbour":          {"Origin": "https://autre.example.org", "Sec-Fetch-Site": "same-site"},
		"an old browser":       {"Origin": "https://attacker.example"},
		"a sandboxed frame":    {"Origin": "null"},
		"an origin like ours":  {"Origin": s.url + ".attacker.example"},
		"no Origin":            {},
		"no Origin, elsewhere": {"Sec-Fetch-Site": "cross-site"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &browser{&server{TB: t, url: s.url}, s.steal(stolen).client, from}
			b.want(403, form)
			b.want(403, plain)
			b.want(403, createPage("piege"))
			b.want(403, request{method: "DELETE", path: "/v1/collections/pages/entries/accueil", header: map[string]string{"If-Match": "*"}})
			b.want(403, logout)
			b.want(403, refresh)
			if len(from) > 0 { // a program that logs in has no cookie to be abused
				b.want(403, loginRequest(email, password))
			}
			b.want(200, getMe) // reading changes nothing, and the answer is not for the page
		})
	}
	if after := s.runGit("for-each-ref"); after != before {
		t.Errorf("the branch has moved from %s to %s", before, after)
	}
	victim.want(200, getMe)
	victim.want(200, refresh)
}

// Who uses a refresh token that was used before ends the session, for the thief
// and for the robbed.
func TestStolenRefreshToken(t *testing.T) {
	t.Parallel()
	s, _ := newLoginServer(t, "http://127.0.0.1")
	victim := s.browser()
	victim.login()
	thief := s.steal(victim.cookies())
	thief.want(200, refresh)
	thief.want(200, getMe)

	victim.want(401, refresh) // the token is used: somebody has it
	victim.want(401, getMe)
	thief.want(401, getMe)
	thief.want(401, refresh)
	victim.login()
	victim.want(200, getMe)
	thief.want(401, getMe)
}

// A session that an attacker has planted is never the one that a login makes.
func TestSessionFixation(t *testing.T) {
	t.Parallel()
	s, _ := newLoginServer(t, "http://127.0.0.1")
	attacker := s.browser()
	attacker.login() // an account of their own would do
	planted := attacker.cookies()
	delete(planted, "cms_device")
	victim := s.steal(planted)
	victim.login()
	for name, value := range victim.cookies() {
		if planted[name] == value {
			t.Errorf("the login kept the planted %s", name)
		}
	}
	attacker.want(401, getMe)
	attacker.want(401, refresh)
	victim.want(200, getMe)

	invented := s.steal(map[string]string{"cms_access": "fixed.fixed", "cms_refresh": "fixed.fixed"})
	invented.login()
	if got := invented.cookies(); strings.HasPrefix(got["cms_access"], "fixed") || strings.HasPrefix(got["cms_refresh"], "fixed") {
		t.Errorf("the login kept an invented session: %v", got)
	}
}

func TestLoginRefuses(t *testing.T) {
	t.Parallel()
	s, _ := newLoginServer(t, "http://127.0.0.1")
	b := s.browser()
	with := func(contentType, body string) request {
		return request{method: "POST", path: "/v1/auth/login", body: body, header: map[string]string{"Content-Type": contentType}}
	}
	b.want(415, with("application/x-www-form-urlencoded", "email=camille%40example.org&password=x"))
	b.want(415, with("text/plain", `{"email": "camille@example.org", "password": "x"}`))
	b.want(400, with("application/json", `{"email": `))
	b.want(422, with("application/json", `[]`))
	b.want(422, with("application/json", `{"email": 1, "password": true}`))
	b.want(422, with("application/json", `{"email": "camille@example.org", "password": "x", "role": "editor"}`))
	b.want(401, with("application/json", `{}`))
	for range 5 {
		b.want(401, loginRequest(email, "une autre phrase de passe"))
	}
	res := b.want(429, loginRequest(email, password))
	if got := res.header.Get("Retry-After"); got != "1" {
		t.Errorf("got Retry-After %q, want 1", got)
	}
	if strings.Contains(string(res.body), email) {
		t.Errorf("the answer repeats the address: %s", res.body)
	}
}

func TestDisabledAccount(t *testing.T) {
	t.Parallel()
	s, db := newLoginServer(t, "http://127.0.0.1")
	b := s.browser()
	b.login()
	accounts := auth.NewAccounts(db, []string{"editor", "reader"})
	if err := accounts.SetRoles(t.Context(), email, []string{"reader"}, nil); err != nil {
		t.Fatal(err)
	}
	b.want(404, createPage("accueil")) // pages are nothing to a reader
	if err := accounts.SetDisabled(t.Context(), email, true); err != nil {
		t.Fatal(err)
	}
	b.want(401, getMe)
	b.want(401, refresh)
	b.want(401, loginRequest(email, password))
}
