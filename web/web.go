// Package web is the floor that every HTTP door of the service stands on. It knows
// who asks and from where, bounds what a request may take, writes down what came of
// it, and keeps what answers have in common: ids, headers, problems, compression.
//
// A door is a handler for all paths below a prefix, with its own manner to refuse. It
// tells the floor of its operations:
//
//	floor, err := web.New(web.Options{…})
//	floor.Mount("/notes/", door)
//
//	func (d *notes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
//		d.floor.Handle(web.Operation{Name: "save-note", Route: "/notes/{id}", Body: 64 << 10}, d.save).ServeHTTP(w, r)
//	}
//
// What an operation's handler gives as an error, and what the floor itself refuses,
// is told by the door's Refuse: as a problem document, as a page, or as Git has it.
package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cms/auth"
	"cms/say"
	"cms/trace"
)

// Floor is what the doors of a service share.
type Floor struct {
	verifier    *auth.Verifier
	sessions    *auth.Sessions       // nil where nobody logs in
	personal    *auth.PersonalTokens // nil where nobody has any
	cookies     Cookies
	crossOrigin *http.CrossOriginProtection
	secure      bool // clients reach the service over TLS
	publicURL   string

	proxies    proxies
	perAddress *Limiter // nil for no limit, as perCaller
	perCaller  *Limiter
	bodies     *bodies
	time       time.Duration
	maxBody    int64
	metrics    *metrics
	log        *slog.Logger
	audits     *AuditLog // nil where none are kept
	tracer     *trace.Tracer
	awaits     func(ctx context.Context, commit string) error // nil where no commit is waited for

	lingering    context.Context // ends with endLingering
	endLingering func()

	doors   []mounted // those of longer prefixes come first
	handler http.Handler
}

// Options are what a Floor is made of. The Verifier is required.
type Options struct {
	Verifier  *auth.Verifier
	Sessions  *auth.Sessions       // of people who log in; nil for bearer tokens alone
	Personal  *auth.PersonalTokens // that people make for their programs; nil where they make none
	PublicURL string               // where clients reach the service

	MaxBodyBytes int64          // of a request; 10 MiB when 0
	BodyMemory   int64          // of the bodies of all requests, at once; 64 MiB when 0
	Timeout      time.Duration  // of an operation, but for some that take longer; 30 s when 0
	Proxies      []netip.Prefix // whose X-Forwarded-For is believed
	Origins      []string       // whose pages may ask from browsers; "*" is all of them
	PerAddress   Limit          // of requests from an address, but for those about health
	PerCaller    Limit          // of requests of whom a token names

	Ready    []Check              // what /readyz asks
	Warnings func() []Warning     // what it tells beside; nil is nothing
	Registry *prometheus.Registry // gets the metrics of requests; nil counts for nobody
	Metrics  bool                 // serve Registry at /metrics
	Public   prometheus.Gatherer  // what is shown there beside it; may be nil
	Logger   *slog.Logger
	Audit    *AuditLog     // keeps what the audit log has; nil keeps nothing
	Tracer   *trace.Tracer // is told of requests; nil tells nobody

	// Await returns once a commit is in the history that requests are answered from, or
	// when ctx ends; ErrNoCommit for one that will not come. Nil waits for none.
	Await func(ctx context.Context, commit string) error
}

// Bounds where no others are configured.
const (
	DefaultMaxBodyBytes = 10 << 20         // of a request
	DefaultBodyMemory   = 64 << 20         // of the bodies that are held at once
	DefaultTimeout      = 30 * time.Second // of an operation, from the headers to the answer
)

// New makes a floor without doors, which tells of its health and its metrics.
func New(o Options) (*Floor, error) {
	if o.Verifier == nil {
		return nil, errors.New("web: a verifier is required")
	}
	f := &Floor{
		verifier:    o.Verifier,
		sessions:    o.Sessions,
		personal:    o.Personal,
		cookies:     cookiesFor(o.PublicURL),
		publicURL:   o.PublicURL,
		crossOrigin: http.NewCrossOriginProtection(),
		proxies:     o.Proxies,
		time:        cmp.Or(o.Timeout, DefaultTimeout),
		maxBody:     cmp.Or(o.MaxBodyBytes, DefaultMaxBodyBytes),
		log:         cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		audits:      o.Audit,
		tracer:      o.Tracer,
		awaits:      o.Await,
	}
	if u, err := url.Parse(o.PublicURL); err == nil && u.Host != "" { // a proxy may change Host
		f.secure = u.Scheme == "https"
		if err := f.crossOrigin.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
	}
	f.lingering, f.endLingering = context.WithCancel(context.Background())
	f.bodies = newBodies(cmp.Or(o.BodyMemory, DefaultBodyMemory), f.maxBody)
	var err error
	if f.perAddress, err = NewLimiter("address", o.PerAddress); err != nil {
		return nil, err
	}
	if f.perCaller, err = NewLimiter("caller", o.PerCaller); err != nil {
		return nil, err
	}
	f.metrics = newMetrics()
	if o.Registry != nil {
		for _, c := range f.metrics.all() {
			if err := o.Registry.Register(c); err != nil {
				return nil, err
			}
		}
	}
	compress, err := newCompressor()
	if err != nil {
		return nil, err
	}
	f.Mount("/healthz", f.page("/healthz", healthz))
	f.Mount("/readyz", f.page("/readyz", f.readyz(o.Ready, o.Warnings)))
	if o.Metrics && o.Registry != nil {
		shown := prometheus.Gatherers{o.Registry}
		if o.Public != nil {
			shown = append(shown, o.Public)
		}
		f.Mount("/metrics", f.page("/metrics", MetricsHandler(shown).ServeHTTP))
	}
	f.handler = f.observe(f.recover(allowOrigins(o.Origins)(f.limitAddresses(compress(f.bound(http.HandlerFunc(f.serve)))))))
	return f, nil
}

// ServeHTTP implements [http.Handler].
func (f *Floor) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.handler.ServeHTTP(w, r) }

// A Door answers the requests below a prefix.
type Door interface {
	http.Handler

	// Refuse answers a request, of which nothing was answered yet, with the reason
	// why the door or the floor refuses it. [Floor.Problem] says what the floor's
	// own errors mean, and [WriteProblem] is what most doors answer with.
	Refuse(w http.ResponseWriter, r *http.Request, err error)
}

type mounted struct {
	prefix string
	door   Door
}

// Mount has a door answer what lies below a prefix that ends in a slash, or one path.
// Of several doors the one with the longest prefix answers. Mount all of them before
// the first request.
func (f *Floor) Mount(prefix string, door Door) {
	f.doors = append(f.doors, mounted{prefix, door})
	slices.SortStableFunc(f.doors, func(a, b mounted) int { return len(b.prefix) - len(a.prefix) })
}

// door is the one at a path, nil for none.
func (f *Floor) door(path string) Door {
	for _, m := range f.doors {
		if path == m.prefix || strings.HasSuffix(m.prefix, "/") && strings.HasPrefix(path, m.prefix) {
			return m.door
		}
	}
	return nil
}

func (f *Floor) serve(w http.ResponseWriter, r *http.Request) {
	if door := f.door(r.URL.Path); door != nil {
		door.ServeHTTP(w, r)
		return
	}
	f.refuse(w, r, NotFound())
}

// refuse answers as the door at the request's path does.
func (f *Floor) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if door := f.door(r.URL.Path); door != nil {
		door.Refuse(w, r, err)
		return
	}
	WriteProblem(w, r, f.Problem(r.Context(), err))
}

// NotFound is what is said at a path where there is nothing.
func NotFound() *Problem {
	return NewProblem(http.StatusNotFound, say.New("There is nothing at this path. /openapi.json lists what there is."))
}

// NotAllowed is what is said to a method that a path does not answer to.
func NotAllowed(allowed ...string) *Problem {
	methods := strings.Join(allowed, ", ")
	return NewProblem(http.StatusMethodNotAllowed, say.New("This path answers to %s.", methods)).With("Allow", methods)
}

// page is a door of the floor's own: one path that is read.
type page struct {
	floor *Floor
	http.Handler
}

func (f *Floor) page(path string, h http.HandlerFunc) *page {
	return &page{f, f.Handle(Operation{Route: path, Caller: Anyone, Public: true, Unlimited: true}, func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return NotAllowed(http.MethodGet, http.MethodHead)
		}
		recordOf(r.Context()).quiet = true // somebody looks every few seconds
		h(w, r)
		return nil
	})}
}

func (p *page) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	WriteProblem(w, r, p.floor.Problem(r.Context(), err))
}

// Sessions are those of people who log in; nil for bearer tokens alone.
func (f *Floor) Sessions() *auth.Sessions { return f.sessions }

// Log is the log of the service.
func (f *Floor) Log() *slog.Logger { return f.log }

// PublicURL is where clients reach the service, "" where that is not told.
func (f *Floor) PublicURL() string { return f.publicURL }
