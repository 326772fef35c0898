package content

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"

	"cms/say"
)

// Apply makes the edits one after the other: all of them, or none and an
// *[EditError]. It returns d itself when nothing changes.
func (d *Document) Apply(edits ...Edit) (*Document, error) {
	var e *editor
	var body *string
	for _, edit := range edits {
		if edit.Op == OpSetBody {
			text, ok := edit.Value.(string)
			if !ok {
				return nil, &EditError{Kind: KindRefused, Detail: say.New("a body is text")}
			}
			body = &text
			continue
		}
		if e == nil {
			var err error
			if e, err = d.edit(edit.Path); err != nil {
				return nil, err
			}
		}
		if err := e.apply(edit); err != nil {
			return nil, err
		}
	}
	out := d
	if e != nil {
		var err error
		if out, err = d.write(e.root); err != nil {
			return nil, err
		}
	}
	if body == nil {
		return out, nil
	}
	return out.setBody(*body)
}

// edit begins to edit the front matter, if there is one that can be edited.
func (d *Document) edit(path FieldPath) (*editor, error) {
	var at *SyntaxError
	unreadable := errors.As(d.err, &at)
	refuse := func(k Kind, detail say.Text) (*editor, error) {
		err := &EditError{Kind: k, Path: path, Detail: detail}
		if unreadable {
			err.Line, err.Column = at.Line, at.Column
		}
		return nil, err
	}
	switch {
	case d.block.unclosed:
		return refuse(KindNoFrontMatter, say.New("the front matter that line 1 opens is never closed; edit the source"))
	case d.block.format == None && !unreadable:
		return refuse(KindNoFrontMatter, say.New("the file has no front matter"))
	case d.root != nil && d.root.kind != mapping:
		return refuse(KindRefused, say.New("the front matter is not a mapping of keys to values; edit the source"))
	case unreadable && at.TooLarge:
		return refuse(KindTooLarge, say.New("%s; edit the source", at.Detail))
	case unreadable:
		return refuse(KindSyntax, say.New("%s; edit the source", at.Detail))
	}
	d.locating.Do(func() {
		if d.root != nil && d.block.format == YAML {
			d.locateErr = locateYAML(d.src, d.block.from, d.block.to, d.root)
		}
	})
	if d.locateErr != nil {
		return refuse(KindRefused, say.New("a value cannot be found in the source: %s", say.Foreign(d.locateErr.Error())))
	}
	e := &editor{comparison: comparison{times: repeats, rounds: true, forms: true}, d: d, root: fresh(&Object{})}
	if d.root != nil {
		e.root = intentOf(d.root)
	}
	return e, nil
}

// write splices what is meant into the file and verifies the result: first
// within the bytes of what changes, then with the whole value of each top-level
// key that changes. What cannot be verified then is refused. Verification is
// against what is meant, so that a value which stays is the same in a block
// that was written anew, or the edit is refused.
func (d *Document) write(root *intent) (*Document, error) {
	root.compact()
	if err := root.storable(d.block.format); err != nil {
		return nil, err
	}
	out, err := d.spliced(root, root, false)
	if !errors.Is(err, errNarrow) {
		return out, err
	}
	wider, refusal := d.widen(root)
	if refusal == nil {
		if out, refusal = d.spliced(wider, root, true); refusal == nil {
			return out, nil
		}
	}
	if at := (narrowError{}); errors.As(err, &at) {
		return nil, at.EditError
	}
	if errors.Is(refusal, errNarrow) {
		refusal = d.cannotWrite(root)
	}
	return nil, refusal
}

// widen is the intent with each top-level value that changes inside written
// anew, with the text of all that stays in it. Comments would be lost there.
func (d *Document) widen(root *intent) (*intent, error) {
	wider := *root
	wider.parts = slices.Clone(root.parts)
	for i := range wider.parts {
		part := &wider.parts[i]
		if part.val == nil || part.val.was == nil || part.val.copied || !part.val.opened {
			continue
		}
		block := text{d.src, d.block.from, d.block.to}
		if at := block.comment(part.val.was); at >= 0 && !part.val.was.table {
			line, column := position(d.src, at)
			return nil, &EditError{Kind: KindRefused, Path: FieldPath{part.name}, Line: line, Column: column,
				Detail: say.New("the value would have to be rewritten, and this comment would be lost; edit the source")}
		}
		part.val = part.val.anew()
	}
	return &wider, nil
}

// cannotWrite refuses what neither way of writing brings about, and names the
// first value that changes.
func (d *Document) cannotWrite(root *intent) error {
	err := &EditError{Kind: KindRefused, Detail: say.New("the change cannot be written without touching other values; edit the source")}
	for i := range root.parts {
		part := &root.parts[i]
		if part.val == nil && !part.renamed && part.at >= 0 {
			continue
		}
		err.Path = FieldPath{part.name}
		if part.at >= 0 {
			err.Line, err.Column = position(d.src, root.was.pairs[part.at].start)
		}
		break
	}
	return err
}

// spliced writes what is planned and holds it against what is meant.
func (d *Document) spliced(root, meant *intent, wide bool) (*Document, error) {
	p := planner{text: text{d.src, d.block.from, d.block.to}, format: d.block.format, eol: d.block.eol, oneLine: wide}
	p.habits = sync.OnceValue(func() habits { return habitsOf(d.src, d.root, root) })
	if err := p.root(root, d.root); err != nil {
		return nil, err
	}
	src, err := applySplices(d.src, p.splices)
	if err != nil {
		return nil, err
	}
	out := d
	if !bytes.Equal(src, d.src) {
		out = d.Reread(src)
	}
	if beyond := new(SyntaxError); errors.As(out.err, &beyond) && beyond.TooLarge {
		return nil, tooLarge(say.New("in the result, %s", beyond.Detail))
	}
	if out.err != nil || out.block.format != d.block.format || out.block.from != d.block.from ||
		!bytes.Equal(src[out.block.body:], d.src[d.block.body:]) || !(verifier{d.block.format, wide}).fulfils(meant, out.root) {
		return nil, errNarrow
	}
	return out, nil
}

// root writes the intent of the whole front matter.
func (p *planner) root(it *intent, n *node) error {
	if n != nil {
		return p.change(it, place{n: n, indent: -1})
	}
	it.open()
	at := p.lastLine()
	for i := range it.parts {
		text, err := p.pairText(it, i, 0, nil)
		if err != nil {
			return err
		}
		p.add(at, at, text)
	}
	return nil
}

// setBody replaces the body.
func (d *Document) setBody(text string) (*Document, error) {
	old := d.Body()
	if text == old || text == asJSON(old) { // as it was, or as JSON can say it
		return d, nil
	}
	body := withLineEndings(text, old, d.block.eol)
	if body == old {
		return d, nil
	}
	if d.pointer() {
		return nil, &EditError{Kind: KindSyntax, Line: 1, Detail: say.New("the file is a Git LFS pointer; edit the source")}
	}
	src := slices.Clone(d.src[:d.block.body])
	if d.block.open && body != "" {
		src = append(src, d.block.eol...)
	}
	src = append(src, body...)
	out := d.Reread(src)
	if out.block.format != d.block.format || out.Body() != body || out.block.from != d.block.from || out.block.to != d.block.to {
		return nil, &EditError{Kind: KindRefused, Detail: say.New("the body would be taken for front matter")}
	}
	return out, nil
}

// withLineEndings gives the lines of text that old has too the endings they have
// there, and the others that of old's first line.
func withLineEndings(text, old, eol string) string {
	if i := strings.IndexByte(old, '\n'); i >= 0 {
		if eol = "\n"; i > 0 && old[i-1] == '\r' {
			eol = "\r\n"
		}
	}
	if uniform(old, eol) && !strings.Contains(text, "\r\r") || max(countLines(text), countLines(old)) > maxLines {
		return allEnding(text, eol)
	}
	was, now := lines(old), lines(text)
	i, j := 0, 0 // the next line of was and of now
	keep := func(until int) {
		for ; i < until; i, j = i+1, j+1 {
			if now[j].eol != "" && was[i].eol != "" {
				now[j].eol = was[i].eol
			}
		}
	}
	known := make(map[string]int)
	var unbounded *budget // as the lines are not many
	for _, c := range unbounded.changes(numbersOf(was, known), numbersOf(now, known)) {
		keep(c.base.from)
		for range c.count {
			if now[j].eol != "" && !strings.HasSuffix(now[j].text, "\r") {
				now[j].eol = eol
			}
			j++
		}
		i = c.base.to
	}
	keep(len(was))
	out := make([]byte, 0, len(text)+len(now))
	for _, l := range now {
		out = append(append(out, l.text...), l.eol...)
	}
	return string(out)
}

// uniform says whether all lines of s have the ending eol.
func uniform(s, eol string) bool {
	n := strings.Count(s, "\n")
	crlf := strings.Count(s, "\r\n")
	return eol == "\n" && crlf == 0 || eol == "\r\n" && crlf == n
}

// allEnding is text with eol at the end of each of its lines.
func allEnding(text, eol string) string {
	if strings.Contains(text, "\r\n") {
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	if eol == "\n" {
		return text
	}
	return strings.ReplaceAll(text, "\n", eol)
}

type line struct{ text, eol string }

// numbersOf are numbers of the lines, the same for those that differ in nothing but
// their ending.
func numbersOf(lines []line, known map[string]int) []int {
	numbers := make([]int, len(lines))
	for i, l := range lines {
		text := l.text
		if l.eol != "" {
			text += "\n"
		}
		n, ok := known[text]
		if !ok {
			n = len(known)
			known[text] = n
		}
		numbers[i] = n
	}
	return numbers
}

func lines(s string) []line {
	b := []byte(s)
	var all []line
	for i := 0; i < len(b); {
		end, next := lineEnd(b, i)
		all = append(all, line{s[i:end], s[end:next]})
		i = next
	}
	return all
}
