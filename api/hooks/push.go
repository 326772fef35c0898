package hooks

import (
	"context"
	"errors"
	"net/http"

	"cms/api/openapi"
	"cms/api/operation"
	"cms/say"
	"cms/web"
	"cms/webhooks/inbound"
)

var receiveHookDoc = operation.Doc{
	ID: "receive-hook", Tag: "Git hosts", Public: true,
	Summary:   "Take a push hook of a Git host",
	Text:      "What a Git host sends on a push as application/json, signed with the secret of the configuration. It is verified and answered at once; then the branch is fetched. One that came within the last hour does nothing more.",
	Requests:  map[string]any{openapi.JSON: map[string]any{}},
	Responses: map[int]any{http.StatusAccepted: hookAnswer{}},
	Problems:  []int{http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge},
	Body:      inbound.MaxBody,
	Streamed:  true,
}

type hookInput struct {
	Provider string `path:"provider" enum:"github,gitlab,gitea,forgejo,bitbucket" doc:"Who sends it."`
	operation.Payload
}

// Admit refuses who cannot have the secret, by the header alone.
func (in *hookInput) Admit(_ context.Context, a *API) error {
	if a.inbound == nil {
		return hookProblem(inbound.ErrUnknown)
	}
	if err := a.inbound.CheckHeader(in.Provider, in.Request().Header); err != nil {
		return hookProblem(err)
	}
	return nil
}

// hookAnswer says what a push hook led to.
type hookAnswer struct {
	Fetch    bool `json:"fetch" doc:"The branch moved there and is being fetched."`
	Repeated bool `json:"repeated" doc:"The same was received before, and nothing was done."`
}

// receiveHook reads the body as it is verified, and holds next to nothing of it.
func (a *API) receiveHook(_ context.Context, in *hookInput) (*operation.Reply, error) {
	push, err := a.inbound.Receive(in.Provider, in.Request().Header, in.Request().Body)
	if err != nil {
		return nil, hookProblem(err)
	}
	return operation.JSON(http.StatusAccepted, hookAnswer{Fetch: push.Fetch, Repeated: push.Repeated})
}

func hookProblem(err error) error {
	switch {
	case errors.Is(err, inbound.ErrUnknown):
		return web.NewProblem(http.StatusNotFound, say.New("No hook of this provider is configured."))
	case errors.Is(err, inbound.ErrForged):
		return web.NewProblem(http.StatusUnauthorized, say.New("The signature is missing, wrong or too old. Compare the secret at the Git host with the one of the configuration.")).
			With("WWW-Authenticate", `Webhook realm="cms"`)
	case errors.Is(err, inbound.ErrMalformed):
		return web.NewProblem(http.StatusBadRequest, say.New("The body is not a push of this provider. Choose the content type application/json."))
	}
	return err
}
