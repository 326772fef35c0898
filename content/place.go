package content

import (
	"strconv"
	"strings"
)

// Place is where the value at a pointer (RFC 6901) is written in the file, or else the
// innermost value around it: the line and, in runes, the column, from 1. Both are 0 where
// no field is, as where the front matter cannot be read.
func (d *Document) Place(pointer string) (line, column int) {
	n := d.root
	if n == nil || pointer == "" {
		return 0, 0
	}
	found := false
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		step = UnescapeToken(step)
		for n.target != nil {
			n = n.target
		}
		var inner *node
		for _, p := range n.pairs {
			if p.name == step && !p.merge {
				inner = p.val
			}
		}
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.items) {
			inner = n.items[i]
		}
		if inner == nil {
			break
		}
		n, found = inner, true
	}
	if !found {
		return 0, 0
	}
	t := tree{src: d.src, from: d.block.from, to: d.block.to, version: d.version}
	return position(d.src, t.offset(n))
}

// Unframed says whether the file has no front matter at all, so that no field has a value.
func (d *Document) Unframed() bool { return d.block.format == None && len(d.problems) == 0 }
