package advice

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cms/preview"
)

// relevel is the repair that gives a heading a level.
func (t *text) relevel(h *heading, level int) []Fix {
	f := Fix{Kind: Relevel, Start: h.start, End: h.start + h.level, Text: strings.Repeat("#", level)}
	switch {
	case h.tag != nil && (h.tag.closed != h.block || h.tag.after == 0):
		return nil
	case h.tag != nil:
		begin := t.markdown[h.tag.start+3 : h.tag.close]
		number := strconv.Itoa(level)
		f.End, f.Text = h.tag.after, "<h"+number+begin+"</h"+number+t.markdown[h.tag.close+4:h.tag.after]
		t.look(len(f.Text))
	case h.marker == '#':
	case level == 2: // its underline
		f.Start, f.End = t.lastLine(h.start, h.end)
		f.Text = strings.Repeat("-", f.End-f.Start)
	default:
		from, _ := t.lastLine(h.start, h.end)
		words := t.markdown[h.start:from]
		if strings.Count(words, "\n") != 1 {
			return nil // which only an underline can have
		}
		f.End, f.Text = h.end, strings.Repeat("#", level)+" "+strings.TrimSpace(words)
	}
	return []Fix{f}
}

// lastLine is where the last line of some begins and ends, without blanks around it.
func (t *text) lastLine(start, end int) (int, int) {
	line := start + strings.LastIndexByte(t.markdown[start:end], '\n') + 1
	return line + len(t.markdown[line:end]) - len(strings.TrimLeft(t.markdown[line:end], " \t")), end
}

// headingFirstLevel finds headings that are of the level of the page's own.
func headingFirstLevel(t *text) {
	for i := range t.headings {
		h := &t.headings[i]
		t.look(len(h.text))
		if h.level == 1 && !h.isEmpty() {
			t.find(Finding{Block: h.block, Start: h.start, End: h.end, Args: map[string]string{"right": "2", "text": h.text}, Fixes: t.relevel(h, 2)})
		}
	}
}

// headingGap finds headings that are more than one level below the one before them. The
// first stands below the title of the page.
func headingGap(t *text) {
	before := 1
	for i := range t.headings {
		h := &t.headings[i]
		t.look(len(h.text))
		if h.isEmpty() {
			continue
		}
		if h.level > before+1 {
			t.find(Finding{Block: h.block, Start: h.start, End: h.end,
				Args: map[string]string{"level": strconv.Itoa(h.level), "right": strconv.Itoa(before + 1), "text": h.text}, Fixes: t.relevel(h, before+1)})
		}
		before = h.level
	}
}

func (h *heading) isEmpty() bool { return strings.TrimSpace(h.text) == "" && !h.image }

// headingEmpty finds headings without a text.
func headingEmpty(t *text) {
	for i := range t.headings {
		h := &t.headings[i]
		t.look(len(h.text))
		if h.isEmpty() {
			t.find(Finding{Block: h.block, Start: h.start, End: h.end, Args: map[string]string{"level": strconv.Itoa(h.level)},
				Fixes: []Fix{{Kind: Remove, Start: h.start, End: h.end}}})
		}
	}
}

// What a heading has at most, so that a strong paragraph is taken for one.
const (
	maxHeadingRunes = 100
	maxHeadingWords = 14
)

// headingBold finds paragraphs that are headings but for their markup: short, all of them
// strong, no sentence, with something below.
func headingBold(t *text) {
	level, next := 1, 0 // of the heading before
	for i := range t.paragraphs {
		p := &t.paragraphs[i]
		for ; next < len(t.headings) && t.headings[next].start < p.start; next++ {
			if h := &t.headings[next]; !h.isEmpty() {
				level = h.level
			}
		}
		t.look(0)
		if p.strong[1] == 0 || p.block+1 >= len(t.blocks) || t.blocks[p.block+1].Kind == preview.Rule {
			continue
		}
		words := strings.TrimSpace(t.markdown[p.strong[0]:p.strong[1]])
		if !isTitle(words) || strings.HasSuffix(words, ":") && t.blocks[p.block+1].Kind == preview.List {
			continue
		}
		right := min(level+1, 6)
		title := strings.TrimSpace(strings.TrimSuffix(strings.TrimRight(words, ":"), "\u00a0"))
		t.find(Finding{Block: p.block, Start: p.start, End: p.end, Args: map[string]string{"right": strconv.Itoa(right), "text": words},
			Fixes: []Fix{{Kind: MakeTitle, Start: p.start, End: p.end, Text: strings.Repeat("#", right) + " " + title + t.markdown[p.marked:p.end]}}})
	}
}

// isTitle says whether words could be those of a heading.
func isTitle(words string) bool {
	if words == "" || strings.ContainsAny(words, "\r\n|") || utf8.RuneCountInString(words) > maxHeadingRunes || len(strings.Fields(words)) > maxHeadingWords {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(words)
	if strings.ContainsRune(".,;!…", last) || last == ')' && strings.HasPrefix(words, "(") {
		return false
	}
	letters := 0
	for _, r := range words {
		if unicode.IsLetter(r) {
			letters++
		}
	}
	return letters >= 3
}
