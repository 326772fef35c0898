package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"cms/race"
	"cms/repo/repotest"
)

// TestMain puts this program on the PATH, as cms, so that tests run the real
// thing in a process of its own. It lets more tests go on at once than there are
// processors, as most wait for a service; -parallel says otherwise. The race detector and
// browsers have enough to do.
func TestMain(m *testing.M) {
	if !race.Enabled && os.Getenv("CMS_BROWSER") == "" {
		if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	testscript.Main(m, map[string]func(){"cms": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
	}})
}

// TestScripts runs the scripts of testdata/script. Beside the commands of
// testscript they have:
//
//	site DIR N            a bare repository with the consultation
//	                      "donnees-sante" and N others
//	github DIR            serve the repositories in it at $GITHUB to the app whose key
//	                      becomes app.pem
//	ready [ADDRESS]       wait until the service at $ADDR is, or at another one
//	http [flags] METHOD PATH [BODY-FILE]
//	                      a request to it; the answer is on stdout, its ETag
//	                      in $ETAG. Flags: -t TOKEN, -h "Name: value", -s STATUS
//	revoked TOKEN         wait until the service refuses it
//	events N [COMMITS]    wait for N events at $HOOK, of as many commits or of
//	                      COMMITS, each with a valid signature; they are on
//	                      stdout
//	fsck DIR              git fsck --strict
//	await PATH [TEXT]     wait until GET PATH with $TOKEN is answered by 200,
//	                      with TEXT in it
//	envsubst FILE         replace $ADDR, $HOOK, $LISTEN, $GITHUB and $WORK in a file
//	tell FILE STATE URL TO
//	                      write the report of a build of the commit in FILE
//	sed FILE OLD NEW      replace a text in a file, which holds it
//	setenv NAME CMD ...   run a program and keep its output in $NAME
//
// and the condition [brief], which is -short without the race detector.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"site":    siteCommand,
			"github":  githubCommand,
			"ready":   readyCommand,
			"revoked": revokedCommand,
			"await":   awaitCommand,
			"choose":  chooseCommand,
			"http":    httpCommand,
			"events":  eventsCommand,
			"fsck":    fsckCommand,
			"setenv":  setenvCommand,
			"tell":    tellCommand,
			"sed":     sedCommand,

			"envsubst": envsubstCommand,
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "corpus":
				return os.Getenv("CMS_CORPUS") != "", nil
			case "brief":
				return race.Brief(), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

const (
	testSecret = "0123456789abcdef0123456789abcdef"
	hookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

func setup(env *testscript.Env) error {
	var addresses [2]string
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		addresses[i] = l.Addr().String()
	}
	r := newReceiver(hookSecret)
	env.Defer(r.server.Close)
	env.Values["receiver"] = r
	env.Setenv("ADDR", addresses[0])
	env.Setenv("LISTEN", addresses[1])
	env.Setenv("HOOK", r.server.URL)
	env.Setenv("CMS_JWT_SECRET", testSecret)
	env.Setenv("CMS_HOOK_SECRET", hookSecret)
	env.Setenv("CMS_GITLAB_SECRET", "what was entered at GitLab")
	env.Setenv("WRONG", "what was entered elsewhere")
	env.Setenv("CORPUS", os.Getenv("CMS_CORPUS"))
	for _, kv := range gitEnv() {
		k, v, _ := strings.Cut(kv, "=")
		env.Setenv(k, v)
	}
	return nil
}

// gitEnv keeps the configuration of whoever runs the tests out of them.
func gitEnv() []string {
	return []string{
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_AUTHOR_NAME=Ada Test", "GIT_AUTHOR_EMAIL=ada@example.org",
		"GIT_COMMITTER_NAME=Ada Test", "GIT_COMMITTER_EMAIL=ada@example.org",
	}
}

func git(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), gitEnv()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// makeSite makes a bare repository of consultations in one commit: a copy of one that Git has
// made, once for each n.
func makeSite(bare string, n int) error {
	made, _ := sites.LoadOrStore(n, sync.OnceValues(func() (fstest.MapFS, error) { return gitSite(n) }))
	files, err := made.(func() (fstest.MapFS, error))()
	if err != nil {
		return err
	}
	return os.CopyFS(bare, files)
}

// sites has what makes the files of makeSite, by n.
var sites sync.Map

// gitSite has Git make the repository of makeSite, and gives its files.
func gitSite(n int) (fstest.MapFS, error) {
	dir, err := os.MkdirTemp("", "site")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	folder := filepath.Join(dir, "work", "_consultations")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	first, err := seed()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(folder, "donnees-sante.md"), first, 0o644); err != nil {
		return nil, err
	}
	for i := range n {
		src := fmt.Sprintf("---\ntitle: Consultation n°%d sur les mobilités\nlink:\norganisateur : Commune de Valmont-%d\nmethodes:\n- L'atelier\n- La réunion publique\ndate: 2021-%02d-%02d 10:00:00 +0200\nin_progress: %t\nordre: %d\n---\n\nTexte de la consultation %d.  \n",
			i, i, i%12+1, i%28+1, i%2 == 0, i, i)
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("mobilites-%05d.md", i)), []byte(src), 0o644); err != nil {
			return nil, err
		}
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "."}, {"commit", "-q", "-m", "Importer les consultations"},
		{"clone", "-q", "--bare", "--template=", ".", "../bare.git"},
	} {
		if _, err := git(filepath.Join(dir, "work"), args...); err != nil {
			return nil, err
		}
	}
	return repotest.Files(filepath.Join(dir, "bare.git"))
}

// seed is the file of a real site, where CMS_SEED names its folder, or else one
// of the same quirks.
func seed() ([]byte, error) {
	if dir := os.Getenv("CMS_SEED"); dir != "" {
		files, err := filepath.Glob(filepath.Join(dir, "*.md"))
		if err == nil && len(files) > 0 {
			return os.ReadFile(files[0])
		}
	}
	return os.ReadFile("testdata/consultation.md")
}

func siteCommand(ts *testscript.TestScript, neg bool, args []string) {
	var n int
	if neg || len(args) != 2 {
		ts.Fatalf("usage: site DIR N")
	}
	if _, err := fmt.Sscan(args[1], &n); err != nil {
		ts.Fatalf("%v", err)
	}
	ts.Check(makeSite(ts.MkAbs(args[0]), n))
}

func fsckCommand(ts *testscript.TestScript, _ bool, args []string) {
	out, err := git(ts.MkAbs(args[0]), repotest.FsckArgs(ts.MkAbs(args[0]))...)
	ts.Check(err)
	if out != "" {
		ts.Fatalf("git fsck says: %s", out)
	}
}

func setenvCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: setenv NAME PROGRAM [ARG...]")
	}
	ts.Check(ts.Exec(args[1], args[2:]...))
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

func sedCommand(ts *testscript.TestScript, _ bool, args []string) {
	before := ts.ReadFile(args[0])
	if !strings.Contains(before, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(before, args[1], args[2])), 0o644))
}

func tellCommand(ts *testscript.TestScript, _ bool, args []string) {
	report, err := json.Marshal(map[string]string{"commit": strings.TrimSpace(ts.ReadFile(args[0])), "state": args[1], "url": args[2]})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), report, 0o644))
}

func envsubstCommand(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[0])
	b := strings.NewReplacer("$ADDR", ts.Getenv("ADDR"), "$HOOK", ts.Getenv("HOOK"), "$LISTEN", ts.Getenv("LISTEN"), "$GITHUB", ts.Getenv("GITHUB"), "$WORK", ts.Getenv("WORK")).Replace(ts.ReadFile(file))
	ts.Check(os.WriteFile(file, []byte(b), 0o644))
}

func readyCommand(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(waitReady(append(args, ts.Getenv("ADDR"))[0]))
}

func awaitCommand(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		req, err := http.NewRequest(http.MethodGet, "http://"+ts.Getenv("ADDR")+args[0], nil)
		ts.Check(err)
		req.Header.Set("Authorization", "Bearer "+ts.Getenv("TOKEN"))
		res, err := http.DefaultClient.Do(req)
		ts.Check(err)
		body, err := io.ReadAll(res.Body)
		ts.Check(err)
		res.Body.Close()
		if res.StatusCode == http.StatusOK && (len(args) == 1 || strings.Contains(string(body), args[1])) {
			return
		}
	}
	ts.Fatalf("%q did not come to be", args)
}

// revokedCommand asks until a token is refused because it was taken back.
func revokedCommand(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		req, err := http.NewRequest(http.MethodGet, "http://"+ts.Getenv("ADDR")+"/v1/me", nil)
		ts.Check(err)
		req.Header.Set("Authorization", "Bearer "+args[0])
		res, err := http.DefaultClient.Do(req)
		ts.Check(err)
		res.Body.Close()
		if res.StatusCode == http.StatusUnauthorized && strings.Contains(res.Header.Get("WWW-Authenticate"), "revoked") {
			return
		}
	}
	ts.Fatalf("the token is still accepted")
}

// chooseCommand follows a link of an invitation, chooses a password by it, and wants a status
// at the end: choose FILE STATUS.
func chooseCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: choose file status")
	}
	link, err := url.Parse(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	const password = "une phrase choisie par Louis"
	res, err := http.PostForm(link.Scheme+"://"+link.Host+link.Path, url.Values{"link": {link.Query().Get("link")}, "new": {password}, "again": {password}})
	ts.Check(err)
	res.Body.Close()
	if fmt.Sprint(res.StatusCode) != args[1] {
		ts.Fatalf("got %s, want %s", res.Status, args[1])
	}
}

// waitReady asks until the service at addr is ready.
func waitReady(addr string) error {
	var last error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		res, err := http.Get("http://" + addr + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("readyz: %s", res.Status)
		}
		last = err
		<-time.After(20 * time.Millisecond)
	}
	return fmt.Errorf("not ready: %w", last)
}

func httpCommand(ts *testscript.TestScript, neg bool, args []string) {
	header := http.Header{}
	want := ""
	for len(args) > 1 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "-t":
			header.Set("Authorization", "Bearer "+args[1])
		case "-h":
			k, v, _ := strings.Cut(args[1], ": ")
			header.Set(k, v)
		case "-s":
			want = args[1]
		}
		args = args[2:]
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: http [-t TOKEN] [-h HEADER] [-s STATUS] METHOD PATH [BODY-FILE]")
	}
	var body io.Reader
	if len(args) > 2 {
		body = strings.NewReader(ts.ReadFile(args[2]))
	}
	req, err := http.NewRequest(args[0], "http://"+ts.Getenv("ADDR")+args[1], body)
	ts.Check(err)
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	ts.Check(err)
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s\n", res.Status)
	res.Header.Write(&out)
	fmt.Fprintf(&out, "\n%s\n", answer)
	_, err = ts.Stdout().Write(out.Bytes())
	ts.Check(err)
	ts.Setenv("ETAG", res.Header.Get("ETag"))
	if want != "" && !strings.HasPrefix(res.Status, want) {
		ts.Fatalf("got %s, want %s", out.String(), want)
	}
}

func eventsCommand(ts *testscript.TestScript, _ bool, args []string) {
	var n int
	if _, err := fmt.Sscan(args[0], &n); err != nil {
		ts.Fatalf("%v", err)
	}
	events, err := ts.Value("receiver").(*receiver).wait(n)
	ts.Check(err)
	commits := map[string]bool{}
	for _, e := range events {
		commits[e.Data.Commit] = true
		fmt.Fprintf(ts.Stdout(), "%s %s %s by %s: %s\n", e.Type, e.Subject, e.Data.Action, e.Data.Author.Name, strings.Join(e.Data.Changed, ","))
	}
	want := n
	if len(args) > 1 {
		_, err := fmt.Sscan(args[1], &want)
		ts.Check(err)
	}
	if len(events) != n || len(commits) != want {
		ts.Fatalf("%d events of %d commits, want %d of %d", len(events), len(commits), n, want)
	}
}

// event is what a receiver reads of a webhook.
type event struct {
	ID, Type, Subject string
	Data              struct {
		Slug, Action, Commit, Revision string
		Author                         struct{ Name, Email string }
		Changed                        []string
	}
}

// receiver is a webhook's other end. It verifies each signature with the
// library of Standard Webhooks.
type receiver struct {
	server *httptest.Server

	mu     sync.Mutex
	events []event
	faults []string
	more   chan struct{} // closed and replaced when something came in
}

func newReceiver(secret string) *receiver {
	r := &receiver{more: make(chan struct{})}
	hook, err := standardwebhooks.NewWebhook(secret)
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, readErr := io.ReadAll(req.Body)
		var e event
		fault := ""
		switch {
		case err != nil:
			fault = err.Error()
		case readErr != nil:
			fault = readErr.Error()
		default:
			if err := hook.Verify(body, req.Header); err != nil {
				fault = "signature: " + err.Error()
			} else if err := json.Unmarshal(body, &e); err != nil {
				fault = err.Error()
			} else if e.ID != req.Header.Get("webhook-id") {
				fault = "webhook-id differs from the event's id"
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if fault != "" {
			r.faults = append(r.faults, fault)
		} else if !slices.ContainsFunc(r.events, func(o event) bool { return o.ID == e.ID }) {
			r.events = append(r.events, e)
		}
		close(r.more)
		r.more = make(chan struct{})
	}))
	return r
}

// wait gives the events when there are n.
func (r *receiver) wait(n int) ([]event, error) {
	timeout := time.After(time.Minute)
	for {
		r.mu.Lock()
		events, faults, more := slices.Clone(r.events), slices.Clone(r.faults), r.more
		r.mu.Unlock()
		if len(faults) > 0 {
			return nil, fmt.Errorf("bad deliveries: %s", strings.Join(faults, "; "))
		}
		if len(events) >= n {
			return events, nil
		}
		select {
		case <-more:
		case <-timeout:
			return nil, fmt.Errorf("got %d events, want %d", len(events), n)
		}
	}
}
