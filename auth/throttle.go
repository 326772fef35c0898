package auth

import (
	"cmp"
	"fmt"
	"sync"
	"time"
)

// TooManyError refuses an attempt that comes too soon after others that failed.
type TooManyError struct {
	Wait time.Duration // until the next attempt is looked at
}

func (e *TooManyError) Error() string {
	return fmt.Sprintf("too many attempts have failed; wait %s", e.Wait)
}

// pace is how many attempts may fail before the next ones have to wait: 1 s,
// 2 s, 4 s and so on, at most longest; or as many times what is first.
type pace struct {
	free    int
	longest time.Duration
	first   time.Duration // 1 s when 0
}

// When failures are forgotten, and how many keys are kept: more would let whoever
// has many addresses fill the memory.
const (
	forgetAfter = time.Hour
	maxTrails   = 100_000
)

// throttle slows down who guesses. Each key has its own pace: nobody waits for
// what failed under the key of another.
type throttle struct {
	mu     sync.Mutex
	trails map[string]trail // owned by mu
}

// trail is what failed under a key.
type trail struct {
	failures int
	last     time.Time // of the last attempt that was looked at
	until    time.Time // before which none is looked at
}

// begin lets an attempt under key through, or says with a *TooManyError how long
// to wait. The attempt counts as failed until it is forgiven, so that many at
// once are not all looked at before the first has failed.
func (t *throttle) begin(key string, p pace, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.trails[key]
	if now.Before(found.until) {
		return &TooManyError{Wait: found.until.Sub(now)}
	}
	if now.Sub(found.last) > forgetAfter {
		found = trail{}
	}
	found.failures++
	found.last = now
	if over := found.failures - p.free; over >= 0 {
		found.until = now.Add(min(cmp.Or(p.first, time.Second)<<min(over, 20), p.longest))
	}
	if t.trails == nil {
		t.trails = map[string]trail{}
	}
	if len(t.trails) >= maxTrails {
		t.sweep(now)
	}
	t.trails[key] = found
	return nil
}

// forgive takes back all that failed under key.
func (t *throttle) forgive(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.trails, key)
}

// refund takes back one failure under key: the attempt that begin let through.
func (t *throttle) refund(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found, ok := t.trails[key]; ok {
		found.failures--
		found.until = time.Time{}
		t.trails[key] = found
	}
}

// sweep makes room: for what has been forgotten or, if that is not enough, by
// dropping whatever comes first. The caller holds mu.
func (t *throttle) sweep(now time.Time) {
	for key, found := range t.trails {
		if now.Sub(found.last) > forgetAfter {
			delete(t.trails, key)
		}
	}
	for key := range t.trails {
		if len(t.trails) < maxTrails*9/10 {
			return
		}
		delete(t.trails, key)
	}
}
