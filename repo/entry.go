package repo

import (
	"github.com/go-git/go-git/v5/plumbing/filemode"

	"cms/content"
)

// An Entry is a document of a collection as it was at one revision. Its exported
// fields must not be changed.
type Entry struct {
	Collection string
	Slug       content.Slug
	Path       content.Path
	Revision   Hash              // the blob's id
	Mode       filemode.FileMode // Regular or Executable

	latest latest
	blob   *cachedBlob
}

// Fields are the front matter's, never nil; empty when it cannot be read.
func (e *Entry) Fields() *content.Object { return e.blob.read().fields }

// CachedFields are the fields of an entry for those who need few of them: only what is
// asked for is decoded.
type CachedFields struct {
	fields  *content.Object
	encoded []byte // as in the index, where fields is nil
}

// Get is the value of a key.
func (g CachedFields) Get(key string) (content.Value, bool) {
	if g.fields != nil {
		return g.fields.Get(key)
	}
	v, ok, err := decodeMember(g.encoded, key)
	return v, ok && err == nil
}

// CachedFields are those of e; false when the file would have to be read for them.
func (e *Entry) CachedFields() (CachedFields, bool) { return e.blob.cachedFields() }

// A Passing is for those who look at the fields of very many entries once: nothing is kept
// of what was not in memory. It is not for use by two goroutines at once.
type Passing struct{ record []byte }

// Fields are [Entry.CachedFields] of e, until those of another are asked for.
func (p *Passing) Fields(e *Entry) (CachedFields, bool) { return p.fields(e.blob) }

func (p *Passing) fields(t *cachedBlob) (CachedFields, bool) {
	if r := t.parsed.Load(); r != nil {
		return CachedFields{fields: r.fields}, true
	}
	ok := t.readRecord(func(record []byte) { p.record = append(p.record[:0], record...) })
	return CachedFields{encoded: p.record}, ok
}

// Cached says whether the fields can be had without reading the file.
func (e *Entry) Cached() bool { return e.blob.isCached() }

// Weight is about how many bytes are read for the fields, as far as that is known
// without reading.
func (e *Entry) Weight() int { return e.blob.weight() }

// Problems are those met in reading the file; a schema's are not among them.
func (e *Entry) Problems() []content.Problem { return e.blob.read().problems }

// Source is the bytes of the file, which must not be changed. They are read from
// the repository when they are not in memory; ErrStorage when that fails.
func (e *Entry) Source() ([]byte, error) { return e.blob.source() }

// Document is the entry parsed.
func (e *Entry) Document() (*content.Document, error) {
	src, err := e.Source()
	if err != nil {
		return nil, err
	}
	return content.ParseAs(e.blob.version, src), nil
}

// Updated is the last change of the entry. It is zero for what an update that
// is not committed yet has put.
func (e *Entry) Updated() Change { return e.latest.change(e) }

func (e *Entry) withLatest(l latest) *Entry {
	n := *e
	n.latest = l
	return &n
}
