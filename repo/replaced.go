package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Lines of the message of a commit that was made again: of each commit that it stands for
// one that names it and, where the branch lost nothing but that one's place, one that names
// the last commit that the remote had, too, when it was made.
const (
	replacesTrailer = "Replaces: "
	uponTrailer     = "Replaced-Upon: "
)

// maxReplaced is how many commits one commit may say that it stands for: one that waits to
// be pushed is made again each time that somebody else was first.
const maxReplaced = 64

// A replacement is a commit that another one stands for.
type replacement struct {
	of   Hash // it
	upon Hash // zero where the remote took commits away, so that what came after is not known
}

// encode is the lines that say so, the newest first.
func encodeReplacements(list []replacement) string {
	var b strings.Builder
	for _, r := range list[:min(len(list), maxReplaced)] {
		b.WriteString(replacesTrailer + r.of.String() + "\n")
		if !r.upon.IsZero() {
			b.WriteString(uponTrailer + r.upon.String() + "\n")
		}
	}
	return b.String()
}

// cutReplacements is a message without the lines that say what its commit stands for, and
// what they say. Such lines count in its last paragraph alone, unless that is the subject.
func cutReplacements(message string) (rest string, list []replacement) {
	at := strings.LastIndex(strings.TrimRight(message, "\n"), "\n\n")
	if at < 0 {
		return message, nil
	}
	var b strings.Builder
	last := false // whether the line before named a commit that this one stands for
	for line := range strings.Lines(message[at+2:]) {
		text := strings.TrimSuffix(line, "\n")
		of, replaces := strings.CutPrefix(text, replacesTrailer)
		upon, says := strings.CutPrefix(text, uponTrailer)
		switch {
		case replaces && plumbing.IsHash(of) && len(list) < maxReplaced:
			list, last = append(list, replacement{of: NewHash(of)}), true
		case says && last && plumbing.IsHash(upon):
			list[len(list)-1].upon, last = NewHash(upon), false
		default:
			b.WriteString(line)
			last = false
		}
	}
	if b.Len() == 0 {
		return message[:at+1], list
	}
	return message[:at+2] + b.String(), list
}

// replacements are what a commit that was read says it stands for. Those who push can write
// such lines too, and are told apart by the committer.
func (c *commitObject) replacements(committer Person) []replacement {
	if !strings.Contains(c.message, "\n"+replacesTrailer) || c.committer != committer.clean() {
		return nil
	}
	_, list := cutReplacements(c.message)
	return list
}

// stand notes what a commit stands for.
func (h *history) stand(by Hash, list []replacement) {
	if len(list) == 0 {
		return
	}
	h.stands[by] = list
	for _, r := range list {
		h.replaced[r.of] = standIn{by, r.upon}
	}
}

// fall forgets what a commit stands for, which is taken out.
func (h *history) fall(by Hash) {
	for _, r := range h.stands[by] {
		if h.replaced[r.of].by == by {
			delete(h.replaced, r.of)
		}
	}
	delete(h.stands, by)
}

// A standIn is the commit that stands for another one.
type standIn struct{ by, upon Hash }

// resolve is the number of a commit or of the one that stands for it, which by then is what
// was asked for.
func (h *history) resolve(hash Hash) (n int32, by standIn, ok bool) {
	if n, ok = h.number(hash); ok {
		return n, standIn{}, true
	}
	if by, ok = h.replaced[hash]; !ok {
		return 0, standIn{}, false
	}
	n, ok = h.number(by.by)
	return n, by, ok
}

// Has says whether the branch has a commit itself, and not one that stands for it.
func (r *Repo) Has(commit Hash) bool {
	_, ok := r.place(commit)
	return ok
}

// place is [Repo.Position] of a commit that the branch has itself.
func (r *Repo) place(commit Hash) (int, bool) {
	r.history.mu.RLock()
	defer r.history.mu.RUnlock()
	n, ok := r.history.number(commit)
	return int(n), ok
}

// Continues says whether [Repo.Changes] can go on from a commit: the branch has it, or made
// it again where the remote has put other commits before it.
func (r *Repo) Continues(commit Hash) bool {
	r.history.mu.RLock()
	defer r.history.mu.RUnlock()
	_, by, ok := r.history.resolve(commit)
	return ok && (by == standIn{} || !by.upon.IsZero())
}

// changesInstead is what a step changes that leads from a commit which was made again to the
// one that stands for it, where the former is not kept here: what the remote put before it.
// Of a file that both changed it is all that the new commit made of it.
func (r *Repo) changesInstead(read func(Hash) ([]byte, error), c step) ([]diffEntry, error) {
	onto, err := r.history.onto(c.hash, c.upon)
	if err != nil {
		return nil, err
	}
	var trees [3]Hash
	for i, h := range [...]Hash{c.upon, onto, c.hash} {
		if trees[i], err = r.store.treeOf(h); err != nil {
			return nil, err
		}
	}
	d := treeDiff{tree: read, blob: r.store.blobForRename, budget: newStepBudget(r.history.maxSteps)}
	theirs, err := d.against(trees[:1], trees[1])
	if err != nil {
		return nil, err
	}
	theirs = slices.Clone(theirs)
	d = treeDiff{tree: read, budget: newStepBudget(r.history.maxSteps)}
	all, err := d.against(trees[:1], trees[2])
	if err != nil {
		return nil, err
	}
	for _, t := range theirs {
		if t.action == Moved {
			theirs = append(theirs, diffEntry{path: t.from})
		}
	}
	return changedInBoth(all, theirs), nil
}

// onto is the commit of the remote that those were made upon again which were made together
// with a commit, upon another one before.
func (h *history) onto(commit, upon Hash) (Hash, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for n, ok := h.number(commit); ok && n >= 0; n = h.commits.at(n).parent {
		c := h.commits.at(n)
		if !slices.ContainsFunc(h.stands[c.hash], func(r replacement) bool { return r.upon == upon }) {
			return c.hash, nil
		}
	}
	return Hash{}, fmt.Errorf("%w: what %s was made upon again", ErrUnknownCommit, commit)
}

// replacedTips holds a reference for each of the last tips of which commits were made again,
// so that what lies between one of them and what stands for it can be told.
const (
	replacedTips    = "refs/cms/replaced/"
	maxReplacedTips = 100
)

// keepReplaced keeps the tip that is about to be made again, and lets old ones go.
func (r *Repo) keepReplaced(tip Hash) error {
	known, err := r.tipsBelow(replacedTips)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(known))
	for name, at := range known {
		if at == tip {
			return nil
		}
		names = append(names, name)
	}
	b := branch{disk: r.disk, dir: r.path, name: plumbing.ReferenceName(replacedTips + r.clock().UTC().Format("20060102T150405.000000000") + "-" + tip.String()[:12])}
	if err := errors.Join(b.removeStaleLock(), b.move(Hash{}, tip)); err != nil {
		return fmt.Errorf("keep %s, which is made again: %w", tip, err)
	}
	slices.Sort(names)
	for len(names) >= maxReplacedTips {
		old := branch{disk: r.disk, dir: r.path, name: plumbing.ReferenceName(replacedTips + names[0])}
		if err := old.remove(known[names[0]]); errors.Is(err, fs.ErrExist) {
			return nil // somebody has packed-refs locked, as a push that waits for the writer: the next time will do
		} else if err != nil {
			return fmt.Errorf("let %s go, which was made again: %w", known[names[0]], err)
		}
		names = names[1:]
	}
	return nil
}
