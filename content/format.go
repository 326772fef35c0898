package content

import "cms/say"

// Format is the language of a front matter.
type Format int

// The formats.
const (
	None Format = iota
	YAML
	TOML
	JSON
)

func (f Format) String() string {
	switch f {
	case YAML:
		return "yaml"
	case TOML:
		return "toml"
	case JSON:
		return "json"
	}
	return "none"
}

// decoder is a form of front matter: its delimiters, and how what stands
// between them is read into a *tree.
type decoder struct {
	format     Format
	Start, End string // the lines around it
	Unmarshal  func(src []byte, into any) error
}

// decodersOf are the forms that begin with a line. Each is read with decoders of
// ours, as those of libraries lose positions and the order of keys; and found by
// [split], as adrg/frontmatter, which the tests have beside it, takes an indented
// "---" in a block of text for the end, and misses a byte order mark.
func decodersOf(opening string) []decoder {
	for _, forms := range registry {
		if forms[0].Start == opening {
			return forms
		}
	}
	return nil
}

// registry is read only.
var registry = [][]decoder{
	forms(YAML, decodeYAML, "---", "---", "..."),
	forms(TOML, decodeTOML, "+++", "+++"),
	forms(YAML, decodeYAML, "---yaml", "---", "..."),
	forms(YAML, decodeYAML, "--- yaml", "---", "..."),
	forms(TOML, decodeTOML, "---toml", "---"),
	forms(JSON, decodeJSON, "---json", "---"),
	forms(JSON, decodeJSON, ";;;", ";;;"),
	forms(JSON, decodeJSON, "{", "}"),
}

func forms(f Format, decode func([]byte, any) error, start string, ends ...string) []decoder {
	var all []decoder
	for _, end := range ends {
		all = append(all, decoder{f, start, end, decode})
	}
	return all
}

// tree is what a decoder makes of a block: the block is src[from:to].
type tree struct {
	src        []byte
	from, to   int
	root       *node // nil for an empty block
	version    Version
	duplicates []*node // keys that stand in their mapping already
	ambiguous  []*node // plain scalars that readers disagree about, the first ones
	shared     []*node // what aliases refer to
	lines      *lineIndex
}

// fits refuses a block that is too large to be read.
func (t *tree) fits() error {
	if t.to-t.from > maxFrontMatter {
		return t.beyond(t.from, say.New("the front matter has more than %d bytes", maxFrontMatter))
	}
	return nil
}

// beyond is the error of what is beyond a bound.
func (t *tree) beyond(at int, detail say.Text) error {
	line, column := position(t.src, at)
	return &SyntaxError{Line: line, Column: column, Detail: detail, TooLarge: true}
}

func decodeJSON(_ []byte, into any) error {
	t := into.(*tree)
	s := jsonScanner{src: t.src[:t.to], pos: t.from, most: maxValues}
	root, err := s.document()
	t.root, t.duplicates = root, s.duplicates
	return err
}
