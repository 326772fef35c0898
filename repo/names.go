package repo

import (
	"iter"
	"strings"

	"cms/content"
)

// Names are those of the files and folders in a folder, as they are after what was
// done so far. Of a folder that is not there, there are none; one that the update
// itself has emptied is still named.
func (tx *Tx) Names(in content.Path) (iter.Seq[string], error) {
	at, err := tx.tipTree()
	for name := range strings.SplitSeq(in.String(), "/") {
		if err == nil && at != nil {
			at, err = at.child(name, tx.repo.store)
		}
	}
	if err != nil {
		return nil, storageError(err)
	}
	return func(yield func(string) bool) {
		inside := in.String() + "/"
		items := 0
		if at != nil {
			items = len(at.at)
		}
		for i := range items {
			name := string(at.item(i).name())
			if c := tx.staged[inside+name]; c != nil && c.after == (file{}) {
				continue
			}
			if !yield(name) {
				return
			}
		}
		for path, c := range tx.staged {
			name, below := strings.CutPrefix(path, inside)
			if name, _, _ = strings.Cut(name, "/"); below && c.after != (file{}) && !yield(name) {
				return
			}
		}
	}, nil
}

// tipTree is the tree of the tip.
func (tx *Tx) tipTree() (*folder, error) {
	if tx.root == nil {
		root, err := tx.repo.store.folder(tx.tree)
		if err != nil {
			return nil, err
		}
		tx.root = root
	}
	return tx.root, nil
}
