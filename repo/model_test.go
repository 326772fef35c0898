package repo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cms/content"
)

// TestModel does at random what users, scripts and Git may do, and compares
// after each step the snapshot, the history and a fresh clone with a model.
//
// It is short unless -rapid.checks, -rapid.steps or CMS_CRASH_ROUNDS ask for more.
func TestModel(t *testing.T) {
	// With -short, rapid takes a fifth of the checks and half of the steps.
	for name, few := range map[string]int{"rapid.checks": scaled(1, 1, 5), "rapid.steps": scaled(12, 4, 6)} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			f.Value.Set(strconv.Itoa(few))
			t.Cleanup(func() { f.Value.Set(f.DefValue) })
		}
	}
	for range scaled(10, 1, 1) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			checkModel(t)
		})
	}
}

func checkModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{t: t, rt: rt, files: make(map[string]string)}
		m.dir = filepath.Join(mustTemp(t), "site.git")
		m.repo, m.stop = run(t, options(m.dir))
		m.update(func(tx *Tx) error { return m.put(tx, "pages", "index", "Accueil") })
		m.work = mustTemp(t)
		git(t, m.work, "clone", "-q", "--no-local", m.dir, ".")
		defer func() {
			m.stop()
			os.RemoveAll(filepath.Dir(m.dir))
			os.RemoveAll(m.work)
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"one":     m.doOne,
			"batch":   m.doBatch,
			"failure": m.doFailure,
			"upload":  m.doUpload,
			"file":    m.doFile,
			"push":    m.doPush,
			"merge":   m.doMerge,
			"repack":  m.doRepack,
			"reopen":  m.doReopen,
			"":        m.check,
		})
	})
}

func mustTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "model")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

type model struct {
	t     *testing.T
	rt    *rapid.T
	dir   string
	work  string // a clone that pushes
	repo  *Repo
	stop  func()
	files map[string]string // content by path
}

var modelSlugs = rapid.SampledFrom([]string{"a", "b", "c", "2026/a", "2026/b", "2026/été/c", "a-b", "a.b"})

func (m *model) path(collection, s string) string {
	c, err := m.repo.collections.named(collection)
	if err != nil {
		m.t.Fatal(err)
	}
	p, err := c.Path(slug(m.t, s))
	if err != nil {
		m.t.Fatal(err)
	}
	return p.String()
}

func (m *model) put(tx *Tx, collection, s, title string) error {
	d := document(title)
	_, err := tx.Put(collection, slug(m.t, s), d)
	if err == nil {
		m.files[m.path(collection, s)] = string(d.Source())
	}
	return err
}

// update runs fn, which changes the model too; what it did is taken back if it
// fails.
func (m *model) update(fn func(tx *Tx) error) error {
	before := maps.Clone(m.files)
	_, err := m.repo.Update(context.Background(), Meta{Author: ann}, func(tx *Tx) error {
		m.files = maps.Clone(before)
		return fn(tx)
	})
	if err != nil {
		m.files = before
		if errors.Is(err, errModel) || errors.Is(err, ErrStorage) {
			m.rt.Fatal(err)
		}
	}
	return err
}

// An operation is one thing that a function may do in the collection.
type operation struct{ kind, slug, to, title string }

var operations = rapid.Custom(func(rt *rapid.T) operation {
	return operation{
		kind:  rapid.SampledFrom([]string{"put", "put", "delete", "move", "move and put"}).Draw(rt, "kind"),
		slug:  modelSlugs.Draw(rt, "slug"),
		to:    modelSlugs.Draw(rt, "to"),
		title: rapid.SampledFrom([]string{"un", "deux", "trois"}).Draw(rt, "title"),
	}
})

// errModel: the repository does not do what the model does.
var errModel = errors.New("not as in the model")

// do does o to the transaction and to the model.
func (m *model) do(tx *Tx, o operation) error {
	const collection = "consultations"
	from, to := m.path(collection, o.slug), m.path(collection, o.to)
	_, exists := m.files[from]
	_, taken := m.files[to]
	var err, want error
	switch o.kind {
	case "put":
		err = m.put(tx, collection, o.slug, o.title)
	case "delete":
		if err = tx.Delete(collection, slug(m.t, o.slug)); !exists {
			want = ErrNotFound
		}
		delete(m.files, from)
	case "move", "move and put":
		err = tx.Move(collection, slug(m.t, o.slug), collection, slug(m.t, o.to))
		switch {
		case !exists:
			want = ErrNotFound
		case taken:
			want = ErrExists
		default:
			m.files[to] = m.files[from]
			delete(m.files, from)
			if o.kind == "move and put" && err == nil {
				err = m.put(tx, collection, o.to, o.title)
			}
		}
	}
	if !errors.Is(err, want) {
		return fmt.Errorf("%w: %+v: got error %v, want %v", errModel, o, err, want)
	}
	return err
}

func (m *model) doOne(rt *rapid.T) {
	o := operations.Draw(rt, "operation")
	m.update(func(tx *Tx) error { return m.do(tx, o) })
}

// doBatch does several things in one commit, passing over what is impossible.
func (m *model) doBatch(rt *rapid.T) {
	list := rapid.SliceOfN(operations, 2, 6).Draw(rt, "operations")
	m.update(func(tx *Tx) error {
		for _, o := range list {
			if err := m.do(tx, o); errors.Is(err, errModel) {
				return err
			}
		}
		return nil
	})
}

var modelFiles = rapid.SampledFrom([]string{"img/a.jpg", "img/b.jpg", "img/2026/a.pdf"})

// doUpload puts a file that is no entry, beside an entry in the same commit.
func (m *model) doUpload(rt *rapid.T) {
	name, text := modelFiles.Draw(rt, "file"), rapid.StringMatching("[a-z]{1,3}").Draw(rt, "text")
	u, err := m.repo.Upload(context.Background(), int64(len(text)), strings.NewReader(text))
	if err != nil {
		rt.Fatal(err)
	}
	o := operations.Draw(rt, "operation")
	fail := rapid.Bool().Draw(rt, "fail")
	err = m.update(func(tx *Tx) error {
		if err := m.do(tx, o); errors.Is(err, errModel) {
			return err
		}
		m.files[name] = text
		err := tx.PutFile(filePath(m.t, name), u)
		if fail {
			err = errors.Join(err, errors.New("no"))
		}
		return err
	})
	if (err != nil) != fail {
		rt.Fatalf("upload to %s: got error %v, want one: %t", name, err, fail)
	}
	if err := u.Close(); err != nil {
		rt.Fatal(err)
	}
}

// doFile moves or deletes a file that is no entry.
func (m *model) doFile(rt *rapid.T) {
	from, to := modelFiles.Draw(rt, "from"), modelFiles.Draw(rt, "to")
	remove := rapid.Bool().Draw(rt, "remove")
	text, exists := m.files[from]
	_, taken := m.files[to]
	var want error
	switch {
	case !exists:
		want = ErrNotFound
	case taken && !remove:
		want = ErrExists
	}
	err := m.update(func(tx *Tx) error {
		delete(m.files, from)
		if remove {
			return tx.DeleteFile(filePath(m.t, from))
		}
		m.files[to] = text
		return tx.MoveFile(filePath(m.t, from), filePath(m.t, to))
	})
	if !errors.Is(err, want) {
		rt.Fatalf("file %s to %s: got error %v, want %v", from, to, err, want)
	}
}

func (m *model) doFailure(rt *rapid.T) {
	o := operations.Draw(rt, "operation")
	if err := m.update(func(tx *Tx) error { return errors.Join(m.do(tx, o), errors.New("no")) }); err == nil {
		rt.Fatal("an update that failed was done")
	}
}

// doPush commits in the clone and pushes.
func (m *model) doPush(rt *rapid.T) {
	git(m.t, m.work, "pull", "-q", "--rebase")
	m.outside(rt)
	git(m.t, m.work, "push", "-q")
}

// doMerge commits in the clone and here, and merges the two there.
func (m *model) doMerge(rt *rapid.T) {
	git(m.t, m.work, "pull", "-q", "--rebase")
	m.outside(rt)
	title := rapid.StringMatching("[a-z]{3}").Draw(rt, "title")
	if err := m.update(func(tx *Tx) error { return m.put(tx, "news", "beside", title) }); err != nil {
		rt.Fatal(err)
	}
	git(m.t, m.work, "pull", "-q", "--no-rebase", "--no-edit")
	git(m.t, m.work, "push", "-q")
}

// outside writes, removes or renames a file in the clone, entry or not.
func (m *model) outside(rt *rapid.T) {
	pick := func(label string) string {
		if rapid.IntRange(0, 3).Draw(rt, label+" is no entry") == 0 {
			return modelFiles.Draw(rt, label)
		}
		return m.path("consultations", modelSlugs.Draw(rt, label))
	}
	name, to := pick("file"), pick("to")
	_, exists := m.files[name]
	_, taken := m.files[to]
	kind := rapid.SampledFrom([]string{"write", "remove", "rename"}).Draw(rt, "kind")
	switch {
	case exists && kind == "remove":
		git(m.t, m.work, "rm", "-q", name)
		delete(m.files, name)
	case exists && !taken && kind == "rename":
		if err := os.MkdirAll(filepath.Dir(filepath.Join(m.work, to)), 0o777); err != nil {
			rt.Fatal(err)
		}
		git(m.t, m.work, "mv", name, to)
		m.files[to] = m.files[name]
		delete(m.files, name)
	default:
		text := rapid.StringMatching("(---\ntitle: [a-z]{1,4}\n---\n)?[a-z]{0,3}").Draw(rt, "text")
		write(m.t, m.work, name, text)
		git(m.t, m.work, "add", ".")
		m.files[name] = text
	}
	git(m.t, m.work, "commit", "-q", "--allow-empty", "-m", "Dehors")
}

func (m *model) doRepack(rt *rapid.T) {
	if err := repackFolder(context.Background(), osDisk{}, m.repo.packFolder()); err != nil {
		rt.Fatal(err)
	}
}

func (m *model) doReopen(rt *rapid.T) {
	m.stop()
	m.repo, m.stop = run(m.t, options(m.dir))
}

func (m *model) check(rt *rapid.T) {
	// An update that does nothing takes in what was pushed.
	if err := m.update(func(*Tx) error { return nil }); err != nil {
		rt.Fatal(err)
	}
	got, told := make(map[string]string), m.ancestry()
	for _, c := range m.repo.collections {
		for _, e := range m.repo.View().Entries(c.Name) {
			src, err := e.Source()
			if err != nil {
				rt.Fatal(err)
			}
			got[e.Path.String()] = string(src)
			m.checkHistory(rt, told, e.Path)
		}
	}
	media, err := m.repo.View().Files(filePath(m.t, "img"))
	if err != nil {
		rt.Fatal(err)
	}
	for _, f := range media {
		got[f.Path.String()] = readFile(m.t, m.repo.View(), f.Path.String())
		m.checkHistory(rt, told, f.Path)
	}
	if !maps.Equal(got, m.files) {
		rt.Fatalf("snapshot: got %q, want %q", got, m.files)
	}
	fresh := filepath.Join(filepath.Dir(m.dir), "clone")
	git(m.t, m.dir, "clone", "-q", "--no-local", m.dir, fresh)
	defer os.RemoveAll(fresh)
	inClone := make(map[string]string)
	for _, name := range strings.FieldsFunc(git(m.t, fresh, "ls-files", "-z"), func(r rune) bool { return r == 0 }) {
		b, err := os.ReadFile(filepath.Join(fresh, name))
		if err != nil {
			rt.Fatal(err)
		}
		inClone[name] = string(b)
	}
	if !maps.Equal(inClone, m.files) {
		rt.Fatalf("clone: got %q, want %q", inClone, m.files)
	}
	verify(m.t, m.repo)
	if m.t.Failed() {
		rt.FailNow()
	}
}

// An ancestry is what git log tells: of each commit its parents, and of each path the
// commits that touched it. The merges here change nothing by themselves.
type ancestry struct {
	parents map[string][]string
	touched map[string][]string
}

func (m *model) ancestry() ancestry {
	a := ancestry{make(map[string][]string), make(map[string][]string)}
	for commit := range strings.SplitSeq(git(m.t, m.dir, "-c", "core.quotePath=false", "log", "--name-only", "--no-renames", "--format=@%H %P"), "@") {
		lines := strings.Split(commit, "\n")
		names := strings.Fields(lines[0])
		if len(names) == 0 {
			continue
		}
		a.parents[names[0]] = names[1:]
		for _, path := range lines[1:] {
			a.touched[path] = append(a.touched[path], names[0])
		}
	}
	return a
}

// before says whether a commit is another one, or one that it stands on.
func (a ancestry) before(commit, later string) bool {
	seen := map[string]bool{later: true}
	for next := []string{later}; len(next) > 0 && !seen[commit]; next = next[1:] {
		for _, p := range a.parents[next[0]] {
			if !seen[p] {
				seen[p] = true
				next = append(next, p)
			}
		}
	}
	return seen[commit]
}

// checkHistory compares the commits that touched a path with those that git log
// finds.
func (m *model) checkHistory(rt *rapid.T, a ancestry, p content.Path) {
	want := a.touched[p.String()]
	var got []string
	for _, t := range m.repo.history.touches[p.String()] {
		got = append(got, m.repo.history.commits.at(t.commit).hash.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		rt.Fatalf("commits that touched %s: got %v, want %v", p, got, want)
	}
	list, err := m.repo.History(context.Background(), p)
	if err != nil || len(list) == 0 {
		rt.Fatalf("history of %s: %v, %v", p, list, err)
	}
	for i := 1; i < len(list); i++ {
		if list[i-1].Commit != list[i].Commit && a.before(list[i-1].Commit.String(), list[i].Commit.String()) {
			rt.Fatalf("history of %s: %s stands before %s, which comes after it", p, list[i-1].Commit, list[i].Commit)
		}
	}
}
