package repo

import (
	"cmp"
	"errors"
	"path"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// How many of the files that are not there are named, and how many are looked for again.
const (
	missingNamed = 3
	missingAsked = 100
)

// lookForMissing counts the files of a tree whose content is not there, and names the first:
// a partial clone has none of what was filtered, and a disk may have lost some. A folder that
// is not there is one. Only whether it is there is looked at, by the indexes.
func (x *Examined) lookForMissing(s *store, tree Hash) error {
	type folder struct {
		path string
		tree Hash
	}
	list, err := s.set().list()
	if err != nil {
		return err
	}
	has := map[Hash]bool{}
	there := func(h Hash) bool {
		is, known := has[h]
		if !known {
			_, is, _ = list.find(h)
			if !is {
				var err error
				if x.Missing < missingAsked { // beside who packs what was loose
					_, err = s.find(plumbing.BlobObject, h, -1)
				} else {
					_, err = s.readLoose(list.folders, h, -1)
				}
				is = err == nil
			}
			has[h] = is
		}
		return is
	}
	lacks := func(name string) {
		if x.Missing++; len(x.MissingNamed) < missingNamed {
			x.MissingNamed = append(x.MissingNamed, name)
		}
	}
	for next := []folder{{"", tree}}; len(next) > 0; {
		at := next[0]
		next = next[1:]
		raw, err := s.tree(at.tree)
		if err != nil {
			lacks(cmp.Or(at.path, "/"))
			continue
		}
		for len(raw) > 0 {
			item, err := nextItem(raw)
			if err != nil {
				return errors.Join(errDamaged, err)
			}
			raw = raw[len(item):]
			name := path.Join(at.path, string(item.name()))
			switch item.mode() {
			case filemode.Submodule:
			case filemode.Dir:
				next = append(next, folder{name, item.hash()})
			default:
				if h := item.hash(); !there(h) && h != hashObject(plumbing.BlobObject, nil) {
					lacks(name)
				}
			}
		}
	}
	return nil
}
