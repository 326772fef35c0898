package hooks

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"cms/api/jsonbody"
	"cms/api/openapi"
	"cms/api/operation"
	"cms/auth"
	"cms/say"
)

// Sent names a delivery that was begun.
type Sent struct {
	Delivery string `json:"delivery" doc:"Its id, to look at with GET /v1/deliveries/{id}."`
}

var testWebhookDoc = operation.Doc{
	ID: "test-webhook", Tag: "Webhooks", Summary: "Send a test event",
	Text:      "An event webhook.test; a service that builds is asked for a build. Takes the action update of webhooks. 409 when it is disabled.",
	Responses: map[int]any{202: Sent{}}, Problems: []int{404, 409},
}

func (a *API) testWebhook(ctx context.Context, in *AtWebhook) (*operation.Reply, error) {
	relay, err := a.relay(ctx, auth.Update)
	if err != nil {
		return nil, err
	}
	id, err := relay.Test(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return operation.JSON(http.StatusAccepted, Sent{id})
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
	operation.Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *redeliverRangeInput) Admit(ctx context.Context, a *API) error {
	return a.admitWebhook(ctx, auth.Update, in.ContentType, "", openapi.JSON)
}

var redeliverRangeDoc = operation.Doc{
	ID: "redeliver-range", Tag: "Webhooks", Summary: "Deliver a range of time again",
	Text:      "What was begun to be delivered then is sent again in its order, under the same webhook-id; at most 10,000 events. Takes the action update of webhooks.",
	Requests:  map[string]any{openapi.JSON: Range{}},
	Example:   json.RawMessage(`{"since": "2026-05-04T08:00:00Z"}`),
	Responses: map[int]any{202: Redelivered{}}, Problems: []int{400, 404, 413, 415},
	Body: operation.SmallBody,
}

func (a *API) redeliverRange(ctx context.Context, in *redeliverRangeInput) (*operation.Reply, error) {
	relay, err := a.relay(ctx, auth.Update)
	if err != nil {
		return nil, err
	}
	b, err := jsonbody.Decode(in.Content(), "since", "until")
	if err != nil {
		return nil, err
	}
	b.Require(say.New("Give since: the time from which to deliver again."), "since")
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
	return operation.JSON(http.StatusAccepted, Redelivered{n})
}

var redeliverDoc = operation.Doc{
	ID: "redeliver", Tag: "Webhooks", Summary: "Deliver an event again",
	Text:      "Under the same webhook-id, behind what is on its way. Takes the action update of webhooks. 409 while it is on its way.",
	Responses: map[int]any{202: Sent{}}, Problems: []int{404, 409},
}

func (a *API) redeliver(ctx context.Context, in *AtDelivery) (*operation.Reply, error) {
	relay, err := a.relay(ctx, auth.Update)
	if err != nil {
		return nil, err
	}
	id, err := relay.Redeliver(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return operation.JSON(http.StatusAccepted, Sent{id})
}
