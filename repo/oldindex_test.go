package repo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// oldIndexes gives every pack of a repository an index of version 1.
func oldIndexes(t *testing.T, dir string) {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(dir, "objects/pack/*.pack"))
	if err != nil || len(packs) == 0 {
		t.Fatalf("packs: %v, %v", packs, err)
	}
	for _, p := range packs {
		git(t, dir, "index-pack", "--index-version=1", p)
	}
}

// TestOldIndex: packs whose index is of Git's first version are verified, copied and repacked
// as any others.
func TestOldIndex(t *testing.T) {
	t.Parallel()
	dir := changing(t)
	oldIndexes(t, dir)
	all := gitObjects(t, dir)
	c, err := NewCopy(dir)
	if err != nil {
		t.Fatal(err)
	}
	to := copyTo(t, c)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if found, err := Verify(t.Context(), to); err != nil || found.Commits != 12 {
		t.Errorf("the copy: found %+v and error %v, want 12 commits", found, err)
	}
	if err := repackFolder(t.Context(), osDisk{}, filepath.Join(dir, "objects/pack")); err != nil {
		t.Fatal(err)
	}
	if packs, err := listPacks(filepath.Join(dir, "objects/pack")); err != nil || len(packs) >= 12 {
		t.Errorf("got %d packs and error %v after they were repacked", len(packs), err)
	}
	s := &store{dir: dir}
	defer s.Close()
	readWhole(t, s, all)
	fsck(t, dir)
}

// TestOldIndexDamaged: one that does not fit its pack has no object.
func TestOldIndexDamaged(t *testing.T) {
	t.Parallel()
	source := changing(t)
	git(t, source, "repack", "-adfq")
	oldIndexes(t, source)
	all := gitObjects(t, source)
	name := filepath.Join(source, "objects/pack", onlyPack(t, source))
	index, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int, to uint32) []byte {
		b := bytes.Clone(index)
		binary.BigEndian.PutUint32(b[at:], to)
		return b
	}
	const first = 256 * 4 // offset of an object
	for what, b := range map[string][]byte{
		"cut":               index[:len(index)-1],
		"an object more":    changed(first-4, uint32(len(all)+1)),
		"another offset":    changed(first, 13),
		"beyond the end":    changed(first, 1<<31),
		"no header":         changed(first, 0),
		"the same twice":    changed(first, binary.BigEndian.Uint32(index[first+24:])),
		"millions of them":  changed(first-4, 1<<31),
		"of another number": append(changed(first-4, uint32(len(all)-1))[:len(index)-64], index[len(index)-40:]...),
	} {
		if err := errors.Join(os.Remove(name), os.WriteFile(name, b, 0o666)); err != nil {
			t.Fatal(err)
		}
		s := &store{dir: source}
		failed := 0
		for h, want := range all {
			got, err := s.object(want.kind, h)
			if err == nil && !bytes.Equal(got, want.raw) {
				t.Errorf("%s: %s is another object", what, h)
			} else if errors.Is(err, ErrStorage) {
				failed++
			}
		}
		if failed != len(all) {
			t.Errorf("%s: %d of %d objects cannot be read", what, failed, len(all))
		}
		if _, err := readIndex(name); !errors.Is(err, errDamaged) {
			t.Errorf("%s: got error %v, want that it is damaged", what, err)
		}
		s.Close()
	}
}
