// Package advice tells authors what keeps somebody out of their text, and proposes
// repairs: what ATAG 2.0 calls checking and repair, by the criteria of RGAA 4.1.
//
// It looks at the blocks of a Markdown text, in French or English. What it finds is a
// [Finding] by the name of a rule and what a sentence about it needs; the sentences
// themselves belong to who shows them. Rules are functions of what a text is made of (see
// text), listed once, in [Rules]. The work is linear in the text.
//
// The arguments of their findings:
//
//	image-alternative: address
//	image-decorative: address, alternative
//	image-file-name: address, alternative
//	frame-title: address
//	frame-title-vague: address, title
//	autoplay: address, how, name
//	video-captions: address, kind
//	audio-transcript: address
//	table-headers: how
//	table-title: how
//	link-empty: address
//	link-vague: address, text
//	link-address: address, text
//	link-ambiguous: address, other, text
//	passage-language: language, text
//	html-presentation: name
//	html-attributes: name, names
//	heading-first-level: right, text
//	heading-gap: level, right, text
//	heading-empty: level
//	heading-bold: right, text
//	list-fake: text
//	sensory-colour: text
//	sensory-place: text
//	document-alternative: address, format, text
//	document-format: address, format, text
//	emoji: text
//	sentence-long: text, words
//	paragraph-long: text, words
//
// Alternative is that of an image, and address where an image, a link, a frame or a
// document is; title, of a frame; text, of a link, a heading, a list or a passage, the
// beginning of a long one; other, the address of the link before that has the same text;
// how, by what something plays ("attribute", "address", "allow") or a table is made
// ("markdown", "html"); kind, of what is heard and seen ("video", "player"); name, of an
// element, and names, of attributes, with commas between them; level, of a heading, and
// right, the one it should have; language, of a passage, as a code; format, of a document,
// as its extension in capitals; words, how many.
package advice

import (
	"cmp"
	"context"
	"html"
	"slices"
	"strings"

	"cms/bounded"
	"cms/preview"
)

// MaxFindings bounds what is found in one text.
const MaxFindings = 1000

// Options are what is asked of a text. The zero value asks for all.
type Options struct {
	Language string // of the text, "fr" or "en"; "" where nobody says
	Off      []Rule // not asked for
}

// A Finding is something that could be better.
type Finding struct {
	Rule       Rule
	Block      int // the number of the block in its page
	Start, End int // the bytes of what it is about: the image, the link, the heading
	Hint       bool
	Args       map[string]string // by the names that the rule has in [Rules]
	Fixes      []Fix             // any one of them, the best first; none where only the author can tell
}

// FixKind is what a repair does.
type FixKind string

// The kinds of repairs.
const (
	Describe  FixKind = "describe" // give an alternative
	Decorate  FixKind = "decorate" // mark an image as decorative
	Retitle   FixKind = "retitle"  // give a title to a frame or a table
	Reword    FixKind = "reword"   // give a link another text
	Remove    FixKind = "remove"   // take it out
	Restyle   FixKind = "restyle"  // say what it means instead of how it looks
	Relevel   FixKind = "relevel"  // give a heading its level
	MakeTitle FixKind = "heading"  // make a heading of it
	MakeList  FixKind = "list"     // make a list of it
	MakeHead  FixKind = "head"     // make header cells
	Announce  FixKind = "announce" // say the format of a document
	Speak     FixKind = "language" // mark the language of a passage
)

// Ask is what a repair needs to be told.
type Ask string

// What may be asked.
const (
	AskNothing     Ask = ""
	AskAlternative Ask = "alternative"
	AskTitle       Ask = "title"
	AskText        Ask = "text"
)

// A Fix puts other bytes in the place of some of the text that was checked. One that asks
// puts the answer between Text and After.
type Fix struct {
	Kind        FixKind
	Start, End  int
	Text, After string
	Asks        Ask

	encode func(string) string // the answer, for where it stands
}

// Apply is the text with the repair made. The answer is plain text, for a fix that asks.
func (f Fix) Apply(markdown, answer string) string {
	if f.Asks == AskNothing {
		answer = ""
	} else {
		answer = f.encode(strings.Join(strings.Fields(answer), " "))
	}
	return markdown[:f.Start] + f.Text + answer + f.After + markdown[f.End:]
}

// asAttribute is an answer in an attribute of HTML.
func asAttribute(answer string) string { return html.EscapeString(answer) }

// asMarkdown is an answer among the words of Markdown.
func asMarkdown(answer string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", "{", `\{`).Replace(answer)
}

// asHTML is an answer among the words of HTML.
func asHTML(answer string) string { return html.EscapeString(answer) }

// Check is what could be better in a text, whose page is given, in the order of the text.
// It ends with ctx.
func Check(ctx context.Context, markdown string, page *preview.Page, o Options) ([]Finding, error) {
	t := &text{Work: bounded.New(ctx), markdown: markdown, blocks: page.Blocks, options: o, found: map[Rule]int{}}
	return t.check()
}

func (t *text) check() ([]Finding, error) {
	err := t.Run(func() error {
		t.read()
		for _, r := range rules {
			if !slices.Contains(t.options.Off, r.Rule) {
				t.rule = r
				r.check(t)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(t.findings, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End)) })
	return t.findings[:min(len(t.findings), MaxFindings)], nil
}

// find notes a finding of the rule that is being checked.
func (t *text) find(f Finding) {
	t.look(len(f.Args) + len(f.Fixes))
	if t.found[t.rule.Rule]++; t.found[t.rule.Rule] > MaxFindings {
		return
	}
	f.Rule, f.Hint = t.rule.Rule, f.Hint || t.rule.Hint
	for name, value := range f.Args {
		f.Args[name] = short(value)
	}
	t.findings = append(t.findings, f)
}

// look counts work.
func (t *text) look(bytes int) {
	t.Steps += 1 + bytes/64
	t.Look()
}

// maxArg bounds an argument, in bytes.
const maxArg = 200

// short is a text for a sentence: without blanks around, not too long, valid UTF-8.
func short(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), 4*maxArg)], "\uFFFD")
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, stands, "…")), " ")
	if len(s) <= maxArg {
		return s
	}
	return strings.ToValidUTF8(s[:maxArg], "") + "…"
}
