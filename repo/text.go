package repo

import (
	"runtime"
	"sync/atomic"

	"cms/content"
)

// A text is the content of a blob: its bytes and what parsing them gave, both as
// long as the budget allows. Beyond it a reading is taken from the index, and
// parsed only where that has none.
type text struct {
	blob    Hash
	unsaved atomic.Bool // the repository does not have the blob yet
	store   *store
	budget  *budget
	bytes   atomic.Pointer[[]byte]
	reading atomic.Pointer[reading]
	place   atomic.Pointer[place] // of the reading in the index; nil when it is not there
}

// A budget bounds the memory that texts take, and counts what they cost.
type budget struct {
	limit  int64
	used   atomic.Int64
	read   atomic.Int64 // blobs that were read
	parsed atomic.Int64 // and parsed
	taken  atomic.Int64 // readings that were taken from the index
}

// take is false, and takes nothing, when n bytes more are too many.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.limit {
		return true
	}
	b.used.Add(-n)
	return false
}

func (r *Repo) newText(blob Hash) *text { return &text{blob: blob, store: r.store, budget: r.budget} }

// hold keeps what is in d, whatever the budget, until release.
func (t *text) hold(d *content.Document) {
	src := d.Source()
	t.bytes.Store(&src)
	t.unsaved.Store(true)
	t.reading.Store(&reading{d.Fields(), d.Problems()})
}

// held is the bytes if they are in memory.
func (t *text) held() []byte {
	if p := t.bytes.Load(); p != nil {
		return *p
	}
	return nil
}

// release says that what was held can be read from the repository from now on. What
// the budget has room for stays. The reading is to be saved in the index.
func (t *text) release() shelved {
	if !t.unsaved.CompareAndSwap(true, false) {
		return shelved{text: t}
	}
	t.keep(*t.bytes.Swap(nil))
	return t.remembered(t.reading.Swap(nil))
}

// remembered keeps r in t if the budget has room for it, or else as it is to be
// saved.
func (t *text) remembered(r *reading) shelved {
	s := shelved{text: t}
	if t.remember(r); t.reading.Load() == nil {
		s.reading, _ = encodeReading(r)
	}
	return s
}

// keep keeps src if the budget has room for it.
func (t *text) keep(src []byte) { keep(t, &t.bytes, &src, int64(len(src))) }

// remember keeps r if the budget has room for it.
func (t *text) remember(r *reading) { keep(t, &t.reading, r, r.weight()) }

// keep puts v, of n bytes, into its place in t if the budget has room for it, and
// gives the room back when nobody has the text any more.
func keep[V any](t *text, in *atomic.Pointer[V], v *V, n int64) {
	if in.Load() != nil || !t.budget.take(n) {
		return
	}
	if !in.CompareAndSwap(nil, v) {
		t.budget.used.Add(-n)
		return
	}
	runtime.AddCleanup(t, func(b *budget) { b.used.Add(-n) }, t.budget)
}

func (t *text) source() ([]byte, error) {
	if src := t.held(); src != nil {
		return src, nil
	}
	return t.load(t.store)
}

// load reads the bytes from a store.
func (t *text) load(s *store) ([]byte, error) {
	src, err := s.blob(t.blob)
	if err != nil {
		return nil, err
	}
	t.budget.read.Add(1)
	t.keep(src)
	return src, nil
}

func (t *text) read() *reading {
	if r := t.reading.Load(); r != nil {
		return r
	}
	r := t.saved()
	if r == nil {
		src, err := t.source()
		if err != nil { // not kept: the next one may have more luck
			return &reading{new(content.Object), []content.Problem{{Rule: "storage", Detail: "the file cannot be read from the repository"}}}
		}
		r = t.parse(src)
	}
	t.remember(r)
	return r
}

func (t *text) parse(src []byte) *reading {
	t.budget.parsed.Add(1)
	d := content.Parse(src)
	return &reading{d.Fields(), d.Problems()}
}

// saved is the reading that the index has, nil if it has none that is whole.
func (t *text) saved() *reading {
	s, ok := t.encoded()
	if !ok {
		return nil
	}
	r, err := decodeReading(s)
	if err != nil {
		return nil
	}
	return r
}

// encoded is saved as it is written.
func (t *text) encoded() (string, bool) {
	p := t.place.Load()
	if p == nil {
		return "", false
	}
	s, err := p.reading()
	if err != nil {
		t.place.CompareAndSwap(p, nil)
		return "", false
	}
	t.budget.taken.Add(1)
	return s, true
}

// glimpse keeps the reading as long as there is much room, so that others need not
// decode it again.
func (t *text) glimpse() (Glimpse, bool) {
	if r := t.reading.Load(); r != nil {
		return Glimpse{fields: r.fields}, true
	}
	if t.budget.used.Load() > t.budget.limit/8*7 {
		s, ok := t.encoded()
		return Glimpse{encoded: s}, ok
	}
	r := t.saved()
	if r == nil {
		return Glimpse{}, false
	}
	t.remember(r)
	return Glimpse{fields: r.fields}, true
}

// weight is about how many bytes the reading is of, 0 when only reading tells.
func (t *text) weight() int {
	if p := t.place.Load(); p != nil {
		return int(p.size)
	}
	return len(t.held())
}

// known says whether the reading can be had without parsing.
func (t *text) known() bool { return t.reading.Load() != nil || t.place.Load() != nil }
