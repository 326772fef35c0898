package site

import (
	"context"

	"cms/auth"
)

// Spent is what all questions have cost.
func (s *Site) Spent() int64 { return s.efforts.spent.Load() }

// Grudge lets each question cost the n-th part of what it may otherwise.
func (s *Site) Grudge(n int64) { s.efforts.part = n }

// Turn takes a turn of pr's.
func (s *Site) Turn(ctx context.Context, pr *auth.Principal) (done func(), err error) {
	e := s.effort(ctx, pr, maxEffort)
	return e.done, e.wait()
}

// MaxTurns bounds the turns that one caller has or waits for.
const MaxTurns = maxTurns
