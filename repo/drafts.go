package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// draftFolder is where files are written that are packs of the repository once they are
// whole. It is beside the folder of objects, because git clone links whatever is in that
// when it clones by a path, and fails at what is being written.
const draftFolder = "cms.drafts"

// Beginnings of the names of drafts: of the writer's pack, of one that takes the objects of
// others beside it, of an index that was missing, and of uploads; see quarantineDraft too. Git would remove what is
// called tmp_….
const (
	drafts      = "cms_" // all of them
	groupDraft  = drafts + "group"
	repackDraft = drafts + "repack"
	indexDraft  = drafts + "index"
	uploadDraft = drafts + "upload" // and a number
	placeDraft  = drafts + "place"  // a file that is moved to see whether that is possible
)

// draftFolders are the folders of a repository in which there may be drafts.
func draftFolders(repository string) []string {
	return []string{filepath.Join(repository, draftFolder), filepath.Join(repository, "objects", "pack")}
}

// makeDraftFolder makes the folder of drafts, and says which it is: that of packs, if
// no file can be moved from the other one to there, as they are on two file systems.
func makeDraftFolder(d disk, repository string) (string, error) {
	own, packs := draftFolders(repository)[0], draftFolders(repository)[1]
	if err := d.Mkdir(own); err != nil {
		return "", err
	}
	from, to := filepath.Join(own, placeDraft), filepath.Join(packs, placeDraft)
	if err := writeFile(d, from, nil, 0o444); err != nil {
		return "", err
	}
	err := d.Rename(from, to)
	if errors.Is(err, syscall.EXDEV) {
		return packs, d.Remove(from)
	} else if err != nil {
		return "", err
	}
	return own, d.Remove(to)
}

// isDraft says whether a file among the drafts, or among the packs, was being written, by this
// version or by one before it.
func isDraft(name string) bool { return strings.HasPrefix(strings.TrimPrefix(name, "tmp_"), drafts) }

// placeDrafts gives the drafts of a pack and its index, which are durable, the name. When
// it returns nil, that is durable and Git sees them. What is left when it fails is
// for removeDrafts. The pack is in place before its index, because a pack without an
// index is nothing to Git and an index without a pack is an error.
func placeDrafts(d disk, draft, name string) error {
	err := d.Rename(draft+"_pack", name+".pack")
	if err == nil {
		err = d.Rename(draft+"_idx", name+".idx")
	}
	if err != nil {
		return fmt.Errorf("place pack: %w", err)
	}
	if err := d.SyncDir(filepath.Dir(name)); err != nil {
		return fmt.Errorf("sync pack folder: %w", err)
	}
	return nil
}

// removeDrafts removes what a write that did not come to its end left: the drafts, and
// among packs the one that was in place when its index was not.
func removeDrafts(d disk, draft, packs string) error {
	if raw, err := os.ReadFile(draft + "_idx"); err == nil && len(raw) > 40 {
		pack := filepath.Join(packs, fmt.Sprintf("pack-%x", raw[len(raw)-40:len(raw)-20]))
		if _, err := os.Stat(pack + ".idx"); errors.Is(err, fs.ErrNotExist) {
			if err := removeIfExists(d, pack+".pack"); err != nil {
				return err
			}
		}
	}
	return errors.Join(removeIfExists(d, draft+"_pack"), removeIfExists(d, draft+"_idx"))
}

// removeAllDrafts does so with all drafts in a folder, if there is one.
func removeAllDrafts(d disk, folder, packs string) error {
	files, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), "_idx"); ok && isDraft(name) {
			err = errors.Join(err, removeDrafts(d, filepath.Join(folder, name), packs))
		} else if f.IsDir() && strings.HasPrefix(f.Name(), quarantineDraft) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(folder, f.Name())))
		} else if isDraft(f.Name()) {
			err = errors.Join(err, removeIfExists(d, filepath.Join(folder, f.Name())))
		}
	}
	return err
}
