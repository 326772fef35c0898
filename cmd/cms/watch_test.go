package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cms/race"
	"cms/state"
)

// TestMetricsOfAlerts: what the rules and the dashboard of docs/prometheus ask for is what
// the service tells, and that names nothing.
func TestMetricsOfAlerts(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	dir := t.TempDir()
	if err := makeSite(filepath.Join(dir, "site.git"), 2); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	settings := fmt.Sprintf(`server: {listen: %q}
repository: {path: site.git, committer: {name: CMS, email: cms@example.org}}
state: {url: "sqlite:state.db"}
collections: [{name: dossiers, folder: _consultations, fields: [{name: ordre, type: boolean}]}]
webhooks:
  - {name: fabrique, url: "https://builds.example.org", secret_env: CMS_HOOK}
  - {name: autre, url: "https://builds.example.org/2", secret_env: CMS_HOOK}
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_SECRET}]
  roles: {editor: {dossiers: [read]}}
`, addr)
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := state.Open(t.Context(), "sqlite:"+filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--config", file}, []string{"CMS_HOOK=" + hookSecret, "CMS_SECRET=" + testSecret}, io.Discard, io.Discard)
	}()
	defer func() {
		stop()
		if code := <-ended; code != exitOK {
			t.Errorf("the service ended with %d", code)
		}
	}()
	if err := waitReady(addr); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Webhooks().Disable(t.Context(), "autre", "of a test", time.Now()); err != nil {
		t.Fatal(err)
	}
	var told string
	for deadline := time.Now().Add(time.Minute); !strings.Contains(told, "\ncms_invalid_entries ") || !strings.Contains(told, `cms_webhook_endpoints{state="disabled"} 1`); <-time.After(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not all came to be told: %s", told)
		}
		res, err := http.Get("http://" + addr + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		told = string(b)
	}
	for _, want := range []string{
		`cms_ready{part="repository"} 1`, `cms_ready{part="state"} 1`, `cms_webhook_endpoints{state="enabled"} 1`, "cms_sessions 0\n",
		"cms_webhook_waiting 0\n", `cms_build_state{state="failed"} 0`, `cms_disk_free_bytes{part="repository"} `, "cms_lfs_stored_bytes 0\n", "cms_remote_configured 0\n", `cms_remote_failing{kind="fetch"} 0`,
	} {
		if !strings.Contains(told, want) {
			t.Errorf("it does not tell %s", want)
		}
	}
	if found := regexp.MustCompile(`(?m)^cms_invalid_entries (\d+)$`).FindStringSubmatch(told); found == nil || found[1] != "3" {
		t.Errorf("entries to correct: got %q, want 3", found)
	}
	for _, name := range []string{"dossiers", "fabrique", "autre", dir} {
		if strings.Contains(told, name) {
			t.Errorf("it names %s", name)
		}
	}
	asked := regexp.MustCompile(`\b(?:cms|go|process)_[a-z_]+`)
	for _, doc := range []string{"alerts.yml", "dashboard.json"} {
		raw, err := os.ReadFile("../../docs/prometheus/" + doc)
		if err != nil {
			t.Fatal(err)
		}
		names := asked.FindAllString(string(raw), -1)
		if len(names) < 10 {
			t.Errorf("%s asks for %q", doc, names)
		}
		for _, name := range names {
			if !strings.Contains(told, "\n"+name+" ") && !strings.Contains(told, "\n"+name+"{") {
				t.Errorf("%s asks for %s, which is not told", doc, name)
			}
		}
	}
}

// TestDashboard: it is JSON, and each of its panels asks something.
func TestDashboard(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/prometheus/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(raw, &d); err != nil || len(d.Panels) < 10 {
		t.Fatalf("%d panels, %v", len(d.Panels), err)
	}
	seen := map[int]bool{}
	for _, p := range d.Panels {
		if p.Title == "" || len(p.Targets) == 0 || p.Targets[0].Expr == "" || seen[p.ID] {
			t.Errorf("panel %+v", p)
		}
		seen[p.ID] = true
	}
}

// TestAlertsByPromtool: Prometheus reads the rules, and they wake for what they should.
func TestAlertsByPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("NOT TESTED: promtool, of Debian's package prometheus, is not installed")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts.test.yml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = "../../docs/prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v: %s", args, err, out)
		}
	}
}

// TestStreamsOfAllDoors: streams of pages and of programs are counted together, of one person
// and of all.
func TestStreamsOfAllDoors(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	p := newProcess(t, 1, strings.Replace(loadConfig, `listen: "%s"`, `listen: "%[1]s", public_url: "http://%[1]s", streams: {per_caller: 2, total: 3}`, 1))
	p.serve()
	const email, password = "camille@example.org", "une phrase de passe longue"
	add := p.command("user", "add", email, "--name", "Camille", "--role", "editor")
	add.Stdin = strings.NewReader(password + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	made, err := p.command("token", "personal", "add", email, "--name", "robot").Output()
	if err != nil {
		t.Fatal(err)
	}
	camille := p.visitor()
	if at := camille.enter(email, password); at != "/editor/" {
		t.Fatalf("a login leads to %s", at)
	}
	// open opens a stream and, once it was answered, gives its status.
	open := func(client *http.Client, path, token string) (int, func()) {
		t.Helper()
		ctx, end := context.WithCancel(t.Context())
		t.Cleanup(end)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		if is := res.Header.Get("Content-Type"); res.StatusCode == http.StatusOK && is != "text/event-stream" {
			t.Fatalf("%s is answered by %s", path, is)
		}
		return res.StatusCode, end
	}
	page := func() (int, func()) {
		return open(camille.client, "/editor/watch/consultations/donnees-sante", "")
	}
	program := func(token string) (int, func()) { return open(http.DefaultClient, "/v1/events", token) }
	want := func(status int, what string) func(int, func()) func() {
		return func(got int, end func()) func() {
			t.Helper()
			if got != status {
				t.Errorf("%s: got %d, want %d", what, got, status)
			}
			return end
		}
	}
	told := func(want string) bool {
		t.Helper()
		res, err := http.Get(p.url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		all, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(all), "\ncms_event_streams "+want+"\n")
	}
	personal := strings.TrimSpace(string(made))
	end := want(200, "the page")(page())
	want(200, "a program of the same person")(program(personal))
	want(429, "a third stream, of a page")(page())
	want(429, "a third stream, of a program")(program(personal))
	want(200, "somebody else")(program(p.token))
	want(503, "one more than all")(program(p.token))
	if !told("3") {
		t.Error("the metric does not tell 3 streams")
	}
	end()
	for deadline := time.Now().Add(time.Minute); !told("2"); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the place of a page was not given back")
		}
	}
	want(200, "the page, when one has gone")(page())
	p.stop()
}
