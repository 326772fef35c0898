package repo

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"unique"

	"golang.org/x/sync/errgroup"
)

// indexFile, in the repository's folder, keeps the history and the parse results of the
// entries from one start to the next. It can be deleted at any time: what it
// lacks, or all of it when it is damaged or of another branch, is read from the
// commits and parsed again.
//
// It is indexMagic and sections, of which each goes on where the one before it
// ended. So to save costs what is new. A section is the length of its body, in 8
// bytes, the body, and the SHA-1 of both. In the body, numbers are varints, texts
// have their length in front, and lists their number:
//
//	size     of the history, in bytes
//	history  as below
//	version  [content.ParseVersion] of the parse results, and them: blob, checksum in 4
//	         bytes, and the text that encodeParsed makes
//
// and in the history
//
//	from     how many commits the sections before this one hold
//	tip      hash of the last commit that is taken in
//	authors  name, email
//	commits  hash, list of how many commits before this one each parent is,
//	         corrected date, author's date, author's number, subject, list of the
//	         commits that it stands for with what those were made upon; parents come
//	         first
//	paths    path, list of touches by these commits: commit's number, what it did, blob
//	         and, of a move, the path of the other end
const (
	indexFile  = "cms.index"
	indexMagic = "cms index 8\n"
)

// tmpSuffix is that of a file which takes the place of the index when it is whole.
const tmpSuffix = ".tmp"

// maxSections is how many sections a file of the index may have, beside those
// that are large, when the repository is closed; else it is written anew.
const maxSections = 32

// A journal is what the file of the index lacks.
type journal struct {
	from    int // how many commits it holds
	touches []pathTouch
}

type pathTouch struct {
	path string
	touch
}

// truncatedAt is j when the commits from a number on are lost; nil when the file has some of
// them.
func (j *journal) truncatedAt(lost int32) *journal {
	if j == nil || j.from > int(lost) {
		return nil
	}
	j.touches = slices.DeleteFunc(j.touches, func(t pathTouch) bool { return t.commit >= lost })
	return j
}

// byPath is the touches that j has, of each path.
func (j *journal) byPath() map[string][]touch {
	touches := make(map[string][]touch)
	for _, t := range j.touches {
		touches[t.path] = append(touches[t.path], t.touch)
	}
	return touches
}

// encode is what the file lacks of the history, or all of it if the file is to be
// made anew.
func (h *history) encode(anew bool) []byte {
	h.mu.RLock()
	defer h.mu.RUnlock()
	from, touches := 0, h.touches
	if !anew {
		from, touches = h.journal.from, h.journal.byPath()
	}
	return h.encodeFrom(from, touches)
}

// encodeEmptyHistory is a part of the history without commits, behind one that holds so many.
func encodeEmptyHistory(from int, tip Hash) []byte {
	var e encoder
	e.number(from)
	e.hash(tip)
	for range 3 { // neither authors, commits nor paths
		e.number(0)
	}
	return e
}

// encodeFrom is the commits from a number on, and touches.
func (h *history) encodeFrom(from int, touches map[string][]touch) []byte {
	count := h.commits.len()
	e := make(encoder, 0, 128*(count-from)+1024)
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
		h.encodeCommit(&e, int32(n), numbers)
	}
	e.number(len(touches))
	for path, list := range touches {
		h.encodeTouches(&e, path, list)
	}
	return e
}

func (h *history) encodeCommit(e *encoder, n int32, numbers map[unique.Handle[Person]]int) {
	c := h.commits.at(n)
	e.hash(c.hash)
	parents := h.parents(n)
	e.number(len(parents))
	for _, p := range parents {
		e.number(int(n - p))
	}
	e.number(int(c.date))
	e.number(int(c.at))
	e.number(numbers[c.author])
	e.text(c.subject)
	stands := h.stands[c.hash]
	e.number(len(stands))
	for _, r := range stands {
		e.hash(r.of)
		e.hash(r.upon)
	}
}

func (h *history) encodeTouches(e *encoder, path string, list []touch) {
	e.text(path)
	e.number(len(list))
	for _, t := range list {
		e.number(int(t.commit))
		e.number(int(t.kind))
		e.hash(t.blob)
		if t.kind >= moved {
			e.text(h.ends[moveEnd{t.commit, path}])
		}
	}
}

// encodeSection is a section of b, which begins with 8 bytes for its length.
func encodeSection(b []byte) []byte {
	binary.BigEndian.PutUint64(b, uint64(len(b)-8))
	sum := sha1.Sum(b)
	return append(b, sum[:]...)
}

// decodeSection is the body of the section that raw begins with, and what follows it;
// not ok when that is not whole.
func decodeSection(raw []byte) (body, rest []byte, ok bool) {
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

// decodeIndexFile reads a file of sections, and says how many are not large. If those that
// follow one are damaged, the history ends before them and has no journal. If the
// first is damaged, or one tells what cannot be, that is an error.
func decodeIndexFile(file *mapping) (h *history, at *recordIndex, sections int, err error) {
	rest, ok := bytes.CutPrefix(file.data, []byte(indexMagic))
	if !ok {
		return nil, nil, 0, errors.New("another version")
	}
	bodies, ok := decodeSections(rest)
	if len(bodies) == 0 {
		return nil, nil, 0, errors.New("checksum does not match")
	}
	h, at = newHistory(), newRecordIndex(file)
	var g errgroup.Group // the larger part of a start is this, so it is done on two cores
	each := func(decode func(history, readings []byte) error) {
		g.Go(func() error {
			return file.read(func([]byte) error {
				for _, body := range bodies {
					history, readings, err := splitSection(body)
					if err == nil {
						err = decode(history, readings)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	each(func(part, _ []byte) error { return h.decode(string(part)) }) // texts are parts of it, unless they are kept
	each(func(_, part []byte) error { return at.decode(part) })
	if err := g.Wait(); err != nil {
		return nil, nil, 0, err
	}
	if ok {
		h.journal = &journal{from: h.commits.len()}
	}
	return h, at, partialSections(bodies), nil
}

// partialSections is how many sections, of which these are the bodies, are not large.
func partialSections(bodies [][]byte) int {
	n := 0
	for _, body := range bodies {
		if 8+len(body) < largeSection {
			n++
		}
	}
	return n
}

// decodeSections is the bodies of the sections of which raw is made, up to the first that
// is not whole; ok says that there is none.
func decodeSections(raw []byte) (bodies [][]byte, ok bool) {
	for len(raw) > 0 {
		body, rest, ok := decodeSection(raw)
		if !ok {
			return bodies, false
		}
		bodies, raw = append(bodies, body), rest
	}
	return bodies, true
}

// splitSection are the history and the parse results in the body of a section.
func splitSection(body []byte) (history, readings []byte, err error) {
	size, n := binary.Varint(body)
	if n <= 0 || size < 0 || size > int64(len(body)-n) {
		return nil, nil, errors.New("values do not fit")
	}
	return body[n:][:size], body[n+int(size):], nil
}

// decode takes in what encode made.
func (h *history) decode(part string) error {
	d := decoder[string]{rest: part}
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
			parents = append(parents, int32(d.checkBelow(first+i, first+i-d.number())))
		}
		c.date, c.at = int64(d.number()), int64(d.number())
		author := d.checkBelow(len(authors), d.number())
		c.subject = d.text()
		stands := make([]replacement, d.count())
		for i := range stands {
			stands[i] = replacement{d.hash(), d.hash()}
		}
		if d.err != nil {
			return d.err
		}
		c.author = authors[author]
		h.add(c, parents, nil)
		h.stand(c.hash, stands)
	}
	paths := d.count()
	if len(h.touches) == 0 {
		h.touches = make(map[string][]touch, paths)
	}
	h.many()
	defer h.settle()
	var room []touch // for the lists, which are short, in few pieces of memory
	for range paths {
		path, count := h.intern(d.text()), d.count()
		if list, ok := h.touches[path]; ok {
			h.touches[path] = slices.Grow(list, count)
		} else {
			if len(room) < count {
				room = make([]touch, max(count, 1024))
			}
			h.touches[path], room = room[:0:count], room[count:]
		}
		for range count {
			t := touch{int32(d.checkBelow(h.commits.len(), d.number())), touchKind(d.checkBelow(int(movedAway)+1, d.number())), d.hash()}
			other := ""
			if t.kind >= moved {
				other = h.intern(d.text())
			}
			if d.err != nil {
				return d.err
			}
			h.touch(path, t, other)
		}
	}
	return d.err
}

type encoder []byte

func (e *encoder) hash(h Hash)   { *e = append(*e, h[:]...) }
func (e *encoder) number(n int)  { *e = binary.AppendVarint(*e, int64(n)) }
func (e *encoder) text(s string) { e.number(len(s)); *e = append(*e, s...) }

// A decoder reads values until there is an error, and zeros from then on. Texts of a string
// are parts of it, those of bytes are copies.
type decoder[S string | []byte] struct {
	rest S
	err  error
}

func (d *decoder[S]) next(n int) S {
	if n < 0 || n > len(d.rest) {
		d.err, d.rest, n = errors.New("values do not fit"), d.rest[:0], 0
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder[S]) hash() (h Hash) { copy(h[:], d.next(len(h))); return h }
func (d *decoder[S]) text() string   { return string(d.next(d.number())) }

func (d *decoder[S]) number() int {
	if len(d.rest) > 0 && d.rest[0] < 0x80 { // as most are
		n := int(d.rest[0]>>1) ^ -int(d.rest[0]&1)
		d.rest = d.rest[1:]
		return n
	}
	n, size := binary.Varint([]byte(d.rest[:min(len(d.rest), binary.MaxVarintLen64)]))
	d.next(max(size, -1)) // of what is cut short, Varint says 0 or less
	if size <= 0 {
		d.next(-1)
	}
	return int(n)
}

// count is the number of items of a list, of which each takes a byte or more.
func (d *decoder[S]) count() int { return d.checkBelow(len(d.rest)+1, d.number()) }

// checkBelow checks that 0 <= i < n.
func (d *decoder[S]) checkBelow(n, i int) int {
	if i < 0 || i >= n {
		d.next(-1)
		return 0
	}
	return i
}

// loadIndex begins with the history that was saved, if it can be read, and says
// where the parse results are that were.
func (r *Repo) loadIndex() *recordIndex {
	file, err := openIndex(filepath.Join(r.path, indexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var (
		h        *history
		at       *recordIndex
		sections int
	)
	if err == nil {
		err = file.read(func([]byte) (err error) {
			h, at, sections, err = decodeIndexFile(file)
			return err
		})
	}
	if err != nil {
		r.log.Warn("the index cannot be used, and is built anew", "error", fmt.Errorf("read %s: %w", indexFile, err))
		return nil
	}
	if h.journal == nil {
		r.log.Warn("the index is cut short: what it lacks is read again", "file", indexFile, "commits", h.commits.len())
	}
	h.dropUnreachable()
	r.history, r.indexed, r.sections, r.outdated = h, h.commits.len(), sections, at.outdated
	return at
}

// saveIndex adds what the file of the index lacks, or makes it anew. The parse results
// in more are among what it lacks.
func (r *Repo) saveIndex(anew bool, more ...record) error {
	h := r.history
	anew = anew || h.journal == nil
	name, doing := filepath.Join(r.path, indexFile), "add to index"
	w := indexWriter{disk: r.disk, name: name, from: h.commits.len(), tip: h.tip}
	part, lacking := h.encode(anew), r.unsavedRecords(anew, more)
	h.journal, r.unindexed = nil, nil // until all is well
	var err error
	if anew {
		w.name, doing = name+tmpSuffix, "save index"
		err = removeIfExists(w.disk, w.name)
	}
	if err == nil {
		err = w.write(anew, part, lacking)
	}
	if err == nil && anew {
		err = w.disk.Rename(w.name, name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if anew {
		r.sections, r.outdated = 0, false
	}
	r.indexed = h.size()
	r.sections += w.sections - w.large
	h.journal = &journal{from: r.indexed}
	return nil
}
