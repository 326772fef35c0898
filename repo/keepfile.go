package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Keeps are the files pack-….keep that guard our packs: a pack is in place before
// the branch leads to it, and Git's maintenance would drop what nothing leads to. They
// are other names of one file, whose content tells them from those of others, so
// that to make one writes nothing, and none is ever cut short. Owned by the writer.
type keepFiles struct {
	disk   disk
	folder string   // of packs
	names  []string // of the packs that are kept, with their folder, without extension
}

// keepContent is the content of our files.
const keepContent = "cms: kept until the branch leads to it\n"

// templatePath is the file that ours are other names of. Git looks for no packs there.
func (k *keepFiles) templatePath() string {
	return filepath.Join(filepath.Dir(k.folder), "info", "cms.keep")
}

// reserve is the name of the pack with that checksum, which is kept from now on. It
// is taken when there is such a pack, or maintenance by others: maintenance that is under
// way may have made up its mind to drop what has that name.
func (k *keepFiles) reserve(sum Hash) (name string, taken bool, err error) {
	name = filepath.Join(k.folder, packName(sum))
	if exists(name+".pack") || exists(name+".idx") {
		return "", true, nil
	}
	err = k.disk.Link(k.templatePath(), name+".keep")
	if errors.Is(err, fs.ErrNotExist) {
		if err := k.makeTemplate(); err != nil {
			return "", false, fmt.Errorf("keep packs: %w", err)
		}
		err = k.disk.Link(k.templatePath(), name+".keep")
	}
	if errors.Is(err, fs.ErrExist) {
		return "", true, nil
	}
	k.names = append(k.names, name) // it may be there even if Link failed
	if err != nil {
		return "", false, fmt.Errorf("keep pack: %w", err)
	}
	return name, false, nil
}

// packName is what Git calls a pack of that checksum.
func packName(sum Hash) string { return "pack-" + sum.String() }

// emptyBlock is a part of compressed content that stands for nothing (RFC 1951,
// section 3.2.4): behind the two bytes of zlib's header, it gives a pack of the same
// objects another checksum.
var emptyBlock = []byte{0, 0, 0, 0xff, 0xff}

// makeTemplate makes it, durably.
func (k *keepFiles) makeTemplate() error {
	if _, err := os.Stat(k.folder); err != nil {
		return err
	}
	if err := k.disk.Mkdir(filepath.Dir(k.templatePath())); err != nil {
		return err
	}
	err := writeFile(k.disk, k.templatePath(), []byte(keepContent), 0o444)
	if errors.Is(err, fs.ErrExist) { // somebody else makes it now
		err = nil
	}
	return err
}

// release ends the keeping of all packs. One whose index is not in place stays: git gc may
// have removed that while it listed the folder, and the branch may lead to the pack; see
// lostIndexes. What fails is tried again by the next call.
func (k *keepFiles) release() error {
	for len(k.names) > 0 {
		if err := k.remove(k.names[0]); err != nil {
			return fmt.Errorf("end the keeping of a pack: %w", err)
		}
		k.names = k.names[1:]
	}
	return nil
}

func (k *keepFiles) remove(name string) error {
	note, err := os.ReadFile(name + ".keep")
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), err == nil && string(note) != keepContent:
		return nil // somebody else decides about it
	case err != nil:
		return err
	}
	return removeIfExists(k.disk, name+".keep")
}

// releaseStale ends what an earlier process kept.
func (k *keepFiles) releaseStale() error {
	files, err := os.ReadDir(k.folder)
	if err != nil {
		return err
	}
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".keep"); ok {
			k.names = append(k.names, filepath.Join(k.folder, name))
		}
	}
	if err := k.release(); err != nil {
		return err
	}
	if note, err := os.ReadFile(k.templatePath()); err == nil && string(note) != keepContent { // cut short
		return k.disk.Remove(k.templatePath())
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
