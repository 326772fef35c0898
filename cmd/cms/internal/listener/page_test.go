package listener

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// changed is an event of an entry.
func (r *running) changed(commit, entry, action string) {
	r.t.Helper()
	collection, slug, _ := strings.Cut(entry, "/")
	body := fmt.Appendf(nil, `{"specversion":"1.0","id":"evt_%s","type":"entry.%s","source":"http://unused.example","data":{"commit":%q,"collection":%q,"slug":%q,"path":%q,"action":%q}}`,
		commit+slug, action, id(commit), collection, slug, "_"+collection+"/"+slug+".md", action)
	if status := r.post(secret, body); status != http.StatusNoContent {
		r.t.Fatalf("event of %s: got %d, want 204", entry, status)
	}
}

// told is the next report that is not of a build that begins.
func (r *running) told() report {
	r.t.Helper()
	for {
		if d := <-r.details; d.State != building {
			return d
		}
	}
}

// The end of what a build that fails has printed is reported.
func TestReason(t *testing.T) {
	r := start(t, Options{Command: `seq 1 100; printf '\033[31mErreur\033[0m\000 : casse.md\n' >&2; exit 3`})
	r.event("c1", 1)
	lines := strings.Split(r.told().Reason, "\n")
	if len(lines) != 50 || lines[49] != "Erreur : casse.md" || lines[0] != "52" {
		t.Errorf("got %d lines, %q … %q", len(lines), lines[0], lines[len(lines)-1])
	}
	silent := start(t, Options{Command: "exit 3"})
	silent.event("c1", 1)
	if got := silent.told().Reason; got != "exit status 3" {
		t.Errorf("of a command that says nothing: got %q", got)
	}
}

// A build is live, but an entry whose page is not there is reported, until it is.
func TestPages(t *testing.T) {
	root := t.TempDir()
	for name, pattern := range map[string]string{"files": "_site/{year}/{name}.html", "addresses": "http://%s/{year}/{name}.html"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Join(dir, "_site", "2026"), 0o700); err != nil {
				t.Fatal(err)
			}
			if name == "addresses" {
				pattern = fmt.Sprintf(pattern, serve(t, http.FileServer(http.Dir(filepath.Join(dir, "_site")))))
			}
			page := func(name string) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(dir, "_site", "2026", name), []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := start(t, Options{Command: "true", Dir: dir, PageURLs: []string{"posts=" + pattern}})
			is := func(found, missing string) {
				t.Helper()
				d := r.told()
				if got := [2]string{strings.Join(d.Found, " "), strings.Join(d.Missing, " ")}; d.State != live || got != [2]string{found, missing} {
					t.Errorf("got %+v, want %q and without a page %q", d, found, missing)
				}
			}
			page("un.html")
			r.changed("a1", "posts/2026-01-02-un", "created")
			is("posts/2026-01-02-un", "")
			r.changed("a2", "posts/sans-date", "created")
			is("", "posts/sans-date")
			r.changed("a3", "pages/autre", "updated") // of which nothing is asked
			is("", "posts/sans-date")
			r.changed("a4", "posts/2026-01-02-deux", "created")
			is("", "posts/2026-01-02-deux posts/sans-date")
			page("deux.html")
			r.changed("a5", "posts/sans-date", "deleted")
			is("posts/2026-01-02-deux", "")
			r.changed("b1", "posts/rien", "created")
			is("", "posts/rien")
			page("rien.html")
			r.post(secret, fmt.Appendf(nil, `{"type":"entry.moved","source":"http://unused.example","data":{"commit":%q,"collection":"posts","slug":"2026-01-02-rien","action":"moved","from":"_posts/rien.md"}}`, id("b2")))
			is("posts/2026-01-02-rien", "")
			r.changed("b3", "posts/fr/rien", "created")
			is("", "posts/fr/rien") // which is not the one that moves
			r.post(secret, fmt.Appendf(nil, `{"type":"entry.moved","source":"http://unused.example","data":{"commit":%q,"collection":"pages","slug":"rien","path":"_pages/rien.md","action":"moved","from":"_autres/fr/rien.md"}}`, id("b4")))
			is("", "posts/fr/rien")
			r.changed("b5", "posts/fr/rien", "deleted")
			is("", "")
			r.changed("a6", "posts/2026-01-02-..%2Fx", "created")
			is("", "posts/2026-01-02-..%2Fx")
		})
	}
}

// TestPagesOfWhatIsNotThereYet: the page of an entry is looked for behind the build that has
// it, and not before the repository has what an event told of it.
func TestPagesOfWhatIsNotThereYet(t *testing.T) {
	folder := t.TempDir()
	origin, work := filepath.Join(folder, "origin"), filepath.Join(folder, "work")
	gitIn(t, folder, "init", "-q", "-b", "main", origin)
	gitIn(t, origin, "commit", "-q", "--allow-empty", "-m", "un")
	gitIn(t, folder, "clone", "-q", origin, work)
	r := start(t, Options{
		Repository: origin, Branch: "main", Dir: filepath.Join(folder, "clone"), PageURLs: []string{"posts=_site/{slug}.html"},
		Command: "mkdir -p _site; touch _site/un.html", pause: time.Millisecond,
	})
	r.told()
	gitIn(t, work, "commit", "-q", "--allow-empty", "-m", "deux")
	second := gitIn(t, work, "rev-parse", "HEAD")
	r.changed(second, "posts/un", "updated")
	gitIn(t, origin, "pull", "-q", work, "main")
	if d := r.told(); d.State != live || d.Commit != second || !slices.Equal(d.Found, []string{"posts/un"}) {
		t.Errorf("got %+v, want the page to be found of %s", d, second)
	}
}

// TestPagePatterns: where pages are, and which patterns there are.
func TestPagePatterns(t *testing.T) {
	p, err := newPages([]string{"https://www.example.org/{collection}/{slug}/", "posts=https://www.example.org/{year}/{month}/{day}/{name}.html", "notes=_site/{slug}.html"}, "/srv", 0)
	if err != nil {
		t.Fatal(err)
	}
	for entry, want := range map[string]string{
		"pages/a b/é":           "https://www.example.org/pages/a%20b/%C3%A9/",
		"posts/2026-01-02-été":  "https://www.example.org/2026/01/02/%C3%A9t%C3%A9.html",
		"posts/fr/2026-01-02-x": "https://www.example.org/2026/01/02/x.html",
		"posts/x":               "",
		"notes/a/b":             "_site/a/b.html",
	} {
		collection, slug, _ := strings.Cut(entry, "/")
		if got, ok, _ := p.of(collection, slug); ok && got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %t, want %q", entry, got, ok, want)
		}
	}
	for _, bad := range []string{"https://www.example.org/", "{slug", "ftp://x/{slug}", "https:///{slug}", "{path}/{slug}"} {
		if _, err := newPages([]string{bad}, "", 0); err == nil {
			t.Errorf("%s is a pattern", bad)
		}
	}
	if _, err := newPages([]string{"a/{slug}", "b/{slug}"}, "", 0); err == nil {
		t.Error("two patterns for one collection are taken")
	}
	if p.isThere(t.Context(), "../x") {
		t.Error("a page outside of the folder is looked for")
	}
}

// serve serves a handler, and gives its host.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}
