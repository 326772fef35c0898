package search

import (
	"html"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxTerms is how many words a query may have.
const MaxTerms = 32

// Query is the words to look for.
type Query struct {
	terms map[string][]string        // by language
	met   map[string]map[string]bool // words of texts, by language, and whether they are asked for
}

// ParseQuery reads the words of s, as they are found in texts of these languages. It is
// false when there is none, or too many. Words that are in every text count where there
// are no others.
func ParseQuery(s string, languages ...string) (*Query, bool) {
	q := &Query{map[string][]string{}, map[string]map[string]bool{}}
	for _, code := range languages {
		terms := queryTerms(s, code)
		if len(terms) == 0 || len(terms) > MaxTerms {
			return nil, false
		}
		q.terms[code], q.met[code] = terms, map[string]bool{}
	}
	return q, len(languages) > 0
}

func queryTerms(s, code string) []string {
	l := languages[code]
	var terms, stops []string
	add := func(to *[]string, t string) {
		if len(*to) <= MaxTerms && !slices.Contains(*to, t) {
			*to = append(*to, t)
		}
	}
	for w := range words(s) {
		switch {
		case w.part: // found by two letters each
		case w.joined:
			add(&terms, Fold(w.text))
		case l.isStop(w):
			add(&stops, l.term(w.text))
		default:
			add(&terms, l.term(w.text))
		}
	}
	if len(terms) == 0 {
		return stops
	}
	return terms
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
		l, terms := languages[code], q.terms[code]
		asked = slices.ContainsFunc(l.terms(w), func(t string) bool { return slices.Contains(terms, t) })
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
