package repo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// closed lets a slowDisk go on.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// repackerOf maintains the packs of a repository, and keeps them for two minutes.
func repackerOf(t *testing.T, r *Repo, d disk) *repacker {
	t.Helper()
	return &repacker{disk: d, folder: r.packFolder(), drafts: draftFolders(r.path)[0], grace: 2 * time.Minute, log: slog.New(slog.DiscardHandler)}
}

// later is a time at which all that is kept now may go.
func later() time.Time { return time.Now().Add(2 * time.Minute) }

// packNames are the names of the packs that Git sees in a folder.
func packNames(t *testing.T, folder string) map[string]bool {
	t.Helper()
	packs, err := listPacks(folder)
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, p := range packs {
		names[p.name] = true
	}
	return names
}

// noRemains says what is in the folder of packs besides whole packs.
func noRemains(t *testing.T, folder string) {
	t.Helper()
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	packs := packNames(t, folder)
	for _, f := range files {
		name, ext, _ := strings.Cut(f.Name(), ".")
		if !packs[filepath.Join(folder, name)] || ext != "pack" && ext != "idx" {
			t.Errorf("left behind: %s", f.Name())
		}
	}
}

// TestKeepPacks: obsolete packs stay for their time, are neither counted nor repacked
// again, and go then. A new process finds them, and their time begins anew.
func TestKeepPacks(t *testing.T) {
	t.Parallel()
	r, entries := manyPacks(t, 6)
	was := objects(t, r.path)
	old := packNames(t, r.packFolder())
	j := repackerOf(t, r, osDisk{})
	began := time.Now()
	if err := j.repack(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := j.candidates()
	if err != nil || len(left) != 1 || j.obsoleteCount.Load() != 6 {
		t.Errorf("%d packs are to be repacked and %d are kept, error %v", len(left), j.obsoleteCount.Load(), err)
	}
	stays := func(j *repacker, at time.Time) {
		t.Helper()
		if err := j.maintain(t.Context(), at, true); err != nil {
			t.Fatal(err)
		}
		now := packNames(t, r.packFolder())
		for name := range old {
			if !now[name] {
				t.Errorf("%s is gone before its time", filepath.Base(name))
			}
		}
	}
	stays(j, began.Add(2*time.Minute-time.Nanosecond))
	again := repackerOf(t, r, osDisk{})
	stays(again, later())
	if len(again.obsolete) != 6 {
		t.Errorf("a new process found %d packs whose objects are elsewhere, want 6", len(again.obsolete))
	}
	if err := again.removeExpired(t.Context(), later()); err != nil {
		t.Fatal(err)
	}
	if now := packNames(t, r.packFolder()); len(now) != 1 || again.obsoleteCount.Load() != 0 {
		t.Errorf("%d packs are left, %d kept", len(now), again.obsoleteCount.Load())
	}
	if err := j.removeExpired(t.Context(), later()); err != nil || j.obsoleteCount.Load() != 0 { // they are gone already
		t.Errorf("%d are kept, error %v", j.obsoleteCount.Load(), err)
	}
	if got := objects(t, r.path); got != was {
		t.Errorf("objects after:\n%s\nbefore:\n%s", got, was)
	}
	s := &store{dir: r.path}
	defer s.Close()
	readAll(t, r, s, entries)
	noRemains(t, r.packFolder())
	fsck(t, r.path)
}

// TestObsoletePacksAreNotRead: readers of ours need not know them, so that they cost
// nothing, as long as the pack is there that has their objects.
func TestObsoletePacksAreNotRead(t *testing.T) {
	t.Parallel()
	r, entries := manyPacks(t, 6)
	s := &store{dir: r.path}
	defer s.Close()
	j := repackerOf(t, r, osDisk{})
	j.packs = s.set()
	known := func(want int) {
		t.Helper()
		if err := s.set().refresh(); err != nil {
			t.Fatal(err)
		}
		list, err := s.set().list()
		if err != nil || len(list.packs) != want {
			t.Errorf("%d packs are known, error %v; want %d", len(list.packs), err, want)
		}
		readAll(t, r, s, entries)
	}
	known(6)
	if err := j.repack(t.Context()); err != nil {
		t.Fatal(err)
	}
	known(1)
	into := j.obsolete[0].into
	for ext, want := range map[string]int{".idx": 6 + 1, ".pack": 6} { // one that lacks its index is not forgotten
		if err := os.Rename(into+ext, into+ext+".away"); err != nil {
			t.Fatal(err)
		}
		known(want)
		if err := os.Rename(into+ext+".away", into+ext); err != nil {
			t.Fatal(err)
		}
		known(1)
	}
	if err := j.removeExpired(t.Context(), later()); err != nil {
		t.Fatal(err)
	}
	known(1)
	if m := s.set().obsolete.Load(); len(*m) != 0 {
		t.Errorf("%d packs that are gone are remembered", len(*m))
	}
}

// TestGitReadsThroughRepack: a process of Git that looked at the packs before they
// were repacked reads while they are kept, and once they are gone.
func TestGitReadsThroughRepack(t *testing.T) {
	t.Parallel()
	r, entries := manyPacks(t, 6)
	cat := exec.Command("git", "--git-dir", r.path, "cat-file", "--batch")
	in, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cat.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cat.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	read := func(e *Entry) {
		t.Helper()
		fmt.Fprintln(in, e.Revision)
		head, err := lines.ReadString('\n')
		var size int64
		if _, scanErr := fmt.Sscanf(head, e.Revision.String()+" blob %d\n", &size); err != nil || scanErr != nil {
			t.Fatalf("git cat-file says %q of %s, error %v", head, e.Slug, errors.Join(err, scanErr))
		}
		if _, err := io.CopyN(io.Discard, lines, size+1); err != nil {
			t.Fatal(err)
		}
	}
	j := repackerOf(t, r, osDisk{})
	read(entries[0])
	if err := j.repack(t.Context()); err != nil {
		t.Fatal(err)
	}
	read(entries[1])
	read(entries[2])
	if err := j.removeExpired(t.Context(), later()); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries[3:] {
		read(e)
	}
	in.Close()
	if err := cat.Wait(); err != nil {
		t.Error(err)
	}
	fsck(t, r.path)
}

// TestGitBesideRepacks: whatever reads with Git beside edits never fails, however
// often packs are repacked meanwhile.
func TestGitBesideRepacks(t *testing.T) {
	t.Parallel()
	atLength(t)
	o := options(t.TempDir())
	o.disk = slowDisk{hold: closed}
	r := start(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	defer writers.Wait()
	defer cancel()
	for w := range 2 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				put(t, r, "consultations", fmt.Sprintf("w%d-%d", w, i%20), fmt.Sprint(i))
			}
		})
	}
	await(t, r, func(*Snapshot) bool { return r.Stats().Kept > 0 })
	commands := map[string][]string{
		"fsck":          {"fsck", "--strict", "--full"},
		"log":           {"log", "--stat"},
		"rev-list":      {"rev-list", "--objects", "--all"},
		"clone":         {"clone", "-q", "--bare", "--no-local", r.path},
		"clone by path": {"clone", "-q", "--bare", r.path},
	}
	for kept := r.Stats().Kept; r.Stats().Kept < kept+packLimit; {
		for name, args := range commands {
			if strings.HasPrefix(name, "clone") {
				args = append(slices.Clone(args), t.TempDir())
			}
			if _, err := tryGit(r.path, args...); err != nil {
				t.Errorf("%s beside edits: %v", name, err)
			}
		}
	}
}

// A removalDisk calls a function before or after a pack is hidden.
type removalDisk struct {
	osDisk
	before func(name string) // of the pack, without extension
	after  func(name string)
}

func (d removalDisk) Rename(oldname, newname string) error {
	name, hide := strings.CutSuffix(newname, removedSuffix)
	if hide && d.before != nil {
		d.before(name)
	}
	err := d.osDisk.Rename(oldname, newname)
	if hide && d.after != nil {
		d.after(name)
	}
	return err
}

// TestMultiIndexDuringRepack: a multi-pack-index that Git writes while
// they are repacked, kept or removed one by one is right to the end. That packs stay
// for it is told once, and they go when it names them no longer.
func TestMultiIndexDuringRepack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		repack bool // written while packs are repacked
		hooks  func(write func()) removalDisk
		left   int // packs of 6, and the new one
	}{
		"while they are repacked":  {true, func(func()) removalDisk { return removalDisk{} }, 7},
		"before one is removed":    {false, func(write func()) removalDisk { return removalDisk{before: func(string) { write() }} }, 7},
		"when one is out of sight": {false, func(write func()) removalDisk { return removalDisk{after: func(string) { write() }} }, 6},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := manyPacks(t, 6)
			write := sync.OnceFunc(func() { git(t, r.path, "multi-pack-index", "write") })
			j := repackerOf(t, r, c.hooks(write))
			var log bytes.Buffer
			j.log = slog.New(slog.NewTextHandler(&log, nil))
			if c.repack {
				j.pauseAfter = func(time.Duration) time.Duration { write(); return 0 }
			}
			if err := j.repack(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := j.removeExpired(t.Context(), later()); err != nil {
					t.Fatal(err)
				}
			}
			if now := packNames(t, r.packFolder()); len(now) != c.left || int(j.pinned.Load()) != c.left-1 {
				t.Errorf("%d packs are left, %d held, want %d and all old ones", len(now), j.pinned.Load(), c.left)
			}
			if told := strings.Count(log.String(), "level=WARN"); told != 1 {
				t.Errorf("told %d times:\n%s", told, log.String())
			}
			git(t, r.path, "multi-pack-index", "verify")
			fsck(t, r.path)
			os.Remove(filepath.Join(r.packFolder(), "multi-pack-index"))
			if err := j.removeExpired(t.Context(), later()); err != nil {
				t.Fatal(err)
			}
			if now := packNames(t, r.packFolder()); len(now) != 1 || j.pinned.Load() != 0 {
				t.Errorf("without the index %d packs are left, %d held", len(now), j.pinned.Load())
			}
			noRemains(t, r.packFolder())
			fsck(t, r.path)
		})
	}
}

// TestStaleMultiIndexGoes: a multi-pack-index that Git was still writing when packs went goes
// soon after it is placed, though no pack goes any more, as often as that happens; one that
// is right stays.
func TestStaleMultiIndexGoes(t *testing.T) {
	packs, _ := manyPacks(t, 4)
	index := filepath.Join(packs.packFolder(), "multi-pack-index")
	written := func() string { // but not placed yet
		git(t, packs.path, "multi-pack-index", "write")
		draft := filepath.Join(t.TempDir(), "draft")
		if err := os.Rename(index, draft); err != nil {
			t.Fatal(err)
		}
		return draft
	}
	stale := []string{written(), written()}
	if err := repackFolder(t.Context(), osDisk{}, packs.packFolder()); err != nil {
		t.Fatal(err)
	}
	right := []string{written(), written()}
	synctest.Test(t, func(t *testing.T) {
		_, stop := run(t, options(packs.path))
		defer stop()
		for i, draft := range []string{stale[0], right[0], stale[1], right[1]} {
			if err := os.Rename(draft, index); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * pollInterval)
			synctest.Wait()
			if got, want := exists(index), i%2 == 1; got != want {
				t.Errorf("place %d: the index is there: %v, want %v", i+1, got, want)
			}
		}
	})
	git(t, packs.path, "multi-pack-index", "verify")
	fsck(t, packs.path)
}

// TestRepackBesideMultiIndex: beside a multi-pack-index those that it does
// not name are repacked.
func TestRepackBesideMultiIndex(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, stop := run(t, options(dir))
	for i := range 8 {
		put(t, r, "consultations", "parc", fmt.Sprint(i))
		if i == 2 {
			git(t, dir, "multi-pack-index", "write")
		}
	}
	stop()
	if err := repackFolder(t.Context(), osDisk{}, r.packFolder()); err != nil {
		t.Fatal(err)
	}
	if now := packNames(t, r.packFolder()); len(now) != 3+1 {
		t.Errorf("%d packs are left, want those that are named and one", len(now))
	}
	git(t, dir, "multi-pack-index", "verify")
	fsck(t, dir)
}

// blobPacks adds packs of a blob each.
func blobPacks(t *testing.T, folder string, n int) {
	t.Helper()
	d := slowDisk{hold: closed}
	k := &keepFiles{disk: d, folder: folder}
	for i := range n {
		p := newPack()
		raw := []byte(fmt.Sprint("blob ", i))
		p.add(plumbing.BlobObject, hashObject(plumbing.BlobObject, raw), raw)
		if err := errors.Join(p.save(d, folder, k), k.release()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMultiIndexIsBounded: one that holds too many packs goes, as git repack has
// it, whether they were repacked before or not; the packs are kept once more for who
// reads by it.
func TestMultiIndexIsBounded(t *testing.T) {
	t.Parallel()
	atLength(t)
	for name, repack := range map[string]bool{"written before they are repacked": false, "and after": true} {
		t.Run(name, func(t *testing.T) {
			r, _ := manyPacks(t, 1)
			blobPacks(t, r.packFolder(), maxPinned)
			j := repackerOf(t, r, slowDisk{hold: closed})
			write := func() { git(t, r.path, "multi-pack-index", "write") }
			if !repack {
				write()
			}
			if err := j.repack(t.Context()); err != nil {
				t.Fatal(err)
			}
			if repack {
				write()
			}
			for round, want := range []int{maxPinned + 2, 1} {
				if err := j.removeExpired(t.Context(), later().Add(time.Duration(round)*2*time.Minute)); err != nil {
					t.Fatal(err)
				}
				if now := packNames(t, r.packFolder()); len(now) != want {
					t.Errorf("%d packs are left, want %d", len(now), want)
				}
				if _, err := os.Stat(filepath.Join(r.packFolder(), "multi-pack-index")); err == nil {
					t.Error("the index is there")
				}
			}
			fsck(t, r.path)
		})
	}
}

// TestMultiIndexForms: names are read from each form of such an index, and from
// none that is damaged, which then may name any pack.
func TestMultiIndexForms(t *testing.T) {
	t.Parallel()
	r, _ := manyPacks(t, 3)
	packs := packNames(t, r.packFolder())
	git(t, r.path, "multi-pack-index", "write")
	single := filepath.Join(r.packFolder(), "multi-pack-index")
	raw, err := os.ReadFile(single)
	if err != nil {
		t.Fatal(err)
	}
	namesAll := func(what string) {
		t.Helper()
		m := readMultiIndex(r.packFolder())
		if m.names("pack-other") {
			t.Errorf("%s: names another pack", what)
		}
		for name := range packs {
			if !m.names(name) {
				t.Errorf("%s: does not name %s", what, filepath.Base(name))
			}
		}
	}
	namesAll("one file")
	chain := filepath.Join(r.packFolder(), "multi-pack-index.d")
	if err := errors.Join(os.Remove(single), os.Mkdir(chain, 0o777),
		os.WriteFile(filepath.Join(chain, "multi-pack-index-0a.midx"), raw, 0o444),
		os.WriteFile(filepath.Join(chain, "multi-pack-index-chain"), []byte("0a\n"), 0o444)); err != nil {
		t.Fatal(err)
	}
	namesAll("a chain")
	if err := clearMultiIndex(osDisk{}, r.packFolder()); err != nil {
		t.Fatal(err)
	}
	if m := readMultiIndex(r.packFolder()); m.broken != nil || len(m.packs) != 0 {
		t.Errorf("after it was removed: %+v", m)
	}
	for n := 0; n < len(raw)/2; n += 9 {
		if err := os.WriteFile(single, raw[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		if m := readMultiIndex(r.packFolder()); m.broken == nil && len(m.packs) != len(packs) {
			t.Fatalf("cut short after %d bytes: got %+v", n, m)
		}
	}
}

// TestNewPackIsDamaged: the packs that were repacked stay when the new one is
// not what was written, and are repacked without it.
func TestNewPackIsDamaged(t *testing.T) {
	t.Parallel()
	for _, ext := range []string{".pack", ".idx"} {
		t.Run(ext, func(t *testing.T) {
			r, _ := manyPacks(t, 4)
			old := packNames(t, r.packFolder())
			j := repackerOf(t, r, osDisk{})
			if err := j.repack(t.Context()); err != nil {
				t.Fatal(err)
			}
			into := j.obsolete[0].into
			damage(t, into+ext)
			if err := j.removeExpired(t.Context(), later()); !errors.Is(err, errDamaged) {
				t.Errorf("got error %v", err)
			}
			now := packNames(t, r.packFolder())
			for name := range old {
				if !now[name] {
					t.Errorf("%s is gone", filepath.Base(name))
				}
			}
			left, err := j.candidates()
			if err != nil || len(left) != len(old) || slices.ContainsFunc(left, func(p packFile) bool { return p.name == into }) {
				t.Errorf("%d packs are to be repacked, error %v", len(left), err)
			}
			noRemains(t, r.packFolder())
		})
	}
}

// TestRepackSkipsDamage: a pack that is damaged is told of, and the others are
// repacked without it.
func TestRepackSkipsDamage(t *testing.T) {
	t.Parallel()
	r, _ := manyPacks(t, 5)
	packs, err := listPacks(r.packFolder())
	if err != nil {
		t.Fatal(err)
	}
	damage(t, packs[2].name+".pack")
	j := repackerOf(t, r, osDisk{})
	if err := j.repack(t.Context()); !errors.Is(err, errDamaged) {
		t.Errorf("got error %v", err)
	}
	if err := errors.Join(j.repack(t.Context()), j.removeExpired(t.Context(), later())); err != nil {
		t.Fatal(err)
	}
	if now := packNames(t, r.packFolder()); len(now) != 2 || !now[packs[2].name] {
		t.Errorf("%d packs are left", len(now))
	}
	noRemains(t, r.packFolder())
}

// damage changes a bit in the middle of a file.
func damage(t *testing.T, name string) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := errors.Join(os.Remove(name), os.WriteFile(name, raw, 0o444)); err != nil {
		t.Fatal(err)
	}
}

// TestReadBack: no bit of a pack or of its index can change unseen; every seventh
// byte is tried.
func TestReadBack(t *testing.T) {
	t.Parallel()
	r, _ := manyPacks(t, 2)
	if err := repackFolder(t.Context(), osDisk{}, r.packFolder()); err != nil {
		t.Fatal(err)
	}
	packs, err := listPacks(r.packFolder())
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "copy")
	files := map[string][]byte{".pack": nil, ".idx": nil}
	for ext := range files {
		if files[ext], err = os.ReadFile(packs[0].name + ext); err == nil {
			err = os.WriteFile(name+ext, files[ext], 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got, err := verifyPack(t.Context(), name+".pack", name+".idx"); err != nil || int64(len(got)) != packs[0].objects {
		t.Fatalf("got %d objects of %d, error %v", len(got), packs[0].objects, err)
	}
	for ext, raw := range files {
		for i := 0; i < len(raw); i += 7 {
			raw[i] ^= 0x10
			if err := os.WriteFile(name+ext, raw, 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := verifyPack(t.Context(), name+".pack", name+".idx"); !errors.Is(err, errDamaged) {
				t.Errorf("byte %d of the %s: got error %v", i, ext, err)
			}
			raw[i] ^= 0x10
		}
		for _, cut := range []int{0, 11, len(raw) / 2, len(raw) - 1} {
			if err := os.WriteFile(name+ext, raw[:cut], 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := verifyPack(t.Context(), name+".pack", name+".idx"); err == nil {
				t.Errorf("%s of %d bytes: no error", ext, cut)
			}
		}
		if err := os.WriteFile(name+ext, raw, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullDiskReleases: when the disk is full, kept packs go at once.
func TestFullDiskReleases(t *testing.T) {
	t.Parallel()
	r, stop := run(t, options(t.TempDir()))
	stop()
	if r.repacker.due(r.expiryTime()) {
		t.Error("something is due")
	}
	r.repacker.obsolete = []obsoletePack{{since: time.Now()}}
	before := r.repacker.due(r.expiryTime())
	full := fmt.Errorf("write: %w", ErrFull)
	r.writeErr.Store(&full)
	if after := r.repacker.due(r.expiryTime()); before || !after {
		t.Errorf("kept packs are due: %t, and %t on a full disk", before, after)
	}
}

// TestReverseIndexIsNoReason: packs that Git gives an order of objects besides are
// repacked too, and it goes with them.
func TestReverseIndexIsNoReason(t *testing.T) {
	t.Parallel()
	r, _ := manyPacks(t, 4)
	for name := range packNames(t, r.packFolder()) {
		git(t, r.path, "index-pack", "--rev-index", name+".pack")
	}
	if err := repackFolder(t.Context(), osDisk{}, r.packFolder()); err != nil {
		t.Fatal(err)
	}
	if now := packNames(t, r.packFolder()); len(now) != 1 {
		t.Errorf("%d packs are left", len(now))
	}
	noRemains(t, r.packFolder())
	fsck(t, r.path)
}

// TestObsoletePacksAreNotLookedAt: to look for what is to be repacked keeps nothing of the
// obsolete packs, of which there are thousands, and asks the system about none.
func TestObsoletePacksAreNotLookedAt(t *testing.T) {
	atLength(t)
	const packs = 1000
	rp := &repacker{folder: t.TempDir(), log: slog.New(slog.DiscardHandler)}
	for i := range packs {
		name := filepath.Join(rp.folder, fmt.Sprintf("pack-%040d", i))
		for _, ext := range []string{".pack", ".idx"} {
			if err := os.Symlink("nothing", name+ext); err != nil { // a look would not find it
				t.Fatal(err)
			}
		}
		rp.obsolete = append(rp.obsolete, obsoletePack{packFile: packFile{name: name}})
	}
	left := filepath.Join(rp.folder, "pack-left")
	if err := errors.Join(os.WriteFile(left+".pack", nil, 0o444), os.WriteFile(left+".idx", nil, 0o444)); err != nil {
		t.Fatal(err)
	}
	got, err := rp.candidates()
	if err != nil || len(got) != 1 || got[0].name != left {
		t.Fatalf("got %v and %v, want the one that is left", got, err)
	}
	allocations := testing.AllocsPerRun(10, func() {
		if _, err := rp.candidates(); err != nil {
			t.Error(err)
		}
	})
	const names = 2 * packs
	if most := 1.5 * names; allocations > most { // each name is one
		t.Errorf("%.0f allocations for %d names of obsolete packs, want at most %.0f", allocations, names, most)
	}
}

// TestObsoletePacksAreBounded: of too many packs, or too many bytes, the older half is
// due before its time, whoever reads.
func TestObsoletePacksAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	j := &repacker{disk: osDisk{}, folder: t.TempDir(), grace: time.Hour, log: slog.New(slog.DiscardHandler), lastOpen: time.Now}
	for i := range maxObsolete {
		j.obsolete = append(j.obsolete, obsoletePack{packFile: packFile{name: fmt.Sprint(i)}, since: now})
	}
	if due, err := j.expiredNow(now); len(due) > 0 || err != nil {
		t.Errorf("%d of %d packs are due, %v", len(due), maxObsolete, err)
	}
	j.obsolete = append(j.obsolete, obsoletePack{packFile: packFile{name: "another"}, since: now}, obsoletePack{packFile: packFile{name: "one more"}, since: now})
	due, err := j.expiredNow(now)
	if err != nil || len(due) != maxObsolete/2+1 || due[0].name != "0" || due[1].name != "1" {
		t.Errorf("%d are due, %v; want the older half", len(due), err)
	}
	j.obsolete = []obsoletePack{
		{packFile: packFile{name: "large", size: maxObsoleteBytes}, since: now},
		{packFile: packFile{name: "small", size: 1}, since: now},
	}
	if due, err := j.expiredNow(now); err != nil || len(due) != 1 || due[0].name != "large" {
		t.Errorf("of too many bytes are due %v, %v; want the older pack", due, err)
	}
}

// TestObsoletePacksOutliveReaders: who began to read lately has listed them, so they stay
// for that one's grace period too; beside those who begin again and again for ten of
// them, and then until nobody has begun for a part of one. A removal ends where somebody
// begins. A full disk does not wait.
func TestObsoletePacksOutliveReaders(t *testing.T) {
	t.Parallel()
	r, _ := manyPacks(t, 6)
	j := repackerOf(t, r, osDisk{})
	var opened time.Time
	j.lastOpen = func() time.Time { return opened }
	if err := j.repack(t.Context()); err != nil {
		t.Fatal(err)
	}
	since := j.obsolete[0].since
	for _, c := range []struct {
		age, opened time.Duration
		due         bool
	}{
		{j.grace - 1, -time.Hour, false},
		{j.grace, -time.Hour, true},
		{j.grace, 1, false},
		{2 * j.grace, j.grace + 1, false},
		{2 * j.grace, j.grace, true},
		{readersGrace*j.grace - 1, readersGrace*j.grace - time.Minute, false},
		{readersGrace * j.grace, readersGrace*j.grace - time.Minute, true},
		{readersGrace * j.grace, readersGrace*j.grace - time.Second, false},
	} {
		opened = since.Add(c.opened)
		if got := j.due(since.Add(c.age)); got != c.due {
			t.Errorf("%s after they were repacked, and %s after somebody began: due %t, want %t", c.age, c.age-c.opened, got, c.due)
		}
	}
	left := func(want int) {
		t.Helper()
		if err := j.removeExpired(t.Context(), later()); err != nil {
			t.Fatal(err)
		}
		if now := packNames(t, r.packFolder()); len(now) != want {
			t.Errorf("%d packs are left, want %d", len(now), want)
		}
		fsck(t, r.path)
	}
	opened = time.Now().Add(time.Minute)
	left(7)
	opened = since
	j.disk = removalDisk{after: func(string) { opened = later().Add(time.Hour) }}
	left(6)
	j.disk, opened = osDisk{}, since
	left(1)
	noRemains(t, r.packFolder())

	full := fmt.Errorf("write: %w", ErrFull)
	r.writeErr.Store(&full)
	r.opens.note(time.Now())
	r.repacker.obsolete = []obsoletePack{{since: time.Now()}}
	if !r.repacker.due(r.expiryTime()) {
		t.Error("a full disk waits for readers")
	}
}
