package content

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"cms/say"
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
		part := &it.parts[i]
		if part.val == nil {
			continue
		}
		if rewritten := part.val.was == nil || part.val.copied; rewritten && part.at >= 0 {
			h.replaced[it.old(i)] = true
		} else if !rewritten {
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

func quotesOf(n *node) style {
	if n.kind == scalar && (n.style == singleQuoted || n.style == doubleQuoted) {
		return n.style
	}
	return plain
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

// pairText is the lines of the i-th part of a mapping that is written at
// indent, into the mapping in if that has lines already.
func (p *planner) pairText(of *intent, i, indent int, in *node) (string, error) {
	it := of.written(i)
	key, err := p.partKey(of, i, false)
	if err != nil {
		return "", err
	}
	key = strings.Repeat(" ", indent) + key
	if p.format == TOML {
		text, err := p.inlineText(it, plain, false)
		return key + p.colon(in) + text + p.eol, err
	}
	before, _, _ := strings.Cut(p.habits().colon, ":")
	if it.isNull() {
		return key + before + ":" + p.eol, nil
	}
	if lines, ok, err := p.block(it, indent, true); ok || err != nil {
		return key + before + ":" + p.eol + lines, err
	}
	if s, ok := p.asBlock(it); ok {
		header, body := literalBlock(s, indent+2, p.eol)
		return key + p.habits().colon + header + p.eol + body + p.eol, nil
	}
	text, err := p.inlineText(it, plain, false)
	return key + p.habits().colon + text + p.eol, err
}

// partKey is the key of the i-th part of a mapping.
func (p *planner) partKey(of *intent, i int, flow bool) (string, error) {
	part := &of.parts[i]
	switch {
	case part.at < 0:
		return p.keyText(part.name, plain), nil
	case of.was.pairs[part.at].complex:
		return "", p.uncopied(of.was.pairs[part.at].key, say.New("the key is not written as %q", "key:"))
	case part.renamed:
		return p.keyText(part.name, of.was.pairs[part.at].key.style), nil
	}
	return p.copyText(of.was.pairs[part.at].key, flow)
}

// asBlock is a string that is written as a literal block.
func (p *planner) asBlock(it *intent) (string, bool) {
	if it.kind != scalar {
		return "", false
	}
	s, ok := it.result().(string)
	return s, ok && !p.oneLine && multiline(s) && blockable(s) && (it.was == nil || !it.was.tagged)
}

// block is the lines of a collection below its key, or of a mapping behind a
// dash at indent.
func (p *planner) block(it *intent, indent int, member bool) (lines string, ok bool, err error) {
	if it.kind != mapping && (it.kind != list || !member) || it.copied && it.was.flow {
		return "", false, nil
	}
	it.open()
	if len(it.parts) == 0 {
		return "", false, nil
	}
	if it.was != nil && it.was.tagged {
		return "", false, p.uncopied(it.was, say.New("a value with a tag"))
	}
	step := 2
	switch {
	case it.kind == list:
		step = p.habits().listIndent
	case member:
		step = p.habits().mapIndent
	}
	var b strings.Builder
	for i := range it.parts {
		var text string
		if it.kind == mapping {
			text, err = p.pairText(it, i, indent+step, nil)
		} else {
			text, err = p.itemLines(it.written(i), plain, indent+step, " ")
		}
		if err != nil {
			return "", false, err
		}
		b.WriteString(text)
	}
	return b.String(), true, nil
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
	if lines, ok, err := p.block(it, indent, false); ok || err != nil {
		return lead + " " + strings.TrimPrefix(lines, strings.Repeat(" ", indent+2)), err
	}
	if s, ok := p.asBlock(it); ok {
		header, body := literalBlock(s, indent+2, p.eol)
		return lead + gap + header + p.eol + body + p.eol, nil
	}
	text, err := p.inlineText(it, like, false)
	return lead + gap + text + p.eol, err
}

// inlineText is a value on one line.
func (p *planner) inlineText(it *intent, like style, flow bool) (string, error) {
	switch {
	case it.kind == alias, it.kind == scalar && it.copied && it.was.value != nil:
		return p.copyText(it.was, flow)
	case it.kind == scalar:
		return p.scalarText(it, like, flow)
	}
	it.open()
	if it.was != nil && it.was.tagged {
		return "", p.uncopied(it.was, say.New("a value with a tag"))
	}
	texts := make([]string, len(it.parts))
	for i := range texts {
		text, err := p.inlineText(it.written(i), plain, true)
		if err != nil {
			return "", err
		}
		if it.kind == mapping {
			key, err := p.partKey(it, i, true)
			if err != nil {
				return "", err
			}
			text = key + p.inlineColon() + text
		}
		texts[i] = text
	}
	if it.kind == list {
		return "[" + strings.Join(texts, ", ") + "]", nil
	}
	return "{" + strings.Join(texts, ", ") + "}", nil
}

func (p *planner) inlineColon() string {
	if p.format == TOML {
		return " = "
	}
	return ": "
}

// scalarText is a new scalar on one line.
func (p *planner) scalarText(it *intent, like style, flow bool) (string, error) {
	v := it.result()
	switch x := v.(type) {
	case nil:
		if p.format == TOML {
			return "", p.refuse(say.New("TOML has no null; remove the key"))
		}
		return "null", nil
	case bool:
		return strconv.FormatBool(x), nil
	case Number:
		if p.format == YAML {
			return yamlNumber(x), nil
		}
		return string(x), nil
	case Time:
		return p.timeText(it, x), nil
	case string:
		switch p.format {
		case JSON:
			return string(appendJSONString(nil, x)), nil
		case TOML:
			return tomlString(x, like, p.eol), nil
		}
		return inline(x, like, p.habits().quote, flow), nil
	}
	return "", p.refuse(say.New("the value is of no kind that a document holds"))
}

// copyText is the text of a scalar or an alias, for another place: as it is
// written where that says the same on one line there.
func (p *planner) copyText(n *node, flow bool) (string, error) {
	text := string(p.src[n.from:n.end])
	switch {
	case p.format != YAML && strings.Contains(text, "\n"):
		return "", p.uncopied(n, say.New("a text of several lines"))
	case p.format != YAML || n.kind == alias:
		return text, nil
	case n.style == literal, n.style == folded, strings.ContainsAny(text, "\n\r\u0085\u2028\u2029"),
		flow && n.style == plain && strings.ContainsAny(text, ",[]{}"):
		if n.style == plain && looksTyped(n.text) {
			return "", p.uncopied(n, say.New("a plain value like this"))
		}
		text = inline(n.text, plain, p.habits().quote, flow)
	}
	for _, property := range strings.Fields(string(p.src[n.start:n.from])) {
		if property[0] == '!' {
			return strings.TrimRight(property+" "+text, " "), nil
		}
	}
	return text, nil
}

// uncopied refuses to write n again in another place.
func (p *planner) uncopied(n *node, what say.Text) error {
	line, column := position(p.src, n.start)
	return &EditError{Kind: KindRefused, Path: slices.Clone(p.path), Line: line, Column: column,
		Detail: say.New("%s would have to be rewritten, and cannot be copied faithfully; edit the source", what)}
}

func (p *planner) timeText(it *intent, t Time) string {
	switch {
	case it.text != "":
		return it.text
	case p.format == JSON:
		return `"` + t.String() + `"`
	case p.format == TOML:
		return t.String()
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
	if s, ok := it.value.(string); ok && p.format == TOML && n.style == plain && isLocalTime(n.text) && isLocalTime(s) {
		p.add(n.from, n.end, s)
		return nil
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

// keepProperties is where to write a new scalar: behind the anchor and the tag of
// the one it replaces, if that tag fits it.
func (p *planner) keepProperties(it *intent, n *node) int {
	if v := it.result(); n.kind == scalar && it.kind == scalar && v != nil && (!n.tagged || fitsTag(n.tag, v)) {
		return n.from
	}
	return n.start
}

// fitsTag says whether v is what an explicit tag says of a value.
func fitsTag(tag string, v Value) bool {
	switch x := v.(type) {
	case string:
		return tag == "!!str"
	case Number:
		return tag == "!!float" || tag == "!!int" && isInteger(string(x))
	case bool:
		return tag == "!!bool"
	case Time:
		return tag == "!!timestamp"
	}
	return false
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

// replaceBelow replaces a value that has lines of its own below its key, with
// the anchor and the tag that it may have behind the key.
func (p *planner) replaceBelow(n *node, inlined, tail string) error {
	from := p.lineStart(n.from)
	to := p.propertiesEnd(n)
	switch {
	case from < n.hang || !p.blank(from, n.from):
		return p.tooNarrow(n, say.New("what stands before the value on its line"))
	case to > from || p.lineStart(n.hang) != p.lineStart(to):
		return p.tooNarrow(n, say.New("the anchor or the tag of the value"))
	}
	if inlined != "" {
		inlined = " " + inlined
	}
	p.add(n.hang, to, inlined)
	p.add(from, p.nextLine(n.end), tail)
	return nil
}

// propertiesEnd is the end of the anchor and the tag of n, where its key ends
// if there are none.
func (p *planner) propertiesEnd(n *node) int {
	end := n.hang
	for at := n.start; at < n.from && (p.src[at] == '&' || p.src[at] == '!'); at++ {
		for at < n.from && !p.blank(at, at+1) {
			at++
		}
		end = at
	}
	return end
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
		indent := at.indent
		if n := at.n; !at.member && n.start > n.hang && p.lineStart(n.start) == p.lineStart(n.hang) {
			indent = p.column(n.start) - 2
		}
		lines, ok, err := p.block(it, indent, at.member)
		if err != nil || ok && at.member {
			return "", lines, err
		}
		if ok {
			inlined, tail, _ = strings.Cut(strings.TrimLeft(lines, " "), p.eol)
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
