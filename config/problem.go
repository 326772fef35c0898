package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Error is everything that is wrong with a configuration, in the order in which
// it stands there.
type Error struct {
	Problems []Problem // at least one
}

// Error has one line for each problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Position is a place in the configuration.
type Position struct {
	File   string // or "environment variable NAME"
	Line   int    // from 1; 0 when there is none
	Column int    // in characters, from 1; 0 when there is none
}

// String is file:line:column.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one thing that is wrong.
type Problem struct {
	Position
	Key    string // auth.issuers[0].secret_env; "" for the file as a whole
	Detail string // what is wrong and what to do
}

// String is file:line:column: key: detail.
func (p Problem) String() string {
	if p.Key == "" {
		return p.Position.String() + ": " + p.Detail
	}
	return p.Position.String() + ": " + p.Key + ": " + p.Detail
}

// Position tells where the value at path stands, or the innermost thing around
// it that does. The steps of path are keys (string) and indexes (int).
func (c *Config) Position(path ...any) Position { return c.source.position(path) }

// Problem is one with the value at path, for what other packages find wrong
// with a configuration that is fine by itself.
func (c *Config) Problem(detail string, path ...any) Problem {
	return Problem{Position: c.Position(path...), Key: key(path), Detail: strings.ReplaceAll(detail, "\n", "; ")}
}

// Report is an *Error with all problems in the order in which they stand in the
// configuration, or nil when there is none.
func Report(found []Problem) error {
	if len(found) == 0 {
		return nil
	}
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.File, b.File))
	})
	return &Error{Problems: found}
}

func (s *source) position(path []any) Position {
	if v, ok := s.overrides[key(path)]; ok {
		return Position{File: "environment variable " + v}
	}
	n := s.root
	for _, step := range path {
		inner := child(n, step)
		if inner == nil {
			break
		}
		n = inner
	}
	return s.at(n)
}

func (s *source) at(n *yaml.Node) Position {
	if n == nil {
		return Position{File: s.file}
	}
	return Position{File: s.file, Line: n.Line, Column: n.Column}
}

// child is the value at step in n, nil when there is none.
func child(n *yaml.Node, step any) *yaml.Node {
	n = follow(n)
	switch step := step.(type) {
	case string:
		if n != nil && n.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == step {
					return n.Content[i+1]
				}
			}
		}
	case int:
		if n != nil && n.Kind == yaml.SequenceNode && step >= 0 && step < len(n.Content) {
			return n.Content[step]
		}
	}
	return nil
}

// follow is what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// key writes path as a person would: collections[0].fields[2].type.
func key(path []any) string {
	var b strings.Builder
	for _, step := range path {
		if s, ok := step.(string); ok {
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s)
		} else {
			fmt.Fprintf(&b, "[%d]", step)
		}
	}
	return b.String()
}

// problems gathers what is wrong.
type problems struct {
	source
	found    []Problem
	reported map[string]bool // keys of which nothing more is to be said; true if neither of what is below them
}

// add blames the value at path, unless something was said of it before: the
// first thing is what matters.
func (p *problems) add(path []any, format string, args ...any) {
	p.addAt(p.position(path), path, format, args...)
}

func (p *problems) addAt(at Position, path []any, format string, args ...any) {
	for i := range path {
		if p.reported[key(path[:i])] {
			return
		}
	}
	k := key(path)
	if _, ok := p.reported[k]; ok {
		return
	}
	p.reported[k] = false
	p.found = append(p.found, Problem{Position: at, Key: k, Detail: fmt.Sprintf(format, args...)})
}

// unread blames the value at path, which could not be read at all.
func (p *problems) unread(path []any, format string, args ...any) {
	p.add(path, format, args...)
	p.reported[key(path)] = true
}
