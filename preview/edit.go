package preview

import (
	"strings"
)

// Insert is the text with a new block before the one at i of its page, or at the end where
// i is their number. It has blank lines around it, and the text's ends of lines.
func (p *Page) Insert(markdown string, i int, block string) string {
	nl := LineEnding(markdown)
	block = strings.Trim(strings.NewReplacer("\r\n", nl, "\r", nl, "\n", nl).Replace(block), "\r\n")
	if i < len(p.Blocks) {
		at, before := p.Blocks[i].Start, ""
		if i > 0 && strings.Count(markdown[p.Blocks[i-1].End:at], "\n") < 2 {
			before = nl
		}
		return markdown[:at] + before + block + nl + nl + markdown[at:]
	}
	if len(p.Blocks) == 0 {
		return markdown + block + nl
	}
	end := p.Blocks[len(p.Blocks)-1].End
	return markdown[:end] + nl + nl + block + markdown[end:]
}

// Remove is the text without the block at i of its page, and without the blank lines on
// one side of it. Those around it do not become one.
func (p *Page) Remove(markdown string, i int) string {
	from, to := p.Blocks[i].Start, p.Blocks[i].End
	first, last := i == 0, i+1 == len(p.Blocks)
	switch {
	case first && last:
	case first:
		to = p.Blocks[i+1].Start
	case last, strings.Count(markdown[to:p.Blocks[i+1].Start], "\n") > 1:
		from = p.Blocks[i-1].End
	default:
		to = p.Blocks[i+1].Start
		if strings.Count(markdown[p.Blocks[i-1].End:from], "\n") < 2 {
			return markdown[:from] + LineEnding(markdown) + markdown[to:]
		}
	}
	return markdown[:from] + markdown[to:]
}

// LineEnding is what the first line of a text ends with, or what lines do that are
// written where there is none.
func LineEnding(markdown string) string {
	if i := strings.IndexByte(markdown, '\n'); i > 0 && markdown[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
