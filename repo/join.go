package repo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"cms/content"
	"cms/say"
)

// join has the branch go on to a commit that has what the remote's tip has and what was
// written here since the remote had all of the branch. The writer alone calls it.
//
// Where the remote went on, that is a merge commit, so that every commit that was told of
// stays. Where the remote took commits away, what was written here is made again upon its
// tip, each commit with a trailer that names the one it stands for: to merge would bring
// back what was taken away. So it is done, too, where the remote wants a linear history.
// Either way files are brought together as in joining.resolve.
func (r *Repo) join(ctx context.Context, s *Snapshot, a *refUpdate) error {
	r.root = nil // which is changed in place
	r.pack.reset()
	j := &joining{ctx: ctx, repo: r, ours: s, theirs: a.to, since: make(map[Hash]int), blobs: make(map[Hash][]byte)}
	err := j.prepare(a)
	if err == nil {
		err = j.persist()
	}
	if err == nil && j.linear {
		err = r.keepReplaced(s.commit)
	}
	if err == nil {
		err = r.moveTo(ctx, s, j.commit)
	}
	r.root = nil
	if err != nil {
		r.dirty = r.dirty || !errors.Is(err, errMoved)
		if errors.Is(err, ErrUnsure) {
			r.inDoubt.Store(&j.commit)
			return err
		}
		r.releaseKeepFiles()
		if errors.Is(err, errMoved) || errors.Is(err, fs.ErrExist) {
			return err
		}
		return storageError(fmt.Errorf("join the branch with the remote's, at %s: %w", a.to, err))
	}
	r.releaseKeepFiles()
	r.lookAside(ctx)
	r.log.Info("joined the branch with the remote's", "ours", s.commit.String(), "theirs", a.to.String(), "to", j.commit.String(), "set_aside", len(j.aside))
	for _, c := range j.aside {
		r.log.Warn("both sides changed an entry: the remote's version stays, ours is set aside", "path", c.path, "branch", c.name().Short())
	}
	return nil
}

// A joining is one join on its way.
type joining struct {
	ctx    context.Context
	repo   *Repo
	ours   *Snapshot
	theirs Hash // the remote's tip
	date   int64
	linear bool // nothing was taken away at the remote, which wants no merges

	since map[Hash]int    // the commits that were made here and are not on the remote: which one each is, from 1
	order []Hash          // they, parents before children, but for those that were made again
	blobs map[Hash][]byte // that were made, and are in the pack only

	commit Hash       // that the branch is to go to
	tree   Hash       // its tree, where commits were made again
	aside  []conflict // what cannot be brought together
}

// prepare packs all objects that the join makes.
func (j *joining) prepare(a *refUpdate) error {
	r := j.repo
	theirs, err := r.store.commit(a.to)
	if err != nil {
		return err
	}
	j.date = max(j.ours.date, theirs.committed)
	base := a.known
	if !a.rewritten {
		if base, err = j.base(); err != nil {
			return err
		}
		j.linear = r.remote.Linear
	}
	if a.rewritten || j.linear {
		err = j.replay(base, theirs.tree)
	} else {
		err = j.merge(base, theirs.tree)
	}
	if err == nil {
		err = j.setAside(theirs.tree)
	}
	if err == nil && j.linear {
		err = j.tellAside()
	}
	return err
}

// base is the last commit that both sides have.
func (j *joining) base() (Hash, error) {
	met, err := j.repo.met(j.repo.store, j.theirs)
	if err != nil {
		return Hash{}, err
	}
	if len(met) == 0 {
		return Hash{}, ErrUnrelated
	}
	return slices.MaxFunc(met, func(a, b Hash) int { // what leads to others comes before them
		pa, _ := j.repo.place(a)
		pb, _ := j.repo.place(b)
		return cmp.Compare(pa, pb)
	}), nil
}

// merge makes the merge commit.
func (j *joining) merge(since, theirTree Hash) error {
	r := j.repo
	base, err := r.store.treeOf(since)
	if err != nil {
		return err
	}
	if err := j.sinceBase(since); err != nil {
		return err
	}
	root, err := r.store.folder(theirTree)
	if err != nil {
		return err
	}
	if err := j.bringTogether(base, j.ours.tree, root, Hash{}); err != nil {
		return err
	}
	at := max(r.clock().Unix(), 0)
	var message strings.Builder
	message.WriteString(say.New("Join what was pushed to the Git host").In(r.language) + "\n")
	for i, c := range j.aside {
		if i == 0 {
			message.WriteByte('\n')
		}
		message.WriteString(setAsideTrailer + oneLine(c.path) + asBranch + c.id() + "\n")
	}
	j.commit, err = r.packCommit(encodeMerge(root.hash, []Hash{j.ours.commit, j.theirs}, r.committer, r.committer, at, r.committedAt(at, j.date), message.String()))
	return err
}

// sinceBase notes what was made here since a commit.
func (j *joining) sinceBase(base Hash) error {
	commits, err := j.repo.history.unpushed(base, j.ours.commit)
	for _, c := range commits {
		j.order = append(j.order, c.hash)
		j.since[c.hash] = len(j.order)
	}
	return err
}

// replay makes what was written here since known again, upon the remote's tip.
func (j *joining) replay(known, theirTree Hash) error {
	r := j.repo
	j.commit = j.theirs
	if !r.leadsTo(known, j.ours.commit) { // as where the branch was rewritten here, too
		return fmt.Errorf("%w: %s, where the remote was, is not in the branch", ErrUnrelated, known)
	}
	if err := j.sinceBase(known); err != nil {
		return err
	}
	root, err := r.store.folder(theirTree)
	if err != nil {
		return err
	}
	for since := known; ; {
		steps, err := r.history.steps(since, j.ours.commit, stepsAtOnce)
		if err != nil {
			return err
		}
		for _, step := range steps {
			if err := j.again(step, root, known); err != nil {
				return err
			}
			since = step.hash
		}
		if len(steps) < stepsAtOnce {
			j.tree = root.hash
			return nil
		}
	}
}

// again makes one commit again upon a tree. Where that has its changes it is made without
// any if the history is to be linear, so that there is something to follow for those who
// know it; otherwise not at all.
func (j *joining) again(step step, root *folder, upon Hash) error {
	r := j.repo
	c, err := r.store.commit(step.hash)
	if err != nil {
		return err
	}
	var base Hash
	if !step.base.IsZero() {
		if base, err = r.store.treeOf(step.base); err != nil {
			return err
		}
	}
	before := root.hash
	if err := j.bringTogether(base, c.tree, root, step.hash); err != nil || root.hash == before && !j.linear {
		return err
	}
	at := max(r.clock().Unix(), 0)
	j.date = r.committedAt(at, j.date)
	message := j.messageAgain(c.message, step.hash, upon)
	j.commit, err = r.packCommit(encodeCommit(root.hash, j.commit, c.author, r.committer, c.at, j.date, message))
	return err
}

// messageAgain is the message of a commit with lines that say which ones the commit stands
// for that is made of it: it, those that came to the branch by it, and those that it stood
// for itself.
func (j *joining) messageAgain(message string, of, upon Hash) string {
	if !j.linear {
		upon = Hash{}
	}
	list := []replacement{{of, upon}}
	if i := slices.Index(j.order, of); i >= 0 {
		for _, before := range slices.Backward(j.order[:i]) {
			list = append(list, replacement{before, upon})
		}
		j.order = j.order[i+1:]
	}
	message, stood := cutReplacements(message)
	for _, s := range stood {
		if !j.linear {
			s.upon = Hash{}
		}
		list = append(list, s)
	}
	return withTrailers(message, encodeReplacements(list))
}

// tellAside makes a commit for each version that was set aside, which says so and changes
// nothing.
func (j *joining) tellAside() error {
	r := j.repo
	tree := j.tree
	for _, c := range j.aside {
		at := max(r.clock().Unix(), 0)
		j.date = r.committedAt(at, j.date)
		message := c.subject(r) + "\n\n" + setAsideTrailer + oneLine(c.path) + asBranch + c.id() + "\n"
		var err error
		if j.commit, err = r.packCommit(encodeCommit(tree, j.commit, r.committer, r.committer, at, j.date, message)); err != nil {
			return err
		}
	}
	return nil
}

// withTrailers is a message with more trailers, each of them a line, before the ones that it has: those that
// are last stay so.
func withTrailers(message, trailers string) string {
	subject, rest, ok := strings.Cut(strings.TrimRight(message, "\n"), "\n\n")
	if !ok {
		return subject + "\n\n" + trailers
	}
	if i := strings.LastIndex(rest, "\n\n"); i >= 0 { // a body stands before them, or is all there is
		return subject + "\n\n" + rest[:i] + "\n\n" + trailers + rest[i+2:] + "\n"
	}
	return subject + "\n\n" + trailers + rest + "\n"
}

// bringTogether makes in root, the tree of theirs, the changes that lead from base to ours,
// and packs what comes of it. Where a change and what stands there now cannot be brought
// together, that stays, and the change is noted, as one of the commit of.
func (j *joining) bringTogether(base, ours Hash, root *folder, of Hash) error {
	own, err := j.diff(base, ours)
	if err != nil {
		return err
	}
	var edits []edit
	changes := slices.Sorted(maps.Keys(own))
	slices.SortStableFunc(changes, func(a, b string) int { // what is removed makes room
		return cmp.Compare(own[a].after.order(), own[b].after.order())
	})
	for _, name := range changes {
		d := own[name]
		now, err := root.lookup(name, j.repo.store)
		if errors.Is(err, ErrConflict) && len(edits) > 0 {
			if err := j.repo.applyTo(root, edits); err != nil {
				return err
			}
			edits = nil
			now, err = root.lookup(name, j.repo.store)
		}
		if errors.Is(err, ErrConflict) {
			j.note(conflict{path: name, base: d.before, ours: d.after, commit: of, blocked: true})
			continue
		} else if err != nil {
			return err
		}
		after, clash, err := j.resolve(name, d, now, of)
		if err != nil {
			return err
		}
		if clash {
			j.note(conflict{path: name, base: d.before, ours: d.after, theirs: now, commit: of})
		} else if after != now {
			edits = append(edits, edit{name, after})
		}
	}
	return j.repo.applyTo(root, edits)
}

// order has the zero file, which is none, first.
func (f file) order() int {
	if f == (file{}) {
		return 0
	}
	return 1
}

// applyTo makes edits in a tree, and packs what comes of it.
func (r *Repo) applyTo(root *folder, edits []edit) error {
	if len(edits) == 0 {
		return nil
	}
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.path, b.path) })
	if err := root.apply(edits, r.pack, r.store); err != nil {
		return err
	}
	if len(root.raw) == 0 {
		root.hash = hashObject(plumbing.TreeObject, nil)
		r.pack.add(plumbing.TreeObject, root.hash, nil)
	}
	return nil
}

// diff are the files in which two trees differ, by path.
func (j *joining) diff(from, to Hash) (map[string]diffEntry, error) {
	d := treeDiff{tree: j.repo.store.tree, budget: newStepBudget(j.repo.history.maxSteps)}
	if err := d.diff(from, to, ""); err != nil {
		return nil, err
	}
	found := make(map[string]diffEntry, len(d.out))
	for _, c := range d.out {
		found[c.path] = c
	}
	return found, nil
}

// resolve is what becomes of a file that ours changed, where theirs is now, or that the two
// cannot be brought together: then theirs stays. An entry that both changed is merged
// field by field, other files are not. Where theirs is an earlier version of ours, as of
// commits that were squashed there, ours goes on from it; of a commit of ours, the zero
// hash for all of them, theirs may be a later version, and stays.
func (j *joining) resolve(name string, d diffEntry, theirs file, of Hash) (after file, clash bool, err error) {
	switch {
	case theirs == d.before, d.after == theirs:
		return d.after, false, nil
	case d.after == (file{}), theirs == (file{}), !d.after.regular(), !theirs.regular():
		return theirs, true, nil
	}
	if at := j.repo.history.had(name, theirs.hash, j.since); at > j.since[of] && !of.IsZero() { // a later one of ours was taken there
		return theirs, false, nil
	} else if at > 0 {
		return d.after, false, nil
	}
	e, entry := j.repo.entryAt(name)
	if !entry || !d.before.regular() {
		return theirs, true, nil
	}
	var sides [3]*content.Document
	version := j.repo.newCachedBlob(e.Collection, theirs.hash).version
	for i, h := range [...]Hash{d.before.hash, theirs.hash, d.after.hash} {
		src, made := j.blobs[h]
		if !made {
			if src, err = j.repo.store.blob(h); err != nil {
				return file{}, false, mustBeThere(err)
			}
		}
		sides[i] = content.ParseAs(version, src)
	}
	merged, err := content.Merge(j.ctx, sides[0], sides[1], sides[2])
	if j.ctx.Err() != nil {
		return file{}, false, j.ctx.Err()
	}
	if err != nil || len(merged.Clashes) > 0 {
		return theirs, true, nil //nolint:nilerr // what cannot be merged is set aside, whatever the reason
	}
	mode := theirs.mode
	if theirs.mode == d.before.mode {
		mode = d.after.mode
	}
	src := bytes.Clone(merged.Source())
	h := hashObject(plumbing.BlobObject, src)
	if h != theirs.hash && h != d.after.hash {
		j.blobs[h] = src
		j.repo.pack.add(plumbing.BlobObject, h, src)
	}
	return file{mode, h}, false, nil
}

// note adds a conflict; of one path the last version counts.
func (j *joining) note(c conflict) {
	if i := slices.IndexFunc(j.aside, func(o conflict) bool { return o.path == c.path }); i >= 0 {
		c.base, c.theirs = j.aside[i].base, j.aside[i].theirs
		j.aside[i] = c
		return
	}
	j.aside = append(j.aside, c)
}

// persist makes the objects durable, and the references to what was set aside.
func (j *joining) persist() error {
	r := j.repo
	if len(r.pack.objects) > 0 {
		if err := r.pack.save(r.disk, r.drafts, &r.keepFiles); err != nil {
			return err
		}
		r.know(r.pack, r.keepFiles.names)
	}
	for _, c := range j.aside {
		b := branch{disk: r.disk, dir: r.path, name: c.name()}
		if now, err := b.read(); err != nil {
			return err
		} else if now == c.aside {
			continue
		} else if err := b.move(now, c.aside); err != nil {
			return fmt.Errorf("set %s aside: %w", c.path, err)
		}
	}
	return nil
}
