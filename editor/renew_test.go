package editor_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cms/auth"
)

// fill fills in controls.
func (f *form) fill(values map[string]string) {
	f.Helper()
	for name, value := range values {
		f.set(name, value)
	}
}

// againAs logs in on the page of a form whose session is over, and has it go on.
func (p *page) againAs(who, word string) *page {
	p.Helper()
	for i := range p.root.Descendants() {
		if is, _ := attr(i, "formaction"); is != "" {
			var at string
			for n := i.Parent; n != nil && at == ""; n = n.Parent {
				at, _ = attr(n, "action")
			}
			f := p.form(at)
			f.action, f.client = is, p.client
			f.fill(map[string]string{"login.email": who + "@example.org", "login.password": word})
			return f.submit("")
		}
	}
	p.Fatalf("%s (%d) has no login: %s", p.at, p.status, p.text())
	return nil
}

// expire ends all sessions of somebody.
func (s *service) expire(who string) {
	s.Helper()
	for _, is := range []bool{true, false} {
		if err := s.accounts.SetDisabled(s.Context(), who+"@example.org", is); err != nil {
			s.Fatal(err)
		}
	}
}

// TestFormsGoOn after a login, without a script, as what they were: of whoever made them.
func TestFormsGoOn(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo, "_consultations/autre.md": "---\ntitle: Autre\n---\nUn.\n\nDeux.\n"})
	f := s.open(s.http, "velo")
	source := s.get(s.http, "source/consultations/autre").form("source/consultations/autre")
	fresh := s.get(s.http, "new/consultations").form("new/consultations")
	rename := s.get(s.http, "rename/consultations/autre").form("rename/consultations/autre")
	s.logIn("dominique")
	s.expire("camille")
	tip := s.Tip()
	f.set("f/title", "Plan piéton")
	f.set("body", "\n\nTout ce que <b>j’ai</b> écrit.\n")
	p := f.submit("save").want(http.StatusUnauthorized, "rien n’est perdu")
	p = p.againAs("camille", "falsch").want(http.StatusUnauthorized, "faux")
	p.wantNot("falsch")
	p = p.againAs("camille", strings.Repeat("x", auth.MaxPassword+1)).want(http.StatusUnprocessableEntity, "1 024 octets")
	p = p.againAs("dominique", password).want(http.StatusForbidden, "autre compte")
	if s.Tip() != tip {
		t.Fatal("a form was saved by somebody else")
	}
	s.get(s.http, "account").want(http.StatusOK, "Se connecter") // nobody was logged in by it
	p.againAs("camille", password).wantSaved("1")
	s.wantFile(entryFile, edited(t, "Plan vélo", "Plan piéton", "Premier.\n\nDeuxième.\n", "\n\nTout ce que <b>j’ai</b> écrit.\n"))
	if got := strings.TrimSpace(s.RunGit("log", "-1", "--format=%an")); got != "Camille" {
		t.Errorf("the commit is by %s", got)
	}

	s.expire("camille")
	source.set("text", "---\ntitle: Autre\n---\nEntier.\n")
	source.submit("").againAs("camille", password).wantSaved("1")
	s.expire("camille")
	fresh.set("f/title", "Toute neuve")
	fresh.submit("save").againAs("camille", password).wantSaved("1")
	s.expire("camille")
	rename.set("to", "renommee")
	if p := rename.submit("").againAs("camille", password); p.status != http.StatusOK && p.status != http.StatusConflict {
		t.Errorf("renaming says (%d) %s", p.status, p.text())
	}
	for file, want := range map[string]string{"_consultations/autre.md": "---\ntitle: Autre\n---\nEntier.\n", "_consultations/toute-neuve.md": "---\ntitle: Toute neuve\n---\n"} {
		if got := s.file(file); !strings.HasPrefix(got, strings.TrimSuffix(want, "---\n")) {
			t.Errorf("%s is %q", file, got)
		}
	}

	// Neither from elsewhere, nor to anything else.
	login := url.Values{"login.email": {"camille@example.org"}, "login.password": {password}}
	for _, to := range []string{"", "/editor/", "/editor/logout", "/editor/account/password", "/editor/login/again", "/v1/me", "https://evil.example/editor/entry/x", "//evil.example/editor/entry/x"} {
		login.Set("login.to", to)
		if p := s.send(s.stranger(), "POST", "/editor/login/again", login.Encode()); p.status != http.StatusSeeOther || p.header.Get("Location") != "/editor/login" || len(p.header.Values("Set-Cookie")) > 0 {
			t.Errorf("a form for %q goes on (%d) to %q", to, p.status, p.header.Get("Location"))
		}
	}
	login.Set("login.to", "/editor/entry/consultations/velo")
	for _, from := range [][]string{{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, {"Origin", "", "Sec-Fetch-Site", ""}} {
		if p := s.send(s.stranger(), "POST", "/editor/login/again", login.Encode(), from...); p.status != http.StatusForbidden {
			t.Errorf("from %v it is answered with %d", from, p.status)
		}
	}
}

// TestWhoseSession is what scripts ask.
func TestWhoseSession(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	account := s.open(s.http, "velo").get("account")
	var is struct{ Account string }
	p := s.send(s.http, "GET", "/editor/session", "", "X-Part", "1")
	if err := json.Unmarshal([]byte(p.source), &is); err != nil || account == "" || is.Account != account {
		t.Errorf("the session is of %q, the form of %q: %s", is.Account, account, p.source)
	}
	if other := s.open(s.logIn("dominique"), "velo").get("account"); other == account {
		t.Error("two accounts are told as one")
	}
	s.expire("camille")
	if p := s.send(s.http, "GET", "/editor/session", "", "X-Part", "1"); p.status != http.StatusUnauthorized {
		t.Errorf("without one it is answered with %d", p.status)
	}
	f := s.send(s.http, "GET", "/editor/login?renew", "", "X-Part", "1").want(http.StatusOK, "Votre session a pris fin").form("login")
	f.fill(map[string]string{"email": "camille@example.org", "password": "falsch"})
	f = f.submit("").want(http.StatusUnauthorized, "faux").form("login")
	f.set("password", password)
	if p := f.submit(""); !strings.Contains(p.source, account) || !strings.HasSuffix(p.at, "/editor/session") {
		t.Errorf("the login in the dialog leads to %s: %s", p.at, p.source)
	}
	s.get(s.http, "login/done").want(http.StatusOK, "Fermez cet onglet")
}

// TestOddPasswords are told as what they are.
func TestOddPasswords(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	long := strings.Repeat("x", auth.MaxPassword+1)
	for fresh, want := range map[string]string{long: "plus de 1 024 octets", "e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301": "au moins 12", "\xff\xfe............": "pas du texte"} {
		f := s.get(s.http, "account").form("account/password")
		f.fill(map[string]string{"old": password, "new": fresh, "again": fresh})
		f.submit("").want(http.StatusUnprocessableEntity, want)
	}
	f := s.get(s.stranger(), "login").form("login")
	f.fill(map[string]string{"email": "camille@example.org", "password": long})
	f.submit("").want(http.StatusUnprocessableEntity, "plus de 1 024 octets")
}

// TestDraftsHoldWhatIsSeen: of a draft nothing is kept that its account does not see now.
func TestDraftsHoldWhatIsSeen(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	names := func(p *page) []string {
		t.Helper()
		var is struct{ Names []string }
		if err := json.Unmarshal([]byte(p.source), &is); err != nil {
			t.Fatalf("%d: %s", p.status, p.source)
		}
		return is.Names
	}
	f := s.open(s.http, "velo")
	f.set("f/title", "Plan piéton")
	f.tick("o/etapes", "n0")
	f.tick("f/etapes/n0/nom", "Quatre")
	f.tick("f/interne", "geheim") // which nobody sees
	f.tick("f/nirgends", "x")
	f.tick("settle/interne", "mine")
	got := names(f.submit("check"))
	for name, want := range map[string]bool{"base": true, "body": true, "account": true, "f/title": true, "f/note": true, "f/etapes/1/nom": true, "f/etapes/n0/nom": true, "o/etapes": true, "z/date": true,
		"f/interne": false, "f/nirgends": false, "settle/interne": false, "do": false} {
		if slices.Contains(got, name) != want {
			t.Errorf("%s is kept: %t; of %v", name, !want, got)
		}
	}
	if tip := s.Tip(); strings.TrimSpace(s.RunGit("rev-list", "--count", tip)) != "1" {
		t.Error("a draft was saved")
	}
	reader := s.logIn("rene")
	mine := *f.page
	mine.client = reader
	g := form{&mine, f.action, f.values}
	if got := names(g.submit("check")); slices.Contains(got, "f/note") || !slices.Contains(got, "f/title") {
		t.Errorf("to a reader who does not see the note is kept %v", got)
	}
	g.action = "/editor/entry/consultations/nichts"
	g.submit("check").want(http.StatusNotFound)

	// Of an entry that has changed since, and of one that is gone.
	s.Commit(map[string]string{entryFile: edited(t, "etapes:\n  - nom: Un\n    jour: 2023-01-02\n  - {nom: Deux, jour: 2023-02-03}\n  - nom: Trois\n", "")})
	if got := names(f.submit("check")); !slices.Contains(got, "f/etapes/1/nom") {
		t.Errorf("of an entry that has changed is kept %v", got)
	}
	s.Commit(map[string]string{entryFile: ""})
	if got := names(f.submit("check")); !slices.Contains(got, "f/title") || slices.Contains(got, "f/interne") {
		t.Errorf("of an entry that is gone is kept %v", got)
	}
	fresh := s.get(s.http, "new/consultations").form("new/consultations")
	fresh.tick("f/interne", "geheim")
	if got := names(fresh.submit("check")); !slices.Contains(got, "slug") || !slices.Contains(got, "f/title") || slices.Contains(got, "f/interne") {
		t.Errorf("of a new entry is kept %v", got)
	}
	fresh.page = s.get(reader, "")
	fresh.submit("check").want(http.StatusForbidden)
}

// TestDraftsOfTexts: a whole file, or a block, that was being written is kept as long as
// its account may read what it was made from, and taken up again where it belongs.
func TestDraftsOfTexts(t *testing.T) {
	t.Parallel()
	const two = "---\ntitle: Deux\ninterne: geheim\n---\nUn.\n\nDeux.\n"
	s := newService(t, map[string]string{entryFile: velo, "_consultations/deux.md": two})
	tip := s.Tip()
	for _, path := range []string{"source/consultations/velo", "block/consultations/deux?n=1"} {
		action, _, _ := strings.Cut(path, "?")
		f := s.get(s.http, path).form(action)
		f.set("text", "Gardé.")
		if got := f.submit("check").source; !strings.Contains(got, `"text"`) || !strings.Contains(got, `"base"`) || strings.Contains(got, `"do"`) {
			t.Errorf("%s: of a draft %s is kept", path, got)
		}
		again := f.submit("open").want(http.StatusOK).form(action)
		if again.get("text") != "Gardé." || again.get("base") != f.get("base") || !strings.Contains(again.source, "data-posted") {
			t.Errorf("%s: taken up, it is %q", path, again.get("text"))
		}
	}
	if s.Tip() != tip {
		t.Error("a draft was saved")
	}
	f := s.get(s.http, "block/consultations/deux?n=1").form("block/consultations/deux")
	f.set("text", "Gardé.")
	s.Commit(map[string]string{"_consultations/deux.md": strings.Replace(two, "Un.", "Zéro.\n\nUn.", 1)})
	if whole := f.submit("open").want(http.StatusOK).form("entry/consultations/deux"); whole.get("body") != "Un.\r\n\r\nGardé.\r\n" || whole.get("base") != f.get("base") {
		t.Errorf("beside another block, it is %q", whole.get("body"))
	}
	s.get(s.http, "delete/consultations/deux").form("delete/consultations/deux").submit("").want(http.StatusOK)
	f.submit("check").want(http.StatusOK)
	for _, path := range []string{"source/consultations/velo", "block/consultations/none"} {
		s.send(s.logIn("stella"), http.MethodPost, "/editor/"+path, "do=check&n=0&text=x&base="+f.get("base")).want(http.StatusForbidden)
	}
}

// TestConflictGoesOn: what somebody has decided for each part of a version that was set aside
// is not asked again after a login, nor made by anybody else.
func TestConflictGoesOn(t *testing.T) {
	t.Parallel()
	const base, file = "---\ntitle: Plan\nnote: 1\n---\n", "_consultations/un.md"
	s := newService(t, map[string]string{file: "---\ntitle: Leur plan\nnote: 2\n---\n"})
	s.SetAside("aaaaaaaaaaaa", "consultations", "un", base, "---\ntitle: Notre plan\nnote: 3\n---\n")
	f := s.get(s.http, "conflict/aaaaaaaaaaaa").form("conflict/aaaaaaaaaaaa")
	f.tick("settle/title", "mine")
	f.tick("settle/note", "theirs")
	s.logIn("dominique")
	s.expire("camille")
	p := f.submit("aside").want(http.StatusUnauthorized, "rien n’est perdu")
	p = p.againAs("dominique", password).want(http.StatusForbidden, "autre compte")
	p.againAs("camille", password).wantSaved("1")
	s.wantFile(file, "---\ntitle: Notre plan\nnote: 2\n---\n")
}

// TestConfirmedFormsAreOfOne who made them, also where they hold nothing that was written.
func TestConfirmedFormsAreOfOne(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	f := s.get(s.http, "delete/consultations/velo").form("delete/consultations/velo")
	other := s.logIn("dominique")
	s.expire("camille")
	tip := s.Tip()
	p := f.submit("").againAs("dominique", password).want(http.StatusForbidden, "autre compte")
	if s.Tip() != tip {
		t.Fatal("what one editor confirmed was done by another one")
	}
	q := p.form("delete/consultations/velo") // which goes on as well after a login in another tab
	q.client = other
	p = q.submit("").want(http.StatusForbidden, "autre compte")
	if s.Tip() != tip {
		t.Fatal("what one editor confirmed was done by another one, who has logged in meanwhile")
	}
	p.againAs("camille", password).want(http.StatusOK, "Supprimé")
}

// lapses are the forms that do not go on after a login, and why.
var lapses = map[string]string{
	"POST login": "a login", "POST login/again": "a login", "POST login/factor": "a login", "POST login/passkey": "a login", "POST login/enrol": "a login",
	"POST password": "for who is not logged in", "POST forgot": "for who is not logged in", "POST logout": "for anyone", "POST language": "for anyone",
	"POST account/password": "secrets", "POST account/factor": "secrets", "POST account/tokens": "makes a secret", "POST account/tokens/{id}/end": "asks who it is", "POST account/sessions": "asks who it is",
	"POST account/theme": "chosen again by a click", "POST columns/{collection}": "chosen again by a click",
	"POST preview": "for scripts", "POST look": "for scripts",
	"POST upload": "files", "POST upload/{path...}": "files", "POST replace/{path...}": "files",
}

// TestFormsGoOnOrLapse asks each form what becomes of it without a session, and holds that
// those which go on say whose they are.
func TestFormsGoOnOrLapse(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	variable := regexp.MustCompile(`\{[^}]*\}`)
	goOn := map[string]bool{}
	for _, route := range routes(t) {
		path, is := strings.CutPrefix(route, "POST ")
		if !is {
			continue
		}
		p := s.send(s.stranger(), "POST", "/editor/"+variable.ReplaceAllString(path, "x"), "typed=long")
		goes := strings.Contains(p.source, `name="typed" value="long"`)
		if goes == (lapses[route] != "") {
			t.Errorf("%s goes on after a login: %t, but lapses says %q", route, goes, lapses[route])
		}
		if kind, _, _ := strings.Cut(path, "/"); goes {
			goOn[kind] = true
		}
	}
	files, err := filepath.Glob("templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	kind := regexp.MustCompile(`action="(?:/editor/|\{\{(?:at|about) ")([a-z-]+)|action="[^"]*\{\{(entry) `)
	found := 0
	for _, name := range files {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(page), "<form ")[1:] {
			form, _, _ := strings.Cut(part, "</form>")
			m := kind.FindStringSubmatch(form)
			if m == nil || !strings.Contains(form, `method="post"`) || !goOn[m[1]+m[2]] {
				continue
			}
			found++
			if !strings.Contains(form, `name="account" value="{{$.Account}}"`) {
				t.Errorf("%s: the form for %s goes on after a login, and does not say whose it is", name, m[1]+m[2])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d forms that go on were found in the templates", found)
	}
}
