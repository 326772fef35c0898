package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"cms/race"
)

// upstreamed opens a clone of the host at a URL that pushes there, with what keeps it in step.
func upstreamed(t *testing.T, m *Remote) *Repo {
	t.Helper()
	o := options(filepath.Join(t.TempDir(), "site.git"))
	m.Push = true
	o.Remote = m
	if err := Clone(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return start(t, o)
}

// inStep brings the host in step, once.
func inStep(t *testing.T, r *Repo, bare string) {
	t.Helper()
	if err := r.push(t.Context()); err != nil {
		t.Fatal(err)
	}
	ours := r.View().Commit().String()
	if got := tipOf(t, bare, "main"); got != ours {
		t.Errorf("host: at %s, want %s", got, ours)
	}
	if got := r.contact.followed().String(); got != ours {
		t.Errorf("tracking: at %s, want %s", got, ours)
	}
	if n, _ := r.unpushed(); n != 0 {
		t.Errorf("in step, but %d commits are not pushed", n)
	}
	fsck(t, bare)
}

// TestPush: edits reach the host, by a pack of just what it has not.
func TestPush(t *testing.T) {
	t.Parallel()
	bare, _ := host(t)
	r := upstreamed(t, &Remote{URL: bare})
	inStep(t, r, bare) // nothing to do
	put(t, r, "consultations", "bus", "Le bus")
	put(t, r, "consultations", "bus", "Le bus 4")
	put(t, r, "news", "un", "Une nouvelle")
	if n, oldest := r.unpushed(); n != 3 || oldest.IsZero() {
		t.Errorf("unpushed: got %d since %v, want 3", n, oldest)
	}
	pack, upTo, err := r.outgoing(t.Context(), r.contact.followed(), r.View().Commit())
	if err != nil || upTo != r.View().Commit() {
		t.Fatalf("outgoing: up to %s, %v", upTo, err)
	}
	want := strings.Fields(git(t, r.path, "rev-list", "--objects", "--no-object-names", "main", "--not", r.contact.followed().String()))
	if got := len(pack.objects); got != len(want) {
		t.Errorf("outgoing: %d objects, want the %d that the host has not", got, len(want))
	}
	inStep(t, r, bare)
	update(t, r, func(tx *Tx) error { return tx.Delete("news", slug(t, "un")) })
	inStep(t, r, bare)

	// Several pushes, each of a part.
	r.pushBytes = 1
	for i := range 5 {
		put(t, r, "consultations", "bus", fmt.Sprint(i))
	}
	inStep(t, r, bare)

	// Somebody was there first: the pusher fetches, and both go on.
	pushed(t, clone(t, bare), "_consultations/la.md", "---\ntitle: Là\n---\n")
	put(t, r, "consultations", "ici", "Ici")
	inStep(t, r, bare)
	for _, name := range []string{"bus", "la", "ici", "parc"} {
		if _, ok := r.View().Entry("consultations", slug(t, name)); !ok {
			t.Errorf("entry %s is missing", name)
		}
	}
}

// TestPushToEmptyHost: the first edit begins the host's history.
func TestPushToEmptyHost(t *testing.T) {
	t.Parallel()
	bare := filepath.Join(t.TempDir(), "host.git")
	git(t, "", "init", "-q", "--bare", "-b", "main", bare)
	r := upstreamed(t, &Remote{URL: bare})
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, r, "consultations", "bus", "Le bus")
	inStep(t, r, bare)
}

// TestKeepPushed: what is written is pushed without being asked for, and what a kill left
// unpushed is pushed after the next start.
func TestKeepPushed(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, _ := host(t)
	o := options(filepath.Join(t.TempDir(), "site.git"))
	o.Remote = &Remote{URL: bare, Push: true}
	if err := Clone(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	r, stop := run(t, o)
	put(t, r, "consultations", "bus", "Le bus")
	stop() // nobody pushed
	r = start(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.KeepPushed(ctx) }()
	at := func() string { return tipOf(t, bare, "main") }
	comes(t, "the push after the start", func() bool { return at() == r.View().Commit().String() })
	put(t, r, "consultations", "bus", "Le bus 4")
	comes(t, "the push of the next edit", func() bool { return at() == r.View().Commit().String() })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// httpHost serves a bare repository's folder by Git's own program to who has the token.
// While cut is set it takes a push and says nothing; while refuse is a status, it answers that.
type httpHost struct {
	URL    string
	cut    atomic.Bool
	status atomic.Int32
	posts  atomic.Int32
	gets   atomic.Int32
	gate   atomic.Pointer[chan struct{}]
	told   atomic.Pointer[[]string] // the commits that the last fetch said it has
}

// hold has pushes wait until the gate is closed.
func (h *httpHost) hold() (gate chan struct{}) {
	gate = make(chan struct{})
	h.gate.Store(&gate)
	return gate
}

func serveHostByGit(t *testing.T, bare string) *httpHost {
	t.Helper()
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	git(t, bare, "config", "http.receivepack", "true")
	return serveHostBy(t, &cgi.Handler{
		Path: program, Args: []string{"http-backend"}, Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(bare), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.Getenv("GIT_CONFIG_GLOBAL")},
	})
}

// serveHost is serveHostByGit by what git http-backend starts, without that: for many
// requests, of which half the time is to start programs.
func serveHost(t *testing.T, bare string) *httpHost {
	t.Helper()
	return serveHostBy(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		service, ask := strings.TrimPrefix(req.URL.Path, "/host.git/"), false
		if service == "info/refs" {
			service, ask = req.URL.Query().Get("service"), true
		}
		service = strings.TrimPrefix(service, "git-")
		args, kind, first := []string{service, "--stateless-rpc"}, "result", ""
		if ask {
			line := "# service=git-" + service + "\n"
			args, kind, first = append(args, "--http-backend-info-refs"), "advertisement", fmt.Sprintf("%04x%s0000", 4+len(line), line)
		}
		if service != "receive-pack" && service != "upload-pack" || !exists(bare) {
			http.NotFound(w, req)
			return
		}
		w.Header().Set("Content-Type", "application/x-git-"+service+"-"+kind)
		_, _ = io.WriteString(w, first)
		cmd := exec.Command("git", append(args, bare)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1")
		cmd.Stdin, cmd.Stdout = req.Body, w
		if err := cmd.Run(); err != nil { // where the request ends early
			panic(http.ErrAbortHandler)
		}
	}))
}

// serveHostBy serves what backend does to who has the token.
func serveHostBy(t *testing.T, backend http.Handler) *httpHost {
	t.Helper()
	h := new(httpHost)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if name, token, _ := req.BasicAuth(); name != "git" || token != "jeton-secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if status := h.status.Load(); status != 0 {
			w.Header().Set("Retry-After", "77")
			w.WriteHeader(int(status))
			return
		}
		// Git's program waits for ever for what was cut off of a body.
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "git-upload-pack") {
			told := []string{}
			for _, have := range regexp.MustCompile("have ([0-9a-f]{40})").FindAllSubmatch(body, -1) {
				told = append(told, string(have[1]))
			}
			h.told.Store(&told)
		}
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "git-receive-pack") {
			h.posts.Add(1)
			if gate := h.gate.Load(); gate != nil {
				<-*gate
			}
			if h.cut.Load() {
				backend.ServeHTTP(httptest.NewRecorder(), req)
				panic(http.ErrAbortHandler)
			}
		} else if req.URL.Query().Get("service") == "git-receive-pack" {
			h.gets.Add(1)
		}
		backend.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	h.URL = server.URL + "/host.git"
	return h
}

// TestPushHTTP pushes to Git's own server: by two requests, also where the answer is lost.
func TestPushHTTP(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, _ := host(t)
	h := serveHostByGit(t, bare)
	r := upstreamed(t, &Remote{URL: h.URL, Token: "jeton-secret"})
	put(t, r, "consultations", "bus", "Le bus")
	inStep(t, r, bare)
	if gets, posts := h.gets.Load(), h.posts.Load(); gets != 1 || posts != 1 {
		t.Errorf("a push took %d requests for branches and %d for the pack, want one of each", gets, posts)
	}

	// The answer is lost: the next contact tells that the host took it.
	put(t, r, "consultations", "bus", "Le bus 4")
	h.cut.Store(true)
	if err := r.push(t.Context()); !errors.Is(err, ErrSent) {
		t.Errorf("cut: got %v, want ErrSent", err)
	}
	h.cut.Store(false)
	posts := h.posts.Load()
	inStep(t, r, bare)
	if got := h.posts.Load(); got != posts {
		t.Errorf("what the host had taken was sent again")
	}

	// The host asks to be left alone for a while.
	put(t, r, "consultations", "bus", "Le bus 5")
	h.status.Store(http.StatusTooManyRequests)
	err := r.push(t.Context())
	var refused *refusal
	if !errors.As(err, &refused) || refused.retry.Seconds() != 77 {
		t.Errorf("429: got %v, want a refusal for 77 seconds", err)
	}
	h.status.Store(0)
	inStep(t, r, bare)

	// Credentials that do not hold.
	put(t, r, "consultations", "bus", "Le bus 6")
	r.remote.Token = "faux-jeton"
	if err := r.push(t.Context()); !errors.As(err, &refused) || strings.Contains(err.Error(), "faux-jeton") {
		t.Errorf("wrong token: got %v, want a refusal without the token", err)
	}
	r.remote.Token = "jeton-secret"
	inStep(t, r, bare)
}

// TestPushRefused: what a hook of the host says is told, nothing is lost, and it heals by
// itself.
func TestPushRefused(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, _ := host(t)
	h := serveHost(t, bare)
	for _, url := range []string{bare, h.URL} {
		r := upstreamed(t, &Remote{URL: url, Token: "jeton-secret"})
		if url == bare {
			r.remote.Token = ""
		}
		hook := filepath.Join(bare, "hooks", "pre-receive")
		if err := os.WriteFile(hook, []byte("#!/bin/sh\necho 'Les titres sont en majuscules.' >&2\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		res := put(t, r, "consultations", "bus", "Le bus "+url)
		err := r.push(t.Context())
		if refused := (*refusal)(nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "Les titres sont en majuscules.") || !strings.Contains(err.Error(), "pre-receive") {
			t.Errorf("%s: got %v, want the host's words", url, err)
		}
		if err := r.Fetch(t.Context()); err != nil || r.View().Commit() != res.Commit {
			t.Errorf("%s: after a refusal: at %s, %v; want %s", url, r.View().Commit(), err, res.Commit)
		}
		if err := os.Remove(hook); err != nil {
			t.Fatal(err)
		}
		inStep(t, r, bare)
	}
}

// TestPushSSH pushes over SSH.
func TestPushSSH(t *testing.T) {
	t.Parallel()
	bare, _ := host(t)
	address, keyFile, knownHosts := sshHost(t)
	r := upstreamed(t, &Remote{URL: "ssh://git@" + address + bare, KeyFile: keyFile, KnownHosts: knownHosts})
	put(t, r, "consultations", "bus", "Le bus")
	inStep(t, r, bare)
}
