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

// documents are the blobs that were parsed lately: what one change was and has become
// is shown to many. The zero value is ready.
type documents struct {
	mu   sync.Mutex
	kept *simplelru.LRU[repo.Hash, *content.Document]
	size int
}

// Bounds of what is kept of documents, in bytes of their files; parsed they take
// several times as much.
const (
	keptDocuments = 2 << 20
	keptDocument  = 1 << 20
	fewestBytes   = 512 // that a small one counts for
)

func weightOf(d *content.Document) int { return max(fewestBytes, len(d.Source())) }

func (all *documents) get(hash repo.Hash) *content.Document {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.kept == nil {
		return nil
	}
	d, _ := all.kept.Get(hash)
	return d
}

func (all *documents) add(hash repo.Hash, d *content.Document) {
	if weightOf(d) > keptDocument {
		return
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.kept == nil {
		all.kept, _ = simplelru.NewLRU(keptDocuments/fewestBytes, func(_ repo.Hash, d *content.Document) { all.size -= weightOf(d) }) // fails for no size alone
	}
	if all.kept.Contains(hash) {
		return
	}
	all.kept.Add(hash, d)
	for all.size += weightOf(d); all.size > keptDocuments; {
		all.kept.RemoveOldest()
	}
}

// parsed is the document whose blob is called hash, at the cost of an effort.
func (s *Site) parsed(ctx context.Context, e *effort, hash repo.Hash) (*content.Document, error) {
	if d := s.documents.get(hash); d != nil {
		return d, e.spend(len(d.Source()))
	}
	src, err := s.repo.Blob(ctx, hash)
	if err != nil {
		return nil, there(err)
	}
	if err := e.parse(src); err != nil {
		return nil, err
	}
	d := content.Parse(src)
	s.documents.add(hash, d)
	return d, nil
}

// names are what callers who do not see all of an entry know its blobs by: that each
// was read once is enough, whoever asks for the history, a base or the last change.
type names struct{ kept *lru.Cache[nameOf, string] }

// nameOf is a blob, as those see it who read what [sight.reads] told.
type nameOf struct {
	blob  repo.Hash
	reads [sha256.Size]byte
}

// maxNames bounds the names that are kept, to some 20 MB.
const maxNames = 1 << 16

func newNames() *names {
	kept, _ := lru.New[nameOf, string](maxNames) // a positive size is no error
	return &names{kept}
}

// known is the revision that the caller knows a blob of an entry by, "" where they
// do not see it.
func (v *sight) known(ctx context.Context, hash repo.Hash) (string, error) {
	switch {
	case hash.IsZero():
		return "", nil
	case v.whole:
		return hash.String(), nil
	}
	if name, ok := v.named(hash); ok {
		return name, v.effort.spend(0)
	}
	d, err := v.site.parsed(ctx, v.effort, hash)
	if err != nil {
		return "", err
	}
	name := ""
	if v.shows(d.Fields(), d.Problems()) {
		name = v.revisionOf(d, hash)
	}
	v.name(hash, name)
	return name, nil
}

// named is what [sight.known] has found before.
func (v *sight) named(hash repo.Hash) (string, bool) {
	return v.site.names.kept.Get(nameOf{hash, v.readsHash()})
}

func (v *sight) name(hash repo.Hash, known string) {
	v.site.names.kept.Add(nameOf{hash, v.readsHash()}, known)
}

// readsHash stands for what [sight.reads] tells.
func (v *sight) readsHash() [sha256.Size]byte {
	if v.digest == ([sha256.Size]byte{}) {
		v.digest = sha256.Sum256([]byte(v.reads()))
	}
	return v.digest
}
