package site

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"cms/repo"
)

// maxLooked bounds how many changes of an entry are looked at to find the last one
// that someone sees, and maxSeen how many answers are remembered.
const (
	maxLooked = 50
	maxSeen   = 20_000
)

// seen remembers which change of an entry was the last that someone saw. It is
// derived from the history; the zero value is ready.
type seen struct {
	mu sync.Mutex
	of map[seenKey]repo.Change
}

// seenKey is a state of an entry, and what is seen of it.
type seenKey struct {
	path   string
	commit repo.Hash
	grants [sha256.Size]byte
}

// updated is the last change of e that altered what the caller sees: who changes
// the rest, and when, is hidden with it. Of many that did not, the oldest that was
// looked at stands for all before.
func (v *sight) updated(e *repo.Entry) (Change, error) {
	last := e.Updated()
	if last.Commit.IsZero() {
		return change(last), nil
	}
	key := seenKey{e.Path.String(), last.Commit, sha256.Sum256(fmt.Appendf(nil, "%#v", v.grants))}
	s := &v.site.seen
	s.mu.Lock()
	found, ok := s.of[key]
	s.mu.Unlock()
	if ok {
		return change(found), nil
	}
	changes := v.site.repo.Recent(e.Path, maxLooked+1)
	if i := slices.IndexFunc(changes, func(c repo.Change) bool { return c.Commit == last.Commit }); i > 0 {
		changes = changes[i:] // the history is ahead of the snapshot
	}
	found, err := v.lastSeen(context.Background(), changes)
	if err != nil {
		return Change{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil || len(s.of) >= maxSeen {
		s.of = make(map[seenKey]repo.Change)
	}
	s.of[key] = found
	return change(found), nil
}

// lastSeen is the first of the changes of an entry, the newest first, that altered
// what the caller sees.
func (v *sight) lastSeen(ctx context.Context, changes []repo.Change) (last repo.Change, err error) {
	var now string // what the caller knows the newest by
	for i, c := range changes[:min(len(changes), maxLooked)] {
		last = c
		if i+1 == len(changes) || c.Action != repo.Updated {
			return last, nil
		}
		if now == "" {
			if now, err = v.known(ctx, c.Revision); err != nil {
				return last, err
			}
		}
		before, err := v.known(ctx, changes[i+1].Revision)
		if err != nil || before != now {
			return last, err
		}
	}
	return last, nil
}
