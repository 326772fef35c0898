package repo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// How long a push may take, how long it is from the begin of one to that of the next at
// least, and how long one that failed waits to be tried again.
const (
	pushTimeout  = 5 * time.Minute
	pushInterval = time.Second
	minPushPause = 2 * time.Second
	maxPushPause = 5 * time.Minute
	defaultAlarm = 15 * time.Minute
)

// KeepPushed pushes what the branch has and the remote has not, whenever there is such,
// until ctx ends; it returns nil then. What has not come there by then is pushed after
// the next start. Without a remote to push to it has nothing to do. It is called once,
// beside Run.
func (r *Repo) KeepPushed(ctx context.Context) error {
	if !r.remote.pushes() {
		return nil
	}
	pause := minPushPause
	for ctx.Err() == nil {
		view, began := r.View(), time.Now()
		err := r.push(ctx)
		if ctx.Err() != nil {
			return nil
		}
		wait, wake := pushInterval-time.Since(began), (<-chan struct{})(nil)
		again := r.contact.pushFailed()
		if r.contact.pushEnded(err); err != nil {
			wait, wake = r.pushPause(err, pause), r.pushWakeAfter(err)
			pause = min(2*pause, maxPushPause)
			r.tellUnpushed(ctx, err, wait)
		} else if pause = minPushPause; again {
			r.log.Info("the branch is pushed again", "commit", view.commit.String())
		}
		if !restBeforePush(ctx, wait, wake) {
			return nil
		}
		for changed := err != nil; !changed; {
			select {
			case <-view.superseded:
				changed = true
			case <-r.pushWake:
				changed = r.ahead() > 0 || r.remote.PushConflicts || r.contact.unreached()
			case <-ctx.Done():
				return nil
			}
		}
	}
	return nil
}

// restBeforePush waits for a time, or until it is woken. It is false when ctx has ended.
func restBeforePush(ctx context.Context, wait time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(max(0, wait))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// tellUnpushed tells the log why what is not pushed is not: as an error once that is old.
func (r *Repo) tellUnpushed(ctx context.Context, why error, again time.Duration) {
	level := slog.LevelWarn
	ahead, oldest := r.unpushed()
	age := r.clock().Sub(oldest).Round(time.Second)
	if ahead > 0 && age > cmp.Or(r.remote.AlarmAfter, defaultAlarm) {
		level = slog.LevelError
	}
	r.log.Log(ctx, level, "the branch is not pushed yet", "error", why, "commits", ahead, "age", age, "again_in", again)
}

// pushPause is how long a push waits that failed.
func (r *Repo) pushPause(err error, pause time.Duration) time.Duration {
	var refused *refusal
	if errors.As(err, &refused) && refused.retry > 0 {
		return refused.retry
	}
	return pause
}

// pushWakeAfter is what ends the wait of a push that failed: that the remote was reached,
// unless it was and refused.
func (r *Repo) pushWakeAfter(err error) <-chan struct{} {
	if errors.As(err, new(*refusal)) {
		return nil
	}
	select { // what came before tells nothing
	case <-r.pushWake:
	default:
	}
	return r.pushWake
}

// wakePusher says that the remote was reached, or that a fetch moved the branch.
func (r *Repo) wakePusher() {
	select {
	case r.pushWake <- struct{}{}:
	default:
	}
}

// push brings the remote to where the branch is, in as many pushes as that takes.
func (r *Repo) push(ctx context.Context) error {
	for {
		more, err := r.pushOnce(ctx)
		if err != nil {
			return err
		} else if !more {
			return r.pushConflicts(ctx)
		}
	}
}

// pushOnce does one push, or joins what the remote has first. It says whether there may be
// more to do.
func (r *Repo) pushOnce(ctx context.Context) (more bool, err error) {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	if err := r.contact.err(); err != nil {
		return false, err
	}
	tip := r.View().commit
	known, err := r.followed()
	if err != nil || tip.IsZero() || tip == known {
		return false, storageError(err)
	}
	timeout := pushTimeout
	if r.remote.Sync { // for which edits may wait
		timeout = syncTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	session, err := r.remote.openPush(ctx)
	if err != nil {
		return false, err
	}
	defer session.close()
	at := session.tip(r.branch.name)
	switch {
	case at == tip:
		return false, storageError(r.setFollowed(tip))
	case at.IsZero() && (!known.IsZero() || !session.empty()):
		return false, &refusal{text: fmt.Sprintf("it has no branch %s any more; make it there again, at %s", r.Branch(), known)}
	case !r.goesOn(at, known):
		return true, r.fetchLocked(ctx)
	}
	pack, upTo, err := r.outgoing(ctx, at, tip)
	if err != nil {
		return false, err
	}
	err = session.push(ctx, r.branch.name, at, upTo, bytes.NewReader(pack.buf.Bytes()))
	if errors.Is(err, errMovedThere) {
		return true, nil
	} else if err != nil {
		return false, fmt.Errorf("push %d commits up to %s: %w", r.ahead(), upTo, err)
	}
	return upTo != tip, storageError(r.setFollowed(upTo))
}

// goesOn says whether the branch follows upon the remote's tip, which went on from where
// it was known to be: then what is missing there can be pushed. A zero tip is that of
// nobody.
func (r *Repo) goesOn(at, known Hash) bool {
	if at.IsZero() {
		return true
	}
	if !r.Has(at) {
		return false
	}
	return known.IsZero() || known == at || r.leadsTo(known, at)
}

// leadsTo says whether one commit of the branch leads to another one.
func (r *Repo) leadsTo(from, to Hash) bool {
	_, err := r.history.steps(from, to, 0)
	return err == nil && r.Has(from)
}

// unpushed is how many commits the branch has that the remote has not, as far as is known,
// and when the first of them was made.
func (r *Repo) unpushed() (ahead int, oldest time.Time) {
	commits, err := r.history.unpushed(r.contact.followed(), r.View().commit)
	if err != nil || len(commits) == 0 {
		return 0, time.Time{}
	}
	return len(commits), time.Unix(commits[0].at, 0).UTC()
}

func (r *Repo) ahead() int {
	n, _ := r.unpushed()
	return n
}
