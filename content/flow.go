package content

import (
	"bytes"
	"slices"
	"strings"

	"cms/say"
)

// flow is a list or a mapping in brackets that gets other parts.
type flow struct {
	*planner
	n  *node
	it *intent
}

func (f *flow) start(i int) int {
	if f.n.kind == mapping {
		return f.n.pairs[i].start
	}
	return f.n.items[i].start
}

func (f *flow) end(i int) int {
	if f.n.kind == mapping {
		return f.n.pairs[i].end()
	}
	return f.n.items[i].end
}

// values writes the parts that have changed inside.
func (f *flow) values(at place) error {
	for i := range f.it.parts {
		part := &f.it.parts[i]
		if part.at < 0 {
			continue
		}
		var step any = i
		if f.n.kind == mapping {
			step = part.name
			if key := f.n.pairs[part.at].key; part.renamed {
				if err := f.shared(key); err != nil {
					return err
				}
				f.add(key.from, key.end, f.keyText(part.name, key.style))
			}
		}
		child := place{n: f.it.old(i), indent: at.indent, flow: true, member: f.n.kind == mapping}
		if err := f.descend(step, part.val, child); err != nil {
			return err
		}
	}
	return nil
}

// gap writes the parts between two that stay: what stands between them in the
// file goes, the parts that are listed come.
func (f *flow) gap(before, after int, parts []int) error {
	count := max(len(f.n.pairs), len(f.n.items))
	sep := f.separator()
	texts := make([]string, len(parts))
	for k, i := range parts {
		text, err := f.partText(i)
		if err != nil {
			return err
		}
		texts[k] = text
	}
	joined := strings.Join(texts, sep)
	goneFrom, goneTo := before+1, after-1
	switch {
	case goneFrom > goneTo && len(parts) == 0:
	case before < 0 && after == count:
		from, to := f.n.from+1, f.n.end-1
		if len(parts) > 0 && count > 0 {
			from, to = f.start(0), f.end(count-1)
		}
		f.add(from, to, joined)
	case goneFrom > goneTo && before >= 0:
		f.add(f.end(before), f.end(before), sep+joined)
	case goneFrom > goneTo:
		f.add(f.start(after), f.start(after), joined+sep)
	case len(parts) > 0:
		f.add(f.start(goneFrom), f.end(goneTo), joined)
	case after < count:
		f.add(f.start(goneFrom), f.start(after), "")
	default:
		f.add(f.end(before), f.end(goneTo), "")
	}
	return nil
}

// separator is what stands between the first two parts if that can be copied.
func (f *flow) separator() string {
	if count := max(len(f.n.pairs), len(f.n.items)); count > 1 {
		if sep := string(f.src[f.end(0):f.start(1)]); strings.TrimSpace(sep) == "," {
			return sep
		}
	} else if count == 1 {
		if lead := string(f.src[f.n.from+1 : f.start(0)]); strings.Contains(lead, "\n") && strings.TrimSpace(lead) == "" {
			return "," + lead
		}
	}
	return ", "
}

// partText is the text of a new part, or of one that is moved.
func (f *flow) partText(i int) (string, error) {
	part := &f.it.parts[i]
	if part.at >= 0 {
		if part.val != nil || part.renamed {
			return "", errNarrow
		}
		return string(f.src[f.start(part.at):f.end(part.at)]), nil
	}
	if f.n.kind == list {
		return f.inlineText(part.val, f.neighbour(i), true)
	}
	value, err := f.inlineText(part.val, plain, true)
	if err != nil {
		return "", err
	}
	return f.keyText(part.name, plain) + f.colon(f.n) + value, nil
}

// comment is where the first comment stands between the parts, -1 if there is
// none.
func (f *flow) comment() int {
	at, count := f.n.from+1, max(len(f.n.pairs), len(f.n.items))
	for i := range count + 1 {
		to := f.n.end
		if i < count {
			to = f.start(i)
		}
		if k := bytes.IndexByte(f.src[at:to], '#'); k >= 0 {
			return at + k
		}
		if i < count {
			at = f.end(i)
		}
	}
	return -1
}

// lines writes the parts where there are comments: a comment stays with the part
// on its line, but one behind a comma that ends the whole stays at the end. Each
// part has lines of its own, or the change is refused.
func (f *flow) lines(stays []bool, comment int) error {
	commas, ok := f.commas(len(stays))
	for i := range f.it.parts {
		if k := f.it.parts[i].at; k >= 0 && !stays[k] || k < 0 && len(stays) == 0 {
			ok = false // moved, or into nothing but comments
		}
	}
	if !ok {
		line, column := position(f.src, comment)
		return &EditError{Kind: KindRefused, Path: slices.Clone(f.path), Line: line, Column: column,
			Detail: say.New("this comment would be lost or end up beside another item; edit the source")}
	}
	trailing := commas[len(stays)-1] >= 0
	indent := string(f.src[f.lineStart(f.start(0)):f.start(0)])
	behind := f.lineStart(f.start(0))
	for i := range f.it.parts {
		k := f.it.parts[i].at
		comma := i+1 < len(f.it.parts) || trailing
		if k < 0 {
			text, err := f.partText(i)
			if err != nil {
				return err
			}
			switch {
			case behind == f.end(len(stays)-1):
				text = "," + f.eol + indent + text
			case comma:
				text = indent + text + "," + f.eol
			default:
				text = indent + text + f.eol
			}
			f.add(behind, behind, text)
			continue
		}
		if behind = f.nextLine(f.end(k)); trailing && k+1 == len(stays) {
			behind = f.end(k)
		}
		if comma && commas[k] < 0 {
			f.add(f.end(k), f.end(k), ",")
		} else if !comma && commas[k] >= 0 {
			f.add(commas[k], commas[k]+1, "")
		}
	}
	for k := range stays {
		if !stays[k] {
			f.add(f.lineStart(f.start(k)), f.nextLine(f.end(k)), "")
		}
	}
	return nil
}

// commas are where the commas behind the parts stand, -1 where there is none. It
// is false if the parts are not on lines of their own, with their commas.
func (f *flow) commas(count int) (at []int, ok bool) {
	for i := range count {
		end := f.end(i)
		rest := bytes.TrimLeft(f.src[end:f.lineEnd(end)], " \t")
		comma := -1
		if bytes.HasPrefix(rest, []byte(",")) {
			comma = f.lineEnd(end) - len(rest)
			rest = bytes.TrimLeft(rest[1:], " \t")
		}
		if !f.blank(f.lineStart(f.start(i)), f.start(i)) || len(rest) > 0 && rest[0] != '#' || comma < 0 && i+1 < count {
			return nil, false
		}
		at = append(at, comma)
	}
	return at, true
}

// neighbour is the style of the quotes of the item next to the i-th.
func (f *flow) neighbour(i int) style {
	if len(f.n.items) == 0 {
		return plain
	}
	return quotesOf(f.n.items[min(i, len(f.n.items)-1)])
}

// flowParts writes what stands in brackets or braces.
func (p *planner) flowParts(it *intent, at place) error {
	n := it.was
	if _, err := p.removed(it); err != nil {
		return err
	}
	f := flow{planner: p, n: n, it: it}
	stays := inPlace(it.parts, max(len(n.pairs), len(n.items)))
	if !slices.Contains(stays, false) && len(it.parts) == len(stays) {
		return f.values(at)
	}
	if c := p.src[n.from]; c != '[' && c != '{' {
		return errNarrow
	}
	if err := f.values(at); err != nil {
		return err
	}
	if comment := f.comment(); comment >= 0 {
		return f.lines(stays, comment)
	}
	last, fresh := -1, []int(nil)
	for i := range it.parts {
		if k := it.parts[i].at; k >= 0 && stays[k] {
			if err := f.gap(last, k, fresh); err != nil {
				return err
			}
			last, fresh = k, nil
		} else {
			fresh = append(fresh, i)
		}
	}
	return f.gap(last, len(stays), fresh)
}
