// Package search finds documents by their words, as French readers mean them:
// whatever their endings, accents and case.
package search

import (
	"cmp"
	"encoding/binary"
	"iter"
	"maps"
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
	lists  map[string]*list
	docs   []doc[K]     // by number; those that were removed are dead
	number map[K]uint32 // of the living
	fields []field
	fieldN map[string]int
	stems  map[string][]string // terms of words that were met, to stem each once
	length int                 // of all living documents together, in words
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

// list holds for one term, in ascending order, triples of the difference to the
// document before, the field, and how often the term is there, as varints.
type list struct {
	triples []byte
	last    uint32
}

// maxStems bounds the memory for stems.
const maxStems = 200_000

// New is an index without documents.
func New[K comparable]() *Index[K] {
	return &Index[K]{lists: map[string]*list{}, number: map[K]uint32{}, fieldN: map[string]int{}, stems: map[string][]string{}}
}

// Len is how many documents there are.
func (x *Index[K]) Len() int { return len(x.number) }

// Put adds the document key, which must not be there.
func (x *Index[K]) Put(key K, texts []Text) {
	n := uint32(len(x.docs))
	counts := map[string]map[int]int{} // by term and field
	length := 0
	for _, t := range texts {
		f := x.field(t)
		for w := range words(t.Text) {
			length++
			for _, term := range x.terms(w.text) {
				if counts[term] == nil {
					counts[term] = make(map[int]int, 1)
				}
				counts[term][f]++
			}
		}
	}
	for term, in := range counts {
		l := x.lists[term]
		if l == nil {
			l = &list{}
			x.lists[term] = l
		}
		for _, f := range slices.Sorted(maps.Keys(in)) {
			l.add(n, f, in[f])
		}
	}
	x.docs = append(x.docs, doc[K]{key, length, true})
	x.number[key] = n
	x.length += length
}

func (l *list) add(doc uint32, field, count int) {
	l.triples = binary.AppendUvarint(l.triples, uint64(doc-l.last))
	l.triples = binary.AppendUvarint(l.triples, uint64(field))
	l.triples = binary.AppendUvarint(l.triples, uint64(count))
	l.last = doc
}

// all yields the triples of the list.
func (l *list) all() iter.Seq2[uint32, [2]int] {
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

func (x *Index[K]) terms(w string) []string {
	if known, ok := x.stems[w]; ok {
		return known
	}
	if len(x.stems) >= maxStems {
		clear(x.stems)
	}
	x.stems[w] = terms(w)
	return x.stems[w]
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
		l := &list{}
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

// See says which fields of a document a reader does not see, or that they do not
// see the document.
type See[K comparable] func(key K) (hidden []string, ok bool)

// The parameters of BM25, at their usual values.
const (
	saturation = 1.2
	lengthBias = 0.5
)

// Find ranks the documents that have every word of the query in what the reader
// sees of them, the best first; less orders equals. What the reader does not see
// counts for nothing, not even for the rank.
func (x *Index[K]) Find(q *Query, see See[K], less func(a, b K) int) []K {
	seen := map[uint32]*[]string{} // the hidden fields of documents; nil for those that are not seen
	var found map[uint32]float64
	for _, term := range q.terms {
		counts := x.counts(term, see, seen)
		rarity := math.Log(1 + (float64(len(x.number))-float64(len(counts))+0.5)/(float64(len(counts))+0.5))
		scores := make(map[uint32]float64, len(counts))
		for n, count := range counts {
			before, ok := found[n]
			if !ok && found != nil {
				continue
			}
			length := 1 - lengthBias + lengthBias*float64(x.docs[n].length)*float64(len(x.number))/float64(max(x.length, 1))
			scores[n] = before + rarity*count*(saturation+1)/(count+saturation*length)
		}
		found = scores
	}
	ranked := slices.SortedFunc(maps.Keys(found), func(a, b uint32) int {
		return cmp.Or(cmp.Compare(found[b], found[a]), less(x.docs[a].key, x.docs[b].key))
	})
	keys := make([]K, len(ranked))
	for i, n := range ranked {
		keys[i] = x.docs[n].key
	}
	return keys
}

// counts are how often the term is in what the reader sees of each document,
// weighed.
func (x *Index[K]) counts(term string, see See[K], seen map[uint32]*[]string) map[uint32]float64 {
	counts := map[uint32]float64{}
	l := x.lists[term]
	if l == nil {
		return counts
	}
	for n, t := range l.all() {
		if !x.docs[n].living {
			continue
		}
		hidden, asked := seen[n]
		if !asked {
			if h, ok := see(x.docs[n].key); ok {
				hidden = &h
			}
			seen[n] = hidden
		}
		f := x.fields[t[0]]
		if hidden == nil || slices.Contains(*hidden, f.name) {
			continue
		}
		counts[n] += f.weight * float64(t[1])
	}
	return counts
}
