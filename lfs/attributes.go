package lfs

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// MaxAttributes is how many bytes a .gitattributes may have. One that is larger is not
// read here.
const MaxAttributes = 1 << 20

// maxLine is how many bytes a line may have, as Git has it.
const maxLine = 2048

// Attributes are those of one .gitattributes (gitattributes(5)), as far as they can
// matter to the attribute filter.
type Attributes struct {
	folder string // "" or ending in a slash
	rules  []rule
	macros map[string][]state // of the root's
}

// A rule is a line with a pattern.
type rule struct {
	pattern  string // without the slash that it begins with
	anywhere bool   // it is for the last segment of a path, whatever stands before it
	states   []state
}

// A state is what a line says of an attribute.
type state struct {
	name  string
	value string // "" where it is not a text
	kind  byte   // '=', '+' for true, '-' for false or '!' for unspecified
}

// ParseAttributes reads the .gitattributes of a folder, "" for the root, which alone can
// define macros. Lines that Git ignores are ignored.
func ParseAttributes(folder string, src []byte) *Attributes {
	a := &Attributes{macros: map[string][]state{}}
	if folder != "" {
		a.folder = folder + "/"
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	for line := range bytes.SplitSeq(src, []byte("\n")) {
		line, _, _ = bytes.Cut(line, []byte{0})
		if len(line) < maxLine {
			a.line(string(line))
		}
	}
	return a
}

const (
	blanks = " \t\r\n"
	macro  = "[attr]"
)

// line reads a line. What is wrong with it has Git ignore all of it.
func (a *Attributes) line(line string) {
	line = strings.TrimLeft(line, blanks)
	if line == "" || line[0] == '#' {
		return
	}
	name, rest, quoted := unquote(line)
	if !quoted {
		end := strings.IndexAny(line, blanks)
		if end < 0 {
			return // it says nothing
		}
		name, rest = line[:end], line[end:]
	}
	states, ok := parseStates(rest)
	if !ok {
		return
	}
	if defined, is := strings.CutPrefix(name, macro); is && defined != "" {
		defined = strings.TrimLeft(defined, blanks)
		if end := strings.IndexAny(defined, blanks); end >= 0 {
			defined = defined[:end]
		}
		if a.folder == "" && validName(defined) {
			a.macros[defined] = states // the last one counts
		}
		return
	}
	if name == "" || name[0] == '!' || strings.HasSuffix(name, "/") {
		return // Git ignores the first two, and the last is for no file
	}
	a.rules = append(a.rules, rule{strings.TrimPrefix(name, "/"), !strings.Contains(name, "/"), states})
}

// parseStates reads what stands behind a pattern.
func parseStates(text string) ([]state, bool) {
	var states []state
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(blanks, r) }) {
		s := state{kind: '+'}
		name, value, valued := strings.Cut(word, "=")
		if valued {
			s.kind, s.value = '=', value
		}
		if name != "" && (name[0] == '-' || name[0] == '!') {
			s.kind, s.value, name = name[0], "", name[1:]
		}
		if s.name = name; !validName(name) {
			return nil, false
		}
		states = append(states, s)
	}
	return states, true
}

// validName says whether s can be the name of an attribute.
func validName(s string) bool {
	return s != "" && s[0] != '-' && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// unquote reads a text in double quotes, with the escapes of C, at the beginning of a line.
func unquote(line string) (text, rest string, ok bool) {
	if line[0] != '"' {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(line); i++ {
		switch c := line[i]; c {
		case '"':
			return b.String(), line[i+1:], true
		case '\\':
			if i++; i == len(line) {
				return "", "", false
			}
			if at := strings.IndexByte(`abfnrtv"\`, line[i]); at >= 0 {
				b.WriteByte("\a\b\f\n\r\t\v\"\\"[at])
				continue
			}
			if i+2 >= len(line) || line[i] < '0' || line[i] > '3' || line[i+1] < '0' || line[i+1] > '7' || line[i+2] < '0' || line[i+2] > '7' {
				return "", "", false
			}
			b.WriteByte((line[i]-'0')<<6 | (line[i+1]-'0')<<3 | (line[i+2] - '0'))
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// matches says whether a rule is for the file at a path.
func (a *Attributes) matches(r *rule, file string) bool {
	below, ok := strings.CutPrefix(file, a.folder)
	if !ok {
		return false
	}
	if r.anywhere {
		return wildmatch(r.pattern, path.Base(below), false)
	}
	// As in Git, stars behind what has no wildcard are at the beginning of a pattern.
	plain := strings.IndexAny(r.pattern, `*?[\`)
	if plain < 0 {
		return below == r.pattern
	}
	rest, ok := strings.CutPrefix(below, r.pattern[:plain])
	return ok && wildmatch(r.pattern[plain:], rest, true)
}

// filter is the attribute with the name of the program that a file goes through.
const filter = "filter"

// Tracked says whether Git LFS keeps the file at a path, by the .gitattributes of its
// folders, the outermost first. It is what git check-attr says of filter.
func Tracked(file string, in []*Attributes) bool {
	macros := map[string][]state{"binary": nil} // Git's own, which says nothing of filter
	for _, a := range in {
		for name, states := range a.macros {
			macros[name] = states
		}
	}
	decided := map[string]state{}
	for _, a := range slices.Backward(in) {
		for i := range slices.Backward(a.rules) {
			if r := &a.rules[i]; a.matches(r, file) {
				decide(decided, r.states, macros)
			}
			if s, known := decided[filter]; known {
				return s.kind == '=' && s.value == "lfs"
			}
		}
	}
	return false
}

// decide takes what some states say of the attributes that are not decided yet: the last
// counts, and what is true and a macro says more.
func decide(decided map[string]state, states []state, macros map[string][]state) {
	for _, s := range slices.Backward(states) {
		if _, known := decided[s.name]; known {
			continue
		}
		decided[s.name] = s
		if s.kind == '+' {
			decide(decided, macros[s.name], macros)
		}
	}
}
