package repo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// A packSet is the packs of a repository as its readers know them, whatever
// became of them since the folder was listed. Any number of goroutines may use
// it; none waits for what another one reads.
type packSet struct {
	objects  string                                     // the folder of objects
	listDir  func(folder string) ([]fs.DirEntry, error) // as os.ReadDir
	openFile func(name string) (*os.File, error)        // as os.Open

	known    atomic.Pointer[packList]          // nil until somebody looked; replaced by who holds mu
	looking  sync.Mutex                        // held by the one who lists the folder
	obsolete atomic.Pointer[map[string]string] // the packs whose objects are all in another one, and in which; nil is none

	mu      sync.Mutex // guards what follows; never held while the disk works
	learned int        // packs that came since the folder was listed
	files   *simplelru.LRU[*knownPack, *openPack]
	evicted []*openPack // from files, for unlock to release
}

// A packList is what one look at the folder found, the newest packs first, and
// what was learned since. It never changes.
type packList struct {
	folders []string // of objects: our own and those that it borrows from
	packs   []*knownPack
	recent  atomic.Int32 // where the last object was found, which is where the next one will be
}

// An address is where a pack has an object.
type address struct {
	pack   *knownPack
	offset int64
	crc    uint32 // of the bytes that it has there
}

// openPacks bounds how many packs are kept open, and learnedPacks how many may come before
// the folder is looked at for those that went, where whoever maintains them has not done so.
const (
	openPacks    = 128
	learnedPacks = maxPacks
)

func newPackSet(objects string, list func(string) ([]fs.DirEntry, error), open func(string) (*os.File, error)) *packSet {
	s := &packSet{objects: objects, listDir: list, openFile: open}
	if s.listDir == nil {
		s.listDir = os.ReadDir
	}
	if s.openFile == nil {
		s.openFile = os.Open
	}
	s.files, _ = simplelru.NewLRU(openPacks, func(_ *knownPack, o *openPack) { s.evicted = append(s.evicted, o) }) // fails for no size alone
	return s
}

// list is what is known, after a first look at the folder if need be.
func (s *packSet) list() (*packList, error) {
	if l := s.known.Load(); l != nil {
		return l, nil
	}
	s.looking.Lock()
	defer s.looking.Unlock()
	if s.known.Load() == nil {
		if err := s.look(); err != nil {
			return nil, err
		}
	}
	return s.known.Load(), nil
}

// find says which pack has the object h, as far as is known.
func (l *packList) find(h Hash) (at address, ok bool, err error) {
	look := func(i int) bool {
		p := l.packs[i]
		offset, crc, found, damage := p.find(h)
		if err = errors.Join(err, damage); found {
			at, ok = address{p, offset, crc}, true
		}
		return found
	}
	recent := int(l.recent.Load())
	if recent < len(l.packs) && look(recent) {
		return at, true, nil
	}
	for i := range l.packs {
		if i != recent && look(i) {
			l.recent.Store(int32(i))
			return at, true, nil
		}
	}
	return at, false, err
}

// refresh looks at the folders again. Indexes that are known stay as they are.
// It fails with fs.ErrNotExist when a pack that was listed is gone: what
// took its place came after the listing.
func (s *packSet) refresh() error {
	s.looking.Lock()
	defer s.looking.Unlock()
	return s.look()
}

// look is refresh, for the one who holds looking.
func (s *packSet) look() error {
	old := make(map[string]*knownPack)
	if l := s.known.Load(); l != nil {
		for _, p := range l.packs {
			old[p.name] = p
		}
	}
	next := &packList{folders: objectFolders(s.objects, 0, nil)}
	var names []listedPack
	for _, folder := range next.folders {
		found, err := s.listPacks(filepath.Join(folder, "pack"))
		if err != nil {
			return fmt.Errorf("list packs: %w", err)
		}
		names = append(names, found...)
	}
	slices.SortStableFunc(names, func(a, b listedPack) int { return b.made.Compare(a.made) })
	listed := make(map[string]bool, len(names))
	for _, n := range names {
		p := old[n.name]
		if p == nil || p.damage != nil {
			f, err := s.openFile(n.name + ".idx")
			if err == nil {
				p, err = loadPack(n.name, f)
				f.Close()
			}
			if err != nil {
				return err
			}
		}
		listed[n.name] = true
		next.packs = append(next.packs, p)
	}
	for _, p := range old {
		if !listed[p.name] && p.damage == nil && lacksIndex(p.name) { // it can be read nevertheless
			listed[p.name] = true
			next.packs = append(next.packs, p)
		}
	}
	s.mu.Lock()
	defer s.unlock()
	if l := s.known.Load(); l != nil {
		var news []*knownPack // that were learned meanwhile
		for _, p := range l.packs {
			if old[p.name] == nil && !listed[p.name] {
				news = append(news, p)
			}
		}
		next.packs = append(news, next.packs...)
	}
	for _, p := range old {
		if !listed[p.name] {
			s.files.Remove(p)
		}
	}
	s.learned = 0
	s.known.Store(next)
	return nil
}

// unlock gives the lock free, and then the packs that are not to be kept open
// any more.
func (s *packSet) unlock() {
	evicted := s.evicted
	s.evicted = nil
	s.mu.Unlock()
	for _, o := range evicted {
		s.release(o)
	}
}

// A listedPack is a pack that a listing shows, with its index.
type listedPack struct {
	name string
	made time.Time
}

// listPacks lists the packs, but for the obsolete ones that nobody needs to know.
func (s *packSet) listPacks(folder string) (list []listedPack, err error) {
	var obsolete map[string]string
	if m := s.obsolete.Load(); m != nil {
		obsolete = *m
	}
	entries, err := s.listDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	indexed, packed := make(map[string]bool), make(map[string]bool)
	for _, e := range entries {
		if base, ok := strings.CutSuffix(e.Name(), ".idx"); ok {
			indexed[base] = true
		} else if base, ok := strings.CutSuffix(e.Name(), ".pack"); ok {
			packed[base] = true
		}
	}
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), ".pack")
		if !ok || !indexed[base] { // Git puts a pack in place before its index
			continue
		}
		name := filepath.Join(folder, base)
		if into := filepath.Base(obsolete[name]); packed[into] && indexed[into] {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		list = append(list, listedPack{name, info.ModTime()})
	}
	return list, nil
}

func (l *packList) has(name string) bool {
	return slices.ContainsFunc(l.packs, func(p *knownPack) bool { return p.name == name })
}

// add takes in a pack that was just placed, with its index, so that nobody has
// to look for it.
func (s *packSet) add(name string, index []byte) {
	x, err := parseIndex(index)
	if err != nil {
		return // whoever looks for it will be told
	}
	s.mu.Lock()
	l := s.known.Load()
	if l == nil || l.has(name) {
		s.mu.Unlock()
		return
	}
	next := &packList{folders: l.folders, packs: append([]*knownPack{{name: name, index: x}}, l.packs...)}
	s.known.Store(next)
	s.learned++
	many := s.learned > learnedPacks
	s.mu.Unlock()
	if many {
		_ = s.refresh() // the next refresh may succeed
	}
}

// drop drops a pack, so that the next look takes it anew if it is there.
func (s *packSet) drop(p *knownPack) {
	s.mu.Lock()
	defer s.unlock()
	s.files.Remove(p)
	l := s.known.Load()
	if l == nil || !slices.Contains(l.packs, p) {
		return
	}
	next := &packList{folders: l.folders}
	for _, other := range l.packs {
		if other != p {
			next.packs = append(next.packs, other)
		}
	}
	s.known.Store(next)
}

// close gives back the open packs, and forgets what is known.
func (s *packSet) close() {
	s.mu.Lock()
	defer s.unlock()
	s.files.Purge()
	s.known.Store(nil)
}

// An openPack can be read until the last one who has it releases it, whatever
// became of its name.
type openPack struct {
	io.ReaderAt
	io.Closer
	size  int64
	users int // guarded by packSet.mu; one of them is the set, as long as it keeps the pack open
}

// open is the content of a pack, for the caller to release.
func (s *packSet) open(p *knownPack) (*openPack, error) {
	if o := s.held(p); o != nil {
		return o, nil
	}
	f, err := s.openFile(p.name + ".pack")
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.mu.Lock()
	defer s.unlock()
	if o, ok := s.files.Get(p); ok { // somebody was faster
		o.users++
		return o, f.Close()
	}
	o := &openPack{ReaderAt: f, Closer: f, size: info.Size(), users: 2}
	s.files.Add(p, o)
	return o, nil
}

// held is a pack that is open already.
func (s *packSet) held(p *knownPack) *openPack {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.files.Get(p)
	if !ok {
		return nil
	}
	o.users++
	return o
}

func (s *packSet) release(o *openPack) {
	s.mu.Lock()
	o.users--
	last := o.users == 0
	s.mu.Unlock()
	if last {
		o.Close()
	}
}

// objectFolders adds the folder of objects to list, and those that it borrows
// objects from (gitrepository-layout(5), objects/info/alternates), as deep as Git
// looks.
func objectFolders(folder string, depth int, list []string) []string {
	const deepest = 5
	if depth > deepest || slices.Contains(list, folder) {
		return list
	}
	list = append(list, folder)
	raw, err := os.ReadFile(filepath.Join(folder, "info", "alternates"))
	if err != nil {
		return list // there are none
	}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if !filepath.IsAbs(line) {
			line = filepath.Join(folder, line)
		}
		list = objectFolders(filepath.Clean(line), depth+1, list)
	}
	return list
}
