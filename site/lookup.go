package site

import (
	"encoding/json"
	"iter"
	"slices"

	"cms/content"
	"cms/repo"
)

// entries is what a schema's questions are answered from: a transaction, or a
// snapshot.
type entries interface {
	Entry(collection string, slug content.Slug) (*repo.Entry, bool)
	Entries(collection string) iter.Seq[*repo.Entry]
}

type snapshot struct{ *repo.Snapshot }

func (s snapshot) Entries(collection string) iter.Seq[*repo.Entry] {
	return slices.Values(s.Snapshot.Entries(collection))
}

// lookup answers what a schema asks about other entries.
type lookup struct {
	entries    entries
	collection string
	self       content.Slug           // whose own values are not taken
	before     *content.Object        // the fields of self before an edit; what stays is not asked about again
	sees       func(*repo.Entry) bool // whether references may lead to an entry; nil for every one
	seen       *index
}

// index holds, for each unique field that was asked about, who has each value:
// made once for a check of many entries.
type index map[[2]string]map[string][]content.Slug

func newLookup(in entries) lookup { return lookup{entries: in, seen: &index{}} }

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
	for _, owner := range l.owners(field)[key(v)] {
		if owner != l.self {
			return true
		}
	}
	return false
}

func (l lookup) owners(field string) map[string][]content.Slug {
	at := [2]string{l.collection, field}
	if owners, ok := (*l.seen)[at]; ok {
		return owners
	}
	owners := map[string][]content.Slug{}
	for e := range l.entries.Entries(l.collection) {
		if v, ok := e.Fields().Get(field); ok {
			k := key(v)
			owners[k] = append(owners[k], e.Slug)
		}
	}
	(*l.seen)[at] = owners
	return owners
}

// Exists implements [content.Lookup].
func (l lookup) Exists(collection, slug string) bool {
	s, err := content.ParseSlug(slug)
	if err != nil {
		return false
	}
	e, ok := l.entries.Entry(collection, s)
	return ok && (l.sees == nil || l.sees(e))
}

// key is equal for equal values: their JSON, of which a date has one form
// whatever its layout on disk.
func key(v content.Value) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}
