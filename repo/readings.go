package repo

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"iter"
	"os"

	"cms/content"
)

// places are those of the readings in a file of the index, by blob.
type places struct {
	shelf    *shelf
	of       map[Hash]*place
	outdated bool // the file holds readings of another version, which do not count
}

func newPlaces(s *shelf) *places { return &places{shelf: s, of: make(map[Hash]*place)} }

// find is the place of the reading of a blob, nil when there is none.
func (at *places) find(blob Hash) *place {
	if at == nil {
		return nil
	}
	return at.of[blob]
}

// decode takes in a part of the file. It reads no reading.
func (at *places) decode(part []byte) error {
	file := at.shelf.data
	if len(part) == 0 {
		return nil
	}
	version, n := binary.Varint(part)
	if n <= 0 {
		return errors.New("values do not fit")
	}
	if version != content.ParseVersion {
		at.outdated = true
		return nil
	}
	const head, typical = len(Hash{}) + 4, 256
	if len(at.of) == 0 {
		at.of = make(map[Hash]*place, len(part)/typical)
	}
	var few []place // in few pieces of memory
	for part = part[n:]; len(part) > 0; {
		if len(part) < head {
			return errors.New("values do not fit")
		}
		blob, sum := Hash(part[:head-4]), binary.BigEndian.Uint32(part[head-4:])
		size, n := binary.Varint(part[head:])
		if n <= 0 || size < 0 || size > int64(min(longestReading, len(part)-head-n)) {
			return errors.New("values do not fit")
		}
		part = part[head+n:]
		if len(few) == cap(few) {
			few = make([]place, 0, 1024)
		}
		few = append(few, place{at.shelf, int64(cap(file) - cap(part)), uint32(size), sum})
		at.of[blob] = &few[len(few)-1]
		part = part[size:]
	}
	return nil
}

// openIndex maps the file of the index, or reads it where that cannot be done.
func openIndex(name string) (*shelf, error) {
	s, err := openShelf(name, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		raw, readErr := os.ReadFile(name)
		return &shelf{raw}, readErr
	}
	return s, err
}

// A shelved is a reading that the file of the index is to hold, encoded; nil when
// the text itself has it.
type shelved struct {
	text    *text
	reading []byte
}

// lacking are the readings that the file of the index lacks, or all that there are
// if it is made anew. What was not read yet is not among them.
func (r *Repo) lacking(anew bool, more []shelved) iter.Seq[shelved] {
	return lackingOf(r.View(), anew, append(more, r.unshelved...))
}

func lackingOf(view *Snapshot, anew bool, more []shelved) iter.Seq[shelved] {
	return func(yield func(shelved) bool) {
		for _, s := range more {
			ok := true
			if s.reading == nil {
				s.reading, ok = s.text.encode()
			}
			if ok && !yield(s) {
				return
			}
		}
		if !anew {
			return
		}
		done := make(map[*text]bool, len(more))
		for _, s := range more {
			done[s.text] = true
		}
		for t := range view.texts() {
			if done[t] {
				continue
			}
			if b, ok := t.encode(); ok && !yield(shelved{t, b}) {
				return
			}
		}
	}
}

// encode is the reading as it is to be saved, if there is one.
func (t *text) encode() ([]byte, bool) {
	if s, ok := t.encoded(); ok {
		return []byte(s), true
	}
	if r := t.reading.Load(); r != nil {
		return encodeReading(r)
	}
	return nil, false
}

// texts are those of all entries.
func (s *Snapshot) texts() iter.Seq[*text] {
	return func(yield func(*text) bool) {
		for _, l := range s.listings {
			for e := range l.all() {
				if !yield(e.text) {
					return
				}
			}
		}
	}
}

// fullSection is how many bytes a section of readings has before another one is
// begun, which bounds the memory that it takes to write them.
const fullSection = 16 << 20

// An indexWriter writes sections, and gives the texts of their readings their
// places once they are durable.
type indexWriter struct {
	disk     disk
	name     string // of the file that is written to
	from     int    // how many commits the file holds, for the sections that hold none
	tip      Hash   // of them
	sections int
	full     int // of them

	body   encoder
	placed []placed // of the section that is being made
}

// A placed is a text and where in the file, or in the body before it is written,
// its reading is.
type placed struct {
	text *text
	place
}

// write adds a part of the history and readings to the file, or makes it of them.
func (w *indexWriter) write(anew bool, part []byte, readings iter.Seq[shelved]) error {
	w.begin(part)
	for s := range readings {
		w.add(s)
		if len(w.body) < fullSection {
			continue
		}
		if err := w.flush(anew && w.sections == 0); err != nil {
			return err
		}
		w.full++
		w.begin(encodeNone(w.from, w.tip))
	}
	return w.flush(anew && w.sections == 0)
}

func (w *indexWriter) begin(history []byte) {
	w.body = append(make(encoder, 0, 8+len(history)+64), make([]byte, 8)...)
	w.body.number(len(history))
	w.body = append(w.body, history...)
	w.body.number(content.ParseVersion)
}

func (w *indexWriter) add(s shelved) {
	sum := checksum(s.reading)
	w.body.hash(s.text.blob)
	w.body = binary.BigEndian.AppendUint32(w.body, sum)
	w.body.number(len(s.reading))
	w.placed = append(w.placed, placed{s.text, place{nil, int64(len(w.body)), uint32(len(s.reading)), sum}})
	w.body = append(w.body, s.reading...)
}

// flush writes the section, which is the first of a new file or is added to one.
func (w *indexWriter) flush(first bool) error {
	section := sealed(w.body)
	var err error
	if first {
		section = append([]byte(indexMagic), section...)
		err = writeFile(w.disk, w.name, section, 0o666)
	} else {
		err = appendFile(w.disk, w.name, section)
	}
	if err != nil {
		return err
	}
	w.sections++
	info, err := os.Stat(w.name)
	if err != nil {
		return err
	}
	from := info.Size() - int64(len(section))
	if first {
		from += int64(len(indexMagic))
	}
	w.place(from)
	return nil
}

// place tells the texts of the section that begins there in the file. What they are
// told outlives the file's name. Where it cannot be mapped they go without.
func (w *indexWriter) place(from int64) {
	if len(w.placed) == 0 {
		return
	}
	first := from + w.placed[0].at
	if s, err := openShelf(w.name, first); err == nil {
		for _, p := range w.placed {
			p.text.place.Store(&place{s, from + p.at - first, p.size, p.sum})
		}
	}
	w.placed = w.placed[:0]
}
