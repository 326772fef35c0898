package site

import (
	"context"
	"errors"
	"strings"

	"cms/content"
	"cms/repo"
	"cms/say"
	"cms/trace"
)

// ErrUnknownCommit is the error of a commit that is not part of the branch's
// history, as after someone has rewritten it.
var ErrUnknownCommit = repo.ErrUnknownCommit

// FileChange is what one commit did to one file.
type FileChange struct {
	Change
	Collection string   // "" for a file that is no entry
	Slug       string   // the same
	Media      string   // the path below the media folder, of a file there; otherwise ""
	From       string   // where a moved entry was, as a path
	Changed    []string // the fields that differ, in the order of the file; "body" for the body

	Aside string // the conflict that has a version of the entry that was set aside; then the action is SetAsideAction

	Trace trace.Context // of the request that made the commit, if it came here with one, of late
}

// Actions are what a commit can do to a file, as a Change and a FileChange have it; of a
// FileChange SetAsideAction as well.
func Actions() []string {
	var all []string
	for _, a := range repo.Actions() {
		all = append(all, string(a))
	}
	return all
}

// SetAsideAction is the action of a commit that set a version of an entry aside.
const SetAsideAction = "set_aside"

// Changes are what the commits after since did to files, up to the commit
// until, oldest first. An empty since stands before the first commit. Of more than
// limit changes, those of the commits behind the one that reaches the limit are
// left out, and not read; 0 is no limit. Those of files that no path can name are one
// change, without a path. It is for the service's own use: no one's permissions are asked.
func (s *Site) Changes(ctx context.Context, since, until string, limit int) ([]FileChange, error) {
	commits, err := s.repo.Changes(ctx, repo.NewHash(since), repo.NewHash(until), limit)
	if err != nil {
		return nil, err
	}
	var changes []FileChange
	for _, c := range commits {
		from, _ := s.traces.Peek(c.Commit)
		for _, f := range c.Changes {
			fields, err := s.changedFields(ctx, f)
			if err != nil {
				return nil, err
			}
			changes = append(changes, FileChange{
				Change: Change{
					Commit: c.Commit.String(), At: c.At, Author: c.Author, Message: c.Message,
					Action: string(f.Action), Path: f.Path, Revision: hexOrEmpty(f.Revision), Depth: c.Depth,
				},
				Collection: f.Collection,
				Slug:       f.Slug.String(),
				Media:      s.mediaName(f.Collection, f.Path),
				From:       f.From.String(),
				Changed:    fields,
				Trace:      from,
			})
		}
		if c.Others {
			changes = append(changes, FileChange{Change: Change{Commit: c.Commit.String(), At: c.At, Author: c.Author, Action: string(repo.Updated), Depth: c.Depth}, Trace: from})
		}
		for _, a := range c.Aside {
			changes = append(changes, asideChange(c, a))
		}
	}
	return changes, nil
}

// asideChange is what a commit says of a version that it set aside. Its revision is the one
// that stays.
func asideChange(c repo.CommitChanges, a repo.Aside) FileChange {
	made := FileChange{
		Change: Change{
			Commit: c.Commit.String(), At: c.At, Author: c.Author, Message: c.Message,
			Action: SetAsideAction, Path: a.Path, Depth: c.Depth,
		},
		Collection: a.Collection, Slug: a.Slug.String(), Aside: a.Conflict,
	}
	for _, f := range c.Changes {
		if f.Path == a.Path {
			made.Revision = hexOrEmpty(f.Revision)
		}
	}
	return made
}

// AsideAtTip are the conflicts that are not resolved, as changes of the tip: what an event
// stream says that begins again at another history.
func (s *Site) AsideAtTip(ctx context.Context) ([]FileChange, error) {
	all, err := s.repo.Conflicts(ctx)
	if err != nil {
		return nil, err
	}
	snap := s.repo.View()
	tip, depth := snap.Commit(), 0
	if d, ok := s.repo.Depth(tip); ok {
		depth = d
	}
	var changes []FileChange
	for _, c := range all {
		if c.Collection == "" {
			continue
		}
		of := repo.CommitChanges{Commit: tip, At: c.At, Author: c.Author, Depth: depth}
		if e, ok := snap.Entry(c.Collection, c.Slug); ok {
			of.Changes = []repo.FileChange{{Path: c.Path, Revision: e.Revision}}
		}
		changes = append(changes, asideChange(of, repo.Aside{Conflict: c.ID, Collection: c.Collection, Slug: c.Slug, Path: c.Path}))
	}
	return changes, nil
}

// FindKey is the commit after since, in hexadecimal, of the write with this key;
// "" when there is none.
func (s *Site) FindKey(ctx context.Context, since, key string) (string, error) {
	h, err := s.repo.FindKey(ctx, repo.NewHash(since), key)
	if errors.Is(err, repo.ErrStorage) {
		err = &Error{Code: Unsure, Detail: say.New("The repository cannot be read now, so it is unknown whether the write with this key was saved. Send it again later."), Err: err}
	}
	return hexOrEmpty(h), err
}

// changedFields compares the two revisions of an entry. A creation and a
// deletion change every field.
func (s *Site) changedFields(ctx context.Context, f repo.FileChange) ([]string, error) {
	if f.Collection == "" {
		return nil, nil
	}
	var docs [2]*content.Document
	for i, h := range [2]repo.Hash{f.Previous, f.Revision} {
		var src []byte
		if !h.IsZero() {
			var err error
			if src, err = s.repo.Blob(ctx, h); err != nil && !errors.Is(err, repo.ErrNotFound) {
				return nil, err
			}
		}
		docs[i] = s.byName[f.Collection].Parse(src)
	}
	return changed(docs[0], docs[1]), nil
}

// mediaName is the path below the media folder of a file there that is no entry;
// otherwise "".
func (s *Site) mediaName(collection string, path content.Path) string {
	name, below := strings.CutPrefix(path.String(), s.media.Folder.String()+"/")
	if _, err := content.ParseSlug(name); collection != "" || s.media.Folder.IsZero() || !below || err != nil || s.owned(path) {
		return ""
	}
	return name
}
