package repo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cms/content"
	"cms/race"
	"cms/repo/repotest"
)

// collectionsForTest are those of an invented site.
var collectionsForTest = []content.Collection{
	{Name: "consultations", Folder: "_consultations", Extension: ".md"},
	{Name: "pages", Folder: "", Extension: ".md"},
	{Name: "news", Folder: "site/news", Extension: ".markdown"},
}

var ann = Person{"Anne Éditrice", "anne@ville.example"}

// options are those of a repository of which no power cut is to be survived: what is
// synced is told by crashDisk, and on a busy machine each sync takes milliseconds.
func options(dir string) Options {
	o := durable(dir)
	o.disk = unsyncedDisk{}
	return o
}

// durable is options on the real disk.
func durable(dir string) Options {
	return Options{Path: dir, Committer: Person{"CMS", "cms@ville.example"}, Collections: collectionsForTest}
}

// An unsyncedDisk is the real one, on which nothing is synced.
type unsyncedDisk struct{ osDisk }

func (d unsyncedDisk) Create(name string, mode os.FileMode) (diskFile, error) {
	f, err := d.osDisk.Create(name, mode)
	if err != nil {
		return nil, err
	}
	return unsynced{f}, nil
}

func (d unsyncedDisk) Append(name string) (diskFile, error) {
	f, err := d.osDisk.Append(name)
	if err != nil {
		return nil, err
	}
	return unsynced{f}, nil
}

func (unsyncedDisk) SyncDir(name string) error  { return onlyOpen(name) }
func (unsyncedDisk) SyncFile(name string) error { return onlyOpen(name) }

// onlyOpen fails as a sync does where there is no such file.
func onlyOpen(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return f.Close()
}

// unsynced is a file that is not synced.
type unsynced struct{ diskFile }

func (unsynced) Sync() error { return nil }

// start opens the repository and runs its writer until the test ends, then
// checks it.
func start(t *testing.T, o Options) *Repo {
	t.Helper()
	r, stop := run(t, o)
	t.Cleanup(func() {
		if t.Failed() {
			stop()
		} else {
			end(t, r, stop)
		}
	})
	return r
}

// end stops the writer, and checks what it leaves.
func end(t *testing.T, r *Repo, stop func()) {
	t.Helper()
	stop()
	verify(t, r)
	if err := r.store.Close(); err != nil {
		t.Error(err)
	}
}

// run opens the repository and runs its writer until stop is called.
func run(t testing.TB, o Options) (r *Repo, stop func()) {
	t.Helper()
	r, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return r, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

// verify runs git fsck, and compares what r holds in memory with what one
// opened afresh on a copy reads.
func verify(t *testing.T, r *Repo) {
	t.Helper()
	inWriter(t, r, func() error { return nil })
	fsck(t, r.path)
	compare(t, r)
}

// inWriter runs f, which may run twice, when what others made is taken in: in the writer
// where that runs, as much is its own.
func inWriter(t *testing.T, r *Repo, f func() error) {
	t.Helper()
	runs := r.running.Load()
	select {
	case <-r.stopped:
		runs = false
	default:
	}
	var err error
	if runs {
		comes(t, "the writer", func() bool { // who leaves a remote alone for a while that took nothing
			_, err = r.Update(context.Background(), Meta{Author: ann}, func(*Tx) error { return f() })
			return !errors.As(err, new(*RemoteError))
		})
	} else if _, err = r.catchUp(context.Background()); err == nil {
		err = f()
	}
	if err != nil {
		t.Fatalf("catch up: %v", err)
	}
}

// compare compares what r holds in memory with what one opened afresh on a copy
// reads.
func compare(t *testing.T, r *Repo) {
	t.Helper()
	var copied string
	inWriter(t, r, func() error { // which leaves the files alone meanwhile
		copied = t.TempDir()
		return os.CopyFS(copied, os.DirFS(r.path))
	})
	if err := removeIfExists(osDisk{}, filepath.Join(copied, indexFile)); err != nil {
		t.Fatal(err)
	}
	fresh, err := Open(context.Background(), Options{Path: copied, Branch: r.branch.name.Short(), Collections: r.collections, Committer: r.committer, ReadOnly: true})
	if err != nil {
		t.Fatalf("open afresh: %v", err)
	}
	defer fresh.Close()
	if got, want := r.View().Commit(), fresh.View().Commit(); got != want {
		t.Errorf("live snapshot is at %s, fresh one at %s", got, want)
	}
	for _, c := range r.collections {
		got, want := describe(t, r.View().Entries(c.Name)), describe(t, fresh.View().Entries(c.Name))
		if got != want {
			t.Errorf("entries of %s live:\n%s\nfresh:\n%s", c.Name, got, want)
		}
	}
	r.history.mu.RLock()
	paths := len(r.history.touches)
	r.history.mu.RUnlock()
	if got, want := paths, len(fresh.history.touches); got != want {
		t.Errorf("live history knows %d paths, fresh one %d", got, want)
	}
	for path := range fresh.history.touches {
		got, want := fmt.Sprint(r.history.fileHistory(path, 0)), fmt.Sprint(fresh.history.fileHistory(path, 0))
		if got != want {
			t.Errorf("history of %s live:\n%s\nfresh:\n%s", path, got, want)
		}
	}
	got, err := r.Changes(context.Background(), Hash{}, Hash{}, 0)
	if err != nil {
		t.Error(err)
	}
	want, err := fresh.Changes(context.Background(), Hash{}, Hash{}, 0)
	if err != nil {
		t.Error(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("changes live:\n%v\nfresh:\n%v", got, want)
	}
}

func describe(t *testing.T, entries []*Entry) string {
	t.Helper()
	var b strings.Builder
	for _, e := range entries {
		src, err := e.Source()
		if err != nil {
			t.Fatal(err)
		}
		fields, err := json.Marshal(e.Fields())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s %s %o %q %s %v %v\n", e.Slug, e.Path, e.Revision, e.Mode, src, fields, e.Problems(), e.Updated())
	}
	return b.String()
}

// fsck has git check the repository. Verify does, without a process, in the parts of a test
// of which there are many, and everywhere with -short: but not under the race detector, and
// not where CMS_CRASH_ROUNDS asks for all of it.
func fsck(t *testing.T, dir string) {
	t.Helper()
	if partly := testing.Short() || strings.Contains(t.Name(), "/"); partly && !race.Enabled && !exhaustively() {
		if _, err := Verify(context.Background(), dir); err != nil {
			t.Errorf("verify: %v", err)
		}
		return
	}
	out := git(t, dir, repotest.FsckArgs(dir)...)
	if out != "" {
		t.Errorf("git fsck:\n%s", out)
	}
}

// git runs the program in dir and gives back what it prints.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := tryGit(dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tipOf is the commit that a revision names, read from files where those tell.
func tipOf(t *testing.T, dir, revision string) string {
	t.Helper()
	if tip := repotest.Tip(dir, revision); tip != "" {
		return tip
	}
	return strings.TrimSpace(git(t, dir, "rev-parse", revision))
}

func tryGit(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_TEST_FSYNC=0",
		"GIT_AUTHOR_NAME=Denis Dehors", "GIT_AUTHOR_EMAIL=denis@ville.example",
		"GIT_COMMITTER_NAME=Denis Dehors", "GIT_COMMITTER_EMAIL=denis@ville.example")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out), err
}

// importStream has git fast-import, with settings, read a stream of its.
func importStream(t *testing.T, dir string, in io.Reader, settings ...string) {
	t.Helper()
	cmd := exec.Command("git", append(settings, "fast-import", "--quiet")...)
	cmd.Dir, cmd.Stdin, cmd.Env = dir, in, append(os.Environ(), "GIT_TEST_FSYNC=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git fast-import: %v\n%s", err, out)
	}
}

// clone makes a working tree of the repository at dir.
func clone(t *testing.T, dir string) string {
	t.Helper()
	work := t.TempDir()
	plainly(t, repotest.Clone(dir, work), work, "clone", "-q", "--no-local", dir, ".")
	return work
}

// write puts content into a file of a working tree.
func write(t *testing.T, work, name, text string) {
	t.Helper()
	file := filepath.Join(work, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func slug(t testing.TB, s string) content.Slug {
	t.Helper()
	v, err := content.ParseSlug(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func document(title string) *content.Document {
	return content.Parse(fmt.Appendf(nil, "---\ntitle: %s\nin_progress: true\n---\nDonnez votre avis.\n", title))
}

// put updates one entry.
func put(t *testing.T, r *Repo, collection, s, title string) Result {
	t.Helper()
	return update(t, r, func(tx *Tx) error {
		_, err := tx.Put(collection, slug(t, s), document(title))
		return err
	})
}

func update(t *testing.T, r *Repo, fn func(*Tx) error) Result {
	t.Helper()
	res, err := r.Update(t.Context(), Meta{Author: ann}, fn)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestFirstCommit(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "site.git")
	o := options(dir)
	o.Clock = func() time.Time { return time.Unix(1790000000, 0) }
	r := start(t, o)
	if got := r.View().Commit(); !got.IsZero() {
		t.Errorf("commit of an empty repository: got %s, want zero", got)
	}
	if got, want := strings.TrimSpace(git(t, dir, "config", "gc.auto")), "0"; got != want {
		t.Errorf("gc.auto: got %s, want %s", got, want)
	}
	before := r.View()
	res, err := r.Update(t.Context(), Meta{Author: ann, Message: "Ouvrir la consultation",
		CoAuthors: []Person{{"Bob\nCo", "bob@ville.example"}}}, func(tx *Tx) error {
		_, err := tx.Put("consultations", slug(t, "parc"), document("Le parc"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !res.Changed || res.Snapshot.Commit() != res.Commit || r.View() != res.Snapshot {
		t.Errorf("result %+v is not the published one", res)
	}
	select {
	case <-before.Superseded():
	default:
		t.Error("the snapshot before was not superseded")
	}
	got := git(t, dir, "log", "--format=%an <%ae> %ai|%cn <%ce> %ci|%B", "main")
	want := "Anne Éditrice <anne@ville.example> 2026-09-21 14:13:20 +0000|CMS <cms@ville.example> 2026-09-21 14:13:20 +0000|" +
		"Ouvrir la consultation\n\nCo-authored-by: Bob Co <bob@ville.example>\n\n"
	if got != want {
		t.Errorf("log:\n%q\nwant:\n%q", got, want)
	}
	e, ok := r.View().Entry("consultations", slug(t, "parc"))
	if !ok {
		t.Fatal("entry is not there")
	}
	if u := e.Updated(); u.Commit != res.Commit || u.Action != Created || u.Author != ann || u.Message != "Ouvrir la consultation" {
		t.Errorf("updated: got %+v", u)
	}
	if title, _ := e.Fields().Get("title"); title != "Le parc" {
		t.Errorf("title: got %v", title)
	}
	work := clone(t, dir)
	if b, err := os.ReadFile(filepath.Join(work, "_consultations/parc.md")); err != nil || !bytes.Equal(b, document("Le parc").Source()) {
		t.Errorf("file in a clone: %q, %v", b, err)
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	s := func(x string) content.Slug { return slug(t, x) }
	for _, c := range []struct {
		want string
		fn   func(tx *Tx) error
	}{
		{"Create consultations/parc", func(tx *Tx) error { _, err := tx.Put("consultations", s("parc"), document("1")); return err }},
		{"Update consultations/parc", func(tx *Tx) error { _, err := tx.Put("consultations", s("parc"), document("2")); return err }},
		{"Move consultations/parc to consultations/2026/parc", func(tx *Tx) error { return tx.Move("consultations", s("parc"), "consultations", s("2026/parc")) }},
		{"Delete consultations/2026/parc", func(tx *Tx) error { return tx.Delete("consultations", s("2026/parc")) }},
		{"Create consultations/a and 2 more", func(tx *Tx) (err error) {
			for _, x := range []string{"c", "a", "b"} {
				_, e := tx.Put("consultations", s(x), document(x))
				err = errors.Join(err, e)
			}
			return err
		}},
		{"Vu à la mairie", func(tx *Tx) error {
			tx.SetMessage("  Vu\nà la\x00mairie ")
			_, err := tx.Put("consultations", s("a"), document("x"))
			return err
		}},
	} {
		res := update(t, r, c.fn)
		if got := strings.TrimSpace(git(t, r.path, "log", "-1", "--format=%s", res.Commit.String())); got != c.want {
			t.Errorf("subject: got %q, want %q", got, c.want)
		}
	}
}

func TestPersonInCommit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want Person }{
		{Person{"Anne", "anne@ville.example"}, Person{"Anne", "anne@ville.example"}},
		{Person{"A <b>\nc\x00", "x y<z>\n@e"}, Person{"A b c", "xyz@e"}},
		{Person{"", "anne@ville.example"}, Person{"anne", "anne@ville.example"}},
		{Person{" . ", ""}, Person{"unknown", ""}},
		{Person{"\xffAnne", "a@e\xff"}, Person{"\uFFFDAnne", "a@e"}},
	} {
		if got := c.in.clean(); got != c.want {
			t.Errorf("clean(%q): got %q, want %q", c.in, got, c.want)
		}
	}
	r := start(t, options(t.TempDir()))
	for i, p := range []Person{{"", ""}, {"<>", "<>"}, {"a\nparent 0000", "b\n"}} {
		_, err := r.Update(t.Context(), Meta{Author: p, CoAuthors: []Person{p}}, func(tx *Tx) error {
			_, err := tx.Put("consultations", slug(t, fmt.Sprint("c", i)), document("x"))
			return err
		})
		if err != nil {
			t.Errorf("author %q: %v", p, err)
		}
	}
}

func TestNoChangeNoCommit(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	first := put(t, r, "consultations", "parc", "Le parc")
	for name, fn := range map[string]func(tx *Tx) error{
		"equal": func(tx *Tx) error {
			_, err := tx.Put("consultations", slug(t, "parc"), document("Le parc"))
			return err
		},
		"there and back": func(tx *Tx) error {
			if _, err := tx.Put("consultations", slug(t, "parc"), document("Autre")); err != nil {
				return err
			}
			_, err := tx.Put("consultations", slug(t, "parc"), document("Le parc"))
			return err
		},
		"created and deleted": func(tx *Tx) error {
			if _, err := tx.Put("consultations", slug(t, "new/x"), document("x")); err != nil {
				return err
			}
			return tx.Delete("consultations", slug(t, "new/x"))
		},
		"nothing": func(tx *Tx) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			view := r.View()
			res := update(t, r, fn)
			if res.Changed || res.Commit != first.Commit || r.View() != view {
				t.Errorf("got %+v, want no change of %s", res, first.Commit)
			}
		})
	}
}

func TestErrorsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	put(t, r, "consultations", "parc", "Le parc")
	tip := r.View()
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		want error
		fn   func(tx *Tx) error
	}{
		"error after put": {boom, func(tx *Tx) error {
			if _, err := tx.Put("consultations", slug(t, "x"), document("x")); err != nil {
				return err
			}
			return boom
		}},
		"delete of nothing": {ErrNotFound, func(tx *Tx) error { return tx.Delete("consultations", slug(t, "x")) }},
		"move of nothing":   {ErrNotFound, func(tx *Tx) error { return tx.Move("consultations", slug(t, "x"), "consultations", slug(t, "y")) }},
		"move onto another": {ErrExists, func(tx *Tx) error {
			if _, err := tx.Put("consultations", slug(t, "x"), document("x")); err != nil {
				return err
			}
			return tx.Move("consultations", slug(t, "x"), "consultations", slug(t, "parc"))
		}},
		"unknown collection": {ErrNotFound, func(tx *Tx) error { _, err := tx.Put("nope", slug(t, "x"), document("x")); return err }},
		"file as folder":     {ErrConflict, func(tx *Tx) error { _, err := tx.Put("consultations", slug(t, "parc.md/x"), document("x")); return err }},
		"new file as folder": {ErrConflict, func(tx *Tx) error {
			if _, err := tx.Put("consultations", slug(t, "n"), document("x")); err != nil {
				return err
			}
			_, err := tx.Put("consultations", slug(t, "n.md/x"), document("x"))
			return err
		}},
		"new folder as file": {ErrConflict, func(tx *Tx) error {
			if _, err := tx.Put("consultations", slug(t, "n.md/x"), document("x")); err != nil {
				return err
			}
			_, err := tx.Put("consultations", slug(t, "n"), document("x"))
			return err
		}},
		"another collection's place": {ErrConflict, func(tx *Tx) error { _, err := tx.Put("pages", slug(t, "_consultations/z"), document("x")); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := r.Update(t.Context(), Meta{Author: ann}, c.fn); !errors.Is(err, c.want) {
				t.Errorf("got error %v, want %v", err, c.want)
			}
			if r.View() != tip {
				t.Errorf("snapshot changed to %s", r.View().Commit())
			}
		})
	}
	t.Run("panic", func(t *testing.T) {
		_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error { panic("boom") })
		if err == nil || !strings.Contains(err.Error(), "boom") {
			t.Errorf("got error %v, want the panic", err)
		}
	})
	t.Run("transaction kept", func(t *testing.T) {
		var kept *Tx
		update(t, r, func(tx *Tx) error { kept = tx; return nil })
		if _, err := kept.Put("consultations", slug(t, "late"), document("x")); err == nil {
			t.Error("a transaction that is over still takes changes")
		}
	})
}

// TestTransactionReadsItself: what a function did, it sees; what it failed to do,
// the next one does not see.
func TestTransactionReadsItself(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	for _, s := range []string{"a", "b", "c"} {
		put(t, r, "consultations", s, s)
	}
	update(t, r, func(tx *Tx) error {
		if err := tx.Delete("consultations", slug(t, "a")); err != nil {
			return err
		}
		if err := tx.Move("consultations", slug(t, "b"), "consultations", slug(t, "d")); err != nil {
			return err
		}
		e, err := tx.Put("consultations", slug(t, "e"), content.Parse([]byte("Un texte sans rien de commun.\n")))
		if err != nil {
			return err
		}
		if got, ok := tx.Entry("consultations", slug(t, "e")); !ok || got != e {
			t.Errorf("entry just put: got %v %v", got, ok)
		}
		var got []string
		for e := range tx.tables["consultations"].all() {
			got = append(got, e.Slug.String())
		}
		if want := []string{"c", "d", "e"}; !slices.Equal(got, want) {
			t.Errorf("entries: got %v, want %v", got, want)
		}
		return nil
	})
	changes, err := r.Changes(t.Context(), Hash{}, Hash{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes[len(changes)-1].Changes {
		got = append(got, fmt.Sprintf("%s %s %s<%s", c.Action, c.Collection, c.Path, c.From))
	}
	want := []string{"deleted consultations _consultations/a.md<", "moved consultations _consultations/d.md<_consultations/b.md",
		"created consultations _consultations/e.md<"}
	if !slices.Equal(got, want) {
		t.Errorf("changes: got %q, want %q", got, want)
	}
}

// TestRestoredInTransaction: an entry that a function changed and restored was
// not updated by the commit that the function makes.
func TestRestoredInTransaction(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	first := put(t, r, "consultations", "parc", "1")
	res := update(t, r, func(tx *Tx) error {
		if err := tx.Delete("consultations", slug(t, "parc")); err != nil {
			return err
		}
		for _, s := range []string{"parc", "other"} {
			if _, err := tx.Put("consultations", slug(t, s), document("1")); err != nil {
				return err
			}
		}
		return nil
	})
	e, _ := res.Snapshot.Entry("consultations", slug(t, "parc"))
	if got := e.Updated().Commit; got != first.Commit {
		t.Errorf("updated by %s, want %s", got, first.Commit)
	}
}

func TestDeleteEverything(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	put(t, r, "consultations", "2026/parc", "x")
	update(t, r, func(tx *Tx) error { return tx.Delete("consultations", slug(t, "2026/parc")) })
	if got := git(t, r.path, "ls-tree", "-r", "HEAD"); got != "" {
		t.Errorf("tree: got %q, want nothing", got)
	}
	put(t, r, "consultations", "2026/parc", "y")
}

// TestTimesNeverGoBack: the clock does, by less than maxSkew, the log does not.
func TestTimesNeverGoBack(t *testing.T) {
	t.Parallel()
	now := int64(1790000000)
	o := options(t.TempDir())
	o.Clock = func() time.Time { now -= 10; return time.Unix(now, 0) }
	r := start(t, o)
	for i := range 5 {
		put(t, r, "consultations", "parc", fmt.Sprint(i))
	}
	times := strings.Fields(git(t, r.path, "log", "--format=%ct"))
	if len(times) != 5 || !slices.IsSortedFunc(times, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("committer times, newest first: %v", times)
	}
}
