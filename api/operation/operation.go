// Package operation makes operations of handlers: what huma leads requests to, the floor
// holds to its bounds, and the OpenAPI document describes. It hides huma from those who
// write them: a handler is given its input, whose fields say by their tags what they are of
// the request, and gives a [Reply] or an error.
//
//	type noteInput struct {
//		ID string `path:"id"`
//	}
//
//	func (d *door) note(ctx context.Context, in *noteInput) (*operation.Reply, error)
//
//	operation.Get(operations.For(d), "/notes/{id}", d.note, operation.Doc{ID: "get-note", …})
package operation

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/mux"

	"cms/api/openapi"
	"cms/api/router"
	"cms/auth"
	"cms/web"
	"cms/web/once"
)

// Bounds of operations that name no other.
const (
	SmallBody    = 64 << 10        // of what holds names, addresses and settings
	TransferTime = 5 * time.Minute // for a file, up or down
)

// Doc describes an operation for the OpenAPI document.
type Doc struct {
	ID, Summary, Text string
	Tag               string
	Public            bool           // asks for no token
	AnyQuery          bool           // parameters that are not documented are let through
	Requests          map[string]any // media type → a value of the body's type
	Example           any            // of a body in JSON
	Responses         map[int]any    // status → a value of the body's type, nil for none
	Headers           map[int][]string
	Problems          []int
	Caller            func(*http.Request) (*auth.Principal, error) // says whom a request is of, where not a token or a session alone
	Time              time.Duration                                // that it may take, where it is not that of most operations
	Body              int64                                        // bytes that its body may have, likewise
	Repeats           []string                                     // the parameters of the query that may be given several times
	Streamed          bool                                         // the operation reads the body itself, as it comes, and holds none of it
}

// Options are what operations are made with. All but Once are required.
type Options struct {
	Floor    *web.Floor
	Router   *mux.Router
	Document *openapi.Document
	Plain    huma.Transformer                   // makes of huma's own problems what clients are told
	Problem  func(context.Context, error) error // what clients are told of any other error

	// Once makes a write that may have a key. Body is what of the request's tells it apart.
	Once func(ctx context.Context, r *http.Request, body []byte, run func(context.Context, once.Attempt) (*Reply, error)) (*Reply, error)
}

// Operations are those of a document, at a router.
type Operations struct {
	o    Options
	huma huma.API
}

// New has no operations yet.
func New(o Options) *Operations {
	return &Operations{o, huma.NewAPI(o.Document.Config(o.Plain), router.Adapter(o.Floor, o.Router))}
}

// Routes are where the operations of a part of the API are registered, whose inputs
// [Admitter] asks P.
type Routes[P any] struct {
	operations *Operations
	part       P
}

// For are the routes of a part of the API.
func For[P any](o *Operations, part P) Routes[P] { return Routes[P]{o, part} }

// Get registers an operation.
func Get[P, I any](r Routes[P], path string, h func(context.Context, *I) (*Reply, error), d Doc) {
	register(r, http.MethodGet, path, h, d)
}

// Post registers an operation.
func Post[P, I any](r Routes[P], path string, h func(context.Context, *I) (*Reply, error), d Doc) {
	register(r, http.MethodPost, path, h, d)
}

// Put registers an operation.
func Put[P, I any](r Routes[P], path string, h func(context.Context, *I) (*Reply, error), d Doc) {
	register(r, http.MethodPut, path, h, d)
}

// Patch registers an operation.
func Patch[P, I any](r Routes[P], path string, h func(context.Context, *I) (*Reply, error), d Doc) {
	register(r, http.MethodPatch, path, h, d)
}

// Delete registers an operation.
func Delete[P, I any](r Routes[P], path string, h func(context.Context, *I) (*Reply, error), d Doc) {
	register(r, http.MethodDelete, path, h, d)
}

// Watch registers an operation that answers with a stream.
func Watch[P, I any](r Routes[P], path string, h func(context.Context, *I) (*huma.StreamResponse, error), d Doc) {
	op := r.operations.operation(http.MethodGet, path, d)
	o := router.Held(&op)
	o.Unlimited, o.Stream = true, true
	r.operations.Hold(&op, o)
	huma.Register(r.operations.huma, op, h)
}

// A Keyed is the input of a write that may have a key.
type Keyed interface {
	From() *http.Request
	Attempt(once.Attempt) // says how the write is made
}

// register makes an operation of a handler. Whatever error the handler gives is told as
// Options.Problem has it. A body is read when everything else of the request has been
// found right.
func register[P, I any](r Routes[P], method, path string, h func(context.Context, *I) (*Reply, error), d Doc) {
	o := r.operations
	op := o.operation(method, path, d)
	if _, ok := any(new(I)).(Admitter[P]); !ok && d.Requests != nil {
		panic("api: " + d.ID + " does not say whom it admits")
	}
	run := func(ctx context.Context, in *I) (*Reply, error) {
		var body []byte
		if s, ok := any(in).(Admitter[P]); ok {
			if err := s.Admit(ctx, r.part); err != nil {
				return nil, err
			}
			release, err := s.payload().receive(o.o.Floor, d.Streamed)
			if err != nil {
				return nil, err
			}
			defer release()
			body = s.payload().body
		}
		if k, ok := any(in).(Keyed); ok {
			return o.o.Once(ctx, k.From(), body, func(ctx context.Context, how once.Attempt) (*Reply, error) {
				k.Attempt(how)
				return h(ctx, in)
			})
		}
		return h(ctx, in)
	}
	huma.Register(o.huma, op, func(ctx context.Context, in *I) (*Reply, error) {
		r, err := run(ctx, in)
		if err != nil {
			if of := (*RefusedError)(nil); errors.As(err, &of) {
				web.Audit(ctx, of.Targets...)
			}
			return nil, o.o.Problem(ctx, err)
		}
		r.Tell(ctx)
		return r, nil
	})
	for _, p := range o.o.Document.Operation(method, path).Parameters {
		explode := p.Style == "deepObject" || slices.Contains(d.Repeats, p.Name) // the only form that clients know of these
		if p.Explode = nil; explode {
			p.Explode = &explode
		}
	}
	if d.Requests != nil { // added here, or huma would read it
		o.o.Document.Operation(method, path).RequestBody = o.o.Document.RequestBody(d.Requests, d.Example)
	}
	for status, body := range d.Responses {
		if body == nil {
			op.Responses[strconv.Itoa(status)].Content = nil // huma gave it one
		}
	}
}

// operation is the description of an operation.
func (o *Operations) operation(method, path string, d Doc) huma.Operation {
	floor, document := o.o.Floor, o.o.Document
	op := huma.Operation{
		OperationID:                  d.ID,
		Method:                       method,
		Path:                         path,
		Summary:                      d.Summary,
		Description:                  d.Text,
		Tags:                         []string{d.Tag},
		MaxBodyBytes:                 -1, // Hold bounds bodies
		RejectUnknownQueryParameters: !d.AnyQuery,
		SkipValidateBody:             true, // handlers decode bodies, in order
	}
	if d.Public {
		op.Security = []map[string][]string{{}}
	}
	problems := d.Problems
	if d.Requests != nil {
		problems = append(slices.Clone(problems), http.StatusRequestEntityTooLarge)
	}
	op.Responses = document.Responses(d.Responses, d.Headers, problems...)
	held := web.Operation{Name: d.ID, Route: path, Time: d.Time, Repeatable: d.Repeats}
	if d.Requests != nil {
		held.Body = cmp.Or(d.Body, floor.MaxBody())
		if !d.Streamed {
			held.Body = min(held.Body, floor.MaxBody())
		}
	}
	switch {
	case d.Caller != nil:
		held.Caller = d.Caller
	case d.Public:
		held.Caller = web.Anyone
	}
	o.Hold(&op, held)
	op.DefaultStatus = slices.Min(slices.Collect(maps.Keys(d.Responses)))
	return op
}

// Hold has op be held as held, and says so in the OpenAPI document.
func (o *Operations) Hold(op *huma.Operation, held web.Operation) {
	router.Hold(op, held)
	op.Extensions = map[string]any{}
	if limit := o.o.Floor.Timeout(held); limit > 0 {
		op.Extensions["x-timeout-seconds"] = limit.Seconds()
	}
	if held.Body > 0 {
		op.Extensions["x-max-body-bytes"] = held.Body
	}
}
