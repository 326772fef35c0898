package advice

import (
	"html"
	"strings"
)

// A tag is a start tag of HTML in a text, by its bytes.
type tag struct {
	block      int
	name       string // in lower case
	attributes []attribute
	start, end int
	close      int  // where the end of the element begins, 0 where none was found
	after      int  // behind that
	closed     int  // the block of the end
	outer      bool // no element is open around it that is repaired as a whole
	empty      bool // nothing but blanks stands between start and end
}

// An attribute of a tag, with the blanks before it.
type attribute struct {
	name, value string
	start, end  int
}

// get is the value of an attribute, and whether there is one.
func (t *tag) get(name string) (string, bool) {
	for _, a := range t.attributes {
		if a.name == name {
			return a.value, true
		}
	}
	return "", false
}

func (t *tag) value(name string) string {
	v, _ := t.get(name)
	return v
}

// place is where an attribute of the name is, or would be put.
func (t *tag) place(name string) (start, end int) {
	for _, a := range t.attributes {
		if a.name == name {
			return a.start, a.end
		}
	}
	at := t.start + 1 + len(t.name)
	return at, at
}

// hidden says whether an element is out of sight and of hearing.
func (t *tag) hidden() bool {
	_, hidden := t.get("hidden")
	style := strings.ReplaceAll(strings.ToLower(t.value("style")), " ", "")
	return hidden || strings.EqualFold(t.value("aria-hidden"), "true") || strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden")
}

// decorates says whether an element is marked as one that says nothing.
func decorates(value func(name string) string) bool {
	role := strings.ToLower(value("role"))
	return role == "presentation" || role == "none" || strings.EqualFold(value("aria-hidden"), "true")
}

// A piece is what HTML source is made of: a start tag, the end of an element, or a text.
type piece struct {
	tag        *tag
	ends       string // the name of the element that ends here
	start, end int
}

// pieces cuts HTML source that stands at an offset. Comments are left out, and what
// stands in scripts and styles. What is no complete tag is a text, with all that follows:
// nothing is looked at twice.
func pieces(source string, offset int, use func(piece)) {
	text := 0
	flush := func(to int) {
		if text < to {
			use(piece{start: offset + text, end: offset + to})
		}
	}
	for at := 0; at < len(source); {
		next := strings.IndexByte(source[at:], '<')
		if next < 0 {
			break
		}
		at += next
		rest := source[at:]
		switch {
		case strings.HasPrefix(rest, "<!--"):
			flush(at)
			end := strings.Index(rest[4:], "-->")
			if end < 0 {
				return
			}
			at += 4 + end + 3
			text = at
		case len(rest) > 1 && letter(rest[1]):
			t, n := startTag(rest, offset+at)
			if n == 0 {
				flush(len(source))
				return
			}
			flush(at)
			use(piece{tag: t, start: t.start, end: t.end})
			at += n
			if t.name == "script" || t.name == "style" {
				end := indexFold(source[at:], "</"+t.name)
				if end < 0 {
					return
				}
				at += end
			}
			text = at
		case len(rest) > 2 && rest[1] == '/' && letter(rest[2]):
			end := strings.IndexByte(rest, '>')
			if end < 0 {
				flush(len(source))
				return
			}
			flush(at)
			name := rest[2:end]
			if cut := strings.IndexAny(name, " \t\r\n/"); cut >= 0 {
				name = name[:cut]
			}
			use(piece{ends: strings.ToLower(name), start: offset + at, end: offset + at + end + 1})
			at += end + 1
			text = at
		default:
			at++
		}
	}
	flush(len(source))
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// indexFold is where low, which is in lower case, is in s, whatever the case there.
func indexFold(s, low string) int {
	for at := 0; ; at++ {
		next := strings.IndexByte(s[at:], low[0])
		if next < 0 {
			return -1
		}
		if at += next; len(s)-at >= len(low) && strings.EqualFold(s[at:at+len(low)], low) {
			return at
		}
	}
}

const blank = " \t\r\n\f"

// startTag reads the tag that source begins with, and how long it is; 0 if it has no end.
func startTag(source string, offset int) (*tag, int) {
	at := 1
	for at < len(source) && strings.IndexByte(blank+"/>", source[at]) < 0 {
		at++
	}
	t := &tag{name: strings.ToLower(source[1:at]), start: offset}
	for {
		begin := at
		for at < len(source) && strings.IndexByte(blank+"/", source[at]) >= 0 {
			at++
		}
		if at == len(source) {
			return nil, 0
		}
		if source[at] == '>' {
			t.end = offset + at + 1
			return t, at + 1
		}
		name := at
		for at++; at < len(source) && strings.IndexByte(blank+"/>=", source[at]) < 0; at++ {
			continue
		}
		a := attribute{name: strings.ToLower(source[name:at]), start: offset + begin}
		end := at
		for at < len(source) && strings.IndexByte(blank, source[at]) >= 0 {
			at++
		}
		if at == len(source) || source[at] != '=' {
			at = end
			a.end = offset + end
			t.attributes = append(t.attributes, a)
			continue
		}
		for at++; at < len(source) && strings.IndexByte(blank, source[at]) >= 0; at++ {
			continue
		}
		if at == len(source) {
			return nil, 0
		}
		value := at
		if quote := source[at]; quote == '"' || quote == '\'' {
			n := strings.IndexByte(source[at+1:], quote)
			if n < 0 {
				return nil, 0
			}
			a.value = source[at+1 : at+1+n]
			at += n + 2
		} else {
			for at < len(source) && strings.IndexByte(blank+">", source[at]) < 0 {
				at++
			}
			a.value = source[value:at]
		}
		a.value = html.UnescapeString(a.value)
		a.end = offset + at
		t.attributes = append(t.attributes, a)
	}
}
