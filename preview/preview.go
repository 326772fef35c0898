// Package preview shows Markdown as the site will roughly show it: as safe HTML,
// whoever wrote the Markdown.
package preview

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"
)

// MaxBytes is the longest text that is shown.
const MaxBytes = 1 << 20

// Beyond these the parser would take much more time or room than the text is
// long: how deep quotes may be nested, how many brackets a block may open, how
// many cells the tables may have, and how long the HTML may be.
const (
	maxQuotes   = 100
	maxBrackets = 500
	maxCells    = 200_000
	maxOutput   = 8 << 20
)

// A RefusedError says why a text is not shown, in a sentence for people.
type RefusedError struct{ Detail string }

func (e *RefusedError) Error() string { return e.Detail }

// Renderer makes HTML of Markdown. It is safe for concurrent use.
type Renderer struct {
	markdown goldmark.Markdown
	policy   *bluemonday.Policy
}

// New makes a renderer of the Markdown that Jekyll's kramdown reads: GitHub's,
// with footnotes, definition lists, typographic quotes and attribute lists.
func New() *Renderer {
	return &Renderer{
		markdown: goldmark.New(
			goldmark.WithExtensions(
				extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)),
				extension.Strikethrough, extension.Linkify, extension.TaskList,
				extension.Footnote, extension.DefinitionList, extension.Typographer,
			),
			goldmark.WithParserOptions(
				parser.WithHeadingAttribute(),
				parser.WithASTTransformers(util.Prioritized(headingIDs{}, 500)),
				parser.WithParagraphTransformers(util.Prioritized(attributeLines{}, 50)),
				parser.WithInlineParsers(util.Prioritized(attributeSpans{}, 50)),
			),
			goldmark.WithRendererOptions(html.WithUnsafe()), // the policy makes it safe
		),
		policy: newPolicy(),
	}
}

// HTML is the Markdown text as HTML that holds no script, no event handler, no
// link that runs code, and no frame but those of the listed players. A
// *RefusedError for a text that is too long or too intricate.
func (r *Renderer) HTML(text string) (string, error) {
	if err := check(text); err != nil {
		return "", err
	}
	var out bounded
	src := []byte(strings.ToValidUTF8(text, "\uFFFD"))
	if err := r.markdown.Convert(src, &out); err != nil {
		return "", fmt.Errorf("convert Markdown: %w", err)
	}
	return onlyPlayers(r.policy.SanitizeBytes(out.Bytes())), nil
}

// check refuses what would take too long.
func check(text string) error {
	if len(text) > MaxBytes {
		return refused("The text is longer than the %d bytes of a preview.", MaxBytes)
	}
	lines, columns, brackets := 0, 0, 0
	for line := range strings.Lines(text) {
		lines++
		if strings.Trim(line, " \t\r\n") == "" {
			brackets = 0
		}
		if strings.Trim(line, "|-: \t\r\n>") == "" { // what stands below the head of a table
			columns = max(columns, strings.Count(line, "|")+1)
		}
		brackets += strings.Count(line, "[")
		switch {
		case brackets > maxBrackets:
			return refused("The text has a block with more than %d brackets.", maxBrackets)
		case strings.Count(line[:len(line)-len(strings.TrimLeft(line, "> \t"))], ">") > maxQuotes:
			return refused("The text has quotes nested more than %d deep.", maxQuotes)
		}
	}
	if columns > 1 && lines*columns > maxCells {
		return refused("The text has tables of more than %d cells.", maxCells)
	}
	return nil
}

func refused(format string, args ...any) error {
	return &RefusedError{fmt.Sprintf(format, args...)}
}

// bounded is a buffer that refuses to grow beyond maxOutput.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxOutput {
		return 0, refused("The HTML would be longer than %d bytes.", maxOutput)
	}
	return b.Buffer.Write(p)
}
