package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cms/config"
	"cms/repo"
)

// askFront sends a request and gives the answer with its body.
func askFront(t *testing.T, method, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// TestFirstStartListensAtOnce: while the repository is being read, the service says so
// to whoever asks, and it answers as ever once it can. The reading is held up by a pipe
// in the place of the saved index.
func TestFirstStartListensAtOnce(t *testing.T) {
	p := newProcess(t, 3, loadConfig)
	pipe := filepath.Join(p.git, "cms.index")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	p.start()
	for until := time.Now().Add(time.Minute); ; {
		res, err := http.Get(p.url + "/healthz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Fatalf("healthz: %s", res.Status)
			}
			break
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
		<-time.After(20 * time.Millisecond)
	}

	for _, test := range []struct{ method, path string }{
		{"GET", "/readyz"}, {"GET", "/v1/collections"}, {"PATCH", "/v1/collections/consultations/entries/donnees-sante"}, {"POST", "/hooks/github"}, {"GET", "/metrics"}, {"GET", "/editor/"}, {"POST", "/healthz"},
	} {
		res, body := askFront(t, test.method, p.url+test.path, "Accept-Language", "fr")
		var problem struct {
			Status       int
			Code, Detail string
			Errors       []struct{ Rule, Detail string }
		}
		if err := json.Unmarshal([]byte(body), &problem); err != nil {
			t.Fatalf("%s %s: %v", test.method, test.path, err)
		}
		if res.StatusCode != 503 || res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("Retry-After") != "2" || res.Header.Get("Cache-Control") != "no-store" ||
			problem.Status != 503 || problem.Code != "unavailable" || !strings.HasPrefix(problem.Detail, "Le service démarre.") || len(problem.Errors) != 1 ||
			problem.Errors[0].Rule != "starting" || problem.Errors[0].Detail != "Il ouvre le dépôt du site." {
			t.Errorf("%s %s: got %s %v %s", test.method, test.path, res.Status, res.Header, body)
		}
	}
	for _, path := range []string{"/", "/editor/", "/v1/auth/oidc/id/start"} {
		res, body := askFront(t, "GET", p.url+path, "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		if res.StatusCode != 503 || res.Header.Get("Retry-After") != "2" || !strings.Contains(body, `<meta http-equiv="refresh" content="2">`) ||
			!strings.Contains(body, "<h1>The service is starting</h1>") || !strings.Contains(body, "It is opening the site&#39;s repository.") {
			t.Errorf("%s: got %s %s", path, res.Status, body)
		}
	}
	if out, err := p.command("healthcheck").CombinedOutput(); err == nil || !strings.Contains(string(out), "not ready") {
		t.Errorf("healthcheck: %v %s", err, out)
	}

	for until := time.Now().Add(time.Minute); ; <-time.After(20 * time.Millisecond) { // until it is being read
		f, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			os.Remove(pipe)
			f.Close() // and the reading goes on, with none
			break
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
	}
	if err := waitReady(p.addr); err != nil {
		t.Fatal(err)
	}
	if res, body := askFront(t, "GET", p.url+"/v1/collections/consultations/entries/donnees-sante", "Authorization", "Bearer "+p.token); res.StatusCode != 200 {
		t.Errorf("got %s %s", res.Status, body)
	}
}

// TestStartIsStopped before it is over: then nothing answers any more.
func TestStartIsStopped(t *testing.T) {
	p := newProcess(t, 3, loadConfig)
	c, err := config.Load(p.config, []string{"CMS_JWT_SECRET=" + testSecret, "CMS_HOOK_SECRET=" + hookSecret})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(c, log)
	f.serve(l)
	if res, _ := askFront(t, "GET", "http://"+l.Addr().String()+"/healthz"); res.StatusCode != 200 {
		t.Errorf("got %s", res.Status)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := f.open(ctx, c, log, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if res, err := http.Get("http://" + l.Addr().String() + "/healthz"); err == nil {
		res.Body.Close()
		t.Error("the front still answers")
	}
}

// TestProgressIsTold at each tick: in the log by numbers, on a terminal by a bar, and to
// whoever asks as a share.
func TestProgressIsTold(t *testing.T) {
	var progress repo.Progress
	if got := toldProgress(&progress).String(); got != "It is opening the site's repository." {
		t.Errorf("got %s", got)
	}
	for _, terminal := range []bool{false, true} {
		var told bytes.Buffer
		var screen io.Writer
		if terminal {
			screen = &told
		}
		ctx, stop := context.WithCancel(t.Context())
		ticks, over := make(chan time.Time), make(chan struct{})
		go func() {
			defer close(over)
			watchStart(ctx, &progress, ticks, slog.New(slog.NewTextHandler(&told, nil)), screen)
		}()
		ticks <- time.Time{}
		ticks <- time.Time{}
		stop()
		<-over
		want := "starting: opening the repository"
		if terminal {
			want = "\r\x1b[Kopening the repository"
		}
		if n := strings.Count(told.String(), want); n != 1 && n != 2 { // the last one may not be told any more
			t.Errorf("got %q", told.String())
		}
	}
	for _, test := range []struct {
		phase       repo.Phase
		done, total int64
		want        string
	}{
		{repo.Opening, 0, 0, "opening the repository"},
		{repo.ReadingCommits, 4321, 0, "finding the commits of the history: 4321"},
		{repo.ReadingChanges, 0, 20000, "reading the history [........................................] 0 of 20000 commits"},
		{repo.ReadingChanges, 5000, 20000, "reading the history [##########..............................] 5000 of 20000 commits"},
		{repo.ReadingChanges, 20000, 20000, "reading the history [########################################] 20000 of 20000 commits"},
	} {
		if got := bar(test.phase, test.done, test.total); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
