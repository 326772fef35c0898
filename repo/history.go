package repo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
	"unique"

	"cms/content"
)

// A Change is what a commit did to an entry or another file.
type Change struct {
	Commit   Hash
	At       time.Time // when it was authored, UTC
	Author   Person
	Message  string // the subject
	Action   Action
	Path     content.Path
	From     content.Path // where a moved file was
	Revision Hash         // the blob after the change; zero when deleted
}

// CommitChanges are the files that a commit changed.
type CommitChanges struct {
	Commit  Hash
	At      time.Time
	Author  Person
	Message string
	Depth   int          // as Repo.Depth has it
	Changes []FileChange // in order of path
	Others  bool         // it changed files, too, that no content.Path can name
	Aside   []Aside      // what the commit says it set aside, if it was made here
}

// An Aside is an entry of which a version was set aside, as [Conflict] has it.
type Aside struct {
	Conflict   string // its id
	Collection string
	Slug       content.Slug
	Path       content.Path
}

// A FileChange is the change of one file. Collection and Slug are empty for a
// file that is no entry.
type FileChange struct {
	Collection         string
	Slug               content.Slug
	Path, From         content.Path
	Action             Action
	Revision, Previous Hash // blobs; zero when there is none
}

// A history knows all commits of the branch and which of them touched a path.
// It is extended by the writer and read by everyone. As it grows with every
// edit, what it keeps is packed: less than 200 bytes for a commit of one file.
type history struct {
	mu       sync.RWMutex
	tip      Hash
	commits  commits            // parents before children
	slots    []int32            // a hash table of the commits: the number of one, plus 1; see number
	merged   map[int32][]int32  // the parents of merges, but for the first
	touches  map[string][]touch // by path, oldest first
	late     map[string]bool    // paths whose touches are to be put in order by settle; nil where each is put in its place
	ends     map[moveEnd]string // of moves, the other one
	log      []deletion         // what ended at its path: deletions, and moves away
	dropped  int                // how often commits were taken out
	ended    deletionLists      // made of the log
	recent   [recentCommits][]diffEntry
	arena    *strings.Builder // that there is room in; see intern
	interned *[4096]string    // texts that were kept lately, by their sums
	maxSteps int              // steps of a comparison; see stepBudget
	journal  *journal         // nil when the file of the index lacks more than what it tells
	next     *journal         // what the file lacks that is being made in its stead; nil when none is, or that cannot be told

	committer Person                 // whose commits are believed to stand for others
	stands    map[Hash][]replacement // by commits that stand for others
	replaced  map[Hash]standIn       // by those others; see resolve
}

// A commit is what the history keeps of a commit.
type commit struct {
	hash       Hash
	parent     int32 // the first; -1 when there is none. The others are in merged
	generation int32 // 1 + the greatest of its parents
	depth      int32 // how many commits its first parents, one after the other, are; see chain
	jump       int32 // one of them, the commit itself if it has none
	merges     int32 // how many of them, and the commit itself, are merges
	date       int64 // when it was committed, in Unix seconds, never before its parents
	at         int64 // when it was authored
	author     unique.Handle[Person]
	subject    string
}

// commits is a list in blocks, so that it grows without being copied.
type commits struct{ blocks [][]commit }

const commitBlock = 4096

func (l *commits) len() int {
	if len(l.blocks) == 0 {
		return 0
	}
	last := len(l.blocks) - 1
	return last*commitBlock + len(l.blocks[last])
}

func (l *commits) at(n int32) *commit { return &l.blocks[n/commitBlock][n%commitBlock] }

func (l *commits) append(c commit) {
	if l.len()%commitBlock == 0 {
		l.blocks = append(l.blocks, make([]commit, 0, commitBlock))
	}
	last := &l.blocks[len(l.blocks)-1]
	*last = append(*last, c)
}

// truncate leaves the first n.
func (l *commits) truncate(n int) {
	whole := (n + commitBlock - 1) / commitBlock
	clear(l.blocks[whole:])
	l.blocks = l.blocks[:whole]
	if rest := n % commitBlock; rest > 0 {
		last := &l.blocks[whole-1]
		clear((*last)[rest:])
		*last = (*last)[:rest]
	}
}

// A touch is one commit's change of one path.
type touch struct {
	commit int32
	kind   touchKind
	blob   Hash
}

// A touchKind is what was done to a path. A move has two ends: where the file came
// to, and what it left.
type touchKind uint8

const (
	created touchKind = iota
	updated
	deleted
	moved
	movedAway
)

var touchKinds = map[Action]touchKind{Created: created, Updated: updated, Deleted: deleted, Moved: moved}

func (d touchKind) action() Action { return [...]Action{Created, Updated, Deleted, Moved, Moved}[d] }

// A moveEnd is a path that a commit moved a file to, or from.
type moveEnd struct {
	commit int32
	path   string
}

// recentCommits is how many commits of our own keep their changes, against their
// first parents, at hand.
const recentCommits = 1024

func newHistory() *history {
	return &history{
		merged: make(map[int32][]int32), touches: make(map[string][]touch), ends: make(map[moveEnd]string),
		arena: new(strings.Builder), interned: new([4096]string), maxSteps: maxDiffSteps,
		stands: make(map[Hash][]replacement), replaced: make(map[Hash]standIn),
	}
}

// number is the place of a commit among the commits.
func (h *history) number(hash Hash) (int32, bool) {
	if len(h.slots) == 0 {
		return 0, false
	}
	n := *h.slot(hash) - 1
	return n, n >= 0
}

// slot is where the number of a commit is, or belongs. The slots are a power of
// two, and never full.
func (h *history) slot(hash Hash) *int32 {
	last := uint32(len(h.slots) - 1)
	for i := binary.LittleEndian.Uint32(hash[:]) & last; ; i = (i + 1) & last {
		if n := h.slots[i]; n == 0 || h.commits.at(n-1).hash == hash {
			return &h.slots[i]
		}
	}
}

// addSlot gives the last of the commits its slot.
func (h *history) addSlot() {
	from := h.commits.len() - 1
	if 4*h.commits.len() > 3*len(h.slots) {
		h.slots, from = make([]int32, max(64, 2*len(h.slots))), 0
	}
	for n := from; n < h.commits.len(); n++ {
		*h.slot(h.commits.at(int32(n)).hash) = int32(n + 1)
	}
}

// parents are the numbers of a commit's parents.
func (h *history) parents(n int32) []int32 {
	if h.commits.at(n).parent < 0 {
		return nil
	}
	return append([]int32{h.commits.at(n).parent}, h.merged[n]...)
}

// intern is a copy of s that lies beside those that were kept before, so that many
// short ones take no more than they are long; or an equal one that was interned lately.
func (h *history) intern(s string) string {
	const block = 16 << 10
	known := &h.interned[maphash.String(textSeed, s)%uint64(len(h.interned))]
	if *known == s {
		return *known
	}
	if h.arena.Cap()-h.arena.Len() < len(s) {
		h.arena = new(strings.Builder)
		h.arena.Grow(max(block, len(s)))
	}
	from := h.arena.Len()
	h.arena.WriteString(s)
	*known = h.arena.String()[from:]
	return *known
}

var textSeed = maphash.MakeSeed()

// before says whether the commit a comes before b: by date, as git log shows
// them, but never a child before its parent.
func (h *history) before(a, b int32) bool { return h.compare(a, b) < 0 }

func (h *history) compare(a, b int32) int {
	x, y := h.commits.at(a), h.commits.at(b)
	return cmp.Or(cmp.Compare(x.date, y.date), cmp.Compare(x.generation, y.generation), bytes.Compare(x.hash[:], y.hash[:]))
}

// add appends a commit on top of its parents, which are known, with its changes.
func (h *history) add(c commit, parents []int32, changes []diffEntry) {
	n := int32(h.commits.len())
	c.parent, c.generation, c.depth, c.merges = -1, 1, 0, 0
	for i, p := range parents {
		c.generation = max(c.generation, h.commits.at(p).generation+1)
		c.date = max(c.date, h.commits.at(p).date)
		if i == 0 {
			c.parent = p
		} else {
			h.merged[n] = append(h.merged[n], p)
		}
	}
	h.linkJump(&c, len(parents))
	c.subject = h.intern(c.subject)
	h.commits.append(c)
	h.addSlot()
	h.recent[n%recentCommits] = nil
	for _, ch := range changes {
		other := ""
		if ch.action == Moved {
			other = ch.from
			h.touch(ch.from, touch{n, movedAway, ch.after.hash}, ch.path)
		}
		h.touch(ch.path, touch{n, touchKinds[ch.action], ch.after.hash}, other)
	}
}

// touch notes the touch of path, and the other end of a move.
func (h *history) touch(path string, t touch, other string) {
	for _, j := range []*journal{h.journal, h.next} {
		if j != nil {
			j.touches = append(j.touches, pathTouch{path, t})
		}
	}
	if t.kind >= moved {
		h.ends[moveEnd{t.commit, path}] = other
	}
	if t.kind == deleted || t.kind == movedAway {
		h.log = append(h.log, deletion{t.commit, path})
	}
	list := h.touches[path]
	switch n := len(list); {
	case n == 0 || !h.before(t.commit, list[n-1].commit):
		h.touches[path] = append(list, t)
	case h.late != nil:
		h.touches[path], h.late[path] = append(list, t), true
	default:
		at := sort.Search(n, func(i int) bool { return h.before(t.commit, list[i].commit) })
		h.touches[path] = slices.Insert(list, at, t)
	}
}

// many has touches put in order when settle is called, and not one by one: those of a branch
// that is merged may all be older than all that there are of a path.
func (h *history) many() { h.late = make(map[string]bool) }

func (h *history) settle() {
	for path := range h.late {
		slices.SortStableFunc(h.touches[path], func(a, b touch) int { return h.compare(a.commit, b.commit) })
	}
	h.late = nil
}

// changedInBoth keeps the changes of a whose path is changed in b too.
func changedInBoth(a, b []diffEntry) []diffEntry {
	paths := make(map[string]bool, len(b))
	for _, c := range b {
		paths[c.path] = true
	}
	return slices.DeleteFunc(a, func(c diffEntry) bool { return !paths[c.path] })
}

// treesKept is how many bytes of trees are kept by those who go through a history, all of
// them together.
const treesKept = 128 << 20

// cachedTrees reads trees and keeps some, in limit bytes: the tree of a commit is wanted
// again for its child.
func cachedTrees(s *store, limit int) func(Hash) ([]byte, error) {
	kept, size := make(map[Hash][]byte), 0
	return func(h Hash) ([]byte, error) {
		if raw, ok := kept[h]; ok {
			return raw, nil
		}
		raw, err := s.tree(h)
		if err != nil {
			return nil, err
		}
		if size += len(raw); size > limit {
			clear(kept)
			size = len(raw)
		}
		kept[h] = raw
		return raw, nil
	}
}

// change is the touch t of path as callers see it.
func (h *history) change(path string, t touch) Change {
	f := diffEntry{path: path, action: t.kind.action(), after: file{hash: t.blob}}
	switch t.kind {
	case moved:
		f.from = h.ends[moveEnd{t.commit, path}]
	case movedAway:
		f.path, f.from = h.ends[moveEnd{t.commit, path}], path
	}
	return h.commits.at(t.commit).change(f)
}

func (c *commit) change(f diffEntry) Change {
	return Change{
		Commit: c.hash, At: instant(c.at), Author: c.author.Value(), Message: c.subject,
		Action: f.action, Path: asPath(f.path), From: asPath(f.from), Revision: f.after.hash,
	}
}

// asPath is s as a Path, zero when it cannot be one.
func asPath(s string) content.Path {
	if s == "" { // as it is where a file has not moved
		return content.Path{}
	}
	p, err := content.ParsePath(s)
	if err != nil {
		return content.Path{}
	}
	return p
}

// last is the change that made path what it is, with the content blob.
func (h *history) last(path string, blob Hash) Change {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if t, ok := h.lastTouch(path, blob); ok {
		return h.change(path, t)
	}
	return Change{}
}

// touched says whether a commit touched path.
func (h *history) touched(path string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.touches[path]) > 0
}

// lastTouch is the one that made path what it is, with the content blob.
func (h *history) lastTouch(path string, blob Hash) (touch, bool) {
	list := h.touches[path]
	for _, t := range slices.Backward(list) {
		if t.blob == blob && t.kind != movedAway {
			return t, true
		}
	}
	if len(list) == 0 {
		return touch{}, false
	}
	return list[len(list)-1], true
}

// fileHistory lists the changes of path, newest first, and before it was moved there
// those of the path where it was: the last limit of them, or all when it is 0.
func (h *history) fileHistory(path string, limit int) (out []Change) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for until := int32(-1); ; {
		from := false // another path
		for _, t := range slices.Backward(h.touches[path]) {
			if until >= 0 && !h.before(t.commit, until) {
				continue
			}
			out = append(out, h.change(path, t))
			if len(out) == limit {
				return out
			}
			if t.kind == moved {
				path, until, from = h.ends[moveEnd{t.commit, path}], t.commit, true
				break
			}
		}
		if !from {
			return out
		}
	}
}

// size is the number of commits.
func (h *history) size() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.commits.len()
}

// Rewritten is how often commits were taken from the branch since the repository was opened.
func (r *Repo) Rewritten() int {
	r.history.mu.RLock()
	defer r.history.mu.RUnlock()
	return r.history.dropped
}

// Position is the place of a commit among those of the branch, from 0: parents
// before children, and what a merge brings behind what stood on the branch before
// it. So a commit of the branch itself contains what is not behind it. A commit that was
// made again is where the one is that stands for it.
func (r *Repo) Position(commit Hash) (int, bool) {
	r.history.mu.RLock()
	defer r.history.mu.RUnlock()
	n, _, ok := r.history.resolve(commit)
	return int(n), ok
}

// A madeCommit was made here.
type madeCommit struct {
	commit
	changes []diffEntry
}

// append takes in commits that were made here, on top of the tip.
func (h *history) append(list []madeCommit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range list {
		n := int32(h.commits.len())
		var parents []int32
		if tip, ok := h.number(h.tip); ok {
			parents = []int32{tip}
		}
		h.add(c.commit, parents, c.changes)
		h.recent[n%recentCommits] = c.changes
		h.tip = c.hash
	}
}

// History lists the commits that touched the file at path, newest first, and
// follows it through moves to where it was before. It is empty for a path that
// never was.
func (r *Repo) History(ctx context.Context, path content.Path) ([]Change, error) {
	return r.history.fileHistory(path.String(), 0), ctx.Err()
}

// Recent is the last n of [Repo.History], at least one.
func (r *Repo) Recent(path content.Path, n int) []Change {
	return r.history.fileHistory(path.String(), n)
}

// Changes lists what each commit after since, up to until, changed, oldest
// first. A zero since is before the first commit; a zero until is the tip of the
// current snapshot. The differences add up to the one between since and until;
// where branches were merged, those of the other side are the merge's. The list
// ends with the commit that brings it to limit changes of files, or goes on to
// until when limit is 0. ErrUnknownCommit when since does not lead to until. Where since was
// made again, as others were first at the remote, the list begins with the commit that
// stands for it and what differs between the two: that is what they did.
func (r *Repo) Changes(ctx context.Context, since, until Hash, limit int) ([]CommitChanges, error) {
	return r.changes(ctx, since, until, limit, math.MaxInt)
}

// NextChanges is [Repo.Changes] for a page: it ends, too, with the last of maxPageCommits
// commits. More of them may change fewer files than limit, as many that change none do.
func (r *Repo) NextChanges(ctx context.Context, since, until Hash, limit int) ([]CommitChanges, error) {
	return r.changes(ctx, since, until, limit, maxPageCommits)
}

// maxPageCommits is how many commits one page is made of at most.
const maxPageCommits = 2000

// changes is [Repo.Changes] of no more than commits of them.
func (r *Repo) changes(ctx context.Context, since, until Hash, limit, commits int) ([]CommitChanges, error) {
	if until.IsZero() {
		if until = r.View().Commit(); until.IsZero() {
			return nil, nil
		}
	}
	read := cachedTrees(r.store, treesKept/2)
	most := stepsAtOnce
	if limit > 0 {
		most = min(limit, most)
	}
	var out []CommitChanges
	for count := 0; ; {
		steps, err := r.history.steps(since, until, most)
		if err != nil {
			return nil, err
		}
		for _, c := range steps {
			done, err := r.commitChanges(ctx, read, c)
			if err != nil {
				return nil, err
			}
			out = append(out, done)
			if count += done.files(); limit > 0 && count >= limit || len(out) >= commits {
				return out, nil
			}
			since = c.hash
		}
		if len(steps) < most {
			return out, nil
		}
	}
}

// ChangesBack is [Repo.NextChanges] from its other end: the newest first, until there are limit
// changes of files. The commit next is the one to go on with as until, zero at the end.
func (r *Repo) ChangesBack(ctx context.Context, since, until Hash, limit int) (out []CommitChanges, next Hash, err error) {
	read := cachedTrees(r.store, treesKept/2)
	for count := 0; ; {
		steps, err := r.history.stepsBack(since, until, min(limit, stepsAtOnce))
		if err != nil {
			return nil, Hash{}, err
		}
		for _, c := range steps {
			done, err := r.commitChanges(ctx, read, c)
			if err != nil {
				return nil, Hash{}, err
			}
			out, until = append(out, done), c.base
			if until == since {
				return out, Hash{}, nil
			}
			if count += done.files(); count >= limit || len(out) >= maxPageCommits {
				return out, until, nil
			}
		}
		if len(steps) == 0 {
			return out, Hash{}, nil
		}
	}
}

// commitChanges is what one step changed.
func (r *Repo) commitChanges(ctx context.Context, read func(Hash) ([]byte, error), c step) (CommitChanges, error) {
	if err := ctx.Err(); err != nil {
		return CommitChanges{}, err
	}
	changes, err := r.changesOf(read, c)
	if err != nil {
		return CommitChanges{}, fmt.Errorf("diff commit %s: %w", c.hash, err)
	}
	aside, err := r.asideBy(c)
	files, others := r.fileChanges(changes)
	return CommitChanges{
		Commit: c.hash, At: instant(c.at), Author: c.author.Value(), Message: c.subject,
		Depth: int(c.generation), Changes: files, Others: others, Aside: aside,
	}, err
}

// files is the number of changes, of which those of files at no path are one.
func (c *CommitChanges) files() int {
	if c.Others {
		return len(c.Changes) + 1
	}
	return len(c.Changes)
}

// ChangesOf is what a commit changed against its first parent. ErrUnknownCommit
// for one that is not in the history.
func (r *Repo) ChangesOf(ctx context.Context, commit Hash) (CommitChanges, error) {
	before, err := r.history.parentOf(commit)
	if err != nil {
		return CommitChanges{}, err
	}
	found, err := r.Changes(ctx, before, commit, 1)
	if err != nil || len(found) == 0 {
		return CommitChanges{}, err
	}
	return found[0], nil
}

// changesOf is what a commit changed against the one before it on the path.
func (r *Repo) changesOf(read func(Hash) ([]byte, error), c step) ([]diffEntry, error) {
	if c.changes != nil {
		return c.changes, nil
	}
	var base Hash
	tree, err := r.store.treeOf(c.hash)
	if err == nil && !c.base.IsZero() {
		if base, err = r.store.treeOf(c.base); errors.Is(err, ErrNotFound) && !c.upon.IsZero() {
			return r.changesInstead(read, c)
		}
	}
	if err != nil {
		return nil, err
	}
	d := treeDiff{tree: read, blob: r.store.blobForRename, budget: newStepBudget(r.history.maxSteps)}
	return d.against([]Hash{base}, tree)
}

// FindKey is the commit after since that was made here with this Meta.Key, zero if
// there is none: who pushes can write such a trailer too, and is told apart by the
// committer. It looks at the whole branch when since is zero, or is no longer
// part of it. While it is in doubt what a write has saved that failed late, FindKey
// has that decided first.
func (r *Repo) FindKey(ctx context.Context, since Hash, key string) (Hash, error) {
	if r.inDoubt.Load() != nil {
		if err := r.requestUpdate(ctx, &refUpdate{}); err != nil {
			return Hash{}, err
		}
	}
	if r.mayHaveTaken() {
		if err := r.Fetch(ctx); err != nil {
			return Hash{}, storageError(fmt.Errorf("ask the remote what it has taken: %w", err))
		}
	}
	return r.findKey(ctx, since, key)
}

func (r *Repo) findKey(ctx context.Context, since Hash, key string) (Hash, error) {
	for {
		list := r.history.later(since, stepsAtOnce)
		for _, hash := range list {
			if err := ctx.Err(); err != nil {
				return Hash{}, err
			}
			o, err := r.store.commit(hash)
			if err != nil {
				return Hash{}, err
			}
			if o.committer == r.committer.clean() && keyOf(o.message) == key {
				return hash, nil
			}
			since = hash
		}
		if len(list) < stepsAtOnce {
			return Hash{}, nil
		}
	}
}

// later begins the list of the commits that came after since, most of them at most, parents
// before children: all that follow upon it are there, also those that a merge of others has by
// another parent than the first. It is of all commits where since is not known.
func (h *history) later(since Hash, most int) (list []Hash) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n := int32(-1)
	if at, _, ok := h.resolve(since); ok {
		n = at
	}
	for n++; int(n) < h.commits.len() && len(list) < most; n++ {
		list = append(list, h.commits.at(n).hash)
	}
	return list
}

// fileChanges are those of files at a path, and whether there are others. A file that was
// moved there from none was created, and one that was moved to none was deleted.
func (r *Repo) fileChanges(list []diffEntry) (out []FileChange, others bool) {
	out = make([]FileChange, 0, len(list))
	for _, c := range list {
		p, from := asPath(c.path), asPath(c.from)
		switch {
		case c.action == Moved && from.IsZero():
			c.action, c.before, others = Created, file{}, true
		case c.action == Moved && p.IsZero():
			p, from, others = from, content.Path{}, true
			c.action, c.after = Deleted, file{}
		}
		if p.IsZero() {
			others = true
			continue
		}
		f := FileChange{Path: p, From: from, Action: c.action, Revision: c.after.hash, Previous: c.before.hash}
		if coll, slug, ok := r.collections.owner(p); ok && (c.after.regular() || c.after == (file{}) && c.before.regular()) {
			f.Collection, f.Slug = coll.Name, slug
		}
		out = append(out, f)
	}
	if others { // where a move ended at none, it may stand at the place of what it left
		slices.SortStableFunc(out, func(a, b FileChange) int { return cmp.Compare(a.Path.String(), b.Path.String()) })
	}
	return out, others
}
