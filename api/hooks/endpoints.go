package hooks

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"cms/api/operation"
	"cms/auth"
	"cms/say"
	"cms/web"
	"cms/webhooks"
)

// Webhook is an endpoint and how it does. Its secrets, and what of its URL may be
// one, are not told.
type Webhook struct {
	Name           string            `json:"name" example:"site"`
	Configured     bool              `json:"configured" doc:"Whether the configuration defines it, and alone can change it."`
	Host           string            `json:"host" doc:"The scheme and host of its URL." example:"https://builds.example.org"`
	Type           string            `json:"type,omitempty" doc:"Of a service that builds." example:"netlify"`
	Events         []string          `json:"events" doc:"Empty means all."`
	Collections    []string          `json:"collections" doc:"Empty means all."`
	Fields         []string          `json:"fields" doc:"Empty means all."`
	Headers        map[string]string `json:"headers,omitempty" doc:"Values are not shown." example:"{\"Authorization\": \"***\"}"`
	Prefix         string            `json:"event_type_prefix,omitempty"`
	Enabled        bool              `json:"enabled"`
	DisabledAt     *time.Time        `json:"disabled_at,omitempty"`
	DisabledReason string            `json:"disabled_reason,omitempty" example:"the endpoint answered 410 Gone"`
	LastSuccess    *time.Time        `json:"last_success,omitempty" doc:"When it last took something."`
	Commit         string            `json:"commit,omitempty" doc:"Up to it, events are delivered or on their way."`
	Pending        int               `json:"pending" doc:"How many deliveries are on their way."`
}

func webhookOf(s webhooks.Status) Webhook {
	headers := map[string]string{}
	for name := range s.Endpoint.Headers {
		headers[http.CanonicalHeaderKey(name)] = masked
	}
	return Webhook{
		Name: s.Endpoint.Name, Configured: s.Configured, Host: origin(&s.Endpoint), Headers: headers, Prefix: s.Endpoint.EventTypePrefix, Type: s.Endpoint.Type,
		Events: list(s.Endpoint.Events), Collections: list(s.Endpoint.Collections), Fields: list(s.Endpoint.Fields),
		Enabled: s.Disabled.IsZero(), DisabledAt: maybe(s.Disabled), DisabledReason: s.Reason,
		LastSuccess: maybe(s.Succeeded), Commit: s.Commit, Pending: s.Pending,
	}
}

// masked stands for a value that is not told.
const masked = "***"

// origin is the scheme and the host of an endpoint's URL.
func origin(e *webhooks.Endpoint) string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// list is never null in JSON.
func list(s []string) []string { return append([]string{}, s...) }

// maybe is nil for the zero time.
func maybe(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// relay is the service's webhooks, for someone who may do action with them.
func (a *API) relay(ctx context.Context, action auth.Action) (*webhooks.Relay, error) {
	if err := a.site.MayOperate(web.Principal(ctx), action); err != nil {
		return nil, err
	}
	if a.outbound == nil {
		return nil, web.NewProblem(http.StatusNotFound, say.New("This service has no webhooks."))
	}
	return a.outbound, nil
}

// admitWebhook refuses who may not do action with webhooks, and another media type
// than those accepted.
func (a *API) admitWebhook(ctx context.Context, action auth.Action, contentType, header string, accepted ...string) error {
	if _, err := a.relay(ctx, action); err != nil {
		return err
	}
	_, err := web.MediaType(contentType, header, accepted...)
	return err
}

// changed is an endpoint, for the audit log.
func changed(name string) []web.Target { return []web.Target{{Collection: auth.Webhooks, Name: name}} }

// Webhooks are all endpoints.
type Webhooks struct {
	Items []Webhook `json:"items"`
}

var listWebhooksDoc = operation.Doc{
	ID: "list-webhooks", Tag: "Webhooks", Summary: "List the endpoints of webhooks",
	Text:      "Those of the configuration and those that were made here, and how each does. Takes the action read of webhooks.",
	Responses: map[int]any{200: Webhooks{}}, Problems: []int{404},
}

func (a *API) listWebhooks(ctx context.Context, _ *struct{}) (*operation.Reply, error) {
	relay, err := a.relay(ctx, auth.Read)
	if err != nil {
		return nil, err
	}
	all, err := relay.Endpoints(ctx)
	if err != nil {
		return nil, err
	}
	list := Webhooks{Items: make([]Webhook, len(all))}
	for i, s := range all {
		list.Items[i] = webhookOf(s)
	}
	return operation.JSON(http.StatusOK, list)
}

// AtWebhook is the path parameter that names an endpoint.
type AtWebhook struct {
	Name string `path:"name" doc:"The endpoint's name." example:"site"`
}

var getWebhookDoc = operation.Doc{
	ID: "get-webhook", Tag: "Webhooks", Summary: "Read an endpoint",
	Text:      "And how it does. Takes the action read of webhooks.",
	Responses: map[int]any{200: Webhook{}}, Problems: []int{404},
}

func (a *API) getWebhook(ctx context.Context, in *AtWebhook) (*operation.Reply, error) {
	relay, err := a.relay(ctx, auth.Read)
	if err != nil {
		return nil, err
	}
	s, err := relay.Endpoint(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return operation.JSON(http.StatusOK, webhookOf(s))
}
