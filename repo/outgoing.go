package repo

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// maxOutgoing is about how many bytes one push sends, so that neither it nor what it
// takes in memory grows with what has waited. A commit is sent whole.
const maxOutgoing = 32 << 20

// unpushed are the commits that lead to tip and not to at, which the branch has too or is
// zero: parents before children.
func (h *history) unpushed(at, tip Hash) ([]commit, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	to, ok := h.number(tip)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrUnknownCommit, tip)
	}
	var stay []int32
	if !at.IsZero() {
		from, ok := h.number(at)
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrUnknownCommit, at)
		}
		if from == to {
			return nil, nil
		}
		stay = []int32{from}
	}
	var list []commit
	for _, n := range slices.Backward(h.lostFrom(to, stay)) {
		list = append(list, *h.commits.at(n))
	}
	return list, nil
}

// outgoing packs what a remote needs whose branch is at a commit, zero for none, to go
// on to tip, or to a commit before it that the pack ends with. It costs what lies between
// the two, whatever the history before.
func (r *Repo) outgoing(ctx context.Context, at, tip Hash) (p *pack, upTo Hash, err error) {
	commits, err := r.history.unpushed(at, tip)
	if err != nil {
		return nil, Hash{}, err
	}
	own := r.store.withOwnCache()
	defer own.Close()
	o := &objectWalk{store: own, pack: newPack(), seen: make(map[Hash]bool)}
	follows := map[Hash]bool{at: true} // what leads on from at
	for _, c := range commits {
		if err := ctx.Err(); err != nil {
			return nil, Hash{}, err
		}
		parents, err := o.commit(c.hash)
		if err != nil {
			return nil, Hash{}, err
		}
		follows[c.hash] = at.IsZero() || slices.ContainsFunc(parents, func(p Hash) bool { return follows[p] })
		if upTo = c.hash; o.pack.buf.Len() > r.pushBytes && follows[c.hash] {
			break
		}
	}
	o.pack.finish()
	return o.pack, upTo, nil
}

// An objectWalk packs the objects that commits have and their parents have not.
type objectWalk struct {
	store *store
	pack  *pack
	seen  map[Hash]bool
	depth int // of the folder
	most  int // bytes of the pack, 0 for no bound: beyond it the walk ends with errPackFull
}

// commit packs a commit, after its parents, and says which those are.
func (o *objectWalk) commit(h Hash) (parents []Hash, err error) {
	raw, err := o.store.object(plumbing.CommitObject, h)
	if err != nil {
		return nil, mustBeThere(err)
	}
	c, err := parseCommit(raw)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", h, err)
	}
	var before []Hash
	for _, p := range c.parents {
		tree, err := o.store.treeOf(p)
		if err != nil {
			return nil, err
		}
		before = append(before, tree)
	}
	if err := o.tree(c.tree, before); err != nil {
		return nil, fmt.Errorf("pack commit %s: %w", h, err)
	}
	o.pack.add(plumbing.CommitObject, h, raw)
	return c.parents, nil
}

// tree packs a tree and what it holds, but for what one of the trees before it at that path
// holds there too.
func (o *objectWalk) tree(h Hash, before []Hash) error {
	if slices.Contains(before, h) || o.seen[h] {
		return nil
	}
	raw, err := o.store.object(plumbing.TreeObject, h)
	if err == nil {
		err = o.room(int64(len(raw)))
	}
	if err != nil {
		return mustBeThere(err)
	}
	o.seen[h] = true
	o.depth++
	defer func() { o.depth-- }()
	var folders []*folder
	for _, b := range before {
		f, err := o.store.folder(b)
		if err != nil {
			return err
		}
		folders = append(folders, f)
	}
	var first []byte
	if len(folders) > 0 {
		first = folders[0].raw
	}
	for a, b := first, raw; len(b) > 0; {
		if a, b, err = skipEqual(a, b); err != nil || len(b) == 0 {
			break
		}
		var old treeItem
		if len(a) > 0 {
			if old, err = nextItem(a); err != nil {
				return err
			}
		}
		item, err := nextItem(b)
		if err != nil {
			return err
		}
		if c := compareItems(old, item); old != nil && c <= 0 {
			if a = a[len(old):]; c < 0 {
				continue
			}
		}
		if b = b[len(item):]; item.mode() == filemode.Submodule {
			continue
		}
		if err := o.item(item, folders); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if len(before) > 0 && o.delta(h, before[0], raw) {
		return nil
	}
	o.pack.add(plumbing.TreeObject, h, raw)
	return nil
}

// delta packs a tree as what differs from the one before, if that is in the pack.
func (o *objectWalk) delta(h, before Hash, to []byte) bool {
	if _, ok := o.pack.index[before]; !ok {
		return false
	}
	from, err := o.store.object(plumbing.TreeObject, before) // as it is there, tidy or not
	if err != nil {
		return false
	}
	d := treeDelta(from, to)
	return len(d) < len(to)/2 && o.pack.addDelta(h, before, d)
}

// item packs what an item of a tree names, unless one of the folders has it at that name.
func (o *objectWalk) item(item treeItem, folders []*folder) error {
	h, dir := item.hash(), item.dir()
	var below []Hash
	for _, f := range folders {
		if i, ok := f.find(string(item.name()), dir); ok {
			if f.item(i).hash() == h {
				return nil
			}
			below = append(below, f.item(i).hash())
		}
	}
	if dir {
		return o.tree(h, below)
	}
	if o.seen[h] {
		return nil
	}
	o.seen[h] = true
	if o.most > 0 {
		size, err := o.store.size(h)
		if err == nil {
			err = o.room(size)
		}
		if err != nil {
			return mustBeThere(err)
		}
	}
	raw, err := o.store.blob(h)
	if err != nil {
		return mustBeThere(err)
	}
	o.pack.add(plumbing.BlobObject, h, raw)
	return nil
}

// room is errPackFull where so many bytes more are too many, or so deep down.
func (o *objectWalk) room(more int64) error {
	if o.most > 0 && (int64(o.pack.buf.Len())+more > int64(o.most) || o.depth > maxPathLen/2) {
		return errPackFull
	}
	return nil
}
