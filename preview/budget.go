package preview

import (
	"bytes"
	"context"

	"github.com/yuin/goldmark/parser"

	"cms/bounded"
)

// MaxBytes is the longest text that is shown.
const MaxBytes = 256 << 10

// What a preview may spend. A text of the greatest length that spends all of it
// takes about 200 ms and 64 MB.
const (
	maxSteps  = 2_000_000 // calls of the parser and lines it looks at, 64 bytes at a time
	maxNodes  = 80_000    // of the tree that it builds
	maxLevels = 200_000   // lines, each as often as blocks are open around it
	maxOutput = 2 << 20   // bytes of HTML
	maxTags   = 60_000    // and attributes in it

	maxMemory = 60 << 20 // bytes for all of these, garbage included
	nodeSize  = 400
	levelSize = 150
	tagSize   = 500

	// What is scanned more than once, in bytes and nodes. It grows with the text, and
	// costs a quarter of what reading it does, so that a text of twice the length does
	// not take much more than twice the time.
	rescanPerByte = 16
	rescanFree    = 64 << 10

	maxBlocks  = 100 // deep: quotes, lists, their items, definitions and footnotes
	maxOpen    = 500 // brackets that wait for their other half
	maxInlines = 500 // deep, with the blocks around them
)

// A budget is what one preview may still spend. It is spent as the parser goes.
type budget struct {
	bounded.Work

	nodes, levels, rescanned, output, memory int
	maxRescan                                int

	footnotes int // defined so far
	spans     int // of code

	open []opener // brackets of the block that is being read

	trace *trace // where things are, for who asks

	reader     reader // of the inline parser that is at work
	processors map[parser.DelimiterProcessor]*delimiters
}

// opener is a bracket that waits for its other half: where it stands, how many
// nodes there were, and what sign of emphasis was the last.
type opener struct {
	at, nodes int
	before    *parser.Delimiter
}

var budgetKey = parser.NewContextKey()

// newBudget is that of a text of so many bytes.
func newBudget(ctx context.Context, size int) *budget {
	return &budget{Work: bounded.New(ctx), maxRescan: rescanFree + rescanPerByte*size, processors: map[parser.DelimiterProcessor]*delimiters{}}
}

// budgetOf is the budget that a parser spends from.
func budgetOf(pc parser.Context) *budget { return pc.Get(budgetKey).(*budget) }

func (b *budget) step(n int) {
	if b.Steps += n; b.Steps > maxSteps {
		b.refuse("The text is too complex to be shown.")
	}
	b.Look()
}

// node counts what the tree holds more.
func (b *budget) node(n int) {
	if b.nodes += n; b.nodes > maxNodes {
		b.refuse("The text has more than %d parts: words in emphasis, links, items, cells.", maxNodes)
	}
	b.hold(n * nodeSize)
	b.step(n)
}

// level counts a line at a block that is open around it. The parser remembers all
// of them until it is at the end of the outermost block.
func (b *budget) level() {
	if b.levels++; b.levels > maxLevels {
		b.refuse("The text has too many lines in deeply nested lists and quotes.")
	}
	b.hold(levelSize)
	b.step(1)
}

// rescan counts bytes and nodes that were scanned before.
func (b *budget) rescan(n int) {
	if b.rescanned += n; b.rescanned > b.maxRescan {
		b.refuse("The text is too complex to be shown: too much of it depends on text that is far away.")
	}
	b.step(n / 64)
}

// write counts bytes of HTML.
func (b *budget) write(n int) {
	if b.output += n; b.output > maxOutput {
		b.refuse("The HTML would be longer than %d bytes.", maxOutput)
	}
	b.step(1 + n/64)
}

// hold counts bytes of memory.
func (b *budget) hold(n int) {
	if b.memory += n; b.memory > maxMemory {
		b.refuse("The text has too many parts to be shown.")
	}
}

// tags counts what is in HTML to make safe.
func (b *budget) tags(html []byte) {
	if n := bytes.Count(html, []byte("<")) + bytes.Count(html, []byte(`="`)); n > maxTags {
		b.refuse("The HTML would have more than %d tags and attributes.", maxTags)
	} else {
		b.hold(n * tagSize)
	}
}

func (b *budget) refuse(format string, args ...any) {
	b.End(refused(format, args...))
}
