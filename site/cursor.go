package site

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"cms/content"
)

// place is where a page of a list ended: what the last entry was sorted by, and
// its slug. It is what a cursor holds, with the name of the query that it belongs
// to. It holds nothing that its reader has not been shown, and to change it only
// leads to another place of the same list.
type place struct {
	Query string `json:"q"`
	Key   []byte `json:"k,omitempty"`
	Slug  string `json:"s"`
}

// id names a query, but for its page and what it shows of entries.
func (q Query) id(collection string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %#v %#v %q", collection, q.Filters, q.Sort, q.Text)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])
}

// cursor leads behind a spot.
func (l *list) cursor(at spot) string {
	b, _ := json.Marshal(place{l.id, []byte(at.key), at.slug}) // of texts
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor reads a cursor of the query called id.
func parseCursor(cursor, id string) (*spot, error) {
	broken := &Error{Code: Malformed, Detail: "The cursor is not one that this list gave. Leave it out to start from the beginning; a cursor goes with the filters, the sort and the q that it was given for."}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return nil, broken
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var p place
	if err := dec.Decode(&p); err != nil || dec.More() || p.Query != id {
		return nil, broken
	}
	if _, err := content.ParseSlug(p.Slug); err != nil {
		return nil, broken
	}
	return &spot{string(p.Key), p.Slug}, nil
}
