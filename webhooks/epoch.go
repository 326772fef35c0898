package webhooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cms/site"
	"cms/state"
)

// epochAt is the epoch in which the branch is at tip: a new one where tip neither
// follows upon the commit at which it was before nor leads to it, or where that was made again,
// which may stand less deep than it did. Services that share the database
// begin one of them together. Nothing is written but at its begin.
func (r *Relay) epochAt(ctx context.Context, tip string) (epoch, error) {
	r.following.Lock()
	defer r.following.Unlock()
	now := time.Now()
	if r.seen.Epoch > 0 && r.seen.Commit == tip && (!r.db.Postgres() || now.Sub(r.looked) < pollInterval) {
		return epoch{r.origin, r.seen.Epoch}, nil
	}
	known, err := r.store.History(ctx, tip, now)
	if err != nil {
		return epoch{}, err
	}
	before := r.seen
	if others := before.Epoch != known.Epoch; others { // or this is the start
		before = known.Cursor
		if before.Commit != tip && r.behind(ctx, before.Commit, tip, known.SeenAt) {
			return epoch{r.origin, known.Epoch}, nil
		}
	}
	if before.Commit != tip {
		_, err := r.source.Changes(ctx, before.Commit, tip, 1)
		left := errors.Is(err, site.ErrUnknownCommit)
		switch {
		case left:
			if older, err := r.older(ctx, tip, before.Commit); err != nil || older {
				return epoch{r.origin, known.Epoch}, err
			}
		case err != nil:
			return epoch{}, fmt.Errorf("read history: %w", err)
		case tip != "" && !r.source.HasCommit(tip): // it was made again since it was asked for
			return epoch{r.origin, known.Epoch}, nil
		}
		if left || before.Commit != "" && !r.source.HasCommit(before.Commit) {
			if _, err := r.depth(tip); err != nil {
				return epoch{}, err
			}
			if known, err = r.store.Epoch(ctx, known.Epoch, tip, now); err != nil {
				return epoch{}, err
			}
		}
	}
	r.seen, r.looked = known.Cursor, now
	r.seen.Commit = tip
	return epoch{r.origin, known.Epoch}, nil
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

// after is an epoch after the one that ended: now, or a new one, where nobody has
// begun one since.
func (r *Relay) after(ctx context.Context, ended int64, now epoch, tip string) (epoch, error) {
	if now.number > ended {
		return now, nil
	}
	known, err := r.store.Epoch(ctx, ended, tip, time.Now())
	if err == nil && known.Epoch <= ended {
		err = fmt.Errorf("the history has epoch %d, and an endpoint is in epoch %d", known.Epoch, ended)
	}
	return epoch{r.origin, known.Epoch}, err
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
	t, err := r.epochAt(ctx, tip)
	if err != nil {
		return nil, err
	}
	return t.sequence, r.note(ctx, t, tip)
}

// note has the database know that sequences up to tip were told, as cursors do where there
// are enabled endpoints, so that a rewriting that a later start meets begins an epoch. It never
// goes back to an older commit, and writes once for each tip.
func (r *Relay) note(ctx context.Context, t epoch, tip string) error {
	r.following.Lock()
	defer r.following.Unlock()
	told := state.Cursor{Epoch: t.number, Commit: tip}
	if r.told == told {
		return nil
	}
	now := time.Now()
	known, err := r.store.History(ctx, tip, now)
	if err != nil {
		return err
	}
	if known.Epoch == told.Epoch && known.Commit != tip {
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
