// Package openapi makes the one document that describes the API to people, and to the
// programs that make clients of it. It hides what such programs need beside what huma
// writes: shared answers, vocabularies, what may be null, the events of webhooks.
package openapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"cms/content"
	"cms/say"
)

// Media types of bodies.
const (
	JSON       = "application/json"
	Markdown   = "text/markdown"
	MergePatch = "application/merge-patch+json"
	JSONPatch  = "application/json-patch+json"
	problem    = "application/problem+json"
)

// File stands for a body that is a whole Markdown file.
type File struct{}

// Stream stands for a body of server-sent events.
type Stream struct{}

// Either stands for one of two bodies.
type Either [2]any

// A Vocabulary is the closed set of texts that a member may be, by the names of the
// member and of its schema.
type Vocabulary struct {
	Schema, Member string
	Texts          []string
}

// Options are what a document says of the service and of the whole API.
type Options struct {
	Version      string               // of the program
	PublicURL    string               // where clients reach the service, "" where that is not told
	Cookie       string               // the name of the one that has a session
	Problem      any                  // a value of the type of problem documents
	Example      func(status int) any // a problem of a status
	Tags         []*huma.Tag
	Vocabularies []Vocabulary
	Nullable     map[string][]string // members, by their schemas, that are an object or null
	Known        []*huma.Param       // that operations take whose tag is in KnownBy
	KnownBy      []string
	Written      string // the header that answers to writes have, which take KeyHeader
	KeyHeader    string
	Events       map[string]any // the bodies of webhooks, by the type of the event
	Subscribe    string         // the operation by which they are asked for
}

// Document is one that is being made. What takes long, such as the schemas of bodies, is left
// to Finish: most programs are asked for no document, and requests need none of it.
type Document struct {
	options Options
	api     *huma.OpenAPI
	later   []func()
}

// New begins a document.
func New(o Options) *Document {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	object := reflect.TypeFor[map[string]any]()
	registry.RegisterTypeAlias(reflect.TypeFor[content.Object](), object)
	registry.RegisterTypeAlias(reflect.TypeFor[content.Path](), reflect.TypeFor[string]())
	registry.RegisterTypeAlias(reflect.TypeFor[say.Text](), reflect.TypeFor[string]())
	registry.RegisterTypeAlias(reflect.TypeFor[content.Maybe](), reflect.TypeFor[any]())
	d := &Document{options: o, api: &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title:       "cms",
			Version:     o.Version,
			Description: "Reads and writes the entries of a static site, Markdown files with front matter, in its Git repository.",
			Contact:     &huma.Contact{Name: "Those who run this service", URL: o.PublicURL},
			License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Servers: []*huma.Server{{URL: "/", Description: "Where this document is from."}},
		Tags:    o.Tags,
		// Of operations that name none.
		Security: []map[string][]string{{"bearer": {}}, {"session": {}}},
		Components: &huma.Components{
			Schemas:   registry,
			Responses: map[string]*huma.Response{},
			SecuritySchemes: map[string]*huma.SecurityScheme{"bearer": {
				Type: "http", Scheme: "bearer",
				Description: "A JSON Web Token of a configured issuer, or a personal token (cms_pat_…).",
			}, "session": {
				Type: "apiKey", In: "cookie", Name: o.Cookie,
				Description: "The session of someone who has logged in, where there is no Authorization header. Requests that change something need Origin or Sec-Fetch-Site, which browsers send.",
			}},
		},
	}}
	d.api.OnAddOperation = append(d.api.OnAddOperation, func(_ *huma.OpenAPI, op *huma.Operation) {
		for _, p := range op.Parameters { // whose schemas requests are held to, from now on
			neverNull(p.Schema)
		}
	})
	if o.PublicURL != "" {
		d.api.Servers = append(d.api.Servers, &huma.Server{URL: o.PublicURL, Description: "Where clients reach the service."})
	}
	return d
}

// Config is what huma writes its part of the document by.
func (d *Document) Config(plain huma.Transformer) huma.Config {
	return huma.Config{
		OpenAPI:       d.api,
		Formats:       map[string]huma.Format{JSON: huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: JSON,
		Transformers:  []huma.Transformer{plain},
	}
}

// Schema is the JSON schema of v's type.
func (d *Document) Schema(v any) *huma.Schema {
	switch v := v.(type) {
	case Stream:
		return &huma.Schema{Type: huma.TypeString, Description: "Server-sent events, as the HTML standard has them."}
	case File:
		return &huma.Schema{Type: huma.TypeString, Description: "The whole file: front matter and body."}
	case Either:
		return &huma.Schema{OneOf: []*huma.Schema{d.Schema(v[0]), d.Schema(v[1])}}
	}
	s := d.api.Components.Schemas.Schema(reflect.TypeOf(v), true, "")
	neverNull(s)
	return s
}

// RequestBody describes the bodies of an operation, by their media types, with an example
// for those in JSON.
func (d *Document) RequestBody(requests map[string]any, example any) *huma.RequestBody {
	body := &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
	for media, v := range requests {
		m := &huma.MediaType{}
		if media == JSON || media == MergePatch {
			m.Example = example
		}
		body.Content[media] = m
		d.later = append(d.later, func() { m.Schema = d.Schema(v) })
	}
	return body
}

// everywhere are the problems that any operation may answer with. What clients treat alike
// wherever they ask (408, 414, 500, and 503 of what saves nothing) is the default answer:
// they report it, or wait as its Retry-After says.
var everywhere = []int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity,
	http.StatusTooManyRequests,
}

// Responses describes the answers of an operation: bodies by their status, nil for none,
// the headers of those, and the problems beside those that every operation may answer with.
func (d *Document) Responses(bodies map[int]any, headers map[int][]string, problems ...int) map[string]*huma.Response {
	all := map[string]*huma.Response{"default": {Ref: d.refused(0)}}
	for status, v := range bodies {
		r := &huma.Response{Description: http.StatusText(status)}
		if v != nil {
			d.later = append(d.later, func() {
				r.Content = map[string]*huma.MediaType{}
				for media, v := range representations(v) {
					r.Content[media] = &huma.MediaType{Schema: d.Schema(v)}
				}
			})
		}
		for _, h := range headers[status] {
			if r.Headers == nil {
				r.Headers = map[string]*huma.Param{}
			}
			r.Headers[h] = &huma.Param{Schema: &huma.Schema{Type: huma.TypeString}}
		}
		all[strconv.Itoa(status)] = r
	}
	for _, status := range append(problems, everywhere...) {
		all[strconv.Itoa(status)] = &huma.Response{Ref: d.refused(status)}
	}
	return all
}

// representations are the media types that a value is answered in.
func representations(v any) map[string]any {
	if m, ok := v.(map[string]any); ok {
		return m
	}
	return map[string]any{JSON: v}
}

// headersOf are those of the problems that have some.
var headersOf = map[int][][2]string{
	0:                                       {{"Retry-After", "Seconds to wait, where that is known."}},
	http.StatusUnauthorized:                 {{"WWW-Authenticate", "What is wrong with the token (RFC 6750)."}},
	http.StatusPreconditionFailed:           {{"ETag", "Of the entry or file as it is now, where there is one."}},
	http.StatusUnsupportedMediaType:         {{"Accept-Patch", "The media types of a PATCH."}},
	http.StatusRequestedRangeNotSatisfiable: {{"Content-Range", "How long the file is."}},
	http.StatusServiceUnavailable:           {{"Retry-After", "Seconds to wait, where that is known."}},
	http.StatusGatewayTimeout:               {{"Retry-After", "Seconds to wait."}},
	http.StatusConflict:                     {{"Retry-After", "Seconds to wait, where a request with the same Idempotency-Key is under way."}},
	http.StatusTooManyRequests: {{"Retry-After", "Seconds to wait."},
		{"RateLimit", "As draft-ietf-httpapi-ratelimit-headers has it."},
		{"RateLimit-Policy", "As draft-ietf-httpapi-ratelimit-headers has it."}},
}

// refused is the reference to the answer that a problem of a status is, which all
// operations share; of 0 it stands for any other.
func (d *Document) refused(status int) string {
	name, text := "Error", "Any other problem."
	if status != 0 {
		name, text = "Error"+strconv.Itoa(status), http.StatusText(status) // short, as each operation has a dozen of them
	}
	if d.api.Components.Responses[name] == nil {
		r := &huma.Response{Description: text}
		d.later = append(d.later, func() {
			m := &huma.MediaType{Schema: d.Schema(d.options.Problem)}
			if status != 0 {
				m.Example = d.options.Example(status)
			}
			r.Content = map[string]*huma.MediaType{problem: m}
		})
		for _, h := range headersOf[status] {
			if r.Headers == nil {
				r.Headers = map[string]*huma.Param{}
			}
			r.Headers[h[0]] = &huma.Param{Description: h[1], Schema: &huma.Schema{Type: huma.TypeString}}
		}
		d.api.Components.Responses[name] = r
	}
	return "#/components/responses/" + name
}

// Operation is the operation at a path, as it stands in the document.
func (d *Document) Operation(method, path string) *huma.Operation {
	at := d.api.Paths[path]
	return map[string]*huma.Operation{
		http.MethodGet: at.Get, http.MethodPost: at.Post, http.MethodPut: at.Put, http.MethodPatch: at.Patch, http.MethodDelete: at.Delete,
	}[method]
}

// Add adds an operation that huma does not know of.
func (d *Document) Add(op *huma.Operation) { d.api.AddOperation(op) }

// Finish ends the document: no more is added. It changes nothing that huma reads for a
// request, so that requests may be answered meanwhile.
func (d *Document) Finish() error {
	for _, describe := range d.later {
		describe()
	}
	d.later = nil
	d.webhooks()
	schemas := d.api.Components.Schemas.Map()
	for _, unused := range []string{"ErrorModel", "ErrorDetail"} { // huma's own, which are never sent
		delete(schemas, unused)
	}
	for _, s := range schemas {
		neverNull(s)
	}
	for name, members := range d.options.Nullable {
		for _, member := range members {
			p := schemas[name].Properties[member]
			of := &huma.Schema{Ref: p.Ref}
			p.Ref, p.AnyOf = "", []*huma.Schema{of, {Type: "null"}}
		}
	}
	for _, v := range d.options.Vocabularies {
		s := schemas[v.Schema].Properties[v.Member]
		if s.Items != nil {
			s = s.Items
		}
		s.Enum = nil
		for _, text := range v.Texts {
			s.Enum = append(s.Enum, text)
		}
	}
	for _, path := range d.api.Paths {
		for _, op := range []*huma.Operation{path.Get, path.Post, path.Put, path.Patch, path.Delete} {
			if op != nil {
				d.common(op)
				brief(op)
			}
		}
	}
	return d.shareParameters()
}

// JSON is the document as it is served, once it is finished.
func (d *Document) JSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(d.api)
	return b.Bytes(), err
}

// common describes what operations have in common: parameters, and a header of what those
// answer that write.
func (d *Document) common(op *huma.Operation) {
	if !slices.Contains(d.options.KnownBy, op.Tags[0]) {
		return
	}
	writes := slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == d.options.KeyHeader })
	for _, p := range d.options.Known {
		own := *p
		op.Parameters = append(op.Parameters, &own)
	}
	for status, r := range op.Responses {
		if !writes || !strings.HasPrefix(status, "2") {
			continue
		}
		if r.Headers == nil {
			r.Headers = map[string]*huma.Param{}
		}
		r.Headers[d.options.Written] = &huma.Param{Schema: &huma.Schema{Type: huma.TypeString}}
	}
}

// brief says what is said of a parameter and of its schema once, and leaves out what is so
// without saying.
func brief(op *huma.Operation) {
	for _, p := range op.Parameters {
		if p.Style != "deepObject" && (p.Explode == nil || !*p.Explode) {
			p.Explode = nil
		}
		if p.Schema == nil {
			continue
		}
		if p.Schema.Description == p.Description {
			s := *p.Schema
			s.Description = ""
			p.Schema = &s
		}
	}
}

// shareParameters describes a parameter that several operations have once.
func (d *Document) shareParameters() error {
	uses := map[string][]**huma.Param{} // by what they say
	for _, path := range slices.Sorted(maps.Keys(d.api.Paths)) {
		at := d.api.Paths[path]
		for _, op := range []*huma.Operation{at.Get, at.Post, at.Put, at.Patch, at.Delete} {
			if op == nil {
				continue
			}
			for i := range op.Parameters {
				text, err := json.Marshal(op.Parameters[i])
				if err != nil {
					return err
				}
				uses[string(text)] = append(uses[string(text)], &op.Parameters[i])
			}
		}
	}
	d.api.Components.Parameters = map[string]*huma.Param{}
	for _, text := range slices.Sorted(maps.Keys(uses)) {
		if all := uses[text]; len(all) > 1 {
			const suffix = "Arg" // as generators name types after components of any kind
			name := (*all[0]).Name + suffix
			for n := 2; d.api.Components.Parameters[name] != nil; n++ {
				name = (*all[0]).Name + suffix + strconv.Itoa(n)
			}
			d.api.Components.Parameters[name] = *all[0]
			for _, p := range all {
				*p = &huma.Param{Ref: "#/components/parameters/" + name}
			}
		}
	}
	return nil
}

// webhooks describes the events that endpoints are sent. Beside the webhooks of the
// document they are the callback of what makes an endpoint: some generators know the one,
// some the other.
func (d *Document) webhooks() {
	if len(d.options.Events) == 0 {
		return
	}
	d.api.Webhooks = map[string]*huma.PathItem{}
	for _, event := range slices.Sorted(maps.Keys(d.options.Events)) {
		d.api.Webhooks[event] = d.delivery("on-"+strings.ReplaceAll(event, ".", "-"), "An event "+event, d.Schema(d.options.Events[event]))
	}
	for _, path := range d.api.Paths {
		if path.Post != nil && path.Post.OperationID == d.options.Subscribe {
			path.Post.Callbacks = map[string]map[string]*huma.PathItem{"event": {
				"{$request.body#/url}": d.delivery("on-event", "An event of those asked for", d.anyEvent()),
			}}
		}
	}
}

// anyEvent is the schema of what may be any event; which one it is, its type says.
func (d *Document) anyEvent() *huma.Schema {
	s := &huma.Schema{Discriminator: &huma.Discriminator{PropertyName: "type", Mapping: map[string]string{}}}
	for _, event := range slices.Sorted(maps.Keys(d.options.Events)) {
		of := d.Schema(d.options.Events[event])
		s.Discriminator.Mapping[event] = of.Ref
		if !slices.ContainsFunc(s.OneOf, func(other *huma.Schema) bool { return other.Ref == of.Ref }) {
			s.OneOf = append(s.OneOf, of)
		}
	}
	return s
}

// delivery is the request that brings an event.
func (d *Document) delivery(id, summary string, body *huma.Schema) *huma.PathItem {
	answers := map[string]*huma.Response{}
	for status, r := range map[string][2]string{
		"2XX": {"EventTaken", "Taken."}, "410": {"EventUnwanted", "Not wanted any more: the endpoint is disabled."}, "default": {"EventLater", "Sent again later, for three days."},
	} {
		d.api.Components.Responses[r[0]] = &huma.Response{Description: r[1]}
		answers[status] = &huma.Response{Ref: "#/components/responses/" + r[0]}
	}
	return &huma.PathItem{Post: &huma.Operation{
		OperationID: id, Summary: summary, Tags: []string{"Webhooks"},
		Security:    []map[string][]string{{}},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/cloudevents+json": {Schema: body}}},
		Responses:   answers,
	}}
}

// neverNull says of the arrays in a schema that they are arrays: ours are empty
// or left out, but never null as huma has them.
func neverNull(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray && s.Nullable {
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
