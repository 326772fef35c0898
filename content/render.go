package content

import (
	"bytes"
	"strings"
	"time"
)

// habits are how a file writes what can be written in several ways.
type habits struct {
	quote      style  // of the first string in quotes
	listIndent int    // of the items of a list below its key
	mapIndent  int    // of a mapping below its key
	colon      string // between a key and its value
	timeLayout string // of date-times
	dateLayout string // of dates
}

// habitsOf reads them off a located tree, but for the values that are replaced.
func habitsOf(src []byte, root *node, it *intent) habits {
	r := habitReader{text: text{src: src, to: len(src)}, habits: habits{listIndent: -1, mapIndent: -1},
		colons: make(map[string]int), replaced: make(map[*node]bool)}
	r.skip(it)
	r.read(root)
	h, colons := r.habits, r.colons
	h.listIndent = max(h.listIndent, 0)
	if h.mapIndent <= 0 {
		h.mapIndent = 2
	}
	h.colon = ": "
	total := 0
	for _, n := range colons {
		total += n
	}
	for c, n := range colons {
		if n*2 > total {
			h.colon = c
		}
	}
	if h.timeLayout == "" {
		h.timeLayout = rubyLayout
	}
	if h.dateLayout == "" {
		h.dateLayout = dateLayout
	}
	return h
}

type habitReader struct {
	text
	habits
	colons   map[string]int
	replaced map[*node]bool
}

func (h *habitReader) skip(it *intent) {
	for i := range it.parts {
		if part := &it.parts[i]; part.val != nil && part.val.was == nil && part.at >= 0 {
			h.replaced[it.old(i)] = true
		} else if part.val != nil {
			h.skip(part.val)
		}
	}
}

func (h *habitReader) read(n *node) {
	if n == nil || h.replaced[n] {
		return
	}
	if n.kind == scalar {
		if h.quote == plain {
			h.quote = quotesOf(n)
		}
		if v, ok := n.value.(Time); ok && n.style == plain {
			_, layout, _ := scanTime(n.text)
			if v.DateOnly && h.dateLayout == "" {
				h.dateLayout = layout
			} else if !v.DateOnly && h.timeLayout == "" {
				h.timeLayout = layout
			}
		}
	}
	for i := range n.pairs {
		p := &n.pairs[i]
		if p.val.kind == scalar && !p.complex && p.val.start > p.key.end && p.val.end > p.val.from && p.val.hang > 0 && !n.flow {
			if gap := h.src[p.key.end:p.val.start]; bytes.IndexByte(gap, '\n') < 0 {
				h.colons[string(gap)]++
			}
		}
		if p.val.kind != scalar && !p.val.flow && !n.flow && len(p.val.items)+len(p.val.pairs) > 0 && !p.val.table {
			step := h.column(p.val.from) - h.column(p.start)
			if p.val.kind == list && h.listIndent < 0 {
				h.listIndent = step
			} else if p.val.kind == mapping && h.mapIndent < 0 {
				h.mapIndent = step
			}
		}
		h.read(p.val)
	}
	for _, item := range n.items {
		h.read(item)
	}
}

// keyText writes a key.
func (p *planner) keyText(name string, like style) string {
	switch p.format {
	case JSON:
		return string(appendJSONString(nil, name))
	case TOML:
		return tomlKey(name)
	}
	if like == literal || like == folded {
		like = plain
	}
	return inline(name, like, p.habits().quote, true)
}

// colon is what stands between the key and the value of a new member of n.
func (p *planner) colon(n *node) string {
	for i := len(n.pairs) - 1; p.format != YAML && i >= 0; i-- {
		if pr := &n.pairs[i]; !pr.val.table && bytes.IndexByte(p.src[pr.key.end:pr.val.from], '\n') < 0 {
			return string(p.src[pr.key.end:pr.val.from])
		}
	}
	if p.format == TOML {
		return " = "
	}
	return ": "
}

// pairText is the lines of a new member.
func (p *planner) pairText(name string, it *intent, indent int, in *node) (string, error) {
	if p.format == TOML {
		text, err := p.tomlText(it, plain)
		return strings.Repeat(" ", indent) + tomlKey(name) + p.colon(in) + text + p.eol, err
	}
	key := strings.Repeat(" ", indent) + p.keyText(name, plain)
	before, _, _ := strings.Cut(p.habits().colon, ":")
	v := it.result()
	if v == nil {
		return key + before + ":" + p.eol, nil
	}
	if lines, ok := p.block(it, indent, true); ok {
		return key + before + ":" + p.eol + lines, nil
	}
	if s, ok := v.(string); ok && p.asBlock(s) {
		header, body := literalBlock(s, indent+2, p.eol)
		return key + p.habits().colon + header + p.eol + body + p.eol, nil
	}
	text, err := p.inlineText(it, plain, false)
	return key + p.habits().colon + text + p.eol, err
}

// asBlock says whether a string is written as a literal block.
func (p *planner) asBlock(s string) bool { return !p.oneLine && multiline(s) && blockable(s) }

// block is the lines of a collection below its key, or of a mapping behind a
// dash at indent.
func (p *planner) block(it *intent, indent int, member bool) (string, bool) {
	var b strings.Builder
	switch v := it.result().(type) {
	case *Object:
		if v.Len() == 0 {
			return "", false
		}
		if indent += 2; member {
			indent += p.habits().mapIndent - 2
		}
		for _, m := range v.Members {
			text, err := p.pairText(m.Key, fresh(m.Value), indent, nil)
			if err != nil {
				return "", false
			}
			b.WriteString(text)
		}
	case []Value:
		if len(v) == 0 || !member {
			return "", false
		}
		for _, item := range v {
			text, err := p.itemLines(fresh(item), plain, indent+p.habits().listIndent, " ")
			if err != nil {
				return "", false
			}
			b.WriteString(text)
		}
	default:
		return "", false
	}
	return b.String(), true
}

// itemText is the lines of a new item, in the manner of the one next to it.
func (p *planner) itemText(it *intent, n *node, next, indent int) (string, error) {
	like, gap := n.items[next], " "
	if like.start > like.hang && p.blank(like.hang, like.start) && !bytes.Contains(p.src[like.hang:like.start], []byte("\n")) {
		gap = string(p.src[like.hang:like.start])
	}
	return p.itemLines(it, quotesOf(like), indent, gap)
}

func (p *planner) itemLines(it *intent, like style, indent int, gap string) (string, error) {
	lead := strings.Repeat(" ", indent) + "-"
	if lines, ok := p.block(it, indent, false); ok {
		return lead + " " + lines[indent+2:], nil
	}
	if s, ok := it.result().(string); ok && p.asBlock(s) {
		header, body := literalBlock(s, indent+2, p.eol)
		return lead + gap + header + p.eol + body + p.eol, nil
	}
	text, err := p.inlineText(it, like, false)
	return lead + gap + text + p.eol, err
}

// flowText is a value within brackets.
func (p *planner) flowText(it *intent, like style) (string, error) {
	return p.inlineText(it, like, true)
}

// inlineText is a value on one line.
func (p *planner) inlineText(it *intent, like style, flow bool) (string, error) {
	if p.format == JSON {
		return p.jsonText(it.result())
	}
	if p.format == TOML {
		return p.tomlText(it, like)
	}
	switch v := it.result().(type) {
	case nil:
		return "null", nil
	case bool:
		if v {
			return "true", nil
		}
		return "false", nil
	case Number:
		return yamlNumber(v), nil
	case Time:
		return p.timeText(it, v), nil
	case string:
		return inline(v, like, p.habits().quote, flow), nil
	case []Value:
		texts := make([]string, len(v))
		for i, item := range v {
			texts[i], _ = p.inlineText(fresh(item), plain, true)
		}
		return "[" + strings.Join(texts, ", ") + "]", nil
	case *Object:
		texts := make([]string, v.Len())
		for i := range texts {
			text, _ := p.inlineText(fresh(v.Members[i].Value), plain, true)
			texts[i] = p.keyText(v.Members[i].Key, plain) + ": " + text
		}
		return "{" + strings.Join(texts, ", ") + "}", nil
	}
	return "", p.refuse("the value is of no kind that a document holds")
}

func (p *planner) timeText(it *intent, t Time) string {
	switch {
	case it.text != "":
		return it.text
	case t.DateOnly:
		return t.in(p.habits().dateLayout, rubyLayout)
	}
	return t.in(p.habits().timeLayout, rubyLayout)
}

// longLayout is for a date-time in the place of a date.
func (p *planner) longLayout() string {
	if p.format == TOML {
		return time.RFC3339
	}
	return p.habits().timeLayout
}

// replace writes a new value in the place of a node.
func (p *planner) replace(it *intent, at place) error {
	n := at.n
	if t, ok := it.value.(Time); ok && it.text == "" && n.kind == scalar {
		if _, layout, ok := scanTime(n.text); ok && n.style == plain {
			it.text = t.in(layout, p.longLayout())
		}
	}
	if p.format != YAML {
		text, err := p.inlineText(it, n.style, true)
		p.add(n.from, n.end, text)
		return err
	}
	inlined, tail, err := p.valueText(it, at)
	if err != nil {
		return err
	}
	empty := n.from == n.end
	switch {
	case (at.flow || n.hang == 0) && empty && n.hang > 0:
		p.add(n.hang, n.end, " "+inlined)
	case at.flow || n.hang == 0:
		p.add(p.keepProperties(it, n), n.end, inlined)
	case empty:
		p.fill(n, inlined, tail)
	case p.lineStart(n.from) == p.lineStart(n.hang), n.kind == scalar && inlined != "" && tail == "":
		from := p.keepProperties(it, n)
		if inlined == "" {
			from = n.hang
		}
		p.add(from, n.end, inlined)
		if tail != "" {
			p.add(p.nextLine(n.end), p.nextLine(n.end), tail)
		}
	default:
		return p.replaceBelow(n, inlined, tail)
	}
	return nil
}

// keepProperties is where to write a new scalar: behind an anchor, or a tag
// that says string where it is one.
func (p *planner) keepProperties(it *intent, n *node) int {
	_, isString := it.result().(string)
	anchored := n.anchor != "" && !n.tagged && it.kind == scalar && it.result() != nil
	if n.kind == scalar && (anchored || n.tagged && n.anchor == "" && n.tag == "!!str" && isString) {
		return n.from
	}
	return n.start
}

// fill writes a value where there was none.
func (p *planner) fill(n *node, inlined, tail string) {
	to := n.hang
	if n.start < n.from { // an anchor or a tag without a value
		to = n.end
	}
	if end := p.lineEnd(to); p.blank(to, end) {
		to = end
	}
	if inlined != "" {
		p.add(n.hang, to, " "+inlined)
	} else if tail != "" {
		p.add(n.hang, to, "")
	}
	if tail != "" {
		p.add(p.nextLine(n.hang), p.nextLine(n.hang), tail)
	}
}

// replaceBelow replaces a value that has lines of its own below its key.
func (p *planner) replaceBelow(n *node, inlined, tail string) error {
	from := p.lineStart(n.from)
	if n.start != n.from || from < n.hang || !p.blank(from, n.from) {
		return errNarrow
	}
	if inlined != "" {
		p.add(n.hang, n.hang, " "+inlined)
	}
	p.add(from, p.nextLine(n.end), tail)
	return nil
}

// valueText is a new YAML value: what goes behind the key or the dash, and the
// lines that follow.
func (p *planner) valueText(it *intent, at place) (inlined, tail string, err error) {
	v := it.result()
	if s, ok := v.(string); ok {
		inlined, tail = p.stringText(s, at)
		return inlined, tail, nil
	}
	if v == nil && at.member && !at.flow {
		return "", "", nil
	}
	if !at.flow && at.n.hang > 0 {
		if at.member {
			if lines, ok := p.block(it, at.indent, true); ok {
				return "", lines, nil
			}
		} else if lines, ok := p.block(it, at.indent, false); ok {
			if n := at.n; n.start > n.hang && p.lineStart(n.start) == p.lineStart(n.hang) {
				lines, _ = p.block(it, p.column(n.start)-2, false)
			}
			trimmed := strings.TrimLeft(lines, " ")
			inlined, tail, _ = strings.Cut(trimmed, p.eol)
			return inlined, tail, nil
		}
	}
	inlined, err = p.inlineText(it, plain, at.flow)
	return inlined + p.headerComment(at.n), "", err
}

// headerComment is the comment behind the header of a block scalar.
func (p *planner) headerComment(n *node) string {
	if n.kind != scalar || n.style != literal && n.style != folded {
		return ""
	}
	header := p.src[n.from:p.lineEnd(n.from)]
	if i := bytes.IndexByte(header, '#'); i > 0 {
		return " " + string(bytes.TrimRight(header[i:], " \t"))
	}
	return ""
}

// stringText writes a string in the style of what it replaces.
func (p *planner) stringText(s string, at place) (inlined, tail string) {
	n := at.n
	isBlock := n.kind == scalar && (n.style == literal || n.style == folded)
	like := n.style
	if n.kind != scalar || isBlock {
		like = plain
	}
	if p.oneLine || at.flow || n.hang == 0 || !blockable(s) || !isBlock && !multiline(s) {
		return inline(s, like, p.habits().quote, at.flow) + p.headerComment(n), ""
	}
	indent := max(at.indent, 0) + 2
	if !isBlock {
		header, body := literalBlock(s, indent, p.eol)
		return header, body + p.eol
	}
	if k := p.blockScalar(n.from, p.to, at.indent).indent; k > 0 {
		indent = k
	}
	header, body := literalBlock(s, indent, p.eol)
	if n.style == folded && foldable(s) {
		old := strings.Split(string(p.src[n.from:n.end]), "\n")[1:]
		header, body = foldedBlock(s, old, indent, p.eol)
	}
	return header + p.headerComment(n) + p.eol + body, ""
}

// jsonText is a value in the JSON of a front matter, with a blank behind commas
// and colons.
func (p *planner) jsonText(v Value) (string, error) {
	var texts []string
	switch x := v.(type) {
	case []Value:
		for _, item := range x {
			text, err := p.jsonText(item)
			if err != nil {
				return "", err
			}
			texts = append(texts, text)
		}
		return "[" + strings.Join(texts, ", ") + "]", nil
	case *Object:
		for i := range x.Len() {
			text, err := p.jsonText(x.Members[i].Value)
			if err != nil {
				return "", err
			}
			texts = append(texts, string(appendJSONString(nil, x.Members[i].Key))+": "+text)
		}
		return "{" + strings.Join(texts, ", ") + "}", nil
	}
	b, err := appendJSON(nil, v)
	return string(b), err
}
