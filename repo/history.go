package repo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unique"

	"golang.org/x/sync/errgroup"

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
	Changes []FileChange // in order of path
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
	mu      sync.RWMutex
	tip     Hash
	commits commits            // parents before children
	slots   []int32            // a hash table of the commits: the number of one, plus 1; see number
	merged  map[int32][]int32  // the parents of merges, but for the first
	touches map[string][]touch // by path, oldest first
	ends    map[end]string     // of moves, the other one
	recent  [recentCommits][]fileChange
	texts   *strings.Builder // that there is room in; see keep
	known   *[4096]string    // texts that were kept lately, by their sums
	journal *journal         // nil when the file of the index lacks more than what it tells
}

// A commit is what the history keeps of a commit.
type commit struct {
	hash       Hash
	parent     int32 // the first; -1 when there is none. The others are in merged
	generation int32 // 1 + the greatest of its parents
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

// A touch is one commit's change of one path.
type touch struct {
	commit int32
	deed   deed
	blob   Hash
}

// A deed is what was done to a path. A move has two ends: where the file came
// to, and what it left.
type deed uint8

const (
	created deed = iota
	updated
	deleted
	moved
	left
)

var deeds = map[Action]deed{Created: created, Updated: updated, Deleted: deleted, Moved: moved}

func (d deed) action() Action { return [...]Action{Created, Updated, Deleted, Moved, Moved}[d] }

// An end is a path that a commit moved a file to, or from.
type end struct {
	commit int32
	path   string
}

// recentCommits is how many commits of our own keep their changes, against their
// first parents, at hand.
const recentCommits = 1024

func newHistory() *history {
	return &history{
		merged: make(map[int32][]int32), touches: make(map[string][]touch), ends: make(map[end]string),
		texts: new(strings.Builder), known: new([4096]string),
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

// enter gives the last of the commits its slot.
func (h *history) enter() {
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

// keep is a copy of s that lies beside those that were kept before, so that many
// short ones take no more than they are long; or an equal one that was kept lately.
func (h *history) keep(s string) string {
	const block = 16 << 10
	known := &h.known[maphash.String(textSeed, s)%uint64(len(h.known))]
	if *known == s {
		return *known
	}
	if h.texts.Cap()-h.texts.Len() < len(s) {
		h.texts = new(strings.Builder)
		h.texts.Grow(max(block, len(s)))
	}
	from := h.texts.Len()
	h.texts.WriteString(s)
	*known = h.texts.String()[from:]
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
func (h *history) add(c commit, parents []int32, changes []fileChange) {
	n := int32(h.commits.len())
	c.parent, c.generation = -1, 1
	for i, p := range parents {
		c.generation = max(c.generation, h.commits.at(p).generation+1)
		c.date = max(c.date, h.commits.at(p).date)
		if i == 0 {
			c.parent = p
		} else {
			h.merged[n] = append(h.merged[n], p)
		}
	}
	c.subject = h.keep(c.subject)
	h.commits.append(c)
	h.enter()
	h.recent[n%recentCommits] = nil
	for _, ch := range changes {
		other := ""
		if ch.action == Moved {
			other = ch.from
			h.touch(ch.from, touch{n, left, ch.after.hash}, ch.path)
		}
		h.touch(ch.path, touch{n, deeds[ch.action], ch.after.hash}, other)
	}
}

// touch notes the touch of path, and the other end of a move.
func (h *history) touch(path string, t touch, other string) {
	if h.journal != nil {
		h.journal.touches = append(h.journal.touches, journaled{path, t})
	}
	if t.deed >= moved {
		h.ends[end{t.commit, path}] = other
	}
	list := append(h.touches[path], t)
	if n := len(list); n > 1 && h.before(t.commit, list[n-2].commit) {
		slices.SortFunc(list, func(a, b touch) int { return h.compare(a.commit, b.commit) })
	}
	h.touches[path] = list
}

// extend takes in the commits up to tip and says which paths they touched. It
// starts over when the old tip is no ancestor of the new one; all is true then.
// Only one goroutine at a time may extend a history.
func (h *history) extend(ctx context.Context, s *store, tip Hash) (touched []string, all bool, err error) {
	if tip == h.tip {
		return nil, false, nil
	}
	news, forward, err := h.unknown(ctx, s, tip)
	if err != nil {
		return nil, false, err
	}
	if !forward {
		fresh := newHistory()
		if _, _, err := fresh.extend(ctx, s, tip); err != nil {
			return nil, false, err
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.tip, h.commits, h.slots, h.merged = fresh.tip, fresh.commits, fresh.slots, fresh.merged
		h.touches, h.ends, h.recent, h.texts, h.journal = fresh.touches, fresh.ends, fresh.recent, fresh.texts, nil
		return nil, true, nil
	}
	found, err := h.changesOf(ctx, s, news)
	if err != nil {
		return nil, false, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, n := range news {
		var parents []int32
		for _, p := range n.parents {
			number, _ := h.number(p)
			parents = append(parents, number)
		}
		h.add(n.commit, parents, found[i])
		for _, ch := range found[i] {
			touched = append(touched, ch.path)
		}
	}
	h.tip = tip
	return touched, false, nil
}

// A newCommit was read but is not part of the history yet.
type newCommit struct {
	commit
	tree    Hash
	parents []Hash
}

// unknown reads the ancestors of tip that h does not hold, parents first. It is
// not forward when h's own tip is not among the ancestors.
func (h *history) unknown(ctx context.Context, s *store, tip Hash) (list []newCommit, forward bool, err error) {
	forward = h.tip.IsZero()
	read := make(map[Hash]*newCommit) // nil once it is in list
	for stack := []Hash{tip}; len(stack) > 0; {
		top := stack[len(stack)-1]
		c, seen := read[top]
		if _, known := h.number(top); known || seen && c == nil {
			forward = forward || top == h.tip
			stack = stack[:len(stack)-1]
			continue
		}
		if seen { // and so are its parents
			list = append(list, *c)
			read[top] = nil
			stack = stack[:len(stack)-1]
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		o, err := s.commit(top)
		if err != nil {
			return nil, false, err
		}
		subject, _, _ := strings.Cut(strings.TrimLeft(o.Message, "\n"), "\n")
		read[top] = &newCommit{
			commit: commit{
				hash: top, date: o.Committer.When.Unix(), at: o.Author.When.Unix(),
				author: unique.Make(Person{o.Author.Name, o.Author.Email}), subject: subject,
			},
			tree: o.TreeHash, parents: o.ParentHashes,
		}
		for _, p := range slices.Backward(o.ParentHashes) { // so that what a merge brings follows all that it was merged into
			stack = append(stack, p)
		}
	}
	return list, forward, nil
}

// changesOf finds what each commit changed: what differs from its parent, or
// from every one of its parents. Of many commits, parts are done in parallel.
func (h *history) changesOf(ctx context.Context, s *store, list []newCommit) ([][]fileChange, error) {
	trees := make(map[Hash]Hash, len(list))
	for _, c := range list {
		trees[c.hash] = c.tree
	}
	treeOf := func(s *store, commit Hash) (Hash, error) {
		if t, ok := trees[commit]; ok {
			return t, nil
		}
		return s.treeOf(commit)
	}
	out := make([][]fileChange, len(list))
	part := func(ctx context.Context, s *store, from, to int) error {
		read := cachedTrees(s)
		for i := from; i < to; i++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			parents := []Hash{{}}
			if len(list[i].parents) > 0 {
				parents = parents[:0]
				for _, p := range list[i].parents {
					tree, err := treeOf(s, p)
					if err != nil {
						return err
					}
					parents = append(parents, tree)
				}
			}
			changes, err := changesAgainst(read, parents, list[i].tree)
			if err != nil {
				return fmt.Errorf("diff commit %s: %w", list[i].hash, err)
			}
			out[i] = changes
		}
		return nil
	}
	const worthwhile = 1000
	if len(list) < worthwhile {
		return out, part(ctx, s, 0, len(list))
	}
	g, ctx := errgroup.WithContext(ctx)
	size := len(list)/runtime.GOMAXPROCS(0) + 1
	for from := 0; from < len(list); from += size {
		g.Go(func() error {
			own := &store{dir: s.dir}
			return errors.Join(part(ctx, own, from, min(from+size, len(list))), own.Close())
		})
	}
	return out, g.Wait()
}

// changesAgainst lists what differs in tree from every one of the parents.
func changesAgainst(read func(Hash) ([]byte, error), parents []Hash, tree Hash) (out []fileChange, err error) {
	for k, parent := range parents {
		d := differ{tree: read}
		if err := d.diff(parent, tree, ""); err != nil {
			return nil, err
		}
		if k == 0 {
			out = d.out
		} else {
			out = inBoth(out, d.out)
		}
	}
	return classify(out), nil
}

// inBoth keeps the changes of a whose path is changed in b too.
func inBoth(a, b []fileChange) []fileChange {
	paths := make(map[string]bool, len(b))
	for _, c := range b {
		paths[c.path] = true
	}
	return slices.DeleteFunc(a, func(c fileChange) bool { return !paths[c.path] })
}

// cachedTrees reads trees and keeps some: the tree of a commit is wanted again
// for its child.
func cachedTrees(s *store) func(Hash) ([]byte, error) {
	const limit = 64 << 20
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
	f := fileChange{path: path, action: t.deed.action(), after: file{hash: t.blob}}
	switch t.deed {
	case moved:
		f.from = h.ends[end{t.commit, path}]
	case left:
		f.path, f.from = h.ends[end{t.commit, path}], path
	}
	return h.commits.at(t.commit).change(f)
}

func (c *commit) change(f fileChange) Change {
	return Change{
		Commit: c.hash, At: time.Unix(c.at, 0).UTC(), Author: c.author.Value(), Message: c.subject,
		Action: f.action, Path: asPath(f.path), From: asPath(f.from), Revision: f.after.hash,
	}
}

// asPath is s as a Path, zero when it cannot be one.
func asPath(s string) content.Path {
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
	list := h.touches[path]
	if len(list) == 0 {
		return Change{}
	}
	best := list[len(list)-1]
	for _, t := range slices.Backward(list) {
		if t.blob == blob && t.deed != left {
			best = t
			break
		}
	}
	return h.change(path, best)
}

// of lists the changes of path, newest first, and before it was moved there
// those of the path where it was: the last limit of them, or all when it is 0.
func (h *history) of(path string, limit int) (out []Change) {
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
			if t.deed == moved {
				path, until, from = h.ends[end{t.commit, path}], t.commit, true
				break
			}
		}
		if !from {
			return out
		}
	}
}

// A step is a commit on the way from one to another.
type step struct {
	commit
	base    Hash         // the commit that it is compared with, zero for the first of all
	changes []fileChange // against base, if they are at hand
}

// path lists the commits that lead from since (not included; zero is before the
// first) to until, oldest first: along first parents where they lead there.
func (h *history) path(since, until Hash) ([]step, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	first := int32(-1)
	if !since.IsZero() {
		n, ok := h.number(since)
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrUnknownCommit, since)
		}
		first = n
	}
	last, ok := h.number(until)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrUnknownCommit, until)
	}
	leads := make([]bool, max(0, last-first+1)) // whether first is an ancestor of first+i
	from := func(n int32) bool { return n == first || n > first && leads[n-first] }
	for n := first + 1; n <= last; n++ {
		leads[n-first] = first < 0 || slices.ContainsFunc(h.parents(n), from)
	}
	var out []step
	for n := last; n != first; {
		if !from(n) {
			return nil, fmt.Errorf("%w: %s does not lead to %s", ErrUnknownCommit, since, until)
		}
		at := step{commit: *h.commits.at(n)}
		parents := h.parents(n)
		i := slices.IndexFunc(parents, from)
		if i <= 0 && int(n) >= h.commits.len()-recentCommits {
			at.changes = h.recent[n%recentCommits]
		}
		if i < 0 { // the first commit of all
			n = first
		} else {
			n = parents[i]
			at.base = h.commits.at(n).hash
		}
		out = append(out, at)
	}
	slices.Reverse(out)
	return out, nil
}

// size is the number of commits.
func (h *history) size() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.commits.len()
}

// Position is the place of a commit among those of the branch, from 0: parents
// before children, and what a merge brings behind what stood on the branch before
// it. So a commit of the branch itself contains what is not behind it.
func (r *Repo) Position(commit Hash) (int, bool) {
	r.history.mu.RLock()
	defer r.history.mu.RUnlock()
	n, ok := r.history.number(commit)
	return int(n), ok
}

// A madeCommit was made here.
type madeCommit struct {
	commit
	changes []fileChange
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
	return r.history.of(path.String(), 0), ctx.Err()
}

// Recent is the last n of [Repo.History], at least one.
func (r *Repo) Recent(path content.Path, n int) []Change { return r.history.of(path.String(), n) }

// Changes lists what each commit after since, up to until, changed, oldest
// first. A zero since is before the first commit; a zero until is the tip of the
// current snapshot. The differences add up to the one between since and until;
// where branches were merged, those of the other side are the merge's. The list
// ends with the commit that brings it to limit changes of files, or goes on to
// until when limit is 0. ErrUnknownCommit when since does not lead to until.
func (r *Repo) Changes(ctx context.Context, since, until Hash, limit int) ([]CommitChanges, error) {
	if until.IsZero() {
		if until = r.View().Commit(); until.IsZero() {
			return nil, nil
		}
	}
	steps, err := r.history.path(since, until)
	if err != nil {
		return nil, err
	}
	read := cachedTrees(r.store)
	var out []CommitChanges
	count := 0
	for _, c := range steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if c.changes == nil {
			var base Hash
			tree, err := r.store.treeOf(c.hash)
			if err == nil && !c.base.IsZero() {
				base, err = r.store.treeOf(c.base)
			}
			if err == nil {
				c.changes, err = changesAgainst(read, []Hash{base}, tree)
			}
			if err != nil {
				return nil, fmt.Errorf("diff commit %s: %w", c.hash, err)
			}
		}
		files := r.fileChanges(c.changes)
		out = append(out, CommitChanges{
			Commit: c.hash, At: time.Unix(c.at, 0).UTC(), Author: c.author.Value(), Message: c.subject,
			Changes: files,
		})
		if count += len(files); limit > 0 && count >= limit {
			break
		}
	}
	return out, nil
}

// FindKey is the commit after since that was made here with this Meta.Key, zero if
// there is none: who pushes can write such a trailer too, and is told apart by the
// committer. It looks at the whole branch when since is zero, or is no longer
// part of it. While it is in doubt what a write has saved that failed late, FindKey
// has that decided first.
func (r *Repo) FindKey(ctx context.Context, since Hash, key string) (Hash, error) {
	if r.doubt.Load() != nil {
		if err := r.adopt(ctx, Hash{}, Hash{}); err != nil {
			return Hash{}, err
		}
	}
	tip := r.View().Commit()
	if tip.IsZero() {
		return Hash{}, nil
	}
	steps, err := r.history.path(since, tip)
	if errors.Is(err, ErrUnknownCommit) {
		steps, err = r.history.path(Hash{}, tip)
	}
	if err != nil {
		return Hash{}, err
	}
	for _, c := range steps {
		if err := ctx.Err(); err != nil {
			return Hash{}, err
		}
		o, err := r.store.commit(c.hash)
		if err != nil {
			return Hash{}, err
		}
		if committed := (Person{o.Committer.Name, o.Committer.Email}); committed == r.committer.clean() && keyOf(o.Message) == key {
			return c.hash, nil
		}
	}
	return Hash{}, nil
}

func (r *Repo) fileChanges(list []fileChange) []FileChange {
	out := make([]FileChange, 0, len(list))
	for _, c := range list {
		p, err := content.ParsePath(c.path)
		if err != nil {
			continue // such a file can be no entry and is out of reach
		}
		f := FileChange{Path: p, From: asPath(c.from), Action: c.action, Revision: c.after.hash, Previous: c.before.hash}
		if coll, slug, ok := r.collections.owner(p); ok && (c.after.regular() || c.after == (file{}) && c.before.regular()) {
			f.Collection, f.Slug = coll.Name, slug
		}
		out = append(out, f)
	}
	return out
}
