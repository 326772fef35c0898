package repo

import (
	"runtime"
	"sync/atomic"

	"cms/content"
	"cms/say"
)

// A cachedBlob is the content of a blob: its bytes and what parsing them gave, both as
// long as the budget allows. Beyond it a parse result is taken from the index, and
// parsed only where that has none.
type cachedBlob struct {
	hash    Hash
	version content.Version // by which its front matter is read
	unsaved atomic.Bool     // the repository does not have the blob yet
	store   *store
	budget  *budget
	bytes   atomic.Pointer[[]byte]
	parsed  atomic.Pointer[parsed]
	pos     atomic.Pointer[recordPos] // of the parse result in the index; nil when it is not there
}

// A budget bounds the memory that cached blobs take, and counts what they cost.
type budget struct {
	limit     int64
	used      atomic.Int64
	read      atomic.Int64 // blobs that were read
	parsed    atomic.Int64 // and parsed
	fromIndex atomic.Int64 // parse results that were taken from the index
}

// reserve is false, and takes nothing, when n bytes more are too many.
func (b *budget) reserve(n int64) bool {
	if b.used.Add(n) <= b.limit {
		return true
	}
	b.used.Add(-n)
	return false
}

// newCachedBlob is the content of a blob as an entry of the collection has it.
func (r *Repo) newCachedBlob(collection string, blob Hash) *cachedBlob {
	t := &cachedBlob{hash: blob, store: r.store, budget: r.budget}
	if c, err := r.collections.named(collection); err == nil {
		t.version = c.YAML
	}
	return t
}

// in is t as an entry of the collection has it, which may read it by another version.
func (t *cachedBlob) in(r *Repo, collection string) *cachedBlob {
	other := r.newCachedBlob(collection, t.hash)
	if other.version == t.version {
		return t
	}
	if src := t.cachedBytes(); src != nil && t.unsaved.Load() {
		other.setUnsaved(content.ParseAs(other.version, src))
	}
	return other
}

// key is what the index knows the parse result by: the name of the blob or, of what is
// read by the younger version, its complement, which is no other blob's name.
func (t *cachedBlob) key() Hash {
	k := t.hash
	if t.version == content.YAML12 {
		for i := range k {
			k[i] = ^k[i]
		}
	}
	return k
}

// setUnsaved keeps what is in d, whatever the budget, until release.
func (t *cachedBlob) setUnsaved(d *content.Document) {
	src := d.Source()
	t.bytes.Store(&src)
	t.unsaved.Store(true)
	d = d.As(t.version)
	t.parsed.Store(&parsed{d.Fields(), d.Problems()})
}

// cachedBytes is the bytes if they are in memory.
func (t *cachedBlob) cachedBytes() []byte {
	if p := t.bytes.Load(); p != nil {
		return *p
	}
	return nil
}

// markSaved says that what was held can be read from the repository from now on. What
// the budget has room for stays. The reading is to be saved in the index.
func (t *cachedBlob) markSaved() record {
	if !t.unsaved.CompareAndSwap(true, false) {
		return record{blob: t}
	}
	t.cacheBytes(*t.bytes.Swap(nil))
	return t.toRecord(t.parsed.Swap(nil))
}

// toRecord keeps r in t if the budget has room for it, or else as it is to be
// saved.
func (t *cachedBlob) toRecord(r *parsed) record {
	s := record{blob: t}
	if t.cacheParsed(r); t.parsed.Load() == nil {
		s.encoded, _ = encodeParsed(r)
	}
	return s
}

// cacheBytes keeps src if the budget has room for it.
func (t *cachedBlob) cacheBytes(src []byte) { cacheIn(t, &t.bytes, &src, int64(len(src))) }

// cacheParsed keeps r if the budget has room for it.
func (t *cachedBlob) cacheParsed(r *parsed) { cacheIn(t, &t.parsed, r, r.weight()) }

// cacheIn puts v, of n bytes, into its place in t if the budget has room for it, and
// gives the room back when nobody has the blob any more.
func cacheIn[V any](t *cachedBlob, in *atomic.Pointer[V], v *V, n int64) {
	if in.Load() != nil || !t.budget.reserve(n) {
		return
	}
	if !in.CompareAndSwap(nil, v) {
		t.budget.used.Add(-n)
		return
	}
	runtime.AddCleanup(t, func(b *budget) { b.used.Add(-n) }, t.budget)
}

func (t *cachedBlob) source() ([]byte, error) {
	if src := t.cachedBytes(); src != nil {
		return src, nil
	}
	return t.load(t.store)
}

// load reads the bytes from a store.
func (t *cachedBlob) load(s *store) ([]byte, error) {
	src, err := s.blob(t.hash)
	if err != nil {
		return nil, err
	}
	t.budget.read.Add(1)
	t.cacheBytes(src)
	return src, nil
}

func (t *cachedBlob) read() *parsed {
	if r := t.parsed.Load(); r != nil {
		return r
	}
	r := t.fromIndex()
	if r == nil {
		src, err := t.source()
		if err != nil { // not kept: the next read may succeed
			return &parsed{new(content.Object), []content.Problem{{Rule: "storage", Detail: say.New("the file cannot be read from the repository")}}}
		}
		r = t.parse(src)
	}
	t.cacheParsed(r)
	return r
}

func (t *cachedBlob) parse(src []byte) *parsed {
	t.budget.parsed.Add(1)
	d := content.ParseAs(t.version, src)
	return &parsed{d.Fields(), d.Problems()}
}

// fromIndex is the parse result that the index has, nil if it has none that is whole.
func (t *cachedBlob) fromIndex() *parsed {
	var s string
	if !t.readRecord(func(b []byte) { s = string(b) }) {
		return nil
	}
	r, err := decodeParsed(s)
	if err != nil {
		return nil
	}
	return r
}

// readRecord calls use with fromIndex before it is decoded, of which it must keep nothing.
func (t *cachedBlob) readRecord(use func(record []byte)) bool {
	p := t.pos.Load()
	if p == nil {
		return false
	}
	if err := p.read(use); err != nil {
		t.pos.CompareAndSwap(p, nil)
		return false
	}
	t.budget.fromIndex.Add(1)
	return true
}

// cachedFields keeps the parse result as long as there is much room, so that others need not
// decode it again.
func (t *cachedBlob) cachedFields() (CachedFields, bool) {
	if r := t.parsed.Load(); r != nil {
		return CachedFields{fields: r.fields}, true
	}
	if t.budget.used.Load() > t.budget.limit/8*7 {
		return new(Passing).fields(t)
	}
	r := t.fromIndex()
	if r == nil {
		return CachedFields{}, false
	}
	t.cacheParsed(r)
	return CachedFields{fields: r.fields}, true
}

// weight is about how many bytes the parse result is of, 0 when only reading tells.
func (t *cachedBlob) weight() int {
	if p := t.pos.Load(); p != nil {
		return int(p.size)
	}
	return len(t.cachedBytes())
}

// isCached says whether the parse result can be had without parsing.
func (t *cachedBlob) isCached() bool { return t.parsed.Load() != nil || t.pos.Load() != nil }
