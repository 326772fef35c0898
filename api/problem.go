package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"cms/auth"
	"cms/content"
	"cms/site"
	"cms/webhooks"
)

// Problem is an error as clients see it (RFC 9457). Its type is always
// about:blank, so that title is the status's phrase; Code tells refusals of the
// same status apart.
type Problem struct {
	Type     string  `json:"type" doc:"Always about:blank: the status says what kind of problem it is." example:"about:blank"`
	Title    string  `json:"title" doc:"The phrase of the HTTP status." example:"Precondition Failed"`
	Status   int     `json:"status" doc:"The HTTP status." example:"412"`
	Code     string  `json:"code" doc:"The kind of problem, for programs." example:"precondition_failed"`
	Detail   string  `json:"detail,omitempty" doc:"What is wrong and what to do, for people."`
	Instance string  `json:"instance,omitempty" doc:"Names the request, as in the server's log and the header X-Request-Id." example:"urn:uuid:8c9e6a32-6a0f-4d3c-9a0e-6f4d8a1f2b3c"`
	Errors   []Fault `json:"errors,omitempty" doc:"Each thing that is wrong."`
	Revision string  `json:"revision,omitempty" doc:"The entry's current revision, where the request expected another."`
	Clashes  []Clash `json:"clashes,omitempty" doc:"The fields that were changed on both sides, where a merge was asked for."`

	Commit    string `json:"commit,omitempty" doc:"What a write with the same Idempotency-Key has made, whose answer was lost."`
	Operation *int   `json:"operation,omitempty" doc:"The operation of a batch that was refused, from 0." example:"2"`

	headers http.Header
}

// Fault is one thing that is wrong with a request or an entry.
type Fault struct {
	Detail  string `json:"detail" doc:"What is wrong and what to do."`
	Rule    string `json:"rule,omitempty" doc:"The rule that is broken." example:"required"`
	Field   string `json:"field,omitempty" doc:"The field of the entry." example:"etapes[1].date"`
	Pointer string `json:"pointer,omitempty" doc:"Where it is in the body or the entry, as a JSON Pointer (RFC 6901), or the parameter's name." example:"/fields/title"`
	Line    int    `json:"line,omitempty" doc:"In the file, from 1."`
	Column  int    `json:"column,omitempty" doc:"In the line, in characters, from 1."`
}

// Clash is a field that was changed in two ways since the base of a merge.
// Values that are absent on a side are left out.
type Clash = content.Clash

func newProblem(status int, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: codeOf(status), Detail: detail}
}

// codeOf names problems that say no more than their status.
func codeOf(status int) string {
	switch status {
	case http.StatusBadRequest:
		return string(site.Malformed)
	case http.StatusUnauthorized:
		return "unauthenticated"
	case http.StatusNotFound:
		return string(site.NotFound)
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	case http.StatusNotAcceptable:
		return "not_acceptable"
	case http.StatusConflict:
		return string(site.Conflict)
	case http.StatusPreconditionFailed:
		return string(site.PreconditionFailed)
	case http.StatusRequestTimeout:
		return "timeout"
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong:
		return "too_large"
	case http.StatusUnsupportedMediaType:
		return "unsupported_media_type"
	case http.StatusUnprocessableEntity:
		return string(site.Invalid)
	case http.StatusRequestedRangeNotSatisfiable:
		return "range_not_satisfiable"
	case http.StatusTooManyRequests:
		return "too_many_requests"
	case http.StatusServiceUnavailable:
		return string(site.Unavailable)
	case http.StatusGatewayTimeout:
		return string(site.Unsure)
	}
	return "internal"
}

// Error implements [error].
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// GetStatus implements [huma.StatusError].
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements [huma.HeadersError].
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType implements [huma.ContentTypeFilter].
func (p *Problem) ContentType(string) string { return mediaProblem }

// with adds a header to the answer.
func (p *Problem) with(key, value string) *Problem {
	if p.headers == nil {
		p.headers = http.Header{}
	}
	p.headers.Set(key, value)
	return p
}

// inOperation says that p is about an operation of a batch, and nothing else.
func (p *Problem) inOperation(i int) {
	p.Operation = &i
	at := "/operations/" + strconv.Itoa(i)
	p.Detail = "Operation " + strconv.Itoa(i) + " of the batch, from 0: " + p.Detail + " None of them was made."
	for k := range p.Errors {
		p.Errors[k].Pointer = at + p.Errors[k].Pointer
	}
	for k := range p.Clashes {
		p.Clashes[k].Pointer = at + p.Clashes[k].Pointer
	}
	p.headers.Del("ETag")
}

// statuses is what each refusal of the site is over HTTP.
var statuses = map[site.Code]int{
	site.Malformed:            http.StatusBadRequest,
	site.Forbidden:            http.StatusForbidden,
	site.NotFound:             http.StatusNotFound,
	site.Conflict:             http.StatusConflict,
	site.PreconditionFailed:   http.StatusPreconditionFailed,
	site.PreconditionRequired: http.StatusPreconditionRequired,
	site.Invalid:              http.StatusUnprocessableEntity,
	site.Unavailable:          http.StatusServiceUnavailable,
	site.TooLarge:             http.StatusRequestEntityTooLarge,
	site.Full:                 http.StatusInsufficientStorage,
	site.Unsure:               http.StatusGatewayTimeout,
}

// problem makes a problem of any error: the one place where errors become
// statuses. What is not for clients to know is logged and becomes a plain 500.
func (a *API) problem(ctx context.Context, err error) *Problem {
	var (
		p       *Problem
		refused *site.Error
		token   *auth.TokenError
		many    *auth.TooManyError
		login   *auth.LoginError
		of      *site.OperationError

		settings *webhooks.SettingsError
	)
	switch {
	case errors.As(err, &of):
		p = a.problem(ctx, of.Err)
		p.inOperation(of.Index)
	case errors.As(err, &p):
	case errors.As(err, &refused):
		p = refusal(refused)
	case errors.As(err, &login):
		p = newProblem(http.StatusBadRequest, login.Detail)
	case errors.Is(err, auth.ErrProvider):
		a.log.WarnContext(ctx, "cannot log in at a provider", "error", err, "request_id", requestID(ctx))
		p = newProblem(http.StatusServiceUnavailable, "The identity provider cannot be used now. Try again in a moment.").with("Retry-After", "10")
	case errors.As(err, &token):
		p = newProblem(http.StatusUnauthorized, token.Detail).with("WWW-Authenticate", challenge(token))
	case errors.As(err, &many):
		p = tooMany(many)
	case errors.Is(err, auth.ErrCredentials):
		p = newProblem(http.StatusUnauthorized, "The address or the password is wrong, or the account is disabled.").with("WWW-Authenticate", `Bearer realm="cms"`)
	case errors.Is(err, auth.ErrKeysUnavailable):
		a.log.WarnContext(ctx, "cannot verify a token", "error", err, "request_id", requestID(ctx))
		p = newProblem(http.StatusServiceUnavailable, "The keys of the token's issuer cannot be had now. Try again in a moment.").with("Retry-After", "10")
	case errors.Is(err, webhooks.ErrUnknownEndpoint):
		p = newProblem(http.StatusNotFound, "There is no webhook of that name.")
	case errors.Is(err, webhooks.ErrNameTaken):
		p = newProblem(http.StatusConflict, "There is a webhook of that name. Take another one.")
	case errors.Is(err, webhooks.ErrConfigured):
		p = newProblem(http.StatusConflict, "The webhook stands in the configuration, and its settings can be changed only there. It can be enabled and disabled here.")
	case errors.Is(err, webhooks.ErrUnsigned):
		p = newProblem(http.StatusConflict, "The webhook has no secret: such a service is sent nothing that is signed.")
	case errors.As(err, &settings):
		p = newProblem(http.StatusUnprocessableEntity, "The webhook cannot be used like this. Nothing was saved.")
		for line := range strings.Lines(settings.Err.Error()) {
			p.Errors = append(p.Errors, Fault{Rule: "webhook", Detail: strings.TrimSpace(line)})
		}
	case errors.Is(err, webhooks.ErrUnknownDelivery):
		p = newProblem(http.StatusNotFound, "There is no such delivery. Those that are finished are kept for seven days.")
	case errors.Is(err, webhooks.ErrDisabled):
		p = newProblem(http.StatusConflict, "The webhook is disabled. Enable it first.")
	case errors.Is(err, webhooks.ErrPending):
		p = newProblem(http.StatusConflict, "The event is still on its way. Wait until it is delivered or given up.")
	case errors.Is(err, webhooks.ErrTooMany):
		p = newProblem(http.StatusUnprocessableEntity, "The range has more than "+strconv.Itoa(webhooks.MaxRedelivered)+" deliveries. Nothing is sent; make it shorter.")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p = newProblem(http.StatusServiceUnavailable, "The request was given up before it was done. Nothing was saved by it.")
	default:
		a.log.ErrorContext(ctx, "request failed", "error", err, "request_id", requestID(ctx))
		p = newProblem(http.StatusInternalServerError, "Something failed here that should not. The log of the service has it under this instance.")
	}
	return p.of(ctx)
}

// of makes p the answer to the request of ctx.
func (p *Problem) of(ctx context.Context) *Problem {
	p.Instance = instance(ctx)
	callOf(ctx).code = p.Code
	return p
}

func refusal(e *site.Error) *Problem {
	p := newProblem(statuses[e.Code], e.Detail)
	p.Code = string(e.Code)
	for _, c := range e.Clashes {
		if c.Pointer == "" {
			c.Pointer = "/body"
		} else {
			c.Pointer = "/fields" + c.Pointer
		}
		p.Clashes = append(p.Clashes, c)
	}
	p.Errors = faultsOf(e.Problems)
	switch e.Code {
	case site.PreconditionFailed:
		p.Revision = e.Revision
		p = p.with("ETag", etag(e.Revision))
	case site.Unavailable:
		p = p.with("Retry-After", "1")
	case site.Unsure:
		p = p.with("Retry-After", "2")
	}
	return p
}

// faultsOf tells problems with an entry. Their pointers lead into the entry.
func faultsOf(problems []content.Problem) []Fault {
	faults := make([]Fault, len(problems))
	for i, p := range problems {
		faults[i] = Fault{Detail: p.Detail, Rule: p.Rule, Field: p.Field, Line: p.Line, Column: p.Column}
		if p.Pointer != "" {
			faults[i].Pointer = "/fields" + p.Pointer
		}
	}
	return faults
}

// plain replaces huma's own error documents, which echo submitted values, by
// ours. It is a transformer: huma calls it on every body before it is written.
func plain(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := newProblem(m.Status, "")
	switch m.Status {
	case http.StatusUnprocessableEntity:
		p.Detail = "The request has parameters that are unknown or wrong."
		for _, e := range m.Errors {
			p.Errors = append(p.Errors, Fault{Detail: e.Message, Pointer: e.Location})
		}
	case http.StatusBadRequest:
		p.Detail = "The body is missing."
	}
	return p.of(ctx.Context()), nil
}

// writeProblem answers with p outside of huma.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	p = p.of(r.Context())
	for k, vs := range p.headers {
		w.Header()[k] = vs
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		json.NewEncoder(w).Encode(p)
	}
}

// writeHuma answers with p from a middleware of huma.
func writeHuma(ctx huma.Context, p *Problem) {
	r, w := humamux.Unwrap(ctx)
	writeProblem(w, r, p)
}
