package repo

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// site is a bare repository with some commits by Git.
func site(t *testing.T) (dir string) {
	t.Helper()
	return sites.copy(t, func(t *testing.T) string {
		work := t.TempDir()
		git(t, work, "init", "-q", "-b", "trunk")
		write(t, work, "_consultations/parc.md", "---\ntitle: Le parc\n---\n")
		write(t, work, "_consultations/2025/école.md", "---\ntitle: [\n---\n")
		write(t, work, "_consultations/notes.txt", "no entry")
		write(t, work, "site/news/un.markdown", "Un\n")
		write(t, work, "index.md", "Accueil\n")
		write(t, work, "Makefile", "all:\n")
		git(t, work, "add", ".")
		git(t, work, "commit", "-q", "-m", "Premier")
		write(t, work, "_consultations/parc.md", "---\ntitle: Le grand parc\n---\n")
		git(t, work, "commit", "-qam", "Agrandir le parc\n\nEnfin.")
		git(t, work, "branch", "side")
		dir := t.TempDir()
		git(t, dir, "clone", "-q", "--bare", work, ".")
		return dir
	})
}

var sites fixture

func TestOpenExisting(t *testing.T) {
	t.Parallel()
	long(t)
	for name, prepare := range map[string]func(dir string){
		"packed":      func(dir string) {},
		"packed refs": func(dir string) { git(t, dir, "pack-refs", "--all") },
		"symbolic link": func(dir string) {
			git(t, dir, "pack-refs", "--all") // so that it leads to no file
			git(t, dir, "-c", "core.preferSymlinkRefs=true", "symbolic-ref", "HEAD", "refs/heads/trunk")
		},
		"loose": func(dir string) {
			packs, _ := filepath.Glob(filepath.Join(dir, "objects/pack/*.pack"))
			for _, p := range packs {
				moved := filepath.Join(t.TempDir(), "p")
				os.Rename(p, moved)
				in, _ := os.ReadFile(moved)
				cmd := exec.Command("git", "unpack-objects", "-q")
				cmd.Dir, cmd.Stdin = dir, bytes.NewReader(in)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			idx, _ := filepath.Glob(filepath.Join(dir, "objects/pack/*.idx"))
			for _, p := range idx {
				os.Remove(p)
			}
		},
		"collected": func(dir string) { git(t, dir, "gc", "-q") },
		"another working tree": func(dir string) {
			beside := filepath.Join(t.TempDir(), "preview")
			git(t, dir, "worktree", "add", "-q", beside, "side")
			git(t, beside, "sparse-checkout", "set", "site")
			if set := git(t, dir, "config", "--file", "config", "extensions.worktreeConfig"); set != "true\n" {
				t.Fatalf("Git sets extensions.worktreeConfig to %q", set)
			}
		},
		"index of version 1": func(dir string) { git(t, dir, "-c", "pack.indexVersion=1", "repack", "-qadf") },
		"settings": func(dir string) {
			set(t, dir, "[remote \"origin\"]\n\tfetch = ^refs/pull/*\n[branch \"trunk\"]\n\trebase = merges\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := site(t)
			prepare(dir)
			r := start(t, options(dir))
			if got, want := r.View().Commit().String(), tipOf(t, dir, "trunk"); got != want {
				t.Errorf("commit: got %s, want %s", got, want)
			}
			var got []string
			for _, c := range r.collections {
				for _, e := range r.View().Entries(c.Name) {
					got = append(got, fmt.Sprintf("%s/%s %d %s", e.Collection, e.Slug, len(e.Problems()), e.Updated().Message))
				}
			}
			want := "[consultations/2025/école 1 Premier consultations/parc 0 Agrandir le parc pages/index 0 Premier news/un 0 Premier]"
			if s := fmt.Sprint(got); s != want {
				t.Errorf("entries:\n got %s\nwant %s", s, want)
			}
			put(t, r, "consultations", "parc", "Le tout petit parc")
			if got, want := git(t, dir, "show", "--format=", "--name-status", "trunk"), "M\t_consultations/parc.md\n"; got != want {
				t.Errorf("commit changed %q, want %q", got, want)
			}
			if got, want := git(t, dir, "ls-tree", "-r", "--name-only", "trunk~1"), git(t, dir, "ls-tree", "-r", "--name-only", "trunk"); got != want {
				t.Errorf("files: got %q, want %q", got, want)
			}
		})
	}
}

func TestOpenBranch(t *testing.T) {
	t.Parallel()
	dir := site(t)
	o := options(dir)
	o.Branch = "side"
	func() {
		r, stop := run(t, o)
		defer stop()
		put(t, r, "consultations", "new", "x")
	}()
	if got, want := git(t, dir, "rev-list", "--count", "trunk..side"), "1\n"; got != want {
		t.Errorf("commits on side: got %s, want %s", got, want)
	}
	o.Branch = "main"
	_, err := Open(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), `no branch "main"`) || !strings.Contains(err.Error(), "side, trunk") {
		t.Errorf("missing branch: got error %v, want one that lists the branches", err)
	}
	o.Branch = "../x"
	if _, err = Open(t.Context(), o); err == nil {
		t.Error("a branch outside refs/heads was taken")
	}
	git(t, dir, "update-ref", "--no-deref", "HEAD", "side")
	o.Branch = ""
	if _, err = Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "detached") {
		t.Errorf("detached HEAD: got error %v", err)
	}
}

// TestOpenEmpty: an empty repository of Git's gets its branch by the first
// commit, also one in a folder.
func TestOpenEmpty(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"main", "site/live"} {
		dir := t.TempDir()
		git(t, dir, "init", "-q", "--bare", "-b", name)
		r := start(t, options(dir))
		res := put(t, r, "pages", "index", "Accueil")
		if got := tipOf(t, dir, name); got != res.Commit.String() {
			t.Errorf("branch %s: got %s, want %s", name, got, res.Commit)
		}
	}
}

// TestEmptyCommit: Git makes commits of the empty tree without storing that.
func TestEmptyCommit(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	git(t, work, "init", "-q", "-b", "main")
	git(t, work, "commit", "-q", "--allow-empty", "-m", "Rien")
	dir := t.TempDir()
	git(t, dir, "clone", "-q", "--bare", work, ".")
	r := start(t, options(dir))
	put(t, r, "pages", "index", "Accueil")
}

// TestOpenNone: the log tells of a repository that was made, once.
func TestOpenNone(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := options(filepath.Join(t.TempDir(), "faute-de-frappe.git"))
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	for range 2 {
		r, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	want := `level=INFO msg="created a new repository" path=` + o.Path
	if got := log.String(); strings.Count(got, "created") != 1 || !strings.Contains(got, want) {
		t.Errorf("logged %q, want %q once", got, want)
	}
}

// TestOpenToRead: one who only reads needs no lock, sees the same, and makes
// nothing.
func TestOpenToRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, options(dir))
	put(t, r, "pages", "index", "Accueil")
	o := options(dir)
	o.ReadOnly, o.Committer = true, Person{}
	reader, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if got, want := reader.View().Commit(), r.View().Commit(); got != want {
		t.Errorf("commit: got %s, want %s", got, want)
	}
	if err := reader.Run(t.Context()); err == nil {
		t.Error("a reader runs a writer")
	}
	o.Path = filepath.Join(t.TempDir(), "none")
	if _, err := Open(t.Context(), o); !errors.Is(err, ErrNotFound) {
		t.Errorf("open nothing to read: got error %v, want ErrNotFound", err)
	}
	o = options(t.TempDir())
	o.Committer = Person{}
	if _, err := Open(t.Context(), o); err == nil {
		t.Error("opened without a committer")
	}
}

// TestOpenBesideWorktrees: a linked working tree may have any branch but the one that is
// served.
func TestOpenBesideWorktrees(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, s := opened(t, dir)
	s.commit(t, "1", "parc")
	r.Close()
	work := filepath.Join(t.TempDir(), "work")
	git(t, dir, "worktree", "add", "-q", work, "main")
	if _, err := Open(t.Context(), options(dir)); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), work) {
		t.Errorf("the branch is checked out: got error %v, want ErrUnsupported that names %s", err, work)
	}
	reopen := func(what string) {
		t.Helper()
		r, err := Open(t.Context(), options(dir))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		r.Close()
	}
	git(t, work, "checkout", "-q", "--detach")
	reopen("detached")
	git(t, work, "-c", "core.preferSymlinkRefs=true", "checkout", "-q", "main")
	if _, err := Open(t.Context(), options(dir)); !errors.Is(err, ErrUnsupported) {
		t.Errorf("the branch is checked out, as a symbolic link says: got error %v, want ErrUnsupported", err)
	}
	git(t, work, "checkout", "-q", "main")
	away := work + ".away"
	if err := errors.Join(os.Rename(work, away), os.Symlink(work, work)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), options(dir)); !errors.Is(err, ErrUnsupported) {
		t.Errorf("the working tree cannot be looked at: got error %v, want ErrUnsupported", err)
	}
	if err := os.Remove(work); err != nil {
		t.Fatal(err)
	}
	reopen("removed")
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	long(t)
	for name, c := range map[string]struct {
		prepare func(dir string) string
		want    string
	}{
		"working tree": {func(dir string) string { return clone(t, dir) }, "--bare"},
		"its .git":     {func(dir string) string { return filepath.Join(clone(t, dir), ".git") }, "--bare"},
		"alternates": {func(dir string) string {
			d := t.TempDir()
			git(t, d, "clone", "-q", "--bare", "--shared", dir, ".")
			return d
		}, "alternates"},
		"shallow": {func(dir string) string {
			d := t.TempDir()
			git(t, d, "clone", "-q", "--bare", "--depth=1", "file://"+dir, ".")
			return d
		}, "shallow"},
		"partial": {func(dir string) string {
			git(t, dir, "config", "uploadpack.allowFilter", "true")
			d := t.TempDir()
			git(t, d, "clone", "-q", "--bare", "--filter=blob:none", "file://"+dir, ".")
			return d
		}, "partial"},
		"sha256": {func(dir string) string {
			d := t.TempDir()
			git(t, d, "init", "-q", "--bare", "--object-format=sha256")
			return d
		}, "sha256"},
		"reftable": {func(dir string) string {
			git(t, dir, "config", "core.repositoryformatversion", "1")
			git(t, dir, "config", "extensions.refStorage", "reftable")
			return dir
		}, "reftable"},
		"replacement": {func(dir string) string {
			git(t, dir, "replace", "--graft", "trunk")
			return dir
		}, "git replace -d"},
		"packed replacement": {func(dir string) string {
			git(t, dir, "replace", "--graft", "trunk")
			git(t, dir, "pack-refs", "--all")
			return dir
		}, "refs/replace/"},
		"grafts": {func(dir string) string {
			write(t, dir, "info/grafts", "# one\n"+tipOf(t, dir, "trunk")+"\n")
			return dir
		}, "info/grafts"},
		"no": {func(dir string) string {
			set(t, dir, "[core]\n\tbare = no\n")
			return dir
		}, "--bare"},
		"no, in the other file": {func(dir string) string {
			set(t, dir, "[extensions]\n\tworktreeConfig = true\n")
			write(t, dir, "config.worktree", "[core]\n\tbare = false\n")
			return dir
		}, "--bare"},
		"promised": {func(dir string) string {
			set(t, dir, "[remote \"origin\"]\n\tpromisor\n")
			return dir
		}, "partial"},
		"empty HEAD": {func(dir string) string {
			write(t, dir, "HEAD", "")
			return dir
		}, "no Git repository"},
		"no link to a reference": {func(dir string) string {
			if err := errors.Join(os.Remove(filepath.Join(dir, "HEAD")), os.Symlink("nowhere", filepath.Join(dir, "HEAD"))); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "no Git repository"},
		"later version": {func(dir string) string {
			git(t, dir, "config", "core.repositoryformatversion", "2")
			return dir
		}, "version 2"},
		"other extension": {func(dir string) string {
			git(t, dir, "config", "core.repositoryformatversion", "1")
			git(t, dir, "config", "extensions.novelty", "true")
			return dir
		}, "novelty"},
		"other files": {func(dir string) string {
			d := t.TempDir()
			write(t, d, "letter.txt", "x")
			return d
		}, "no Git repository"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Open(t.Context(), options(c.prepare(site(t))))
			if err == nil {
				r.Close()
			}
			if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want ErrUnsupported that names %q", err, c.want)
			}
		})
	}
}

func TestOpenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, options(dir))
	put(t, r, "pages", "index", "x")
	_, err := Open(t.Context(), options(dir))
	if want := fmt.Sprint("process ", os.Getpid()); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), want) {
		t.Errorf("second open: got error %v, want ErrInUse that names %s", err, want)
	}
}

// TestPackedReferencesDamaged: what cannot be read is no branch that is not there, which would
// begin anew, and no copy is made without it.
func TestPackedReferencesDamaged(t *testing.T) {
	t.Parallel()
	whole := site(t)
	git(t, whole, "pack-refs", "--all")
	packed, err := os.ReadFile(filepath.Join(whole, "packed-refs"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"zeros":       make([]byte, len(packed)),
		"cut short":   packed[:len(packed)-2],
		"lines lost":  bytes.ReplaceAll(packed, []byte("\n"), []byte(" ")),
		"blank lines": bytes.ReplaceAll(packed, []byte("\n"), []byte("\n\n")),
		"short hash":  bytes.ReplaceAll(packed, []byte(" refs"), []byte("0 refs")),
		"no name":     bytes.ReplaceAll(packed, []byte(" refs/heads/trunk"), nil),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			write(t, dir, "packed-refs", string(text))
			if out, err := exec.Command("git", "--git-dir", dir, "for-each-ref").CombinedOutput(); err == nil {
				t.Fatalf("Git takes it: %s", out)
			}
			const want = "packed-refs is damaged"
			r, err := Open(t.Context(), options(dir))
			if err == nil {
				r.Close()
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("open: got error %v, want one that says that %s", err, want)
			}
			c, err := NewCopy(dir)
			if err == nil {
				c.Close()
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("copy: got error %v, want one that says that %s", err, want)
			}
		})
	}
}

// set adds to the settings of a repository.
func set(t *testing.T, dir, text string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestOddFiles: what is no entry stays as it is, and is never written through.
func TestOddFiles(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	git(t, work, "init", "-q", "-b", "main")
	write(t, work, "_consultations/run.md", "---\ntitle: x\n---\n")
	git(t, work, "add", ".")
	if err := os.Symlink("run.md", filepath.Join(work, "_consultations/link.md")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..", filepath.Join(work, "_consultations/up")); err != nil {
		t.Fatal(err)
	}
	git(t, work, "add", ".")
	git(t, work, "update-index", "--chmod=+x", "_consultations/run.md")
	git(t, work, "update-index", "--add", "--cacheinfo", "160000,1111111111111111111111111111111111111111,_consultations/module.md")
	git(t, work, "commit", "-q", "-m", "Odd")
	dir := t.TempDir()
	git(t, dir, "clone", "-q", "--bare", work, ".")
	r := start(t, options(dir))

	var got []string
	for _, e := range r.View().Entries("consultations") {
		got = append(got, e.Slug.String())
	}
	if fmt.Sprint(got) != "[run]" {
		t.Errorf("entries: got %v, want only run", got)
	}
	for _, s := range []string{"link", "module", "up/x", "link.md/x", "module.md/x"} {
		_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
			_, err := tx.Put("consultations", slug(t, s), document("x"))
			return err
		})
		if !errors.Is(err, ErrConflict) {
			t.Errorf("put %s: got error %v, want ErrConflict", s, err)
		}
	}
	put(t, r, "consultations", "run", "y")
	update(t, r, func(tx *Tx) error { return tx.Move("consultations", slug(t, "run"), "consultations", slug(t, "walk")) })
	want := `120000 blob _consultations/link.md
160000 commit _consultations/module.md
120000 blob _consultations/up
100755 blob _consultations/walk.md
`
	if got := git(t, dir, "ls-tree", "-r", "--format=%(objectmode) %(objecttype) %(path)", "main"); got != want {
		t.Errorf("tree:\n%s\nwant:\n%s", got, want)
	}
}
