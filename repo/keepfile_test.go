package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestStaleLockWaits: a lock that nobody takes away is waited for with pauses, and
// nothing is written meanwhile.
func TestStaleLockWaits(t *testing.T) {
	dir := t.TempDir()
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
	lock := filepath.Join(dir, "refs/heads/main.lock")
	if err := os.WriteFile(lock, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	files := func() []string {
		l, _ := filepath.Glob(filepath.Join(dir, "objects/pack/*"))
		return l
	}
	before := files()
	d.log = nil
	runs := 0
	q := &request{ctx: t.Context(), meta: Meta{Author: ann}, done: make(chan struct{}), fn: func(tx *Tx) error {
		runs++
		_, err := tx.Put("consultations", slug(t, "b"), document("deux"))
		return err
	}}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r.commit(context.Background(), []*request{q})
		if took := time.Since(began); took < lockTimeout || took > lockTimeout+longestPause {
			t.Errorf("gave up after %s, want %s", took, lockTimeout)
		}
	})
	if !errors.Is(q.err, ErrStorage) || errors.Is(q.err, ErrUnsure) {
		t.Errorf("update: got error %v, want ErrStorage", q.err)
	}
	if runs != 1 {
		t.Errorf("the function ran %d times, want once", runs)
	}
	tries := 0
	for _, op := range d.log {
		switch {
		case strings.HasPrefix(op, "link main"):
			tries++
		case strings.HasPrefix(op, "sync"), strings.Contains(op, "pack"), strings.Contains(op, groupDraft):
			t.Errorf("while the lock was waited for: %s", op)
		}
	}
	if tries < minLockTries || tries > 50 {
		t.Errorf("tried %d times to take the lock", tries)
	}
	if got := files(); !slices.Equal(got, before) {
		t.Errorf("files of packs: got %v, want %v", got, before)
	}
	if _, err := os.Stat(lock); err != nil {
		t.Errorf("lock of another process: %v, want it kept", err)
	}
	if err := r.probe(t.Context()); !errors.Is(err, ErrStorage) || !errors.Is(err, fs.ErrExist) {
		t.Errorf("while the lock is there: got error %v, want that it is", err)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if err := r.probe(t.Context()); err != nil {
		t.Errorf("once the lock has gone: got error %v", err)
	}
	s.commit(t, "deux", "b")
	s.check(t, r)
	verify(t, r)
}

// TestKeeps: what a killed process kept is free at the next start, and what
// operators keep stays kept.
func TestKeeps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, stop := run(t, options(dir))
	put(t, r, "consultations", "a", "un")
	put(t, r, "consultations", "b", "deux")
	stop()
	packs, err := listPacks(r.packFolder())
	if err != nil || len(packs) != 2 {
		t.Fatalf("packs: %v, %v", packs, err)
	}
	files := map[string]string{
		packs[0].name + ".keep":                     keepContent, // ours
		packs[1].name + ".keep":                     "",          // an operator's
		"pack-" + strings.Repeat("1", 40) + ".keep": keepContent,
		"pack-" + strings.Repeat("1", 40) + ".pack": "its index is gone",
		"pack-" + strings.Repeat("2", 40) + ".pack": "on its way, of a push",
		"cms_group_probe":                           "x",
		"cms_upload3_pack":                          "x",
		"tmp_cms_join_pack":                         "x", // of an older version
		"tmp_cms_upload7_idx":                       "x",
		filepath.Join(r.drafts, "cms_group_pack"):   "x",
		filepath.Join(r.drafts, "cms_place"):        "",
	}
	stays := []string{packs[1].name + ".keep", "pack-" + strings.Repeat("1", 40) + ".pack", "pack-" + strings.Repeat("2", 40) + ".pack"}
	at := func(name string) string {
		if filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(r.packFolder(), name)
	}
	for name, text := range files {
		if err := os.WriteFile(at(name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r, stop = run(t, options(dir))
	for name := range files {
		if got, want := exists(at(name)), slices.Contains(stays, name); got != want {
			t.Errorf("%s is there: %v, want %v", filepath.Base(name), got, want)
		}
	}
	os.Remove(at(stays[1]))
	os.Remove(at(stays[2]))
	put(t, r, "consultations", "c", "trois")
	stop()
	verify(t, r)
}

// TestPackNameTaken: a pack of the same bytes is there, of a write that failed, or
// of a file that was uploaded before. An maintenance may be about to drop it, so that what
// is committed stands in another one.
func TestPackNameTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(dir)
	o.Clock = func() time.Time { return time.Unix(1790000000, 0) }
	failing := &failingPlace{}
	o.disk = failing
	r := start(t, o)
	put(t, r, "pages", "index", "un")
	attempt := func() error {
		_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
			_, err := tx.Put("consultations", slug(t, "a"), document("un"))
			return err
		})
		return err
	}
	packs := func() []packFile {
		l, err := listPacks(r.packFolder())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	failing.next.Store(true)
	if err := attempt(); !errors.Is(err, ErrStorage) {
		t.Errorf("update: got error %v, want ErrStorage", err)
	}
	dropped := packs()
	if err := attempt(); err != nil {
		t.Fatal(err)
	}
	if got := len(packs()); got != len(dropped)+1 {
		t.Errorf("packs: got %d, want %d: the pack of the failed write was used again", got, len(dropped)+1)
	}
	for i, name := range []string{"img/un.jpg", "img/deux.jpg", "img/trois.jpg"} {
		before := len(packs())
		u := upload(t, r, "une photo")
		update(t, r, func(tx *Tx) error { return tx.PutFile(filePath(t, name), u) })
		if got := len(packs()) - before; got != 2 {
			t.Errorf("upload %d: %d new packs, want 2", i, got)
		}
		if got := readFile(t, r.View(), name); got != "une photo" {
			t.Errorf("upload %d: got %q", i, got)
		}
	}
}

// A failingPlace fails after a pack is in place, once it is told to.
type failingPlace struct {
	osDisk
	next atomic.Bool
}

func (d *failingPlace) SyncDir(name string) error {
	if strings.HasSuffix(name, "pack") && d.next.Swap(false) {
		return errInjected
	}
	return d.osDisk.SyncDir(name)
}

// TestEmptyFolderOfBranchName: the branch stands in packed-refs, and an empty folder
// is left where its file belongs.
func TestEmptyFolderOfBranchName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, stop := run(t, options(dir))
	put(t, r, "consultations", "a", "un")
	stop()
	git(t, dir, "pack-refs", "--all", "--prune")
	if err := os.MkdirAll(filepath.Join(dir, "refs/heads/main/a/b"), 0o777); err != nil {
		t.Fatal(err)
	}
	r = start(t, options(dir))
	res := put(t, r, "consultations", "b", "deux")
	if got := tipOf(t, dir, "main"); got != res.Commit.String() {
		t.Errorf("branch: got %s, want %s", got, res.Commit)
	}
}

// TestMaintenanceOfGit: Git's own maintenance, all of it at once, beside writers, readers,
// uploads and pushes loses nothing. CMS_UPKEEP_ROUNDS has it run, and says how
// often each is.
func TestMaintenanceOfGit(t *testing.T) {
	t.Parallel()
	rounds := 1
	if os.Getenv("CMS_UPKEEP_ROUNDS") == "" {
		atLength(t)
	}
	if s := os.Getenv("CMS_UPKEEP_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	r, stop := run(t, options(dir))
	put(t, r, "pages", "index", "Accueil")
	work := clone(t, dir)
	done := make(chan struct{})
	over := func() bool {
		select {
		case <-done:
			return true
		default:
			return t.Failed()
		}
	}
	var others sync.WaitGroup
	var titles, files sync.Map // acknowledged
	for w := range 4 {
		others.Go(func() {
			for i := 0; !over(); i++ {
				name, title := fmt.Sprintf("w%d/%d", w, i%20), fmt.Sprint("titre ", i)
				_, err := r.Update(context.Background(), Meta{Author: ann}, func(tx *Tx) error {
					_, err := tx.Put("consultations", slug(t, name), document(title))
					return err
				})
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				titles.Store(name, title)
			}
		})
	}
	others.Go(func() {
		for i := 0; !over(); i++ {
			name, text := fmt.Sprintf("img/%d.jpg", i%10), fmt.Sprint("photo ", i%3)
			u, err := r.Upload(context.Background(), int64(len(text)), strings.NewReader(text))
			if err != nil {
				t.Errorf("upload: %v", err)
				return
			}
			_, err = r.Update(context.Background(), Meta{Author: ann}, func(tx *Tx) error { return tx.PutFile(filePath(t, name), u) })
			if err = errors.Join(err, u.Close()); err != nil {
				t.Errorf("upload: %v", err)
				return
			}
			files.Store(name, text)
		}
	})
	others.Go(func() { // reads from the disk
		for !over() {
			for _, e := range r.View().Entries("consultations") {
				if b, err := r.Blob(context.Background(), e.Revision); err != nil || len(b) == 0 {
					t.Errorf("read: %d bytes, %v", len(b), err)
					return
				}
			}
		}
	})
	others.Go(func() { // pushes, of which some come through
		for i := 0; !over(); i++ {
			write(t, work, "_consultations/dehors.md", fmt.Sprintf("---\ntitle: %d\n---\n", i))
			commitAll(t, work, "Dehors")
			for range 5 {
				if _, err := tryGit(work, "pull", "-q", "--rebase"); err != nil {
					continue
				}
				if _, err := tryGit(work, "push", "-q"); err == nil {
					break
				}
			}
		}
	})
	for round := range rounds {
		for _, upkeep := range []string{
			"gc -q", "gc -q --prune=now", "repack -q -a -d", "repack -q -d --geometric=2",
			"maintenance run --quiet", "prune", "multi-pack-index write", "pack-refs --all",
			"maintenance run --quiet --task=incremental-repack", "maintenance run --quiet --task=loose-objects", "maintenance run --quiet --task=commit-graph",
		} {
			if out, err := tryGit(dir, strings.Fields(upkeep)...); err != nil {
				t.Logf("round %d: git %s: %v %s", round, upkeep, err, out)
			}
		}
	}
	close(done)
	others.Wait()
	view := r.View()
	titles.Range(func(name, title any) bool {
		e, ok := view.Entry("consultations", slug(t, name.(string)))
		if !ok {
			t.Errorf("acknowledged entry %s is missing", name)
		} else if got, _ := e.Fields().Get("title"); got != title {
			t.Errorf("acknowledged entry %s: title %v, want %s", name, got, title)
		}
		return true
	})
	files.Range(func(name, text any) bool {
		if got := readFile(t, view, name.(string)); got != text {
			t.Errorf("acknowledged file %s: got %q, want %q", name, got, text)
		}
		return true
	})
	stop()
	verify(t, r)
	if l := leftBehind(dir); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}
