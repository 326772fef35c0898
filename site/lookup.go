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
	unique     *uniqueIndexes
	collection string
	self       content.Slug                 // whose own values are not taken
	before     *content.Object              // the fields of self before an edit; what stays is not asked about again
	canRead    func(*repo.Entry) bool       // whether references may lead to an entry; nil for every one
	ignores    func(collection string) bool // whether references to a collection are not looked up; nil for none
	uncertain  *bool                        // set when an answer is uncertain, as an entry cannot be read; may be nil
}

// markUncertain notes that an answer is uncertain.
func (l lookup) markUncertain() {
	if l.uncertain != nil {
		*l.uncertain = true
	}
}

// forEntry is the lookup on behalf of one entry.
func (l lookup) forEntry(ref Ref) lookup {
	l.collection, l.self = ref.Collection, ref.Slug
	return l
}

// Taken implements [content.Lookup].
func (l lookup) Taken(f *content.Field, v content.Value) bool {
	if old, ok := l.before.Get(f.Name); ok && content.Equal(old, v) {
		return false
	}
	taken, sure := l.unique.taken(l.entries, Ref{l.collection, l.self}, f, v)
	if !taken && !sure {
		l.markUncertain()
	}
	return taken
}

// Exists implements [content.Lookup].
func (l lookup) Exists(collection, slug string) bool {
	if l.ignores != nil && l.ignores(collection) {
		return true
	}
	s, err := content.ParseSlug(slug)
	if err != nil {
		return false
	}
	e, ok := l.entries.Entry(collection, s)
	if !ok || l.canRead == nil || l.canRead(e) {
		return ok
	}
	if storageFailed(e.Problems()) {
		l.markUncertain()
	}
	return false
}
