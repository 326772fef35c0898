package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// A fetchStorage is where go-git puts what it fetches. It reads commits as we do, beside
// whoever places packs and takes them away, and writes as we do: a pack is durable and kept
// before it is in place, so that Git's maintenance does not drop it before a reference leads
// to it, and references are moved by renaming, durably, so that they never lead nowhere in
// between. What is here and nothing leads to is fetched all the same: see isLedTo.
type fetchStorage struct {
	*filesystem.Storage
	repo      *Repo
	offered   []plumbing.ReferenceName // what the remote is told that there is leads to these
	keepFiles keepFiles                // of its own, as the writer owns the others
	progress  *progress                // is told what is received; nil tells nobody
	failed    error                    // what kept a commit from being read; go-git may go on as if it were there
}

// fetchDraft begins the name of a pack that is being fetched.
const fetchDraft = drafts + "fetch"

// EncodedObject implements go-git's storer.EncodedObjectStorer, for commits, which are all
// that a fetch asks for: whether the remote's tip is here, and what leads to the references.
// To go-git's own storage every object is unreadable while one pack is in place and its index
// is not yet, or is gone since it listed them; and a tip that is unreadable is not fetched.
func (s *fetchStorage) EncodedObject(kind plumbing.ObjectType, h plumbing.Hash) (plumbing.EncodedObject, error) {
	if kind != plumbing.AnyObject && kind != plumbing.CommitObject {
		return nil, plumbing.ErrObjectNotFound
	}
	raw, err := s.repo.store.object(plumbing.CommitObject, h)
	if err == nil && kind == plumbing.AnyObject { // it is asked whether there is something to fetch
		var led bool
		if led, err = s.isLedTo(h); err == nil && !led {
			return nil, plumbing.ErrObjectNotFound
		}
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, plumbing.ErrObjectNotFound
	case err != nil:
		s.failed = err
		return nil, err
	}
	o := new(plumbing.MemoryObject)
	o.SetType(plumbing.CommitObject)
	_, err = o.Write(raw)
	return o, err
}

// isLedTo says whether the branch leads to a commit, or a reference that the remote is told
// of. What is here without that, as of a push without an answer, may be on its way out: a git
// repack that began before anything led to it drops it as it ends. Fetched anew it is in a
// pack that was not there then. It costs the commits that the branch has not.
func (s *fetchStorage) isLedTo(h Hash) (bool, error) {
	r := s.repo
	if r.Has(h) {
		return true, nil
	}
	refs, err := s.references()
	if err != nil {
		return false, err
	}
	seen := make(map[Hash]bool)
	for _, at := range refs {
		if led, err := r.leadsAside(context.Background(), r.store, at, h, seen); led || err != nil {
			return led, err
		}
	}
	return false, nil
}

// references are those that are offered, as far as there are any.
func (s *fetchStorage) references() (map[plumbing.ReferenceName]Hash, error) {
	refs := make(map[plumbing.ReferenceName]Hash)
	for _, name := range s.offered {
		b := branch{disk: s.repo.disk, dir: s.repo.path, name: name}
		if at, err := b.read(); err != nil {
			return nil, err
		} else if !at.IsZero() {
			refs[name] = at
		}
	}
	return refs, nil
}

// IterReferences implements go-git's storer.ReferenceStorer, for the few references by which
// the remote learns what there is. Of each go-git reads a hundred commits: those of every
// backup, and of all that was set aside, would tell the remote next to nothing.
func (s *fetchStorage) IterReferences() (storer.ReferenceIter, error) {
	offered, err := s.references()
	if err != nil {
		return nil, err
	}
	var refs []*plumbing.Reference
	for name, at := range offered {
		refs = append(refs, plumbing.NewHashReference(name, at))
	}
	return storer.NewReferenceSliceIter(refs), nil
}

// PackfileWriter implements go-git's storer.PackfileWriter.
func (s *fetchStorage) PackfileWriter() (io.WriteCloser, error) {
	draft := filepath.Join(s.repo.drafts, fetchDraft)
	for _, name := range []string{draft + "_pack", draft + "_idx"} { // of a fetch that failed
		if err := removeIfExists(s.repo.disk, name); err != nil {
			return nil, err
		}
	}
	f, err := s.repo.disk.Create(draft+"_pack", 0o444)
	if err != nil {
		return nil, fmt.Errorf("write fetched pack: %w", err)
	}
	return &fetchedPack{storage: s, draft: draft, file: f}, nil
}

// SetReference implements go-git's storer.ReferenceStorer.
func (s *fetchStorage) SetReference(to *plumbing.Reference) error {
	b := branch{disk: s.repo.disk, dir: s.repo.path, name: to.Name(), synced: &s.repo.syncedFolders}
	now, err := b.read()
	if err != nil || now == to.Hash() {
		return err
	}
	return b.move(now, to.Hash())
}

// CheckAndSetReference implements go-git's storer.ReferenceStorer.
func (s *fetchStorage) CheckAndSetReference(to, from *plumbing.Reference) error {
	if from == nil {
		return s.SetReference(to)
	}
	b := branch{disk: s.repo.disk, dir: s.repo.path, name: to.Name(), synced: &s.repo.syncedFolders}
	return b.move(from.Hash(), to.Hash())
}

// A fetchedPack is a pack on its way, which is put in place when it is closed. go-git
// asks for packs that rest on nothing outside.
type fetchedPack struct {
	storage *fetchStorage
	draft   string
	file    diskFile
	size    int64
	failed  bool
}

func (p *fetchedPack) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.size += int64(n)
	p.failed = p.failed || err != nil
	p.storage.progress.received(n)
	return n, err
}

// Close puts the pack in place, unless it is empty or not whole.
func (p *fetchedPack) Close() error {
	err := p.file.Sync()
	if err = errors.Join(err, p.file.Close()); err == nil && p.size > 0 && !p.failed {
		if err = p.place(); err == nil {
			return nil
		}
	}
	d := p.storage.repo.disk
	return errors.Join(err, removeIfExists(d, p.draft+"_pack"), removeIfExists(d, p.draft+"_idx"))
}

func (p *fetchedPack) place() error {
	s := p.storage
	index, sum, err := indexPack(p.draft+"_pack", math.MaxInt64)
	if err != nil {
		return fmt.Errorf("read fetched pack: %w", err)
	}
	err = writeFile(s.repo.disk, p.draft+"_idx", index, 0o444)
	var name string
	if err == nil {
		name, err = s.keepFiles.reserveFor(p.draft, sum)
	}
	if err == nil {
		err = placeDrafts(s.repo.disk, p.draft, name)
	}
	if err != nil {
		return fmt.Errorf("place fetched pack: %w", err)
	}
	return nil
}

// pauseFor waits, or until ctx ends.
func pauseFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}
