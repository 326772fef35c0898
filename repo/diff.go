package repo

import (
	"bytes"
	"errors"
	"slices"
	"sync/atomic"
)

// An Action is what a commit did to a file.
type Action string

// The actions. A file is moved if one with the same bytes, or with half of them, was
// there before the commit, at another path, and is there no more.
const (
	Created Action = "created"
	Updated Action = "updated"
	Deleted Action = "deleted"
	Moved   Action = "moved"
)

// Actions are all of them.
func Actions() []Action { return []Action{Created, Updated, Deleted, Moved} }

// A diffEntry is the difference that a commit makes to a file.
type diffEntry struct {
	path, from    string // from: where a moved file was
	action        Action
	before, after file // zero when there was none, or is none any more
}

// A treeDiff finds the files in which two trees differ. Folders whose path is longer
// than maxPathLen are passed over.
type treeDiff struct {
	tree    func(Hash) ([]byte, error)
	blob    func(Hash) ([]byte, bool) // for renames with an edit; see classify
	want    func(folder string) bool  // whether to look into a folder; nil is always
	budget  *stepBudget               // of each diff
	shared  *stepBudget               // of this and others; nil is unbounded
	emit    func(diffEntry)           // nil is to collect them in out
	out     []diffEntry
	left    []leftOut // by a merge, after against
	skipped int       // how many folders were passed over
}

// A leftOut is a file that a merge has not, and one of its parents has, but not every one.
type leftOut struct {
	path   string
	parent int // which parent has it: the first one that does
}

// maxPathLen is how long a path may be, in bytes, for what is there to be seen, as it
// is to operating systems. So trees may be nested as deep as one likes.
const maxPathLen = 4096

// Few objects can stand for any number of files: trees of which each names the next
// one many times. maxDiffSteps is how many files and folders one comparison of trees
// may come to; manyDiffs comparisons may be as large when a branch is taken in, and
// each other commit has stepsPerCommit.
const (
	maxDiffSteps   = 2 << 20
	manyDiffs      = 8
	stepsPerCommit = 256
)

// errDiffTooLarge: a comparison of trees was given up.
var errDiffTooLarge = errors.New("more files and folders differ than can be taken in")

// A stepBudget bounds the steps of comparisons.
type stepBudget struct{ left atomic.Int64 }

func newStepBudget(steps int) *stepBudget {
	e := new(stepBudget)
	e.left.Store(int64(steps))
	return e
}

// step takes one step, errDiffTooLarge when there is none left.
func (d *treeDiff) step() error {
	if d.budget.left.Add(-1) < 0 || d.shared != nil && d.shared.left.Add(-1) < 0 {
		return errDiffTooLarge
	}
	return nil
}

// against lists what differs in tree from every one of the parents.
func (d *treeDiff) against(parents []Hash, tree Hash) (out []diffEntry, err error) {
	had := make(map[string]int) // of a merge, what it has not, with how many parents have it
	for k, parent := range parents {
		d.out = nil
		if err := d.diff(parent, tree, ""); err != nil {
			return nil, err
		}
		for _, c := range d.out {
			if len(parents) == 1 || c.after != (file{}) {
				continue
			}
			if had[c.path]++; had[c.path] == 1 {
				d.left = append(d.left, leftOut{c.path, k})
			}
		}
		if k == 0 {
			out = d.out
		} else {
			out = changedInBoth(out, d.out)
		}
	}
	d.left = slices.DeleteFunc(d.left, func(l leftOut) bool { return had[l.path] == len(parents) })
	return classify(out, d.blob), nil
}

// diff compares the trees a and b, found at the folder prefix ("" or ending in
// a slash). Equal items, and with them equal folders, are passed over.
func (d *treeDiff) diff(a, b Hash, prefix string) error {
	if a == b || d.want != nil && !d.want(prefix) {
		return nil
	}
	if len(prefix) > maxPathLen {
		d.skipped++
		return nil
	}
	if err := d.step(); err != nil {
		return err
	}
	ra, err := d.tree(a)
	if err != nil {
		return err
	}
	rb, err := d.tree(b)
	if err != nil {
		return err
	}
	for len(ra) > 0 || len(rb) > 0 {
		if bytes.Equal(ra, rb) {
			return nil
		}
		if ra, rb, err = skipEqual(ra, rb); err != nil {
			return err
		}
		var ia, ib treeItem
		if len(ra) > 0 {
			if ia, err = nextItem(ra); err != nil {
				return err
			}
		}
		if len(rb) > 0 {
			if ib, err = nextItem(rb); err != nil {
				return err
			}
		}
		switch c := compareItems(ia, ib); {
		case c < 0:
			ra, err = ra[len(ia):], d.item(ia, nil, prefix)
		case c > 0:
			rb, err = rb[len(ib):], d.item(nil, ib, prefix)
		default:
			ra, rb, err = ra[len(ia):], rb[len(ib):], d.item(ia, ib, prefix)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// item compares two items of one name and kind, or one item with nothing.
func (d *treeDiff) item(a, b treeItem, prefix string) error {
	name := a
	if b != nil {
		name = b
	}
	full := prefix + string(name.name())
	if name.dir() {
		var ha, hb Hash
		if a != nil {
			ha = a.hash()
		}
		if b != nil {
			hb = b.hash()
		}
		return d.diff(ha, hb, full+"/")
	}
	if err := d.step(); err != nil {
		return err
	}
	c := diffEntry{path: full}
	if a != nil {
		c.before = a.file()
	}
	if b != nil {
		c.after = b.file()
	}
	if d.emit != nil {
		d.emit(c)
	} else {
		d.out = append(d.out, c)
	}
	return nil
}

// skipEqual passes over the items that a and b begin with both.
func skipEqual(a, b []byte) ([]byte, []byte, error) {
	same := commonPrefix(a, b)
	at := 0
	for at < same {
		it, err := nextItem(a[at:])
		if err != nil {
			return nil, nil, err
		}
		if at+len(it) > same {
			break
		}
		at += len(it)
	}
	return a[at:], b[at:], nil
}

func commonPrefix(a, b []byte) int {
	const block = 512
	n, i := min(len(a), len(b)), 0
	for i+block <= n && bytes.Equal(a[i:i+block], b[i:i+block]) {
		i += block
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// compareItems orders items by name and kind; a missing item comes last.
func compareItems(a, b treeItem) int {
	switch {
	case a == nil:
		return +1
	case b == nil:
		return -1
	}
	return compareNames(a.name(), a.dir(), b.name(), b.dir())
}
