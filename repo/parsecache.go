package repo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"iter"
	"os"

	"cms/content"
)

// recordIndex are those of the parse results in a file of the index, by [cachedBlob.key].
type recordIndex struct {
	file     *mapping
	of       map[Hash]*recordPos
	outdated bool // the file holds parse results of another version, which do not count
}

func newRecordIndex(s *mapping) *recordIndex {
	return &recordIndex{file: s, of: make(map[Hash]*recordPos)}
}

// find is the place of a parse result, nil when there is none.
func (at *recordIndex) find(key Hash) *recordPos {
	if at == nil {
		return nil
	}
	return at.of[key]
}

// decode takes in a part of the file. It reads no parse result.
func (at *recordIndex) decode(part []byte) error {
	file := at.file.data
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
		at.of = make(map[Hash]*recordPos, len(part)/typical)
	}
	var few []recordPos // in few pieces of memory
	for part = part[n:]; len(part) > 0; {
		if len(part) < head {
			return errors.New("values do not fit")
		}
		blob, sum := Hash(part[:head-4]), binary.BigEndian.Uint32(part[head-4:])
		size, n := binary.Varint(part[head:])
		if n <= 0 || size < 0 || size > int64(min(maxParsed, len(part)-head-n)) {
			return errors.New("values do not fit")
		}
		part = part[head+n:]
		if len(few) == cap(few) {
			few = make([]recordPos, 0, 1024)
		}
		few = append(few, recordPos{at.file, int64(cap(file) - cap(part)), uint32(size), sum})
		at.of[blob] = &few[len(few)-1]
		part = part[size:]
	}
	return nil
}

// openIndex maps the file of the index, or reads it where that cannot be done.
func openIndex(name string) (*mapping, error) {
	s, err := openMapping(name, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		raw, readErr := os.ReadFile(name)
		return &mapping{raw}, readErr
	}
	return s, err
}

// A record is a parse result that the file of the index is to hold, encoded; nil when
// the text itself has it.
type record struct {
	blob    *cachedBlob
	encoded []byte
}

// unsavedRecords are the parse results that the file of the index lacks, or all that there are
// if it is made anew. What was not read yet is not among them.
func (r *Repo) unsavedRecords(anew bool, more []record) iter.Seq[record] {
	return unsavedRecordsOf(r.View(), anew, append(more, r.unindexed...))
}

func unsavedRecordsOf(view *Snapshot, anew bool, more []record) iter.Seq[record] {
	return func(yield func(record) bool) {
		for _, s := range more {
			ok := true
			if s.encoded == nil {
				s.encoded, ok = s.blob.encode()
			}
			if ok && !yield(s) {
				return
			}
		}
		if !anew {
			return
		}
		done := make(map[*cachedBlob]bool, len(more))
		for _, s := range more {
			done[s.blob] = true
		}
		for t := range view.blobs() {
			if done[t] {
				continue
			}
			if b, ok := t.encode(); ok && !yield(record{t, b}) {
				return
			}
		}
	}
}

// encode is the parse result as it is to be saved, if there is one.
func (t *cachedBlob) encode() ([]byte, bool) {
	var b []byte
	if t.readRecord(func(record []byte) { b = bytes.Clone(record) }) {
		return b, true
	}
	if r := t.parsed.Load(); r != nil {
		return encodeParsed(r)
	}
	return nil, false
}

// blobs are those of all entries.
func (s *Snapshot) blobs() iter.Seq[*cachedBlob] {
	return func(yield func(*cachedBlob) bool) {
		for _, l := range s.listings {
			for e := range l.all() {
				if !yield(e.blob) {
					return
				}
			}
		}
	}
}

// fullSection is how many bytes a section of parse results has before another one is
// begun, which bounds the memory that it takes to write them.
const fullSection = 16 << 20

// largeSection is how many bytes a section has that is as good as a full one: many like it
// are read as quickly as few, so they are no reason to make the file anew. What a first
// reading adds in one batch is one.
const largeSection = batchBytes

// An indexWriter writes sections, and gives the blobs of their parse results their
// places once they are durable.
type indexWriter struct {
	disk     disk
	name     string // of the file that is written to
	from     int    // how many commits the file holds, for the sections that hold none
	tip      Hash   // of them
	sections int
	large    int // of them

	body   encoder
	placed []placedRecord // of the section that is being made
}

// A placedRecord is a blob and where in the file, or in the body before it is written,
// its reading is.
type placedRecord struct {
	blob *cachedBlob
	recordPos
}

// write adds a part of the history and parse results to the file, or makes it of them.
func (w *indexWriter) write(anew bool, part []byte, readings iter.Seq[record]) error {
	w.begin(part)
	for s := range readings {
		w.add(s)
		if len(w.body) < fullSection {
			continue
		}
		if err := w.flush(anew && w.sections == 0); err != nil {
			return err
		}
		w.begin(encodeEmptyHistory(w.from, w.tip))
	}
	return w.flush(anew && w.sections == 0)
}

func (w *indexWriter) begin(history []byte) {
	w.body = append(make(encoder, 0, 8+len(history)+64), make([]byte, 8)...)
	w.body.number(len(history))
	w.body = append(w.body, history...)
	w.body.number(content.ParseVersion)
}

func (w *indexWriter) add(s record) {
	sum := checksum(s.encoded)
	w.body.hash(s.blob.key())
	w.body = binary.BigEndian.AppendUint32(w.body, sum)
	w.body.number(len(s.encoded))
	w.placed = append(w.placed, placedRecord{s.blob, recordPos{nil, int64(len(w.body)), uint32(len(s.encoded)), sum}})
	w.body = append(w.body, s.encoded...)
}

// flush writes the section, which is the first of a new file or is added to one.
func (w *indexWriter) flush(first bool) error {
	section := encodeSection(w.body)
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
	if len(w.body) >= largeSection {
		w.large++
	}
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

// place tells the blobs of the section that begins there in the file. What they are
// told outlives the file's name. Where it cannot be mapped they go without.
func (w *indexWriter) place(from int64) {
	if len(w.placed) == 0 {
		return
	}
	first := from + w.placed[0].at
	if s, err := openMapping(w.name, first); err == nil {
		for _, p := range w.placed {
			p.blob.pos.Store(&recordPos{s, from + p.at - first, p.size, p.sum})
		}
	}
	w.placed = w.placed[:0]
}
