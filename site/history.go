package site

import (
	"context"
	"fmt"
	"slices"
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
	Depth    int    // of the commit, as [repo.Repo.Depth] has it; 0 where it is not told
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
// It outlives the entry: what was deleted can still be told, and one that went
// to another collection is deleted here. Who does not see every entry of the
// collection with every field gets the commits whose outcome they see. What
// commits say of themselves may be about anything, and is for those alone who
// see everything in every collection.
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
	messages := s.seesAll(pr)
	var changes []Change
	for i, c := range found {
		told := change(c.Change)
		if !messages {
			told.Message = subject(c.Action, v.Name, ref.Slug.String())
		}
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
		told.Revision = c.known
		changes = append(changes, told)
	}
	if len(changes) == 0 {
		return nil, noEntry()
	}
	return changes, nil
}

// subject is what those are told of a commit who do not see everything.
func subject(a repo.Action, of, name string) string {
	verbs := map[repo.Action]string{repo.Created: "Create", repo.Updated: "Update", repo.Deleted: "Delete", repo.Moved: "Move"}
	return verbs[a] + " " + of + "/" + name
}

// version is a commit that touched an entry, and what a caller sees of it.
type version struct {
	repo.Change
	visible bool   // never where the commit deleted the entry
	gone    bool   // the entry is not there after it: deleted, or moved to Path
	known   string // the revision that the caller knows the entry by after it; "" where it is not visible
}

// versions are the commits that touched the entry slug, newest first, through
// renames: to the one with which it came from another collection, whose rights
// are others.
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
		moved := c.Action == repo.Moved
		if _, own := v.Slug(c.Path); moved && !own {
			moved, c.Action, c.Path, c.Revision = false, repo.Deleted, path, repo.Hash{}
		}
		all[i].Change = c
		all[i].gone = c.Action == repo.Deleted || moved && c.Path != path
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
		if moved && !all[i].gone {
			path = c.From // where it is told of from here on
			if _, own := v.Slug(path); !own {
				return all[:i+1], nil
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

// lastState is the newest of the versions that can be read, nil if there is none.
func (s *Site) lastState(ctx context.Context, found []version) (*content.Document, error) {
	for _, c := range found[:min(len(found), maxLooked)] {
		if c.Revision.IsZero() {
			continue
		}
		if d, err := s.document(ctx, c.Revision); err != nil || d.Err() == nil {
			return d, err
		}
	}
	return nil, nil
}

// document is the one whose blob is called hash.
func (s *Site) document(ctx context.Context, hash repo.Hash) (*content.Document, error) {
	src, err := s.repo.Blob(ctx, hash)
	if err != nil {
		return nil, err
	}
	return content.Parse(src), nil
}

// Difference is what lies between two states of an entry.
type Difference struct {
	content.DocumentDiff
	From, To *State // From is nil for nothing, before the entry was created
}

// State is an entry as a commit left it.
type State struct {
	Commit   string // in hexadecimal
	Revision string // "" when the entry was gone
	Path     content.Path
}

// Diff compares two states of an entry, each named by its commit or revision. An
// empty to is the newest state, an empty from the one before to.
func (s *Site) Diff(ctx context.Context, pr *auth.Principal, ref Ref, from, to string) (*Difference, error) {
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
	found = slices.DeleteFunc(found, func(c version) bool { return !c.visible && !(v.whole && c.gone) })
	if len(found) == 0 {
		return nil, noEntry() // as of one that is out of sight, whatever is asked about it
	}
	newer, err := indexOf(found, "to", to, 0)
	if err != nil {
		return nil, err
	}
	older, err := indexOf(found, "from", from, newer+1)
	if err != nil {
		return nil, err
	}
	d := &Difference{}
	var before, after *content.Document
	if d.To, after, err = s.state(ctx, found[newer]); err != nil {
		return nil, err
	}
	if older < len(found) {
		if d.From, before, err = s.state(ctx, found[older]); err != nil {
			return nil, err
		}
	}
	d.DocumentDiff = v.diff(before, after, found[newer].Path.String())
	return d, nil
}

// state is the entry as a commit left it; the document is nil when it was gone.
func (s *Site) state(ctx context.Context, c version) (*State, *content.Document, error) {
	at := &State{Commit: c.Commit.String(), Path: c.Path}
	if c.gone {
		return at, nil, nil
	}
	at.Revision = c.known
	d, err := s.document(ctx, c.Revision)
	return at, d, err
}

// indexOf is the newest version that name is the commit or the revision of, or
// absent when name is empty. The parameter is what the caller calls it.
func indexOf(found []version, parameter, name string, absent int) (int, error) {
	if name == "" {
		return absent, nil
	}
	i := slices.IndexFunc(found, func(c version) bool {
		return (c.visible || c.gone) && (c.Commit.String() == name || !c.gone && c.known == name)
	})
	if i < 0 {
		return 0, &Error{Code: Malformed, Detail: fmt.Sprintf("What %q names is no commit or revision of this entry. Its history lists them.", parameter)}
	}
	return i, nil
}
