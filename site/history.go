package site

import (
	"context"
	"time"

	"cms/auth"
	"cms/content"
	"cms/repo"
)

// Person is someone as commits name them.
type Person = repo.Person

// Change is a commit that touched an entry.
type Change struct {
	Commit   string // in hexadecimal
	At       time.Time
	Author   Person
	Message  string // the subject
	Action   string // created, updated, deleted or moved
	Path     content.Path
	Revision string // the entry's after it; "" when it was deleted
}

func change(c repo.Change) Change {
	return Change{
		Commit:   hexOrEmpty(c.Commit),
		At:       c.At,
		Author:   c.Author,
		Message:  c.Message,
		Action:   string(c.Action),
		Path:     c.Path,
		Revision: hexOrEmpty(c.Revision),
	}
}

// History is the commits that touched an entry, newest first, through renames.
// It outlives the entry: what was deleted can still be told.
func (s *Site) History(ctx context.Context, pr *auth.Principal, ref Ref) ([]Change, error) {
	c, err := s.collection(pr, ref.Collection, auth.Read)
	if err != nil {
		return nil, err
	}
	path, err := c.Path(ref.Slug)
	if err != nil {
		return nil, noEntry()
	}
	found, err := s.repo.History(ctx, path)
	if err != nil {
		return nil, refusal(err)
	}
	if len(found) == 0 {
		return nil, noEntry()
	}
	changes := make([]Change, len(found))
	for i, c := range found {
		changes[i] = change(c)
	}
	return changes, nil
}
