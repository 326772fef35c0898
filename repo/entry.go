package repo

import (
	"runtime"
	"sync/atomic"

	"github.com/go-git/go-git/v5/plumbing/filemode"

	"cms/content"
)

// An Entry is a document of a collection as it was at one revision. Its exported
// fields must not be changed.
type Entry struct {
	Collection string
	Slug       content.Slug
	Path       content.Path
	Revision   Hash // the blob's id
	Size       int64
	Mode       filemode.FileMode // Regular or Executable

	updated Change
	text    *text
}

// Fields are the front matter's, never nil; empty when it cannot be read.
func (e *Entry) Fields() *content.Object { return e.text.read().fields }

// Problems are those met in reading the file; a schema's are not among them.
func (e *Entry) Problems() []content.Problem { return e.text.read().problems }

// Source is the bytes of the file, which must not be changed. They are read from
// the repository when they are not in memory; ErrStorage when that fails.
func (e *Entry) Source() ([]byte, error) { return e.text.source() }

// Document is the entry parsed.
func (e *Entry) Document() (*content.Document, error) {
	src, err := e.Source()
	if err != nil {
		return nil, err
	}
	return content.Parse(src), nil
}

// Updated is the last change of the entry. It is zero for what an update that
// is not committed yet has put.
func (e *Entry) Updated() Change { return e.updated }

func (e *Entry) withUpdated(u Change) *Entry {
	n := *e
	n.updated = u
	return &n
}

// A text is the content of a blob: its bytes as long as the budget allows, and
// what parsing them gave.
type text struct {
	blob    Hash
	store   *store
	budget  *budget
	bytes   atomic.Pointer[[]byte]
	unsaved atomic.Bool // the repository does not have the blob yet
	reading atomic.Pointer[reading]
}

// A reading is what parsing gives.
type reading struct {
	fields   *content.Object
	problems []content.Problem
}

// A budget bounds the bytes of all texts that are kept in memory.
type budget struct {
	limit int64
	used  atomic.Int64
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

// hold keeps what is in d: its bytes whatever the budget, until release.
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

// release says that what was held can be read from the repository from now on.
// The bytes stay if the budget has room for them.
func (t *text) release() {
	if t.unsaved.CompareAndSwap(true, false) {
		t.keep(*t.bytes.Swap(nil))
	}
}

// keep keeps src if the budget has room for it, and gives the room back when
// nobody has the text any more.
func (t *text) keep(src []byte) {
	n := int64(len(src))
	if !t.budget.take(n) {
		return
	}
	if !t.bytes.CompareAndSwap(nil, &src) {
		t.budget.used.Add(-n)
		return
	}
	runtime.AddCleanup(t, func(b *budget) { b.used.Add(-n) }, t.budget)
}

func (t *text) source() ([]byte, error) {
	if src := t.held(); src != nil {
		return src, nil
	}
	return t.store.blob(t.blob)
}

func (t *text) read() *reading {
	if r := t.reading.Load(); r != nil {
		return r
	}
	src, err := t.source()
	if err != nil { // not kept: the next one may have more luck
		return &reading{new(content.Object), []content.Problem{{Rule: "storage", Detail: "the file cannot be read from the repository"}}}
	}
	d := content.Parse(src)
	r := &reading{d.Fields(), d.Problems()}
	t.reading.Store(r)
	return r
}
