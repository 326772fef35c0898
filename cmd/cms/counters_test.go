package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cms/repo/repotest"
	"cms/state/statetest"
)

// replicaTime is the variable that says how long TestReplicas goes on at least.
const replicaTime = "CMS_REPLICA_TIME"

// fairSteps is how many steps a client makes on average, at least, so that it is not chance
// that decides how many each one makes.
const fairSteps = 20

// TestReplicas has sixteen clients count in entries that they share, each time by the
// revision that they have read, at three services which are killed in turn. What a client
// was told is what is on the Git host in the end: each step of a counter that was
// acknowledged is there once, and none that was refused. Nobody starves: each client makes
// a fifth of the steps of the median at least, and five times as many at most. Each event is
// sent under one id, and all services are the same in the end.
func TestReplicas(t *testing.T) {
	v := os.Getenv(replicaTime)
	if v == "" {
		t.Skipf("SKIPPED: %s is not set, so nobody counts at three services that are killed in turn.", replicaTime)
	}
	long, err := time.ParseDuration(v)
	if err != nil {
		t.Fatalf("%s is %q, want a duration", replicaTime, v)
	}
	t.Parallel()
	const counters, counting = 4, 16
	database := statetest.Postgres(t)
	h := newGitHost(t, counters)
	inbox := newInbox(t)
	var replicas [3]*process
	for i := range replicas {
		replicas[i] = h.replica(t, "sync", "1s", database, inbox.server.URL)
		replicas[i].serve()
	}
	const each = 60
	until := time.After(long)
	progress, broken, stopped := make(chan struct{}, 1<<16), make(chan struct{}, counting), make(chan struct{})
	var wg sync.WaitGroup
	clients := make([]*counter, counting)
	for i := range clients {
		c := &counter{replicas: replicas[:], at: i % len(replicas), name: fmt.Sprintf("c%d", i), stopped: stopped,
			client: http.Client{Transport: &http.Transport{}, Timeout: time.Minute}}
		clients[i] = c
		wg.Go(func() {
			for n := 0; ; n++ {
				err := c.count((i+n)%counters, n)
				if err != nil {
					t.Error(err)
					broken <- struct{}{}
					return
				}
				select {
				case progress <- struct{}{}:
				case <-stopped:
					return
				}
			}
		})
	}
	killed, made := 0, 0
	for ended, over := false, false; !ended || made < fairSteps*counting; {
		stalls := time.NewTimer(2 * time.Minute) // which is nobody's normal
		select {
		case <-progress:
			if made++; made%each == 0 {
				p := replicas[killed%len(replicas)]
				p.kill()
				p.serve()
				killed++
			}
		case <-broken:
			over = true
		case <-until:
			ended, until = true, nil
		case <-stalls.C:
			t.Errorf("nobody has made a step for two minutes, after %d", made)
			over = true
		}
		if stalls.Stop(); over {
			break
		}
	}
	close(stopped)
	wg.Wait()
	if t.Failed() {
		return
	}
	tip := h.tip(t)
	states := make([]string, len(replicas))
	for i, p := range replicas {
		p.sees(tip)
		_, states[i] = p.send("GET", "/v1/collections/consultations/entries?sort=title", "")
		if states[i] != states[0] {
			t.Errorf("replica %d has\n%s\nwhile the first one has\n%s", i, states[i], states[0])
		}
	}
	history := replicas[0].history()
	inbox.await(len(history))
	for _, p := range replicas {
		p.stop()
	}
	if out, err := git(h.bare, repotest.FsckArgs(h.bare)...); err != nil || out != "" {
		t.Errorf("git fsck of the host says: %s %v", out, err)
	}
	inbox.judge(history)
	for id, n := range enqueued(t, database) {
		if n != 1 {
			t.Errorf("event %s was enqueued %d times", id, n)
		}
	}
	counted := judgeCounters(t, h, clients)
	tries := 0
	for _, c := range clients {
		tries += c.tries
	}
	t.Logf("%d kills; %d commits; %d writes; steps of each client: %d", killed, len(history), tries, counted)
	slices.Sort(counted)
	median := counted[len(counted)/2]
	if 5*counted[0] < median || counted[len(counted)-1] > 5*median {
		t.Errorf("clients made from %d to %d steps, with a median of %d", counted[0], counted[len(counted)-1], median)
	}
}

// A counter is a client that counts in entries, at one service as long as that answers.
type counter struct {
	client   http.Client
	replicas []*process
	at       int // the service that it keeps to
	name     string
	stopped  chan struct{}

	seen         string            // the last commit that it was told of
	acknowledged map[string]string // titles that it wrote, with their commits
	refused      []string          // titles of which it was told that they are not saved
	tries        int
}

// count makes one step in an entry, however often that takes, unless it is stopped.
func (c *counter) count(entry, step int) error {
	path := fmt.Sprintf("/v1/collections/consultations/entries/mobilites-%05d", entry)
	for {
		select {
		case <-c.stopped:
			return nil
		default:
		}
		var found struct {
			Fields  struct{ Ordre int }
			Updated struct{ Commit string }
		}
		status, tag, err := c.ask("GET", path, "", "", &found)
		if err != nil || status == http.StatusServiceUnavailable {
			continue
		} else if status != http.StatusOK {
			return fmt.Errorf("a read: got %d", status)
		}
		if found.Updated.Commit != "" {
			c.seen = found.Updated.Commit
		}
		c.tries++
		title := fmt.Sprintf("%s-%d-%d", c.name, step, c.tries)
		status, _, err = c.ask("PATCH", path, fmt.Sprintf(`{"fields": {"title": "%s", "ordre": %d}}`, title, found.Fields.Ordre+1), tag, &found)
		switch {
		case err != nil, status == http.StatusGatewayTimeout: // nobody knows
		case status == http.StatusOK:
			if c.acknowledged == nil {
				c.acknowledged = map[string]string{}
			}
			c.acknowledged[title], c.seen = found.Updated.Commit, found.Updated.Commit
			return nil
		case status == http.StatusPreconditionFailed, status == http.StatusServiceUnavailable:
			c.refused = append(c.refused, title)
		default:
			return fmt.Errorf("a write: got %d", status)
		}
	}
}

// ask sends a request to the client's service or, where that is down, to the next one.
func (c *counter) ask(method, path, body, ifMatch string, into any) (status int, tag string, err error) {
	for i := range c.replicas {
		p := c.replicas[(c.at+i)%len(c.replicas)]
		var req *http.Request
		if req, err = http.NewRequest(method, p.url+path, strings.NewReader(body)); err != nil {
			return 0, "", err
		}
		req.Header.Set("Authorization", "Bearer "+p.token)
		if body != "" {
			req.Header.Set("Content-Type", "application/merge-patch+json")
			req.Header.Set("If-Match", ifMatch)
		}
		if c.seen != "" {
			req.Header.Set("Cms-Commit", c.seen)
		}
		var res *http.Response
		if res, err = c.client.Do(req); err != nil {
			if method == http.MethodGet || isRefused(err) {
				continue
			}
			return 0, "", err
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		if err == nil && res.StatusCode == http.StatusOK {
			err = json.Unmarshal(raw, into)
		}
		return res.StatusCode, res.Header.Get("ETag"), err
	}
	return 0, "", err
}

// judgeCounters holds what clients were told against the host's history, and says how many
// steps each of them made.
func judgeCounters(t *testing.T, h *gitHost, clients []*counter) []int {
	t.Helper()
	out, err := git(h.bare, "log", "--reverse", "--unified=0", "-p", "--format=commit %H", "main")
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]string{} // commits, by title
	last := map[string]int{}    // the value of each counter
	commit, path, title := "", "", ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "commit":
			commit = rest
		case "+++":
			path = rest
		case "+title:":
			title = rest
			if other := made[title]; other != "" && strings.HasPrefix(title, "c") {
				t.Errorf("%s was written by %s and by %s", title, other, commit)
			}
			made[title] = commit
		case "+ordre:":
			n, err := strconv.Atoi(rest)
			if before, ok := last[path]; err != nil || ok && n != before+1 {
				t.Errorf("%s goes from %d to %s in commit %s", path, before, rest, commit)
			}
			last[path] = n
		}
	}
	var counted []int
	for _, c := range clients {
		counted = append(counted, len(c.acknowledged))
		for title, commit := range c.acknowledged {
			if made[title] != commit {
				t.Errorf("%s was acknowledged in commit %s, and is in %q", title, commit, made[title])
			}
		}
		for _, title := range c.refused {
			if made[title] != "" {
				t.Errorf("%s was refused, and is in commit %s", title, made[title])
			}
		}
	}
	return counted
}

// isRefused says whether nobody took a request.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
