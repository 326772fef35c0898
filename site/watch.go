package site

import (
	"context"
	"errors"
	"slices"

	"cms/auth"
	"cms/content"
	"cms/repo"
)

// Seen is what someone sees of the changes after a commit, oldest first. A
// commit is told whole or not at all.
type Seen struct {
	Changes []FileChange // of entries and media
	Until   string       // the last commit that was looked at, where to go on
	More    bool         // there are later commits
}

// Since is what the commits after since did to entries and media, as far as pr
// sees it; an empty since stands before the first commit. What comes into pr's
// sight is created to them, what leaves it is deleted; of hidden fields nothing
// is told. After about limit changes, seen or not, it stops. NotFound
// when since is no commit of the branch.
func (s *Site) Since(ctx context.Context, pr *auth.Principal, since string, limit int) (*Seen, error) {
	if !s.policy.Knows(pr) {
		return nil, noRole()
	}
	head, _ := s.Head()
	seen := &Seen{Until: head}
	if since == head {
		return seen, nil
	}
	commits, err := s.repo.Changes(ctx, repo.NewHash(since), repo.NewHash(head), limit)
	switch {
	case errors.Is(err, ErrUnknownCommit):
		return nil, &Error{Code: NotFound, Detail: "There is no such commit in the history, which may have been rewritten. Read what you need afresh, and go on from a newer commit.", Err: err}
	case err != nil:
		return nil, err
	}
	w := watcher{site: s, principal: pr, sights: map[string]*sight{}, messages: s.seesAll(pr)}
	for _, c := range commits {
		for _, f := range c.Changes {
			told, err := w.tell(ctx, c, f)
			if err != nil {
				return nil, err
			}
			seen.Changes = append(seen.Changes, told...)
		}
	}
	if n := len(commits); n > 0 && commits[n-1].Commit.String() != head {
		seen.Until, seen.More = commits[n-1].Commit.String(), true
	}
	return seen, nil
}

// SeesCommit says whether pr sees what a commit did to every file that it changed, and
// each of them before and after it; false for one that the branch does not have.
func (s *Site) SeesCommit(ctx context.Context, pr *auth.Principal, commit string) (bool, error) {
	c, err := s.repo.ChangesOf(ctx, repo.NewHash(commit))
	if errors.Is(err, ErrUnknownCommit) || !s.policy.Knows(pr) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	w := watcher{site: s, principal: pr, sights: map[string]*sight{}}
	for _, f := range c.Changes {
		from := f.Path
		if f.Action == repo.Moved {
			from = f.From
		}
		told, err := w.tell(ctx, c, f)
		if err != nil || len(told) == 0 {
			return false, err
		}
		before, err := w.sees(ctx, from, f.Previous)
		if err != nil || !before {
			return false, err
		}
		after, err := w.sees(ctx, f.Path, f.Revision)
		if err != nil || !after {
			return false, err
		}
	}
	return true, nil
}

// sees says whether the caller may see the file at path, whose blob is hash; there is
// none where that is zero.
func (w *watcher) sees(ctx context.Context, path content.Path, hash repo.Hash) (bool, error) {
	if hash.IsZero() {
		return true, nil
	}
	at, err := w.state(ctx, path, hash)
	return at.sight != nil || w.media(path, hash) != "", err
}

// watcher tells one caller what commits did.
type watcher struct {
	site      *Site
	principal *auth.Principal
	sights    map[string]*sight // by collection; nil for one that the caller may not read
	messages  bool              // are for the caller, as they may be about anything
}

// state is an entry before or after a commit, as the caller sees it.
type state struct {
	sight    *sight // nil when there is nothing to see
	ref      Ref
	path     content.Path
	document *content.Document
	revision string
}

// tell is what one commit did to one file: nothing where the caller sees
// nothing of it, two changes where a file went from one collection to another.
func (w *watcher) tell(ctx context.Context, c repo.CommitChanges, f repo.FileChange) ([]FileChange, error) {
	from := f.Path
	if f.Action == repo.Moved {
		from = f.From
	}
	told, err := w.tellEntry(ctx, c, f, from)
	return append(told, w.tellMedia(c, f, from)...), err
}

// tellMedia is tell of a file that was at from, as far as it is of the media folder.
func (w *watcher) tellMedia(c repo.CommitChanges, f repo.FileChange, from content.Path) []FileChange {
	before, after := w.media(from, f.Previous), w.media(f.Path, f.Revision)
	told := FileChange{
		Change: Change{Commit: c.Commit.String(), At: c.At, Author: c.Author, Message: c.Message, Action: string(f.Action), Path: f.Path, Revision: hexOrEmpty(f.Revision), Depth: c.Depth},
		Media:  after,
	}
	switch {
	case before == "" && after == "", before == after && f.Previous == f.Revision:
		return nil
	case before == "":
		told.Action = string(repo.Created)
	case after == "":
		told.Action, told.Media, told.Path, told.Revision = string(repo.Deleted), before, from, ""
	case f.Action == repo.Moved:
		told.From = from.String()
	}
	if !w.messages {
		told.Message = subject(repo.Action(told.Action), auth.Media, told.Media)
	}
	return []FileChange{told}
}

// media is the path below the media folder of a file whose blob is hash, if the
// caller may read it; else "".
func (w *watcher) media(path content.Path, hash repo.Hash) string {
	if c, _ := w.site.owner(path); c != nil || hash.IsZero() {
		return ""
	}
	name := w.site.mediaName("", path)
	if name == "" || !w.site.policy.CanMedia(w.principal, auth.Read, name) {
		return ""
	}
	return name
}

// tellEntry is tell of a file that was at from, as far as it is of collections.
func (w *watcher) tellEntry(ctx context.Context, c repo.CommitChanges, f repo.FileChange, from content.Path) ([]FileChange, error) {
	before, err := w.state(ctx, from, f.Previous)
	if err != nil {
		return nil, err
	}
	after, err := w.state(ctx, f.Path, f.Revision)
	if err != nil {
		return nil, err
	}
	switch {
	case before.sight == nil && after.sight == nil:
		return nil, nil
	case before.sight == nil:
		return []FileChange{w.change(c, repo.Created, before, after)}, nil
	case after.sight == nil:
		return []FileChange{w.change(c, repo.Deleted, before, after)}, nil
	case before.ref.Collection != after.ref.Collection:
		return []FileChange{w.change(c, repo.Deleted, before, state{}), w.change(c, repo.Created, state{}, after)}, nil
	}
	told := w.change(c, f.Action, before, after)
	if f.Action == repo.Moved {
		told.From = from.String()
	} else if len(told.Changed) == 0 && (!before.sight.whole || before.revision == after.revision) {
		return nil, nil
	}
	return []FileChange{told}, nil
}

// state is what the file at path, whose blob is hash, is to the caller.
func (w *watcher) state(ctx context.Context, path content.Path, hash repo.Hash) (state, error) {
	c, slug := w.site.owner(path)
	if c == nil || hash.IsZero() {
		return state{}, nil
	}
	v, known := w.sights[c.Name]
	if !known {
		v, _ = w.site.sight(w.principal, c.Name, auth.Read) // nil for those who may not
		w.sights[c.Name] = v
	}
	if v == nil {
		return state{}, nil
	}
	d, err := w.site.document(ctx, hash)
	if err != nil || !v.shows(d.Fields(), d.Problems()) {
		return state{}, err
	}
	return state{v, Ref{c.Name, slug}, path, d, v.revisionOf(d, hash)}, nil
}

// change is told of what lies between two states, of which one may be nothing.
func (w *watcher) change(c repo.CommitChanges, action repo.Action, before, after state) FileChange {
	at := after
	if at.sight == nil {
		at = before
	}
	told := FileChange{
		Change: Change{
			Commit: c.Commit.String(), At: c.At, Author: c.Author, Message: c.Message,
			Action: string(action), Path: at.path, Revision: after.revision, Depth: c.Depth,
		},
		Collection: at.ref.Collection,
		Slug:       at.ref.Slug.String(),
	}
	if !w.messages {
		told.Message = subject(action, at.ref.Collection, at.ref.Slug.String())
	}
	var hidden []string
	docs := [2]*content.Document{content.Parse(nil), content.Parse(nil)}
	for i, s := range []state{before, after} {
		if s.sight != nil {
			docs[i] = s.document
			hidden = append(hidden, s.sight.hidden(s.document.Fields())...)
		}
	}
	told.Changed = slices.DeleteFunc(changed(docs[0], docs[1]), func(f string) bool { return slices.Contains(hidden, f) })
	return told
}

// owner is the collection that the file at p belongs to, nil for none, and its
// slug there.
func (s *Site) owner(p content.Path) (owner *content.Collection, slug content.Slug) {
	for _, c := range s.collections {
		if at, in := c.Slug(p); in && (owner == nil || len(c.Folder) > len(owner.Folder)) {
			owner, slug = c, at
		}
	}
	return owner, slug
}
