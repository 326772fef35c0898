package content

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"unique"

	"go.yaml.in/yaml/v3"
	yaml4 "go.yaml.in/yaml/v4"

	"cms/say"
)

// The aliases of a front matter may stand for so many nodes, and for so many
// bytes or four times those of the block, so that a few lines cannot mean a
// billion values or a gigabyte.
const (
	maxAliasedNodes = 10_000
	maxAliasedBytes = 1 << 20
)

// extent is how much a node says, with all that is in it, an alias as often as
// it is used.
type extent struct{ nodes, bytes int }

var errSecondDocument = say.Error(say.New("a second YAML document in the front matter"))

// decodeYAML reads a block into the *tree, without the offsets of its nodes.
func decodeYAML(data []byte, into any) error {
	t := into.(*tree)
	if i := invalidUTF8(data); i >= 0 {
		return t.fail(t.from+i, say.New("not UTF-8"))
	}
	if err := t.fitsYAML(data); err != nil {
		return err
	}
	if i := documentMarker(data); i >= 0 {
		return t.fail(t.from+i, say.New("a second YAML document begins or ends inside the front matter"))
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	err := dec.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if err = dec.Decode(&second); err == nil {
			err = errSecondDocument
		}
	}
	if !errors.Is(err, io.EOF) {
		return t.yamlError(err)
	}
	if len(document.Content) == 0 {
		return nil
	}
	b := yamlBuilder{tree: t}
	root, err := b.node(document.Content[0])
	if err != nil {
		return err
	}
	if root.kind != scalar || root.text != "" || root.style != plain || root.tagged || root.anchor != "" {
		t.root = root
	}
	return nil
}

// fitsYAML refuses what would cost the library too much. It reads all of a document
// before anything can count its nodes, so the signs that begin one are counted first,
// also those that stand in a text: only a reader of YAML could tell them apart.
func (t *tree) fitsYAML(data []byte) error {
	signs, directives := 0, 0
	if len(data) <= maxValues && bytes.Count(data, []byte("%")) <= maxDirectives {
		return nil // as nearly always
	}
	for i, c := range data {
		switch c {
		case ',', '[', '{':
			signs++
		case ':', '-', '?':
			if i+1 == len(data) || isBlank(data[i+1]) || lineBreak(data, i+1, len(data)) > 0 ||
				flowIndicator(data[i+1]) || i > 0 && (data[i-1] == '"' || data[i-1] == '\'') {
				signs++
			}
		case '%':
			if i == 0 || data[i-1] == '\n' || data[i-1] == '\r' {
				directives++
			}
		}
		switch {
		case signs > maxValues:
			return t.beyond(t.from, say.New("the front matter has more than %d signs that could begin a value", maxValues))
		case directives > maxDirectives:
			return t.beyond(t.from+i, say.New("more than %d lines that begin with %%", maxDirectives))
		}
	}
	return nil
}

// documentMarker is the offset of a marker that begins or ends a YAML document
// (YAML 1.1, 9.2 and 9.3) without being a delimiter of the front matter, -1 if
// there is none: at the beginning of a line, before a blank or a line break of
// which files know none.
func documentMarker(data []byte) int {
	for i := 0; i < len(data); {
		if rest := data[i:]; bytes.HasPrefix(rest, []byte("---")) || bytes.HasPrefix(rest, []byte("...")) {
			if rest = rest[3:]; len(rest) == 0 || isBlank(rest[0]) || lineBreak(rest, 0, len(rest)) > 0 {
				return i
			}
		}
		for i < len(data) && lineBreak(data, i, len(data)) == 0 {
			i++
		}
		i += lineBreak(data, i, len(data))
	}
	return -1
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func (t *tree) fail(at int, detail say.Text) error {
	line, column := position(t.src, at)
	return &SyntaxError{Line: line, Column: column, Detail: detail}
}

// yamlError gives err the line and column that the next major version of the
// library knows, as this one tells neither the column nor every line.
func (t *tree) yamlError(err error) error {
	detail := strings.TrimPrefix(err.Error(), "yaml: ")
	lines := t.lineIndex()
	var document yaml4.Node
	dec := yaml4.NewDecoder(bytes.NewReader(t.src[t.from:t.to]))
	err4 := dec.Decode(&document)
	if err4 == nil {
		err4 = dec.Decode(&document)
	}
	var at *yaml4.LoadError
	if errors.As(err4, &at) && at.Mark.Line > 0 {
		if detail = at.Message; at.ContextMsg != "" {
			detail = at.ContextMsg + ": " + detail
		}
		return t.fail(lines.offset(at.Mark.Line, at.Mark.Column), say.Foreign(detail))
	}
	var line int
	if _, err := fmt.Sscanf(detail, "line %d:", &line); err == nil {
		_, detail, _ = strings.Cut(detail, ": ")
	}
	said := say.Foreign(detail)
	if errors.Is(err, errSecondDocument) {
		said = say.Of(err)
	}
	fileLine, _ := position(t.src, lines.offset(max(line, 1), 1))
	return &SyntaxError{Line: fileLine, Detail: said}
}

// offset is where n begins.
func (t *tree) offset(n *node) int {
	if n.line == 0 {
		return n.start
	}
	return t.lineIndex().offset(n.line, n.column)
}

// lineIndex is made when it is first asked for.
func (t *tree) lineIndex() *lineIndex {
	if t.lines == nil {
		t.lines = newLineIndex(t.src, t.from, t.to)
	}
	return t.lines
}

func (e extent) plus(f extent) extent { return extent{e.nodes + f.nodes, e.bytes + f.bytes} }

// yamlBuilder makes our nodes of the library's.
type yamlBuilder struct {
	*tree
	room    []node // nodes are allocated together
	anchors map[*yaml.Node]*node
	sizes   map[*node]extent // of the anchored nodes that are complete
	size    extent           // so far
	aliased extent
	depth   int
	count   int // of keys and values so far, each once
}

func (b *yamlBuilder) alloc() *node {
	if len(b.room) == 0 {
		b.room = make([]node, 32)
	}
	n := &b.room[0]
	b.room = b.room[1:]
	return n
}

func (b *yamlBuilder) node(y *yaml.Node) (*node, error) {
	n := b.alloc()
	n.line, n.column, n.tag, n.text, n.anchor = y.Line, y.Column, y.ShortTag(), y.Value, y.Anchor
	n.flow, n.tagged = y.Style&yaml.FlowStyle != 0, y.Style&yaml.TaggedStyle != 0
	before := b.size
	b.size.nodes++
	b.size.bytes += len(n.text)
	if b.count++; b.count > maxValues {
		return nil, b.beyond(b.offset(n), say.New("the front matter has more than %d keys and values", maxValues))
	}
	if len(n.text) > maxNumber && y.Kind == yaml.ScalarNode && (n.tag == "!!int" || n.tag == "!!float" || float11.MatchString(n.text) || integer11.MatchString(n.text)) {
		return nil, b.beyond(b.offset(n), say.New("a number of more than %d characters", maxNumber))
	}
	if b.depth++; b.depth > maxDepth {
		return nil, b.fail(b.offset(n), say.New("nested deeper than %d levels", maxDepth))
	}
	if y.Anchor != "" {
		if b.anchors == nil {
			b.anchors, b.sizes = make(map[*yaml.Node]*node), make(map[*node]extent)
		}
		b.anchors[y] = n
	}
	var err error
	switch y.Kind {
	case yaml.AliasNode:
		err = b.alias(n, y)
	case yaml.SequenceNode:
		err = b.list(n, y)
	case yaml.MappingNode:
		err = b.mapping(n, y)
	default:
		n.style = styleOf(y.Style)
		if n.style == plain && !n.tagged && n.tag != "!!merge" {
			n.value = b.version.read(n.text)
			n.tag = tagOf(n.value, n.tag)
			b.note(n)
		} else {
			n.value = n.yamlScalar()
		}
	}
	if y.Anchor != "" {
		b.sizes[n] = extent{b.size.nodes - before.nodes, b.size.bytes - before.bytes}
	}
	b.depth--
	return n, err
}

// note keeps a value that readers disagree about, if there are not too many.
func (b *yamlBuilder) note(n *node) {
	if len(b.ambiguous) < maxListed && contested(n.text) {
		b.ambiguous = append(b.ambiguous, n)
	}
}

func styleOf(s yaml.Style) style {
	switch {
	case s&yaml.DoubleQuotedStyle != 0:
		return doubleQuoted
	case s&yaml.SingleQuotedStyle != 0:
		return singleQuoted
	case s&yaml.LiteralStyle != 0:
		return literal
	case s&yaml.FoldedStyle != 0:
		return folded
	}
	return plain
}

func (b *yamlBuilder) alias(n *node, y *yaml.Node) error {
	n.kind, n.tag = alias, ""
	n.target = b.anchors[y.Alias]
	size, complete := b.sizes[n.target]
	if !complete {
		return b.fail(b.offset(n), say.New("the anchor &%s contains itself", y.Value))
	}
	b.size = b.size.plus(size)
	b.aliased = b.aliased.plus(size)
	if b.aliased.nodes > maxAliasedNodes {
		return b.fail(b.offset(n), say.New("the aliases stand for more than %d values", maxAliasedNodes))
	}
	if most := max(maxAliasedBytes, 4*(b.to-b.from)); b.aliased.bytes > most {
		return b.fail(b.offset(n), say.New("the aliases stand for more than %d bytes", most))
	}
	if !n.target.shared {
		n.target.shared = true
		b.shared = append(b.shared, n.target)
	}
	n.value = n.target.value
	return nil
}

func (b *yamlBuilder) list(n *node, y *yaml.Node) error {
	n.kind = list
	n.items = make([]*node, len(y.Content))
	values := make([]Value, len(y.Content))
	for i, c := range y.Content {
		item, err := b.node(c)
		if err != nil {
			return err
		}
		n.items[i], values[i] = item, item.value
	}
	n.value = values
	return nil
}

func (b *yamlBuilder) mapping(n *node, y *yaml.Node) error {
	n.kind = mapping
	count := len(y.Content) / 2
	n.pairs = make([]pair, count)
	o := &Object{Members: make([]Member, 0, count)}
	n.value = o
	at := memberIndex{o: o}
	merges := false
	for i := range n.pairs {
		key, err := b.node(y.Content[2*i])
		if err != nil {
			return err
		}
		name := keyName(key)
		if len(name) > maxKey {
			return b.beyond(b.offset(key), say.New("a key of more than %d bytes", maxKey))
		}
		name = unique.Make(name).Value() // the files of a site have the same keys
		val, err := b.node(y.Content[2*i+1])
		if err != nil {
			return err
		}
		n.pairs[i] = pair{name: name, key: key, val: val}
		if key.tag == "!!merge" && mergeable(val) {
			n.pairs[i].merge, merges = true, true
			continue
		}
		if k, again := at.find(name); again {
			n.doubled = true
			b.duplicates = append(b.duplicates, key)
			o.Members[k].Value = val.value
			continue
		}
		at.add(Member{name, val.value})
	}
	if merges {
		for i := range n.pairs {
			if n.pairs[i].merge {
				at.merge(n.pairs[i].val)
			}
		}
	}
	return nil
}

// keyName is what a key is called in JSON.
func keyName(key *node) string {
	key = key.resolve()
	if key.kind == scalar {
		return key.text
	}
	b, err := appendJSON(nil, key.value)
	if err != nil {
		return ""
	}
	return string(b)
}

// mergeable says whether n can be the value of a merge key.
func mergeable(n *node) bool {
	if n = n.resolve(); n.kind == list {
		for _, item := range n.items {
			if item.resolve().kind != mapping {
				return false
			}
		}
		return true
	}
	return n.kind == mapping
}

// memberIndex fills an object and finds its members, in constant time where
// they are many.
type memberIndex struct {
	o  *Object
	at map[string]int
}

func (x *memberIndex) find(name string) (int, bool) {
	if x.at != nil {
		i, ok := x.at[name]
		return i, ok
	}
	for i := range x.o.Members {
		if x.o.Members[i].Key == name {
			return i, true
		}
	}
	return 0, false
}

func (x *memberIndex) add(m Member) {
	if x.at == nil && len(x.o.Members) == 24 {
		x.at = make(map[string]int)
		for i := range x.o.Members {
			x.at[x.o.Members[i].Key] = i
		}
	}
	if x.at != nil {
		x.at[m.Key] = len(x.o.Members)
	}
	x.o.Members = append(x.o.Members, m)
}

// merge adds what a merge key brings: what the mapping does not say itself.
func (x *memberIndex) merge(from *node) {
	if from = from.resolve(); from.kind == list {
		for _, item := range from.items {
			x.merge(item)
		}
		return
	}
	for _, m := range from.value.(*Object).Members {
		if _, own := x.find(m.Key); !own {
			x.add(m)
		}
	}
}

// yamlScalar is the value of a scalar that has quotes or a tag. What JSON has no form
// for, as .inf or !!binary, is the string that is written.
func (n *node) yamlScalar() Value {
	switch n.tag {
	case "!!null":
		return nil
	case "!!bool":
		switch n.text {
		case "true", "True", "TRUE":
			return true
		case "false", "False", "FALSE":
			return false
		}
	case "!!int":
		if plainInteger(n.text) {
			return Number(n.text)
		}
		if i, ok := new(big.Int).SetString(strings.ReplaceAll(n.text, "_", ""), 0); ok {
			return Number(i.String())
		}
	case "!!float":
		return yamlFloat(n.text)
	case "!!timestamp":
		if t, _, ok := scanTime(n.text); ok {
			return t
		}
	}
	return n.text
}

// plainInteger says whether s is a decimal integer as JSON writes it.
func plainInteger(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return digits == "0" || digits != "" && digits[0] != '0' && strings.Trim(digits, "0123456789") == ""
}

func yamlFloat(text string) Value {
	if number(text) {
		return Number(text)
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	if err != nil || f-f != 0 { // infinite, or not a number
		return strings.ToLower(strings.TrimPrefix(text, "+"))
	}
	b := strconv.AppendFloat(nil, f, 'g', -1, 64)
	return Number(b)
}
