package preview

import (
	"bytes"
	"slices"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
)

// PartKind is what a part of a block is.
type PartKind string

// The kinds of parts. A block's own begins its parts.
const (
	PartParagraph PartKind = "paragraph" // also the text of an item
	PartHeading   PartKind = "heading"
	PartList      PartKind = "list"
	PartItem      PartKind = "item"
	PartQuote     PartKind = "quote"
	PartTable     PartKind = "table"
	PartHead      PartKind = "head" // a cell of the head of a table
	PartCell      PartKind = "cell"
	PartCode      PartKind = "code" // a block of code; it holds no parts
	PartHTML      PartKind = "html" // of an HTML block all, of other text a single tag or comment

	PartText       PartKind = "text" // letters as they stand in the source
	PartSign       PartKind = "sign" // typographic, such as a quotation mark
	PartBreak      PartKind = "break"
	PartEmphasis   PartKind = "emphasis"
	PartStrong     PartKind = "strong"
	PartSpan       PartKind = "span" // of code
	PartLink       PartKind = "link"
	PartImage      PartKind = "image"
	PartNote       PartKind = "note"       // the number of a footnote
	PartAttributes PartKind = "attributes" // an attribute list, of the part before it
)

// A Part is something within a block. Those that it holds follow it.
type Part struct {
	Kind       PartKind
	Start, End int // in bytes of the text
	Holds      int // how many of the parts that follow are within

	// From and To are the text of a link, the alternative of an image, what is written in
	// a heading or emphasized: what stands between the marks. They are where the marks of
	// a heading are that have no text between them.
	From, To int

	Level      int               // of a heading; 1 of a break that is shown as one
	Marker     byte              // of a list: '-', '*', '+', '.' or ')'; of a heading: '#', '=' or '-'
	Address    string            // of a link or an image
	Bare       bool              // a link that is its own address
	Title      string            // of a link or an image
	Attributes map[string]string // of attribute lists
}

// partsOf collects the parts of a block.
type partsOf struct {
	b          *budget
	src        []byte
	at         offsets
	start, end int // of the block
	done       int // how far its parts are that are somewhere
	parts      []Part
}

const partSize = 200

// add adds a node and what it holds, and gives where all of it is in the source that was
// parsed.
func (p *partsOf) add(n ast.Node) (from, to int) {
	p.b.step(1)
	part, from, to, ok := p.part(n)
	i := len(p.parts)
	if ok {
		p.b.hold(partSize)
		part.Attributes = attributesOf(n)
		p.parts = append(p.parts, part)
	}
	if from >= 0 {
		p.done = max(p.done, from)
	}
	within, last := -1, -1
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		begins, ends := p.add(c)
		if within < 0 {
			within = begins
		}
		last = max(last, ends)
	}
	if e, isEmphasis := n.(*ast.Emphasis); isEmphasis && within >= 0 {
		p.parts[i].From, p.parts[i].To = p.at.of(within), p.at.of(last)
		from, to = within-e.Level, last+e.Level
	}
	if from < 0 {
		from = within
	}
	if from < 0 {
		from, to = p.done, p.done
	}
	to = max(to, last)
	p.done = max(p.done, to)
	if ok {
		from = min(max(from, p.start), p.end)
		to = min(max(from, to), p.end)
		p.parts[i].Start, p.parts[i].End, p.parts[i].Holds = p.at.of(from), p.at.of(to), len(p.parts)-i-1
		p.brk(n)
	}
	return from, to
}

// brk adds the end of a line that a text ends with.
func (p *partsOf) brk(n ast.Node) {
	t, ok := n.(*ast.Text)
	if !ok || !t.SoftLineBreak() && !t.HardLineBreak() {
		return
	}
	at := p.at.of(t.Segment.Stop)
	part := Part{Kind: PartBreak, Start: at, End: at}
	if t.HardLineBreak() {
		part.Level = 1
	}
	p.parts = append(p.parts, part)
	p.b.hold(partSize)
}

// part is what a node is, without what it holds. There is none for what has no meaning of
// its own.
func (p *partsOf) part(n ast.Node) (part Part, from, to int, ok bool) {
	from, to = -1, -1
	if n.Type() == ast.TypeBlock && n.Lines().Len() > 0 {
		lines := n.Lines()
		last := lines.At(lines.Len() - 1)
		from, to = lines.At(0).Start, last.TrimRightSpace(p.src).Stop
	}
	switch n := n.(type) {
	case *ast.Paragraph, *ast.TextBlock, *extast.DefinitionTerm:
		part.Kind = PartParagraph
	case *ast.Heading:
		part = p.heading(n, &from, &to)
	case *ast.List:
		part.Kind, part.Marker = PartList, n.Marker
		from = n.Pos()
	case *ast.ListItem:
		part.Kind = PartItem
		from = n.Pos()
	case *extast.DefinitionList:
		part.Kind, part.Marker = PartList, ':'
	case *extast.DefinitionDescription:
		part.Kind = PartItem
	case *ast.Blockquote:
		part.Kind = PartQuote
		from = n.Pos()
	case *extast.Table:
		part.Kind = PartTable
	case *extast.TableCell:
		part.Kind = PartCell
		if n.Parent().Kind() == extast.KindTableHeader {
			part.Kind = PartHead
		}
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		part.Kind, from = PartCode, n.Pos()
	case *ast.HTMLBlock:
		part.Kind = PartHTML
		if n.HasClosure() {
			to = n.ClosureLine.Stop
			if from < 0 {
				from = n.ClosureLine.Start
			}
		}
	case *ast.RawHTML:
		part.Kind = PartHTML
		if k := n.Segments.Len(); k > 0 {
			from, to = n.Segments.At(0).Start, n.Segments.At(k-1).Stop
		}
	case *ast.Text:
		part.Kind, from, to = PartText, n.Segment.Start, n.Segment.Stop
	case *ast.String:
		if part.Kind = PartSign; n.Value == nil {
			part.Kind = PartAttributes
		}
		at, read := p.b.trace.inlines[n]
		if from, to = at.from, at.to; !read || from == to {
			return part, -1, -1, false
		}
	case *ast.Emphasis:
		if part.Kind = PartEmphasis; n.Level == 2 {
			part.Kind = PartStrong
		}
	case *ast.CodeSpan:
		at := p.b.trace.inlines[n]
		part.Kind, from, to = PartSpan, at.from, at.to
	case *ast.Link:
		at := p.b.trace.inlines[n]
		part = Part{Kind: PartLink, Address: string(n.Destination), Title: string(n.Title), From: p.at.of(at.from + 1), To: p.at.of(at.close)}
		from, to = at.from, at.to
	case *ast.Image:
		at := p.b.trace.inlines[n]
		part = Part{Kind: PartImage, Address: string(n.Destination), Title: string(n.Title), From: p.at.of(at.from + 2), To: p.at.of(at.close)}
		from, to = at.from, at.to
	case *ast.AutoLink:
		at, label := p.b.trace.inlines[n], len(n.Label(p.src))
		part = Part{Kind: PartLink, Address: string(n.URL(p.src)), Bare: true}
		to = at.to
		if from = at.from; p.src[from] != '<' || to-from != label+2 {
			from = to - label
			part.From, part.To = p.at.of(from), p.at.of(to)
		} else {
			part.From, part.To = p.at.of(from+1), p.at.of(to-1)
		}
	case *extast.FootnoteLink:
		at := p.b.trace.inlines[n]
		part.Kind, from, to = PartNote, at.from, at.to
	default:
		return part, from, to, false
	}
	return part, from, to, true
}

// heading is the part of a heading, whose marks count as its.
func (p *partsOf) heading(n *ast.Heading, from, to *int) Part {
	part := Part{Kind: PartHeading, Level: n.Level, Marker: '#'}
	if *from >= 0 {
		part.From, part.To = p.at.of(*from), p.at.of(*to)
	}
	if under, ok := p.b.trace.underlines[n]; ok {
		line := bytes.TrimRight(p.src[under.from:under.to], blankBytes)
		*to = under.from + len(line)
		part.Marker = line[len(line)-1]
		return part
	}
	// Behind a tab that is partly a quote's or an item's, the parser's place is too late.
	at := n.Pos() + 1
	if n.Lines().Len() > 0 {
		at = n.Lines().At(0).Start
	}
	at = bytes.LastIndexByte(p.src[:min(at, len(p.src))], '#')
	for at > 0 && p.src[at-1] == '#' {
		at--
	}
	*from = max(at, p.start)
	line := p.src[*from:p.end]
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	*to = *from + len(bytes.TrimRight(line, blankBytes))
	if n.Lines().Len() == 0 {
		part.From = p.at.of(min(*from+n.Level, *to))
		part.To = part.From
	}
	return part
}

// attributesOf are the attributes that lists give a node.
func attributesOf(n ast.Node) map[string]string {
	if len(n.Attributes()) == 0 {
		return nil
	}
	all := map[string]string{}
	for _, a := range n.Attributes() {
		if value, ok := a.Value.([]byte); ok {
			all[string(a.Name)] = string(value)
		}
	}
	return all
}

// Within are the parts that the one at i holds.
func Within(parts []Part, i int) []Part {
	return slices.Clip(parts[i+1 : i+1+parts[i].Holds])
}
