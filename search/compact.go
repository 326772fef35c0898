package search

import (
	"maps"
	"math"
	"slices"
)

// A compaction takes what is left of removed documents out of the lists. Those that are
// there get new numbers at once, without gaps, and the lists follow some at a time, with each
// document that is removed: as all of them take seconds where there are many, and nobody can
// search meanwhile. A list that has not followed is read by the numbers that became of its own.
type compaction struct {
	numbers []uint32 // new ones, by old; goneDoc for those of removed documents
	terms   []string // whose lists have not followed
	lists   int      // how many follow at a time
	swept   bool     // all lists have followed, and words are being forgotten
	words   []string // languages of which words are to be forgotten
	from    known    // the word to go on with, in the first of them
	some    int      // how many are looked at at a time
}

const (
	goneDoc = math.MaxUint32

	// minDead is how many documents are removed at least before a compaction begins, which takes
	// compactSteps, and as many again to forget words: so it ends before the next one begins.
	minDead      = 1000
	compactSteps = 256
)

// renumber begins a compaction.
func (x *Index[K]) renumber() {
	c := &compaction{numbers: make([]uint32, len(x.docs))}
	living := make([]doc[K], 0, len(x.number))
	for n, d := range x.docs {
		c.numbers[n] = goneDoc
		if d.living {
			c.numbers[n] = uint32(len(living))
			x.number[d.key] = uint32(len(living))
			living = append(living, d)
		}
	}
	c.terms = slices.AppendSeq(make([]string, 0, len(x.lists)), maps.Keys(x.lists))
	c.lists = len(c.terms)/compactSteps + 1
	x.docs, x.compaction = living, c
	x.generation++
}

// numberOf is the number of a document that has another one in a list; goneDoc when it is gone.
func (x *Index[K]) numberOf(l *postings, n uint32) uint32 {
	if l.generation == x.generation {
		return n
	}
	return x.compaction.numbers[n]
}

// compact does a step of a compaction.
func (x *Index[K]) compact() {
	c := x.compaction
	if !c.swept {
		some := c.terms[:min(c.lists, len(c.terms))]
		for _, term := range some {
			x.follow(term)
		}
		if c.terms = c.terms[len(some):]; len(c.terms) > 0 {
			return
		}
		clear(x.stems) // of words that may be forgotten
		c.swept, c.terms, c.numbers = true, nil, nil
		for code, v := range x.known {
			c.words = append(c.words, code)
			c.some += len(v.settled)
		}
		c.some = c.some/compactSteps + 1
		return
	}
	if len(c.words) > 0 {
		next, done := x.known[c.words[0]].keep(c.from, c.some, func(term string) bool { return x.lists[term] != nil })
		if c.from = next; done {
			c.words = c.words[1:]
		}
	}
	if len(c.words) == 0 {
		x.compaction = nil
	}
}

// follow gives the list of a term the new numbers, without what is gone.
func (x *Index[K]) follow(term string) {
	old := x.lists[term]
	if old.generation == x.generation && old.older == nil {
		return
	}
	l := &postings{generation: x.generation}
	for _, part := range []*postings{old.older, old} {
		if part == nil {
			continue
		}
		n := uint32(0)
		for rest := part.triples; len(rest) > 0; {
			from, field, count := rest.three()
			n += uint32(from)
			if at := x.numberOf(part, n); at != goneDoc && x.docs[at].living {
				l.add(at, int(field), int(count))
			}
		}
	}
	if len(l.triples) == 0 {
		delete(x.lists, term)
	} else {
		l.triples = slices.Clip(l.triples)
		x.lists[term] = l
	}
}
