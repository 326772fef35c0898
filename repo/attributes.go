package repo

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"cms/content"
	"cms/lfs"
)

// attributesName is the file in which a folder says what becomes of its files.
const attributesName = ".gitattributes"

// attributes are the .gitattributes of a tree, each read when it is first asked for. No
// update of ours touches one, so that snapshots which only such updates set apart share
// them, and an edit costs no look at the tree.
type attributes struct {
	mu       sync.Mutex
	byFolder map[string]*lfs.Attributes // of the folders that were looked at; nil for one without
}

func newAttributes() *attributes { return &attributes{byFolder: map[string]*lfs.Attributes{}} }

// of are those that count for the file at p in s, the outermost first.
func (a *attributes) of(s *Snapshot, p content.Path) ([]*lfs.Attributes, error) {
	found, complete := a.known(p)
	if complete {
		return found, nil
	}
	found = nil
	tree := s.tree
	for folder := range ancestors(p) {
		raw, err := s.repo.store.tree(tree)
		if err != nil {
			return nil, err
		}
		items, err := parseFolder(tree, raw)
		if err != nil {
			return nil, err
		}
		read, err := s.readAttributes(folder, items)
		if err != nil {
			return nil, err
		}
		a.mu.Lock()
		a.byFolder[folder] = read
		a.mu.Unlock()
		if read != nil {
			found = append(found, read)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(p.String()[len(folder):], "/"), "/")
		at, ok := items.find(name, true)
		if !ok {
			break // the other folders are not there, and have nothing to say
		}
		tree = items.item(at).hash()
	}
	return found, nil
}

// touches says whether the commit changed a file of a name, in whatever folder.
func (c *madeCommit) touches(name string) bool {
	return slices.ContainsFunc(c.changes, func(d diffEntry) bool { return path.Base(d.path) == name || path.Base(d.from) == name })
}

// known are those of p, if all of its folders were looked at.
func (a *attributes) known(p content.Path) (found []*lfs.Attributes, complete bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for folder := range ancestors(p) {
		read, looked := a.byFolder[folder]
		if !looked {
			return nil, false
		}
		if read != nil {
			found = append(found, read)
		}
	}
	return found, true
}

// ancestors yields the folders of p, the root, which is "", first.
func ancestors(p content.Path) func(func(string) bool) {
	return func(yield func(string) bool) {
		if !yield("") {
			return
		}
		for i, r := range p.String() {
			if r == '/' && !yield(p.String()[:i]) {
				return
			}
		}
	}
}

// readAttributes reads what a folder has, nil if it has none. One that is a link is none,
// as for Git, and so is one that is larger than lfs.MaxAttributes.
func (s *Snapshot) readAttributes(folder string, items *folder) (*lfs.Attributes, error) {
	at, ok := items.find(attributesName, false)
	if !ok {
		return nil, nil
	}
	f := file{items.item(at).mode(), items.item(at).hash()}
	if !f.regular() {
		return nil, nil
	}
	size, err := s.repo.store.size(f.hash)
	if err != nil || size > lfs.MaxAttributes {
		return nil, missingBlob(err)
	}
	raw, err := s.repo.store.blob(f.hash)
	if err != nil {
		return nil, missingBlob(err)
	}
	return lfs.ParseAttributes(folder, raw), nil
}

// missingBlob is the error of a blob that a tree names: that it is not there is a failure
// of the storage.
func missingBlob(err error) error {
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w: %s", ErrStorage, err.Error())
	}
	return err
}

// Tracked says whether Git LFS keeps the file at p, by the .gitattributes of the tip: in
// the repository there would be a pointer, which Git puts there.
func (tx *Tx) Tracked(p content.Path) (bool, error) {
	in, err := tx.base.attributes.of(tx.base, p)
	if err != nil || len(in) == 0 {
		return false, err
	}
	return lfs.Tracked(p.String(), in), nil
}

// Pointer is what the file is to Git LFS; false if it is no pointer. Size is that of the
// file.
func (f File) Pointer(size int64) (lfs.Pointer, bool, error) {
	if size >= lfs.MaxPointer {
		return lfs.Pointer{}, false, nil
	}
	r, err := f.Open()
	if err != nil {
		return lfs.Pointer{}, false, err
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		return lfs.Pointer{}, false, err
	}
	p, ok := lfs.ParsePointer(raw)
	return p, ok, nil
}
