package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"cms/api"
	"cms/auth"
)

const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

// page sends a request as a browser does that follows a link, and wants a page in
// French, which has nothing inline and nothing of others.
func (b *browser) page(status int, path string) string {
	b.Helper()
	return b.isPage(b.follow(path), status, path)
}

// follow asks for what is at a path as a browser in French does.
func (b *browser) follow(path string) response {
	return b.send(request{method: "GET", path: path, header: map[string]string{"Accept": browserAccept, "Accept-Language": "fr-FR,fr;q=0.9,en;q=0.8"}})
}

// isPage checks that an answer is a page for people, and gives its text.
func (b *browser) isPage(res response, status int, path string) string {
	b.Helper()
	text := string(res.body)
	if res.status != status || res.header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(text, `<html lang="fr">`) {
		b.Errorf("%s: got %d %v %s, want %d and a page in French", path, res.status, res.header, text, status)
	}
	if got := res.header.Get("Content-Security-Policy"); got != "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'" {
		b.Errorf("%s: got the policy %q", path, got)
	}
	if got := res.header.Get("Cache-Control"); got != "no-store" || !strings.Contains(text, `<meta name="referrer" content="no-referrer">`) {
		b.Errorf("%s: got Cache-Control %q, or a page that tells where it was", path, got)
	}
	if vary := strings.Join(res.header.Values("Vary"), ","); !strings.Contains(vary, "Accept-Language") {
		b.Errorf("%s: got Vary %q", path, vary)
	}
	if regexp.MustCompile(`(?i)<script|<style|<form|\son\w+=|style=|src=|href="(?:[^/]|//)`).MatchString(text) {
		b.Errorf("%s: the page has something inline, or leads elsewhere: %s", path, text)
	}
	return text
}

var hrefs = regexp.MustCompile(`href="([^"]*)"`)

// Whatever makes a login fail, a browser is told by a page why, and led to another try.
func TestFailedLoginsAreToldByPages(t *testing.T) {
	p := newLoginProvider(t)
	foreign := newIDProvider(t)
	down := newLoginProvider(t)
	s, db := newLoginServer(t, "http://127.0.0.1", p.provider(), down.named("down"))
	down.Close()
	const again = "/v1/auth/oidc/id/start?return_to=%2Feditor%2F%3Fa%3D1%26b%3D%22"
	from := func(path string) *browser {
		b := s.browser()
		b.from, b.server = nil, &server{TB: t, url: s.url}
		return b
	}
	for name, tt := range map[string]struct {
		query  string // of the callback; STATE stands for the right one
		claims map[string]any
		status int
		why    string
	}{
		"given up":             {"error=access_denied&error_description=End-User+aborted+interaction&state=STATE", nil, 400, "refusée ou abandonnée"},
		"not let in":           {"error=login_required&state=STATE", nil, 400, "pas laissé entrer"},
		"let in, but refused":  {"error=interaction_required&code=good&state=STATE", nil, 400, "pas laissé entrer"},
		"an error of its own":  {"error=%3Cscript%3E&state=STATE", nil, 400, "pas laissé entrer"},
		"a provider that ails": {"error=temporarily_unavailable&state=STATE", nil, 503, "impossible pour l’instant"},
		"no state":             {"error=access_denied", nil, 400, "pas été commencée dans ce navigateur"},
		"another state":        {"code=good&state=invented", nil, 400, "pas été commencée dans ce navigateur"},
		"no code":              {"state=STATE", nil, 400, "pas laissé entrer"},
		"wrong code":           {"code=bad&state=STATE", nil, 400, "ne connaît pas cette connexion"},
		"another issuer":       {"code=good&state=STATE&iss=" + url.QueryEscape(foreign.URL), nil, 400, "autre fournisseur"},
		"another nonce":        {"code=good&state=STATE", map[string]any{"nonce": "replayed"}, 400, "autre connexion"},
		"no role":              {"code=good&state=STATE", map[string]any{"groups": []string{"/staff"}}, 400, "ne vous donne aucun rôle"},
		"wrong audience":       {"code=good&state=STATE", map[string]any{"aud": "cms"}, 503, "impossible pour l’instant"},
		"twice the same":       {"code=good&code=good&state=STATE", nil, 400, "Le lien qui a mené ici"},
	} {
		t.Run(name, func(t *testing.T) {
			b := from("")
			p.claims = tt.claims
			state := p.start(b, "?return_to="+url.QueryEscape(`/editor/?a=1&b="`))
			text := b.page(tt.status, "/v1/auth/oidc/id/callback?"+strings.ReplaceAll(tt.query, "STATE", state))
			if !strings.Contains(text, tt.why) || strings.Contains(text, "error_description") || strings.Contains(text, "script") {
				t.Errorf("got %s, want a page that says %q", text, tt.why)
			}
			if got := hrefs.FindStringSubmatch(text); got == nil || got[1] != again {
				t.Errorf("the page leads to %q, want %s", got, again)
			}
			b.want(401, getMe)
		})
	}
	p.claims = nil

	b := from("")
	if text := b.page(404, "/v1/auth/oidc/nothing/start"); strings.Contains(text, "href") {
		t.Errorf("leads to another try at no provider: %s", text)
	}
	for path, status := range map[string]int{
		"/v1/auth/oidc/id/start?return_to=//attacker.example":                               400,
		"/v1/auth/oidc/id/start?return_to=/" + strings.Repeat("a", 2100):                    422,
		"/v1/auth/oidc/id/start?return_to=/" + strings.Repeat("%22", 2000):                  422,
		"/v1/auth/oidc/id/start?return=/":                                                   422,
		"/v1/auth/oidc/id/start?return_to=/a&return_to=/b":                                  400,
		"/v1/auth/oidc/down/start":                                                          503,
		"/v1/auth/oidc/id/logged-out?state=x":                                               400,
		"/v1/auth/oidc/id/callback?code=%zz&state=1&return_to=" + strings.Repeat("%0a", 30): 400,
	} {
		text := b.page(status, path)
		for _, link := range hrefs.FindAllStringSubmatch(text, -1) {
			if strings.Contains(link[1], "attacker") || strings.Contains(link[1], "%0A") || len(link[1]) > 2200*4 {
				t.Errorf("%s: leads to %s", path, link[1])
			}
		}
		res := b.send(request{method: "GET", path: path})
		s.problem(res)
		if head := b.send(request{method: "HEAD", path: path, header: map[string]string{"Accept": browserAccept}}); head.status != status || len(head.body) > 0 {
			t.Errorf("HEAD %s: got %d %s", path, head.status, head.body)
		}
	}

	state := p.start(b, "")
	b.want(200, callback("code=good&state="+state))
	if err := auth.NewAccounts(db, nil).SetDisabled(t.Context(), "ann@example.org", true); err != nil {
		t.Fatal(err)
	}
	if text := b.page(401, "/v1/auth/oidc/id/callback?code=good&state="+p.start(b, "")); !strings.Contains(text, "désactivé") {
		t.Errorf("got %s", text)
	}
	started := b.follow("/v1/auth/oidc/id/start")
	for range 1000 { // until it is paced, which is sooner where the machine is quick
		if started.status == http.StatusTooManyRequests {
			break
		}
		started = b.follow("/v1/auth/oidc/id/start")
	}
	if text := b.isPage(started, http.StatusTooManyRequests, "/v1/auth/oidc/id/start"); !strings.Contains(text, "trop de connexions") {
		t.Errorf("got %s", text)
	}
	english := b.send(request{method: "GET", path: "/v1/auth/oidc/id/callback?error=access_denied", header: map[string]string{"Accept": browserAccept, "Accept-Language": "de, en;q=0.5, fr;q=0.1"}})
	if text := string(english.body); !strings.Contains(text, `<html lang="en">`) || !strings.Contains(text, "not begun in this browser") {
		t.Errorf("got %s", text)
	}
}

// Who logs out here is led to log out where the session began, and comes back.
func TestLogoutAtTheProvider(t *testing.T) {
	p := newLoginProvider(t)
	p.ends = true
	s, _ := newLoginServer(t, "http://127.0.0.1", p.provider())
	login := func() *browser {
		b := s.browser()
		from := b.from
		b.from = nil
		b.want(200, callback("code=good&state="+p.start(b, "")))
		b.from = from
		for name, value := range b.cookies() {
			if len(value) > 100 {
				t.Errorf("the cookie %s has %d bytes: it holds more than a name", name, len(value))
			}
		}
		return b
	}
	asked := func(where string) url.Values {
		u, err := url.Parse(where)
		if err != nil || !strings.HasPrefix(where, p.URL+"/end?") {
			t.Fatalf("is led to %q, %v", where, err)
		}
		q := u.Query()
		if q.Get("tenant") != "a" || q.Get("client_id") != "cms-client" || strings.Count(q.Get("id_token_hint"), ".") != 2 || q.Get("state") == "" ||
			q.Get("post_logout_redirect_uri") != "http://127.0.0.1/v1/auth/oidc/id/logged-out" {
			t.Errorf("the provider is asked %v", q)
		}
		return q
	}

	b := login()
	stolen := b.cookies()
	out := logout
	out.path += "?return_to=%2Feditor%2F"
	var told api.LoggedOut
	if err := json.Unmarshal(b.want(200, out).body, &told); err != nil {
		t.Fatal(err)
	}
	q := asked(told.LogoutURL)
	b.want(401, getMe)
	s.steal(stolen).want(401, refresh) // it has ended here, whatever the provider does
	b.from = nil
	b.page(400, "/v1/auth/oidc/id/logged-out?state=another")
	if text := b.page(200, "/v1/auth/oidc/id/logged-out?state="+q.Get("state")); !strings.Contains(text, `content="0;url=/editor/"`) {
		t.Errorf("got %s, want a page that leads on to /editor/", text)
	}
	b.page(400, "/v1/auth/oidc/id/logged-out?state="+q.Get("state")) // once
	elsewhere := s.browser()
	elsewhere.page(400, "/v1/auth/oidc/id/logged-out?state="+q.Get("state"))

	// A form of a page is led there at once.
	b = login()
	form := logout
	form.header = map[string]string{"Accept": browserAccept, "Content-Type": "application/x-www-form-urlencoded"}
	q = asked(b.want(303, form).header.Get("Location"))
	if text := b.page(200, "/v1/auth/oidc/id/logged-out?state="+q.Get("state")); !strings.Contains(text, `href="/v1/auth/oidc/id/start"`) || strings.Contains(text, "http-equiv") {
		t.Errorf("got %s, want a page that leads to another login", text)
	}
	b.want(204, logout) // there is nothing left to end

	// Others log out as ever: with a password, and where the provider cannot be asked.
	b.login()
	b.want(204, logout)
	b = login()
	for _, wrong := range []string{"https://attacker.example/", "//attacker.example"} {
		bad := logout
		bad.path += "?return_to=" + url.QueryEscape(wrong)
		b.want(400, bad)
	}
	b.want(200, getMe)
	p.claims = map[string]any{"groups": append(strings.Fields(strings.Repeat("/g ", 2000)), "/editors")} // a large ID token
	b = login()
	if err := json.Unmarshal(b.want(200, logout).body, &told); err != nil || strings.Contains(told.LogoutURL, "id_token_hint") || len(told.LogoutURL) > 2000 {
		t.Errorf("is led to %q, %v", told.LogoutURL, err)
	}
}

// A logout succeeds, whatever the provider does.
func TestLogoutWithoutTheProvider(t *testing.T) {
	p := newLoginProvider(t)
	first, db := newLoginServer(t, "http://127.0.0.1", p.provider())
	b := first.browser()
	from := b.from
	b.from = nil
	b.want(200, callback("code=good&state="+p.start(b, "")))
	b.from = from
	b.want(204, logout) // it has no place to log out
	b.want(401, getMe)

	b.from = nil
	b.want(200, callback("code=good&state="+p.start(b, "")))
	cookies := b.cookies()
	p.Close()
	sessions, err := auth.NewSessions(auth.SessionOptions{State: db})
	if err != nil {
		t.Fatal(err)
	}
	restarted := newServerWith(t, func(o *options) { // which has not asked the provider yet
		o.Sessions, o.Providers, o.PublicURL = sessions, []*auth.Provider{p.provider()}, "http://127.0.0.1"
	})
	b = restarted.steal(cookies)
	b.want(204, logout)
	restarted.steal(cookies).want(401, getMe)
}
