package repo

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"cms/content"
)

// ErrNotForward says that what a push would have the branch go on to does not follow upon
// where the branch is.
var ErrNotForward = errors.New("the branch is not at a commit that the push goes on from")

// ErrPushTooLarge says that a push brings more than is looked at.
var ErrPushTooLarge = errors.New("the push brings more than can be looked at")

// A Quarantine holds the objects of a push until it is taken in: beside the repository's,
// where nothing but the push itself sees them. What is refused goes with it.
type Quarantine struct {
	repo      *Repo
	dir       string
	store     *store
	keepFiles keepFiles // of its own, as the writer owns the others
	placed    bool
}

// quarantineDraft begins the name of the folder of one, and a number follows.
const quarantineDraft = drafts + "push"

// Quarantine makes an empty one. While it is there, updates leave more room for a push to
// land in: see pushWindow.
func (r *Repo) Quarantine() (*Quarantine, error) {
	if r.lock == nil {
		return nil, errors.New("repository was opened to read only")
	}
	if err := r.contact.err(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(r.drafts, quarantineDraft)
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "objects", "pack"), 0o777)
	}
	if err != nil {
		return nil, storageError(fmt.Errorf("make room for a push: %w", err))
	}
	r.pushes.Add(1)
	return &Quarantine{repo: r, dir: dir, store: &store{dir: dir}, keepFiles: keepFiles{disk: r.disk, folder: r.packFolder()}}, nil
}

// Objects is the folder that packs are put into before anything else is asked of q.
func (q *Quarantine) Objects() string { return filepath.Join(q.dir, "objects") }

// Close drops what was not taken in.
func (q *Quarantine) Close() error {
	q.repo.pushes.Add(-1)
	err := q.keepFiles.release()
	return errors.Join(err, q.store.Close(), os.RemoveAll(q.dir))
}

// of is the store that has an object.
func (q *Quarantine) of(h Hash) *store {
	if list, err := q.store.set().list(); err == nil {
		if _, here, _ := list.find(h); here {
			return q.store
		}
	}
	return q.repo.store
}

// Blob is the content of a blob, and how large it is without reading it.
func (q *Quarantine) Blob(h Hash) ([]byte, error) { return q.of(h).blob(h) }

// Size is how many bytes a blob has.
func (q *Quarantine) Size(h Hash) (int64, error) { return q.of(h).size(h) }

// IsCommit says whether an object is a commit, which is there.
func (q *Quarantine) IsCommit(h Hash) bool {
	_, err := q.of(h).commit(h)
	return err == nil || errors.Is(err, ErrPushTooLarge)
}

// maxPushed is how many commits of a push are looked at.
const maxPushed = 200_000

// Follows says whether one commit leads to another.
func (q *Quarantine) Follows(ctx context.Context, from, to Hash) (bool, error) {
	seen := map[Hash]bool{to: true}
	for next := []Hash{to}; len(next) > 0; next = next[1:] {
		if next[0] == from {
			return true, nil
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if len(seen) > maxPushed {
			return false, ErrPushTooLarge
		}
		c, err := q.of(next[0]).commit(next[0])
		if err != nil {
			return false, err
		}
		for _, p := range c.parents {
			if !seen[p] {
				seen[p] = true
				next = append(next, p)
			}
		}
	}
	return false, nil
}

// Pushed is what a push would do to the branch. It knows the entries as the push leaves
// them.
type Pushed struct {
	Files   []PushedFile // in which the branch would differ
	Commits []Hash       // that it would have and has not

	quarantine *Quarantine
	tables     map[string]table
	steps      *stepBudget // of looking at the commits one by one
}

// A PushedFile is a file that a push changes. A side without a file is zero.
type PushedFile struct {
	Path          string // as the tree has it, which may be any bytes
	Before, After Hash
	Plain         bool // both sides are regular files, or nothing

	Collection string // of an entry; "" of another file
	Slug       content.Slug
}

// Compare says what the branch, which is at from, would get by going on to a commit. The
// error is ErrNotForward where that does not follow upon it, or the branch is not there.
func (q *Quarantine) Compare(ctx context.Context, from, to Hash) (*Pushed, error) {
	r := q.repo
	s := r.View()
	if s.commit != from {
		return nil, ErrNotForward
	}
	p := &Pushed{quarantine: q, tables: s.tables()}
	forward := from.IsZero()
	seen := map[Hash]bool{to: true}
	for next := []Hash{to}; len(next) > 0; next = next[1:] {
		if r.Has(next[0]) {
			forward = forward || next[0] == from
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(p.Commits) == maxPushed {
			return nil, ErrPushTooLarge
		}
		p.Commits = append(p.Commits, next[0])
		c, err := q.of(next[0]).commit(next[0])
		if err != nil {
			return nil, err
		}
		for _, parent := range c.parents {
			if !seen[parent] {
				seen[parent] = true
				next = append(next, parent)
			}
		}
	}
	if !forward || len(p.Commits) == 0 {
		return nil, ErrNotForward
	}
	tip, err := q.of(to).commit(to)
	if err != nil {
		return nil, err
	}
	if p.Files, err = p.between([]Hash{s.tree}, tip.tree); err != nil {
		return nil, err
	}
	p.steps = newStepBudget(r.history.maxSteps*manyDiffs + len(p.Commits)*stepsPerCommit)
	return p, nil
}

// Of are the files that one commit of the push changes: in which it differs from each of
// its parents. ErrPushTooLarge when those of all that were asked for are more than can be taken in.
func (p *Pushed) Of(commit Hash) ([]PushedFile, error) {
	q := p.quarantine
	c, err := q.of(commit).commit(commit)
	if err != nil {
		return nil, err
	}
	parents := []Hash{{}}
	if len(c.parents) > 0 {
		parents = nil
	}
	for _, parent := range c.parents {
		tree, err := q.of(parent).treeOf(parent)
		if err != nil {
			return nil, err
		}
		parents = append(parents, tree)
	}
	return p.between(parents, c.tree)
}

// between are the files in which a tree differs from each of others. Renames are a
// deletion and a creation.
func (p *Pushed) between(parents []Hash, tree Hash) ([]PushedFile, error) {
	q := p.quarantine
	var found []diffEntry
	for i, parent := range parents {
		d := treeDiff{
			tree:   func(h Hash) ([]byte, error) { return q.of(h).tree(h) },
			budget: newStepBudget(q.repo.history.maxSteps), shared: p.steps,
		}
		if err := d.diff(parent, tree, ""); errors.Is(err, errDiffTooLarge) {
			return nil, ErrPushTooLarge
		} else if err != nil {
			return nil, err
		}
		if i == 0 {
			found = d.out
		} else {
			found = changedInBoth(found, d.out)
		}
	}
	files := make([]PushedFile, len(found))
	for i, d := range found {
		plain := func(f file) bool { return f == (file{}) || f.regular() }
		files[i] = PushedFile{Path: d.path, Before: d.before.hash, After: d.after.hash, Plain: plain(d.before) && plain(d.after)}
		if e, ok := q.repo.entryAt(d.path); ok && files[i].Plain {
			files[i].Collection, files[i].Slug = e.Collection, e.Slug
		}
	}
	return files, nil
}

// Put notes an entry as the push leaves it, or, with a nil document, that it is gone.
func (p *Pushed) Put(f PushedFile, d *content.Document) error {
	if d == nil {
		p.tables[f.Collection] = p.tables[f.Collection].remove(f.Slug)
		return nil
	}
	e, ok := p.quarantine.repo.entryAt(f.Path)
	if !ok {
		return fmt.Errorf("entry %s: %w", f.Path, ErrNotFound)
	}
	e.Revision = f.After
	e.blob = p.quarantine.repo.newCachedBlob(e.Collection, e.Revision)
	e.blob.setUnsaved(d)
	p.tables[f.Collection] = p.tables[f.Collection].put(e)
	return nil
}

// Entry is the entry slug of a collection, as the push leaves it, as far as it was noted.
func (p *Pushed) Entry(collection string, slug content.Slug) (*Entry, bool) {
	return p.tables[collection].get(slug)
}

// Edition is that of a collection, likewise.
func (p *Pushed) Edition(collection string) Edition { return Edition{p.tables[collection]} }

// A RefChange is what a push does to a reference. A zero hash stands for none.
type RefChange struct {
	Name     string
	Old, New Hash
}

// Land takes the push in and makes the references what it says: the branch by the writer, by
// whom it goes forward only, and others by Git's own protocol. Where updates are done when
// the remote has them, so is the branch, with the errors of Update. Either all of them are
// changed or none, unless the storage fails in the midst of it, which is ErrUnsure. The error
// is ErrNotForward where one is not at Old.
func (q *Quarantine) Land(ctx context.Context, changes []RefChange) (err error) {
	r := q.repo
	l := new(landing)
	if slices.ContainsFunc(changes, func(c RefChange) bool { return c.Name != string(r.branch.name) }) {
		select {
		case r.lander <- struct{}{}: // the draft of the lock of a reference is of one push
			defer func() { <-r.lander }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() {
		if dropErr := l.drop(); dropErr != nil {
			r.log.Warn("the lock of a reference cannot be removed yet", "error", dropErr)
		}
		switch {
		case errors.Is(err, errMoved):
			err = ErrNotForward
		case errors.Is(err, fs.ErrExist):
			err = fmt.Errorf("%w: a reference is locked", ErrBusy)
		case !ofRemote(err):
			err = storageError(err)
		}
	}()
	var main *RefChange
	for i, c := range changes {
		if c.Name == string(r.branch.name) {
			main = &changes[i]
		} else if err := l.lock(r, c); err != nil {
			return fmt.Errorf("change %s: %w", c.Name, err)
		}
	}
	if main == nil {
		err = q.place()
	} else {
		err = r.requestUpdate(ctx, &refUpdate{from: main.Old, to: main.New, before: q.place, landing: true})
	}
	if err == nil {
		err = l.change(main != nil)
	}
	_ = q.keepFiles.release() // otherwise Close does
	return err
}

// A landing has the locks of the references that a push changes beside the branch, so that
// all that others could have in their hands is had before the branch moves.
type landing struct {
	moved, removed []*refLock
	packed         *packedLock // where some are removed
}

// lock takes what one change needs, durably.
func (l *landing) lock(r *Repo, c RefChange) error {
	deadline := time.Now().Add(lockTimeout)
	b := &branch{disk: r.disk, dir: r.path, name: plumbing.ReferenceName(c.Name)}
	if !c.New.IsZero() {
		h, err := b.acquire(c.Old, c.New, deadline)
		if err != nil {
			return err
		}
		l.moved = append(l.moved, h)
		return h.sync()
	}
	h, err := b.acquire(c.Old, c.Old, deadline)
	if err != nil {
		return err
	}
	l.removed = append(l.removed, h)
	if l.packed == nil {
		l.packed, err = lockPackedRefs(r.disk, r.path, deadline)
	}
	return err
}

// change changes the references. Where some are changed already, as the branch may be, an
// error is ErrUnsure.
func (l *landing) change(some bool) (err error) {
	for len(l.moved) > 0 && err == nil {
		h := l.moved[0]
		l.moved = l.moved[1:]
		err = h.move()
		some = some || err == nil
	}
	if len(l.removed) > 0 && err == nil {
		err = l.packed.remove(l.removed...)
	}
	if err != nil && some && !errors.Is(err, ErrUnsure) {
		err = fmt.Errorf("%w: only a part of the push: %s", ErrUnsure, err.Error())
	}
	return err
}

// drop gives back what is locked still.
func (l *landing) drop() (err error) {
	if l.packed != nil {
		err = l.packed.drop()
	}
	for _, h := range slices.Concat(l.removed, l.moved) {
		err = errors.Join(err, h.drop())
	}
	return err
}

// place makes the packs of the push those of the repository, durably. They are kept until
// the references lead to them.
func (q *Quarantine) place() error {
	if q.placed {
		return nil
	}
	r := q.repo
	packs, err := filepath.Glob(filepath.Join(q.Objects(), "pack", "pack-*.pack"))
	if err != nil {
		return err
	}
	for _, pack := range packs {
		name := strings.TrimSuffix(pack, ".pack")
		draft := filepath.Join(q.dir, filepath.Base(name))
		for _, f := range [][2]string{{name + ".pack", draft + "_pack"}, {name + ".idx", draft + "_idx"}} {
			if err := r.disk.SyncFile(f[0]); err != nil {
				return fmt.Errorf("sync a pushed pack: %w", err)
			}
			if err := r.disk.Rename(f[0], f[1]); err != nil {
				return fmt.Errorf("place a pushed pack: %w", err)
			}
		}
		sum, err := hex.DecodeString(strings.TrimPrefix(filepath.Base(name), "pack-"))
		if err != nil || len(sum) != len(Hash{}) {
			return fmt.Errorf("a pushed pack is called %s", filepath.Base(name))
		}
		place, err := q.keepFiles.reserveFor(draft, Hash(sum))
		if err == nil {
			err = placeDrafts(r.disk, draft, place)
		}
		if err != nil {
			return err
		}
		r.packs.Add(1)
	}
	q.placed = true
	return r.store.set().refresh()
}

// References are the branches and tags, by name.
func (r *Repo) References() ([]RefChange, error) {
	refs, err := references(r.path, "refs/heads", "refs/tags")
	if err != nil {
		return nil, storageError(fmt.Errorf("list references: %w", err))
	}
	var all []RefChange
	for _, ref := range refs {
		if ref.err == nil && ref.name.Validate() == nil {
			all = append(all, RefChange{Name: string(ref.name), New: ref.at})
		}
	}
	return all, nil
}

// ExpectPush says that somebody is about to push, so that updates leave room for it, as
// where Git looks at the repository. Where there is a remote, nothing else says so.
func (r *Repo) ExpectPush() {
	if r.remote != nil {
		r.expected.note(time.Now())
	}
	if _, watching := r.opens.last(); watching {
		r.opens.note(time.Now())
	}
}
