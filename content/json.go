package content

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep lists and mappings nest.
const maxDepth = 100

// ParseJSON reads one JSON text (RFC 8259) and keeps the order of members. It
// is stricter than encoding/json: a duplicate member, a lone surrogate, invalid
// UTF-8, data after the value and nesting deeper than 100 are errors. An error
// is a *[SyntaxError] with the line and column in b.
func ParseJSON(b []byte) (Value, error) {
	s := jsonScanner{src: b, strict: true}
	n, err := s.document()
	if err != nil {
		return nil, err
	}
	return n.value, nil
}

// UnmarshalJSON reads a JSON object as [ParseJSON] does.
func (o *Object) UnmarshalJSON(b []byte) error {
	v, err := ParseJSON(b)
	if err != nil {
		return err
	}
	x, ok := v.(*Object)
	if !ok {
		return errors.New("not a JSON object")
	}
	*o = *x
	return nil
}

// MarshalJSON writes the members in their order.
func (o *Object) MarshalJSON() ([]byte, error) { return appendJSON(nil, o) }

func appendJSON(b []byte, v Value) ([]byte, error) {
	var err error
	switch x := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, x), nil
	case Number:
		return append(b, x...), nil
	case string:
		return appendJSONString(b, x), nil
	case Time:
		return append(append(append(b, '"'), x.String()...), '"'), nil
	case []Value:
		b = append(b, '[')
		for i, item := range x {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, item); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case *Object:
		b = append(b, '{')
		for i := range x.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSONString(b, x.Members[i].Key), ':')
			if b, err = appendJSON(b, x.Members[i].Value); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	}
	return nil, fmt.Errorf("a %T is no value of a document", v)
}

// appendJSONString escapes what JSON demands, and U+2028 and U+2029 for those
// who paste it into a script. What is not UTF-8 becomes U+FFFD.
func appendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < 0x20 || r == 0x2028 || r == 0x2029:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// jsonScanner reads JSON into nodes that know their bytes.
type jsonScanner struct {
	src        []byte
	pos        int
	depth      int
	strict     bool    // a duplicate member is an error
	duplicates []*node // the later keys, otherwise
}

// document reads one value with nothing but blanks around it.
func (s *jsonScanner) document() (*node, error) {
	if i := invalidUTF8(s.src); i >= 0 {
		return nil, s.fail(i, "not UTF-8")
	}
	s.blanks()
	n, err := s.value()
	if err != nil {
		return nil, err
	}
	if s.blanks(); s.pos < len(s.src) {
		return nil, s.fail(s.pos, "more data after the JSON value")
	}
	return n, nil
}

func (s *jsonScanner) fail(at int, detail string) error {
	line, column := position(s.src, at)
	return &SyntaxError{Line: line, Column: column, Detail: detail}
}

func (s *jsonScanner) blanks() {
	for s.pos < len(s.src) && bytes.IndexByte([]byte(" \t\r\n"), s.src[s.pos]) >= 0 {
		s.pos++
	}
}

// peek is the next byte, 0 at the end.
func (s *jsonScanner) peek() byte {
	if s.pos < len(s.src) {
		return s.src[s.pos]
	}
	return 0
}

func (s *jsonScanner) value() (n *node, err error) {
	if s.depth++; s.depth > maxDepth {
		return nil, s.fail(s.pos, fmt.Sprintf("nested deeper than %d levels", maxDepth))
	}
	n = &node{start: s.pos, from: s.pos}
	switch c := s.peek(); {
	case c == '{':
		err = s.object(n)
	case c == '[':
		err = s.array(n)
	case c == '"':
		n.value, err = s.string()
	case c == '-' || c >= '0' && c <= '9':
		n.value, err = s.number()
	default:
		err = s.keyword(n)
	}
	s.depth--
	n.end = s.pos
	if n.kind == scalar {
		n.text = string(s.src[n.from:n.end])
	}
	return n, err
}

func (s *jsonScanner) keyword(n *node) error {
	for word, v := range map[string]Value{"null": nil, "true": true, "false": false} {
		if bytes.HasPrefix(s.src[s.pos:], []byte(word)) {
			s.pos += len(word)
			n.value = v
			return nil
		}
	}
	if s.pos >= len(s.src) {
		return s.fail(s.pos, "a value is missing at the end")
	}
	return s.fail(s.pos, "not a JSON value")
}

func (s *jsonScanner) object(n *node) error {
	n.kind, n.flow = mapping, true
	o := &Object{}
	n.value = o
	first := make(map[string]int)
	s.pos++
	for s.blanks(); s.peek() != '}'; s.blanks() {
		if len(n.pairs) > 0 {
			if s.peek() != ',' {
				return s.fail(s.pos, "a comma or } is missing")
			}
			s.pos++
			s.blanks()
		}
		key := &node{start: s.pos, from: s.pos}
		if s.peek() != '"' {
			return s.fail(s.pos, "a member's name in quotes is missing")
		}
		name, err := s.string()
		if err != nil {
			return err
		}
		key.end, key.value, key.text = s.pos, name, name
		if s.blanks(); s.peek() != ':' {
			return s.fail(s.pos, "a colon is missing")
		}
		s.pos++
		hang := s.pos
		s.blanks()
		val, err := s.value()
		if err != nil {
			return err
		}
		val.hang = hang
		n.pairs = append(n.pairs, pair{name: name, key: key, val: val, start: key.start})
		i, again := first[name]
		if !again {
			first[name] = len(o.Members)
			o.Members = append(o.Members, Member{name, val.value})
			continue
		}
		if s.strict {
			return s.fail(key.from, fmt.Sprintf("the member %q is there twice", name))
		}
		n.doubled = true
		s.duplicates = append(s.duplicates, key)
		o.Members[i].Value = val.value
	}
	s.pos++
	return nil
}

func (s *jsonScanner) array(n *node) error {
	n.kind, n.flow = list, true
	values := []Value{}
	s.pos++
	for s.blanks(); s.peek() != ']'; s.blanks() {
		if len(n.items) > 0 {
			if s.peek() != ',' {
				return s.fail(s.pos, "a comma or ] is missing")
			}
			s.pos++
			s.blanks()
		}
		item, err := s.value()
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
		values = append(values, item.value)
	}
	s.pos++
	n.value = values
	return nil
}

func (s *jsonScanner) digits() bool {
	from := s.pos
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > from
}

func (s *jsonScanner) number() (Value, error) {
	from := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	ok := true
	if s.peek() == '0' {
		s.pos++
	} else {
		ok = s.digits()
	}
	if s.peek() == '.' {
		s.pos++
		ok = s.digits() && ok
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		ok = s.digits() && ok
	}
	if c := s.peek(); !ok || c >= '0' && c <= '9' {
		return nil, s.fail(from, "not a JSON number")
	}
	return Number(s.src[from:s.pos]), nil
}

// string reads a string in quotes.
func (s *jsonScanner) string() (string, error) {
	from := s.pos
	s.pos++
	for i := s.pos; i < len(s.src) && s.src[i] != '\\' && s.src[i] >= 0x20; i++ {
		if s.src[i] == '"' { // the common case: nothing to unescape
			text := string(s.src[s.pos:i])
			s.pos = i + 1
			return text, nil
		}
	}
	var b []byte
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch {
		case c == '"':
			s.pos++
			return string(b), nil
		case c < 0x20:
			return "", s.fail(s.pos, "a control character in a string")
		case c == '\\':
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, c)
			s.pos++
		}
	}
	return "", s.fail(from, "the string is not closed")
}

func (s *jsonScanner) escape() (rune, error) {
	from := s.pos
	s.pos++
	c := s.peek()
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), c); i >= 0 && c != 0 {
		s.pos++
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	r, ok := s.unit()
	if ok && utf16.IsSurrogate(r) {
		low := rune(-1)
		if s.peek() == '\\' {
			s.pos++
			low, _ = s.unit()
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return 0, s.fail(from, "half of a surrogate pair")
		}
	}
	if !ok {
		return 0, s.fail(from, "not a JSON escape")
	}
	return r, nil
}

// unit reads the u0000 of an escape.
func (s *jsonScanner) unit() (rune, bool) {
	if s.peek() != 'u' || s.pos+5 > len(s.src) {
		return -1, false
	}
	u, err := strconv.ParseUint(string(s.src[s.pos+1:s.pos+5]), 16, 16)
	if err != nil {
		return -1, false
	}
	s.pos += 5
	return rune(u), true
}
