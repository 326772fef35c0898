package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/prometheus/client_golang/prometheus"

	"cms/api"
	"cms/auth"
	"cms/config"
	"cms/editor"
	"cms/githttp"
	"cms/repo"
	"cms/say"
	"cms/site"
	"cms/state"
	"cms/trace"
	"cms/web"
	"cms/web/login"
	"cms/web/stream"
	"cms/webhooks"
	"cms/webhooks/inbound"
)

// How long the parts of the service may take.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = time.Minute // longer, so that a slow body can still be answered
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10        // of the request's line and header, and a token more
	shutdownTimeout   = 5 * time.Second // for requests under way; what is slower is cut off
)

// service is the whole product, wired from a configuration: each field uses
// those above it.
type service struct {
	log      *slog.Logger
	state    *state.DB
	revoked  *auth.Revocations
	repo     *repo.Repo
	site     *site.Site
	verifier *auth.Verifier
	sessions *auth.Sessions
	personal *auth.PersonalTokens
	resets   *auth.Resets // nil where nothing is mailed
	flows    *auth.Flows
	hooks    *webhooks.Relay
	builds   *webhooks.Deployments
	tracer   *trace.Tracer // nil where nobody is told of traces
	inbound  *inbound.Receiver
	pushing  *state.Lock   // of the one service that pushes; nil when nobody does
	audits   *web.AuditLog // nil where none are kept
	watch    *watch
	streams  *stream.Places // of all doors
	floor    *web.Floor
	front    *front
	debug    *http.Server // nil unless it is asked for
}

// openService wires the service behind a front. Its goroutines start in run.
func openService(ctx context.Context, c *config.Config, f *front, log *slog.Logger) (*service, error) {
	p, err := partsOf(c)
	if err == nil {
		err = c.Serves()
	}
	if err != nil {
		return nil, err
	}
	s := &service{log: log, front: f}
	if s.tracer, err = tracerOf(c, log); err != nil {
		return nil, err
	}
	if s.state, err = state.Open(ctx, string(c.State.URL)); err != nil {
		return nil, fmt.Errorf("%w; state.url in the configuration says where it is", err)
	}
	err = s.openAccounts(ctx, c, p)
	if err == nil {
		err = s.openContent(ctx, c, p)
	}
	if err == nil {
		err = s.openDeliveries(ctx, c, p)
	}
	if err == nil {
		err = s.openDoors(c, p)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// close closes what was opened, once nothing runs any more.
func (s *service) close() error {
	if s.pushing != nil {
		s.pushing.Release()
	}
	var err error
	if s.repo != nil {
		err = s.repo.Close()
	}
	return errors.Join(err, s.state.Close())
}

// openAccounts opens what knows who calls.
func (s *service) openAccounts(ctx context.Context, c *config.Config, p *parts) (err error) {
	if s.revoked, err = auth.OpenRevocations(ctx, s.state, s.log); err != nil {
		return err
	}
	s.verifier, err = auth.NewVerifier(auth.Options{Issuers: p.issuers, Logger: s.log, Revoked: s.revoked.Revoked, MaxSize: int(c.Server.MaxTokenBytes)})
	if err != nil {
		return err
	}
	times := c.Auth.Sessions
	vouches := func(issuer string) bool {
		return slices.ContainsFunc(c.Auth.Issuers, func(is config.Issuer) bool { return is.Issuer == issuer && is.Login != nil })
	}
	s.sessions, err = auth.NewSessions(auth.SessionOptions{
		State: s.state, Access: times.Access, Idle: times.Idle, Lifetime: times.Lifetime, Logger: s.log,
		Name: c.Site.Name, PublicURL: c.Server.PublicURL,
		NeedFactor: func(roles []string) bool {
			return slices.ContainsFunc(c.Auth.SecondFactor.Required, func(role string) bool { return slices.Contains(roles, role) })
		},
		Vouches: vouches,
	})
	if err != nil {
		return err
	}
	if none := s.sessions.NoPasskeys(); none != nil {
		s.log.Info("people cannot add passkeys", "why", none)
	}
	s.personal = auth.NewPersonalTokens(auth.PersonalOptions{State: s.state, Lifetime: c.Auth.Personal.Lifetime, Logger: s.log, Vouches: vouches})
	if c.Mail != nil {
		s.resets = auth.NewResets(s.state, s.log, func(ctx context.Context, to, token string, until time.Time) error {
			return mailLink(ctx, c, to, c.Server.PublicURL+editor.LinkPath(token), until)
		})
	}
	s.flows, err = auth.OpenFlows(ctx, s.state)
	return err
}

// openContent opens the repository, which it may have to clone, and the site on it.
func (s *service) openContent(ctx context.Context, c *config.Config, p *parts) (err error) {
	if err := repo.Clone(ctx, repoOptions(c, p, s.log)); err != nil {
		return err
	}
	if s.pushing, err = pushesAlone(ctx, s.state, c); err != nil {
		return err
	}
	tellPush(c, s.log)
	s.site, s.repo, err = openSite(ctx, c, p, s.log, turnOf(s.state), false, &s.front.progress)
	return err
}

// openDeliveries opens what tells others of changes, and hears of theirs.
func (s *service) openDeliveries(ctx context.Context, c *config.Config, p *parts) (err error) {
	s.hooks, err = webhooks.New(ctx, webhooks.Options{
		Source:    s.site,
		State:     s.state,
		Endpoints: p.endpoints,
		PublicURL: c.Server.PublicURL,
		Private:   c.Server.PrivateWebhooks,
		Logger:    s.log,
		Tracer:    s.tracer,
	})
	if err != nil {
		return err
	}
	if s.builds, err = webhooks.OpenDeployments(ctx, s.state, p.endpoints, s.site.Position); err != nil {
		return err
	}
	s.inbound, err = inbound.New(inbound.Options{
		Hooks: p.inbound, Branch: s.repo.Branch(), Fetch: s.repo.Fetch, Every: fetchInterval(c), Logger: s.log,
	})
	return err
}

// openDoors opens the floor, and mounts what answers requests on it.
func (s *service) openDoors(c *config.Config, p *parts) (err error) {
	if c.Audit.Keep > 0 {
		s.audits = web.NewAuditLog(s.state, c.Audit.Keep, s.log)
	}
	s.watch = newWatch(s, c)
	s.streams = stream.NewPlaces(stream.Bounds{PerCaller: int(c.Server.Streams.PerCaller), Total: int(c.Server.Streams.Total)})
	measures := s.registries(c)
	if s.floor, err = s.openFloor(c, measures); err != nil {
		return err
	}
	logins, err := login.New(login.Options{Web: s.floor, Providers: p.providers, Flows: s.flows})
	if err != nil {
		return err
	}
	keys := s.state.Keys()
	door, err := api.New(api.Options{
		Web:         s.floor,
		Site:        s.site,
		Logins:      logins,
		Inbound:     s.inbound,
		Webhooks:    s.hooks,
		Deployments: s.builds,
		Keys:        &keys,
		Version:     versionOf(),
		Home:        editor.Prefix,
		Streams:     s.streams,
	})
	if err != nil {
		return err
	}
	s.floor.Mount("/", door)
	pages, err := editorOf(c, s, s.floor, logins)
	if err != nil {
		return err
	}
	s.floor.Mount(editor.Prefix, pages)
	if c.Git.Enabled {
		git, err := githttp.New(githttp.Options{
			Web: s.floor, Site: s.site, Path: c.Repository.Path, Name: c.Site.Name, Check: site.Check(c.Git.Check),
			MaxPush: c.Git.MaxPushBytes, Processes: int(c.Git.Processes), Time: c.Git.Timeout,
		})
		if err != nil {
			return err
		}
		s.floor.Mount(githttp.Prefix, git)
	}
	s.front.server.RegisterOnShutdown(door.EndStreams)
	s.front.server.RegisterOnShutdown(pages.EndStreams)
	s.front.server.RegisterOnShutdown(s.floor.EndLingering)
	if c.Server.DebugListen != "" {
		s.debug = newServer(c.Server.DebugListen, debugHandler(measures), s.log)
		s.debug.WriteTimeout = 0 // a profile takes as long as it is asked to
	}
	return nil
}

// registries are what the service is measured by.
func (s *service) registries(c *config.Config) registries {
	r := newRegistry(s.repo, c.Collections)
	r.common.MustRegister(s.watch, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cms_event_streams", Help: "Event streams that are open, of programs and of pages.",
	}, func() float64 { return float64(s.streams.Taken()) }))
	r.named.MustRegister(endpointsOf{s})
	return r
}

// openFloor opens what every door stands on.
func (s *service) openFloor(c *config.Config, r registries) (*web.Floor, error) {
	return web.New(web.Options{
		Verifier:     s.verifier,
		Sessions:     s.sessions,
		Personal:     s.personal,
		PublicURL:    c.Server.PublicURL,
		MaxBodyBytes: c.Server.MaxBodyBytes,
		BodyMemory:   c.Server.BodyMemory,
		Ready:        s.checks(),
		Warnings:     s.warnings,
		Logger:       s.log,
		Audit:        s.audits,
		Tracer:       s.tracer,
		Proxies:      c.Server.TrustedProxies,
		Origins:      c.Server.CORSOrigins,
		PerAddress:   web.Limit{Requests: int(c.Server.RateLimit.PerAddress), Window: c.Server.RateLimit.Window},
		PerCaller:    web.Limit{Requests: int(c.Server.RateLimit.PerCaller), Window: c.Server.RateLimit.Window},
		Registry:     r.common,
		Public:       r.public,
		Await:        s.await,
		Metrics:      c.Server.Metrics,
	})
}

func newServer(addr string, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// repoOptions say how the repository is opened.
func repoOptions(c *config.Config, p *parts, log *slog.Logger) repo.Options {
	o := repo.Options{
		Path:         c.Repository.Path,
		Branch:       c.Repository.Branch,
		Committer:    repo.Person{Name: c.Repository.Committer.Name, Email: c.Repository.Committer.Email},
		Collections:  p.collections,
		MustExist:    !c.Repository.Create && c.Repository.Remote == nil, // what a remote has is no empty site
		Language:     c.Site.Language,
		Memory:       c.Repository.Memory,
		KeepPacks:    c.Repository.KeepPacks,
		Protect:      c.Repository.Protect,
		AllowRewrite: c.Repository.AllowRewrite,
		Clock:        clock,
		Logger:       log,
	}
	if g := c.Repository.Signing; g != nil {
		o.Signer = g.Key
		log.Info("commits are signed", "format", g.Format, "key", g.Key.Public())
	}
	if m := c.Repository.Remote; m != nil {
		o.Remote = remoteOf(m)
		o.Remote.Push, o.Remote.Sync, o.Remote.Linear = m.Pushes(), m.Push == "sync", m.Linear
		o.Remote.PushConflicts, o.Remote.AlarmAfter = m.PushConflicts, m.AlarmAfter
	}
	return o
}

// fetchInterval is how often the remote is looked at; 0 is when a hook comes, as without
// a remote pushes come here.
func fetchInterval(c *config.Config) time.Duration {
	if c.Repository.Remote == nil {
		return 0
	}
	return c.Repository.Remote.FetchInterval
}

// openSite opens the repository and the site on it, and tells how far that has come.
func openSite(ctx context.Context, c *config.Config, p *parts, log *slog.Logger, turn turn, readOnly bool, progress *repo.Progress) (*site.Site, *repo.Repo, error) {
	o := repoOptions(c, p, log)
	o.ReadOnly, o.Progress = readOnly, progress
	if o.Remote != nil {
		o.Remote.Turn = turn
	}
	r, err := repo.Open(ctx, o)
	switch {
	case errors.Is(err, repo.ErrGone):
		return nil, nil, fmt.Errorf("%w; or begin without it by cms accept", err)
	case errors.Is(err, repo.ErrNoRepository):
		return nil, nil, noRepository(c)
	case err != nil:
		return nil, nil, err
	}
	objects, err := objectsOf(c, r.Branch())
	if err == nil && !readOnly {
		err = objects.Clean()
	}
	if err != nil {
		return nil, nil, errors.Join(err, r.Close())
	}
	s, err := site.New(site.Options{
		Repo:        r,
		Objects:     objects,
		Policy:      p.policy,
		Collections: p.collections,
		Media:       mediaOf(c),
		Language:    c.Site.Language,
		Logger:      log,
	})
	if err != nil {
		r.Close()
		return nil, nil, err
	}
	for _, told := range s.Overlaps() {
		log.Warn(told)
	}
	return s, r, nil
}

// noRepository says that there is none where the configuration has it, as a mistake there.
func noRepository(c *config.Config) error {
	at := c.Repository.Path
	detail := "there is no repository at " + at
	if c.Repository.Remote != nil {
		detail += " yet: the first start of cms serve clones repository.remote to there"
		return config.Report([]config.Problem{c.Problem(detail, "repository", "path")})
	}
	if other := besides(at); other != "" {
		detail += "; did you mean " + other + "?"
	} else {
		detail += "; correct the path, or bring a site by git clone --bare."
	}
	detail += " A new one is made by cms serve --init, or with repository.create: true"
	return config.Report([]config.Problem{c.Problem(detail, "repository", "path")})
}

// besides is the repository in the same folder that is called most like the one at path,
// or the only one there; "" for none.
func besides(path string) string {
	var names []string
	items, _ := os.ReadDir(filepath.Dir(path))
	for _, item := range items {
		if _, err := os.Lstat(filepath.Join(filepath.Dir(path), item.Name(), "HEAD")); err == nil && item.Name() != filepath.Base(path) {
			names = append(names, item.Name())
		}
	}
	name := config.Nearest(filepath.Base(path), names)
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	if name == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(path), name)
}

// warnMisnamed tells of folders that are not on the branch.
func warnMisnamed(c *config.Config, s *site.Site, log *slog.Logger) {
	missing, err := misnamed(c, s)
	if err != nil {
		log.Warn("cannot look for folders that are missing", "error", err)
	}
	for _, p := range missing {
		log.Warn(p.String())
	}
}

// misnamed are the folders of the configuration that are not on the branch.
func misnamed(c *config.Config, s *site.Site) ([]config.Problem, error) {
	missing, err := s.Misnamed()
	var found []config.Problem
	for _, m := range missing {
		at := []any{"media", "folder"}
		if i := slices.IndexFunc(c.Collections, func(col config.Collection) bool { return col.Name == m.Collection }); i >= 0 {
			at = []any{"collections", i, "folder"}
			if m.Extension {
				at[2] = "extension"
			}
		}
		found = append(found, c.Problem(m.Detail, at...))
	}
	return found, err
}

// run has the front answer for the service until ctx ends. Then requests that are under way are
// answered, edits that wait are committed, and events of what was committed
// are delivered, in this order, before it returns.
func (s *service) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	background := context.WithoutCancel(ctx)
	writing, stopWriting := context.WithCancel(background)
	delivering, stopDelivering := context.WithCancel(background)
	tracing, stopTracing := context.WithCancel(background)
	defer stopWriting()
	defer stopDelivering()
	defer stopTracing()
	auditing, stopAuditing := context.WithCancel(background)
	defer stopAuditing()

	if s.audits != nil {
		g.Go(func() error { return s.audits.Run(auditing) })
	}
	g.Go(func() error {
		defer stopDelivering()
		return s.repo.Run(writing)
	})
	g.Go(func() error { return s.repo.KeepPushed(ctx) })
	g.Go(func() error { return s.site.KeepIndexed(ctx) })
	g.Go(func() error {
		defer stopTracing()
		return s.hooks.Run(delivering)
	})
	g.Go(func() error { return s.tracer.Run(tracing) })
	g.Go(func() error { return s.revoked.Run(ctx) })
	if s.resets != nil {
		g.Go(func() error { return s.resets.Run(ctx) })
	}
	g.Go(func() error { return s.watch.run(ctx) })
	g.Go(func() error { return s.state.Keys().Run(ctx, s.log) })
	g.Go(func() error { return s.inbound.Run(ctx) })
	g.Go(func() error {
		if err := <-s.front.ended; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	if s.debug != nil {
		g.Go(func() error { return s.serveDebug(ctx) })
	}
	g.Go(func() error {
		defer stopWriting()
		defer stopAuditing()
		<-ctx.Done()
		s.log.Info("stopping")
		timeout, cancel := context.WithTimeout(background, shutdownTimeout)
		defer cancel()
		if err := s.front.server.Shutdown(timeout); err != nil {
			s.log.Warn("requests were cut off", "error", err)
			return s.front.server.Close()
		}
		return nil
	})
	s.front.lead(s.floor)
	err := g.Wait()
	return errors.Join(err, s.close())
}

// checks are what the service needs to be ready.
func (s *service) checks() []web.Check {
	return []web.Check{
		{Code: "repository_unavailable", Detail: say.New("The repository takes no edits now."), Run: s.repo.Ready},
		{Code: "state_unavailable", Detail: say.New("The database beside the repository does not answer."), Run: s.state.Ready},
	}
}

// newLogger writes JSON, unless a person reads at a terminal.
func newLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if f, ok := w.(*os.File); format == "text" || format != "json" && ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(trace.Logged(slog.NewTextHandler(w, o)))
	}
	o.ReplaceAttr = func(_ []string, a slog.Attr) slog.Attr { // which would be nanoseconds
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.StringValue(a.Value.Duration().String())
		}
		return a
	}
	return slog.New(trace.Logged(slog.NewJSONHandler(w, o)))
}
