package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// A packedLock is the lock of the file packed-refs in the hands of this process, by which
// references end. Like that of a branch it is a second name of a file of ours, which becomes
// packed-refs: the lock stays until the references themselves have gone, so that nobody packs
// them again in between. It ends with drop.
type packedLock struct {
	disk disk
	path string   // of packed-refs
	file diskFile // which is to be packed-refs
	name string   // of the file, beside the lock
}

// packedDraft begins the names of files that are to be packed-refs: one for each removal, as
// there may be several at once. A number follows.
const packedDraft = "packed-refs~cms"

func (p *packedLock) lockPath() string { return p.path + ".lock" }

// lockPackedRefs takes the lock, and waits for it as acquire does. If it fails, it leaves
// nothing behind.
func lockPackedRefs(d disk, dir string, deadline time.Time) (*packedLock, error) {
	p := &packedLock{disk: d, path: filepath.Join(dir, "packed-refs")}
	for n := 0; ; n++ {
		p.name = filepath.Join(dir, fmt.Sprint(packedDraft, n))
		f, err := d.Create(p.name, 0o666)
		if err == nil {
			p.file = f
			break
		} else if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("lock packed references: %w", err)
		}
	}
	if err := linkLock(d, p.name, p.lockPath(), deadline); err != nil {
		return nil, errors.Join(fmt.Errorf("lock packed references: %w", err), p.drop())
	}
	return p, nil
}

// remove ends branches that are locked, durably: they are taken out of packed-refs, and then
// go themselves. ErrUnsure when some may have gone; after any other error none has.
func (p *packedLock) remove(locked ...*refLock) error {
	gone := make(map[string]bool)
	for _, h := range locked {
		gone[string(h.branch.name)] = true
	}
	if err := p.unpack(gone); err != nil {
		return fmt.Errorf("write packed references: %w", err)
	}
	for _, h := range locked {
		err := removeIfExists(p.disk, h.branch.path())
		if err == nil {
			err = h.branch.syncFolder()
		}
		if err != nil {
			return fmt.Errorf("%w: remove reference: %w", ErrUnsure, err)
		}
	}
	return nil
}

// unpack takes references out of packed-refs.
func (p *packedLock) unpack(gone map[string]bool) error {
	raw, err := os.ReadFile(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	var kept []byte
	drop := false
	for line := range bytes.Lines(raw) {
		if line[0] != '^' { // what follows a tag is of that
			_, ref, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(" "))
			drop = gone[string(ref)]
		}
		if !drop {
			kept = append(kept, line...)
		}
	}
	if len(kept) == len(raw) {
		return nil
	}
	if _, err := p.file.Write(kept); err != nil {
		return err
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	if err := p.disk.Rename(p.name, p.path); err != nil && !isSameFile(p.path, p.lockPath()) {
		return err
	}
	p.name = p.path
	if err := p.disk.SyncDir(filepath.Dir(p.path)); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsure, err)
	}
	return nil
}

// drop gives the lock back.
func (p *packedLock) drop() error {
	err := errors.Join(p.file.Close(), removeLinkedLock(p.disk, p.name, p.lockPath()))
	if err == nil && p.name != p.path {
		err = removeIfExists(p.disk, p.name)
	}
	return err
}

// removeStaleLocks removes what is left of the locks of references that were cut short, and
// of packed-refs, when nobody else of this process has any: those of branches by their drafts,
// that of packed-refs if it is a file that was to be it, or is it. What somebody else made
// stays.
func removeStaleLocks(d disk, dir string) error {
	path := filepath.Join(dir, "packed-refs")
	drafts, err := filesLike(dir, packedDraft+"*")
	for _, name := range append(drafts, path) {
		err = errors.Join(err, removeLinkedLock(d, name, path+".lock"))
	}
	if err != nil {
		return err
	}
	for _, name := range drafts {
		err = errors.Join(err, removeIfExists(d, name))
	}
	return errors.Join(err, filepath.WalkDir(filepath.Join(dir, "refs"), func(name string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // Git removes folders that are empty
			return nil
		}
		ref, ours := strings.CutSuffix(name, draftSuffix)
		if err != nil || !ours || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, ref)
		b := branch{disk: d, dir: dir, name: plumbing.ReferenceName(filepath.ToSlash(rel))}
		return errors.Join(err, b.removeStaleLock())
	}))
}
