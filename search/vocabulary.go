package search

import (
	"iter"
	"slices"
	"strings"
)

// A vocabulary is the words that texts of a language have, in order, so that those which
// begin with some letters, or are one typing error away from a word, are found without a
// look at the others.
type vocabulary struct {
	settled []known
	fresh   []known // few, which are put among the others together
}

// known is a word, without accents and case, and a term that it is found by.
type known struct{ word, term string }

func (k known) compare(l known) int {
	if by := strings.Compare(k.word, l.word); by != 0 {
		return by
	}
	return strings.Compare(k.term, l.term)
}

// Bounds of a vocabulary: of the part that is moved for each new word, and in all.
// Beyond it, words are found only as they are.
const (
	maxFresh = 1024
	maxKnown = 500_000
)

// add adds a word.
func (v *vocabulary) add(k known) {
	if _, there := slices.BinarySearchFunc(v.settled, k, known.compare); there || len(v.settled) >= maxKnown {
		return
	}
	at, there := slices.BinarySearchFunc(v.fresh, k, known.compare)
	if there {
		return
	}
	if v.fresh = slices.Insert(v.fresh, at, k); len(v.fresh) < maxFresh {
		return
	}
	all := make([]known, 0, len(v.settled)+len(v.fresh))
	for k := range v.from("") {
		all = append(all, k)
	}
	v.settled, v.fresh = all, v.fresh[:0]
}

// keep drops those of n words, from one on, of which stays is false. It gives the word to go
// on with, unless it is done.
func (v *vocabulary) keep(from known, n int, stays func(term string) bool) (next known, done bool) {
	gone := func(k known) bool { return !stays(k.term) }
	at, _ := slices.BinarySearchFunc(v.settled, from, known.compare)
	end := min(at+n, len(v.settled))
	if done = end == len(v.settled); done {
		v.fresh = slices.DeleteFunc(v.fresh, gone)
	} else {
		next = v.settled[end]
	}
	kept := slices.DeleteFunc(v.settled[at:end], gone)
	v.settled = slices.Delete(v.settled, at+len(kept), end)
	return next, done
}

// from yields the words from one on, in order.
func (v *vocabulary) from(word string) iter.Seq[known] {
	return func(yield func(known) bool) {
		if v == nil {
			return
		}
		begin := func(list []known) []known {
			at, _ := slices.BinarySearchFunc(list, known{word: word}, known.compare)
			return list[at:]
		}
		a, b := begin(v.settled), begin(v.fresh)
		for len(a)+len(b) > 0 {
			from := &a
			if len(a) == 0 || len(b) > 0 && b[0].compare(a[0]) < 0 {
				from = &b
			}
			if !yield((*from)[0]) {
				return
			}
			*from = (*from)[1:]
		}
	}
}

// beginning yields the words that begin with some letters, in order.
func (v *vocabulary) beginning(letters string) iter.Seq[known] {
	return func(yield func(known) bool) {
		for k := range v.from(letters) {
			if !strings.HasPrefix(k.word, letters) || !yield(k) {
				return
			}
		}
	}
}

// near are the words that are a word with at most one letter more, less, changed or
// swapped with the next one. It also tells how many words were looked at.
func (v *vocabulary) near(word string) (found []known, looked int) {
	if v == nil {
		return nil, 0
	}
	for _, list := range [][]known{v.settled, v.fresh} {
		d := newDistances(word)
		for i := 0; i < len(list); {
			prefix, ok := d.to(list[i].word)
			if looked++; ok {
				if d.last() <= 1 {
					found = append(found, list[i])
				}
				i++
				continue
			}
			// None that begins so is near.
			n, _ := slices.BinarySearchFunc(list[i:], prefix, func(k known, prefix string) int {
				if strings.HasPrefix(k.word, prefix) {
					return -1
				}
				return strings.Compare(k.word, prefix)
			})
			i += max(1, n)
		}
	}
	return found, looked
}

// distances are how many typing errors lie between the beginnings of a word and those of
// others, which come in order, so that what two of them share is compared once.
type distances struct {
	word []rune
	path []rune  // the beginning of the other that rows are for
	rows [][]int // for each of its letters, and none: up to each letter of the word
}

func newDistances(word string) *distances {
	d := &distances{word: []rune(word)}
	first := make([]int, len(d.word)+1)
	for j := range first {
		first[j] = j
	}
	d.rows = append(d.rows, first)
	return d
}

// to compares with another word. It is false where already a beginning of that, which it
// gives, is more than one error away from every beginning of the word.
func (d *distances) to(other string) (prefix string, ok bool) {
	n := 0
	for at, r := range other {
		if n < len(d.path) && d.path[n] == r {
			n++
			continue
		}
		d.path = append(d.path[:n], r)
		if n++; len(d.rows) == n {
			d.rows = append(d.rows, make([]int, len(d.word)+1))
		}
		if d.fill(n) > 1 {
			d.path = d.path[:n-1]
			return other[:at+len(string(r))], false
		}
	}
	d.path = d.path[:n]
	return other, true
}

// fill makes the n-th row, and gives the least in it.
func (d *distances) fill(n int) int {
	last, row, r := d.rows[n-1], d.rows[n], d.path[n-1]
	row[0] = n
	least := n
	for j := 1; j <= len(d.word); j++ {
		same := 1
		if d.word[j-1] == r {
			same = 0
		}
		row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+same)
		if n > 1 && j > 1 && d.word[j-2] == r && d.word[j-1] == d.path[n-2] {
			row[j] = min(row[j], d.rows[n-2][j-2]+1)
		}
		least = min(least, row[j])
	}
	return least
}

// last is how many errors lie between the whole words.
func (d *distances) last() int { return d.rows[len(d.path)][len(d.word)] }
