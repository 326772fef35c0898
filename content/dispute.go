package content

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"

	"cms/say"
)

// A site is built by other readers than this one: Jekyll's are Psych and, on
// older hosts, SafeYAML. Where rights depend on what a field holds, it must hold
// the same for all of them. What is written as before is read as before, whoever
// reads; and what readers disagree on is no way to write anything new.

// RuleDisputed is that of what some readers of front matter take for something
// else than others do.
const RuleDisputed = "disputed"

// Respelled names what after writes otherwise than before, whether the values are
// [Equal] or not, of the fields that are guarded and of the keys by which some
// readers bring more fields in: another style, another tag, an alias, another
// order. Without a before it names the guarded fields that after does not write
// in a way that every reader reads alike.
func Respelled(before, after *Document, guarded func(field string) bool) []string {
	if before == nil {
		return respelled(nil, after.pairs(), guarded)
	}
	return respelled(before.pairs(), after.pairs(), guarded)
}

// respelled is Respelled of the pairs of a mapping; nil is of one that was not.
func respelled(was, is []pair, guarded func(string) bool) []string {
	var names []string
	seen := make(map[string]bool)
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	if was == nil {
		for _, p := range is {
			if guarded(p.name) && !p.agreed() {
				add(p.name)
			}
		}
		return names
	}
	before, after := decisive(was, guarded), decisive(is, guarded)
	same := 0
	for same < min(len(before), len(after)) && before[same] == after[same] {
		same++
	}
	for _, p := range slices.Concat(before[same:], after[same:]) {
		add(p.name)
	}
	return names
}

// CheckSpelling says which fields that are read-only an edit writes otherwise
// than before, as [Respelled] does. Their values are held by [Schema.CheckWrite].
func (s *Schema) CheckSpelling(before, after *Document) []Problem {
	var v validator
	was := []pair(nil)
	if before != nil {
		was = before.pairs()
	}
	v.spelling(s.Fields, was, after.pairs())
	return v.problems
}

func (v *validator) spelling(fields []Field, was, is []pair) {
	readOnly := func(name string) bool {
		return slices.ContainsFunc(fields, func(f Field) bool { return f.ReadOnly && f.Name == name })
	}
	if slices.ContainsFunc(fields, func(f Field) bool { return f.ReadOnly }) {
		for _, name := range respelled(was, is, readOnly) {
			v.within(name, func() {
				v.problem("read_only", say.New("must stay as it is written: some readers of front matter would read it, or a field that is not for editing, differently"))
			})
		}
	}
	for _, f := range fields {
		if f.Type == TypeObject && !f.ReadOnly {
			v.within(f.Name, func() { v.spelling(f.Fields, pairsIn(was, f.Name), pairsIn(is, f.Name)) })
		}
	}
}

// pairsIn are the pairs of the mapping called name among pairs, nil if there is none.
func pairsIn(pairs []pair, name string) []pair {
	n := node{pairs: pairs}
	i, _ := n.find(name)
	if i < 0 {
		return nil
	}
	return n.pairs[i].val.resolve().pairs
}

// Disputed is what after brings, in comparison with before, that not all readers
// of front matter take for the same: another format or other delimiters; keys
// that are tagged, aliases, or merge keys to some; tags, anchors, directives and
// the symbols of Ruby. A nil before is an empty file. The first ones are told.
func Disputed(before, after *Document) []Problem {
	told := Findings{rule: RuleDisputed}
	report := func(at int, detail say.Text) {
		if told.Full() {
			told.more++
			return
		}
		line, column := position(after.src, at)
		told.Add(Problem{Rule: RuleDisputed, Detail: detail, Line: line, Column: column})
	}
	same := spellings{numbers: make(map[string]int), nodes: make(map[*node]int)}
	was, is := frame{agreed: true}, after.frame()
	known := make(map[string]bool)
	if before != nil {
		was = before.frame()
		before.oddities(same, func(_ int, spelling string, _ say.Text) { known[spelling] = true })
	}
	if is != was && (was.format != None || !is.agreed) {
		report(0, say.New("the front matter is not set apart as before, or not in a way that every generator knows: write it in YAML between two lines of ---"))
	}
	after.oddities(same, func(at int, spelling string, detail say.Text) {
		if !known[spelling] {
			report(at, detail)
		}
	})
	return told.Told()
}

// A frame is how the front matter is set apart from the body.
type frame struct {
	format Format
	opened string // with which delimiter
	marked bool   // a byte order mark stands before it
	agreed bool   // Jekyll takes the same for YAML, or finds no front matter either
}

func (d *Document) frame() frame {
	at := jekyllFrontMatter.FindSubmatchIndex(d.src)
	if d.block.format == None {
		return frame{agreed: at == nil}
	}
	return frame{d.block.format, d.block.decoder.Start, bytes.HasPrefix(d.src, []byte(bom)),
		d.block.format == YAML && at != nil && at[3] == d.block.to}
}

// jekyllFrontMatter is where Jekyll sees front matter: from a first line of ---
// to the next one of --- or ..., each followed by whatever is blank to Ruby. Behind
// a byte order mark it sees none.
var jekyllFrontMatter = regexp.MustCompile(`\A(---[ \t\r\n\f\v]*\n(?s:.*?)\n?)(?m:^)(?:---|\.\.\.)[ \t\r\n\f\v]*(?m:$)`)

// pairs are the keys and values of the front matter, not nil.
func (d *Document) pairs() []pair {
	if d.root == nil || d.root.pairs == nil {
		return []pair{}
	}
	return d.root.pairs
}

// spelled is a key and its value as they are written.
type spelled struct{ name, spelling string }

// decisive are the pairs that say, to one reader or another, what the guarded
// fields hold, in their order.
func decisive(pairs []pair, guarded func(string) bool) []spelled {
	var list []spelled
	for i := range pairs {
		if p := &pairs[i]; guarded(p.name) || !p.key.named() && !p.harmless(guarded) {
			list = append(list, spelled{p.name, string(p.val.spell(p.key.spell(nil)))})
		}
	}
	return list
}

// named says whether every reader takes the key n for the name of one field.
func (n *node) named() bool { return n.kind == scalar && !n.tagged && n.text != "<<" }

// harmless says whether p is a merge key to this reader too, and brings no
// guarded field to any other.
func (p *pair) harmless(guarded func(string) bool) bool {
	if !p.merge {
		return false
	}
	v := p.val.resolve()
	for _, m := range append([]*node{v}, v.items...) {
		for _, brought := range m.resolve().pairs {
			if guarded(brought.name) || !brought.key.named() {
				return false
			}
		}
	}
	return true
}

// spell appends how n is written: all that decides how a reader reads it, with
// what its aliases stand for.
func (n *node) spell(b []byte) []byte {
	b = append(b, "sml*"[n.kind], "p'\"|>"[n.style])
	if n.tagged {
		b = strconv.AppendQuote(append(b, '!'), n.tag)
	}
	switch n.kind {
	case scalar:
		return strconv.AppendQuote(b, n.text)
	case alias:
		return n.target.spell(b)
	}
	b = append(b, '(')
	for _, item := range n.items {
		b = item.spell(b)
	}
	for _, p := range n.pairs {
		b = p.val.spell(p.key.spell(b))
	}
	return append(b, ')')
}

// agreed says whether every reader takes key and value for the same.
func (p *pair) agreed() bool { return p.key.agreedName() && p.val.agreed() }

// agreedName says whether every reader takes the key n for a text.
func (n *node) agreedName() bool {
	_, text := n.value.(string)
	return text && n.named() && n.agreed()
}

// agreed says whether every reader takes n for the same value.
func (n *node) agreed() bool {
	if n.tagged || n.kind == alias {
		return false
	}
	for i := range n.pairs {
		if !n.pairs[i].agreed() {
			return false
		}
	}
	for _, item := range n.items {
		if !item.agreed() {
			return false
		}
	}
	if n.kind != scalar || n.style != plain {
		return true
	}
	switch n.value.(type) {
	case nil:
		return n.text == "" || n.text == "~" || n.text == "null"
	case bool:
		return n.text == "true" || n.text == "false"
	case Number:
		return plainInteger(n.text) || agreedFloat.MatchString(n.text)
	case string:
		return plainSafe(n.text, false)
	}
	return true
}

// agreedFloat is a float to YAML 1.1 and 1.2.
var agreedFloat = regexp.MustCompile(`^-?(0|[1-9][0-9]*)\.[0-9]+([eE][-+][0-9]+)?$`)

// spellings give nodes numbers, the same to those that [node.spell] spells the same,
// and look at each node once, however deep it is.
type spellings struct {
	numbers map[string]int
	nodes   map[*node]int
}

func (s spellings) of(n *node) int {
	if number, known := s.nodes[n]; known {
		return number
	}
	b := []byte{"sml*"[n.kind], "p'\"|>"[n.style]}
	if n.tagged {
		b = strconv.AppendQuote(append(b, '!'), n.tag)
	}
	add := func(part *node) { b = strconv.AppendInt(append(b, ' '), int64(s.of(part)), 36) }
	switch n.kind {
	case scalar:
		b = strconv.AppendQuote(b, n.text)
	case alias:
		add(n.target)
	}
	for _, item := range n.items {
		add(item)
	}
	for _, p := range n.pairs {
		add(p.key)
		add(p.val)
	}
	number, known := s.numbers[string(b)]
	if !known {
		number = len(s.numbers)
		s.numbers[string(b)] = number
	}
	s.nodes[n] = number
	return number
}

// spelling is a text that is the same for what is spelled the same.
func (s spellings) spelling(nodes ...*node) string {
	var b []byte
	for _, n := range nodes {
		b = strconv.AppendInt(append(b, 0), int64(s.of(n)), 36)
	}
	return string(b)
}

// oddities yields what not all readers of YAML take for the same, with a text
// that is the same for the same oddity.
func (d *Document) oddities(same spellings, yield func(at int, spelling string, detail say.Text)) {
	if d.block.format != YAML || d.root == nil {
		return
	}
	lines := newLineIndex(d.src, d.block.from, d.block.to)
	report := func(n *node, spelling string, detail say.Text) {
		yield(lines.offset(n.line, n.column), spelling, detail)
	}
	for line := d.block.from; line < d.block.to; {
		if d.src[line] == '%' {
			end, _ := lineEnd(d.src, line)
			yield(line, string(d.src[line:end]), say.New("some readers take this line for a directive: leave it out, or indent it"))
		}
		_, line = lineEnd(d.src, line)
	}
	var walk func(n *node, top bool)
	walk = func(n *node, top bool) {
		switch {
		case n.kind == alias:
			report(n, "*"+n.target.anchor, say.New("some readers refuse aliases: write the value out"))
			return
		case n.tagged:
			report(n, same.spelling(n), say.New("some readers read a value with a tag differently: leave the tag out"))
		case n.kind == scalar && n.style == plain && len(n.text) > 1 && n.text[0] == ':':
			report(n, n.text, say.New("some readers take this for a symbol: put it in quotes"))
		}
		for i := range n.pairs {
			switch p := &n.pairs[i]; {
			case p.key.tagged, p.key.kind == alias: // told below
			case !p.key.named():
				report(p.key, same.spelling(p.key, p.val),
					say.New("some readers take this key for one that brings the fields of another mapping, or for no name: name the fields themselves"))
			case top && !p.key.agreedName():
				report(p.key, same.spelling(p.key), say.New("some readers do not read this key as text: put it in quotes"))
			}
			walk(n.pairs[i].key, false)
			walk(n.pairs[i].val, false)
		}
		for _, item := range n.items {
			walk(item, false)
		}
	}
	walk(d.root, true)
}
