package demosite

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-billy/v5/memfs"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-billy/v5/util"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "whsec_dW5lIHBsYWNlIHB1YmxpcXVlLCBsYSBudWl0"

// bare is a bare repository on disk that tests commit to.
type bare struct {
	t    *testing.T
	path string
	tree *git.Worktree
	made int
}

// newBare holds the samples in one commit.
func newBare(t *testing.T) *bare {
	t.Helper()
	b := &bare{t: t, path: filepath.Join(t.TempDir(), "site.git")}
	storage := filesystem.NewStorage(osfs.New(b.path), cache.NewObjectLRUDefault())
	r, err := git.InitWithOptions(storage, memfs.New(), git.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName("main")})
	if err != nil {
		t.Fatal(err)
	}
	if b.tree, err = r.Worktree(); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	err = fs.WalkDir(Files(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		src, err := fs.ReadFile(Files(), name)
		files[name] = string(src)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b.commit("Ann Éditrice", files)
	t.Cleanup(func() {
		if out, err := exec.Command("git", "-C", b.path, "fsck", "--strict").CombinedOutput(); err != nil {
			t.Errorf("git fsck: %v\n%s", err, out)
		}
	})
	return b
}

// commit writes files, or removes those of no text, and returns the commit.
func (b *bare) commit(author string, files map[string]string) string {
	b.t.Helper()
	for name, src := range files {
		var err error
		if src == "" {
			_, err = b.tree.Remove(name)
		} else if err = util.WriteFile(b.tree.Filesystem, name, []byte(src), 0o644); err == nil {
			_, err = b.tree.Add(name)
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	b.made++
	at := time.Date(2024, 3, 1, 9, b.made, 0, 0, time.UTC)
	h, err := b.tree.Commit("Une édition", &git.CommitOptions{Author: &object.Signature{Name: author, Email: "x@example.org", When: at}})
	if err != nil {
		b.t.Fatal(err)
	}
	return h.String()
}

// site is a running builder of a bare repository, and what it logs.
type site struct {
	t      *testing.T
	url    string
	output string
	lines  chan string
	stop   func()
}

func start(t *testing.T, repository string) *site {
	t.Helper()
	s := &site{t: t, output: filepath.Join(t.TempDir(), "public"), lines: make(chan string, 100)}
	b, err := New(Options{Repository: repository, Branch: "main", Output: s.output, Secret: secret, Log: func(line string) { s.lines <- line }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	server := httptest.NewServer(b)
	s.url = server.URL
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
		server.Close()
	})
	t.Cleanup(s.stop)
	return s
}

// line waits for the next line of the log that matches.
func (s *site) line(pattern string) {
	s.t.Helper()
	select {
	case got := <-s.lines:
		if !regexp.MustCompile(pattern).MatchString(got) {
			s.t.Fatalf("logged %q, want it to match %q", got, pattern)
		}
	case <-time.After(time.Minute):
		s.t.Fatalf("logged nothing, want a line that matches %q", pattern)
	}
}

func (s *site) get(path string) (int, string) {
	s.t.Helper()
	resp, err := http.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// hook posts an event that is signed with key.
func (s *site) hook(key, body string) int {
	s.t.Helper()
	w, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		s.t.Fatal(err)
	}
	now := time.Now()
	signature, err := w.Sign("evt_1", now, []byte(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, s.url+"/hook", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("webhook-id", "evt_1")
	req.Header.Set("webhook-timestamp", fmt.Sprint(now.Unix()))
	req.Header.Set("webhook-signature", signature)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// The whole loop: the samples are served; an edit and its event change the
// page, which names the commit and its author.
func TestEventRebuilds(t *testing.T) {
	repo := newBare(t)
	s := start(t, repo.path)
	s.line(`^rebuilt 13 pages from [0-9a-f]{7} by Ann Éditrice in \d+ ms$`)
	_, home := s.get("/")
	for name := range sampleEntries(t) {
		slug := strings.TrimSuffix(path.Base(name), ".md")
		if !strings.Contains(home, `href="consultations/`+slug+`/"`) {
			t.Errorf("the home page has no link to %s", slug)
		}
		if code, page := s.get("/consultations/" + slug + "/"); code != http.StatusOK || !strings.Contains(page, "Ann Éditrice") {
			t.Errorf("%s: got status %d, %d bytes", slug, code, len(page))
		}
	}

	const name = "_consultations/charte-du-numerique-au-lycee.md"
	edited := strings.Replace(sampleEntries(t)[name], "in_progress: false", "in_progress: true", 1)
	commit := repo.commit("Basile <Robot>", map[string]string{
		name: edited, "_consultations/centre-ancien-aubeterre.md": "", "_consultations/2024/archives.md": "---\ntitle: Nos archives\n---\n"})
	if code := s.hook(secret, `{"specversion":"1.0"}`); code != http.StatusNoContent {
		t.Fatalf("the hook answers %d, want 204", code)
	}
	s.line(`^rebuilt 13 pages from ` + commit[:7] + ` by Basile `)
	_, page := s.get("/consultations/charte-du-numerique-au-lycee/")
	for _, want := range []string{"En cours", commit, commit[:7], "Basile", "1er mars 2024 à 09 h 02", `<time datetime="2020-01-27">27 janvier 2020</time>`, "<li>Le vote, à bulletin secret</li>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if code, _ := s.get("/consultations/centre-ancien-aubeterre/"); code != http.StatusNotFound {
		t.Errorf("a removed entry answers %d, want 404", code)
	}
	if _, page := s.get("/consultations/2024/archives/"); !strings.Contains(page, `href="../../../style.css"`) {
		t.Errorf("a page further down has no style:\n%s", page)
	}
	if code, css := s.get("/style.css"); code != http.StatusOK || css == "" {
		t.Errorf("the style answers %d", code)
	}
	s.stop()
	builds, err := filepath.Glob(filepath.Join(s.output, "build-*"))
	if err != nil || len(builds) != 1 {
		t.Errorf("builds left: %q, %v; want one", builds, err)
	}
}

// What is not signed, or is no webhook, builds nothing.
func TestHookRefuses(t *testing.T) {
	repo := newBare(t)
	s := start(t, repo.path)
	s.line("^rebuilt")
	repo.commit("Ann", map[string]string{"index.md": "---\ntitle: Autre\n---\n"})
	if code := s.hook("whsec_dW5lIGF1dHJlIHBsYWNlLCBsZSBtYXRpbg==", `{}`); code != http.StatusUnauthorized {
		t.Errorf("a forged event: got %d, want 401", code)
	}
	if code := s.hook(secret, strings.Repeat(" ", maxHook+1)); code != http.StatusRequestEntityTooLarge {
		t.Errorf("a large event: got %d, want 413", code)
	}
	if code, _ := s.get("/hook"); code == http.StatusNoContent {
		t.Errorf("GET of the hook: got %d", code)
	}
	resp, err := http.Post(s.url+"/", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST of a page: got %d, want 405", resp.StatusCode)
	}
	s.stop()
	if len(s.lines) > 0 {
		t.Errorf("logged %q, want nothing", <-s.lines)
	}
}

// An event that is repeated finds nothing new, and one that comes after is
// heard.
func TestRepeatedEvent(t *testing.T) {
	repo := newBare(t)
	s := start(t, repo.path)
	s.line("^rebuilt")
	for range 20 {
		s.hook(secret, `{}`)
	}
	commit := repo.commit("Ann", map[string]string{"index.md": "---\ntitle: Autre\n---\n"})
	s.hook(secret, `{}`)
	s.line("^rebuilt 13 pages from " + commit[:7])
}

// Text from the repository cannot script the page; what people really write
// in these files is kept.
func TestPagesAreSafe(t *testing.T) {
	repo := newBare(t)
	repo.commit("<script>alert(1)</script>", map[string]string{"_consultations/x.md": `---
title: <img src=x onerror=alert(2)>
link: javascript:alert(3)
---
<script>alert(4)</script>
<a href="javascript:alert(5)">a</a> <a href="https://example.org/b" onclick="alert(6)">b</a>
<iframe src="https://evil.example.org/"></iframe>
<iframe src="https://www.dailymotion.com/embed/video/x0demo0" width="480" onload="alert(7)"></iframe>

[c](javascript:alert(8)) *d*

| e | f |
|---|--:|
| 1 | 2 |

* à la suite
`})
	s := start(t, repo.path)
	s.line("^rebuilt 14 pages")
	for _, path := range []string{"/consultations/x/", "/"} {
		_, page := s.get(path)
		for _, bad := range []string{"<script", "<img", "javascript:", "onclick", "onload", "evil.example.org"} {
			if strings.Contains(strings.ReplaceAll(page, ">javascript:alert(3)<", ""), bad) {
				t.Errorf("%s holds %q:\n%s", path, bad, page)
			}
		}
	}
	_, page := s.get("/consultations/x/")
	for _, want := range []string{`href="https://example.org/b"`, `src="https://www.dailymotion.com/embed/video/x0demo0"`, "<em>d</em>", `<td align="right">2</td>`, "<li>à la suite</li>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

// A file that cannot be read is left out, said so, and keeps no other from
// being built.
func TestInvalidEntryIsLeftOut(t *testing.T) {
	repo := newBare(t)
	repo.commit("Ann", map[string]string{"_consultations/cassee.md": "---\ntitle: \"sans fin\n---\n"})
	s := start(t, repo.path)
	s.line(`^left out: _consultations/cassee\.md: `)
	s.line("^rebuilt 13 pages")
}

func TestMissingBranch(t *testing.T) {
	dir := t.TempDir()
	if _, err := git.PlainInit(dir, true); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir)
	s.line("^not rebuilt: branch main: ")
	if code, _ := s.get("/"); code != http.StatusNotFound {
		t.Errorf("got %d before there is a build, want 404", code)
	}
}

// Readers find whole pages of one commit while builds replace each other.
func TestReadersDuringBuilds(t *testing.T) {
	repo := newBare(t)
	s := start(t, repo.path)
	s.line("^rebuilt")
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				code, page := s.get("/")
				if code != http.StatusOK || !strings.HasSuffix(strings.TrimSpace(page), "</html>") || strings.Count(page, "<h2>") != 12 {
					t.Errorf("got status %d, %d bytes", code, len(page))
				}
			}
		})
	}
	for i := range 10 {
		commit := repo.commit("Ann", map[string]string{"index.md": fmt.Sprintf("---\ntitle: Essai %d\n---\n", i)})
		s.hook(secret, `{}`)
		s.line("^rebuilt 13 pages from " + commit[:7])
	}
	cancel()
	readers.Wait()
}

// The output of an earlier run is replaced, and what is not a build is kept.
func TestOutputOfEarlierRun(t *testing.T) {
	repo := newBare(t)
	output := t.TempDir()
	for name, text := range map[string]string{"build-0/index.html": "ancien", "notes.txt": "à garder"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(output, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(output, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("build-0", filepath.Join(output, current)); err != nil {
		t.Fatal(err)
	}
	b, err := New(Options{Repository: repo.path, Branch: "main", Output: output, Secret: secret, Log: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(output, current, "index.html"))
	if err != nil || !bytes.Contains(page, []byte("Agora des Trois-Rivières")) {
		t.Errorf("got %q, %v", page, err)
	}
	entries, err := os.ReadDir(output)
	if err != nil || len(entries) != 3 {
		t.Errorf("got %v, %v; want one build, the link, the notes", entries, err)
	}
}

func TestNewRefuses(t *testing.T) {
	sound := Options{Repository: "site.git", Branch: "main", Output: t.TempDir(), Secret: secret, Log: func(string) {}}
	for name, change := range map[string]func(*Options){
		"no repository":     func(o *Options) { o.Repository = "" },
		"no branch":         func(o *Options) { o.Branch = "" },
		"no output":         func(o *Options) { o.Output = "" },
		"no secret":         func(o *Options) { o.Secret = "" },
		"no log":            func(o *Options) { o.Log = nil },
		"a secret of words": func(o *Options) { o.Secret = "une place publique, la nuit" },
	} {
		o := sound
		change(&o)
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "une place") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if _, err := New(sound); err != nil {
		t.Errorf("sound options: %v", err)
	}
}
