// Package bounded ends work that takes too long, from the depth where that is found:
// by a panic that Run catches, so that no loop has to hand the end on, and libraries
// that know no end can be given one.
package bounded

import "context"

// Stride is how many steps are taken between two looks at the context.
const Stride = 1024

// Work is one piece of work, of one goroutine, that says how far it is as it goes on.
type Work struct {
	Steps  int // that were taken
	ctx    context.Context
	looked int // at the context, in steps
}

// New is work that ends with ctx.
func New(ctx context.Context) Work { return Work{ctx: ctx} }

// ended is what a panic carries out of the work.
type ended struct{ err error }

// Run calls f, which does the work, and gives its error, or the one that ended it. It
// is not begun when the context has ended.
func (w *Work) Run(f func() error) (err error) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case ended:
			err = cause.err
		default:
			panic(cause)
		}
	}()
	w.check()
	return f()
}

// End ends the work with an error.
func (w *Work) End(err error) { panic(ended{err}) }

// Look ends the work when its context has ended, which it asks after each stride.
func (w *Work) Look() {
	if w.Steps-w.looked >= Stride {
		w.check()
	}
}

func (w *Work) check() {
	w.looked = w.Steps
	if err := w.ctx.Err(); err != nil {
		w.End(err)
	}
}
