package site

import (
	"context"
	"errors"
	"slices"

	"cms/auth"
	"cms/content"
	"cms/repo"
)

// Made records what an operation did, by names alone, so that a retry can be answered
// by the permissions that hold then.
type Made struct {
	Collection string `json:"collection"`
	Slug       string `json:"slug"`
	Path       string `json:"path"`
	Blob       string `json:"blob"`           // after it; of a deletion before it
	From       string `json:"from,omitempty"` // the collection that it was moved out of; of a file, what it was called
	Created    bool   `json:"created,omitempty"`
	Deleted    bool   `json:"deleted,omitempty"`
	Changed    bool   `json:"changed,omitempty"`
	Followed   []Made `json:"followed,omitempty"` // the entries that referred to it
}

func (e *edit) record() Made {
	if e.isMedia() {
		m := e.recordFile()
		m.Followed = e.recordFollowed()
		return m
	}
	m := Made{Collection: e.ref.Collection, Slug: e.ref.Slug.String(), Path: e.path.String(), Created: e.created, Changed: e.changed()}
	if e.from.Collection != e.ref.Collection {
		m.From = e.from.Collection
	}
	if e.now != nil {
		m.Blob = e.now.Revision.String()
	} else {
		m.Deleted, m.Blob = true, e.gone.String()
	}
	m.Followed = e.recordFollowed()
	return m
}

func (e *edit) recordFollowed() (all []Made) {
	for _, f := range e.followed {
		all = append(all, f.record())
	}
	return all
}

// action is the permission that the operation needs.
func (m Made) action() auth.Action {
	switch {
	case m.Deleted:
		return auth.Delete
	case m.Created, m.From != "":
		return auth.Create
	}
	return auth.Update
}

// ErrGone is the error of what Git does not have any more, as after a rewritten
// history.
var ErrGone = repo.ErrNotFound

// Again is the outcome of the operations of a commit, as pr sees it now. It is refused
// to callers who could not make the operations any more; ErrGone when it is unknown.
func (s *Site) Again(ctx context.Context, pr *auth.Principal, commit string, all []Made) ([]*Outcome, error) {
	outcomes := make([]*Outcome, len(all))
	for i, m := range all {
		out, err := s.replay(ctx, pr, commit, m, len(all) > 1)
		for k := 0; k < len(m.Followed) && err == nil; k++ {
			var of *Outcome
			if of, err = s.replay(ctx, pr, commit, m.Followed[k], true); err == nil {
				out.Followed = append(out.Followed, of.Ref)
			}
		}
		if err != nil {
			if !errors.Is(err, ErrGone) {
				err = &OperationError{i, asError(err)}
			}
			return nil, err
		}
		outcomes[i] = out
	}
	return outcomes, nil
}

// replay is Again of one operation. If it is one of several, a later one may have
// replaced its result, so that Git never had it.
func (s *Site) replay(ctx context.Context, pr *auth.Principal, commit string, m Made, several bool) (*Outcome, error) {
	if m.Collection == auth.Media {
		return s.replayMedia(pr, commit, m, several)
	}
	if m.From != "" {
		if _, err := s.access(pr, m.From, auth.Delete); err != nil {
			return nil, err
		}
	}
	acc, err := s.access(pr, m.Collection, m.action())
	if err != nil {
		return nil, err
	}
	slug, err := content.ParseSlug(m.Slug)
	if err != nil {
		return nil, err
	}
	out := &Outcome{Ref: Ref{m.Collection, slug}, Created: m.Created, Changed: m.Changed, Commit: commit, Made: m}
	hash := repo.NewHash(m.Blob)
	src, err := s.repo.Blob(ctx, hash)
	switch {
	case errors.Is(err, repo.ErrNotFound) && several && acc.full:
		if !m.Deleted {
			out.Entry = &Entry{Ref: out.Ref, Revision: m.Blob}
		}
		return out, nil
	case errors.Is(err, repo.ErrNotFound) && several:
		return out, nil
	case err != nil:
		return nil, err
	}
	d := acc.Parse(src)
	if !acc.full && !acc.grantsFor(d.Fields()).allows(m.action()) {
		return nil, acc.outsideConditions(m.action())
	}
	if m.Deleted || !acc.canReadFields(d.Fields(), d.Problems()) {
		return out, nil
	}
	path, err := content.ParsePath(m.Path)
	if err != nil {
		return nil, err
	}
	updated, err := s.madeBy(ctx, acc, path, hash, commit)
	if err != nil {
		return nil, err
	}
	seen := acc.newEntry(Entry{Ref: out.Ref, Path: path, Revision: acc.documentRevision(d, hash), Updated: updated,
		source: func() ([]byte, error) { return src, nil }}, d.Fields(), d.Problems())
	out.Entry = acc.crossCheck(seen, s.repo.View())
	return out, nil
}

// madeBy is the change that made the file at path what the caller sees of it after
// commit.
func (s *Site) madeBy(ctx context.Context, acc *access, path content.Path, hash repo.Hash, commit string) (Change, error) {
	until, ok := s.Position(commit)
	if !ok {
		return Change{}, ErrGone
	}
	changes, err := s.repo.History(ctx, path)
	if err != nil {
		return Change{}, err
	}
	i := slices.IndexFunc(changes, func(c repo.Change) bool {
		n, ok := s.repo.Position(c.Commit)
		return ok && n <= until && c.Revision == hash
	})
	if i < 0 {
		return Change{Commit: commit}, nil
	}
	last, err := acc.lastVisible(ctx, changes[i:])
	return change(last), err
}

// MediaMade records what a write of a file did, by names alone.
type MediaMade struct {
	Path    string `json:"path"` // below the media folder
	Blob    string `json:"blob,omitempty"`
	Created bool   `json:"created,omitempty"`
	Changed bool   `json:"changed,omitempty"`
}

// MediaAgain is the outcome of a write of a file, for a caller who may still make it.
func (s *Site) MediaAgain(pr *auth.Principal, commit string, m MediaMade) (*MediaOutcome, error) {
	action := auth.Update
	switch {
	case m.Blob == "":
		action = auth.Delete
	case m.Created:
		action = auth.Create
	}
	path, err := s.mediaPath(pr, m.Path, action)
	if err != nil {
		return nil, err
	}
	out := &MediaOutcome{Created: m.Created, Changed: m.Changed, Commit: commit}
	if m.Blob != "" {
		out.File, err = s.mediaFile(m.Path, s.repo.FileAt(path, repo.NewHash(m.Blob)))
	}
	return out, err
}
