package site

import (
	"context"
	"slices"

	"cms/content"
	"cms/say"
)

// Precondition is what a writer believes to be there (RFC 9110, section 13).
// An edit of an entry needs one of Any, Revisions and Base.
type Precondition struct {
	Any       bool     // whatever is there (If-Match: *)
	Revisions []string // one of these revisions (If-Match); nil when not asked, empty when none can match
	Absent    bool     // nothing (If-None-Match: *)
	Not       []string // none of these revisions (If-None-Match)
	Base      string   // the revision that the edit was made on: merge when the entry has moved on
	Settle    Settle   // decides where such a merge clashes; nil refuses the edit
}

// Settle makes of a merge, in which what clashes is as it stands in the repository, what
// it is to become.
type Settle func(ctx context.Context, merged *content.Merged, schema *content.Schema) (*content.Document, error)

// asked says whether p expects an entry of a certain kind, or any.
func (p Precondition) asked() bool { return p.Any || p.Revisions != nil || p.Base != "" }

// holds compares p with the revision of the entry that is there. Base is for
// merges to look at.
func (p Precondition) holds(rev string) error {
	switch {
	case p.Revisions != nil && !p.Any && !slices.Contains(p.Revisions, rev), p.Absent, slices.Contains(p.Not, rev):
		return preconditionFailed(rev)
	case !p.asked():
		return &Error{Code: PreconditionRequired, Detail: say.New("Send the ETag of the revision that you edit as If-Match, or * for any revision.")}
	}
	return nil
}

func preconditionFailed(revision string) error {
	return &Error{
		Code:     PreconditionFailed,
		Detail:   say.New("The entry does not have the revision that the request expects. Read it again, and repeat the edit on the current revision."),
		Revision: revision,
	}
}
