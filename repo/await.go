package repo

import (
	"context"
	"sync"
	"time"
)

// lookPause is how long it is from one look for commits that are awaited to the next at
// least, so that those who ask for what there is nowhere cost the remote little.
const lookPause = 250 * time.Millisecond

// looks are asked for by those who wait for a commit, and shared by all of them.
type looks struct {
	wake chan struct{} // holds one when a look is asked for

	mu   sync.Mutex
	next *look // nil when nobody waits for it
}

// A look has an error once it is done.
type look struct {
	done chan struct{}
	err  error
}

// ask is a look that begins from now on.
func (l *looks) ask() *look {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == nil {
		l.next = &look{done: make(chan struct{})}
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return l.next
}

// take begins the look that was asked for; nil when none was.
func (l *looks) take() *look {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.next
	l.next = nil
	return taken
}

// keepLooking looks for commits, at the remote if there is one, whenever somebody waits
// for one, until ctx ends.
func (r *Repo) keepLooking(ctx context.Context) {
	for {
		select {
		case <-r.looks.wake:
		case <-ctx.Done():
			return
		}
		if l := r.looks.take(); l != nil {
			contact, cancel := context.WithTimeout(ctx, syncTimeout)
			l.err = r.Fetch(contact)
			cancel()
			close(l.done)
		}
		if pauseFor(ctx, lookPause) != nil {
			return
		}
	}
}

// Await returns once the snapshot that View gives has a commit, which others may have made:
// it has the remote asked at once, and again, until ctx ends. The error is ErrUnknownCommit
// for one that will not come: since there is no remote to bring it, or since it was here and
// the branch was taken from it.
func (r *Repo) Await(ctx context.Context, commit Hash) error {
	var l *look
	for {
		view := r.View()
		if r.shows(view, commit) {
			return nil
		}
		if l == nil {
			l = r.looks.ask()
		}
		select {
		case <-view.superseded:
		case <-l.done:
			err := l.err
			l = nil
			switch _, lost := r.store.commit(commit); {
			case r.shows(r.View(), commit):
				return nil
			case err == nil && (r.remote == nil || lost == nil):
				return ErrUnknownCommit
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-r.stopped:
			return ErrClosed
		}
	}
}

// shows says whether a snapshot has a commit: the history may be ahead of it.
func (r *Repo) shows(s *Snapshot, commit Hash) bool {
	at, ok := r.Position(commit)
	if !ok {
		return false
	}
	tip, ok := r.Position(s.commit)
	return ok && at <= tip
}
