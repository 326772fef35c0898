package web

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cms/auth"
	"cms/say"
	"cms/state"
)

const mediaProblem = "application/problem+json"

// Problem is an error as clients see it (RFC 9457). Its type is always
// about:blank, so that title is the status's phrase; Code tells refusals of the
// same status apart. A door may embed it to add members.
type Problem struct {
	Type     string   `json:"type" doc:"Always about:blank: the status says what kind of problem it is." example:"about:blank"`
	Title    string   `json:"title" doc:"The phrase of the HTTP status." example:"Precondition Failed"`
	Status   int      `json:"status" doc:"The HTTP status." example:"412"`
	Code     string   `json:"code" doc:"The kind of problem, for programs." example:"precondition_failed"`
	Detail   say.Text `json:"detail,omitzero" doc:"What is wrong and what to do, for people."`
	Instance string   `json:"instance,omitempty" doc:"Names the request, as in the server's log and the header X-Request-Id." example:"urn:uuid:8c9e6a32-6a0f-4d3c-9a0e-6f4d8a1f2b3c"`
	Errors   []Fault  `json:"errors,omitempty" doc:"Each thing that is wrong."`

	headers http.Header
}

// Fault is one thing that is wrong with a request or an entry.
type Fault struct {
	Detail  say.Text `json:"detail" doc:"What is wrong and what to do."`
	Rule    string   `json:"rule,omitempty" doc:"The rule that is broken." example:"required"`
	Field   string   `json:"field,omitempty" doc:"The field of the entry." example:"etapes[1].date"`
	Pointer string   `json:"pointer,omitempty" doc:"Where it is in the body or the entry, as a JSON Pointer (RFC 6901), or the parameter's name." example:"/fields/title"`
	Line    int      `json:"line,omitempty" doc:"In the file, from 1."`
	Column  int      `json:"column,omitempty" doc:"In the line, in characters, from 1."`
}

// NewProblem is a problem whose code says no more than its status.
func NewProblem(status int, detail say.Text) *Problem {
	code, ok := codes[status]
	if !ok {
		code = codes[http.StatusInternalServerError]
	}
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// codes name the problems that say no more than their status.
var codes = map[int]string{
	http.StatusBadRequest:                   "malformed",
	http.StatusUnauthorized:                 "unauthenticated",
	http.StatusForbidden:                    "forbidden",
	http.StatusNotFound:                     "not_found",
	http.StatusMethodNotAllowed:             "method_not_allowed",
	http.StatusNotAcceptable:                "not_acceptable",
	http.StatusRequestTimeout:               "timeout",
	http.StatusConflict:                     "conflict",
	http.StatusPreconditionFailed:           "precondition_failed",
	http.StatusRequestEntityTooLarge:        "too_large",
	http.StatusRequestURITooLong:            "uri_too_long",
	http.StatusUnsupportedMediaType:         "unsupported_media_type",
	http.StatusRequestedRangeNotSatisfiable: "range_not_satisfiable",
	http.StatusUnprocessableEntity:          "invalid",
	http.StatusPreconditionRequired:         "precondition_required",
	http.StatusTooManyRequests:              "too_many_requests",
	http.StatusInternalServerError:          "internal",
	http.StatusServiceUnavailable:           "unavailable",
	http.StatusGatewayTimeout:               "may_be_saved",
	http.StatusInsufficientStorage:          "full",
}

// statuses are the codes the other way round.
var statuses = func() map[string]int {
	of := make(map[string]int, len(codes))
	for status, code := range codes {
		of[code] = status
	}
	return of
}()

// StatusOf is the status of the problems of a code that says no more than their status; 0
// where the code is none of those.
func StatusOf(code string) int { return statuses[code] }

// RetryAfter is a wait as the header of that name has it (RFC 9110, section 10.2.3): in whole
// seconds, no less than it and no less than one.
func RetryAfter(wait time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
}

// Error implements [error].
func (p *Problem) Error() string { return p.Title + ": " + p.Detail.String() }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are those that go with the answer.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType is the media type of a problem document.
func (p *Problem) ContentType(string) string { return mediaProblem }

// Plain is p without the members that a door has added.
func (p *Problem) Plain() *Problem { return p }

// With adds a header to the answer.
func (p *Problem) With(key, value string) *Problem {
	if p.headers == nil {
		p.headers = http.Header{}
	}
	p.headers.Set(key, value)
	return p
}

// Tell makes p the answer to the request of ctx: it names the request, and the audit log
// will have its code.
func (p *Problem) Tell(ctx context.Context) {
	c := recordOf(ctx)
	if c.ID != "" {
		p.Instance = "urn:uuid:" + c.ID
	}
	c.code = p.Code
	if c.reason == "" {
		c.reason = p.Detail.String()
	}
}

// Refusal is a problem, or what a door has made of one by embedding it.
type Refusal interface {
	error
	Plain() *Problem
	In(language string) Refusal
}

// In is p as it is written to who reads a language of [say.Languages].
func (p *Problem) In(language string) Refusal {
	said := *p
	said.Title = say.Status(p.Status).In(language)
	said.Detail = say.Verbatim(p.Detail.In(language))
	said.Errors = slices.Clone(p.Errors)
	for i := range said.Errors {
		said.Errors[i].Detail = say.Verbatim(said.Errors[i].Detail.In(language))
	}
	return &said
}

// Speak picks the language of a problem by the Accept-Language of its request, and says in
// the headers of the answer which one it is.
func Speak(accept string, add func(name, value string)) string {
	language := Language(accept, say.Languages()...)
	add("Content-Language", language)
	add("Vary", "Accept-Language")
	return language
}

// WriteProblem answers with a problem document. The answer says how long it is, so that a
// client whose body is still on its way knows when it has all of it.
func WriteProblem(w http.ResponseWriter, r *http.Request, refusal Refusal) {
	p := refusal.Plain()
	p.Tell(r.Context())
	for k, vs := range p.headers {
		w.Header()[k] = vs
	}
	language := Speak(strings.Join(r.Header.Values("Accept-Language"), ","), w.Header().Add)
	body, _ := json.Marshal(refusal.In(language)) // of texts, which never fails
	w.Header().Set("Content-Type", mediaProblem)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(body, '\n'))
	}
}

// Problem is what an error of the floor, of a login or of the system means to a client.
// Of others it is an internal one: what is not for clients to know is logged.
func (f *Floor) Problem(ctx context.Context, err error) *Problem {
	var (
		p     *Problem
		token *auth.TokenError
		many  *auth.TooManyError
		login *auth.LoginError

		factor *auth.FactorError
	)
	AuditReason(ctx, err)
	switch {
	case errors.As(err, &p):
	case errors.As(err, &login):
		p = NewProblem(http.StatusBadRequest, login.Detail)
	case errors.Is(err, auth.ErrProvider):
		f.log.WarnContext(ctx, "cannot log in at a provider", "error", err, "request_id", RequestID(ctx))
		p = NewProblem(http.StatusServiceUnavailable, say.New("The identity provider cannot be used now. Try again in a moment.")).With("Retry-After", "10")
	case errors.As(err, &token):
		p = NewProblem(http.StatusUnauthorized, token.Detail).With("WWW-Authenticate", challenge(token))
	case errors.As(err, &many):
		p = NewProblem(http.StatusTooManyRequests, say.New("Too many logins have failed here. Try again after the seconds in Retry-After.")).
			With("Retry-After", RetryAfter(many.Wait))
	case errors.Is(err, auth.ErrCredentials):
		p = NewProblem(http.StatusUnauthorized, say.New("The address or the password is wrong, or the account is disabled.")).With("WWW-Authenticate", bearer)
	case errors.As(err, &factor) && factor.Enrol:
		p = NewProblem(http.StatusForbidden, say.New("The account needs a second factor, and has none yet. Log in to the form at /editor/ to set it up."))
		p.Code = codeFactor
	case errors.As(err, &factor) && !factor.Has.TOTP:
		p = NewProblem(http.StatusUnauthorized, say.New("The password is right. Log in to the form at /editor/ with the passkey, or send a recovery code, as code.")).With("WWW-Authenticate", bearer)
		p.Code = codeFactor
	case errors.As(err, &factor):
		p = NewProblem(http.StatusUnauthorized, say.New("The password is right. Send the code of the second factor too, as code.")).With("WWW-Authenticate", bearer)
		p.Code = codeFactor
	case errors.Is(err, auth.ErrFactor):
		p = NewProblem(http.StatusUnauthorized, say.New("The code is wrong, or was used before.")).With("WWW-Authenticate", bearer)
		p.Code = codeFactor
	case errors.Is(err, auth.ErrNoSession):
		p = NewProblem(http.StatusUnauthorized, say.New("The session has ended. Log in again.")).With("WWW-Authenticate", bearer)
	case errors.Is(err, auth.ErrKeysUnavailable):
		f.log.WarnContext(ctx, "cannot verify a token", "error", err, "request_id", RequestID(ctx))
		p = NewProblem(http.StatusServiceUnavailable, say.New("The keys of the token's issuer are not available. Try again in a moment.")).With("Retry-After", "10")
	case state.Unavailable(err), lacksRoom(err):
		f.log.ErrorContext(ctx, "request failed for want of its database, or of resources", "error", err, "request_id", RequestID(ctx))
		p = NewProblem(http.StatusServiceUnavailable, say.New("The service is temporarily out of resources, or its database does not answer. Try again in a moment.")).With("Retry-After", "2")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p = NewProblem(http.StatusServiceUnavailable, say.New("The request was given up before it was done. Nothing was saved by it."))
	default:
		f.log.ErrorContext(ctx, "request failed", "error", err, "request_id", RequestID(ctx))
		p = internal()
	}
	return p
}

func internal() *Problem {
	return NewProblem(http.StatusInternalServerError, say.New("An unexpected error occurred. The log of the service has it under this instance."))
}

// lacksRoom says whether err is of a process or a system that has no files or memory
// left for now.
func lacksRoom(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ENOBUFS)
}

// codeFactor is of a login that needs a second factor.
const codeFactor = "second_factor"

// Codes are those of the problems of every door.
func Codes() []string {
	return append(slices.Sorted(maps.Values(codes)), codeFactor, codeBehind, CodeUnknownCommit)
}
