package repo

import (
	"bytes"
	"fmt"
	"path/filepath"
)

// restoreIndexes puts back the indexes of packs that somebody has removed. git gc does so:
// it takes an index for left over whose pack it has not seen, though the two came while
// it listed the folder, and then Git finds nothing that is in the pack. Whoever removes a
// pack also removes its index first, so an index has to be missing at two looks in a row.
// To be called by the writer, now and then.
func (r *Repo) restoreIndexes() {
	was := r.lostIndexes
	r.lostIndexes = nil
	for _, p := range r.store.set().withoutIndex() {
		if !was[p.name] {
			if r.lostIndexes == nil {
				r.lostIndexes = make(map[string]bool)
			}
			r.lostIndexes[p.name] = true
		} else if err := r.restoreIndex(p); err != nil {
			r.log.Error("a pack has lost its index, which cannot be put back", "pack", filepath.Base(p.name), "error", err)
		} else {
			r.log.Warn("put back the index of a pack that git gc has removed", "pack", filepath.Base(p.name))
		}
	}
}

// withoutIndex are the packs that are known and in place, but for their index.
func (s *packSet) withoutIndex() (packs []*knownPack) {
	l := s.known.Load()
	if l == nil {
		return nil
	}
	var obsolete map[string]string
	if m := s.obsolete.Load(); m != nil {
		obsolete = *m
	}
	for _, p := range l.packs {
		if _, ok := obsolete[p.name]; !ok && p.lostIndex() {
			packs = append(packs, p)
		}
	}
	return packs
}

// lostIndex says whether the pack is in place, but not its index.
func (p *knownPack) lostIndex() bool {
	return p.damage == nil && !exists(p.name+".idx") && exists(p.name+".pack")
}

// restoreIndex puts back the index of a pack, durably.
func (r *Repo) restoreIndex(p *knownPack) error {
	var index []byte
	if err := p.guarded(func() error { index = bytes.Clone(p.index.raw); return nil }); err != nil {
		return err
	}
	draft := filepath.Join(r.drafts, indexDraft)
	if err := removeIfExists(r.disk, draft); err != nil {
		return err
	}
	if err := writeFile(r.disk, draft, index, 0o444); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	err := r.disk.Rename(draft, p.name+".idx")
	if err == nil && !exists(p.name+".pack") { // it was being removed
		err = removeIfExists(r.disk, p.name+".idx")
	}
	if err != nil {
		return fmt.Errorf("place index: %w", err)
	}
	return r.disk.SyncDir(filepath.Dir(p.name))
}
