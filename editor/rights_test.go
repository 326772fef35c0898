package editor_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// send sends a form, or nothing, as a browser does from a page of ours, with other headers
// where they are given in turn.
func (s *service) send(client *http.Client, method, path, body string, header ...string) *page {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", s.url)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Del(header[i])
		if header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	return s.ask(client, r)
}

// stranger is a browser in which nobody is logged in, which does not go where it is led.
func (s *service) stranger() *http.Client {
	s.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// TestReader may look but not change, and is told nothing of what is hidden from them.
func TestReader(t *testing.T) {
	t.Parallel()
	const secret = "4077"
	src := strings.Replace(velo, "note: 3", "note: "+secret, 1)
	s := newService(t, map[string]string{entryFile: src, "_consultations/suite.md": suite})
	f := s.open(s.http, "velo")
	f.set("f/note", "5")
	f.submit("save").wantSaved("1")
	f = s.open(s.http, "velo")
	f.set("f/note", "4")
	f.set("f/title", "Plan piéton")
	f.submit("save").wantSaved("1")
	reader := s.logIn("rene")
	p := s.get(reader, "entry/consultations/velo").want(http.StatusOK, "Plan piéton")
	for _, n := range all(p.root, "button") {
		if do, _ := attr(n, "value"); do != "" && do != "fr" && do != "en" && !has(n, "disabled") {
			t.Errorf("there is a button %q", do)
		}
	}
	for _, n := range append(all(p.root, "input"), all(p.root, "textarea")...) {
		if name, _ := attr(n, "name"); strings.HasPrefix(name, "f/") && !has(n, "readonly") && !has(n, "disabled") && !frozen(n) {
			t.Errorf("%s can be edited", name)
		}
	}
	p.wantNot("/delete/", "/rename/", "?from=")
	for _, path := range []string{
		"", "list/consultations", "list/consultations?q=4077", "list/consultations?f.note=4077", "list/consultations?sort=note", "list/consultations?sort=-note", "list/consultations?q=note",
		"entry/consultations/velo", "source/consultations/velo", "history/consultations/velo", "search?q=4077", "search?q=note", "search?q=velo", "entry/consultations/suite",
	} {
		p := s.get(reader, path)
		if p.status >= 500 {
			t.Errorf("%s is answered with %d: %s", path, p.status, p.text())
		}
		for _, hidden := range []string{"note: ", "f/note", ">note<", "f.note\"", `"note"`} {
			if strings.Contains(p.source, hidden) && !strings.Contains(path, "note") {
				t.Errorf("%s tells %s of a field that is hidden:\n%s", path, hidden, p.source)
			}
		}
		if n := strings.Count(p.source, secret); n > 0 && !strings.Contains(path, secret) {
			t.Errorf("%s tells a value that is hidden:\n%s", path, p.source)
		}
		for _, n := range all(p.root, "a") {
			to, _ := attr(n, "href")
			if strings.Contains(to, "/compare/") {
				s.get(reader, strings.TrimPrefix(to, "/editor/")).wantNot("note", secret)
			}
		}
	}
	if p := s.get(reader, "search?q=4077"); strings.Contains(p.source, "/entry/consultations/velo") {
		t.Error("a search finds what is hidden")
	}

	tip := s.Tip()
	base := s.open(s.http, "velo").get("base")
	form := url.Values{"base": {base}, "f/title": {"Volé"}, "text": {"---\ntitle: Volé\n---\n"}, "do": {"save"}, "to": {"vole"}, "revision": {base}, "slug": {"vole"}, "f/note": {"1"}}.Encode()
	for path, want := range map[string]int{
		"entry/consultations/velo": 403, "source/consultations/velo": 403, "rename/consultations/velo": 403, "delete/consultations/velo": 403,
		"new/consultations": 403, "restore/consultations/velo": 403,
	} {
		form := form
		if strings.HasPrefix(path, "restore/") {
			form = url.Values{"to": {strings.TrimSpace(s.RunGit("rev-list", "--max-parents=0", "main"))}, "revision": {base}}.Encode()
		}
		if p := s.send(reader, "POST", "/editor/"+path, form); p.status != want {
			t.Errorf("POST %s is answered with %d, want %d: %s", path, p.status, want, p.text())
		}
	}
	for path, want := range map[string]int{"new/consultations": 403, "media/": 403, "media/a.png": 403, "file/a.png": 403, "list/autres": 404, "entry/autres/x": 404} {
		if p := s.get(reader, path); p.status != want && !(want == 403 && p.status == 404) {
			t.Errorf("GET %s is answered with %d, want %d: %s", path, p.status, want, p.text())
		}
	}
	if p := s.send(reader, "POST", "/editor/entry/consultations/velo", strings.Replace(form, "do=save", "do=review", 1)); p.status != 403 && strings.Contains(p.source, secret) {
		t.Errorf("a review by a reader: %d %s", p.status, p.text())
	}
	if s.Tip() != tip {
		t.Error("a reader has changed something")
	}
}

// TestSessionsEnd: pages then lead to the login and back, and forms lose nothing.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	other := s.logIn("dominique")
	f := s.open(other, "velo")
	g := s.get(other, "source/consultations/velo").form("source/consultations/velo")
	if err := s.accounts.SetDisabled(t.Context(), "dominique@example.org", true); err != nil {
		t.Fatal(err)
	}
	tip := s.Tip()
	f.set("f/title", "Plan piéton")
	f.set("body", "\n\nTout ce que <b>j’ai</b> écrit.\n")
	p := f.submit("save").want(http.StatusUnauthorized, "Vous n’êtes plus connecté", "rien n’est perdu")
	if p.header.Get("WWW-Authenticate") != "" {
		t.Error("the browser is made to ask for a password")
	}
	g.set("text", "x")
	g.submit("").want(http.StatusUnauthorized)
	s.get(other, "entry/consultations/velo").want(http.StatusOK, "Mot de passe") // the login
	if s.Tip() != tip {
		t.Fatal("a disabled account has saved")
	}
	if err := s.accounts.SetDisabled(t.Context(), "dominique@example.org", false); err != nil {
		t.Fatal(err)
	}
	login := s.get(other, "login").form("login")
	login.set("email", "dominique@example.org")
	login.set("password", password)
	login.submit("")
	p.form("consultations/velo").submit("").wantSaved("1")
	s.wantFile(entryFile, edited(t, "Plan vélo", "Plan piéton", "Premier.\n\nDeuxième.\n", "\n\nTout ce que <b>j’ai</b> écrit.\n"))

	// Where nobody is logged in, and whom another site sends, nothing is offered again.
	stranger := s.stranger()
	p = s.get(stranger, "entry/consultations/velo?x=1%26y")
	if to := p.header.Get("Location"); p.status != http.StatusSeeOther || to != "/editor/login?to="+url.QueryEscape("/editor/entry/consultations/velo?x=1%26y") {
		t.Errorf("who is not logged in is led to %q (%d)", to, p.status)
	}
	login = s.get(stranger, strings.TrimPrefix(p.header.Get("Location"), "/editor/")).form("login")
	login.set("email", "camille@example.org")
	login.set("password", "falsch")
	p = login.submit("").want(http.StatusUnauthorized, "faux")
	login = p.form("login")
	if login.get("email") != "camille@example.org" {
		t.Error("the address is to be typed again")
	}
	login.set("password", password)
	if to := login.submit("").header.Get("Location"); to != "/editor/entry/consultations/velo?x=1%26y" {
		t.Errorf("the login leads to %q", to)
	}
	p = s.send(s.stranger(), "POST", "/editor/entry/consultations/velo", "body=Fremd&base=x&do=save", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	p.want(http.StatusUnauthorized).wantNot("Fremd")
	if p := s.send(s.stranger(), "POST", "/editor/account/password", "old=geheim&new=geheim2"); strings.Contains(p.source, "geheim") {
		t.Error("a password comes back in a page")
	}
}

// TestOtherSites can neither send forms, nor have people led astray by a login.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	tip := s.Tip()
	base := s.open(s.http, "velo").get("base")
	for _, path := range []string{"entry/consultations/velo", "source/consultations/velo", "rename/consultations/velo", "delete/consultations/velo", "restore/consultations/velo", "new/consultations",
		"logout", "login", "language", "account/theme", "account/password", "account/tokens", "account/tokens/X/end", "preview"} {
		form := url.Values{"base": {base}, "revision": {base}, "f/title": {"X"}, "text": {"x"}, "to": {"x"}, "do": {"save"}, "language": {"en"}, "theme": {"dark"}}.Encode()
		for _, from := range [][]string{
			{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, {"Origin", "null", "Sec-Fetch-Site", "cross-site"},
			{"Origin", "https://evil.example", "Sec-Fetch-Site", ""}, {"Origin", strings.Replace(s.url, "127.0.0.1", "localhost", 1), "Sec-Fetch-Site", "same-site"},
		} {
			p := s.send(s.http, "POST", "/editor/"+path, form, from...)
			if p.status != http.StatusForbidden || len(p.header.Values("Set-Cookie")) > 0 {
				t.Errorf("POST %s from %v is answered with %d and the cookies %v", path, from, p.status, p.header.Values("Set-Cookie"))
			}
		}
	}
	if s.Tip() != tip {
		t.Error("another site has changed something")
	}
	s.open(s.http, "velo") // still logged in

	for _, to := range []string{
		"https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "/editor/\t//evil.example", "/editor\\..\\..//evil.example", "javascript:alert(1)", "/editor/../v1/me", "/editor/%2e%2e/v1/me",
		"", "/", "/v1/auth/logout", "editor/", " /editor/", "http:/editor/", "/editor/\r\nSet-Cookie: x=y", "///editor/", "/editorial",
	} {
		for _, ask := range []func() *page{
			func() *page { return s.get(s.quiet(), "login?to="+url.QueryEscape(to)) }, // who is logged in
			func() *page {
				return s.send(s.stranger(), "POST", "/editor/language", url.Values{"language": {"fr"}, "to": {to}}.Encode())
			},
		} {
			if p := ask(); p.status != http.StatusSeeOther || p.header.Get("Location") != "/editor/" {
				t.Errorf("%q leads to %q (%d)", to, p.header.Get("Location"), p.status)
			}
		}
	}
}

// quiet is the browser of the editor, which does not go where it is led.
func (s *service) quiet() *http.Client {
	client := s.stranger()
	client.Jar = s.http.Jar
	return client
}

// TestCookiesAndHeaders of pages.
func TestCookiesAndHeaders(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	client := s.stranger()
	f := s.get(client, "login").form("login")
	f.set("email", "camille@example.org")
	f.set("password", password)
	names := map[string]bool{}
	for _, c := range (&http.Response{Header: f.submit("").header}).Cookies() {
		names[c.Name] = true
		want := http.SameSiteStrictMode
		if c.Name == "cms_pages" {
			want = http.SameSiteLaxMode
		}
		if !c.HttpOnly || c.SameSite != want || c.Path != "/" || c.Domain != "" || c.MaxAge <= 0 {
			t.Errorf("the cookie is %s", c)
		}
	}
	if !names["cms_pages"] || !names["cms_device"] || len(names) != 2 {
		t.Errorf("the cookies are %v", names)
	}
	for _, path := range []string{"", "login", "list/consultations", "entry/consultations/velo", "entry/consultations/nichts", "source/consultations/velo", "account", "nowhere"} {
		p := s.get(client, path)
		h := p.header
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy %q has no %s", path, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || h.Get("Cache-Control") != "private, no-store" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Type"), "text/html; charset=utf-8") {
			if p.status != http.StatusSeeOther {
				t.Errorf("%s (%d): the headers are %v", path, p.status, h)
			}
		}
		for n := range p.root.Descendants() { // what the policy would not run
			for _, a := range n.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") {
					t.Errorf("%s has %s=%q", path, a.Key, a.Val)
				}
			}
			if n.Data == "style" || n.Data == "script" && !has(n, "src") {
				t.Errorf("%s has an inline %s", path, n.Data)
			}
		}
	}
	asset := s.get(client, "login")
	for _, n := range all(asset.root, "script") {
		src, _ := attr(n, "src")
		p := s.send(client, "GET", src, "")
		if p.status != http.StatusOK || !strings.Contains(p.header.Get("Cache-Control"), "immutable") || !strings.HasPrefix(p.header.Get("Content-Type"), "text/javascript") {
			t.Errorf("%s (%d): %v", src, p.status, p.header)
		}
	}
	p := s.send(client, "POST", "/editor/logout", "")
	if p.header.Get("Location") != "/editor/login" || p.header.Get("Clear-Site-Data") != `"storage"` {
		t.Errorf("the logout answers %d with %v", p.status, p.header)
	}
	if p := s.get(client, ""); p.status != http.StatusSeeOther {
		t.Errorf("after the logout the pages answer with %d", p.status)
	}
}

// TestLanguages are what the browser asks for, until somebody has chosen.
func TestLanguages(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	client := s.stranger()
	for accept, want := range map[string]string{"fr": "fr", "de, fr;q=0.5, en;q=0.1": "fr", "fr-CH, en;q=0.9": "fr", "de": "en", "en-GB,fr;q=0.5": "en", "*": "en", "fr;q=0, en": "en"} {
		p := s.send(client, "GET", "/editor/login", "", "Accept-Language", accept)
		if got, _ := attr(all(p.root, "html")[0], "lang"); got != want || p.header.Get("Content-Language") != want || !strings.Contains(strings.Join(p.header.Values("Vary"), ","), "Accept-Language") {
			t.Errorf("%q: the page is in %q", accept, got)
		}
	}
	f := s.get(client, "login?to=%2Feditor%2Faccount").form("language")
	f.tick("language", "en")
	if to := f.submit("").header.Get("Location"); to != "/editor/login?to=%2Feditor%2Faccount" {
		t.Errorf("the choice leads to %q", to)
	}
	s.get(client, "login").want(http.StatusOK, "Email address")
	f = s.get(client, "login").form("language")
	f.tick("language", "xx")
	f.submit("")
	s.get(client, "login").want(http.StatusOK, "Email address")

	p := s.get(s.http, "account")
	f = p.form("account/theme")
	f.set("theme", "dark")
	if p = f.submit(""); !strings.Contains(p.source, `data-theme="dark"`) {
		t.Error("the dark theme is not kept")
	}
	f = p.form("account/theme")
	f.set("theme", "auto")
	f.submit("").wantNot("data-theme")
}

// TestAstray is what is told at no page, and to methods that a page does not have.
func TestAstray(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	for path, want := range map[string]int{
		"nowhere": 404, "entry/": 404, "entry/consultations/": 404, "entry/consultations/nichts": 404, "entry/consultations/../velo": 404, "list/": 404, "list/nichts": 404,
		"compare/consultations/velo?to=nichts": 400, "compare/consultations/velo?from=x&to=0000000000000000000000000000000000000000": 400, "history/consultations/nichts": 404,
		"list/consultations?cursor=x": 200, "list/consultations?sort=nichts": 200, "list/consultations?f.etat=nichts": 200, "list/consultations?f.date.from=x": 200,
		"list/consultations?q=&f.date.from=&f.date.until=&f.in_progress=&f.etat=": 200, "search?q=": 200, "login?to=": 200, // as forms send what is not filled in
		"search?q=" + strings.Repeat("x", 5000): 400, "assets/x/editor.css": 200, "assets/x/../../x": 404, "media/../../x": 404, "logout": 405, "preview": 405, "login/": 404,
	} {
		p := s.get(s.http, path)
		if p.status != want && !(want == 400 && p.status == 404) {
			t.Errorf("GET %s is answered with %d, want %d: %s", path, p.status, want, p.text())
		}
		if p.status >= 400 && len(all(p.root, "h1")) != 1 {
			t.Errorf("GET %s is refused by no page: %s", path, p.source)
		}
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS"} {
		if p := s.send(s.http, method, "/editor/entry/consultations/velo", ""); p.status != http.StatusMethodNotAllowed || p.header.Get("Allow") == "" {
			t.Errorf("%s is answered with %d, Allow %q", method, p.status, p.header.Get("Allow"))
		}
	}
	if p := s.send(s.http, "HEAD", "/editor/entry/consultations/velo", ""); p.status != 200 || p.source != "" {
		t.Errorf("HEAD is answered with %d", p.status)
	}
	for kind, want := range map[string]int{"": 415, "text/plain": 415, "application/json": 415, "multipart/form-data; boundary=x": 415, "application/x-www-form-urlencoded; charset=utf-8": 400} {
		if p := s.send(s.http, "POST", "/editor/entry/consultations/velo", "a=%zz", "Content-Type", kind); p.status != want {
			t.Errorf("a form as %q is answered with %d, want %d: %s", kind, p.status, want, p.text())
		}
	}
	if p := s.send(s.http, "POST", "/editor/language", "x="+strings.Repeat("x", 65<<10)); p.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of 65 KiB is answered with %d", p.status)
	}
}

// TestPassword is changed by who knows it, which ends all sessions.
func TestPassword(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	try := func(old, fresh, again string) *page {
		t.Helper()
		f := s.get(s.http, "account").form("account/password")
		f.set("old", old)
		f.set("new", fresh)
		f.set("again", again)
		return f.submit("")
	}
	try("falsch", "une autre phrase longue", "une autre phrase longue").want(422, "actuel est faux").wantNot("falsch", "une autre phrase")
	try(password, "une autre phrase longue", "une autre phrase longue.").want(422, "diffèrent")
	try(password, "kurz", "kurz").want(422, "au moins")
	try(password, "une autre phrase longue", "une autre phrase longue").want(200, "Votre mot de passe est changé")
	s.get(s.http, "account").want(200, "Mot de passe", "Se connecter")
	f := s.get(s.http, "login").form("login")
	f.set("email", "camille@example.org")
	f.set("password", "une autre phrase longue")
	f.submit("").want(200, "Bonjour Camille")
}

// TestGuessing is slowed down, and says for how long.
func TestGuessing(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	client := s.stranger()
	for range 30 {
		f := s.get(client, "login").form("login")
		f.set("email", "dominique@example.org")
		f.set("password", "falsch")
		p := f.submit("")
		if p.status == http.StatusUnauthorized {
			continue
		}
		p.want(http.StatusTooManyRequests, "Trop d’essais")
		if after := p.header.Get("Retry-After"); strings.Trim(after, "0123456789") != "" || after == "" {
			t.Errorf("Retry-After is %q", after)
		}
		if !strings.Contains(p.text(), "seconde") && !strings.Contains(p.text(), "minute") {
			t.Errorf("it says %s", p.text())
		}
		return
	}
	t.Error("thirty guesses were not slowed down")
}
