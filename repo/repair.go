package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// repairPacks makes whole what a removal of packs left in folder that was cut short,
// by whomever. It must not run beside the writer, but may beside Git. No pack is
// removed: one without an index gets one, which is written among drafts, and so becomes
// a pack like any other, which is repacked, or removed once its objects are seen to be in
// another one.
func repairPacks(d disk, drafts, folder string, log *slog.Logger) error {
	err := undoRemovals(d, folder)
	packs, listErr := filesLike(folder, "pack-*.pack")
	for _, file := range packs {
		err = errors.Join(err, addMissingIndex(d, drafts, strings.TrimSuffix(file, ".pack"), log))
	}
	indexes, indexErr := filesLike(folder, "pack-*.idx")
	for _, file := range indexes {
		err = errors.Join(err, removeOrphanIndex(d, strings.TrimSuffix(file, ".idx"), log))
	}
	return errors.Join(err, listErr, indexErr, dropStaleMultiIndex(d, folder, log))
}

// maxIndexPack bounds the packs that get an index, which takes a second for some 20 MB.
const maxIndexPack = 256 << 20

// addMissingIndex makes an index for a pack that has none. If Git is about to place its
// own, that one takes the place of ours, and is the same.
func addMissingIndex(d disk, drafts, name string, log *slog.Logger) error {
	for _, ext := range []string{".idx", ".keep"} {
		if _, err := os.Stat(name + ext); !errors.Is(err, fs.ErrNotExist) {
			return err // nil: it has one, or somebody is at work on it
		}
	}
	index, _, err := indexPack(name+".pack", maxIndexPack)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		log.Warn("a pack has no index, and is left alone: see git index-pack", "pack", filepath.Base(name), "error", err)
		return nil
	}
	draft := filepath.Join(drafts, indexDraft)
	if err := writeFile(d, draft, index, 0o444); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	if _, err := verifyPack(context.Background(), name+".pack", draft); err != nil {
		log.Warn("a pack has no index, and is left alone", "pack", filepath.Base(name), "error", err)
		return d.Remove(draft)
	}
	if err := d.Rename(draft, name+".idx"); err != nil {
		return fmt.Errorf("place index: %w", err)
	}
	log.Info("made the index of a pack that had none", "pack", filepath.Base(name))
	return d.SyncDir(filepath.Dir(name))
}

// indexPack makes the index of a pack of at most so many bytes, whose every object it
// reads, and gives the pack's checksum.
func indexPack(name string, most int64) (_ []byte, sum Hash, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, sum, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, sum, err
	} else if info.Size() > most {
		return nil, sum, errors.New("it is too large to be read here")
	}
	var w idxfile.Writer
	parser, err := packfile.NewParser(packfile.NewScanner(f), &w)
	if err != nil {
		return nil, sum, err
	}
	if sum, err = parser.Parse(); err != nil {
		return nil, sum, err
	}
	index, err := w.Index()
	if err != nil {
		return nil, sum, err
	}
	var b bytes.Buffer
	_, err = idxfile.NewEncoder(&b).Encode(index)
	return b.Bytes(), sum, err
}

// removeOrphanIndex removes an index whose pack is gone, on which Git fails.
func removeOrphanIndex(d disk, name string, log *slog.Logger) error {
	if _, err := os.Stat(name + ".pack"); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	log.Info("removed the index of a pack that is gone", "pack", filepath.Base(name))
	return errors.Join(removeIfExists(d, name+".rev"), removeIfExists(d, name+".idx"), d.SyncDir(filepath.Dir(name)))
}

// undoRemovals makes packs whole whose removal was cut short, and completes it
// where the pack itself is gone.
func undoRemovals(d disk, folder string) error {
	files, err := filesLike(folder, "pack-*"+removedSuffix)
	for _, file := range files {
		name := strings.TrimSuffix(file, removedSuffix)
		if _, statErr := os.Stat(name + ".pack"); statErr == nil {
			err = errors.Join(err, d.Rename(file, name+".idx"))
		} else if errors.Is(statErr, fs.ErrNotExist) {
			err = errors.Join(err, finishRemoval(d, name))
		} else {
			err = errors.Join(err, statErr)
		}
	}
	if len(files) > 0 {
		err = errors.Join(err, d.SyncDir(folder))
	}
	return err
}
