package repo

import (
	"cmp"
	"path/filepath"
	"time"
)

// A yield decides when the writer leaves the branch alone, so that a push gets
// through beside steady edits: Git's client gives up when the branch moves between
// its fetch and its push, and the writer sees neither. It is owned by the writer,
// and knows no clock.
//
// A window is a time in which the branch stands still. None is left while it
// stands still by itself, and none to those who write as fast as they can, unless
// somebody has pushed lately. Then windows come at any load, oftener, and each is
// longer than the last, as long as no push lands in it.
type yield struct {
	moved  time.Time // when the branch last moved by our commits
	steady time.Time // since when it has not stood still for longer than a window
	pushed time.Time // when somebody last did, or was about to
	next   time.Time // when the next window may begin
	until  time.Time // when the window ends that is left now; zero while none is
	size   int       // of the next window, in windows
	left   int       // how many windows were left
	load   [2]load   // of this second and of the one before

	longest time.Duration // of windows; a second if zero
}

// A load is what a second brought.
type load struct {
	second  int64
	updates int
	busy    time.Duration // of the writer
}

// windows are how long windows are, in tenths of the longest, while somebody
// pushes; a guess without signs takes the first two in turn.
var windows = [...]time.Duration{4, 8, 10}

func (y *yield) window(size int) time.Duration {
	return windows[size] * cmp.Or(y.longest, time.Second) / 10
}

const (
	yieldAfter  = time.Second             // of steady movement
	yieldGap    = 1500 * time.Millisecond // between windows while somebody pushes
	yieldGuess  = 2500 * time.Millisecond // and where that is a guess
	yieldLate   = 500 * time.Millisecond  // what a push that is landing may add to a window
	yieldLook   = 20 * time.Millisecond   // how often the end of a window is looked for
	pushesLast  = time.Minute             // how long a push is a sign of others to come
	calmUpdates = 30                      // a second, up to which windows are left on a guess
)

// wrote notes a group of updates that moved the branch.
func (y *yield) wrote(began, ended time.Time, updates int) {
	if ended.Sub(y.moved) > y.enough(ended) {
		y.steady = ended
	}
	y.moved = ended
	if s := ended.Unix(); s != y.load[0].second {
		y.load[0], y.load[1] = load{second: s}, y.load[0]
	}
	y.load[0].updates += updates
	y.load[0].busy += ended.Sub(began)
}

// met notes that commits of others were taken in. A window has served its purpose
// then.
func (y *yield) met(now time.Time) {
	y.pushed = now
	if !y.until.IsZero() {
		y.until, y.next = time.Time{}, now.Add(yieldGap)
	}
}

// hold says whether updates are to wait now, for some time that is less than two
// windows of the longest. The end of a window is put off while pushing says that a
// push is landing.
func (y *yield) hold(now time.Time, pushing func() bool) bool {
	signs := y.signs(now)
	if !y.until.IsZero() {
		if now.Before(y.until) {
			return true
		}
		if now.Before(y.until.Add(yieldLate)) && pushing() {
			y.pushed = now
			return true
		}
		y.until, y.next = time.Time{}, now.Add(yieldGuess+y.uneven())
		if y.size++; signs {
			y.next = now.Add(yieldGap + y.uneven())
			y.size = min(y.size, len(windows)-1)
		} else {
			y.size %= 2
		}
		return false
	}
	switch still := now.Sub(y.moved); {
	case still >= y.enough(now): // this was a window
		y.steady = now
		return false
	case now.Sub(y.steady) < yieldAfter, now.Before(y.next), !signs && !y.calm(now):
		return false
	}
	y.left++
	y.until = y.moved.Add(y.window(y.size))
	return true
}

// uneven is what makes one gap longer than another, so that windows do not keep
// pace with somebody who tries again and again, and always miss.
func (y *yield) uneven() time.Duration { return time.Duration(y.left*3%7) * 70 * time.Millisecond }

// signs says whether somebody pushes.
func (y *yield) signs(now time.Time) bool {
	return !y.pushed.IsZero() && now.Sub(y.pushed) < pushesLast
}

// enough is how long the branch stands still at most in a window.
func (y *yield) enough(now time.Time) time.Duration {
	if y.signs(now) {
		return y.window(len(windows) - 1)
	}
	return y.window(1)
}

// calm says whether updates come by themselves, and not as fast as the writer
// does them.
func (y *yield) calm(now time.Time) bool {
	for _, l := range y.load {
		if l.second >= now.Unix()-1 && (l.updates > calmUpdates || l.busy > time.Second/2) {
			return false
		}
	}
	return true
}

// yields says whether updates that wait are to wait on, for a push. They are not
// where there is no room for more of them, or where others push elsewhere.
func (r *Repo) yields() bool {
	if r.remote != nil || r.queue.size() > r.queue.limit/2 {
		return false
	}
	return r.yield.hold(time.Now(), func() bool {
		incoming, err := filepath.Glob(filepath.Join(r.path, "objects", "tmp_objdir-incoming-*"))
		return err == nil && len(incoming) > 0
	})
}
