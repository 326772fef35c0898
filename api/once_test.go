package api_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cms/repo"
	"cms/state"
	"cms/state/statetest"
)

// newKeyServer is a server that keeps the keys of writes.
func newKeyServer(t *testing.T) (*server, *state.DB) {
	t.Helper()
	db := statetest.Open(t, "sqlite:"+t.TempDir()+"/state.db")
	keys := db.Keys()
	return newServerWith(t, func(o *options) { o.Keys = &keys }), db
}

// creation is a request to create an entry, whose slug is its title's.
func creation(key, title string) request {
	return request{method: "POST", path: "/v1/collections/consultations/entries", body: `{"fields":{"title":"` + title + `"}}`,
		header: map[string]string{"Content-Type": "application/json", "Idempotency-Key": key}}
}

func (s *server) commits() string {
	s.Helper()
	return strings.TrimSpace(s.runGit("rev-list", "--count", "main"))
}

// same holds an answer against the first one that its key got.
func (s *server) same(got, first response) {
	s.Helper()
	if got.header.Get("Idempotency-Replayed") != "true" || got.status != first.status || string(got.body) != string(first.body) {
		s.Errorf("repeated: got %d %v %s; want %d %s", got.status, got.header, got.body, first.status, first.body)
	}
	for _, h := range []string{"ETag", "Location", "Content-Type", "Vary"} {
		if g, w := strings.Join(got.header.Values(h), ", "), strings.Join(first.header.Values(h), ", "); g != w {
			s.Errorf("%s: got %q, want %q", h, g, w)
		}
	}
}

func TestRepeatedWrites(t *testing.T) {
	t.Parallel()
	s, _ := newKeyServer(t)
	etag := s.create("pages", "accueil", "Bonjour.\n")
	md := map[string]string{"Content-Type": "text/markdown", "If-Match": etag, "Idempotency-Key": "k-put"}
	for _, r := range []request{
		creation(`"k-create"`, "Plan vélo"),
		{method: "PUT", path: "/v1/collections/pages/entries/accueil", body: "Bonsoir.\n", header: md},
		{method: "DELETE", path: "/v1/collections/pages/entries/accueil", header: map[string]string{"If-Match": "*", "Idempotency-Key": "k-delete"}},
		{method: "PUT", path: "/v1/media/plan.svg", body: `<svg xmlns="http://www.w3.org/2000/svg"/>`, header: map[string]string{"If-None-Match": "*", "Idempotency-Key": "k-media"}},
	} {
		first := s.do(r)
		if first.status >= 300 || first.header.Get("Idempotency-Replayed") != "" {
			t.Fatalf("%s %s: got %d %s", r.method, r.path, first.status, first.body)
		}
		before := s.head()
		s.same(s.do(r), first)
		if got := s.head(); got != before {
			t.Errorf("%s %s: repeated, it made the commit %s", r.method, r.path, got)
		}
		message := s.runGit("show", "-s", "--format=%(trailers:key=Idempotency-Key,valueonly)", "main")
		if got := len(strings.TrimSpace(message)); got != 64 || strings.Contains(message, "k-") {
			t.Errorf("%s %s: got the trailer %q, want a hash", r.method, r.path, message)
		}
	}
}

func TestKeysThatAreTaken(t *testing.T) {
	t.Parallel()
	s, _ := newKeyServer(t)
	first := s.do(creation("k", "Budget participatif"))
	quoted := creation(`"k"`, "Budget participatif")
	s.same(s.do(quoted), first)

	other := creation("k", "Plan climat")
	if p := s.problem(s.do(other)); p.Status != 422 || p.Code != "idempotency_key_reused" {
		t.Errorf("another body: got %+v", p)
	}
	headers := quoted
	headers.header = map[string]string{"Content-Type": "application/json", "Idempotency-Key": "k", "If-Match": "*"}
	if p := s.problem(s.do(headers)); p.Status != 422 || p.Code != "idempotency_key_reused" {
		t.Errorf("another precondition: got %+v", p)
	}
	other.token = s.mintOf(s.ec, "editor") // the same subject, of another issuer
	if res := s.do(other); res.status != http.StatusCreated {
		t.Errorf("the same key of another caller: got %d %s", res.status, res.body)
	}
	for _, bad := range []string{`"`, `""`, `"k`, `k"`, "a b", "é", strings.Repeat("k", 256)} {
		if p := s.problem(s.do(creation(bad, "Plan vélo"))); p.Status != 400 || p.Code != "malformed" {
			t.Errorf("key %q: got %+v", bad, p)
		}
	}
	if got := s.commits(); got != "2" {
		t.Errorf("commits: got %s, want 2", got)
	}
}

// TestRefusedWritesKeepNoKey: what was refused may be mended and sent again.
func TestRefusedWritesKeepNoKey(t *testing.T) {
	t.Parallel()
	s, _ := newKeyServer(t)
	bad := creation("k", "Plan vélo")
	bad.body = `{"fields":{"link":"x"}}`
	if p := s.problem(s.do(bad)); p.Status != 422 || p.Code != "invalid" {
		t.Fatalf("without a title: got %+v", p)
	}
	if res := s.do(creation("k", "Plan vélo")); res.status != http.StatusCreated {
		t.Errorf("mended: got %d %s", res.status, res.body)
	}
}

func TestRepeatedAtOnce(t *testing.T) {
	t.Parallel()
	s, _ := newKeyServer(t)
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			switch res := s.do(creation("k", "Plan vélo")); res.status {
			case http.StatusCreated:
			case http.StatusConflict:
				if p := s.problem(res); p.Code != "idempotency_key_in_use" || res.header.Get("Retry-After") == "" {
					t.Errorf("got %+v, Retry-After %q", p, res.header.Get("Retry-After"))
				}
			default:
				t.Errorf("got %d %s", res.status, res.body)
			}
		})
	}
	wg.Wait()
	if got := s.commits(); got != "1" {
		t.Errorf("commits: got %s, want 1", got)
	}
	if res := s.do(creation("k", "Plan vélo")); res.status != http.StatusCreated || res.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("afterwards: got %d %s", res.status, res.body)
	}
}

// TestAnswerLostInACrash: the service dies after the commit and before it has
// kept the answer, or before the commit.
func TestAnswerLostInACrash(t *testing.T) {
	t.Parallel()
	s, db := newKeyServer(t)
	crash := func(until time.Time) {
		t.Helper()
		if _, err := db.SQL().ExecContext(t.Context(), db.Bind(`UPDATE idempotency_keys SET result = '', size = 0, lease_until = ?`), until.UnixMilli()); err != nil {
			t.Fatal(err)
		}
	}
	if res := s.do(creation("k", "Plan vélo")); res.status != http.StatusCreated {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	commit := s.head()
	s.create("pages", "autre", "Une autre page.\n")

	crash(time.Now().Add(time.Hour))
	if p := s.problem(s.do(creation("k", "Plan vélo"))); p.Status != 409 || p.Code != "idempotency_key_in_use" {
		t.Errorf("before the lease ends: got %+v", p)
	}
	crash(time.Now().Add(-time.Second))
	for range 2 {
		if p := s.problem(s.do(creation("k", "Plan vélo"))); p.Status != 409 || p.Code != "already_made" || p.Commit != commit {
			t.Errorf("after the lease: got %+v, want the commit %s", p, commit)
		}
	}

	if _, err := db.SQL().ExecContext(t.Context(), db.Bind(`UPDATE idempotency_keys SET head = ?`), s.head()); err != nil { // as if it had come later
		t.Fatal(err)
	}
	del := s.do(request{method: "DELETE", path: entryPath("plan-velo"), header: map[string]string{"If-Match": "*"}})
	if del.status != http.StatusNoContent {
		t.Fatalf("delete: got %d %s", del.status, del.body)
	}
	if res := s.do(creation("k", "Plan vélo")); res.status != http.StatusCreated || res.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("cut off before the commit: got %d %s", res.status, res.body)
	}
}

// TestKeysOfWithdrawnWrites: a force push has taken the commit of a write. Who sends it again is
// told so, and not that their roles are not enough.
func TestKeysOfWithdrawnWrites(t *testing.T) {
	t.Parallel()
	s, _ := newKeyServer(t)
	s.create("pages", "autre", "Une autre page.\n")
	before := s.head()
	if res := s.do(creation("k", "Plan vélo")); res.status != http.StatusCreated {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	s.runGit("update-ref", "refs/heads/main", before)
	if err := s.repo.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := s.problem(s.do(creation("k", "Plan vélo"))); p.Status != 409 || p.Code != "already_made" || p.Commit != "" {
		t.Errorf("the same key: got %+v, want 409 without a commit", p)
	}
	reader := creation("k", "Plan vélo")
	reader.token = s.mint("reader") // of the same person
	if p := s.problem(s.do(reader)); p.Status != 403 {
		t.Errorf("of who may not make the write any more: got %+v", p)
	}
	if res := s.do(creation("k2", "Plan vélo")); res.status != http.StatusCreated {
		t.Errorf("another key: got %d %s", res.status, res.body)
	}
}

// TestKeysAtAnotherReplica: who sends a write again is told what it did by any service that
// shares the database and the Git host, also by one to which its commit has not come yet.
func TestKeysAtAnotherReplica(t *testing.T) {
	t.Parallel()
	first, db := newKeyServer(t)
	first.create("pages", "accueil", "Bonjour.\n")
	first.create("pages", "carte", "Lieux.\n")
	host := first.git // which it was pushed to
	keys := db.Keys()
	replica := func() *server {
		var await func(context.Context, string) error
		s := newServerBy(t, &repo.Remote{URL: host, Push: true, Sync: true}, nil, func(o *options) {
			o.Keys = &keys
			o.Await = func(ctx context.Context, commit string) error { return await(ctx, commit) }
		})
		await = func(ctx context.Context, commit string) error { return s.repo.Await(ctx, repo.NewHash(commit)) }
		return s
	}
	one, two := replica(), replica()
	for _, r := range []request{
		creation("k-create", "Plan vélo"),
		{method: "PUT", path: "/v1/collections/pages/entries/carte", body: "Bonjour.\n", header: map[string]string{"Content-Type": "text/markdown", "If-Match": "*", "Idempotency-Key": "k-put"}},
		{method: "DELETE", path: "/v1/collections/pages/entries/accueil", header: map[string]string{"If-Match": "*", "Idempotency-Key": "k-delete"}},
	} {
		got := one.do(r)
		if got.status >= 300 {
			t.Fatalf("%s %s: got %d %s", r.method, r.path, got.status, got.body)
		}
		again := two.do(r)
		for end := time.Now().Add(time.Minute); again.status == http.StatusServiceUnavailable && time.Now().Before(end); { // on a slow machine
			again = two.do(r)
		}
		two.same(again, got)
	}
}

// TestKeysAfterLateFailures: the disk fails once the branch has moved. Whatever the
// door, the answer says that the write may be saved, and its key that it is.
func TestKeysAfterLateFailures(t *testing.T) {
	t.Parallel()
	s, _ := newKeyServer(t)
	s.create("pages", "accueil", "Bonjour.\n")
	json := map[string]string{"Content-Type": "application/json", "Idempotency-Key": "k-batch"}
	for _, r := range []request{
		creation("k-create", "Plan vélo"),
		{method: "POST", path: "/v1/batch", body: `{"operations": [{"op": "create", "collection": "consultations", "fields": {"title": "Plan climat"}}]}`, header: json},
		{method: "PUT", path: "/v1/media/plan.svg", body: `<svg xmlns="http://www.w3.org/2000/svg"/>`, header: map[string]string{"If-None-Match": "*", "Idempotency-Key": "k-media"}},
		{method: "DELETE", path: "/v1/media/plan.svg", header: map[string]string{"If-Match": "*", "Idempotency-Key": "k-remove"}},
		{method: "DELETE", path: "/v1/collections/pages/entries/accueil", header: map[string]string{"If-Match": "*", "Idempotency-Key": "k-delete"}},
	} {
		before := s.commits()
		s.late.Store(2) // that of the write, and the next attempt to find out
		res := s.do(r)
		if p := s.problem(res); p.Status != 504 || p.Code != "may_be_saved" || res.header.Get("Retry-After") == "" {
			t.Fatalf("%s %s: got %+v", r.method, r.path, p)
		}
		for again := 0; ; again++ {
			p := s.problem(s.do(r))
			if p.Code == "may_be_saved" && again < 3 {
				continue // nobody can tell yet
			}
			if p.Status != 409 || p.Code != "already_made" || p.Commit != s.head() {
				t.Errorf("%s %s, sent again: got %+v, want the commit %s", r.method, r.path, p, s.head())
			}
			break
		}
		if got := s.commits(); got == before || s.runGit("rev-list", "--count", "main^") != before+"\n" {
			t.Errorf("%s %s: %s commits, after %s", r.method, r.path, got, before)
		}
	}
}

func TestKeysThatCannotBeKept(t *testing.T) {
	t.Parallel()
	s, db := newKeyServer(t)
	db.Close()
	res := s.do(creation("k", "Plan vélo"))
	if p := s.problem(res); p.Status != 503 || p.Code != "unavailable" || res.header.Get("Retry-After") == "" {
		t.Errorf("got %+v", p)
	}
	if res := s.do(request{method: "GET", path: entryPath("plan-velo")}); res.status != http.StatusNotFound {
		t.Errorf("the entry: got %d", res.status)
	}
}
