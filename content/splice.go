package content

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"

	"cms/say"
)

// splice replaces the bytes from from to to.
type splice struct {
	from, to int
	text     string
}

// errNarrow means that a change cannot be written within the bytes of what
// changes, and asks for a wider splice.
var errNarrow = errors.New("the value cannot be changed in its place")

// narrowError is an errNarrow that knows what is in the way.
type narrowError struct{ *EditError }

func (narrowError) Is(target error) bool { return target == errNarrow }

func (e narrowError) Unwrap() error { return e.EditError }

// tooNarrow says that what stands at n is in the way of a change.
func (p *planner) tooNarrow(n *node, what say.Text) error {
	line, column := position(p.src, n.start)
	return narrowError{&EditError{Kind: KindRefused, Path: slices.Clone(p.path), Line: line, Column: column,
		Detail: say.New("%s is in the way of the change; edit the source", what)}}
}

// planner finds the splices that make an intent of a located tree.
type planner struct {
	text
	format  Format
	eol     string
	habits  func() habits // read when they are needed
	oneLine bool          // strings are written on one line
	splices []splice
	path    FieldPath // of the part that is being written
}

// place is where a node hangs.
type place struct {
	n      *node
	indent int // of the block that holds it, -1 for the root
	flow   bool
	member bool // of a mapping
}

func (p *planner) add(from, to int, text string) {
	if from != to || text != "" {
		p.splices = append(p.splices, splice{from, to, text})
	}
}

func (p *planner) refuse(detail say.Text) error {
	return &EditError{Kind: KindRefused, Path: slices.Clone(p.path), Detail: detail}
}

// shared refuses to touch what an alias elsewhere stands for, in n.
func (p *planner) shared(n *node) error {
	if n = n.holdsShared(); n == nil {
		return nil
	}
	return p.refuseShared(n)
}

func (p *planner) refuseShared(n *node) error {
	line, column := position(p.src, n.start)
	return &EditError{Kind: KindRefused, Path: slices.Clone(p.path), Line: line, Column: column,
		Detail: say.New("the anchor &%s is used elsewhere, where the value would change too; edit the source", n.anchor)}
}

// change writes it in its place.
func (p *planner) change(it *intent, at place) error {
	switch {
	case it == nil || it.was == at.n && !it.opened:
		return nil
	case it.was == nil || it.copied:
		if err := p.shared(at.n); err != nil {
			return err
		}
		return p.replace(it, at)
	}
	before := len(p.splices)
	var err error
	switch {
	case it.was.flow:
		err = p.flowParts(it, at)
	case it.was.table && it.kind == list:
		err = p.tableList(it, at)
	case it.kind == mapping:
		err = p.blockMapping(it, at)
	default:
		err = p.blockList(it, at)
	}
	if err == nil && len(p.splices) > before && it.was.shared {
		err = p.refuseShared(it.was)
	}
	return err
}

// descend writes a part with its step on the path.
func (p *planner) descend(step any, it *intent, at place) error {
	if it == nil {
		return nil
	}
	p.path = append(p.path, step)
	err := p.change(it, at)
	p.path = p.path[:len(p.path)-1]
	return err
}

// removed refuses to take away what is used elsewhere, for each part of the
// node that the intent has no more.
func (p *planner) removed(it *intent) (gone []bool, err error) {
	gone = make([]bool, max(len(it.was.pairs), len(it.was.items)))
	for i := range gone {
		gone[i] = true
	}
	for i := range it.parts {
		if at := it.parts[i].at; at >= 0 {
			gone[at] = false
		}
	}
	for i := range gone {
		switch {
		case err != nil || !gone[i]:
		case it.kind == mapping && it.was.pairs[i].val.table:
			gone[i] = false
			err = p.removeTable(it.was.pairs[i].val)
		case it.kind == list && it.was.items[i].table:
			err = p.removeTable(it.was.items[i])
		case it.kind == mapping:
			pr := &it.was.pairs[i]
			if err = p.removable(pr.name, pr.key); err == nil {
				err = p.removable(pr.name, pr.val)
			}
		default:
			err = p.removable(i, it.was.items[i])
		}
	}
	return gone, err
}

func (p *planner) removable(step any, n *node) error {
	p.path = append(p.path, step)
	defer func() { p.path = p.path[:len(p.path)-1] }()
	return p.shared(n)
}

// blockMapping writes the members of a mapping that are on lines of their own.
func (p *planner) blockMapping(it *intent, at place) error {
	n := it.was
	gone, err := p.removed(it)
	if err != nil {
		return err
	}
	if len(it.parts) == 0 && at.indent >= 0 && !n.table {
		return p.replace(fresh(&Object{}), at)
	}
	indent := 0
	if len(n.pairs) > 0 {
		indent = p.column(n.pairs[0].start)
	}
	p.removeLines(gone, func(i int) (int, int) { return n.pairs[i].start, n.pairs[i].end() })
	kept := len(it.parts) // the parts up to the last that stays
	for kept > 0 && it.parts[kept-1].at < 0 {
		kept--
	}
	last := -1 // the member that stands before
	for i := range it.parts {
		part := &it.parts[i]
		if part.at < 0 {
			if err := p.insertMember(it, i, at, last, i >= kept, indent); err != nil {
				return err
			}
			continue
		}
		last = part.at
		pr := &n.pairs[last]
		if part.renamed {
			if pr.val.table {
				return p.refuse(say.New("a table cannot be renamed here; edit the source"))
			}
			if err := p.shared(pr.key); err != nil {
				return err
			}
			p.add(pr.key.from, pr.key.end, p.keyText(part.name, pr.key.style))
		}
		child := place{n: pr.val, indent: indent, member: true, flow: n.flow}
		if err := p.descend(part.name, part.val, child); err != nil {
			return err
		}
	}
	return nil
}

// insertMember puts the lines of the i-th part behind the member last, or at the
// end of the mapping: in the root, behind the comments there.
func (p *planner) insertMember(it *intent, i int, at place, last int, atEnd bool, indent int) error {
	n := it.was
	p.path = append(p.path, it.parts[i].name)
	lines, err := p.pairText(it, i, indent, n)
	if err != nil {
		return err
	}
	var end int
	switch {
	case n.table && n.end == 0 && at.indent >= 0:
		prefix, behind, ok := p.dottedKey(n)
		if !ok {
			return p.refuse(say.New("the table has no header of its own to write a key under; edit the source"))
		}
		end, lines = behind, prefix+strings.TrimLeft(lines, " ")
	case n.table:
		end = p.newKey(n, last)
	case atEnd && at.indent < 0:
		end = max(p.nextLine(n.end), p.lastLine())
	case atEnd:
		end = p.nextLine(n.end)
	case last >= 0:
		end = p.nextLine(n.pairs[last].end())
	default:
		p.insertBefore(n.pairs[0].start, lines, indent)
		lines = ""
	}
	p.add(end, end, lines)
	p.path = p.path[:len(p.path)-1]
	return nil
}

// insertBefore puts lines before what begins at start, which may stand behind a
// dash.
func (p *planner) insertBefore(start int, text string, indent int) {
	line := p.lineStart(start)
	if !p.blank(line, start) {
		text = text[indent:] + strings.Repeat(" ", indent)
		line = start
	}
	p.add(line, line, text)
}

// lastLine is where the last line that is not blank ends, with its ending.
func (p *planner) lastLine() int {
	end := p.from + len(bytes.TrimRight(p.src[p.from:p.to], " \t\r\n"))
	if end == p.from {
		return p.from
	}
	return p.nextLine(end)
}

// removeLines takes away the parts of a block that are gone, with what else is
// on their lines. Where the first stands behind a dash, the first that stays
// comes into its place.
func (p *planner) removeLines(gone []bool, extent func(i int) (start, end int)) {
	for i := 0; i < len(gone); i++ {
		if !gone[i] {
			continue
		}
		start, end := extent(i)
		if line := p.lineStart(start); p.blank(line, start) {
			p.add(line, p.nextLine(end), "")
			continue
		}
		for i+1 < len(gone) && gone[i+1] {
			i++
		}
		_, end = extent(i)
		if i+1 < len(gone) {
			if next, _ := extent(i + 1); p.blank(end, next) {
				p.add(start, next, "")
				continue
			}
		}
		for isBlank(p.src[start-1]) {
			start--
		}
		p.add(start, p.lineEnd(end), "")
	}
}

// blockList writes the items of a list that are on lines of their own. The
// items that keep their order stay; others are cut and put back with the
// comment lines directly above them.
func (p *planner) blockList(it *intent, at place) error {
	n := it.was
	gone, err := p.removed(it)
	if err != nil {
		return err
	}
	if len(it.parts) == 0 {
		return p.replace(fresh([]Value{}), at)
	}
	dash := func(i int) int { return n.items[i].hang - 1 }
	indent := p.column(dash(0))
	stays := inPlace(it.parts, len(n.items))
	first := slices.Index(stays, true)
	p.removeLines(gone, func(i int) (int, int) { return dash(i), n.items[i].end })
	last := -1
	for i := range it.parts {
		part := &it.parts[i]
		var text string
		switch {
		case part.at >= 0 && stays[part.at]:
			last = part.at
			if err := p.descend(i, part.val, place{n: n.items[last], indent: indent}); err != nil {
				return err
			}
			continue
		case part.at >= 0:
			text, err = p.cut(n.items[part.at], part.val, i, indent)
		default:
			text, err = p.itemText(part.val, n, min(i, len(n.items)-1), indent)
		}
		if err != nil {
			return err
		}
		switch {
		case last >= 0:
			end := p.nextLine(n.items[last].end)
			p.add(end, end, text)
		case first >= 0:
			p.insertBefore(p.withComments(dash(first)), text, indent)
		default:
			end := p.nextLine(n.end)
			p.add(end, end, text)
		}
	}
	return nil
}

// inPlace says which of n items stay where they are: those of a longest run of
// parts that keeps the order of the items.
func inPlace(parts []part, n int) []bool {
	var tails []int // part at which the best run of each length ends
	back := make([]int, len(parts))
	for i := range parts {
		if parts[i].at < 0 {
			continue
		}
		length, _ := slices.BinarySearchFunc(tails, parts[i].at, func(t, at int) int { return cmp.Compare(parts[t].at, at) })
		back[i] = -1
		if length > 0 {
			back[i] = tails[length-1]
		}
		if length == len(tails) {
			tails = append(tails, i)
		} else {
			tails[length] = i
		}
	}
	stays := make([]bool, n)
	if len(tails) > 0 {
		for i := tails[len(tails)-1]; i >= 0; i = back[i] {
			stays[parts[i].at] = true
		}
	}
	return stays
}

// withComments is the start of the comment lines that stand directly above the
// line of start, at its indentation; start itself if it does not begin a line.
func (p *planner) withComments(start int) int {
	line := p.lineStart(start)
	if !p.blank(line, start) {
		return start
	}
	for line > p.from {
		above := p.lineStart(line - 1)
		if p.src[line-1] == '\n' && line-1 > p.from && p.src[line-2] == '\r' {
			above = p.lineStart(line - 2)
		}
		text := bytes.TrimLeft(p.src[above:line], " ")
		if len(text) == 0 || text[0] != '#' || line-len(text)-above != start-p.lineStart(start) {
			break
		}
		line = above
	}
	return line
}

// cut takes the lines of an item away, and gives them with the changes in them.
func (p *planner) cut(n *node, it *intent, index, indent int) (string, error) {
	dash := n.hang - 1
	from := p.withComments(dash)
	if from == dash && !p.blank(p.lineStart(dash), dash) {
		return "", errNarrow
	}
	to := p.nextLine(n.end)
	before := len(p.splices)
	if err := p.descend(index, it, place{n: n, indent: indent}); err != nil {
		return "", err
	}
	inside := slices.Clone(p.splices[before:])
	p.splices = p.splices[:before]
	p.add(from, to, "")
	b, err := applySplices(p.src[:to], inside)
	if err != nil {
		return "", err
	}
	return string(b[from:]), nil
}

// applySplices gives src with all splices made: src itself if there are none.
func applySplices(src []byte, splices []splice) ([]byte, error) {
	if len(splices) == 0 {
		return src, nil
	}
	slices.SortStableFunc(splices, func(a, b splice) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	size := len(src)
	for _, s := range splices {
		size += len(s.text)
	}
	out := make([]byte, 0, size)
	p := 0
	for _, s := range splices {
		if s.from < p || s.to < s.from || s.to > len(src) {
			return nil, errNarrow
		}
		out = append(append(out, src[p:s.from]...), s.text...)
		p = s.to
	}
	return append(out, src[p:]...), nil
}
