package api

import (
	"context"
	"encoding/json"
	"errors"

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
// caller may see it now.
func (a *API) repeat(ctx context.Context, result string) (*reply, error) {
	var m made
	err := json.Unmarshal([]byte(result), &m)
	var again *reply
	if err == nil {
		again, err = a.again(ctx, &m)
	}
	if errors.Is(err, site.ErrGone) {
		err = alreadyMade(m.Commit)
	}
	if err != nil {
		return nil, a.problem(ctx, err).with("Idempotency-Replayed", "true")
	}
	again.Replayed = "true"
	return again, nil
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
