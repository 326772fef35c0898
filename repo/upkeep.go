package repo

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"time"
)

// examine takes in what others committed and, after a write failed, tries
// whether writing works again.
func (r *Repo) examine(ctx context.Context) error {
	if _, err := r.catchUp(ctx); err != nil || !r.dirty {
		return err
	}
	err := r.clean()
	if probe := filepath.Join(r.packFolder(), groupDraft+"_probe"); err == nil {
		err = writeFile(r.disk, probe, make([]byte, 4096), 0o444)
		err = errors.Join(err, removeIfThere(r.disk, probe))
	}
	r.dirty = err != nil
	return storageError(err)
}

// countPacks counts the packs after they were tended, err saying how that went.
func (r *Repo) countPacks(err error) {
	packs, listErr := r.joins.candidates()
	r.packs.Store(int64(len(packs)))
	if err = errors.Join(err, listErr); err == nil || errors.Is(err, context.Canceled) {
		return
	}
	r.log.Error("join packs", "error", err)
	r.failures.Add(1)
	if !errors.Is(err, errDamaged) { // as that pack is passed over now
		r.packs.Store(0) // try again after as many new ones
	}
}

// releaseTime is the time by which kept packs are removed: all of them when the
// disk is full.
func (r *Repo) releaseTime() time.Time {
	now := time.Now()
	if err := r.ailment.Load(); err != nil && errors.Is(*err, ErrFull) {
		return now.Add(r.joins.keep)
	}
	return now
}

// rest is how long the joining of packs rests after it has worked so long: not
// at all while more of them come than it joins.
func (r *Repo) rest(worked time.Duration) time.Duration {
	if r.packs.Load() > packHurry {
		return 0
	}
	return joinRest * worked
}

// keepIndex saves the index if it lacks n commits or more, and makes it anew if it
// has more sections than that.
func (r *Repo) keepIndex(n, sections int) {
	anew := r.sections > sections
	if r.history.size()-r.indexed < n && !anew {
		return
	}
	if err := r.saveIndex(anew); err != nil {
		r.log.Error("the next start will be slower", "error", err)
		r.indexed = r.history.size() // no use to try again at once
	}
}

// warm reads and parses the entries that nobody has asked for yet, so that the
// first one who lists them need not wait.
func (r *Repo) warm(ctx context.Context) {
	s := &store{dir: r.path}
	defer s.Close()
	for _, l := range r.View().listings {
		for e := range l.all() {
			if ctx.Err() != nil {
				return
			}
			if e.text.held() == nil {
				src, err := s.blob(e.Revision)
				if err != nil {
					return // whoever needs it will learn of it
				}
				e.text.keep(src)
			}
			e.text.read()
			runtime.Gosched() // whoever waits for an answer goes first
		}
	}
}

// feel notes what keeps updates from being done, nil if nothing does, and logs
// when that changes.
func (r *Repo) feel(err error) {
	was := r.ailment.Load()
	switch {
	case err != nil:
		r.ailment.Store(&err)
		if was == nil {
			r.log.Error("repository cannot be written", "error", err)
		}
	case was != nil:
		r.ailment.Store(nil)
		r.log.Info("repository can be written again")
	}
}

// Ready says what keeps updates from being done, or nil.
func (r *Repo) Ready() error {
	select {
	case <-r.stopped:
		return ErrClosed
	default:
	}
	if !r.running.Load() {
		return errors.New("repository has no writer yet")
	}
	if err := r.ailment.Load(); err != nil {
		return *err
	}
	return nil
}
