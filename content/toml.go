package content

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"cms/say"
)

// decodeTOML reads a block into the *tree. Tables become mappings, and lists of
// mappings, that are marked as such: their keys can be edited, and they can be
// removed, but not be moved or renamed.
//
// Of the library it takes the parser. That keys are defined once is for tomlTable to
// see, as the library compares each key with all others.
func decodeTOML(data []byte, into any) error {
	t := into.(*tree)
	if i := invalidUTF8(data); i >= 0 {
		return t.fail(t.from+i, say.New("not UTF-8"))
	}
	if n := tomlSigns(data); n > 2*maxValues {
		return t.beyond(t.from, say.New("the front matter has more than %d keys and values", maxValues))
	}
	b := tomlBuilder{tree: t, root: &tomlTable{how: headed, n: &node{kind: mapping, table: true}}}
	b.parser.Reset(data)
	in := b.root
	for b.parser.NextExpression() {
		x := b.parser.Expression()
		var err error
		switch x.Kind {
		case unstable.KeyValue:
			in.n.end, err = b.keyValue(in, x, 1)
		case unstable.Table, unstable.ArrayTable:
			in, err = b.header(x)
		}
		if err != nil {
			return err
		}
	}
	if err := b.parser.Error(); err != nil {
		return b.parserError(data, err)
	}
	if err := b.checkScalars(); err != nil {
		return err
	}
	t.root = b.root.n
	return b.finish(t.root, 1)
}

// tomlSigns counts the signs between values, as each of them costs the parser memory
// before anything else can count them.
func tomlSigns(data []byte) (n int) {
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case ',', '.', '=', '[', '{':
			n++
		case '#':
			_, i = lineEnd(data, i)
			i--
		case '"', '\'':
			i = tomlStringEnd(data, i) - 1
		}
	}
	return n
}

// tomlStringEnd is where the string that begins at i ends, at the end of its line if
// it is not closed there.
func tomlStringEnd(data []byte, i int) int {
	quote, closing := data[i], string(data[i])
	if long := strings.Repeat(closing, 3); bytes.HasPrefix(data[i:], []byte(long)) {
		closing = long
	}
	for i += len(closing); i < len(data); i++ {
		switch {
		case data[i] == '\\' && quote == '"':
			i++
		case data[i] == '\n' && len(closing) == 1:
			return i
		case bytes.HasPrefix(data[i:], []byte(closing)):
			return i + len(closing)
		}
	}
	return len(data)
}

// parserError gives an error of the parser its place.
func (b *tomlBuilder) parserError(data []byte, err error) error {
	at := b.from
	var e *unstable.ParserError
	if errors.As(err, &e) {
		if i := cap(data) - cap(e.Highlight); e.Highlight != nil && i >= 0 && i <= len(data) {
			at += i
		}
	}
	return b.fail(at, say.Foreign(strings.TrimPrefix(err.Error(), "toml: ")))
}

// defined is how a key of TOML came to be, which decides how it can be added to.
type defined uint8

const (
	valued defined = iota // by a value
	dotted                // before a dot, by a value
	headed                // by a header
	listed                // by a header [[so]]
)

// A tomlTable is a key that is defined, and the keys below it.
type tomlTable struct {
	n     *node // where keys go: of a list of tables, its last item
	list  *node // of tables
	how   defined
	own   bool // it has a header of its own
	below map[string]*tomlTable
}

func (t *tomlTable) put(name string, sub *tomlTable) *tomlTable {
	if t.below == nil {
		t.below = make(map[string]*tomlTable)
	}
	t.below[name] = sub
	return sub
}

// tomlBuilder makes nodes of the parser's expressions.
type tomlBuilder struct {
	*tree
	parser  unstable.Parser
	root    *tomlTable
	count   int     // of keys and values so far
	scalars []*node // other than strings
}

// another counts a key or a value.
func (b *tomlBuilder) another(at int) error {
	if b.count++; b.count > maxValues {
		return b.beyond(at, say.New("the front matter has more than %d keys and values", maxValues))
	}
	return nil
}

// checkScalars has the library read all of what are no strings, as the parser alone
// does not say whether a number or a time is one: as a list, an item a line.
func (b *tomlBuilder) checkScalars() error {
	if len(b.scalars) == 0 {
		return nil
	}
	list := []byte("x = [\n")
	for _, n := range b.scalars {
		list = append(append(list, n.text...), ",\n"...)
	}
	var valid map[string]any
	err := toml.Unmarshal(append(list, ']'), &valid)
	if err == nil {
		return nil
	}
	at := b.from
	var e *toml.DecodeError
	if errors.As(err, &e) {
		if line, column := e.Position(); line > 1 && line-2 < len(b.scalars) {
			at = b.scalars[line-2].from + column - 1
		}
	}
	return b.fail(at, say.Foreign(strings.TrimPrefix(err.Error(), "toml: ")))
}

// span is the bytes of an expression in the file.
func (b *tomlBuilder) span(x *unstable.Node) (from, to int) {
	from = b.from + int(x.Raw.Offset)
	return from, from + int(x.Raw.Length)
}

// skip passes what may stand between values.
func (b *tomlBuilder) skip(p int) int {
	for p < b.to {
		switch b.src[p] {
		case ' ', '\t', '\r', '\n', ',':
			p++
		case '#':
			_, p = lineEnd(b.src[:b.to], p)
		default:
			return p
		}
	}
	return p
}

// header opens the table that a header names.
func (b *tomlBuilder) header(x *unstable.Node) (*tomlTable, error) {
	in, end := b.root, 0
	keys := x.Key()
	for depth := 1; keys.Next(); depth++ {
		key := keys.Node()
		from, to := b.span(key)
		if depth > maxDepth {
			return nil, b.tooDeep(from)
		}
		end = to
		name := string(key.Data)
		sub, known := in.below[name]
		switch {
		case !known:
			n, err := b.table(in.n, key)
			if err != nil {
				return nil, err
			}
			sub = in.put(name, &tomlTable{n: n, how: headed})
		case !keys.IsLast() && sub.how == valued:
			return nil, b.fail(from, say.New("the key %s is defined already, as a value", name))
		}
		in = sub
		if !keys.IsLast() {
			continue
		}
		switch list := x.Kind == unstable.ArrayTable; {
		case list && (!known || sub.how == listed):
			if err := b.item(sub, to); err != nil {
				return nil, err
			}
		case list, known && (sub.how != headed || sub.own):
			return nil, b.fail(from, say.New("the key %s is defined already", name))
		}
		sub.own = true
	}
	in.n.from = text{b.src, b.from, b.to}.lineStart(end)
	in.n.end, _ = lineEnd(b.src, end)
	return in, nil
}

// item adds a table to a list of them, which is made of a new table.
func (b *tomlBuilder) item(t *tomlTable, at int) error {
	if t.list == nil {
		t.list, t.how = t.n, listed
		t.list.kind = list
	}
	t.n, t.below = &node{kind: mapping, table: true}, nil
	t.list.items = append(t.list.items, t.n)
	return b.another(at)
}

func (b *tomlBuilder) tooDeep(at int) error {
	return b.fail(at, say.New("nested deeper than %d levels", maxDepth))
}

// table adds a mapping at a key of n.
func (b *tomlBuilder) table(n *node, key *unstable.Node) (*node, error) {
	sub := &node{kind: mapping, table: true}
	p, err := b.pair(key, sub)
	if err != nil {
		return nil, err
	}
	n.pairs = append(n.pairs, p)
	return sub, b.another(p.start)
}

func (b *tomlBuilder) pair(key *unstable.Node, val *node) (pair, error) {
	from, to := b.span(key)
	name := string(key.Data)
	if len(name) > maxKey {
		return pair{}, b.beyond(from, say.New("a key of more than %d bytes", maxKey))
	}
	k := &node{start: from, from: from, end: to, text: name, value: name}
	return pair{name: name, key: k, val: val, start: from}, b.another(from)
}

// keyValue adds a key and its value to a table, and gives the offset of its end.
func (b *tomlBuilder) keyValue(in *tomlTable, x *unstable.Node, depth int) (int, error) {
	from, _ := b.span(x)
	keys := x.Key()
	keys.Next()
	key := keys.Node()
	for ; keys.Next(); depth++ {
		if depth > maxDepth {
			return 0, b.tooDeep(from)
		}
		name := string(key.Data)
		sub, known := in.below[name]
		if !known {
			n, err := b.table(in.n, key)
			if err != nil {
				return 0, err
			}
			sub = in.put(name, &tomlTable{n: n, how: dotted})
		} else if sub.how != dotted {
			return 0, b.fail(from, say.New("the key %s is defined already", name))
		}
		in, key = sub, keys.Node()
	}
	if _, known := in.below[string(key.Data)]; known {
		return 0, b.fail(from, say.New("the key %s is defined already", string(key.Data)))
	}
	p, err := b.pair(key, nil)
	if err != nil {
		return 0, err
	}
	p.start = from
	equals := p.key.end + bytes.IndexByte(b.src[p.key.end:b.to], '=') + 1
	val, err := b.value(x.Value(), b.skip(equals), depth+1)
	if err != nil {
		return 0, err
	}
	in.put(p.name, &tomlTable{how: valued})
	val.hang = equals
	p.val = val
	in.n.pairs = append(in.n.pairs, p)
	return val.end, nil
}

func (b *tomlBuilder) value(x *unstable.Node, from, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, b.tooDeep(from)
	}
	if err := b.another(from); err != nil {
		return nil, err
	}
	n := &node{start: from, from: from}
	end := from + 1
	children := x.Children()
	switch x.Kind {
	case unstable.Array:
		n.kind, n.flow = list, true
		for children.Next() {
			item, err := b.value(children.Node(), b.skip(end), depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
			end = item.end
		}
	case unstable.InlineTable:
		n.kind, n.flow = mapping, true
		in := &tomlTable{n: n}
		for children.Next() {
			var err error
			if end, err = b.keyValue(in, children.Node(), depth); err != nil {
				return nil, err
			}
		}
	default:
		_, n.end = b.span(x)
		n.text = string(b.src[n.from:n.end])
		if x.Kind != unstable.String {
			b.scalars = append(b.scalars, n)
			if len(n.text) > maxNumber {
				return nil, b.beyond(from, say.New("a number of more than %d characters", maxNumber))
			}
		}
		n.style = tomlStyle(n.text)
		n.value = tomlScalar(x, n.text)
		return n, nil
	}
	n.end = b.skip(end) + 1
	return n, nil
}

func tomlStyle(text string) style {
	switch {
	case strings.HasPrefix(text, `"""`), strings.HasPrefix(text, `'''`):
		return literal
	case text[0] == '"':
		return doubleQuoted
	case text[0] == '\'':
		return singleQuoted
	}
	return plain
}

func tomlScalar(x *unstable.Node, text string) Value {
	switch x.Kind {
	case unstable.String:
		return string(x.Data)
	case unstable.Bool:
		return text == "true"
	case unstable.Integer:
		if i, ok := new(big.Int).SetString(strings.ReplaceAll(text, "_", ""), 0); ok {
			return Number(i.String())
		}
	case unstable.Float:
		return yamlFloat(text)
	default:
		if t, _, ok := scanTime(text); ok {
			return t
		}
	}
	return text
}

// finish gives the mappings and lists their values.
func (b *tomlBuilder) finish(n *node, depth int) error {
	switch {
	case depth > maxDepth:
		return b.tooDeep(n.start)
	case n.kind == mapping:
		o := &Object{Members: make([]Member, len(n.pairs))}
		for i := range n.pairs {
			if err := b.finish(n.pairs[i].val, depth+1); err != nil {
				return err
			}
			o.Members[i] = Member{n.pairs[i].name, n.pairs[i].val.value}
		}
		n.value = o
	case n.kind == list:
		values := make([]Value, len(n.items))
		for i, item := range n.items {
			if err := b.finish(item, depth+1); err != nil {
				return err
			}
			values[i] = item.value
		}
		n.value = values
	}
	return nil
}

// tableList changes tables that are written [[so]], in their order: some may go,
// and new ones may come behind the last.
func (p *planner) tableList(it *intent, at place) error {
	n := it.was
	if _, err := p.removed(it); err != nil {
		return err
	}
	last := -1
	for i := range it.parts {
		part := &it.parts[i]
		switch {
		case part.at > last:
			last = part.at
			if err := p.descend(i, part.val, place{n: n.items[last], indent: at.indent}); err != nil {
				return err
			}
		case part.at < 0 && last == len(n.items)-1:
			text, err := p.tableText(part.val, n.items[last])
			if err != nil {
				return err
			}
			end := p.nextLine(n.items[last].tableEnd())
			p.add(end, end, text)
		default:
			return p.refuse(say.New("tables cannot be moved, nor be added but at the end; edit the source"))
		}
	}
	return nil
}

// tableText is the lines of a new table behind another one of its list.
func (p *planner) tableText(it *intent, behind *node) (string, error) {
	if it.kind != mapping {
		return "", p.refuse(say.New("a list of tables has no values of other kinds; edit the source"))
	}
	it.open()
	var b strings.Builder
	if line := p.lineStart(behind.from); line > p.from && p.blank(p.lineStart(line-1), line) {
		b.WriteString(p.eol)
	}
	header := p.src[behind.from:p.lineEnd(behind.from)]
	b.Write(header[:bytes.LastIndexByte(header, ']')+1])
	b.WriteString(p.eol)
	for i := range it.parts {
		text, err := p.pairText(it, i, 0, behind)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// tableEnd is the end of the last value in a table, and in the tables below it.
func (n *node) tableEnd() int {
	end := n.end
	for i := range n.pairs {
		end = max(end, n.pairs[i].val.tableEnd())
	}
	for _, item := range n.items {
		end = max(end, item.tableEnd())
	}
	return end
}

// removeTable takes the lines of a table away, and of the tables below it.
func (p *planner) removeTable(n *node) error {
	headed := n.end > 0
	if headed {
		p.add(n.from, p.nextLine(n.end), "")
	}
	for i := range n.pairs {
		switch pr := &n.pairs[i]; {
		case pr.val.table && (pr.val.end > 0 || !headed || pr.val.kind == list):
			if err := p.removeTable(pr.val); err != nil {
				return err
			}
		case !headed:
			p.add(p.lineStart(pr.start), p.nextLine(pr.end()), "")
		}
	}
	for _, item := range n.items {
		if err := p.removeTable(item); err != nil {
			return err
		}
	}
	return nil
}

// dottedKey finds, in a table without a header, the last value and what stands
// before its key: the path of the table.
func (p *planner) dottedKey(n *node) (prefix string, end int, ok bool) {
	for i := range n.pairs {
		if pr := &n.pairs[len(n.pairs)-1-i]; !pr.val.table {
			return string(p.src[pr.start:pr.key.from]), p.nextLine(pr.end()), true
		}
	}
	return "", 0, false
}

// isLocalTime says whether s is a time of day, which is a string in JSON.
func isLocalTime(s string) bool {
	_, err := time.Parse("15:04:05", s) // takes fractions of a second too
	return err == nil && len(s) >= len("15:04:05")
}

// newKey is where a new key of a table with a header, or of the root, goes:
// behind the member last, or behind the last line that has no header of its own.
func (p *planner) newKey(n *node, last int) int {
	switch {
	case last >= 0 && !n.pairs[last].val.table && last+1 < len(n.pairs):
		return p.nextLine(n.pairs[last].end())
	case n.end > 0:
		return p.nextLine(n.end)
	}
	return p.from
}

func tomlKey(name string) string {
	const bare = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	if name != "" && strings.Trim(name, bare) == "" {
		return name
	}
	return tomlString(name, plain, "\n")
}

func tomlString(s string, like style, eol string) string {
	switch {
	case like == singleQuoted && allPrintable(s) && !strings.ContainsAny(s, "'\t"):
		return "'" + s + "'"
	case like == literal && eol == "\n" && multiline(s) && allPrintable(strings.ReplaceAll(s, "\n", "")) && !strings.ContainsAny(s, "\"\\"):
		return "\"\"\"\n" + s + `"""` // in other line endings it would be another text
	}
	b := []byte{'"'}
	for _, r := range s {
		switch {
		case escape(r) != "":
			b = append(b, escape(r)...)
		case !printable(r) && r <= 0xffff:
			b = fmt.Appendf(b, `\u%04X`, r)
		case !printable(r):
			b = fmt.Appendf(b, `\U%08X`, r)
		default:
			b = append(b, string(r)...)
		}
	}
	return string(append(b, '"'))
}
