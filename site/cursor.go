package site

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"cms/content"
	"cms/say"
)

// cursorData is what a cursor holds: the sort key and the slug of the last entry of a
// page, and the id of the query. The client has seen all of it, and to change it only
// leads to another position of the same list.
type cursorData struct {
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

// cursor leads behind a position.
func (l *list) cursor(at position) string {
	b, _ := json.Marshal(cursorData{l.id, []byte(at.key), at.slug}) // of texts
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor reads a cursor of the query called id.
func parseCursor(cursor, id string) (*position, error) {
	broken := &Error{Code: Malformed, Detail: say.New("The cursor is not from this list. Use it with the same filters, sort and q, or leave it out to start from the beginning.")}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return nil, broken
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var p cursorData
	if err := dec.Decode(&p); err != nil || dec.More() || p.Query != id {
		return nil, broken
	}
	if _, err := content.ParseSlug(p.Slug); err != nil {
		return nil, broken
	}
	return &position{string(p.Key), p.Slug}, nil
}
