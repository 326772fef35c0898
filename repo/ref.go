package repo

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// A branch is a reference that is read and moved by Git's own protocol for
// files: the holder of REF.lock may change REF, and puts the new value in place
// by renaming the lock.
type branch struct {
	disk disk
	dir  string                 // of the repository
	name plumbing.ReferenceName // refs/heads/…
}

func (b *branch) file() string { return filepath.Join(b.dir, filepath.FromSlash(string(b.name))) }
func (b *branch) lock() string { return b.file() + ".lock" }

// draft is where the lock is written before it is linked into place, so that a
// lock that a killed process left can be told from one that Git holds. Git
// passes over names that end in ".lock", and no branch can be called "…~cms".
func (b *branch) draft() string { return b.file() + "~cms.lock" }

// read says which commit the branch is at, zero when there is no such branch.
func (b *branch) read() (Hash, error) {
	raw, err := os.ReadFile(b.file())
	if err == nil {
		return parseRef(b.name, raw)
	}
	// A folder of this name is left from branches below it.
	if info, statErr := os.Stat(b.file()); !errors.Is(err, fs.ErrNotExist) && (statErr != nil || !info.IsDir()) {
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

// packedRefs reads the file packed-refs, in which Git gathers references.
func packedRefs(dir string) (map[plumbing.ReferenceName]Hash, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "packed-refs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	refs := make(map[plumbing.ReferenceName]Hash)
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		hash, name, ok := strings.Cut(lines.Text(), " ")
		if ok && plumbing.IsHash(hash) {
			refs[plumbing.ReferenceName(name)] = plumbing.NewHash(hash)
		}
	}
	return refs, nil
}

// move sets the branch to the commit to, durably, if it is at the commit from
// (zero: it does not exist). errMoved when it is elsewhere; fs.ErrExist when
// another process holds the lock.
func (b *branch) move(from, to Hash) (err error) {
	folder := filepath.Dir(b.file())
	if err := b.makeFolder(folder); err != nil {
		return fmt.Errorf("make branch folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.recover())
		}
	}()
	if err := writeFile(b.disk, b.draft(), []byte(to.String()+"\n"), 0o666); err != nil {
		return fmt.Errorf("write branch lock: %w", err)
	}
	if err := b.disk.Link(b.draft(), b.lock()); err != nil {
		return fmt.Errorf("lock branch: %w", err)
	}
	now, err := b.read()
	if err != nil {
		return err
	}
	if now != from {
		return fmt.Errorf("%w from %s to %s", errMoved, from, now)
	}
	if err := b.disk.Rename(b.lock(), b.file()); err != nil {
		return fmt.Errorf("move branch: %w", err)
	}
	if err := b.disk.Remove(b.draft()); err != nil {
		return fmt.Errorf("remove branch draft: %w", err)
	}
	if err := b.disk.SyncDir(folder); err != nil {
		return fmt.Errorf("sync branch folder: %w", err)
	}
	return nil
}

// makeFolder makes the folder of a branch such as site/live, durably.
func (b *branch) makeFolder(folder string) error {
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(b.dir); err != nil {
		return err
	}
	if err := b.disk.Mkdir(folder); err != nil {
		return err
	}
	for folder != filepath.Join(b.dir, "refs") {
		folder = filepath.Dir(folder)
		if err := b.disk.SyncDir(folder); err != nil {
			return err
		}
	}
	return nil
}

// recover removes what is left of a move that failed or was cut short: its
// draft, and the lock if it is the same file. A lock that somebody else made
// stays.
func (b *branch) recover() error {
	draft, err := os.Stat(b.draft())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if lock, err := os.Stat(b.lock()); err == nil && os.SameFile(draft, lock) {
		if err := b.disk.Remove(b.lock()); err != nil {
			return err
		}
	}
	if err := b.disk.Remove(b.draft()); err != nil {
		return err
	}
	return b.disk.SyncDir(filepath.Dir(b.file()))
}
