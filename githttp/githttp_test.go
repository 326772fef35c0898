package githttp_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"cms/auth"
	"cms/content"
	"cms/githttp"
	"cms/lfs"
	"cms/media"
	"cms/race"
	"cms/repo"
	"cms/repo/repotest"
	"cms/site"
	"cms/site/sitetest"
	"cms/web"
)

// maxObject is how many bytes a file of Git LFS may have.
const maxObject = 8 << 20

// maxStore is how many they may have together.
const maxStore = 3*maxObject + 1

// service is a site that real Git clones from and pushes to, over real HTTP.
type service struct {
	*sitetest.Fixture
	url    string // of the repository, without who asks
	home   string
	clones map[string]string // that were made by Git and left alone, by role and tip
}

var (
	every  = []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete, auth.Publish}
	beside = []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete}
	issuer = auth.Issuer{Issuer: "cms", Audience: "cms", Algorithms: []string{"HS256"}, Secret: []byte(strings.Repeat("s", 32))}
)

// roles are those of the tests: who may all, and who may less of one thing each.
func roles() map[string]map[string]auth.Grant {
	reading := auth.Grant{Actions: []auth.Action{auth.Read}}
	role := func(collections, media, repository auth.Grant) map[string]auth.Grant {
		return map[string]auth.Grant{auth.Every: collections, auth.Media: media, auth.Repository: repository}
	}
	all := map[string]map[string]auth.Grant{
		"developer": role(auth.Grant{Actions: every}, auth.Grant{Actions: beside}, auth.Grant{Actions: beside}),
		"reader":    role(reading, reading, reading),
		"author":    role(auth.Grant{Actions: every, ReadOnly: []string{"note"}}, reading, reading),
		"halfblind": role(auth.Grant{Actions: every, Hide: []string{"note"}}, auth.Grant{Actions: beside}, auth.Grant{Actions: beside}),
		"editor":    {auth.Every: {Actions: every}, auth.Media: {Actions: beside}},
		"folder":    role(reading, auth.Grant{Actions: beside, Paths: []string{"photos"}}, reading),
	}
	pages := role(auth.Grant{Actions: every}, reading, reading)
	pages["consultations"] = reading
	all["pages"] = pages
	return all
}

func collections() []content.Collection {
	return []content.Collection{
		{Name: "consultations", Folder: "_consultations", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "title", Type: content.TypeString, Required: true}, {Name: "note", Type: content.TypeInteger, Max: "5"},
			{Name: "page", Type: content.TypeReference, Collection: "pages"}, {Name: "ref", Type: content.TypeString, Unique: true},
			{Name: "visites", Type: content.TypeInteger, ReadOnly: true},
		}}},
		{Name: "pages", Folder: "pages", Extension: ".md"},
	}
}

func newService(t *testing.T, with func(*githttp.Options)) *service {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("NOT TESTED: git is not installed")
	}
	s := &service{Fixture: sitetest.New(t, sitetest.Options{Collections: collections(), Roles: roles(), Repo: repo.Options{}, LFS: &lfs.Options{MaxObject: maxObject, Store: maxStore}, Media: site.MediaOptions{MaxBytes: maxObject, Rules: media.Rules{Extensions: []string{"png", "csv"}, MaxPixels: 1 << 20}}}), home: t.TempDir(), clones: make(map[string]string)}
	verifier, err := auth.NewVerifier(auth.Options{Issuers: []auth.Issuer{issuer}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	floor, err := web.New(web.Options{Verifier: verifier, PublicURL: base})
	if err != nil {
		t.Fatal(err)
	}
	o := githttp.Options{Web: floor, Site: s.Site, Path: s.Git, Name: "Ville de Valmont", Processes: 16}
	if with != nil {
		with(&o)
	}
	door, err := githttp.New(o)
	if err != nil {
		t.Fatal(err)
	}
	floor.Mount(githttp.Prefix, door)
	server.Config.Handler = floor
	server.Start()
	t.Cleanup(server.Close)
	s.url = server.Listener.Addr().String() + "/git/site.git"
	return s
}

// token is one of somebody with a role.
func (s *service) token(role string) string {
	s.Helper()
	token, err := auth.Mint(issuer, auth.Claims{Subject: role, Name: role, Roles: []string{role}, TTL: time.Hour})
	if err != nil {
		s.Fatal(err)
	}
	return token
}

// as is the address of the repository for somebody with a role.
func (s *service) as(role string) string { return "http://x:" + s.token(role) + "@" + s.url }

// try runs git in a folder, and gives what it said.
func (s *service) try(dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(s.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+s.home, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_TERMINAL_PROMPT=0", "LC_ALL=C", "LANGUAGE=",
		"GIT_AUTHOR_NAME=Louise", "GIT_AUTHOR_EMAIL=louise@example.org", "GIT_COMMITTER_NAME=Louise", "GIT_COMMITTER_EMAIL=louise@example.org")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *service) git(dir string, args ...string) string {
	s.Helper()
	out, err := s.try(dir, args...)
	if err != nil {
		s.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// clone is a clone for somebody with a role: of the same commits a copy of the first.
func (s *service) clone(role string, args ...string) string {
	s.Helper()
	dir := filepath.Join(s.TempDir(), "clone")
	key := role + repotest.Tip(s.Git, "main")
	first, ok := s.clones[key]
	if ok && len(args) == 0 {
		if err := os.CopyFS(dir, os.DirFS(first)); err != nil {
			s.Fatal(err)
		}
		return dir
	}
	s.git("", append(append([]string{"clone", "-q"}, args...), s.as(role), dir)...)
	if len(args) > 0 {
		return dir
	}
	kept := filepath.Join(s.TempDir(), "kept")
	if err := os.CopyFS(kept, os.DirFS(dir)); err != nil {
		s.Fatal(err)
	}
	s.clones[key] = kept
	return dir
}

// commit commits files in a clone; an empty one is deleted.
func (s *service) commit(dir string, files map[string]string) {
	s.Helper()
	for name, text := range files {
		at := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(at), 0o777)
		if err == nil && text == "" {
			err = os.Remove(at)
		} else if err == nil {
			err = os.WriteFile(at, []byte(text), 0o666)
		}
		if err != nil {
			s.Fatal(err)
		}
	}
	for _, name := range []string{".gitattributes", ".git/shallow"} { // which ask for git itself
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			s.git(dir, "add", "-A")
			s.git(dir, "commit", "-q", "-m", "Change")
			return
		}
	}
	if _, err := repotest.Commit(dir, "Louise", "louise@example.org", "Change"); err != nil {
		s.Fatal(err)
	}
}

// refused pushes, which has to fail with these words.
func (s *service) refused(dir string, words []string, args ...string) {
	s.Helper()
	tip := s.Tip()
	out, err := s.try(dir, append([]string{"push"}, args...)...)
	if err == nil {
		s.Errorf("git push %s was taken:\n%s", strings.Join(args, " "), out)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			s.Errorf("git push %s does not say %q but:\n%s", strings.Join(args, " "), w, out)
		}
	}
	if s.Tip() != tip {
		s.Errorf("git push %s was refused, and the branch has moved", strings.Join(args, " "))
	}
}

const parc = "---\ntitle: Parc\nnote: 3\n---\nLe parc\n"

// start is a service with a few files.
func start(t *testing.T, with func(*githttp.Options)) *service {
	t.Helper()
	s := newService(t, with)
	s.Commit(map[string]string{"_consultations/parc.md": parc, "pages/index.md": "---\ntitle: Accueil\n---\n"})
	return s
}

// TestCloneEditPush: what is pushed is what readers see at once, by its author, and what is
// edited elsewhere is fetched.
func TestCloneEditPush(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	dir := s.clone("developer")
	s.commit(dir, map[string]string{"_consultations/parc.md": strings.Replace(parc, "note: 3", "note: 4", 1), "layout.html": "<main>"})
	s.git(dir, "push", "-q")
	tip := strings.TrimSpace(s.git(dir, "rev-parse", "HEAD"))
	if head, _ := s.Head(); head != tip || s.Tip() != tip {
		t.Errorf("readers are at %s and the branch at %s, want %s", head, s.Tip(), tip)
	}
	e, ok := s.Repo.View().Entry("consultations", slug(t, "parc"))
	if !ok || e.Updated().Author.Name != "Louise" {
		t.Errorf("got %v, want the entry as Louise pushed it", e)
	}
	s.Commit(map[string]string{"pages/a.md": "---\ntitle: A\n---\n"})
	s.git(dir, "pull", "-q", "--rebase")
	if s.git(dir, "rev-parse", "HEAD") != s.Tip()+"\n" {
		t.Error("the clone has not what was edited")
	}
	// By the name of the site, and a push that changes nothing.
	other := "http://x:" + s.token("developer") + "@" + strings.Replace(s.url, "site.git", "ville-de-valmont.git", 1)
	s.git(dir, "fetch", "-q", other)
	if out := s.git(dir, "push"); !strings.Contains(out, "up-to-date") {
		t.Errorf("got %s", out)
	}
}

// TestFirstPush: an empty site takes its first commits by a push.
func TestFirstPush(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	dir := s.clone("developer")
	s.git(dir, "checkout", "-q", "-b", "main")
	s.commit(dir, map[string]string{"_consultations/parc.md": parc})
	s.git(dir, "push", "-q", "-o", "ci.skip", "origin", "main")
	if _, ok := s.Repo.View().Entry("consultations", slug(t, "parc")); !ok {
		t.Error("the entry is not there")
	}
}

// TestClones of every kind.
func TestClones(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for i := range 5 {
		s.Commit(map[string]string{"_consultations/parc.md": fmt.Sprint(parc, i)})
	}
	shallow := s.clone("reader", "--depth", "1")
	if n := s.git(shallow, "rev-list", "--count", "HEAD"); n != "1\n" {
		t.Errorf("a shallow clone has %s commits", n)
	}
	s.git(shallow, "fetch", "-q", "--unshallow")
	if n := s.git(shallow, "rev-list", "--count", "HEAD"); n != "6\n" {
		t.Errorf("and deepened %s", n)
	}
	if testing.Short() && !race.Enabled {
		return // with a shallow clone alone
	}
	filters, versions := []string{"blob:none", "tree:0"}, []string{"0", "1", "2"}
	if !all() {
		filters, versions = filters[:1], versions[:1] // and 2 is what the others speak
	}
	for _, filter := range filters {
		partial := s.clone("reader", "--filter="+filter)
		if src := s.git(partial, "show", "HEAD~3:_consultations/parc.md"); src != parc+"1" {
			t.Errorf("%s: got %q", filter, src)
		}
	}
	for _, version := range versions {
		s.git("", "-c", "protocol.version="+version, "clone", "-q", s.as("reader"), filepath.Join(t.TempDir(), "c"))
	}
	from := s.clone("developer", "--depth", "1")
	s.commit(from, map[string]string{"pages/b.md": "---\ntitle: B\n---\n"})
	s.git(from, "push", "-q")
}

// TestWhoMayClone: nobody without a token, nor without the right to all.
func TestWhoMayClone(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for role, want := range map[string]string{
		"halfblind": "403", "editor": "403", "folder": "403",
	} {
		if out, err := s.try("", "clone", s.as(role), filepath.Join(t.TempDir(), "c")); err == nil || !strings.Contains(out, want) || !strings.Contains(out, "remote: A clone has everything") {
			t.Errorf("%s: got %v\n%s", role, err, out)
		}
	}
	if out, err := s.try("", "clone", "http://"+s.url, filepath.Join(t.TempDir(), "c")); err == nil || !strings.Contains(out, "could not read Username") {
		t.Errorf("without a token: got %v\n%s", err, out)
	}
	if out, err := s.try("", "clone", "http://camille:geheim@"+s.url, filepath.Join(t.TempDir(), "c")); err == nil || !strings.Contains(out, "Authentication failed") || strings.Contains(out, "geheim@") {
		t.Errorf("with a password: got %v\n%s", err, out)
	}
	res, err := http.Get("http://" + s.url + "/info/refs?service=git-upload-pack")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := res.Header.Get("WWW-Authenticate"); res.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(got, "Basic ") {
		t.Errorf("got %d %q, want to be asked for a token", res.StatusCode, got)
	}
}

// all says whether each case is pushed, as CMS_PUSHERS has it, or those alone that stand
// for a kind: a push over HTTP is a dozen processes.
func all() bool { return os.Getenv("CMS_PUSHERS") != "" }

// TestRefusedContent: a push that breaks a rule is refused with the file, the line and the
// rule, unless the check is off.
func TestRefusedContent(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		files map[string]string
		want  []string
	}{
		"broken front matter": {map[string]string{"_consultations/velo.md": "---\ntitle: Vélo\nnote: [\n---\n"}, []string{"remote: _consultations/velo.md:4:", "(syntax)"}},
		"a rule":              {map[string]string{"_consultations/parc.md": strings.Replace(parc, "note: 3", "note: 7", 1)}, []string{"remote: _consultations/parc.md:3:", "note", "(max)"}},
		"what is required":    {map[string]string{"_consultations/velo.md": "---\nnote: 1\n---\n"}, []string{"remote: _consultations/velo.md", "title", "(required)"}},
		"read-only":           {map[string]string{"_consultations/parc.md": strings.Replace(parc, "note: 3", "note: 3\nvisites: 8", 1)}, []string{"_consultations/parc.md", "visites", "(read_only)"}},
		"no such page":        {map[string]string{"_consultations/parc.md": strings.Replace(parc, "note: 3", "page: nulle", 1)}, []string{"_consultations/parc.md:3", "(reference)"}},
		"not unique": {map[string]string{
			"_consultations/a.md": "---\ntitle: A\nref: R1\n---\n", "_consultations/b.md": "---\ntitle: B\nref: R1\n---\n",
		}, []string{"_consultations/a.md", "(unique)"}},
		"names alike": {map[string]string{"pages/Index.md": "---\ntitle: X\n---\n"}, []string{"pages/Index.md", "differs only in case"}},
	}
	s := start(t, nil)
	warned := start(t, func(o *githttp.Options) { o.Check = site.CheckWarn })
	off := start(t, func(o *githttp.Options) { o.Check = site.CheckOff })
	kinds := map[string]bool{"broken front matter": true, "a rule": true, "no such page": true}
	for name, c := range cases {
		if !all() && !kinds[name] {
			t.Logf("%s: where CMS_PUSHERS is set", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := s.clone("developer")
			s.commit(dir, c.files)
			s.refused(dir, append(c.want, "(invalid content)"))
		})
	}
	broken := map[string]string{"_consultations/velo.md": "---\ntitle: [\n---\n"}
	dir := warned.clone("developer")
	warned.commit(dir, broken)
	if out := warned.git(dir, "push"); !strings.Contains(out, "remote: _consultations/velo.md:") || !strings.Contains(out, "taken nevertheless") {
		t.Errorf("with a warning alone: got %s", out)
	}
	dir = off.clone("developer")
	off.commit(dir, broken)
	if out := off.git(dir, "push"); strings.Contains(out, "velo.md") {
		t.Errorf("without a check: got %s", out)
	}

	// A page that comes with what refers to it, and a fault that was there before.
	dir = s.clone("developer")
	s.commit(dir, map[string]string{"pages/neuve.md": "---\ntitle: N\n---\n", "_consultations/parc.md": strings.Replace(parc, "note: 3", "page: neuve", 1)})
	s.git(dir, "push", "-q")
	dir = warned.clone("developer")
	warned.commit(dir, map[string]string{"_consultations/velo.md": "---\ntitle: [\n---\nencore\n"})
	if out := warned.git(dir, "push"); strings.Contains(out, "nevertheless") {
		t.Errorf("a fault that was there: got %s", out)
	}
}

// TestRights: nobody pushes what their roles do not allow, not even to take it back in the
// same push.
func TestRights(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	kinds := map[string]bool{"a reader": true, "for a moment": true, "a link": true, "a read-only field": true}
	for name, c := range map[string]struct {
		role  string
		files []map[string]string // commit by commit
		want  []string
	}{
		"a reader":          {"reader", []map[string]string{{"pages/x.md": "---\ntitle: x\n---\n"}}, []string{"403"}},
		"a collection":      {"pages", []map[string]string{{"_consultations/parc.md": parc + "x"}}, []string{"remote: _consultations/parc.md", "(forbidden)"}},
		"for a moment":      {"pages", []map[string]string{{"_consultations/parc.md": parc + "x"}, {"_consultations/parc.md": parc, "pages/x.md": "x"}}, []string{"remote: _consultations/parc.md"}},
		"a deletion":        {"pages", []map[string]string{{"_consultations/parc.md": ""}}, []string{"remote: _consultations/parc.md"}},
		"other files":       {"pages", []map[string]string{{"layout.html": "<main>"}}, []string{"remote: layout.html", "update of repository"}},
		"media":             {"pages", []map[string]string{{"img/a.txt": "a"}}, []string{"remote: img/a.txt"}},
		"a read-only field": {"author", []map[string]string{{"_consultations/parc.md": strings.Replace(parc, "note: 3", "note: 2", 1)}}, []string{"remote: _consultations/parc.md: note"}},
		"a link":            {"pages", []map[string]string{{"pages/lien.md": "→_config.yml"}}, []string{"remote: pages/lien.md"}},
	} {
		if !all() && !kinds[name] {
			t.Logf("%s: where CMS_PUSHERS is set", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := s.clone(c.role)
			for _, files := range c.files {
				for at, text := range files {
					if target, link := strings.CutPrefix(text, "→"); link {
						if err := os.Symlink(target, filepath.Join(dir, at)); err != nil {
							t.Fatal(err)
						}
						delete(files, at)
					}
				}
				s.commit(dir, files)
			}
			s.refused(dir, c.want)
		})
	}
	for role, files := range map[string]map[string]string{
		"pages": {"pages/x.md": "---\ntitle: x\n---\n"}, "author": {"_consultations/parc.md": parc + "x"},
	} {
		dir := s.clone(role)
		s.commit(dir, files)
		s.git(dir, "push", "-q")
	}
	// A token may be narrower than its role.
	token, err := auth.Mint(issuer, auth.Claims{Subject: "d", Roles: []string{"developer"}, Limits: auth.Narrow(nil, []auth.Action{auth.Read}), TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	dir := s.clone("developer")
	s.commit(dir, map[string]string{"pages/y.md": "---\ntitle: y\n---\n"})
	s.refused(dir, []string{"403"}, "http://x:"+token+"@"+s.url, "HEAD:main")
}

// TestReferences: the branch only goes forward, and others go as the roles allow.
func TestReferences(t *testing.T) {
	t.Parallel()
	if testing.Short() && !race.Enabled {
		t.Skip("takes long")
	}
	s := start(t, nil)
	dir := s.clone("developer")
	s.refused(dir, []string{"cannot be deleted"}, "origin", ":main")
	s.commit(dir, map[string]string{"pages/a.md": "---\ntitle: A\n---\n"})
	s.git(dir, "push", "-q")
	s.git(dir, "reset", "-q", "--hard", "HEAD~1")
	s.commit(dir, map[string]string{"pages/b.md": "---\ntitle: B\n---\n"})
	s.refused(dir, []string{"rejected"})
	s.refused(dir, []string{"(fetch first)"}, "--force")
	s.refused(dir, []string{"belong to the service"}, "origin", "HEAD:refs/heads/cms/x")
	s.refused(dir, []string{"Only branches and tags"}, "origin", "HEAD:refs/notes/x")

	s.git(dir, "tag", "-a", "-m", "v1", "v1")
	s.git(dir, "push", "-q", "origin", "HEAD:refs/heads/draft", "v1")
	s.refused(dir, []string{"is in the way"}, "origin", "HEAD:refs/heads/draft/x")
	if refs := s.RunGit("for-each-ref", "--format=%(refname)"); refs != "refs/heads/draft\nrefs/heads/main\nrefs/tags/v1\n" {
		t.Errorf("got %s", refs)
	}
	pages := s.clone("pages")
	s.refused(pages, []string{"create of repository"}, "origin", "HEAD:refs/heads/mine")
	s.refused(pages, []string{"delete of repository"}, "origin", ":draft")
	s.RunGit("pack-refs", "--all")
	s.git(dir, "push", "-q", "origin", ":draft", ":v1")
	if refs := s.RunGit("for-each-ref", "--format=%(refname)"); refs != "refs/heads/main\n" {
		t.Errorf("got %s", refs)
	}

	// All or nothing.
	s.refused(dir, []string{"atomic push failed"}, "--atomic", "--force", "origin", "HEAD:main", "HEAD:refs/heads/other")
	s.git(dir, "pull", "-q", "--rebase")
	s.git(dir, "push", "-q", "--atomic", "origin", "HEAD:main", "HEAD:refs/heads/other")
	if refs := s.RunGit("for-each-ref", "--format=%(refname) %(objectname)"); strings.Count(refs, s.Tip()) != 2 {
		t.Errorf("got %s", refs)
	}
}

// TestBounds: a push that is too large, a bomb, and what is no pack leave nothing behind.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *githttp.Options) { o.MaxPush = 64 << 10 })
	dir := s.clone("developer")
	noise := make([]byte, 1<<20)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	s.commit(dir, map[string]string{"img/a.bin": string(noise)})
	s.refused(dir, []string{"remote: fatal: pack exceeds maximum allowed size", "(the objects are refused)"})
	post := func(path, contentType, encoding string, body []byte) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.url+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("x", s.token("developer"))
		r.Header.Set("Content-Type", contentType)
		if encoding != "" {
			r.Header.Set("Content-Encoding", encoding)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for name, c := range map[string]struct {
		path, contentType, encoding, body string
		want                              int
	}{
		"a probe":      {"/git-receive-pack", "application/x-git-receive-pack-request", "", "0000", 200},
		"no packets":   {"/git-receive-pack", "application/x-git-receive-pack-request", "", "zzzz", 400},
		"no type":      {"/git-receive-pack", "text/plain", "", "0000", 415},
		"no gzip":      {"/git-upload-pack", "application/x-git-upload-pack-request", "gzip", "0000", 400},
		"another way":  {"/git-upload-pack", "application/x-git-upload-pack-request", "br", "0000", 415},
		"no such door": {"/git-upload-archive", "application/x-git-upload-archive-request", "", "0000", 404},
	} {
		if got := post(c.path, c.contentType, c.encoding, []byte(c.body)); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
	left, err := filepath.Glob(filepath.Join(s.Git, "cms.drafts", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestCloneStreams: what is cloned passes through, and is never whole in memory. CMS_CLONE_MB
// says how much that is.
func TestCloneStreams(t *testing.T) { // not parallel, as others would be counted too
	if testing.Short() && !race.Enabled {
		t.Skip("takes long")
	}
	s := newService(t, nil)
	size := 8 << 20
	if n, err := strconv.Atoi(os.Getenv("CMS_CLONE_MB")); err == nil {
		size = n << 20
	}
	noise := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	s.FastImport("commit refs/heads/main\ncommitter D <d@example.org> 1700000000 +0000\ndata 1\nx\nM 644 inline img/a.bin\ndata " + fmt.Sprint(size) + "\n" + string(noise) + "\n")
	token := s.token("reader")
	dir := filepath.Join(t.TempDir(), "c")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.git("", "clone", "-q", "--bare", "http://x:"+token+"@"+s.url, dir)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > uint64(size)/4 {
		t.Errorf("a clone of %d bytes allocated %d", size, took)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}

// TestWithoutGit says what to do.
func TestWithoutGit(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *githttp.Options) { o.Program = "no-such-git" })
	if out, err := s.try("", "clone", s.as("reader"), filepath.Join(t.TempDir(), "c")); err == nil || !strings.Contains(out, "remote: Git is not installed") {
		t.Errorf("got %v\n%s", err, out)
	}
}

// TestTogether: those who push and eight who edit lose nothing. Each push that comes too
// late is made again on what was first, so the work grows with the square of those who push:
// CMS_PUSHERS has it run, and says how many they are, and so has the race detector.
func TestTogether(t *testing.T) {
	t.Parallel()
	if !all() && !race.Enabled {
		t.Skip("takes long: CMS_PUSHERS has it run")
	}
	s := start(t, nil)
	const editors, edits = 8, 8
	pushers := 3
	if n, err := strconv.Atoi(os.Getenv("CMS_PUSHERS")); err == nil {
		pushers = n
	}
	done := make(chan error, editors+pushers)
	for i := range pushers {
		dir := s.clone("developer")
		s.commit(dir, map[string]string{fmt.Sprintf("pages/pushed-%d.md", i): "---\ntitle: P\n---\n"})
		go func() {
			done <- func() error {
				for {
					if _, err := s.try(dir, "push", "-q"); err == nil {
						return nil
					}
					if out, err := s.try(dir, "pull", "-q", "--rebase"); err != nil {
						return fmt.Errorf("%w: %s", err, out)
					}
				}
			}()
		}()
	}
	for i := range editors {
		go func() {
			done <- func() error {
				for j := range edits {
					slug, err := content.ParseSlug(fmt.Sprintf("edited-%d-%d", i, j))
					if err != nil {
						return err
					}
					fields := &content.Object{Members: []content.Member{{Key: "title", Value: "E"}}}
					if _, err := s.Create(context.WithoutCancel(t.Context()), &auth.Principal{Issuer: "cms", Subject: "d", Roles: []string{"developer"}}, "pages", site.Draft{Slug: slug, Fields: fields}, site.Write{}); err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	files := s.RunGit("ls-tree", "--name-only", "-r", "main", "pages/")
	var want []string
	for i := range pushers {
		want = append(want, fmt.Sprintf("pages/pushed-%d.md\n", i))
	}
	for i := range editors {
		for j := range edits {
			want = append(want, fmt.Sprintf("pages/edited-%d-%d.md\n", i, j))
		}
	}
	for _, name := range want {
		if !strings.Contains(files, name) {
			t.Errorf("%s is lost", name)
		}
	}
}

func slug(t *testing.T, s string) content.Slug {
	t.Helper()
	out, err := content.ParseSlug(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
