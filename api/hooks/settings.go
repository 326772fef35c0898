package hooks

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"cms/api/jsonbody"
	"cms/api/openapi"
	"cms/api/operation"
	"cms/auth"
	"cms/content"
	"cms/say"
	"cms/webhooks"
)

// WebhookSettings are what an endpoint asks for, and where it is.
type WebhookSettings struct {
	URL         string   `json:"url,omitempty" doc:"An absolute https URL." example:"https://builds.example.org/hook"`
	Events      []string `json:"events,omitempty" doc:"Such as entry.updated or entry.*. Empty means all."`
	Collections []string `json:"collections,omitempty" doc:"Empty means all."`
	Fields      []string `json:"fields,omitempty" doc:"Empty means all."`
	Token       string   `json:"token,omitempty" doc:"What authorises a build at GitHub, GitLab or Jenkins."`
	Ref         string   `json:"ref,omitempty" doc:"The branch that GitLab builds, or the type of GitHub's event."`
	Coalesce    string   `json:"coalesce,omitempty" doc:"How long a build waits for more edits." example:"30s"`

	Headers         map[string]string `json:"headers,omitempty" doc:"Values are not shown again: *** keeps one, null removes it."`
	EventTypePrefix string            `json:"event_type_prefix,omitempty" doc:"In front of the type of each event." example:"org.example.cms"`
}

var webhookSettings = []string{"url", "events", "collections", "fields", "token", "ref", "coalesce", "headers", "event_type_prefix"}

// NewWebhook is an endpoint to be made.
type NewWebhook struct {
	Name string `json:"name" doc:"Letters, digits, - and _, 64 at most." example:"site"`
	Type string `json:"type,omitempty" doc:"Of a service that builds."`
	URL  string `json:"url" doc:"An absolute https URL." example:"https://builds.example.org/hook"`
	WebhookSettings
}

type createWebhookInput struct {
	operation.Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *createWebhookInput) Admit(ctx context.Context, a *API) error {
	return a.admitWebhook(ctx, auth.Create, in.ContentType, "", openapi.JSON)
}

var createWebhookDoc = operation.Doc{
	ID: "create-webhook", Tag: "Webhooks", Summary: "Make an endpoint",
	Text:      "It hears of the commits after the present one. Takes the action create of webhooks. 409 when the name is taken.",
	Requests:  map[string]any{openapi.JSON: NewWebhook{}},
	Example:   json.RawMessage(`{"name": "site", "url": "https://builds.example.org/hook", "events": ["entry.*"], "collections": ["consultations"]}`),
	Responses: map[int]any{201: WebhookSecret{}}, Headers: map[int][]string{201: {"Location"}}, Problems: []int{400, 404, 409, 413, 415, 422},
	Body: operation.SmallBody,
}

func (a *API) createWebhook(ctx context.Context, in *createWebhookInput) (*operation.Reply, error) {
	relay, err := a.relay(ctx, auth.Create)
	if err != nil {
		return nil, err
	}
	b, err := jsonbody.Decode(in.Content(), append([]string{"name", "type"}, webhookSettings...)...)
	if err != nil {
		return nil, err
	}
	b.Require(say.New("This member is required."), "name", "url")
	e := webhooks.Endpoint{Name: b.Text("name"), Type: b.Text("type")}
	a.settings(b, &e)
	if err := b.Problem(); err != nil {
		return nil, err
	}
	s, secret, err := relay.Create(ctx, e)
	if err != nil {
		return nil, err
	}
	return answerSecret(http.StatusCreated, s, secret)
}

// settings sets those of e that are given; null sets them to nothing.
func (a *API) settings(b *jsonbody.Reader, e *webhooks.Endpoint) {
	for _, m := range b.Members.Members {
		switch m.Key {
		case "url":
			e.URL = b.Text("url")
		case "events":
			e.Events = b.Texts("events")
		case "collections":
			e.Collections = b.Texts("collections")
			for _, name := range e.Collections {
				if !a.site.Has(name) {
					b.Wrong("collections", "unknown_collection", say.New("There is no collection of one of these names."))
				}
			}
		case "fields":
			e.Fields = b.Texts("fields")
		case "token":
			e.Token = b.Optional("token")
		case "ref":
			e.Ref = b.Optional("ref")
		case "coalesce":
			e.Coalesce = b.Duration("coalesce")
		case "headers":
			e.Headers = headers(b, "headers", e.Headers)
		case "event_type_prefix":
			e.EventTypePrefix = b.Optional("event_type_prefix")
		}
	}
}

// headers are those of now with what a member, an object or null, says of some of them.
func headers(b *jsonbody.Reader, member string, now map[string]string) map[string]string {
	if !b.Given(member) {
		return nil
	}
	all := map[string]string{}
	for name, value := range now {
		all[http.CanonicalHeaderKey(name)] = value
	}
	for _, m := range b.Object(member).Members {
		name := http.CanonicalHeaderKey(m.Key)
		switch value, text := m.Value.(string); {
		case m.Value == nil:
			delete(all, name)
		case text && value != masked:
			all[name] = value
		case !text:
			b.Wrong(member, "type", say.New("The values of headers must be strings, or null."))
		}
	}
	return all
}

// keepsHeaders says whether e sends a header that it had before, whose value is not among
// those of a body: who sends that may not know it.
func keepsHeaders(b *jsonbody.Reader, before map[string]string) bool {
	if _, replaced := b.Members.Get("headers"); replaced && !b.Given("headers") {
		return false
	}
	told := b.Object("headers")
	for name := range before {
		if !slices.ContainsFunc(told.Members, func(m content.Member) bool {
			return http.CanonicalHeaderKey(m.Key) == http.CanonicalHeaderKey(name) && m.Value != masked
		}) {
			return true
		}
	}
	return false
}

// WebhookPatch changes an endpoint.
type WebhookPatch struct {
	Enabled bool `json:"enabled,omitempty" doc:"Whether it is sent anything. Enabled again, it gets all that it missed."`
	WebhookSettings
}

type patchWebhookInput struct {
	AtWebhook
	operation.Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *patchWebhookInput) Admit(ctx context.Context, a *API) error {
	return a.admitWebhook(ctx, auth.Update, in.ContentType, "Accept-Patch", openapi.JSON, openapi.MergePatch)
}

var patchWebhookDoc = operation.Doc{
	ID: "patch-webhook", Tag: "Webhooks", Summary: "Enable, disable or change an endpoint",
	Text:      "Of one of the configuration, only enabled can be changed: 409 otherwise. What waits goes where the new settings say. Takes the action update of webhooks.",
	Requests:  map[string]any{openapi.JSON: WebhookPatch{}, openapi.MergePatch: WebhookPatch{}},
	Example:   json.RawMessage(`{"enabled": true}`),
	Responses: map[int]any{200: Webhook{}}, Problems: []int{400, 404, 409, 413, 415, 422},
	Body: operation.SmallBody,
}

func (a *API) patchWebhook(ctx context.Context, in *patchWebhookInput) (*operation.Reply, error) {
	relay, err := a.relay(ctx, auth.Update)
	if err != nil {
		return nil, err
	}
	b, err := jsonbody.Decode(in.Content(), append([]string{"enabled"}, webhookSettings...)...)
	if err != nil {
		return nil, err
	}
	v, turned := b.Members.Get("enabled")
	enabled, ok := v.(bool)
	if turned && !ok {
		b.Wrong("enabled", "type", say.New("This must be true or false."))
	}
	if len(b.Members.Members) == 0 {
		b.Wrong("enabled", "required", say.New("Say what is to be changed."))
	}
	a.settings(b, new(webhooks.Endpoint)) // to find what is wrong before anything is changed
	if err := b.Problem(); err != nil {
		return nil, err
	}
	s, err := relay.Endpoint(ctx, in.Name)
	if others := b.Without("enabled"); err == nil && len(others.Members) > 0 {
		s, err = relay.Change(ctx, in.Name, func(e *webhooks.Endpoint) error {
			before := *e
			a.settings(b, e)
			if origin(e) != origin(&before) && keepsHeaders(b, before.Headers) {
				return &webhooks.SettingsError{Err: say.Error(say.New("the URL leads to another host: give the values of the headers anew, or null"))}
			}
			return nil
		})
	}
	if err == nil && turned {
		turn := relay.Disable
		if enabled {
			turn = relay.Enable
		}
		s, err = turn(ctx, in.Name)
	}
	if err != nil {
		return nil, err
	}
	r, err := operation.JSON(http.StatusOK, webhookOf(s))
	if err == nil {
		r.Wrote(changed(in.Name)...)
	}
	return r, err
}

var deleteWebhookDoc = operation.Doc{
	ID: "delete-webhook", Tag: "Webhooks", Summary: "Delete an endpoint",
	Text:      "And its deliveries. 409 for one that is defined in the configuration. Takes the action delete of webhooks.",
	Responses: map[int]any{204: nil}, Problems: []int{404, 409},
}

func (a *API) deleteWebhook(ctx context.Context, in *AtWebhook) (*operation.Reply, error) {
	relay, err := a.relay(ctx, auth.Delete)
	if err != nil {
		return nil, err
	}
	if err := relay.Delete(ctx, in.Name); err != nil {
		return nil, err
	}
	r := &operation.Reply{Status: http.StatusNoContent}
	r.Wrote(changed(in.Name)...)
	return r, nil
}
