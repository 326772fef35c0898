package site

import (
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"cms/repo"
)

// Bounds of the cache: how many entries, and how many bytes of one and of its encoding.
const (
	maxViews   = 4096
	maxEncoded = 16 << 10
)

// viewCache holds entries as callers see them: to validate an entry and to encode it is
// most of the work of a list.
type viewCache struct{ kept *lru.Cache[viewKey, *Entry] }

// viewKey is all that the view of an entry depends on.
type viewKey struct {
	collection, slug string
	revision, commit repo.Hash
	visible          string // see [access.visible]
}

func newViewCache() *viewCache {
	kept, _ := lru.New[viewKey, *Entry](maxViews) // a positive size is no error
	return &viewCache{kept}
}

// get is e as a caller sees it; visible is [access.visible] of them.
func (all *viewCache) get(acc *access, reads string, e *repo.Entry) (*Entry, error) {
	name := viewKey{e.Collection, e.Slug.String(), e.Revision, e.Updated().Commit, reads}
	if kept, ok := all.kept.Get(name); ok && kept.Path == e.Path {
		return kept, nil
	}
	made, err := acc.view(e)
	if err != nil {
		return nil, err
	}
	made.encoded = new(atomic.Pointer[[]byte])
	if made.size() <= maxEncoded && !storageFailed(e.Problems()) {
		all.kept.Add(name, made)
	}
	return made, nil
}
