package repo

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"unique"

	"golang.org/x/sync/errgroup"
)

// An extension is all that a history needs to go on to another tip. To make it
// takes reading, which may fail; to put it in does not.
type extension struct {
	tip     Hash
	added   []newCommit // parents before children
	changes [][]diffEntry
	left    leftPaths // by those of them that are merges
	lost    []int32   // commits of the history that do not lead to tip, the last one first
	touched []string  // paths that commits touched which are lost, or made one with others anew
	skipped int       // how many folders were passed over

	progress *Progress // is told; may be nil
}

// A newCommit was read but is not part of the history yet.
type newCommit struct {
	commit
	tree    Hash
	parents []Hash
	stands  []replacement
}

// extension reads what leads to tip. The writer alone calls it, and extends the
// history by it before anything else is done to that.
func (h *history) extension(ctx context.Context, s *store, tip Hash, progress *Progress) (*extension, error) {
	e := &extension{tip: tip, progress: progress}
	if tip == h.tip {
		return e, nil
	}
	progress.begin(ReadingCommits, 0)
	met, err := e.readCommits(ctx, h, s)
	if err != nil {
		return nil, err
	}
	if at, ok := h.number(h.tip); ok && !slices.Contains(met, at) {
		e.lost = h.lostFrom(at, met)
	}
	if n := len(e.lost); n > 0 {
		e.touched = h.touchedFrom(e.lost[n-1])
	}
	return e, e.diffCommits(ctx, s, h.maxSteps)
}

// readCommits reads the commits that h does not hold, and says where it met those that it
// does.
func (e *extension) readCommits(ctx context.Context, h *history, s *store) (met []int32, err error) {
	read := make(map[Hash]*newCommit) // nil once it is in news
	for stack := []Hash{e.tip}; len(stack) > 0; {
		top := stack[len(stack)-1]
		c, seen := read[top]
		if n, known := h.number(top); known || seen && c == nil {
			if known {
				met = append(met, n)
			}
			stack = stack[:len(stack)-1]
			continue
		}
		if seen { // and so are its parents
			e.added = append(e.added, *c)
			read[top] = nil
			stack = stack[:len(stack)-1]
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		o, err := s.commit(top)
		if err != nil {
			return nil, err
		}
		e.progress.step()
		read[top] = &newCommit{
			commit: commit{hash: top, date: o.committed, at: o.at, author: unique.Make(o.author.clip()), subject: o.subject()},
			tree:   o.tree, parents: o.parents, stands: o.replacements(h.committer),
		}
		for _, p := range slices.Backward(o.parents) { // so that what a merge brings follows all that it was merged into
			stack = append(stack, p)
		}
	}
	return met, nil
}

// lostFrom are the commits that lead to tip but to none of the commits that stay, the
// last one first. It costs what is lost, and what stays of the same time.
func (h *history) lostFrom(tip int32, stay []int32) []int32 {
	stays := map[int32]bool{tip: false}
	queue := &commitHeap{tip}
	for _, n := range stay {
		if _, queued := stays[n]; !queued {
			heap.Push(queue, n)
		}
		stays[n] = true
	}
	var lost []int32
	for doubtful := 1; doubtful > 0; {
		n, _ := heap.Pop(queue).(int32)
		if !stays[n] {
			lost = append(lost, n)
			doubtful--
		}
		for _, p := range h.parents(n) {
			was, queued := stays[p]
			if !queued {
				heap.Push(queue, p)
			}
			switch {
			case !queued && !stays[n]:
				doubtful++
			case queued && !was && stays[n]:
				doubtful--
			}
			stays[p] = was || stays[n]
		}
	}
	return lost
}

// dropUnreachable takes out what does not lead to the tip: an index may tell of it that
// was saved while a push was being taken in, which was then withdrawn.
func (h *history) dropUnreachable() {
	leads := make([]bool, h.commits.len())
	if tip, ok := h.number(h.tip); ok {
		leads[tip] = true
	}
	var unreachable []int32
	for n := int32(len(leads)) - 1; n >= 0; n-- {
		if !leads[n] {
			unreachable = append(unreachable, n)
			continue
		}
		for _, p := range h.parents(n) {
			leads[p] = true
		}
	}
	if n := len(unreachable); n > 0 {
		h.drop(unreachable, h.touchedFrom(unreachable[n-1]))
	}
}

// commitHeap is a heap of commits, the last one on top.
type commitHeap []int32

func (q commitHeap) Len() int           { return len(q) }
func (q commitHeap) Less(i, j int) bool { return q[i] > q[j] }
func (q commitHeap) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *commitHeap) Push(n any)        { *q = append(*q, n.(int32)) } //nolint:forcetypeassert // heap's own
func (q *commitHeap) Pop() any {
	n := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return n
}

// touchedFrom are the paths that the commits from n on touched: as the journal has
// them or, when it does not reach so far back, as all paths tell.
func (h *history) touchedFrom(n int32) (paths []string) {
	seen := make(map[string]bool)
	if h.journal != nil && h.journal.from <= int(n) {
		for _, j := range h.journal.touches {
			if j.commit >= n && !seen[j.path] {
				seen[j.path] = true
				paths = append(paths, j.path)
			}
		}
		return paths
	}
	for path, list := range h.touches {
		if slices.ContainsFunc(list, func(t touch) bool { return t.commit >= n }) {
			paths = append(paths, path)
		}
	}
	return paths
}

// apply puts e in and says which paths have another history than before. The
// commits that are lost are gone then, and what follows them has other numbers.
func (h *history) apply(e *extension) (touched []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(e.lost, e.touched)
	touched = e.touched
	h.many()
	defer h.settle()
	for i, n := range e.added {
		var parents []int32
		for _, p := range n.parents {
			number, _ := h.number(p)
			parents = append(parents, number)
		}
		h.add(n.commit, parents, e.changes[i])
		h.stand(n.hash, n.stands)
		for _, ch := range e.changes[i] {
			touched = append(touched, ch.path)
		}
		touched = append(touched, h.dropLeftOut(int32(h.commits.len())-1, parents, &e.left, i)...)
	}
	h.tip = e.tip
	return touched
}

// drop takes the commits out that are lost, of which the last one comes first.
// Those that stay behind them are entered anew, with the touches of paths, which
// are all that they touched.
func (h *history) drop(lost []int32, paths []string) {
	if len(lost) == 0 {
		return
	}
	from := lost[len(lost)-1]
	type staying struct {
		commit
		parents []Hash
	}
	type again struct {
		pathTouch
		other string
	}
	var commits []staying
	gone := make(map[int32]bool, len(lost))
	for _, n := range lost {
		gone[n] = true
		h.fall(h.commits.at(n).hash)
	}
	for n := from; n < int32(h.commits.len()); n++ {
		if gone[n] {
			continue
		}
		c := staying{commit: *h.commits.at(n)}
		for _, p := range h.parents(n) {
			c.parents = append(c.parents, h.commits.at(p).hash)
		}
		commits = append(commits, c)
	}
	entered := make(map[Hash][]again)
	for _, path := range paths {
		list := slices.DeleteFunc(h.touches[path], func(t touch) bool {
			if t.commit < from {
				return false
			}
			at := moveEnd{t.commit, path}
			if !gone[t.commit] {
				hash := h.commits.at(t.commit).hash
				entered[hash] = append(entered[hash], again{pathTouch{path, t}, h.ends[at]})
			}
			delete(h.ends, at)
			return true
		})
		if h.touches[path] = list; len(list) == 0 {
			delete(h.touches, path)
		}
	}
	h.log = slices.DeleteFunc(h.log, func(d deletion) bool { return d.commit >= from })
	h.dropped++
	h.journal, h.next = h.journal.truncatedAt(from), h.next.truncatedAt(from)
	h.truncate(from)
	for _, c := range commits {
		n := int32(h.commits.len())
		var parents []int32
		for _, p := range c.parents {
			number, _ := h.number(p)
			parents = append(parents, number)
		}
		h.add(c.commit, parents, nil)
		for _, t := range entered[c.hash] {
			t.commit = n
			h.touch(t.path, t.touch, t.other)
		}
	}
}

// truncate takes out the commits from n on, whose touches are gone.
func (h *history) truncate(n int32) {
	for i := int32(h.commits.len()) - 1; i >= n; i-- {
		*h.slot(h.commits.at(i).hash) = 0 // right because those that came later are gone
		delete(h.merged, i)
		h.recent[i%recentCommits] = nil
	}
	h.commits.truncate(int(n))
}

// diffCommits finds what each added commit changed: what differs from its parent, or
// from every one of its parents. Of many commits, parts are done in parallel.
func (e *extension) diffCommits(ctx context.Context, s *store, most int) error {
	trees := make(map[Hash]Hash, len(e.added))
	for _, c := range e.added {
		trees[c.hash] = c.tree
	}
	treeOf := func(s *store, commit Hash) (Hash, error) {
		if t, ok := trees[commit]; ok {
			return t, nil
		}
		return s.treeOf(commit)
	}
	e.progress.begin(ReadingChanges, len(e.added))
	e.changes = make([][]diffEntry, len(e.added))
	e.left.by, e.left.numbers = make([][]leftPath, len(e.added)), make(map[string]int32)
	var distant atomic.Int64
	all := newStepBudget(most*manyDiffs + len(e.added)*stepsPerCommit)
	part := func(ctx context.Context, s *store, from, to int) error {
		read := cachedTrees(s, treesKept/max(2, runtime.GOMAXPROCS(0)))
		for i := from; i < to; i++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			parents := []Hash{{}}
			if len(e.added[i].parents) > 0 {
				parents = parents[:0]
				for _, p := range e.added[i].parents {
					tree, err := treeOf(s, p)
					if err != nil {
						return err
					}
					parents = append(parents, tree)
				}
			}
			d := treeDiff{tree: read, blob: s.blobForRename, budget: newStepBudget(most), shared: all}
			changes, err := d.against(parents, e.added[i].tree)
			if err != nil {
				return fmt.Errorf("diff commit %s: %w", e.added[i].hash, err)
			}
			e.changes[i] = changes
			e.left.add(i, d.left)
			distant.Add(int64(d.skipped))
			e.progress.step()
		}
		return nil
	}
	defer func() { e.skipped = int(distant.Load()) }()
	const worthwhile = 1000
	if len(e.added) < worthwhile {
		return part(ctx, s, 0, len(e.added))
	}
	g, ctx := errgroup.WithContext(ctx)
	size := len(e.added)/runtime.GOMAXPROCS(0) + 1
	for from := 0; from < len(e.added); from += size {
		g.Go(func() error {
			own := s.withOwnCache()
			return errors.Join(part(ctx, own, from, min(from+size, len(e.added))), own.Close())
		})
	}
	return g.Wait()
}
