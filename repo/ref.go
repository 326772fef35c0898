package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// A branch is a reference that is read and moved by Git's own protocol for
// files: the holder of REF.lock may change REF, and puts the new value in place
// by renaming the lock.
type branch struct {
	disk disk
	dir  string                 // of the repository
	name plumbing.ReferenceName // refs/heads/…

	synced *sync.Map // the folders whose names are durable; nil where that is not kept in mind
}

func (b *branch) path() string     { return filepath.Join(b.dir, filepath.FromSlash(string(b.name))) }
func (b *branch) lockPath() string { return b.path() + ".lock" }

// draftPath is where the lock is written before it is linked into place, so that a
// lock that a killed process left can be told from one that Git holds. Git
// passes over names that end in ".lock", and no branch can be called "…~cms".
func (b *branch) draftPath() string { return b.path() + draftSuffix }

const draftSuffix = "~cms.lock"

// read says which commit the branch is at, zero when there is no such branch.
func (b *branch) read() (Hash, error) {
	raw, err := readReference(b.path())
	if err == nil {
		return parseRef(b.name, raw)
	}
	// A folder of this name is left from branches below it.
	if info, statErr := os.Stat(b.path()); !errors.Is(err, fs.ErrNotExist) && (statErr != nil || !info.IsDir()) {
		return Hash{}, fmt.Errorf("read branch: %w", err)
	}
	packed, err := packedRefs(b.dir)
	if err != nil {
		return Hash{}, err
	}
	h := packed[b.name]
	if h.IsZero() {
		if _, err := os.Stat(filepath.Join(b.dir, "objects")); err != nil {
			return Hash{}, fmt.Errorf("read branch: %w", err)
		}
	}
	return h, nil
}

// readReference reads the file of a reference. One that stands for another may be a symbolic
// link, too, as Git makes them with core.preferSymlinkRefs: whether that leads to a file or not.
func readReference(name string) ([]byte, error) {
	if target, err := os.Readlink(name); err == nil && strings.HasPrefix(target, "refs/") {
		return []byte("ref: " + target + "\n"), nil
	}
	return os.ReadFile(name)
}

func parseRef(name plumbing.ReferenceName, raw []byte) (Hash, error) {
	s := strings.TrimSpace(string(raw))
	if target, ok := strings.CutPrefix(s, "ref:"); ok {
		return Hash{}, fmt.Errorf("%w: branch %s stands for another reference, %s: name that one",
			ErrUnsupported, name.Short(), strings.TrimSpace(target))
	}
	if !plumbing.IsHash(s) {
		return Hash{}, fmt.Errorf("branch %s: file holds no object name", name.Short())
	}
	return plumbing.NewHash(s), nil
}

// packedRefs reads the file packed-refs, in which Git gathers references. As to Git, one with
// a line that is none of its lines is damaged as a whole: who knows what else is missing.
func packedRefs(dir string) (map[plumbing.ReferenceName]Hash, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "packed-refs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	refs := make(map[plumbing.ReferenceName]Hash)
	n := 0
	for line := range bytes.Lines(raw) {
		n++
		text, whole := bytes.CutSuffix(line, []byte("\n"))
		text = bytes.TrimSuffix(text, []byte("\r"))
		if whole && len(text) > 0 && (text[0] == '#' || text[0] == '^') {
			continue
		}
		const hash = 40
		if !whole || len(text) <= hash+1 || text[hash] != ' ' && text[hash] != '\t' || !plumbing.IsHash(string(text[:hash])) {
			return nil, fmt.Errorf("packed-refs is damaged in line %d: put it back from a backup, or what is right in it", n)
		}
		refs[plumbing.ReferenceName(text[hash+1:])] = plumbing.NewHash(string(text[:hash]))
	}
	return refs, nil
}

// A reference is one as it was read, with the object that it is at.
type reference struct {
	name plumbing.ReferenceName
	at   Hash
	err  error // why at is not known: it stands for another one, or is damaged
}

// references are those below the folders, loose or packed, by name. The packed ones are read
// once for all of them, and last: Git packs a reference before it removes its file.
func references(path string, folders ...string) ([]reference, error) {
	var files []string
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(path, filepath.FromSlash(folder)), func(p string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && e.Type().IsRegular() && !strings.HasSuffix(p, ".lock") {
				files = append(files, p)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	var all []reference
	loose := make(map[plumbing.ReferenceName]bool)
	for _, p := range files {
		rel, _ := filepath.Rel(path, p)
		ref := reference{name: plumbing.ReferenceName(filepath.ToSlash(rel))}
		raw, err := os.ReadFile(p)
		if err == nil {
			ref.at, ref.err = parseRef(ref.name, raw)
		} else if ref.err = err; !isFile(p) { // it was packed just now, or has gone
			continue
		}
		loose[ref.name] = true
		all = append(all, ref)
	}
	packed, err := packedRefs(path)
	for name, at := range packed {
		below := func(folder string) bool { return strings.HasPrefix(string(name), folder+"/") }
		if !loose[name] && slices.ContainsFunc(folders, below) {
			all = append(all, reference{name: name, at: at})
		}
	}
	all = slices.DeleteFunc(all, func(ref reference) bool { return ref.err == nil && ref.at.IsZero() })
	slices.SortFunc(all, func(a, b reference) int { return strings.Compare(string(a.name), string(b.name)) })
	return all, err
}

// move sets the branch to the commit to, durably, if it is at the commit from
// (zero: it does not exist). The errors are those of acquire and of refLock.move.
func (b *branch) move(from, to Hash) error {
	h, err := b.acquire(from, to, time.Now().Add(lockTimeout))
	if err != nil {
		return err
	}
	if err := h.sync(); err != nil {
		return errors.Join(err, h.drop())
	}
	return h.move()
}

// A refLock is the lock of the branch in the hands of this process, who has made sure
// that the branch is where it was expected. It ends with move or drop.
type refLock struct {
	branch *branch
	file   diskFile // the lock, which holds the new value
}

// acquire takes the lock to set the branch from one commit to another. errMoved when
// it is elsewhere. While another process holds the lock acquire waits, with pauses
// that grow, and gives up after the deadline with fs.ErrExist. What it writes is
// not durable yet. If it fails, it leaves nothing behind.
func (b *branch) acquire(from, to Hash, deadline time.Time) (_ *refLock, err error) {
	f, err := b.createDraft()
	if err != nil {
		return nil, fmt.Errorf("write branch lock: %w", err)
	}
	h := &refLock{b, f}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.drop())
		}
	}()
	if _, err := f.Write([]byte(to.String() + "\n")); err != nil {
		return nil, fmt.Errorf("write branch lock: %w", err)
	}
	if err := linkLock(b.disk, b.draftPath(), b.lockPath(), deadline); err != nil {
		return nil, fmt.Errorf("lock branch: %w", err)
	}
	now, err := b.read()
	if err != nil {
		return nil, err
	}
	if now != from {
		return nil, fmt.Errorf("%w from %s to %s", errMoved, from, now)
	}
	if err := b.removeEmptyFolder(); err != nil {
		return nil, err
	}
	return h, nil
}

// createDraft makes the draft of the lock, and its folder if need be. Git removes
// folders of branches that are empty, maybe in between.
func (b *branch) createDraft() (f diskFile, err error) {
	if err := b.removeStaleLock(); err != nil {
		return nil, err
	}
	for range minLockTries {
		if err := b.makeFolder(filepath.Dir(b.path())); err != nil {
			return nil, fmt.Errorf("make branch folder: %w", err)
		}
		if f, err = b.disk.Create(b.draftPath(), 0o666); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return f, err
}

// How long the pauses are in which the lock of another process is waited for: each
// is about twice as long as the one before.
const (
	firstPause   = time.Millisecond
	longestPause = 250 * time.Millisecond
)

// linkLock makes a draft a lock, and waits while somebody else has that: until the deadline,
// after which the error is fs.ErrExist.
func linkLock(d disk, draft, lock string, deadline time.Time) error {
	pause := firstPause
	for tries := 1; ; tries++ {
		err := d.Link(draft, lock)
		if !errors.Is(err, fs.ErrExist) || tries >= minLockTries && !time.Now().Before(deadline) {
			return err
		}
		// By chance up to half as long again or less, so that two who wait for
		// each other's locks do not keep step.
		<-time.After(pause/2 + rand.N(pause/2)) //nolint:gosec // no secret
		pause = min(2*pause, longestPause)
	}
}

// removeEmptyFolder removes the folder that is left at the branch's name from
// branches below it, as Git does. One that holds something stays, and is in the
// way.
func (b *branch) removeEmptyFolder() error {
	var folders []string
	err := filepath.WalkDir(b.path(), func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			folders = append(folders, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for branches below: %w", err)
	}
	for _, path := range slices.Backward(folders) {
		if err := removeIfExists(b.disk, path); err != nil {
			return fmt.Errorf("remove empty folder: %w", err)
		}
	}
	return nil
}

// sync makes the new value durable. It may run while what the branch will lead to
// is being written.
func (h *refLock) sync() error {
	if err := h.file.Sync(); err != nil {
		return fmt.Errorf("sync branch lock: %w", err)
	}
	return nil
}

// move sets the branch, durably, after sync. ErrUnsure when it may have been set,
// and may not; after any other error it was not.
func (h *refLock) move() error {
	b := h.branch
	_ = h.file.Close() // synced
	if err := b.disk.Rename(b.lockPath(), b.path()); err != nil {
		// It may have had its effect nevertheless, as over a network.
		moved, known := b.wasRenamed()
		if !known {
			return fmt.Errorf("%w: move branch: %w", ErrUnsure, err)
		}
		if !moved {
			return errors.Join(fmt.Errorf("move branch: %w", err), b.removeStaleLock())
		}
	}
	if err := b.syncFolder(); err != nil {
		return fmt.Errorf("%w: sync branch folder: %w", ErrUnsure, err)
	}
	_ = b.disk.Remove(b.draftPath()) // otherwise the next acquire does
	return nil
}

// drop gives the lock back.
func (h *refLock) drop() error { return errors.Join(h.file.Close(), h.branch.removeStaleLock()) }

// wasRenamed says whether the lock has become the branch, and whether that is known.
func (b *branch) wasRenamed() (moved, known bool) {
	draft, err := os.Stat(b.draftPath())
	if err != nil {
		return false, false
	}
	if now, err := os.Stat(b.path()); err == nil && os.SameFile(draft, now) {
		return true, true
	}
	lock, err := os.Stat(b.lockPath())
	return false, err == nil && os.SameFile(draft, lock)
}

// syncForeign makes durable what others have set the branch to. They may have made its
// folders anew.
func (b *branch) syncForeign() error {
	if b.synced != nil {
		b.synced.Clear()
	}
	err := b.disk.SyncFile(b.path())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !isFile(b.path()) {
		err = errors.Join(ignoreNotExist(b.disk.SyncFile(filepath.Join(b.dir, "packed-refs"))), b.disk.SyncDir(b.dir))
	}
	if err = errors.Join(err, ignoreNotExist(b.syncFolder())); err != nil {
		return fmt.Errorf("sync branch: %w", err)
	}
	return nil
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// syncFolder makes durable where the branch is.
func (b *branch) syncFolder() error { return b.disk.SyncDir(filepath.Dir(b.path())) }

// makeFolder makes the folder of a branch such as site/live, durably. One that is there may
// have been made without that, by Git or by who was killed, so its name is synced, too: once,
// where the branch keeps that in mind.
func (b *branch) makeFolder(folder string) error {
	info, err := os.Stat(folder)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return err
	}
	if b.synced != nil {
		was, _ := b.synced.Load(folder)
		if was, ok := was.(os.FileInfo); ok && !missing && os.SameFile(was, info) {
			return nil
		}
		b.synced.Delete(folder)
	}
	if missing {
		if _, err := os.Stat(b.dir); err != nil {
			return err
		}
		if err := b.disk.Mkdir(folder); err != nil {
			return err
		}
	}
	for above := folder; above != filepath.Join(b.dir, "refs"); {
		above = filepath.Dir(above)
		if err := b.disk.SyncDir(above); err != nil {
			return err
		}
	}
	if missing {
		if info, err = os.Stat(folder); err != nil {
			return err
		}
	}
	if b.synced != nil {
		b.synced.Store(folder, info)
	}
	return nil
}

// removeStaleLock removes what is left of a refLock that failed or was cut short: its draft,
// and the lock if it is the same file. A lock that somebody else made stays.
func (b *branch) removeStaleLock() error {
	if _, err := os.Stat(b.draftPath()); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := removeLinkedLock(b.disk, b.draftPath(), b.lockPath()); err != nil {
		return err
	}
	return removeIfExists(b.disk, b.draftPath())
}

// removeLinkedLock removes a lock, durably, if it is the same file as its draft, which is to
// go after it: alone, the lock could not be told from that of somebody else.
func removeLinkedLock(d disk, draft, lock string) error {
	if !isSameFile(draft, lock) {
		return nil
	}
	if err := d.Remove(lock); err != nil {
		return err
	}
	return d.SyncDir(filepath.Dir(lock))
}

// isSameFile says whether two names are of one file.
func isSameFile(a, b string) bool {
	fa, errA := os.Stat(a)
	fb, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(fa, fb)
}

// remove ends the branch, durably, if it is at a commit, by Git's own protocol: under its
// lock it is taken out of packed-refs, under the lock of that, and then goes itself.
func (b *branch) remove(from Hash) error {
	deadline := time.Now().Add(lockTimeout)
	h, err := b.acquire(from, from, deadline)
	if err != nil {
		return err
	}
	p, err := lockPackedRefs(b.disk, b.dir, deadline)
	if err == nil {
		err = p.remove(h)
		err = errors.Join(err, p.drop())
	}
	return errors.Join(err, h.drop())
}
