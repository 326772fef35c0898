package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"cms/api/operation"
	"cms/site"
	"cms/web"
	"cms/web/once"
)

// onceTime is how long a write with a key may take before it is given up.
const onceTime = time.Minute

const replayedHeader = "Idempotency-Replayed"

// once makes a write that has a key a single time, and another one just so. Body is what
// of the request's tells it apart; run is given limit at most.
func (a *API) once(ctx context.Context, r *http.Request, body []byte, limit time.Duration, run func(context.Context, once.Attempt) (*reply, error)) (*reply, error) {
	if a.writes == nil || r.Header.Get(once.Header) == "" {
		return run(ctx, once.Attempt{})
	}
	answer, replayed, err := a.writes.Do(ctx, once.Request{Request: r, Caller: web.Principal(ctx), Body: body, Limit: limit}, run)
	switch {
	case err != nil && replayed:
		p := a.problem(ctx, err)
		_ = p.With(replayedHeader, "true")
		return nil, p
	case replayed:
		answer.Replayed = "true"
	}
	return answer, err
}

// made is what a write did, to be kept with its key: names and revisions, and
// nothing of what was written. One of Entries and Media is there.
type made struct {
	Commit  string          `json:"commit,omitempty"`
	Entries []site.Made     `json:"entries,omitempty"` // one for each operation
	Media   *site.MediaMade `json:"media,omitempty"`
}

// madeOf is what the outcomes of one commit tell; nil for those of a dry run.
func madeOf(outcomes ...*site.Outcome) *made {
	m := &made{Entries: make([]site.Made, len(outcomes))}
	for i, out := range outcomes {
		if out.Diff != nil {
			return nil
		}
		m.Commit, m.Entries[i] = out.Commit, out.Made
	}
	return m
}

// repeats is the API as a door of writes that may be repeated. Again answers with what one
// made.
type repeats struct {
	*API
	again func(context.Context, *made) (*reply, error)
}

// Kept implements [once.Door].
func (a repeats) Kept(r *reply) string {
	m, _ := r.Kept().(*made)
	if m == nil {
		return ""
	}
	b, _ := json.Marshal(m) // of texts and booleans
	return string(b)
}

// Tell implements [once.Door].
func (a repeats) Tell(ctx context.Context, err error) (int, error) {
	p := a.problem(ctx, err)
	if of := (*operation.RefusedError)(nil); errors.As(err, &of) {
		return p.Status, operation.Refused(p, of.Targets)
	}
	return p.Status, p
}

// Again implements [once.Door].
func (a repeats) Again(ctx context.Context, kept string) (*reply, error) {
	var m made
	if err := json.Unmarshal([]byte(kept), &m); err != nil {
		return nil, err
	}
	if m.Commit != "" { // which another replica may have made just now
		var p *web.Problem
		if err := a.web.AwaitCommit(ctx, m.Commit); errors.As(err, &p) && p.Code != web.CodeUnknownCommit {
			return nil, err
		}
	}
	r, err := a.again(ctx, &m)
	if errors.Is(err, site.ErrGone) {
		err = &once.MadeError{Commit: m.Commit}
	}
	return r, err
}
