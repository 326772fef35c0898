package repo

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Keeps are the files pack-….keep that guard our packs: a pack is in place before
// the branch leads to it, and Git's upkeep would drop what nothing leads to. They
// are other names of one file, whose content tells them from those of others, so
// that to make one writes nothing, and none is ever cut short. Owned by the writer.
type keeps struct {
	disk   disk
	folder string   // of packs
	names  []string // of the packs that are kept, with their folder, without extension
}

// keepNote is the content of our files.
const keepNote = "cms: kept until the branch leads to it\n"

// note is the file that ours are other names of. Git looks for no packs there.
func (k *keeps) note() string { return filepath.Join(filepath.Dir(k.folder), "info", "cms.keep") }

// reserve is the name for a pack of that checksum, kept from now on. It is one
// that no pack has: an upkeep that is under way may have made up its mind to drop
// what had it.
func (k *keeps) reserve(sum Hash) (string, error) {
	for n := uint32(0); ; n++ {
		name := filepath.Join(k.folder, packName(sum, n))
		if exists(name+".pack") || exists(name+".idx") {
			continue
		}
		err := k.disk.Link(k.note(), name+".keep")
		if errors.Is(err, fs.ErrNotExist) {
			if err := k.begin(); err != nil {
				return "", fmt.Errorf("keep packs: %w", err)
			}
			err = k.disk.Link(k.note(), name+".keep")
		}
		switch {
		case err == nil:
			k.names = append(k.names, name)
			return name, nil
		case !errors.Is(err, fs.ErrExist): // somebody else's
			return "", fmt.Errorf("keep pack: %w", err)
		}
	}
}

// packName is what Git calls a pack of that checksum, and n says how many such
// names are taken.
func packName(sum Hash, n uint32) string {
	if n > 0 {
		sum = sha1.Sum(binary.BigEndian.AppendUint32(sum[:], n))
	}
	return "pack-" + sum.String()
}

// begin makes the note, durably.
func (k *keeps) begin() error {
	if _, err := os.Stat(k.folder); err != nil {
		return err
	}
	if err := k.disk.Mkdir(filepath.Dir(k.note())); err != nil {
		return err
	}
	return writeFile(k.disk, k.note(), []byte(keepNote), 0o444)
}

// release ends the keeping of all packs. One whose index is not in place was none
// yet, and goes. What fails is tried again by the next call.
func (k *keeps) release() error {
	for len(k.names) > 0 {
		if err := k.end(k.names[0]); err != nil {
			return fmt.Errorf("end the keeping of a pack: %w", err)
		}
		k.names = k.names[1:]
	}
	return nil
}

func (k *keeps) end(name string) error {
	note, err := os.ReadFile(name + ".keep")
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), err == nil && string(note) != keepNote:
		return nil // somebody else decides about it
	case err != nil:
		return err
	}
	if !exists(name + ".idx") {
		if err := removeIfThere(k.disk, name+".pack"); err != nil {
			return err
		}
	}
	return removeIfThere(k.disk, name+".keep")
}

// recover ends what an earlier process kept.
func (k *keeps) recover() error {
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
	if note, err := os.ReadFile(k.note()); err == nil && string(note) != keepNote { // cut short
		return k.disk.Remove(k.note())
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
