package editor_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"cms/auth"
	"cms/auth/devicetest"
	"cms/content"
	"cms/editor"
)

// token is a device with passkeys, as a script of the pages uses it.
type token struct{ devicetest.Device }

func (s *service) token() *token { return &token{devicetest.New("localhost", s.url)} }

// options are those of the challenge in a form.
func (f *form) options() string {
	f.Helper()
	for _, n := range all(f.root, "form") {
		if at, _ := attr(n, "action"); at != f.action {
			continue
		}
		for _, box := range all(n, "div") {
			if options, ok := attr(box, "data-options"); ok {
				return options
			}
		}
	}
	f.Fatalf("%s (%d) challenges no passkey: %s", f.at, f.status, f.text())
	return ""
}

// make makes a passkey as a form asks to.
func (k *token) make(f *form) {
	f.Helper()
	answer, err := k.Make(f.options())
	if err != nil {
		f.Fatal(err)
	}
	f.set("answer", answer)
}

// sign answers a form.
func (k *token) sign(f *form) {
	f.Helper()
	k.signAs(f, "answer")
}

// signAs answers a form by a control of a name.
func (k *token) signAs(f *form, name string) {
	f.Helper()
	answer, err := k.Sign(f.options())
	if err != nil {
		f.Fatal(err)
	}
	f.set(name, answer)
}

// TestPasskeyOfOnesOwn is added on the page of the account, asked for behind the password,
// lets in alone, and is removed there.
func TestPasskeyOfOnesOwn(t *testing.T) {
	t.Parallel()
	s := serveAt(t, "localhost")
	k := s.token()
	if p := s.get(s.browser(), "login"); strings.Contains(p.text(), "clé d’accès") {
		t.Error("a passkey is asked for before anybody has one")
	}
	f := s.get(s.http, "account").want(http.StatusOK, "Une clé d’accès est gardée par").form("account/factor")
	f.set("password", "wrong")
	f.submit("passkey").want(http.StatusUnauthorized, "Le mot de passe actuel est faux")
	f.set("password", password)
	f = f.submit("passkey").want(http.StatusOK, "Votre navigateur demande où garder").form("account/factor")
	f.set("name", "Mon téléphone")
	f.set("answer", `{}`)
	f.submit("add").want(http.StatusUnauthorized, "n’a pas été acceptée")
	f = s.get(s.http, "account").form("account/factor")
	f.set("password", password)
	f = f.submit("passkey").form("account/factor")
	f.set("name", "Mon téléphone")
	k.make(f)
	p := f.submit("add").want(http.StatusOK, "Vos codes de secours")
	codes := shownCode.FindAllStringSubmatch(p.source, -1)
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes are shown", len(codes))
	}
	s.get(s.http, "account").want(http.StatusOK, "Vos clés d’accès", "Mon téléphone", "jamais utilisé")

	b := s.browser()
	p = s.enter(b, "camille").want(http.StatusOK, "Utiliser votre clé d’accès", "Code de votre application", "ont besoin de JavaScript")
	f = p.form("login/factor")
	k.sign(f)
	if p := f.submit("").want(http.StatusOK, "Ce navigateur"); !strings.HasSuffix(p.at, "/editor/account") {
		t.Errorf("leads to %s", p.at)
	}
	f.client = s.browser()
	f.submit("").want(http.StatusUnauthorized, "n’a pas été acceptée", "Utiliser votre clé d’accès") // again

	b = s.browser()
	f = s.get(b, "login?to=/editor/account").want(http.StatusOK, "Se connecter avec une clé d’accès").form("login/passkey")
	k.sign(f)
	f.submit("").want(http.StatusOK, "Ce navigateur")
	f.client = s.browser()
	f.submit("").want(http.StatusUnauthorized, "n’a pas été acceptée")

	own := s.get(b, "account").form("account/factor")
	own.submit("passkey").want(http.StatusUnauthorized, "Le code est faux")
	own = s.get(b, "account").form("account/factor")
	k.sign(own)
	own.submit("codes").want(http.StatusOK, "Vos codes de secours")
	own = s.get(b, "account").form("account/factor")
	k.sign(own)
	id := ""
	for _, n := range all(own.root, "button") {
		if value, _ := attr(n, "value"); strings.HasPrefix(value, "remove-passkey ") {
			id = value
		}
	}
	own.submit(id).want(http.StatusOK, "Activer la double authentification")
	s.enter(s.browser(), "camille").want(http.StatusOK, "Ce navigateur")
}

// TestFormsGoOnByPasskeys: a form whose session is over goes on by a passkey alone, and by one
// behind the password; what it has sent outlives an answer that is not taken and a role
// that needs a factor.
func TestFormsGoOnByPasskeys(t *testing.T) {
	t.Parallel()
	s := serveOn(t, "localhost", map[string]string{entryFile: velo}, []content.Collection{consultations()}, map[string]map[string]auth.Grant{"editor": {"consultations": everything}})
	again := func(p *page) *form {
		t.Helper()
		return p.form("entry/consultations/velo")
	}
	enter := func(f *form) *page {
		t.Helper()
		on := *f
		on.action = "/editor/login/again"
		return on.submit("")
	}
	late := func(title string) *form {
		t.Helper()
		f := s.open(s.http, "velo")
		s.expire("camille")
		f.set("f/title", title)
		return again(f.submit("save").want(http.StatusUnauthorized, "rien n’est perdu"))
	}

	f := late("Sans clé")
	if strings.Contains(f.source, "data-passkey") {
		t.Error("a passkey is asked for before anybody has one")
	}
	s.needs.Store(true)
	f.fill(map[string]string{"login.email": "camille@example.org", "login.password": password})
	f = again(enter(f).want(http.StatusForbidden, "Votre rôle demande la double authentification"))
	s.needs.Store(false)
	f.fill(map[string]string{"login.email": "camille@example.org", "login.password": password})
	enter(f).wantSaved("1")

	k := s.token()
	own := s.get(s.http, "account").form("account/factor")
	own.set("password", password)
	own = own.submit("passkey").form("account/factor")
	k.make(own)
	own.submit("add").want(http.StatusOK, "Vos codes de secours")

	f = late("Par la clé seule")
	f.set("login.answer", "{}")
	f = again(enter(f).want(http.StatusUnauthorized, "n’a pas été acceptée", "Se connecter avec une clé d’accès"))
	k.signAs(f, "login.answer")
	enter(f).wantSaved("1")

	f = late("Par le mot de passe et la clé")
	f.fill(map[string]string{"login.email": "camille@example.org", "login.password": password})
	f = again(enter(f).want(http.StatusOK, "Utiliser votre clé d’accès", "Code de votre application"))
	f.set("login.answer", "{}")
	f = again(enter(f).want(http.StatusUnauthorized, "n’a pas été acceptée", "Code de votre application"))
	k.signAs(f, "login.answer")
	enter(f).wantSaved("1")

	f = late("Trop tard")
	f.fill(map[string]string{"login.email": "camille@example.org", "login.password": password})
	f = again(enter(f).want(http.StatusOK, "Utiliser votre clé d’accès"))
	f.set("login.pending", "another")
	f = again(enter(f).want(http.StatusUnauthorized, "Se connecter avec une clé d’accès"))
	k.signAs(f, "login.answer")
	enter(f).wantSaved("1")
	if got := strings.TrimSpace(s.RunGit("log", "--format=%an %s", "-4", "main")); strings.Count(got, "Camille ") != 4 {
		t.Errorf("the commits are %s", got)
	}
	s.wantFile(entryFile, edited(t, "Plan vélo", "Trop tard"))
}

// TestPasskeyThatARoleNeeds is added right after the password.
func TestPasskeyThatARoleNeeds(t *testing.T) {
	t.Parallel()
	s := serveAt(t, "localhost")
	s.needs.Store(true)
	k := s.token()
	p := s.enter(s.browser(), "camille").want(http.StatusOK, "Votre rôle demande la double authentification", "Ajouter une clé d’accès")
	f := p.passkeyForm("login/enrol")
	k.make(f)
	p = f.submit("add").want(http.StatusOK, "Vos codes de secours")
	if !strings.Contains(p.source, `href="/editor/account"`) {
		t.Error("the codes do not lead on to the page that was asked for")
	}
	mine := s.get(p.client, "account").want(http.StatusOK, "Vos clés d’accès")
	if strings.Contains(mine.source, "remove-passkey") {
		t.Error("the last one can be removed")
	}
}

// passkeyForm is the form with an action that asks for a passkey.
func (p *page) passkeyForm(action string) *form {
	p.Helper()
	for _, n := range all(p.root, "form") {
		if at, _ := attr(n, "action"); !strings.HasSuffix(at, action) {
			continue
		} else if boxes := all(n, "div"); len(boxes) > 0 && has(boxes[0], "data-options") {
			return &form{page: p, action: at, values: sent(n)}
		}
	}
	p.Fatalf("%s asks for no passkey at %s", p.at, action)
	return nil
}

// TestPasskeysElsewhere says why there are none at an address that browsers have none for.
func TestPasskeysElsewhere(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	p := s.get(s.http, "account").want(http.StatusOK, "les navigateurs ne les acceptent qu’aux adresses en https", s.url)
	if strings.Contains(p.source, `value="passkey"`) {
		t.Error("one can be added nevertheless")
	}
	f := p.form("account/password")
	f.action = "/editor/account/factor"
	f.values = []field{{"password", password}, {"do", "passkey"}}
	f.submit("").want(http.StatusConflict, "les navigateurs ne les acceptent")
}

// TestForgottenPassword is mailed a link for, which is good once; the answer is the same
// whoever's the address is.
func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	s.get(s.browser(), "forgot").want(http.StatusOK, "Ce service n’envoie pas de messages")

	type mailed struct{ to, token string }
	mails := make(chan mailed, 10)
	resets := auth.NewResets(s.db, slog.New(slog.DiscardHandler), func(_ context.Context, to, token string, _ time.Time) error {
		mails <- mailed{to, token}
		return nil
	})
	s.mailing(resets)
	ask := func(email string) *page {
		t.Helper()
		f := s.get(s.browser(), "forgot").want(http.StatusOK, "Nous y envoyons un lien").form("forgot")
		f.set("email", email)
		return f.submit("")
	}
	s.get(s.browser(), "login").want(http.StatusOK, "Mot de passe oublié")
	var said []string
	for _, email := range []string{"nobody@example.org", "not an address", "Rene@example.org "} {
		said = append(said, ask(email).want(http.StatusOK, "S’il existe un compte avec cette adresse").text())
	}
	if said[0] != said[1] || said[1] != said[2] {
		t.Errorf("the answers differ: %q", said)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- resets.Run(ctx) }()
	m := <-mails
	if m.to != "rene@example.org" {
		t.Errorf("mailed to %s", m.to)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := len(mails); n > 0 {
		t.Errorf("%d more were mailed", n)
	}
	b := s.browser()
	f := s.get(b, strings.TrimPrefix(editor.LinkPath(m.token), editor.Prefix)).want(http.StatusOK, "rene@example.org").form("password")
	const fresh = "une tout autre phrase de passe"
	f.set("new", fresh)
	f.set("again", fresh)
	f.submit("").want(http.StatusOK, "Votre mot de passe est changé")
	f.submit("").want(http.StatusNotFound, "Ce lien n’est plus valable")
	for range 10 {
		if p := ask("rene@example.org"); p.status == http.StatusTooManyRequests {
			p.want(http.StatusTooManyRequests, "Trop d’essais")
			return
		}
	}
	t.Error("one client may ask for links without an end")
}
