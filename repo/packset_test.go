package repo

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"cms/race"
)

// A watch counts what a store asks of the disk.
type watch struct {
	mu     sync.Mutex
	looks  int            // at the folder of packs
	opened map[string]int // files, by extension
}

// on makes the packs ones that are watched, as if nobody had looked yet.
func (w *watch) on(s *packSet) {
	s.close()
	w.opened = make(map[string]int)
	s.listDir = func(folder string) ([]fs.DirEntry, error) {
		w.mu.Lock()
		w.looks++
		w.mu.Unlock()
		return os.ReadDir(folder)
	}
	s.openFile = func(name string) (*os.File, error) {
		w.mu.Lock()
		w.opened[filepath.Ext(name)]++
		w.mu.Unlock()
		return os.Open(name)
	}
}

func (w *watch) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("%d looks, %d indexes, %d packs, %d others", w.looks, w.opened[".idx"], w.opened[".pack"], w.opened[""])
}

// watched is a repository with a writer, whose packs are watched until the test
// ends. The maintenance with which a writer begins has looked at their folder, once.
func watched(t *testing.T, dir string) (*Repo, *watch) {
	t.Helper()
	r, err := Open(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	w := new(watch)
	w.on(r.store.set())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, r.Close()); err != nil {
			t.Error(err)
		}
		fsck(t, dir)
	})
	for r.store.set().known.Load() == nil { // or a reader would look, too, if it came first
		runtime.Gosched()
	}
	return r, w
}

// gitObjects is all objects of a repository, as Git reads them: by name, the kind
// and the content.
func gitObjects(t *testing.T, dir string) map[Hash]foundObject {
	t.Helper()
	all := make(map[Hash]foundObject)
	out := git(t, dir, "cat-file", "--batch-all-objects", "--batch")
	for len(out) > 0 {
		var name, kind string
		var size int
		head, rest, _ := strings.Cut(out, "\n")
		if _, err := fmt.Sscan(head, &name, &kind, &size); err != nil {
			t.Fatal(err)
		}
		k, err := plumbing.ParseObjectType(kind)
		if err != nil {
			t.Fatal(err)
		}
		all[NewHash(name)] = foundObject{kind: k, size: int64(size), raw: []byte(rest[:size])}
		out = rest[size+1:]
	}
	return all
}

// readWhole reads all objects in each way that there is.
func readWhole(t *testing.T, s *store, all map[Hash]foundObject) {
	t.Helper()
	streams := s.withOwnCache()
	streams.streamFrom = 10
	for h, want := range all {
		if got, err := s.object(want.kind, h); err != nil || !bytes.Equal(got, want.raw) {
			t.Errorf("%s %s: got %d bytes and error %v, want %d", want.kind, h, len(got), err, len(want.raw))
		}
		in, size, err := streams.stream(want.kind, h)
		if err != nil || size != want.size {
			t.Errorf("stream of %s %s: size %d and error %v, want %d", want.kind, h, size, err, want.size)
			continue
		}
		got, err := io.ReadAll(in)
		if err = errors.Join(err, in.Close()); err != nil || !bytes.Equal(got, want.raw) {
			t.Errorf("stream of %s %s: got %d bytes and error %v, want %d", want.kind, h, len(got), err, len(want.raw))
		}
		if want.kind == plumbing.BlobObject {
			if size, err := s.withOwnCache().size(h); err != nil || size != want.size {
				t.Errorf("size of %s: got %d and error %v, want %d", h, size, err, want.size)
			}
		}
	}
}

// changing is a repository with some large files that change a little in each of
// some commits, so that Git makes deltas of them.
func changing(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	r, stop := run(t, options(dir))
	for i := range 12 {
		update(t, r, func(tx *Tx) error {
			text := strings.Repeat(fmt.Sprintln("Une ligne qui ne change pas, ou peu:", i/3), 40) + fmt.Sprintln(i)
			_, err := tx.Put("consultations", slug(t, fmt.Sprint("c", i%3)), document(text))
			return errors.Join(err, tx.PutFile(filePath(t, fmt.Sprint("img/", i%2)), upload(t, r, text+text)))
		})
	}
	stop()
	return dir
}

// TestReadWhatGitPacks: whatever form Git gives to objects, they are what Git
// reads.
func TestReadWhatGitPacks(t *testing.T) {
	t.Parallel()
	long(t)
	dir := changing(t)
	all := gitObjects(t, dir)
	reindex := func(version string) {
		packs, _ := filepath.Glob(filepath.Join(dir, "objects/pack/*.pack"))
		for _, p := range packs {
			os.Remove(strings.TrimSuffix(p, "pack") + "idx")
			git(t, dir, "index-pack", "--index-version="+version, p)
		}
	}
	for _, c := range []struct {
		name  string
		setup func()
		dir   func() string
	}{
		{name: "our packs", setup: func() {}},
		{name: "deltas of a name", setup: func() { git(t, dir, "-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq") }},
		{name: "deltas of an offset", setup: func() { git(t, dir, "repack", "-adfq", "--depth=200", "--window=50") }},
		{name: "offsets of 64 bits", setup: func() { reindex("2,0x40") }},
		{name: "an index of version 1", setup: func() { reindex("1") }},
		{name: "an index over packs", setup: func() { git(t, dir, "multi-pack-index", "write") }},
		{name: "borrowed", setup: func() {}, dir: func() string {
			work := filepath.Join(t.TempDir(), "b.git")
			git(t, dir, "clone", "-q", "--bare", "--shared", ".", work)
			return work
		}},
		{name: "loose", setup: func() {
			packs, _ := filepath.Glob(filepath.Join(dir, "objects/pack/*.pack"))
			for _, p := range packs {
				raw, err := os.ReadFile(p)
				if err != nil {
					t.Fatal(err)
				}
				os.Remove(p)
				os.Remove(strings.TrimSuffix(p, "pack") + "idx")
				os.Remove(filepath.Join(dir, "objects/pack/multi-pack-index"))
				moved := filepath.Join(t.TempDir(), "p")
				if err := os.WriteFile(moved, raw, 0o600); err != nil {
					t.Fatal(err)
				}
				git(t, dir, "config", "alias.unpack", "!git unpack-objects -q <'"+moved+"'")
				git(t, dir, "unpack")
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.setup()
			at := dir
			if c.dir != nil {
				at = c.dir()
			}
			s := &store{dir: at}
			defer s.Close()
			readWhole(t, s, all)
			fsck(t, dir)
		})
	}
}

// TestReadOwnCommits: what an edit made is read without a look at the folder, and
// without an index being opened, however many packs and objects there are.
func TestReadOwnCommits(t *testing.T) {
	t.Parallel()
	const n = 3 * mapFrom / indexItem / 2
	r, w := watched(t, manyObjects(t, n))
	old := NewHash(strings.TrimSpace(git(t, r.path, "rev-parse", "main:data/000/000001.bin")))
	if b, err := r.Blob(t.Context(), old); err != nil || string(b) != "file 1\n" {
		t.Fatalf("got %q and error %v", b, err)
	}
	if got, want := w.String(), "1 looks, 1 indexes, 1 packs, 0 others"; got != want {
		t.Errorf("the first object took %s, want %s", got, want)
	}
	for i := range 4 {
		e, _ := put(t, r, "consultations", "parc", fmt.Sprint(i)).Snapshot.Entry("consultations", slug(t, "parc"))
		if _, err := r.Blob(t.Context(), e.Revision); err != nil {
			t.Fatal(err)
		}
		update(t, r, func(tx *Tx) error { return tx.PutFile(filePath(t, "a.bin"), upload(t, r, fmt.Sprint(i))) })
		if got := readFile(t, r.View(), "a.bin"); got != fmt.Sprint(i) {
			t.Errorf("file: got %q, want %d", got, i)
		}
	}
	// One pack of the edit, one of the file, and one of the tree with the file in it.
	if got, want := w.String(), "1 looks, 1 indexes, 13 packs, 0 others"; got != want {
		t.Errorf("what was committed since took %s, want %s", got, want)
	}
}

// TestWriterListsNoPacks: a writer that makes many packs looks at their folder no oftener than
// one that makes few, and those that were repacked are forgotten when they were.
func TestWriterListsNoPacks(t *testing.T) {
	t.Parallel()
	atLength(t)
	const edits = 3 * packLimit
	r, err := Open(t.Context(), options(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	set, looks := r.store.set(), 0
	set.listDir = func(folder string) ([]fs.DirEntry, error) { looks++; return os.ReadDir(folder) }
	s := newScript(r)
	s.commit(t, "un", "a")
	if err := set.refresh(); err != nil {
		t.Fatal(err)
	}
	looks = 0
	for i := range edits {
		s.commit(t, fmt.Sprint("Édition ", i), "a", "b")
	}
	if looks > 0 {
		t.Errorf("the folder of packs was listed %d times by %d edits", looks, edits)
	}
	if n := r.packs.Load(); n < edits {
		t.Errorf("%d packs are counted after %d edits", n, edits)
	}
	r.maintainPacks(t.Context(), time.Now(), true, nil)
	obsolete, known := *set.obsolete.Load(), set.known.Load().packs
	if len(obsolete) < edits {
		t.Fatalf("%d packs of %d were repacked", len(obsolete), edits)
	}
	for _, p := range known {
		if into, ok := obsolete[p.name]; ok {
			t.Errorf("readers know %s, whose objects are all in %s", filepath.Base(p.name), filepath.Base(into))
		}
	}
	if got := int(r.packs.Load()); got > len(known) {
		t.Errorf("%d packs are counted, of which readers know %d", got, len(known))
	}
	s.check(t, r)
	verify(t, r)
}

// TestKnownPacksAreBounded: a writer whose packs are repacked does not keep the
// indexes of those that went, even where nobody tells that they were.
func TestKnownPacksAreBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &store{dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, "objects", "pack"), 0o777); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.blob(Hash{1}); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	index, err := encodePackIndex([]packedObject{{hash: Hash{2}, offset: 12}}, Hash{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * learnedPacks {
		s.addPack(filepath.Join(dir, "objects", "pack", fmt.Sprint("pack-", i)), index)
		if n := len(s.packs.known.Load().packs); n > learnedPacks {
			t.Fatalf("%d packs are known, want at most %d", n, learnedPacks)
		}
	}
}

// TestOpeningCostsByPack: what a first read takes of memory does not grow with the
// objects that there are.
func TestOpeningCostsByPack(t *testing.T) {
	took := func(n int) uint64 {
		dir := manyObjects(t, n)
		h := NewHash(strings.TrimSpace(git(t, dir, "rev-parse", "main:data/000/000001.bin")))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s := &store{dir: dir}
		if _, err := s.size(h); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		s.Close()
		return after.TotalAlloc - before.TotalAlloc
	}
	took(100)
	few, many := took(mapFrom/indexItem), took(6*mapFrom/indexItem)
	if many > few+mapFrom {
		t.Errorf("with six times as many objects, %d bytes were allocated instead of %d", many, few)
	}
}

// TestOpenPacksAreBounded: however many packs are read, few stay open; what
// was opened is read on when its pack is gone.
func TestOpenPacksAreBounded(t *testing.T) {
	t.Parallel()
	const most = 10 // not openPacks, as the writer would repack that many
	r, entries := manyPacks(t, 4*most)
	s := &store{dir: r.path, streamFrom: 10}
	defer s.Close()
	s.set().files.Resize(most)
	var streams []io.ReadCloser
	for _, e := range entries {
		in, _, err := s.stream(plumbing.BlobObject, e.Revision)
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, in)
	}
	if n := s.packs.files.Len(); n != most {
		t.Errorf("%d packs are open, want %d", n, most)
	}
	first := s.packs.known.Load().packs
	if err := repackFolder(t.Context(), osDisk{}, r.packFolder()); err != nil {
		t.Fatal(err)
	}
	if err := s.set().refresh(); err != nil {
		t.Fatal(err)
	}
	if n := s.packs.files.Len(); n != 0 {
		t.Errorf("%d packs that are gone are kept open", n)
	}
	for i, in := range streams {
		b, err := io.ReadAll(in)
		if !strings.Contains(string(b), "Titre ") || err != nil {
			t.Errorf("stream of %s: got %q and error %v", entries[i].Slug, b, err)
		}
		if err := errors.Join(in.Close(), in.Close()); err != nil {
			t.Error(err)
		}
		if _, err := in.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("after it was closed: got error %v", err)
		}
	}
	if n := len(s.packs.known.Load().packs); n >= len(first) {
		t.Errorf("%d packs are known, of %d before", n, len(first))
	}
	readAll(t, r, s, entries)
}

// TestReadersDoNotWait: while one reader looks at the folder, others read what is
// known.
func TestReadersDoNotWait(t *testing.T) {
	t.Parallel()
	r, entries := manyPacks(t, 3)
	looking, goOn := make(chan struct{}), make(chan struct{})
	looks := 0
	s := &store{dir: r.path, list: func(folder string) ([]fs.DirEntry, error) {
		if looks++; looks > 1 {
			looking <- struct{}{}
			<-goOn
		}
		return os.ReadDir(folder)
	}}
	defer s.Close()
	if _, err := s.blob(entries[0].Revision); err != nil {
		t.Fatal(err)
	}
	missing := make(chan error)
	go func() {
		_, err := s.blob(Hash{1})
		missing <- err
	}()
	for range maxMisses {
		<-looking
		readAll(t, r, s, entries)
		goOn <- struct{}{}
	}
	if err := <-missing; !errors.Is(err, ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
}

// largeDelta is a repository with a pack of Git's in which one of two large blobs
// is a delta: it has the halves of the other one changed round. It says their names.
func largeDelta(t *testing.T, half int64) (dir string, blobs [2]Hash) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "site.git")
	if err := create(osDisk{}, dir, "main"); err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(noise(2 * half))
	if err != nil {
		t.Fatal(err)
	}
	for i, content := range [][]byte{raw, append(bytes.Clone(raw[half:]), raw[:half]...)} {
		name := filepath.Join(t.TempDir(), "blob")
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		blobs[i] = NewHash(strings.TrimSpace(git(t, dir, "hash-object", "-w", name)))
	}
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, fmt.Appendf(nil, "%s x\n%s x\n", blobs[0], blobs[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "config", "alias.packthem", "!git -c core.fsync=none pack-objects -q --window=2 objects/pack/pack <'"+list+"'")
	git(t, dir, "packthem")
	git(t, dir, "prune-packed")
	return dir, blobs
}

// TestLargeDelta: a large blob that Git keeps as a delta is read in parts, with
// little memory, and leaves nothing on the disk.
func TestLargeDelta(t *testing.T) {
	atLength(t)
	long(t)
	const half = 3 << 20
	dir, blobs := largeDelta(t, half)
	if out := git(t, dir, "verify-pack", "-v", "--stat-only", filepath.Join(dir, "objects/pack")+"/"+onlyPack(t, dir)); !strings.Contains(out, "chain length = 1: 1 object") {
		t.Fatalf("there is no delta: %s", out)
	}
	raw, err := io.ReadAll(noise(2 * half))
	if err != nil {
		t.Fatal(err)
	}
	want := [][]byte{raw, append(bytes.Clone(raw[half:]), raw[:half]...)}
	s := &store{dir: dir, streamFrom: streamBytes}
	defer s.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	part := make([]byte, 64<<10)
	for i, h := range blobs {
		in, size, err := s.stream(plumbing.BlobObject, h)
		if err != nil || size != 2*half {
			t.Fatalf("size %d and error %v", size, err)
		}
		for rest := want[i]; len(rest) > 0; rest = rest[len(part):] {
			if _, err := io.ReadFull(in, part); err != nil || !bytes.Equal(part, rest[:len(part)]) {
				t.Fatalf("%d bytes before the end: got other bytes, or error %v", len(rest), err)
			}
		}
		if _, err := in.Read(part); !errors.Is(err, io.EOF) {
			t.Errorf("at the end: got error %v", err)
		}
		in.Close()
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > half/4 {
		t.Errorf("%d KB were allocated, want at most %d", n>>10, half/4>>10)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "objects", "tmp_*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if b, err := (&store{dir: dir}).blob(blobs[1]); err != nil || !bytes.Equal(b, want[1]) {
		t.Errorf("in memory: got %d bytes and error %v", len(b), err)
	}
	if _, err := (&store{dir: dir, maxInMemory: half}).blob(blobs[1]); !errors.Is(err, ErrStorage) {
		t.Errorf("beyond the bound of what is held in memory: got error %v, want ErrStorage", err)
	}
	fsck(t, dir)
}

// onlyPack is the name of the only pack's index.
func onlyPack(t *testing.T, dir string) string {
	t.Helper()
	l, err := filepath.Glob(filepath.Join(dir, "objects/pack/*.idx"))
	if err != nil || len(l) != 1 {
		t.Fatalf("indexes: %v, error %v", l, err)
	}
	return filepath.Base(l[0])
}

// misplaced is index with the offset at which the object i stands made another one.
func misplaced(index []byte, i int, offset uint32) []byte {
	out := bytes.Clone(index)
	n := int(binary.BigEndian.Uint32(out[indexNames-4:]))
	binary.BigEndian.PutUint32(out[indexNames+24*n+4*i:], offset)
	return out
}

// TestDamagedPacks: what cannot be read is a failure of the storage, and what can
// be read is read, right.
func TestDamagedPacks(t *testing.T) {
	t.Parallel()
	source := changing(t)
	git(t, source, "-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq")
	all := gitObjects(t, source)
	index, err := os.ReadFile(filepath.Join(source, "objects/pack", onlyPack(t, source)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(strings.TrimSuffix(filepath.Join(source, "objects/pack", onlyPack(t, source)), "idx") + "pack")
	if err != nil {
		t.Fatal(err)
	}
	n := len(all)
	at := func(i int) uint32 { return binary.BigEndian.Uint32(index[indexNames+24*n+4*i:]) }
	flipped := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 0x21
		return b
	}
	for name, c := range map[string]struct {
		pack, index []byte
		none        bool // no object can be read
	}{
		"index is empty":           {raw, nil, true},
		"index is cut":             {raw, index[:len(index)/2], true},
		"index is cut by a byte":   {raw, index[:len(index)-1], true},
		"index of another version": {raw, flipped(index, 7), true},
		"index counts down":        {raw, flipped(index, indexFanout+4*100), true},
		"offsets are another's":    {raw, misplaced(misplaced(index, 0, at(1)), 1, at(0)), false},
		"offset beyond the end":    {raw, misplaced(index, 0, 1<<30), false},
		"offset in the header":     {raw, misplaced(index, 0, 3), false},
		"offset beyond the index":  {raw, misplaced(index, 0, 1<<31|12345), false},
		"pack is empty":            {nil, index, true},
		"pack is cut":              {raw[:len(raw)/2], index, false},
		"pack is zeros":            {make([]byte, len(raw)), index, true},
		"a byte is another":        {flipped(raw, len(raw)/3), index, false},
		"a size is another":        {flipped(raw, int(at(3))), index, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			folder := filepath.Join(dir, "objects", "pack")
			err := errors.Join(os.MkdirAll(folder, 0o777), os.WriteFile(filepath.Join(folder, "pack-a.idx"), c.index, 0o666),
				os.WriteFile(filepath.Join(folder, "pack-a.pack"), c.pack, 0o666))
			if err != nil {
				t.Fatal(err)
			}
			s := &store{dir: dir}
			defer s.Close()
			failed := 0
			for h, want := range all {
				b, err := s.object(want.kind, h)
				if errors.Is(err, ErrStorage) {
					failed++
				} else if err != nil || !bytes.Equal(b, want.raw) {
					t.Errorf("%s %s: got %d bytes and error %v", want.kind, h, len(b), err)
				}
			}
			if failed == 0 || c.none && failed < n {
				t.Errorf("%d of %d objects cannot be read", failed, n)
			}
		})
	}
}

// TestDamagedCopies: an object is read as long as one copy of it can be, whichever is found
// first.
func TestDamagedCopies(t *testing.T) {
	t.Parallel()
	source := changing(t)
	git(t, source, "repack", "-adfq")
	all := gitObjects(t, source)
	name := strings.TrimSuffix(onlyPack(t, source), ".idx")
	whole := map[string][]byte{}
	for _, ext := range []string{".pack", ".idx"} {
		raw, err := os.ReadFile(filepath.Join(source, "objects/pack", name+ext))
		if err != nil {
			t.Fatal(err)
		}
		whole[ext] = raw
	}
	zeros := make([]byte, len(whole[".pack"]))
	loose := t.TempDir() // with every object as a file of its own
	git(t, loose, "init", "-q", "--bare")
	unpack := exec.Command("git", "--git-dir", loose, "unpack-objects", "-q")
	unpack.Stdin = bytes.NewReader(whole[".pack"])
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for c, from := range map[string]string{"in another pack": source, "loose": loose} {
		t.Run(c, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
			for ext, raw := range map[string][]byte{".pack": zeros, ".idx": whole[".idx"]} {
				damaged := filepath.Join(dir, "objects/pack/pack-a"+ext)
				later := time.Now().Add(time.Hour) // so that it is looked at first
				if err := errors.Join(os.WriteFile(damaged, raw, 0o666), os.Chtimes(damaged, later, later)); err != nil {
					t.Fatal(err)
				}
			}
			s := &store{dir: dir}
			defer s.Close()
			readWhole(t, s, all)
		})
	}
}

// TestMisplacedObjects: whatever two objects an index takes for one another, and in
// whatever order they are read, each is itself or cannot be read.
func TestMisplacedObjects(t *testing.T) {
	t.Parallel()
	atLength(t)
	source := changing(t)
	git(t, source, "-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq")
	all := gitObjects(t, source)
	name := filepath.Join(source, "objects/pack", onlyPack(t, source))
	index, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int) uint32 { return binary.BigEndian.Uint32(index[indexNames+24*len(all)+4*i:]) }
	names := slices.SortedFunc(maps.Keys(all), func(a, b Hash) int { return bytes.Compare(a[:], b[:]) })
	pairs := 0
	for i := range names {
		for j := range i {
			if (i+j)%11 != 0 { // these are of all kinds
				continue
			}
			pairs++
			if err := errors.Join(os.Remove(name), os.WriteFile(name, misplaced(misplaced(index, i, at(j)), j, at(i)), 0o666)); err != nil {
				t.Fatal(err)
			}
			s := &store{dir: source}
			for _, h := range names { // which fills the cache
				if b, err := s.object(all[h].kind, h); err != nil && !errors.Is(err, ErrStorage) || err == nil && !bytes.Equal(b, all[h].raw) {
					t.Errorf("%s %s: got %d bytes and error %v", all[h].kind, h, len(b), err)
				}
			}
			for _, h := range []Hash{names[i], names[j]} {
				if b, err := s.object(all[h].kind, h); !errors.Is(err, ErrStorage) {
					t.Errorf("%s %s at the place of another: got %d bytes and error %v, want ErrStorage", all[h].kind, h, len(b), err)
				}
				if _, err := s.size(h); all[h].kind == plumbing.BlobObject && errors.Is(err, ErrNotFound) {
					t.Errorf("size of %s at the place of another: got %v, want ErrStorage", h, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if pairs == 0 {
		t.Fatal("no pairs")
	}
}

// TestDamagedLoose: the same for files of their own.
func TestDamagedLoose(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	dir := site(t)
	h := NewHash(strings.TrimSpace(git(t, dir, "rev-parse", "HEAD^{commit}")))
	git(t, dir, "config", "alias.loose", "!git cat-file commit HEAD >c && rm -rf objects/pack && git hash-object -w -t commit c")
	git(t, dir, "loose")
	name := filepath.Join(dir, "objects", h.String()[:2], h.String()[2:])
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&store{dir: dir}).commit(h); err != nil {
		t.Fatal(err)
	}
	for at := range raw {
		damaged := bytes.Clone(raw)
		damaged[at] ^= 0x11
		for _, b := range [][]byte{damaged, raw[:at]} {
			if err := errors.Join(os.Remove(name), os.WriteFile(name, b, 0o666)); err != nil {
				t.Fatal(err)
			}
			if _, err := (&store{dir: dir}).object(plumbing.CommitObject, h); !errors.Is(err, ErrStorage) {
				t.Errorf("byte %d: got error %v, want ErrStorage", at, err)
			}
		}
	}
}

// TestIndexIsCut: a mapped index that is made shorter does not end the process.
func TestIndexIsCut(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("indexes are not mapped here")
	}
	dir := manyObjects(t, 2*mapFrom/indexItem)
	all := gitObjects(t, dir)
	s := &store{dir: dir}
	defer s.Close()
	if _, err := s.blob(Hash{1}); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "objects/pack", onlyPack(t, dir))
	if err := errors.Join(os.Chmod(name, 0o600), os.Truncate(name, 0)); err != nil {
		t.Fatal(err)
	}
	for h, want := range all {
		if _, err := s.object(want.kind, h); !errors.Is(err, ErrStorage) {
			t.Fatalf("got error %v, want ErrStorage", err)
		}
		break
	}
}

// TestDeltaLoop: deltas that rest on each other end with an error.
func TestDeltaLoop(t *testing.T) {
	t.Parallel()
	for name, bases := range map[string][]int{"on itself": {0}, "of two": {1, 0}, "of three": {1, 2, 0}} {
		s := &store{dir: t.TempDir()}
		var raw bytes.Buffer
		fmt.Fprintf(&raw, "PACK\x00\x00\x00\x02\x00\x00\x00%c", len(bases))
		p := newPack()
		var objects []packedObject
		for i, base := range bases {
			o := packedObject{hash: Hash{byte(i + 1)}, offset: int64(raw.Len())}
			p.buf.Reset()
			p.write(p.stored, (&delta{from: 1, to: 1, ops: []byte{1, 'x'}}).bytes())
			raw.Write(objectHeader(plumbing.REFDeltaObject, 4))
			raw.Write(append([]byte{byte(base + 1)}, make([]byte, 19)...))
			raw.Write(p.buf.Bytes())
			objects = append(objects, o)
		}
		raw.Write(make([]byte, 20))
		index, err := encodePackIndex(objects, Hash{})
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join(s.dir, "objects", "pack")
		if err := errors.Join(os.MkdirAll(folder, 0o777), os.WriteFile(filepath.Join(folder, "pack-a.idx"), index, 0o666),
			os.WriteFile(filepath.Join(folder, "pack-a.pack"), raw.Bytes(), 0o666)); err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			if _, err := s.blob(o.hash); !errors.Is(err, ErrStorage) {
				t.Errorf("%s: got error %v, want ErrStorage", name, err)
			}
		}
		s.Close()
	}
}

// FuzzPack reads packs and indexes that may be anything: with an answer, or an
// error, and little memory.
func FuzzPack(f *testing.F) {
	p := newPack()
	base := bytes.Repeat([]byte("100644 a\x00aaaaaaaaaaaaaaaaaaaa"), 9)
	tree, other := Hash{1, 2}, Hash{1, 3}
	p.add(plumbing.TreeObject, tree, base)
	p.addDelta(other, tree, (&delta{from: len(base), to: 3, ops: []byte{0x90, 2, 1, 'x'}}).bytes())
	p.add(plumbing.BlobObject, Hash{0xff}, []byte("Le parc"))
	objects := p.objects
	p.buf.Write(make([]byte, 20))
	index, err := encodePackIndex(objects, Hash{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.buf.Bytes(), index)
	f.Add(p.buf.Bytes()[:40], index)
	f.Add(p.buf.Bytes(), index[:len(index)-8])
	f.Fuzz(func(t *testing.T, raw, index []byte) {
		const most = 1 << 20
		if len(raw) > most || len(index) > most {
			return
		}
		s := &store{dir: t.TempDir(), maxInMemory: most, streamFrom: most / 2}
		defer s.Close()
		x, err := parseIndex(index)
		if err != nil {
			return
		}
		set := s.set()
		pack := &knownPack{name: "pack", index: x}
		set.known.Store(&packList{packs: []*knownPack{pack}})
		open := &openPack{ReaderAt: bytes.NewReader(raw), Closer: io.NopCloser(nil), size: int64(len(raw)), users: 1}
		set.files.Add(pack, open)
		names := []Hash{tree, other, {0xff}}
		for i := range min(x.objects, 20) {
			names = append(names, Hash(x.raw[indexNames+20*i:]))
		}
		for _, h := range names {
			for _, upTo := range []int64{unbounded, -1, 2} {
				a, err := s.read(h, upTo)
				if a.stream != nil {
					io.Copy(io.Discard, io.LimitReader(a.stream, most))
					a.stream.Close()
				}
				if err != nil { // the pack is forgotten
					set.known.Store(&packList{packs: []*knownPack{pack}})
					open.users = 1
					set.files.Add(pack, open)
				} else if upTo == unbounded && int64(len(a.raw)) != a.size {
					t.Errorf("%d bytes of %d", len(a.raw), a.size)
				}
			}
		}
		if open.users != 1 {
			t.Errorf("the pack has %d users", open.users)
		}
	})
}
