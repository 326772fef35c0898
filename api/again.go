package api

import (
	"context"
	"errors"

	"cms/site"
	"cms/web"
)

// again answers with what a write made, as it would have been answered then, as far as the
// caller may see it now.
func (a *API) again(ctx context.Context, m *made) (*reply, error) {
	pr, operation := web.Principal(ctx), web.CallOf(ctx).Operation.Name
	if m.Media != nil {
		out, err := a.site.MediaAgain(pr, m.Commit, *m.Media)
		if err != nil {
			return nil, err
		}
		return mediaOutcome(m.Media.Path, out)
	}
	outcomes, err := a.site.Again(ctx, pr, m.Commit, m.Entries)
	if operation == batchDoc.ID {
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
	if err == nil && operation == moveEntryDoc.ID {
		locate(r, outcomes[0])
	}
	return r, err
}
