package content

import (
	"cms/bounded"
	"cms/say"
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

// A budget is what one operation may still spend. It is asked as the work goes on.
type budget struct {
	bounded.Work
	much say.Text // the refusal of what takes more steps
}

// step counts n steps. A nil budget has no end.
func (b *budget) step(n int) {
	if b == nil {
		return
	}
	if b.Steps += n; b.Steps > maxSteps {
		b.End(&EditError{Kind: KindRefused, Detail: b.much})
	}
	b.Look()
}

// tooLarge is the error of what is beyond a bound.
func tooLarge(detail say.Text) *EditError {
	return &EditError{Kind: KindTooLarge, Detail: detail}
}
