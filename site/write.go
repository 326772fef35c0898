package site

import (
	"context"

	"cms/auth"
	"cms/content"
)

// Write is what every write has beside its content.
type Write struct {
	Precondition
	Message    string  // the commit's subject; "" for one that tells the change
	OnBehalfOf *Person // named as co-author
	DryRun     bool    // say what would change, commit nothing
}

// Outcome is what a write led to.
type Outcome struct {
	Ref
	Entry   *Entry // as the write left it; nil after a deletion and a dry run
	Created bool
	Changed bool                  // false when nothing differed, so that there is no commit
	Commit  string                // in hexadecimal; the newest of all when there is none of the write
	Diff    *content.DocumentDiff // for a dry run
}

// Create adds an entry to a collection, as [Creating] says.
func (s *Site) Create(ctx context.Context, pr *auth.Principal, collection string, d Draft, w Write) (*Outcome, error) {
	return s.alone(ctx, pr, Creating(collection, d, w.Precondition), w)
}

// CreateSource is Create of a whole file.
func (s *Site) CreateSource(ctx context.Context, pr *auth.Principal, ref Ref, src []byte, w Write) (*Outcome, error) {
	return s.alone(ctx, pr, CreatingSource(ref, src, w.Precondition), w)
}

// Update edits an entry that is there.
func (s *Site) Update(ctx context.Context, pr *auth.Principal, ref Ref, revise Revise, w Write) (*Outcome, error) {
	return s.alone(ctx, pr, Updating(ref, revise, w.Precondition), w)
}

// Delete removes an entry.
func (s *Site) Delete(ctx context.Context, pr *auth.Principal, ref Ref, w Write) (*Outcome, error) {
	return s.alone(ctx, pr, Deleting(ref, w.Precondition), w)
}

// alone commits one operation.
func (s *Site) alone(ctx context.Context, pr *auth.Principal, op Operation, w Write) (*Outcome, error) {
	e, err := op(ctx, s, pr)
	if err != nil {
		return nil, refusal(err)
	}
	t := &transaction{site: s, principal: pr, write: w, edits: []*edit{e}}
	outcomes, err := t.run(ctx)
	if err != nil {
		return nil, err
	}
	return outcomes[0], nil
}
