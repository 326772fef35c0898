package preview

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"cms/pattern"
)

// headingIDs gives headings the ids that kramdown gives them for GitHub's
// Markdown: the text in lower case, accents kept, without punctuation, blanks as
// hyphens, numbered when taken.
type headingIDs struct{}

// Transform implements [parser.ASTTransformer].
func (headingIDs) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	used := map[string]int{}
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		if _, given := n.AttributeString("id"); given || n.Kind() != ast.KindHeading {
			continue
		}
		id := strings.Map(idRune, plainText(n, reader.Source()))
		taken := used[id]
		used[id]++
		if taken > 0 {
			id = fmt.Sprintf("%s-%d", id, taken)
		}
		n.SetAttributeString("id", []byte(id))
	}
}

// idRune is what an id has for a character of its heading.
func idRune(r rune) rune {
	switch {
	case r == ' ' || r == '\t':
		return '-'
	case r == '-' || unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Pc):
		return unicode.ToLower(r)
	}
	return -1
}

// plainText is the text of n without its markup. Typographic signs, which the
// parser keeps as entities, are left out.
func plainText(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the function never fails
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// An attribute list of kramdown gives what stands before it classes, an id and
// attributes: {: #id .class key="value"}. Names that refer to other lists, and
// "{:toc}" among them, are left out.
var (
	attributeList = pattern.Lazy(`^\{:((?:[^{}\\\n]|\\.)*)\}`)
	attributeItem = pattern.Lazy(`#[^\s#.]+|\.[^\s#.]+|[\w-]+=(?:"[^"]*"|'[^']*')`)
)

// setAttributes gives n the attributes of a list. Each is compared with those that
// n has.
func setAttributes(b *budget, n ast.Node, list []byte) {
	for _, item := range attributeItem().FindAll(list, -1) {
		b.step(1)
		b.rescan(len(n.Attributes()))
		switch item[0] {
		case '#':
			n.SetAttributeString("id", item[1:])
		case '.':
			addClass(b, n, item[1:])
		default:
			name, value, _ := bytes.Cut(item, []byte("="))
			value = value[1 : len(value)-1]
			if string(name) == "class" {
				addClass(b, n, value)
			} else {
				n.SetAttributeString(string(name), value)
			}
		}
	}
}

func addClass(b *budget, n ast.Node, class []byte) {
	if old, ok := n.AttributeString("class"); ok {
		if before, ok := old.([]byte); ok {
			b.rescan(len(before))
			class = append(append(bytes.Clone(before), ' '), class...)
		}
	}
	n.SetAttributeString("class", class)
}

// attributeLines takes the lines of a paragraph that hold an attribute list and
// nothing else. The list is for the paragraph, or for the block before when the
// paragraph has no other line, or when it stands below that block without a blank line.
type attributeLines struct{}

// Transform implements [parser.ParagraphTransformer].
func (attributeLines) Transform(p *ast.Paragraph, reader text.Reader, pc parser.Context) {
	b, before := budgetOf(pc), p.PreviousSibling()
	kept := text.NewSegments()
	var own, others [][]byte
	for i := range p.Lines().Len() {
		line := p.Lines().At(i)
		content := bytes.TrimSpace(line.Value(reader.Source()))
		switch m := attributeList().FindSubmatch(content); {
		case m == nil || len(m[0]) != len(content):
			kept.Append(line)
		case kept.Len() == 0 && before != nil && !p.HasBlankPreviousLines():
			others = append(others, m[1])
		default:
			own = append(own, m[1])
		}
	}
	switch {
	case len(own)+len(others) == 0:
		return
	case kept.Len() == 0:
		own, others = nil, append(others, own...)
		b.trace.attributes(p)
		p.Parent().RemoveChild(p.Parent(), p)
	default:
		if len(others) == 0 {
			b.trace.leads(p, kept, reader.Source())
		}
		p.SetLines(kept)
	}
	for _, list := range own {
		setAttributes(b, p, list)
	}
	for _, list := range others {
		if before != nil {
			setAttributes(b, before, list)
		}
	}
}

// attributeSpans takes the attribute list that follows a link, an image or
// another span, and gives it to that.
type attributeSpans struct{}

// Trigger implements [parser.InlineParser].
func (attributeSpans) Trigger() []byte { return []byte{'{'} }

// Parse implements [parser.InlineParser].
func (attributeSpans) Parse(parent ast.Node, block text.Reader, pc parser.Context) ast.Node {
	line, _ := block.PeekLine()
	m := attributeList().FindSubmatch(line)
	if m == nil {
		return nil
	}
	before := parent.LastChild()
	if before == nil || before.Kind() == ast.KindText {
		return nil // kramdown shows it as it is
	}
	setAttributes(budgetOf(pc), before, m[1])
	block.Advance(len(m[0]))
	return ast.NewString(nil)
}
