package repo

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A syncTracker knows which files of objects are durable. Those that others bring may
// not be: Git leaves loose objects, folders and references to the system. They are
// synced before anything that stands on them is published. Owned by the writer.
type syncTracker struct {
	disk    disk
	objects string                   // the folder
	folders map[string]*syncedFolder // by name: pack, and 00 to ff
}

// syncedFolder is a folder whose files are durable.
type syncedFolder struct {
	changed time.Time // of the folder, when it was listed
	files   map[string]bool
}

// Files that are older than settled when their folder is first looked at have been
// written by the system long ago. A folder may change again without a later time
// while that is younger than blurred.
const (
	trustedAge      = 10 * time.Minute
	mtimeResolution = 2 * time.Second
)

// maxTracked bounds how many names of files are remembered of the folder of packs: twice
// as many as there are while as many packs as may be are to be repacked, or obsolete.
const maxTracked = 4 * (maxPacks + maxObsolete)

// syncedFile, in the folder objects/info, has the names of the packs that were durable
// when the writer stopped, so that the next one need not sync them all. It is taken
// away before anything is written: after a kill it tells nothing.
const (
	syncedFile  = "cms.synced"
	syncedMagic = "cms synced 1\n"
)

func (l *syncTracker) file() string { return filepath.Join(l.objects, "info", syncedFile) }

// load takes over what the last writer knew, if it stopped in order.
func (l *syncTracker) load() error {
	raw, err := os.ReadFile(l.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := l.disk.Remove(l.file()); err != nil {
		return err
	}
	if err := l.disk.SyncDir(filepath.Dir(l.file())); err != nil {
		return err
	}
	names, ok := strings.CutPrefix(string(raw), syncedMagic)
	if end := len(raw) - sha1.Size; !ok || end < len(syncedMagic) || sha1.Sum(raw[:end]) != [sha1.Size]byte(raw[end:]) {
		return nil
	}
	known := &syncedFolder{files: make(map[string]bool)}
	for name := range strings.Lines(names[:len(names)-sha1.Size]) {
		known.files[strings.TrimSuffix(name, "\n")] = true
	}
	l.folders["pack"] = known
	return nil
}

// save leaves what is known to the next writer. Nothing may be written after it.
func (l *syncTracker) save() error {
	known := l.folders["pack"]
	if known == nil || known.files == nil {
		return nil
	}
	l.prune(known)
	raw := []byte(syncedMagic)
	for _, name := range slices.Sorted(maps.Keys(known.files)) {
		raw = append(append(raw, name...), '\n')
	}
	sum := sha1.Sum(raw)
	err := l.disk.Mkdir(filepath.Dir(l.file()))
	if err == nil {
		err = writeFile(l.disk, l.file(), append(raw, sum[:]...), 0o666)
	}
	if err != nil {
		return fmt.Errorf("save which packs are durable: %w", err)
	}
	return nil
}

// markSynced says that a pack of ours, with its folder and without extension, is durable.
func (l *syncTracker) markSynced(pack string) {
	f := l.folders["pack"]
	if f == nil {
		return
	}
	if len(f.files) >= maxTracked { // most of them are gone
		l.prune(f)
	}
	name := filepath.Base(pack)
	f.files[name+".pack"], f.files[name+".idx"] = true, true
}

// prune forgets the packs that are gone, and all if too many are left.
func (l *syncTracker) prune(f *syncedFolder) {
	there := make(map[string]bool)
	files, _ := os.ReadDir(filepath.Join(l.objects, "pack")) // to forget one costs a sync
	for _, e := range files {
		if f.files[e.Name()] {
			there[e.Name()] = true
		}
	}
	if f.files = there; len(there) >= maxTracked/4*3 {
		clear(f.files)
	}
}

// syncNew makes durable what is not known to be.
func (l *syncTracker) syncNew() error {
	entries, err := os.ReadDir(l.objects)
	if err != nil {
		return err
	}
	synced := false
	for _, e := range entries {
		if name := e.Name(); e.IsDir() && (name == "pack" || len(name) == 2) {
			did, err := l.syncFolder(name)
			if err != nil {
				return err
			}
			synced = synced || did
		}
	}
	if synced {
		return l.disk.SyncDir(l.objects) // the folder may be new
	}
	return nil
}

// syncFolder makes the files in a folder durable, and reports whether there was
// something to do.
func (l *syncTracker) syncFolder(name string) (did bool, err error) {
	path := filepath.Join(l.objects, name)
	info, err := os.Stat(path)
	if err != nil {
		return false, ignoreNotExist(err)
	}
	known := l.folders[name]
	if known != nil && known.changed.Equal(info.ModTime()) {
		return false, nil
	}
	now := time.Now()
	fresh := func(t time.Time) bool { return now.Sub(t).Abs() < trustedAge || t.After(now) }
	if known == nil && name != "pack" && !fresh(info.ModTime()) {
		l.folders[name] = &syncedFolder{changed: info.ModTime()}
		return false, nil
	}
	files, err := os.ReadDir(path)
	if err != nil {
		return false, ignoreNotExist(err)
	}
	next := &syncedFolder{files: make(map[string]bool, len(files))}
	if now.Sub(info.ModTime()).Abs() > mtimeResolution {
		next.changed = info.ModTime()
	}
	for _, f := range files {
		if isDraft(f.Name()) || strings.HasSuffix(f.Name(), ".keep") {
			continue
		}
		if next.files[f.Name()] = true; known != nil && known.files[f.Name()] {
			continue
		}
		if info, err := f.Info(); err != nil || (known == nil || known.files == nil) && !fresh(info.ModTime()) {
			if err = ignoreNotExist(err); err != nil {
				return did, err
			}
			continue
		}
		if err := ignoreNotExist(l.disk.SyncFile(filepath.Join(path, f.Name()))); err != nil {
			return did, err
		}
		did = true
	}
	if did { // Git prunes folders of loose objects that it has packed
		if err := ignoreNotExist(l.disk.SyncDir(path)); err != nil {
			return did, err
		}
	}
	l.folders[name] = next
	return did, nil
}

// ignoreNotExist is err, unless it says that the file is gone, as packs go that are
// repacked.
func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
