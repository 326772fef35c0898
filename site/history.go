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
// It outlives the entry: what was deleted can still be told. Who does not see
// every entry with every field gets those whose outcome they see, without what
// the commits say of themselves, which may be about anything.
func (s *Site) History(ctx context.Context, pr *auth.Principal, ref Ref) ([]Change, error) {
	v, err := s.sight(pr, ref.Collection, auth.Read)
	if err != nil {
		return nil, err
	}
	if now, ok := s.repo.View().Entry(ref.Collection, ref.Slug); ok && !v.sees(now) {
		return nil, noEntry()
	}
	found, err := s.versions(ctx, v, ref.Slug)
	if err != nil {
		return nil, err
	}
	var changes []Change
	for i, c := range found {
		told := change(c.Change)
		if v.whole {
			changes = append(changes, told)
			continue
		}
		var older version
		if i+1 < len(found) {
			older = found[i+1]
		}
		gone := c.Revision.IsZero()
		if gone && !older.visible || !gone && !c.visible || c.Action == repo.Updated && c.known == older.known {
			continue
		}
		told.Revision, told.Message = c.known, v.subject(c.Action, ref.Slug)
		changes = append(changes, told)
	}
	if len(changes) == 0 {
		return nil, noEntry()
	}
	return changes, nil
}

// subject is what those are told of a commit who do not see everything.
func (v *sight) subject(a repo.Action, slug content.Slug) string {
	verbs := map[repo.Action]string{repo.Created: "Create", repo.Updated: "Update", repo.Deleted: "Delete", repo.Moved: "Move"}
	return verbs[a] + " " + v.Name + "/" + slug.String()
}

// version is a commit that touched an entry, and what a caller sees of it.
type version struct {
	repo.Change
	visible bool   // never where the commit deleted the entry
	known   string // the revision that the caller knows the entry by after it; "" where it is not visible
}

// versions are the commits that touched the entry slug, newest first.
func (s *Site) versions(ctx context.Context, v *sight, slug content.Slug) ([]version, error) {
	path, err := v.Path(slug)
	if err != nil {
		return nil, noEntry()
	}
	found, err := s.repo.History(ctx, path)
	if err != nil {
		return nil, refusal(err)
	}
	all := make([]version, len(found))
	for i, c := range found {
		all[i].Change = c
		switch {
		case c.Revision.IsZero():
		case v.whole:
			all[i].visible, all[i].known = true, c.Revision.String()
		default:
			d, err := s.document(ctx, c.Revision)
			if err != nil {
				return nil, err
			}
			if v.shows(d.Fields(), d.Problems()) {
				all[i].visible, all[i].known = true, v.revisionOf(d, c.Revision)
			}
		}
	}
	return all, nil
}

// past is the entry slug as the caller sees it at the revision that they know
// by that name, the newest one if there are several.
func (s *Site) past(ctx context.Context, v *sight, slug content.Slug, revision string) (*content.Document, error) {
	found, err := s.versions(ctx, v, slug)
	if err != nil {
		return nil, err
	}
	for _, c := range found {
		if c.visible && c.known == revision {
			d, err := s.document(ctx, c.Revision)
			if err != nil {
				return nil, err
			}
			return v.shown(d)
		}
	}
	return nil, &Error{Code: Malformed, Detail: "The base is not a revision of this entry. Give the revision that the edit was made on."}
}

// document is the one whose blob is called hash.
func (s *Site) document(ctx context.Context, hash repo.Hash) (*content.Document, error) {
	src, err := s.repo.Blob(ctx, hash)
	if err != nil {
		return nil, err
	}
	return content.Parse(src), nil
}
