package main

import (
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cms/race"
)

// TestHostFails: with push: sync a host that is down, refuses, or falls silent behind a push
// is what clients and operators are told, and nothing else is on the branch than what they
// were told.
func TestHostFails(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	h := newGitHost(t, 2)
	p := h.replica(t, "sync", "1h", "sqlite:"+filepath.Join(t.TempDir(), "state.db"), "http://127.0.0.1:9/")
	p.serve()
	patch := func(title string, headers ...string) (*http.Response, string) {
		t.Helper()
		return p.send("PATCH", firstEntry, `{"fields": {"title": "`+title+`"}}`, append(headers, "If-Match", "*")...)
	}
	unchanged := func(tip string) {
		t.Helper()
		if here := tipOf(t, p.git); here != tip || h.tip(t) != tip {
			t.Errorf("the service is at %s and the host at %s, want %s", here, h.tip(t), tip)
		}
	}
	// told polls a page of the service until it has a text, or has not.
	told := func(path, text string, want bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; <-time.After(100 * time.Millisecond) {
			res, said := p.send("GET", path, "")
			if res.StatusCode != http.StatusOK {
				t.Errorf("%s: got %s", path, res.Status)
			}
			if strings.Contains(said, text) == want {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("%s: %q is there: %t, want %t\n%s", path, text, !want, want, said)
				return
			}
		}
	}
	const failing = `cms_remote_failing{kind="push"} 1`
	// again writes until the host is asked again: it is left alone for a moment.
	again := func(title string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; <-time.After(100 * time.Millisecond) {
			res, said := patch(title)
			if res.StatusCode == http.StatusOK {
				unchanged(res.Header.Get("Cms-Commit"))
				return
			}
			if res.StatusCode != http.StatusServiceUnavailable || time.Now().After(deadline) {
				t.Fatalf("the host is there again: got %s\n%s", res.Status, said)
			}
		}
	}
	refused := func(res *http.Response, said, detail string, atLeast int) {
		t.Helper()
		after, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if res.StatusCode != http.StatusServiceUnavailable || err != nil || after < atLeast || !strings.Contains(said, `"code":"unavailable"`) || !strings.Contains(said, detail) {
			t.Errorf("got %s with Retry-After %q, want 503 with at least %d and %q\n%s", res.Status, res.Header.Get("Retry-After"), atLeast, detail, said)
		}
	}

	again("Un titre")
	tip := h.tip(t)
	h.down.Store(true)
	for range 2 { // the second time it is not even asked
		res, said := patch("Personne")
		refused(res, said, "The Git host cannot take edits now. Nothing was saved.", 1)
	}
	unchanged(tip)
	if res, said := p.send("GET", firstEntry, ""); res.StatusCode != http.StatusOK || !strings.Contains(said, "Un titre") {
		t.Errorf("a read while the host is down: got %s\n%s", res.Status, said)
	}
	told("/readyz", "push_failing", true)
	told("/metrics", failing, true)
	h.down.Store(false)
	again("De retour")
	told("/readyz", "push_failing", false)
	told("/metrics", failing, false)

	tip = h.tip(t)
	h.hook(t, "cat >/dev/null; echo 'Pas ici, dit le crochet.' >&2; exit 1\n")
	res, said := patch("Refusé")
	refused(res, said, "The Git host refuses the edit. Nothing was saved.", 30)
	if strings.Contains(said, "crochet") {
		t.Errorf("the client is told the host's own words: %s", said)
	}
	unchanged(tip)
	told("/readyz", "push_failing", true)
	told("/metrics", failing, true)
	h.unhook(t)
	again("Accepté")
	told("/readyz", "push_failing", false)

	// The host has taken it, and its answer is lost: the key tells.
	tip = h.tip(t)
	h.cut.Store(true)
	unsure := func(key string) {
		t.Helper()
		res, said := patch("Peut-être "+key, "Idempotency-Key", key)
		if res.StatusCode != http.StatusGatewayTimeout || !strings.Contains(said, `"code":"may_be_saved"`) {
			t.Errorf("no answer to a push: got %s\n%s", res.Status, said)
		}
	}
	unsure("pris")
	taken := h.tip(t)
	if taken == tip {
		t.Fatal("the host has not taken it: the test shows nothing")
	}
	h.cut.Store(false)
	res, said = patch("Peut-être pris", "Idempotency-Key", "pris")
	if res.StatusCode != http.StatusConflict || !strings.Contains(said, `"code":"already_made"`) || !strings.Contains(said, taken) {
		t.Errorf("what the host has taken, again: got %s, want 409 with commit %s\n%s", res.Status, taken, said)
	}
	unchanged(taken)

	// It was lost on its way: the same request makes it, once.
	h.lost.Store(true)
	unsure("perdu")
	unchanged(taken)
	h.lost.Store(false)
	if res, said := patch("Peut-être perdu", "Idempotency-Key", "perdu"); res.StatusCode != http.StatusOK {
		t.Errorf("what was lost, again: got %s\n%s", res.Status, said)
	}
	if made, err := git(h.bare, "rev-list", "--count", taken+"..main"); err != nil || strings.TrimSpace(made) != "1" {
		t.Errorf("%s commits of what was lost at first, want 1: %v", made, err)
	}
	unchanged(h.tip(t))
	p.stop()
	if log := p.log.String(); !strings.Contains(log, "Pas ici, dit le crochet.") {
		t.Error("the log has not what the host says")
	}
}
