package content

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"cms/say"
)

// ParseJSON reads one JSON text (RFC 8259) and keeps the order of members. It
// is stricter than encoding/json: a duplicate member, a lone surrogate, invalid
// UTF-8, data after the value, nesting deeper than 100, more than 250,000 keys and
// values, and keys and numbers beyond what a document may have are errors. An error
// is a *[SyntaxError] with the line and column in b.
func ParseJSON(b []byte) (Value, error) {
	s := jsonScanner{src: b, strict: true, most: maxJSONValues, gives: values}
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
		case escape(r) != "":
			b = append(b, escape(r)...)
		case r < 0x20 || r == 0x2028 || r == 0x2029:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// jsonScanner reads JSON.
type jsonScanner struct {
	src        []byte
	pos        int
	depth      int
	gives      gives
	count      int     // of keys and values so far
	most       int     // of them, 0 for as many as there are
	spare      []*node // by depth, of values that nobody keeps the nodes of
	strict     bool    // a duplicate member is an error
	duplicates []*node // the later keys, otherwise
}

// gives is what a scanner makes of JSON.
type gives uint8

const (
	nodes  gives = iota // that know their bytes
	values              // alone
	itsEnd              // alone: whether it is JSON
)

// document reads one value with nothing but blanks around it.
func (s *jsonScanner) document() (*node, error) {
	if i := invalidUTF8(s.src); i >= 0 {
		return nil, s.fail(i, say.New("not UTF-8"))
	}
	s.blanks()
	n := &node{}
	if err := s.value(n); err != nil {
		return nil, err
	}
	if s.blanks(); s.pos < len(s.src) {
		return nil, s.fail(s.pos, say.New("more data after the JSON value"))
	}
	return n, nil
}

// beyond is the error of what is beyond a bound.
func (s *jsonScanner) beyond(at int, detail say.Text) error {
	line, column := position(s.src, at)
	return &SyntaxError{Line: line, Column: column, Detail: detail, TooLarge: true}
}

// another counts a key or a value.
func (s *jsonScanner) another() error {
	if s.count++; s.most > 0 && s.count > s.most {
		return s.beyond(s.pos, say.New("more than %d keys and values", s.most))
	}
	return nil
}

func (s *jsonScanner) fail(at int, detail say.Text) error {
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

// value reads a value into n.
func (s *jsonScanner) value(n *node) (err error) {
	if s.depth++; s.depth > maxDepth {
		return s.fail(s.pos, say.New("nested deeper than %d levels", maxDepth))
	}
	if err := s.another(); err != nil {
		return err
	}
	n.start, n.from = s.pos, s.pos
	switch c := s.peek(); {
	case c == '{':
		err = s.object(n)
	case c == '[':
		err = s.array(n)
	case c == '"':
		var text string
		if text, err = s.string(); s.gives != itsEnd {
			n.value = text
		}
	case c == '-' || c >= '0' && c <= '9':
		err = s.number(n)
	default:
		err = s.keyword(n)
	}
	s.depth--
	n.end = s.pos
	if s.gives == nodes && n.kind == scalar {
		n.text = string(s.src[n.from:n.end])
	}
	return err
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
		return s.fail(s.pos, say.New("a value is missing at the end"))
	}
	return s.fail(s.pos, say.New("not a JSON value"))
}

func (s *jsonScanner) object(n *node) error {
	n.kind, n.flow = mapping, true
	o := &Object{}
	n.value = o
	at := memberIndex{o: o}
	s.pos++
	for first := true; ; first = false {
		if s.blanks(); s.peek() == '}' {
			break
		}
		if !first {
			if s.peek() != ',' {
				return s.fail(s.pos, say.New("a comma or } is missing"))
			}
			s.pos++
			s.blanks()
		}
		key, err := s.key()
		if err != nil {
			return err
		}
		val := s.node()
		if s.gives == nodes {
			n.pairs = append(n.pairs, pair{name: key.text, key: key, val: val, start: key.start})
		}
		hang := s.pos
		s.blanks()
		if err := s.value(val); err != nil {
			return err
		}
		val.hang = hang
		if s.gives == itsEnd {
			continue
		}
		i, again := at.find(key.text)
		switch {
		case !again:
			at.add(Member{key.text, val.value})
		case s.strict:
			return s.fail(key.from, say.New("the member %q is duplicated", key.text))
		default:
			n.doubled = true
			s.duplicates = append(s.duplicates, key)
			o.Members[i].Value = val.value
		}
	}
	s.pos++
	return nil
}

// node is one to read a part into. Where nobody keeps it, it is used again for the
// next part.
func (s *jsonScanner) node() *node {
	if s.gives == nodes {
		return &node{}
	}
	for len(s.spare) <= s.depth {
		s.spare = append(s.spare, &node{})
	}
	n := s.spare[s.depth]
	*n = node{}
	return n
}

// key reads the name of a member, and the colon behind it.
func (s *jsonScanner) key() (*node, error) {
	key := &node{start: s.pos, from: s.pos}
	if s.peek() != '"' {
		return nil, s.fail(s.pos, say.New("a member's name in quotes is missing"))
	}
	name, err := s.string()
	if err == nil {
		err = s.another()
	}
	if err != nil {
		return nil, err
	}
	if len(name) > maxKey && s.gives != itsEnd {
		return nil, s.beyond(key.from, say.New("a key of more than %d bytes", maxKey))
	}
	key.end, key.value, key.text = s.pos, name, name
	if s.blanks(); s.peek() != ':' {
		return nil, s.fail(s.pos, say.New("a colon is missing"))
	}
	s.pos++
	return key, nil
}

func (s *jsonScanner) array(n *node) error {
	n.kind, n.flow = list, true
	items := []Value{}
	s.pos++
	for first := true; ; first = false {
		if s.blanks(); s.peek() == ']' {
			break
		}
		if !first {
			if s.peek() != ',' {
				return s.fail(s.pos, say.New("a comma or ] is missing"))
			}
			s.pos++
			s.blanks()
		}
		item := s.node()
		if s.gives == nodes {
			n.items = append(n.items, item)
		}
		if err := s.value(item); err != nil {
			return err
		}
		if s.gives != itsEnd {
			items = append(items, item.value)
		}
	}
	s.pos++
	n.value = items
	return nil
}

func (s *jsonScanner) digits() bool {
	from := s.pos
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > from
}

// number says whether text is a JSON number.
func number(text string) bool {
	s := jsonScanner{src: []byte(text), gives: itsEnd}
	return s.number(&node{}) == nil && s.pos == len(text)
}

// errNoNumber is what is told where nobody asks for more.
var errNoNumber = errors.New("not a JSON number")

func (s *jsonScanner) number(n *node) error {
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
	switch c := s.peek(); {
	case (!ok || c >= '0' && c <= '9') && s.gives == itsEnd:
		return errNoNumber
	case !ok || c >= '0' && c <= '9':
		return s.fail(from, say.New("not a JSON number"))
	case s.gives == itsEnd:
		return nil
	}
	if s.pos-from > maxNumber {
		return s.beyond(from, say.New("a number of more than %d characters", maxNumber))
	}
	n.value = Number(s.src[from:s.pos])
	return nil
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
			return "", s.fail(s.pos, say.New("a control character in a string"))
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
	return "", s.fail(from, say.New("the string is not closed"))
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
			return 0, s.fail(from, say.New("half of a surrogate pair"))
		}
	}
	if !ok {
		return 0, s.fail(from, say.New("not a JSON escape"))
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
