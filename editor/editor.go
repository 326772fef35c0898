// Package editor is the door for people: pages on which they find, change and publish
// entries. Each works as plain HTML, with links and forms; scripts, which ask for parts
// of the same pages, make it quicker. It holds no rule of the product: what it may show
// and change is for site to say.
package editor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cms/auth"
	"cms/content"
	"cms/site"
	"cms/state"
	"cms/web"
	"cms/web/login"
	"cms/web/once"
	"cms/web/stream"
)

// Prefix is where the pages are.
const Prefix = "/editor/"

// Options are what an Editor is made of. Web and Site are required.
type Options struct {
	Web  *web.Floor
	Site *site.Site

	Name      string                // of the site, as people know it
	Zone      *time.Location        // of times that people read and write; UTC when nil
	Providers []Provider            // where people can log in
	Logins    *login.Logins         // that end at their providers too; nil for none
	Accounts  *auth.Accounts        // for changes of passwords; nil for none
	Tokens    *auth.PersonalTokens  // that people make for their programs; nil for none
	Theme     fs.FS                 // theme.css, files that it names, templates of one's own; nil for none
	Preview   Look                  // of texts
	Keys      *state.Keys           // of forms, so that one which is sent twice is saved once; nil for none
	Builds    Builds                // tells what is live; nil for nobody
	Streams   *stream.Places        // for pages that are told what happens; nil for places that no other door takes
	Address   func(site.Ref) string // of an entry's page on the site; nil where that is not known
	Resets    *auth.Resets          // for who has forgotten a password; nil where nothing is mailed
	Logger    *slog.Logger
}

// Look is that of texts before they are on the site. The zero one is that of the form.
type Look struct {
	BaseURL    string // of the site, "" where that is not known
	Stylesheet string // its absolute address
	Wrapper    string // HTML around a text, in the place of {{content}}; "" for none
}

// Provider is an identity provider that people can log in at.
type Provider struct{ Name, Label string }

// Builds tell what became of edits, by their commits.
type Builds interface {
	Of(ctx context.Context, entry site.Ref, commit string) (Build, bool) // false where no build was ever reported
	News(ctx context.Context) <-chan struct{}                            // is closed when something was reported
}

// Build is what became of an edit.
type Build struct {
	State string // live, building, queued, failed, pending or, without the page of the entry, missing
	At    time.Time
	URL   string
}

// Editor answers the requests for pages below [Prefix].
type Editor struct {
	o         Options
	web       *web.Floor
	site      *site.Site
	log       *slog.Logger
	mux       *http.ServeMux
	goOn      map[string]bool // after a login: the patterns of mux with such forms
	words     map[string]*words
	templates map[string]pages // by language
	parts     *parts
	assets    map[string]web.File
	version   string // of the assets
	themed    string // the version of the theme, "" for none
	policy    string // Content-Security-Policy of pages
	present   *presence
	streams   *stream.Streams
	once      *once.Writes[string] // gives the path of the page to go on with; nil for none
}

// New makes the pages of a service.
func New(o Options) (*Editor, error) {
	if o.Web == nil || o.Site == nil {
		return nil, errors.New("editor: a floor and a site are required")
	}
	e := &Editor{
		o: o, web: o.Web, site: o.Site, mux: http.NewServeMux(), goOn: map[string]bool{}, present: newPresence(), parts: newParts(),
		log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
	}
	e.o.Zone = cmp.Or(o.Zone, time.UTC)
	var err error
	if e.words, err = allWords(); err != nil {
		return nil, fmt.Errorf("editor: %w", err)
	}
	if err = errors.Join(e.loadAssets(), e.loadTheme()); err != nil {
		return nil, fmt.Errorf("editor: %w", err)
	}
	e.policy = policyFor(o.Preview.Stylesheet)
	if err = e.loadTemplates(); err != nil {
		return nil, fmt.Errorf("editor: %w", err)
	}
	if o.Keys != nil {
		e.once = once.New(o.Keys, o.Site, sendings{e}, e.log)
	}
	e.streams = stream.New(stream.Options{Places: o.Streams, Follow: e.follow, Logger: e.log})
	e.routes()
	return e, nil
}

// route is a kind of request for a page.
type route struct {
	pattern string // as [http.ServeMux] has it, below Prefix
	name    string // in the audit log, of what changes something
	handle  func(*visit) error
	stream  bool          // without an end
	glance  bool          // asked by a script, which is no use of a session
	anyone  bool          // also who is not logged in
	lapses  bool          // what is posted does not go on after a login: a secret, or soon chosen again
	body    int64         // bytes
	time    time.Duration // as the service is configured when 0
}

// The largest bodies of forms: of one that holds an entry, of one that does not.
const (
	entryForm = 0 // as the service is configured
	smallForm = 64 << 10
	files     = -1 // of one that brings files
)

func (e *Editor) routes() {
	for _, r := range []route{
		{pattern: "GET {$}", handle: e.home},
		{pattern: "GET login", handle: e.loginPage, anyone: true},
		{pattern: "POST login", name: "login", handle: e.login, anyone: true, body: smallForm},
		{pattern: "GET login/continue", handle: e.settle, anyone: true},
		{pattern: "POST login/again", name: "login", handle: e.loginAgain, anyone: true},
		{pattern: "POST login/factor", name: "login-factor", handle: e.loginFactor, anyone: true, body: smallForm},
		{pattern: "POST login/passkey", name: "login-passkey", handle: e.loginPasskey, anyone: true, body: smallForm},
		{pattern: "POST login/enrol", name: "enrol-factor", handle: e.loginEnrol, anyone: true, body: smallForm},
		{pattern: "GET password", handle: e.linkPage, anyone: true},
		{pattern: "POST password", name: "choose-password", handle: e.useLink, anyone: true, body: smallForm},
		{pattern: "GET forgot", handle: e.forgotPage, anyone: true},
		{pattern: "POST forgot", name: "ask-reset", handle: e.forgot, anyone: true, body: smallForm},
		{pattern: "GET login/done", handle: e.loginDone},
		{pattern: "GET session", handle: e.session, glance: true},
		{pattern: "POST logout", name: "logout", handle: e.logout, anyone: true, body: smallForm},
		{pattern: "POST language", handle: e.chooseLanguage, anyone: true, body: smallForm},
		{pattern: "GET account", handle: e.account},
		{pattern: "POST account/password", name: "change-password", handle: e.changePassword, lapses: true, body: smallForm},
		{pattern: "POST account/sessions", name: "end-sessions", handle: e.endSessions, lapses: true, body: smallForm},
		{pattern: "GET account/tokens", handle: e.tokens},
		{pattern: "POST account/tokens", name: "make-token", handle: e.makeToken, lapses: true, body: smallForm},
		{pattern: "POST account/tokens/{id}/end", name: "end-token", handle: e.endToken, lapses: true, body: smallForm},
		{pattern: "GET account/factor", handle: e.factorPage},
		{pattern: "POST account/factor", name: "change-factor", handle: e.changeFactor, lapses: true, body: smallForm},
		{pattern: "POST account/theme", handle: e.chooseTheme, lapses: true, body: smallForm},
		{pattern: "GET list/{collection}", handle: e.list},
		{pattern: "GET values/{collection}", handle: e.values},
		{pattern: "GET export/{collection}", handle: e.export, time: exportTime},
		{pattern: "GET deleted/{collection}", handle: e.deleted},
		{pattern: "POST columns/{collection}", handle: e.chooseColumns, lapses: true, body: smallForm},
		{pattern: "POST bulk/{collection}", name: "batch", handle: e.bulk},
		{pattern: "GET report/{collection}", handle: e.report},
		{pattern: "GET problems", handle: e.problems},
		{pattern: "GET conflict/{id}", handle: e.conflict},
		{pattern: "POST conflict/{id}", name: "resolve-conflict", handle: e.resolve},
		{pattern: "GET search", handle: e.search},
		{pattern: "GET find", handle: e.find},
		{pattern: "GET new/{collection}", handle: e.newEntry},
		{pattern: "POST new/{collection}", name: "create-entry", handle: e.createEntry},
		{pattern: "GET entry/{collection}/{slug...}", handle: e.entry},
		{pattern: "POST entry/{collection}/{slug...}", name: "patch-entry", handle: e.saveEntry},
		{pattern: "GET source/{collection}/{slug...}", handle: e.source},
		{pattern: "POST source/{collection}/{slug...}", name: "put-entry", handle: e.saveSource},
		{pattern: "GET history/{collection}/{slug...}", handle: e.history},
		{pattern: "GET compare/{collection}/{slug...}", handle: e.compare},
		{pattern: "POST restore/{collection}/{slug...}", name: "revert-entry", handle: e.restore, body: smallForm},
		{pattern: "GET rename/{collection}/{slug...}", handle: e.renamePage},
		{pattern: "POST rename/{collection}/{slug...}", name: "move-entry", handle: e.rename, body: smallForm},
		{pattern: "GET delete/{collection}/{slug...}", handle: e.deletePage},
		{pattern: "POST delete/{collection}/{slug...}", name: "delete-entry", handle: e.delete, body: smallForm},
		{pattern: "POST preview", handle: e.preview, lapses: true},
		{pattern: "POST look", handle: e.look, lapses: true},
		{pattern: "GET block/{collection}/{slug...}", handle: e.block},
		{pattern: "POST block/{collection}/{slug...}", name: "patch-entry", handle: e.saveBlock},
		{pattern: "GET watch/{collection}/{slug...}", handle: e.watch, stream: true},
		{pattern: "GET media/{path...}", handle: e.media},
		{pattern: "GET file/{path...}", handle: e.file},
		{pattern: "GET thumb/{path...}", handle: e.thumb},
		{pattern: "POST upload/{path...}", name: "put-media", handle: e.upload, body: files},
		{pattern: "POST upload", name: "put-media", handle: e.uploadForm, body: files},
		{pattern: "POST replace/{path...}", name: "put-media", handle: e.replaceFile, body: files},
		{pattern: "GET move-file/{path...}", handle: e.moveFilePage},
		{pattern: "POST move-file/{path...}", name: "move-media", handle: e.moveFile, body: smallForm},
		{pattern: "GET delete-file/{path...}", handle: e.deleteFilePage},
		{pattern: "POST delete-file/{path...}", name: "delete-media", handle: e.deleteFile, body: smallForm},
	} {
		method, path, _ := strings.Cut(r.pattern, " ")
		op := web.Operation{Name: r.name, Route: Prefix + strings.TrimSuffix(path, "{$}"), Body: r.body, Caller: e.web.PageCaller}
		op.Form, op.Time = true, r.time
		if r.stream {
			op.Stream, op.Unlimited, op.Caller = true, true, e.web.PageWatcher
		}
		if r.glance {
			op.Caller = e.web.PageWatcher
		}
		if r.anyone {
			op.Caller = web.Anyone
		}
		if r.body == files {
			op.Body, op.Time = maxUploads*(e.site.MediaLimit()+smallForm), transferTime
		}
		if method == http.MethodPost && r.body == entryForm {
			op.Body = e.web.MaxBody()
		}
		e.goOn[method+" "+Prefix+path] = method == http.MethodPost && !r.anyone && !r.lapses && r.body != files
		e.mux.Handle(method+" "+Prefix+path, e.web.Handle(op, func(w http.ResponseWriter, q *http.Request) error {
			return r.handle(e.visit(w, q))
		}))
	}
	e.mux.Handle("GET "+Prefix+"theme/{version}/{path...}", e.web.Handle(
		web.Operation{Route: Prefix + "theme/{version}/{path}", Caller: web.Anyone, Public: true}, e.theme))
	e.mux.Handle("GET "+Prefix+"assets/{version}/{name}", e.web.Handle(
		web.Operation{Route: Prefix + "assets/{version}/{name}", Caller: web.Anyone, Public: true}, e.asset))
}

// ServeHTTP implements [http.Handler].
func (e *Editor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := e.mux.Handler(r); pattern == "" {
		e.web.Handle(web.Operation{Caller: web.Anyone}, func(w http.ResponseWriter, r *http.Request) error {
			return e.astray(r)
		}).ServeHTTP(w, r)
		return
	}
	e.mux.ServeHTTP(w, r)
}

// astray is the error of a request for no page, or by a method that the page does not have.
func (e *Editor) astray(r *http.Request) error {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := e.mux.Handler(other); pattern != "" {
			return web.NotAllowed(method)
		}
	}
	return web.NotFound()
}

// visit is one request for a page.
type visit struct {
	*words

	w       http.ResponseWriter
	r       *http.Request
	caller  *auth.Principal // nil where nobody is logged in
	now     time.Time
	zone    *time.Location
	days    map[dayNumber]string    // that the page has named before; many have the same
	minutes map[minuteNumber]string // likewise
}

// visit begins the answer to a request.
func (e *Editor) visit(w http.ResponseWriter, r *http.Request) *visit {
	h := w.Header()
	h.Set("Cache-Control", "private, no-store")
	h.Set("Content-Security-Policy", e.policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Add("Vary", "Accept-Language, Cookie")
	return &visit{words: e.words[e.language(r)], w: w, r: r, caller: web.Principal(r.Context()), now: time.Now(), zone: e.o.Zone}
}

// policyFor lets pages show what this service has, images and players of others that
// entries show, and texts by the site's style sheet.
func policyFor(stylesheet string) string {
	styles, fonts := "'self'", "'self'"
	if u, err := url.Parse(stylesheet); err == nil && u.Host != "" {
		styles += " " + u.Scheme + "://" + u.Host
		fonts += " " + u.Scheme + "://" + u.Host
	}
	return "default-src 'none'; style-src " + styles + "; font-src " + fonts + "; script-src 'self'; connect-src 'self'; img-src 'self' data: https:; " +
		"media-src 'self' https:; frame-src 'self' https:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// language is the one that the visitor has chosen or, otherwise, that the browser asks for.
func (e *Editor) language(r *http.Request) string {
	if chosen := e.web.Cookies().Of(r, languageCookie); e.words[chosen] != nil {
		return chosen
	}
	return web.Language(strings.Join(r.Header.Values("Accept-Language"), ","), languages...)
}

// ref is the entry that the path of a request names.
func (v *visit) ref() (site.Ref, error) {
	slug, err := content.ParseSlug(v.r.PathValue("slug"))
	if err != nil {
		return site.Ref{}, web.NotFound()
	}
	return site.Ref{Collection: v.r.PathValue("collection"), Slug: slug}, nil
}

// leadTo answers with another page to look at.
func (v *visit) leadTo(path string) error {
	http.Redirect(v.w, v.r, path, http.StatusSeeOther) //nolint:gosec // a path of ours, which local has seen to where a visitor gave it
	return nil
}
