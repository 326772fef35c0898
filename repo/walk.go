package repo

import (
	"fmt"
	"slices"
)

// A step is a commit on the path from one to another.
type step struct {
	commit
	base    Hash        // the commit that it is compared with, zero for the first of all
	changes []diffEntry // against base, if they are at hand
	upon    Hash        // where the commit stands for base: see [replacement]
}

// stepsAtOnce is how many steps are looked up under one lock.
const stepsAtOnce = 64

// steps begins the list of the commits that lead from since (not included; zero is
// before the first) to until, oldest first: along first parents where they lead
// there. There are most of them, or fewer when until is reached. It costs what it
// lists, and a little for the merges beside the path. What follows upon the last one
// is the path from there to until.
func (h *history) steps(since, until Hash, most int) ([]step, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	stretches, err := h.path(since, until)
	if err != nil {
		return nil, err
	}
	var list []step
	if again, ok := h.again(since); ok && since != until && most > 0 {
		list = append(list, again)
	}
	for _, s := range stretches {
		begin := len(list)
		high := min(h.commits.at(s.top).depth, s.low+int32(most-begin)-1)
		for n, depth := h.ancestor(s.top, high), high; depth >= s.low; depth-- {
			list = append(list, step{commit: *h.commits.at(n)})
			n = h.commits.at(n).parent
		}
		slices.Reverse(list[begin:])
	}
	for i := range list {
		at := &list[i]
		at.base = since
		if i > 0 {
			at.base = list[i-1].hash
		}
		h.recall(at)
	}
	return list, nil
}

// stepsBack begins the same list at its other end: the newest first. The base of the last
// one is since, or where it goes on.
func (h *history) stepsBack(since, until Hash, most int) ([]step, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	stretches, err := h.path(since, until)
	if err != nil {
		return nil, err
	}
	var list []step
	for _, s := range slices.Backward(stretches) {
		for n, depth := s.top, h.commits.at(s.top).depth; depth >= s.low && len(list) <= most; depth-- {
			list = append(list, step{commit: *h.commits.at(n)})
			n = h.commits.at(n).parent
		}
	}
	if again, ok := h.again(since); ok && since != until && len(list) <= most {
		list = append(list, again)
	}
	for i := range list {
		list[i].base = since
		if i+1 < len(list) {
			list[i].base = list[i+1].hash
		}
		h.recall(&list[i])
	}
	return list[:min(most, len(list))], nil
}

// again is the step from a commit that was made again to the one that stands for it; false
// for others.
func (h *history) again(since Hash) (step, bool) {
	n, by, ok := h.resolve(since)
	if !ok || by.by.IsZero() {
		return step{}, false
	}
	return step{commit: *h.commits.at(n), upon: by.upon}, true
}

// recall gives a step its changes, if they are at hand.
func (h *history) recall(at *step) {
	n, _ := h.number(at.hash)
	if n >= int32(h.commits.len()-recentCommits) && (at.parent < 0 || h.commits.at(at.parent).hash == at.base) {
		at.changes = h.recent[n%recentCommits]
	}
}

// path is what leads from since, which may be zero, to until: see steps.
func (h *history) path(since, until Hash) ([]segment, error) {
	last, _, ok := h.resolve(until)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrUnknownCommit, until)
	}
	if since.IsZero() {
		return []segment{{last, 0}}, nil
	}
	first, by, ok := h.resolve(since)
	if !ok || !by.by.IsZero() && by.upon.IsZero() {
		return nil, fmt.Errorf("%w: %s", ErrUnknownCommit, since)
	}
	w := walk{h, first, make(map[int32]bool)}
	stretches, ok := w.pathTo(last)
	if !ok {
		return nil, fmt.Errorf("%w: %s does not lead to %s", ErrUnknownCommit, since, until)
	}
	return stretches, nil
}

// parentOf is the first parent of a commit, zero for a first one.
func (h *history) parentOf(commit Hash) (Hash, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n, _, ok := h.resolve(commit)
	if !ok {
		return Hash{}, fmt.Errorf("%w: %s", ErrUnknownCommit, commit)
	}
	if n = h.commits.at(n).parent; n < 0 {
		return Hash{}, nil
	}
	return h.commits.at(n).hash, nil
}

// A segment is a part of a path that goes along first parents: up to top, from the
// one of them that is at the depth low. It may be empty.
type segment struct{ top, low int32 }

// A walk leads from the commit first to others.
type walk struct {
	*history
	first  int32
	notVia map[int32]bool // merges that first does not lead to by another parent than the first
}

// pathTo is the path to last, in order, the segments that are nearest to first first.
// Where several parents lead to first, it is by the one that is named first.
func (w walk) pathTo(last int32) ([]segment, bool) {
	if last < w.first {
		return nil, false
	}
	depth := w.commits.at(w.first).depth
	if w.ancestor(last, depth) == w.first {
		return []segment{{last, depth + 1}}, true
	}
	for n := w.furthest(last, func(c *commit, n int32) bool { return n > w.first }); n >= 0; {
		merges := w.commits.at(n).merges
		for _, p := range w.merged[n] {
			if w.notVia[n] {
				break
			}
			if found, ok := w.pathTo(p); ok {
				return append(found, segment{last, w.commits.at(n).depth}), true
			}
		}
		w.notVia[n] = true
		n = w.furthest(last, func(c *commit, _ int32) bool { return c.merges > merges })
	}
	return nil, false
}

// furthest is the last of the first parents of n, itself included, of which ok is
// true, as it is of those between; -1 if it is false of n.
func (h *history) furthest(n int32, ok func(*commit, int32) bool) int32 {
	c := h.commits.at(n)
	if !ok(c, n) {
		return -1
	}
	for {
		switch {
		case c.jump != n && ok(h.commits.at(c.jump), c.jump):
			n = c.jump
		case c.parent >= 0 && ok(h.commits.at(c.parent), c.parent):
			n = c.parent
		default:
			return n
		}
		c = h.commits.at(n)
	}
}

// ancestor is the one of the first parents of n, itself included, that is at the
// depth, or n if it is not as deep.
func (h *history) ancestor(n, depth int32) int32 {
	if found := h.furthest(n, func(c *commit, _ int32) bool { return c.depth >= depth }); found >= 0 {
		return found
	}
	return n
}

// linkJump gives c, the next commit, its place among its first parents. Their jumps
// lead back in strides that grow and shrink, so that whichever is wanted is found in
// about log n of them, and each commit has but one.
func (h *history) linkJump(c *commit, parents int) {
	if c.parent < 0 {
		c.jump = int32(h.commits.len())
	} else {
		p := h.commits.at(c.parent)
		q := h.commits.at(p.jump)
		c.depth, c.jump, c.merges = p.depth+1, c.parent, p.merges
		if p.depth-q.depth == q.depth-h.commits.at(q.jump).depth {
			c.jump = q.jump
		}
	}
	if parents > 1 {
		c.merges++
	}
}
