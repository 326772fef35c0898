package repo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
)

// A store reads objects through go-git's filesystem storage, which must not be
// used by two goroutines at once and sees neither the packs that came nor those
// that went after it was opened: hence the mutex, and the further looks with a
// fresh storage.
type store struct {
	dir   string
	large int64                                      // beyond how many bytes objects are not kept but read as streams; 0 is never
	list  func(folder string) ([]fs.DirEntry, error) // nil is os.ReadDir

	mu      sync.Mutex
	storage *filesystem.Storage // nil until it is needed
}

// objectCache bounds what a storage keeps of the objects that it read, among
// them the bases of deltas.
const objectCache = 32 * cache.MiByte

// streamBytes is beyond how many bytes a file is read as a stream.
const streamBytes = 512 << 10

// How many fresh storages have to lack an object until it is not there: while
// packs are joined, one listing of the folder may show neither the old packs nor
// the new one. And how many may meet a pack that is gone: each of them a pack
// that was listed and then removed, of which one joining removes many in a row.
const (
	looksForObject = 2
	looksForPack   = 100
)

// object is the content of the object h. ErrNotFound when there is none of that
// kind.
func (s *store) object(kind plumbing.ObjectType, h Hash) (b []byte, err error) {
	err = s.find(kind, h, func(o plumbing.EncodedObject) error {
		r, err := o.Reader()
		if err != nil {
			return err
		}
		b = make([]byte, o.Size())
		_, err = io.ReadFull(r, b)
		return errors.Join(err, r.Close())
	})
	return b, err
}

// stream reads the object h, whose size it tells too, from the disk bit by bit if
// it is large. What was opened can be read when its pack is gone.
func (s *store) stream(kind plumbing.ObjectType, h Hash) (r io.ReadCloser, size int64, err error) {
	err = s.find(kind, h, func(o plumbing.EncodedObject) (err error) {
		size = o.Size()
		r, err = o.Reader()
		return err
	})
	return r, size, err
}

// size is how many bytes the blob h has.
func (s *store) size(h Hash) (size int64, err error) {
	err = s.find(plumbing.BlobObject, h, func(o plumbing.EncodedObject) error {
		size = o.Size()
		return nil
	})
	return size, err
}

// find calls use with the object h, also while the packs that hold it are being
// joined; use may be called again when it fails. ErrNotFound when there is none
// of that kind.
func (s *store) find(kind plumbing.ObjectType, h Hash, use func(plumbing.EncodedObject) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.read(kind, h, use)
	for missing, gone := 0, 0; err != nil && missing < looksForObject && gone < looksForPack; {
		s.close()
		if err = s.read(kind, h, use); packGone(err) {
			gone++
		} else {
			missing++
		}
	}
	switch {
	case errors.Is(err, plumbing.ErrObjectNotFound):
		return fmt.Errorf("%s %s: %w", kind, h, ErrNotFound)
	case err != nil:
		s.close() // it may know only a part of the packs
		return storageError(fmt.Errorf("read %s %s: %w", kind, h, err))
	}
	return nil
}

// packGone says whether err is that of a pack, or its index, which was there
// when the folder was listed.
func packGone(err error) bool {
	return errors.Is(err, dotgit.ErrPackfileNotFound) || errors.Is(err, fs.ErrNotExist)
}

func (s *store) read(kind plumbing.ObjectType, h Hash, use func(plumbing.EncodedObject) error) error {
	if s.storage == nil {
		files := wholePacks{Filesystem: osfs.New(s.dir, osfs.WithBoundOS()), list: s.list}
		if s.list == nil {
			files.list = os.ReadDir
		}
		s.storage = filesystem.NewStorageWithOptions(files, cache.NewObjectLRU(objectCache),
			filesystem.Options{KeepDescriptors: true, ExclusiveAccess: true, LargeObjectThreshold: s.large})
	}
	o, err := s.storage.EncodedObject(kind, h)
	if err != nil {
		return err
	}
	return use(o)
}

func (s *store) close() error {
	if s.storage == nil {
		return nil
	}
	err := s.storage.Close()
	s.storage = nil
	return err
}

// Close gives back the files that s holds open. s can be used again.
func (s *store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.close()
}

func (s *store) commit(h Hash) (*commitObject, error) {
	raw, err := s.object(plumbing.CommitObject, h)
	if err != nil {
		return nil, err
	}
	c, err := parseCommit(raw)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", h, err)
	}
	return c, nil
}

// ancestor reports whether the commit a is b or one of those that lead to b.
func (s *store) ancestor(a, b Hash) (bool, error) {
	seen := map[Hash]bool{b: true}
	for next := []Hash{b}; len(next) > 0; next = next[1:] {
		if next[0] == a {
			return true, nil
		}
		c, err := s.commit(next[0])
		if err != nil {
			return false, err
		}
		for _, parent := range c.parents {
			if !seen[parent] {
				seen[parent] = true
				next = append(next, parent)
			}
		}
	}
	return false, nil
}

// treeOf is the tree of a commit.
func (s *store) treeOf(commit Hash) (Hash, error) {
	c, err := s.commit(commit)
	if err != nil {
		return Hash{}, err
	}
	return c.tree, nil
}

func (s *store) blob(h Hash) ([]byte, error) { return s.object(plumbing.BlobObject, h) }

// tree is the bytes of the tree h, tidied if need be, none for the zero hash and for
// the empty tree, which Git knows without having it.
func (s *store) tree(h Hash) ([]byte, error) {
	if h.IsZero() || h == hashObject(plumbing.TreeObject, nil) {
		return nil, nil
	}
	raw, err := s.object(plumbing.TreeObject, h)
	if err != nil {
		return nil, err
	}
	if raw, err = tidied(raw); err != nil {
		return nil, fmt.Errorf("tree %s: %w", h, err)
	}
	return raw, nil
}

func (s *store) folder(h Hash) (*folder, error) {
	raw, err := s.tree(h)
	if err != nil {
		return nil, err
	}
	return parseFolder(h, raw)
}

// wholePacks hides the packs that have no index: Git puts a pack in place first,
// and go-git fails on one that it finds by itself. It passes over files that go
// while they are listed, for which go-git would take the folder as missing.
type wholePacks struct {
	billy.Filesystem
	list func(folder string) ([]fs.DirEntry, error)
}

func (w wholePacks) ReadDir(name string) ([]fs.FileInfo, error) {
	entries, err := w.list(filepath.Join(w.Root(), name))
	if err != nil {
		return nil, err
	}
	indexed := make(map[string]bool)
	for _, e := range entries {
		if base, ok := strings.CutSuffix(e.Name(), ".idx"); ok {
			indexed[base] = true
		}
	}
	files := make([]fs.FileInfo, 0, len(entries))
	for _, e := range entries {
		if base, ok := strings.CutSuffix(e.Name(), ".pack"); ok && !indexed[base] {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		files = append(files, info)
	}
	return files, nil
}
