package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// postgresEnv is the variable with the URL of a PostgreSQL server, whose user
// may create databases.
const postgresEnv = "CMS_POSTGRES_URL"

const hooksConfiguration = `
server: {listen: "%s", debug_listen: "%s"}
repository: {path: "%s"}
state: {url: "%s"}
collections:
  - name: consultations
    folder: _consultations
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}]
  roles: {editor: {consultations: [read, update]}}
webhooks:
  - {name: site, url: "%s", secret_env: CMS_HOOK_SECRET, allow_private: true}
log: {level: warn}
`

// hooks measures how soon events arrive, and how many, on each database.
func (b *bench) hooks(ctx context.Context) error {
	os.Setenv("CMS_HOOK_SECRET", strings.Repeat("h", 32))
	b.printf(`
## Webhooks

The lag is from the answer to an edit until its event is at the receiver, which
answers at once; an event that is there before the answer has a lag of 0. Deliveries
are of one entry's change each, pushed while the service was down: from its start
to the last arrival, with the reading of history.

| | lag, idle: median | 99th percentile | lag at 100 edits/s: median | 99th percentile | %d deliveries |
|---|---|---|---|---|---|
`, b.plan.deliveries)
	if err := b.hooksOn(ctx, "SQLite", "sqlite:"+filepath.Join(b.dir, "hooks.db")); err != nil {
		return fmt.Errorf("webhooks on SQLite: %w", err)
	}
	server := os.Getenv(postgresEnv)
	if server == "" {
		b.printf("\nPostgreSQL was left out: %s names no server.\n", postgresEnv)
		return nil
	}
	database, drop, err := createDatabase(ctx, server)
	if err != nil {
		return err
	}
	defer drop()
	if err := b.hooksOn(ctx, "PostgreSQL", database); err != nil {
		return fmt.Errorf("webhooks on PostgreSQL: %w", err)
	}
	return nil
}

// hooksOn measures on one database, and prints a row.
func (b *bench) hooksOn(ctx context.Context, name, database string) error {
	fmt.Fprintf(os.Stderr, "webhooks on %s\n", name)
	s := shape{entries: 2000}
	work := filepath.Join(b.dir, "hooks-"+name)
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	repository := filepath.Join(work, "site.git")
	if _, err := makeSite(ctx, repository, s); err != nil {
		return err
	}
	in := newInbox()
	defer in.server.Close()
	configure := func(addr, debug string) []byte {
		return fmt.Appendf(nil, hooksConfiguration, addr, debug, repository, database, in.server.URL)
	}
	svc, _, err := b.startWith(ctx, work, configure)
	if err != nil {
		return err
	}
	idle, busy, err := svc.lags(ctx, s, in, b.plan.duration)
	if err != nil {
		svc.kill()
		return err
	}
	if err := svc.stop(); err != nil {
		return err
	}

	if err := pushEdits(ctx, repository, s, b.plan.deliveries); err != nil {
		return err
	}
	before, began := in.count(), time.Now()
	svc, _, err = b.startWith(ctx, work, configure)
	if err != nil {
		return err
	}
	if err := in.await(ctx, before+b.plan.deliveries); err != nil {
		svc.kill()
		return err
	}
	took := time.Since(began)
	b.printf("| %s | %.1f ms | %.1f ms | %.1f ms | %.1f ms | %.1f s, %.0f/s |\n", name, milliseconds(idle.median), milliseconds(idle.p99),
		milliseconds(busy.median), milliseconds(busy.p99), took.Seconds(), float64(b.plan.deliveries)/took.Seconds())
	return svc.stop()
}

// lags measures with one edit at a time, each after the last one's event, and
// then with 100 edits a second, which do not wait for each other.
func (s *service) lags(ctx context.Context, sh shape, in *inbox, d time.Duration) (idle, busy result, err error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	var took []time.Duration
	start, n := time.Now(), 0
	for ; time.Since(start) < d; n++ {
		commit, answered, err := s.patch(ctx, client, sh.slug(n%sh.entries), n)
		if err != nil {
			return idle, busy, err
		}
		if err := in.await(ctx, n+1); err != nil {
			return idle, busy, err
		}
		took = append(took, max(0, in.at(commit).Sub(answered)))
	}
	idle = resultOf(took, d)

	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		answers = map[string]time.Time{}
		tick    = time.NewTicker(10 * time.Millisecond)
		end     = n + int(d/(10*time.Millisecond))
	)
	defer tick.Stop()
	for ; n < end; n++ {
		<-tick.C
		edit := n
		wg.Go(func() {
			commit, answered, failed := s.patch(ctx, client, sh.slug(edit%sh.entries), edit)
			mu.Lock()
			defer mu.Unlock()
			answers[commit] = answered
			if failed != nil {
				err = failed
			}
		})
	}
	wg.Wait()
	if err == nil {
		err = in.await(ctx, n)
	}
	took = nil
	for commit, answered := range answers {
		took = append(took, max(0, in.at(commit).Sub(answered)))
	}
	return idle, resultOf(took, d), err
}

// patch edits an entry, and gives the commit and when it was answered.
func (s *service) patch(ctx context.Context, client *http.Client, slug string, n int) (commit string, answered time.Time, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, s.url+"/v1/collections/consultations/entries/"+slug,
		bytes.NewReader(fmt.Appendf(nil, `{"fields": {"ordre": %d}}`, 1000+n)))
	if err != nil {
		return "", answered, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/merge-patch+json")
	req.Header.Set("If-Match", "*")
	res, err := client.Do(req)
	if err != nil {
		return "", answered, err
	}
	answered = time.Now()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", answered, err
	}
	var entry struct{ Updated struct{ Commit string } }
	if res.StatusCode != http.StatusOK {
		return "", answered, fmt.Errorf("PATCH %s: %s: %s", slug, res.Status, body)
	}
	if err := json.Unmarshal(body, &entry); err != nil {
		return "", answered, fmt.Errorf("PATCH %s: %w", slug, err)
	}
	return entry.Updated.Commit, answered, nil
}

// pushEdits makes commits of one edit each.
func pushEdits(ctx context.Context, repository string, s shape, n int) error {
	return stream(ctx, repository, func(w *bufio.Writer) error {
		from := "from refs/heads/main^0\n"
		for k := range n {
			i := k * 7919 % s.entries
			f := file(i, 100_000+k)
			fmt.Fprintf(w, "commit refs/heads/main\ncommitter Ada <ada@example.org> %d +0000\ndata 4\nEdit%sM 100644 inline %s\ndata %d\n%s\n", time.Now().Unix(), from, s.path(i), len(f), f)
			from = ""
		}
		return nil
	})
}

// inbox is a receiver that notes when the event of each commit came first.
type inbox struct {
	server *httptest.Server

	mu   sync.Mutex
	came map[string]time.Time // by commit
	more chan struct{}        // has a token when something came
}

func newInbox() *inbox {
	in := &inbox{came: map[string]time.Time{}, more: make(chan struct{}, 1)}
	in.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		var e struct{ Data struct{ Commit string } }
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		if _, again := in.came[e.Data.Commit]; !again {
			in.came[e.Data.Commit] = now
		}
		select {
		case in.more <- struct{}{}:
		default:
		}
	}))
	return in
}

func (in *inbox) count() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.came)
}

func (in *inbox) at(commit string) time.Time {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.came[commit]
}

// await waits for the events of n commits in all.
func (in *inbox) await(ctx context.Context, n int) error {
	late := time.After(2 * time.Minute)
	for {
		got := in.count()
		if got >= n {
			return nil
		}
		select {
		case <-in.more:
		case <-late:
			return fmt.Errorf("the events of %d commits came, want %d", got, n)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// createDatabase makes one on the server, and the function that drops it.
func createDatabase(ctx context.Context, server string) (database string, drop func(), err error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, fmt.Errorf("the URL in %s cannot be read", postgresEnv)
	}
	db, err := sql.Open("pgx", server)
	if err != nil {
		return "", nil, err
	}
	name := fmt.Sprintf("cms_bench_%d", time.Now().UnixNano())
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		db.Close()
		return "", nil, fmt.Errorf("make a database: %w", err)
	}
	u.Path = "/" + name
	return u.String(), func() {
		defer db.Close()
		if _, err := db.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			fmt.Fprintf(os.Stderr, "the database %s stays: %v\n", name, err)
		}
	}, nil
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }
