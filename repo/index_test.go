package repo

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cms/race"
)

// indexed makes a repository with a varied history, whose index was saved by two
// processes, one after the other.
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
	r, err := Open(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.saveIndex(true), r.Close()); err != nil { // a slow machine has saved it in two parts
		t.Fatal(err)
	}
	r, stop = run(t, options(dir))
	put(t, r, "consultations", "2026/tram", "2")
	update(t, r, func(tx *Tx) error {
		return tx.Move("consultations", slug(t, "2026/tram"), "consultations", slug(t, "tram"))
	})
	put(t, r, "news", "trois", "3")
	stop()
	if h, _, n, err := decodeIndexFile(&mapping{readIndexFile(t, dir)}); err != nil || n != 2 || h.journal == nil {
		t.Fatalf("index after two clean stops: %d sections, %v", n, err)
	}
	return dir
}

func readIndexFile(t *testing.T, dir string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, indexFile))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestIndex: a start with the index is as one without, also when the branch has
// gone on, or back, since it was saved.
func TestIndex(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(dir string){
		"current": func(string) {},
		"behind": func(dir string) {
			work := clone(t, dir)
			write(t, work, "_consultations/tram.md", "---\ntitle: Dehors\n---\n")
			commitAll(t, work, "Dehors")
			push(t, work)
		},
		"ahead":      func(dir string) { git(t, dir, "update-ref", "refs/heads/trunk", "trunk~2") },
		"elsewhere":  func(dir string) { git(t, dir, "update-ref", "refs/heads/trunk", orphan(t, dir)) },
		"no history": func(dir string) { os.Remove(filepath.Join(dir, indexFile)) },
	} {
		t.Run(name, func(t *testing.T) {
			if name != "behind" {
				race.TakesLong(t)
			}
			dir := indexed(t)
			change(dir)
			r := start(t, options(dir))
			if got, want := r.View().Commit().String(), tipOf(t, dir, "trunk"); got != want {
				t.Errorf("commit: got %s, want %s", got, want)
			}
			put(t, r, "pages", "index", "after")
		})
	}
}

// orphan makes a commit without parents.
func orphan(t *testing.T, dir string) string {
	t.Helper()
	return strings.TrimSpace(git(t, dir, "commit-tree", "-m", "Seul", "trunk~1^{tree}"))
}

// TestDamagedIndex: whatever byte of it is wrong or missing, nothing wrong is taken
// from it: all of it is refused, or what it says after its first section. Where
// CMS_CRASH_ROUNDS does not ask for each byte, every seventh is looked at.
func TestDamagedIndex(t *testing.T) {
	t.Parallel()
	long(t)
	dir := indexed(t)
	raw := readIndexFile(t, dir)
	_, rest, _ := decodeSection(raw[len(indexMagic):])
	second := len(raw) - len(rest) // where the second section begins
	check := func(what string, bad []byte, at int) {
		h, _, n, err := decodeIndexFile(&mapping{bad})
		switch {
		case at < second && err == nil:
			t.Errorf("an index with byte %d %s was taken", at, what)
		case at >= second && (err != nil || n != 1):
			t.Errorf("of an index with byte %d %s, %d sections were taken, want the first: %v", at, what, n, err)
		case at >= second && h.journal != nil && len(bad) != second:
			t.Errorf("an index with byte %d %s would be added to", at, what)
		}
	}
	for i := 0; i < len(raw); i += scaled(1, 7, 7) {
		check("missing", raw[:i], i)
		bad := bytes.Clone(raw)
		bad[i] ^= 0x10
		check("wrong", bad, i)
	}
	for _, size := range []int{0, second / 2, second, (second + len(raw)) / 2} {
		if err := os.WriteFile(filepath.Join(dir, indexFile), raw[:size], 0o666); err != nil {
			t.Fatal(err)
		}
		r, stop := run(t, options(dir))
		put(t, r, "pages", "index", fmt.Sprint(size))
		end(t, r, stop)
		if h, _, _, err := decodeIndexFile(&mapping{readIndexFile(t, dir)}); err != nil || h.journal == nil || h.tip != r.View().Commit() {
			t.Errorf("the index cut at %d of %d bytes was not mended: %v", size, len(raw), err)
		}
	}
}

// TestIndexSections: what is saved in many parts is made one again in time.
func TestIndexSections(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	dir := t.TempDir()
	most := 0
	for i := range maxSections + 3 {
		r, stop := run(t, options(dir))
		put(t, r, "consultations", "parc", fmt.Sprint(i))
		stop()
		_, _, n, err := decodeIndexFile(&mapping{readIndexFile(t, dir)})
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, n)
		if i == maxSections+2 && n > 3 {
			t.Errorf("%d sections in the end", n)
		}
	}
	if most != maxSections+1 {
		t.Errorf("%d sections at most, want %d", most, maxSections+1)
	}
	start(t, options(dir))
}

// FuzzIndex: values that do not fit together are an error, not a crash.
func FuzzIndex(f *testing.F) {
	part := newHistory().encode(true)
	w := indexWriter{}
	w.begin(part)
	d := document("Un")
	b, _ := encodeParsed(&parsed{d.Fields(), d.Problems()})
	w.add(record{&cachedBlob{}, b})
	body := []byte(w.body[8:])
	f.Add(body, body)
	f.Fuzz(func(t *testing.T, one, two []byte) {
		file := []byte(indexMagic)
		for _, body := range [][]byte{one, two} {
			file = append(file, encodeSection(append(make([]byte, 8), body...))...)
		}
		decodeIndexFile(&mapping{file})
	})
}

// TestMemoryBudget: beyond it files are read when they are asked for, and right.
func TestMemoryBudget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(dir)
	size := int64(len(document("00").Source()))
	o.Memory = 10 * size
	r, stop := run(t, o)
	check := func(r *Repo) {
		t.Helper()
		kept := 0
		for i, e := range r.View().Entries("consultations") {
			if e.blob.cachedBytes() != nil {
				kept++
			}
			src, err := e.Source()
			if want := document(fmt.Sprintf("%02d", i)).Source(); err != nil || !bytes.Equal(src, want) {
				t.Errorf("entry %s: %q, %v", e.Slug, src, err)
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
	stop()
	r.warm(t.Context())
	check(r)
	verify(t, r)
	if err := r.store.Close(); err != nil {
		t.Error(err)
	}
}

// TestIndexIsKept: what a start found whole is not written anew by it, though all of its
// sections be full, as those of a large one are.
func TestIndexIsKept(t *testing.T) {
	t.Parallel()
	large := make([]byte, largeSection)
	if n := partialSections([][]byte{large, {}, large[:largeSection-8], large[:largeSection-9]}); n != 2 {
		t.Errorf("%d sections are not large, want 2", n)
	}
	dir := indexed(t)
	r, err := Open(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.sections = 0
	stat := func() os.FileInfo {
		at, err := os.Stat(filepath.Join(dir, indexFile))
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	before := stat()
	r.maintainIndex(t.Context())
	if !os.SameFile(before, stat()) {
		t.Error("the index was written anew")
	}
}
