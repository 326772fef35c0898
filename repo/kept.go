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

// joins is the joining of the packs in a folder, and what comes of those that
// were joined. They are kept for a while: Git lists the packs when it begins, and
// fails if one of them is gone when it needs it. Nobody else in this program
// removes a pack of Git's. It is used by one goroutine at a time.
type joins struct {
	disk   disk
	folder string
	keep   time.Duration // how long packs are kept
	log    *slog.Logger
	rest   func(worked time.Duration) time.Duration // after so much work, so that others get on; nil is not at all

	kept     []keptPack      // oldest first
	bad      map[string]bool // the packs that cannot be read, by name
	recalled bool            // those that an earlier process kept
	torn     bool            // a removal may have failed half way
	told     bool            // that packs are held
	unjoined int             // how many are not joined because an index over several packs names them
	unfreed  int             // and how many are kept longer

	size atomic.Int64 // how many are kept
	held atomic.Int64 // how many an index over several packs holds, one way or the other
}

// A keptPack is one whose objects are all in another one too.
type keptPack struct {
	packFile
	into  string    // the other one, which may be kept too, but for longer
	since time.Time // with its monotonic part, so that no clock that jumps ends it early
	again bool      // since the index that named it was taken away
}

// mostKept is how many packs are kept at most. Beyond, the oldest go before their
// time: each of them costs whoever lists the folder or opens all packs.
const mostKept = 4 * packBound

// multiIndexBound is how many packs an index of Git's over several packs may keep
// from being joined or removed. Beyond, it is taken away, as git repack does it.
const multiIndexBound = 2 * packLimit

// goneSuffix is that of the index of a pack that is being removed. Git does not
// look at a pack without index. So the pack goes in one step, and comes back in
// one as long as it is there.
const goneSuffix = ".gone"

// joinNow joins packs once and keeps none, for where nobody reads them.
func (j *joins) joinNow(ctx context.Context) error {
	if err := j.join(ctx); err != nil {
		return err
	}
	return j.release(ctx, time.Now())
}

// tend removes what was kept long enough at now, and joins packs if it is to. It
// first finds those that an earlier process kept: their time begins anew.
func (j *joins) tend(ctx context.Context, now time.Time, join bool) (err error) {
	if !j.recalled {
		j.recalled, err = true, j.recall()
	}
	err = errors.Join(err, j.release(ctx, now))
	if join {
		err = errors.Join(err, j.joinNow(ctx))
	}
	return err
}

// candidates lists the packs that are to be joined next.
func (j *joins) candidates() ([]packFile, error) {
	kept := make(map[string]bool, len(j.kept))
	for _, p := range j.kept {
		kept[p.name] = true
	}
	packs, err := listPacksBut(j.folder, kept)
	if err != nil {
		return nil, err
	}
	m := readMultiIndex(j.folder)
	named := func(p packFile) bool { return m.names(p.name) }
	j.unjoined = 0
	for _, p := range packs {
		if p.plain && named(p) {
			j.unjoined++
		}
	}
	if j.unjoined > multiIndexBound {
		j.unjoined = 0 // they are joined too
		named = func(packFile) bool { return false }
	}
	j.tell()
	packs = slices.DeleteFunc(packs, func(p packFile) bool { return j.bad[p.name] || named(p) })
	return choose(packs), nil
}

// keepAll keeps packs, whose objects are all in the pack into, from now on.
func (j *joins) keepAll(packs []packFile, into string) {
	now := time.Now()
	for _, p := range packs {
		if p.name != into {
			j.kept = append(j.kept, keptPack{packFile: p, into: into, since: now})
		}
	}
	j.size.Store(int64(len(j.kept)))
}

// recall keeps packs whose objects are all in another one, of those that are
// small enough to have been joined. The larger ones are looked at as such others,
// and within the bounds of what is joined.
func (j *joins) recall() error {
	packs, err := listPacks(j.folder)
	if err != nil {
		return err
	}
	packs = slices.DeleteFunc(packs, func(p packFile) bool { return !p.plain || p.objects > joinObjects })
	slices.SortFunc(packs, func(a, b packFile) int {
		return cmp.Or(cmp.Compare(b.objects, a.objects), cmp.Compare(a.name, b.name))
	})
	type large struct {
		name  string
		index *idxfile.MemoryIndex
	}
	var others []large
	room := int64(2 * joinObjects)
	for _, p := range packs {
		index, err := openPackIndex(p.name + ".idx")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errDamaged) {
			continue // whoever joins it will tell
		} else if err != nil {
			return err
		}
		i := slices.IndexFunc(others, func(o large) bool { return holds(o.index, index) })
		if i >= 0 {
			j.keepAll([]packFile{p}, others[i].name)
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

// failed is the error of a pack that could not be copied. One that is damaged is
// passed over from then on, so that the others are joined.
func (j *joins) failed(p packFile, err error) error {
	if errors.Is(err, errDamaged) {
		if j.bad == nil {
			j.bad = make(map[string]bool)
		}
		j.bad[p.name] = true
	}
	return fmt.Errorf("pack %s: %w", filepath.Base(p.name), err)
}

// pause rests after what was done since began.
func (j *joins) pause(ctx context.Context, began time.Time) error {
	if j.rest != nil {
		select {
		case <-ctx.Done():
		case <-time.After(j.rest(time.Since(began))):
		}
	}
	return ctx.Err()
}

// due says whether packs were kept long enough at now, or are too many.
func (j *joins) due(now time.Time) bool {
	return len(j.kept) > mostKept || slices.ContainsFunc(j.kept, func(p keptPack) bool { return j.over(p, now) })
}

func (j *joins) over(p keptPack, now time.Time) bool { return now.Sub(p.since) >= j.keep }

// release removes the packs that were kept long enough at now.
func (j *joins) release(ctx context.Context, now time.Time) error {
	if j.torn {
		if err := restorePacks(j.disk, j.folder); err != nil {
			return err
		}
		j.torn = false
	}
	due, err := j.dueNow(now)
	done := make(map[string]bool)
	for len(due) > 0 && err == nil {
		n := slices.IndexFunc(due, func(p keptPack) bool { return p.into != due[0].into })
		if n < 0 {
			n = len(due)
		}
		err = j.remove(ctx, due[0].into, due[:n], done)
		due = due[n:]
	}
	j.kept = slices.DeleteFunc(j.kept, func(p keptPack) bool { return done[p.name] })
	j.size.Store(int64(len(j.kept)))
	if err != nil {
		j.torn = true
		for i := range j.kept { // no use to try again at once
			if j.over(j.kept[i], now) {
				j.kept[i].since = now
			}
		}
	}
	if len(done) > 0 || err != nil {
		err = errors.Join(err, j.disk.SyncDir(j.folder), mendMultiIndex(j.disk, j.folder, j.log))
	}
	return err
}

// dueNow are the kept packs whose time is over at now, but for those that an index
// over several packs names. Are those too many, the index goes, and they are kept
// once more, for who reads by it.
func (j *joins) dueNow(now time.Time) (due []keptPack, err error) {
	if !j.due(now) {
		return nil, nil
	}
	for i := range j.kept[:max(0, len(j.kept)-mostKept)] {
		j.kept[i].since = now.Add(-j.keep)
	}
	m := readMultiIndex(j.folder)
	j.unfreed = 0
	for _, p := range j.kept {
		if j.over(p, now) && m.names(p.name) {
			j.unfreed++
		} else if j.over(p, now) {
			due = append(due, p)
		}
	}
	if j.unfreed > multiIndexBound {
		j.log.Warn("removed an index over several packs (multi-pack-index), which held too many", "packs", j.unfreed)
		if err := clearMultiIndex(j.disk, j.folder); err != nil {
			return nil, err
		}
		j.unfreed = 0
		for i, p := range j.kept {
			switch {
			case !j.over(p, now) || !m.names(p.name):
			case p.again:
				due = append(due, p)
			default:
				j.kept[i].since, j.kept[i].again = now, true
			}
		}
	}
	j.tell()
	return due, nil
}

// tell logs when an index over several packs begins to hold packs, and when it
// does no longer.
func (j *joins) tell() {
	held := j.unjoined + j.unfreed
	j.held.Store(int64(held))
	switch {
	case held > 0 && !j.told:
		j.log.Warn("packs are neither joined nor removed while an index over several packs (multi-pack-index) names them", "packs", held)
	case held == 0 && j.told:
		j.log.Info("no pack is held by an index over several packs any more")
	}
	j.told = held > 0
}

// remove removes packs whose objects are all in the pack into, after it has seen
// that they are. What is done with, removed or not to be removed any more, comes
// into done.
func (j *joins) remove(ctx context.Context, into string, packs []keptPack, done map[string]bool) error {
	forget := func() {
		for _, p := range packs {
			done[p.name] = true
		}
	}
	began := time.Now()
	there, err := readBack(ctx, into+".pack", into+".idx")
	switch {
	case errors.Is(err, fs.ErrNotExist): // Git joined it with others: ours are packs like any other again
		forget()
		return nil
	case errors.Is(err, errDamaged):
		forget()
		return j.failed(packFile{name: into}, err)
	case err != nil:
		return err
	}
	if err := j.pause(ctx, began); err != nil {
		return err
	}
	for _, p := range packs {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := readIndex(p.name + ".idx")
		if errors.Is(err, fs.ErrNotExist) { // Git removed it
			done[p.name] = true
			continue
		} else if err != nil {
			done[p.name] = true
			return j.failed(p.packFile, err)
		}
		if slices.ContainsFunc(entries, func(e idxfile.Entry) bool { _, ok := there[e.Hash]; return !ok }) {
			done[p.name] = true
			continue
		}
		removed, err := j.removeOne(p.name, into)
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
// index over several packs names it.
func (j *joins) removeOne(name, into string) (removed bool, err error) {
	if !j.removable(name, into) {
		return false, nil
	}
	if err := j.disk.Rename(name+".idx", name+goneSuffix); errors.Is(err, fs.ErrNotExist) {
		return true, nil // Git removed it
	} else if err != nil {
		return false, fmt.Errorf("remove pack: %w", err)
	}
	if !j.removable(name, into) { // somebody looked before it was hidden
		return false, j.disk.Rename(name+goneSuffix, name+".idx")
	}
	return true, finishRemoval(j.disk, name)
}

func (j *joins) removable(name, into string) bool {
	_, err := os.Stat(into + ".pack")
	_, indexErr := os.Stat(into + ".idx")
	return err == nil && indexErr == nil && !readMultiIndex(j.folder).names(name)
}

// finishRemoval removes a pack whose index is put aside, and that last.
func finishRemoval(d disk, name string) error {
	for _, suffix := range []string{".pack", ".rev", goneSuffix} {
		if err := removeIfThere(d, name+suffix); err != nil {
			return fmt.Errorf("remove pack: %w", err)
		}
	}
	return nil
}
