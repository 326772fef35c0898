package repo

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unique"
)

// indexFile, in the repository's folder, keeps the history and the sizes of the
// entries from one start to the next. It can be deleted at any time: what it
// lacks, or all of it when it is damaged or of another branch, is read from the
// commits again.
//
// It is indexMagic and sections, of which each goes on where the one before it
// ended. So to save costs what is new. A section is the length of its body, in 8
// bytes, the body, and the SHA-1 of both. In the body, numbers are varints, texts
// have their length in front, and lists their number:
//
//	from     how many commits the sections before this one hold
//	tip      hash of the last commit that is taken in
//	authors  name, email
//	commits  hash, list of how many commits before this one each parent is,
//	         corrected date, author's date, author's number, subject; parents
//	         come first
//	paths    path, list of touches by these commits: commit's number, deed, blob
//	         and, of a move, the path of the other end
//	sizes    path, blob, size
const (
	indexFile  = "cms.index"
	indexMagic = "cms index 3\n"
)

// mostSections is how many sections a file of the index may have when the
// repository is closed; else it is written as one.
const mostSections = 32

// sized is the size of the blob that an entry was at.
type sized struct {
	blob Hash
	size int64
}

// A journal is what the file of the index lacks.
type journal struct {
	from    int // how many commits it holds
	touches []journaled
}

type journaled struct {
	path string
	touch
}

// encode makes the section that the file lacks, or that it begins with if it is to
// be made anew. sizes are those of the entries at some paths.
func (h *history) encode(anew bool, sizes func(paths iter.Seq[string]) iter.Seq2[string, sized]) []byte {
	h.mu.RLock()
	defer h.mu.RUnlock()
	from, touches := 0, h.touches
	if !anew {
		from, touches = h.journal.from, make(map[string][]touch)
		for _, j := range h.journal.touches {
			touches[j.path] = append(touches[j.path], j.touch)
		}
	}
	count := h.commits.len()
	e := make(encoder, 8, 128*(count-from)+1024)
	e.number(from)
	e.hash(h.tip)

	numbers := make(map[unique.Handle[Person]]int)
	var authors []Person
	for n := from; n < count; n++ {
		author := h.commits.at(int32(n)).author
		if _, ok := numbers[author]; !ok {
			numbers[author] = len(authors)
			authors = append(authors, author.Value())
		}
	}
	e.number(len(authors))
	for _, p := range authors {
		e.text(p.Name)
		e.text(p.Email)
	}
	e.number(count - from)
	for n := from; n < count; n++ {
		c := h.commits.at(int32(n))
		e.hash(c.hash)
		parents := h.parents(int32(n))
		e.number(len(parents))
		for _, p := range parents {
			e.number(n - int(p))
		}
		e.number(int(c.date))
		e.number(int(c.at))
		e.number(numbers[c.author])
		e.text(c.subject)
	}
	e.number(len(touches))
	for path, list := range touches {
		e.text(path)
		e.number(len(list))
		for _, t := range list {
			e.number(int(t.commit))
			e.number(int(t.deed))
			e.hash(t.blob)
			if t.deed >= moved {
				e.text(h.ends[end{t.commit, path}])
			}
		}
	}
	for path, s := range sizes(maps.Keys(touches)) {
		e.text(path)
		e.hash(s.blob)
		e.number(int(s.size))
	}
	return sealed(e)
}

// sealed is a section of b, which begins with 8 bytes for its length.
func sealed(b []byte) []byte {
	binary.BigEndian.PutUint64(b, uint64(len(b)-8))
	sum := sha1.Sum(b)
	return append(b, sum[:]...)
}

// unsealed is the body of the section that raw begins with, and what follows it;
// not ok when that is not whole.
func unsealed(raw []byte) (body, rest []byte, ok bool) {
	if len(raw) < 8+sha1.Size {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint64(raw)
	if n > uint64(len(raw)-8-sha1.Size) {
		return nil, nil, false
	}
	sum := sha1.Sum(raw[:8+n])
	rest = raw[8+n:]
	return raw[8 : 8+n], rest[sha1.Size:], bytes.Equal(sum[:], rest[:sha1.Size])
}

// decodeIndex reads a file of sections, as encode makes them, and says how many
// there are. If those that follow one are damaged, the history ends before them
// and has no journal. If the first is damaged, or one tells what cannot be, that is
// an error.
func decodeIndex(raw []byte) (h *history, sizes map[string]sized, sections int, err error) {
	rest, ok := bytes.CutPrefix(raw, []byte(indexMagic))
	if !ok {
		return nil, nil, 0, errors.New("another version")
	}
	h, sizes = newHistory(), make(map[string]sized)
	for sections == 0 || len(rest) > 0 {
		var body []byte
		if body, rest, ok = unsealed(rest); !ok {
			break
		}
		if err := h.decode(string(body), sizes); err != nil {
			return nil, nil, 0, err
		}
		sections++
	}
	if sections == 0 {
		return nil, nil, 0, errors.New("checksum does not match")
	}
	if ok {
		h.journal = &journal{from: h.commits.len()}
	}
	return h, sizes, sections, nil
}

// decode takes in the body of a section.
func (h *history) decode(body string, sizes map[string]sized) error {
	d := decoder{rest: body} // texts are parts of it, unless they are kept
	first := h.commits.len()
	if d.number() != first {
		return errors.New("a section is missing")
	}
	h.tip = d.hash()
	authors := make([]unique.Handle[Person], d.count())
	for i := range authors {
		authors[i] = unique.Make(Person{d.text(), d.text()}) // which copies them
	}
	for i := range d.count() {
		c := commit{hash: d.hash()}
		var parents []int32
		for range d.count() {
			parents = append(parents, int32(d.below(first+i, first+i-d.number())))
		}
		c.date, c.at = int64(d.number()), int64(d.number())
		author := d.below(len(authors), d.number())
		c.subject = d.text()
		if d.err != nil {
			return d.err
		}
		c.author = authors[author]
		h.add(c, parents, nil)
	}
	for range d.count() {
		path, count := h.keep(d.text()), d.count()
		h.touches[path] = slices.Grow(h.touches[path], count)
		for range count {
			t := touch{int32(d.below(h.commits.len(), d.number())), deed(d.below(int(left)+1, d.number())), d.hash()}
			other := ""
			if t.deed >= moved {
				other = h.keep(d.text())
			}
			if d.err != nil {
				return d.err
			}
			h.touch(path, t, other)
		}
	}
	for len(d.rest) > 0 {
		path := strings.Clone(d.text())
		sizes[path] = sized{d.hash(), int64(d.number())}
	}
	return d.err
}

type encoder []byte

func (e *encoder) hash(h Hash)   { *e = append(*e, h[:]...) }
func (e *encoder) number(n int)  { *e = binary.AppendVarint(*e, int64(n)) }
func (e *encoder) text(s string) { e.number(len(s)); *e = append(*e, s...) }

// A decoder reads values until there is an error, and zeros from then on.
type decoder struct {
	rest string
	err  error
}

func (d *decoder) take(n int) string {
	if n < 0 || n > len(d.rest) {
		d.err, d.rest, n = errors.New("values do not fit"), "", 0
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) hash() (h Hash) { copy(h[:], d.take(len(h))); return h }
func (d *decoder) text() string   { return d.take(d.number()) }

func (d *decoder) number() int {
	n, size := binary.Varint([]byte(d.rest[:min(len(d.rest), binary.MaxVarintLen64)]))
	d.take(max(size, -1)) // of what is cut short, Varint says 0 or less
	if size <= 0 {
		d.take(-1)
	}
	return int(n)
}

// count is the number of items of a list, of which each takes a byte or more.
func (d *decoder) count() int { return d.below(len(d.rest)+1, d.number()) }

// below checks that 0 <= i < n.
func (d *decoder) below(n, i int) int {
	if i < 0 || i >= n {
		d.take(-1)
		return 0
	}
	return i
}

// loadIndex begins with the history that was saved, if it can be read.
func (r *Repo) loadIndex() map[string]sized {
	raw, err := os.ReadFile(filepath.Join(r.path, indexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var (
		h        *history
		sizes    map[string]sized
		sections int
	)
	if err == nil {
		h, sizes, sections, err = decodeIndex(raw)
	}
	if err != nil {
		r.log.Warn("index is built anew", "error", fmt.Errorf("read %s: %w", indexFile, err))
		return nil
	}
	if h.journal == nil {
		r.log.Warn("index ends early, and is continued", "file", indexFile, "commits", h.commits.len())
	}
	h.dropAstray()
	r.history, r.indexed, r.sections = h, h.commits.len(), sections
	return sizes
}

// saveIndex adds what the file of the index lacks, or makes it anew.
func (r *Repo) saveIndex(anew bool) error {
	h := r.history
	anew = anew || h.journal == nil
	section := h.encode(anew, r.sizes)
	h.journal = nil // until all is well
	name := filepath.Join(r.path, indexFile)
	if anew {
		r.sections = 0
		err := removeIfThere(r.disk, name+".tmp")
		if err == nil {
			err = writeFile(r.disk, name+".tmp", append([]byte(indexMagic), section...), 0o666)
		}
		if err == nil {
			err = r.disk.Rename(name+".tmp", name)
		}
		if err != nil {
			return fmt.Errorf("save index: %w", err)
		}
	} else if err := appendFile(r.disk, name, section); err != nil {
		return fmt.Errorf("add to index: %w", err)
	}
	r.indexed = h.size()
	r.sections++
	h.journal = &journal{from: r.indexed}
	return nil
}

// sizes are those of the entries that are at paths.
func (r *Repo) sizes(paths iter.Seq[string]) iter.Seq2[string, sized] {
	return func(yield func(string, sized) bool) {
		view := r.View()
		for path := range paths {
			at, ok := r.entryAt(path)
			if !ok {
				continue
			}
			if e, ok := view.Entry(at.Collection, at.Slug); ok && !yield(path, sized{e.Revision, e.Size}) {
				return
			}
		}
	}
}
