package webhooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cms/site"
	"cms/state"
)

// turnAt is the turn in which the branch is at tip: a new one where tip neither
// follows upon the commit at which it was before nor leads to it. Services that share the database
// begin one of them together. Nothing is written but at its begin.
func (r *Relay) turnAt(ctx context.Context, tip string) (turn, error) {
	r.following.Lock()
	defer r.following.Unlock()
	now := time.Now()
	if r.seen.Turn > 0 && r.seen.Commit == tip && (!r.db.Postgres() || now.Sub(r.looked) < pollInterval) {
		return turn{r.origin, r.seen.Turn}, nil
	}
	known, err := r.store.History(ctx, tip, now)
	if err != nil {
		return turn{}, err
	}
	before := r.seen
	if others := before.Turn != known.Turn; others { // or this is the start
		before = known.Cursor
		if before.Commit != tip && r.behind(ctx, before.Commit, tip, known.SeenAt) {
			return turn{r.origin, known.Turn}, nil
		}
	}
	if before.Commit != tip {
		switch _, err := r.source.Changes(ctx, before.Commit, tip, 1); {
		case errors.Is(err, site.ErrUnknownCommit):
			if older, err := r.older(ctx, tip, before.Commit); err != nil || older {
				return turn{r.origin, known.Turn}, err
			}
			if _, err := r.depth(tip); err != nil {
				return turn{}, err
			}
			if known, err = r.store.Turn(ctx, known.Turn, tip, now); err != nil {
				return turn{}, err
			}
		case err != nil:
			return turn{}, fmt.Errorf("read history: %w", err)
		}
	}
	r.seen, r.looked = known.Cursor, now
	r.seen.Commit = tip
	return turn{r.origin, known.Turn}, nil
}

// older says whether tip is where the branch was on its way to seen, as whoever asked
// for its head before an edit still has it.
func (r *Relay) older(ctx context.Context, tip, seen string) (bool, error) {
	_, err := r.source.Changes(ctx, tip, seen, 1)
	if err == nil || errors.Is(err, site.ErrUnknownCommit) {
		return err == nil, nil
	}
	return false, fmt.Errorf("read history: %w", err)
}

// after is a turn after the one that ended: now, or a new one, where nobody has
// begun one since.
func (r *Relay) after(ctx context.Context, ended int64, now turn, tip string) (turn, error) {
	if now.number > ended {
		return now, nil
	}
	known, err := r.store.Turn(ctx, ended, tip, time.Now())
	if err == nil && known.Turn <= ended {
		err = fmt.Errorf("the history has turn %d, and an endpoint is in turn %d", known.Turn, ended)
	}
	return turn{r.origin, known.Turn}, err
}

// depth is that of the tip, which may have been left meanwhile.
func (r *Relay) depth(tip string) (int, error) {
	if tip == "" {
		return 0, nil
	}
	depth, ok := r.source.Depth(tip)
	if !ok {
		return 0, fmt.Errorf("the branch has left commit %s; what it leads to now is looked at next", tip)
	}
	return depth, nil
}

// Sequences gives the sequence of what happened at a depth of the history that
// leads to tip, as events have it.
func (r *Relay) Sequences(ctx context.Context, tip string) (func(depth int) string, error) {
	t, err := r.turnAt(ctx, tip)
	if err != nil {
		return nil, err
	}
	return t.sequence, r.note(ctx, t, tip)
}

// note has the database know that sequences up to tip were told, as cursors do where there
// are enabled endpoints, so that a rewriting that a later start meets begins a turn. It never
// goes back to an older commit, and writes once for each tip.
func (r *Relay) note(ctx context.Context, t turn, tip string) error {
	r.following.Lock()
	defer r.following.Unlock()
	told := state.Cursor{Turn: t.number, Commit: tip}
	if r.told == told {
		return nil
	}
	now := time.Now()
	known, err := r.store.History(ctx, tip, now)
	if err != nil {
		return err
	}
	if known.Turn == told.Turn && known.Commit != tip {
		switch _, err := r.source.Changes(ctx, known.Commit, tip, 1); {
		case errors.Is(err, site.ErrUnknownCommit): // the database knows a later one
			return nil
		case err != nil:
			return fmt.Errorf("read history: %w", err)
		}
		if err := r.store.Seen(ctx, known.Cursor, tip, now); err != nil {
			return err
		}
	}
	r.told = told
	return nil
}
