package editor

import (
	"html/template"
	"strings"
	"unicode"

	"cms/content"
)

// changesView is what differs between two states of an entry.
type changesView struct {
	Fields []fieldChange
	Body   []bodyPart // nil when the text is the same
}

// None says whether nothing differs.
func (c *changesView) None() bool { return len(c.Fields) == 0 && len(c.Body) == 0 }

// Count is how many fields differ, the text included.
func (c *changesView) Count() int {
	n := len(c.Fields)
	if len(c.Body) > 0 {
		n++
	}
	return n
}

// fieldChange is a field that differs. HTML marks the words that do, where both are
// texts.
type fieldChange struct {
	Label    string
	Old, New string
	HTML     template.HTML
}

// bodyPart is a part of a text that differs, with a line of context on both sides, as
// HTML with ins and del; or how many lines lie between two such parts.
type bodyPart struct {
	HTML    template.HTML
	Skipped int
}

// changesOf tells two states of an entry apart.
func changesOf(v *visit, s *content.Schema, fields []content.FieldChange, before, after string) *changesView {
	c, d := &changesView{}, newComparison()
	for _, f := range fields {
		one := fieldChange{Label: labelOf(v, s, f.Field)}
		old, isOld := f.Old.Value.(string)
		is, isNew := f.New.Value.(string)
		if isOld && isNew {
			one.HTML = d.marked(old, is)
		} else {
			one.Old, one.New = v.Value(f.Old.Value), v.Value(f.New.Value)
		}
		c.Fields = append(c.Fields, one)
	}
	if before != after {
		c.Body = d.bodyParts(before, after)
	}
	return c
}

// labelOf is what people call a field of the schema.
func labelOf(v *visit, s *content.Schema, name string) string {
	for _, f := range s.Fields {
		if f.Name == name {
			if label := v.of(f.Label); label != "" {
				return label
			}
		}
	}
	return name
}

// bodyParts compares two texts by lines, and changed lines by words.
func (d *comparison) bodyParts(before, after string) []bodyPart {
	a, b := lines(before), lines(after)
	script := d.compare(a, b)
	var parts []bodyPart
	var html strings.Builder
	skipped := 0
	for i := 0; i < len(script); {
		if script[i].op == same {
			j := i
			for j < len(script) && script[j].op == same {
				j++
			}
			for k := i; k < j; k++ {
				near := i > 0 && k == i || j < len(script) && k == j-1
				if near {
					if skipped > 0 {
						parts, skipped = append(parts, bodyPart{Skipped: skipped}), 0
					}
					html.WriteString(template.HTMLEscapeString(script[k].text))
					continue
				}
				if skipped == 0 && html.Len() > 0 {
					parts = append(parts, bodyPart{HTML: template.HTML(html.String())}) //nolint:gosec // escaped above
					html.Reset()
				}
				skipped++
			}
			i = j
			continue
		}
		var old, is strings.Builder
		for ; i < len(script) && script[i].op != same; i++ {
			if script[i].op == removed {
				old.WriteString(script[i].text)
			} else {
				is.WriteString(script[i].text)
			}
		}
		html.WriteString(string(d.marked(old.String(), is.String())))
	}
	if html.Len() > 0 {
		parts = append(parts, bodyPart{HTML: template.HTML(html.String())}) //nolint:gosec // escaped above
	}
	if skipped > 0 {
		parts = append(parts, bodyPart{Skipped: skipped})
	}
	return parts
}

// lines are those of a text, each with its end.
func lines(s string) []string { return strings.SplitAfter(strings.ReplaceAll(s, "\r\n", "\n"), "\n") }

// marked is the change of a text, with the words that were removed in del and those that
// were added in ins.
func (d *comparison) marked(before, after string) template.HTML {
	var b strings.Builder
	tags := map[op]string{removed: "del", added: "ins"}
	script := d.compare(tokens(before), tokens(after))
	for i := 0; i < len(script); {
		j := i
		var text strings.Builder
		for j < len(script) && script[j].op == script[i].op {
			text.WriteString(script[j].text)
			j++
		}
		tag := tags[script[i].op]
		if tag == "" {
			b.WriteString(template.HTMLEscapeString(text.String()))
		} else {
			b.WriteString("<" + tag + ">" + template.HTMLEscapeString(text.String()) + "</" + tag + ">")
		}
		i = j
	}
	return template.HTML(b.String()) //nolint:gosec // escaped above
}

// tokens are the words of a text and what stands between them.
func tokens(s string) []string {
	var all []string
	begin, kind := 0, -1
	for i, r := range s {
		is := 2
		switch {
		case unicode.IsLetter(r), unicode.IsNumber(r), r == '\'', r == '’':
			is = 0
		case unicode.IsSpace(r):
			is = 1
		}
		if is != kind || is == 2 {
			if i > begin {
				all = append(all, s[begin:i])
			}
			begin, kind = i, is
		}
	}
	if begin < len(s) {
		all = append(all, s[begin:])
	}
	return all
}

type op int

const (
	same op = iota
	removed
	added
)

type step struct {
	op   op
	text string
}

// maxCompared bounds the work of a comparison: the products of the lengths of what is
// compared. Beyond it the one is told as removed, the other as added.
const maxCompared = 4 << 20

// comparison is of all that one page tells apart, on one budget.
type comparison struct{ left int }

func newComparison() *comparison { return &comparison{maxCompared} }

// compare is how a becomes b, by a longest common subsequence.
func (d *comparison) compare(a, b []string) []step {
	var script, tail []step
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		script = append(script, step{same, a[0]})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail = append(tail, step{same, a[len(a)-1]})
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if n := len(a) * len(b); n > 0 && n <= d.left {
		d.left -= n
		script = append(script, middle(a, b)...)
	} else {
		for _, s := range a {
			script = append(script, step{removed, s})
		}
		for _, s := range b {
			script = append(script, step{added, s})
		}
	}
	for i := len(tail) - 1; i >= 0; i-- {
		script = append(script, tail[i])
	}
	return script
}

// middle is compare by the table of the lengths of common subsequences.
func middle(a, b []string) []step {
	w := len(b) + 1
	length := make([]uint16, (len(a)+1)*w)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i*w+j] = length[(i+1)*w+j+1] + 1
			} else {
				length[i*w+j] = max(length[(i+1)*w+j], length[i*w+j+1])
			}
		}
	}
	var script []step
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			script = append(script, step{same, a[i]})
			i, j = i+1, j+1
		case length[(i+1)*w+j] >= length[i*w+j+1]:
			script = append(script, step{removed, a[i]})
			i++
		default:
			script = append(script, step{added, b[j]})
			j++
		}
	}
	for ; i < len(a); i++ {
		script = append(script, step{removed, a[i]})
	}
	for ; j < len(b); j++ {
		script = append(script, step{added, b[j]})
	}
	return script
}
