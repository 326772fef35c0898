package site

import (
	"context"
	"errors"
	"time"

	"cms/auth"
	"cms/content"
	"cms/repo"
	"cms/say"
)

// SetAside is a version of an entry that was written here and set aside, since the entry
// was changed at the Git host as well, in the same places: that version is on the branch.
type SetAside struct {
	Ref
	ID                 string
	Base, Ours, Theirs string // the names of blobs, "" for none: ours is what was set aside
	Commit             string // that made ours
	Author             Person
	At                 time.Time
}

// SetAside lists what is not resolved, of the collections of which pr sees every entry with
// every field: a version that was set aside has all of them.
func (s *Site) SetAside(ctx context.Context, pr *auth.Principal) ([]SetAside, error) {
	if !s.policy.Knows(pr) {
		return nil, errNoRole()
	}
	all, err := s.repo.Conflicts(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]SetAside, 0, len(all))
	for _, c := range all {
		acc, err := s.access(pr, c.Collection, auth.Read)
		if err != nil || !acc.full {
			continue
		}
		list = append(list, asideOf(c))
	}
	return list, nil
}

func asideOf(c repo.Conflict) SetAside {
	return SetAside{
		Ref: Ref{c.Collection, c.Slug}, ID: c.ID, Base: blobName(c.Base), Ours: blobName(c.Ours), Theirs: blobName(c.Theirs),
		Commit: blobName(c.Commit), Author: c.Author, At: c.At,
	}
}

// AsideOf are the ids of the conflicts about an entry, if pr sees all of it, as of a second
// ago at most.
func (s *Site) AsideOf(pr *auth.Principal, ref Ref) []string {
	acc, err := s.access(pr, ref.Collection, auth.Read)
	if err != nil || !acc.full {
		return nil
	}
	path, err := acc.Path(ref.Slug)
	if err != nil {
		return nil
	}
	return s.repo.AsideOf(path)
}

// blobName is a name in hexadecimal, "" for none.
func blobName(h repo.Hash) string {
	if h.IsZero() {
		return ""
	}
	return h.String()
}

// Conflict is one that pr may resolve, whatever it is taken for.
func (s *Site) Conflict(pr *auth.Principal, id string) (SetAside, error) {
	c, _, err := s.conflict(pr, id)
	return asideOf(c), err
}

// conflict is the one of an id, if pr sees it.
func (s *Site) conflict(pr *auth.Principal, id string) (repo.Conflict, *access, error) {
	if !s.policy.Knows(pr) {
		return repo.Conflict{}, nil, errNoRole()
	}
	none := &Error{Code: NotFound, Detail: say.New("There is no such conflict. It may be resolved.")}
	c, err := s.repo.Conflict(id)
	if errors.Is(err, repo.ErrNotFound) {
		return c, nil, none
	} else if err != nil {
		return c, nil, err
	}
	acc, err := s.access(pr, c.Collection, auth.Read)
	if err != nil || !acc.full {
		return c, nil, none
	}
	acc, err = s.access(pr, c.Collection, auth.Update)
	return c, acc, err
}

// Resolve ends a conflict, unless it is a dry run. With aside what was set aside is written
// once more, as an edit of pr's: its fields in place of those that clash with them, or as
// w.Settle decides, which is given every such merge; and what was changed since beside them.
// An entry is deleted, or created again, where that is what was set aside. Otherwise the entry
// stays as it is.
func (s *Site) Resolve(ctx context.Context, pr *auth.Principal, id string, aside bool, w Write) (*Outcome, error) {
	c, acc, err := s.conflict(pr, id)
	if err != nil {
		return nil, err
	}
	out := &Outcome{Ref: Ref{c.Collection, c.Slug}}
	if aside {
		if out, err = s.takeAside(ctx, pr, c, acc.YAML, w); err != nil {
			return nil, err
		}
	}
	if w.DryRun {
		return out, nil
	}
	switch err := s.repo.EndConflict(id); {
	case err == nil, errors.Is(err, repo.ErrNotFound):
		return out, nil
	case out.Changed: // which is saved
		return nil, &Error{Code: Unsure, Detail: say.New("The version that was set aside is saved, but may still be listed as set aside. If it is, resolve the conflict again."), Err: err}
	default:
		return nil, asError(err)
	}
}

// takeAside writes what was set aside.
func (s *Site) takeAside(ctx context.Context, pr *auth.Principal, c repo.Conflict, version content.Version, w Write) (*Outcome, error) {
	ref := Ref{c.Collection, c.Slug}
	w.Any = w.Revisions == nil
	_, there := s.repo.View().Entry(c.Collection, c.Slug)
	switch {
	case c.Ours.IsZero() && !there:
		return &Outcome{Ref: ref}, nil
	case c.Ours.IsZero():
		return s.Delete(ctx, pr, ref, w)
	}
	src, err := s.repo.Blob(ctx, c.Ours)
	if err != nil {
		return nil, mustExist(err)
	}
	if !there {
		w.Any, w.Absent, w.Revisions = false, true, nil
		return s.CreateSource(ctx, pr, ref, src, w)
	}
	aside := content.ParseAs(version, src)
	var raw []byte // of what both began with
	if !c.Base.IsZero() {
		if raw, err = s.repo.Blob(ctx, c.Base); err != nil {
			return nil, mustExist(err)
		}
	}
	base := content.ParseAs(version, raw)
	return s.Update(ctx, pr, ref, func(ctx context.Context, now *content.Document, schema *content.Schema) (*content.Document, error) {
		if c.Base.IsZero() && w.Settle == nil { // both began with nothing
			return aside, nil
		}
		ours, theirs := aside, now // a merge keeps ours where they clash
		if w.Settle != nil {
			ours, theirs = now, aside
		}
		merged, err := content.Merge(ctx, base, ours, theirs)
		if err != nil {
			return nil, err
		}
		if w.Settle != nil {
			return w.Settle(ctx, merged, schema)
		}
		return merged.Document, nil
	}, w)
}
