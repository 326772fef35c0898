package site

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"cms/auth"
	"cms/content"
	"cms/say"
)

// A budget bounds what one request may cost, in bytes that are looked at. Whoever
// answers it spends for each part of the work, and stops at the error that this
// returns: when the client has gone, or the budget is spent. What was found until then
// is cached, so that a retry gets further. The nil budget is unlimited.
type budget struct {
	ctx     context.Context
	caller  string // asks; "" for the service itself
	total   int64
	left    atomic.Int64
	budgets *budgets

	mu          sync.Mutex
	releaseSlot func() // nil while the budget has no slot
}

// What requests may cost. To parse front matter costs parseCost times as much as to
// look at it.
const (
	pageBudget    = 64 << 20  // a page: of a list, of a history, of hits
	scanBudget    = 256 << 20 // to go through a collection
	countBudget   = 16 << 20  // to count what is behind a page
	slotThreshold = 1 << 20   // without a slot
	lookCost      = 64        // of one look, beside what is looked at
	parseCost     = 8

	largeDocument = 64 << 10 // its body, which is not parsed, is counted separately
)

// budgets are those of all requests to a site. A few expensive ones run at once, each
// in a slot; the others wait, and no caller has many of them.
type budgets struct {
	spent   atomic.Int64 // by all, ever
	running *semaphore.Weighted
	part    int64 // divides every budget; 1 except in tests

	mu     sync.Mutex
	active map[string]int // requests that run or wait, by caller
}

// maxSlots bounds the expensive requests that one caller has running or waiting.
const maxSlots = 16

func newBudgets() *budgets {
	return &budgets{part: 1, running: semaphore.NewWeighted(int64(max(2, runtime.GOMAXPROCS(0)))), active: map[string]int{}}
}

// budget is that of a request of pr. It must be released.
func (s *Site) budget(ctx context.Context, pr *auth.Principal, most int64) *budget {
	e := &budget{ctx: ctx, budgets: s.budgets}
	if pr != nil {
		e.caller = pr.Issuer + "\n" + pr.Subject
	}
	e.total = int64(e.share(int(most)))
	e.left.Store(e.total)
	return e
}

// share is bytes, or less in tests.
func (e *budget) share(bytes int) int {
	if e == nil {
		return bytes
	}
	return bytes / int(e.budgets.part)
}

// spend counts bytes that were, or are to be, looked at. What exceeds the budget is
// still done once, so that nothing is too large to be done at all.
func (e *budget) spend(bytes int) error {
	if e == nil {
		return nil
	}
	n := int64(bytes) + lookCost
	e.budgets.spent.Add(n)
	err := e.ctx.Err()
	if left := e.left.Add(-n) + n; err == nil && left <= 0 {
		err = errTooCostly()
	}
	return err
}

// parse counts a document that is to be parsed.
func (e *budget) parse(src []byte) error {
	front := len(src)
	if front > largeDocument {
		front -= len(content.Body(src))
	}
	if err := e.spend((parseCost-1)*front + len(src)); err != nil || e == nil || e.spent() < slotThreshold {
		return err
	}
	return e.acquireSlot()
}

// spent is what was spent so far.
func (e *budget) spent() int64 { return e.total - e.left.Load() }

// acquireSlot waits for a slot, unless the budget has one. The caller must not hold a
// lock that a holder of a slot waits for.
func (e *budget) acquireSlot() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.releaseSlot != nil {
		return nil
	}
	turn, err := e.budgets.acquire(e.ctx, e.caller)
	e.releaseSlot = turn
	return err
}

// release gives the slot back, if there is one.
func (e *budget) release() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.releaseSlot != nil {
		e.releaseSlot()
		e.releaseSlot = nil
	}
}

func (all *budgets) acquire(ctx context.Context, who string) (func(), error) {
	if err := all.enter(who); err != nil {
		return nil, err
	}
	if err := all.running.Acquire(ctx, 1); err != nil {
		all.leave(who)
		return nil, err
	}
	return func() {
		all.running.Release(1)
		all.leave(who)
	}, nil
}

func (all *budgets) enter(who string) error {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.active[who] >= maxSlots && who != "" {
		return &Error{Code: Unavailable, Detail: say.New("You have %d expensive requests running. Wait for their answers, then try again.", maxSlots)}
	}
	all.active[who]++
	return nil
}

func (all *budgets) leave(who string) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.active[who]--; all.active[who] == 0 {
		delete(all.active, who)
	}
}

// errTooCostly refuses a request that has spent its budget.
func errTooCostly() error {
	return &Error{Code: Unavailable, Detail: say.New("This takes more work than one request may cost. The work so far is kept: try again in a moment, or ask for less.")}
}
