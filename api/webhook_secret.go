package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

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

// Overlap is how long an old secret is good beside a new one.
type Overlap struct {
	Overlap string `json:"overlap,omitempty" doc:"How long the old secret signs too, 30 days at most; 24 hours by default." example:"24h"`
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
	text:      "Events are signed with both for the overlap, so that its receiver can change. 409 for one that is defined in the configuration, which has old_secret_env for it, and for one that is sent nothing signed. Takes the action update of webhooks.",
	requests:  map[string]any{mediaJSON: Overlap{}},
	example:   json.RawMessage(`{"overlap": "24h"}`),
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
