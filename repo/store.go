package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// A store reads objects. Any number of goroutines may use it at once, and it
// finds the packs that came, and does without those that went, after it looked
// at the folder.
type store struct {
	dir         string
	streamFrom  int64                                      // beyond how many bytes objects are read as streams; 0 is never
	maxInMemory int64                                      // beyond how many bytes no object is held in memory; 0 is objectBound
	list        func(folder string) ([]fs.DirEntry, error) // nil is os.ReadDir
	open        func(name string) (*os.File, error)        // nil is os.Open

	once     sync.Once
	packs    *packSet
	borrowed bool // packs is another store's
	bases    baseCache
}

// streamBytes is beyond how many bytes a file is read as a stream.
const streamBytes = 512 << 10

// objectBound bounds the objects that are held in memory, which a damaged or
// spiteful delta could let grow without end.
const objectBound = 1 << 30

// How many looks at the folder have to lack an object until it is not there: while
// packs are repacked, one listing of the folder may show neither the old packs nor
// the new one. And how many may meet a pack that is gone: each of them a pack
// that was listed and then removed, of which one repack removes many in a row.
const (
	maxMisses   = 2
	maxVanished = 100
)

// maxCommit is how many bytes a commit may have, which is held in memory: Git has no bound,
// and a small pack can hold one of a gigabyte.
const maxCommit = 16 << 20

// set is the packs of the store.
func (s *store) set() *packSet {
	s.once.Do(func() {
		if s.packs == nil {
			s.packs = newPackSet(filepath.Join(s.dir, "objects"), s.list, s.open)
		}
	})
	return s.packs
}

// withOwnCache is a store of the same packs, whose indexes are opened once for all. It
// has a cache of its own, for one who reads much.
func (s *store) withOwnCache() *store {
	return &store{dir: s.dir, maxInMemory: s.maxInMemory, packs: s.set(), borrowed: true}
}

// addPack tells of a pack that was just placed, by its name without extension, and
// its index, which belongs to the store from now on.
func (s *store) addPack(name string, index []byte) { s.set().add(name, index) }

// object is the content of the object h, which others may have too: it must not
// be changed. ErrNotFound when there is none of that kind.
func (s *store) object(kind plumbing.ObjectType, h Hash) ([]byte, error) {
	a, err := s.find(kind, h, unbounded)
	return a.raw, err
}

// stream reads the object h, whose size it tells too, from the disk bit by bit if
// it is large. What was opened can be read when its pack is gone.
func (s *store) stream(kind plumbing.ObjectType, h Hash) (r io.ReadCloser, size int64, err error) {
	upTo := s.streamFrom
	if upTo == 0 {
		upTo = unbounded
	}
	a, err := s.find(kind, h, upTo)
	if err != nil {
		return nil, 0, err
	}
	if a.stream == nil {
		return io.NopCloser(bytes.NewReader(a.raw)), a.size, nil
	}
	return a.stream, a.size, nil
}

// size is how many bytes the blob h has.
func (s *store) size(h Hash) (int64, error) {
	a, err := s.find(plumbing.BlobObject, h, -1)
	return a.size, err
}

// A foundObject is an object that was found.
type foundObject struct {
	kind   plumbing.ObjectType
	size   int64
	raw    []byte        // the content
	stream io.ReadCloser // the content of one that is larger than was asked for; nil otherwise
}

// find finds the object h, also while the packs that hold it are being repacked,
// with its content if that has at most upTo bytes, else with a stream; of -1,
// with its size alone. ErrNotFound when there is none of that kind.
func (s *store) find(kind plumbing.ObjectType, h Hash, upTo int64) (foundObject, error) {
	a, err := s.read(h, upTo)
	for missing, gone := 0, 0; err != nil && missing < maxMisses && gone < maxVanished; {
		if err = s.set().refresh(); err == nil {
			a, err = s.read(h, upTo)
		}
		if errors.Is(err, fs.ErrNotExist) { // a pack, or its index, that was there when the folder was listed
			gone++
		} else {
			missing++
		}
	}
	if err != nil && !errors.Is(err, plumbing.ErrObjectNotFound) {
		if other, ok := s.readOther(h, upTo); ok {
			a, err = other, nil
		}
	}
	switch {
	case errors.Is(err, plumbing.ErrObjectNotFound):
		return foundObject{}, fmt.Errorf("%s %s: %w", kind, h, ErrNotFound)
	case err != nil:
		return foundObject{}, storageError(fmt.Errorf("read %s %s: %w", kind, h, err))
	case a.kind != kind:
		if a.stream != nil {
			a.stream.Close()
		}
		if upTo < unbounded { // what was read of it has not been compared with the index
			if _, err := s.read(h, unbounded); err != nil {
				return foundObject{}, storageError(fmt.Errorf("read %s %s: %w", kind, h, err))
			}
		}
		return foundObject{}, fmt.Errorf("%s %s is a %s: %w", kind, h, a.kind, ErrNotFound)
	}
	return a, nil
}

// read looks for the object in the packs that are known, and then among those
// that are files of their own.
func (s *store) read(h Hash, upTo int64) (foundObject, error) {
	list, err := s.set().list()
	if err != nil {
		return foundObject{}, err
	}
	at, ok, damage := list.find(h)
	if ok {
		a, err := s.readPacked(at, upTo)
		if err != nil {
			s.set().drop(at.pack)
			err = fmt.Errorf("%s: %w", filepath.Base(at.pack.name), err)
		}
		return a, err
	}
	a, err := s.readLoose(list.folders, h, upTo)
	if errors.Is(err, plumbing.ErrObjectNotFound) && damage != nil {
		err = damage // it may be there
	}
	return a, err
}

// readOther reads the object h where its copy that is found first is damaged, as Git does: in
// another pack, or as a file of its own.
func (s *store) readOther(h Hash, upTo int64) (a foundObject, ok bool) {
	list, err := s.set().list()
	if err != nil {
		return a, false
	}
	for _, p := range list.packs {
		offset, crc, found, err := p.find(h)
		if err != nil || !found {
			continue
		}
		if a, err = s.readPacked(address{p, offset, crc}, upTo); err == nil {
			return a, true
		}
	}
	a, err = s.readLoose(list.folders, h, upTo)
	return a, err == nil
}

// Close gives back the files that s holds open. s can be used again.
func (s *store) Close() error {
	s.bases.clear()
	if !s.borrowed {
		s.set().close()
	}
	return nil
}

func (s *store) commit(h Hash) (*commitObject, error) {
	a, err := s.find(plumbing.CommitObject, h, maxCommit)
	if err != nil {
		return nil, err
	}
	if a.stream != nil {
		a.stream.Close()
		return nil, fmt.Errorf("%w: commit %s has %d bytes", ErrPushTooLarge, h, a.size)
	}
	c, err := parseCommit(a.raw)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", h, err)
	}
	return c, nil
}

// treeOf is the tree of a commit.
func (s *store) treeOf(commit Hash) (Hash, error) {
	c, err := s.commit(commit)
	if err != nil {
		return Hash{}, err
	}
	return c.tree, nil
}

// blob is the content of the blob h, for the caller to keep.
func (s *store) blob(h Hash) ([]byte, error) { return s.object(plumbing.BlobObject, h) }

// blobForRename is the content of a blob that is to be compared with others. One that
// cannot be read is told apart by its name alone: it must not keep a commit from being
// taken in.
func (s *store) blobForRename(h Hash) ([]byte, bool) {
	if size, err := s.size(h); err != nil || size > maxRenameFile {
		return nil, false
	}
	raw, err := s.blob(h)
	return raw, err == nil
}

// errMissing says that an object is not there which another one names.
var errMissing = fmt.Errorf("%w: an object is missing", ErrStorage)

// mustBeThere is the error of reading what another object names.
func mustBeThere(err error) error {
	if errors.Is(err, ErrNotFound) { // which is of what was asked for
		return fmt.Errorf("%w: %s", errMissing, err.Error())
	}
	return err
}

// tree is the bytes of the tree h, tidied if need be, none for the zero hash and for
// the empty tree, which Git knows without having it. They must not be changed.
func (s *store) tree(h Hash) ([]byte, error) {
	if h.IsZero() || h == hashObject(plumbing.TreeObject, nil) {
		return nil, nil
	}
	raw, err := s.object(plumbing.TreeObject, h)
	if err != nil {
		return nil, mustBeThere(err)
	}
	if raw, err = normalized(raw); err != nil {
		return nil, fmt.Errorf("tree %s: %w", h, err)
	}
	return raw, nil
}

func (s *store) folder(h Hash) (*folder, error) {
	raw, err := s.tree(h)
	if err != nil {
		return nil, err
	}
	return parseFolder(h, bytes.Clone(raw)) // which will be changed
}
