// Package router leads requests to the operations that huma knows. It hides the router of
// gorilla/mux, which takes paths as they were sent, and what huma is told of a request.
package router

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/gorilla/mux"

	"cms/web"
)

// New is a router that leaves paths as they were sent: a slug may hold
// encoded slashes, and a path with ".." is refused instead of redirected.
func New() *mux.Router {
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	r.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		web.WriteProblem(w, req, web.NotFound())
	})
	r.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		web.WriteProblem(w, req, web.NotAllowed(allowedMethods(r, req)...))
	})
	return r
}

// allowedMethods are those that r has a route for at the request's path.
func allowedMethods(r *mux.Router, req *http.Request) []string {
	var allowed []string
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		probe := *req
		probe.Method = method
		var m mux.RouteMatch
		if r.Match(&probe, &m) && m.MatchErr == nil {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

// RestOfPath ends a path parameter that takes all that follows.
const RestOfPath = ":.+}"

const heldKey = "held" // in the metadata of an operation

// Hold has op be held as o by the floor.
func Hold(op *huma.Operation, o web.Operation) { op.Metadata = map[string]any{heldKey: o} }

// Held is how op is held.
func Held(op *huma.Operation) web.Operation { return op.Metadata[heldKey].(web.Operation) }

// Adapter registers the operations that are held on a router. It is humamux but for the
// slug or path, which takes the rest of the path, and for HEAD, which GET answers.
func Adapter(floor *web.Floor, router *mux.Router) huma.Adapter { return adapter{floor, router} }

type adapter struct {
	web    *web.Floor
	router *mux.Router
}

func (a adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	methods := []string{op.Method}
	if op.Method == http.MethodGet {
		methods = append(methods, http.MethodHead)
	}
	path := strings.NewReplacer("{slug}", "{slug"+RestOfPath, "{path}", "{path"+RestOfPath).Replace(op.Path)
	a.router.Handle(path, a.web.Handle(Held(op), func(w http.ResponseWriter, r *http.Request) error {
		handler(params{humamux.NewContext(op, r, w), mux.Vars(r), r.Header})
		return nil
	})).Methods(slices.Compact(methods)...)
}

func (a adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// embedded is huma's context by a name that its method Context does not clash
// with.
type embedded = huma.Context

// params decodes the parameters of a path that the router matched encoded.
type params struct {
	embedded
	vars   map[string]string
	header http.Header
}

// Header is a field of the request's header. Lines of the same name are one list
// (RFC 9110, section 5.3).
func (p params) Header(name string) string { return strings.Join(p.header.Values(name), ", ") }

// Param is the decoded parameter. What cannot be decoded is given as it is: a
// percent sign in it then fails the check of the name.
func (p params) Param(name string) string {
	if s, err := url.PathUnescape(p.vars[name]); err == nil {
		return s
	}
	return p.vars[name]
}

// Unwrap leads huma's helpers to the context of the router.
func (p params) Unwrap() huma.Context { return p.embedded }
