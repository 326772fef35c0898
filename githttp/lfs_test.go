package githttp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cms/auth"
	"cms/githttp"
	"cms/lfs"
	"cms/race"
	"cms/site"
)

// large is a file that nobody can compress.
func large(n int) []byte {
	b := make([]byte, n)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < n; i++ {
		b[i] = byte(r.Uint32())
	}
	return b
}

func needLFS(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git-lfs"); err != nil {
		t.Skip("NOT TESTED with the real program: git-lfs is not installed")
	}
}

// withLFS has git-lfs at work in a clone, and nothing of it elsewhere.
func (s *service) withLFS(dir string) {
	s.Helper()
	s.git(dir, "lfs", "install", "--local")
}

// media is a file as readers of the site have it.
func (s *service) media(name string) (*site.MediaFile, []byte, error) {
	s.Helper()
	f, err := s.Site.Media(s.principal("developer"), name)
	if err != nil {
		s.Fatal(err)
	}
	r, err := f.Open(s.Context())
	if err != nil {
		return f, nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return f, b, err
}

func (s *service) principal(role string) *auth.Principal {
	return &auth.Principal{Issuer: "cms", Subject: role, Name: role, Roles: []string{role}}
}

// TestGitLFS: files that git-lfs pushes are served, those that are uploaded are what git-lfs
// pulls, and neither is in the repository.
func TestGitLFS(t *testing.T) {
	t.Parallel()
	if testing.Short() && !race.Enabled {
		t.Skip("takes long")
	}
	needLFS(t)
	s := start(t, nil)
	dir := s.clone("developer")
	s.withLFS(dir)
	s.git(dir, "lfs", "track", "*.csv")
	pushed := append([]byte("nom;prix\n"), bytes.Repeat([]byte("banc;1\n"), 1<<20)...)
	s.commit(dir, map[string]string{"img/grand.csv": string(pushed), "img/petit.csv": "nom;prix\n"})
	out := s.git(dir, "push")
	for _, bad := range []string{"locking", "locksverify", "warning", "error"} {
		if strings.Contains(out, bad) {
			t.Errorf("git push says: %s", out)
		}
	}
	f, b, err := s.media("grand.csv")
	if err != nil || !bytes.Equal(b, pushed) || f.Pointer == nil || f.Pointer.Size != int64(len(pushed)) || f.Size > lfs.MaxPointer {
		t.Fatalf("what was pushed is served as %d bytes, %+v, %v", len(b), f, err)
	}
	if got := s.RunGit("cat-file", "-s", "main:img/grand.csv"); len(got) > 4 {
		t.Errorf("the repository has %s bytes of it", got)
	}

	uploaded := "nom;prix\nlampe;2\n"
	put, err := s.PutMedia(t.Context(), s.principal("developer"), "neuf.csv", strings.NewReader(uploaded), site.Write{Precondition: site.Precondition{Absent: true}})
	if err != nil || put.File.Pointer == nil || put.File.Pointer.Size != int64(len(uploaded)) {
		t.Fatalf("uploaded: %+v, %v", put, err)
	}
	if _, b, err := s.media("neuf.csv"); err != nil || string(b) != uploaded {
		t.Errorf("what was uploaded is served as %q, %v", b, err)
	}
	if got, want := s.RunGit("show", "main:img/neuf.csv"), put.File.Pointer.Text(); got != want {
		t.Errorf("the branch has %q, want %q", got, want)
	}
	if _, err := s.PutMedia(t.Context(), s.principal("developer"), "petit.csv", strings.NewReader(""), site.Write{Precondition: site.Precondition{Revisions: []string{mustMedia(s, "petit.csv").Revision}}}); err != nil {
		t.Fatal(err)
	}

	// Another clone has all of it, and git-lfs finds nothing to change.
	other := s.clone("reader", "--no-checkout")
	s.withLFS(other)
	s.git(other, "checkout", "-q", "main")
	for name, want := range map[string]string{"img/grand.csv": string(pushed), "img/neuf.csv": uploaded, "img/petit.csv": ""} {
		if got, err := os.ReadFile(filepath.Join(other, name)); err != nil || string(got) != want {
			t.Errorf("the clone has %d bytes as %s, %v; want %d", len(got), name, err, len(want))
		}
	}
	if out := s.git(other, "status", "--porcelain"); out != "" {
		t.Errorf("git status: %s", out)
	}
	s.git(other, "lfs", "fsck")
	s.git(dir, "pull", "-q")
	if got, err := os.ReadFile(filepath.Join(dir, "img/neuf.csv")); err != nil || string(got) != uploaded {
		t.Errorf("git pull gives %q, %v", got, err)
	}
	if n, err := lfs.VerifyOwn(s.Git); err != nil || n != 3 {
		t.Errorf("%d objects are kept, %v", n, err)
	}

	// Who may only read uploads nothing, by git-lfs neither.
	s.withLFS(other)
	s.commit(other, map[string]string{"img/interdit.csv": "nom;prix\ninterdit;0\n"})
	if out, err := s.try(other, "lfs", "push", "origin", "main"); err == nil {
		t.Errorf("a reader has pushed objects: %s", out)
	}
	// What is too large is told, in words.
	s.commit(dir, map[string]string{"img/enorme.csv": string(large(maxObject + 1))})
	if out, err := s.try(dir, "push"); err == nil || !strings.Contains(out, fmt.Sprint(maxObject)) {
		t.Errorf("too large an object: %v, %s", err, out)
	}
	if n, err := lfs.VerifyOwn(s.Git); err != nil || n != 3 {
		t.Errorf("%d objects are kept, %v", n, err)
	}
}

func mustMedia(s *service, name string) *site.MediaFile {
	s.Helper()
	f, err := s.Site.Media(s.principal("developer"), name)
	if err != nil {
		s.Fatal(err)
	}
	return f
}

// ask makes a request of the API of Git LFS.
func (s *service) ask(role, method, at, body string, header map[string]string) (*http.Response, string) {
	s.Helper()
	if !strings.HasPrefix(at, "http") {
		at = "http://" + s.url + "/info/lfs/" + at
	}
	req, err := http.NewRequestWithContext(s.Context(), method, at, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if role != "" {
		req.SetBasicAuth("x", s.token(role))
	}
	req.Header.Set("Content-Type", lfs.MediaType)
	req.Header.Set("Accept", lfs.MediaType)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return res, string(b)
}

// TestLFSByHand: every request of the API by every kind of caller, and what is wrong with it
// is told as git-lfs shows it.
func TestLFSByHand(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	content := "un fichier"
	p, err := lfs.PointerOf(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	batch := func(operation string, more string) string {
		return fmt.Sprintf(`{"operation": %q, "transfers": ["basic"]%s, "objects": [{"oid": %q, "size": %d}]}`, operation, more, p.Hash(), p.Size)
	}
	object := fmt.Sprintf("objects/%s/%d", p.Hash(), p.Size)
	many := `{"operation": "download", "objects": [` + strings.Repeat(`{"oid": "`+p.Hash()+`", "size": 1},`, 1000) + `{"oid": "` + p.Hash() + `", "size": 1}]}`
	for name, tt := range map[string]struct {
		role, method, at, body string
		header                 map[string]string
		status                 int
		told                   string
	}{
		"nobody":                 {"", "POST", "objects/batch", batch("download", ""), nil, 401, "token"},
		"an editor":              {"editor", "POST", "objects/batch", batch("download", ""), nil, 403, "clone"},
		"half blind":             {"halfblind", "POST", "objects/batch", batch("download", ""), nil, 403, "clone"},
		"an editor's download":   {"editor", "GET", object, "", nil, 403, "clone"},
		"a reader's upload":      {"reader", "POST", "objects/batch", batch("upload", ""), nil, 403, ""},
		"a reader's object":      {"reader", "PUT", object, content, nil, 403, ""},
		"a reader's verify":      {"reader", "POST", "objects/verify", "{}", nil, 403, ""},
		"locks of nobody":        {"", "POST", "locks/verify", "{}", nil, 401, "token"},
		"locks":                  {"developer", "POST", "locks/verify", "{}", nil, 501, "locks"},
		"a list of locks":        {"reader", "GET", "locks", "", nil, 501, "locks"},
		"another operation":      {"developer", "POST", "objects/batch", batch("delete", ""), nil, 422, "download or upload"},
		"another hash":           {"developer", "POST", "objects/batch", batch("download", `, "hash_algo": "md5"`), nil, 409, "SHA-256"},
		"no JSON":                {"developer", "POST", "objects/batch", "oid", nil, 422, "no request"},
		"a form":                 {"developer", "POST", "objects/batch", batch("download", ""), map[string]string{"Content-Type": "text/plain"}, 415, lfs.MediaType},
		"too many":               {"developer", "POST", "objects/batch", many, nil, 413, "1000"},
		"too long":               {"developer", "POST", "objects/batch", strings.Repeat(" ", 1<<20+1), nil, 413, "1048576"},
		"what nobody has":        {"developer", "GET", object, "", nil, 404, ""},
		"verify what is not":     {"developer", "POST", "objects/verify", fmt.Sprintf(`{"oid": %q, "size": %d}`, p.Hash(), p.Size), nil, 404, "Nobody"},
		"another content":        {"developer", "PUT", object, "un dossier", nil, 422, "announced"},
		"a shorter one":          {"developer", "PUT", object, "un", nil, 422, "announced"},
		"an object with no name": {"developer", "PUT", "objects/../../../etc/10", content, nil, 404, ""},
		"capitals":               {"developer", "PUT", fmt.Sprintf("objects/%s/%d", strings.ToUpper(p.Hash()), p.Size), content, nil, 404, ""},
		"an odd size":            {"developer", "GET", "objects/" + p.Hash() + "/010", "", nil, 404, ""},
		"too large":              {"developer", "PUT", fmt.Sprintf("objects/%s/%d", p.Hash(), maxObject+1), content, nil, 413, ""},
		"another method":         {"developer", "GET", "objects/batch", "", nil, 405, ""},
		"another path":           {"developer", "GET", "objects", "", nil, 404, ""},
	} {
		res, body := s.ask(tt.role, tt.method, tt.at, tt.body, tt.header)
		var said struct{ Message string }
		if err := json.Unmarshal([]byte(body), &said); res.StatusCode != tt.status || err != nil || res.Header.Get("Content-Type") != lfs.MediaType || said.Message == "" || !strings.Contains(said.Message, tt.told) {
			t.Errorf("%s: got %d %s %q, want %d %s", name, res.StatusCode, res.Header.Get("Content-Type"), body, tt.status, tt.told)
		}
		if tt.status == 401 && !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: nobody is asked for a token: %v", name, res.Header)
		}
	}
	if n, err := lfs.VerifyOwn(s.Git); n != 0 || err != nil {
		t.Errorf("%d objects are kept, %v", n, err)
	}

	// As a client goes on from answer to answer.
	actions := func(role, operation string) lfs.BatchObject {
		res, body := s.ask(role, "POST", "objects/batch", batch(operation, ""), nil)
		var a lfs.BatchAnswer
		if err := json.Unmarshal([]byte(body), &a); res.StatusCode != 200 || err != nil || len(a.Objects) != 1 || a.Transfer != "basic" || a.Objects[0].OID != p.Hash() || !strings.Contains(res.Header.Get("Cache-Control"), "no-store") {
			t.Fatalf("%s: got %d %v %s", operation, res.StatusCode, res.Header, body)
		}
		return a.Objects[0]
	}
	follow := func(a lfs.BatchAction, method, body string, status int) string {
		if a.Href == "" {
			t.Fatal("there is no such action")
		}
		res, got := s.ask("", method, a.Href, body, a.Header)
		if res.StatusCode != status {
			t.Errorf("%s %s: got %d %s, want %d", method, a.Href, res.StatusCode, got, status)
		}
		return got
	}
	if o := actions("reader", lfs.Download); o.Error == nil || o.Error.Code != 404 || len(o.Actions) != 0 {
		t.Errorf("what nobody has: %+v", o)
	}
	up := actions("developer", lfs.Upload)
	follow(up.Actions[lfs.Upload], "PUT", content, 200)
	follow(up.Actions["verify"], "POST", fmt.Sprintf(`{"oid": %q, "size": %d}`, p.Hash(), p.Size), 200)
	if o := actions("developer", lfs.Upload); len(o.Actions) != 0 || o.Error != nil {
		t.Errorf("what is here is asked for: %+v", o)
	}
	down := actions("reader", lfs.Download).Actions[lfs.Download]
	if got := follow(down, "GET", "", 200); got != content {
		t.Errorf("got %q", got)
	}
	down.Header["Range"] = "bytes=3-9"
	if got := follow(down, "GET", "", 206); got != "fichier" {
		t.Errorf("a range: got %q", got)
	}
}

// TestUploadsOfLFS: what is refused, or a dry run, stores no object; a batch does.
func TestUploadsOfLFS(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	s.Commit(map[string]string{".gitattributes": "img/grand/** filter=lfs\n"})
	absent := site.Precondition{Absent: true}
	one := func(content string, w site.Write) error {
		w.Precondition = absent
		_, err := s.PutMedia(t.Context(), s.principal("developer"), "grand/a.csv", strings.NewReader(content), w)
		return err
	}
	objects := func(want int) {
		t.Helper()
		if n, err := lfs.VerifyOwn(s.Git); n != want || err != nil {
			t.Errorf("%d objects are kept, %v; want %d", n, err, want)
		}
	}
	if err := one("nom;prix\n", site.Write{DryRun: true}); err != nil {
		t.Fatal(err)
	}
	objects(0)
	batch := func(w site.Write, last string) ([]*site.Outcome, error) {
		return s.Batch(t.Context(), s.principal("developer"), []site.Operation{
			site.PuttingMedia("grand/b.csv", []byte("nom;prix\nb;1\n"), absent), site.PuttingMedia(last, []byte("nom;prix\nc;1\n"), absent),
		}, w)
	}
	if _, err := batch(site.Write{DryRun: true}, "grand/c.csv"); err != nil {
		t.Fatal(err)
	}
	if _, err := batch(site.Write{}, "grand/B.csv"); err == nil {
		t.Error("two names that are one on some systems were taken")
	}
	objects(0)
	made, err := batch(site.Write{}, "c.csv")
	if err != nil {
		t.Fatal(err)
	}
	objects(1)
	if made[0].Media.Pointer == nil || made[1].Media.Pointer != nil {
		t.Errorf("got %+v, %+v", made[0].Media, made[1].Media)
	}
	if _, b, err := s.media("grand/b.csv"); err != nil || string(b) != "nom;prix\nb;1\n" {
		t.Errorf("it is served as %q, %v", b, err)
	}
	if err := one("nom;prix\n", site.Write{}); err != nil {
		t.Fatal(err)
	}
	objects(2)
	if err := one("nom;prix\nautre;1\n", site.Write{}); err == nil {
		t.Error("a file was overwritten")
	}
	objects(2)
}

// TestPushOfPointersAlone: pointers whose files nobody has are refused with their names, or
// told, as git.check says; files that the branch points to already may go elsewhere.
func TestPushOfPointersAlone(t *testing.T) {
	t.Parallel()
	content := "nom;prix\n"
	p, err := lfs.PointerOf(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	lost, err := lfs.PointerOf(strings.NewReader("perdu depuis longtemps"))
	if err != nil {
		t.Fatal(err)
	}
	for check, takes := range map[site.Check]bool{site.CheckRefuse: false, site.CheckWarn: true, site.CheckOff: true} {
		if takes && !all() {
			t.Logf("git.check: %s: where CMS_PUSHERS is set", check)
			continue
		}
		s := start(t, func(o *githttp.Options) { o.Check = check })
		s.Commit(map[string]string{".gitattributes": "*.csv filter=lfs\n", "img/ancien.csv": lost.Text()})
		dir := s.clone("developer")
		s.commit(dir, map[string]string{"img/prix.csv": p.Text(), "doc/prix.csv": p.Text(), "img/texte.csv": "nom;prix\n"})
		out, err := s.try(dir, "push")
		if (err == nil) != takes {
			t.Fatalf("%s: got %v, %s", check, err, out)
		}
		for _, name := range []string{"img/prix.csv", "doc/prix.csv"} {
			if strings.Contains(out, name+": This is a pointer") != (check != site.CheckOff) {
				t.Errorf("%s: the pusher is told %s", check, out)
			}
		}
		if strings.Contains(out, "texte.csv") {
			t.Errorf("%s: what is no pointer is told: %s", check, out)
		}
		if takes {
			continue
		}
		if res, body := s.ask("developer", "PUT", fmt.Sprintf("objects/%s/%d", p.Hash(), p.Size), content, nil); res.StatusCode != 200 {
			t.Fatalf("got %d %s", res.StatusCode, body)
		}
		s.git(dir, "mv", "img/ancien.csv", "img/deplace.csv")
		s.git(dir, "commit", "-q", "-m", "Déplacer")
		if out, err := s.try(dir, "push"); err != nil || strings.Contains(out, "pointer") {
			t.Errorf("with the object: %v, %s", err, out)
		}
	}
}

// TestNoRoomForLFS: what there is no room for is refused by size, in a batch and by itself, and
// what is there is still had.
func TestNoRoomForLFS(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for i := 0; ; i++ {
		content := fmt.Sprintf("%06d", i) + strings.Repeat("x", maxObject-6)
		p, err := lfs.PointerOf(strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		object := fmt.Sprintf("objects/%s/%d", p.Hash(), p.Size)
		batch := fmt.Sprintf(`{"operation": "upload", "transfers": ["basic"], "objects": [{"oid": %q, "size": %d}]}`, p.Hash(), p.Size)
		res, body := s.ask("developer", "POST", "objects/batch", batch, nil)
		if full := int64(i+1)*maxObject > maxStore; !full {
			if res.StatusCode != 200 || strings.Contains(body, "507") {
				t.Fatalf("object %d: got %d %s", i, res.StatusCode, body)
			}
			if res, body := s.ask("developer", "PUT", object, content, nil); res.StatusCode != 200 {
				t.Fatalf("object %d: got %d %s", i, res.StatusCode, body)
			}
			continue
		}
		if res.StatusCode != 200 || !strings.Contains(body, `"code":507`) || strings.Contains(body, "actions") {
			t.Errorf("a batch beyond the bound: got %d %s, want the error 507 of the object", res.StatusCode, body)
		}
		if res, body := s.ask("developer", "PUT", object, content, nil); res.StatusCode != 507 || !strings.Contains(body, "store_bytes") {
			t.Errorf("an upload beyond the bound: got %d %s, want 507", res.StatusCode, body)
		}
		if res, _ := s.ask("developer", "GET", object, "", nil); res.StatusCode != 404 {
			t.Errorf("what was refused: got %d, want 404", res.StatusCode)
		}
		break
	}
}
