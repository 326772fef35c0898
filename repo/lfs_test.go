package repo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cms/lfs"
)

// lfsHost serves the API of Git LFS, and the objects, to those who are let in.
type lfsHost struct {
	*httptest.Server
	lets func(*http.Request) bool

	mu      sync.Mutex
	objects map[string][]byte
}

func serveLFS(t *testing.T, lets func(*http.Request) bool) *lfsHost {
	t.Helper()
	h := &lfsHost{lets: lets, objects: map[string][]byte{}}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *lfsHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	oid, object := strings.CutPrefix(r.URL.Path, "/objects/")
	switch {
	case !h.lets(r):
		w.WriteHeader(http.StatusUnauthorized)
	case object && r.Method == http.MethodPut:
		h.objects[oid], _ = io.ReadAll(r.Body) // what was cut off has another hash
	case object:
		_, _ = w.Write(h.objects[oid])
	case strings.HasSuffix(r.URL.Path, "/host.git/info/lfs/objects/batch"):
		var asked lfs.BatchRequest
		if json.NewDecoder(r.Body).Decode(&asked) != nil {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		for i, o := range asked.Objects {
			if _, has := h.objects[o.OID]; has == (asked.Operation == lfs.Download) {
				asked.Objects[i].Actions = map[string]lfs.BatchAction{asked.Operation: {Href: h.URL + "/objects/" + o.OID}}
			}
		}
		_ = json.NewEncoder(w).Encode(lfs.BatchAnswer{Objects: asked.Objects})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// keepsThere stores an object by one keeper and has it from another one, who has nothing here.
func (h *lfsHost) keepsThere(t *testing.T, m *Remote, content string) {
	t.Helper()
	p, err := lfs.PointerOf(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	keeper := func() *lfs.Objects {
		o, err := lfs.NewObjects(lfs.Options{Path: t.TempDir(), Remote: &lfs.Remote{Access: m.LFS()}})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if err := keeper().Put(t.Context(), p, strings.NewReader(content)); err != nil {
		t.Fatalf("store %q: %v", content, err)
	}
	f, err := keeper().Open(t.Context(), p)
	if err != nil {
		t.Fatalf("fetch %q: %v", content, err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || string(got) != content {
		t.Errorf("got %q %v, want %q", got, err, content)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if got := h.objects[p.Hash()]; string(got) != content {
		t.Errorf("the host has %q, want %q", got, content)
	}
}

// TestLFSOverSSHD: where the API of Git LFS is, and what lets one in there, is asked over SSH,
// by Debian's sshd; and an address where that would be sent in the clear is refused.
func TestLFSOverSSHD(t *testing.T) {
	t.Parallel()
	atLength(t)
	d := serveSSHD(t)
	bare, _ := host(t)
	h := serveLFS(t, func(r *http.Request) bool { return r.Header.Get("Authorization") == "RemoteAuth jeton-secret" })
	m := d.remote(bare)
	if _, err := m.LFS()(t.Context(), lfs.Upload); !errors.Is(err, lfs.ErrNoAPI) {
		t.Errorf("without the program: got %v, want %v", err, lfs.ErrNoAPI)
	}

	for answer, want := range map[string]bool{ // whether there is no API
		"echo \"fatal: unrecognized command 'git-lfs-authenticate x upload'\" >&2; exit 128":            true,
		"echo 'FATAL: unknown git/gitolite command: git-lfs-authenticate' >&2; exit 255":                true,
		"echo 'Gitea: LFS authentication request over SSH denied, LFS support is disabled' >&2; exit 1": true,
		"exit 127": true,
		"echo 'ERROR: Repository not found.' >&2; exit 1":                         false,
		"echo 'GitLab: The project you were looking for is archived' >&2; exit 1": false,
		"exit 1": false,
	} {
		if err := os.WriteFile(filepath.Join(d.programs, "git-lfs-authenticate"), []byte("#!/bin/sh\n"+answer+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := m.LFS()(t.Context(), lfs.Upload); err == nil || errors.Is(err, lfs.ErrNoAPI) != want {
			t.Errorf("%s: got %v; want no API: %v", answer, err, want)
		}
	}

	asked := filepath.Join(t.TempDir(), "asked")
	says := func(answer string) {
		t.Helper()
		script := "#!/bin/sh\nprintf '%s ' \"$@\" >>" + asked + "\ncat <<'.'\n" + answer + "\n.\n"
		if err := os.WriteFile(filepath.Join(d.programs, "git-lfs-authenticate"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	names := func(url string) string {
		return fmt.Sprintf(`{"href": %q, "header": {"Authorization": "RemoteAuth jeton-secret"}, "expires_in": 60}`, url)
	}
	says(names("https://git.example.org/host.git/info/lfs"))
	at, err := m.LFS()(t.Context(), lfs.Upload)
	if err != nil || at.URL != "https://git.example.org/host.git/info/lfs" || at.Header.Get("Authorization") != "RemoteAuth jeton-secret" {
		t.Errorf("got %+v, %v", at, err)
	}
	if got, err := os.ReadFile(asked); err != nil || string(got) != bare+" upload " {
		t.Errorf("asked for %q, %v; want the repository and the operation", got, err)
	}

	here := names(h.URL + "/host.git/info/lfs")
	for answer, want := range map[string]string{
		here:                            "insecure: true",
		names("ssh://git@host/info"):    "names no address",
		names("/host.git/info/lfs"):     "names no address",
		"Bienvenue":                     "cannot be read",
		strings.Repeat(here+"\n", 1000): "too long",
	} {
		says(answer)
		if at, err := m.LFS()(t.Context(), lfs.Download); err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, lfs.ErrNoAPI) || strings.Contains(err.Error(), "jeton-secret") {
			t.Errorf("%.80s: got %+v, %v; want %q", answer, at, err, want)
		}
	}

	says(here)
	m.Insecure = true
	h.keepsThere(t, m, "un grand fichier")
}

// TestLFSByApp: Git LFS is let in by the tokens of a GitHub App, and by another one where the
// host does not take the last.
func TestLFSByApp(t *testing.T) {
	t.Parallel()
	keys := &issuedTokens{}
	h := serveLFS(t, func(r *http.Request) bool {
		keys.mu.Lock()
		defer keys.mu.Unlock()
		name, token, _ := r.BasicAuth()
		return name == "x-access-token" && token == keys.good()
	})
	m := &Remote{URL: h.URL + "/host", Username: "x-access-token", Tokens: keys}
	h.keepsThere(t, m, "un grand fichier")
	keys.expire()
	h.keepsThere(t, m, "un autre fichier")
	keys.mu.Lock()
	keys.broken = errors.New("no key")
	keys.last = ""
	keys.mu.Unlock()
	if at, err := m.LFS()(t.Context(), lfs.Download); err == nil || errors.Is(err, lfs.ErrNoAPI) {
		t.Errorf("without a token: got %+v, %v", at, err)
	}
}
