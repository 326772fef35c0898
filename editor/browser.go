package editor

import (
	"strings"
	"unicode/utf8"
)

// A browser does not give back every text as it was sent (HTML, section 4.10.11): the
// ends of lines come back as CRLF, and neither NUL nor what is not UTF-8 can be sent at
// all. So what came back is compared with what was sent, line by line, and what did not
// differ is taken from the file.

// shown is a text as a form sends it to the browser.
func shown(s string) string {
	if !strings.ContainsAny(s, "\r\x00") && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, line := range linesOf(s) {
		b.WriteString(line.shown())
		if line.end != "" {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// received is a text as a browser sends it back, with the ends of lines as [shown] has
// them.
func received(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// restored is the text that was becomes when a form in which it was shown comes back with
// the text posted. The lines that did not change keep their bytes.
func restored(was, posted string) string {
	is := received(posted)
	if is == shown(was) {
		return was
	}
	old, lines := linesOf(was), linesOf(is)
	head := 0
	for head < len(old) && head < len(lines) && old[head].same(lines[head]) {
		head++
	}
	tail := 0
	for tail < len(old)-head && tail < len(lines)-head && old[len(old)-1-tail].same(lines[len(lines)-1-tail]) {
		tail++
	}
	var b strings.Builder
	write := func(all []line) {
		for _, l := range all {
			b.WriteString(l.text)
			b.WriteString(l.end)
		}
	}
	write(old[:head])
	odd := old[head : len(old)-tail]
	ends := likely(old)
	for _, l := range lines[head : len(lines)-tail] {
		if l.end == "\n" {
			l.end = ends
		}
		for i := range odd { // the next one that a browser could not send, if this is what it became
			if odd[i].odd() && odd[i].same(l) {
				l, odd = odd[i], odd[i+1:]
				break
			}
			if odd[i].odd() && !odd[i].same(l) {
				break
			}
		}
		write([]line{l})
	}
	write(old[len(old)-tail:])
	return b.String()
}

// likely is how most lines of a text end.
func likely(all []line) string {
	n := 0
	for _, l := range all {
		switch l.end {
		case "\r\n":
			n++
		case "\n":
			n--
		}
	}
	if n > 0 {
		return "\r\n"
	}
	return "\n"
}

// line is a line of a text, and how it ends: by LF, CRLF, CR or, as the last one, by
// nothing.
type line struct{ text, end string }

func linesOf(s string) []line {
	var lines []line
	for s != "" {
		i := strings.IndexAny(s, "\r\n")
		if i < 0 {
			return append(lines, line{s, ""})
		}
		end := s[i : i+1]
		if strings.HasPrefix(s[i:], "\r\n") {
			end = "\r\n"
		}
		lines = append(lines, line{s[:i], end})
		s = s[i+len(end):]
	}
	return lines
}

// shown is the line as a browser can have it.
func (l line) shown() string {
	if !l.odd() {
		return l.text
	}
	return strings.Map(func(r rune) rune { // an invalid byte is utf8.RuneError here, one by one
		if r == 0 {
			return utf8.RuneError
		}
		return r
	}, l.text)
}

// odd says whether the line does not come back from a browser as it is.
func (l line) odd() bool {
	return strings.Contains(l.text, "\x00") || l.end == "\r" || !utf8.ValidString(l.text)
}

// same says whether l, which was shown, came back as r.
func (l line) same(r line) bool { return (l.end == "") == (r.end == "") && l.shown() == r.text }
