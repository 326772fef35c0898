package operation

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"cms/web"
)

// Payload is the body of a request, for the inputs of operations that have one. It is
// read once the operation has admitted the request: by who sends it, and by all else that
// can be told without it.
type Payload struct {
	body    []byte // nil until then
	request *http.Request
}

// Resolve implements [huma.Resolver].
func (p *Payload) Resolve(ctx huma.Context) []error {
	p.request, _ = humamux.Unwrap(ctx)
	return nil
}

// Request is the request that has the body.
func (p *Payload) Request() *http.Request { return p.request }

// Content is the body; nil where the operation reads it itself.
func (p *Payload) Content() []byte { return p.body }

func (p *Payload) payload() *Payload { return p }

// An Admitter is the input of an operation that has a body: it has a [Payload]. Admit
// refuses what can be refused before that is read.
type Admitter[P any] interface {
	Admit(ctx context.Context, part P) error
	hasPayload
}

type hasPayload interface{ payload() *Payload }

// receive reads the body of a request that is admitted, unless it is a stream that the
// operation reads. Release gives back the room that it takes.
func (p *Payload) receive(floor *web.Floor, streamed bool) (release func(), err error) {
	if streamed {
		return func() {}, web.Announced(p.request)
	}
	p.body, release, err = floor.Body(p.request)
	return release, err
}
