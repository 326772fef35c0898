package repo

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"unique"
)

// indexFile, in the repository's folder, keeps the history and the sizes of the
// entries from one start to the next. It can be deleted at any time: what it
// lacks, or all of it when it is damaged or of another branch, is read from the
// commits again.
//
// It is indexMagic, a body, and the SHA-1 of both. In the body, numbers are
// varints, texts have their length in front, and lists their number:
//
//	tip      hash of the last commit that is taken in
//	authors  name, email
//	commits  hash, list of how many commits before this one each parent is,
//	         corrected date, author's date, author's number, subject; parents
//	         come first
//	paths    path, list of touches: commit's number, deed, blob and, of a move,
//	         the path of the other end
//	sizes    path, blob, size
const (
	indexFile  = "cms.index"
	indexMagic = "cms index 2\n"
)

// sized is the size of the blob that an entry was at.
type sized struct {
	blob Hash
	size int64
}

// encode writes what decodeIndex reads.
func (h *history) encode(sizes func(yield func(string, sized) bool)) []byte {
	h.mu.RLock()
	defer h.mu.RUnlock()
	e := encoder(indexMagic)
	e.hash(h.tip)

	numbers := make(map[unique.Handle[Person]]int)
	var authors []Person
	for _, c := range h.commits {
		if _, ok := numbers[c.author]; !ok {
			numbers[c.author] = len(authors)
			authors = append(authors, c.author.Value())
		}
	}
	e.number(len(authors))
	for _, p := range authors {
		e.text(p.Name)
		e.text(p.Email)
	}
	e.number(len(h.commits))
	for i, c := range h.commits {
		e.hash(c.hash)
		parents := h.parents(int32(i))
		e.number(len(parents))
		for _, p := range parents {
			e.number(i - int(p))
		}
		e.number(int(c.date))
		e.number(int(c.at))
		e.number(numbers[c.author])
		e.text(c.subject)
	}
	e.number(len(h.touches))
	for path, list := range h.touches {
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
	for path, s := range sizes {
		e.text(path)
		e.hash(s.blob)
		e.number(int(s.size))
	}
	return sealed(e)
}

// sealed is b with its checksum.
func sealed(b []byte) []byte {
	sum := sha1.Sum(b)
	return append(b, sum[:]...)
}

// decodeIndex reads what encode wrote. A file that is not whole is an error.
func decodeIndex(raw []byte) (*history, map[string]sized, error) {
	body, sum := raw[:max(0, len(raw)-20)], raw[max(0, len(raw)-20):]
	if want := sha1.Sum(body); !bytes.Equal(want[:], sum) {
		return nil, nil, errors.New("checksum does not match")
	}
	d := decoder{rest: string(body)} // texts are parts of it, unless they are kept
	if d.take(len(indexMagic)) != indexMagic {
		return nil, nil, errors.New("another version")
	}
	h := newHistory()
	h.tip = d.hash()
	authors := make([]unique.Handle[Person], d.count())
	for i := range authors {
		authors[i] = unique.Make(Person{d.text(), d.text()}) // which copies them
	}
	for i := range d.count() {
		c := commit{hash: d.hash()}
		var parents []int32
		for range d.count() {
			parents = append(parents, int32(d.below(i, i-d.number())))
		}
		c.date, c.at = int64(d.number()), int64(d.number())
		author := d.below(len(authors), d.number())
		c.subject = d.text()
		if d.err != nil {
			break
		}
		c.author = authors[author]
		h.add(c, parents, nil)
	}
	for range d.count() {
		path := h.keep(d.text())
		list := make([]touch, d.count())
		for i := range list {
			t := touch{int32(d.below(len(h.commits), d.number())), deed(d.below(int(left)+1, d.number())), d.hash()}
			if t.deed >= moved {
				h.ends[end{t.commit, path}] = h.keep(d.text())
			}
			list[i] = t
		}
		h.touches[path] = list
	}
	sizes := make(map[string]sized)
	for len(d.rest) > 0 && d.err == nil {
		path := d.text()
		sizes[path] = sized{d.hash(), int64(d.number())}
	}
	return h, sizes, d.err
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
	var sizes map[string]sized
	if err == nil {
		var h *history
		if h, sizes, err = decodeIndex(raw); err == nil {
			r.history = h
			r.indexed = len(h.commits)
		}
	}
	if err != nil {
		r.log.Warn("index is built anew", "error", fmt.Errorf("read %s: %w", indexFile, err))
	}
	return sizes
}

// saveIndex saves the history and the sizes of what is current.
func (r *Repo) saveIndex() error {
	s := r.View()
	raw := r.history.encode(func(yield func(string, sized) bool) {
		for _, l := range s.listings {
			for e := range l.all() {
				if !yield(e.Path.String(), sized{e.Revision, e.Size}) {
					return
				}
			}
		}
	})
	name := filepath.Join(r.path, indexFile)
	err := removeIfThere(r.disk, name+".tmp")
	if err == nil {
		err = writeFile(r.disk, name+".tmp", raw, 0o666)
	}
	if err == nil {
		err = r.disk.Rename(name+".tmp", name)
	}
	if err != nil {
		return fmt.Errorf("save index: %w", err)
	}
	r.indexed = r.history.size()
	return nil
}
