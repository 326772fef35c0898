package inbound

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// pick says what is kept of a value in a JSON document that goes by once, such as
// the texts at a few places. The items of a list are picked as the list. A nil pick
// keeps nothing.
type pick struct {
	text    func(string)     // gets a text; null is none
	members map[string]*pick // of an object
	end     func()           // the object, or the item of a list that is one, has ended; may be nil
}

// Bounds of what is read: of a document, and of the texts that are kept.
const (
	maxPickDepth = 64
	maxPicked    = 4096 // bytes, as they are written
)

var errPick = errors.New("the document is no JSON, or not as it should be")

// scan reads the one JSON document in r, and picks from it. It holds no more of it
// than one text that is picked.
func (p *pick) scan(r io.Reader) error {
	s := &pickScanner{r: bufio.NewReaderSize(r, 16<<10)}
	if err := s.value(p, 0); err != nil {
		return err
	}
	if _, err := s.next(); !errors.Is(err, io.EOF) {
		return errors.Join(errPick, err)
	}
	return nil
}

type pickScanner struct {
	r    *bufio.Reader
	kept []byte // of the text or the word that was read last
}

// next is the next byte that is no white space.
func (s *pickScanner) next() (byte, error) {
	for {
		switch b, err := s.r.ReadByte(); {
		case err != nil:
			return 0, err
		case b != ' ' && b != '\t' && b != '\n' && b != '\r':
			return b, nil
		}
	}
}

func (s *pickScanner) value(p *pick, depth int) error {
	b, err := s.next()
	switch {
	case err != nil:
		return err
	case depth > maxPickDepth:
		return errPick
	case b == '{':
		return s.object(p, depth)
	case b == '[':
		return errors.Join(unless(p == nil || p.text == nil), s.list(p, depth))
	case b == '"' && p != nil && p.text != nil:
		t, short, err := s.string(maxPicked)
		if err != nil || !short {
			return errors.Join(errPick, err)
		}
		p.text(t)
		return nil
	case b == '"':
		_, _, err := s.string(0)
		return errors.Join(err, unless(p == nil))
	}
	return s.word(p, b)
}

// object reads what follows an opening brace.
func (s *pickScanner) object(p *pick, depth int) error {
	if p != nil && p.members == nil {
		return errPick
	}
	for first := true; ; first = false {
		b, err := s.next()
		switch {
		case err == nil && b == ',' && !first:
			b, err = s.next()
		case err == nil && b == '}':
			if p != nil && p.end != nil {
				p.end()
			}
			return nil
		case !first:
			return errors.Join(errPick, err)
		}
		if err != nil || b != '"' {
			return errors.Join(errPick, err)
		}
		name, short, err := s.string(maxPicked)
		if err != nil {
			return err
		}
		if b, err := s.next(); err != nil || b != ':' {
			return errors.Join(errPick, err)
		}
		var member *pick
		if p != nil && short {
			member = p.members[name]
		}
		if err := s.value(member, depth+1); err != nil {
			return err
		}
	}
}

// list reads what follows an opening bracket.
func (s *pickScanner) list(p *pick, depth int) error {
	for first := true; ; first = false {
		b, err := s.next()
		switch {
		case err != nil:
			return err
		case b == ']':
			return nil
		case first:
			if err := s.r.UnreadByte(); err != nil {
				return err
			}
		case b != ',':
			return errPick
		}
		if err := s.value(p, depth+1); err != nil {
			return err
		}
	}
}

// string reads what follows an opening quotation mark. It is kept if it has at most
// limit bytes, and short then.
func (s *pickScanner) string(limit int) (text string, short bool, err error) {
	s.kept, short = append(s.kept[:0], '"'), limit > 0
	for {
		if _, err := s.r.Peek(1); err != nil {
			return "", false, err
		}
		there, _ := s.r.Peek(s.r.Buffered())
		switch i := bytes.IndexAny(there, `"\\`); {
		case i < 0:
			short = s.take(there, short, limit)
		case there[i] == '\\':
			short = s.take(there[:i+1], short, limit)
			b, err := s.r.Peek(1)
			if err != nil {
				return "", false, err
			}
			short = s.take(b, short, limit)
		default:
			if short = s.take(there[:i+1], short, limit); short {
				text, err = s.decoded()
			}
			return text, short, err
		}
	}
}

func (s *pickScanner) decoded() (text string, err error) {
	err = json.Unmarshal(s.kept, &text)
	return text, err
}

// take takes b, which is there, and keeps it for as long as all is at most limit long
// between its quotation marks; it says whether it does.
func (s *pickScanner) take(b []byte, keep bool, limit int) bool {
	if keep = keep && len(s.kept)+len(b) <= limit+2; keep {
		s.kept = append(s.kept, b...)
	}
	_, _ = s.r.Discard(len(b)) // which is there
	return keep
}

// word reads a number, true, false or null, which begins with b.
func (s *pickScanner) word(p *pick, b byte) error {
	s.kept = append(s.kept[:0], b)
	for len(s.kept) <= maxPicked {
		b, err := s.r.ReadByte()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if end := err != nil; end || b == ',' || b == '}' || b == ']' || b <= ' ' {
			if err = nil; !end {
				err = s.r.UnreadByte()
			}
			return errors.Join(err, unless(json.Valid(s.kept) && (p == nil || string(s.kept) == "null")))
		}
		s.kept = append(s.kept, b)
	}
	return errPick
}

func unless(ok bool) error {
	if ok {
		return nil
	}
	return errPick
}
