package site

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"cms/auth"
	"cms/content"
)

// An effort is what one question may cost, in bytes that are looked at. Whoever
// answers it tells the effort of each part of the work, and stops at the error that
// this gives: when the caller has gone, and when the question has cost its share.
// What was found until then is remembered, so that who asks again gets further. The
// nil effort has no end.
type effort struct {
	ctx     context.Context
	who     string // asks; "" for the service itself
	most    int64
	left    atomic.Int64
	efforts *efforts

	mu   sync.Mutex
	turn func() // gives the turn back; nil while there is none
}

// What questions may cost. To parse front matter costs as much as to look at it
// parseCost times.
const (
	maxEffort   = 64 << 20  // a page: of a list, of a history, of hits
	maxMaking   = 256 << 20 // to go through a collection
	maxCounting = 16 << 20  // to count what is behind a page
	freeEffort  = 1 << 20   // without a turn
	lookCost    = 64        // of one look, beside what is looked at
	parseCost   = 8

	largeDocument = 64 << 10 // whose body is told apart, which is only looked at
)

// efforts are those of all questions to a site. Few that cost much go on at once,
// the others wait for their turn, and nobody has many waiting.
type efforts struct {
	spent   atomic.Int64 // by all, ever
	running *semaphore.Weighted
	part    int64 // of what a question may cost otherwise, one; more in tests

	mu sync.Mutex
	of map[string]int // questions that run or wait, by caller
}

// maxTurns bounds the questions that cost much and that one caller has running or
// waiting.
const maxTurns = 16

func newEfforts() *efforts {
	return &efforts{part: 1, running: semaphore.NewWeighted(int64(max(2, runtime.GOMAXPROCS(0)))), of: map[string]int{}}
}

// effort is that of a question of pr, which must be done in the end.
func (s *Site) effort(ctx context.Context, pr *auth.Principal, most int64) *effort {
	e := &effort{ctx: ctx, efforts: s.efforts}
	if pr != nil {
		e.who = pr.Issuer + "\n" + pr.Subject
	}
	e.most = int64(e.share(int(most)))
	e.left.Store(e.most)
	return e
}

// share is how much of so many bytes is done at once.
func (e *effort) share(bytes int) int {
	if e == nil {
		return bytes
	}
	return bytes / int(e.efforts.part)
}

// spend tells that so many bytes were, or are to be, looked at. What goes beyond the
// effort is still done once, so that nothing is too large to be done at all.
func (e *effort) spend(bytes int) error {
	if e == nil {
		return nil
	}
	n := int64(bytes) + lookCost
	e.efforts.spent.Add(n)
	err := e.ctx.Err()
	if left := e.left.Add(-n) + n; err == nil && left <= 0 {
		err = tooMuch()
	}
	return err
}

// parse tells that a document is to be parsed.
func (e *effort) parse(src []byte) error {
	front := len(src)
	if front > largeDocument {
		front -= len(content.Body(src))
	}
	if err := e.spend((parseCost-1)*front + len(src)); err != nil || e == nil || e.cost() < freeEffort {
		return err
	}
	return e.wait()
}

// cost is what was spent.
func (e *effort) cost() int64 { return e.most - e.left.Load() }

// wait takes a turn, unless the effort has one. No lock may be held that somebody
// waits for who has a turn.
func (e *effort) wait() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.turn != nil {
		return nil
	}
	turn, err := e.efforts.take(e.ctx, e.who)
	e.turn = turn
	return err
}

// done gives the turn back, if there is one.
func (e *effort) done() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.turn != nil {
		e.turn()
		e.turn = nil
	}
}

func (all *efforts) take(ctx context.Context, who string) (func(), error) {
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

func (all *efforts) enter(who string) error {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.of[who] >= maxTurns && who != "" {
		return &Error{Code: Unavailable, Detail: fmt.Sprintf("You have %d questions under way that take much work. Wait for their answers, then ask again.", maxTurns)}
	}
	all.of[who]++
	return nil
}

func (all *efforts) leave(who string) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.of[who]--; all.of[who] == 0 {
		delete(all.of, who)
	}
}

// tooMuch refuses a question for what it costs.
func tooMuch() error {
	return &Error{Code: Unavailable, Detail: "This takes more work than one request may cost. What was done is remembered: ask again in a moment, or ask for less."}
}
