package preview

import (
	"bytes"
	"io"
	"regexp"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// metered makes each part of a parser spend from the budget in its context. It is
// the last option of a parser.
type metered struct{}

// SetParserOption implements [parser.Option].
func (metered) SetParserOption(c *parser.Config) {
	for i, p := range c.BlockParsers {
		c.BlockParsers[i].Value = block{p.Value.(parser.BlockParser)}
	}
	for i, p := range c.InlineParsers {
		in := inline{p.Value.(parser.InlineParser)}
		c.InlineParsers[i].Value = in
		if closer, ok := p.Value.(parser.CloseBlocker); ok {
			c.InlineParsers[i].Value = closingInline{in, closer}
		}
	}
	c.ParagraphTransformers = append(c.ParagraphTransformers, util.Prioritized(paragraphs{}, -1)) // before all others
	c.ASTTransformers = append(c.ASTTransformers, util.Prioritized(trees{}, -1))
}

// setOption hands an option on to a parser that takes any.
func setOption(p any, name parser.OptionName, value any) {
	if s, ok := p.(parser.SetOptioner); ok {
		s.SetOption(name, value)
	}
}

// block is a block parser on a budget. What it reads, it reads by a [lines].
type block struct{ parser.BlockParser }

// SetOption implements [parser.SetOptioner].
func (p block) SetOption(name parser.OptionName, value any) { setOption(p.BlockParser, name, value) }

// Open implements [parser.BlockParser].
func (p block) Open(parent ast.Node, r text.Reader, pc parser.Context) (ast.Node, parser.State) {
	b := budgetOf(pc)
	b.step(1)
	line, seg := r.PeekLine()
	if at := pc.BlockOffset(); at >= 0 && at < len(line) {
		switch line[at] {
		case '#':
			b.braces(line)
		case '<':
			b.step(len(line) / 16) // patterns for all kinds of HTML
		}
	}
	node, state := p.BlockParser.Open(parent, r, pc)
	if node == nil {
		return nil, state
	}
	b.node(1)
	b.trace.opened(parent, node, state, seg)
	switch node.(type) {
	case *extast.Footnote:
		b.footnotes++
	case *ast.Heading:
		b.node(2) // and its id
		if under, ok := pc.LastOpenedBlock().Node.(*ast.Paragraph); ok && state&parser.RequireParagraph != 0 && under.Lines().Len() > 0 {
			last := under.Lines().At(under.Lines().Len() - 1)
			b.braces(last.Value(r.Source()))
		}
	}
	if len(pc.OpenedBlocks()) >= maxBlocks && depth(pc) >= maxBlocks {
		b.refuse("The text has quotes and lists nested more than %d levels deep.", maxBlocks)
	}
	return node, state
}

// depth is how many blocks are open, a list and its item for one.
func depth(pc parser.Context) int {
	n := 0
	for _, o := range pc.OpenedBlocks() {
		if o.Node.Kind() != ast.KindListItem && o.Node.Kind() != extast.KindDefinitionDescription {
			n++
		}
	}
	return n
}

// Continue implements [parser.BlockParser].
func (p block) Continue(n ast.Node, r text.Reader, pc parser.Context) parser.State {
	budgetOf(pc).level()
	return p.BlockParser.Continue(n, r, pc)
}

// braces counts what the attributes of a heading cost: each brace may begin a list
// of them, whose classes are joined one by one.
func (b *budget) braces(line []byte) {
	if i := bytes.IndexByte(line, '{'); i >= 0 {
		list := line[i:]
		b.rescan(len(list) * (4 + 4*bytes.Count(list, []byte("{")) + len(list)/8))
	}
}

// lines reads the text of blocks on a budget.
type lines struct {
	text.Reader
	b    *budget
	head int // where the line begins
}

// PeekLine implements [text.Reader].
func (r *lines) PeekLine() ([]byte, text.Segment) {
	line, seg := r.Reader.PeekLine()
	r.b.step(1 + (len(line)+max(0, seg.Start-r.head))/64)
	return line, seg
}

// AdvanceLine implements [text.Reader].
func (r *lines) AdvanceLine() {
	r.Reader.AdvanceLine()
	_, seg := r.Position()
	r.head = seg.Start
}

// SkipBlankLines implements [text.Reader].
func (r *lines) SkipBlankLines() (text.Segment, int, bool) {
	seg, n, ok := r.Reader.SkipBlankLines()
	r.b.step(n / 16)
	r.head = seg.Start
	return seg, n, ok
}

// inline is an inline parser on a budget.
type inline struct{ parser.InlineParser }

// SetOption implements [parser.SetOptioner].
func (p inline) SetOption(name parser.OptionName, value any) { setOption(p.InlineParser, name, value) }

// closingInline is one that wants to know when a block ends.
type closingInline struct {
	inline
	parser.CloseBlocker
}

// CloseBlock implements [parser.CloseBlocker].
func (p closingInline) CloseBlock(parent ast.Node, r text.Reader, pc parser.Context) {
	budgetOf(pc).open = budgetOf(pc).open[:0]
	p.CloseBlocker.CloseBlock(parent, r, pc)
}

// Parse implements [parser.InlineParser].
func (p inline) Parse(parent ast.Node, from text.Reader, pc parser.Context) ast.Node {
	b := budgetOf(pc)
	b.step(1)
	line, seg := from.PeekLine()
	b.repeated(line)
	emphatic := false
	if line[0] == ']' && p.links() {
		if n := len(b.open); n > 0 {
			matched := b.open[n-1]
			b.open = b.open[:n-1]
			b.rescan(b.nodes - matched.nodes + (seg.Start-matched.at)/8)
			emphatic = pc.LastDelimiter() != matched.before
		}
	}
	r := &b.reader
	*r = reader{Reader: from, b: b, lines: parent.Lines().Len()}
	node := p.InlineParser.Parse(parent, r, pc)
	if node == nil {
		b.rescan(8 * r.runes) // by a pattern
		if line[0] == ']' && len(line) > 1 && line[1] == '(' {
			b.rescan(len(line) / 4)
		}
		return nil
	}
	b.node(2) // and the text before it
	b.trace.read(node, seg, from)
	switch n := node.(type) {
	case *parser.Delimiter:
		n.Processor = b.delimiters(n.Processor)
	case *ast.CodeSpan:
		b.spans++
		b.node(n.ChildCount())
	case *ast.Text: // of a backtick that nothing closes
		b.rescan(r.peeked/2 + 40*r.peeks)
	case *ast.Link, *ast.Image:
		if emphatic { // its signs are looked for from here to the one before
			b.rescan(parent.ChildCount())
		}
	case *extast.FootnoteLink:
		b.rescan(b.footnotes)
	default:
		if p.links() { // a bracket that waits
			if b.open = append(b.open, opener{seg.Start, b.nodes, pc.LastDelimiter()}); len(b.open) > maxOpen {
				b.refuse("The text has a block with more than %d unclosed brackets.", maxOpen)
			}
		}
	}
	return node
}

// links says whether p is the parser of links: the one that reads what closes a
// bracket.
func (p inline) links() bool { return bytes.IndexByte(p.Trigger(), ']') >= 0 }

// repeated counts the characters that repeat the first of line: some parsers read all
// of them to take one.
func (b *budget) repeated(line []byte) {
	n := 0
	for n < len(line) && line[n] == line[0] {
		n++
	}
	if n > 3 {
		b.rescan(n)
	}
}

// reader reads a block of text for an inline parser, on a budget.
type reader struct {
	text.Reader
	b             *budget
	lines         int // of the block
	peeks, peeked int // lines and bytes of them
	runes         int // read one by one
}

// PeekLine implements [text.Reader].
func (r *reader) PeekLine() ([]byte, text.Segment) {
	line, seg := r.Reader.PeekLine()
	r.peeks++
	r.peeked += len(line)
	r.b.step(1)
	return line, seg
}

// Value implements [text.Reader]. It looks for the line of seg from the last.
func (r *reader) Value(seg text.Segment) []byte {
	line, _ := r.Position()
	r.b.rescan(max(0, r.lines-line)/2 + max(0, seg.Stop-seg.Start)/8)
	return r.Reader.Value(seg)
}

// ReadRune implements [io.RuneReader].
func (r *reader) ReadRune() (rune, int, error) {
	if r.runes++; r.runes%8 == 0 {
		r.b.step(4)
	}
	return r.Reader.ReadRune()
}

// Match implements [text.Reader].
func (r *reader) Match(pattern *regexp.Regexp) bool {
	line, seg := r.Position()
	match := pattern.FindReaderSubmatchIndex(io.RuneReader(r))
	r.SetPosition(line, seg)
	if match == nil {
		return false
	}
	r.Advance(match[1] - match[0])
	return true
}

// FindClosure implements [text.Reader].
func (r *reader) FindClosure(opener, closer byte, options text.FindClosureOptions) (*text.Segments, bool) {
	_, from := r.Position()
	found, ok := r.Reader.FindClosure(opener, closer, options)
	_, to := r.Position()
	r.b.rescan(max(0, to.Start-from.Start) / 4)
	if ok {
		r.b.rescan(8 * found.Len())
	}
	return found, ok
}

// delimiters matches signs of emphasis on a budget. The parser asks it about each
// pair that may belong together, and passes over what can only close.
type delimiters struct {
	parser.DelimiterProcessor
	b *budget
}

func (b *budget) delimiters(p parser.DelimiterProcessor) parser.DelimiterProcessor {
	d, ok := b.processors[p]
	if !ok {
		d = &delimiters{p, b}
		b.processors[p] = d
	}
	return d
}

// CanOpenCloser implements [parser.DelimiterProcessor].
func (d *delimiters) CanOpenCloser(opener, closer *parser.Delimiter) bool {
	n := 1
	for between := opener.NextDelimiter; between != nil && between != closer && !between.CanOpen; between = between.NextDelimiter {
		n++
	}
	d.b.rescan(4 * n)
	return d.DelimiterProcessor.CanOpenCloser(opener, closer)
}

// paragraphs counts what becomes of a paragraph before anything is made of it.
type paragraphs struct{}

// Transform implements [parser.ParagraphTransformer].
func (paragraphs) Transform(p *ast.Paragraph, r text.Reader, pc parser.Context) {
	b, source, n := budgetOf(pc), r.Source(), p.Lines().Len()
	b.node(n)
	begins, head := false, 0 // with the definition of a reference, maybe; columns of the line before
	for i := range n {
		line := p.Lines().At(i)
		content := bytes.TrimSpace(line.Value(source))
		begins = begins || i == 0 && bytes.HasPrefix(content, []byte("["))
		columns := bytes.Count(content, []byte("|")) + 1
		if i > 0 && columns <= head+2 && len(bytes.Trim(content, "|-: \t")) == 0 {
			b.node(min(columns, head+1) * (n - i))
		}
		head = columns
	}
	if begins { // those that are left are copied, and what has many lines is put together
		b.rescan(n * n / 4)
	}
}

// trees counts what the transformers of trees will do, and refuses trees that are
// too deep for what walks them.
type trees struct{}

// Transform implements [parser.ASTTransformer].
func (trees) Transform(doc *ast.Document, r text.Reader, pc parser.Context) {
	b := budgetOf(pc)
	b.rescan(b.footnotes*b.footnotes/2 + b.spans*bytes.Count(r.Source(), []byte(`\|`))/2)
	deep := 0
	for n := ast.Node(doc); n != nil; {
		b.step(1)
		if child := n.FirstChild(); child != nil {
			if deep++; deep > maxInlines {
				b.refuse("The text has emphasis and links nested more than %d levels deep.", maxInlines)
			}
			n = child
			continue
		}
		for n != nil && n.NextSibling() == nil {
			n = n.Parent()
			deep--
		}
		if n != nil {
			n = n.NextSibling()
		}
	}
}
