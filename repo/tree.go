package repo

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// A folder is a Git tree with its bytes at hand, patched in place by edits. It
// belongs to the writer. An empty folder has no bytes and the zero hash.
type folder struct {
	hash     Hash
	raw      []byte
	states   hashStates
	at       []int32            // where each item begins in raw
	children map[string]*folder // those that were read so far
}

// A file is a leaf of a tree: a regular file, a symbolic link or a submodule.
// The zero file is none.
type file struct {
	mode filemode.FileMode
	hash Hash
}

func (f file) regular() bool { return f.mode.IsRegular() || f.mode == filemode.Executable }

// An edit sets the file at a path below a folder; the zero file removes it.
type edit struct {
	path string
	file file
}

func parseFolder(h Hash, raw []byte) (*folder, error) {
	f := &folder{hash: h, raw: raw, children: make(map[string]*folder)}
	for rest := raw; len(rest) > 0; {
		item, err := nextItem(rest)
		if err != nil {
			return nil, fmt.Errorf("tree %s: %w", h, err)
		}
		f.at = append(f.at, int32(len(raw)-len(rest)))
		rest = rest[len(item):]
	}
	return f, nil
}

// child is the folder name below f, nil when there is none.
func (f *folder) child(name string, s *store) (*folder, error) {
	if k := f.children[name]; k != nil {
		return k, nil
	}
	i, ok := f.find(name, true)
	if !ok {
		return nil, nil
	}
	k, err := s.folder(f.item(i).hash())
	if err == nil {
		f.children[name] = k
	}
	return k, err
}

// lookup is the file at p, zero when there is none. ErrConflict when a folder
// is at p, or a file where a folder would be needed.
func (f *folder) lookup(p string, s *store) (file, error) {
	at := f
	for name, rest, nested := strings.Cut(p, "/"); nested; name, rest, nested = strings.Cut(rest, "/") {
		if _, ok := at.find(name, false); ok {
			return file{}, fmt.Errorf("%w: %q of %s is no folder", ErrConflict, name, p)
		}
		kid, err := at.child(name, s)
		if err != nil || kid == nil {
			return file{}, err
		}
		at = kid
	}
	if _, ok := at.find(path.Base(p), true); ok {
		return file{}, fmt.Errorf("%w: %s is a folder", ErrConflict, p)
	}
	if i, ok := at.find(path.Base(p), false); ok {
		return file{at.item(i).mode(), at.item(i).hash()}, nil
	}
	return file{}, nil
}

// apply makes the edits, which are in order of their paths, and puts the trees
// that changed into p. Folders are made and, once empty, removed as needed.
func (f *folder) apply(edits []edit, p *pack, s *store) error {
	var own []edit
	for len(edits) > 0 {
		name, _, nested := strings.Cut(edits[0].path, "/")
		if !nested {
			own, edits = append(own, edits[0]), edits[1:]
			continue
		}
		n := 0
		var below []edit
		for n < len(edits) && strings.HasPrefix(edits[n].path, name+"/") {
			below = append(below, edit{edits[n].path[len(name)+1:], edits[n].file})
			n++
		}
		edits = edits[n:]
		kid, err := f.child(name, s)
		if err != nil {
			return err
		}
		if kid == nil {
			kid = &folder{children: make(map[string]*folder)}
			f.children[name] = kid
		}
		if err := kid.apply(below, p, s); err != nil {
			return err
		}
		e := edit{name, file{filemode.Dir, kid.hash}}
		if len(kid.raw) == 0 {
			delete(f.children, name)
			e.file.hash = Hash{}
		}
		own = append(own, e)
	}
	slices.SortFunc(own, func(a, b edit) int {
		return compareNames([]byte(a.path), a.file.mode == filemode.Dir, []byte(b.path), b.file.mode == filemode.Dir)
	})
	f.splice(own, p)
	return nil
}

// splice makes edits of f's own items, which are in Git's order, and puts the
// new tree into p: as a delta if the tree before is there.
func (f *folder) splice(edits []edit, p *pack) {
	before, old := f.hash, f.raw
	d := delta{from: len(old)}
	inPlace := true
	type patch struct {
		at, del int
		ins     []byte
	}
	patches := make([]patch, 0, len(edits))
	for _, e := range edits {
		dir := e.file.mode == filemode.Dir
		i, found := f.find(e.path, dir)
		switch at := f.offset(i); {
		case found && e.file.hash.IsZero():
			patches = append(patches, patch{at, len(f.item(i)), nil})
			inPlace = false
		case found && (dir || f.item(i).mode() == e.file.mode):
			patches = append(patches, patch{at + len(f.item(i)) - 20, 20, bytes.Clone(e.file.hash[:])})
		case found:
			patches = append(patches, patch{at, len(f.item(i)), newItem(e)})
			inPlace = false
		case !e.file.hash.IsZero():
			patches = append(patches, patch{at, 0, newItem(e)})
			inPlace = false
		}
	}
	out := old
	if !inPlace {
		out = make([]byte, 0, len(old)+64*len(patches))
	}
	pos := 0
	for _, c := range patches {
		d.copy(pos, c.at-pos)
		d.insert(c.ins)
		if inPlace {
			copy(old[c.at:], c.ins)
		} else {
			out = append(append(out, old[pos:c.at]...), c.ins...)
		}
		pos = c.at + c.del
	}
	d.copy(pos, len(old)-pos)
	if !inPlace {
		out = append(out, old[pos:]...)
		f.raw, f.at = out, itemOffsets(out, f.at[:0])
	}
	if len(f.raw) == 0 {
		f.hash = Hash{}
		return
	}
	d.to = len(f.raw)
	unchanged := 0
	if inPlace && len(patches) > 0 {
		unchanged = patches[0].at
	}
	f.hash = f.states.name(f.raw, unchanged)
	if len(d.ops) >= len(f.raw)/2 || !p.addDelta(f.hash, before, d.bytes()) {
		p.add(plumbing.TreeObject, f.hash, f.raw)
	}
}

// hashStates are what the sum over a tree was after every stride of its bytes, so that
// a change costs the sum over what follows it. There is none for a tree that was
// not named yet.
type hashStates []hash.Cloner

const stride = 16 << 10

// name is the name of a tree whose size, unless unchanged is 0, and whose first
// bytes are those that it had when it was named before.
func (s *hashStates) name(raw []byte, unchanged int) (h Hash) {
	if unchanged == 0 || len(*s) == 0 {
		head, _ := newHasher(plumbing.TreeObject, int64(len(raw))).(hash.Cloner)
		*s = append((*s)[:0], head)
	}
	*s = (*s)[:min(len(*s), unchanged/stride+1)]
	for {
		at := (len(*s) - 1) * stride
		sum, _ := (*s)[len(*s)-1].Clone() // of SHA-1 never fails
		if at+stride > len(raw) {
			sum.Write(raw[at:])
			sum.Sum(h[:0])
			return h
		}
		sum.Write(raw[at : at+stride])
		*s = append(*s, sum)
	}
}

// treeDelta is the delta that turns the tree from into the tree to. They may be
// anything, but it is short only for trees that differ in few items.
func treeDelta(from, to []byte) []byte {
	d := delta{from: len(from), to: len(to)}
	a, b := from, to
	for len(b) > 0 {
		restA, restB, err := skipEqual(a, b)
		if err != nil {
			d.insert(b)
			break
		}
		d.copy(len(from)-len(a), len(b)-len(restB))
		a, b = restA, restB
		itemA, _ := nextItem(a)
		itemB, err := nextItem(b)
		switch {
		case err != nil:
			d.insert(b)
			b = nil
		case itemA == nil || compareItems(itemA, itemB) > 0:
			d.insert(itemB)
			b = b[len(itemB):]
		case compareItems(itemA, itemB) < 0:
			a = a[len(itemA):]
		default:
			d.insert(itemB)
			a, b = a[len(itemA):], b[len(itemB):]
		}
	}
	return d.bytes()
}

// find says where the item name is, or where it would be inserted.
func (f *folder) find(name string, dir bool) (int, bool) {
	key := []byte(name)
	return sort.Find(len(f.at), func(i int) int {
		it := f.item(i)
		return compareNames(key, dir, it.name(), it.dir())
	})
}

func (f *folder) offset(i int) int {
	if i < len(f.at) {
		return int(f.at[i])
	}
	return len(f.raw)
}

func (f *folder) item(i int) treeItem { return f.raw[f.offset(i):f.offset(i+1)] }

func itemOffsets(raw []byte, at []int32) []int32 {
	for i := 0; i < len(raw); {
		at = append(at, int32(i))
		i += bytes.IndexByte(raw[i:], 0) + 21
	}
	return at
}

// A treeItem is the bytes of one item of a tree: mode, space, name, NUL, hash.
type treeItem []byte

func nextItem(raw []byte) (treeItem, error) {
	nul := bytes.IndexByte(raw, 0)
	space := bytes.IndexByte(raw, ' ')
	if space < 1 || nul < space+2 || len(raw) < nul+21 {
		return nil, errors.New("malformed")
	}
	return raw[:nul+21], nil
}

// itemOf is the item of this name in a tree, nil where there is none: for who looks for a
// single one, without where all of them begin.
func itemOf(raw []byte, name string, dir bool) (treeItem, error) {
	for key := []byte(name); len(raw) > 0; {
		item, err := nextItem(raw)
		if err != nil {
			return nil, err
		}
		switch c := compareNames(key, dir, item.name(), item.dir()); {
		case c == 0:
			return item, nil
		case c < 0:
			return nil, nil
		}
		raw = raw[len(item):]
	}
	return nil, nil
}

// normalized is the tree raw with its items in Git's order and each name once, the first
// item of it, and without names that hold a slash, which are at no path: raw itself,
// as Git makes them. Others can be pushed, and would be read
// in one way here and in another there. The next edit in such a folder makes it a
// tree in order.
func normalized(raw []byte) ([]byte, error) {
	var last treeItem
	for rest := raw; len(rest) > 0; {
		item, err := nextItem(rest)
		if err != nil {
			return nil, err
		}
		if last != nil && compareItems(last, item) >= 0 || item.hasSlash() {
			return sorted(raw)
		}
		last, rest = item, rest[len(item):]
	}
	return raw, nil
}

func sorted(raw []byte) ([]byte, error) {
	var items []treeItem
	for rest := raw; len(rest) > 0; {
		item, err := nextItem(rest)
		if err != nil {
			return nil, err
		}
		if rest = rest[len(item):]; !item.hasSlash() {
			items = append(items, item)
		}
	}
	slices.SortStableFunc(items, compareItems)
	items = slices.CompactFunc(items, func(a, b treeItem) bool { return compareItems(a, b) == 0 })
	return slices.Concat(bytesOf(items)...), nil
}

func bytesOf(items []treeItem) [][]byte {
	out := make([][]byte, len(items))
	for i, it := range items {
		out[i] = it
	}
	return out
}

func newItem(e edit) treeItem {
	b := strconv.AppendUint(nil, uint64(e.file.mode), 8)
	b = append(append(append(b, ' '), e.path...), 0)
	return append(b, e.file.hash[:]...)
}

// mode is the item's as Git reads it, which takes more than the five that it writes: any that
// is of a regular file for one of two, and any that is of a folder for a folder.
func (it treeItem) mode() (m filemode.FileMode) {
	for _, c := range it[:bytes.IndexByte(it, ' ')] {
		m = m<<3 | filemode.FileMode(c-'0')
	}
	switch {
	case m&fileType == filemode.Regular&fileType && m&0o100 != 0:
		return filemode.Executable
	case m&fileType == filemode.Regular&fileType:
		return filemode.Regular
	case m&fileType == filemode.Dir:
		return filemode.Dir
	case m&fileType == filemode.Symlink:
		return filemode.Symlink
	}
	return filemode.Submodule
}

// fileType are the bits of a mode that tell files, folders and links apart, as in stat(2).
const fileType filemode.FileMode = 0o170000

// hasSlash says whether the item is at no path.
func (it treeItem) hasSlash() bool { return bytes.IndexByte(it.name(), '/') >= 0 }

func (it treeItem) name() []byte   { return it[bytes.IndexByte(it, ' ')+1 : len(it)-21] }
func (it treeItem) hash() (h Hash) { copy(h[:], it[len(it)-20:]); return h }
func (it treeItem) dir() bool      { return it.mode() == filemode.Dir }
func (it treeItem) file() file     { return file{it.mode(), it.hash()} }

// compareNames orders the items of a tree as Git does: folders as if their
// names ended in a slash.
func compareNames(a []byte, aDir bool, b []byte, bDir bool) int {
	n := min(len(a), len(b))
	if c := bytes.Compare(a[:n], b[:n]); c != 0 {
		return c
	}
	return cmp.Compare(byteAfter(a, n, aDir), byteAfter(b, n, bDir))
}

func byteAfter(name []byte, n int, dir bool) byte {
	switch {
	case n < len(name):
		return name[n]
	case dir:
		return '/'
	}
	return 0
}
