package site

import (
	"context"
	"errors"
	"fmt"

	"cms/auth"
	"cms/content"
	"cms/say"
)

// Write is what every write has beside its content.
type Write struct {
	Precondition
	Message    string  // the commit's subject; "" for one that tells the change
	OnBehalfOf *Person // named as co-author
	DryRun     bool    // say what would change, commit nothing
	Key        string  // names the write in its commit, for FindKey; one word, or "" for none
}

// Outcome is what a write led to.
type Outcome struct {
	Ref
	Entry   *Entry     // as the write left it; nil after a deletion and a dry run
	Media   *MediaFile // likewise, of an operation on a file
	Created bool
	Changed bool                  // false when nothing differed, so that there is no commit
	Commit  string                // in hexadecimal; the newest of all when there is none of the write
	Diff    *content.DocumentDiff // for a dry run

	References []Reference // after a dry run, those that would be changed with it
	Followed   []Ref       // the entries that referred to it, and were changed with it

	Made Made // zero for a dry run
}

// Create adds an entry to a collection, as [Creating] says.
func (s *Site) Create(ctx context.Context, pr *auth.Principal, collection string, d Draft, w Write) (*Outcome, error) {
	return s.Make(ctx, pr, Creating(collection, d, w.Precondition), w)
}

// CreateSource is Create of a whole file.
func (s *Site) CreateSource(ctx context.Context, pr *auth.Principal, ref Ref, src []byte, w Write) (*Outcome, error) {
	return s.Make(ctx, pr, CreatingSource(ref, src, w.Precondition), w)
}

// Update edits an entry that is there.
func (s *Site) Update(ctx context.Context, pr *auth.Principal, ref Ref, revise Revise, w Write) (*Outcome, error) {
	return s.Make(ctx, pr, Updating(ref, revise, w.Precondition), w)
}

// Delete removes an entry.
func (s *Site) Delete(ctx context.Context, pr *auth.Principal, ref Ref, w Write) (*Outcome, error) {
	return s.Make(ctx, pr, Deleting(ref, w.Precondition), w)
}

// Move renames an entry, as [Moving] says.
func (s *Site) Move(ctx context.Context, pr *auth.Principal, ref, to Ref, w Write) (*Outcome, error) {
	return s.Make(ctx, pr, Moving(ref, to, w.Precondition), w)
}

// Revert makes an entry what it was, as [Reverting] says.
func (s *Site) Revert(ctx context.Context, pr *auth.Principal, ref Ref, to string, w Write) (*Outcome, error) {
	return s.Make(ctx, pr, Reverting(ref, to, w.Precondition), w)
}

// Make commits one operation.
func (s *Site) Make(ctx context.Context, pr *auth.Principal, op Operation, w Write) (*Outcome, error) {
	outcomes, err := s.Batch(ctx, pr, []Operation{op}, w)
	if of := (*OperationError)(nil); errors.As(err, &of) {
		return nil, of.Err
	}
	if err != nil {
		return nil, err
	}
	return outcomes[0], nil
}

// MaxBatch is the greatest number of operations in a batch.
const MaxBatch = 500

// OperationError says which operation of a batch was refused, from 0, and why.
type OperationError struct {
	Index int
	Err   error
}

func (e *OperationError) Error() string { return fmt.Sprintf("operation %d: %v", e.Index, e.Err) }

func (e *OperationError) Unwrap() error { return e.Err }

// Batch makes all of the operations in one commit, or none of them. Each sees
// what those before it did. The preconditions are those of the operations; w has
// none. There is an outcome for each, which tells what this operation did, and
// an entry as the last of its operations left it.
func (s *Site) Batch(ctx context.Context, pr *auth.Principal, ops []Operation, w Write) ([]*Outcome, error) {
	outcomes, err := s.batch(ctx, pr, ops, w)
	if err != nil && s.hidesFields(pr) {
		err = hidePositions(err)
	}
	return outcomes, err
}

func (s *Site) batch(ctx context.Context, pr *auth.Principal, ops []Operation, w Write) ([]*Outcome, error) {
	if len(ops) == 0 || len(ops) > MaxBatch {
		return nil, &Error{Code: Malformed, Detail: say.New("A batch has between 1 and %d operations.", MaxBatch)}
	}
	t := &transaction{site: s, principal: pr, write: w}
	budget := s.budget(ctx, pr, pageBudget)
	defer budget.release()
	defer t.close()
	for i, op := range ops {
		e, err := op(ctx, s, pr, budget)
		if err != nil {
			return nil, &OperationError{i, asError(err)}
		}
		t.edits = append(t.edits, e)
	}
	return t.run(ctx)
}
