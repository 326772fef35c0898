package content

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// decodeTOML reads a block into the *tree. Tables become mappings, and lists of
// mappings, that are marked as such: their keys can be edited, they themselves
// cannot be moved, removed or renamed.
func decodeTOML(data []byte, into any) error {
	t := into.(*tree)
	if i := invalidUTF8(data); i >= 0 {
		return t.fail(t.from+i, "not UTF-8")
	}
	var valid map[string]any
	if err := toml.Unmarshal(data, &valid); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, column := at.Position()
			return t.fail(newLineIndex(t.src, t.from, t.to).offset(line, column), strings.TrimPrefix(at.Error(), "toml: "))
		}
		return t.fail(t.from, strings.TrimPrefix(err.Error(), "toml: "))
	}
	b := tomlBuilder{tree: t, root: &node{kind: mapping, table: true}}
	b.parser.Reset(data)
	in := b.root
	for b.parser.NextExpression() {
		x := b.parser.Expression()
		switch x.Kind {
		case unstable.KeyValue:
			end, err := b.keyValue(in, x, 1)
			if err != nil {
				return err
			}
			in.end = end
		case unstable.Table, unstable.ArrayTable:
			in = b.header(x)
		}
	}
	t.root = b.root
	return b.finish(b.root, 1)
}

// tomlBuilder makes nodes of the library's expressions.
type tomlBuilder struct {
	*tree
	parser unstable.Parser
	root   *node
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
func (b *tomlBuilder) header(x *unstable.Node) *node {
	n, end := b.root, 0
	keys := x.Key()
	for keys.Next() {
		if n.kind == list {
			n = n.items[len(n.items)-1]
		}
		_, end = b.span(keys.Node())
		n = b.table(n, keys.Node())
	}
	if x.Kind == unstable.ArrayTable {
		n.kind = list
		n.items = append(n.items, &node{kind: mapping, table: true})
	}
	if n.kind == list {
		n = n.items[len(n.items)-1]
	}
	n.end, _ = lineEnd(b.src, end)
	return n
}

// table is the mapping, or the list of tables, at a key of n.
func (b *tomlBuilder) table(n *node, key *unstable.Node) *node {
	if n.kind == list {
		n = n.items[len(n.items)-1]
	}
	if i, _ := n.find(string(key.Data)); i >= 0 {
		return n.pairs[i].val
	}
	sub := &node{kind: mapping, table: true}
	n.pairs = append(n.pairs, b.pair(key, sub))
	return sub
}

func (b *tomlBuilder) pair(key *unstable.Node, val *node) pair {
	from, to := b.span(key)
	name := string(key.Data)
	k := &node{start: from, from: from, end: to, text: name, value: name}
	return pair{name: name, key: k, val: val, start: from}
}

// keyValue adds a key and its value to n, and gives the offset of its end.
func (b *tomlBuilder) keyValue(n *node, x *unstable.Node, depth int) (int, error) {
	from, _ := b.span(x)
	keys := x.Key()
	keys.Next()
	key := keys.Node()
	for keys.Next() {
		n = b.table(n, key)
		key = keys.Node()
	}
	p := b.pair(key, nil)
	p.start = from
	equals := p.key.end + bytes.IndexByte(b.src[p.key.end:b.to], '=') + 1
	val, err := b.value(x.Value(), b.skip(equals), depth+1)
	if err != nil {
		return 0, err
	}
	val.hang = equals
	p.val = val
	n.pairs = append(n.pairs, p)
	return val.end, nil
}

func (b *tomlBuilder) value(x *unstable.Node, from, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, b.fail(from, fmt.Sprintf("nested deeper than %d levels", maxDepth))
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
		for children.Next() {
			var err error
			if end, err = b.keyValue(n, children.Node(), depth); err != nil {
				return nil, err
			}
		}
	default:
		_, n.end = b.span(x)
		n.text = string(b.src[n.from:n.end])
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
		return b.fail(n.start, fmt.Sprintf("nested deeper than %d levels", maxDepth))
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

// tableList changes tables that are written [[so]], each in its place.
func (p *planner) tableList(it *intent, at place) error {
	const refusal = "tables cannot be added, removed or moved here; edit the source"
	if len(it.parts) != len(it.was.items) {
		return p.refuse(refusal)
	}
	for i := range it.parts {
		if it.parts[i].at != i {
			return p.refuse(refusal)
		}
		if err := p.descend(i, it.parts[i].val, place{n: it.was.items[i], indent: at.indent}); err != nil {
			return err
		}
	}
	return nil
}

// tableEnd is where a new key of a table goes: behind the member last, or
// behind the last line that has no header of its own.
func (p *planner) tableEnd(n *node, last int, root bool) (int, error) {
	switch {
	case last >= 0 && !n.pairs[last].val.table && last+1 < len(n.pairs):
		return p.nextLine(n.pairs[last].end()), nil
	case n.end > 0:
		return p.nextLine(n.end), nil
	case root:
		return p.from, nil
	}
	return 0, p.refuse("the table has no header of its own to write a key under; edit the source")
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
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\r':
			b = append(b, `\r`...)
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
