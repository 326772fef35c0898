package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi" //nolint:gosec // what it warns of was mended in Go 1.6.3
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

const syncPart = `  remote: {url: "%s", push: sync, fetch_interval: 1h%s}
`

// gitHost is one that serves what Git's own programs do, at some distance.
type gitHost struct {
	url, bare string
	latency   atomic.Int64 // added to each request, or each way there and back
	login     string       // what the configuration has beside the address
	command   string       // by which Git reaches it; "" for its own
	close     func()
}

// serveHTTP serves it over HTTP.
func serveHTTP(ctx context.Context, bare string) (*gitHost, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	if _, err := command(ctx, bare, "git", "config", "http.receivepack", "true"); err != nil {
		return nil, err
	}
	backend := &cgi.Handler{
		Path: program, Args: []string{"http-backend"}, Stderr: io.Discard,
		Env: append(environment(), "GIT_PROJECT_ROOT="+filepath.Dir(bare), "GIT_HTTP_EXPORT_ALL=1"),
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &gitHost{url: "http://" + l.Addr().String() + "/" + filepath.Base(bare), bare: bare}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // the program takes no chunks
		if err != nil {
			return
		}
		select {
		case <-time.After(time.Duration(h.latency.Load())):
		case <-r.Context().Done():
			return
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		backend.ServeHTTP(w, r)
	})}
	h.close = func() { _ = server.Close() }
	go func() { _ = server.Serve(l) }()
	return h, nil
}

// besideHost starts a service that pushes each edit to the host before it is done.
func (b *bench) besideHost(ctx context.Context, work string, h *gitHost) (*service, error) {
	repository := filepath.Join(work, "mine.git")
	if _, err := command(ctx, "", "git", "clone", "-q", "--bare", h.bare, repository); err != nil {
		return nil, err
	}
	svc, _, err := b.startWith(ctx, work, func(addr, debug string) []byte {
		plain := fmt.Sprintf(configuration, addr, debug, repository, repository)
		at := fmt.Sprintf("repository: {path: %q}\n", repository)
		return []byte(strings.Replace(plain, at, fmt.Sprintf("repository:\n  path: %q\n", repository)+fmt.Sprintf(syncPart, h.url, h.login), 1))
	})
	return svc, err
}

// remotes measures edits that are done when a Git host has them, beside the same by plain
// Git.
func (b *bench) remotes(ctx context.Context) error {
	s := b.plan.shapes[0]
	b.printf(`
## Edits that are done when the Git host has them, %s entries

With push: sync, and a host on this machine, served by git http-backend or by sshd: each
edit is acknowledged when the host has taken its commit. Latency is added to each request
to it over HTTP, and to each way there and back over SSH. Beside it, git commit -q -a && git
push -q, one after the other.

| by | latency | git commit, push | **cms**, 1 client | 32 clients | 32 clients to 1 |
|---|---|---|---|---|---|
`, s.name)
	for _, way := range []struct {
		name  string
		serve func(context.Context, string) (*gitHost, error)
	}{{"HTTP", serveHTTP}, {"SSH", serveSSH}} {
		for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
			err := b.atDistance(ctx, s, way.name, way.serve, latency)
			if errors.Is(err, errNoSSHD) {
				b.printf("| %s | not measured: %s | | | | |\n", way.name, err)
				break
			} else if err != nil {
				return err
			}
		}
	}
	return b.onePush(ctx)
}

// hostOf serves a site with so many commits more at a Git host, and gives a clone of it.
func (b *bench) hostOf(ctx context.Context, work string, s shape, commits int, serve func(context.Context, string) (*gitHost, error)) (h *gitHost, tree string, err error) {
	bare, tree := filepath.Join(work, "host.git"), filepath.Join(work, "tree")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return nil, "", err
	}
	if _, err := makeSite(ctx, bare, s); err != nil {
		return nil, "", err
	}
	if err := lengthen(ctx, bare, s, commits); err != nil {
		return nil, "", err
	}
	if h, err = serve(ctx, bare); err != nil {
		return nil, "", err
	}
	clone := []string{"clone", "-q", h.url, tree}
	if h.command != "" {
		clone = append([]string{"clone", "-q", "-c", "core.sshCommand=" + h.command}, h.url, tree)
	}
	if _, err := command(ctx, "", "git", clone...); err != nil {
		h.close()
		return nil, "", err
	}
	return h, tree, nil
}

func (b *bench) atDistance(ctx context.Context, s shape, way string, serve func(context.Context, string) (*gitHost, error), latency time.Duration) error {
	work := filepath.Join(b.dir, fmt.Sprintf("remote-%s-%d", way, latency.Milliseconds()))
	h, tree, err := b.hostOf(ctx, work, s, 0, serve)
	if err != nil {
		return err
	}
	defer h.close()
	h.latency.Store(int64(latency))
	var took []time.Duration
	start := time.Now()
	for n := 0; time.Since(start) < b.plan.duration; n++ {
		began := time.Now()
		if err := commitAndPush(ctx, tree, s, n, nil); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	plain := resultOf(took, time.Since(start))
	svc, err := b.besideHost(ctx, work, h)
	if err != nil {
		return err
	}
	one, err := svc.edit(ctx, s, 1, b.plan.duration)
	if err != nil {
		svc.kill()
		return err
	}
	many, err := svc.edit(ctx, s, 32, b.plan.duration)
	if err != nil {
		svc.kill()
		return err
	}
	b.printf("| %s | %d ms | %.1f/s | %.1f/s, median %.0f ms | %.1f/s, median %.0f ms | %.1f times |\n", way, latency.Milliseconds(),
		plain.rate, one.rate, milliseconds(one.median), many.rate, milliseconds(many.median), many.rate/one.rate)
	return svc.stop()
}

// commitAndPush makes the n-th edit by plain Git. How long the push alone took is added to
// pushes, unless that is nil.
func commitAndPush(ctx context.Context, tree string, s shape, n int, pushes *[]time.Duration) error {
	i := n * 7919 % s.entries
	if err := os.WriteFile(filepath.Join(tree, s.path(i)), file(i, 1_000_000+n), 0o644); err != nil {
		return err
	}
	if _, err := command(ctx, tree, "git", "commit", "-q", "-a", "-m", "Edit"); err != nil {
		return err
	}
	began := time.Now()
	_, err := command(ctx, tree, "git", "push", "-q")
	if pushes != nil {
		*pushes = append(*pushes, time.Since(began))
	}
	return err
}

// onePush measures one edit with its push into a repository of many commits.
func (b *bench) onePush(ctx context.Context) error {
	const times = 20
	s := shape{entries: 3500}
	work := filepath.Join(b.dir, "remote-long")
	h, tree, err := b.hostOf(ctx, work, s, b.plan.history, serveHTTP)
	if err != nil {
		return err
	}
	defer h.close()
	var plain, ours []time.Duration
	for n := range times {
		if err := commitAndPush(ctx, tree, s, n, &plain); err != nil {
			return err
		}
	}
	svc, err := b.besideHost(ctx, work, h)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{}}
	for n := range times {
		slug := s.slug(n)
		tag, err := svc.do(ctx, client, "GET", slug, "", nil)
		if err == nil {
			began := time.Now()
			_, err = svc.do(ctx, client, "PATCH", slug, tag, fmt.Appendf(nil, `{"fields": {"ordre": %d}}`, 2_000_000+n))
			ours = append(ours, time.Since(began))
		}
		if err != nil {
			svc.kill()
			return err
		}
	}
	p, o := resultOf(plain, time.Second), resultOf(ours, time.Second)
	b.printf("\nOne edit of one client in a repository of %d commits, with its push: a median of %.0f ms, %.2f times the %.0f ms that git push alone takes for one commit.\n",
		b.plan.history, milliseconds(o.median), float64(o.median)/float64(p.median), milliseconds(p.median))
	return svc.stop()
}
