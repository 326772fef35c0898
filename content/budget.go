package content

import (
	"context"
	"fmt"
)

// What a document may be. No real one comes near, and within these bounds reading,
// editing, comparing and merging take work in proportion to its size, and some
// 100 MB at most. They are no settings: an entry that can be read by one service can
// be read by all of them.
const (
	maxFrontMatter = 1 << 20 // bytes
	maxValues      = 100_000 // keys, values, lists and mappings of a front matter, each counted
	maxDepth       = 100     // lists and mappings in each other
	maxKey         = 1 << 10 // bytes of a key
	maxNumber      = 1000    // characters of a number
	maxDirectives  = 16      // lines of YAML that begin with %
	maxLines       = 100_000 // of a body whose changes are told, or merged, line by line
)

// What a JSON text may be, of which a document is only a part.
const maxJSONValues = 250_000

// What merging, or a JSON Patch, may take: steps are values, items or lines looked at,
// each as often as that is done.
const maxSteps = 5_000_000

// stride is how many steps are taken between two looks at the context.
const stride = 1024

// A budget is what one operation may still spend. It is asked as the work goes on,
// and ends it by a panic that [budget.run] catches, so that no loop has to hand its
// end on.
type budget struct {
	ctx    context.Context
	much   string // the refusal of what takes more steps
	steps  int
	looked int // at the context, in steps
}

// spent is what a panic carries out of the work.
type spent struct{ err error }

// run calls f, and gives the error that ended it when it was the budget's end.
func (b *budget) run(f func() error) (err error) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case spent:
			err = cause.err
		default:
			panic(cause)
		}
	}()
	b.check()
	return f()
}

// check ends the work when its context has ended.
func (b *budget) check() {
	b.looked = b.steps
	if err := b.ctx.Err(); err != nil {
		panic(spent{err})
	}
}

// step counts n steps. A nil budget has no end.
func (b *budget) step(n int) {
	if b == nil {
		return
	}
	if b.steps += n; b.steps > maxSteps {
		panic(spent{&EditError{Kind: KindRefused, Detail: b.much}})
	}
	if b.steps-b.looked >= stride {
		b.check()
	}
}

// tooLarge is the error of what is beyond a bound.
func tooLarge(format string, args ...any) *EditError {
	return &EditError{Kind: KindTooLarge, Detail: fmt.Sprintf(format, args...)}
}
