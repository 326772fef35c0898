package repo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// A store reads objects through go-git's filesystem storage, which must not be
// used by two goroutines at once and does not see packs that came after it was
// opened: hence the mutex, and the second look with a fresh storage.
type store struct {
	dir string

	mu      sync.Mutex
	storage *filesystem.Storage // nil until it is needed
}

// objectCache bounds what a storage keeps of the objects that it read, among
// them the bases of deltas.
const objectCache = 32 * cache.MiByte

// object is the content of the object h. ErrNotFound when there is none of that
// kind.
func (s *store) object(kind plumbing.ObjectType, h Hash) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.read(kind, h)
	for again := 0; err != nil && again < 3; again++ {
		if again > 0 && errors.Is(err, plumbing.ErrObjectNotFound) {
			break // it is not there; other errors may come of packs that go just now
		}
		s.close()
		b, err = s.read(kind, h)
	}
	switch {
	case errors.Is(err, plumbing.ErrObjectNotFound):
		return nil, fmt.Errorf("%s %s: %w", kind, h, ErrNotFound)
	case err != nil:
		return nil, storageError(fmt.Errorf("read %s %s: %w", kind, h, err))
	}
	return b, nil
}

func (s *store) read(kind plumbing.ObjectType, h Hash) ([]byte, error) {
	if s.storage == nil {
		s.storage = filesystem.NewStorageWithOptions(wholePacks{osfs.New(s.dir, osfs.WithBoundOS())},
			cache.NewObjectLRU(objectCache), filesystem.Options{KeepDescriptors: true, ExclusiveAccess: true})
	}
	o, err := s.storage.EncodedObject(kind, h)
	if err != nil {
		return nil, err
	}
	r, err := o.Reader()
	if err != nil {
		return nil, err
	}
	b := make([]byte, o.Size())
	_, err = io.ReadFull(r, b)
	return b, errors.Join(err, r.Close())
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

func (s *store) commit(h Hash) (*object.Commit, error) {
	raw, err := s.object(plumbing.CommitObject, h)
	if err != nil {
		return nil, err
	}
	o := &plumbing.MemoryObject{}
	o.SetType(plumbing.CommitObject)
	_, _ = o.Write(raw) // memory never fails
	c := new(object.Commit)
	if err := c.Decode(o); err != nil {
		return nil, fmt.Errorf("commit %s: %w", h, err)
	}
	c.Hash = h
	return c, nil
}

func (s *store) blob(h Hash) ([]byte, error) { return s.object(plumbing.BlobObject, h) }

// tree is the bytes of the tree h, none for the zero hash and for the empty tree,
// which Git knows without having it.
func (s *store) tree(h Hash) ([]byte, error) {
	if h.IsZero() || h == hashObject(plumbing.TreeObject, nil) {
		return nil, nil
	}
	return s.object(plumbing.TreeObject, h)
}

func (s *store) folder(h Hash) (*folder, error) {
	raw, err := s.tree(h)
	if err != nil {
		return nil, err
	}
	return parseFolder(h, raw)
}

// wholePacks hides the packs that have no index: Git puts a pack in place first,
// and go-git fails on one that it finds by itself.
type wholePacks struct{ billy.Filesystem }

func (w wholePacks) ReadDir(name string) ([]fs.FileInfo, error) {
	list, err := w.Filesystem.ReadDir(name)
	indexed := make(map[string]bool)
	for _, f := range list {
		if base, ok := strings.CutSuffix(f.Name(), ".idx"); ok {
			indexed[base] = true
		}
	}
	return slices.DeleteFunc(list, func(f fs.FileInfo) bool {
		base, ok := strings.CutSuffix(f.Name(), ".pack")
		return ok && !indexed[base]
	}), err
}
