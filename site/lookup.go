package site

import (
	"cms/content"
	"cms/repo"
)

// entries is what a schema's questions are answered from: a transaction, or a
// snapshot.
type entries interface {
	Entry(collection string, slug content.Slug) (*repo.Entry, bool)
	Edition(collection string) repo.Edition
}

// lookup answers what a schema asks about other entries.
type lookup struct {
	entries    entries
	registers  *registers
	collection string
	self       content.Slug           // whose own values are not taken
	before     *content.Object        // the fields of self before an edit; what stays is not asked about again
	sees       func(*repo.Entry) bool // whether references may lead to an entry; nil for every one
	unsure     *bool                  // set when an answer is a guess, as an entry could not be read; may be nil
}

// guess notes that an answer is one.
func (l lookup) guess() {
	if l.unsure != nil {
		*l.unsure = true
	}
}

// of is the lookup on behalf of one entry.
func (l lookup) of(ref Ref) lookup {
	l.collection, l.self = ref.Collection, ref.Slug
	return l
}

// Taken implements [content.Lookup].
func (l lookup) Taken(field string, v content.Value) bool {
	if old, ok := l.before.Get(field); ok && content.Equal(old, v) {
		return false
	}
	taken, sure := l.registers.taken(l.entries, Ref{l.collection, l.self}, field, v)
	if !taken && !sure {
		l.guess()
	}
	return taken
}

// Exists implements [content.Lookup].
func (l lookup) Exists(collection, slug string) bool {
	s, err := content.ParseSlug(slug)
	if err != nil {
		return false
	}
	e, ok := l.entries.Entry(collection, s)
	if !ok || l.sees == nil || l.sees(e) {
		return ok
	}
	if unread(e.Problems()) {
		l.guess()
	}
	return false
}
