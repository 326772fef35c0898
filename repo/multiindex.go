package repo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A multiIndex is the packs that Git's multi-pack-indexes name: the one of the
// folder, or the layers of a chain of them (gitformat-pack(5)). Git keeps them for
// speed alone, and takes one away when it removes a pack that it names.
type multiIndex struct {
	packs  map[string]bool // without folder and extension
	broken error           // why one cannot be read; then it may name any pack
}

// readMultiIndex reads the names of the packs, which are few bytes of a large file.
func readMultiIndex(folder string) multiIndex {
	m := multiIndex{packs: make(map[string]bool)}
	layers, err := filesLike(filepath.Join(folder, multiIndexChain), "*.midx")
	if err != nil {
		m.broken = err
	}
	for _, name := range append(layers, filepath.Join(folder, "multi-pack-index")) {
		if err := m.read(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			m.broken = fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
	}
	return m
}

// read adds the packs that one file names.
func (m multiIndex) read(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	part := func(at, n int64) ([]byte, error) {
		if at < 0 || n < 0 || n > info.Size()-at {
			return nil, errDamaged
		}
		b := make([]byte, n)
		_, err := io.ReadFull(io.NewSectionReader(f, at, n), b)
		return b, err
	}
	const head, row = 12, 4 + 8
	b, err := part(0, head)
	if err != nil || string(b[:4]) != "MIDX" {
		return errors.Join(errDamaged, err)
	}
	chunks := int64(b[6])
	table, err := part(head, (chunks+1)*row)
	if err != nil {
		return err
	}
	for i := range chunks {
		b := table[i*row:]
		if string(b[:4]) != "PNAM" {
			continue
		}
		at := int64(binary.BigEndian.Uint64(b[4:]))
		names, err := part(at, int64(binary.BigEndian.Uint64(b[row+4:]))-at)
		if err != nil {
			return err
		}
		for name := range bytes.SplitSeq(names, []byte{0}) {
			if len(name) > 0 { // the rest fills up the chunk
				m.packs[strings.TrimSuffix(string(name), ".idx")] = true
			}
		}
		return nil
	}
	return errDamaged
}

// names says whether the pack belongs to the index, or may.
func (m multiIndex) names(pack string) bool {
	return m.broken != nil || m.packs[filepath.Base(pack)]
}

// multiIndexChain is the folder of a chain of indexes.
const multiIndexChain = "multi-pack-index.d"

// clearMultiIndex removes Git's multi-pack-indexes, and what belongs to
// them.
func clearMultiIndex(d disk, folder string) error {
	chain := filepath.Join(folder, multiIndexChain)
	files, err := filesLike(folder, "multi-pack-index", "multi-pack-index-*.bitmap", "multi-pack-index-*.rev")
	layers, chainErr := filesLike(chain, "*.midx", "*.bitmap", "*.rev")
	list := filepath.Join(chain, "multi-pack-index-chain") // of the layers, so that it goes before them
	for _, name := range slices.Concat([]string{list}, layers, files) {
		err = errors.Join(err, removeIfExists(d, name))
	}
	if err = errors.Join(err, chainErr); err != nil {
		return fmt.Errorf("remove multi-pack-index: %w", err)
	}
	return nil
}

// multiIndexFiles are those that Git places, as they were at one moment; nil for one that is
// not there.
type multiIndexFiles [2]fs.FileInfo

func statMultiIndex(folder string) (f multiIndexFiles) {
	for i, name := range []string{"multi-pack-index", filepath.Join(multiIndexChain, "multi-pack-index-chain")} {
		f[i], _ = os.Stat(filepath.Join(folder, name)) // whoever reads it will tell
	}
	return f
}

// same says whether nobody has placed one in between.
func (f multiIndexFiles) same(other multiIndexFiles) bool {
	for i, a := range f {
		b := other[i]
		if (a == nil) != (b == nil) || a != nil && !(os.SameFile(a, b) && a.ModTime().Equal(b.ModTime())) {
			return false
		}
	}
	return true
}

// multiIndexPlaced says whether Git has placed a multi-pack-index since lookAtMultiIndex.
func (rp *repacker) multiIndexPlaced() bool { return !statMultiIndex(rp.folder).same(rp.lookedAt) }

// lookAtMultiIndex drops a stale multi-pack-index, once for each that Git places: it may have
// taken long to write one, whose packs went meanwhile. What fails is tried again after the
// next removal.
func (rp *repacker) lookAtMultiIndex() error {
	now := statMultiIndex(rp.folder)
	if now.same(rp.lookedAt) {
		return nil
	}
	rp.lookedAt = now
	return dropStaleMultiIndex(rp.disk, rp.folder, rp.log)
}

// dropStaleMultiIndex removes a multi-pack-index that names a pack which is
// gone: Git was writing it while that pack went.
func dropStaleMultiIndex(d disk, folder string, log *slog.Logger) error {
	gone := func() string {
		for name := range readMultiIndex(folder).packs {
			if _, err := os.Stat(filepath.Join(folder, name+".pack")); errors.Is(err, fs.ErrNotExist) {
				return name
			}
		}
		return ""
	}
	if gone() == "" {
		return nil
	}
	name := gone() // Git may have written it anew just before the pack went
	if name == "" {
		return nil
	}
	log.Warn("removed a multi-pack-index that named a missing pack", "pack", name)
	return clearMultiIndex(d, folder)
}
