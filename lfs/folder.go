package lfs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Folders below the one of Git LFS in a repository. Objects are where git-lfs itself has
// them; what is in the cache can be had from the remote again.
const (
	objectsFolder = "objects"
	cacheFolder   = "cache"
	draftsFolder  = "tmp"
)

// maxCached is how many objects the cache has at most.
const maxCached = 100_000

// place is where an object of a hash is below a folder.
func place(folder, hash string) string {
	return filepath.Join(folder, hash[:2], hash[2:4], hash)
}

// move gives a draft, which is durable, its place, durably.
func move(draft, to string) error {
	if err := makeFolder(filepath.Dir(to)); err != nil {
		return err
	}
	if err := os.Rename(draft, to); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

// makeFolder makes a folder and those above it that are missing, durably.
func makeFolder(name string) error {
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(name)
	if err := makeFolder(above); err != nil {
		return err
	}
	if err := os.Mkdir(name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(above)
}

func syncFolder(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openObject opens an object that has the size which its pointer says; fs.ErrNotExist for
// none. A file of another size is none: it was cut short by others.
func openObject(name string, size int64) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != size) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// cache holds objects that the remote has, within a bound of bytes: those that were read
// last.
type cache struct {
	folder string
	most   int64

	mu    sync.Mutex
	known *simplelru.LRU[string, int64] // their sizes, by hash; nil until the folder was looked at
	bytes int64
}

// look finds what is in the folder. The caller holds mu.
func (c *cache) look() error {
	if c.known != nil {
		return nil
	}
	type found struct {
		hash string
		size int64
		read time.Time
	}
	var all []found
	err := eachObject(c.folder, func(hash string, info fs.FileInfo) error {
		all = append(all, found{hash, info.Size(), info.ModTime()})
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Or(a.read.Compare(b.read), cmp.Compare(a.hash, b.hash)) })
	known, err := simplelru.NewLRU(maxCached, func(hash string, size int64) {
		c.bytes -= size
		_ = os.Remove(place(c.folder, hash)) // whoever reads it goes on, and what stays is found at the next start
	})
	if err != nil {
		return err
	}
	c.known = known
	for _, f := range all {
		c.bytes += f.size
		c.known.Add(f.hash, f.size)
	}
	c.shrink(0)
	return nil
}

// shrink forgets what was read longest ago until there is room for n bytes more. The caller
// holds mu.
func (c *cache) shrink(n int64) {
	for c.bytes+n > c.most && c.known.Len() > 0 {
		c.known.RemoveOldest()
	}
}

// open opens an object; fs.ErrNotExist for none.
func (c *cache) open(p Pointer) (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.look(); err != nil {
		return nil, err
	}
	if size, ok := c.known.Get(p.Hash()); !ok || size != p.Size {
		return nil, fs.ErrNotExist
	}
	name := place(c.folder, p.Hash())
	f, err := openObject(name, p.Size)
	if errors.Is(err, fs.ErrNotExist) {
		c.known.Remove(p.Hash())
	} else if err == nil {
		now := time.Now()
		_ = os.Chtimes(name, now, now) // only how long it stays depends on it
	}
	return f, err
}

// put gives a draft its place in the cache, where it fits.
func (c *cache) put(p Pointer, draft string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.look(); err != nil {
		return err
	}
	if p.Size > c.most {
		return os.Remove(draft)
	}
	c.known.Remove(p.Hash())
	c.shrink(p.Size)
	if err := move(draft, place(c.folder, p.Hash())); err != nil {
		return err
	}
	c.bytes += p.Size
	c.known.Add(p.Hash(), p.Size)
	return nil
}

// kept holds objects that nobody else has, within a bound of bytes. Nothing goes from there.
type kept struct {
	folder string
	most   int64

	mu       sync.Mutex
	looked   bool // the folder was, and all below is known
	bytes    int64
	reserved int64 // of those that are on their way
}

// look finds what is in the folder, once. The caller holds mu.
func (k *kept) look() error {
	if k.looked {
		return nil
	}
	var bytes int64
	err := eachObject(k.folder, func(_ string, info fs.FileInfo) error {
		bytes += info.Size()
		return nil
	})
	if err == nil {
		k.looked, k.bytes = true, bytes
	}
	return err
}

func (k *kept) stored() (int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.look()
	return k.bytes, err
}

// reserve keeps room for an object until release is called; ErrNoRoom where there is none.
// One that is there already needs none.
func (k *kept) reserve(p Pointer) (release func(), err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.look(); err != nil {
		return nil, err
	}
	if k.has(p) {
		return func() {}, nil
	}
	if p.Size > k.most-k.bytes-k.reserved {
		return nil, ErrNoRoom
	}
	k.reserved += p.Size
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.reserved -= p.Size
	}, nil
}

// has says whether an object is there.
func (k *kept) has(p Pointer) bool {
	info, err := os.Lstat(place(k.folder, p.Hash()))
	return err == nil && info.Mode().IsRegular() && info.Size() == p.Size
}

// put gives a draft its place. The caller has room for it.
func (k *kept) put(p Pointer, draft string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	before, to := int64(0), place(k.folder, p.Hash())
	if info, err := os.Lstat(to); err == nil { // of another size, where it was cut short
		before = info.Size()
	}
	if err := move(draft, to); err != nil {
		k.looked = false // it may be there
		return err
	}
	k.bytes += p.Size - before
	return nil
}

// eachObject calls do with each object of a folder, if there is one.
func eachObject(folder string, do func(hash string, info fs.FileInfo) error) error {
	err := filepath.WalkDir(folder, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || !hexHash.MatchString(e.Name()) || name != place(folder, e.Name()) {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		return do(e.Name(), info)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// A Kept is an object that a repository has itself.
type Kept struct {
	Name string // of its file, below the folder of the repository, with slashes
	Hash string // in hexadecimal
	Size int64
}

// Own calls do with each object that the repository at path has itself, and not from a
// remote.
func Own(path string, do func(Kept, io.Reader) error) error {
	folder := filepath.Join(path, Folder, objectsFolder)
	return eachObject(folder, func(hash string, info fs.FileInfo) error {
		f, err := os.Open(place(folder, hash))
		if err != nil {
			return err
		}
		name, err := filepath.Rel(path, f.Name())
		if err == nil {
			err = do(Kept{filepath.ToSlash(name), hash, info.Size()}, f)
		}
		return errors.Join(err, f.Close())
	})
}

// VerifyOwn makes sure that each of those objects has the hash by which it is called, and says
// how many there are.
func VerifyOwn(path string) (n int, err error) {
	err = Own(path, func(k Kept, content io.Reader) error {
		n++
		got, err := PointerOf(content)
		if err == nil && got.Hash() != k.Hash {
			err = fmt.Errorf("the object %s of Git LFS is damaged: its content has another hash", k.Hash)
		}
		return err
	})
	return n, err
}
