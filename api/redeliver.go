package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"cms/auth"
	"cms/say"
)

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
	example:   json.RawMessage(`{"since": "2026-05-04T08:00:00Z"}`),
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
	b.Require(say.New("Say from when on to deliver again."), "since")
	since, until := b.Time("since"), time.Now()
	if b.Given("until") {
		until = b.Time("until")
	}
	if err := b.Problem(); err != nil {
		return nil, err
	}
	n, err := relay.RedeliverRange(ctx, in.Name, since, until)
	if err != nil {
		return nil, err
	}
	return answer(http.StatusAccepted, Redelivered{n})
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
