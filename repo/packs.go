package repo

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds of what is repacked at once. That of objects bounds the memory that it
// takes, some 300 bytes for each.
const (
	maxRepackBytes   = 1 << 30
	maxRepackObjects = 1 << 18
)

// A packFile is a pack on disk.
type packFile struct {
	name       string // with its folder, without extension
	size       int64  // in bytes
	objects    int64
	made       int64 // Unix nanoseconds
	repackable bool  // nothing says that it is to stay, so that it may be repacked
}

// weight is what it takes to copy the pack, in bytes. Its one tree that is stored
// whole can be nearly all of it, and is next to nothing in the new pack, whence
// the bound by the number of objects.
func (p packFile) weight() int64 {
	if p.objects == 1 {
		return p.size
	}
	return min(p.size, p.objects*objectWeight)
}

// objectWeight is more than a commit, a delta, or an entry that is compressed
// usually take, in bytes.
const objectWeight = 2 << 10

// listPacks lists the packs in folder that have an index, the lightest first.
func listPacks(folder string) ([]packFile, error) { return listPacksExcept(folder, nil) }

// listPacksExcept lists the packs whose names, without folder, are not among those. They
// may be thousands, of which it keeps nothing.
func listPacksExcept(folder string, not map[string]bool) ([]packFile, error) {
	files, err := readNames(folder)
	if err != nil {
		return nil, err
	}
	extensions := make(map[string][]string) // by name
	for _, f := range files {
		if name, ext, ok := strings.Cut(f, "."); ok && strings.HasPrefix(name, "pack-") && !not[name] {
			extensions[name] = append(extensions[name], ext)
		}
	}
	var packs []packFile
	for name, ext := range extensions {
		if !slices.Contains(ext, "pack") || !slices.Contains(ext, "idx") {
			continue
		}
		info, err := os.Stat(filepath.Join(folder, name+".pack"))
		index, indexErr := os.Stat(filepath.Join(folder, name+".idx"))
		if err = cmp.Or(err, indexErr); errors.Is(err, fs.ErrNotExist) {
			continue // Git removed it just now
		} else if err != nil {
			return nil, err
		}
		packs = append(packs, packFile{
			name: filepath.Join(folder, name), size: info.Size(),
			objects:    max(1, (index.Size()-indexFrame)/indexItem), // a few less than there are, by an index of version 1
			made:       info.ModTime().UnixNano(),
			repackable: repackable(ext) && !exists(filepath.Join(folder, name+".keep")), // which the listing may have missed
		})
	}
	slices.SortFunc(packs, func(a, b packFile) int {
		return cmp.Or(cmp.Compare(a.weight(), b.weight()), cmp.Compare(a.name, b.name))
	})
	return packs, nil
}

// readNames is the names of the files in a folder, in no order.
func readNames(folder string) ([]string, error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}

// repackable says whether those extensions are all that a pack has which may be repacked:
// its index, and the order of its objects (.rev), which follows from that. Others
// say that Git keeps it (.keep), or what it would not be without (.bitmap, .mtimes,
// .promisor).
func repackable(extensions []string) bool {
	return !slices.ContainsFunc(extensions, func(e string) bool { return e != "pack" && e != "idx" && e != "rev" })
}

// The size of an index (gitformat-pack(5), version 2) is that of its frame and of
// an item for each object, but for those beyond 2 GB.
const (
	indexFrame = 8 + 256*4 + 2*20
	indexItem  = 20 + 4 + 4
)

// chooseForRepack picks the packs to repack: the lightest ones, and each next one as long
// as it is lighter than all before it together. So an object is copied about as
// often as the logarithm of the number of packs.
func chooseForRepack(packs []packFile) []packFile {
	packs = slices.DeleteFunc(slices.Clone(packs), func(p packFile) bool { return !p.repackable })
	var weight, size, objects int64
	for i, p := range packs {
		if size+p.size > maxRepackBytes || objects+p.objects > maxRepackObjects || i > 1 && p.weight() >= weight {
			return packs[:i]
		}
		weight, size, objects = weight+p.weight(), size+p.size, objects+p.objects
	}
	return packs
}

// filesLike lists the files in folder whose names match one of the patterns, with
// the folder. A folder that is not there has none.
func filesLike(folder string, patterns ...string) (names []string, err error) {
	files, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, f := range files {
		if slices.ContainsFunc(patterns, func(p string) bool { ok, _ := filepath.Match(p, f.Name()); return ok }) {
			names = append(names, filepath.Join(folder, f.Name()))
		}
	}
	return names, err
}
