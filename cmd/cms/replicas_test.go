package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cms/race"
	"cms/repo/repotest"
	"cms/state/statetest"
)

const firstEntry = "/v1/collections/consultations/entries/mobilites-00000"

// TestReadYourWrite: who sends back the commit of a write reads it from another replica,
// which has not heard of it yet.
func TestReadYourWrite(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
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
		there.sees(commit) // where a slow machine takes more than a second, asked again
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
	there.sees(file.Header.Get("Cms-Commit"))
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

// TestPushReachesHost: a push to the service succeeds when the Git host has it, and tells
// the pusher otherwise.
func TestPushReachesHost(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	h := newGitHost(t, 1)
	p := h.replica(t, "sync", "1h", "sqlite:"+filepath.Join(t.TempDir(), "state.db"), "http://127.0.0.1:9/")
	p.serve()
	work := filepath.Join(t.TempDir(), "work") // the pusher's
	must := func(args ...string) {
		t.Helper()
		if _, err := git(work, args...); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := git("", "clone", "-q", "http://ann:"+p.token+"@"+p.addr+"/git/site.git", work); err != nil {
		t.Fatal(err)
	}
	commit := func(title string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(work, "_consultations", "pousse.md"), []byte("---\ntitle: "+title+"\n---\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		must("add", ".")
		must("commit", "-q", "-m", title)
	}
	refused := func(text string) {
		t.Helper()
		before := h.tip(t)
		if said, err := git(work, "push", "origin", "HEAD:main"); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("a push: got %v, want to be told %q\n%s", err, text, said)
		}
		if here := tipOf(t, p.git); here != before {
			t.Errorf("the branch is at %s, want %s", here, before)
		}
	}
	same := func() {
		t.Helper()
		mine := repotest.Tip(work, "HEAD")
		if p.sees(mine); h.tip(t) != mine {
			t.Errorf("the host is at %s, want %s", h.tip(t), mine)
		}
	}
	commit("Une fois")
	must("push", "-q", "origin", "HEAD:main")
	same()

	commit("Deux fois")
	h.down.Store(true)
	refused("The Git host cannot take edits now.")
	h.down.Store(false)
	h.hook(t, "cat >/dev/null; echo 'Pas ici.' >&2; exit 1\n")
	for told := ""; !strings.Contains(told, "The Git host refuses the edit."); { // it is left alone for a moment
		_, err := git(work, "push", "origin", "HEAD:main")
		if err == nil {
			t.Fatal("the host refuses, and the push has succeeded")
		}
		told = err.Error()
	}
	h.unhook(t)
	must("push", "-q", "origin", "HEAD:main")
	same()

	// Somebody was at the host first: the pusher gets that here, and goes on from it.
	other := filepath.Join(t.TempDir(), "other")
	if _, err := git("", "clone", "-q", h.bare, other); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"commit", "-q", "--allow-empty", "-m", "Ailleurs"}, {"push", "-q", "origin", "HEAD:main"}} {
		if _, err := git(other, args...); err != nil {
			t.Fatal(err)
		}
	}
	commit("Trois fois")
	if _, err := git(work, "push", "origin", "HEAD:main"); err == nil || !strings.Contains(err.Error(), "fetch first") {
		t.Errorf("a push upon less than the host has: got %v, want to fetch first", err)
	}
	must("pull", "-q", "--rebase", "origin", "main")
	must("push", "-q", "origin", "HEAD:main")
	same()

	commit("Quatre fois")
	h.cut.Store(true)
	if _, err := git(work, "push", "origin", "HEAD:main"); err == nil || !strings.Contains(err.Error(), "may be saved") {
		t.Errorf("a push whose answer was lost: got %v, want to be told that it may be saved", err)
	}
	h.cut.Store(false)
	same()
	p.stop()
	if !strings.Contains(p.log.String(), "Pas ici.") {
		t.Error("the log has not what the host says")
	}
}

// TestSeenByCookie: an editor who has saved at one replica and is led to another one sees
// what was saved, by a cookie; and sees what there is while nothing can be fetched.
func TestSeenByCookie(t *testing.T) {
	t.Parallel()
	database := statetest.Postgres(t)
	h := newGitHost(t, 1)
	var replicas [2]*process
	for i := range replicas {
		replicas[i] = h.replica(t, "sync", "1h", database, "http://127.0.0.1:9/")
		replicas[i].serve()
	}
	const password, page = "une phrase de passe longue", "/editor/entry/consultations/mobilites-00000"
	add := replicas[0].command("user", "add", "camille@example.org", "--name", "Camille", "--role", "editor")
	add.Stdin = strings.NewReader(password + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("cms user: %v\n%s", err, out)
	}
	jar, err := cookiejar.New(nil) // in which the replicas are one host
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: time.Minute}
	ask := func(p *process, path string, form url.Values) string {
		t.Helper()
		method, body := http.MethodGet, ""
		if form != nil {
			method, body = http.MethodPost, form.Encode()
		}
		req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if form != nil {
			req.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {p.url}, "Sec-Fetch-Site": {"same-origin"}}
		}
		res, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		said, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: got %s %v\n%s", method, path, res.Status, err, said)
		}
		return string(said)
	}
	ask(replicas[0], "/editor/login", url.Values{"email": {"camille@example.org"}, "password": {password}})
	save := func(p *process, title string) {
		t.Helper()
		source, form := ask(p, page, nil), url.Values{"do": {"save"}, "title": {title}}
		for _, in := range regexp.MustCompile(`<input type="hidden" name="(base|key|account)" value="([^"]*)"`).FindAllStringSubmatch(source, -1) {
			form.Set(in[1], in[2])
		}
		name := regexp.MustCompile(`<[a-z]+ id="[^"]*" name="([^"]*title)"`).FindStringSubmatch(source)
		if name == nil {
			t.Fatalf("the form has no title\n%s", source)
		}
		form.Del("title")
		form.Set(name[1], title)
		ask(p, page, form)
	}
	here, there := replicas[0], replicas[1]
	for _, title := range []string{"Un titre vu", "Un autre titre vu"} {
		before := h.tip(t)
		if save(here, title); h.tip(t) == before {
			t.Fatal("nothing was saved")
		}
		if _, said := there.send("GET", firstEntry, ""); strings.Contains(said, title) {
			t.Error("the other replica has it without being asked: the test shows nothing")
		}
		for deadline := time.Now().Add(time.Minute); !strings.Contains(ask(there, page, nil), title); { // a slow machine takes more than the second that a page waits
			if time.Now().After(deadline) {
				t.Fatalf("the other replica's page has not the title %q that was saved", title)
			}
		}
		here, there = there, here
	}
	save(here, "Un titre caché")
	h.down.Store(true)
	if source := ask(there, page, nil); !strings.Contains(source, "Un autre titre vu") {
		t.Error("while the host is down, the page has not what was there before")
	}
	h.down.Store(false)
	for _, p := range replicas {
		p.stop()
	}
}
