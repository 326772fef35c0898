package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cms/repo/repotest"
)

// gitHost is a Git host: Git's own server over HTTP, for a bare repository of its own.
type gitHost struct {
	URL  string
	bare string

	down atomic.Bool // it answers nobody
	cut  atomic.Bool // it takes pushes, and its answers to them are lost
	lost atomic.Bool // pushes are lost on their way to it

	readOnly atomic.Bool // it lets nobody push
}

// hook has the host run a script on each push, before it takes anything.
func (h *gitHost) hook(t *testing.T, script string) {
	t.Helper()
	name := filepath.Join(h.bare, "hooks", "pre-receive")
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// unhook ends that.
func (h *gitHost) unhook(t *testing.T) {
	t.Helper()
	if err := os.Remove(filepath.Join(h.bare, "hooks", "pre-receive")); err != nil {
		t.Fatal(err)
	}
}

// newGitHost serves a site of some consultations.
func newGitHost(t *testing.T, entries int) *gitHost {
	t.Helper()
	h := &gitHost{bare: filepath.Join(t.TempDir(), "host.git")}
	if err := makeSite(h.bare, entries); err != nil {
		t.Fatal(err)
	}
	backend, err := gitBackend(filepath.Dir(h.bare))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.down.Load() {
			panic(http.ErrAbortHandler)
		}
		if h.readOnly.Load() && (r.URL.Query().Get("service") == "git-receive-pack" || strings.HasSuffix(r.URL.Path, "/git-receive-pack")) {
			http.Error(w, "You are not allowed to push code to this project.", http.StatusForbidden)
			return
		}
		push := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/git-receive-pack")
		if push && h.lost.Load() {
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		}
		if push && h.cut.Load() {
			backend.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	h.URL = server.URL + "/host.git"
	return h
}

// gitBackend serves the repositories of a folder by Git's own program, to whoever asks.
func gitBackend(dir string) (http.Handler, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	backend := &cgi.Handler{
		Path: program, Args: []string{"http-backend"}, Stderr: io.Discard,
		Env: append(gitEnv(), "GIT_PROJECT_ROOT="+dir, "GIT_HTTP_EXPORT_ALL=1",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.receivepack", "GIT_CONFIG_VALUE_0=true"),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // for what was cut off the program would wait, and it takes no chunks
		if err != nil {
			return
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		backend.ServeHTTP(w, r)
	}), nil
}

// tip is the commit that the host's branch is at.
func (h *gitHost) tip(t *testing.T) string {
	t.Helper()
	return tipOf(t, h.bare)
}

// tipOf is the commit that the branch of a repository is at.
func tipOf(t *testing.T, repository string) string {
	t.Helper()
	if tip := repotest.Tip(repository, "main"); tip != "" {
		return tip
	}
	out, err := git(repository, "rev-parse", "main")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

const replicaConfig = `
server: {listen: "%s", public_url: "http://127.0.0.1"}
repository: {path: mine.git, committer: {name: CMS, email: cms@example.org}, remote: {url: "%s", push: %s, fetch_interval: %s}}
state: {url: "%s"}
git: {enabled: true}
media: {folder: img}
collections:
  - {name: consultations, folder: _consultations, fields: [{name: title, type: string, required: true}, {name: ordre, type: integer}]}
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}]
  roles: {editor: {consultations: [read, create, update, delete], media: [read, create, update, delete], repository: [read, create, update, delete]}}
webhooks:
  - {name: site, url: "%s", secret_env: CMS_HOOK_SECRET, allow_private: true}
`

// replica is a service beside a Git host, which is not served yet. It hears of what is
// pushed there when it asks.
func (h *gitHost) replica(t *testing.T, push, interval, database, inbox string) *process {
	t.Helper()
	p := newProcess(t, 0, replicaConfig, h.URL, push, interval, database, inbox)
	if err := os.RemoveAll(p.git); err != nil {
		t.Fatal(err)
	}
	p.git = filepath.Join(filepath.Dir(p.git), "mine.git")
	return p
}

// send sends a request with headers, given as names and values, and reads the answer.
func (p *process) send(method, path, body string, headers ...string) (*http.Response, string) {
	p.Helper()
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Timeout: time.Minute}
	res, err := client.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		p.Fatal(err)
	}
	return res, string(said)
}

// sees waits until the process answers from a commit.
func (p *process) sees(commit string) {
	p.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		res, said := p.send("GET", "/v1/collections", "", "Cms-Commit", commit)
		switch {
		case res.StatusCode == http.StatusOK:
			return
		case res.StatusCode != http.StatusServiceUnavailable || time.Now().After(deadline):
			p.Fatalf("from commit %s: got %s\n%s", commit, res.Status, said)
		}
	}
}
