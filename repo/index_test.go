package repo

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// indexed makes a repository with a varied history and a saved index.
func indexed(t *testing.T) (dir string) {
	t.Helper()
	dir = site(t)
	r, stop := run(t, options(dir))
	put(t, r, "consultations", "bus", "1")
	update(t, r, func(tx *Tx) error {
		return tx.Move("consultations", slug(t, "bus"), "consultations", slug(t, "2026/tram"))
	})
	update(t, r, func(tx *Tx) error { return tx.Delete("consultations", slug(t, "parc")) })
	put(t, r, "news", "deux", "2")
	stop()
	if _, err := os.Stat(filepath.Join(dir, indexFile)); err != nil {
		t.Fatalf("index after a clean stop: %v", err)
	}
	return dir
}

// TestIndex: a start with the index is as one without, also when the branch has
// gone on, or back, since it was saved.
func TestIndex(t *testing.T) {
	for name, change := range map[string]func(dir string){
		"current": func(string) {},
		"behind": func(dir string) {
			work := clone(t, dir)
			write(t, work, "_consultations/2026/tram.md", "---\ntitle: Dehors\n---\n")
			git(t, work, "commit", "-qam", "Dehors")
			git(t, work, "push", "-q")
		},
		"ahead":      func(dir string) { git(t, dir, "update-ref", "refs/heads/trunk", "trunk~2") },
		"elsewhere":  func(dir string) { git(t, dir, "update-ref", "refs/heads/trunk", orphan(t, dir)) },
		"no history": func(dir string) { os.Remove(filepath.Join(dir, indexFile)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := indexed(t)
			change(dir)
			r := start(t, options(dir))
			if got, want := r.View().Commit().String(), strings.TrimSpace(git(t, dir, "rev-parse", "trunk")); got != want {
				t.Errorf("commit: got %s, want %s", got, want)
			}
			verify(t, r)
			put(t, r, "pages", "index", "after")
		})
	}
}

// orphan makes a commit without parents.
func orphan(t *testing.T, dir string) string {
	t.Helper()
	return strings.TrimSpace(git(t, dir, "commit-tree", "-m", "Seul", "trunk~1^{tree}"))
}

// TestDamagedIndex: whatever byte of it is wrong or missing, the start is right.
func TestDamagedIndex(t *testing.T) {
	dir := indexed(t)
	raw, err := os.ReadFile(filepath.Join(dir, indexFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := decodeIndex(raw); err != nil {
		t.Fatalf("the index itself: %v", err)
	}
	for i := range raw {
		if _, _, err := decodeIndex(raw[:i]); err == nil {
			t.Errorf("an index cut at %d of %d bytes was taken", i, len(raw))
		}
		bad := bytes.Clone(raw)
		bad[i] ^= 0x10
		if _, _, err := decodeIndex(bad); err == nil {
			t.Errorf("an index with a wrong byte at %d was taken", i)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, indexFile), raw[:len(raw)/2], 0o666); err != nil {
		t.Fatal(err)
	}
	start(t, options(dir))
}

// FuzzIndex: values that do not fit together are an error, not a crash.
func FuzzIndex(f *testing.F) {
	h := newHistory()
	f.Add(h.encode(func(func(string, sized) bool) {})[len(indexMagic):])
	f.Fuzz(func(t *testing.T, body []byte) {
		e := encoder(indexMagic + string(body))
		decodeIndex(sealed(e))
	})
}

// TestMemoryBudget: beyond it files are read when they are asked for, and right.
func TestMemoryBudget(t *testing.T) {
	dir := t.TempDir()
	o := options(dir)
	size := int64(len(document("00").Source()))
	o.Memory = 10 * size
	r := start(t, o)
	check := func(r *Repo) {
		t.Helper()
		kept := 0
		for i, e := range r.View().Entries("consultations") {
			if e.text.held() != nil {
				kept++
			}
			src, err := e.Source()
			if want := document(fmt.Sprintf("%02d", i)).Source(); err != nil || !bytes.Equal(src, want) || e.Size != size {
				t.Errorf("entry %s: %q, %v, size %d", e.Slug, src, err, e.Size)
			}
		}
		if used := r.budget.used.Load(); kept > 10 || used > o.Memory {
			t.Errorf("%d entries of %d bytes are kept, %d bytes in all; want 10 at most", kept, size, used)
		}
	}
	for i := range 40 {
		put(t, r, "consultations", fmt.Sprintf("c%02d", i), fmt.Sprintf("%02d", i))
	}
	check(r)
	r.warm(t.Context())
	check(r)
}
