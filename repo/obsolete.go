package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
)

// A repacker brings small packs of a folder into larger ones, and removes those that
// became obsolete by that once a grace period is over: Git lists the packs when it
// begins, and fails if one of them is gone when it needs it. So the period is one since
// the pack became obsolete, and since anybody began to read. Nothing else in this
// program removes a pack. It is used by one goroutine at a time.
type repacker struct {
	disk       disk
	folder     string
	drafts     string        // the folder of what is being written
	grace      time.Duration // how long obsolete packs stay
	log        *slog.Logger
	lastOpen   func() time.Time                         // when somebody last began to read; nil, or the zero Time, where that is not seen
	pauseAfter func(worked time.Duration) time.Duration // after so much work, so that others get on; nil is not at all
	packs      *packSet                                 // told which packs are obsolete; nil is nobody

	obsolete      []obsoletePack  // oldest first
	damaged       map[string]bool // the packs that cannot be read, by name
	loaded        bool            // the obsolete packs that an earlier process left are known
	removalFailed bool            // a removal may have failed half way
	lookedAt      multiIndexFiles // that are not stale
	loggedPinned  bool            // that a multi-pack-index names packs
	notRepacked   int             // how many packs are left alone because a multi-pack-index names them
	notRemoved    int             // and how many obsolete ones stay longer

	obsoleteCount atomic.Int64 // how many obsolete packs there are
	pinned        atomic.Int64 // notRepacked and notRemoved together
}

// An obsoletePack is one whose objects are all in another pack too.
type obsoletePack struct {
	packFile
	into     string    // the other pack, which may be obsolete too, but not for as long
	since    time.Time // with its monotonic part, so that no clock that jumps ends it early
	extended bool      // since the index that named it was taken away
	early    bool      // it goes before its time, as there are too many
}

// Bounds of obsolete packs. Beyond maxObsolete of them, each of which costs whoever
// lists the folder or opens all packs, or beyond maxObsoleteBytes, the older half goes
// before its time: in one go, as each time may fail somebody who reads. Those that some
// would read again and again stay for readersGrace grace periods, and then until nobody
// has begun to for a part of one.
const (
	maxObsolete      = 12 * maxPacks
	maxObsoleteBytes = 4 << 30
	readersGrace     = 10
)

// maxPinned is how many packs a multi-pack-index may keep from being repacked or
// removed. Beyond, it is removed, as git repack does it.
const maxPinned = 2 * packLimit

// removedSuffix is that of the index of a pack that is being removed. Git does not
// look at a pack without index. So the pack goes in one step, and comes back in
// one as long as it is there.
const removedSuffix = ".gone"

// repackNow repacks once and removes what is obsolete by it, for where nobody reads it.
func (rp *repacker) repackNow(ctx context.Context) error {
	if err := rp.repack(ctx); err != nil {
		return err
	}
	return rp.removeExpired(ctx, time.Now())
}

// maintain removes the obsolete packs whose grace period is over at now, and repacks if
// it is to. It first finds those that an earlier process left: their time begins anew. A
// stale multi-pack-index goes.
func (rp *repacker) maintain(ctx context.Context, now time.Time, repack bool) (err error) {
	if !rp.loaded {
		rp.loaded, err = true, rp.findObsolete()
	}
	err = errors.Join(err, rp.removeExpired(ctx, now), rp.lookAtMultiIndex())
	if repack {
		err = errors.Join(err, rp.repackNow(ctx))
	}
	return err
}

// candidates lists the packs that are to be repacked next.
func (rp *repacker) candidates() ([]packFile, error) {
	kept := make(map[string]bool, len(rp.obsolete))
	for _, p := range rp.obsolete {
		kept[filepath.Base(p.name)] = true
	}
	packs, err := listPacksExcept(rp.folder, kept)
	if err != nil {
		return nil, err
	}
	m := readMultiIndex(rp.folder)
	named := func(p packFile) bool { return m.names(p.name) }
	rp.notRepacked = 0
	for _, p := range packs {
		if p.repackable && named(p) {
			rp.notRepacked++
		}
	}
	if rp.notRepacked > maxPinned {
		rp.notRepacked = 0 // they are repacked too
		named = func(packFile) bool { return false }
	}
	rp.logPinned()
	packs = slices.DeleteFunc(packs, func(p packFile) bool { return rp.damaged[p.name] || named(p) })
	return chooseForRepack(packs), nil
}

// markObsolete begins the grace period of packs, whose objects are all in the pack into.
func (rp *repacker) markObsolete(packs []packFile, into string) {
	now := time.Now()
	for _, p := range packs {
		if p.name != into {
			rp.obsolete = append(rp.obsolete, obsoletePack{packFile: p, into: into, since: now})
		}
	}
	rp.tellObsolete()
}

// tellObsolete tells others of the obsolete packs.
func (rp *repacker) tellObsolete() {
	rp.obsoleteCount.Store(int64(len(rp.obsolete)))
	if rp.packs == nil {
		return
	}
	into := make(map[string]string, len(rp.obsolete))
	for _, p := range rp.obsolete {
		into[p.name] = p.into
	}
	rp.packs.obsolete.Store(&into)
}

// findObsolete marks packs whose objects are all in another one, of those that are
// small enough to have been repacked. The larger ones are looked at as such others,
// and within the bounds of what is repacked.
func (rp *repacker) findObsolete() error {
	packs, err := listPacks(rp.folder)
	if err != nil {
		return err
	}
	packs = slices.DeleteFunc(packs, func(p packFile) bool { return !p.repackable || p.objects > maxRepackObjects })
	slices.SortFunc(packs, func(a, b packFile) int {
		return cmp.Or(cmp.Compare(b.objects, a.objects), cmp.Compare(a.name, b.name))
	})
	type large struct {
		name  string
		index *idxfile.MemoryIndex
	}
	var others []large
	room := int64(2 * maxRepackObjects)
	for _, p := range packs {
		index, err := openPackIndex(p.name + ".idx")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errDamaged) {
			continue // whoever repacks it will tell
		} else if err != nil {
			return err
		}
		i := slices.IndexFunc(others, func(o large) bool { return holds(o.index, index) })
		if i >= 0 {
			rp.markObsolete([]packFile{p}, others[i].name)
		} else if room -= p.objects; room >= 0 && len(others) < packLimit {
			others = append(others, large{p.name, index})
		}
	}
	return nil
}

// holds says whether all objects of b are in a.
func holds(a, b *idxfile.MemoryIndex) bool {
	iter, err := b.Entries()
	if err != nil {
		return false
	}
	defer iter.Close()
	for {
		e, err := iter.Next()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if ok, err := a.Contains(e.Hash); !ok || err != nil {
			return false
		}
	}
}

// packError is the error of a pack that could not be copied. One that is damaged is
// passed over from then on, so that the others are repacked.
func (rp *repacker) packError(p packFile, err error) error {
	if errors.Is(err, errDamaged) {
		rp.markDamaged(p.name)
	}
	return fmt.Errorf("pack %s: %w", filepath.Base(p.name), err)
}

func (rp *repacker) markDamaged(pack string) {
	if rp.damaged == nil {
		rp.damaged = make(map[string]bool)
	}
	rp.damaged[pack] = true
}

// pause rests after what was done since began.
func (rp *repacker) pause(ctx context.Context, began time.Time) error {
	if rp.pauseAfter != nil {
		select {
		case <-ctx.Done():
		case <-time.After(rp.pauseAfter(time.Since(began))):
		}
	}
	return ctx.Err()
}

// due says whether the grace period of packs is over at now, or they are too many.
func (rp *repacker) due(now time.Time) bool {
	return rp.tooMany() || slices.ContainsFunc(rp.obsolete, func(p obsoletePack) bool { return rp.expired(p, now) })
}

func (rp *repacker) tooMany() bool {
	var size int64
	for _, p := range rp.obsolete {
		size += p.size
	}
	return len(rp.obsolete) > maxObsolete || size > maxObsoleteBytes
}

// expired says whether the grace period of a pack is over at now. Who began to read
// while it was there, which is any time, may have listed it.
func (rp *repacker) expired(p obsoletePack, now time.Time) bool {
	switch age := now.Sub(p.since); {
	case p.early:
		return true
	case age < rp.grace:
		return false
	case age < readersGrace*rp.grace:
		return !rp.openedSince(now.Add(-rp.grace))
	}
	return !rp.openedSince(now.Add(-rp.grace / readersGrace))
}

// openedSince says whether anybody was seen to begin to read after that time.
func (rp *repacker) openedSince(at time.Time) bool {
	return rp.lastOpen != nil && rp.lastOpen().After(at)
}

// removeExpired removes the obsolete packs whose grace period is over at now.
func (rp *repacker) removeExpired(ctx context.Context, now time.Time) error {
	if rp.removalFailed {
		if err := undoRemovals(rp.disk, rp.folder); err != nil {
			return err
		}
		rp.removalFailed = false
	}
	due, err := rp.expiredNow(now)
	done := make(map[string]bool)
	for len(due) > 0 && err == nil {
		n := slices.IndexFunc(due, func(p obsoletePack) bool { return p.into != due[0].into })
		if n < 0 {
			n = len(due)
		}
		err = rp.remove(ctx, now, due[0].into, due[:n], done)
		due = due[n:]
	}
	rp.obsolete = slices.DeleteFunc(rp.obsolete, func(p obsoletePack) bool { return done[p.name] })
	rp.tellObsolete()
	if err != nil {
		rp.removalFailed = true
		for i := range rp.obsolete { // no use to try again at once
			if rp.expired(rp.obsolete[i], now) {
				rp.obsolete[i].since, rp.obsolete[i].early = now, false
			}
		}
	}
	if len(done) > 0 || err != nil {
		err = errors.Join(err, rp.disk.SyncDir(rp.folder), dropStaleMultiIndex(rp.disk, rp.folder, rp.log))
	}
	return err
}

// expiredNow are the obsolete packs whose grace period is over at now, but for those
// that a multi-pack-index names. If those are too many, the index goes, and their grace
// period begins once more, for those who read by it.
func (rp *repacker) expiredNow(now time.Time) (due []obsoletePack, err error) {
	if !rp.due(now) {
		return nil, nil
	}
	if rp.tooMany() {
		for i := range (len(rp.obsolete) + 1) / 2 {
			rp.obsolete[i].early = true
		}
	}
	m := readMultiIndex(rp.folder)
	rp.notRemoved = 0
	for _, p := range rp.obsolete {
		if rp.expired(p, now) && m.names(p.name) {
			rp.notRemoved++
		} else if rp.expired(p, now) {
			due = append(due, p)
		}
	}
	if rp.notRemoved > maxPinned {
		rp.log.Warn("removed a multi-pack-index that kept too many packs from being repacked or removed", "packs", rp.notRemoved)
		if err := clearMultiIndex(rp.disk, rp.folder); err != nil {
			return nil, err
		}
		rp.notRemoved = 0
		for i, p := range rp.obsolete {
			switch {
			case !rp.expired(p, now) || !m.names(p.name):
			case p.extended:
				due = append(due, p)
			default:
				rp.obsolete[i].since, rp.obsolete[i].extended, rp.obsolete[i].early = now, true, false
			}
		}
	}
	rp.logPinned()
	return due, nil
}

// logPinned logs when a multi-pack-index begins to keep packs from being repacked or
// removed, and when it no longer does.
func (rp *repacker) logPinned() {
	held := rp.notRepacked + rp.notRemoved
	rp.pinned.Store(int64(held))
	switch {
	case held > 0 && !rp.loggedPinned:
		rp.log.Warn("packs are neither repacked nor removed while a multi-pack-index names them", "packs", held)
	case held == 0 && rp.loggedPinned:
		rp.log.Info("no pack is named by a multi-pack-index any more")
	}
	rp.loggedPinned = held > 0
}

// remove removes packs whose objects are all in the pack into, after it has seen
// that they are. What is done with, removed or not to be removed any more, comes
// into done. The rest waits once somebody has begun to read since now.
func (rp *repacker) remove(ctx context.Context, now time.Time, into string, packs []obsoletePack, done map[string]bool) error {
	forget := func() {
		for _, p := range packs {
			done[p.name] = true
		}
	}
	began := time.Now()
	there, err := verifyPack(ctx, into+".pack", into+".idx")
	switch {
	case errors.Is(err, fs.ErrNotExist): // Git repacked it with others: ours are packs like any other again
		forget()
		return nil
	case errors.Is(err, errDamaged):
		forget()
		return rp.packError(packFile{name: into}, err)
	case err != nil:
		return err
	}
	if err := rp.pause(ctx, began); err != nil {
		return err
	}
	for _, p := range packs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !p.early && rp.openedSince(now) {
			return nil
		}
		entries, err := readIndex(p.name + ".idx")
		if errors.Is(err, fs.ErrNotExist) { // Git removed it
			done[p.name] = true
			continue
		} else if err != nil {
			done[p.name] = true
			return rp.packError(p.packFile, err)
		}
		if slices.ContainsFunc(entries, func(e idxfile.Entry) bool { _, ok := there[e.Hash]; return !ok }) {
			done[p.name] = true
			continue
		}
		removed, err := rp.removeOne(p.name, into)
		if err != nil {
			return err
		}
		if removed {
			done[p.name] = true
		}
	}
	return nil
}

// removeOne removes a pack unless, at the last moment, the pack into is gone or an
// multi-pack-index names it.
func (rp *repacker) removeOne(name, into string) (removed bool, err error) {
	if !rp.removable(name, into) {
		return false, nil
	}
	if err := rp.disk.Rename(name+".idx", name+removedSuffix); errors.Is(err, fs.ErrNotExist) {
		return true, nil // Git removed it
	} else if err != nil {
		return false, fmt.Errorf("remove pack: %w", err)
	}
	if !rp.removable(name, into) { // somebody looked before it was hidden
		return false, rp.disk.Rename(name+removedSuffix, name+".idx")
	}
	return true, finishRemoval(rp.disk, name)
}

func (rp *repacker) removable(name, into string) bool {
	_, err := os.Stat(into + ".pack")
	_, indexErr := os.Stat(into + ".idx")
	return err == nil && indexErr == nil && !readMultiIndex(rp.folder).names(name)
}

// finishRemoval removes a pack whose index is put aside, and that last.
func finishRemoval(d disk, name string) error {
	for _, suffix := range []string{".pack", ".rev", removedSuffix} {
		if err := removeIfExists(d, name+suffix); err != nil {
			return fmt.Errorf("remove pack: %w", err)
		}
	}
	return nil
}
