package media

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// stripHEIF copies an AVIF or HEIC without Exif, XMP, descriptions, boxes of others' and
// what stands behind its end. How a picture is to be turned is no part of those. Where
// anything is in the file is said in many places, so nothing is moved: what is taken out
// leaves as many bytes that say nothing.
func stripHEIF(w io.Writer, r io.ReadSeeker) error {
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	end, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	p := &heifFile{in: r, start: start}
	if p.end, err = p.boxes(0, end-start, true); err != nil {
		return err
	}
	return p.copy(w)
}

type heifFile struct {
	in    io.ReadSeeker
	start int64
	end   int64 // of the last whole box
	gone  []heifSpan
	data  []heifSpan // what pictures, and all that is said of them, are in
	boxed int        // how many boxes were seen
}

// maxBoxes bounds what is remembered of a file.
const maxBoxes = 10_000

// heifSpan is a part of a file of which text is left, and behind it fill.
type heifSpan struct {
	at, size int64
	text     string
	fill     byte
	item     bool // which is in data
}

// What is left of metadata, where there is room for it: some that says nothing.
const (
	emptyExif = "\x00\x00\x00\x00II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00" // behind the offset of the TIFF, which is its own (ISO 23008-12, annex A)
	emptyXMP  = "<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
)

// blank takes a part out.
func (p *heifFile) blank(at, size int64) { p.gone = append(p.gone, heifSpan{at: at, size: size}) }

// boxes looks at those between two places, and gives where the last whole one ends.
func (p *heifFile) boxes(at, end int64, top bool) (int64, error) {
	for end-at >= 8 {
		if p.boxed++; p.boxed > maxBoxes {
			return 0, fmt.Errorf("%w: it has too many boxes", errPicture)
		}
		var head [16]byte
		if err := p.read(head[:8], at); err != nil {
			return 0, err
		}
		size, header := int64(binary.BigEndian.Uint32(head[:])), int64(8)
		switch size {
		case 0:
			size = end - at
		case 1:
			if header = 16; end-at < header {
				return 0, fmt.Errorf("%w: a box ends early", errPicture)
			}
			if err := p.read(head[8:], at+8); err != nil {
				return 0, err
			}
			size = int64(binary.BigEndian.Uint64(head[8:]))
		}
		if size < header || size > end-at {
			return 0, fmt.Errorf("%w: a box is longer than what it is in", errPicture)
		}
		kind, inside := string(head[4:8]), at+header
		switch {
		case kind == "meta" && top:
			if err := p.meta(inside, at+size); err != nil {
				return 0, err
			}
		case kind == "mdat" && top, kind == "imda" && top:
			p.data = append(p.data, heifSpan{at: inside, size: at + size - inside})
		case kind == "moov" && top, kind == "trak" && !top:
			if _, err := p.boxes(inside, at+size, false); err != nil {
				return 0, err
			}
		case kind == "meta", kind == "udta", kind == "uuid", kind == "free", kind == "skip":
			p.gone = append(p.gone, heifSpan{at: at + 4, size: 4, text: "free"})
			p.blank(inside, at+size-inside)
		}
		at += size
	}
	return at, nil
}

// read reads from a place in the file.
func (p *heifFile) read(b []byte, at int64) error {
	if _, err := p.in.Seek(p.start+at, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.ReadFull(p.in, b); err != nil {
		return fmt.Errorf("%w: it ends early", errPicture)
	}
	return nil
}

// meta takes out what the items that are no pictures hold (ISO 14496-12, section 8.11).
func (p *heifFile) meta(at, end int64) error {
	if end-at > maxMeta || end-at < 4 {
		return fmt.Errorf("%w: it is described in %d bytes", errPicture, end-at)
	}
	all := make([]byte, end-at)
	if err := p.read(all, at); err != nil {
		return err
	}
	b := &heifReader{b: all, at: 4} // behind version and flags
	var places *heifReader
	var private map[uint32]string
	stored := [2]int64{} // of the box idat
	for b.left() > 0 {
		kind, inside, err := b.box()
		if err != nil {
			return err
		}
		switch kind {
		case "iinf":
			if private, err = privateItems(inside); err != nil {
				return err
			}
		case "iloc":
			places = inside
		case "idat":
			stored = [2]int64{at + int64(inside.at), at + int64(len(inside.b))}
		case "iprp":
			if err := p.properties(inside, at); err != nil {
				return err
			}
		case "uuid", "udta", "free", "skip":
			p.blank(at+int64(inside.at), int64(inside.left()))
		}
	}
	if places == nil || len(private) == 0 {
		return nil
	}
	return p.items(places, private, stored)
}

// properties takes out the descriptions among those of items, which are counted.
func (p *heifFile) properties(b *heifReader, at int64) error {
	for b.left() > 0 {
		kind, inside, err := b.box()
		if err != nil {
			return err
		}
		switch kind {
		case "ipco":
			if err := p.properties(inside, at); err != nil {
				return err
			}
		case "udes":
			inside.skip(4)
			p.blank(at+int64(inside.at), int64(inside.left())) // empty texts
		}
	}
	return nil
}

// privateItems are those of a box iinf that are no pictures, and what is left of each.
func privateItems(b *heifReader) (map[uint32]string, error) {
	width := 2
	if b.number(4)>>24 != 0 {
		width = 4
	}
	b.skip(width) // how many there are
	private := map[uint32]string{}
	for b.left() > 0 {
		_, inside, err := b.box()
		if err != nil {
			return nil, err
		}
		version := inside.number(4) >> 24
		width = 2
		if version > 2 {
			width = 4
		}
		id := uint32(inside.number(width))
		inside.skip(2) // how it is protected
		kind := "mime"
		if version >= 2 {
			kind = inside.text(4)
		}
		switch kind {
		case "Exif":
			private[id] = emptyExif
		case "mime", "uri ":
			private[id] = emptyXMP
		}
		if inside.short {
			return nil, fmt.Errorf("%w: an item is cut short", errPicture)
		}
	}
	return private, nil
}

// items takes private ones out, wherever a box iloc says that they are.
func (p *heifFile) items(b *heifReader, private map[uint32]string, stored [2]int64) error {
	version := b.number(4) >> 24
	sizes := b.number(2)
	offsetSize, lengthSize, baseSize, indexSize := int(sizes>>12), int(sizes>>8&15), int(sizes>>4&15), int(sizes&15)
	width := 2
	if version >= 2 {
		width = 4
	}
	if version == 0 {
		indexSize = 0
	}
	for range b.number(width) {
		id, method := uint32(b.number(width)), uint64(0)
		if version > 0 {
			method = b.number(2) & 15
		}
		elsewhere := b.number(2) != 0 // in another file
		base := b.number(baseSize)
		for range b.number(2) {
			b.skip(indexSize)
			offset, size := int64(base+b.number(offsetSize)), int64(b.number(lengthSize))
			if b.short {
				return fmt.Errorf("%w: the places of items are cut short", errPicture)
			}
			text, is := private[id]
			if !is || elsewhere {
				continue
			}
			if method > 1 || offset < 0 || size <= 0 || method == 1 && (offset > stored[1] || size > stored[1]-stored[0]-offset) {
				return fmt.Errorf("%w: where its metadata stands cannot be told", errPicture)
			}
			if method == 1 {
				offset += stored[0]
			}
			s := heifSpan{at: offset, size: size, text: text, item: method == 0}
			if text == emptyXMP {
				s.fill = ' '
			}
			if int64(len(text)) > size {
				s.text = ""
			}
			p.gone = append(p.gone, s)
		}
		if b.short {
			break
		}
	}
	if b.short {
		return fmt.Errorf("%w: the places of items are cut short", errPicture)
	}
	return nil
}

// copy writes the file without what is gone.
func (p *heifFile) copy(w io.Writer) error {
	if _, err := p.in.Seek(p.start, io.SeekStart); err != nil {
		return err
	}
	in, out, at := bufio.NewReader(p.in), bufio.NewWriter(w), int64(0)
	slices.SortStableFunc(p.gone, func(a, b heifSpan) int { return int(max(-1, min(1, a.at-b.at))) })
	for _, s := range p.gone {
		within := func(d heifSpan) bool { return s.at >= d.at && s.size <= d.at+d.size-s.at }
		if s.item && !slices.ContainsFunc(p.data, within) {
			return fmt.Errorf("%w: where its metadata stands cannot be told", errPicture)
		}
		if s.at < at { // within what is gone before it
			if s.size -= at - s.at; s.size <= 0 {
				continue
			}
			s.at, s.text = at, ""
		}
		if _, err := io.CopyN(out, in, s.at-at); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, in, s.size); err != nil {
			return err
		}
		_, _ = out.WriteString(s.text) // Flush returns the error of any write
		for range s.size - int64(len(s.text)) {
			_ = out.WriteByte(s.fill)
		}
		at = s.at + s.size
	}
	if _, err := io.CopyN(out, in, p.end-at); err != nil {
		return err
	}
	return out.Flush()
}

// heifReader reads a part of what describes a picture. All that is read past its end is 0.
type heifReader struct {
	b     []byte // up to its end
	at    int
	short bool // more was read than there is
}

func (r *heifReader) left() int { return len(r.b) - r.at }

func (r *heifReader) skip(n int) {
	if n > r.left() {
		r.short, n = true, r.left()
	}
	r.at += n
}

// number is a number of so many bytes, 8 at most.
func (r *heifReader) number(size int) (n uint64) {
	from := r.at
	if r.skip(size); r.short || size > 8 {
		r.short = true
		return 0
	}
	for _, b := range r.b[from:r.at] {
		n = n<<8 | uint64(b)
	}
	return n
}

func (r *heifReader) text(size int) string {
	from := r.at
	r.skip(size)
	return string(r.b[from:r.at])
}

// box is the next one, and what is inside.
func (r *heifReader) box() (kind string, inside *heifReader, err error) {
	from := r.at
	size, kind := int64(r.number(4)), r.text(4)
	switch size {
	case 0:
		size = int64(len(r.b) - from)
	case 1:
		size = int64(r.number(8))
	}
	if r.short || size < int64(r.at-from) || size > int64(len(r.b)-from) {
		return "", nil, fmt.Errorf("%w: a box is longer than what it is in", errPicture)
	}
	inside = &heifReader{b: r.b[:from+int(size)], at: r.at}
	r.at = from + int(size)
	return kind, inside, nil
}
