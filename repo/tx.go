package repo

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"runtime/debug"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"

	"cms/content"
	"cms/say"
)

// A Tx is one update in the making: what it reads is the tip of the branch and
// what it did itself. It is valid until its function returns, and for the
// goroutine of that function only.
type Tx struct {
	repo          *Repo
	request       *request         // that it is run for; nil for a dry run
	base          *Snapshot        // that the update, or its group, begins with
	root          *folder          // of the tip; not changed. nil until a dry run needs it
	tree          Hash             // of the tip
	skipTreeCheck bool             // that nothing but entries is where entries can be
	tables        map[string]table // of the tip and what was done
	staged        map[string]*stagedFile
	folders       map[string]int // how many new files there are below a folder
	message       string
	done          bool
}

// A stagedFile is what an update does to a file.
type stagedFile struct {
	before, after file
	was, entry    *Entry  // of the tip, and what is put; nil when there is none
	upload        *Upload // of which the file is made, if it is
}

func newTx(base *Snapshot, tables map[string]table) *Tx {
	return &Tx{repo: base.repo, base: base, tables: tables, staged: make(map[string]*stagedFile), folders: make(map[string]int)}
}

// call runs fn. A panic is an error of fn.
func (tx *Tx) call(fn func(*Tx) error) (err error) {
	defer func() {
		tx.done = true
		if v := recover(); v != nil {
			tx.repo.log.Error("update panicked", "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("update panicked: %v", v)
		}
	}()
	return fn(tx)
}

// Entry is the entry slug of a collection.
func (tx *Tx) Entry(collection string, slug content.Slug) (*Entry, bool) {
	return tx.tables[collection].get(slug)
}

// SetMessage sets the commit's subject, in place of the one of Meta.
func (tx *Tx) SetMessage(subject string) { tx.message = subject }

// Put makes d the content of the entry slug, which is created if there is none.
// An equal file is no change. The file's mode stays. ErrConflict when the file
// would stand where something else is.
func (tx *Tx) Put(collection string, slug content.Slug, d *content.Document) (*Entry, error) {
	e, err := tx.newEntry(collection, slug)
	if err != nil {
		return nil, err
	}
	old, exists := tx.Entry(collection, slug)
	if exists {
		if src, err := old.Source(); err != nil {
			return nil, err
		} else if bytes.Equal(src, d.Source()) {
			return old, nil
		}
		e.Mode = old.Mode
	}
	src := d.Source()
	e.Revision = hashObject(plumbing.BlobObject, src)
	e.blob = tx.repo.newCachedBlob(collection, e.Revision)
	e.blob.setUnsaved(d)
	return e, tx.put(e)
}

// Delete removes the entry slug. ErrNotFound when there is none.
func (tx *Tx) Delete(collection string, slug content.Slug) error {
	if tx.done {
		return errTxDone
	}
	e, ok := tx.Entry(collection, slug)
	if !ok {
		return fmt.Errorf("entry %s of %s: %w", slug, collection, ErrNotFound)
	}
	if err := tx.set(e.Path, e, &stagedFile{}); err != nil {
		return err
	}
	tx.tables[collection] = tx.tables[collection].remove(slug)
	return nil
}

// Move gives the entry from of a collection the slug to of the same or another
// one, with the same bytes and mode. ErrNotFound when there is no such entry,
// ErrExists when to is taken.
func (tx *Tx) Move(collection string, from content.Slug, target string, to content.Slug) error {
	old, ok := tx.Entry(collection, from)
	if !ok {
		return fmt.Errorf("entry %s of %s: %w", from, collection, ErrNotFound)
	}
	if _, taken := tx.Entry(target, to); taken {
		return fmt.Errorf("entry %s of %s: %w", to, target, ErrExists)
	}
	e, err := tx.newEntry(target, to)
	if err != nil {
		return err
	}
	e.Mode, e.Revision, e.blob = old.Mode, old.Revision, old.blob.in(tx.repo, target)
	if err := tx.put(e); err != nil {
		return err
	}
	return tx.Delete(collection, from)
}

// File is the regular file at p, as it is after what was done so far. ErrNotFound
// when there is none. What PutFile has put can be read when it is committed.
func (tx *Tx) File(p content.Path) (File, error) {
	f, err := tx.fileAt(p, nil)
	if c := tx.staged[p.String()]; c != nil {
		f, err = c.after, nil
	}
	if errors.Is(err, ErrConflict) || err == nil && !f.regular() {
		err = fmt.Errorf("file %s: %w", p, ErrNotFound)
	}
	return File{p, f.hash, f.mode, tx.repo}, err
}

// PutFile makes what was uploaded the content of the file at p, which must be no
// entry's: ErrConflict then, and when something else than a file is there. Equal
// content is no change. The file's mode stays.
func (tx *Tx) PutFile(p content.Path, u *Upload) error {
	if err := tx.checkNotEntry(p); err != nil {
		return err
	}
	if u.request != nil && u.request != tx.request {
		return fmt.Errorf("upload was put by another update: %w", ErrClosed)
	} else if !u.isKept(&tx.repo.keepFiles) {
		return fmt.Errorf("%w: what was uploaded is kept no more", ErrStorage)
	}
	mode := filemode.Regular
	if now, err := tx.File(p); err == nil {
		mode = now.Mode
	}
	return tx.set(p, nil, &stagedFile{after: file{mode, u.blob}, upload: u})
}

// DeleteFile removes the file at p, which must be no entry's. ErrNotFound when
// there is none.
func (tx *Tx) DeleteFile(p content.Path) error {
	if err := tx.checkNotEntry(p); err != nil {
		return err
	}
	if _, err := tx.File(p); err != nil {
		return err
	}
	return tx.set(p, nil, &stagedFile{})
}

// MoveFile gives the file at from the path to, with the same bytes and mode.
// Neither may be an entry's. ErrNotFound when there is no such file, ErrExists
// when one is at to.
func (tx *Tx) MoveFile(from, to content.Path) error {
	if err := errors.Join(tx.checkNotEntry(from), tx.checkNotEntry(to)); err != nil {
		return err
	}
	f, err := tx.File(from)
	if err != nil {
		return err
	}
	if _, err := tx.File(to); err == nil {
		return fmt.Errorf("file %s: %w", to, ErrExists)
	}
	moved := &stagedFile{after: file{f.Mode, f.Revision}}
	if c := tx.staged[from.String()]; c != nil {
		moved.upload = c.upload
	}
	if err := tx.set(to, nil, moved); err != nil {
		return err
	}
	return tx.set(from, nil, &stagedFile{})
}

// checkNotEntry says why no file that is no entry can be at p, or nil.
func (tx *Tx) checkNotEntry(p content.Path) error {
	if tx.done {
		return errTxDone
	}
	if e, ok := tx.repo.entryAt(p.String()); ok {
		return fmt.Errorf("%w: %s is an entry of %s", ErrConflict, p, e.Collection)
	}
	return nil
}

var errTxDone = fmt.Errorf("update is over: %w", ErrClosed)

// newEntry is an entry without content at its path.
func (tx *Tx) newEntry(collection string, slug content.Slug) (*Entry, error) {
	if tx.done {
		return nil, errTxDone
	}
	c, err := tx.repo.collections.named(collection)
	if err != nil {
		return nil, err
	}
	p, err := c.Path(slug)
	if err != nil {
		return nil, err
	}
	if owner, _, ok := tx.repo.collections.owner(p); !ok || owner != c {
		return nil, fmt.Errorf("%w: %s is no entry of %s", ErrConflict, p, collection)
	}
	return &Entry{Collection: collection, Slug: slug, Path: p, Mode: filemode.Regular}, nil
}

// put makes e the file at its path.
func (tx *Tx) put(e *Entry) error {
	was, _ := tx.Entry(e.Collection, e.Slug)
	if err := tx.set(e.Path, was, &stagedFile{after: file{e.Mode, e.Revision}, entry: e}); err != nil {
		return err
	}
	tx.tables[e.Collection] = tx.tables[e.Collection].put(e)
	return nil
}

// set makes what to says the file at p, where the entry was is now.
func (tx *Tx) set(p content.Path, was *Entry, to *stagedFile) error {
	c, err := tx.stage(p, was)
	if err != nil {
		return err
	}
	if none := (file{}); c.before == none && c.after == none && to.after != none {
		tx.countNew(p, +1)
	} else if c.before == none && c.after != none && to.after == none {
		tx.countNew(p, -1)
	}
	c.after, c.entry, c.upload = to.after, to.entry, to.upload
	return nil
}

// stage is what was done to the file at p so far, if a regular file is or can be
// there; was is the entry there.
func (tx *Tx) stage(p content.Path, was *Entry) (*stagedFile, error) {
	name := p.String()
	if c := tx.staged[name]; c != nil && c.after != (file{}) {
		return c, nil
	}
	if tx.folders[name] > 0 {
		return nil, fmt.Errorf("%w: %s is a folder", ErrConflict, name)
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if c := tx.staged[dir]; c != nil && c.after != (file{}) {
			return nil, fmt.Errorf("%w: %s is a file", ErrConflict, dir)
		}
	}
	f, err := tx.fileAt(p, was)
	if err != nil {
		return nil, err
	}
	if f != (file{}) && !f.regular() {
		return nil, fmt.Errorf("%w: %s is a symbolic link or a submodule", ErrConflict, name)
	}
	c := tx.staged[name]
	if c == nil {
		c = &stagedFile{before: f, after: f, was: was}
		tx.staged[name] = c
	}
	return c, nil
}

// fileAt is the file that the tip has at p, zero when there is none. That of an
// entry is known without a look at the tree.
func (tx *Tx) fileAt(p content.Path, was *Entry) (file, error) {
	if was != nil {
		return file{was.Mode, was.Revision}, nil
	}
	if _, _, entry := tx.repo.collections.owner(p); entry && tx.skipTreeCheck {
		return file{}, nil
	}
	root, err := tx.tipTree()
	if err != nil {
		return file{}, err
	}
	return root.lookup(p.String(), tx.repo.store)
}

// countNew notes that the new files below each folder of p become more or fewer.
func (tx *Tx) countNew(p content.Path, n int) {
	for dir := path.Dir(p.String()); dir != "."; dir = path.Dir(dir) {
		tx.folders[dir] += n
	}
}

// netChanges is what the update comes to: its changes without those that left
// everything as it was.
func (tx *Tx) netChanges() map[string]*stagedFile {
	maps.DeleteFunc(tx.staged, func(_ string, c *stagedFile) bool {
		same := c.before == c.after
		if same && c.was != nil {
			tx.tables[c.was.Collection] = tx.tables[c.was.Collection].put(c.was)
		}
		return same
	})
	return tx.staged
}

// subject is the commit's: what the function or meta said, or what was done.
func (tx *Tx) subject(m Meta, changes []diffEntry) string {
	for _, s := range []string{tx.message, m.Message} {
		if s = oneLine(s); s != "" {
			return s
		}
	}
	c := changes[0]
	name := func(path string) string {
		if e, ok := tx.repo.entryAt(path); ok {
			return e.Collection + "/" + e.Slug.String()
		}
		return path
	}
	s := say.New("%s %s", Verb(c.action), name(c.path))
	if c.action == Moved {
		s = say.New("%s %s to %s", Verb(Moved), name(c.from), name(c.path))
	}
	if n := len(changes) - 1; n == 1 {
		s = say.New("%s and one more", s)
	} else if n > 1 {
		s = say.New("%s and %d more", s, n)
	}
	return strings.TrimSpace(s.In(tx.repo.language))
}

// Verb is what an action does, in the subject of a commit.
func Verb(a Action) say.Text {
	switch a {
	case Created:
		return say.New("Create")
	case Updated:
		return say.New("Update")
	case Deleted:
		return say.New("Delete")
	case Moved:
		return say.New("Move")
	}
	return say.Text{}
}
