package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cms/auth"
	"cms/race"
	"cms/repo/repotest"
)

// process is the real program, serving a repository of its own.
type process struct {
	*testing.T
	cmd    *exec.Cmd
	addr   string
	url    string
	git    string
	config string
	token  string
	log    bytes.Buffer
}

const loadConfig = `
server: {listen: "%s"}
repository: {path: site.git, branch: main, committer: {name: CMS, email: cms@example.org}}
state: {url: "sqlite:state.db"}
collections:
  - {name: consultations, folder: _consultations, fields: [{name: title, type: string, required: true}, {name: ordre, type: integer}]}
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}]
  roles: {editor: {consultations: [read, create, update, delete]}}
`

func startProcess(t *testing.T, entries int) *process {
	t.Helper()
	p := newProcess(t, entries, loadConfig)
	p.serve()
	return p
}

// newProcess makes a repository, and a configuration of the format, whose first
// value is the address to listen at and whose others are values.
func newProcess(t *testing.T, entries int, format string, values ...any) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{T: t, git: filepath.Join(dir, "site.git"), config: filepath.Join(dir, "config.yaml")}
	if err := makeSite(p.git, entries); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	l.Close()
	p.url = "http://" + p.addr
	if err := os.WriteFile(p.config, fmt.Appendf(nil, format, append([]any{p.addr}, values...)...), 0o644); err != nil {
		t.Fatal(err)
	}
	p.token = p.mint(auth.Claims{Subject: "ann", Name: "Ann", Email: "ann@example.org", Roles: []string{"editor"}})
	return p
}

// mint makes a token as the command does, which has its scripts, and without a process.
func (p *process) mint(claims auth.Claims) string {
	p.Helper()
	claims.TTL = time.Hour
	token, err := auth.Mint(auth.Issuer{Issuer: "cms", Audience: "cms", Algorithms: []string{"HS256"}, Secret: []byte(testSecret)}, claims)
	if err != nil {
		p.Fatal(err)
	}
	return token
}

// command is the program with the process's configuration.
func (p *process) command(args ...string) *exec.Cmd {
	cmd := exec.Command("cms", append(args, "--config", p.config)...)
	cmd.Dir = filepath.Dir(p.config)
	cmd.Env = append(os.Environ(), "CMS_JWT_SECRET="+testSecret, "CMS_HOOK_SECRET="+hookSecret)
	return cmd
}

// serve starts the process, for the first time or again, and waits until it is
// ready.
func (p *process) serve() {
	p.Helper()
	p.start()
	if err := waitReady(p.addr); err != nil {
		p.kill()
		p.Fatalf("%v\n%s", err, p.log.String())
	}
}

// start starts the process, which is not ready yet.
func (p *process) start() {
	p.Helper()
	p.cmd = p.command("serve")
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	cmd := p.cmd
	p.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// kill ends the process by SIGKILL, in the middle of whatever it does.
func (p *process) kill() {
	p.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.Fatal(err)
	}
	p.cmd.Wait()
}

// stop ends the process by SIGTERM and waits for it.
func (p *process) stop() {
	p.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.Fatalf("the service ended with %v\n%s", err, p.log.String())
	}
	if out, err := git(p.git, repotest.FsckArgs(p.git)...); err != nil || out != "" {
		p.Errorf("git fsck says: %s %v", out, err)
	}
}

// answer is what a client keeps of an answer.
type answer struct {
	status   int
	etag     string
	commit   string
	revision string
}

// patchOrdre sets a field of an entry under If-Match.
func (p *process) patchOrdre(client *http.Client, slug, ifMatch string, n int) (answer, error) {
	req, err := http.NewRequest("PATCH", p.url+"/v1/collections/consultations/entries/"+slug, strings.NewReader(fmt.Sprintf(`{"fields": {"ordre": %d}}`, n)))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", "application/merge-patch+json")
	req.Header.Set("If-Match", ifMatch)
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: res.StatusCode, etag: res.Header.Get("ETag")}
	var entry struct {
		Revision string
		Updated  struct{ Commit string }
	}
	if err := json.Unmarshal(body, &entry); err != nil {
		return a, fmt.Errorf("%s: %w: %s", res.Status, err, body)
	}
	a.commit, a.revision = entry.Updated.Commit, entry.Revision
	return a, nil
}

func (p *process) etag(slug string) string {
	p.Helper()
	req, err := http.NewRequest("GET", p.url+"/v1/collections/consultations/entries/"+slug, nil)
	if err != nil {
		p.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	res.Body.Close()
	return res.Header.Get("ETag")
}

const clients = 32

// fewInShort is how many rounds there are, of n.
func fewInShort(n int) int {
	if testing.Short() {
		return 3
	}
	return n
}

// TestSameEntryAtOnce lets many clients edit the revision that they have all
// read: in each round one wins, and the others learn what is there now.
func TestSameEntryAtOnce(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	p := startProcess(t, 3)
	rounds := fewInShort(10)
	current := p.etag("donnees-sante")
	var winners []string
	for round := 1; round <= rounds; round++ { // not 0: to set what the file holds already changes nothing
		answers := make([]answer, clients)
		var wg sync.WaitGroup
		for c := range clients {
			wg.Go(func() {
				var err error
				if answers[c], err = p.patchOrdre(http.DefaultClient, "donnees-sante", current, 1000*round+c); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		won := ""
		for c, a := range answers {
			switch {
			case a.status == http.StatusOK && won == "":
				won = a.etag
				winners = append(winners, fmt.Sprintf("+ordre: %d", 1000*round+c))
			case a.status != http.StatusPreconditionFailed:
				t.Errorf("round %d, client %d: got %d, want one 200 and else 412", round, c, a.status)
			}
		}
		if won == "" {
			t.Fatalf("round %d: nobody won", round)
		}
		for c, a := range answers {
			if a.etag != won {
				t.Errorf("round %d, client %d: got ETag %s, want the winner's %s", round, c, a.etag, won)
			}
		}
		current = won
	}
	p.stop()
	out, err := git(p.git, "log", "--reverse", "--format=", "--unified=0", "-p", "main", "--not", "main~"+fmt.Sprint(rounds))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "+ordre") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if strings.Join(got, "\n") != strings.Join(winners, "\n") {
		t.Errorf("got the commits\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(winners, "\n"))
	}
}

// TestDifferentEntriesAtOnce lets each client edit an entry of its own: all
// succeed, one commit each.
func TestDifferentEntriesAtOnce(t *testing.T) {
	t.Parallel()
	p := startProcess(t, clients)
	rounds := fewInShort(10)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			slug := fmt.Sprintf("mobilites-%05d", c)
			tag := p.etag(slug)
			for round := range rounds {
				a, err := p.patchOrdre(http.DefaultClient, slug, tag, 5000+round)
				if err != nil || a.status != http.StatusOK {
					t.Errorf("client %d, round %d: got %d %v, want 200", c, round, a.status, err)
					return
				}
				tag = a.etag
			}
		})
	}
	wg.Wait()
	p.stop()
	out, err := git(p.git, "rev-list", "--count", "main")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(out), fmt.Sprint(1+clients*rounds); got != want {
		t.Errorf("got %s commits, want %s", got, want)
	}
}

// TestStopUnderLoad ends the service while clients write: every request that
// was taken is answered, and every edit that was acknowledged is in history.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	p := startProcess(t, clients)
	var (
		wg           sync.WaitGroup
		mu           sync.Mutex
		acknowledged []string
		count        atomic.Int64
		enough       = make(chan struct{})
		once         sync.Once
	)
	for c := range clients {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			slug := fmt.Sprintf("mobilites-%05d", c)
			for n := 0; ; n++ {
				a, err := p.patchOrdre(client, slug, "*", 5000+n)
				if err != nil {
					return // no connection any more
				}
				if a.status != http.StatusOK {
					t.Errorf("client %d: got %d while the service stops, want 200 or no connection", c, a.status)
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, a.commit)
				mu.Unlock()
				if count.Add(1) == 10*clients {
					once.Do(func() { close(enough) })
				}
			}
		})
	}
	<-enough
	p.stop()
	wg.Wait()
	out, err := git(p.git, "rev-list", "main")
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, c := range acknowledged {
		if !strings.Contains(out, c) {
			lost++
		}
	}
	if lost > 0 || len(acknowledged) < 10*clients {
		t.Errorf("%d of %d acknowledged edits are not in history", lost, len(acknowledged))
	}
	// A client whose answer was lost on the way is the only way for a commit
	// to be unknown, and no request that was taken may go unanswered.
	if got, want := strings.Count(out, "\n"), 1+len(acknowledged); got != want {
		t.Errorf("got %d commits, want the first and one for each of %d answers", got, len(acknowledged))
	}
}
