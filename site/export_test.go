package site

import (
	"context"

	"cms/auth"
)

// Spent is what all questions have cost.
func (s *Site) Spent() int64 { return s.budgets.spent.Load() }

// Grudge lets each question cost the n-th part of what it may otherwise.
func (s *Site) Grudge(n int64) { s.budgets.part = n }

// Turn takes a turn of pr's.
func (s *Site) Turn(ctx context.Context, pr *auth.Principal) (done func(), err error) {
	e := s.budget(ctx, pr, pageBudget)
	return e.release, e.acquireSlot()
}

// MaxTurns bounds the turns that one caller has or waits for.
const MaxTurns = maxSlots

// PassFrom has the first list of a kind be a pass where a collection has n entries.
func (s *Site) PassFrom(n int) { s.selections.passFrom = n }

// Forget drops what lists have found.
func (s *Site) Forget() {
	s.selections.mu.Lock()
	defer s.selections.mu.Unlock()
	clear(s.selections.byCollection)
}
