package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"cms/race"
	"cms/state/statetest"
)

// killRounds is the variable that says how often TestEveryChangeArrives kills
// the service, with 100 edits for each; one kill with 40 without it.
const killRounds = "CMS_KILL_ROUNDS"

const outboxConfig = `
server: {listen: "%s"}
repository: {path: site.git, branch: main, committer: {name: CMS, email: cms@example.org}}
state: {url: "%s"}
collections:
  - {name: consultations, folder: _consultations, fields: [{name: title, type: string, required: true}, {name: ordre, type: integer}]}
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}]
  roles: {editor: {consultations: [read, create, update, delete]}}
webhooks:
  - {name: site, url: "%s", secret_env: CMS_HOOK_SECRET, allow_private: true}
`

// TestEveryChangeArrives lets eight clients edit while the receiver of the
// events refuses three in ten, makes others wait, and the service is killed
// again and again: in the end the receiver has every commit's event, those of an
// entry in the order of history.
func TestEveryChangeArrives(t *testing.T) {
	t.Parallel() // much of it is waiting
	race.TakesLong(t)
	const writers, entries = 8, 40
	kills, each := 1, 40
	if v := os.Getenv(killRounds); v != "" {
		var err error
		each = 100
		if kills, err = strconv.Atoi(v); err != nil || kills < 1 {
			t.Fatalf("%s is %q, want a number of kills", killRounds, v)
		}
	}
	edits := each * kills
	statetest.Each(t, func(t *testing.T, database string) {
		inbox := newInbox(t)
		p := newProcess(t, entries, outboxConfig, database, inbox.server.URL)
		p.serve()
		var (
			next, acknowledged atomic.Int64
			wg                 sync.WaitGroup
			mu                 sync.Mutex
			commits            []string
			progress           = make(chan struct{}, edits)
		)
		for range writers {
			wg.Go(func() {
				client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
				for n := int(next.Add(1)); n <= edits && !t.Failed(); n = int(next.Add(1)) {
					commit := p.insist(client, fmt.Sprintf("mobilites-%05d", n%entries), 1000+n)
					mu.Lock()
					commits = append(commits, commit)
					mu.Unlock()
					acknowledged.Add(1)
					progress <- struct{}{}
				}
			})
		}
		for round := range kills {
			for range edits / (kills + 1) {
				<-progress
			}
			t.Logf("kill %d after %d edits and %d arrivals", round+1, acknowledged.Load(), inbox.count())
			p.kill()
			p.serve()
		}
		wg.Wait()
		history := p.history()
		for _, c := range commits {
			if _, ok := history[c]; !ok {
				t.Errorf("the edit of commit %s was acknowledged and is not in history", c)
			}
		}
		inbox.await(len(history))
		p.stop()
		inbox.judge(history)
		t.Logf("%d edits, %d events, %d arrivals, of which %d were refused", len(commits), len(history), inbox.count(), inbox.refused())
	})
}

// insist repeats an edit until it is acknowledged, as a client does that finds
// nobody, and gives the commit it led to.
func (p *process) insist(client *http.Client, slug string, n int) string {
	deadline := time.Now().Add(time.Minute)
	for {
		a, err := p.patchOrdre(client, slug, "*", n)
		if err == nil && a.status == http.StatusOK {
			return a.commit
		}
		if err == nil && a.status < 500 || time.Now().After(deadline) {
			p.Errorf("edit of %s: got %d %v, want 200 in the end", slug, a.status, err)
			return ""
		}
		<-time.After(20 * time.Millisecond)
	}
}

// history gives the path that each commit after the first one changed, and its
// place.
func (p *process) history() map[string]change {
	p.Helper()
	out, err := git(p.git, "log", "--reverse", "--format=%H", "--name-only", "main")
	if err != nil {
		p.Fatal(err)
	}
	lines := strings.Fields(out)
	first := slices.IndexFunc(lines[1:], func(s string) bool { return !strings.HasPrefix(s, "_") }) + 1
	changes := map[string]change{}
	for i := first; i+1 < len(lines); i += 2 {
		changes[lines[i]] = change{path: lines[i+1], place: i}
	}
	return changes
}

// change is what a commit did, and where in history it stands.
type change struct {
	path  string
	place int
}

// inbox is a receiver of webhooks of the worse kind. It notes all that comes,
// and then refuses three in ten and lets some wait; some of what it refuses it
// has taken for all one can know. It refuses no event often, as the time to the next
// attempt doubles.
type inbox struct {
	*testing.T
	server *httptest.Server

	mu       sync.Mutex
	arrivals []arrival
	taken    map[string]bool // ids that were answered by 2xx
	bad      map[string]int  // how often they were refused
	more     chan struct{}   // has a token when something was taken
}

type arrival struct{ id, commit, path string }

func newInbox(t *testing.T) *inbox {
	in := &inbox{T: t, taken: map[string]bool{}, bad: map[string]int{}, more: make(chan struct{}, 1)}
	hook, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	in.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender was killed
		}
		var e struct {
			ID   string
			Data struct{ Commit, Path string }
		}
		if err := hook.Verify(body, r.Header); err != nil {
			t.Errorf("an event that is not signed as it should be: %v", err)
		}
		if err := json.Unmarshal(body, &e); err != nil || e.ID != r.Header.Get("webhook-id") {
			t.Errorf("an event with the id %q and the webhook-id %q: %v", e.ID, r.Header.Get("webhook-id"), err)
		}
		refuse := in.note(arrival{e.ID, e.Data.Commit, e.Data.Path}, rand.IntN(10) < 3)
		if rand.IntN(50) == 0 {
			select {
			case <-time.After(2 * time.Second):
			case <-r.Context().Done():
			}
		}
		if refuse {
			w.WriteHeader([]int{http.StatusInternalServerError, http.StatusFound, http.StatusNotFound}[rand.IntN(3)])
		}
	}))
	t.Cleanup(in.server.Close)
	return in
}

// note notes an arrival, and says whether to refuse it, which it does where that is
// wished and was not done too often.
func (in *inbox) note(a arrival, refuse bool) bool {
	const often = 4
	in.mu.Lock()
	defer in.mu.Unlock()
	in.arrivals = append(in.arrivals, a)
	if refuse && in.bad[a.id] < often {
		in.bad[a.id]++
		return true
	}
	in.taken[a.id] = true
	select {
	case in.more <- struct{}{}:
	default:
	}
	return false
}

func (in *inbox) count() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.arrivals)
}

func (in *inbox) refused() (n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, times := range in.bad {
		n += times
	}
	return n
}

// await waits until n different events were taken.
func (in *inbox) await(n int) {
	in.Helper()
	late := time.After(3 * time.Minute)
	for {
		in.mu.Lock()
		got := len(in.taken)
		in.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-in.more:
		case <-late:
			in.Fatalf("%d events were taken, want %d", got, n)
		}
	}
}

// judge holds what arrived against history.
func (in *inbox) judge(history map[string]change) {
	in.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	ids := map[string]string{} // by commit
	last := map[string]int{}   // place, by path
	for _, a := range in.arrivals {
		h, ok := history[a.commit]
		if !ok || h.path != a.path {
			in.Errorf("an event of %s in commit %s, which did not change it", a.path, a.commit)
		}
		if id, ok := ids[a.commit]; ok && id != a.id {
			in.Errorf("the event of commit %s came as %s and as %s", a.commit, id, a.id)
		}
		ids[a.commit] = a.id
		if h.place < last[a.path] {
			in.Errorf("%s: an event of an older commit came after one of a newer", a.path)
		}
		last[a.path] = h.place
	}
	for commit, h := range history {
		if !in.taken[ids[commit]] {
			in.Errorf("the event of %s in commit %s was lost", h.path, commit)
		}
	}
}

const sharedConfig = `
server: {listen: "%s", public_url: "https://cms.example.org"}
repository: {path: site.git, branch: main, committer: {name: CMS, email: cms@example.org}, remote: {url: "%s"}}
state: {url: "%s"}
collections:
  - {name: consultations, folder: _consultations, fields: [{name: title, type: string, required: true}, {name: ordre, type: integer}]}
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}]
  roles: {editor: {consultations: [read, create, update, delete]}}
webhooks:
  - {name: site, url: "%s", secret_env: CMS_HOOK_SECRET, allow_private: true}
hooks:
  - {provider: gitlab, secret_env: CMS_HOOK_SECRET}
`

// TestTwoServicesShareABranch has two services, each with a repository of its
// own, follow one branch at a Git host and share a database. Now the one takes
// edits and now the other, and whichever delivers is killed on the way. Each
// event is enqueued once, and none is lost.
func TestTwoServicesShareABranch(t *testing.T) {
	t.Parallel()
	const turns, edits = 8, 10
	database := statetest.Postgres(t)
	host := filepath.Join(t.TempDir(), "host.git")
	if err := makeSite(host, edits); err != nil {
		t.Fatal(err)
	}
	inbox := newInbox(t)
	var services [2]*process
	for i := range services {
		services[i] = newProcess(t, 0, sharedConfig, host, database, inbox.server.URL)
		if err := os.RemoveAll(services[i].git); err != nil {
			t.Fatal(err)
		}
		if _, err := git("", "clone", "-q", "--bare", host, services[i].git); err != nil {
			t.Fatal(err)
		}
		services[i].serve()
	}
	client := &http.Client{Timeout: 30 * time.Second}
	for turn := range turns {
		writer, other := services[turn%2], services[1-turn%2]
		var last string
		for n := range edits {
			last = writer.insist(client, fmt.Sprintf("mobilites-%05d", n), 1000+turn)
		}
		if turn == turns/2 { // the first one delivers
			services[0].kill()
		}
		if _, err := git(writer.git, "push", "-q", host, "main"); err != nil {
			t.Fatal(err)
		}
		if turn == turns/2 {
			services[0].serve() // it fetches what it missed
		}
		other.follow(last)
	}
	history := services[0].history()
	inbox.await(len(history))
	for _, p := range services {
		p.stop()
	}
	inbox.judge(history)
	times := enqueued(t, database)
	for id, n := range times {
		if n != 1 {
			t.Errorf("event %s was enqueued %d times", id, n)
		}
	}
	if len(history) != turns*edits || len(times) != len(history) {
		t.Errorf("%d events of %d commits were enqueued, want %d of each", len(times), len(history), turns*edits)
	}
}

// follow tells the process, as a Git host does, that the branch was pushed, and
// waits until the commit is there.
func (p *process) follow(commit string) {
	p.Helper()
	hook, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		p.Fatal(err)
	}
	body, now := []byte(`{"ref": "refs/heads/main", "after": "`+commit+`"}`), time.Now()
	signature, err := hook.Sign(commit, now, body)
	if err != nil {
		p.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, p.url+"/hooks/gitlab", bytes.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "X-Gitlab-Event": {"Push Hook"}, "Webhook-Id": {commit},
		"Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)}, "Webhook-Signature": {signature},
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode/100 != 2 {
		p.Fatalf("the hook was answered by %s", res.Status)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if tipOf(p.T, p.git) == commit {
			return
		}
	}
	p.Fatalf("commit %s was not fetched\n%s", commit, p.log.String())
}

// enqueued says how often each event was enqueued, by its id.
func enqueued(t *testing.T, database string) map[string]int {
	t.Helper()
	db, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT event_id, COUNT(*) FROM webhook_deliveries GROUP BY event_id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	times := map[string]int{}
	for rows.Next() {
		var (
			id string
			n  int
		)
		if err := rows.Scan(&id, &n); err != nil {
			t.Fatal(err)
		}
		times[id] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return times
}
