package repo

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cms/race"
)

// A crashDisk works on the real disk, counts what is done to it, and keeps a
// model of what would be left after a power cut. It syncs nothing really.
type crashDisk struct {
	unsyncedDisk
	mu    sync.Mutex
	count int
	fault fault
	at    int // the operation, counted from 1, that the fault hits; 0 is none
	log   []string

	names   map[string]*inode // by path, as the process sees them
	durable map[string]*inode // as they were when their folder was synced
}

type inode struct{ data, synced []byte }

type fault int

const (
	failBefore fault = iota // fails once and has no effect
	failAfter               // has its effect, and fails once nevertheless
	crash                   // has its effect, and nothing works from then on
)

var errInjected = errors.New("injected fault")

// newCrashDisk takes all that is below dir to be durable.
func newCrashDisk(t *testing.T, dir string) *crashDisk {
	t.Helper()
	d := &crashDisk{names: make(map[string]*inode)}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		d.names[p] = &inode{b, b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d.durable = maps.Clone(d.names)
	return d
}

// do counts one operation and runs it, unless the fault says otherwise.
func (d *crashDisk) do(name string, act func() error, model func()) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count++
	d.log = append(d.log, name)
	if d.at > 0 && (d.count == d.at && d.fault == failBefore || d.count > d.at && d.fault == crash) {
		return errInjected
	}
	if err := act(); err != nil {
		return err
	}
	model()
	if d.count == d.at && d.fault == failAfter {
		return errInjected
	}
	return nil
}

func (d *crashDisk) Create(name string, mode os.FileMode) (f diskFile, err error) {
	node := &inode{}
	err = d.do("create "+filepath.Base(name), func() (err error) {
		f, err = d.unsyncedDisk.Create(name, mode)
		return err
	}, func() { d.names[name] = node })
	if err != nil {
		if f != nil {
			f.Close()
		}
		return nil, err
	}
	return &crashFile{f, d, name, node}, nil
}

func (d *crashDisk) Append(name string) (f diskFile, err error) {
	err = d.do("append "+filepath.Base(name), func() (err error) {
		f, err = d.unsyncedDisk.Append(name)
		return err
	}, func() {})
	if err != nil {
		if f != nil {
			f.Close()
		}
		return nil, err
	}
	return &crashFile{f, d, name, d.names[name]}, nil
}

func (d *crashDisk) Overwrite(name string, b []byte) error {
	return d.do("overwrite "+filepath.Base(name), func() error { return d.unsyncedDisk.Overwrite(name, b) }, func() {
		n := d.names[name]
		if n == nil {
			n = &inode{}
			d.names[name] = n
		}
		n.data = append(bytes.Clone(b), n.data[min(len(b), len(n.data)):]...)
	})
}

func (d *crashDisk) Link(oldname, newname string) error {
	return d.do("link "+filepath.Base(newname), func() error { return d.unsyncedDisk.Link(oldname, newname) },
		func() { d.names[newname] = d.names[oldname] })
}

func (d *crashDisk) Rename(oldname, newname string) error {
	return d.do("rename "+filepath.Base(newname), func() error { return d.unsyncedDisk.Rename(oldname, newname) },
		func() { d.names[newname] = d.names[oldname]; delete(d.names, oldname) })
}

func (d *crashDisk) Remove(name string) error {
	return d.do("remove "+filepath.Base(name), func() error { return d.unsyncedDisk.Remove(name) },
		func() { delete(d.names, name) })
}

func (d *crashDisk) SyncDir(dir string) error {
	return d.do("sync folder "+filepath.Base(dir), func() error { return d.unsyncedDisk.SyncDir(dir) }, func() {
		maps.DeleteFunc(d.durable, func(p string, _ *inode) bool { return filepath.Dir(p) == dir })
		for p, n := range d.names {
			if filepath.Dir(p) == dir {
				d.durable[p] = n
			}
		}
	})
}

func (d *crashDisk) SyncFile(name string) error {
	return d.do("sync "+filepath.Base(name), func() error { return d.unsyncedDisk.SyncFile(name) }, func() {
		if n := d.names[name]; n != nil {
			n.synced = bytes.Clone(n.data)
		}
	})
}

// bring takes note of files that others have written since, of which nothing is
// durable.
func (d *crashDisk) bring(t *testing.T, dir string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if n := d.names[p]; n == nil || !bytes.Equal(n.data, b) {
			d.names[p] = &inode{data: b}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

type crashFile struct {
	diskFile
	disk *crashDisk
	name string
	node *inode
}

func (f *crashFile) Write(b []byte) (n int, err error) {
	err = f.disk.do("write "+filepath.Base(f.name), func() (err error) {
		n, err = f.diskFile.Write(b)
		return err
	}, func() { f.node.data = append(f.node.data, b...) })
	return n, err
}

func (f *crashFile) Sync() error {
	return f.disk.do("sync "+filepath.Base(f.name), f.diskFile.Sync, func() { f.node.synced = bytes.Clone(f.node.data) })
}

// A cut is what a crash leaves: whether bytes and names that were not synced are
// there.
type cut struct {
	bytes bool
	names func(dir string) bool
}

var cuts = map[string]cut{
	"process killed":         {true, func(string) bool { return true }},
	"nothing unsynced":       {false, func(string) bool { return false }},
	"names before bytes":     {false, func(string) bool { return true }},
	"names of packs only":    {false, func(dir string) bool { return strings.HasSuffix(dir, "pack") }},
	"names of branch only":   {false, func(dir string) bool { return strings.HasSuffix(dir, "heads") }},
	"bytes without a folder": {true, func(string) bool { return false }},
}

// left is what is left after the cut: files by their path.
func (d *crashDisk) left(c cut) map[string]*inode {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]*inode)
	for p := range merge(d.names, d.durable) {
		node := d.durable[p]
		if c.names(filepath.Dir(p)) {
			node = d.names[p]
		}
		if node != nil {
			out[p] = node
		}
	}
	return out
}

// digest tells what is left in one way from what is in another.
func digest(files map[string]*inode, c cut) string {
	var b strings.Builder
	for _, p := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&b, "%s %x\n", filepath.Base(p), sha1.Sum(files[p].content(c)))
	}
	return b.String()
}

func (n *inode) content(c cut) []byte {
	if c.bytes {
		return n.data
	}
	return n.synced
}

// image makes what is left after the cut, below a new folder.
func image(t *testing.T, dir string, files map[string]*inode, c cut) string {
	t.Helper()
	out := t.TempDir()
	for _, sub := range []string{"objects/pack", "objects/info", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(out, sub), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	written := make(map[*inode]string)
	for p, node := range files {
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(out, rel)
		if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
			t.Fatal(err)
		}
		if first, ok := written[node]; ok {
			err = os.Link(first, target)
		} else {
			err = os.WriteFile(target, node.content(c), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		written[node] = target
	}
	return out
}

func merge(a, b map[string]*inode) map[string]*inode {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// A script is a sequence of steps on a repository. Each commits a group of
// updates, or does some maintenance.
type script struct {
	repo    *Repo
	acked   map[string]string // slug to title
	refused map[string]bool   // slugs whose creation was told not to be saved
	files   map[string]string // acknowledged, path to content
	group   [][]string        // slugs that belong to one group

	landed error     // what was told of a push
	either [2]string // a file was to be moved from one of these paths to the other, and is at one of them
}

func newScript(r *Repo) *script {
	return &script{repo: r, acked: make(map[string]string), refused: make(map[string]bool), files: make(map[string]string)}
}

// commit puts entries, an update each, as one group.
func (s *script) commit(t *testing.T, title string, slugs ...string) {
	var requests []*request
	for _, name := range slugs {
		requests = append(requests, &request{ctx: context.Background(), meta: Meta{Author: ann}, done: make(chan struct{}),
			fn: func(tx *Tx) error {
				_, err := tx.Put("consultations", slug(t, name), document(title))
				return err
			}})
	}
	s.repo.commit(context.Background(), requests)
	s.group = append(s.group, slugs)
	for i, q := range requests {
		if q.err == nil {
			s.acked[slugs[i]] = title
		} else if !errors.Is(q.err, ErrUnsure) {
			s.refused[slugs[i]] = true
		}
	}
}

// upload puts a file that is no entry.
func (s *script) upload(t *testing.T, path, text string) {
	u, err := s.repo.Upload(context.Background(), int64(len(text)), strings.NewReader(text))
	if err == nil {
		s.place(t, path, text, u)
	}
}

// place makes a file of an upload.
func (s *script) place(t *testing.T, path, text string, u *Upload) {
	if s.update(func(tx *Tx) error { return tx.PutFile(filePath(t, path), u) }) == nil {
		s.files[path] = text
	}
	_ = u.Close() // as the disk allows
}

// move moves the file of that text, which is there even if it was not acknowledged.
func (s *script) move(t *testing.T, from, to, text string) {
	if s.update(func(tx *Tx) error { return tx.MoveFile(filePath(t, from), filePath(t, to)) }) == nil {
		s.files[to] = text
		delete(s.files, from)
	} else {
		s.either = [2]string{from, to}
	}
}

// update commits one update.
func (s *script) update(fn func(*Tx) error) error {
	q := &request{ctx: context.Background(), meta: Meta{Author: ann}, done: make(chan struct{}), fn: fn}
	s.repo.commit(context.Background(), []*request{q})
	return q.err
}

// check says what r lacks of what was acknowledged, and which group it holds by
// half. A group that was not acknowledged is not there, unless that was unsure.
func (s *script) check(t *testing.T, r *Repo) {
	t.Helper()
	view := r.View()
	for name, title := range s.acked {
		e, ok := view.Entry("consultations", slug(t, name))
		if !ok {
			t.Errorf("acknowledged entry %s is missing", name)
			continue
		}
		if got, _ := e.Fields().Get("title"); got != title {
			t.Errorf("acknowledged entry %s: title %v, want %s", name, got, title)
		}
	}
	for name := range s.refused {
		if _, ok := view.Entry("consultations", slug(t, name)); ok {
			t.Errorf("entry %s is there, which was told not to be saved", name)
		}
	}
	for path, text := range s.files {
		got := readFile(t, view, path)
		if path == s.either[0] && got == "" {
			got = readFile(t, view, s.either[1])
		}
		if got != text {
			t.Errorf("acknowledged file %s: got %q, want %q", path, got, text)
		}
	}
	for _, group := range s.group {
		n := 0
		for _, name := range group {
			if _, ok := view.Entry("consultations", slug(t, name)); ok {
				n++
			}
		}
		if n != 0 && n != len(group) {
			t.Errorf("%d of the %d commits of a group are there", n, len(group))
		}
	}
}

// scenario is what the crash tests do: groups of commits of new entries, and a
// file that is none.
func scenario(t *testing.T, s *script) {
	s.commit(t, "un", "a", "b", "2026/c")
	s.upload(t, "img/parc.jpg", "une photo")
	s.commit(t, "deux", "d", "e")
}

// prepare makes the repository that scenarios start from.
func prepare(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	r, stop := run(t, options(dir))
	put(t, r, "consultations", "parc", "zéro")
	put(t, r, "pages", "index", "zéro")
	stop()
	return dir
}

// play runs the scenario on a copy of the repository at base, with a fault.
func play(t *testing.T, base string, f fault, at int, scenario func(*testing.T, *script)) (*script, *crashDisk) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
		t.Fatal(err)
	}
	o := options(dir)
	o.Clock = func() time.Time { return time.Unix(1790000000, 0) } // so that packs have the same names in each play
	d := newCrashDisk(t, dir)
	o.disk = d
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	d.count, d.log, d.fault, d.at = 0, nil, f, at
	s := newScript(r)
	scenario(t, s)
	return s, d
}

// eachFault plays the scenario with a fault at every operation on the disk, or at
// some of them.
func eachFault(t *testing.T, f fault, scenario func(*testing.T, *script), check func(*testing.T, *script, *crashDisk)) {
	eachFaultFrom(t, f, nothing, scenario, check)
}

func nothing(*testing.T, string) {}

// sampled are the numbers of the operations that fail in one way: all of them where
// CMS_CRASH_ROUNDS asks for that. Otherwise a third of the kinds of operations fails, each
// in one of the ways, at its first, second or last turn; with -short, half of these.
func sampled(operations []string, f fault) (numbers []int) {
	turns := make(map[string][]int) // by kind
	var kinds []string
	for i, name := range operations {
		kind := hashes.ReplaceAllString(name, "")
		if turns[kind] == nil {
			kinds = append(kinds, kind)
		}
		turns[kind] = append(turns[kind], i)
	}
	for k, kind := range kinds {
		switch of := turns[kind]; {
		case exhaustively():
			numbers = append(numbers, of...)
		case testing.Short() && k/9%2 == 1:
		case k%3 == int(f) && k/3%3 == int(f):
			numbers = append(numbers, of[[]int{0, min(1, len(of)-1), len(of) - 1}[(k/9+int(f))%3]])
		}
	}
	return numbers
}

var hashes = regexp.MustCompile("[0-9a-f]{40}|[0-9]+")

// long skips a test with -short, whose short form the others are.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
}

// atLength skips a test of much that goes on at once or of other programs that are started
// again and again, beside which there is a quicker one of the same promise, or of how much
// something large takes, where neither CMS_CRASH_ROUNDS nor the race detector asks for it.
func atLength(t *testing.T) {
	t.Helper()
	if !exhaustively() && !race.Enabled {
		t.Skip("takes long: CMS_CRASH_ROUNDS has it run")
	}
}

// loaded is how much goes on at once, or one after the other beside it: all of it where
// CMS_CRASH_ROUNDS asks for it and under the race detector, which is there for it.
func loaded(exhaustive, plain, short int) int {
	if race.Enabled {
		return exhaustive
	}
	return scaled(exhaustive, plain, short)
}

// scaled is exhaustive for the exhaustive form of a test, which CMS_CRASH_ROUNDS asks for,
// plain without it, and short with -short.
func scaled(exhaustive, plain, short int) int {
	switch {
	case exhaustively():
		return exhaustive
	case testing.Short():
		return short
	}
	return plain
}

// exhaustively says whether CMS_CRASH_ROUNDS asks for the exhaustive forms of tests.
func exhaustively() bool { return os.Getenv("CMS_CRASH_ROUNDS") != "" }

// eachFaultFrom is eachFault from a repository to which begin has done something.
func eachFaultFrom(t *testing.T, f fault, begin func(t *testing.T, base string), scenario func(*testing.T, *script), check func(*testing.T, *script, *crashDisk)) {
	base := prepare(t)
	begin(t, base)
	s, d := play(t, base, f, 0, scenario)
	if err := s.repo.Close(); err != nil {
		t.Error(err)
	}
	operations := append(d.log, "none")
	for _, i := range sampled(operations, f) {
		t.Run(fmt.Sprintf("%d %s", i+1, operations[i]), func(t *testing.T) {
			t.Parallel()
			s, d := play(t, base, f, i+1, scenario)
			defer func() {
				if err := s.repo.Close(); err != nil {
					t.Error(err)
				}
			}()
			check(t, s, d)
		})
	}
}

// goesOn ends the fault of a disk, and makes an update, which is to be acknowledged.
func (s *script) goesOn(t *testing.T, d *crashDisk) {
	t.Helper()
	d.at = 0
	s.commit(t, "après", "f")
	if s.acked["f"] == "" {
		t.Error("an update after the fault failed too")
	}
}

func TestEveryFault(t *testing.T) {
	t.Parallel()
	for f, name := range map[fault]string{failBefore: "without effect", failAfter: "with effect"} {
		t.Run(name, func(t *testing.T) {
			eachFault(t, f, scenario, func(t *testing.T, s *script, d *crashDisk) {
				s.goesOn(t, d)
				s.check(t, s.repo)
				verify(t, s.repo)
				if l := leftBehind(s.repo.path); len(l) > 0 {
					t.Errorf("left behind: %v", l)
				}
			})
		})
	}
}

func TestEveryCrash(t *testing.T) {
	t.Parallel()
	eachFault(t, crash, scenario, imageChecker())
}

// TestEveryFaultOfRepack: what was not repacked or removed is so the next time.
func TestEveryFaultOfRepack(t *testing.T) {
	t.Parallel()
	for f, name := range map[fault]string{failBefore: "without effect", failAfter: "with effect"} {
		t.Run(name, func(t *testing.T) {
			eachFaultFrom(t, f, nothing, repacking, func(t *testing.T, s *script, d *crashDisk) {
				s.check(t, s.repo)
				fsck(t, s.repo.path)
				d.at = 0
				for i := range time.Duration(4) { // each repacks what the one before left
					if err := s.repo.repacker.maintain(t.Context(), later().Add(i*time.Hour), true); err != nil {
						t.Errorf("repack after the fault: %v", err)
					}
				}
				if left, err := s.repo.repacker.candidates(); err != nil || len(left) > 1 || len(s.repo.repacker.obsolete) > 0 {
					t.Errorf("%d packs are to be repacked, and %d kept, error %v", len(left), len(s.repo.repacker.obsolete), err)
				}
				verify(t, s.repo)
			})
		})
	}
}

// TestEveryCrashOfRepack: no copy of an object goes before another one is durable,
// and nothing is left of a pack by half.
func TestEveryCrashOfRepack(t *testing.T) {
	t.Parallel()
	eachFaultFrom(t, crash, nothing, repacking, imageChecker())
}

// repacking repacks packs beside an upload that is under way, and removes the old ones
// between a group and the move of a file.
func repacking(t *testing.T, s *script) {
	s.upload(t, "img/parc.jpg", "une photo")
	u, err := s.repo.Upload(context.Background(), 4, strings.NewReader("plan"))
	_ = s.repo.repacker.repack(context.Background()) // as the disk allows
	if err == nil {
		s.place(t, "img/plan.jpg", "plan", u)
	}
	s.commit(t, "un", "a", "b")
	_ = s.repo.repacker.removeExpired(context.Background(), later())
	s.move(t, "img/parc.jpg", "img/place.jpg", "une photo")
}

// TestCrashAfterPush: an edit stands on what was pushed, of which Git has made
// nothing durable.
func TestCrashAfterPush(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	for name, limit := range map[string]string{"loose objects": "100", "pack": "1"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r, stop := run(t, options(dir))
			put(t, r, "consultations", "parc", "zéro")
			stop()
			git(t, dir, "config", "receive.unpackLimit", limit)
			work := clone(t, dir)
			d := newCrashDisk(t, dir)
			o := options(dir)
			o.disk = d
			r, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			s := newScript(r)
			s.commit(t, "un", "a")
			write(t, work, "_consultations/dehors.md", "---\ntitle: dehors\n---\n")
			commitAll(t, work, "Dehors")
			git(t, work, "pull", "-q", "--rebase")
			git(t, work, "push", "-q")
			d.bring(t, dir)
			if loose, _ := filepath.Glob(filepath.Join(dir, "objects/??/*")); (len(loose) > 0) != (limit != "1") {
				t.Errorf("the push left %d loose objects", len(loose))
			}
			s.commit(t, "deux", "b")
			s.acked["dehors"] = "dehors"
			s.check(t, r)
			imageChecker()(t, s, d)

			d.count, d.log = 0, nil
			s.commit(t, "trois", "c")
			var syncs []string
			for _, op := range d.log {
				if strings.HasPrefix(op, "sync ") {
					syncs = append(syncs, op)
				}
			}
			if len(syncs) != 5 { // pack, index, branch, and two folders
				t.Errorf("syncs of an edit on one of ours: got %q", syncs)
			}
		})
	}
}

// TestEveryFaultOfIndex: what could not be saved is saved the next time.
func TestEveryFaultOfIndex(t *testing.T) {
	t.Parallel()
	for f, name := range map[fault]string{failBefore: "without effect", failAfter: "with effect"} {
		t.Run(name, func(t *testing.T) {
			eachFault(t, f, indexing, func(t *testing.T, s *script, d *crashDisk) {
				d.at = 0
				s.commit(t, "après", "f")
				if err := s.repo.saveIndex(false); err != nil {
					t.Errorf("save after the fault: %v", err)
				}
				h, at, _, err := decodeIndexFile(&mapping{readIndexFile(t, s.repo.path)})
				if err != nil || h.journal == nil || h.tip != s.repo.View().Commit() {
					t.Errorf("the index lacks something: %v", err)
				}
				for x := range s.repo.View().blobs() {
					var raw string
					if p := at.find(x.hash); p == nil {
						t.Errorf("the index lacks the reading of blob %s", x.hash)
					} else if err := p.read(func(b []byte) { raw = string(b) }); err != nil {
						t.Error(err)
					} else if got, err := decodeParsed(raw); err != nil {
						t.Error(err)
					} else {
						sameReading(t, got, x.read())
					}
				}
			})
		})
	}
}

func TestEveryCrashOfIndex(t *testing.T) { eachFault(t, crash, indexing, imageChecker()) }

// indexing adds to the index between two groups, makes it anew, and adds to it beside a group.
func indexing(t *testing.T, s *script) {
	s.commit(t, "un", "a", "b")
	_ = s.repo.saveIndex(false) // as the disk allows
	s.commit(t, "deux", "c")
	_ = s.repo.saveIndex(true)
	s.commit(t, "trois", "d")
	s.repo.startSave(t.Context(), nil)
	err := <-s.repo.rebuild.done
	s.commit(t, "quatre", "e") // before the writer knows that it is done
	_ = s.repo.finishRebuild(err)
}

// imageChecker opens what each kind of crash leaves, if no other one has left
// the same.
func imageChecker() func(*testing.T, *script, *crashDisk) { return eachImage(checkImage) }

// eachImage has check look at what each kind of crash leaves, if no other one has left
// the same.
func eachImage(check func(t *testing.T, s *script, dir string)) func(*testing.T, *script, *crashDisk) {
	var seen sync.Map
	return func(t *testing.T, s *script, d *crashDisk) {
		for _, name := range slices.Sorted(maps.Keys(cuts)) {
			files := d.left(cuts[name])
			if _, same := seen.LoadOrStore(digest(files, cuts[name])+fmt.Sprint(s.acked), true); !same {
				t.Run(name, func(t *testing.T) { check(t, s, image(t, s.repo.path, files, cuts[name])) })
			}
		}
	}
}

// checkImage has git look at what a crash left before a start mends it, too, in the
// exhaustive form, which CMS_CRASH_ROUNDS asks for; after the start it does in each.
func checkImage(t *testing.T, s *script, dir string) {
	if exhaustively() {
		fsck(t, dir)
	}
	checkStart(t, s, dir)
}

// checkStart opens what a crash left.
func checkStart(t *testing.T, s *script, dir string) {
	t.Helper()
	r, err := Open(t.Context(), options(dir))
	if err != nil {
		t.Fatalf("open after the crash: %v", err)
	}
	defer r.Close()
	s.check(t, r)
	after := newScript(r)
	after.commit(t, "après", "f")
	if len(after.acked) != 1 {
		t.Error("no commit is possible after the crash")
	}
	verify(t, r)
	if l := leftBehind(dir); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
	noRemains(t, r.packFolder())
}

// leftBehind are the drafts and keeps in the repository, and the locks of branches and of
// packed-refs.
func leftBehind(dir string) (left []string) {
	for _, pattern := range []string{"objects/pack/tmp*", "objects/pack/cms_*", "cms.drafts/*", "objects/pack/*.keep", "refs/heads/*.lock", "packed-refs?*"} {
		l, _ := filepath.Glob(filepath.Join(dir, pattern))
		left = append(left, l...)
	}
	return left
}

// TestKilled kills a process with sixteen writers at random moments, time and
// again on one repository. CMS_CRASH_ROUNDS says how often.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("CMS_CRASH_CHILD"); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	rounds := loaded(3, 2, 1)
	if s := os.Getenv("CMS_CRASH_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	acked := make(map[string]string)
	for round := range rounds {
		child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), "CMS_CRASH_CHILD="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines, life := bufio.NewScanner(out), 1+rand.IntN(400)
		for n := 0; lines.Scan(); n++ {
			name, commit, ok := strings.Cut(lines.Text(), " ")
			if !ok || len(commit) != 40 {
				continue // the last line may be cut short
			}
			acked[name] = commit
			if n == life {
				child.Process.Kill()
			}
		}
		if err := child.Wait(); err == nil || len(acked) == 0 {
			t.Fatalf("round %d: the child ended by itself: %v", round, err)
		}
		fsck(t, dir)
		r, err := Open(t.Context(), options(dir))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for name, commit := range acked {
			e, ok := r.View().Entry("consultations", slug(t, name))
			if !ok || e.Updated().Commit.String() != commit {
				t.Errorf("round %d: acknowledged %s of %s is missing", round, name, commit)
			}
		}
		if round == rounds-1 {
			verify(t, r)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d acknowledged commits in %d rounds", len(acked), rounds)
}

// writeUntilKilled is the child: it prints each entry once it is acknowledged.
func writeUntilKilled(t *testing.T, dir string) {
	r, _ := run(t, durable(dir))
	round := len(r.View().Entries("consultations"))
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("r%d/w%d-%d", round, w, i)
				res, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
					_, err := tx.Put("consultations", slug(t, name), document(name))
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Printf("%s %s\n", name, res.Commit)
			}
		})
	}
	wg.Wait()
}
