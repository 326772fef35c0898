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
	chunks [][]*Entry // none is empty
	size   int
}

// chunkSize bounds what an edit copies: a chunk, and the list of chunks.
const chunkSize = 256

func newTable(entries []*Entry) table {
	slices.SortFunc(entries, func(a, b *Entry) int { return strings.Compare(a.Slug.String(), b.Slug.String()) })
	return table{slices.Collect(slices.Chunk(entries, chunkSize)), len(entries)}
}

// find says where slug is or would be.
func (t table) find(slug content.Slug) (chunk, at int, found bool) {
	chunk = sort.Search(len(t.chunks), func(i int) bool { return t.chunks[i][0].Slug.String() > slug.String() })
	if chunk = max(0, chunk-1); chunk == len(t.chunks) {
		return 0, 0, false
	}
	at, found = slices.BinarySearchFunc(t.chunks[chunk], slug, func(e *Entry, s content.Slug) int { return strings.Compare(e.Slug.String(), s.String()) })
	return chunk, at, found
}

func (t table) get(slug content.Slug) (*Entry, bool) {
	if c, i, ok := t.find(slug); ok {
		return t.chunks[c][i], true
	}
	return nil, false
}

// put adds e, in place of the entry of its slug if there is one.
func (t table) put(e *Entry) table {
	if len(t.chunks) == 0 {
		return table{[][]*Entry{{e}}, 1}
	}
	c, i, found := t.find(e.Slug)
	if found {
		chunk := slices.Clone(t.chunks[c])
		chunk[i] = e
		return table{replace(t.chunks, c, chunk), t.size}
	}
	chunk := slices.Insert(slices.Clone(t.chunks[c]), i, e)
	if n := len(chunk); n > 2*chunkSize {
		return table{replace(t.chunks, c, chunk[:n/2:n/2], chunk[n/2:]), t.size + 1}
	}
	return table{replace(t.chunks, c, chunk), t.size + 1}
}

func (t table) remove(slug content.Slug) table {
	c, i, found := t.find(slug)
	if !found {
		return t
	}
	if len(t.chunks[c]) == 1 {
		return table{replace(t.chunks, c), t.size - 1}
	}
	return table{replace(t.chunks, c, slices.Delete(slices.Clone(t.chunks[c]), i, i+1)), t.size - 1}
}

// replace is a copy of chunks with others in place of the chunk c.
func replace(chunks [][]*Entry, c int, others ...[]*Entry) [][]*Entry {
	out := make([][]*Entry, 0, len(chunks)+len(others)-1)
	return append(append(append(out, chunks[:c]...), others...), chunks[c+1:]...)
}

func (t table) all() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, chunk := range t.chunks {
			for _, e := range chunk {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// differences yields the entries that only one of t and next has, in order, and
// whether that is t. Chunks that both share are passed over.
func (t table) differences(next table) iter.Seq2[*Entry, bool] {
	return func(yield func(*Entry, bool) bool) {
		a, b := cursor{chunks: t.chunks}, cursor{chunks: next.chunks}
		for {
			for a.at == 0 && b.at == 0 && len(a.chunks) > 0 && len(b.chunks) > 0 && &a.chunks[0][0] == &b.chunks[0][0] {
				a.chunks, b.chunks = a.chunks[1:], b.chunks[1:]
			}
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

// A cursor goes through the entries of chunks.
type cursor struct {
	chunks [][]*Entry
	at     int // in the first
}

// entry is the one that the cursor is at, nil at the end.
func (c *cursor) entry() *Entry {
	if len(c.chunks) == 0 {
		return nil
	}
	return c.chunks[0][c.at]
}

func (c *cursor) next() {
	if c.at++; c.at == len(c.chunks[0]) {
		c.chunks, c.at = c.chunks[1:], 0
	}
}

// same says whether t and u are one and the same version.
func (t table) same(u table) bool {
	return len(t.chunks) == len(u.chunks) && (len(t.chunks) == 0 || &t.chunks[0] == &u.chunks[0])
}
