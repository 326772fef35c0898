// Package sitetest makes sites on real repositories for tests of several packages.
package sitetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cms/advice"
	"cms/auth"
	"cms/content"
	"cms/lfs"
	"cms/repo"
	"cms/repo/repotest"
	"cms/site"
)

// Options are what a Fixture is made of.
type Options struct {
	Collections []content.Collection
	Roles       map[string]map[string]auth.Grant
	AdviceOff   []advice.Rule
	Media       site.MediaOptions // the folder is img if it has none
	Language    string
	Repo        repo.Options // without path, branch, committer and collections; by SecondsApart, unless it has a clock
	LFS         *lfs.Options // without path; nil: what Git LFS keeps is neither served nor stored
}

// Fixture is a site on a real repository, which is checked at the end of the test.
type Fixture struct {
	testing.TB
	*site.Site
	Repo *repo.Repo
	Git  string // the folder of the repository

	options site.Options
}

// New makes an empty site, which ends with the test.
func New(t testing.TB, o Options) *Fixture {
	t.Helper()
	f := &Fixture{TB: t, Git: filepath.Join(t.TempDir(), "site.git")}
	var names []string
	for i := range o.Collections {
		names = append(names, o.Collections[i].Name)
	}
	policy, err := auth.NewPolicy(o.Roles, names)
	if err != nil {
		t.Fatal(err)
	}
	o.Repo.Path, o.Repo.Branch, o.Repo.Collections = f.Git, "main", o.Collections
	o.Repo.Language = o.Language
	o.Repo.Committer = repo.Person{Name: "CMS", Email: "cms@example.org"}
	if o.Repo.Clock == nil {
		o.Repo.Clock = SecondsApart()
	}
	if f.Repo, err = repo.Open(t.Context(), o.Repo); err != nil {
		t.Fatal(err)
	}
	if o.Media.Folder.IsZero() {
		if o.Media.Folder, err = content.ParsePath("img"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Repo.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, f.Repo.Close()); err != nil {
			t.Errorf("repository: %v", err)
		}
		Fsck(t, f.Git)
	})
	f.options = site.Options{Repo: f.Repo, Policy: policy, Collections: o.Collections, AdviceOff: o.AdviceOff, Media: o.Media, Language: o.Language}
	if o.LFS != nil {
		o.LFS.Path = f.Git
		if f.options.Objects, err = lfs.NewObjects(*o.LFS); err != nil {
			t.Fatal(err)
		}
	}
	f.Site = f.Fresh()
	return f
}

// Fresh is another site on the same repository, whose caches are empty.
func (f *Fixture) Fresh() *site.Site {
	f.Helper()
	s, err := site.New(f.options)
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// RunGit runs git in the repository, and gives what it prints.
func (f *Fixture) RunGit(args ...string) string {
	f.Helper()
	return f.run("", append([]string{"--git-dir", f.Git}, args...)...)
}

func (f *Fixture) run(stdin string, args ...string) string {
	f.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(f.Context()), "git", args...) // at the end, too
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// Tip is the commit that the branch is at, for Git.
func (f *Fixture) Tip() string {
	if tip := repotest.Tip(f.Git, "main"); tip != "" {
		return tip
	}
	return strings.TrimSpace(f.RunGit("rev-parse", "main"))
}

// File is a file at the tip of the branch.
func (f *Fixture) File(path string) string {
	f.Helper()
	text, err := repotest.Read(f.Git, f.Tip(), path)
	if err != nil {
		f.Fatal(err)
	}
	return text
}

// SetAside makes a conflict about an entry, as the join with a Git host leaves one: see
// [repotest.SetAside].
func (f *Fixture) SetAside(id, collection, slug, base, text string) {
	f.Helper()
	of := slices.IndexFunc(f.options.Collections, func(c content.Collection) bool { return c.Name == collection })
	if of < 0 {
		f.Fatalf("there is no collection %s", collection)
	}
	parsed, err := content.ParseSlug(slug)
	if err != nil {
		f.Fatal(err)
	}
	path, err := f.options.Collections[of].Path(parsed)
	if err != nil {
		f.Fatal(err)
	}
	repotest.SetAside(f, f.Git, repotest.Aside{ID: id, Collection: collection, Slug: slug, Path: path.String(), Base: base, Text: text})
}

// FastImport runs git fast-import on a stream, and takes in what it made.
func (f *Fixture) FastImport(stream string, args ...string) {
	f.Helper()
	f.run(stream, append([]string{"--git-dir", f.Git, "fast-import", "--quiet", "--depth=0"}, args...)...)
	f.TakeIn()
}

// Commit commits files as they are, whatever the rules of the site say of them. Files of
// collections are committed by the writer itself: after a commit from outside, it makes
// edits wait for more of them.
func (f *Fixture) Commit(files map[string]string) {
	f.Helper()
	paths := slices.Sorted(maps.Keys(files))
	refs := make([]site.Ref, len(paths))
	for i, path := range paths {
		if refs[i] = f.entry(path); refs[i] == (site.Ref{}) {
			f.commitOutside(paths, files)
			return
		}
	}
	_, err := f.Repo.Update(f.Context(), repo.Meta{Author: repo.Person{Name: "D", Email: "d@example.org"}, Message: "Dehors"}, func(tx *repo.Tx) error {
		for i, path := range paths {
			if _, err := tx.Put(refs[i].Collection, refs[i].Slug, content.Parse([]byte(files[path]))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
}

// entry is the entry whose file is at path; none where it is no file of a collection.
func (f *Fixture) entry(path string) site.Ref {
	p, err := content.ParsePath(path)
	if err != nil {
		f.Fatal(err)
	}
	for i := range f.options.Collections {
		c := &f.options.Collections[i]
		if slug, ok := c.Slug(p); ok {
			return site.Ref{Collection: c.Name, Slug: slug}
		}
	}
	return site.Ref{}
}

func (f *Fixture) commitOutside(paths []string, files map[string]string) {
	f.Helper()
	var b strings.Builder
	b.WriteString("commit refs/heads/main\ncommitter D <d@example.org> 1700000000 +0000\ndata 6\nDehors\n")
	if f.Repo.View().Commit() != (repo.Hash{}) {
		b.WriteString("from refs/heads/main^0\n")
	}
	for _, path := range paths {
		fmt.Fprintf(&b, "M 100644 inline %s\ndata %d\n%s\n", path, len(files[path]), files[path])
	}
	f.FastImport(b.String())
}

// TakeIn has the writer look for commits of others now, instead of at the next time
// that it does by itself, and returns when readers see them.
func (f *Fixture) TakeIn() {
	f.Helper()
	for tip := f.Tip(); ; {
		snap := f.Repo.View()
		if snap.Commit().String() == tip {
			return
		}
		if _, err := f.Repo.Update(f.Context(), repo.Meta{Author: repo.Person{Name: "D", Email: "d@example.org"}}, func(*repo.Tx) error { return nil }); err != nil {
			f.Fatal(err)
		}
		if f.Repo.View() == snap {
			<-snap.Superseded()
		}
	}
}

// Person is somebody with one role.
func Person(name, role string) *auth.Principal {
	return &auth.Principal{Issuer: "cms", Subject: name, Name: name, Email: name + "@example.org", Roles: []string{role}}
}

// Fields is an object of keys and values in turn.
func Fields(pairs ...any) *content.Object {
	o := &content.Object{}
	for i := 0; i < len(pairs); i += 2 {
		o.Members = append(o.Members, content.Member{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	return o
}

// Ref names an entry whose slug can be one.
func Ref(t testing.TB, collection, slug string) site.Ref {
	t.Helper()
	s, err := content.ParseSlug(slug)
	if err != nil {
		t.Fatal(err)
	}
	return site.Ref{Collection: collection, Slug: s}
}

// SecondsApart is a clock by which each commit is a second after the one before: commits of
// one second are in no order that a test could ask for.
func SecondsApart() func() time.Time {
	began := time.Now()
	var asked atomic.Int64
	return func() time.Time { return began.Add(time.Duration(asked.Add(1)) * time.Second) }
}
