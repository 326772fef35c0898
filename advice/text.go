package advice

import (
	"cmp"
	"html"
	"slices"
	"strings"

	"cms/bounded"
	"cms/preview"
)

// text is what the rules look at: what a Markdown text is made of, by kind, each in the
// order of the text. It is read in one go.
type text struct {
	bounded.Work

	markdown string
	blocks   []preview.Block
	options  Options
	rule     About        // that is being checked
	found    map[Rule]int // how many findings

	images     []image
	links      []link
	tags       []*tag
	tables     []table
	headings   []heading
	paragraphs []paragraph
	lists      []list
	findings   []Finding
}

// image is an image of Markdown or of HTML.
type image struct {
	block       int
	start, end  int
	alternative string // without markup
	named       bool   // it has an alternative, which may be empty
	decorative  bool   // it is marked as such
	address     string
	from, to    int  // the alternative's bytes, of Markdown
	list        int  // where an attribute list of it ends, of Markdown; 0 if it has none
	tag         *tag // nil of Markdown
}

// link is a link of Markdown or of HTML.
type link struct {
	block      int
	start, end int
	from, to   int    // its text's bytes
	text       string // without markup, with the alternatives of images
	name       string // that it has beside its text
	address    string
	bare       bool
	image      bool // it holds one
	tag        *tag // nil of Markdown
}

// table is a table of Markdown or of HTML.
type table struct {
	block         int
	start, end    int
	headed        bool // a cell of the head, or th
	titled        bool
	tag           *tag // nil of Markdown
	layout, inner bool // it is marked as one for layout, or within another
	row           *tag // the first row, of HTML
}

// heading is a heading of Markdown or of HTML.
type heading struct {
	block      int
	start, end int
	from, to   int
	level      int
	marker     byte
	text       string
	image      bool
	tag        *tag // nil of Markdown
}

// paragraph is running text: a paragraph, the text of an item or of a cell.
type paragraph struct {
	block      int
	start, end int
	prose      prose
	plain      bool   // a block of its own
	item, cell bool   // the text of an item; of a cell, or in HTML
	strong     [2]int // the bytes of the text, when all of it is strong
	marked     int    // where that ends, with its marks
}

// list is a list of Markdown.
type list struct {
	block      int
	start, end int
	marker     byte
	items      []int // where they begin
}

// prose is letters without markup, which knows where they are from.
type prose struct {
	text []byte
	runs []run
}

type run struct{ at, source int }

func (p *prose) add(s string, source int) {
	p.runs = append(p.runs, run{len(p.text), source})
	p.text = append(p.text, s...)
}

// source is where a letter stands in the Markdown.
func (p *prose) source(at int) int {
	i, exact := slices.BinarySearchFunc(p.runs, at, func(r run, at int) int { return r.at - at })
	if !exact {
		i--
	}
	for exact && i+1 < len(p.runs) && p.runs[i+1].at == at { // behind what has no letters
		i++
	}
	return p.runs[i].source + at - p.runs[i].at
}

// span is where letters stand in the Markdown.
func (p *prose) span(from, to int) (start, end int) { return p.source(from), p.source(to-1) + 1 }

// reading is a text that is being read.
type reading struct {
	*text
	block   int
	prose   *prose          // of the paragraph
	letters strings.Builder // of the link that is open
	link    int             // that is open, by its place, -1 for none
	title   strings.Builder // of the heading that is open
	heading int             // that is open
	open    []*tag          // elements
	count   map[string]int  // of them, by name
	nested  []int           // tables that are open
	repairs int             // elements that are open and can be repaired as a whole
}

// read reads a page.
func (t *text) read() {
	r := &reading{text: t, link: -1, heading: -1, count: map[string]int{}}
	for i := range t.blocks {
		r.block = i
		r.walk(t.blocks[i].Parts, "")
		r.endLink(t.blocks[i].End)
		r.endHeading()
	}
}

// walk reads parts, which are within one of a kind.
func (r *reading) walk(parts []preview.Part, within preview.PartKind) {
	for i := 0; i < len(parts); i += 1 + parts[i].Holds {
		p, inner := parts[i], preview.Within(parts, i)
		r.Steps++
		if p.Holds == 0 {
			r.Steps += (p.End - p.Start) / 64
		}
		r.Look()
		switch p.Kind {
		case preview.PartText, preview.PartSign:
			r.say(r.markdown[p.Start:p.End], p.Start)
		case preview.PartSpan:
			r.letter(strings.Trim(r.markdown[p.Start:p.End], "` "))
			if r.prose != nil {
				r.prose.add(stands, p.Start)
			}
		case preview.PartBreak:
			r.say("\n", p.Start)
		case preview.PartImage:
			r.image(p, inner, parts[i+1+p.Holds:])
		case preview.PartLink:
			if p.Bare && r.link >= 0 { // an address in a link of HTML
				r.say(r.markdown[p.From:p.To], p.From)
				continue
			}
			r.beginLink(link{block: r.block, start: p.Start, end: p.End, from: p.From, to: p.To, name: p.Title, address: p.Address, bare: p.Bare})
			if p.Bare {
				r.say(r.markdown[p.From:p.To], p.From)
			}
			r.walk(inner, p.Kind)
			r.endLink(p.End)
		case preview.PartHTML:
			r.html(p, r.prose == nil && r.heading < 0)
		case preview.PartHeading:
			r.beginHeading(heading{block: r.block, start: p.Start, end: p.End, from: p.From, to: p.To, level: p.Level, marker: p.Marker})
			r.walk(inner, p.Kind)
			r.endHeading()
		case preview.PartParagraph, preview.PartHead, preview.PartCell:
			r.paragraph(p, inner, within)
		case preview.PartTable:
			headed := slices.ContainsFunc(inner, func(c preview.Part) bool { return c.Kind == preview.PartHead && c.Holds > 0 })
			r.tables = append(r.tables, table{block: r.block, start: p.Start, end: p.End, headed: headed})
			r.walk(inner, p.Kind)
		case preview.PartList:
			l := list{block: r.block, start: p.Start, end: p.End, marker: p.Marker}
			for j := 0; j < len(inner); j += 1 + inner[j].Holds {
				l.items = append(l.items, inner[j].Start)
			}
			r.lists = append(r.lists, l)
			r.walk(inner, p.Kind)
		case preview.PartCode, preview.PartNote, preview.PartAttributes:
		default:
			r.walk(inner, p.Kind)
		}
	}
}

// stands stands in prose for what is no word.
const stands = "\uFFFC"

// say reads letters.
func (r *reading) say(s string, source int) {
	if n := len(r.open); n > 0 && strings.TrimSpace(s) != "" {
		r.open[n-1].empty = false
	}
	if r.prose != nil {
		r.prose.add(s, source)
	}
	r.letter(s)
}

// letter adds to the text of the link and the heading that are open.
func (r *reading) letter(s string) {
	if r.link >= 0 {
		r.letters.WriteString(s)
	}
	if r.heading >= 0 {
		r.title.WriteString(s)
	}
}

func (r *reading) paragraph(p preview.Part, inner []preview.Part, within preview.PartKind) {
	at := paragraph{block: r.block, start: p.Start, end: p.End, cell: p.Kind != preview.PartParagraph, item: within == preview.PartItem}
	at.plain = within == "" && r.blocks[r.block].Kind == preview.Paragraph
	r.prose = &at.prose
	r.walk(inner, p.Kind)
	r.prose = nil
	if n := len(inner); n > 0 && at.plain {
		if inner[n-1].Kind == preview.PartAttributes {
			n--
		}
		strong := 0
		if inner[0].Kind == preview.PartEmphasis && n > 1 {
			strong = 1
		}
		if inner[strong].Kind == preview.PartStrong && inner[strong].Holds == n-1-strong {
			at.strong, at.marked = [2]int{inner[strong].From, inner[strong].To}, inner[0].End
		}
	}
	r.paragraphs = append(r.paragraphs, at)
}

func (r *reading) image(p preview.Part, inner, after []preview.Part) {
	i := image{block: r.block, start: p.Start, end: p.End, named: true, address: p.Address, from: p.From, to: p.To}
	var alternative strings.Builder
	for _, c := range inner {
		switch c.Kind {
		case preview.PartText, preview.PartSign, preview.PartSpan:
			alternative.WriteString(r.markdown[c.Start:c.End])
		case preview.PartBreak:
			alternative.WriteByte(' ')
		}
	}
	i.alternative = html.UnescapeString(alternative.String())
	i.decorative = decorates(func(name string) string { return p.Attributes[name] })
	if len(after) > 0 && after[0].Kind == preview.PartAttributes && after[0].Start == p.End {
		i.list = after[0].End
	}
	r.pictured(i)
}

// pictured notes an image, also for what it is in.
func (r *reading) pictured(i image) {
	r.images = append(r.images, i)
	if r.link >= 0 {
		r.links[r.link].image = true
	}
	if r.heading >= 0 {
		r.headings[r.heading].image = true
	}
	r.letter(i.alternative)
}

func (r *reading) beginLink(l link) {
	r.endLink(l.start)
	r.link = len(r.links)
	r.links = append(r.links, l)
	r.letters.Reset()
}

// endLink ends the link that is open, if one is, where its text ends.
func (r *reading) endLink(at int) {
	if r.link < 0 {
		return
	}
	l := &r.links[r.link]
	l.text = html.UnescapeString(r.letters.String())
	if l.tag != nil {
		l.to, l.end = max(l.from, at), max(l.end, at)
	}
	r.link = -1
}

func (r *reading) beginHeading(h heading) {
	r.endHeading()
	r.heading = len(r.headings)
	r.headings = append(r.headings, h)
	r.title.Reset()
}

func (r *reading) endHeading() {
	if r.heading >= 0 {
		r.headings[r.heading].text = html.UnescapeString(r.title.String())
		r.heading = -1
	}
}

// html reads HTML. A block of it is running text between its tags.
func (r *reading) html(p preview.Part, block bool) {
	var at paragraph
	flush := func(end int) {
		if block && len(at.prose.text) > 0 {
			at.block, at.end, at.cell = r.block, end, true
			r.paragraphs = append(r.paragraphs, at)
		}
		at = paragraph{start: end}
		if block {
			r.prose = &at.prose
		}
	}
	flush(p.Start)
	pieces(r.markdown[p.Start:p.End], p.Start, func(part piece) {
		r.Steps++
		r.Look()
		switch {
		case part.tag != nil:
			if !slices.Contains(inText, part.tag.name) {
				flush(part.start)
			}
			part.tag.block = r.block
			r.begin(part.tag)
		case part.ends != "":
			r.end(part.ends, part.start, part.end)
			if !slices.Contains(inText, part.ends) {
				flush(part.end)
			}
		default:
			r.say(r.markdown[part.start:part.end], part.start)
		}
	})
	flush(p.End)
	if block {
		r.prose = nil
	}
}

// inText are elements that are part of running text.
var inText = []string{"a", "abbr", "b", "bdi", "bdo", "big", "br", "cite", "code", "del", "dfn", "em", "font", "i", "img", "ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"}

// voids are elements that have no end.
var voids = []string{"area", "base", "basefont", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}

// begin reads the begin of an element.
func (r *reading) begin(t *tag) {
	if n := len(r.open); n > 0 {
		r.open[n-1].empty = false
	}
	t.outer, t.empty = r.repairs == 0, true
	r.tags = append(r.tags, t)
	switch t.name {
	case "a":
		if _, leads := t.get("href"); leads {
			r.beginLink(link{block: t.block, start: t.start, end: t.end, from: t.end, to: t.end, name: cmp.Or(t.value("aria-label"), t.value("title")), address: t.value("href"), tag: t})
		}
	case "img":
		_, named := t.get("alt")
		r.pictured(image{block: t.block, start: t.start, end: t.end, alternative: cmp.Or(t.value("alt"), t.value("aria-label")), named: named, decorative: decorates(t.value), address: t.value("src"), tag: t})
	case "br":
		if r.prose != nil {
			r.prose.add("\n", t.start)
		}
		r.letter(" ")
	case "table":
		r.nested = append(r.nested, len(r.tables))
		r.tables = append(r.tables, table{block: t.block, start: t.start, end: t.end, tag: t, layout: decorates(t.value), inner: len(r.nested) > 1, titled: t.value("summary")+t.value("aria-label")+t.value("aria-labelledby")+t.value("title") != ""})
	case "th", "caption", "tr":
		r.inTable(t)
	case "h1", "h2", "h3", "h4", "h5", "h6":
		r.beginHeading(heading{block: t.block, start: t.start, end: t.end, from: t.end, to: t.end, level: int(t.name[1] - '0'), tag: t})
	}
	if slices.Contains(voids, t.name) {
		return
	}
	r.open = append(r.open, t)
	r.count[t.name]++
	if repaired(t.name) {
		r.repairs++
	}
}

// repaired says whether an element is repaired with its end.
func repaired(name string) bool { return slices.Contains(looks, name) }

// inTable notes what a table has.
func (r *reading) inTable(t *tag) {
	if len(r.nested) == 0 {
		return
	}
	table := &r.tables[r.nested[len(r.nested)-1]]
	switch {
	case t.name == "th":
		table.headed = true
	case t.name == "caption":
		table.titled = true
	case table.row == nil:
		table.row = t
	}
}

// end reads the end of an element, and so of those in it that are open.
func (r *reading) end(name string, start, after int) {
	switch {
	case name == "a":
		if r.link >= 0 && r.links[r.link].tag != nil {
			r.endLink(start)
			r.links[len(r.links)-1].end = after
		}
	case len(name) == 2 && name[0] == 'h' && '1' <= name[1] && name[1] <= '6':
		if r.heading >= 0 && r.headings[r.heading].tag != nil {
			r.headings[r.heading].to, r.headings[r.heading].end = start, after
			r.endHeading()
		}
	case name == "table" && len(r.nested) > 0:
		r.tables[r.nested[len(r.nested)-1]].end = after
		r.nested = r.nested[:len(r.nested)-1]
	}
	if r.count[name] == 0 {
		return
	}
	for {
		last := r.open[len(r.open)-1]
		r.open = r.open[:len(r.open)-1]
		r.count[last.name]--
		if repaired(last.name) {
			r.repairs--
		}
		if last.name == name {
			last.close, last.after, last.closed = start, after, r.block
			return
		}
	}
}
