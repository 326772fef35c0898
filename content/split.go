package content

import "bytes"

const bom = "\xef\xbb\xbf"

// block is where the front matter stands in a file. The offsets are bytes; the
// text from from to to is what its decoder reads.
type block struct {
	format   Format
	decoder  *decoder
	from, to int
	body     int    // where the body begins
	eol      string // of the opening line, or what most lines of the file have
	open     bool   // the closing delimiter has no line ending
	unclosed bool   // an opening delimiter without a closing one: all is body
}

// split finds the front matter by its delimiters, which begin in column 0 and
// may be followed by blanks. A byte order mark may stand before the front matter
// and before its first line. It never fails: what is not understood is body.
func split(src []byte) block {
	start := 0
	if bytes.HasPrefix(src, []byte(bom)) {
		start = len(bom)
	}
	end, next := lineEnd(src, start)
	first := string(trimBlanks(src[start:end]))
	if first != "" && first[0] == '{' {
		if b, ok := splitObject(src, start); ok {
			return b
		}
		return noBlock(src, start)
	}
	opened := decodersOf(first)
	if opened == nil || next == end {
		return noBlock(src, start)
	}
	from := next
	if bytes.HasPrefix(src[from:], []byte(bom)) {
		from += len(bom)
	}
	for line := from; line < len(src); {
		lineTo, after := lineEnd(src, line)
		if d := closing(opened, src[line:lineTo]); d != nil {
			return block{format: d.format, decoder: d, from: from, to: line, body: after, eol: string(src[end:next]), open: after == lineTo}
		}
		line = after
	}
	none := noBlock(src, start)
	none.unclosed = true
	return none
}

// noBlock is a file that is body from start on.
func noBlock(src []byte, start int) block {
	b := block{body: start, eol: "\n"}
	if bytes.Count(src, []byte("\r\n"))*2 > bytes.Count(src, []byte("\n")) {
		b.eol = "\r\n"
	}
	return b
}

// closing is the decoder whose end delimiter the line is.
func closing(opened []decoder, line []byte) *decoder {
	if len(line) == 0 {
		return nil
	}
	for i := range opened {
		if d := &opened[i]; line[0] == d.End[0] && string(trimBlanks(line)) == d.End {
			return d
		}
	}
	return nil
}

// splitObject takes a JSON object at the start of the file for its front
// matter, as Hugo does, if the rest of its last line is blank.
func splitObject(src []byte, start int) (block, bool) {
	s := jsonScanner{src: src, pos: start, gives: itsEnd}
	if s.value(&node{}) != nil {
		return block{}, false
	}
	end, next := lineEnd(src, s.pos)
	if len(trimBlanks(src[s.pos:end])) > 0 {
		return block{}, false
	}
	eol := "\n"
	if first, after := lineEnd(src, start); after-first == 2 {
		eol = "\r\n"
	}
	d := &decodersOf("{")[0]
	return block{format: JSON, decoder: d, from: start, to: s.pos, body: next, eol: eol, open: next == end}, true
}

// lineEnd is where the text of the line at i ends, and where the next begins.
func lineEnd(b []byte, i int) (end, next int) {
	n := bytes.IndexByte(b[i:], '\n')
	if n < 0 {
		return len(b), len(b)
	}
	end = i + n
	if n > 0 && b[end-1] == '\r' {
		return end - 1, end + 1
	}
	return end, end + 1
}

func trimBlanks(b []byte) []byte { return bytes.TrimRight(b, " \t\r") }
