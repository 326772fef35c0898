package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"cms/state/statetest"
)

const firstEntry = "/v1/collections/consultations/entries/mobilites-00000"

// TestReadYourWrite: who sends back the commit of a write reads it from another replica,
// which has not heard of it yet.
func TestReadYourWrite(t *testing.T) {
	t.Parallel()
	h := newGitHost(t, 1)
	var replicas [2]*process
	for i := range replicas {
		replicas[i] = h.replica(t, "sync", "1h", "sqlite:"+filepath.Join(t.TempDir(), "state.db"), "http://127.0.0.1:9/")
		replicas[i].serve()
	}
	here, there := replicas[0], replicas[1]
	for _, title := range []string{"Un titre", "Un autre titre", "Un titre de plus"} {
		res, said := here.send("PATCH", firstEntry, `{"fields": {"title": "`+title+`"}}`, "If-Match", "*")
		commit := res.Header.Get("Cms-Commit")
		if res.StatusCode != http.StatusOK || commit != h.tip(t) {
			t.Fatalf("a write: got %s with Cms-Commit %q, want the commit %s\n%s", res.Status, commit, h.tip(t), said)
		}
		if _, said := there.send("GET", firstEntry, ""); strings.Contains(said, `"`+title+`"`) {
			t.Error("the other replica has it without being asked: the test shows nothing")
		}
		if res, said := there.send("GET", firstEntry, "", "Cms-Commit", commit); res.StatusCode != http.StatusOK || !strings.Contains(said, `"`+title+`"`) {
			t.Errorf("the other replica: got %s, want the title that was written\n%s", res.Status, said)
		}
		here, there = there, here
	}

	// A write that changes nothing, and one that is repeated, name a commit that has it, too.
	key := []string{"If-Match", "*", "Idempotency-Key", `"un"`}
	first, _ := here.send("PATCH", firstEntry, `{"fields": {"ordre": 4}}`, key...)
	if again, _ := here.send("PATCH", firstEntry, `{"fields": {"ordre": 4}}`, key...); again.Header.Get("Cms-Commit") != h.tip(t) || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("a repeated write: got Cms-Commit %q, want %q", again.Header.Get("Cms-Commit"), first.Header.Get("Cms-Commit"))
	}
	if same, _ := here.send("PATCH", firstEntry, `{"fields": {"ordre": 4}}`, "If-Match", "*"); same.Header.Get("Cms-Commit") != h.tip(t) {
		t.Errorf("a write of the same: got Cms-Commit %q, want the tip", same.Header.Get("Cms-Commit"))
	}
	if dry, _ := here.send("PATCH", firstEntry+"?dry_run=true", `{"fields": {"ordre": 5}}`, "If-Match", "*"); dry.Header.Get("Cms-Commit") != "" {
		t.Errorf("a dry run: got Cms-Commit %q, want none", dry.Header.Get("Cms-Commit"))
	}
	file, said := here.send("PUT", "/v1/media/a.gif", "GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;", "If-None-Match", "*", "Content-Type", "image/gif")
	if file.StatusCode != http.StatusCreated || file.Header.Get("Cms-Commit") != h.tip(t) {
		t.Errorf("an upload: got %s with Cms-Commit %q, want the tip\n%s", file.Status, file.Header.Get("Cms-Commit"), said)
	}
	if res, _ := there.send("GET", "/v1/media/a.gif", "", "Cms-Commit", file.Header.Get("Cms-Commit")); res.StatusCode != http.StatusOK {
		t.Errorf("an upload, from the other replica: got %s", res.Status)
	}
	if res, _ := there.send("DELETE", firstEntry, "", "If-Match", "*"); res.Header.Get("Cms-Commit") != h.tip(t) {
		t.Errorf("a deletion: got Cms-Commit %q, want the tip", res.Header.Get("Cms-Commit"))
	}

	refused := func(commit string, status int, code string) {
		t.Helper()
		res, said := here.send("GET", "/v1/me", "", "Cms-Commit", commit)
		if res.StatusCode != status || !strings.Contains(said, `"code":"`+code+`"`) || status == 503 && res.Header.Get("Retry-After") == "" {
			t.Errorf("Cms-Commit %q: got %s, want %d %s\n%s", commit, res.Status, status, code, said)
		}
	}
	refused(strings.Repeat("ab", 20), http.StatusServiceUnavailable, "behind")
	refused("main", http.StatusBadRequest, "malformed")
	refused(strings.Repeat("AB", 20), http.StatusBadRequest, "malformed")
	h.down.Store(true)
	refused(strings.Repeat("ab", 20), http.StatusServiceUnavailable, "behind")
	if res, _ := there.send("GET", "/v1/collections", "", "Cms-Commit", h.tip(t)); res.StatusCode != http.StatusOK {
		t.Errorf("a commit that is here, while the host is down: got %s", res.Status)
	}
	if res, _ := here.send("GET", "/v1/collections", ""); res.StatusCode != http.StatusOK {
		t.Errorf("a read while the host is down: got %s", res.Status)
	}
	h.down.Store(false)
	for _, p := range replicas {
		p.stop()
	}

	alone := startProcess(t, 1)
	if res, said := alone.send("GET", "/v1/me", "", "Cms-Commit", strings.Repeat("ab", 20)); res.StatusCode != http.StatusPreconditionFailed || !strings.Contains(said, `"code":"unknown_commit"`) {
		t.Errorf("without a host: got %s\n%s", res.Status, said)
	}
	alone.stop()
}

// TestAsyncAlone: a second service on a database refuses to push in the background.
func TestAsyncAlone(t *testing.T) {
	t.Parallel()
	database := statetest.Postgres(t)
	h := newGitHost(t, 1)
	first := h.replica(t, "async", "1h", database, "http://127.0.0.1:9/")
	first.serve()
	second := h.replica(t, "async", "1h", database, "http://127.0.0.1:9/")
	if said, err := second.command("serve").CombinedOutput(); err == nil || !strings.Contains(string(said), "push: async is for one service alone") {
		t.Errorf("the second one: got %v, want it to refuse\n%s", err, said)
	}
	first.stop()
	second.serve()
	second.stop()
}
