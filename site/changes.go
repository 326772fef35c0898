package site

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"cms/auth"
	"cms/content"
	"cms/repo"
	"cms/say"
)

// Seen is a page of the changes after a commit that a caller sees, oldest first. The
// changes of one commit are never split.
type Seen struct {
	Changes []FileChange // of entries and media
	Until   string       // the last commit that was looked at, from which to continue
	More    bool         // there are later commits
	Next    string       // of [Site.Before] alone: the commit to go on with as until; "" at the end
}

// Since is what the commits after since did to entries and media, as far as pr
// sees it; an empty since stands before the first commit. What becomes visible to pr
// is reported as created, what becomes invisible as deleted; hidden fields are left
// out. It stops after about limit changes, visible or not, or when it has cost much.
// NotFound when since is no commit of the branch.
func (s *Site) Since(ctx context.Context, pr *auth.Principal, since string, limit int) (*Seen, error) {
	if !s.policy.Knows(pr) {
		return nil, errNoRole()
	}
	head, _ := s.Head()
	seen := &Seen{Until: head}
	if since == head {
		return seen, nil
	}
	commits, err := s.repo.NextChanges(ctx, repo.NewHash(since), repo.NewHash(head), limit)
	switch {
	case errors.Is(err, ErrUnknownCommit):
		return nil, errUnknownCommit(err)
	case err != nil:
		return nil, err
	}
	n, err := s.tell(ctx, pr, seen, commits)
	if err != nil {
		return nil, err
	}
	if n > 0 && commits[n-1].Commit.String() != head {
		seen.Until, seen.More = commits[n-1].Commit.String(), true
	}
	return seen, nil
}

// tell adds to a page what pr sees of commits, and says of how many: fewer than all where
// that has cost much.
func (s *Site) tell(ctx context.Context, pr *auth.Principal, seen *Seen, commits []repo.CommitChanges) (n int, err error) {
	r := s.changeReader(ctx, pr, math.MaxInt64)
	defer r.effort.release()
	for i, c := range commits {
		for _, f := range c.Changes {
			told, err := r.changes(ctx, c, f)
			if err != nil {
				return 0, err
			}
			seen.Changes = append(seen.Changes, told...)
		}
		if r.effort.spent() > pageBudget {
			return i + 1, nil
		}
	}
	return len(commits), nil
}

// Before is [Site.Since] from its other end: what the commits from until back to since did,
// the newest first. An empty until is the newest commit; [Seen.Until] is where it began, and
// from where one can catch up later.
func (s *Site) Before(ctx context.Context, pr *auth.Principal, since, until string, limit int) (*Seen, error) {
	if !s.policy.Knows(pr) {
		return nil, errNoRole()
	}
	if until == "" {
		until, _ = s.Head()
	}
	seen := &Seen{Until: until}
	if since == until {
		return seen, nil
	}
	commits, next, err := s.repo.ChangesBack(ctx, repo.NewHash(since), repo.NewHash(until), limit)
	switch {
	case errors.Is(err, ErrUnknownCommit):
		return nil, errUnknownCommit(err)
	case err != nil:
		return nil, err
	}
	seen.Next = hexOrEmpty(next)
	n, err := s.tell(ctx, pr, seen, commits)
	if err != nil {
		return nil, err
	}
	if n < len(commits) {
		seen.Next = commits[n].Commit.String()
	}
	seen.More = seen.Next != ""
	return seen, nil
}

// SeesCommit says whether pr may read every file that a commit changed, before and
// after it; false for a commit that the branch does not have.
func (s *Site) SeesCommit(ctx context.Context, pr *auth.Principal, commit string) (bool, error) {
	c, err := s.repo.ChangesOf(ctx, repo.NewHash(commit))
	if errors.Is(err, ErrUnknownCommit) || !s.policy.Knows(pr) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if c.Others {
		return false, nil
	}
	r := changeReader{site: s, principal: pr, accesses: map[string]*access{}}
	for _, f := range c.Changes {
		from := f.Path
		if f.Action == repo.Moved {
			from = f.From
		}
		told, err := r.changes(ctx, c, f)
		if err != nil || len(told) == 0 {
			return false, err
		}
		before, err := r.canRead(ctx, from, f.Previous)
		if err != nil || !before {
			return false, err
		}
		after, err := r.canRead(ctx, f.Path, f.Revision)
		if err != nil || !after {
			return false, err
		}
	}
	return true, nil
}

// canRead says whether the caller may read the file at path, whose blob is hash; a
// zero hash is no file.
func (r *changeReader) canRead(ctx context.Context, path content.Path, hash repo.Hash) (bool, error) {
	if hash.IsZero() {
		return true, nil
	}
	at, err := r.state(ctx, path, hash)
	return at.access != nil || r.media(path, hash) != "", err
}

// A Place is a position in the history of the branch: behind a commit, "" for before
// the first one, and behind so many of the files that the next commit changed.
type Place struct {
	Commit string
	Files  int

	within repo.Hash // which is the next commit, where that is known: it may be another one later
}

// Part is the changes behind a place that a caller sees, of at most one commit.
type Part struct {
	Changes []FileChange
	Next    Place  // where to continue
	Commit  string // that ends with them; "" when it goes on
}

// partFiles bounds the files of a part.
const partFiles = 200

// After is [Site.Since] in parts, so that a commit of many files is never in memory as
// a whole. The part behind the newest commit is empty.
func (s *Site) After(ctx context.Context, pr *auth.Principal, at Place) (*Part, error) {
	if !s.policy.Knows(pr) {
		return nil, errNoRole()
	}
	c, err := s.nextCommit(ctx, at.Commit)
	if err != nil || c == nil {
		return &Part{Next: at}, err
	}
	r := s.changeReader(ctx, pr, pageBudget)
	defer r.effort.release()
	part := &Part{}
	if !at.within.IsZero() && at.within != c.Commit { // which was made again, or comes later now
		at.Files = 0
	}
	next := min(at.Files, len(c.Changes))
	for ; next < len(c.Changes) && next < at.Files+partFiles; next++ {
		told, err := r.changes(ctx, *c, c.Changes[next])
		if next > at.Files && isUnavailable(err) {
			break
		}
		if err != nil {
			return nil, err
		}
		part.Changes = append(part.Changes, told...)
	}
	part.Next = Place{at.Commit, next, c.Commit}
	if next == len(c.Changes) {
		part.Commit = c.Commit.String()
		part.Next = Place{Commit: part.Commit}
	}
	return part, nil
}

// nextCommit is the first commit behind another one that changed files, or else the last one
// that was looked at; nil when there is none. NotFound when the other is not of the branch.
func (s *Site) nextCommit(ctx context.Context, since string) (*repo.CommitChanges, error) {
	head, _ := s.Head()
	if since == head {
		return nil, nil
	}
	name := commitKey{since, head}
	if c := s.commits.get(name); c != nil {
		return c, nil
	}
	commits, err := s.repo.NextChanges(ctx, repo.NewHash(since), repo.NewHash(head), 1)
	switch {
	case errors.Is(err, ErrUnknownCommit):
		return nil, errUnknownCommit(err)
	case err != nil || len(commits) == 0:
		return nil, err
	}
	c := &commits[len(commits)-1]
	s.commits.add(name, c)
	return c, nil
}

func errUnknownCommit(err error) error {
	return &Error{Code: NotFound, Detail: say.New("There is no such commit in the history. The history may have been rewritten. Read everything that you need again, and continue from a newer commit."), Err: err}
}

// commitCache holds recent commits: some of few files, and the last one of many, which
// is read in parts. The zero value is ready.
type commitCache struct {
	mu   sync.Mutex
	kept []cachedCommit // the newest last
}

type commitKey struct{ since, head string }

type cachedCommit struct {
	name   commitKey
	commit *repo.CommitChanges
}

const maxCachedCommits = 16

func (all *commitCache) get(name commitKey) *repo.CommitChanges {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, k := range all.kept {
		if k.name == name {
			return k.commit
		}
	}
	return nil
}

func (all *commitCache) add(name commitKey, c *repo.CommitChanges) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.kept = slices.DeleteFunc(all.kept, func(k cachedCommit) bool {
		return k.name == name || len(c.Changes) > partFiles && len(k.commit.Changes) > partFiles
	})
	if len(all.kept) >= maxCachedCommits {
		all.kept = slices.Delete(all.kept, 0, 1)
	}
	all.kept = append(all.kept, cachedCommit{name, c})
}

// Sees identifies what pr sees of changes. Callers who see the same share it.
func (s *Site) Sees(pr *auth.Principal) (string, error) {
	if !s.policy.Knows(pr) {
		return "", errNoRole()
	}
	h := sha256.New()
	for _, c := range s.collections {
		if acc, err := s.access(pr, c.Name, auth.Read); err == nil {
			fmt.Fprintf(h, "%s: %q\n", c.Name, acc.visible())
		}
	}
	fmt.Fprint(h, s.visibleMedia(pr))
	return string(h.Sum(nil)), nil
}

// changeReader reads what commits did, for one caller.
type changeReader struct {
	site      *Site
	principal *auth.Principal
	effort    *budget
	accesses  map[string]*access // by collection; nil for one that the caller may not read
	messages  bool               // the caller gets commit messages, which may be about anything
}

func (s *Site) changeReader(ctx context.Context, pr *auth.Principal, most int64) *changeReader {
	return &changeReader{site: s, principal: pr, effort: s.budget(ctx, pr, most), accesses: map[string]*access{}, messages: s.seesAll(pr)}
}

// entryState is an entry before or after a commit, as the caller sees it.
type entryState struct {
	access   *access // nil when there is nothing to see
	ref      Ref
	path     content.Path
	document *content.Document
	revision string
}

// changes are what one commit did to one file: none where the caller sees nothing of
// it, two where the file was moved from one collection to another.
func (r *changeReader) changes(ctx context.Context, c repo.CommitChanges, f repo.FileChange) ([]FileChange, error) {
	from := f.Path
	if f.Action == repo.Moved {
		from = f.From
	}
	told, err := r.entryChanges(ctx, c, f, from)
	return append(told, r.mediaChanges(c, f, from)...), err
}

// mediaChanges are the changes of a file that was at from, if it is in the media folder.
func (r *changeReader) mediaChanges(c repo.CommitChanges, f repo.FileChange, from content.Path) []FileChange {
	before, after := r.media(from, f.Previous), r.media(f.Path, f.Revision)
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
	if !r.messages {
		told.Message = r.site.subject(repo.Action(told.Action), auth.Media, told.Media)
	}
	return []FileChange{told}
}

// media is the path below the media folder of a file whose blob is hash, if the
// caller may read it; otherwise "".
func (r *changeReader) media(path content.Path, hash repo.Hash) string {
	if c, _ := r.site.owner(path); c != nil || hash.IsZero() {
		return ""
	}
	name := r.site.mediaName("", path)
	if name == "" || !r.site.policy.CanMedia(r.principal, auth.Read, name) {
		return ""
	}
	return name
}

// entryChanges are the changes of a file that was at from, if it is in a collection.
func (r *changeReader) entryChanges(ctx context.Context, c repo.CommitChanges, f repo.FileChange, from content.Path) ([]FileChange, error) {
	before, err := r.state(ctx, from, f.Previous)
	if err != nil {
		return nil, err
	}
	after, err := r.state(ctx, f.Path, f.Revision)
	if err != nil {
		return nil, err
	}
	switch {
	case before.access == nil && after.access == nil:
		return nil, nil
	case before.access == nil:
		return []FileChange{r.change(c, repo.Created, before, after)}, nil
	case after.access == nil:
		return []FileChange{r.change(c, repo.Deleted, before, after)}, nil
	case before.ref.Collection != after.ref.Collection:
		return []FileChange{r.change(c, repo.Deleted, before, entryState{}), r.change(c, repo.Created, entryState{}, after)}, nil
	}
	told := r.change(c, f.Action, before, after)
	if f.Action == repo.Moved {
		told.From = from.String()
	} else if len(told.Changed) == 0 && (!before.access.full || before.revision == after.revision) {
		return nil, nil
	}
	return []FileChange{told}, nil
}

// state is what the file at path, whose blob is hash, is to the caller.
func (r *changeReader) state(ctx context.Context, path content.Path, hash repo.Hash) (entryState, error) {
	c, slug := r.site.owner(path)
	if c == nil || hash.IsZero() {
		return entryState{}, nil
	}
	acc, known := r.accesses[c.Name]
	if !known {
		acc, _ = r.site.access(r.principal, c.Name, auth.Read) // nil for those who may not
		r.accesses[c.Name] = acc
	}
	if acc == nil {
		return entryState{}, nil
	}
	d, err := r.site.parsed(ctx, r.effort, c, hash)
	if err != nil || !acc.canReadFields(d.Fields(), d.Problems()) {
		return entryState{}, err
	}
	return entryState{acc, Ref{c.Name, slug}, path, d, acc.documentRevision(d, hash)}, nil
}

// change is the change between two states, of which one may be zero.
func (r *changeReader) change(c repo.CommitChanges, action repo.Action, before, after entryState) FileChange {
	at := after
	if at.access == nil {
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
	if !r.messages {
		told.Message = r.site.subject(action, at.ref.Collection, at.ref.Slug.String())
	}
	var hidden []string
	docs := [2]*content.Document{content.Parse(nil), content.Parse(nil)}
	for i, s := range []entryState{before, after} {
		if s.access != nil {
			docs[i] = s.document
			hidden = append(hidden, s.access.hidden(s.document.Fields())...)
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
