// Package preview renders Markdown roughly as the site will, as HTML that is safe
// whoever wrote the Markdown.
package preview

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
	"golang.org/x/sync/semaphore"
)

// How many previews are made at once, and how many more may wait.
const (
	maxRunning = 2
	maxWaiting = 16
)

// ErrBusy is what a preview gets when too many wait.
var ErrBusy = errors.New("too many previews are waiting")

// A RefusedError says why a text is not shown, in a sentence for people.
type RefusedError struct{ Detail string }

func (e *RefusedError) Error() string { return e.Detail }

// Renderer makes HTML of Markdown. It is safe for concurrent use.
type Renderer struct {
	markdown goldmark.Markdown
	policy   *bluemonday.Policy

	running *semaphore.Weighted
	queue   chan struct{} // holds one for each that runs or waits
}

// New makes a renderer of the Markdown that Jekyll's kramdown reads: GitHub's,
// with footnotes, definition lists, typographic quotes and attribute lists.
func New() *Renderer {
	r := &Renderer{
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
		policy:  newPolicy(),
		running: semaphore.NewWeighted(maxRunning),
		queue:   make(chan struct{}, maxRunning+maxWaiting),
	}
	r.markdown.Parser().AddOptions(metered{})
	return r
}

// HTML is Markdown as HTML that holds no script, no event handler, no
// link that runs code, and no frame but those of the listed players. A
// *RefusedError for a text that is too long or too intricate, ErrBusy when too
// many wait. It ends with ctx.
func (r *Renderer) HTML(ctx context.Context, markdown string) (string, error) {
	leave, err := r.enter(ctx, len(markdown))
	if err != nil {
		return "", err
	}
	defer leave()
	return r.render(newBudget(ctx, len(markdown)), markdown)
}

// enter waits for the turn of a text of so many bytes, which ends with leave.
func (r *Renderer) enter(ctx context.Context, size int) (leave func(), err error) {
	if size > MaxBytes {
		return nil, refused("The text is longer than %d bytes, the limit for previews.", MaxBytes)
	}
	select {
	case r.queue <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	if err := r.running.Acquire(ctx, 1); err != nil {
		<-r.queue
		return nil, err
	}
	return func() {
		r.running.Release(1)
		<-r.queue
	}, nil
}

// render spends b on the HTML of a text.
func (r *Renderer) render(b *budget, markdown string) (string, error) {
	var shown string
	err := b.Run(func() error {
		src := []byte(strings.ToValidUTF8(markdown, "\uFFFD"))
		doc := r.parse(b, src)
		out := output{b: b}
		out.Grow(len(src) + len(src)/2)
		if err := r.markdown.Renderer().Render(&out, src, doc); err != nil {
			return fmt.Errorf("render Markdown: %w", err)
		}
		b.tags(out.Bytes())
		var err error
		shown, err = r.sanitize(b, out.Bytes())
		return err
	})
	return shown, err
}

// parse spends b on the tree of a text.
func (r *Renderer) parse(b *budget, src []byte) ast.Node {
	pc := parser.NewContext()
	pc.Set(budgetKey, b)
	return r.markdown.Parser().Parse(&lines{Reader: text.NewReader(src), b: b}, parser.WithContext(pc))
}

// sanitize spends b on HTML as the policy has it.
func (r *Renderer) sanitize(b *budget, html []byte) (string, error) {
	safe := output{b: b}
	safe.Grow(len(html))
	b.output = 0
	if err := r.policy.SanitizeReaderToWriter(&input{bytes.NewReader(html), b}, &safe); err != nil {
		return "", fmt.Errorf("sanitize HTML: %w", err)
	}
	return onlyPlayers(b, safe.Bytes()), nil
}

func refused(format string, args ...any) error {
	return &RefusedError{fmt.Sprintf(format, args...)}
}

// output is a buffer of HTML on a budget.
type output struct {
	bytes.Buffer
	b *budget
}

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	o.b.write(len(p))
	return o.Buffer.Write(p)
}

// WriteString implements [io.StringWriter].
func (o *output) WriteString(s string) (int, error) {
	o.b.write(len(s))
	return o.Buffer.WriteString(s)
}

// input is HTML that is read on a budget.
type input struct {
	*bytes.Reader
	b *budget
}

// Read implements [io.Reader].
func (i *input) Read(p []byte) (int, error) {
	n, err := i.Reader.Read(p)
	i.b.step(1 + n/16)
	return n, err
}
