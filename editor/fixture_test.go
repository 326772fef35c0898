package editor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/html"

	"cms/auth"
	"cms/content"
	"cms/editor"
	"cms/site"
	"cms/site/sitetest"
	"cms/state"
	"cms/state/statetest"
	"cms/web"
)

// service is the pages of a real site on a real repository, over real HTTP.
type service struct {
	*sitetest.Fixture
	url    string
	editor *editor.Editor
	http   *http.Client // who is logged in as an editor

	options  editor.Options
	door     door
	said     said
	floor    *web.Floor
	db       *state.DB
	begun    sync.Map // the *auth.Session of each, that nobody has taken yet
	accounts *auth.Accounts
	tokens   *auth.PersonalTokens
	builds   builds
	needs    atomic.Bool // of editors, a second factor

	late atomic.Int64 // how many syncs of the branch's folder are to fail
}

// beforeSync makes the storage fail after the branch has moved.
func (s *service) beforeSync(folder string) error {
	if strings.HasSuffix(folder, "refs/heads") && s.late.Load() > 0 {
		s.late.Add(-1)
		return &os.PathError{Op: "sync", Path: folder, Err: syscall.EIO}
	}
	return nil
}

const password = "correct horse battery staple"

// people are those who log in, by name, and the roles that they have where there are such.
var people = map[string]string{
	"camille": "editor", "dominique": "editor", "rene": "reader", "ann": "limited", "vera": "visitor", "paul": "photographer", "stella": "stranger",
}

// begun is a database, and sessions that have begun there, by who has them.
type begun struct {
	file     []byte
	sessions map[string]*auth.Session
}

// accountsFile is a database with the accounts of all people, whose password is hashed
// once for all tests, and with a session of each, which has begun by a login.
var accountsFile = sync.OnceValues(func() (b begun, err error) {
	b.sessions = map[string]*auth.Session{}
	b.file, err = statetest.File(func(ctx context.Context, db *state.DB) error {
		const email = "camille@example.org"
		err := auth.NewAccounts(db, []string{"editor"}).Add(ctx, auth.Account{Email: email, Name: "Camille", Roles: []string{"editor"}}, password)
		camille, findErr := db.Accounts().ByEmail(ctx, email)
		err = errors.Join(err, findErr)
		for who, role := range people {
			if who == "camille" {
				continue
			}
			err = errors.Join(err, db.Accounts().Add(ctx, state.Account{
				ID: who, Subject: who, Email: who + "@example.org", Name: strings.ToUpper(who[:1]) + who[1:],
				Roles: []string{role}, Claims: camille.Claims, Password: camille.Password, CreatedAt: time.Now(),
			}))
		}
		logins, loginsErr := auth.NewSessions(auth.SessionOptions{Hash: sitetest.CheapHash, State: db})
		if err = errors.Join(err, loginsErr); err != nil {
			return err
		}
		for who := range people {
			var loginErr error
			b.sessions[who], loginErr = logins.Login(ctx, auth.Attempt{Email: who + "@example.org", Password: password, Agent: "Go-http-client/1.1", Stay: true})
			err = errors.Join(err, loginErr)
		}
		return err
	})
	return b, err
})

var everything = auth.Grant{Actions: []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete}}

// consultations are a collection with a field of each type.
func consultations() content.Collection {
	return content.Collection{Name: "consultations", Folder: "_consultations", Extension: ".md", Label: map[string]string{"fr": "Consultations", "en": "Consultations"},
		Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "title", Type: content.TypeString, Required: true, Label: map[string]string{"fr": "Titre", "en": "Title"}},
			{Name: "description", Type: content.TypeText, Hint: map[string]string{"fr": "En une phrase.", "en": "In a sentence."}},
			{Name: "intro", Type: content.TypeMarkdown},
			{Name: "link", Type: content.TypeURL},
			{Name: "contact", Type: content.TypeEmail},
			{Name: "date", Type: content.TypeDatetime},
			{Name: "fin", Type: content.TypeDate},
			{Name: "in_progress", Type: content.TypeBoolean},
			{Name: "note", Type: content.TypeInteger, Min: "0", Max: "5"},
			{Name: "poids", Type: content.TypeNumber},
			{Name: "etat", Type: content.TypeSelect, Options: []content.Value{"ouverte", "fermée", content.Number("3")}},
			{Name: "methodes", Type: content.TypeList, Of: &content.Field{Type: content.TypeString}},
			{Name: "etapes", Type: content.TypeList, Of: &content.Field{Type: content.TypeObject, Fields: []content.Field{
				{Name: "nom", Type: content.TypeString, Required: true}, {Name: "jour", Type: content.TypeDate},
			}}},
			{Name: "lieu", Type: content.TypeObject, Fields: []content.Field{{Name: "ville", Type: content.TypeString}, {Name: "code", Type: content.TypeString}}},
			{Name: "image", Type: content.TypeImage},
			{Name: "suite", Type: content.TypeReference, Collection: "consultations"},
			{Name: "visites", Type: content.TypeInteger, ReadOnly: true},
			{Name: "interne", Type: content.TypeString, Hidden: true},
		}}}
}

// newService serves files, until the test ends, to editors and to readers, from whom the
// notes are hidden.
func newService(t testing.TB, files map[string]string, collections ...content.Collection) *service {
	t.Helper()
	if len(collections) == 0 {
		collections = []content.Collection{consultations()}
	}
	roles := map[string]map[string]auth.Grant{"editor": {auth.Media: everything}, "reader": {}}
	for _, c := range collections {
		roles["editor"][c.Name] = everything
		roles["reader"][c.Name] = auth.Grant{Actions: []auth.Action{auth.Read}, Hide: []string{"note"}}
	}
	return serve(t, files, collections, roles)
}

// serveAt serves nothing to editors, at a name of this machine.
func serveAt(t testing.TB, host string) *service {
	t.Helper()
	return serveOn(t, host, nil, []content.Collection{consultations()}, map[string]map[string]auth.Grant{"editor": {"consultations": everything}})
}

// serve serves files by these roles to the people of accountsFile.
func serve(t testing.TB, files map[string]string, collections []content.Collection, roles map[string]map[string]auth.Grant) *service {
	t.Helper()
	return serveOn(t, "127.0.0.1", files, collections, roles)
}

func serveOn(t testing.TB, host string, files map[string]string, collections []content.Collection, roles map[string]map[string]auth.Grant) *service {
	t.Helper()
	s := &service{}
	of := sitetest.Options{Collections: collections, Roles: roles, Media: site.MediaOptions{MaxBytes: 1 << 20, Scratch: t.TempDir()}}
	of.Repo.BeforeSync = s.beforeSync
	s.Fixture = sitetest.New(t, of)
	if len(files) > 0 {
		s.Commit(files)
	}
	first, err := accountsFile()
	if err != nil {
		t.Fatal(err)
	}
	db := statetest.OpenFile(t, first.file)
	s.db = db
	for who, session := range first.sessions {
		s.begun.Store(who, session)
	}
	server := httptest.NewUnstartedServer(nil)
	s.said = said{make(chan string, 10_000)}
	s.url = "http://" + strings.Replace(server.Listener.Addr().String(), "127.0.0.1", host, 1)
	sessions, err := auth.NewSessions(auth.SessionOptions{Hash: sitetest.CheapHash, State: db, Name: "Consultations", PublicURL: s.url, NeedFactor: func(roles []string) bool {
		return s.needs.Load() && slices.Contains(roles, "editor")
	}})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Options{Issuers: []auth.Issuer{{Issuer: "cms", Audience: "cms", Algorithms: []string{"HS256"}, Secret: []byte(strings.Repeat("s", 32))}}})
	if err != nil {
		t.Fatal(err)
	}
	s.tokens = auth.NewPersonalTokens(auth.PersonalOptions{State: db})
	floor, err := web.New(web.Options{Verifier: verifier, Sessions: sessions, Personal: s.tokens, PublicURL: s.url, Logger: slog.New(slog.NewJSONHandler(s.said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s.accounts = auth.NewAccounts(db, slices.Collect(maps.Keys(roles)))
	s.floor = floor
	keys := db.Keys()
	s.options = editor.Options{Web: floor, Site: s.Site, Name: "Consultations citoyennes", Accounts: s.accounts, Tokens: s.tokens, Keys: &keys, Builds: &s.builds, Address: func(r site.Ref) string { return "https://example.org/" + r.Slug.String() + "/" }}
	s.mailing(nil)
	floor.Mount(editor.Prefix, &s.door)
	server.Config.Handler = floor
	server.Start()
	t.Cleanup(server.Close)
	s.http = s.logIn("camille")
	return s
}

// mailing has pages that mail links, or nil.
func (s *service) mailing(resets *auth.Resets) {
	s.Helper()
	s.options.Resets = resets
	var err error
	if s.editor, err = editor.New(s.options); err != nil {
		s.Fatal(err)
	}
	s.door.Store(s.editor)
}

// said has the lines of the log, of those that wait the first 10,000.
type said struct{ lines chan string }

func (l said) Write(b []byte) (int, error) {
	select {
	case l.lines <- string(b):
	default:
	}
	return len(b), nil
}

// door is that of the pages that there are now.
type door struct{ atomic.Pointer[editor.Editor] }

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request)         { d.Load().ServeHTTP(w, r) }
func (d *door) Refuse(w http.ResponseWriter, r *http.Request, err error) { d.Load().Refuse(w, r, err) }

// builds are what became of entries, by their paths; of others nothing is known.
type builds struct{ sync.Map }

func (b *builds) Of(_ context.Context, ref site.Ref, _ string) (editor.Build, bool) {
	is, ok := b.Load(ref.String())
	if !ok {
		return editor.Build{}, false
	}
	return is.(editor.Build), true
}

func (b *builds) News(context.Context) <-chan struct{} { return nil }

// logIn is somebody who has logged in: the first time by the session that they have, since a
// login takes longer than most of what is tested, and then by the page for it.
func (s *service) logIn(who string) *http.Client {
	s.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	if session, ok := s.begun.LoadAndDelete(who); ok {
		at, err := url.Parse(s.url)
		if err != nil {
			s.Fatal(err)
		}
		var cookies []*http.Cookie
		for _, c := range s.floor.Cookies().Page(session.(*auth.Session)) {
			cookies = append(cookies, &c)
		}
		jar.SetCookies(at, cookies)
		return client
	}
	p := s.get(client, "login")
	f := p.form("login")
	f.set("email", who+"@example.org")
	f.set("password", password)
	if p := f.submit(""); !strings.HasSuffix(p.at, editor.Prefix) {
		s.Fatalf("%s is not logged in but at %s: %s", who, p.at, p.text())
	}
	return client
}

// page is one that a browser has.
type page struct {
	*service
	client *http.Client
	at     string // its address, after what it led on to
	status int
	header http.Header
	source string
	root   *html.Node
}

func (s *service) get(client *http.Client, path string) *page {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.url+editor.Prefix+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	return s.ask(client, r)
}

func (s *service) ask(client *http.Client, r *http.Request) *page {
	s.Helper()
	if r.Header.Get("Accept-Language") == "" {
		r.Header.Set("Accept-Language", "fr")
	}
	a, err := client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		s.Fatal(err)
	}
	p := &page{s, client, a.Request.URL.String(), a.StatusCode, a.Header, string(b), nil}
	if p.root, err = html.Parse(strings.NewReader(p.source)); err != nil {
		s.Fatal(err)
	}
	return p
}

// all are the elements below n of this name.
func all(n *html.Node, name string) (found []*html.Node) {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && d.Data == name {
			found = append(found, d)
		}
	}
	return found
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func has(n *html.Node, name string) bool {
	_, ok := attr(n, name)
	return ok
}

// text is what n says.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// text is what the page says, with single spaces.
func (p *page) text() string { return strings.Join(strings.Fields(text(p.root)), " ") }

// form is a form of a page, with what it would send.
type form struct {
	*page
	action string
	values []field
}

type field struct{ name, value string }

// form is the one whose action ends so.
func (p *page) form(action string) *form {
	p.Helper()
	for _, n := range all(p.root, "form") {
		if at, _ := attr(n, "action"); strings.HasSuffix(at, action) {
			method, _ := attr(n, "method")
			if method != "post" {
				continue
			}
			return &form{page: p, action: at, values: sent(n)}
		}
	}
	p.Fatalf("%s (%d) has no form for %s: %s", p.at, p.status, action, p.text())
	return nil
}

// sent is what a browser would send of a form, as it came (HTML, section 4.10.22.4).
func sent(form *html.Node) (values []field) {
	for n := range form.Descendants() {
		name, _ := attr(n, "name")
		if n.Type != html.ElementNode || name == "" || has(n, "disabled") || frozen(n) {
			continue
		}
		value, given := attr(n, "value")
		switch n.Data {
		case "input":
			switch kind, _ := attr(n, "type"); kind {
			case "checkbox", "radio":
				if !has(n, "checked") {
					continue
				}
				if !given {
					value = "on"
				}
			case "submit", "button", "file", "image", "reset":
				continue
			case "datetime-local":
				value = strings.TrimSuffix(value, ":00") // browsers do if there are seconds
				if strings.Count(value, ":") == 0 && value != "" {
					value += ":00"
				}
			case "hidden":
			default:
				value = strings.NewReplacer("\r", "", "\n", "").Replace(value)
			}
		case "textarea":
			value = newlines(text(n))
		case "select":
			value = ""
			for i, o := range all(n, "option") {
				if v, _ := attr(o, "value"); i == 0 || has(o, "selected") {
					value = v
				}
			}
		default:
			continue
		}
		values = append(values, field{name, value})
	}
	return values
}

// frozen says whether a control stands in a fieldset that is disabled.
func frozen(n *html.Node) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Data == "fieldset" && has(p, "disabled") {
			return true
		}
	}
	return false
}

// newlines are the ends of lines as a browser sends them.
func newlines(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	return strings.ReplaceAll(s, "\n", "\r\n")
}

func (f *form) index(name string) int {
	f.Helper()
	i := slices.IndexFunc(f.values, func(v field) bool { return v.name == name })
	if i < 0 {
		f.Fatalf("%s has no control %s among %v", f.at, name, f.values)
	}
	return i
}

func (f *form) get(name string) string { f.Helper(); return f.values[f.index(name)].value }

// set fills in a control.
func (f *form) set(name, value string) {
	f.Helper()
	f.values[f.index(name)].value = newlines(value)
}

// tick ticks a box, or chooses what nothing was chosen of.
func (f *form) tick(name, value string) { f.values = append(f.values, field{name, value}) }

// submit sends the form by the button whose value is do, "" for one without.
func (f *form) submit(do string) *page {
	f.Helper()
	var b strings.Builder
	for _, v := range slices.Concat(f.values, []field{{"do", do}}) { // which others may send at once
		if v == (field{"do", ""}) {
			continue
		}
		fmt.Fprintf(&b, "%s=%s&", url.QueryEscape(v.name), url.QueryEscape(v.value))
	}
	r, err := http.NewRequestWithContext(f.Context(), http.MethodPost, f.url+f.action, strings.NewReader(strings.TrimSuffix(b.String(), "&")))
	if err != nil {
		f.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", f.url)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return f.ask(f.client, r)
}

// file is the content of a file at the tip of the branch.
func (s *service) file(path string) string {
	s.Helper()
	return s.File(path)
}

// documents are Markdown files below the folders that the environment names.
func documents(t *testing.T, names ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, name := range names {
		dir := os.Getenv(name)
		if dir == "" {
			continue
		}
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
				return err
			}
			b, err := os.ReadFile(path)
			found[path] = string(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// themed are the pages of the service with a theme.
func (s *service) themed(theme fs.FS) *editor.Editor {
	s.Helper()
	e, err := editor.New(editor.Options{Web: s.floor, Site: s.Site, Name: "Consultations citoyennes", Theme: theme})
	if err != nil {
		s.Fatal(err)
	}
	return e
}

// fieldOf is a list of values of a type.
func fieldOf(name string, of content.Type, options ...content.Value) content.Field {
	return content.Field{Name: name, Type: content.TypeList, Of: &content.Field{Type: of, Options: options}}
}
