package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cms/api/openapi"
	"cms/api/router"
	"cms/auth"
	"cms/web"
	"cms/web/once"
)

// reply is an answer, its body already in its media type.
type reply struct {
	Status       int
	ContentType  string        `header:"Content-Type" hidden:"true"`
	ETag         string        `header:"ETag" hidden:"true"`
	Location     string        `header:"Location" hidden:"true"`
	Vary         []string      `header:"Vary" hidden:"true"` // added to what middleware says
	CacheControl string        `header:"Cache-Control" hidden:"true"`
	CSP          string        `header:"Content-Security-Policy" hidden:"true"`
	Replayed     string        `header:"Idempotency-Replayed" hidden:"true"`
	RetryAfter   string        `header:"Retry-After" hidden:"true"`
	SetCookie    []http.Cookie `header:"Set-Cookie" hidden:"true"`
	Body         []byte        // documented for each operation

	targets []web.Target // what a write has changed
	made    *made        // the same, to be kept with its key; nil for none
}

// Bounds of operations that name no other.
const (
	smallBody    = 64 << 10        // of what holds names, addresses and settings
	transferTime = 5 * time.Minute // for a file, up or down
)

// askedError refuses a write that says in its body what it is about, which is for the audit
// log.
type askedError struct {
	error
	targets []web.Target
}

func (e *askedError) Unwrap() error { return e.error }

// answer is v as JSON.
func answer(status int, v any) (*reply, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return &reply{Status: status, ContentType: "application/json", Body: b.Bytes()}, nil
}

// doc describes an operation for the OpenAPI document.
type doc struct {
	id, summary, text string
	tag               string
	public            bool           // asks for no token
	anyQuery          bool           // parameters that are not documented are let through
	requests          map[string]any // media type → a value of the body's type
	example           any            // of a body in JSON
	responses         map[int]any    // status → a value of the body's type, nil for none
	headers           map[int][]string
	problems          []int
	caller            func(*API, *http.Request) (*auth.Principal, error) // says whom a request is of, where not a token or a session alone
	time              time.Duration                                      // that it may take, where it is not that of most operations
	body              int64                                              // bytes that its body may have, likewise
	repeats           []string                                           // the parameters of the query that may be given several times
	streamed          bool                                               // the operation reads the body itself, as it comes, and holds none of it
}

const (
	mediaJSON       = openapi.JSON
	mediaMarkdown   = openapi.Markdown
	mediaMergePatch = openapi.MergePatch
	mediaJSONPatch  = openapi.JSONPatch
)

func get[I any](a *API, path string, h func(context.Context, *I) (*reply, error), d doc) {
	register(a, http.MethodGet, path, h, d)
}

func post[I any](a *API, path string, h func(context.Context, *I) (*reply, error), d doc) {
	register(a, http.MethodPost, path, h, d)
}

func put[I any](a *API, path string, h func(context.Context, *I) (*reply, error), d doc) {
	register(a, http.MethodPut, path, h, d)
}

func patch[I any](a *API, path string, h func(context.Context, *I) (*reply, error), d doc) {
	register(a, http.MethodPatch, path, h, d)
}

func del[I any](a *API, path string, h func(context.Context, *I) (*reply, error), d doc) {
	register(a, http.MethodDelete, path, h, d)
}

// watch registers an operation that answers with a stream.
func watch[I any](a *API, path string, h func(context.Context, *I) (*huma.StreamResponse, error), d doc) {
	op := a.operation(http.MethodGet, path, d)
	o := router.Held(&op)
	o.Unlimited, o.Stream = true, true
	a.hold(&op, o)
	huma.Register(a.huma, op, h)
}

// register makes an operation of a handler. Whatever error the handler gives
// becomes a problem document. A body is read when everything else of the request
// has been found right.
func register[I any](a *API, method, path string, h func(context.Context, *I) (*reply, error), d doc) {
	op := a.operation(method, path, d)
	if _, ok := any(new(I)).(admitter); !ok && d.requests != nil {
		panic("api: " + d.id + " does not say whom it admits")
	}
	run := func(ctx context.Context, in *I) (*reply, error) {
		var body []byte
		if s, ok := any(in).(admitter); ok {
			release, err := a.receive(ctx, s, d.streamed)
			if err != nil {
				return nil, err
			}
			defer release()
			body = s.payload().body
		}
		if k, ok := any(in).(keyed); ok {
			return a.once(ctx, k.from(), body, onceTime, func(ctx context.Context, how once.Attempt) (*reply, error) {
				k.attempt(how)
				return h(ctx, in)
			})
		}
		return h(ctx, in)
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*reply, error) {
		r, err := run(ctx, in)
		if err != nil {
			if of := (*askedError)(nil); errors.As(err, &of) {
				web.Audit(ctx, of.targets...)
			}
			return nil, a.problem(ctx, err)
		}
		web.Audit(ctx, r.targets...)
		return r, nil
	})
	for _, p := range a.document.Operation(method, path).Parameters {
		explode := p.Style == "deepObject" || slices.Contains(d.repeats, p.Name) // the only form that clients know of these
		if p.Explode = nil; explode {
			p.Explode = &explode
		}
	}
	if d.requests != nil { // added here, or huma would read it
		a.document.Operation(method, path).RequestBody = a.document.RequestBody(d.requests, d.example)
	}
	for status, body := range d.responses {
		if body == nil {
			op.Responses[strconv.Itoa(status)].Content = nil // huma gave it one
		}
	}
}

// operation is the description of an operation.
func (a *API) operation(method, path string, d doc) huma.Operation {
	op := huma.Operation{
		OperationID:                  d.id,
		Method:                       method,
		Path:                         path,
		Summary:                      d.summary,
		Description:                  d.text,
		Tags:                         []string{d.tag},
		MaxBodyBytes:                 -1, // hold bounds bodies
		RejectUnknownQueryParameters: !d.anyQuery,
		SkipValidateBody:             true, // handlers decode bodies, in order
	}
	if d.public {
		op.Security = []map[string][]string{{}}
	}
	problems := d.problems
	if d.requests != nil {
		problems = append(slices.Clone(problems), http.StatusRequestEntityTooLarge)
	}
	op.Responses = a.document.Responses(d.responses, d.headers, problems...)
	o := web.Operation{Name: d.id, Route: path, Time: d.time, Repeatable: d.repeats}
	if d.requests != nil {
		o.Body = cmp.Or(d.body, a.web.MaxBody())
		if !d.streamed {
			o.Body = min(o.Body, a.web.MaxBody())
		}
	}
	switch {
	case d.caller != nil:
		o.Caller = func(r *http.Request) (*auth.Principal, error) { return d.caller(a, r) }
	case d.public:
		o.Caller = web.Anyone
	}
	a.hold(&op, o)
	op.DefaultStatus = slices.Min(slices.Collect(maps.Keys(d.responses)))
	return op
}

// hold has op be held as o, and says so in the OpenAPI document.
func (a *API) hold(op *huma.Operation, o web.Operation) {
	router.Hold(op, o)
	op.Extensions = map[string]any{}
	if limit := a.web.Timeout(o); limit > 0 {
		op.Extensions["x-timeout-seconds"] = limit.Seconds()
	}
	if o.Body > 0 {
		op.Extensions["x-max-body-bytes"] = o.Body
	}
}
