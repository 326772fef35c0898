package repo

import (
	"bytes"
	"cmp"
	"hash/fnv"
	"path"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// A deleted and a created file are one that was moved if they have the same bytes or,
// as git log --follow has it, at least minSimilarity percent in common; of the same
// name minNamesake, where no other file of either kind has it.
const (
	minSimilarity = 50
	minNamesake   = 75
)

// What finding renames may cost in one commit: files that are longer, and all where
// there is more to read or to compare, are told apart by their bytes alone.
const (
	maxRenameFile  = 256 << 10 // bytes
	maxRenameBytes = 4 << 20
	maxRenamePairs = 100 * 100
	maxRenameSteps = 2 << 20 // chunks that are looked up in another file
)

// A renameFinder pairs files that a commit deletes with those that it creates.
type renameFinder struct {
	read   func(Hash) ([]byte, bool) // the content of a blob; false for one that is too long or cannot be read
	left   int                       // bytes that may be read yet
	steps  int                       // that may be taken yet
	chunks map[Hash]chunks
}

// pair is the pairs of files that were edited as they were moved, of those that were
// not paired by their bytes. It is by content and names alone, so that who reads the
// history later finds the same. There are none where they would cost too much.
func (rf *renameFinder) pair(deleted, created []*diffEntry) map[*diffEntry]*diffEntry {
	rf.left, rf.steps, rf.chunks = maxRenameBytes, maxRenameSteps, make(map[Hash]chunks)
	pairs := make(map[*diffEntry]*diffEntry) // by the created one
	taken := make(map[*diffEntry]bool)
	was, is := byBase(deleted), byBase(created)
	for _, c := range created {
		base := path.Base(c.path)
		if len(was[base]) != 1 || len(is[base]) != 1 {
			continue
		}
		if d := was[base][0]; rf.similarity(d, c) >= minNamesake {
			pairs[c], taken[d] = d, true
		}
	}
	deleted = slices.DeleteFunc(slices.Clone(deleted), func(d *diffEntry) bool { return taken[d] })
	created = slices.DeleteFunc(slices.Clone(created), func(c *diffEntry) bool { return pairs[c] != nil })
	if rf.spent() {
		return nil
	}
	if len(deleted)*len(created) > maxRenamePairs {
		return pairs
	}
	type candidate struct {
		from, to *diffEntry
		percent  int
		named    bool
	}
	var all []candidate
	for _, c := range created {
		for _, d := range deleted {
			if p := rf.similarity(d, c); p >= minSimilarity {
				all = append(all, candidate{d, c, p, path.Base(d.path) == path.Base(c.path)})
			}
		}
	}
	if rf.spent() {
		return nil
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		switch {
		case a.percent != b.percent:
			return cmp.Compare(b.percent, a.percent)
		case a.named != b.named && a.named:
			return -1
		case a.named != b.named:
			return +1
		}
		return 0
	})
	for _, c := range all {
		if pairs[c.to] == nil && !taken[c.from] {
			pairs[c.to], taken[c.from] = c.from, true
		}
	}
	return pairs
}

func byBase(list []*diffEntry) map[string][]*diffEntry {
	out := make(map[string][]*diffEntry)
	for _, c := range list {
		base := path.Base(c.path)
		out[base] = append(out[base], c)
	}
	return out
}

// spent says whether finding renames has cost all that it may.
func (rf *renameFinder) spent() bool { return rf.left < 0 || rf.steps < 0 }

// similarity is how much of the longer of two files is in both, in percent.
func (rf *renameFinder) similarity(deleted, created *diffEntry) int {
	if rf.spent() {
		return 0
	}
	a, b := rf.chunksOf(deleted.before.hash), rf.chunksOf(created.after.hash)
	longer := max(a.size, b.size)
	if min(a.size, b.size) == 0 || longer-min(a.size, b.size) > longer*(100-minSimilarity)/100 {
		return 0
	}
	fewer, other := a.bytes, b.bytes
	if len(other) < len(fewer) {
		fewer, other = other, fewer
	}
	if rf.steps -= len(fewer); rf.spent() {
		return 0
	}
	common := 0
	for sum, n := range fewer {
		common += min(n, other[sum])
	}
	return common * 100 / longer
}

// chunks are how many bytes a file has of each of its lines, or of the parts of long
// ones.
type chunks struct {
	size  int
	bytes map[uint64]int // by a sum of the chunk
}

func (rf *renameFinder) chunksOf(blob Hash) chunks {
	if c, ok := rf.chunks[blob]; ok {
		return c
	}
	var c chunks
	if rf.left >= 0 {
		if raw, ok := rf.read(blob); ok {
			rf.left -= len(raw)
			c = chunksIn(raw)
		}
	}
	rf.chunks[blob] = c
	return c
}

// chunksIn cuts raw into chunks as Git does: at the ends of lines, and after 64 bytes.
// How lines end makes no difference.
func chunksIn(raw []byte) chunks {
	const longest = 64
	c := chunks{size: len(raw), bytes: make(map[uint64]int)}
	for len(raw) > 0 {
		n := min(longest, len(raw))
		if i := bytes.IndexByte(raw[:n], '\n'); i >= 0 {
			n = i + 1
		}
		chunk := raw[:n]
		if line, ok := bytes.CutSuffix(chunk, []byte("\r\n")); ok {
			chunk = append(slices.Clone(line), '\n')
		}
		sum := fnv.New64a()
		sum.Write(chunk)
		c.bytes[sum.Sum64()] += n
		raw = raw[n:]
	}
	return c
}

// classify names what each change is and puts them in order of path. A deleted and a
// created regular file become one that was moved: of the same bytes, told apart by base
// name if there are several, else as blob lets tell, which is nil for the same bytes
// alone. Empty files are not paired.
func classify(changes []diffEntry, blob func(Hash) ([]byte, bool)) []diffEntry {
	slices.SortFunc(changes, func(a, b diffEntry) int { return cmp.Compare(a.path, b.path) })
	gone := make(map[Hash]*equals) // deleted files by content
	empty := hashObject(plumbing.BlobObject, nil)
	for i := range changes {
		c := &changes[i]
		switch {
		case c.after != (file{}) && c.before != (file{}):
			c.action = Updated
		case c.after != (file{}):
			c.action = Created
		default:
			c.action = Deleted
			if c.before.regular() && c.before.hash != empty {
				if gone[c.before.hash] == nil {
					gone[c.before.hash] = new(equals)
				}
				gone[c.before.hash].add(c)
			}
		}
	}
	move := func(from, to *diffEntry) {
		to.action, to.from, to.before = Moved, from.path, from.before
		from.action = "" // now half of a move
	}
	var created []*diffEntry
	for i := range changes {
		c := &changes[i]
		if c.action != Created || !c.after.regular() || c.after.hash == empty {
			continue
		}
		if from := gone[c.after.hash].next(path.Base(c.path)); from != nil {
			move(from, c)
		} else {
			created = append(created, c)
		}
	}
	var deleted []*diffEntry
	for i := range changes {
		if c := &changes[i]; c.action == Deleted && c.before.regular() && c.before.hash != empty {
			deleted = append(deleted, c)
		}
	}
	if blob != nil && len(created) > 0 && len(deleted) > 0 {
		finder := renameFinder{read: blob}
		pairs := finder.pair(deleted, created)
		for _, c := range created {
			if d := pairs[c]; d != nil {
				move(d, c)
			}
		}
	}
	return slices.DeleteFunc(changes, func(c diffEntry) bool { return c.action == "" })
}

// equals are deleted files of the same bytes, in order of path. To take all of them costs
// their number, as one commit may move any number of files that are the same.
type equals struct {
	files  []*diffEntry            // of which the first ones may be taken
	named  map[string][]*diffEntry // the same by base name, from when it is asked for
	looked int                     // at how many files, by next
}

func (e *equals) add(d *diffEntry) { e.files = append(e.files, d) }

// next is the first one that is left of a base name or, if there is none, of any; nil when all
// are taken, as those are that are half of a move.
func (e *equals) next(base string) *diffEntry {
	if e == nil {
		return nil
	}
	if e.named == nil && len(e.files) > 1 {
		e.named = byBase(e.files)
	}
	named := e.named[base]
	if e.first(&named) == nil {
		return e.first(&e.files)
	}
	e.named[base] = named
	return named[0]
}

// first drops what is taken from the beginning of a list, and gives what comes first then.
func (e *equals) first(list *[]*diffEntry) *diffEntry {
	for ; len(*list) > 0; *list = (*list)[1:] {
		if e.looked++; (*list)[0].action == Deleted {
			return (*list)[0]
		}
	}
	return nil
}
