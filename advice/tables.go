package advice

import (
	"strings"

	"cms/pattern"
	"cms/preview"
)

// how is how a table is made.
func (b *table) how() string {
	if b.tag != nil {
		return "html"
	}
	return "markdown"
}

// tableHeaders finds tables of data without header cells.
func tableHeaders(t *text) {
	for _, b := range t.tables {
		t.look(0)
		if b.headed || b.layout || b.inner {
			continue
		}
		f := Finding{Block: b.block, Start: b.start, End: b.end, Args: map[string]string{"how": b.how()}}
		if b.row != nil && b.row.close > 0 {
			t.look(b.row.close - b.row.start)
			if row, ok := headed(t.markdown[b.row.start:b.row.close]); ok {
				f.Fixes = []Fix{{Kind: MakeHead, Start: b.row.start, End: b.row.close, Text: row}}
			}
		}
		t.find(f)
	}
	// kramdown takes lines of cells for a table without a head.
	for _, p := range t.paragraphs {
		if !p.plain {
			continue
		}
		lines := strings.SplitAfter(t.markdown[p.start:p.end], "\n")
		t.look(p.end - p.start)
		if len(lines) < 2 || !allCells(lines) {
			continue
		}
		nl := preview.LineEnding(t.markdown)
		at := p.start + len(lines[0])
		t.find(Finding{Block: p.block, Start: p.start, End: p.end, Args: map[string]string{"how": "markdown"},
			Fixes: []Fix{{Kind: MakeHead, Start: at, End: at, Text: strings.Repeat("|---", strings.Count(strings.Trim(lines[0], "| \t\r\n"), "|")+1) + "|" + nl}}})
	}
}

// allCells says whether all lines are rows of a table.
func allCells(lines []string) bool {
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if len(line) < 3 || line[0] != '|' || line[len(line)-1] != '|' {
			return false
		}
	}
	return true
}

var cells = pattern.Lazy(`(?i)<(/?)td\b`)

// headed is a row whose cells are header cells.
func headed(row string) (string, bool) {
	if strings.Contains(strings.ToLower(row), "<table") || !cells().MatchString(row) {
		return "", false
	}
	return cells().ReplaceAllString(row, "<${1}th"), true
}

var tableNames = pattern.Lazy(`(?i)^\W*(?:tableau|table|tab\.)\b`)

// tableTitle finds tables of data without a title.
func tableTitle(t *text) {
	for _, b := range t.tables {
		t.look(0)
		if b.titled || b.layout || b.inner {
			continue
		}
		f := Finding{Block: b.block, Start: b.start, End: b.end, Args: map[string]string{"how": b.how()}}
		if b.tag != nil {
			f.Fixes = []Fix{{Kind: Retitle, Start: b.tag.end, End: b.tag.end, Text: "<caption>", After: "</caption>", Asks: AskTitle, encode: asHTML}}
		} else if b.block > 0 {
			before := t.blocks[b.block-1]
			if before.Kind == preview.Heading || before.Kind == preview.Paragraph && tableNames().MatchString(t.markdown[before.Start:min(before.End, before.Start+40)]) {
				continue
			}
		}
		t.find(f)
	}
}
