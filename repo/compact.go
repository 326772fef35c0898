package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Usage is what a repository's objects take.
type Usage struct {
	Packs int
	Loose int   // objects that are files of their own, as small pushes leave them
	Bytes int64 // of all files of objects
}

// Compact brings the objects into few packs and saves the index anew; Open has
// removed what an earlier process left. No object goes, whether something refers
// to it or not, so that a push may be under way. Where the git program is, it
// does the work and packs loose objects too; else they stay as they are. It must
// not be called once Run was.
func (r *Repo) Compact(ctx context.Context) (before, after Usage, err error) {
	if r.lock == nil || r.running.Load() {
		return before, after, errors.New("compact: the repository must be open to write, without a writer")
	}
	if before, err = r.usage(); err != nil {
		return before, after, err
	}
	if err := r.repack(ctx); err != nil {
		return before, after, err
	}
	if err := r.saveIndex(true); err != nil {
		return before, after, err
	}
	after, err = r.usage()
	return before, after, err
}

// repack has Git repack packs and loose objects, or repacks packs itself, and removes
// the packs whose objects are all in another one. Of Git's ways it takes the one
// that never drops an object: others drop those whose reference has not moved yet.
// No pack is kept.
func (r *Repo) repack(ctx context.Context) error {
	rp := &repacker{disk: r.disk, folder: r.packFolder(), drafts: r.drafts, log: r.log}
	if err := errors.Join(rp.findObsolete(), rp.removeExpired(ctx, time.Now())); err != nil {
		return fmt.Errorf("remove packs: %w", err)
	}
	if git, err := exec.LookPath("git"); err == nil {
		out, err := exec.CommandContext(ctx, git, "--git-dir", r.path, "repack", "-q", "-d", "--geometric=2").CombinedOutput()
		if err != nil {
			return fmt.Errorf("git repack: %w: %s", err, strings.TrimSpace(string(out)))
		}
		return r.disk.SyncDir(r.packFolder())
	}
	for {
		packs, err := rp.candidates()
		if err != nil || len(packs) < 2 {
			return err
		}
		if err := rp.repackNow(ctx); err != nil {
			return fmt.Errorf("repack: %w", err)
		}
	}
}

// usage counts what is in the folder of objects. Files that go meanwhile do not
// count.
func (r *Repo) usage() (u Usage, err error) {
	objects := filepath.Join(r.path, "objects")
	err = filepath.WalkDir(objects, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != objects {
			return nil
		} else if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		u.Bytes += info.Size()
		switch folder := filepath.Base(filepath.Dir(path)); {
		case folder == "pack" && filepath.Ext(path) == ".pack":
			u.Packs++
		case len(folder) == 2 && len(e.Name()) == 38:
			u.Loose++
		}
		return nil
	})
	return u, err
}
