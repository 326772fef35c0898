package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cms/auth"
	"cms/content"
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
	mediaJSON       = "application/json"
	mediaMarkdown   = "text/markdown"
	mediaMergePatch = "application/merge-patch+json"
	mediaJSONPatch  = "application/json-patch+json"
	mediaProblem    = "application/problem+json"
)

// file stands for a whole Markdown file in a doc.
type file struct{}

// either stands for one of two bodies in a doc.
type either [2]any

// edited is how an edit is answered: with the entry or, after a dry run, with
// what would change.
func edited() either { return either{Entry{}, Diff{}} }

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
	o := held(&op)
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
	for _, p := range a.documented(method, path).Parameters {
		explode := p.Style == "deepObject" || slices.Contains(d.repeats, p.Name) // the only form that clients know of these
		if p.Explode = nil; explode {
			p.Explode = &explode
		}
	}
	if d.requests != nil { // added here, or huma would read it
		a.documented(method, path).RequestBody = a.requestBody(d)
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
		Security:                     []map[string][]string{{"bearer": {}}, {"session": {}}},
		MaxBodyBytes:                 -1, // hold bounds bodies
		RejectUnknownQueryParameters: !d.anyQuery,
		SkipValidateBody:             true, // handlers decode bodies, in order
		Responses:                    a.responses(d),
	}
	if d.public {
		op.Security = []map[string][]string{{}}
	}
	if d.requests != nil {
		for _, status := range []int{http.StatusRequestTimeout, http.StatusRequestEntityTooLarge} {
			op.Responses[strconv.Itoa(status)] = a.refused(status)
		}
	}
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

const heldKey = "held" // in the metadata of an operation

// hold has op be held as o, and says so in the OpenAPI document.
func (a *API) hold(op *huma.Operation, o web.Operation) {
	op.Metadata = map[string]any{heldKey: o}
	op.Extensions = map[string]any{}
	if limit := a.web.Timeout(o); limit > 0 {
		op.Extensions["x-timeout-seconds"] = limit.Seconds()
	}
	if o.Body > 0 {
		op.Extensions["x-max-body-bytes"] = o.Body
	}
}

// held is how op is held.
func held(op *huma.Operation) web.Operation { return op.Metadata[heldKey].(web.Operation) }

// requestBody describes the bodies of an operation.
func (a *API) requestBody(d doc) *huma.RequestBody {
	body := &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
	for media, v := range d.requests {
		body.Content[media] = &huma.MediaType{Schema: a.schema(v)}
	}
	return body
}

// documented is an operation in the OpenAPI document.
func (a *API) documented(method, path string) *huma.Operation {
	at := a.huma.OpenAPI().Paths[path]
	return map[string]*huma.Operation{
		http.MethodGet: at.Get, http.MethodPost: at.Post, http.MethodPut: at.Put, http.MethodPatch: at.Patch, http.MethodDelete: at.Delete,
	}[method]
}

func (a *API) responses(d doc) map[string]*huma.Response {
	all := map[string]*huma.Response{}
	for status, v := range d.responses {
		r := &huma.Response{Description: http.StatusText(status)}
		if v != nil {
			r.Content = map[string]*huma.MediaType{}
			for media, v := range representations(v) {
				r.Content[media] = &huma.MediaType{Schema: a.schema(v)}
			}
		}
		for _, h := range d.headers[status] {
			if r.Headers == nil {
				r.Headers = map[string]*huma.Param{}
			}
			r.Headers[h] = &huma.Param{Schema: &huma.Schema{Type: huma.TypeString}}
		}
		all[strconv.Itoa(status)] = r
	}
	for _, status := range append(d.problems, everywhere...) {
		all[strconv.Itoa(status)] = a.refused(status)
	}
	return all
}

// everywhere are the problems that any operation may answer with.
var everywhere = []int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestURITooLong, http.StatusUnprocessableEntity,
	http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
}

// refused is the response that a problem is.
func (a *API) refused(status int) *huma.Response {
	r := &huma.Response{
		Description: http.StatusText(status),
		Content:     map[string]*huma.MediaType{mediaProblem: {Schema: a.schema(Problem{})}},
	}
	of := map[int][2]string{
		http.StatusUnauthorized:                 {"WWW-Authenticate", "What is wrong with the token (RFC 6750)."},
		http.StatusPreconditionFailed:           {"ETag", "Of the entry or file as it is now, where there is one."},
		http.StatusUnsupportedMediaType:         {"Accept-Patch", "The media types of a PATCH."},
		http.StatusRequestedRangeNotSatisfiable: {"Content-Range", "How long the file is."},
		http.StatusTooManyRequests:              {"Retry-After", "Seconds to wait."},
		http.StatusServiceUnavailable:           {"Retry-After", "Seconds to wait, where that is known."},
		http.StatusGatewayTimeout:               {"Retry-After", "Seconds to wait."},
	}
	if h, ok := of[status]; ok {
		r.Headers = map[string]*huma.Param{h[0]: {Description: h[1], Schema: &huma.Schema{Type: huma.TypeString}}}
	}
	if status == http.StatusTooManyRequests {
		for _, h := range []string{"RateLimit", "RateLimit-Policy"} {
			r.Headers[h] = &huma.Param{Description: "As draft-ietf-httpapi-ratelimit-headers has it, where limits are configured.", Schema: &huma.Schema{Type: huma.TypeString}}
		}
	}
	return r
}

// representations are the media types that a value is answered in.
func representations(v any) map[string]any {
	if m, ok := v.(map[string]any); ok {
		return m
	}
	return map[string]any{mediaJSON: v}
}

// schema is the JSON schema of v's type.
func (a *API) schema(v any) *huma.Schema {
	if _, ok := v.(eventStream); ok {
		return &huma.Schema{Type: huma.TypeString, Description: "Server-sent events, as the HTML standard has them."}
	}
	if _, ok := v.(file); ok {
		return &huma.Schema{Type: huma.TypeString, Description: "The whole file: front matter and body."}
	}
	if of, ok := v.(either); ok {
		return &huma.Schema{OneOf: []*huma.Schema{a.schema(of[0]), a.schema(of[1])}}
	}
	s := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(v), true, "")
	neverNull(s)
	return s
}

// description is the OpenAPI document before its operations.
func description(o Options) huma.Config {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	object := reflect.TypeFor[map[string]any]()
	registry.RegisterTypeAlias(reflect.TypeFor[content.Object](), object)
	registry.RegisterTypeAlias(reflect.TypeFor[content.Path](), reflect.TypeFor[string]())
	registry.RegisterTypeAlias(reflect.TypeFor[content.Maybe](), reflect.TypeFor[any]())
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "cms",
				Version:     o.Version,
				Description: "Reads and writes the entries of a static site, Markdown files with front matter, in its Git repository. Each edit is one commit in its author's name.",
				License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{"bearer": {
					Type: "http", Scheme: "bearer", BearerFormat: "JWT",
					Description: "A JSON Web Token of one of the configured issuers.",
				}, "session": {
					Type: "apiKey", In: "cookie", Name: o.Web.Cookies().Access(),
					Description: "The session of someone who has logged in. It counts where there is no Authorization header. Requests that change something need the header Origin or Sec-Fetch-Site, which browsers send by themselves.",
				}},
			},
		},
		Formats:       map[string]huma.Format{mediaJSON: huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: mediaJSON,
		Transformers:  []huma.Transformer{plain},
	}
	if where := o.Web.PublicURL(); where != "" {
		c.Servers = []*huma.Server{{URL: "/", Description: "Where this document is from."}, {URL: where, Description: "Where clients reach the service."}}
	}
	return c
}

// document is the OpenAPI document as it is served.
func document(o *huma.OpenAPI) ([]byte, error) {
	for _, unused := range []string{"ErrorModel", "ErrorDetail"} { // huma's own, which are never sent
		delete(o.Components.Schemas.Map(), unused)
	}
	for _, s := range o.Components.Schemas.Map() {
		neverNull(s)
	}
	for schema, member := range mayBeNull {
		p := o.Components.Schemas.Map()[schema].Properties[member]
		of := &huma.Schema{Ref: p.Ref}
		p.Ref, p.AnyOf = "", []*huma.Schema{of, {Type: "null"}}
	}
	b, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	var pretty bytes.Buffer
	err = json.Indent(&pretty, b, "", "  ")
	return pretty.Bytes(), err
}

// mayBeNull are the members, by their schemas, that are objects or null, which huma does
// not say.
var mayBeNull = map[string]string{"Difference": "from"}

// neverNull says of the arrays in a schema that they are arrays: ours are empty
// or left out, but never null as huma has them.
func neverNull(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
	}
	neverNull(s.Items)
	if more, ok := s.AdditionalProperties.(*huma.Schema); ok {
		neverNull(more)
	}
	for _, p := range s.Properties {
		neverNull(p)
	}
}
