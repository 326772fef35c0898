// Package api is the HTTP door of a site for programs: it turns requests into calls of
// package site and their results into answers. It decides how things are said
// (routes, media types, conditional requests, problem documents) and nothing
// about what is allowed or right. It stands on the floor of package web.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"cms/api/docs"
	"cms/api/hooks"
	"cms/api/openapi"
	"cms/api/operation"
	"cms/api/router"
	"cms/site"
	"cms/state"
	"cms/web"
	"cms/web/login"
	"cms/web/once"
	"cms/web/stream"
	"cms/webhooks"
	"cms/webhooks/inbound"
)

// API is the door to a site. Mount it at "/".
type API struct {
	web         *web.Floor
	site        *site.Site
	outbound    *webhooks.Relay       // nil for none
	deployments *webhooks.Deployments // nil for none
	writes      *once.Writes[*reply]  // nil where no write can be repeated
	logins      *login.Logins         // nil where nobody logs in
	log         *slog.Logger

	router     *mux.Router
	operations *operation.Operations
	document   *openapi.Document
	openapi    func() (web.File, error) // the document as it is served, made for who asks first

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
	Streams     *stream.Places        // for event streams; nil for places that no other door takes
	Logins      *login.Logins         // of people, in browsers; nil for bearer tokens alone
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
		outbound:    o.Webhooks,
		deployments: o.Deployments,
		logins:      o.Logins,
		log:         o.Web.Log(),
	}
	if o.Keys != nil {
		a.writes = once.New(o.Keys, o.Site, repeats{a, a.again}, a.log)
	}
	a.events = newEvents(a)
	a.streams = stream.New(stream.Options{Places: o.Streams, Heartbeat: o.Heartbeat, Follow: a.events.follow, Logger: a.log})
	a.router = router.New()
	a.document = openapi.New(described(o.Version, o.Web))
	a.operations = operation.New(operation.Options{
		Floor: a.web, Router: a.router, Document: a.document, Plain: told,
		Problem: func(ctx context.Context, err error) error { return a.problem(ctx, err) },
		Once: func(ctx context.Context, r *http.Request, body []byte, run func(context.Context, once.Attempt) (*reply, error)) (*reply, error) {
			return a.once(ctx, r, body, onceTime, run)
		},
	})
	a.routes()
	hooks.Register(a.operations, hooks.Options{Web: o.Web, Site: o.Site, Inbound: o.Inbound, Webhooks: o.Webhooks, Deployments: o.Deployments})
	a.openapi = sync.OnceValues(func() (web.File, error) {
		if err := a.document.Finish(); err != nil {
			return web.File{}, err
		}
		about, err := a.document.JSON()
		return web.NewFile(mediaJSON, about, nil), err
	})
	serve := func(w http.ResponseWriter, r *http.Request) error { return docs.Serve(w, r, mux.Vars(r)["file"]) }
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
	if a.logins == nil || !a.logins.Refuse(w, r, err) {
		web.WriteProblem(w, r, a.problem(r.Context(), err))
	}
}

func (a *API) serveOpenAPI(w http.ResponseWriter, r *http.Request) error {
	file, err := a.openapi()
	if err == nil {
		file.ServeHTTP(w, r)
	}
	return err
}

// routes is the route table, but for what package hooks has.
func (a *API) routes() {
	r := operation.For(a.operations, a)
	operation.Get(r, "/v1/collections", a.listCollections, listCollectionsDoc)
	operation.Get(r, "/v1/collections/{collection}", a.getCollection, getCollectionDoc)

	operation.Get(r, "/v1/collections/{collection}/entries", a.listEntries, listEntriesDoc)
	operation.Post(r, "/v1/collections/{collection}/entries", a.createEntry, createEntryDoc)
	operation.Get(r, "/v1/collections/{collection}/facets", a.listFacets, listFacetsDoc)
	operation.Get(r, "/v1/collections/{collection}/deleted", a.listDeleted, listDeletedDoc)
	operation.Get(r, "/v1/collections/{collection}/entries/{slug}", a.getEntry, getEntryDoc)
	operation.Put(r, "/v1/collections/{collection}/entries/{slug}", a.putEntry, putEntryDoc)
	operation.Patch(r, "/v1/collections/{collection}/entries/{slug}", a.patchEntry, patchEntryDoc)
	operation.Delete(r, "/v1/collections/{collection}/entries/{slug}", a.deleteEntry, deleteEntryDoc)
	operation.Get(r, "/v1/collections/{collection}/history/{slug}", a.entryHistory, entryHistoryDoc)
	operation.Get(r, "/v1/collections/{collection}/diff/{slug}", a.entryDiff, entryDiffDoc)
	operation.Get(r, "/v1/collections/{collection}/references/{slug}", a.entryReferences, entryReferencesDoc)
	operation.Get(r, "/v1/collections/{collection}/deployment/{slug}", a.entryDeployment, entryDeploymentDoc)
	operation.Post(r, "/v1/collections/{collection}/move/{slug}", a.moveEntry, moveEntryDoc)
	operation.Post(r, "/v1/collections/{collection}/revert/{slug}", a.revertEntry, revertEntryDoc)
	operation.Post(r, "/v1/batch", a.batch, batchDoc)
	operation.Get(r, "/v1/conflicts", a.listConflicts, listConflictsDoc)
	operation.Post(r, "/v1/conflicts/{conflict}/resolve", a.resolveConflict, resolveConflictDoc)

	operation.Get(r, "/v1/search", a.search, searchDoc)
	operation.Post(r, "/v1/preview", a.preview, previewDoc)
	operation.Get(r, "/v1/media", a.listMedia, listMediaDoc)
	a.mediaRoutes()
	operation.Get(r, "/v1/media-references/{path}", a.mediaReferences, mediaReferencesDoc)
	operation.Post(r, "/v1/media-move/{path}", a.moveMedia, moveMediaDoc)

	operation.Get(r, "/v1/changes", a.listChanges, listChangesDoc)
	operation.Watch(r, "/v1/events", a.streamEvents, streamEventsDoc)

	operation.Get(r, "/v1/me", a.me, meDoc)
	if a.logins != nil {
		operation.Post(r, "/v1/auth/login", a.login, loginDoc)
		operation.Post(r, "/v1/auth/refresh", a.refresh, refreshDoc)
		operation.Post(r, "/v1/auth/logout", a.logout, logoutDoc)
		operation.Get(r, login.Path+"{provider}/start", a.startLogin, startLoginDoc)
		operation.Get(r, login.Path+"{provider}/callback", a.finishLogin, finishLoginDoc)
		operation.Get(r, login.Path+"{provider}/"+login.LoggedOut, a.finishLogout, finishLogoutDoc)
	}
}
