package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cms/auth"
	"cms/content"
	"cms/site"
	"cms/state"
	"cms/web"
	"cms/webhooks"
)

// Webhook is an endpoint and how it does. Its secrets, and what of its URL may be
// one, are not told.
type Webhook struct {
	Name           string     `json:"name" example:"site"`
	Configured     bool       `json:"configured" doc:"Whether it stands in the configuration, where alone its settings can be changed."`
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
		Name: s.Endpoint.Name, Configured: s.Configured, Host: host, Type: s.Endpoint.Type,
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
	if err := a.site.MayOperate(web.Principal(ctx), action); err != nil {
		return nil, err
	}
	if a.outbound == nil {
		return nil, web.NewProblem(http.StatusNotFound, "This service has no webhooks.")
	}
	return a.outbound, nil
}

// admitWebhook refuses who may not do action with webhooks, and another media type
// than those accepted.
func (a *API) admitWebhook(ctx context.Context, action auth.Action, contentType, header string, accepted ...string) error {
	if _, err := a.relay(ctx, action); err != nil {
		return err
	}
	_, err := mediaType(contentType, header, accepted...)
	return err
}

// Webhooks are all endpoints.
type Webhooks struct {
	Items []Webhook `json:"items"`
}

var listWebhooksDoc = doc{
	id: "list-webhooks", tag: "Webhooks", summary: "List the endpoints of webhooks",
	text:      "Those of the configuration and those that were made here, and how each does. Takes the action read of webhooks.",
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

// WebhookSettings are what an endpoint asks for, and where it is.
type WebhookSettings struct {
	URL         string   `json:"url,omitempty" doc:"An absolute https URL." example:"https://builds.example.org/hook"`
	Events      []string `json:"events,omitempty" doc:"The types it asks for, such as entry.updated or entry.*; none asks for all."`
	Collections []string `json:"collections,omitempty" doc:"Whose entries it asks for; none asks for all."`
	Fields      []string `json:"fields,omitempty" doc:"The fields whose changes it asks for; none asks for all."`
	Token       string   `json:"token,omitempty" doc:"What authorises a build at GitHub, GitLab or Jenkins. It is not told again."`
	Ref         string   `json:"ref,omitempty" doc:"The branch that GitLab builds, or the type of GitHub's event."`
	Coalesce    string   `json:"coalesce,omitempty" doc:"How long a build waits for more edits." example:"30s"`
}

var webhookSettings = []string{"url", "events", "collections", "fields", "token", "ref", "coalesce"}

// NewWebhook is an endpoint to be made.
type NewWebhook struct {
	Name string `json:"name" doc:"Letters, digits, - and _, 64 at most." example:"site"`
	Type string `json:"type,omitempty" enum:"netlify,cloudflare-pages,vercel,github,gitlab,jenkins,generic" doc:"The kind of a service that builds; absent for a receiver of events."`
	WebhookSettings
}

// WebhookSecret is an endpoint and its secret.
type WebhookSecret struct {
	Webhook
	Secret string `json:"secret,omitempty" doc:"What signs its events, in the form of Standard Webhooks. It is told only now; absent for a service that is sent nothing signed." example:"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="`
}

type createWebhookInput struct {
	Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *createWebhookInput) admit(ctx context.Context, a *API) error {
	return a.admitWebhook(ctx, auth.Create, in.ContentType, "", mediaJSON)
}

var createWebhookDoc = doc{
	id: "create-webhook", tag: "Webhooks", summary: "Make an endpoint",
	text:      "It hears of the commits after the present one. Takes the action create of webhooks. 409 when the name is taken.",
	requests:  map[string]any{mediaJSON: NewWebhook{}},
	responses: map[int]any{201: WebhookSecret{}}, headers: map[int][]string{201: {"Location"}}, problems: []int{400, 404, 409, 413, 415, 422},
	body: smallBody,
}

func (a *API) createWebhook(ctx context.Context, in *createWebhookInput) (*reply, error) {
	relay, err := a.relay(ctx, auth.Create)
	if err != nil {
		return nil, err
	}
	b, err := decodeBody(in.body, append([]string{"name", "type"}, webhookSettings...)...)
	if err != nil {
		return nil, err
	}
	b.require("An endpoint needs it.", "name", "url")
	e := webhooks.Endpoint{Name: b.text("name"), Type: b.text("type")}
	a.settings(b, &e)
	if err := b.problem(); err != nil {
		return nil, err
	}
	s, secret, err := relay.Create(ctx, e)
	if err != nil {
		return nil, err
	}
	return answerSecret(http.StatusCreated, s, secret)
}

// answerSecret tells a secret, once.
func answerSecret(status int, s webhooks.Status, secret string) (*reply, error) {
	r, err := answer(status, WebhookSecret{webhookOf(s), secret})
	if err != nil {
		return nil, err
	}
	r.CacheControl = "no-store"
	if status == http.StatusCreated {
		r.Location = "/v1/webhooks/" + s.Endpoint.Name
	}
	r.targets = changed(s.Endpoint.Name)
	return r, nil
}

// changed is an endpoint, for the audit log.
func changed(name string) []web.Target { return []web.Target{{Collection: auth.Webhooks, Name: name}} }

// settings sets those of e that are given; null sets them to nothing.
func (a *API) settings(b *body, e *webhooks.Endpoint) {
	for _, m := range b.members.Members {
		switch m.Key {
		case "url":
			e.URL = b.text("url")
		case "events":
			e.Events = b.texts("events")
		case "collections":
			e.Collections = b.texts("collections")
			for _, name := range e.Collections {
				if !a.site.Has(name) {
					b.wrong("collections", "unknown_collection", "There is no collection of one of these names.")
				}
			}
		case "fields":
			e.Fields = b.texts("fields")
		case "token":
			e.Token = b.optional("token")
		case "ref":
			e.Ref = b.optional("ref")
		case "coalesce":
			e.Coalesce = b.duration("coalesce")
		}
	}
}

// WebhookPatch changes an endpoint.
type WebhookPatch struct {
	Enabled bool `json:"enabled,omitempty" doc:"Whether it is sent anything. Enabled again, it gets all that it missed."`
	WebhookSettings
}

type patchWebhookInput struct {
	AtWebhook
	Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *patchWebhookInput) admit(ctx context.Context, a *API) error {
	return a.admitWebhook(ctx, auth.Update, in.ContentType, "Accept-Patch", mediaMergePatch, mediaJSON)
}

var patchWebhookDoc = doc{
	id: "patch-webhook", tag: "Webhooks", summary: "Enable, disable or change an endpoint",
	text:      "Of one that stands in the configuration, only enabled can be changed: 409 else. What waits to be delivered goes where the new settings say. Takes the action update of webhooks.",
	requests:  map[string]any{mediaMergePatch: WebhookPatch{}},
	responses: map[int]any{200: Webhook{}}, problems: []int{400, 404, 409, 413, 415, 422},
	body: smallBody,
}

func (a *API) patchWebhook(ctx context.Context, in *patchWebhookInput) (*reply, error) {
	relay, err := a.relay(ctx, auth.Update)
	if err != nil {
		return nil, err
	}
	b, err := decodeBody(in.body, append([]string{"enabled"}, webhookSettings...)...)
	if err != nil {
		return nil, err
	}
	v, turned := b.members.Get("enabled")
	enabled, ok := v.(bool)
	if turned && !ok {
		b.wrong("enabled", "type", "This must be true or false.")
	}
	if len(b.members.Members) == 0 {
		b.wrong("enabled", "required", "Say what is to be changed.")
	}
	a.settings(b, new(webhooks.Endpoint)) // to find what is wrong before anything is changed
	if err := b.problem(); err != nil {
		return nil, err
	}
	s, err := relay.Endpoint(ctx, in.Name)
	if others := b.without("enabled"); err == nil && len(others.Members) > 0 {
		s, err = relay.Change(ctx, in.Name, func(e *webhooks.Endpoint) error {
			a.settings(b, e)
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
	r, err := answer(http.StatusOK, webhookOf(s))
	if err == nil {
		r.targets = changed(in.Name)
	}
	return r, err
}

var deleteWebhookDoc = doc{
	id: "delete-webhook", tag: "Webhooks", summary: "Delete an endpoint",
	text:      "And its deliveries. 409 for one that stands in the configuration. Takes the action delete of webhooks.",
	responses: map[int]any{204: nil}, problems: []int{404, 409},
}

func (a *API) deleteWebhook(ctx context.Context, in *AtWebhook) (*reply, error) {
	relay, err := a.relay(ctx, auth.Delete)
	if err != nil {
		return nil, err
	}
	if err := relay.Delete(ctx, in.Name); err != nil {
		return nil, err
	}
	return &reply{Status: http.StatusNoContent, targets: changed(in.Name)}, nil
}

// Overlap is how long an old secret is good beside a new one.
type Overlap struct {
	Overlap string `json:"overlap,omitempty" doc:"How long the secret before signs too, 30 days at most; 24 hours when it is left out." example:"24h"`
}

type renewSecretInput struct {
	AtWebhook
	Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *renewSecretInput) admit(ctx context.Context, a *API) error {
	return a.admitWebhook(ctx, auth.Update, in.ContentType, "", mediaJSON)
}

const (
	usualOverlap   = 24 * time.Hour
	longestOverlap = 30 * usualOverlap
)

var renewSecretDoc = doc{
	id: "renew-webhook-secret", tag: "Webhooks", summary: "Give an endpoint another secret",
	text:      "Events are signed with both for the overlap, so that its receiver can change. 409 for one that stands in the configuration, which has old_secret_env for it, and for one that is sent nothing signed. Takes the action update of webhooks.",
	requests:  map[string]any{mediaJSON: Overlap{}},
	responses: map[int]any{200: WebhookSecret{}}, problems: []int{400, 404, 409, 413, 415, 422},
	body: smallBody,
}

func (a *API) renewSecret(ctx context.Context, in *renewSecretInput) (*reply, error) {
	relay, err := a.relay(ctx, auth.Update)
	if err != nil {
		return nil, err
	}
	b, err := decodeBody(in.body, "overlap")
	if err != nil {
		return nil, err
	}
	overlap := usualOverlap
	if b.given("overlap") {
		overlap = b.duration("overlap")
	}
	if overlap < 0 || overlap > longestOverlap {
		b.wrong("overlap", "range", "This must be between 0s and 720h.")
	}
	if err := b.problem(); err != nil {
		return nil, err
	}
	s, secret, err := relay.Renew(ctx, in.Name, overlap)
	if err != nil {
		return nil, err
	}
	return answerSecret(http.StatusOK, s, secret)
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
	Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *redeliverRangeInput) admit(ctx context.Context, a *API) error {
	return a.admitWebhook(ctx, auth.Update, in.ContentType, "", mediaJSON)
}

var redeliverRangeDoc = doc{
	id: "redeliver-range", tag: "Webhooks", summary: "Deliver a range of time again",
	text:      "What was begun to be delivered then, delivered or given up, is sent again in its order, under the same webhook-id; at most 10,000 events. Takes the action update of webhooks.",
	requests:  map[string]any{mediaJSON: Range{}},
	responses: map[int]any{202: Redelivered{}}, problems: []int{400, 404, 413, 415},
	body: smallBody,
}

func (a *API) redeliverRange(ctx context.Context, in *redeliverRangeInput) (*reply, error) {
	relay, err := a.relay(ctx, auth.Update)
	if err != nil {
		return nil, err
	}
	b, err := decodeBody(in.body, "since", "until")
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
	EventID  string     `json:"event_id,omitempty" doc:"The webhook-id."`
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

// deliveryOf is d for someone: those who do not see all that events tell of get its
// states and times alone.
func (a *API) deliveryOf(pr *auth.Principal, d webhooks.Delivery) Delivery {
	sees := a.site.SeesDeliveries(pr)
	if name, media := strings.CutPrefix(d.Subject, auth.Media+"/"); media {
		sees = sees && a.site.SeesMedia(pr, name)
	}
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
	if !sees {
		out.Entry, out.Commit, out.EventID = "", "", ""
		for i := range out.Attempts {
			at := &out.Attempts[i]
			at.Response = ""
			if at.Error != "" && at.Status == 0 { // which may quote what was answered
				at.Error = "the endpoint gave no answer that could be read"
			}
		}
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
	text:      "The newest first, with every attempt. Finished ones are kept for seven days. Takes the action read of webhooks. What they are about (entry, commit, event_id) and what was answered (response) is for those who see every entry with every field.",
	responses: map[int]any{200: Deliveries{}}, problems: []int{404},
}

func (a *API) listDeliveries(ctx context.Context, in *listDeliveriesInput) (*reply, error) {
	relay, err := a.relay(ctx, auth.Read)
	if err != nil {
		return nil, err
	}
	if in.Entry != "" && !a.site.SeesDeliveries(web.Principal(ctx)) {
		return nil, &site.Error{Code: site.Forbidden, Detail: "Your roles do not show you every entry with every field, so you cannot ask for the deliveries of one. Leave entry out."}
	}
	found, err := relay.Deliveries(ctx, state.DeliveryFilter{
		Endpoint: in.Webhook, State: in.State, Subject: strings.TrimPrefix(in.Entry, "/"), Before: in.Cursor, Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	page := Deliveries{Items: []Delivery{}}
	for _, d := range found[:min(in.Limit, len(found))] {
		page.Items = append(page.Items, a.deliveryOf(web.Principal(ctx), d))
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
	return answer(http.StatusOK, a.deliveryOf(web.Principal(ctx), d))
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
	before := b.found.Len()
	t, err := time.Parse(time.RFC3339, b.text(member))
	if err != nil && b.found.Len() == before {
		b.wrong(member, "datetime", "This must be a date-time of RFC 3339, such as 2026-05-04T08:00:00Z.")
	}
	return t
}

// texts is a member that must be a list of strings; null is an empty one.
func (b *body) texts(member string) []string {
	v, _ := b.members.Get(member)
	list, ok := v.([]content.Value)
	if v == nil {
		return nil
	}
	var all []string
	for _, item := range list {
		s, text := item.(string)
		ok = ok && text
		all = append(all, s)
	}
	if !ok {
		b.wrong(member, "type", "This must be a list of strings.")
	}
	return all
}

// optional is a member that must be a string or null.
func (b *body) optional(member string) string {
	if !b.given(member) {
		return ""
	}
	return b.text(member)
}

// duration is a member that must be a text such as 30s, or null.
func (b *body) duration(member string) time.Duration {
	if !b.given(member) {
		return 0
	}
	before := b.found.Len()
	d, err := time.ParseDuration(b.text(member))
	if err != nil && b.found.Len() == before {
		b.wrong(member, "duration", "This must be a duration such as 30s, 5m or 24h.")
	}
	return d
}
