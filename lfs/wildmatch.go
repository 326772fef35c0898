package lfs

import "strings"

// wildmatch says whether a pattern of Git's matches a text, byte by byte. In a path no
// sign but ** matches a slash.
func wildmatch(pattern, text string, inPath bool) bool {
	m := &matcher{pattern: pattern, text: text, inPath: inPath}
	return m.match(0, 0)
}

// A matcher takes time that follows the product of its pattern and its text.
type matcher struct {
	pattern, text string
	inPath        bool
	failed        map[[2]int]int // where a star in the pattern was tried in vain, by it and how far it may reach
	steps         int            // how often a place in the pattern was held against one in the text
}

// match says whether the pattern from p on matches the text from t on.
func (m *matcher) match(p, t int) bool {
	for ; p < len(m.pattern); p++ {
		m.steps++
		c := m.pattern[p]
		if c == '*' {
			return m.star(p, t)
		}
		if t == len(m.text) {
			return false
		}
		switch c {
		case '?':
			if m.inPath && m.text[t] == '/' {
				return false
			}
		case '[':
			end, ok := m.class(p, m.text[t])
			if !ok {
				return false
			}
			p = end
		case '\\':
			if p++; p == len(m.pattern) || m.pattern[p] != m.text[t] {
				return false
			}
		default:
			if c != m.text[t] {
				return false
			}
		}
		t++
	}
	return t == len(m.text)
}

// star matches from one or more stars on.
func (m *matcher) star(p, t int) bool {
	after := p
	for after < len(m.pattern) && m.pattern[after] == '*' {
		after++
	}
	slashes, folders := !m.inPath, false
	if m.inPath && after-p > 1 {
		begins := p == 0 || m.pattern[p-1] == '/'
		rest := m.pattern[after:]
		if begins && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, `\/`)) {
			slashes, folders = true, rest != "" && rest[0] == '/'
		}
	}
	last := len(m.text)
	if !slashes {
		if slash := strings.IndexByte(m.text[t:], '/'); slash >= 0 {
			last = t + slash
		}
	}
	// What a star was tried for in vain from one place on is not there from a later one on.
	at := [2]int{p, last}
	if before, tried := m.failed[at]; tried && before <= t {
		return false
	}
	if folders && m.match(after+1, t) {
		return true // no folder at all
	}
	for end := t; end <= last; end++ {
		if m.match(after, end) {
			return true
		}
	}
	if m.failed == nil {
		m.failed = map[[2]int]int{}
	}
	m.failed[at] = t
	return false
}

// class says whether c is in the class of characters that begins at p, and where that ends.
func (m *matcher) class(p int, c byte) (end int, ok bool) {
	pattern := m.pattern
	p++
	negated := p < len(pattern) && (pattern[p] == '!' || pattern[p] == '^')
	if negated {
		p++
	}
	matched := false
	previous := byte(0)
	for first := true; ; first = false {
		if p >= len(pattern) {
			return 0, false // it has no end
		}
		d := pattern[p]
		switch {
		case d == ']' && !first:
			return p, matched != negated && (!m.inPath || c != '/')
		case d == '\\':
			if p++; p == len(pattern) {
				return 0, false
			}
			d = pattern[p]
			matched = matched || c == d
		case d == '-' && previous != 0 && p+1 < len(pattern) && pattern[p+1] != ']':
			p++
			d = pattern[p]
			if d == '\\' {
				if p++; p == len(pattern) {
					return 0, false
				}
				d = pattern[p]
			}
			matched = matched || previous <= c && c <= d
			d = 0 // a range begins no other
		case d == '[' && p+1 < len(pattern) && pattern[p+1] == ':':
			from := p + 2
			to := strings.IndexByte(pattern[from:], ']')
			if to < 0 {
				return 0, false
			}
			if to == 0 || pattern[from+to-1] != ':' { // no name: "[" is one of the characters
				matched = matched || c == '['
				break
			}
			in, known := named(pattern[from:from+to-1], c)
			if !known {
				return 0, false
			}
			matched = matched || in
			p = from + to
			d = 0
		default:
			matched = matched || c == d
		}
		previous = d
		p++
	}
}

// named says whether c is in a class that has a name, of those of POSIX.
func named(class string, c byte) (in, known bool) {
	lower, upper, digit := 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9'
	graph := '!' <= c && c <= '~'
	switch class {
	case "alnum":
		return lower || upper || digit, true
	case "alpha":
		return lower || upper, true
	case "blank":
		return c == ' ' || c == '\t', true
	case "cntrl":
		return c < ' ' || c == 0x7f, true
	case "digit":
		return digit, true
	case "graph":
		return graph, true
	case "lower":
		return lower, true
	case "print":
		return graph || c == ' ', true
	case "punct":
		return graph && !lower && !upper && !digit, true
	case "space":
		return c == ' ' || '\t' <= c && c <= '\r', true
	case "upper":
		return upper, true
	case "xdigit":
		return digit || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F', true
	}
	return false, false
}
