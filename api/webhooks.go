package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cms/auth"
	"cms/state"
	"cms/webhooks"
)

// Webhook is an endpoint of the configuration and how it does. Its secrets, and
// what of its URL may be one, are not told.
type Webhook struct {
	Name           string     `json:"name" example:"site"`
	Host           string     `json:"host" doc:"The scheme and host of its URL." example:"https://builds.example.org"`
	Type           string     `json:"type,omitempty" doc:"The kind of a service that builds; absent for a receiver of events." example:"netlify"`
	Events         []string   `json:"events" doc:"The types it asks for; none asks for all."`
	Collections    []string   `json:"collections" doc:"Whose entries it asks for; none asks for all."`
	Fields         []string   `json:"fields" doc:"The fields whose changes it asks for; none asks for all."`
	Enabled        bool       `json:"enabled"`
	DisabledAt     *time.Time `json:"disabled_at,omitempty"`
	DisabledReason string     `json:"disabled_reason,omitempty" example:"the endpoint answered 410 Gone"`
	LastSuccess    *time.Time `json:"last_success,omitempty" doc:"When it last took something."`
	Commit         string     `json:"commit,omitempty" doc:"Events of the commits up to it are delivered or on their way."`
	Pending        int        `json:"pending" doc:"How many deliveries are on their way."`
}

func webhookOf(s webhooks.Status) Webhook {
	host := ""
	if u, err := url.Parse(s.Endpoint.URL); err == nil {
		host = u.Scheme + "://" + u.Host
	}
	return Webhook{
		Name: s.Endpoint.Name, Host: host, Type: s.Endpoint.Type,
		Events: list(s.Endpoint.Events), Collections: list(s.Endpoint.Collections), Fields: list(s.Endpoint.Fields),
		Enabled: s.Disabled.IsZero(), DisabledAt: maybe(s.Disabled), DisabledReason: s.Reason,
		LastSuccess: maybe(s.Succeeded), Commit: s.Commit, Pending: s.Pending,
	}
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
	if err := a.site.MayOperate(principal(ctx), action); err != nil {
		return nil, err
	}
	if a.outbound == nil {
		return nil, newProblem(http.StatusNotFound, "This service has no webhooks.")
	}
	return a.outbound, nil
}

// Webhooks are all endpoints.
type Webhooks struct {
	Items []Webhook `json:"items"`
}

var listWebhooksDoc = doc{
	id: "list-webhooks", tag: "Webhooks", summary: "List the endpoints of webhooks",
	text:      "As the configuration has them, and how each does. Takes the action read of webhooks.",
	responses: map[int]any{200: Webhooks{}}, problems: []int{404},
}

func (a *API) listWebhooks(ctx context.Context, _ *struct{}) (*reply, error) {
	relay, err := a.relay(ctx, auth.Read)
	if err != nil {
		return nil, err
	}
	all, err := relay.Endpoints(ctx)
	if err != nil {
		return nil, err
	}
	told := Webhooks{Items: make([]Webhook, len(all))}
	for i, s := range all {
		told.Items[i] = webhookOf(s)
	}
	return answer(http.StatusOK, told)
}

// AtWebhook is the path parameter that names an endpoint.
type AtWebhook struct {
	Name string `path:"name" doc:"The endpoint's name." example:"site"`
}

var getWebhookDoc = doc{
	id: "get-webhook", tag: "Webhooks", summary: "Read an endpoint",
	responses: map[int]any{200: Webhook{}}, problems: []int{404},
}

func (a *API) getWebhook(ctx context.Context, in *AtWebhook) (*reply, error) {
	relay, err := a.relay(ctx, auth.Read)
	if err != nil {
		return nil, err
	}
	s, err := relay.Endpoint(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return answer(http.StatusOK, webhookOf(s))
}

// WebhookPatch changes an endpoint.
type WebhookPatch struct {
	Enabled bool `json:"enabled" doc:"Whether it is sent anything. Enabled again, it gets all that it missed."`
}

type patchWebhookInput struct {
	AtWebhook
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte
}

var patchWebhookDoc = doc{
	id: "patch-webhook", tag: "Webhooks", summary: "Enable or disable an endpoint",
	text:      "Its other settings are those of the configuration. Takes the action update of webhooks.",
	requests:  map[string]any{mediaMergePatch: WebhookPatch{}},
	responses: map[int]any{200: Webhook{}}, problems: []int{400, 404, 413, 415},
}

func (a *API) patchWebhook(ctx context.Context, in *patchWebhookInput) (*reply, error) {
	relay, err := a.relay(ctx, auth.Update)
	if err != nil {
		return nil, err
	}
	if _, err := mediaType(in.ContentType, "Accept-Patch", mediaMergePatch, mediaJSON); err != nil {
		return nil, err
	}
	b, err := decodeBody(in.RawBody, "enabled")
	if err != nil {
		return nil, err
	}
	v, _ := b.members.Get("enabled")
	enabled, ok := v.(bool)
	if !ok {
		b.wrong("enabled", "type", "This must be true or false.")
	}
	if err := b.problem(); err != nil {
		return nil, err
	}
	turn := relay.Disable
	if enabled {
		turn = relay.Enable
	}
	s, err := turn(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return answer(http.StatusOK, webhookOf(s))
}

// Sent names a delivery that was begun.
type Sent struct {
	Delivery string `json:"delivery" doc:"Its id, to look at with GET /v1/deliveries/{id}."`
}

var testWebhookDoc = doc{
	id: "test-webhook", tag: "Webhooks", summary: "Send a test event",
	text:      "An event of the type webhook.test; a service that builds is asked for a build. Takes the action update of webhooks. 409 when the endpoint is disabled.",
	responses: map[int]any{202: Sent{}}, problems: []int{404, 409},
}

func (a *API) testWebhook(ctx context.Context, in *AtWebhook) (*reply, error) {
	relay, err := a.relay(ctx, auth.Update)
	if err != nil {
		return nil, err
	}
	id, err := relay.Test(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return answer(http.StatusAccepted, Sent{id})
}

// Redelivered is how many deliveries were begun again.
type Redelivered struct {
	Count int `json:"count"`
}

// Range is a span of time.
type Range struct {
	Since time.Time `json:"since" doc:"RFC 3339."`
	Until time.Time `json:"until,omitzero" doc:"RFC 3339, not included; now when it is left out."`
}

type redeliverRangeInput struct {
	AtWebhook
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte
}

var redeliverRangeDoc = doc{
	id: "redeliver-range", tag: "Webhooks", summary: "Deliver a range of time again",
	text:      "What was begun to be delivered then, delivered or given up, is sent again in its order, under the same webhook-id; at most 10,000 events. Takes the action update of webhooks.",
	requests:  map[string]any{mediaJSON: Range{}},
	responses: map[int]any{202: Redelivered{}}, problems: []int{400, 404, 413, 415},
}

func (a *API) redeliverRange(ctx context.Context, in *redeliverRangeInput) (*reply, error) {
	relay, err := a.relay(ctx, auth.Update)
	if err != nil {
		return nil, err
	}
	if _, err := mediaType(in.ContentType, "", mediaJSON); err != nil {
		return nil, err
	}
	b, err := decodeBody(in.RawBody, "since", "until")
	if err != nil {
		return nil, err
	}
	b.require("Say from when on to deliver again.", "since")
	since, until := b.time("since"), time.Now()
	if b.given("until") {
		until = b.time("until")
	}
	if err := b.problem(); err != nil {
		return nil, err
	}
	n, err := relay.RedeliverRange(ctx, in.Name, since, until)
	if err != nil {
		return nil, err
	}
	return answer(http.StatusAccepted, Redelivered{n})
}

// Delivery is an event on its way to an endpoint.
type Delivery struct {
	ID       string     `json:"id"`
	Webhook  string     `json:"webhook" doc:"The endpoint's name." example:"site"`
	State    string     `json:"state" enum:"pending,delivered,failed,superseded" doc:"Failed is given up; superseded is a build whose place a later one took."`
	EventID  string     `json:"event_id" doc:"The webhook-id."`
	Type     string     `json:"type" example:"entry.updated"`
	Entry    string     `json:"entry,omitempty" doc:"collection/slug." example:"consultations/plan-velo"`
	Commit   string     `json:"commit,omitempty"`
	Created  time.Time  `json:"created"`
	Next     *time.Time `json:"next,omitempty" doc:"When it is tried next, while it is pending."`
	Finished *time.Time `json:"finished,omitempty"`
	Attempts []Attempt  `json:"attempts" doc:"The first one first."`
}

// Attempt is one try.
type Attempt struct {
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms"`
	Status     int       `json:"status,omitempty" doc:"Of the answer; absent when there was none."`
	Error      string    `json:"error,omitempty"`
	Response   string    `json:"response,omitempty" doc:"The beginning of the answer, at most 2 KB."`
}

func deliveryOf(d webhooks.Delivery) Delivery {
	out := Delivery{
		ID: d.ID, Webhook: d.Endpoint, State: d.State, EventID: d.EventID, Type: d.Type, Entry: d.Subject,
		Commit: d.Commit, Created: d.Created, Finished: maybe(d.Finished), Attempts: []Attempt{},
	}
	if d.State == state.Pending {
		out.Next = maybe(d.Next)
	}
	for _, t := range d.Tries {
		out.Attempts = append(out.Attempts, Attempt{t.At, t.Took.Milliseconds(), t.Status, t.Error, t.Response})
	}
	return out
}

// Deliveries is a page of them.
type Deliveries struct {
	Items      []Delivery `json:"items"`
	NextCursor *string    `json:"next_cursor" doc:"Give it as cursor to get the next page; null at the end."`
}

type listDeliveriesInput struct {
	Limit   int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"The greatest number of deliveries to answer with."`
	Cursor  string `query:"cursor" doc:"The next_cursor of the page before."`
	Webhook string `query:"webhook" doc:"Only those to this endpoint." example:"site"`
	State   string `query:"state" enum:"pending,delivered,failed,superseded" doc:"Only those in this state."`
	Entry   string `query:"entry" doc:"Only those about this entry: collection/slug." example:"consultations/plan-velo"`
}

var listDeliveriesDoc = doc{
	id: "list-deliveries", tag: "Webhooks", summary: "List deliveries",
	text:      "The newest first, with every attempt. Finished ones are kept for seven days. Takes the action read of webhooks.",
	responses: map[int]any{200: Deliveries{}}, problems: []int{404},
}

func (a *API) listDeliveries(ctx context.Context, in *listDeliveriesInput) (*reply, error) {
	relay, err := a.relay(ctx, auth.Read)
	if err != nil {
		return nil, err
	}
	found, err := relay.Deliveries(ctx, state.DeliveryFilter{
		Endpoint: in.Webhook, State: in.State, Subject: strings.TrimPrefix(in.Entry, "/"), Before: in.Cursor, Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	page := Deliveries{Items: []Delivery{}}
	for _, d := range found[:min(in.Limit, len(found))] {
		page.Items = append(page.Items, deliveryOf(d))
	}
	if len(found) > in.Limit {
		page.NextCursor = &page.Items[in.Limit-1].ID
	}
	return answer(http.StatusOK, page)
}

// AtDelivery is the path parameter that names a delivery.
type AtDelivery struct {
	ID string `path:"id" doc:"The delivery's id."`
}

var getDeliveryDoc = doc{
	id: "get-delivery", tag: "Webhooks", summary: "Read a delivery",
	responses: map[int]any{200: Delivery{}}, problems: []int{404},
}

func (a *API) getDelivery(ctx context.Context, in *AtDelivery) (*reply, error) {
	relay, err := a.relay(ctx, auth.Read)
	if err != nil {
		return nil, err
	}
	d, err := relay.Delivery(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return answer(http.StatusOK, deliveryOf(d))
}

var redeliverDoc = doc{
	id: "redeliver", tag: "Webhooks", summary: "Deliver an event again",
	text:      "Under the same webhook-id, behind what is on its way. Takes the action update of webhooks. 409 while it is on its way.",
	responses: map[int]any{202: Sent{}}, problems: []int{404, 409},
}

func (a *API) redeliver(ctx context.Context, in *AtDelivery) (*reply, error) {
	relay, err := a.relay(ctx, auth.Update)
	if err != nil {
		return nil, err
	}
	id, err := relay.Redeliver(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return answer(http.StatusAccepted, Sent{id})
}

// time is a member that must be a date-time.
func (b *body) time(member string) time.Time {
	before := len(b.errors)
	t, err := time.Parse(time.RFC3339, b.text(member))
	if err != nil && len(b.errors) == before {
		b.wrong(member, "datetime", "This must be a date-time of RFC 3339, such as 2026-05-04T08:00:00Z.")
	}
	return t
}
