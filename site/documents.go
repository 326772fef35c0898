package site

import (
	"context"
	"crypto/sha256"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"cms/content"
	"cms/repo"
)

// documentCache holds the documents that were parsed lately: many callers ask for the
// same changes. The zero value is ready.
type documentCache struct {
	mu   sync.Mutex
	kept *simplelru.LRU[documentKey, *content.Document]
	size int
}

// documentKey is a blob, and by what it is read.
type documentKey struct {
	blob repo.Hash
	yaml content.Version
}

// Bounds of the cache, in bytes of files; parsed they take several times as much.
const (
	maxDocumentCache  = 2 << 20
	maxCachedDocument = 1 << 20
	minDocumentWeight = 512 // counted for a small document
)

func weightOf(d *content.Document) int { return max(minDocumentWeight, len(d.Source())) }

func (all *documentCache) get(key documentKey) *content.Document {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.kept == nil {
		return nil
	}
	d, _ := all.kept.Get(key)
	return d
}

func (all *documentCache) add(key documentKey, d *content.Document) {
	if weightOf(d) > maxCachedDocument {
		return
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.kept == nil {
		all.kept, _ = simplelru.NewLRU(maxDocumentCache/minDocumentWeight, func(_ documentKey, d *content.Document) { all.size -= weightOf(d) }) // fails for no size alone
	}
	if all.kept.Contains(key) {
		return
	}
	all.kept.Add(key, d)
	for all.size += weightOf(d); all.size > maxDocumentCache; {
		all.kept.RemoveOldest()
	}
}

// parsed is the document of a collection whose blob is called hash, at the cost of a budget.
func (s *Site) parsed(ctx context.Context, e *budget, c *content.Collection, hash repo.Hash) (*content.Document, error) {
	key := documentKey{hash, c.YAML}
	if d := s.documents.get(key); d != nil {
		return d, e.spend(len(d.Source()))
	}
	src, err := s.repo.Blob(ctx, hash)
	if err != nil {
		return nil, mustExist(err)
	}
	if err := e.parse(src); err != nil {
		return nil, err
	}
	d := c.Parse(src)
	s.documents.add(key, d)
	return d, nil
}

// revisionCache holds the revisions by which callers who do not see every field know
// blobs, so that each is read once for histories, bases and last changes.
type revisionCache struct {
	kept *lru.Cache[revisionKey, string]
}

// revisionKey is a blob, and what the caller sees (the hash of [access.visible]).
type revisionKey struct {
	blob    repo.Hash
	visible [sha256.Size]byte
}

// maxCachedRevisions bounds the cache to some 20 MB.
const maxCachedRevisions = 1 << 16

func newRevisionCache() *revisionCache {
	kept, _ := lru.New[revisionKey, string](maxCachedRevisions) // a positive size is no error
	return &revisionCache{kept}
}

// visibleRevision is the revision by which the caller knows a blob of an entry, ""
// where they do not see it.
func (acc *access) visibleRevision(ctx context.Context, hash repo.Hash) (string, error) {
	switch {
	case hash.IsZero():
		return "", nil
	case acc.full:
		return hash.String(), nil
	}
	if name, ok := acc.cachedRevision(hash); ok {
		return name, acc.budget.spend(0)
	}
	d, err := acc.site.parsed(ctx, acc.budget, acc.Collection, hash)
	if err != nil {
		return "", err
	}
	name := ""
	if acc.canReadFields(d.Fields(), d.Problems()) {
		name = acc.documentRevision(d, hash)
	}
	acc.cacheRevision(hash, name)
	return name, nil
}

// cachedRevision is what [access.visibleRevision] has found before.
func (acc *access) cachedRevision(hash repo.Hash) (string, bool) {
	return acc.site.revisions.kept.Get(revisionKey{hash, acc.visibleHash()})
}

func (acc *access) cacheRevision(hash repo.Hash, known string) {
	acc.site.revisions.kept.Add(revisionKey{hash, acc.visibleHash()}, known)
}

// visibleHash is a hash of [access.visible].
func (acc *access) visibleHash() [sha256.Size]byte {
	if acc.visibility == ([sha256.Size]byte{}) {
		acc.visibility = sha256.Sum256([]byte(acc.visible()))
	}
	return acc.visibility
}
