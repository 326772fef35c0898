package content

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"unicode/utf8"

	"cms/lfs"
	"cms/say"
)

// Document is a file with its front matter read. It is immutable, and safe for
// concurrent use.
type Document struct {
	src      []byte
	version  Version // by which it is read
	block    block
	root     *node // nil when there is none, it is empty, or it cannot be read
	fields   *Object
	err      error
	problems []Problem

	locating  sync.Once // finds where the nodes are written, for the first edit
	locateErr error
}

// Problem is something wrong with a document: with its syntax, or by the rules
// of its collection.
type Problem struct {
	Field   string   `json:"field,omitempty"`   // etapes[1].date
	Pointer string   `json:"pointer,omitempty"` // RFC 6901: /etapes/1/date
	Rule    string   `json:"rule"`              // syntax, duplicate_key, required, type …
	Detail  say.Text `json:"detail"`
	Line    int      `json:"line,omitempty"`   // from 1, in the file
	Column  int      `json:"column,omitempty"` // from 1, in runes
}

// Rules that a file can break whatever its collection expects.
const (
	RuleSyntax       = "syntax"        // it cannot be read
	RuleTooLarge     = "too_large"     // it is not read, as it is beyond a bound
	RulePointer      = "lfs_pointer"   // it stands for a file that Git LFS keeps elsewhere
	RuleDuplicateKey = "duplicate_key" // of two values it is not clear which one is meant
	RuleAmbiguous    = "ambiguous"     // readers take a value for different ones
	RuleSetAside     = "set_aside"     // another version of it waits for somebody to decide; see repo.Conflict
	RuleSharedAnchor = "shared_anchor" // a value stands for other fields too, and cannot be edited
)

// Hint says whether p is no fault: the file is valid, and may be written so.
func (p Problem) Hint() bool { return p.Rule == RuleAmbiguous || p.Rule == RuleSetAside }

// Valid says whether all of problems are hints.
func Valid(problems []Problem) bool {
	return !slices.ContainsFunc(problems, func(p Problem) bool { return !p.Hint() })
}

// SyntaxError says where a text cannot be read.
type SyntaxError struct {
	Line, Column int // from 1, in the file; the column in runes, 0 if unknown
	Detail       say.Text
	TooLarge     bool // beyond a bound of what is read
}

func (e *SyntaxError) Error() string { return e.Say().String() }

// Say is the error for people.
func (e *SyntaxError) Say() say.Text {
	if e.Column == 0 {
		return say.New("line %d: %s", e.Line, e.Detail)
	}
	return say.New("line %d, column %d: %s", e.Line, e.Column, e.Detail)
}

// ParseVersion tells what was kept of earlier parses from what Parse gives now. It
// is raised with every change of the fields or the problems of some file.
const ParseVersion = 6

// Parse reads a file by YAML 1.1. It never fails: what is wrong with the front matter is
// told by Err and Problems, and the source and the body can be had all the
// same. The document keeps src, which must not be changed afterwards.
func Parse(src []byte) *Document { return ParseAs(YAML11, src) }

// ParseAs is Parse by a version of YAML.
func ParseAs(version Version, src []byte) *Document {
	d := &Document{src: src, version: version, block: split(src), fields: &Object{}}
	if d.block.format == None {
		if _, pointer := lfs.ParsePointer(src); pointer {
			detail := say.New("the file is a Git LFS pointer: what it stands for is kept elsewhere, and not read")
			d.err = &SyntaxError{Line: 1, Detail: detail}
			d.problems = append(d.problems, Problem{Rule: RulePointer, Detail: detail, Line: 1, Column: 1})
		} else if d.block.unclosed {
			d.problems = append(d.problems, Problem{Rule: RuleSyntax, Line: 1, Column: 1,
				Detail: say.New("the front matter that line 1 opens is never closed")})
		}
	} else {
		d.decode()
	}
	if i := invalidUTF8(src[d.block.body:]); i >= 0 {
		line, column := position(src, d.block.body+i)
		d.problems = append(d.problems, Problem{Rule: RuleSyntax, Detail: say.New("the body is not UTF-8"), Line: line, Column: column})
	}
	return d
}

// As is d as it is read by a version of YAML.
func (d *Document) As(version Version) *Document {
	if d.version.is12() == version.is12() {
		return d
	}
	return ParseAs(version, d.src)
}

// decode reads the front matter's block with the decoder of its format.
func (d *Document) decode() {
	t := tree{src: d.src, from: d.block.from, to: d.block.to, version: d.version}
	err := t.fits()
	if err == nil {
		err = d.block.decoder.Unmarshal(d.src[t.from:t.to], &t)
	}
	if err == nil && t.root != nil {
		if o, ok := t.root.value.(*Object); ok {
			d.fields = o
		} else {
			line, column := position(d.src, t.offset(t.root))
			err = &SyntaxError{Line: line, Column: column, Detail: say.New("the front matter is not a mapping of keys to values")}
		}
		d.root = t.root
	}
	if err != nil {
		var at *SyntaxError
		if !errors.As(err, &at) {
			at = &SyntaxError{Line: 1, Detail: say.Of(err)}
		}
		at.Detail = shortened(at.Detail)
		d.err = at
		rule := RuleSyntax
		if at.TooLarge {
			rule = RuleTooLarge
		}
		d.problems = append(d.problems, Problem{Rule: rule, Detail: at.Detail, Line: at.Line, Column: at.Column})
	}
	if t.root == nil {
		return
	}
	d.report(&t, t.duplicates, RuleDuplicateKey, func(*node) say.Text {
		return say.New("the key is duplicated; the last one counts")
	})
	d.report(&t, t.ambiguous, RuleAmbiguous, func(n *node) say.Text {
		return d.version.dispute(n.text)
	})
	d.report(&t, t.shared, RuleSharedAnchor, func(n *node) say.Text {
		return say.New("other fields take their value from the anchor &%s, so this one cannot be edited alone; write it out where it is used", n.anchor)
	})
}

// report adds a problem with each of the nodes, of the first ones if they are many.
func (d *Document) report(t *tree, nodes []*node, rule string, detail func(*node) say.Text) {
	told := Findings{rule: rule}
	paths := t.root.pathsTo(nodes[:min(len(nodes), maxListed)])
	for i, n := range nodes {
		if i >= maxListed || told.Full() {
			told.more += len(nodes) - i
			break
		}
		line, column := position(d.src, t.offset(n))
		told.Add(Problem{Field: paths[n].String(), Pointer: paths[n].Pointer(), Rule: rule,
			Detail: detail(n), Line: line, Column: column})
	}
	d.problems = append(d.problems, told.Told()...)
}

// Source is the file's bytes. They must not be changed.
func (d *Document) Source() []byte { return d.src }

// Fields is the front matter, never nil. It is empty when Err is not nil. Of
// duplicate keys the last one counts, as in Ruby's Psych.
func (d *Document) Fields() *Object { return d.fields }

// Body is the text after the front matter, with its line endings as they are.
func (d *Document) Body() string { return string(d.src[d.block.body:]) }

// Body is the body of the file src, without reading its front matter.
func Body(src []byte) string { return string(src[split(src).body:]) }

// Err says why the front matter cannot be read, as a *[SyntaxError]. It is nil
// for a file without front matter, unless that is a pointer of Git LFS.
func (d *Document) Err() error { return d.err }

// Problems are what is wrong with the file as such: its syntax, duplicate
// keys, anchors that several fields share. They must not be changed.
func (d *Document) Problems() []Problem { return d.problems }

// pointer says whether the file is a pointer of Git LFS.
func (d *Document) pointer() bool { return d.block.format == None && d.err != nil }

// position is the line and the column, in runes, of an offset in b.
func position(b []byte, at int) (line, column int) {
	b = b[:min(at, len(b))]
	start := bytes.LastIndexByte(b, '\n') + 1
	if start == 0 {
		b = bytes.TrimPrefix(b, []byte(bom))
	}
	return bytes.Count(b, []byte("\n")) + 1, utf8.RuneCount(b[start:]) + 1
}

// invalidUTF8 is the offset of the first byte that is not UTF-8, -1 if all is.
func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for i := 0; ; {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
}
