package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cms/race"
)

// manyPacks is a repository without a writer, the packs of n commits, and the
// entry that each of them made.
func manyPacks(t *testing.T, n int) (*Repo, []*Entry) {
	t.Helper()
	o := options(t.TempDir())
	r, stop := run(t, o)
	for i := range n {
		put(t, r, "consultations", fmt.Sprint("c", i), fmt.Sprint("Titre ", i))
	}
	stop()
	o.ReadOnly = true
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, r.View().Entries("consultations")
}

// readAll reads every entry's blob, by s, and the commits with their trees.
func readAll(t *testing.T, r *Repo, s *store, entries []*Entry) {
	t.Helper()
	for _, e := range entries {
		b, err := s.blob(e.Revision)
		if err != nil {
			t.Errorf("blob of %s: got error %v", e.Slug, err)
		} else if want := "Titre " + strings.TrimPrefix(e.Slug.String(), "c"); !strings.Contains(string(b), want) {
			t.Errorf("blob of %s: got %q, want %q in it", e.Slug, b, want)
		}
	}
	h := newHistory()
	if _, _, err := h.extend(t.Context(), s, r.View().Commit()); err != nil || h.size() != len(entries) {
		t.Errorf("history: got %d commits and error %v, want %d", h.size(), err, len(entries))
	}
}

// TestReadAfterRepack: a store that knows the packs goes on when they were repacked.
func TestReadAfterRepack(t *testing.T) {
	t.Parallel()
	r, entries := manyPacks(t, 20)
	s := &store{dir: r.path}
	defer s.Close()
	if _, err := s.blob(entries[0].Revision); err != nil {
		t.Fatal(err)
	}
	if err := repackFolder(t.Context(), osDisk{}, r.packFolder()); err != nil {
		t.Fatal(err)
	}
	readAll(t, r, s, entries)
}

// keeper is a disk that removes nothing and remembers what it was to remove, an
// index that is put aside for that included.
type keeper struct {
	osDisk
	kept []string
}

func (k *keeper) Remove(name string) error {
	if ext := filepath.Ext(name); ext == ".pack" || ext == ".idx" {
		k.kept = append(k.kept, name)
	}
	return nil
}

func (k *keeper) Rename(oldname, newname string) error {
	if filepath.Ext(newname) == removedSuffix {
		return k.Remove(oldname)
	}
	return k.osDisk.Rename(oldname, newname)
}

// list lists a folder. Of the packs, the next one goes afterwards.
func (k *keeper) list(folder string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(folder)
	if filepath.Base(folder) == "pack" && len(k.kept) >= 2 {
		for _, name := range k.kept[:2] {
			err = errors.Join(err, os.Remove(name))
		}
		k.kept = k.kept[2:]
	}
	return entries, err
}

// listWhole is list, but what goes was examined before.
func (k *keeper) listWhole(folder string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(folder)
	for i, e := range entries {
		info, infoErr := e.Info()
		if err = errors.Join(err, infoErr); err == nil {
			entries[i] = fs.FileInfoToDirEntry(info)
		}
	}
	if err == nil {
		_, err = k.list(folder)
	}
	return entries, err
}

// TestReadWhilePacksGo: each time that a reader lists the packs, one of them is
// gone before it is examined, or before it is opened.
func TestReadWhilePacksGo(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	const n = 40
	for name, c := range map[string]struct {
		list func(*keeper, string) ([]fs.DirEntry, error)
		left int // files of packs that no listing made go
	}{
		"before it is examined": {(*keeper).list, 2*n - 2},
		"before it is opened":   {(*keeper).listWhole, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, entries := manyPacks(t, n)
			k := &keeper{}
			if err := repackFolder(t.Context(), k, r.packFolder()); err != nil {
				t.Fatal(err)
			}
			if len(k.kept) != 2*n {
				t.Fatalf("joined %d files of packs, want %d", len(k.kept), 2*n)
			}
			s := &store{dir: r.path, list: func(folder string) ([]fs.DirEntry, error) { return c.list(k, folder) }}
			defer s.Close()
			readAll(t, r, s, entries)
			if len(k.kept) != c.left {
				t.Errorf("%d files of packs are left, want %d", len(k.kept), c.left)
			}
		})
	}
}

// TestReadBesideRepacks reads blobs and histories while packs are made and repacked.
func TestReadBesideRepacks(t *testing.T) {
	t.Parallel()
	atLength(t)
	r := start(t, options(t.TempDir()))
	first := put(t, r, "consultations", "parc", "0")
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, e := range r.View().Entries("consultations") {
					if _, err := r.Blob(t.Context(), e.Revision); err != nil {
						t.Errorf("blob: got error %v", err)
					}
					if _, err := r.History(t.Context(), e.Path); err != nil {
						t.Errorf("history: got error %v", err)
					}
				}
				own := &store{dir: r.path}
				if _, _, err := newHistory().extend(t.Context(), own, first.Commit); err != nil {
					t.Errorf("commit and tree: got error %v", err)
				}
				own.Close()
			}
		})
	}
	for i := range scaled(6, 2, 2) * packLimit { // which the writer repacks
		put(t, r, "consultations", fmt.Sprint("c", i%10), fmt.Sprint(i))
	}
	close(stop)
	readers.Wait()
}

// TestMissingObject: what is not there is ErrNotFound, not a failure of the disk.
func TestMissingObject(t *testing.T) {
	t.Parallel()
	r, entries := manyPacks(t, 2)
	for name, h := range map[string]Hash{"no object": {1}, "of another kind": r.View().Commit()} {
		if _, err := r.Blob(t.Context(), h); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: got error %v, want ErrNotFound", name, err)
		}
	}
	readAll(t, r, r.store, entries)
}
