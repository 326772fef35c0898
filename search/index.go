// Package search finds documents by their words, as readers of their languages mean
// them: whatever their endings, accents and case.
package search

import (
	"cmp"
	"context"
	"encoding/binary"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"sync"
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
	called []string     // fields
	fields []field
	fieldN map[string]int
	stems  map[string][]string    // terms of words that were met, by language and word, to stem each once
	name   []byte                 // of a word in stems
	length int                    // of all living documents together, in words
	counts map[*postings]int      // how often terms are in the text that is being added
	known  map[string]*vocabulary // by language

	generation uint32      // of the numbers of documents
	compaction *compaction // nil while there is none
}

type doc[K comparable] struct {
	key    K
	length int // in words
	living bool
	names  []name
	date   int64 // see Put
}

// name is what a document is called in a field.
type name struct {
	field  int
	whole  uint64 // see nameOf
	length int    // in words
}

type field struct {
	name   string
	weight float64
	called bool // documents are called what is there
}

// postings holds for one term, in ascending order, triples of the difference to the
// document before, the field, and how often the term is there, as varints.
type postings struct {
	triples    triples
	last       uint32
	docs       uint32    // how many there are
	generation uint32    // of their numbers
	older      *postings // those of the generation before, which come first; nil when there are none
}

// triples are what is left to be read of a list.
type triples []byte

// three reads the next triple, nearly all of which are three bytes.
func (t *triples) three() (a, b, c uint64) {
	if rest := *t; len(rest) >= 3 && (rest[0]|rest[1]|rest[2]) < 0x80 {
		*t = rest[3:]
		return uint64(rest[0]), uint64(rest[1]), uint64(rest[2])
	}
	return t.next(), t.next(), t.next()
}

func (t *triples) next() uint64 {
	v, n := binary.Uvarint(*t)
	*t = (*t)[n:]
	return v
}

// maxStems bounds the memory for stems.
const maxStems = 200_000

// New is an index without documents, which are called what is in some fields, such as a
// title.
func New[K comparable](called ...string) *Index[K] {
	return &Index[K]{
		called: called,
		lists:  map[string]*postings{}, number: map[K]uint32{}, fieldN: map[string]int{},
		stems: map[string][]string{}, counts: map[*postings]int{}, known: map[string]*vocabulary{},
	}
}

// Len is how many documents there are.
func (x *Index[K]) Len() int { return len(x.number) }

// Undated is the date of documents that have none.
const Undated = math.MinInt64

// Put adds the document key, of a language, which must not be there. Its date, in Unix seconds
// or Undated, is kept for Recent: that is asked of each document that is found, which may be
// all.
func (x *Index[K]) Put(key K, code string, texts []Text, date int64) {
	n := uint32(len(x.docs))
	l, length := languages[code], 0
	var names []name
	for _, t := range texts {
		clear(x.counts)
		before := length
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
		if x.fields[f].called {
			names = append(names, name{f, nameOf(t.Text), length - before})
		}
	}
	x.docs = append(x.docs, doc[K]{key, length, true, names, date})
	x.number[key] = n
	x.length += length
}

// postings are those of a term.
func (x *Index[K]) list(term string) *postings {
	l := x.lists[term]
	if l == nil {
		l = &postings{generation: x.generation}
		x.lists[term] = l
	} else if l.generation != x.generation {
		l = &postings{generation: x.generation, older: l}
		x.lists[term] = l
	}
	return l
}

func (l *postings) add(doc uint32, field, count int) {
	l.triples = binary.AppendUvarint(l.triples, uint64(doc-l.last))
	l.triples = binary.AppendUvarint(l.triples, uint64(field))
	l.triples = binary.AppendUvarint(l.triples, uint64(count))
	if doc != l.last || l.docs == 0 {
		l.docs++
	}
	l.last = doc
}

func (x *Index[K]) field(t Text) int {
	n, ok := x.fieldN[t.Field]
	if !ok {
		n = len(x.fields)
		x.fields = append(x.fields, field{t.Field, t.Weight, slices.Contains(x.called, t.Field)})
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
	if !w.joined {
		if x.known[code] == nil {
			x.known[code] = &vocabulary{}
		}
		for _, folded := range singular(Fold(w.text)) {
			for _, term := range found {
				x.known[code].add(known{folded, term})
			}
		}
	}
	return found
}

// singular is a long word and, where it may be a plural, what it is one of, so that a typing
// error in the one is forgiven where the other is in a text.
func singular(word string) []string {
	if one := strings.TrimRight(word, "sx"); len(one)+1 == len(word) && len(one) >= minForgiven {
		return []string{word, one}
	}
	return []string{word}
}

// nameOf is the same for texts that have the same words one after the other, those too that
// are in every text, whatever is between them.
func nameOf(text string) uint64 {
	h := fnv.New64a()
	for w := range words(text) {
		h.Write(append(AppendFold(nil, w.text), 0))
	}
	return h.Sum64()
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
	if x.compaction != nil {
		x.compact()
	} else if dead := len(x.docs) - len(x.number); dead > minDead && dead > len(x.number) {
		x.renumber()
	}
}

// Visible says which fields of a document are hidden from the reader, and whether the
// document is visible at all. A search asks once of each document. An error ends it.
type Visible[K comparable] func(key K) (hidden []string, ok bool, err error)

// reader is who searches: what they see of the documents, as far as a search has asked.
type reader[K comparable] struct {
	docs   []doc[K]
	see    Visible[K]
	hidden map[uint32][]string // of those of which some is
	*scratch
}

// scratch is the memory that a search works in, which the next one uses again: it grows with
// the documents, and was most of what a search allocated.
type scratch struct {
	known []visibility // by document
	lists [][]hit      // that are not in use
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// borrow gives a scratch for so many documents, of which none was asked for. It goes back to
// scratches.
func borrow(docs int) *scratch {
	s := scratches.Get().(*scratch)
	if cap(s.known) < docs {
		s.known = make([]visibility, docs, docs+docs/8)
	}
	s.known = s.known[:docs]
	clear(s.known)
	return s
}

// list is an empty list, with room for n hits.
func (s *scratch) list(n int) []hit {
	if last := len(s.lists) - 1; last >= 0 {
		l := s.lists[last]
		s.lists = s.lists[:last]
		return slices.Grow(l, n)
	}
	return make([]hit, 0, n)
}

// maxSpare is how many lists a scratch keeps: a search for several words holds two of them at a time.
const maxSpare = 4

// free takes back a list that is used no more.
func (s *scratch) free(l []hit) {
	if cap(l) > 0 && len(s.lists) < maxSpare {
		s.lists = append(s.lists, l[:0])
	}
}

// visibility is how much of a document the reader sees.
type visibility uint8

const (
	notAsked visibility = iota
	unseen
	seenWhole
	seenPartly
)

// ask finds out how much is seen of the document n.
func (s *reader[K]) ask(n uint32) (visibility, error) {
	as := unseen
	if d := &s.docs[n]; d.living {
		hidden, ok, err := s.see(d.key)
		switch {
		case err != nil:
			return unseen, err
		case ok && len(hidden) > 0:
			as, s.hidden[n] = seenPartly, hidden
		case ok:
			as = seenWhole
		}
	}
	s.known[n] = as
	return as, nil
}

// The parameters of BM25.
const (
	bm25K1 = 1.2
	bm25B  = 0.5
)

// Find ranks the documents that have every word of the query in what the reader
// sees of them, and gives the n best, the best first, and how many there are;
// less orders equals. What the reader does not see counts for nothing, not even
// for the rank. When ctx ends, so does the search.
//
// A document that is called what is asked for comes first, then those that have all words
// in what they are called, then the others. Where there are none at all, one typing error
// is forgiven: in words that nothing has, and if that is not enough, in all. Recent says how
// much a document gains by its age, from 0 to 1, given the fields that are hidden; it may be
// nil.
func (x *Index[K]) Find(ctx context.Context, q *Query, see Visible[K], recent Recent[K], less func(a, b K) int, n int) (best []K, total int, err error) {
	s := &reader[K]{docs: x.docs, see: see, hidden: map[uint32][]string{}, scratch: borrow(len(x.docs))}
	defer scratches.Put(s.scratch)
	var found []hit
	for forgive := nothing; forgive <= everyWord && len(found) == 0; forgive++ {
		for code, words := range q.asked {
			some, err := x.find(ctx, q, code, words, forgive, s)
			if err != nil {
				return nil, 0, err
			}
			if found == nil {
				found = some
			} else {
				found = append(found, some...)
				s.free(some)
			}
		}
	}
	if err := x.rank(ctx, q, found, s, recent); err != nil {
		return nil, 0, err
	}
	ranked := topN(found, n, func(a, b hit) int {
		if by := cmp.Compare(b.score, a.score); by != 0 {
			return by
		}
		return less(x.docs[a.doc].key, x.docs[b.doc].key)
	})
	best = make([]K, len(ranked))
	for i, h := range ranked {
		best[i] = x.docs[h.doc].key
	}
	s.free(found)
	return best, len(found), nil
}

// Recent says how much a document with such a date gains by its age.
type Recent[K comparable] func(key K, date int64, hidden []string) float64

// What is forgiven.
type forgiveness int

const (
	nothing forgiveness = iota
	missingWords
	everyWord
)

// What counts beside words: more than these ever do, what a document is called; as much as
// a word, how much of that is asked for; and a little, its age.
const (
	calledSo     = 2000.0
	calledAlso   = 1000.0
	wholeName    = 2.0
	recentFactor = 0.5
)

// rank adds to the scores of what was found what counts beside words.
func (x *Index[K]) rank(ctx context.Context, q *Query, found []hit, s *reader[K], recent Recent[K]) error {
	for i := range found {
		if i%checkInterval == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		h, d := &found[i], &x.docs[found[i].doc]
		hidden := s.hidden[h.doc]
		if recent != nil {
			h.score *= 1 + recentFactor*recent(d.key, d.date, hidden)
		}
		if h.called {
			h.score += calledAlso
		}
		for _, name := range d.names {
			switch {
			case slices.Contains(hidden, x.fields[name.field].name):
			case name.whole == q.name:
				h.score = max(h.score, 0) + calledSo
			case h.called && name.length > 0:
				h.score += wholeName * min(1, float64(h.words)/float64(name.length)) / float64(len(d.names))
			}
		}
	}
	return nil
}

// find is the documents of a language that have every word, with their scores.
func (x *Index[K]) find(ctx context.Context, q *Query, code string, words []askedWord, forgive forgiveness, s *reader[K]) (found []hit, err error) {
	perWord := float64(len(x.number)) / float64(max(x.length, 1)) // of all documents
	for i, w := range words {
		hits, err := x.hitsOf(ctx, q, code, w, forgive, s)
		if err != nil {
			return nil, err
		}
		rarity := math.Log(1 + (float64(len(x.number))-float64(len(hits))+0.5)/(float64(len(hits))+0.5))
		for j := range hits {
			count := hits[j].score
			length := 1 - bm25B + bm25B*float64(x.docs[hits[j].doc].length)*perWord
			hits[j].score = rarity * count * (bm25K1 + 1) / (count + bm25K1*length)
			hits[j].words = 1
		}
		if i == 0 {
			found = hits
		} else {
			found = intersect(found, hits)
			s.free(hits)
		}
	}
	return found, nil
}

// How much a word counts that was not asked for as it is.
const (
	completedFactor = 0.6
	forgivenFactor  = 0.4
)

// maxCompletions is how many words, of those that the reader sees, the beginning of one may
// stand for.
const maxCompletions = 2000

// hitsOf are the documents that have a word that is asked for, or one that may be meant by
// it.
func (x *Index[K]) hitsOf(ctx context.Context, q *Query, code string, w askedWord, forgive forgiveness, s *reader[K]) ([]hit, error) {
	exact, err := x.hits(ctx, code+" "+w.term, s)
	if err != nil {
		return nil, err
	}
	all := union{size: len(x.docs), hits: exact}
	done := map[string]bool{code + " " + w.term: true}
	more := func(k known, factor float64) (bool, error) {
		if done[k.term] {
			return false, nil
		}
		done[k.term] = true
		some, err := x.hits(ctx, k.term, s)
		all.add(some, factor)
		return len(some) > 0, err
	}
	if q.complete && w.completes() {
		completed := 0
		for k := range x.known[code].beginning(w.word) {
			found, err := more(k, completedFactor)
			if err != nil {
				return nil, err
			}
			if found {
				if completed++; completed == maxCompletions {
					break
				}
			}
		}
	}
	if forgive == everyWord && w.canForgive() || forgive == missingWords && len(exact) == 0 && !all.any() && w.canForgive() {
		for _, word := range singular(w.word) {
			near, _ := x.known[code].near(word)
			for _, k := range near {
				found, err := more(k, forgivenFactor)
				if err != nil {
					return nil, err
				}
				if found {
					q.forgiven[code][k.term] = true
				}
			}
		}
	}
	return all.list(), nil
}

// union adds up the hits of several terms.
type union struct {
	size int   // the number of documents
	hits []hit // of the first term, until there are others
	by   []hit // by document; nil while there is one term
}

func (u *union) any() bool { return len(u.hits) > 0 || u.by != nil }

func (u *union) add(hits []hit, factor float64) {
	if len(hits) == 0 {
		return
	}
	if u.by == nil {
		u.by = make([]hit, u.size)
		for _, h := range u.hits {
			u.by[h.doc] = h
		}
	}
	for _, h := range hits {
		at := &u.by[h.doc]
		at.doc, at.score, at.called = h.doc, at.score+factor*h.score, at.called || h.called
	}
}

// list is the sum, in the order of the documents.
func (u *union) list() []hit {
	if u.by == nil {
		return u.hits
	}
	var all []hit
	for _, h := range u.by {
		if h.score > 0 {
			all = append(all, h)
		}
	}
	return all
}

// hit is a document that was found: how often, weighed, or what that is worth.
type hit struct {
	doc    uint32
	words  uint16 // of the query that it has
	called bool   // each of them is in what the document is called
	score  float64
}

// checkInterval is how many postings are read without a look at the context.
const checkInterval = 4096

// mostRoom is for how many hits room is made before it is known how many there are.
const mostRoom = 1 << 17

// hits are the documents that have the term in what the reader sees of them, in
// order of their numbers.
func (x *Index[K]) hits(ctx context.Context, term string, s *reader[K]) (hits []hit, err error) {
	l := x.lists[term]
	if l == nil {
		return nil, nil
	}
	if l.older != nil {
		hits, err = x.addHits(ctx, nil, l.older, s)
	}
	if err == nil {
		hits, err = x.addHits(ctx, hits, l, s)
	}
	return hits, err
}

// addHits appends those of a list to others, which come before them.
func (x *Index[K]) addHits(ctx context.Context, hits []hit, l *postings, s *reader[K]) ([]hit, error) {
	var (
		n      uint32
		at     = uint32(math.MaxUint32) // the document that the next two are of
		as     visibility
		hidden []string
	)
	for rest, read := l.triples, 1; len(rest) > 0; read++ {
		if read%checkInterval == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		from, in, count := rest.three()
		n += uint32(from)
		f, doc := &x.fields[in], x.numberOf(l, n)
		if doc == goneDoc {
			continue
		}
		if doc != at {
			if as = s.known[doc]; as == notAsked {
				var err error
				if as, err = s.ask(doc); err != nil {
					return nil, err
				}
			}
			at, hidden = doc, nil
			if as == seenPartly {
				hidden = s.hidden[doc]
			}
		}
		if as == unseen || as == seenPartly && slices.Contains(hidden, f.name) {
			continue
		}
		if len(hits) == 0 || hits[len(hits)-1].doc != doc {
			if hits == nil {
				hits = s.list(int(min(l.docs, mostRoom)))
			}
			hits = append(hits, hit{doc: doc})
		}
		last := &hits[len(hits)-1]
		last.score += f.weight * float64(count)
		last.called = last.called || f.called
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
			out = append(out, hit{h.doc, h.words + b[0].words, h.called && b[0].called, h.score + b[0].score})
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
