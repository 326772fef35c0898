package editor_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strings"
	"testing"
	"time"
)

var (
	shownSecret = regexp.MustCompile(`<code>([A-Z2-7]{4}(?: [A-Z2-7]{4}){7})</code>`)
	shownCode   = regexp.MustCompile(`<code>([A-Z0-9]{4}(?:-[A-Z0-9]{4}){3})</code>`)
)

// app is an app for codes in which the secret of a page is typed.
type app struct {
	secret []byte
	ahead  int64 // codes that it shows earlier than others
}

func (p *page) app() *app {
	p.Helper()
	m := shownSecret.FindStringSubmatch(p.source)
	if m == nil {
		p.Fatalf("%s (%d) shows no secret: %s", p.at, p.status, p.text())
	}
	secret, err := base32.StdEncoding.DecodeString(strings.ReplaceAll(m[1], " ", ""))
	if err != nil {
		p.Fatal(err)
	}
	if !strings.Contains(p.source, `src="data:image/png;base64,`) {
		p.Error("the page has no picture of it")
	}
	return &app{secret: secret}
}

// code is the next one that was not shown yet: that of now, then the one that comes next,
// which counts already. There are no more.
func (a *app) code() string {
	mac := hmac.New(sha1.New, a.secret)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30+a.ahead)
	a.ahead++
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// browser is one that has not been here.
func (s *service) browser() *http.Client {
	s.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// enter logs in by a password.
func (s *service) enter(client *http.Client, who string) *page {
	s.Helper()
	f := s.get(client, "login?to=/editor/account").form("login")
	f.set("email", who+"@example.org")
	f.set("password", password)
	return f.submit("")
}

// TestSecondFactorOfOnesOwn is set up on the page of the account, asked for at the next login,
// and removed there.
func TestSecondFactorOfOnesOwn(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	s.get(s.http, "account").want(http.StatusOK, "Activer la double authentification")
	p := s.get(s.http, "account/factor").want(http.StatusOK, "photographiez")
	f := p.form("account/factor")
	f.set("code", "000000")
	p = f.submit("enrol").want(http.StatusUnauthorized, "Le code est faux")
	f = p.form("account/factor")
	app := p.app()
	f.set("code", app.code())
	p = f.submit("enrol").want(http.StatusOK, "Vos codes de secours")
	codes := shownCode.FindAllStringSubmatch(p.source, -1)
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes are shown", len(codes))
	}
	s.get(s.http, "account").want(http.StatusOK, "Il reste 10 codes de secours", "Retirer")

	b := s.browser()
	p = s.enter(b, "camille").want(http.StatusOK, "Code de votre application")
	if p := s.get(b, ""); !strings.Contains(p.at, "/login") {
		t.Errorf("by the password alone one is at %s", p.at)
	}
	f = p.form("login/factor")
	f.set("code", "000000")
	p = f.submit("").want(http.StatusUnauthorized, "Le code est faux")
	f = p.form("login/factor")
	good := app.code()
	f.set("code", good)
	if p := f.submit("").want(http.StatusOK, "Ce navigateur"); !strings.HasSuffix(p.at, "/editor/account") {
		t.Errorf("leads to %s", p.at)
	}
	f.client = s.browser()
	f.submit("").want(http.StatusUnauthorized, "a déjà servi")
	f.set("code", codes[0][1])
	f.submit("").want(http.StatusOK, "Il reste 9 codes de secours")
	f.values[f.index("pending")].value += "x"
	f.submit("").want(http.StatusUnauthorized, "Cela a pris trop de temps")

	own := s.get(b, "account").form("account/factor")
	own.set("code", codes[1][1])
	p = own.submit("codes").want(http.StatusOK, "Vos codes de secours")
	fresh := shownCode.FindAllStringSubmatch(p.source, -1)
	own.set("code", codes[2][1])
	own.submit("remove").want(http.StatusUnauthorized, "Le code est faux")
	own.set("code", fresh[0][1])
	own.submit("remove").want(http.StatusOK, "Activer la double authentification")
	s.enter(s.browser(), "camille").want(http.StatusOK, "Ce navigateur")
	if p := s.get(s.browser(), "account/factor"); !strings.Contains(p.at, "/login") {
		t.Errorf("nobody is at %s", p.at)
	}
}

// TestSecondFactorThatARoleNeeds is set up right after the password, before anything else,
// and cannot be removed.
func TestSecondFactorThatARoleNeeds(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	edit := s.open(s.http, "velo")
	s.needs.Store(true)
	if p := s.get(s.http, ""); !strings.Contains(p.at, "/login") {
		t.Errorf("a session without one is at %s", p.at)
	}
	s.enter(s.browser(), "rene").want(http.StatusOK, "Ce navigateur")

	b := s.browser()
	p := s.enter(b, "camille").want(http.StatusOK, "Votre rôle demande la double authentification")
	for _, path := range []string{"", "account", "account/factor", "list/consultations"} {
		if p := s.get(b, path); !strings.Contains(p.at, "/login") {
			t.Errorf("%s: before it is set up one is at %s", path, p.at)
		}
	}
	f := p.form("login/enrol")
	f.set("code", "000000")
	p = f.submit("enrol").want(http.StatusUnauthorized, "Le code est faux")
	f = p.form("login/enrol")
	app := p.app()
	f.set("code", app.code())
	p = f.submit("enrol").want(http.StatusOK, "Vos codes de secours")
	if !strings.Contains(p.source, `href="/editor/account"`) {
		t.Error("the codes do not lead on to the page that was asked for")
	}
	codes := shownCode.FindAllStringSubmatch(p.source, -1)
	mine := s.get(b, "account").want(http.StatusOK, "Activé")
	mine.wantNot("Retirer")
	own := mine.form("account/factor")
	own.set("code", codes[0][1])
	own.submit("remove").want(http.StatusForbidden, "Votre rôle demande")

	// A form whose session is over goes on behind it, without a script.
	edit.set("f/title", "Plan vélo, suite")
	p = edit.submit("save").againAs("camille", password).want(http.StatusOK, "Code de votre application")
	for n := range p.root.Descendants() {
		at, _ := attr(n, "formaction")
		if at == "" {
			continue
		}
		form := n.Parent
		for form.Data != "form" {
			form = form.Parent
		}
		action, _ := attr(form, "action")
		f := p.form(action)
		f.action = at
		f.set("login.code", "000000")
		f.submit("").want(http.StatusUnauthorized, "Le code est faux", "Code de votre application")
		f.set("login.code", app.code())
		f.submit("").want(http.StatusOK)
		break
	}
	if text := s.file(entryFile); !strings.Contains(text, "Plan vélo, suite") {
		t.Errorf("what was written is not saved: %s", text)
	}
}
