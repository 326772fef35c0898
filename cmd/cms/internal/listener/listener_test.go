package listener

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	secret    = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	newSecret = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
)

// running is a Listener at work, and the service that it reports to.
type running struct {
	*Listener
	t       *testing.T
	dir     string
	server  *httptest.Server
	reports chan string // "commit state", of reports with a valid signature
	details chan report // the same reports, whole
	answer  func(n int) int
	stop    func() // Run, and waits for its end
}

// start runs a Listener whose command sees $DIR, a folder of the test's own.
func start(t *testing.T, o Options) *running {
	t.Helper()
	r := &running{t: t, dir: t.TempDir(), reports: make(chan string, 100), details: make(chan report, 100)}
	verify, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var mu sync.Mutex
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		n++
		if r.answer != nil {
			if status := r.answer(n); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		body, _ := io.ReadAll(req.Body)
		if err := verify.Verify(body, req.Header); err != nil || req.URL.Path != "/v1/deployments" {
			t.Errorf("report to %s: %v", req.URL.Path, err)
		}
		var d report
		if err := json.Unmarshal(body, &d); err != nil {
			t.Error(err)
		}
		r.details <- d
		r.reports <- strings.TrimSpace(d.Commit + " " + string(d.State) + " " + d.URL)
	}))
	t.Cleanup(service.Close)
	if o.Report == "" {
		o.Report = service.URL + "/"
	}
	o.Secrets, o.Output, o.Logger = []string{secret, newSecret}, t.Output(), slog.New(slog.NewTextHandler(t.Output(), nil))
	o.Command = "DIR=" + r.dir + "; " + o.Command
	if r.Listener, err = New(o); err != nil {
		t.Fatal(err)
	}
	r.server = httptest.NewServer(r.Listener)
	t.Cleanup(r.server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// post sends body signed by the secret, and gives the status.
func (r *running) post(secret string, body []byte) int {
	r.t.Helper()
	sign, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		r.t.Fatal(err)
	}
	now := time.Now()
	signature, err := sign.Sign("evt_1", now, body)
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, r.server.URL+"/hook", bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("webhook-id", "evt_1")
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", signature)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// id is the whole id of the commit that a test calls name, unless it is one.
func id(name string) string { return name + strings.Repeat("0", 40-len(name)) }

// event is an event of a commit made at the second.
func (r *running) event(commit string, second int) {
	r.t.Helper()
	commit = id(commit)
	body := fmt.Appendf(nil, `{"specversion":"1.0","id":"evt_%s","type":"entry.updated","source":"http://unused.example","time":%q,"data":{"commit":%q}}`,
		commit, time.Unix(int64(second), 0).UTC().Format(time.RFC3339), commit)
	if status := r.post(secret, body); status != http.StatusNoContent {
		r.t.Fatalf("event of %s: got %d, want 204", commit, status)
	}
}

// placed is an event of a commit that stands there in the history, whenever it was
// authored.
func (r *running) placed(commit, sequence string, authored time.Time) {
	r.t.Helper()
	commit = id(commit)
	body := fmt.Appendf(nil, `{"specversion":"1.0","id":"evt_%s","type":"entry.updated","source":"http://unused.example","sequence":%q,"time":%q,"data":{"commit":%q}}`,
		commit+sequence, sequence, authored.UTC().Format(time.RFC3339), commit)
	if status := r.post(secret, body); status != http.StatusNoContent {
		r.t.Fatalf("event of %s: got %d, want 204", commit, status)
	}
}

// reported waits for the reports.
func (r *running) reported(want ...string) {
	r.t.Helper()
	for i, w := range want {
		commit, rest, _ := strings.Cut(w, " ")
		w = id(commit) + " " + rest
		select {
		case got := <-r.reports:
			if got != w {
				r.t.Fatalf("report %d: got %q, want %q", i, got, w)
			}
		case <-time.After(time.Minute):
			r.t.Fatalf("report %d: none came, want %q", i, w)
		}
	}
}

func (r *running) file(name string) string {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// What counts is where a commit stands in the history: one that was authored
// before the last is built when it is pushed, one that comes late is not built
// again, and one that the branch comes back to is.
func TestOrderOfHistory(t *testing.T) {
	r := start(t, Options{Command: "echo $CMS_COMMIT >> $DIR/log"})
	now := time.Now()
	build := func(commit, sequence string, authored time.Time) {
		t.Helper()
		r.placed(commit, sequence, authored)
		r.reported(commit+" building", commit+" live")
	}
	build("a", "0000000001-0000000009", now)
	build("b", "0000000001-0000000010", now.Add(-24*time.Hour)) // pushed today, authored yesterday
	r.placed("a", "0000000001-0000000009", now)                 // late
	build("c", "0000000001-0000000011", now.Add(-time.Hour))
	build("a", "0000000002-0000000009", now) // the branch went back
	r.placed("c", "0000000001-0000000011", now)
	build("d", "0000000002-0000000010", now.Add(-48*time.Hour))
	if got, want := r.file("log"), strings.Join([]string{id("a"), id("b"), id("c"), id("a"), id("d")}, "\n"); got != want {
		t.Errorf("built %q, want %q", got, want)
	}
}

// Of a service that tells no sequence, what comes once all is built is new.
func TestOlderServices(t *testing.T) {
	r := start(t, Options{Command: "echo $CMS_COMMIT >> $DIR/log"})
	r.event("1111", 3600)
	r.reported("1111 building", "1111 live")
	r.event("2222", 60) // authored earlier
	r.reported("2222 building", "2222 live")
}

func TestRefusals(t *testing.T) {
	r := start(t, Options{Command: "touch $DIR/ran"})
	event := []byte(`{"type":"entry.updated","data":{"commit":"` + id("c1") + `"}}`)
	if got := r.post("whsec_d3Jvbmd3cm9uZ3dyb25nd3Jvbmd3cm9uZ3dyb25n", event); got != http.StatusUnauthorized {
		t.Errorf("another secret: got %d, want 401", got)
	}
	if got := r.post(secret, []byte(`"no event"`)); got != http.StatusBadRequest {
		t.Errorf("no event: got %d, want 400", got)
	}
	if got := r.post(secret, bytes.Repeat([]byte{' '}, maxHook+1)); got != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: got %d, want 413", got)
	}
	res, err := http.Get(r.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != http.MethodPost {
		t.Errorf("GET: got %d, Allow %q; want 405, POST", res.StatusCode, res.Header.Get("Allow"))
	}
	for _, commit := range []string{"c1", "main", "--upload-pack=x", "$(touch ran)", "../x", " " + id("c1"), id("c1") + "\\n", id("c1") + "0", strings.ToUpper(id("c1")), id("g1")} {
		if got := r.post(secret, []byte(`{"type":"entry.updated","data":{"commit":"`+commit+`"}}`)); got != http.StatusBadRequest {
			t.Errorf("commit %q: got %d, want 400", commit, got)
		}
	}
	// A test event is taken, and nothing is built for it.
	if got := r.post(newSecret, []byte(`{"type":"webhook.test","data":{}}`)); got != http.StatusNoContent {
		t.Errorf("test event: got %d, want 204", got)
	}
	r.event("c2", 1)
	r.reported("c2 building", "c2 live")
	if len(r.reports) > 0 {
		t.Errorf("more was built: %s", <-r.reports)
	}
}

// What comes during a build leads to one more, of the newest commit, whatever
// the order in which the events come.
func TestOneBuildForManyEvents(t *testing.T) {
	r := start(t, Options{
		Command: `echo $CMS_COMMIT >>$DIR/log; while [ ! -e $DIR/go ]; do sleep 0.02; done`,
		SiteURL: "https://site.example",
	})
	r.event("c0", 0)
	r.reported("c0 building https://site.example")
	for i := 1; i <= 50; i++ {
		r.event(fmt.Sprint("c", i), i)
	}
	r.event("c7", 7) // late
	if err := os.WriteFile(filepath.Join(r.dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.reported("c0 live https://site.example", "c50 building https://site.example", "c50 live https://site.example")
	r.event("c50", 50) // sent again
	r.event("c51", 51)
	r.reported("c51 building https://site.example", "c51 live https://site.example")
	if got, want := r.file("log"), id("c0")+"\n"+id("c50")+"\n"+id("c51"); got != want {
		t.Errorf("built %q, want %q", got, want)
	}
}

// A build that fails is reported, and the same commit is built again when
// something asks for it. A report is sent again to a service that restarts.
func TestFailure(t *testing.T) {
	r := start(t, Options{Command: `[ -e $DIR/ok ] || { touch $DIR/ok; exit 3; }`})
	r.answer = func(n int) int {
		if n == 2 {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	r.event("c1", 1)
	r.reported("c1 building", "c1 failed")
	r.event("c1", 1)
	r.reported("c1 building", "c1 live")
}

// With a repository, what is built is its newest commit, also at the start.
func TestRepository(t *testing.T) {
	origin := filepath.Join(t.TempDir(), "origin")
	commit := func(text string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(origin, "page.md"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		gitIn(t, origin, "add", ".")
		gitIn(t, origin, "commit", "-q", "-m", text)
		return gitIn(t, origin, "rev-parse", "HEAD")
	}
	if err := os.Mkdir(origin, 0o700); err != nil {
		t.Fatal(err)
	}
	gitIn(t, origin, "init", "-q", "-b", "main")
	first := commit("un")

	clone := filepath.Join(t.TempDir(), "clone")
	t.Chdir(filepath.Dir(origin)) // a path is meant from where the program was started
	r := start(t, Options{Repository: filepath.Base(origin), Branch: "main", Dir: clone, Command: `cp page.md $DIR/built; echo cache >cache`})
	r.reported(first+" building", first+" live")
	second := commit("deux")
	third := commit("trois")
	r.event(second, 1) // the branch has moved on
	r.reported(third+" building", third+" live")
	if got := r.file("built"); got != "trois" {
		t.Errorf("built %q, want the newest, %q", got, "trois")
	}
	if _, err := os.Stat(filepath.Join(clone, "cache")); err != nil {
		t.Errorf("what the build left in the folder is gone: %v", err)
	}
	if err := os.Rename(origin, origin+".away"); err != nil {
		t.Fatal(err)
	}
	r.event("0123456", 3)
	r.reported("0123456 failed")
}

// A repository that is made only later is found where it was meant, and one that cannot be
// read, or does not have yet what an event told of, is asked again without another event.
func TestRepositoryBehind(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	now := time.Now()
	r := start(t, Options{Repository: "origin", Branch: "main", Dir: filepath.Join(t.TempDir(), "clone"), Command: "true", pause: time.Millisecond})
	origin := filepath.Join(folder, "origin")
	commit := func(in, text string) string {
		t.Helper()
		gitIn(t, in, "commit", "-q", "--allow-empty", "-m", text)
		return gitIn(t, in, "rev-parse", "HEAD")
	}
	made := filepath.Join(folder, "made")
	gitIn(t, folder, "init", "-q", "-b", "main", made)
	first := commit(made, "un")
	if err := os.Rename(made, origin); err != nil {
		t.Fatal(err)
	}
	r.reported(first+" building", first+" live")

	work := filepath.Join(folder, "work")
	gitIn(t, folder, "clone", "-q", origin, work)
	second := commit(work, "deux") // the service has it, and has not pushed it yet
	r.placed(second, "0000000001-0000000002", now)
	gitIn(t, origin, "pull", "-q", work, "main")
	r.reported(second+" building", second+" live")

	third := commit(work, "trois") // which is made again, as somebody else was first
	r.placed(third, "0000000001-0000000003", now)
	other := commit(origin, "autre")
	r.reported(other+" building", other+" live")
	again := commit(origin, "trois\n\nReplaces: "+third)
	r.reported(again+" building", again+" live")
}

// What was told to have failed, as the repository could not be read, is told to be live once
// it can, where it was built already.
func TestRepositoryIsBack(t *testing.T) {
	folder := t.TempDir()
	origin := filepath.Join(folder, "origin")
	gitIn(t, folder, "init", "-q", "-b", "main", origin)
	gitIn(t, origin, "commit", "-q", "--allow-empty", "-m", "un")
	first := gitIn(t, origin, "rev-parse", "HEAD")
	r := start(t, Options{Repository: origin, Branch: "main", Dir: filepath.Join(t.TempDir(), "clone"), Command: "true", pause: time.Millisecond})
	r.reported(first+" building", first+" live")
	if err := os.Rename(origin, origin+".away"); err != nil {
		t.Fatal(err)
	}
	r.event(first, 1)
	r.reported(first + " failed")
	if err := os.Rename(origin+".away", origin); err != nil {
		t.Fatal(err)
	}
	r.reported(first + " live")
}

// When the program is told to stop, so is whatever the command has started.
func TestStop(t *testing.T) {
	r := start(t, Options{Command: `(trap 'touch $DIR/told; exit' TERM; touch $DIR/up; while :; do sleep 0.02; done) & wait`})
	r.event("c1", 1)
	r.reported("c1 building")
	up := func() bool { _, err := os.Stat(filepath.Join(r.dir, "up")); return err == nil }
	for deadline := time.Now().Add(time.Minute); !up() && time.Now().Before(deadline); {
		<-time.After(5 * time.Millisecond)
	}
	r.stop()
	r.file("told")
	r.reported("c1 failed")
}

func gitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestContent(t *testing.T) {
	for eventType, want := range map[string]bool{
		"entry.updated": true, "media.created": true, "repository.updated": true, "org.example.cms.entry.moved": true,
		"webhook.test": false, "org.example.cms.webhook.test": false, "entry": false, "": false, "entry.example.webhook.test": false,
	} {
		if got := content(eventType); got != want {
			t.Errorf("content(%q) = %v, want %v", eventType, got, want)
		}
	}
}
