package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"cms/api/jsonbody"
	"cms/content"
	"cms/say"
	"cms/site"
	"cms/state"
	"cms/web"
	"cms/web/once"
	"cms/webhooks"
)

// Problem is an error as clients see it (RFC 9457).
type Problem struct {
	web.Problem
	Revision string  `json:"revision,omitempty" doc:"The entry's current revision, where the request expected another."`
	Clashes  []Clash `json:"clashes,omitempty" doc:"The fields that were changed on both sides, where a merge was asked for."`

	References []Reference `json:"references,omitempty" doc:"The references that are in the way, those that you may see; the first 100."`

	Commit    string `json:"commit,omitempty" doc:"What a write with the same Idempotency-Key has made, whose answer was lost."`
	Operation *int   `json:"operation,omitempty" doc:"The operation of a batch that was refused, from 0." example:"2"`
}

// Clash is a field that was changed in two ways since the base of a merge.
// Values that are absent on a side are left out.
type Clash = content.Clash

func newProblem(status int, detail say.Text) *Problem {
	return &Problem{Problem: *web.NewProblem(status, detail)}
}

// In implements [web.Refusal].
func (p *Problem) In(language string) web.Refusal {
	said := *p
	said.Problem = *p.Problem.In(language).Plain()
	return &said
}

// inOperation says that p is about an operation of a batch, and nothing else.
func (p *Problem) inOperation(i int) {
	p.Operation = &i
	at := "/operations/" + strconv.Itoa(i)
	p.Detail = say.New("Operation %d of the batch, from 0: %s None of them was made.", i, p.Detail)
	for k := range p.Errors {
		p.Errors[k].Pointer = at + p.Errors[k].Pointer
	}
	for k := range p.Clashes {
		p.Clashes[k].Pointer = at + p.Clashes[k].Pointer
	}
	p.GetHeaders().Del("ETag")
}

// statusOf is what a refusal of the site is over HTTP.
func statusOf(code site.Code) int {
	switch code {
	case site.Pointer, site.Tracked: // as with any other content that cannot stand where it is to
		return http.StatusConflict
	}
	return web.StatusOf(string(code))
}

// Codes of problems that only the API has, beside those of [web.Codes] and the site.
const (
	codeKeyReused = "idempotency_key_reused"
	codeKeyInUse  = "idempotency_key_in_use"
	codeMade      = "already_made"
)

// codes are all codes of problems.
func codes() []string {
	all := append(web.Codes(), codeKeyReused, codeKeyInUse, codeMade)
	for _, code := range site.Codes() {
		all = append(all, string(code))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// problem makes a problem of any error: the one place of this door where errors become
// statuses, with [web.Floor.Problem]. The editor and githttp have their own.
func (a *API) problem(ctx context.Context, err error) *Problem {
	var (
		p       *Problem
		of      *site.OperationError
		refused *site.Error
		made    *once.MadeError
	)
	switch {
	case errors.As(err, &of):
		p = a.problem(ctx, of.Err)
		p.inOperation(of.Index)
	case errors.As(err, &p):
	case errors.As(err, &refused):
		p = refusal(refused)
	case errors.As(err, &made):
		p = newProblem(http.StatusConflict, say.New("The write with this Idempotency-Key was made, in the commit that is named here, but its answer was lost. Read the entry to see what it is now."))
		p.Code, p.Commit = codeMade, made.Commit
	default:
		plain := ofKey(err)
		if plain == nil {
			plain = ofWebhook(err)
		}
		if plain == nil && errors.Is(err, site.ErrStorage) {
			a.log.WarnContext(ctx, "the repository cannot be read", "error", err, "request_id", web.RequestID(ctx))
			plain = web.NewProblem(http.StatusServiceUnavailable, say.New("The repository cannot be read now. Try again in a moment.")).With("Retry-After", "1")
		}
		if plain == nil {
			plain = a.web.Problem(ctx, err)
		}
		p = &Problem{Problem: *plain}
	}
	p.Tell(ctx)
	return p
}

// ofKey tells an error of a write's key, nil if err is none.
func ofKey(err error) *web.Problem {
	var p *web.Problem
	switch {
	case errors.Is(err, once.ErrMalformed):
		p = web.NewProblem(http.StatusBadRequest, say.New("Idempotency-Key must be a text of 1 to 255 visible ASCII characters in double quotes, such as a UUID."))
	case errors.Is(err, once.ErrUnseen):
		p = web.NewProblem(http.StatusForbidden, say.New("Your roles do not allow you to make this write."))
	case errors.Is(err, once.ErrWithdrawn):
		p = web.NewProblem(http.StatusConflict, say.New("The write with this Idempotency-Key was made, and its commit was taken from the branch since. Read what is there now; to make the write again, use another key."))
		p.Code = codeMade
	case errors.Is(err, state.ErrKeyReused):
		p = web.NewProblem(http.StatusUnprocessableEntity, say.New("This Idempotency-Key was used for another request. Nothing was saved; use a new key for each write."))
		p.Code = codeKeyReused
	case errors.Is(err, state.ErrKeyInUse):
		p = web.NewProblem(http.StatusConflict, say.New("A request with this Idempotency-Key is under way. Send it again in a moment for its answer.")).With("Retry-After", "1")
		p.Code = codeKeyInUse
	case errors.Is(err, once.ErrUnavailable):
		p = web.NewProblem(http.StatusServiceUnavailable, say.New("Idempotency-Key cannot be kept now, so this request was not tried. Send it again with the same key in a moment.")).With("Retry-After", "10")
	}
	return p
}

// ofWebhook tells an error of the webhooks, nil if err is none.
func ofWebhook(err error) *web.Problem {
	var settings *webhooks.SettingsError
	switch {
	case errors.Is(err, webhooks.ErrUnknownEndpoint):
		return web.NewProblem(http.StatusNotFound, say.New("There is no webhook of that name."))
	case errors.Is(err, webhooks.ErrNameTaken):
		return web.NewProblem(http.StatusConflict, say.New("There is a webhook of that name. Take another one."))
	case errors.Is(err, webhooks.ErrConfigured):
		return web.NewProblem(http.StatusConflict, say.New("The webhook is defined in the configuration, and its settings can only be changed there. It can be enabled and disabled here."))
	case errors.Is(err, webhooks.ErrUnsigned):
		return web.NewProblem(http.StatusConflict, say.New("The webhook has no secret: such a service is sent nothing that is signed."))
	case errors.Is(err, webhooks.ErrUnknownDelivery):
		return web.NewProblem(http.StatusNotFound, say.New("There is no such delivery. Those that are finished are kept for seven days."))
	case errors.Is(err, webhooks.ErrDisabled):
		return web.NewProblem(http.StatusConflict, say.New("The webhook is disabled. Enable it first."))
	case errors.Is(err, webhooks.ErrPending):
		return web.NewProblem(http.StatusConflict, say.New("The event is still on its way. Wait until it is delivered or given up."))
	case errors.Is(err, webhooks.ErrTooMany):
		return web.NewProblem(http.StatusUnprocessableEntity, say.New("The range has more than %d deliveries. Nothing is sent; make it shorter.", webhooks.MaxRedelivered))
	case errors.As(err, &settings):
		p := web.NewProblem(http.StatusUnprocessableEntity, say.New("The webhook cannot be used like this. Nothing was saved."))
		var found content.Findings
		for _, wrong := range say.All(settings.Err) {
			found.Add(content.Problem{Rule: "webhook", Detail: wrong})
		}
		p.Errors = jsonbody.Faults(found.Told(), "")
		return p
	}
	return nil
}

func refusal(e *site.Error) *Problem {
	p := newProblem(statusOf(e.Code), e.Detail)
	p.Code = string(e.Code)
	for _, c := range e.Clashes {
		if c.Pointer == "" {
			c.Pointer = "/body"
		} else {
			c.Pointer = "/fields" + c.Pointer
		}
		p.Clashes = append(p.Clashes, c)
	}
	p.Errors, p.References = jsonbody.Faults(content.Told(e.Problems), "/fields"), referencesOf(e.References)
	switch e.Code {
	case site.PreconditionFailed:
		p.Revision = e.Revision
		_ = p.With("ETag", web.ETag(e.Revision))
	case site.Unavailable:
		_ = p.With("Retry-After", web.RetryAfter(e.Retry))
	case site.Unsure:
		_ = p.With("Retry-After", "2")
	}
	return p
}

// told is a transformer: huma calls it on every body before it is written. Problems are
// said in the language of who asks. Huma's own error documents, which echo submitted
// values, become ours.
func told(ctx huma.Context, _ string, v any) (any, error) {
	var refused web.Refusal
	switch v := v.(type) {
	case web.Refusal:
		refused = v
	case *huma.ErrorModel:
		p := ofHuma(v)
		p.Tell(ctx.Context())
		refused = p
	default:
		return v, nil
	}
	return refused.In(web.Speak(ctx.Header("Accept-Language"), ctx.AppendHeader)), nil
}

func ofHuma(m *huma.ErrorModel) *web.Problem {
	p := web.NewProblem(m.Status, say.Text{})
	switch m.Status {
	case http.StatusUnprocessableEntity:
		p.Detail = say.New("The request has parameters that are unknown or wrong.")
		var found content.Findings
		for _, e := range m.Errors {
			found.Add(content.Problem{Detail: ofParameter(e), Pointer: e.Location})
		}
		p.Errors = jsonbody.Faults(found.Told(), "")
	case http.StatusBadRequest:
		p.Detail = say.New("The body is missing.")
	}
	return p
}

// ofParameter is what is wrong with a parameter: our own text, or what huma says.
func ofParameter(e *huma.ErrorDetail) say.Text {
	if t, ok := e.Value.(say.Text); ok {
		return t
	}
	switch e.Message {
	case "unknown query parameter":
		return say.New("unknown query parameter")
	case "required query parameter is missing":
		return say.New("required query parameter is missing")
	case "invalid integer":
		return say.New("invalid integer")
	case "invalid boolean":
		return say.New("invalid boolean")
	}
	begins := func(with string) (rest string, ok bool) { return strings.CutPrefix(e.Message, with) }
	if bound, ok := begins("expected number >= "); ok {
		return say.New("expected number >= %s", bound)
	}
	if bound, ok := begins("expected number <= "); ok {
		return say.New("expected number <= %s", bound)
	}
	if bound, ok := begins("expected length <= "); ok {
		return say.New("expected length <= %s", bound)
	}
	if options, ok := begins("expected value to be one of "); ok {
		return say.New("expected value to be one of %s", options)
	}
	if pattern, ok := begins("expected string to match pattern "); ok {
		return say.New("expected string to match pattern %s", pattern)
	}
	return say.Foreign(e.Message)
}
