package repo

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"cms/race"
	"cms/repo/repotest"
)

// host is a bare repository at a Git host, and a clone of somebody's.
func host(t *testing.T) (bare, work string) {
	t.Helper()
	dir := hosts.copy(t, func(t *testing.T) string {
		from := t.TempDir()
		bare, work := filepath.Join(from, "host.git"), filepath.Join(from, "work")
		git(t, from, "init", "-q", "--bare", "-b", "main", bare)
		git(t, from, "clone", "-q", "--no-local", bare, work)
		pushed(t, work, "_consultations/parc.md", "---\ntitle: Le parc\n---\n")
		return from
	})
	bare, work = filepath.Join(dir, "host.git"), filepath.Join(dir, "work")
	config, err := os.ReadFile(filepath.Join(work, ".git/config"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, work, ".git/config", strings.ReplaceAll(string(config), filepath.Join(hosts.at, "host.git"), bare))
	return bare, work
}

var hosts fixture

// A fixture is a folder that is made once for all tests: to make it anew is more than half
// of many a test here.
type fixture struct {
	once sync.Once
	made fstest.MapFS
	at   string // where it was made
}

// copy is a copy of what made makes.
func (f *fixture) copy(t *testing.T, made func(t *testing.T) string) string {
	t.Helper()
	f.once.Do(func() {
		f.at = made(t)
		var err error
		if f.made, err = repotest.Files(f.at); err != nil {
			t.Fatal(err)
		}
	})
	if f.made == nil {
		t.Fatal("the fixture could not be made")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, f.made); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pushed commits a file in work and pushes it, and gives the tip.
func pushed(t *testing.T, work, name, text string) string {
	t.Helper()
	write(t, work, name, text)
	commitAll(t, work, "Écrire "+name)
	push(t, work)
	return tipOf(t, work, "HEAD")
}

// commitAll commits all that differs in work.
func commitAll(t *testing.T, work, message string) {
	t.Helper()
	if _, err := repotest.Commit(work, "Denis Dehors", "denis@ville.example", message); err != nil {
		t.Fatal(err)
	}
}

// push brings what work is at to the branch of that name where it comes from, maybe by
// force.
func push(t *testing.T, work string, force ...string) {
	t.Helper()
	plainly(t, repotest.Push(work, branchIn(t, work)), work, append([]string{"push", "-q", "origin", "HEAD"}, force...)...)
}

// pull has work go on to where its branch is there, with what it has besides on top.
func pull(t *testing.T, work string) {
	t.Helper()
	branch := branchIn(t, work)
	plainly(t, repotest.Pull(work, branch), work, "pull", "-q", "--rebase", "origin", branch)
}

// follow makes work what its branch is there.
func follow(t *testing.T, work string) {
	t.Helper()
	branch := branchIn(t, work)
	if err := repotest.Follow(work, branch); err == nil {
		return
	} else if !errors.Is(err, repotest.ErrNotPlain) {
		t.Fatal(err)
	}
	git(t, work, "fetch", "-q", "origin")
	git(t, work, "reset", "-q", "--hard", "origin/"+branch)
}

// branchIn is the branch of a working tree.
func branchIn(t *testing.T, work string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(work, ".git", "HEAD"))
	branch, ok := strings.CutPrefix(strings.TrimSpace(string(raw)), "ref: refs/heads/")
	if err != nil || !ok {
		t.Fatalf("%s is on no branch: %q, %v", work, raw, err)
	}
	return branch
}

// plainly has git do what was not plain enough to be done without.
func plainly(t *testing.T, err error, dir string, args ...string) {
	t.Helper()
	if errors.Is(err, repotest.ErrNotPlain) {
		git(t, dir, args...)
	} else if err != nil {
		t.Fatal(err)
	}
}

func fetched(t *testing.T, r *Repo, want string) {
	t.Helper()
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.View().Commit().String(); got != want {
		t.Errorf("fetched: at %s, want %s", got, want)
	}
	if got := tipOf(t, r.path, "main"); got != want {
		t.Errorf("branch: at %s, want %s", got, want)
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	bare, work := host(t)
	o := options(t.TempDir())
	o.Remote = &Remote{URL: bare}
	r := start(t, o)

	fetched(t, r, tipOf(t, work, "HEAD"))
	if _, ok := r.View().Entry("consultations", slug(t, "parc")); !ok {
		t.Error("the first fetch brought no entry")
	}
	fetched(t, r, pushed(t, work, "_consultations/bus.md", "---\ntitle: Le bus\n---\n"))
	fetched(t, r, r.View().Commit().String()) // nothing new

	// Rewritten there, with no commit of ours in between: follow.
	git(t, work, "commit", "-q", "--amend", "-m", "Autrement")
	push(t, work, "-f")
	fetched(t, r, tipOf(t, work, "HEAD"))

	// Ahead of it: stay.
	put(t, r, "consultations", "ici", "Écrit ici")
	ours := r.View().Commit().String()
	fetched(t, r, ours)

	// Apart: touch neither, until somebody has merged.
	pushed(t, work, "_consultations/la.md", "---\ntitle: Écrit là\n---\n")
	if err := r.Fetch(t.Context()); !errors.Is(err, ErrDiverged) {
		t.Fatalf("diverged: got %v, want %v", err, ErrDiverged)
	}
	merged := func() string { return tipOf(t, work, "HEAD") }
	if got := r.View().Commit().String(); got != ours {
		t.Errorf("diverged: moved to %s", got)
	}
	git(t, work, "pull", "-q", "--no-rebase", "--no-edit", r.path, "main")
	push(t, work)
	fetched(t, r, merged())
	for _, name := range []string{"ici", "la", "bus", "parc"} {
		if _, ok := r.View().Entry("consultations", slug(t, name)); !ok {
			t.Errorf("entry %s is missing after the merge", name)
		}
	}
}

// Edits go on beside fetches; whatever comes first, none is lost.
func TestFetchBesideEdits(t *testing.T) {
	t.Parallel()
	atLength(t)
	bare, work := host(t)
	o := options(t.TempDir())
	o.Remote = &Remote{URL: bare}
	r := start(t, o)
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 20 {
			put(t, r, "consultations", "edit-"+string(rune('a'+i)), "Édit")
		}
	}()
	for i := range 3 {
		pushed(t, work, "_consultations/push.md", strings.Repeat("x", i+1))
		if err := r.Fetch(t.Context()); err != nil && !errors.Is(err, ErrDiverged) {
			t.Error(err)
		}
	}
	<-done
	for i := range 20 {
		if _, ok := r.View().Entry("consultations", slug(t, "edit-"+string(rune('a'+i)))); !ok {
			t.Errorf("edit %d is lost", i)
		}
	}
	fsck(t, r.path)
}

// TestMaintenanceBesideFetches: Git's maintenance in a loop, pruning all that nothing leads to,
// loses nothing of what is fetched and edited meanwhile.
func TestMaintenanceBesideFetches(t *testing.T) {
	t.Parallel()
	atLength(t)
	rounds := 2
	if s := os.Getenv("CMS_UPKEEP_ROUNDS"); s != "" {
		more, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		rounds += 5 * more
	}
	bare, work := host(t)
	o := options(t.TempDir())
	o.Remote = &Remote{URL: bare}
	r, stop := run(t, o)
	fetched(t, r, tipOf(t, work, "HEAD"))
	done := make(chan struct{})
	var upkeep sync.WaitGroup
	kinds := []string{"prune --expire=now", "gc -q --prune=now", "prune --expire=now", "repack -q -a -d", "pack-refs --all"}
	upkeep.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				_, _ = tryGit(o.Path, strings.Fields(kinds[i%len(kinds)])...) // which may fail, as packs go
			}
		}
	})
	for i := range rounds {
		tip := pushed(t, work, fmt.Sprintf("_consultations/p%d.md", i), fmt.Sprintf("---\ntitle: %d\n---\n", i))
		comes(t, "the fetch", func() bool {
			if err := r.Fetch(t.Context()); err != nil {
				t.Logf("fetch: %v", err)
			}
			return r.View().Commit().String() == tip
		})
		git(t, work, "commit", "-q", "--amend", "-m", "Autrement") // what was fetched is left
		push(t, work, "-f")
	}
	close(done)
	upkeep.Wait()
	fetched(t, r, tipOf(t, work, "HEAD"))
	stop()
	verify(t, r)
	ours := func(name string) bool { return !strings.HasPrefix(filepath.Base(name), "tmp_") } // Git leaves those where it fails
	if l := leftBehind(o.Path); slices.ContainsFunc(l, ours) {
		t.Errorf("left behind: %v", l)
	}
}

// TestFetchIsKept: a pack that is fetched is kept before it is in place, until a
// reference leads to it; and what is left of a fetch that was cut off goes at the start.
func TestFetchIsKept(t *testing.T) {
	t.Parallel()
	bare, work := host(t)
	tip := tipOf(t, work, "HEAD")
	o := options(t.TempDir())
	o.Remote = &Remote{URL: bare}
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.openFetch()
	if err != nil {
		t.Fatal(err)
	}
	packs := 0
	r.disk = renames{r.disk, func(to string) {
		if name, pack := strings.CutSuffix(to, ".pack"); pack {
			packs++
			if note, err := os.ReadFile(name + ".keep"); err != nil || string(note) != keepContent {
				t.Errorf("%s is placed and not kept: %q, %v", filepath.Base(to), note, err)
			}
		}
	}}
	f.storage.keepFiles.disk = r.disk
	if got, err := f.fetch(t.Context()); err != nil || got.String() != tip || packs != 1 {
		t.Fatalf("fetched %s, %v, as %d packs; want %s as one", got, err, packs, tip)
	}
	git(t, o.Path, "update-ref", "-d", string(f.incoming))
	git(t, o.Path, "gc", "-q", "--prune=now")
	if got := strings.TrimSpace(git(t, o.Path, "cat-file", "-t", tip)); got != "commit" {
		t.Errorf("what was fetched is gone: %s", got)
	}
	write(t, o.Path, "objects/pack/"+fetchDraft+"_pack", "PACK") // of another one
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = start(t, o) // a kill, and a start
	if l := leftBehind(o.Path); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
	fetched(t, r, tip)
}

// TestFetchBesidePacks: a pack that is in place while its index is on its way keeps nothing
// from being fetched, nor does a reference that leads nowhere since another one did.
func TestFetchBesidePacks(t *testing.T) {
	t.Parallel()
	atLength(t)
	bare, work := host(t)
	o := options(t.TempDir())
	o.Remote = &Remote{URL: bare}
	r := start(t, o)
	fetched(t, r, tipOf(t, work, "HEAD"))
	coming := packName(NewHash(strings.Repeat("ab", 20)))
	write(t, o.Path, "objects/pack/"+coming+".keep", keepContent)
	write(t, o.Path, "objects/pack/"+coming+".pack", "PACK")
	fetched(t, r, pushed(t, work, "_consultations/bus.md", "---\ntitle: Le bus\n---\n"))

	tip := pushed(t, work, "_consultations/bus.md", "---\ntitle: Le bus 4\n---\n")
	write(t, o.Path, "refs/cms/incoming/main", tip+"\n")
	tip = pushed(t, work, "_consultations/bus.md", "---\ntitle: Le bus 5\n---\n")
	fetched(t, r, tip)
	for _, ext := range []string{".pack", ".keep"} {
		if err := os.Remove(filepath.Join(o.Path, "objects", "pack", coming+ext)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFetchTellsLittle: what the remote is told that there is does not grow with what is kept
// of histories that were rewritten.
func TestFetchTellsLittle(t *testing.T) {
	t.Parallel()
	atLength(t)
	bare, work := host(t)
	h := serveHost(t, bare)
	o := options(t.TempDir())
	o.Remote = &Remote{URL: h.URL, Token: "jeton-secret"}
	r := start(t, o)
	first := tipOf(t, work, "HEAD")
	fetched(t, r, first)
	for i := range 4 {
		git(t, work, "reset", "-q", "--hard", first)
		for j := range 2 {
			write(t, work, "_consultations/bus.md", fmt.Sprintf("---\ntitle: Le bus %d %d\n---\n", i, j))
			commitAll(t, work, "Encore")
		}
		push(t, work, "-f")
		before := strings.Fields(git(t, r.path, "rev-list", "main"))
		fetched(t, r, tipOf(t, work, "HEAD"))
		told := *h.told.Load()
		slices.Sort(before)
		slices.Sort(told)
		if !slices.Equal(told, before) {
			t.Errorf("rewritten %d times: told of %q, want the branch, %q", i, told, before)
		}
	}
	if kept := strings.Fields(git(t, r.path, "for-each-ref", "--format=%(refname)", backups)); len(kept) != 3 {
		t.Errorf("backups: got %q, want 3", kept)
	}
}

// renames is a disk that tells what files are to be called, before they are.
type renames struct {
	disk
	tell func(to string)
}

func (d renames) Rename(from, to string) error {
	d.tell(to)
	return d.disk.Rename(from, to)
}

// TestFetchHTTP fetches from Git's own server, which asks for a token.
func TestFetchHTTP(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, work := host(t)
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{
		Path: program, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(bare), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.Getenv("GIT_CONFIG_GLOBAL")},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if name, token, _ := req.BasicAuth(); name != "git" || token != "jeton" {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, req)
	}))
	defer server.Close()

	o := options(t.TempDir())
	o.Remote = &Remote{URL: server.URL + "/host.git", Token: "jeton"}
	r := start(t, o)
	fetched(t, r, tipOf(t, work, "HEAD"))
	fetched(t, r, pushed(t, work, "_consultations/bus.md", "---\ntitle: Le bus\n---\n"))

	o = options(t.TempDir())
	o.Remote = &Remote{URL: server.URL + "/host.git", Token: "faux jeton"}
	if err := start(t, o).Fetch(t.Context()); err == nil || strings.Contains(err.Error(), "faux") {
		t.Errorf("wrong token: got %v, want an error without the token", err)
	}
	o = options(t.TempDir())
	o.Remote = &Remote{URL: filepath.Join(t.TempDir(), "none.git")}
	if err := start(t, o).Fetch(t.Context()); err == nil {
		t.Error("no repository there: got no error")
	}
}

// TestFetchTellsNoSecret: whatever fails at the remote, and however it is told, what
// authenticates there is not.
func TestFetchTellsNoSecret(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/401/info/refs":
			w.WriteHeader(http.StatusUnauthorized)
		case "/500/info/refs":
			w.WriteHeader(http.StatusInternalServerError)
			w.Write([]byte("what is " + req.Header.Get("Authorization")))
		case "/away/info/refs":
			http.Redirect(w, req, "http://glpat-0123456789abcdef@127.0.0.1:1/", http.StatusFound)
		case "/odd/info/refs":
			w.Write([]byte("no such thing"))
		default:
			http.NotFound(w, req)
		}
	}))
	defer server.Close()
	const token = "glpat-0123456789abcdef"
	at := strings.TrimPrefix(server.URL, "http://")
	for _, where := range []string{
		"http://" + token + "@" + at + "/401", "http://" + token + "@" + at + "/500", "http://" + token + "@" + at + "/404", "http://" + token + "@" + at + "/odd",
		"http://" + token + "@" + at + "/away", "http://" + token + ":x-oauth-basic@" + at + "/401", "http://oauth2:" + token + "@" + at + "/404",
		"http://" + token + "@127.0.0.1:1/closed", "http://" + token + "@nowhere.invalid/", "http://" + token + "%40x@" + at + "/404",
		"http://" + token + "@" + at + ":port/", "http://" + token + "@[::1/", "http://%zz" + token + "@" + at, "http://a@" + token + "@" + at + "/404",
	} {
		o := options(t.TempDir())
		o.Remote = &Remote{URL: where}
		err := start(t, o).Fetch(t.Context())
		if err == nil {
			t.Errorf("%s: got no error", where)
			continue
		}
		if strings.Contains(err.Error(), "0123456789abcdef") {
			t.Errorf("%s: told as %v", where, err)
		}
	}
}

// TestFetchWhateverIsSet: settings that are no affair of a fetch keep nothing from being
// fetched.
func TestFetchWhateverIsSet(t *testing.T) {
	t.Parallel()
	bare, work := host(t)
	r := synchronous(t, &Remote{URL: bare})
	set(t, r.path, "[remote \"origin\"]\n\tfetch = ^refs/pull/*\n[user]\n\tname = Andr\xe9\n")
	pull(t, work)
	fetched(t, r, pushed(t, work, "_consultations/velo.md", "---\ntitle: Le vélo\n---\n"))
	fsck(t, r.path)
}

// TestRepackEndsAfterFetch: the same with what was fetched before a kill, which no reference
// leads to yet. The host sends the same pack again.
func TestRepackEndsAfterFetch(t *testing.T) {
	t.Parallel()
	race.Sequential(t)
	bare, work := host(t)
	r := synchronous(t, &Remote{URL: bare})
	put(t, r, "consultations", "bus", "Le bus") // so that there is something to repack
	pull(t, work)
	tip := pushed(t, work, "_consultations/velo.md", "---\ntitle: Le vélo\n---\n")
	f, err := r.openFetch()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.fetch(t.Context()); err != nil || got.String() != tip {
		t.Fatalf("fetched: got %s, %v; want %s", got, err, tip)
	}
	f.release()
	if err := os.Remove(filepath.Join(r.path, filepath.FromSlash(string(f.incoming)))); err != nil {
		t.Fatal(err)
	}
	besideRepack(t, r, func() { fetched(t, r, tip) })
	put(t, r, "consultations", "tram", "Le tram")
	fsck(t, r.path)
}
