// Package api is the HTTP door of a site: it turns requests into calls of
// package site and their results into answers. It decides how things are said
// (routes, media types, conditional requests, problem documents) and nothing
// about what is allowed or right.
package api

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"cms/auth"
	"cms/site"
	"cms/state"
	"cms/webhooks"
	"cms/webhooks/inbound"
)

// API serves a site over HTTP.
type API struct {
	site        *site.Site
	verifier    *auth.Verifier
	inbound     *inbound.Receiver
	outbound    *webhooks.Relay       // nil for none
	deployments *webhooks.Deployments // nil for none
	keys        *state.Keys           // nil where no write can be repeated
	ready       []Check
	maxBody     int64
	bodies      *bodies
	log         *slog.Logger

	sessions    *auth.Sessions // nil where nobody logs in
	providers   []*auth.Provider
	flows       *auth.Flows
	logins      *limiter
	cookies     cookies
	crossOrigin *http.CrossOriginProtection
	secure      bool // clients reach the service over TLS

	proxies    proxies
	perAddress *limiter // nil for no limit, as perCaller
	perCaller  *limiter
	metrics    *metrics

	huma    huma.API
	openapi pageFile // the document
	handler http.Handler

	operationTime time.Duration // for one that names no other
	heartbeat     time.Duration // between the comments on an event stream
	streams       *streams
	streamsEnd    chan struct{} // closed by endStreams
	endStreams    func()
}

// Options are what an API is made of. Site and Verifier are required.
type Options struct {
	Site         *site.Site
	Verifier     *auth.Verifier
	Inbound      *inbound.Receiver     // push hooks; nil knows none
	Webhooks     *webhooks.Relay       // what operators look at; nil for none
	Deployments  *webhooks.Deployments // whether entries are on the public site; nil does not tell
	Keys         *state.Keys           // of writes that may be repeated; nil ignores Idempotency-Key
	Version      string                // of the program, for the OpenAPI document
	PublicURL    string                // where clients reach the service
	MaxBodyBytes int64                 // of a request; 10 MiB when 0
	BodyMemory   int64                 // of the bodies of all requests, at once; 64 MiB when 0
	Ready        []Check               // what /readyz asks
	Timeout      time.Duration         // of an operation, but for some that take longer; 30 s when 0
	Heartbeat    time.Duration         // between the comments that show that an event stream is alive; 15 s when 0
	Streams      Streams               // how many event streams may be open
	Logger       *slog.Logger

	Sessions  *auth.Sessions   // of people who log in; nil for bearer tokens alone
	Providers []*auth.Provider // where people may log in, with different names
	Flows     *auth.Flows      // of logins there; those of this process alone when nil

	Proxies    []netip.Prefix       // whose X-Forwarded-For is believed
	Origins    []string             // whose pages may call the API from browsers; "*" is all of them
	PerAddress Limit                // of requests from an address, but for those about health
	PerCaller  Limit                // of requests of whom a token names
	Registry   *prometheus.Registry // gets the metrics of requests; nil counts for nobody
	Metrics    bool                 // serve Registry at /metrics
	Public     prometheus.Gatherer  // what is shown there beside it; may be nil
}

// DefaultMaxBodyBytes bounds request bodies where no other limit is configured.
const DefaultMaxBodyBytes = 10 << 20

// New makes the API of o.Site.
func New(o Options) (*API, error) {
	if o.Site == nil || o.Verifier == nil {
		return nil, errors.New("api: a site and a verifier are required")
	}
	a := &API{
		site:        o.Site,
		verifier:    o.Verifier,
		inbound:     o.Inbound,
		outbound:    o.Webhooks,
		deployments: o.Deployments,
		keys:        o.Keys,
		ready:       o.Ready,
		maxBody:     cmp.Or(o.MaxBodyBytes, DefaultMaxBodyBytes),
		proxies:     o.Proxies,
		log:         cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),

		sessions:    o.Sessions,
		providers:   o.Providers,
		flows:       o.Flows,
		cookies:     cookiesFor(o.PublicURL),
		crossOrigin: http.NewCrossOriginProtection(),
	}
	if u, err := url.Parse(o.PublicURL); err == nil && u.Host != "" { // a proxy may change Host
		a.secure = u.Scheme == "https"
		if err := a.crossOrigin.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, fmt.Errorf("api: %w", err)
		}
	}
	a.bodies = newBodies(cmp.Or(o.BodyMemory, DefaultBodyMemory), a.maxBody)
	a.operationTime = cmp.Or(o.Timeout, operationTime)
	a.heartbeat = cmp.Or(o.Heartbeat, heartbeat)
	a.streams = newStreams(a, o.Streams)
	a.streamsEnd = make(chan struct{})
	a.endStreams = sync.OnceFunc(func() { close(a.streamsEnd) })
	var err error
	if a.perAddress, err = newLimiter("address", o.PerAddress); err != nil {
		return nil, err
	}
	if a.perCaller, err = newLimiter("caller", o.PerCaller); err != nil {
		return nil, err
	}
	if a.logins, err = newLimiter("login", loginPace); err != nil {
		return nil, err
	}
	if a.flows == nil {
		if a.flows, err = auth.NewFlows(); err != nil {
			return nil, err
		}
	}
	if a.metrics, err = newMetrics(o.Registry, a.streams.opened); err != nil {
		return nil, err
	}
	compress, err := newCompressor()
	if err != nil {
		return nil, err
	}
	router := newRouter()
	a.huma = huma.NewAPI(description(o), adapter{router})
	a.huma.UseMiddleware(a.authenticate, a.limitCallers)
	a.routes(router)
	docs, err := newPage()
	if err != nil {
		return nil, err
	}
	for _, path := range []string{"/docs", "/docs/{file}"} {
		router.Handle(path, docs).Methods(http.MethodGet, http.MethodHead)
	}
	if o.Metrics && o.Registry != nil {
		shown := prometheus.Gatherers{o.Registry}
		if o.Public != nil {
			shown = append(shown, o.Public)
		}
		router.Handle("/metrics", MetricsHandler(shown)).Methods(http.MethodGet, http.MethodHead)
	}

	about, err := document(a.huma.OpenAPI())
	if err != nil {
		return nil, err
	}
	a.openapi = newPageFile(mediaJSON, about, nil)
	a.handler = a.observe(a.recover(allowOrigins(o.Origins)(a.limitAddresses(compress(a.bound(router))))))
	return a, nil
}

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// routes is the whole route table.
func (a *API) routes(router *mux.Router) {
	get(a, "/v1/collections", a.listCollections, listCollectionsDoc)
	get(a, "/v1/collections/{collection}", a.getCollection, getCollectionDoc)

	get(a, "/v1/collections/{collection}/entries", a.listEntries, listEntriesDoc)
	post(a, "/v1/collections/{collection}/entries", a.createEntry, createEntryDoc)
	get(a, "/v1/collections/{collection}/entries/{slug}", a.getEntry, getEntryDoc)
	put(a, "/v1/collections/{collection}/entries/{slug}", a.putEntry, putEntryDoc)
	patch(a, "/v1/collections/{collection}/entries/{slug}", a.patchEntry, patchEntryDoc)
	del(a, "/v1/collections/{collection}/entries/{slug}", a.deleteEntry, deleteEntryDoc)
	get(a, "/v1/collections/{collection}/history/{slug}", a.entryHistory, entryHistoryDoc)
	get(a, "/v1/collections/{collection}/diff/{slug}", a.entryDiff, entryDiffDoc)
	get(a, "/v1/collections/{collection}/deployment/{slug}", a.entryDeployment, entryDeploymentDoc)
	post(a, "/v1/collections/{collection}/move/{slug}", a.moveEntry, moveEntryDoc)
	post(a, "/v1/collections/{collection}/revert/{slug}", a.revertEntry, revertEntryDoc)
	post(a, "/v1/batch", a.batch, batchDoc)

	get(a, "/v1/search", a.search, searchDoc)
	post(a, "/v1/preview", a.preview, previewDoc)
	get(a, "/v1/media", a.listMedia, listMediaDoc)
	a.mediaRoutes(router)

	get(a, "/v1/changes", a.listChanges, listChangesDoc)
	watch(a, "/v1/events", a.streamEvents, streamEventsDoc)

	get(a, "/v1/webhooks", a.listWebhooks, listWebhooksDoc)
	get(a, "/v1/webhooks/{name}", a.getWebhook, getWebhookDoc)
	post(a, "/v1/webhooks", a.createWebhook, createWebhookDoc)
	patch(a, "/v1/webhooks/{name}", a.patchWebhook, patchWebhookDoc)
	del(a, "/v1/webhooks/{name}", a.deleteWebhook, deleteWebhookDoc)
	post(a, "/v1/webhooks/{name}/secret", a.renewSecret, renewSecretDoc)
	post(a, "/v1/webhooks/{name}/test", a.testWebhook, testWebhookDoc)
	post(a, "/v1/webhooks/{name}/redeliver", a.redeliverRange, redeliverRangeDoc)
	get(a, "/v1/deliveries", a.listDeliveries, listDeliveriesDoc)
	get(a, "/v1/deliveries/{id}", a.getDelivery, getDeliveryDoc)
	post(a, "/v1/deliveries/{id}/redeliver", a.redeliver, redeliverDoc)

	post(a, "/v1/deployments", a.reportDeployment, reportDeploymentDoc)

	get(a, "/v1/me", a.me, meDoc)
	post(a, "/hooks/{provider}", a.receiveHook, receiveHookDoc)
	if a.sessions != nil {
		post(a, "/v1/auth/login", a.login, loginDoc)
		post(a, "/v1/auth/refresh", a.refresh, refreshDoc)
		post(a, "/v1/auth/logout", a.logout, logoutDoc)
		get(a, "/v1/auth/oidc/{provider}/start", a.startLogin, startLoginDoc)
		get(a, "/v1/auth/oidc/{provider}/callback", a.finishLogin, finishLoginDoc)
	}

	for path, h := range map[string]http.HandlerFunc{
		"/openapi.json": a.serveOpenAPI,
		"/healthz":      a.healthz,
		"/readyz":       a.readyz,
	} {
		router.HandleFunc(path, h).Methods(http.MethodGet, http.MethodHead)
	}
}
