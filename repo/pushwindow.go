package repo

import (
	"cmp"
	"path/filepath"
	"time"
)

// A pushWindow decides when the writer leaves the branch alone, so that a push gets
// through beside steady edits: Git's client gives up when the branch moves between
// its fetch and its push, and the writer sees neither. It is owned by the writer,
// and knows no clock.
//
// A window is a time in which the branch stands still. None is left while it
// stands still by itself, and none to those who write as fast as they can, unless
// somebody has pushed lately. Then windows come at any load, oftener, and each is
// longer than the last, as long as no push lands in it.
type pushWindow struct {
	lastMove    time.Time // when the branch last moved by our commits
	steadySince time.Time // since when it has not stood still for longer than a window
	lastPush    time.Time // when somebody last did, or was about to
	next        time.Time // when the next window may begin
	until       time.Time // when the window ends that is left now; zero while none is
	size        int       // of the next window, in windows
	count       int       // how many windows were left
	load        [2]load   // of this second and of the one before

	max time.Duration // of windows; a second if zero
}

// A load is what a second brought.
type load struct {
	second  int64
	updates int
	busy    time.Duration // of the writer
}

// windowLengths are how long windows are, in tenths of the longest, while somebody
// pushes; a guess without signs takes the first two in turn.
var windowLengths = [...]time.Duration{4, 8, 10}

func (w *pushWindow) length(size int) time.Duration {
	return windowLengths[size] * cmp.Or(w.max, time.Second) / 10
}

const (
	windowAfter    = time.Second             // of steady movement
	windowGap      = 1500 * time.Millisecond // between windows while somebody pushes
	windowGuessGap = 2500 * time.Millisecond // and where that is a guess
	pushGrace      = 500 * time.Millisecond  // what a push that is landing may add to a window
	windowPoll     = 20 * time.Millisecond   // how often the end of a window is looked for
	pushMemory     = time.Minute             // how long a push is a sign of others to come
	lightLoadRate  = 30                      // a second, up to which windows are left on a guess
)

// recordGroup notes a group of updates that moved the branch.
func (w *pushWindow) recordGroup(began, ended time.Time, updates int) {
	if ended.Sub(w.lastMove) > w.stillFor(ended) {
		w.steadySince = ended
	}
	w.lastMove = ended
	if s := ended.Unix(); s != w.load[0].second {
		w.load[0], w.load[1] = load{second: s}, w.load[0]
	}
	w.load[0].updates += updates
	w.load[0].busy += ended.Sub(began)
}

// pushArrived notes that commits of others were taken in. A window has served its purpose
// then.
func (w *pushWindow) pushArrived(now time.Time) {
	w.lastPush = now
	if !w.until.IsZero() {
		w.until, w.next = time.Time{}, now.Add(windowGap)
	}
}

// mustWait says whether updates are to wait now, for some time that is less than two
// windows of the longest. The end of a window is put off while pushing says that a
// push is landing.
func (w *pushWindow) mustWait(now time.Time, pushing func() bool) bool {
	signs := w.pushedRecently(now)
	if !w.until.IsZero() {
		if now.Before(w.until) {
			return true
		}
		if now.Before(w.until.Add(pushGrace)) && pushing() {
			w.lastPush = now
			return true
		}
		w.until, w.next = time.Time{}, now.Add(windowGuessGap+w.jitter())
		if w.size++; signs {
			w.next = now.Add(windowGap + w.jitter())
			w.size = min(w.size, len(windowLengths)-1)
		} else {
			w.size %= 2
		}
		return false
	}
	switch still := now.Sub(w.lastMove); {
	case still >= w.stillFor(now): // this was a window
		w.steadySince = now
		return false
	case now.Sub(w.steadySince) < windowAfter, now.Before(w.next), !signs && !w.lightLoad(now):
		return false
	}
	w.count++
	w.until = w.lastMove.Add(w.length(w.size))
	return true
}

// jitter is what makes one gap longer than another, so that windows do not keep
// pace with somebody who tries again and again, and always miss.
func (w *pushWindow) jitter() time.Duration {
	return time.Duration(w.count*3%7) * 70 * time.Millisecond
}

// pushedRecently says whether somebody pushes.
func (w *pushWindow) pushedRecently(now time.Time) bool {
	return !w.lastPush.IsZero() && now.Sub(w.lastPush) < pushMemory
}

// stillFor is how long the branch stands still at most in a window.
func (w *pushWindow) stillFor(now time.Time) time.Duration {
	if w.pushedRecently(now) {
		return w.length(len(windowLengths) - 1)
	}
	return w.length(1)
}

// lightLoad says whether updates come by themselves, and not as fast as the writer
// does them.
func (w *pushWindow) lightLoad(now time.Time) bool {
	for _, l := range w.load {
		if l.second >= now.Unix()-1 && (l.updates > lightLoadRate || l.busy > time.Second/2) {
			return false
		}
	}
	return true
}

// leavesWindow says whether updates that wait are to wait on, for a push. They are not
// where there is no room for more of them, or where others push elsewhere.
func (r *Repo) leavesWindow() bool {
	if r.remote != nil || r.queue.size() > r.queue.limit/2 {
		return false
	}
	return r.window.mustWait(time.Now(), func() bool {
		incoming, err := filepath.Glob(filepath.Join(r.path, "objects", "tmp_objdir-incoming-*"))
		return err == nil && len(incoming) > 0
	})
}
