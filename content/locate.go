package content

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// text is the bytes of a front matter's block within its file, and where their
// lines begin and end.
type text struct {
	src      []byte
	from, to int
}

func (t text) lineStart(p int) int {
	for p > t.from && t.src[p-1] != '\n' && t.src[p-1] != '\r' {
		p--
	}
	return p
}

// lineEnd is where the line at p ends, before its line ending.
func (t text) lineEnd(p int) int {
	for p < t.to && t.src[p] != '\n' && t.src[p] != '\r' {
		p++
	}
	return p
}

func (t text) nextLine(p int) int {
	p = t.lineEnd(p)
	return p + lineBreak(t.src, p, t.to)
}

// column of p, from 0, in runes.
func (t text) column(p int) int { return utf8.RuneCount(t.src[t.lineStart(p):p]) }

// blank says whether nothing but blanks stands from a to b.
func (t text) blank(a, b int) bool { return len(bytes.Trim(t.src[a:b], " \t\r\n")) == 0 }

// locator finds where the nodes of a YAML front matter are written. The parser
// tells where each begins; the ends follow from the style of the value.
type locator struct {
	text
	lines *lineIndex
}

func locateYAML(src []byte, from, to int, root *node) error {
	l := locator{text{src, from, to}, newLineIndex(src, from, to)}
	return l.node(root, to, -1, false)
}

func (l *locator) lost(p int, wanted string) error {
	line, column := position(l.src, p)
	return fmt.Errorf("no %s at line %d, column %d", wanted, line, column)
}

// node locates n, which ends at limit at the latest. Its parent is indented by
// indent, -1 if it has none.
func (l *locator) node(n *node, limit, indent int, flow bool) error {
	p := l.lines.offset(n.line, n.column)
	n.start = p
	if p < l.to && (n.anchor != "" || n.tagged || n.kind == scalar) {
		p = l.properties(n, p, limit, flow)
	}
	n.from = p
	switch {
	case n.kind == scalar && n.style == plain && n.text == "":
		if n.end == 0 {
			n.end = n.from
		}
		n.from = n.end
		return nil
	case p >= l.to:
		return l.lost(p, "value")
	case n.kind == alias:
		if l.src[p] != '*' {
			return l.lost(p, "alias")
		}
		n.end = l.word(p, limit, flow)
		return nil
	case n.kind == scalar:
		return l.scalar(n, limit, indent, flow)
	case n.kind == list && n.flow:
		return l.flowList(n, limit, indent)
	case n.kind == list:
		return l.blockList(n, limit)
	}
	return l.mapping(n, limit, indent, flow)
}

// properties passes the anchor and the tag of n; n.end is set to their end.
func (l *locator) properties(n *node, p, limit int, flow bool) int {
	for p < limit && (l.src[p] == '&' || l.src[p] == '!') {
		n.end = l.word(p, limit, flow && !bytes.HasPrefix(l.src[p:], []byte("!<")))
		p = l.skip(n.end, limit)
	}
	return p
}

// word is the end of an anchor, a tag or an alias.
func (l *locator) word(p, limit int, flow bool) int {
	for p < limit && !isBlank(l.src[p]) && lineBreak(l.src, p, l.to) == 0 && !(flow && flowIndicator(l.src[p])) {
		p++
	}
	return p
}

func flowIndicator(c byte) bool { return c == ',' || c == '[' || c == ']' || c == '{' || c == '}' }

// skip passes blanks, line breaks and comments.
func (l *locator) skip(p, limit int) int {
	for p < limit {
		switch n := lineBreak(l.src, p, l.to); {
		case n > 0:
			p += n
		case isBlank(l.src[p]):
			p++
		case l.src[p] == '#':
			for p < limit && lineBreak(l.src, p, l.to) == 0 {
				p++
			}
		default:
			return p
		}
	}
	return p
}

func (l *locator) scalar(n *node, limit, indent int, flow bool) error {
	p := n.from
	switch n.style {
	case doubleQuoted:
		if l.src[p] == '"' {
			n.end = closingQuote(l.src, p, l.to)
		}
	case singleQuoted:
		if l.src[p] == '\'' {
			n.end = closingQuote(l.src, p, l.to)
		}
	case literal, folded:
		if l.src[p] == '|' || l.src[p] == '>' {
			n.end = l.blockScalar(p, limit, indent).end
		}
	default:
		n.end = l.plain(p, limit, indent, flow)
	}
	if n.end <= p {
		return l.lost(p, "scalar")
	}
	return nil
}

// closingQuote is the offset after the quote that closes the one at p, 0 if
// there is none.
func closingQuote(b []byte, p, to int) int {
	quote := b[p]
	for i := p + 1; i < to; i++ {
		switch {
		case b[i] == '\\' && quote == '"':
			i++
		case b[i] != quote:
		case quote == '\'' && i+1 < to && b[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return 0
}

// blockText is what the header and the lines of a block scalar say.
type blockText struct {
	indent int  // of its lines, 0 if it has none
	chomp  byte // '+', '-' or 0
	end    int
}

func (t text) blockScalar(p, limit, indent int) (b blockText) {
	p++
	for ; p < limit && strings.IndexByte("+-0123456789", t.src[p]) >= 0; p++ {
		if c := t.src[p]; c == '+' || c == '-' {
			b.chomp = c
		} else {
			b.indent = max(indent, 0) + int(c-'0')
		}
	}
	header := t.lineEnd(p)
	b.end = p + len(trimBlanks(t.src[p:header]))
	for line := t.nextLine(header); line < limit; line = t.nextLine(line) {
		end := t.lineEnd(line)
		spaces := 0
		for line+spaces < end && t.src[line+spaces] == ' ' {
			spaces++
		}
		switch empty := line+spaces == end; {
		case empty && (b.indent == 0 || spaces <= b.indent):
			if b.chomp == '+' {
				b.end = end
			}
			continue
		case b.indent == 0 && (spaces > indent || indent < 0):
			b.indent = spaces
		case b.indent == 0 || spaces < b.indent:
			return b
		}
		b.end = end
	}
	return b
}

// plain is the end of a plain scalar, which may go on in lines that are
// indented deeper than its parent.
func (l *locator) plain(p, limit, indent int, flow bool) int {
	end := p
	for {
		start := p
		for p < limit && lineBreak(l.src, p, l.to) == 0 {
			c := l.src[p]
			if c == '#' && p > start && isBlank(l.src[p-1]) || c == ':' && l.endsKey(p+1) || flow && flowIndicator(c) {
				return end
			}
			if p++; !isBlank(c) {
				end = p
			}
		}
		for p < limit && (isBlank(l.src[p]) || lineBreak(l.src, p, l.to) > 0) {
			p += max(1, lineBreak(l.src, p, l.to))
		}
		if p >= limit || l.src[p] == '#' || !flow && l.column(p) <= indent {
			return end
		}
	}
}

// endsKey says whether a colon before p separates a plain key from its value,
// which to this parser takes a blank, in brackets too.
func (l *locator) endsKey(p int) bool {
	return p >= l.to || isBlank(l.src[p]) || lineBreak(l.src, p, l.to) > 0
}

// limitOf is where the node before next ends at the latest.
func (l *locator) limitOf(next *node, limit int) int {
	return min(limit, l.lines.offset(next.line, next.column))
}

func (l *locator) flowList(n *node, limit, indent int) error {
	if l.src[n.from] != '[' {
		return l.lost(n.from, "[")
	}
	p := n.from + 1
	for i, item := range n.items {
		to := limit
		if i+1 < len(n.items) {
			to = l.limitOf(n.items[i+1], limit)
		}
		if err := l.node(item, to, indent, true); err != nil {
			return err
		}
		p = item.end
	}
	return l.closeFlow(n, p, limit, ']')
}

// closeFlow ends n at the bracket that follows p.
func (l *locator) closeFlow(n *node, p, limit int, bracket byte) error {
	for p = l.skip(p, limit); p < limit && l.src[p] == ','; {
		p = l.skip(p+1, limit)
	}
	if p >= l.to || l.src[p] != bracket {
		return l.lost(p, string(rune(bracket)))
	}
	n.end = p + 1
	return nil
}

func (l *locator) blockList(n *node, limit int) error {
	dash := n.from
	indent := l.column(dash)
	for i, item := range n.items {
		if dash >= l.to || l.src[dash] != '-' {
			return l.lost(dash, "-")
		}
		to := limit
		if i+1 < len(n.items) {
			to = l.limitOf(n.items[i+1], limit)
		}
		if err := l.hanging(item, dash+1, to, indent, false); err != nil {
			return err
		}
		n.end = item.end
		dash = l.skip(item.end, limit)
	}
	return nil
}

// hanging locates a value after its colon or dash.
func (l *locator) hanging(n *node, hang, limit, indent int, flow bool) error {
	if err := l.node(n, limit, indent, flow); err != nil {
		return err
	}
	n.hang = hang
	if n.end < hang {
		n.start, n.from, n.end = hang, hang, hang
	}
	return nil
}

func (l *locator) mapping(n *node, limit, indent int, flow bool) error {
	p := n.from
	braces := n.flow && l.src[p] == '{'
	if braces {
		p++
	}
	if !n.flow {
		indent = l.column(p)
	}
	flow = flow || n.flow
	for i := range n.pairs {
		pr := &n.pairs[i]
		to := limit
		if i+1 < len(n.pairs) {
			to = l.limitOf(n.pairs[i+1].key, limit)
		}
		if err := l.node(pr.key, l.limitOf(pr.val, to), indent, flow); err != nil {
			return err
		}
		pr.start = pr.key.start
		mark := l.questionMark(p, pr.key.start, flow)
		if mark >= 0 {
			pr.start = mark
		}
		colon := pr.key.end
		for colon < l.to && isBlank(l.src[colon]) {
			colon++
		}
		pr.complex = mark >= 0 || colon >= l.to || l.src[colon] != ':'
		hang := colon + 1
		if pr.complex {
			hang = pr.key.end
		}
		if err := l.hanging(pr.val, hang, to, indent, flow); err != nil {
			return err
		}
		p = pr.end()
		n.end = p
	}
	if braces {
		return l.closeFlow(n, p, limit, '}')
	}
	return nil
}

// questionMark is where the "?" stands before the key that begins at key, after
// what ends at p; -1 if there is none.
func (l *locator) questionMark(p, key int, flow bool) int {
	p = l.skip(p, key)
	for flow && p < key && l.src[p] == ',' {
		p = l.skip(p+1, key)
	}
	if p < key && l.src[p] == '?' && l.endsKey(p+1) {
		return p
	}
	return -1
}

// comment is where the first comment stands within n, between the parts of it;
// -1 if there is none.
func (t text) comment(n *node) int {
	at := n.start
	gap := func(to int) int {
		i := bytes.IndexByte(t.src[at:max(at, to)], '#')
		if i >= 0 {
			return at + i
		}
		return -1
	}
	inside := func(c *node) int {
		if i := gap(c.start); i >= 0 {
			return i
		}
		if i := t.comment(c); i >= 0 {
			return i
		}
		at = max(at, c.end)
		return -1
	}
	if n.kind == scalar || n.kind == alias {
		return -1
	}
	for i := range n.pairs {
		for _, c := range []*node{n.pairs[i].key, n.pairs[i].val} {
			if i := inside(c); i >= 0 {
				return i
			}
		}
	}
	for _, item := range n.items {
		if i := inside(item); i >= 0 {
			return i
		}
	}
	return gap(n.end)
}

// lineIndex finds the offset of a line and column as the YAML library counts
// them: lines also end at a lone CR, at NEL, U+2028 and U+2029, and columns are
// runes. A mark every 64 runes keeps a long line of many items linear.
type lineIndex struct {
	src    []byte
	to     int
	starts []int
	marks  map[int][]int
}

func newLineIndex(src []byte, from, to int) *lineIndex {
	x := &lineIndex{src: src, to: to, starts: make([]int, 1, 32)}
	x.starts[0] = from
	for i := from; i < to; {
		if n := lineBreak(src, i, to); n > 0 {
			i += n
			x.starts = append(x.starts, i)
		} else {
			i++
		}
	}
	return x
}

func (x *lineIndex) offset(line, column int) int {
	if line < 1 || line > len(x.starts) {
		return x.to
	}
	end := x.to
	if line < len(x.starts) {
		end = x.starts[line]
	}
	p, runes := x.starts[line-1], 1
	if column > 128 {
		marks := x.lineMarks(line, p, end)
		i := min((column-1)/64, len(marks)-1)
		p, runes = marks[i], i*64+1
	}
	for ; runes < column && p < end; runes++ {
		_, n := utf8.DecodeRune(x.src[p:])
		p += n
	}
	return p
}

func (x *lineIndex) lineMarks(line, p, end int) []int {
	marks := x.marks[line]
	if marks == nil {
		for i := 0; p < end; i++ {
			if i%64 == 0 {
				marks = append(marks, p)
			}
			_, n := utf8.DecodeRune(x.src[p:])
			p += n
		}
		if x.marks == nil {
			x.marks = make(map[int][]int)
		}
		x.marks[line] = marks
	}
	return marks
}

// lineBreak is the length of the line break at i, 0 if there is none.
func lineBreak(b []byte, i, to int) int {
	if i >= to {
		return 0
	}
	switch c := b[i]; {
	case c == '\n':
		return 1
	case c == '\r':
		if i+1 < to && b[i+1] == '\n' {
			return 2
		}
		return 1
	case c == 0xc2 && i+1 < to && b[i+1] == 0x85:
		return 2
	case c == 0xe2 && i+2 < to && b[i+1] == 0x80 && b[i+2]&^1 == 0xa8:
		return 3
	}
	return 0
}
