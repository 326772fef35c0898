package content

import "unicode/utf8"

// lineIndex finds the offset of a line and column as the YAML library counts
// them: lines also end at a lone CR, at NEL, U+2028 and U+2029, and columns are
// runes. A mark every 64 runes keeps a long line of many items linear.
type lineIndex struct {
	src    []byte
	to     int
	starts []int
	marks  map[int][]int
}

func newLineIndex(src []byte, from, to int) *lineIndex {
	x := &lineIndex{src: src, to: to, starts: make([]int, 1, 32)}
	x.starts[0] = from
	for i := from; i < to; {
		if n := lineBreak(src, i, to); n > 0 {
			i += n
			x.starts = append(x.starts, i)
		} else {
			i++
		}
	}
	return x
}

func (x *lineIndex) offset(line, column int) int {
	if line < 1 || line > len(x.starts) {
		return x.to
	}
	end := x.to
	if line < len(x.starts) {
		end = x.starts[line]
	}
	p, runes := x.starts[line-1], 1
	if column > 128 {
		marks := x.lineMarks(line, p, end)
		i := min((column-1)/64, len(marks)-1)
		p, runes = marks[i], i*64+1
	}
	for ; runes < column && p < end; runes++ {
		_, n := utf8.DecodeRune(x.src[p:])
		p += n
	}
	return p
}

func (x *lineIndex) lineMarks(line, p, end int) []int {
	marks := x.marks[line]
	if marks == nil {
		for i := 0; p < end; i++ {
			if i%64 == 0 {
				marks = append(marks, p)
			}
			_, n := utf8.DecodeRune(x.src[p:])
			p += n
		}
		if x.marks == nil {
			x.marks = make(map[int][]int)
		}
		x.marks[line] = marks
	}
	return marks
}

// lineBreak is the length of the line break at i, 0 if there is none.
func lineBreak(b []byte, i, to int) int {
	if i >= to {
		return 0
	}
	switch c := b[i]; {
	case c == '\n':
		return 1
	case c == '\r':
		if i+1 < to && b[i+1] == '\n' {
			return 2
		}
		return 1
	case c == 0xc2 && i+1 < to && b[i+1] == 0x85:
		return 2
	case c == 0xe2 && i+2 < to && b[i+1] == 0x80 && b[i+2]&^1 == 0xa8:
		return 3
	}
	return 0
}
