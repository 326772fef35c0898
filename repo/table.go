package repo

import (
	"iter"
	"slices"
	"sort"
	"strings"

	"cms/content"
)

// A table holds the entries of a collection, ordered by slug, and never
// changes: put and remove make another table that shares almost everything with
// this one. The zero table is empty.
type table struct {
	blocks []block // none is empty
	size   int
}

// A block is some chunks of entries, of which none is empty.
type block [][]*Entry

// chunkSize and blockSize bound what an edit copies: a chunk, a block, and the list
// of blocks, of which a million entries have a hundred.
const (
	chunkSize = 256
	blockSize = 32
)

func newTable(entries []*Entry) table {
	slices.SortFunc(entries, func(a, b *Entry) int { return strings.Compare(a.Slug.String(), b.Slug.String()) })
	chunks := slices.Collect(slices.Chunk(entries, chunkSize))
	var blocks []block
	for list := range slices.Chunk(chunks, blockSize) {
		blocks = append(blocks, list)
	}
	return table{blocks, len(entries)}
}

// find says where slug is or would be.
func (t table) find(slug content.Slug) (in, chunk, at int, found bool) {
	if len(t.blocks) == 0 {
		return 0, 0, 0, false
	}
	behind := func(e *Entry) bool { return e.Slug.String() > slug.String() }
	in = max(0, sort.Search(len(t.blocks), func(i int) bool { return behind(t.blocks[i][0][0]) })-1)
	b := t.blocks[in]
	chunk = max(0, sort.Search(len(b), func(i int) bool { return behind(b[i][0]) })-1)
	at, found = slices.BinarySearchFunc(b[chunk], slug, func(e *Entry, s content.Slug) int { return strings.Compare(e.Slug.String(), s.String()) })
	return in, chunk, at, found
}

func (t table) get(slug content.Slug) (*Entry, bool) {
	if in, c, i, ok := t.find(slug); ok {
		return t.blocks[in][c][i], true
	}
	return nil, false
}

// put adds e, in place of the entry of its slug if there is one.
func (t table) put(e *Entry) table {
	if len(t.blocks) == 0 {
		return table{[]block{{{e}}}, 1}
	}
	in, c, i, found := t.find(e.Slug)
	if found {
		chunk := slices.Clone(t.blocks[in][c])
		chunk[i] = e
		return t.with(in, c, 0, chunk)
	}
	chunk := slices.Insert(slices.Clone(t.blocks[in][c]), i, e)
	if n := len(chunk); n > 2*chunkSize {
		return t.with(in, c, +1, chunk[:n/2:n/2], chunk[n/2:])
	}
	return t.with(in, c, +1, chunk)
}

func (t table) remove(slug content.Slug) table {
	in, c, i, found := t.find(slug)
	if !found {
		return t
	}
	if len(t.blocks[in][c]) == 1 {
		return t.with(in, c, -1)
	}
	return t.with(in, c, -1, slices.Delete(slices.Clone(t.blocks[in][c]), i, i+1))
}

// with is t with other chunks in place of one, and so many more entries.
func (t table) with(in, c, more int, chunks ...[]*Entry) table {
	var blocks []block
	switch b := replace(t.blocks[in], c, chunks...); {
	case len(b) > 2*blockSize:
		n := len(b) / 2
		blocks = []block{b[:n:n], b[n:]}
	case len(b) > 0:
		blocks = []block{b}
	}
	return table{replace(t.blocks, in, blocks...), t.size + more}
}

// replace is a copy of list with others in place of the item i.
func replace[L ~[]T, T any](list L, i int, others ...T) L {
	out := make(L, 0, len(list)+len(others)-1)
	return append(append(append(out, list[:i]...), others...), list[i+1:]...)
}

func (t table) all() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, b := range t.blocks {
			for _, chunk := range b {
				for _, e := range chunk {
					if !yield(e) {
						return
					}
				}
			}
		}
	}
}

// differences yields the entries that only one of t and next has, in order, and
// whether that is t. Blocks and chunks that both share are passed over.
func (t table) differences(next table) iter.Seq2[*Entry, bool] {
	return func(yield func(*Entry, bool) bool) {
		a, b := cursor{blocks: t.blocks}, cursor{blocks: next.blocks}
		for {
			a.skip(&b)
			before, after := a.entry(), b.entry()
			order := 0
			switch {
			case before == nil && after == nil:
				return
			case before == nil:
				order = 1
			case after == nil:
				order = -1
			default:
				order = strings.Compare(before.Slug.String(), after.Slug.String())
			}
			if before != after {
				if order <= 0 && !yield(before, true) || order >= 0 && !yield(after, false) {
					return
				}
			}
			if order <= 0 {
				a.next()
			}
			if order >= 0 {
				b.next()
			}
		}
	}
}

// A cursor goes through the entries of blocks.
type cursor struct {
	blocks    []block
	chunk, at int // in the first
}

// skip moves both cursors past what they are at the beginning of and share.
func (c *cursor) skip(d *cursor) {
	for c.at == 0 && d.at == 0 && len(c.blocks) > 0 && len(d.blocks) > 0 {
		switch {
		case c.chunk == 0 && d.chunk == 0 && &c.blocks[0][0] == &d.blocks[0][0]:
			c.blocks, d.blocks = c.blocks[1:], d.blocks[1:]
		case &c.blocks[0][c.chunk][0] == &d.blocks[0][d.chunk][0]:
			c.nextChunk()
			d.nextChunk()
		default:
			return
		}
	}
}

// entry is the one that the cursor is at, nil at the end.
func (c *cursor) entry() *Entry {
	if len(c.blocks) == 0 {
		return nil
	}
	return c.blocks[0][c.chunk][c.at]
}

func (c *cursor) next() {
	if c.at++; c.at == len(c.blocks[0][c.chunk]) {
		c.nextChunk()
	}
}

func (c *cursor) nextChunk() {
	c.at = 0
	if c.chunk++; c.chunk == len(c.blocks[0]) {
		c.blocks, c.chunk = c.blocks[1:], 0
	}
}

// same says whether t and u are one and the same version.
func (t table) same(u table) bool {
	return len(t.blocks) == len(u.blocks) && (len(t.blocks) == 0 || &t.blocks[0] == &u.blocks[0])
}
