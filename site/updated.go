package site

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"

	"cms/repo"
)

// maxHistorySearch bounds how many changes of an entry are looked at to find the last
// one that a caller sees, and maxCachedUpdates the cache.
const (
	maxHistorySearch = 50
	maxCachedUpdates = 20_000
)

// updateCache holds the last change of entries that callers see. It is derived from
// the history; the zero value is ready.
type updateCache struct {
	mu sync.Mutex
	of map[updateKey]repo.Change
}

// updateKey is a state of an entry, and what the caller sees of it.
type updateKey struct {
	path    string
	commit  repo.Hash
	visible [sha256.Size]byte // see visibleHash
}

// lastUpdate is the last change of e that altered what the caller sees: who changes
// the rest, and when, is hidden with it. It is the oldest one that is looked at, if
// none of them did.
func (acc *access) lastUpdate(e *repo.Entry) (Change, error) {
	last := e.Updated()
	if last.Commit.IsZero() {
		return change(last), nil
	}
	key := updateKey{e.Path.String(), last.Commit, acc.visibleHash()}
	s := &acc.site.updates
	s.mu.Lock()
	found, ok := s.of[key]
	s.mu.Unlock()
	if ok {
		return change(found), nil
	}
	changes := acc.site.repo.Recent(e.Path, maxHistorySearch+1)
	if i := slices.IndexFunc(changes, func(c repo.Change) bool { return c.Commit == last.Commit }); i > 0 {
		changes = changes[i:] // the history is ahead of the snapshot
	}
	found, err := acc.lastVisible(context.Background(), changes)
	if err != nil {
		return Change{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil || len(s.of) >= maxCachedUpdates {
		s.of = make(map[updateKey]repo.Change)
	}
	s.of[key] = found
	return change(found), nil
}

// lastVisible is the first of the changes of an entry, the newest first, that altered
// what the caller sees.
func (acc *access) lastVisible(ctx context.Context, changes []repo.Change) (last repo.Change, err error) {
	var now string // what the caller knows the newest by
	for i, c := range changes[:min(len(changes), maxHistorySearch)] {
		last = c
		if i+1 == len(changes) || c.Action != repo.Updated {
			return last, nil
		}
		if now == "" {
			if now, err = acc.visibleRevision(ctx, c.Revision); err != nil {
				return last, err
			}
		}
		before, err := acc.visibleRevision(ctx, changes[i+1].Revision)
		if err != nil || before != now {
			return last, err
		}
	}
	return last, nil
}
