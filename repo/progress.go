package repo

import "sync/atomic"

// A Phase is a part of the opening of a repository that may take long.
type Phase int32

// The phases, in their order.
const (
	Opening        Phase = iota // files are looked at, and made durable; entries are found
	ReadingCommits              // those that the index does not tell of
	ReadingChanges              // what each of those changed
)

// A Progress tells how far the opening of a repository has come. Its zero value is of one
// that has not begun; a nil one is told nothing. It may be asked at any time.
type Progress struct {
	phase       atomic.Int32
	done, total atomic.Int64
}

// Now is the phase, how many commits were read in it and of how many; total is 0 where
// that is not known.
func (p *Progress) Now() (phase Phase, done, total int64) {
	return Phase(p.phase.Load()), p.done.Load(), p.total.Load()
}

func (p *Progress) begin(phase Phase, total int) {
	if p != nil {
		p.done.Store(0)
		p.total.Store(int64(total))
		p.phase.Store(int32(phase))
	}
}

func (p *Progress) step() {
	if p != nil {
		p.done.Add(1)
	}
}
