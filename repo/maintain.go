package repo

import (
	"context"
	"errors"
	"path/filepath"
	"time"
)

// probe takes in what others committed and, after a write failed, tries
// whether writing works again.
func (r *Repo) probe(ctx context.Context) error {
	if _, err := r.catchUp(ctx); err != nil {
		return err
	}
	if err := r.contact.err(); err != nil || !r.dirty {
		return err
	}
	err := r.clean()
	if probe := filepath.Join(r.drafts, groupDraft+"_probe"); err == nil {
		err = writeFile(r.disk, probe, make([]byte, 4096), 0o444)
		err = errors.Join(err, removeIfExists(r.disk, probe))
	}
	if err == nil {
		err = r.probeLock()
	}
	r.dirty = err != nil
	return storageError(err)
}

// probeLock tries whether the branch can be locked: a lock that others left behind keeps every
// update from being done.
func (r *Repo) probeLock() error {
	tip, err := r.branch.read()
	if err != nil {
		return err
	}
	h, err := r.branch.acquire(tip, tip, time.Now())
	if errors.Is(err, errMoved) { // so that it can
		return nil
	} else if err != nil {
		return err
	}
	return h.drop()
}

// maintainPacks has the packs maintained, beside the writer, which is spared to list a folder
// of many: readers are told here of those that they need not know any more. The packs
// without have lost their index.
func (r *Repo) maintainPacks(ctx context.Context, now time.Time, repack bool, without []string) {
	r.repacker.restoreIndexes(without)
	err := r.repacker.maintain(ctx, now, repack)
	_ = r.store.set().refresh() // the next one may succeed
	r.countPacks(err)
}

// countPacks counts the packs after they were maintained, err saying how that went. Those
// that come meanwhile may count twice.
func (r *Repo) countPacks(err error) {
	before := r.packs.Load()
	packs, listErr := r.repacker.candidates()
	r.packs.Add(int64(len(packs)) - before)
	if err = errors.Join(err, listErr); err == nil || errors.Is(err, context.Canceled) {
		return
	}
	r.log.Error("packs cannot be repacked", "error", err)
	r.failures.Add(1)
	if !errors.Is(err, errDamaged) { // as that pack is passed over now
		r.packs.Store(0) // try again after as many new ones
	}
}

// expiryTime is the time by which kept packs are removed: all of them when the
// disk is full.
func (r *Repo) expiryTime() time.Time {
	now := time.Now()
	if err := r.writeErr.Load(); err != nil && errors.Is(*err, ErrFull) {
		return now.Add(r.repacker.grace)
	}
	return now
}

// repackPause is how long repacking rests after it has worked so long: not
// at all while more of them come than it repacks.
func (r *Repo) repackPause(worked time.Duration) time.Duration {
	if r.packs.Load() > packUrgent {
		return 0
	}
	return repackRest * worked
}

// flushIndex saves the index before or after Run, if it lacks n commits or more, and makes it
// anew if it has more sections than that. At the end, with n of 1, it also does when the index
// lacks parse results, has those of another version, or tells of commits that are no
// more. A large one is not made anew here: see indexRebuild.
func (r *Repo) flushIndex(n, sections int) {
	closing := n == 1
	anew := r.sections > sections || closing && (r.outdated || r.history.journal == nil && r.history.size() > 0)
	if r.large() {
		if r.history.journal == nil {
			return // until it is rebuilt
		}
		anew = false
	}
	lacking := r.history.size()-r.indexed >= n || closing && len(r.unindexed) > 0
	if !lacking && !anew {
		return
	}
	r.indexSaved(r.saveIndex(anew))
}

// indexSaved notes how saving the index went.
func (r *Repo) indexSaved(err error) {
	if err != nil {
		r.log.Error("the index cannot be saved: the next start will be slower", "error", err)
		r.indexed = r.history.size() // no use to try again at once
	}
}

// setWriteErr notes what keeps updates from being done, nil if nothing does, and logs
// when that changes.
func (r *Repo) setWriteErr(err error) {
	was := r.writeErr.Load()
	switch {
	case err != nil:
		r.writeErr.Store(&err)
		if was == nil {
			r.log.Error("repository cannot be written", "error", err)
		}
	case was != nil:
		r.writeErr.Store(nil)
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
	if err := r.writeErr.Load(); err != nil {
		return *err
	}
	return r.contact.err() // which the writer has not looked for at first
}
