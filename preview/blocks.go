package preview

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
)

// BlockKind is what a block is.
type BlockKind string

// The kinds of blocks.
const (
	Paragraph  BlockKind = "paragraph"
	Heading    BlockKind = "heading"
	List       BlockKind = "list" // also of definitions of words
	Quote      BlockKind = "quote"
	Table      BlockKind = "table"
	Code       BlockKind = "code"
	HTML       BlockKind = "html"
	Frame      BlockKind = "frame"      // HTML that is a frame, a video or a sound and nothing else
	Rule       BlockKind = "rule"       // a thematic break
	Liquid     BlockKind = "liquid"     // tags and outputs of Liquid, and nothing else
	Definition BlockKind = "definition" // of the addresses of links
	Footnote   BlockKind = "footnote"
	Other      BlockKind = "other"
)

// A Block is one of the blocks that a Markdown text is made of, from the beginning of its
// first line to the end of its last one, without what ends that line. An attribute list
// that stands below a block belongs to it.
type Block struct {
	Kind       BlockKind
	Level      int // of a heading, from 1
	Start, End int // in bytes of the text

	// HTML is how it is shown, safe and with each element closed, so that it may stand in
	// an element of another page. It is empty for what shows nothing in its place, such as
	// a definition, and for what the HTML of a block before it has swallowed, such as the
	// rest of an object.
	HTML string

	Parts []Part // what it holds, in the order of the text
}

// A Page is a Markdown text in its blocks. They follow each other; between them, before
// the first and after the last, are blank lines and ends of lines only.
type Page struct {
	Blocks []Block
	Notes  string // the footnotes, which are shown at the end, as HTML
}

// Blocks are the blocks of a Markdown text, with the HTML that the whole text has for
// each. The errors are those of [Renderer.HTML].
func (r *Renderer) Blocks(ctx context.Context, markdown string) (*Page, error) {
	leave, err := r.enter(ctx, len(markdown))
	if err != nil {
		return nil, err
	}
	defer leave()
	b := newBudget(ctx, len(markdown))
	b.trace = newTrace()
	return r.blocks(b, markdown)
}

// blocks spends b on the blocks of a text.
func (r *Renderer) blocks(b *budget, markdown string) (page *Page, err error) {
	err = b.Run(func() error {
		src := []byte(strings.ToValidUTF8(markdown, "\uFFFD"))
		doc := r.parse(b, src)
		l := lay(b, doc, src)
		raw, ends, err := r.renderNodes(b, doc, src)
		if err != nil {
			return err
		}
		shown, err := r.pieces(b, raw, l.cuts(ends), len(l.blocks)+1)
		if err != nil {
			return err
		}
		at := offsetsOf(src, markdown)
		page = &Page{Notes: shown[len(l.blocks)]}
		parts := make([]Part, 0, l.count(b))
		for i, from := range l.blocks {
			block := Block{Kind: from.kind, Start: at.of(from.start), End: at.of(from.end), HTML: shown[i]}
			p := partsOf{b: b, src: src, at: at, start: from.start, end: from.end, done: from.start, parts: parts}
			for _, n := range from.nodes {
				if h, ok := n.(*ast.Heading); ok && block.Kind == Heading {
					block.Level = h.Level
				}
				p.add(n)
			}
			block.Parts = slices.Clip(p.parts)
			parts = p.parts[len(p.parts):]
			page.Blocks = append(page.Blocks, block)
		}
		return nil
	})
	return page, err
}

// A layout is where the blocks of a text are.
type layout struct {
	blocks []laid
	owners []int // the block of each node of the document, in their order
}

// laid is a block in the text that the parser has read.
type laid struct {
	kind       BlockKind
	start, end int
	nodes      []ast.Node
}

// A mark says that something of a block stands in the line that begins at.
type mark struct {
	at        int
	node      ast.Node // nil for an attribute list
	displayed bool     // node is one of the document's, in its place
}

// lay finds the blocks: each begins with the line where its node does, and has all lines
// up to the next one but those that are blank.
func lay(b *budget, doc ast.Node, src []byte) *layout {
	marks := slices.Clone(b.trace.marks)
	for i := range marks {
		marks[i].at = lineOf(src, marks[i].at)
	}
	last := 0
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		b.step(1)
		if n.Kind() == extast.KindFootnoteList {
			continue
		}
		at := begin(n)
		if at < 0 {
			at = last
		}
		at = lineOf(src, at)
		if lead, ok := b.trace.leading[at]; ok {
			at = lead
		}
		last = max(last, at)
		marks = append(marks, mark{last, n, true})
	}
	slices.SortStableFunc(marks, func(x, y mark) int { return cmp.Compare(x.at, y.at) })
	b.hold(len(marks) * nodeSize)

	l := &layout{}
	if first := len(src) - len(bytes.TrimLeft(src, blankBytes)); first < len(src) {
		first = lineOf(src, first)
		if len(marks) == 0 || marks[0].at > first {
			l.blocks = append(l.blocks, laid{kind: Other, start: first})
		}
	}
	for _, m := range marks {
		b.step(1)
		kind := Other
		if m.node != nil {
			kind = kindOf(m.node, src)
		}
		if n := len(l.blocks) - 1; n < 0 || !l.blocks[n].takes(m, kind, src) {
			l.blocks = append(l.blocks, laid{kind: kind, start: m.at})
		}
		n := len(l.blocks) - 1
		if m.node != nil {
			l.blocks[n].nodes = append(l.blocks[n].nodes, m.node)
			if m.displayed {
				l.owners = append(l.owners, n)
			}
		}
	}
	for i := range l.blocks {
		end := len(src)
		if i+1 < len(l.blocks) {
			end = l.blocks[i+1].start
		}
		l.blocks[i].end = lastLine(src, l.blocks[i].start, end)
	}
	return l
}

// count is how many parts there may be. It is told before they are made, so that they take
// the room of one list.
func (l *layout) count(b *budget) int {
	n := 0
	for _, block := range l.blocks {
		for _, top := range block.nodes {
			_ = ast.Walk(top, func(node ast.Node, entering bool) (ast.WalkStatus, error) { // the function never fails
				if entering {
					b.step(1)
					n++
				}
				if t, ok := node.(*ast.Text); ok && entering && (t.SoftLineBreak() || t.HardLineBreak()) {
					n++
				}
				return ast.WalkContinue, nil
			})
		}
	}
	b.hold(n * partSize)
	return n
}

// takes says whether what is marked belongs to the block before it.
func (l *laid) takes(m mark, kind BlockKind, src []byte) bool {
	switch {
	case m.at <= l.start:
		return true
	case m.node == nil: // an attribute list
		return true
	}
	return kind == Definition && l.kind == Definition && bytes.Count(src[lastLine(src, l.start, m.at):m.at], []byte("\n")) < 2
}

// begin is where a node begins, less than zero if nobody knows.
func begin(n ast.Node) int {
	switch n.Kind() {
	case extast.KindTable:
		for cell := n.FirstChild().FirstChild(); cell != nil; cell = cell.NextSibling() {
			if cell.Lines().Len() > 0 {
				return cell.Lines().At(0).Start
			}
		}
		return -1
	case extast.KindDefinitionList:
		if term := n.FirstChild(); term != nil && term.Lines().Len() > 0 {
			return term.Lines().At(0).Start
		}
	}
	return n.Pos()
}

// lineOf is where the line of a place begins.
func lineOf(src []byte, at int) int { return bytes.LastIndexByte(src[:at], '\n') + 1 }

// blankBytes are what the parser takes for blank.
const blankBytes = " \t\n\v\f\r"

// lastLine is the end of the last line that is not blank of those from start to end,
// without what ends it.
func lastLine(src []byte, start, end int) int {
	at := start + len(bytes.TrimRight(src[start:end], blankBytes))
	if n := bytes.IndexByte(src[at:end], '\n'); n >= 0 {
		end = at + n
		if end > at && src[end-1] == '\r' {
			end--
		}
	}
	return end
}

// kindOf is the kind of the block that a node of the document is.
func kindOf(n ast.Node, src []byte) BlockKind {
	switch n := n.(type) {
	case *ast.Paragraph:
		switch {
		case onlyLiquid(n.Lines().Value(src)):
			return Liquid
		case onlyFrames(n):
			if isFrame(n.FirstChild().(*ast.RawHTML).Segments.Value(src)) {
				return Frame
			}
		}
		return Paragraph
	case *ast.Heading:
		return Heading
	case *ast.List, *extast.DefinitionList:
		return List
	case *ast.Blockquote:
		return Quote
	case *extast.Table:
		return Table
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		return Code
	case *ast.HTMLBlock:
		if isFrame(n.Lines().Value(src)) {
			return Frame
		}
		return HTML
	case *ast.ThematicBreak:
		return Rule
	case *ast.LinkReferenceDefinition:
		return Definition
	case *extast.Footnote:
		return Footnote
	}
	return Other
}

// onlyLiquid says whether a text is tags and outputs of Liquid and nothing else.
func onlyLiquid(text []byte) bool {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return false
	}
	for len(text) > 0 {
		closing := "%}"
		if !bytes.HasPrefix(text, []byte("{%")) {
			if closing = "}}"; !bytes.HasPrefix(text, []byte("{{")) {
				return false
			}
		}
		end := bytes.Index(text, []byte(closing))
		if end < 0 {
			return false
		}
		text = bytes.TrimSpace(text[end+len(closing):])
	}
	return true
}

// onlyFrames says whether a paragraph begins and ends with HTML, and has no text of its own
// before the first tag or behind the last one.
func onlyFrames(p *ast.Paragraph) bool {
	return p.FirstChild() != nil && p.FirstChild().Kind() == ast.KindRawHTML && p.LastChild().Kind() == ast.KindRawHTML
}

// frames are elements that show what is not in the page.
var frames = []string{"iframe", "video", "audio", "embed", "object"}

// isFrame says whether HTML begins with a frame.
func isFrame(source []byte) bool {
	source = bytes.TrimLeft(source, " \t")
	for _, name := range frames {
		if len(source) > len(name)+1 && source[0] == '<' && strings.EqualFold(string(source[1:len(name)+1]), name) &&
			bytes.IndexByte([]byte(" \t\r\n/>"), source[len(name)+1]) >= 0 {
			return true
		}
	}
	return false
}

// offsets lead from the places of a text that is valid UTF-8 to those of the one that it
// was made of.
type offsets []struct{ valid, given int } // where what was replaced ends, in both

// offsetsOf compares the two.
func offsetsOf(src []byte, markdown string) offsets {
	if len(src) == len(markdown) && string(src) == markdown {
		return nil
	}
	var o offsets
	valid, invalid := 0, false
	for i := 0; i < len(markdown); {
		r, n := utf8.DecodeRuneInString(markdown[i:])
		i += n
		if bad := r == utf8.RuneError && n == 1; !bad {
			valid += n
			invalid = false
		} else {
			if !invalid {
				valid += len("\uFFFD")
				o = append(o, struct{ valid, given int }{})
			}
			o[len(o)-1] = struct{ valid, given int }{valid, i}
			invalid = true
		}
	}
	return o
}

// of is the place in the given text.
func (o offsets) of(valid int) int {
	i, _ := slices.BinarySearchFunc(o, valid, func(e struct{ valid, given int }, at int) int { return cmp.Compare(e.valid, at+1) })
	if i == 0 {
		return valid
	}
	return o[i-1].given + valid - o[i-1].valid
}

// renderNodes is the HTML of the nodes of a document, one after the other, which is not
// safe, and where that of each ends.
func (r *Renderer) renderNodes(b *budget, doc ast.Node, src []byte) ([]byte, []int, error) {
	out := &output{b: b}
	out.Grow(len(src) + len(src)/2)
	w := bufio.NewWriter(out)
	var ends []int
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		if err := r.markdown.Renderer().Render(w, src, n); err != nil {
			return nil, nil, fmt.Errorf("render Markdown: %w", err)
		}
		ends = append(ends, out.Len())
	}
	b.tags(out.Bytes())
	return out.Bytes(), ends, nil
}

// cuts are where the HTML of a block begins, and which. The footnotes count as one behind
// the last block.
func (l *layout) cuts(ends []int) []cut {
	var all []cut
	at, owner := 0, -1
	for i, end := range ends {
		to := len(l.blocks)
		if i < len(l.owners) {
			to = l.owners[i]
		}
		if to != owner {
			all = append(all, cut{at, to})
		}
		at, owner = end, to
	}
	return all
}

// LineEnding is what the first line of a text ends with, or what lines do that are
// written where there is none.
func LineEnding(markdown string) string {
	if i := strings.IndexByte(markdown, '\n'); i > 0 && markdown[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
