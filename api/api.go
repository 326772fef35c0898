// Package api is the HTTP door of a site for programs: it turns requests into calls of
// package site and their results into answers. It decides how things are said
// (routes, media types, conditional requests, problem documents) and nothing
// about what is allowed or right. It stands on the floor of package web.
package api

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"cms/api/docs"
	"cms/api/openapi"
	"cms/api/router"
	"cms/auth"
	"cms/site"
	"cms/state"
	"cms/web"
	"cms/web/once"
	"cms/web/stream"
	"cms/webhooks"
	"cms/webhooks/inbound"
)

// API is the door to a site. Mount it at "/".
type API struct {
	web         *web.Floor
	site        *site.Site
	inbound     *inbound.Receiver
	outbound    *webhooks.Relay       // nil for none
	deployments *webhooks.Deployments // nil for none
	writes      *once.Writes[*reply]  // nil where no write can be repeated
	sessions    *auth.Sessions        // nil where nobody logs in
	providers   []*auth.Provider
	flows       *auth.Flows
	logins      *web.Limiter
	log         *slog.Logger

	router   *mux.Router
	huma     huma.API
	document *openapi.Document
	openapi  web.File // the document as it is served

	streams *stream.Streams
	events  *events
}

// Options are what an API is made of. Web and Site are required.
type Options struct {
	Web         *web.Floor
	Site        *site.Site
	Inbound     *inbound.Receiver     // push hooks; nil knows none
	Webhooks    *webhooks.Relay       // what operators look at; nil for none
	Deployments *webhooks.Deployments // whether entries are on the public site; nil does not tell
	Keys        *state.Keys           // of writes that may be repeated; nil ignores Idempotency-Key
	Version     string                // of the program, for the OpenAPI document
	Heartbeat   time.Duration         // between the comments that show that an event stream is alive; 15 s when 0
	Streams     stream.Bounds         // how many event streams may be open
	Providers   []*auth.Provider      // where people may log in, with different names
	Flows       *auth.Flows           // of logins there; those of this process alone when nil
	Home        string                // where / leads, "" for nowhere
}

// New makes the API of o.Site.
func New(o Options) (*API, error) {
	if o.Site == nil || o.Web == nil {
		return nil, errors.New("api: a site and a floor are required")
	}
	a := &API{
		web:         o.Web,
		site:        o.Site,
		inbound:     o.Inbound,
		outbound:    o.Webhooks,
		deployments: o.Deployments,
		sessions:    o.Web.Sessions(),
		providers:   o.Providers,
		flows:       o.Flows,
		log:         o.Web.Log(),
	}
	if o.Keys != nil {
		a.writes = once.New(o.Keys, o.Site, repeats{a, a.again}, a.log)
	}
	var err error
	if a.logins, err = web.NewLimiter("login", loginPace); err != nil {
		return nil, err
	}
	if a.flows == nil {
		if a.flows, err = auth.NewFlows(); err != nil {
			return nil, err
		}
	}
	a.events = newEvents(a)
	a.streams = stream.New(stream.Options{Bounds: o.Streams, Heartbeat: o.Heartbeat, Follow: a.events.follow, Logger: a.log})
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cms_event_streams", Help: "Event streams that are open.",
	}, func() float64 { return float64(a.streams.Opened()) })
	if err := a.web.Register(open); err != nil {
		return nil, err
	}
	a.router = router.New()
	a.document = openapi.New(described(o.Version, o.Web))
	a.huma = huma.NewAPI(a.document.Config(plain), router.Adapter(a.web, a.router))
	a.routes()
	about, err := a.document.Finish()
	if err != nil {
		return nil, err
	}
	a.openapi = web.NewFile(mediaJSON, about, nil)
	page, err := docs.New()
	if err != nil {
		return nil, err
	}
	serve := func(w http.ResponseWriter, r *http.Request) error { return page.Serve(w, r, mux.Vars(r)["file"]) }
	if o.Home != "" {
		op := web.Operation{Route: "/", Caller: web.Anyone, Unlimited: true}
		a.router.Handle("/", a.web.Handle(op, func(w http.ResponseWriter, r *http.Request) error {
			http.Redirect(w, r, o.Home, http.StatusSeeOther)
			return nil
		})).Methods(http.MethodGet, http.MethodHead)
	}
	for path, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"/docs": serve, "/docs/{file}": serve, "/openapi.json": a.serveOpenAPI,
	} {
		a.router.Handle(path, a.web.Handle(web.Operation{Route: path, Caller: web.Anyone, Public: true, Unlimited: true}, h)).Methods(http.MethodGet, http.MethodHead)
	}
	return a, nil
}

// ServeHTTP implements [web.Door].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// Refuse implements [web.Door].
func (a *API) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	if !a.refuseLogin(w, r, err) {
		web.WriteProblem(w, r, a.problem(r.Context(), err))
	}
}

func (a *API) serveOpenAPI(w http.ResponseWriter, r *http.Request) error {
	a.openapi.ServeHTTP(w, r)
	return nil
}

// routes is the whole route table.
func (a *API) routes() {
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
	get(a, "/v1/collections/{collection}/references/{slug}", a.entryReferences, entryReferencesDoc)
	get(a, "/v1/collections/{collection}/deployment/{slug}", a.entryDeployment, entryDeploymentDoc)
	post(a, "/v1/collections/{collection}/move/{slug}", a.moveEntry, moveEntryDoc)
	post(a, "/v1/collections/{collection}/revert/{slug}", a.revertEntry, revertEntryDoc)
	post(a, "/v1/batch", a.batch, batchDoc)

	get(a, "/v1/search", a.search, searchDoc)
	post(a, "/v1/preview", a.preview, previewDoc)
	get(a, "/v1/media", a.listMedia, listMediaDoc)
	a.mediaRoutes()
	get(a, "/v1/media-references/{path}", a.mediaReferences, mediaReferencesDoc)
	post(a, "/v1/media-move/{path}", a.moveMedia, moveMediaDoc)

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
		get(a, "/v1/auth/oidc/{provider}/logged-out", a.finishLogout, finishLogoutDoc)
	}
}
