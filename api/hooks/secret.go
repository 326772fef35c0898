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
	"cms/webhooks"
)

// WebhookSecret is an endpoint and its secret.
type WebhookSecret struct {
	Webhook
	Secret string `json:"secret,omitempty" doc:"What signs its events, in the form of Standard Webhooks. It is shown once, here; absent for a service that is sent nothing signed." example:"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="`
}

// answerSecret tells a secret, once.
func answerSecret(status int, s webhooks.Status, secret string) (*operation.Reply, error) {
	r, err := operation.JSON(status, WebhookSecret{webhookOf(s), secret})
	if err != nil {
		return nil, err
	}
	r.CacheControl = "no-store"
	if status == http.StatusCreated {
		r.Location = "/v1/webhooks/" + s.Endpoint.Name
	}
	r.Wrote(changed(s.Endpoint.Name)...)
	return r, nil
}

// Overlap is how long an old secret is good beside a new one.
type Overlap struct {
	Overlap string `json:"overlap,omitempty" doc:"How long the old secret signs too, 30 days at most; 24 hours by default." example:"24h"`
}

type renewSecretInput struct {
	AtWebhook
	operation.Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *renewSecretInput) Admit(ctx context.Context, a *API) error {
	return a.admitWebhook(ctx, auth.Update, in.ContentType, "", openapi.JSON)
}

const (
	usualOverlap   = 24 * time.Hour
	longestOverlap = 30 * usualOverlap
)

var renewSecretDoc = operation.Doc{
	ID: "renew-webhook-secret", Tag: "Webhooks", Summary: "Give an endpoint another secret",
	Text:      "Events are signed with both for the overlap, and with those that were renewed before as long as they were to; an overlap of 0s ends all of them. 409 for one of the configuration, and for one that is sent nothing signed. Takes the action update of webhooks.",
	Requests:  map[string]any{openapi.JSON: Overlap{}},
	Example:   json.RawMessage(`{"overlap": "24h"}`),
	Responses: map[int]any{200: WebhookSecret{}}, Problems: []int{400, 404, 409, 413, 415, 422},
	Body: operation.SmallBody,
}

func (a *API) renewSecret(ctx context.Context, in *renewSecretInput) (*operation.Reply, error) {
	relay, err := a.relay(ctx, auth.Update)
	if err != nil {
		return nil, err
	}
	b, err := jsonbody.Decode(in.Content(), "overlap")
	if err != nil {
		return nil, err
	}
	overlap := usualOverlap
	if b.Given("overlap") {
		overlap = b.Duration("overlap")
	}
	if overlap < 0 || overlap > longestOverlap {
		b.Wrong("overlap", "range", say.New("This must be between 0s and 720h."))
	}
	if err := b.Problem(); err != nil {
		return nil, err
	}
	s, secret, err := relay.Renew(ctx, in.Name, overlap)
	if err != nil {
		return nil, err
	}
	return answerSecret(http.StatusOK, s, secret)
}
