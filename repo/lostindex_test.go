package repo

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// packOf is the pack that has an object, with its folder and without extension.
func packOf(t *testing.T, r *Repo, h Hash) string {
	t.Helper()
	list, err := r.store.set().list()
	if err != nil {
		t.Fatal(err)
	}
	at, ok, err := list.find(h)
	if !ok || err != nil {
		t.Fatalf("no pack has %s: %v", h, err)
	}
	return at.pack.name
}

// lookForIndexes does what the writer and the maintenance of packs do now and then.
func lookForIndexes(r *Repo) { r.repacker.restoreIndexes(r.lostIndexes.look()) }

// TestIndexComesBack: git gc takes an index for left over whose pack came while it
// listed the folder. What is in that pack can be read all the while, and the index comes
// back.
func TestIndexComesBack(t *testing.T) {
	o := options(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		r, stop := run(t, o)
		defer stop()
		for _, name := range []string{"a", "b", "c"} {
			put(t, r, "consultations", name, name)
		}
		e, _ := r.View().Entry("consultations", slug(t, "b"))
		pack := packOf(t, r, e.Revision)
		was, err := os.ReadFile(pack + ".idx")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(pack + ".idx"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := r.store.set().refresh(); err != nil {
				t.Fatal(err)
			}
			if b, err := r.Blob(t.Context(), e.Revision); err != nil || len(b) == 0 {
				t.Fatalf("without the index of its pack: %d bytes, %v", len(b), err)
			}
		}
		back := func(which string) {
			time.Sleep(3 * pollInterval)
			synctest.Wait()
			if got, err := os.ReadFile(pack + ".idx"); err != nil || !bytes.Equal(got, was) {
				t.Errorf("the index that readers %s is not back as it was: %v", which, err)
			}
		}
		back("have")
		r.store.set().close()
		if err := os.Remove(pack + ".idx"); err != nil {
			t.Fatal(err)
		}
		back("do not have")
	})
	fsck(t, o.Path)
	if l := leftBehind(o.Path); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

// TestIndexIsMissedTwice: who removes a pack removes its index before, so one that is
// missing for a moment is left alone.
func TestIndexIsMissedTwice(t *testing.T) {
	t.Parallel()
	r, err := Open(t.Context(), options(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := newScript(r)
	s.commit(t, "un", "a")
	s.commit(t, "deux", "b")
	e, _ := r.View().Entry("consultations", slug(t, "a"))
	pack := packOf(t, r, e.Revision)
	for _, step := range []struct {
		name        string
		index, pack bool // are there
		back        bool
	}{
		{"missing once", false, true, false},
		{"back by itself", true, true, true},
		{"missing once more", false, true, false},
		{"missing with its pack", false, false, false},
		{"missing again", false, true, false},
		{"missing twice in a row", false, true, true},
	} {
		for ext, there := range map[string]bool{".idx": step.index, ".pack": step.pack} {
			from, to := pack+ext, filepath.Join(r.path, "away"+ext)
			if there {
				from, to = to, from
			}
			if err := os.Rename(from, to); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		lookForIndexes(r)
		if got := exists(pack + ".idx"); got != step.back {
			t.Errorf("%s: the index is there: %v, want %v", step.name, got, step.back)
		}
	}
	s.check(t, r)
	verify(t, r)
}

// TestEveryCrashOfRestoredIndex: while an index is being put back, the pack stays whole
// for the next start.
func TestEveryCrashOfRestoredIndex(t *testing.T) {
	t.Parallel()
	scenario := func(t *testing.T, s *script) {
		s.commit(t, "un", "a", "b")
		pack := packOf(t, s.repo, s.repo.View().tree)             // without which no start is possible
		if err := s.repo.disk.Remove(pack + ".idx"); err == nil { // as the disk allows
			lookForIndexes(s.repo)
			lookForIndexes(s.repo)
		}
		s.commit(t, "deux", "c")
	}
	eachFault(t, crash, scenario, eachImage(checkStart)) // Git reads nothing while the index is not there
}

// TestIndexLostWhileKept: git gc removes the index of a pack while that is kept, before or
// after the branch leads to it, and the process goes on or ends there.
func TestIndexLostWhileKept(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"pack", "heads"} { // whose sync comes before the branch moves, or after
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			o := options(t.TempDir())
			var lost []string
			armed := false
			o.BeforeSync = func(synced string) error {
				if !armed || filepath.Base(synced) != folder {
					return nil
				}
				armed = false
				kept, _ := filepath.Glob(filepath.Join(o.Path, "objects/pack/*.keep"))
				for _, name := range kept {
					name = strings.TrimSuffix(name, ".keep")
					lost = append(lost, name)
					if err := os.Remove(name + ".idx"); err != nil {
						t.Error(err)
					}
				}
				return nil
			}
			r, stop := run(t, o)
			put(t, r, "consultations", "a", "a")
			armed = true
			put(t, r, "consultations", "b", "b")
			if len(lost) != 1 || !exists(lost[0]+".pack") {
				t.Fatalf("the packs without an index are %v, and were to be there", lost)
			}
			stop()
			r, stop = run(t, o)
			defer stop()
			if _, ok := r.View().Entry("consultations", slug(t, "b")); !ok {
				t.Error("an acknowledged edit is gone")
			}
			verify(t, r)
		})
	}
}
