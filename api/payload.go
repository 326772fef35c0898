package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"cms/web"
)

// Payload is the body of a request, for the operations that have one. It is read once
// the operation has admitted the request: by who sends it, and by all else that can
// be told without it.
type Payload struct {
	body    []byte // nil until then
	request *http.Request
}

// Resolve implements [huma.Resolver].
func (s *Payload) Resolve(ctx huma.Context) []error {
	s.request, _ = humamux.Unwrap(ctx)
	return nil
}

func (s *Payload) payload() *Payload { return s }

// admitter is the input of an operation that has a body. Admit refuses what can be
// refused before it is read.
type admitter interface {
	admit(ctx context.Context, a *API) error
	payload() *Payload
}

// receive admits a request and, unless its body is a stream that the operation reads,
// reads it. Release gives back the room that it takes.
func (a *API) receive(ctx context.Context, in admitter, streamed bool) (release func(), err error) {
	if err := in.admit(ctx, a); err != nil {
		return nil, err
	}
	s := in.payload()
	if streamed {
		return func() {}, web.Announced(s.request)
	}
	s.body, release, err = a.web.Body(s.request)
	return release, err
}
