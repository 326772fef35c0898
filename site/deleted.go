package site

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"cms/auth"
	"cms/content"
	"cms/repo"
)

// Deleted is an entry that is not there any more. [Reverting] to its revision restores it.
type Deleted struct {
	Ref
	Path     content.Path
	Title    string // as it was last, if the caller sees one
	Revision string // its last one
	Change   Change // which commit deleted it, or moved it to another collection
}

// DeletedPage is a page of the deleted entries of a collection.
type DeletedPage struct {
	Items []Deleted
	Next  string // the cursor of the next page; "" at the end
}

// Deleted lists the entries that the history of a collection has and the branch has not,
// those that went last first, limit of them at most: those whose last state pr could read.
// Those that came back, and those that were moved within the collection, are not among
// them. A page ends early where more would cost too much.
func (s *Site) Deleted(ctx context.Context, pr *auth.Principal, collection, cursor string, limit int) (*DeletedPage, error) {
	acc, err := s.access(pr, collection, auth.Read)
	if err != nil {
		return nil, err
	}
	at, err := parseDeletedCursor(cursor)
	if err != nil {
		return nil, err
	}
	acc.budget = s.budget(ctx, pr, pageBudget)
	defer acc.budget.release()
	messages, snap := s.seesAll(pr), s.repo.View()
	page := &DeletedPage{}
	for {
		most := limit + 1 - len(page.Items)
		found, err := s.repo.Deletions(snap, collection, at, most)
		if errors.Is(err, ErrUnknownCommit) {
			return nil, errDeletedCursor()
		} else if err != nil {
			return nil, err
		}
		for i := range found {
			d := &found[i]
			at = repo.DeletedAt{Commit: d.Commit, Path: d.Path.String()}
			shown, err := acc.deleted(ctx, d, messages)
			if len(page.Items) > 0 && (isUnavailable(err) || shown != nil && len(page.Items) == limit) {
				page.Next = page.Items[len(page.Items)-1].cursor()
				return page, nil
			}
			if err != nil {
				return nil, err
			}
			if shown != nil {
				page.Items = append(page.Items, *shown)
			}
		}
		if len(found) < most {
			return page, nil
		}
	}
}

// deleted is an entry that was deleted, as the caller sees it; nil if they do not.
func (acc *access) deleted(ctx context.Context, d *repo.Deletion, messages bool) (*Deleted, error) {
	known, err := acc.visibleRevision(ctx, d.Previous)
	if err != nil || known == "" {
		return nil, err
	}
	last, err := acc.site.parsed(ctx, acc.budget, acc.Collection, d.Previous)
	if err != nil {
		return nil, err
	}
	shown := &Deleted{Ref: Ref{d.Collection, d.Slug}, Path: d.Path, Revision: known, Change: change(d.Change)}
	if !slices.Contains(acc.hidden(last.Fields()), "title") {
		title, _ := last.Fields().Get("title")
		shown.Title, _ = title.(string)
	}
	if !messages {
		shown.Change.Message = subject(repo.Deleted, d.Collection, d.Slug.String())
	}
	return shown, nil
}

// deletedCursor is the last entry of a page, which its caller has seen.
type deletedCursor struct {
	Commit string `json:"c"`
	Path   string `json:"p"`
}

func (d *Deleted) cursor() string {
	b, _ := json.Marshal(deletedCursor{d.Change.Commit, d.Path.String()}) // of texts
	return string(b)
}

func parseDeletedCursor(cursor string) (repo.DeletedAt, error) {
	if cursor == "" {
		return repo.DeletedAt{}, nil
	}
	var at deletedCursor
	if err := json.Unmarshal([]byte(cursor), &at); err != nil || repo.NewHash(at.Commit).IsZero() {
		return repo.DeletedAt{}, errDeletedCursor()
	}
	return repo.DeletedAt{Commit: repo.NewHash(at.Commit), Path: at.Path}, nil
}

func errDeletedCursor() error {
	return &Error{Code: Malformed, Detail: "The cursor is not one that this list gave. Leave it out to start from the beginning."}
}
