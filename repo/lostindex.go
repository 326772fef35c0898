package repo

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Lost indexes are those of packs that somebody has removed. git gc does so: it takes an
// index for left over whose pack it has not seen, though the two came while it listed the
// folder, and then Git finds nothing that is in the pack. One goroutine at a time looks.
type lostIndexes struct {
	folder  string
	changed time.Time       // of the folder, when it was last looked at; zero if it may have changed since
	missing map[string]bool // packs that lacked their index then, without folder and extension
}

// look lists the packs, with their folder and without extension, that lack their index now and
// did so the last time. Once says nothing: who removes a pack removes its index before.
func (l *lostIndexes) look() (lost []string) {
	info, err := os.Stat(l.folder)
	if err != nil || len(l.missing) == 0 && l.changed.Equal(info.ModTime()) {
		return nil // whoever reads or writes will tell
	}
	l.changed = time.Time{}
	if time.Since(info.ModTime()).Abs() > mtimeResolution {
		l.changed = info.ModTime()
	}
	was := l.missing
	if l.missing, err = packsWithoutIndex(l.folder); err != nil {
		return nil
	}
	for name := range l.missing {
		if was[name] {
			lost = append(lost, filepath.Join(l.folder, name))
		}
	}
	return lost
}

// packsWithoutIndex are the names of packs in a folder that lack an index, but for those
// that are being placed or removed.
func packsWithoutIndex(folder string) (map[string]bool, error) {
	names, err := readNames(folder)
	if err != nil {
		return nil, err
	}
	packs := make(map[string]bool)
	for _, n := range names {
		if name, ok := strings.CutSuffix(n, ".pack"); ok && strings.HasPrefix(name, "pack-") {
			packs[name] = true
		}
	}
	for _, n := range names {
		name, ext, _ := strings.Cut(n, ".")
		if ext == "idx" {
			delete(packs, name)
		}
	}
	for name := range packs { // the listing may have missed what came or went meanwhile
		if !lacksIndex(filepath.Join(folder, name)) {
			delete(packs, name)
		}
	}
	return packs, nil
}

// lacksIndex says whether a pack is in place, but not its index, and neither is on its way.
func lacksIndex(name string) bool {
	return exists(name+".pack") && !slices.ContainsFunc([]string{".idx", ".keep", removedSuffix}, func(ext string) bool { return exists(name + ext) })
}

// restoreIndexes puts back the indexes of packs.
func (rp *repacker) restoreIndexes(packs []string) {
	for _, name := range packs {
		if rp.damaged[name] || !lacksIndex(name) {
			continue
		}
		switch err := rp.restoreIndex(name); {
		case err != nil:
			rp.log.Error("a pack has lost its index, which cannot be put back yet", "pack", filepath.Base(name), "error", err)
		case lacksIndex(name):
			rp.markDamaged(name) // as the log says; not to be read again and again
		default:
			rp.log.Warn("put back the index of a pack that git gc has removed", "pack", filepath.Base(name))
		}
	}
}

// restoreIndex puts back the index of a pack as readers have it, or else made anew.
func (rp *repacker) restoreIndex(name string) error {
	draft := filepath.Join(rp.drafts, indexDraft)
	if err := removeIfExists(rp.disk, draft); err != nil { // of an attempt that failed
		return err
	}
	index := rp.knownIndex(name)
	if index == nil {
		return addMissingIndex(rp.disk, rp.drafts, name, rp.log)
	}
	if err := writeFile(rp.disk, draft, index, 0o444); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	if err := rp.disk.Rename(draft, name+".idx"); err != nil {
		return fmt.Errorf("place index: %w", err)
	}
	return rp.disk.SyncDir(rp.folder)
}

// knownIndex is the index of a pack, if readers have it.
func (rp *repacker) knownIndex(name string) (index []byte) {
	if rp.packs == nil {
		return nil
	}
	l := rp.packs.known.Load()
	if l == nil {
		return nil
	}
	i := slices.IndexFunc(l.packs, func(p *knownPack) bool { return p.name == name })
	if i < 0 || l.packs[i].damage != nil {
		return nil
	}
	err := l.packs[i].guarded(func() error { index = bytes.Clone(l.packs[i].index.raw); return nil })
	end := len(index) - sha1.Size
	if err != nil || end < 0 || sha1.Sum(index[:end]) != [sha1.Size]byte(index[end:]) {
		return nil
	}
	return index
}
