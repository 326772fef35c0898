package repo

import (
	"cmp"
	"path/filepath"
	"sync"
	"time"
)

// A yield decides when the writer leaves the branch alone, so that a push gets
// through beside steady edits: Git's client gives up when the branch moves between
// its fetch and its push. It is owned by the writer, and knows no clock.
//
// A window is a time in which the branch stands still. None is left while it
// stands still by itself, and none to those who write as fast as they can, unless
// somebody has pushed lately. Then windows come at any load, oftener, and each is
// longer than the last, as long as no push lands in it.
//
// Where the system tells when Git looks at the repository, the fetch before a push is
// seen, and gets a window; then there are no others. Those who only fetch look the
// same: after a few windows in vain looks count for nothing for a while.
type yield struct {
	moved  time.Time // when the branch last moved by our commits
	steady time.Time // since when it has not stood still for longer than a window
	pushed time.Time // when somebody last did, or was about to
	next   time.Time // when the next window may begin
	until  time.Time // when the window ends that is left now; zero while none is
	began  time.Time // when it began
	size   int       // of the next window, in windows
	left   int       // how many windows were left
	load   [2]load   // of this second and of the one before

	sees   bool          // it is known when Git looks at the repository
	looked time.Time     // when it last did
	looker bool          // the window is for a look
	again  time.Time     // when the next one for a look may begin
	span   time.Duration // from a fetch to its push, as guessed; 0 for longest
	vain   int           // how many windows for looks ended without a push since the last one landed

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
	looksInVain = 4                       // windows, after which looks count for nothing for pushesLast, and longer each time
	looksDouble = 6                       // times, at most
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
	if y.deaf(now) {
		y.again = time.Time{}
	}
	y.pushed, y.vain = now, 0
	if !y.until.IsZero() {
		y.end(now, yieldGap)
	}
}

// end ends the window, and says when the next one may come. One for a look may come
// after as long as this one has lasted.
func (y *yield) end(now time.Time, gap time.Duration) {
	y.again = now.Add(now.Sub(y.began))
	y.until, y.next, y.looker = time.Time{}, now.Add(gap), false
}

// see notes when Git last looked at the repository. A window lasts until it has not
// looked for a span, but never longer than two.
func (y *yield) see(look time.Time) {
	y.sees = true
	if look.Equal(y.looked) {
		return
	}
	y.looked = look
	if !y.looker {
		return
	}
	y.until = look.Add(y.spanned())
	if last := y.began.Add(2 * y.spanned()); y.until.After(last) {
		y.until = last
	}
}

func (y *yield) spanned() time.Duration { return cmp.Or(y.span, y.window(len(windows)-1)) }

// deaf says whether looks count for nothing.
func (y *yield) deaf(now time.Time) bool { return y.vain >= looksInVain && now.Before(y.again) }

// look says whether a window begins because Git has just looked at the repository,
// and the branch is where it was then.
func (y *yield) look(now time.Time) bool {
	if now.Before(y.again) || y.moved.After(y.looked) || !now.Before(y.looked.Add(y.spanned()/2)) {
		return false
	}
	y.looker, y.began, y.until = true, now, y.looked.Add(y.spanned())
	return true
}

// missed notes that a window for a look has ended without a push. The next one comes
// later.
func (y *yield) missed(now time.Time) {
	y.again = y.again.Add(now.Sub(y.began) / 2)
	y.span = min(2*y.spanned(), 2*y.window(len(windows)-1))
	if y.vain++; y.vain%looksInVain == 0 {
		y.span, y.again = 0, now.Add(pushesLast<<min(y.vain/looksInVain-1, looksDouble))
	}
}

// hold says whether updates are to wait now, for some time that is less than five
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
		looker := y.looker
		if y.size++; signs {
			y.end(now, yieldGap+y.uneven())
			y.size = min(y.size, len(windows)-1)
		} else {
			y.end(now, yieldGuess+y.uneven())
			y.size %= 2
		}
		if looker {
			y.missed(now)
		}
		return false
	}
	if y.look(now) {
		return true
	}
	switch still := now.Sub(y.moved); {
	case still >= y.enough(now): // this was a window
		y.steady = now
		return false
	case y.sees && !y.deaf(now), now.Sub(y.steady) < yieldAfter, now.Before(y.next), !signs && !y.calm(now):
		return false
	}
	y.left++
	y.began, y.until = now, y.moved.Add(y.window(y.size))
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
	if look, sees := r.opens.last(); sees {
		r.yield.see(look)
	}
	return r.yield.hold(time.Now(), func() bool {
		incoming, err := filepath.Glob(filepath.Join(r.path, "objects", "tmp_objdir-incoming-*"))
		return err == nil && len(incoming) > 0
	})
}

// opens is what the writer is told of those who open the repository's configuration.
type opens struct {
	mu   sync.Mutex
	sees bool
	at   time.Time
}

// note says that it was opened, or, with the zero Time, that it will be seen.
func (o *opens) note(at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sees, o.at = true, at
}

func (o *opens) last() (at time.Time, sees bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.at, o.sees
}
