// Package search finds documents by their words, as readers of their languages mean
// them: whatever their endings, accents and case.
package search

import (
	"cmp"
	"context"
	"encoding/binary"
	"iter"
	"math"
	"slices"
)

// Text is a part of a document.
type Text struct {
	Field  string
	Text   string
	Weight float64 // how much a word counts there
}

// Index is an inverted index in memory: for each term, the documents that have
// it. Documents are told apart by their keys. Any number of goroutines may read
// it, or one may change it.
type Index[K comparable] struct {
	lists  map[string]*postings
	docs   []doc[K]     // by number; those that were removed are dead
	number map[K]uint32 // of the living
	fields []field
	fieldN map[string]int
	stems  map[string][]string // terms of words that were met, by language and word, to stem each once
	name   []byte              // of a word in stems
	length int                 // of all living documents together, in words
	counts map[*postings]int   // how often terms are in the text that is being added
}

type doc[K comparable] struct {
	key    K
	length int // in words
	living bool
}

type field struct {
	name   string
	weight float64
}

// postings holds for one term, in ascending order, triples of the difference to the
// document before, the field, and how often the term is there, as varints.
type postings struct {
	triples []byte
	last    uint32
}

// maxStems bounds the memory for stems.
const maxStems = 200_000

// New is an index without documents.
func New[K comparable]() *Index[K] {
	return &Index[K]{
		lists: map[string]*postings{}, number: map[K]uint32{}, fieldN: map[string]int{},
		stems: map[string][]string{}, counts: map[*postings]int{},
	}
}

// Len is how many documents there are.
func (x *Index[K]) Len() int { return len(x.number) }

// Put adds the document key, of a language, which must not be there.
func (x *Index[K]) Put(key K, code string, texts []Text) {
	n := uint32(len(x.docs))
	l, length := languages[code], 0
	for _, t := range texts {
		clear(x.counts)
		for w := range words(t.Text) {
			if !w.part && !l.isStop(w) {
				length++
			}
			for _, term := range x.terms(&l, code, w) {
				x.counts[x.list(term)]++
			}
		}
		f := x.field(t)
		for l, count := range x.counts {
			l.add(n, f, count)
		}
	}
	x.docs = append(x.docs, doc[K]{key, length, true})
	x.number[key] = n
	x.length += length
}

// postings are those of a term.
func (x *Index[K]) list(term string) *postings {
	l := x.lists[term]
	if l == nil {
		l = &postings{}
		x.lists[term] = l
	}
	return l
}

func (l *postings) add(doc uint32, field, count int) {
	l.triples = binary.AppendUvarint(l.triples, uint64(doc-l.last))
	l.triples = binary.AppendUvarint(l.triples, uint64(field))
	l.triples = binary.AppendUvarint(l.triples, uint64(count))
	l.last = doc
}

// all yields the triples of the list.
func (l *postings) all() iter.Seq2[uint32, [2]int] {
	return func(yield func(uint32, [2]int) bool) {
		doc, at := uint32(0), 0
		next := func() int {
			v, n := binary.Uvarint(l.triples[at:])
			at += n
			return int(v)
		}
		for at < len(l.triples) {
			doc += uint32(next())
			if !yield(doc, [2]int{next(), next()}) {
				return
			}
		}
	}
}

func (x *Index[K]) field(t Text) int {
	n, ok := x.fieldN[t.Field]
	if !ok {
		n = len(x.fields)
		x.fields = append(x.fields, field{t.Field, t.Weight})
		x.fieldN[t.Field] = n
	}
	return n
}

// terms are those of a word, each behind its language.
func (x *Index[K]) terms(l *language, code string, w word) []string {
	x.name = append(append(append(x.name[:0], code...), ' '), w.text...)
	if known, ok := x.stems[string(x.name)]; ok {
		return known
	}
	if len(x.stems) >= maxStems {
		clear(x.stems)
	}
	found := l.terms(w)
	for i := range found {
		found[i] = code + " " + found[i]
	}
	x.stems[string(x.name)] = found
	return found
}

// Remove takes the document key out, if it is there.
func (x *Index[K]) Remove(key K) {
	n, ok := x.number[key]
	if !ok {
		return
	}
	delete(x.number, key)
	x.length -= x.docs[n].length
	x.docs[n] = doc[K]{}
	if dead := len(x.docs) - len(x.number); dead > 1000 && dead > len(x.number) {
		x.compact()
	}
}

// compact gives the living documents new numbers, without gaps.
func (x *Index[K]) compact() {
	renumbered := make([]uint32, len(x.docs))
	var living []doc[K]
	for n, d := range x.docs {
		if d.living {
			renumbered[n] = uint32(len(living))
			x.number[d.key] = uint32(len(living))
			living = append(living, d)
		}
	}
	for term, old := range x.lists {
		l := &postings{}
		for n, t := range old.all() {
			if x.docs[n].living {
				l.add(renumbered[n], t[0], t[1])
			}
		}
		if len(l.triples) == 0 {
			delete(x.lists, term)
		} else {
			x.lists[term] = l
		}
	}
	x.docs = living
}

// Visible says which fields of a document are hidden from the reader, and whether the
// document is visible at all. An error ends the search.
type Visible[K comparable] func(key K) (hidden []string, ok bool, err error)

// The parameters of BM25.
const (
	bm25K1 = 1.2
	bm25B  = 0.5
)

// Find ranks the documents that have every word of the query in what the reader
// sees of them, and gives the n best, the best first, and how many there are;
// less orders equals. What the reader does not see counts for nothing, not even
// for the rank. When ctx ends, so does the search.
func (x *Index[K]) Find(ctx context.Context, q *Query, see Visible[K], less func(a, b K) int, n int) (best []K, total int, err error) {
	var found []hit
	for code, terms := range q.terms {
		some, err := x.find(ctx, code, terms, see)
		if err != nil {
			return nil, 0, err
		}
		found = append(found, some...)
	}
	ranked := topN(found, n, func(a, b hit) int {
		return cmp.Or(cmp.Compare(b.score, a.score), less(x.docs[a.doc].key, x.docs[b.doc].key))
	})
	best = make([]K, len(ranked))
	for i, h := range ranked {
		best[i] = x.docs[h.doc].key
	}
	return best, len(found), nil
}

// find is the documents of a language that have every term, with their scores.
func (x *Index[K]) find(ctx context.Context, code string, terms []string, see Visible[K]) (found []hit, err error) {
	for i, term := range terms {
		hits, err := x.hits(ctx, code+" "+term, see)
		if err != nil {
			return nil, err
		}
		rarity := math.Log(1 + (float64(len(x.number))-float64(len(hits))+0.5)/(float64(len(hits))+0.5))
		for j := range hits {
			count := hits[j].score
			length := 1 - bm25B + bm25B*float64(x.docs[hits[j].doc].length)*float64(len(x.number))/float64(max(x.length, 1))
			hits[j].score = rarity * count * (bm25K1 + 1) / (count + bm25K1*length)
		}
		if i == 0 {
			found = hits
		} else {
			found = intersect(found, hits)
		}
	}
	return found, nil
}

// hit is a document that was found: how often, weighed, or what that is worth.
type hit struct {
	doc   uint32
	score float64
}

// checkInterval is how many postings are read without a look at the context.
const checkInterval = 4096

// hits are the documents that have the term in what the reader sees of them, in
// order of their numbers.
func (x *Index[K]) hits(ctx context.Context, term string, see Visible[K]) ([]hit, error) {
	l := x.lists[term]
	if l == nil {
		return nil, nil
	}
	var (
		hits   []hit
		at     = uint32(math.MaxUint32) // the document that the next two are of
		hidden []string
		seen   bool
		read   int
	)
	for n, t := range l.all() {
		if read++; read%checkInterval == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if n != at {
			at, seen = n, false
			if x.docs[n].living {
				var err error
				if hidden, seen, err = see(x.docs[n].key); err != nil {
					return nil, err
				}
			}
		}
		f := x.fields[t[0]]
		if !seen || slices.Contains(hidden, f.name) {
			continue
		}
		if len(hits) == 0 || hits[len(hits)-1].doc != n {
			hits = append(hits, hit{doc: n})
		}
		hits[len(hits)-1].score += f.weight * float64(t[1])
	}
	return hits, nil
}

// intersect is the documents of a that b has too, with the sum of the scores.
func intersect(a, b []hit) []hit {
	out := a[:0]
	for _, h := range a {
		for len(b) > 0 && b[0].doc < h.doc {
			b = b[1:]
		}
		if len(b) > 0 && b[0].doc == h.doc {
			out = append(out, hit{h.doc, h.score + b[0].score})
		}
	}
	return out
}

// topN is the n first of list in order.
func topN(list []hit, n int, compare func(a, b hit) int) []hit {
	const few = 16 // times n, from where on it pays not to order all
	if n <= 0 {
		return nil
	}
	if len(list) <= few*n {
		slices.SortFunc(list, compare)
		return list[:min(n, len(list))]
	}
	top := make([]hit, 0, 2*n)
	for _, h := range list {
		if len(top) >= n && compare(h, top[n-1]) >= 0 {
			continue
		}
		if top = append(top, h); len(top) == 2*n { // the n-th is known anew, once for n of them
			slices.SortFunc(top, compare)
			top = top[:n]
		} else if len(top) == n {
			slices.SortFunc(top, compare)
		}
	}
	slices.SortFunc(top, compare)
	return top[:min(n, len(top))]
}
