package repo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"cms/content"
	"cms/say"
)

// conflicts holds a branch for each version of a file that was set aside.
const conflicts = "refs/heads/cms/conflicts/"

// Trailers of the commit of a version that was set aside.
const (
	conflictEntry  = "Conflict-Entry: "  // COLLECTION/SLUG, of an entry
	conflictPath   = "Conflict-Path: "   // of its file
	conflictBase   = "Conflict-Base: "   // the blob that both sides began with, or zeros
	conflictOurs   = "Conflict-Ours: "   // the blob that was set aside, or zeros: it was deleted
	conflictTheirs = "Conflict-Theirs: " // the blob that stayed, or zeros
	conflictCommit = "Conflict-Commit: " // that made ours
)

// setAsideTrailer begins the line of a join's message that says what it set aside:
// "PATH as cms/conflicts/ID".
const (
	setAsideTrailer = "Set-Aside: "
	asBranch        = " as cms/conflicts/"
)

// A conflict is a file that both sides changed and that cannot be brought together.
type conflict struct {
	path               string
	base, ours, theirs file
	commit             Hash // that made ours; zero until it is looked up
	blocked            bool // there is no room for the file in theirs
	aside              Hash // the commit that has ours
}

// idLength is how long the id of a conflict is.
const idLength = 12

// id names the conflict; the same one has the same name, however often it is found.
func (c *conflict) id() string {
	of := fmt.Sprintf("%s\x00%s %s %s", c.path, c.base.hash, c.ours.hash, c.theirs.hash)
	return hashObject(plumbing.BlobObject, []byte(of)).String()[:idLength]
}

func (c *conflict) name() plumbing.ReferenceName { return plumbing.ReferenceName(conflicts + c.id()) }

// title names what the conflict is about.
func (c *conflict) title(r *Repo) string {
	if e, ok := r.entryAt(c.path); ok {
		return e.Collection + "/" + e.Slug.String()
	}
	return oneLine(c.path)
}

// subject says that ours was set aside.
func (c *conflict) subject(r *Repo) string {
	return oneLine(say.New("Set %s aside, which was changed at the Git host too", c.title(r)).In(r.language))
}

// setAside packs, for each conflict, a commit upon the remote's tip that has our version.
func (j *joining) setAside(theirTree Hash) error {
	r := j.repo
	for i := range j.aside {
		c := &j.aside[i]
		if c.commit.IsZero() {
			c.commit = r.history.lastCommitOf(c.path, j.ours.commit)
		}
		made, err := r.store.commit(c.commit)
		if err != nil {
			return err
		}
		tree, parent := made.tree, c.commit
		if !c.blocked {
			root, err := r.store.folder(theirTree)
			if err != nil {
				return err
			}
			var edits []edit
			if c.ours != c.theirs {
				edits = []edit{{c.path, c.ours}}
			}
			if err := r.applyTo(root, edits); err != nil {
				return err
			}
			tree, parent = root.hash, j.theirs
		}
		var b strings.Builder
		b.WriteString(c.subject(r) + "\n\n")
		if _, entry := r.entryAt(c.path); entry {
			b.WriteString(conflictEntry + c.title(r) + "\n")
		}
		fmt.Fprintf(&b, "%s%s\n%s%s\n%s%s\n%s%s\n%s%s\n", conflictPath, oneLine(c.path),
			conflictBase, c.base.hash, conflictOurs, c.ours.hash, conflictTheirs, c.theirs.hash, conflictCommit, c.commit)
		at := max(r.clock().Unix(), 0)
		if c.aside, err = r.packCommit(encodeCommit(tree, parent, made.author, r.committer, made.at, r.committedAt(at, j.date), b.String())); err != nil {
			return err
		}
	}
	return nil
}

// lastCommitOf is the commit that last touched a path, or another one when none is known to.
func (h *history) lastCommitOf(path string, or Hash) Hash {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if list := h.touches[path]; len(list) > 0 {
		return h.commits.at(list[len(list)-1].commit).hash
	}
	return or
}

// had is which one of the commits, the last of several, made the blob the file at a path, 0
// for none.
func (h *history) had(path string, blob Hash, commits map[Hash]int) (at int) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, t := range h.touches[path] {
		if t.blob == blob {
			at = max(at, commits[h.commits.at(t.commit).hash])
		}
	}
	return at
}

// asideBy are the entries of which a step's commit says that it set a version aside, each
// once, as a join has it. Those who push can write such a trailer too, and are told apart by
// the committer.
func (r *Repo) asideBy(c step) ([]Aside, error) {
	if c.author.Value() != r.committer.clean().clip() {
		return nil, nil // that is no join
	}
	o, err := r.store.commit(c.hash)
	if err != nil || o.committer != r.committer.clean() {
		return nil, err
	}
	_, trailers, _ := strings.Cut(o.message, "\n\n")
	var list []Aside
	seen := make(map[content.Path]bool)
	for line := range strings.Lines(trailers) {
		named, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), setAsideTrailer)
		at := strings.LastIndex(named, asBranch)
		if !found || at < 0 || len(named) != at+len(asBranch)+idLength {
			continue
		}
		path, err := content.ParsePath(named[:at])
		if err != nil || seen[path] {
			continue
		}
		if e, ok := r.entryAt(path.String()); ok {
			seen[path] = true
			list = append(list, Aside{named[at+len(asBranch):], e.Collection, e.Slug, path})
		}
	}
	return list, nil
}

// A Conflict is a version of a file that was written here and set aside, as the file was
// changed at the remote as well, whose version the branch has. It is kept by the
// branch cms/conflicts/ID until it is resolved.
type Conflict struct {
	ID                 string
	Path               content.Path
	Collection         string // of an entry; "" of other files
	Slug               content.Slug
	Base, Ours, Theirs Hash // blobs, zero for none: ours is what was set aside
	Commit             Hash // that made ours
	Author             Person
	At                 time.Time // when ours was made, UTC
}

// Conflicts are those that are not resolved, by path.
func (r *Repo) Conflicts(ctx context.Context) ([]Conflict, error) {
	refs, err := references(r.path, strings.TrimSuffix(conflicts, "/"))
	if err != nil {
		return nil, storageError(fmt.Errorf("look for conflicts: %w", err))
	}
	var list []Conflict
	for _, ref := range refs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := r.conflict(ref)
		if errors.Is(err, ErrNotFound) { // it was resolved just now, or is none of ours
			continue
		} else if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Conflict) int {
		return strings.Compare(a.Path.String()+"\x00"+a.ID, b.Path.String()+"\x00"+b.ID)
	})
	return list, nil
}

// Conflict is the one of an id. ErrNotFound when there is none.
func (r *Repo) Conflict(id string) (Conflict, error) {
	name := plumbing.ReferenceName(conflicts + id)
	if strings.Contains(id, "/") || name.Validate() != nil {
		return Conflict{}, fmt.Errorf("conflict %q: %w", id, ErrNotFound)
	}
	b := branch{disk: r.disk, dir: r.path, name: name}
	at, err := b.read()
	return r.conflict(reference{name, at, err})
}

// conflict is the one that a reference keeps.
func (r *Repo) conflict(ref reference) (Conflict, error) {
	if ref.err != nil {
		return Conflict{}, storageError(ref.err)
	}
	c := Conflict{ID: strings.TrimPrefix(string(ref.name), conflicts)}
	if ref.at.IsZero() {
		return Conflict{}, fmt.Errorf("conflict %s: %w", c.ID, ErrNotFound)
	}
	o, err := r.store.commit(ref.at)
	if err != nil {
		return Conflict{}, err
	}
	_, trailers, _ := strings.Cut(o.message, "\n\n")
	value := func(key string) string {
		for line := range strings.Lines(trailers) {
			if v, ok := strings.CutPrefix(line, key); ok {
				return strings.TrimSuffix(v, "\n")
			}
		}
		return ""
	}
	if c.Path, err = content.ParsePath(value(conflictPath)); err != nil {
		return Conflict{}, fmt.Errorf("conflict %s names no path: %w", c.ID, ErrNotFound)
	}
	if e, ok := r.entryAt(c.Path.String()); ok {
		c.Collection, c.Slug = e.Collection, e.Slug
	}
	c.Base, c.Ours, c.Theirs = NewHash(value(conflictBase)), NewHash(value(conflictOurs)), NewHash(value(conflictTheirs))
	c.Commit, c.Author, c.At = NewHash(value(conflictCommit)), o.author.clip(), time.Unix(o.at, 0).UTC()
	return c, nil
}

// EndConflict says that a conflict is resolved: its branch goes. What was set aside stays
// in the history of the branch, or in a backup of it. ErrNotFound when there is none.
func (r *Repo) EndConflict(id string) error {
	if _, err := r.Conflict(id); err != nil {
		return err
	}
	b := branch{disk: r.disk, dir: r.path, name: plumbing.ReferenceName(conflicts + id)}
	at, err := b.read()
	if err == nil {
		err = b.remove(at)
	}
	r.lookAside(context.Background())
	r.wakePusher()
	return storageError(err)
}

// asides are the conflicts by the path of their file, as they were last looked at, so that
// who reads an entry meets no disk.
type asides struct {
	mu     sync.Mutex // held while they are looked at
	refs   []reference
	byPath atomic.Pointer[map[content.Path][]string]
}

// AsideOf are the ids of the conflicts about a file, as of a second ago at most.
func (r *Repo) AsideOf(path content.Path) []string {
	byPath := r.asides.byPath.Load()
	if byPath == nil {
		return nil
	}
	return (*byPath)[path]
}

// lookAside has AsideOf know of the conflicts that there are. One that cannot be read now
// is looked at again later.
func (r *Repo) lookAside(ctx context.Context) {
	a := &r.asides
	a.mu.Lock()
	defer a.mu.Unlock()
	refs, err := references(r.path, strings.TrimSuffix(conflicts, "/"))
	if err != nil || slices.Equal(refs, a.refs) {
		return
	}
	list, err := r.Conflicts(ctx)
	if err != nil {
		return
	}
	byPath := make(map[content.Path][]string)
	for _, c := range list {
		byPath[c.Path] = append(byPath[c.Path], c.ID)
	}
	a.refs = refs
	a.byPath.Store(&byPath)
}
