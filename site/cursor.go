package site

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cms/content"
	"cms/repo"
)

// place is where a page of a list ended: the values that the last entry was
// sorted by, and its slug. It is what a cursor holds, with the name of the query
// that it belongs to. It holds nothing that its reader has not been shown, and
// to change it only leads to another place of the same list.
type place struct {
	Query string       `json:"q"`
	Keys  []placeValue `json:"k,omitempty"`
	Slug  string       `json:"s"`
}

type placeValue struct {
	Kind   kind    `json:"t"`
	Number float64 `json:"n,omitempty"`
	Key    []byte  `json:"k,omitempty"`
}

// id names a query, but for its page and what it shows of entries.
func (q Query) id(collection string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %#v %#v %q", collection, q.Filters, q.Sort, q.Text)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])
}

// cursor leads behind the entry e.
func (l *list) cursor(ix *table, e *repo.Entry) string {
	p := place{Query: l.id, Slug: e.Slug.String()}
	i, _ := slices.BinarySearchFunc(ix.entries, p.Slug, func(e *repo.Entry, slug string) int { return strings.Compare(e.Slug.String(), slug) })
	_, columns := ix.order(l.typed())
	for _, column := range columns {
		c := column[i]
		p.Keys = append(p.Keys, placeValue{c.kind, c.number, []byte(c.key)})
	}
	b, _ := json.Marshal(p) // of texts and finite numbers
	return base64.RawURLEncoding.EncodeToString(b)
}

// parsePlace reads a cursor of the query called id, sorted by n keys.
func parsePlace(cursor, id string, n int) (*place, error) {
	broken := &Error{Code: Malformed, Detail: "The cursor is not one that this list gave. Leave it out to start from the beginning; a cursor goes with the filters, the sort and the q that it was given for."}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return nil, broken
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var p place
	if err := dec.Decode(&p); err != nil || dec.More() || p.Query != id || len(p.Keys) != n {
		return nil, broken
	}
	if _, err := content.ParseSlug(p.Slug); err != nil {
		return nil, broken
	}
	for _, k := range p.Keys {
		if k.Kind > other || len(k.Key) > maxKey {
			return nil, broken
		}
	}
	return &p, nil
}

// compare orders the entry at i and the place behind which the page begins.
func (l *list) compare(columns [][]cell, i int, ix *table) int {
	for j, k := range l.after.Keys {
		at := cell{kind: k.Kind, number: k.Number, key: string(k.Key)}
		if d := columns[j][i].sorted(&at, l.sort[j].Descending); d != 0 {
			return d
		}
	}
	return cmp.Compare(ix.entries[i].Slug.String(), l.after.Slug)
}
