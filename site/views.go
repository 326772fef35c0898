package site

import (
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"cms/repo"
)

// Bounds of what is kept of entries as callers see them: how many entries, and
// how many bytes of one and of what was made of it.
const (
	maxViews   = 4096
	maxEncoded = 16 << 10
)

// views are the entries that lists have shown, as those saw them who asked: to
// hold an entry against its schema and to encode it is most of the work of a list.
type views struct{ kept *lru.Cache[viewName, *Entry] }

// viewName tells all that what is shown of an entry depends on.
type viewName struct {
	collection, slug string
	revision, commit repo.Hash
	reads            string // of the caller
}

func newViews() *views {
	kept, _ := lru.New[viewName, *Entry](maxViews) // a positive size is no error
	return &views{kept}
}

// of is e as the caller of v sees it, who reads what [sight.reads] told.
func (all *views) of(v *sight, reads string, e *repo.Entry) (*Entry, error) {
	name := viewName{e.Collection, e.Slug.String(), e.Revision, e.Updated().Commit, reads}
	if kept, ok := all.kept.Get(name); ok && kept.Path == e.Path {
		return kept, nil
	}
	made, err := v.view(e)
	if err != nil {
		return nil, err
	}
	made.encoded = new(atomic.Pointer[[]byte])
	if made.size() <= maxEncoded && !unread(e.Problems()) {
		all.kept.Add(name, made)
	}
	return made, nil
}
