// Package githttp is the door for Git: clones, fetches and pushes over smart HTTP
// (gitprotocol-http), by the accounts, tokens and roles of the service. What is read is
// served by the program git; a push is received here, looked at by package site, and taken
// in by the one writer.
package githttp

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"cms/auth"
	"cms/say"
	"cms/site"
	"cms/web"
)

// Prefix is where repositories are.
const Prefix = "/git/"

// Defaults of Options.
const (
	DefaultMaxPush   = 100 << 20
	DefaultProcesses = 4
	DefaultTime      = 15 * time.Minute
)

// Options are what a Git is made of. Web, Site and Path are required.
type Options struct {
	Web  *web.Floor
	Site *site.Site
	Path string // of the repository

	Name      string        // of the site, by which the repository is called beside "site"
	Check     site.Check    // of pushes; CheckRefuse when ""
	MaxPush   int64         // bytes of a push; DefaultMaxPush when 0
	Processes int           // how many requests are served at once; DefaultProcesses when 0
	Time      time.Duration // that one may take; DefaultTime when 0
	Program   string        // git; looked for in PATH when ""
}

// Git answers the requests below [Prefix].
type Git struct {
	o      Options
	web    *web.Floor
	site   *site.Site
	log    *slog.Logger
	names  map[string]bool // of the repository, without .git
	routes map[string]http.Handler
	slots  *slots
	git    *program // nil where there is none

	lfsSlots *slots // of transfers of Git LFS

	looking sync.Mutex // at what a push brings
}

// maxAsked bounds what a client says of what it wants and has, unpacked.
const maxAsked = 16 << 20

// New makes the door. Mount it at [Prefix].
func New(o Options) (*Git, error) {
	if o.Web == nil || o.Site == nil || o.Path == "" {
		return nil, errors.New("githttp: a floor, a site and the path of the repository are required")
	}
	if o.Check == "" {
		o.Check = site.CheckRefuse
	}
	if o.MaxPush == 0 {
		o.MaxPush = DefaultMaxPush
	}
	if o.Processes == 0 {
		o.Processes = DefaultProcesses
	}
	if o.Time == 0 {
		o.Time = DefaultTime
	}
	g := &Git{o: o, web: o.Web, site: o.Site, log: o.Web.Log(), slots: newSlots(o.Processes), lfsSlots: newSlots(lfsProcesses), names: map[string]bool{"site": true}}
	for _, name := range []string{o.Name, slug(o.Name)} {
		if name != "" {
			g.names[name] = true
		}
	}
	path := o.Program
	if path == "" {
		path = "git"
	}
	if found, err := exec.LookPath(path); err == nil {
		g.git = &program{path: found, repository: o.Path}
	} else {
		g.log.Warn("git is not installed here: nobody can clone or push at "+Prefix, "error", err)
	}
	handle := func(op web.Operation, h func(http.ResponseWriter, *http.Request) error) http.Handler {
		op.Route = Prefix + "{site}.git/" + op.Route
		op.Caller, op.Time = g.caller, o.Time
		return o.Web.Handle(op, h)
	}
	g.routes = map[string]http.Handler{
		"GET info/refs":         handle(web.Operation{Route: "info/refs", Stream: true}, g.infoRefs),
		"POST git-upload-pack":  handle(web.Operation{Route: "git-upload-pack", Stream: true, Body: maxAsked}, g.uploadPack),
		"POST git-receive-pack": handle(web.Operation{Route: "git-receive-pack", Name: "git-push", Body: o.MaxPush + maxAsked}, g.receivePack),
	}
	if g.site.KeepsObjects() {
		g.lfsRoutes(handle)
	}
	return g, nil
}

// slug is a name as a path has it: words of letters and digits, with hyphens between.
func slug(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), "-")
}

// ServeHTTP implements [web.Door].
func (g *Git) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), ".git/")
	h := g.routes[route(r.Method, rest)]
	if !g.names[name] || h == nil {
		h = g.web.Handle(web.Operation{Caller: web.Anyone}, func(http.ResponseWriter, *http.Request) error {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
				if g.names[name] && g.routes[route(method, rest)] != nil {
					return web.NotAllowed(method)
				}
			}
			return web.NewProblem(http.StatusNotFound, say.New("There is no repository here. Clone %s.", Prefix+"site.git"))
		})
	}
	h.ServeHTTP(w, r)
}

// challenge asks for a token as Git's credential helpers send it (RFC 7617).
const challenge = `Basic realm="cms", charset="UTF-8"`

// caller is whom the password of a request speaks for, which is a token; or its bearer
// token. A cookie counts for nothing here.
func (g *Git) caller(r *http.Request) (*auth.Principal, error) {
	if _, password, ok := r.BasicAuth(); ok && password != "" {
		if strings.Count(password, ".") != 2 && !strings.HasPrefix(password, auth.PersonalPrefix) {
			return nil, web.NewProblem(http.StatusUnauthorized, say.New("The password of Git is a token: make one at %s.", g.web.PublicURL()+"/editor/account/tokens"))
		}
		return g.web.Token(r.Context(), password)
	}
	if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") && token != "" {
		return g.web.Token(r.Context(), strings.TrimSpace(token))
	}
	return nil, web.NewProblem(http.StatusUnauthorized, say.New("Give a token as the password: make one at %s.", g.web.PublicURL()+"/editor/account/tokens"))
}

// Refuse implements [web.Door]: Git shows a line of text to who runs it, and others get a
// problem.
func (g *Git) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := g.problem(r.Context(), err)
	if p.Status == http.StatusUnauthorized {
		p = p.With("WWW-Authenticate", challenge)
	}
	if isLFS(r) {
		g.lfsRefuse(w, r, p)
		return
	}
	if !strings.HasPrefix(r.UserAgent(), "git/") {
		web.WriteProblem(w, r, p)
		return
	}
	p.Tell(r.Context())
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	language := web.Speak(strings.Join(r.Header.Values("Accept-Language"), ","), w.Header().Add)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(p.Status)
	_, _ = io.WriteString(w, p.Detail.In(language)+"\n") //nolint:gosec // as plain text, to git
}

// problem is what an error means to a client.
func (g *Git) problem(ctx context.Context, err error) *web.Problem {
	refused := (*site.Error)(nil)
	if !errors.As(err, &refused) {
		if plain := (*web.Problem)(nil); errors.Is(err, errBody) && !errors.As(err, &plain) {
			return web.NewProblem(http.StatusBadRequest, say.New("The body cannot be read: it is cut short, or damaged."))
		}
		return g.web.Problem(ctx, err)
	}
	status := statusOf(refused.Code)
	if status == 0 {
		return g.web.Problem(ctx, err)
	}
	p := web.NewProblem(status, refused.Detail)
	if refused.Retry > 0 {
		p = p.With("Retry-After", web.RetryAfter(refused.Retry))
	}
	return p
}

// statusOf is how what the site refuses is answered here, 0 where it is none of that. Git
// shows the status and nothing else of it; git-lfs shows the detail, too.
func statusOf(code site.Code) int {
	switch code {
	case site.Pointer:
		return http.StatusNotFound // of an object that is not here
	case site.Tracked:
		return http.StatusConflict
	}
	return web.StatusOf(string(code))
}

// ready refuses where git is not installed, or the repository is asked for too often.
func (g *Git) ready(ctx context.Context, pr *auth.Principal) (release func(), err error) {
	if g.git == nil {
		return nil, web.NewProblem(http.StatusServiceUnavailable, say.New("Git is not installed beside this service. Tell the operator to install the program git, or to use an image that has it."))
	}
	return g.slots.take(ctx, web.CallerKey(pr))
}

// infoRefs tells which references there are, and what can be asked.
func (g *Git) infoRefs(w http.ResponseWriter, r *http.Request) error {
	pr := web.Principal(r.Context())
	service := r.URL.Query().Get("service")
	switch service {
	case "git-upload-pack":
		if err := g.site.MayFetch(pr); err != nil {
			return err
		}
	case "git-receive-pack":
		if err := g.site.MayPush(pr); err != nil {
			return err
		}
	default:
		return web.NewProblem(http.StatusForbidden, say.New("Only Git's smart HTTP protocol (Git 1.6.6 or later) is supported."))
	}
	release, err := g.ready(r.Context(), pr)
	if err != nil {
		return err
	}
	defer release()
	h := w.Header()
	h.Set("Content-Type", "application/x-"+service+"-advertisement")
	h.Set("Cache-Control", "no-cache, no-store")
	if service == "git-receive-pack" {
		g.site.ExpectPush()
		return g.advertise(w)
	}
	g.expect(pr)
	version := protocol(r)
	run := g.git.command(r.Context(), version, "upload-pack", "--http-backend-info-refs", g.o.Path)
	out := &answer{w: w}
	if version != "version=2" {
		out.head = packet("# service=git-upload-pack\n") + flush
	}
	return g.ended(r, run.serve(nil, out))
}

// expect has edits leave room for the push that may follow upon a fetch.
func (g *Git) expect(pr *auth.Principal) {
	if g.site.MayPush(pr) == nil {
		g.site.ExpectPush()
	}
}

// anyVersion is what a client may say of the protocol's version.
var anyVersion = regexp.MustCompile(`^version=[012]$`)

// protocol is the version of the protocol that a client asks for, as git is told of it.
func protocol(r *http.Request) string {
	for part := range strings.SplitSeq(r.Header.Get("Git-Protocol"), ":") {
		if anyVersion.MatchString(part) {
			return part
		}
	}
	return ""
}

// uploadPack sends what a client wants and has not.
func (g *Git) uploadPack(w http.ResponseWriter, r *http.Request) error {
	pr := web.Principal(r.Context())
	if err := g.site.MayFetch(pr); err != nil {
		return err
	}
	if err := mediaType(r, "git-upload-pack"); err != nil {
		return err
	}
	release, err := g.ready(r.Context(), pr)
	if err != nil {
		return err
	}
	defer release()
	body, free, err := g.web.Body(r)
	if err != nil {
		return err
	}
	defer free()
	asked, err := unpacked(r, strings.NewReader(string(body)), maxAsked)
	if err != nil {
		return err
	}
	g.expect(pr)
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	w.Header().Set("Cache-Control", "no-cache, no-store")
	run := g.git.command(r.Context(), protocol(r), "upload-pack", "--stateless-rpc", g.o.Path)
	return g.ended(r, run.serve(asked, &answer{w: w}))
}

// ended is the error of a run that is still to be answered; others are logged.
func (g *Git) ended(r *http.Request, err error) error {
	if told := (*toldError)(nil); errors.As(err, &told) {
		if r.Context().Err() == nil {
			g.log.WarnContext(r.Context(), "a request of git was not served to its end", "error", told.error, "request_id", web.RequestID(r.Context()))
		}
		return nil
	}
	return err
}

// mediaType refuses what is no request of a service of Git.
func mediaType(r *http.Request, service string) error {
	_, err := web.MediaType(r.Header.Get("Content-Type"), "", "application/x-"+service+"-request")
	return err
}

// unpacked is a body as its client has written it, of limit bytes at most.
func unpacked(r *http.Request, body io.Reader, limit int64) (io.Reader, error) {
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, web.NewProblem(http.StatusBadRequest, say.New("The body is not gzip, as its Content-Encoding says."))
		}
		body = z
	default:
		return nil, web.NewProblem(http.StatusUnsupportedMediaType, say.New("The body may be sent as it is, or by gzip."))
	}
	return &bounded{body, limit}, nil
}

// bounded reads so many bytes at most.
type bounded struct {
	io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one byte more says that it is too long
	}
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, tooLong()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, fmt.Errorf("%w: %w", errBody, err)
	}
	return n, err
}

// errBody is of a body that cannot be read.
var errBody = errors.New("the body cannot be read")

func tooLong() error {
	return web.NewProblem(http.StatusRequestEntityTooLarge, say.New("The request is larger than is accepted. Push in parts."))
}

// answer is what is answered bit by bit, as it comes.
type answer struct {
	w     http.ResponseWriter
	head  string // what comes first
	begun bool
}

func (a *answer) Write(b []byte) (int, error) {
	if !a.begun {
		a.begun = true
		if _, err := io.WriteString(a.w, a.head); err != nil {
			return 0, err
		}
	}
	n, err := a.w.Write(b)
	if err == nil {
		err = http.NewResponseController(a.w).Flush()
	}
	return n, err
}
