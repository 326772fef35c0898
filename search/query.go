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
type Query struct{ terms []string }

// ParseQuery reads the words of s. It is false when there is none, or too many.
func ParseQuery(s string) (*Query, bool) {
	q := &Query{}
	for w := range words(s) {
		if t := term(w.text); !slices.Contains(q.terms, t) {
			if q.terms = append(q.terms, t); len(q.terms) > MaxTerms {
				break
			}
		}
	}
	return q, len(q.terms) > 0 && len(q.terms) <= MaxTerms
}

// How much of a text a snippet shows, in bytes, before the first word that was
// found and in all.
const (
	snippetLead   = 60
	snippetLength = 240
)

// Snippet is the part of a text around the first of the query's words in it, as
// HTML: the text escaped, the words in <mark>. It is empty when there is none.
func (q *Query) Snippet(text string) string {
	var b strings.Builder
	from, until, at := -1, 0, 0
	for w := range words(text) {
		if from >= 0 && w.end > until {
			break
		}
		if !slices.ContainsFunc(terms(w.text), func(t string) bool { return slices.Contains(q.terms, t) }) {
			continue
		}
		if from < 0 {
			from = wordBoundary(text, w.start-snippetLead)
			until = wordBoundary(text, from+snippetLength)
			at = from
			if from > 0 {
				b.WriteString("… ")
			}
		}
		b.WriteString(html.EscapeString(text[at:w.start]) + "<mark>" + html.EscapeString(text[w.start:w.end]) + "</mark>")
		at = w.end
	}
	if from < 0 {
		return ""
	}
	b.WriteString(html.EscapeString(text[at:max(at, until)]))
	if until < len(text) {
		b.WriteString(" …")
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

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
