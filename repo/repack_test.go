package repo

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cms/content"
	"cms/race"
)

// objects lists all objects of the repository with their kinds and sizes.
func objects(t *testing.T, dir string) string {
	t.Helper()
	return git(t, dir, "cat-file", "--batch-all-objects", "--batch-check")
}

// TestRepack: all objects stay what they were, those of Git's own packs
// included, nothing refers to or not; trees that were whole become deltas.
func TestRepack(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	dir := site(t)
	r, stop := run(t, options(dir))
	for i := range 200 {
		update(t, r, func(tx *Tx) error { // long enough a folder for deltas to pay
			_, err := tx.Put("consultations", slug(t, fmt.Sprint("projet-", i%40)), document(fmt.Sprint(i)))
			return err
		})
		if i == 120 {
			work := clone(t, dir)
			write(t, work, "dehors.md", "x\n")
			commitAll(t, work, "Dehors")
			git(t, work, "-c", "transfer.unpackLimit=1", "push", "-q")
		}
	}
	stop()                                                    // it would repack packs too
	git(t, dir, "hash-object", "-w", "--stdin", "-t", "tree") // nothing refers to this one
	git(t, dir, "repack", "-q")
	before := objects(t, dir)
	var sizes [2]int64
	for i := range sizes {
		packs, err := listPacks(r.packFolder())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packs {
			sizes[i] += p.size
		}
		if i == 1 && len(packs) > 5 {
			t.Errorf("%d packs are left", len(packs))
		}
		for i == 0 && len(packs) > 5 {
			if err := repackFolder(t.Context(), osDisk{}, r.packFolder()); err != nil {
				t.Fatal(err)
			}
			if packs, err = listPacks(r.packFolder()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := objects(t, dir); got != before {
		t.Errorf("objects after repacking:\n%s\nbefore:\n%s", got, before)
	}
	if sizes[1]*3 > sizes[0]*2 {
		t.Errorf("packs of %d bytes became one of %d", sizes[0], sizes[1])
	}
	fsck(t, dir)
	packs, _ := filepath.Glob(filepath.Join(dir, "objects/pack/*.idx"))
	for _, p := range packs {
		for line := range strings.Lines(git(t, dir, "verify-pack", "-v", p)) {
			depth := 0
			if f := strings.Fields(line); len(f) == 7 {
				depth, _ = strconv.Atoi(f[5])
			}
			if depth > 2*maxDepth {
				t.Errorf("chain of %d deltas: %s", depth, line)
			}
		}
	}
	put(t, start(t, options(dir)), "consultations", "parc", "après")
}

// TestDamagedPackStays: a pack that is not what its index says is not repacked,
// and none of the others goes.
func TestDamagedPackStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, stop := run(t, options(dir))
	for i := range 4 {
		put(t, r, "consultations", "parc", fmt.Sprint(i))
	}
	stop()
	packs, err := listPacks(r.packFolder())
	if err != nil {
		t.Fatal(err)
	}
	name := packs[1].name + ".pack"
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	os.Remove(name)
	if err := os.WriteFile(name, raw, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := repackFolder(t.Context(), osDisk{}, r.packFolder()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got error %v, want one that says the pack is damaged", err)
	}
	if after, _ := listPacks(r.packFolder()); len(after) != len(packs) {
		t.Errorf("%d packs of %d are left", len(after), len(packs))
	}
}

// TestPacksAreBounded: the writer repacks packs by itself, while it is used.
func TestPacksAreBounded(t *testing.T) {
	t.Parallel()
	atLength(t)
	o := options(t.TempDir())
	o.KeepPacks = 1
	r := start(t, o)
	most := 0
	for i := range 4 * packLimit {
		put(t, r, "consultations", fmt.Sprint("c", i%7), fmt.Sprint(i))
		for {
			packs, err := listPacks(r.packFolder())
			if err != nil {
				t.Fatal(err)
			}
			if most = max(most, len(packs)); len(packs) < packLimit+10 {
				break
			}
			runtime.Gosched() // until the packs are repacked
		}
	}
	t.Logf("%d packs at most", most)
}

// A slowDisk holds repacking until it is let go.
type slowDisk struct {
	unsyncedDisk
	hold chan struct{} // closed to let it go
}

func (d slowDisk) Create(name string, mode os.FileMode) (diskFile, error) {
	if strings.HasPrefix(filepath.Base(name), repackDraft) {
		<-d.hold
	}
	return d.unsyncedDisk.Create(name, mode)
}

// TestUpdatesWaitForRepack: where packs come faster than they are repacked, it does not rest,
// and at the bound updates wait for it, then go on. The old packs do not count, and
// go when their time is over.
func TestUpdatesWaitForRepack(t *testing.T) {
	atLength(t)
	o := options(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		d := slowDisk{hold: make(chan struct{})}
		o.disk = d
		r, stop := run(t, o)
		defer stop()
		rested := r.repackPause(time.Second)
		for i := range maxPacks {
			put(t, r, "consultations", fmt.Sprint("c", i%7), fmt.Sprint(i))
		}
		if urgent := r.repackPause(time.Second); rested != repackRest*time.Second || urgent != 0 {
			t.Errorf("repacking rests for %v, and for %v at the bound", rested, urgent)
		}
		var committed atomic.Bool
		go func() {
			put(t, r, "consultations", "parc", "après")
			committed.Store(true)
		}()
		synctest.Wait()
		if committed.Load() {
			t.Error("an update went past the bound")
		}
		close(d.hold)
		synctest.Wait()
		if !committed.Load() {
			t.Error("an update waits though packs are repacked")
		}
		if s := r.Stats(); s.Packs > packLimit || s.Kept < maxPacks {
			t.Errorf("%d packs are to be repacked, and %d are kept, want %d at least", s.Packs, s.Kept, maxPacks)
		}
		time.Sleep(r.repacker.grace - 2*pollInterval)
		if packs, err := listPacks(r.packFolder()); err != nil || len(packs) < maxPacks {
			t.Errorf("before their time %d packs are left, error %v", len(packs), err)
		}
		time.Sleep(4 * pollInterval)
		synctest.Wait()
		if packs, err := listPacks(r.packFolder()); err != nil || len(packs) > packLimit {
			t.Errorf("%d packs are left, error %v", len(packs), err)
		}
	})
	fsck(t, o.Path)
}

// TestNoRepackBesideGitsIndex: packs that an index of Git's names stay, and are no
// reason to wait.
func TestNoRepackBesideGitsIndex(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, stop := run(t, options(dir))
	for i := range 4 {
		put(t, r, "consultations", "parc", fmt.Sprint(i))
	}
	stop()
	git(t, dir, "multi-pack-index", "write")
	if err := repackFolder(t.Context(), osDisk{}, r.packFolder()); err != nil {
		t.Fatal(err)
	}
	r.countPacks(nil)
	packs, err := listPacks(r.packFolder())
	if err != nil || len(packs) != 4 || r.packs.Load() != 0 {
		t.Errorf("%d packs, of which %d are to be repacked, error %v", len(packs), r.packs.Load(), err)
	}
	fsck(t, dir)
}

// TestChoose: the lightest packs are repacked, as long as that is worth its work and
// within its bounds.
func TestChoose(t *testing.T) {
	t.Parallel()
	pack := func(size, objects int64) packFile { return packFile{size: size, objects: objects, repackable: true} }
	many := func(n int, p packFile) (l []packFile) {
		for range n {
			l = append(l, p)
		}
		return l
	}
	small := pack(450<<10, 30)
	for name, c := range map[string]struct {
		packs []packFile // lightest first
		want  int
	}{
		"none":                 {nil, 0},
		"alike":                {many(40, small), 40},
		"one is heavier":       {append(many(40, small), pack(50<<20, 5000)), 40},
		"one is lighter":       {append(many(40, small), pack(1<<20, 1000)), 41},
		"too many objects":     {many(4, pack(50<<20, maxRepackObjects/3)), 3},
		"too many bytes":       {many(4, pack(maxRepackBytes/3, 100)), 3},
		"one of many objects":  {append(many(2, small), pack(50<<20, maxRepackObjects)), 2},
		"a large one, not one": {[]packFile{pack(2*maxRepackBytes, 5)}, 0},
	} {
		if got := chooseForRepack(c.packs); len(got) != c.want {
			t.Errorf("%s: %d packs are repacked, want %d", name, len(got), c.want)
		}
	}
	kept := packFile{size: 10, objects: 3}
	if got := chooseForRepack([]packFile{kept, small, small}); len(got) != 2 {
		t.Errorf("beside a pack that Git keeps: %d packs are repacked, want 2", len(got))
	}
}

// TestDeltaMakes: a delta is taken for one of an object if it makes that and nothing else.
func TestDeltaMakes(t *testing.T) {
	t.Parallel()
	from := bytes.Repeat([]byte("100644 parc\x00aaaaaaaaaaaaaaaaaaaa"), 5000) // several parts
	to := bytes.Clone(from)
	copy(to[comparePart+100:], "another")
	good := func() *delta {
		d := &delta{from: len(from), to: len(to)}
		d.copy(0, comparePart+100)
		d.insert([]byte("another"))
		d.copy(comparePart+107, len(from)-comparePart-107)
		return d
	}
	var m packMerger
	if !m.deltaMakes(from, good().bytes(), to) {
		t.Fatal("the delta of the object is refused")
	}
	shorter, longer := good(), good()
	shorter.ops = shorter.ops[:len(shorter.ops)-3]
	longer.insert([]byte("x"))
	less, more := good(), good()
	less.to, more.to = less.to-1, more.to+1
	for name, c := range map[string]struct{ d, to []byte }{
		"another object":        {good().bytes(), from},
		"the end is another":    {good().bytes(), append(bytes.Clone(to[:len(to)-1]), '?')},
		"it ends early":         {good().bytes(), to[:len(to)-1]},
		"it is longer":          {good().bytes(), append(bytes.Clone(to), 'x')},
		"the delta is cut":      {shorter.bytes(), to},
		"the delta goes on":     {longer.bytes(), to},
		"it says a smaller one": {less.bytes(), to[:len(to)-1]},
		"it says a larger one":  {more.bytes(), append(bytes.Clone(to), 'x')},
		"of another base":       {(&delta{from: 1, to: len(to), ops: good().ops}).bytes(), to},
		"nothing":               {nil, to},
	} {
		if m.deltaMakes(from, c.d, c.to) {
			t.Errorf("%s: taken for the object", name)
		}
	}
}

// TestRepackMakesNoTrees: what repacking allocates grows with the packs, and not with the
// tree of a large folder that each of them has.
func TestRepackMakesNoTrees(t *testing.T) {
	atLength(t)
	const entries, edits = 10_000, 40
	dir := t.TempDir()
	r, stop := run(t, options(dir))
	name := func(i int) content.Slug { return slug(t, fmt.Sprintf("projet-%05d", i)) }
	update(t, r, func(tx *Tx) error {
		for i := range entries {
			if _, err := tx.Put("consultations", name(i), document("Le parc")); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range edits {
		update(t, r, func(tx *Tx) error {
			_, err := tx.Put("consultations", name(i*7919%entries), document(fmt.Sprint(i)))
			return err
		})
	}
	stop()
	packs, err := r.repacker.candidates()
	if err != nil || len(packs) < edits {
		t.Fatalf("%d packs are to be repacked, %v", len(packs), err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := repackFolder(t.Context(), osDisk{}, r.packFolder()); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	tree := uint64(entries * len("100644 projet-00000.md\x00aaaaaaaaaaaaaaaaaaaa"))
	if got, most := after.TotalAlloc-before.TotalAlloc, edits*tree; got > most {
		t.Errorf("%d KB were allocated for %d trees of %d KB, want at most %d", got>>10, edits, tree>>10, most>>10)
	}
	fsck(t, dir)
}

// repackFolder repacks packs once and keeps none.
func repackFolder(ctx context.Context, d disk, folder string) error {
	drafts := filepath.Join(folder, "..", "..", draftFolder)
	return (&repacker{disk: d, folder: folder, drafts: drafts, log: slog.New(slog.DiscardHandler)}).repackNow(ctx)
}
