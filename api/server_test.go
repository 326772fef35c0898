package api_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"context"

	"cms/api"
	"cms/auth"
	"cms/content"
	"cms/media"
	"cms/repo"
	"cms/repo/repotest"
	"cms/site"
	"cms/site/sitetest"
	"cms/web"
	"cms/web/login"
)

// server is a real API on a real repository, reached over real HTTP.
type server struct {
	testing.TB
	url    string
	api    *api.API
	web    *web.Floor
	git    string // the repository's folder
	repo   *repo.Repo
	issuer auth.Issuer
	ec     auth.Issuer // ES256, with the private key
	ecKey  []byte      // the public key that clients could know
	token  string      // of an editor

	operator string // a token for webhooks, where there are some

	late      *atomic.Int64 // how many syncs of the branch's folder are to fail
	lateAside *atomic.Int64 // how many of the folder of what was set aside
}

// beforeSync makes the storage fail after the branch has moved.
func (s *server) beforeSync(folder string) error {
	for of, late := range map[string]*atomic.Int64{"refs/heads": s.late, "cms/conflicts": s.lateAside} {
		if strings.HasSuffix(folder, of) && late.Load() > 0 {
			late.Add(-1)
			return &os.PathError{Op: "sync", Path: folder, Err: syscall.EIO}
		}
	}
	return nil
}

const (
	maxBody  = 1 << 20
	maxMedia = 2 << 20
)

// options are those of the API and of the floor that it stands on.
type options struct {
	apiOptions
	webOptions
	Providers []*auth.Provider
}

type (
	apiOptions = api.Options
	webOptions = web.Options
)

// newServer serves until the test ends. It trusts s.issuer, s.ec and more.
func newServer(t testing.TB, more ...auth.Issuer) *server {
	t.Helper()
	return newServerWith(t, func(*options) {}, more...)
}

// newServerWith is newServer with other options of the API.
func newServerWith(t testing.TB, set func(*options), more ...auth.Issuer) *server {
	t.Helper()
	return newServerOf(t, nil, set, more...)
}

// newServerOf is newServerWith with more collections, which editors alone know.
func newServerOf(t testing.TB, others []content.Collection, set func(*options), more ...auth.Issuer) *server {
	t.Helper()
	return newServerBy(t, nil, others, set, more...)
}

// newServerBy is newServerOf with a Git host, which has each edit before it is answered.
func newServerBy(t testing.TB, host *repo.Remote, others []content.Collection, set func(*options), more ...auth.Issuer) *server {
	t.Helper()
	s := &server{TB: t, git: filepath.Join(t.TempDir(), "site.git"), late: new(atomic.Int64), lateAside: new(atomic.Int64)}
	s.issuer = auth.Issuer{Issuer: "cms", Audience: "cms", Algorithms: []string{"HS256"}, Secret: []byte("0123456789abcdef0123456789abcdef")}
	s.ec, s.ecKey = ecIssuer(t)
	verifier, err := auth.NewVerifier(auth.Options{Issuers: append(more, s.issuer, s.ec)})
	if err != nil {
		t.Fatal(err)
	}
	collections := []content.Collection{
		{Name: "consultations", Folder: "_consultations", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "title", Type: "string", Required: true},
			{Name: "link", Type: "url"},
			{Name: "date", Type: "datetime"},
			{Name: "in_progress", Type: "boolean"},
			{Name: "note", Type: "integer", Min: "0", Max: "5"},
		}}},
		{Name: "pages", Folder: "pages", Extension: ".md"},
	}
	all := auth.Grant{Actions: []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete}}
	editor, known := map[string]auth.Grant{"consultations": all, "pages": all, auth.Media: all}, []string{"consultations", "pages"}
	for _, c := range others {
		editor[c.Name] = all
		collections, known = append(collections, c), append(known, c.Name)
	}
	policy, err := auth.NewPolicy(map[string]map[string]auth.Grant{
		"editor": editor,
		"reader": {"consultations": auth.Grant{Actions: []auth.Action{auth.Read}}},
		"limited": {"consultations": {
			Actions: []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete},
			Hide:    []string{"note"}, ReadOnly: []string{"in_progress"},
			Where: []auth.Condition{{Field: "organisateur", Claim: "org"}},
		}},
		"operator":     {auth.Webhooks: auth.Grant{Actions: []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete}}},
		"auditor":      {auth.Webhooks: auth.Grant{Actions: []auth.Action{auth.Read}}},
		"photographer": {auth.Media: {Actions: []auth.Action{auth.Read, auth.Create}, Paths: []string{"photos"}}},
	}, known)
	if err != nil {
		t.Fatal(err)
	}
	of := repo.Options{Path: s.git, Branch: "main", Committer: repo.Person{Name: "CMS", Email: "cms@example.org"}, Collections: collections, Remote: host, AllowRewrite: true, BeforeSync: s.beforeSync, Clock: sitetest.SecondsApart()}
	if host != nil {
		if err := repo.Clone(t.Context(), of); err != nil {
			t.Fatal(err)
		}
	}
	if s.repo, err = repo.Open(t.Context(), of); err != nil {
		t.Fatal(err)
	}
	folder, err := content.ParsePath("img")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.repo.Run(ctx) }()
	st, err := site.New(site.Options{Repo: s.repo, Policy: policy, Collections: collections, Media: site.MediaOptions{
		Folder: folder, MaxBytes: maxMedia, Scratch: t.TempDir(), Rules: media.Rules{Extensions: []string{"jpg", "png", "svg", "pdf", "avif", "csv"}, Types: map[string]string{"gpx": "application/gpx+xml"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var o options
	o.Site, o.Version = st, "test"
	o.Verifier, o.MaxBodyBytes = verifier, maxBody
	set(&o)
	if s.web, err = web.New(o.webOptions); err != nil {
		t.Fatal(err)
	}
	o.Web = s.web
	if o.Sessions != nil {
		if o.Logins, err = login.New(login.Options{Web: s.web, Providers: o.Providers}); err != nil {
			t.Fatal(err)
		}
	}
	if s.api, err = api.New(o.apiOptions); err != nil {
		t.Fatal(err)
	}
	s.web.Mount("/", s.api)
	srv := httptest.NewServer(s.web)
	s.url = srv.URL
	s.token = s.mint("editor")
	t.Cleanup(func() {
		srv.Close()
		stop()
		if err := <-done; err != nil {
			t.Errorf("repository: %v", err)
		}
		if err := s.repo.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		sitetest.Fsck(t, s.git)
	})
	return s
}

func ecIssuer(t testing.TB) (auth.Issuer, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	pub, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1",
		"x": b64(pub[1:33]), "y": b64(pub[33:]), "d": b64(d),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return auth.Issuer{Issuer: "https://id.example.org", Audience: "cms", Algorithms: []string{"ES256"}, JWKS: jwks}, pub
}

// mint makes a token of the symmetric issuer.
func (s *server) mint(roles ...string) string {
	s.Helper()
	return s.mintOf(s.issuer, roles...)
}

func (s *server) mintOf(is auth.Issuer, roles ...string) string {
	s.Helper()
	token, err := auth.Mint(is, auth.Claims{Subject: "ann", Name: "Ann Éditrice", Email: "ann@example.org", Roles: roles, TTL: time.Hour})
	if err != nil {
		s.Fatal(err)
	}
	return token
}

func gitCommand(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("git", append([]string{"--git-dir", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
	return cmd
}

func (s *server) runGit(args ...string) string {
	s.Helper()
	out, err := gitCommand(s.git, args...).CombinedOutput()
	if err != nil {
		s.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// file is a file at the tip of the branch.
func (s *server) file(path string) string {
	s.Helper()
	text, err := repotest.Read(s.git, repotest.Tip(s.git, "main"), path)
	if err != nil {
		s.Fatal(err)
	}
	return text
}

// request is one to send; the token is the editor's unless it names another.
type request struct {
	method, path string
	header       map[string]string
	body         string
	token        string // "-" for none
}

// response is what came back.
type response struct {
	status int
	header http.Header
	body   []byte
}

func (s *server) do(r request) response {
	s.Helper()
	req, err := http.NewRequest(r.method, s.url+r.path, strings.NewReader(r.body))
	if err != nil {
		s.Fatal(err)
	}
	switch r.token {
	case "":
		req.Header.Set("Authorization", "Bearer "+s.token)
	case "-":
	default:
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultTransport.RoundTrip(req) // a client would follow redirects
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	if res.Header.Get("Content-Type") == "text/event-stream" {
		return response{res.StatusCode, res.Header, nil} // it has no end
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return response{res.StatusCode, res.Header, body}
}

// create makes an entry and gives its ETag.
func (s *server) create(collection, slug, src string) string {
	s.Helper()
	res := s.do(request{method: "PUT", path: "/v1/collections/" + collection + "/entries/" + slug, body: src,
		header: map[string]string{"Content-Type": "text/markdown", "If-None-Match": "*"}})
	if res.status != http.StatusCreated {
		s.Fatalf("create %s: got %d %s", slug, res.status, res.body)
	}
	return res.header.Get("ETag")
}

func (s *server) head() string {
	if tip := repotest.Tip(s.git, "main"); tip != "" {
		return tip
	}
	return strings.TrimSpace(s.runGit("rev-parse", "--verify", "main"))
}

// problem reads a problem document, and checks its form.
func (s *server) problem(res response) api.Problem {
	s.Helper()
	if ct := res.header.Get("Content-Type"); ct != "application/problem+json" {
		s.Fatalf("got %d with Content-Type %q, want a problem document: %s", res.status, ct, res.body)
	}
	var p api.Problem
	dec := json.NewDecoder(bytes.NewReader(res.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		s.Fatalf("problem document: %v: %s", err, res.body)
	}
	if p.Status != res.status || p.Type != "about:blank" || p.Title != http.StatusText(res.status) || p.Code == "" ||
		p.Instance != "urn:uuid:"+res.header.Get("X-Request-Id") {
		s.Errorf("got the problem %s of status %d, with X-Request-Id %s", res.body, res.status, res.header.Get("X-Request-Id"))
	}
	return p
}

const sample = "---\ntitle: Plan vélo\nlink:\norganisateur : Ville de Valmont\nmethodes:\n- L'atelier\ndate: 2019-01-15 09:29:08 +0000\nin_progress: true\nnote: 3\n---\n\nCorps.  \n"

func entryPath(slug string) string {
	return fmt.Sprintf("/v1/collections/consultations/entries/%s", slug)
}
