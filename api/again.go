package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"cms/site"
)

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

func (m *made) encode() string {
	b, _ := json.Marshal(m) // of texts and booleans
	return string(b)
}

// repeat answers a write that was made before with what it did, as far as the
// caller may see it now. Who could not make it any more is answered as if it had not
// been made, so that nobody learns by the key of another token that it was.
func (a *API) repeat(ctx context.Context, result string, run func(context.Context) (*reply, error)) (*reply, error) {
	var m made
	err := json.Unmarshal([]byte(result), &m)
	var again *reply
	if err == nil {
		again, err = a.again(ctx, &m)
	}
	if errors.Is(err, site.ErrGone) {
		err = a.alreadyMade(ctx, m.Commit)
	}
	if err != nil {
		if refused := a.tried(ctx, err, run); refused != nil {
			return nil, refused
		}
		p := a.problem(ctx, err)
		if !byRights(err) {
			p = p.with(replayedHeader, "true")
		}
		return nil, p
	}
	again.Replayed = "true"
	return again, nil
}

const replayedHeader = "Idempotency-Replayed"

// errUnseen is of a write that was made and of which the caller does not see now what
// it did.
var errUnseen = &site.Error{Code: site.Forbidden, Detail: "Your roles do not allow you to make this write."}

// alreadyMade is the answer to a write that the commit holds, for who may see that;
// else errUnseen.
func (a *API) alreadyMade(ctx context.Context, commit string) error {
	sees, err := a.site.SeesCommit(ctx, principal(ctx), commit)
	if err == nil && !sees {
		err = errUnseen
	}
	if err != nil {
		return err
	}
	p := newProblem(http.StatusConflict, "The write with this Idempotency-Key was made, in the commit that is named here, but its answer was lost. Read the entry to see what it is now.")
	p.Code, p.Commit = "already_made", commit
	return p
}

// tried is how a write that was made before is refused to who may not make it now, as
// any other such write would be: it is run dry. Without a refusal err is none by
// rights, or it is to be told itself.
func (a *API) tried(ctx context.Context, err error, run func(context.Context) (*reply, error)) error {
	if !byRights(err) {
		return nil
	}
	c := callOf(ctx)
	c.dry = true
	defer func() { c.dry = false }()
	if _, err = run(ctx); err == nil {
		return nil
	}
	if p := a.problem(ctx, err); p.Status == http.StatusForbidden || p.Status == http.StatusNotFound {
		return p
	}
	return nil
}

// byRights says whether err refuses by what the caller may do or see.
func byRights(err error) bool {
	var refused *site.Error
	return errors.As(err, &refused) && (refused.Code == site.Forbidden || refused.Code == site.NotFound)
}

func (a *API) again(ctx context.Context, m *made) (*reply, error) {
	pr := principal(ctx)
	if m.Media != nil {
		out, err := a.site.MediaAgain(pr, m.Commit, *m.Media)
		if err != nil {
			return nil, err
		}
		return mediaOutcome(m.Media.Path, out)
	}
	outcomes, err := a.site.Again(ctx, pr, m.Commit, m.Entries)
	if callOf(ctx).operation == batchDoc.id {
		if err != nil {
			return nil, err
		}
		return batchOutcome(outcomes)
	}
	if of := (*site.OperationError)(nil); errors.As(err, &of) {
		err = of.Err
	}
	if err != nil {
		return nil, err
	}
	r, err := outcome(outcomes[0], nil)
	if err == nil && callOf(ctx).operation == moveEntryDoc.id {
		r.locate(outcomes[0])
	}
	return r, err
}
