package repo

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestRepairPacks: what is left of packs by who was killed while they came or went
// is made whole at the start, and nothing that may be the only copy goes.
func TestRepairPacks(t *testing.T) {
	t.Parallel()
	rename := func(t *testing.T, from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	cut := func(t *testing.T, name string) {
		t.Helper()
		if err := errors.Join(os.Chmod(name, 0o644), os.Truncate(name, 100)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		leave func(t *testing.T, pack string)
		files []string // of the pack, after it
		lost  bool     // its objects were before
	}{
		"a pack without index":                   {func(t *testing.T, p string) { os.Remove(p + ".idx") }, []string{".idx", ".pack"}, false},
		"a pack whose removal began":             {func(t *testing.T, p string) { rename(t, p+".idx", p+".gone") }, []string{".idx", ".pack"}, false},
		"a pack whose removal was nearly done":   {func(t *testing.T, p string) { rename(t, p+".idx", p+".gone"); os.Remove(p + ".pack") }, nil, true},
		"an index without pack":                  {func(t *testing.T, p string) { os.Remove(p + ".pack") }, nil, true},
		"a pack that is not whole":               {func(t *testing.T, p string) { os.Remove(p + ".idx"); cut(t, p+".pack") }, []string{".pack"}, true},
		"a pack that somebody is about to place": {func(t *testing.T, p string) { rename(t, p+".idx", p+".keep") }, []string{".keep", ".pack"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := manyPacks(t, 3)
			was := objects(t, r.path)
			packs, err := listPacks(r.packFolder())
			if err != nil {
				t.Fatal(err)
			}
			c.leave(t, packs[1].name)
			for range 2 { // the second time there is nothing to do
				if err := repairPacks(osDisk{}, r.packFolder(), r.packFolder(), slog.New(slog.DiscardHandler)); err != nil {
					t.Fatal(err)
				}
			}
			files, err := filesLike(r.packFolder(), filepath.Base(packs[1].name)+".*")
			for i := range files {
				files[i] = filepath.Ext(files[i])
			}
			if drafts, _ := filesLike(r.drafts, "*"); err != nil || len(drafts) > 0 || !slices.Equal(files, c.files) {
				t.Errorf("left %v, want %v, error %v", files, c.files, err)
			}
			if c.lost {
				return
			}
			if got := objects(t, r.path); got != was {
				t.Errorf("objects after:\n%s\nbefore:\n%s", got, was)
			}
			fsck(t, r.path)
		})
	}
}

// TestOrphanGoes: a pack without index whose objects are all in a new one goes,
// beside the service once it was kept, and with cms gc at once.
func TestOrphanGoes(t *testing.T) {
	for _, how := range []string{"beside the service", "with git", "without git"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			r, stop := run(t, options(dir))
			for _, s := range []string{"a", "b", "c", "d"} {
				put(t, r, "consultations", s, s)
			}
			stop()
			packs, err := listPacks(r.packFolder())
			if err != nil {
				t.Fatal(err)
			}
			orphan := packs[0].name + ".pack"
			raw, err := os.ReadFile(orphan)
			if err == nil {
				err = repackFolder(t.Context(), osDisk{}, r.packFolder())
			}
			if err = errors.Join(err, os.WriteFile(orphan, raw, 0o444)); err != nil {
				t.Fatal(err)
			}
			if r, err = Open(t.Context(), options(dir)); err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if how == "beside the service" {
				err = errors.Join(r.repacker.maintain(t.Context(), later(), false), r.repacker.removeExpired(t.Context(), later()))
			} else {
				if how == "without git" {
					t.Setenv("PATH", "/nowhere")
				}
				_, _, err = r.Compact(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(orphan); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the pack is there: %v", err)
			}
			noRemains(t, r.packFolder())
		})
	}
}

// TestRepairMultiIndex: a multi-pack-index that names one which is gone
// fails git fsck, and goes at the start; one that is right stays.
func TestRepairMultiIndex(t *testing.T) {
	t.Parallel()
	r, _ := manyPacks(t, 3)
	old := packNames(t, r.packFolder())
	git(t, r.path, "multi-pack-index", "write")
	index := filepath.Join(r.packFolder(), "multi-pack-index")
	raw, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	mend := func() (there bool) {
		t.Helper()
		if err := repairPacks(osDisk{}, r.packFolder(), r.packFolder(), slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(index)
		return err == nil
	}
	if !mend() {
		t.Error("one that is right is gone")
	}
	os.Remove(index)
	if err := repackFolder(t.Context(), osDisk{}, r.packFolder()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(index, raw, 0o444); err != nil {
		t.Fatal(err)
	}
	if mend() {
		t.Errorf("one is there that names %d packs which are gone", len(old))
	}
	fsck(t, r.path)
}
