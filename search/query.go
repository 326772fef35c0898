package search

import (
	"html"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxTerms is how many words a query may have.
const MaxTerms = 32

// Query is the words to look for.
type Query struct {
	asked    map[string][]askedWord     // by language
	name     uint64                     // of the whole text, see nameOf
	complete bool                       // the last word is typed half
	forgiven map[string]map[string]bool // terms that were meant where there was a typing error, by language
	met      map[string]map[string]bool // words of texts, by language, and whether they are asked for
}

// askedWord is a word that is asked for.
type askedWord struct {
	term string
	word string // without accents and case
	last bool   // it ends the text
	part bool   // it is of a script without spaces, and never completed or forgiven
}

// ParseQuery reads the words of s, as they are found in texts of these languages. It is
// false when there is none, or too many. Words that are in every text count where there
// are no others.
func ParseQuery(s string, languages ...string) (*Query, bool) {
	q := &Query{asked: map[string][]askedWord{}, name: nameOf(s), met: map[string]map[string]bool{}, forgiven: map[string]map[string]bool{}}
	for _, code := range languages {
		words := queryWords(s, code)
		if len(words) == 0 || len(words) > MaxTerms {
			return nil, false
		}
		q.asked[code], q.met[code], q.forgiven[code] = words, map[string]bool{}, map[string]bool{}
	}
	return q, len(languages) > 0
}

// Complete takes the last word, where the text ends with it, for the beginning of words
// too: for searches while somebody types.
func (q *Query) Complete() { q.complete = true }

func queryWords(s, code string) []askedWord {
	l := languages[code]
	var all, stops []askedWord
	add := func(to *[]askedWord, a askedWord) {
		same := func(b askedWord) bool { return a.term == b.term }
		if at := slices.IndexFunc(*to, same); at >= 0 {
			if a.last {
				(*to)[at] = a
			}
			return
		}
		if len(*to) <= MaxTerms {
			*to = append(*to, a)
		}
	}
	for w := range words(s) {
		a := askedWord{word: Fold(w.text), last: w.end == len(s)}
		switch {
		case w.part: // found by two letters each
		case w.joined:
			a.term, a.part = a.word, true
			add(&all, a)
		case l.isStop(w):
			a.term = l.term(w.text)
			add(&stops, a)
		default:
			a.term = l.term(w.text)
			add(&all, a)
		}
	}
	if len(all) == 0 {
		return stops
	}
	return all
}

// completes says whether the word may be incomplete.
func (a askedWord) completes() bool { return a.last && !a.part }

// minForgiven is how many letters a word has in which one typing error is forgiven.
const minForgiven = 5

// canForgive says whether a typing error is forgiven in the word. Numbers are meant as
// they are.
func (a askedWord) canForgive() bool {
	return !a.part && utf8.RuneCountInString(a.word) >= minForgiven && !strings.ContainsFunc(a.word, unicode.IsDigit)
}

// How much of a text a snippet shows, in bytes, before the first word that was
// found and in all.
const (
	snippetLead   = 60
	snippetLength = 240
)

// Snippet is the part of a text of a language around the first of the query's words in
// it, as HTML: the text escaped, the words in <mark>. It is empty when there is none. A
// query makes one snippet at a time.
func (q *Query) Snippet(text, code string) string {
	var b strings.Builder
	from, until, at := -1, 0, 0
	mark := span{-1, -1} // what is to be marked next
	flush := func() {
		if mark.start >= 0 {
			b.WriteString(html.EscapeString(text[at:mark.start]) + "<mark>" + html.EscapeString(text[mark.start:mark.end]) + "</mark>")
			at = mark.end
		}
	}
	for w := range words(text) {
		if from >= 0 && w.end > until {
			break
		}
		if !q.asksFor(w, code) {
			continue
		}
		if from < 0 {
			from = wordBoundary(text, w.start-snippetLead)
			until = max(w.end, wordBoundary(text, from+snippetLength))
			at = from
			if from > 0 {
				b.WriteString("… ")
			}
		}
		if w.start < mark.end { // of letters that follow each other
			mark.end = max(mark.end, w.end)
			continue
		}
		flush()
		mark = span{w.start, w.end}
	}
	if from < 0 {
		return ""
	}
	flush()
	b.WriteString(html.EscapeString(text[at:max(at, until)]))
	if until < len(text) {
		b.WriteString(" …")
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// maxMet is how many words a query remembers, of each language.
const maxMet = 10_000

// asksFor says whether a word of a text is asked for. To find its stem is most of the work
// of a snippet, and most words come again.
func (q *Query) asksFor(w word, code string) bool {
	met := q.met[code]
	asked, known := met[w.text]
	if !known {
		l, terms := languages[code], q.asked[code]
		folded := Fold(w.text)
		asked = slices.ContainsFunc(l.terms(w), func(t string) bool {
			return q.forgiven[code][code+" "+t] || slices.ContainsFunc(terms, func(a askedWord) bool { return a.term == t })
		}) || q.complete && !w.joined && slices.ContainsFunc(terms, func(a askedWord) bool { return a.completes() && strings.HasPrefix(folded, a.word) })
		if met != nil && len(met) < maxMet {
			met[w.text] = asked
		}
	}
	return asked
}

// span is a part of a text, in bytes.
type span struct{ start, end int }

// wordBoundary is the beginning of a word at or shortly behind i.
func wordBoundary(text string, i int) int {
	if i <= 0 {
		return 0
	}
	if i >= len(text) {
		return len(text)
	}
	for j := i; j < min(len(text), i+maxWord); j++ {
		if text[j] == ' ' || text[j] == '\n' {
			return j + 1
		}
	}
	for !utf8.RuneStart(text[i]) {
		i--
	}
	return i
}
