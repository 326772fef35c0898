package repo

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A scene is updates at a rate and somebody who pushes, in a time of its own.
type scene struct {
	y       pushWindow
	every   time.Duration // between updates
	takes   time.Duration // for the writer to do a group
	now     time.Time
	arrived []time.Time // of updates that wait
	waits   []time.Duration
	due     time.Time // of the next update
	tip     int       // how often the branch has moved
	foreign bool      // commits of others that were not taken in yet
	held    int       // how often updates began to be held
	holding bool      // and whether they are
	sees    bool      // it is known when Git looks at the repository
}

// looks says that Git looks at the repository.
func (s *scene) looks() {
	if s.sees {
		s.y.opened(s.now)
	}
}

const moment = 5 * time.Millisecond

// play lets time pass until then, five milliseconds at a time.
func (s *scene) play(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); s.now = s.now.Add(moment) {
		if s.foreign {
			s.foreign = false
			s.y.pushArrived(s.now)
		}
		for !s.due.After(s.now) {
			s.arrived = append(s.arrived, s.due)
			s.due = s.due.Add(s.every)
		}
		if len(s.arrived) == 0 {
			continue
		}
		if s.y.mustWait(s.now, func() bool { return false }) {
			if !s.holding {
				s.held++
			}
			s.holding = true
			continue
		}
		s.holding = false
		done := s.now.Add(s.takes)
		for _, at := range s.arrived {
			s.waits = append(s.waits, done.Sub(at))
		}
		s.y.recordGroup(s.now, done, len(s.arrived))
		s.arrived = s.arrived[:0]
		s.tip++
		s.now = done.Add(-moment)
	}
}

// push fetches and pushes until it gets through, and says how long that took.
func (s *scene) push(takes, pause time.Duration) time.Duration {
	began := s.now
	for {
		s.looks()
		fetched := s.tip
		s.play(takes)
		s.looks()
		if s.tip == fetched {
			s.tip++
			s.foreign = true
			return s.now.Sub(began)
		}
		if s.now.Sub(began) > time.Minute {
			return s.now.Sub(began)
		}
		s.play(pause)
	}
}

// Whoever takes up to 300 ms from fetch to push gets through beside steady
// updates within ten seconds, the first time too, and the median of the updates
// is below 100 ms.
func TestPushersGetThrough(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{40, 100, 250, 500} {
		for _, takes := range []time.Duration{50, 150, 250, 300} {
			for phase := range time.Duration(4) {
				s := &scene{every: every * time.Millisecond, takes: 5 * time.Millisecond, now: time.Unix(1_800_000_000, 0)}
				s.due = s.now
				s.play(20*time.Second + phase*173*time.Millisecond)
				for loop := range 12 {
					if took := s.push(takes*time.Millisecond, takes*time.Millisecond); took > 10*time.Second {
						t.Errorf("an update every %d ms, %d ms from fetch to push, phase %d: loop %d took %s", every, takes, phase, loop, took)
					}
				}
				slices.Sort(s.waits)
				if median := s.waits[len(s.waits)/2]; median > 100*time.Millisecond {
					t.Errorf("an update every %d ms, %d ms from fetch to push: the median is %s", every, takes, median)
				}
				if longest := s.waits[len(s.waits)-1]; longest > 2*s.y.length(len(windowLengths)-1) {
					t.Errorf("an update every %d ms: one waited %s", every, longest)
				}
			}
		}
	}
}

// Where the system tells when Git looks at the repository, whoever takes up to two
// seconds from fetch to push gets through within a few tries.
func TestPushersAreSeen(t *testing.T) {
	for _, every := range []time.Duration{3, 10, 40, 100, 250, 500} {
		for _, takes := range []time.Duration{50, 150, 300, 700, 1200, 1900} {
			for phase := range time.Duration(4) {
				s := &scene{every: every * time.Millisecond, takes: 2 * time.Millisecond, now: time.Unix(1_800_000_000, 0), sees: true}
				s.y.opened(time.Time{})
				s.due = s.now
				s.play(20*time.Second + phase*173*time.Millisecond)
				if s.held > 0 {
					t.Errorf("an update every %d ms: updates were held, and nobody has looked", every)
				}
				for loop := range 12 {
					if took := s.push(takes*time.Millisecond, 100*time.Millisecond); took > 10*time.Second {
						t.Errorf("an update every %d ms, %d ms from fetch to push, phase %d: loop %d took %s", every, takes, phase, loop, took)
					}
					s.play(3 * time.Second) // somebody types
				}
				slices.Sort(s.waits)
				if median := s.waits[len(s.waits)/2]; median > 100*time.Millisecond {
					t.Errorf("an update every %d ms, %d ms from fetch to push: the median is %s", every, takes, median)
				}
				if longest := s.waits[len(s.waits)-1]; longest > 5*s.y.length(len(windowLengths)-1) {
					t.Errorf("an update every %d ms: one waited %s", every, longest)
				}
			}
		}
	}
}

// Those who look again and again and never push are given few windows.
func TestFetchesAloneAreIgnored(t *testing.T) {
	s := &scene{every: 10 * time.Millisecond, takes: 2 * time.Millisecond, now: time.Unix(1_800_000_000, 0), sees: true}
	s.due = s.now
	for range 3600 {
		s.looks()
		s.play(time.Second)
	}
	if s.held > 15 {
		t.Errorf("updates were held %d times in an hour", s.held)
	}
	s.foreign = true // somebody pushes after all
	for loop := range 5 {
		if took := s.push(300*time.Millisecond, 100*time.Millisecond); took > 10*time.Second {
			t.Errorf("loop %d took %s", loop, took)
		}
	}
}

// Who edits now and then does not wait for others who only read, just before the edit
// or any other time.
func TestEditsDoNotWaitForReaders(t *testing.T) {
	for _, every := range []time.Duration{900, 1000, 2000, 10_000} {
		for _, before := range []time.Duration{5, 100, 450, 800} {
			s := &scene{every: every * time.Millisecond, takes: 5 * time.Millisecond, now: time.Unix(1_800_000_000, 0), sees: true}
			s.due = s.now
			for range 100 {
				s.play(s.due.Sub(s.now) - before*time.Millisecond)
				s.looks()
				s.play(before*time.Millisecond + 2*moment)
			}
			if s.held > 0 {
				t.Errorf("an update every %d ms, a reader %d ms before each: updates were held %d times", every, before, s.held)
			}
		}
	}
}

// Nobody waits where there is no use in it: updates as fast as they can be done,
// and a branch that stands still by itself.
func TestNothingIsHeldInVain(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*scene{
		"300 a second":          {every: time.Second / 300, takes: 2 * time.Millisecond},
		"100 a second":          {every: 10 * time.Millisecond, takes: 2 * time.Millisecond},
		"one after the other":   {every: 70 * time.Millisecond, takes: 60 * time.Millisecond},
		"one a second":          {every: time.Second, takes: 5 * time.Millisecond},
		"one every ten seconds": {every: 10 * time.Second, takes: 5 * time.Millisecond},
	} {
		s.now = time.Unix(1_800_000_000, 0)
		s.due = s.now
		s.play(time.Minute)
		if s.held > 0 {
			t.Errorf("%s: updates were held %d times", name, s.held)
		}
	}
}

// Beside heavy load windows are left once somebody has pushed, and no longer when
// nobody has for a while.
func TestWindowsFollowSigns(t *testing.T) {
	t.Parallel()
	s := &scene{every: 5 * time.Millisecond, takes: 2 * time.Millisecond, now: time.Unix(1_800_000_000, 0)}
	s.due = s.now
	s.play(10 * time.Second)
	s.foreign = true
	for loop := range 5 {
		if took := s.push(200*time.Millisecond, 200*time.Millisecond); took > 10*time.Second {
			t.Errorf("loop %d took %s", loop, took)
		}
	}
	s.play(pushMemory + 5*time.Second)
	s.held = 0
	s.play(time.Minute)
	if s.held > 0 {
		t.Errorf("updates were held %d times, long after the last push", s.held)
	}
}

// The end of a window waits for a push that is landing, but not for ever.
func TestWindowWaitsForAPush(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	y := pushWindow{steadySince: now.Add(-time.Minute), lastMove: now}
	landing := func() bool { return true }
	if !y.mustWait(now, landing) {
		t.Fatal("no window was left")
	}
	end := now.Add(y.length(0))
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{-time.Millisecond, true}, {time.Millisecond, true}, {pushGrace - time.Millisecond, true}, {pushGrace, false}} {
		if got := y.mustWait(end.Add(c.after), landing); got != c.want {
			t.Errorf("%s after the end of the window: held %v, want %v", c.after, got, c.want)
		}
	}
}

// Git pushes beside steady updates, as a developer would repeat it, and gets
// through; nothing of either side is lost.
func TestPushBesideSteadyUpdates(t *testing.T) {
	t.Parallel()
	atLength(t)
	r, err := Open(t.Context(), durable(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(t.TempDir(), "work")
	push := func(name string) error {
		write(t, work, name, "x\n")
		commitAll(t, work, "Dehors")
		_, err := tryGit(work, "push", "-q", "origin", "HEAD:main")
		return err
	}
	git(t, t.TempDir(), "clone", "-q", "--no-local", r.path, work)
	began := time.Now()
	if err := push("first.md"); err != nil {
		t.Fatal(err)
	}
	git(t, work, "pull", "-q", "--rebase", "origin", "main")
	r.window.max = max(time.Second, 8*time.Since(began)) // a busy machine takes its time

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop := make(chan struct{})
	var writing sync.WaitGroup
	edits := 0
	writing.Go(func() {
		tick := time.NewTicker(80 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				put(t, r, "consultations", "parc", fmt.Sprint(edits))
				edits++
			}
		}
	})
	err = push("second.md")
	for attempt := 1; err != nil && attempt < 100; attempt++ {
		git(t, work, "pull", "-q", "--rebase", "origin", "main")
		_, err = tryGit(work, "push", "-q", "origin", "HEAD:main")
	}
	if err != nil {
		t.Errorf("a push did not get through in a hundred attempts: %v", err)
	}
	close(stop)
	writing.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	verify(t, r)
	if n := strings.Count(git(t, r.path, "log", "--format=%an", "main"), "Anne"); n != edits {
		t.Errorf("the branch has %d edits, want %d", n, edits)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// Whoever pushes here where there is a remote gets through beside steady updates too, whether
// those wait for the remote or not; nothing of either side is lost.
func TestPushHereBesideSteadyUpdates(t *testing.T) {
	t.Parallel()
	atLength(t)
	for name, m := range map[string]Remote{"off": {}, "async": {Push: true}, "sync": {Push: true, Sync: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bare, _ := host(t)
			o := options(filepath.Join(t.TempDir(), "site.git"))
			m.URL = bare
			o.Remote = &m
			if err := Clone(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			r, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			work := clone(t, r.path)
			r.window.max = max(time.Second, 16*time.Since(began)) // a busy machine takes its time
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() {
				if err := r.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			running.Go(func() {
				if err := r.KeepPushed(ctx); err != nil {
					t.Error(err)
				}
			})
			if err := r.Fetch(t.Context()); err != nil {
				t.Fatal(err)
			}
			stop, edited := make(chan struct{}), make(chan int, 1)
			go func() {
				tick := time.NewTicker(100 * time.Millisecond)
				defer tick.Stop()
				for edits := 0; ; edits++ {
					select {
					case <-stop:
						edited <- edits
						return
					case <-tick.C:
						if _, err := r.Update(ctx, Meta{Author: ann}, func(tx *Tx) error {
							_, err := tx.Put("consultations", slug(t, "parc"), document(fmt.Sprint(edits)))
							return err
						}); err != nil {
							t.Error(err)
						}
					}
				}
			}()
			const most = 15
			pushes := loaded(3, 1, 1)
			for i := range pushes {
				write(t, work, fmt.Sprintf("%d.md", i), "x\n")
				commitAll(t, work, "Dehors")
				for attempt := 1; ; attempt++ {
					err := landHere(t, r, work)
					if err == nil {
						break
					}
					if !errors.Is(err, ErrNotForward) {
						t.Fatal(err)
					}
					if attempt == most {
						t.Errorf("push %d did not get through in %d attempts: %v", i, most, err)
						break
					}
					r.ExpectPush()
					git(t, work, "pull", "-q", "--rebase", "origin", "main")
				}
			}
			close(stop)
			edits := <-edited
			if m.Push {
				comes(t, "what was written, at the host", func() bool { return onHost(t, bare) == r.View().Commit().String() })
			}
			cancel()
			running.Wait()
			verify(t, r)
			if n := strings.Count(git(t, r.path, "log", "--format=%an", "main", "--", "_consultations/parc.md"), "Anne"); n != edits {
				t.Errorf("the branch has %d edits, want %d", n, edits)
			}
			for i := range pushes {
				git(t, r.path, "cat-file", "-e", fmt.Sprintf("main:%d.md", i))
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// landHere pushes what a clone has, as a door that takes pushes in does.
func landHere(t *testing.T, r *Repo, work string) error {
	t.Helper()
	r.ExpectPush()
	from, to := r.View().Commit(), NewHash(tipOf(t, work, "HEAD"))
	if exec.CommandContext(t.Context(), "git", "-C", work, "merge-base", "--is-ancestor", from.String(), to.String()).Run() != nil {
		return fmt.Errorf("%w: %s is not upon %s, or that is unknown", ErrNotForward, to, from) // as Git itself says
	}
	q, err := r.Quarantine()
	if err != nil {
		return err
	}
	defer q.Close()
	cmd := exec.CommandContext(t.Context(), "git", "-C", work, "pack-objects", "-q", "--revs", filepath.Join(q.Objects(), "pack", "pack"))
	cmd.Stdin = strings.NewReader(to.String() + "\n^" + from.String() + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := q.Land(t.Context(), []RefChange{{Name: "refs/heads/main", Old: from, New: to}}); err != nil {
		return err
	}
	git(t, work, "fetch", "-q", "origin")
	return nil
}
