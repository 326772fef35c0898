package preview

import (
	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// A trace keeps where the parser found what its tree does not tell the place of. A nil
// one keeps nothing.
type trace struct {
	marks      []mark                // of footnotes and attribute lists that are blocks of the text
	leading    map[int]int           // where the attribute lists begin that stand before the line of a paragraph
	underlines map[ast.Node]span     // of headings
	inlines    map[ast.Node]spelling // of links, images and what else has marks of its own
}

// A spelling is the source of an inline: all of it, and where what ends its text begins.
type spelling struct{ from, close, to int }

func newTrace() *trace {
	return &trace{leading: map[int]int{}, underlines: map[ast.Node]span{}, inlines: map[ast.Node]spelling{}}
}

// opened is called for each block that begins in a line.
func (t *trace) opened(parent, node ast.Node, state parser.State, line text.Segment) {
	if t == nil {
		return
	}
	switch node.(type) {
	case *extast.Footnote:
		if parent.Kind() == ast.KindDocument {
			t.marks = append(t.marks, mark{at: line.Start, node: node})
		}
	case *ast.Heading:
		if state&parser.RequireParagraph != 0 {
			t.underlines[node] = span{line.Start, line.Stop}
		}
	}
}

// attributes is called for a paragraph that is an attribute list for the block before it.
func (t *trace) attributes(p *ast.Paragraph) {
	if t != nil && p.Parent().Kind() == ast.KindDocument {
		t.marks = append(t.marks, mark{at: p.Lines().At(0).Start})
	}
}

// leads is called for a paragraph of which only some lines are kept, when the lists
// before them are for it.
func (t *trace) leads(p *ast.Paragraph, kept *text.Segments, src []byte) {
	if t == nil || p.Parent().Kind() != ast.KindDocument {
		return
	}
	if first, line := p.Lines().At(0).Start, lineOf(src, kept.At(0).Start); first < line {
		t.leading[line] = lineOf(src, first)
	}
}

// read is called for each inline that began at a place, when r is behind it.
func (t *trace) read(node ast.Node, begun text.Segment, r text.Reader) {
	if t == nil {
		return
	}
	_, now := r.Position()
	s := spelling{begun.Start, begun.Start, now.Start}
	switch n := node.(type) {
	case *ast.Link:
		s.from = n.Pos()
	case *ast.Image:
		s.from = n.Pos()
	case *ast.AutoLink, *ast.String, *ast.CodeSpan, *extast.FootnoteLink:
	default:
		return
	}
	t.inlines[node] = s
}
