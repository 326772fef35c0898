package repo

import (
	"cmp"
	"path/filepath"
	"sync"
	"time"
)

// A pushWindow decides when the writer leaves the branch alone, so that a push gets
// through beside steady edits: Git's client gives up when the branch moves between
// its fetch and its push. It is owned by the writer, and knows no clock.
//
// A window is a time in which the branch stands still. None is left while it
// stands still by itself, and none to those who write as fast as they can, unless
// somebody has pushed lately. Then windows come at any load, oftener, and each is
// longer than the last, as long as no push lands in it.
//
// Where the system tells when Git looks at the repository, the fetch before a push is
// seen, and gets a window; then there are no others. Those who only fetch, such as
// builds, look the same: after a few windows in vain looks count for nothing for a while.
type pushWindow struct {
	lastMove    time.Time // when the branch last moved by our commits
	steadySince time.Time // since when it has not stood still for longer than a window
	lastPush    time.Time // when somebody last did, or was about to
	next        time.Time // when the next window may begin
	until       time.Time // when the window ends that is left now; zero while none is
	began       time.Time // when it began
	size        int       // of the next window, in windows
	count       int       // how many windows were left
	load        [2]load   // of this second and of the one before

	watching   bool          // it is known when Git looks at the repository
	lastOpen   time.Time     // when it last did
	byOpen     bool          // the window is for that
	nextByOpen time.Time     // when the next one for that may begin
	pushTime   time.Duration // from a fetch to its push, as guessed; 0 for longest
	missed     int           // how many windows for that ended without a push, one after the other

	signsOnly bool // no window is left on a guess, and a look counts though the branch moved after it

	ignoreUntil time.Time // what Git looks at counts for nothing
	ignored     int       // how often that was so since a push landed

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
	maxMissed      = 4                       // windows, half as many where nobody has pushed lately, after which looks count for nothing for pushMemory, and longer each time
	maxBackoff     = 6                       // times, at most
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
	w.lastPush, w.missed, w.ignored, w.ignoreUntil = now, 0, 0, time.Time{}
	if !w.until.IsZero() {
		w.end(now, windowGap)
	}
}

// end ends the window, and says when the next one may come. One for a look may come
// after as long as this one has lasted.
func (w *pushWindow) end(now time.Time, gap time.Duration) {
	w.nextByOpen = now.Add(now.Sub(w.began))
	w.until, w.next, w.byOpen = time.Time{}, now.Add(gap), false
}

// opened notes when Git last looked at the repository. A window lasts until it has not
// looked for a span, but never longer than two.
func (w *pushWindow) opened(at time.Time) {
	w.watching = true
	if at.Equal(w.lastOpen) {
		return
	}
	w.lastOpen = at
	if !w.byOpen {
		return
	}
	w.until = at.Add(w.pushSpan())
	if last := w.began.Add(2 * w.pushSpan()); w.until.After(last) {
		w.until = last
	}
}

func (w *pushWindow) pushSpan() time.Duration {
	return cmp.Or(w.pushTime, w.length(len(windowLengths)-1))
}

// open says whether a window begins because Git has just looked at the repository,
// and the branch is where it was then. With signsOnly it may have moved, by a group that was
// on its way to the remote: whoever looked comes again, within the window.
func (w *pushWindow) open(now time.Time) bool {
	if now.Before(w.nextByOpen) || w.lastMove.After(w.lastOpen) && !w.signsOnly || !now.Before(w.lastOpen.Add(w.pushSpan()/2)) {
		return false
	}
	w.byOpen, w.began, w.until = true, now, w.lastOpen.Add(w.pushSpan())
	return true
}

// windowMissed notes that a window for a look has ended without a push. The next one comes
// later.
func (w *pushWindow) windowMissed(now time.Time) {
	w.nextByOpen = w.nextByOpen.Add(now.Sub(w.began) / 2)
	w.pushTime = min(2*w.pushSpan(), 2*w.length(len(windowLengths)-1))
	atMost := maxMissed
	if !w.pushedRecently(now) {
		atMost = maxMissed / 2
	}
	if w.missed++; w.missed >= atMost {
		w.ignoreUntil = now.Add(pushMemory << min(w.ignored, maxBackoff))
		w.pushTime, w.missed, w.ignored = 0, 0, w.ignored+1
	}
}

// mustWait says whether updates are to wait now, for some time that is less than five
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
		byOpen := w.byOpen
		if w.size++; signs {
			w.end(now, windowGap+w.jitter())
			w.size = min(w.size, len(windowLengths)-1)
		} else {
			w.end(now, windowGuessGap+w.jitter())
			w.size %= 2
		}
		if byOpen {
			w.windowMissed(now)
		}
		return false
	}
	if now.Sub(w.lastMove) >= w.stillFor(now) { // this was a window
		w.steadySince = now
	}
	switch {
	case now.Sub(w.steadySince) < windowAfter:
		return false
	case w.watching && !now.Before(w.ignoreUntil):
		return w.open(now)
	case now.Before(w.next), !signs && (w.signsOnly || !w.lightLoad(now)):
		return false
	}
	w.count++
	w.began, w.until = now, w.lastMove.Add(w.length(w.size))
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
// where there is no room for more of them. Where others push to a remote, only those count
// who are expected here: the rest of who looks at the repository is its own fetches.
func (r *Repo) leavesWindow() bool {
	if r.queue.size() > r.queue.limit/2 {
		return false
	}
	at, watching := r.opens.last()
	if r.remote != nil {
		r.window.signsOnly = true
		if at, watching = r.expected.last(); !watching {
			return false
		}
	}
	if watching {
		r.window.opened(at)
	} else {
		r.window.watching = false
	}
	return r.window.mustWait(time.Now(), func() bool {
		if r.pushes.Load() > 0 {
			return true
		}
		incoming, err := filepath.Glob(filepath.Join(r.path, "objects", "tmp_objdir-incoming-*"))
		return err == nil && len(incoming) > 0
	})
}

// opens is what is known of those who open the repository's configuration, as each
// command of Git does first.
type opens struct {
	mu       sync.Mutex
	watching bool
	latest   time.Time
}

// note says that it was opened, or, with the zero Time, that it will be seen.
func (o *opens) note(at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watching = true
	if at.After(o.latest) {
		o.latest = at
	}
}

// end says that it will not be seen any more.
func (o *opens) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watching = false
}

func (o *opens) last() (at time.Time, watching bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.latest, o.watching
}

// at is when it was last opened; zero where that was not seen.
func (o *opens) at() time.Time {
	at, _ := o.last()
	return at
}
