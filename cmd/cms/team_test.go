package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSiteOfATeam, of thousands of commits on a branch master, in nested folders and names
// with dots: whatever its first start takes, it answers meanwhile, and is whole in the end; and a
// team finds, watches, checks and keeps it.
func TestSiteOfATeam(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes a long history")
	}
	t.Parallel() // some of it is waiting
	entries, commits := 400, 800
	if v := os.Getenv("CMS_TEAM_COMMITS"); v != "" {
		entries = 2_000
		var err error
		if commits, err = strconv.Atoi(v); err != nil || commits < 2*entries || commits%entries != 0 {
			t.Fatalf("CMS_TEAM_COMMITS is %q, want a multiple of %d, from %d on", v, entries, 2*entries)
		}
	}
	most := commits - entries/2 // what ordre may be, which the entries after it exceed
	p := newProcess(t, 0, `server: {listen: "%s"}
repository: {path: long.git}
state: {url: "sqlite:state.db"}
collections:
  - name: notes
    folder: src/notes.v2
    fields:
      - {name: title, type: string, required: true}
      - {name: ordre, type: integer, max: %d}
      - {name: suite, type: reference, collection: notes}
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}]
  roles: {editor: {notes: [read, update, delete]}}
`, most)
	dir := filepath.Join(filepath.Dir(p.git), "long.git")
	if _, err := git("", "init", "-q", "--bare", "-b", "master", dir); err != nil {
		t.Fatal(err)
	}
	importing := exec.Command("git", "-c", "core.fsync=none", "--git-dir", dir, "fast-import", "--quiet")
	in, err := importing.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := importing.Start(); err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(in)
	for i := range commits {
		text := fmt.Sprintf("---\ntitle: Note %d\nordre: %d\nchapeau:\n---\n\nTexte.\n", i%entries, i)
		fmt.Fprintf(w, "commit refs/heads/master\ncommitter A <a@example.org> %d +0000\ndata 1\nx\nM 100644 inline src/notes.v2/%d/%02d/n%d.fr.md\ndata %d\n%s\n",
			1_600_000_000+i*60, 2000+i%entries%7, i%entries%37, i%entries, len(text), text)
	}
	if err := errors.Join(w.Flush(), in.Close(), importing.Wait()); err != nil {
		t.Fatal(err)
	}
	p.start()
	const list = "/v1/collections/notes/entries?limit=1&sort=-ordre"
	var res *http.Response
	var body string
	for until := time.Now().Add(5 * time.Minute); time.Now().Before(until); <-time.After(50 * time.Millisecond) { // while it starts, and while entries are read
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			continue // it does not listen yet
		}
		c.Close()
		if res, body = askFront(t, "GET", p.url+list, "Authorization", "Bearer "+p.token); res.StatusCode != 503 {
			break
		}
	}
	if res == nil {
		t.Fatal("it never listened")
	}
	if res.StatusCode != 200 || !strings.Contains(body, fmt.Sprintf(`"ordre":%d`, commits-1)) || !strings.Contains(body, fmt.Sprintf(`"total":%d`, entries)) {
		t.Errorf("got %s %s", res.Status, body)
	}
	if _, body := askFront(t, "GET", p.url+"/metrics"); !strings.Contains(body, fmt.Sprintf("\ncms_history_commits %d\n", commits)) {
		t.Error("not every commit is in the history")
	}
	p.git = dir
	team := &team{p, entries, commits, most}
	t.Run("asks", team.asks)
	t.Run("watches", team.watches)
	t.Run("keeps", team.keeps)
	p.stop()
}

// team is who runs the site of [TestSiteOfATeam].
type team struct {
	*process
	entries int // of its site, before it edits
	commits int // likewise
	most    int // what the field ordre may be
}

// wrong is how many entries exceed what ordre may be.
func (p *team) wrong() int { return p.entries/2 - 1 }

// What the team edits.
const (
	noteTitled, noteMentioning, noteDeleted, noteFollowing = "2000/07/n7.fr", "2001/08/n8.fr", "2002/09/n9.fr", "2003/10/n10.fr"
)

// ask wants an answer of a status that has each of the texts.
func (p *team) ask(t *testing.T, status int, method, path, body string, has ...string) *http.Response {
	t.Helper()
	res, said := p.send(method, path, body, "If-Match", "*", "Content-Type", "application/merge-patch+json")
	if res.StatusCode != status {
		t.Errorf("%s %s: got %s: %s", method, path, res.Status, said)
	}
	for _, text := range has {
		if !strings.Contains(said, text) {
			t.Errorf("%s %s has no %s: %.2000s", method, path, text, said)
		}
	}
	return res
}

// asks edits some entries, and finds what they have become among all.
func (p *team) asks(t *testing.T) {
	const notes = "/v1/collections/notes/"
	tip, err := git(p.git, "rev-parse", "master")
	if err != nil {
		t.Fatal(err)
	}
	before := strings.TrimSpace(tip)
	p.ask(t, 200, "PATCH", notes+"entries/"+noteTitled, `{"fields": {"title": "Aidants connect"}}`)
	p.ask(t, 200, "PATCH", notes+"entries/"+noteMentioning, `{"body": "Avec aidants connect, les aidants connect et aidants connect.\n"}`)
	p.ask(t, 204, "DELETE", notes+"entries/"+noteDeleted, "")
	p.ask(t, 200, "PATCH", notes+"entries/"+noteFollowing, `{"fields": {"suite": "`+noteTitled+`"}}`)
	if by, err := git(p.git, "log", "-4", "--format=%ae", "master"); err != nil || strings.Count(by, "ann@example.org") != 4 {
		t.Errorf("the commits on master are by %s, %v", by, err)
	}
	query := func(pairs ...string) string {
		q := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return "?" + q.Encode()
	}
	list := func(has string, pairs ...string) {
		t.Helper()
		p.ask(t, 200, "GET", notes+"entries"+query(pairs...), "", has)
	}
	slug := func(s string) string { return `"slug":"` + s + `"` }
	list(`"email":"ann@example.org"`, "sort", "-updated", "limit", "1")
	list(fmt.Sprintf(`"total":%d`, p.wrong()), "filter[valid]", "false", "limit", "1")
	list(`"total":3`, "filter[updated.author]", "ann@example.org")
	list(`"total":3`, "filter[updated][gte]", time.Now().Add(-24*time.Hour).UTC().Format(time.RFC3339))
	list(fmt.Sprintf(`"total":%d`, (p.entries+6)/7), "filter[slug][prefix]", "2000/", "limit", "1")
	p.ask(t, 400, "GET", notes+"entries"+query("filter[titel]", "x"), "", "title")
	p.ask(t, 200, "GET", "/v1/changes?order=desc&limit=1", "", slug(noteFollowing), `"next_cursor":`)
	p.ask(t, 200, "GET", notes+"deleted", "", slug(noteDeleted), `"title":"Note 9"`)
	p.ask(t, 200, "GET", notes+"entries/"+noteTitled+"?at="+before, "", `"title":"Note 7"`)
	p.ask(t, 200, "GET", notes+"entries/"+noteDeleted+"?at="+before, "", `"title":"Note 9"`)
	p.ask(t, 200, "GET", notes+"references/"+noteTitled, "", slug(noteFollowing))
	p.ask(t, 200, "GET", notes+"facets?field=updated.author.email", "", `{"value":"ann@example.org","count":3}`, fmt.Sprintf(`"total":%d`, p.entries-1))

	// What was read, sent back, is no change, though a value is null.
	tip, _ = git(p.git, "rev-parse", "master")
	_, read := p.send("GET", notes+"entries/"+noteTitled, "")
	var entry struct {
		Fields json.RawMessage `json:"fields"`
		Body   string          `json:"body"`
	}
	if err := json.Unmarshal([]byte(read), &entry); err != nil || !strings.Contains(string(entry.Fields), `"chapeau":null`) {
		t.Fatalf("got %s, %v", read, err)
	}
	again, err := json.Marshal(entry)
	if err != nil {
		t.Fatal(err)
	}
	p.ask(t, 200, "PATCH", notes+"entries/"+noteTitled, string(again))
	if now, _ := git(p.git, "rev-parse", "master"); now != tip {
		t.Error("what was read made a commit when it was sent back")
	}

	// A title before bodies, though a word is misspelt.
	for _, q := range []string{"aidants connect", "aidants connct"} {
		_, said := p.send("GET", "/v1/search"+query("q", q), "")
		var found struct {
			Items []struct{ Entry struct{ Slug string } }
		}
		if err := json.Unmarshal([]byte(said), &found); err != nil || len(found.Items) != 2 || found.Items[0].Entry.Slug != noteTitled {
			t.Errorf("%s: got %+v, %v", q, found, err)
		}
	}

	// In the language of who asks.
	for language, want := range map[string]string{"fr": "n’existe pas", "en": "There is no"} {
		res, said := p.send("GET", notes+"entries/2000/00/nobody", "", "Accept-Language", language)
		if res.StatusCode != 404 || !strings.Contains(said, want) || res.Header.Get("Content-Language") != language || !strings.Contains(strings.Join(res.Header.Values("Vary"), ","), "Accept-Language") {
			t.Errorf("%s: got %s, %v: %s", language, res.Status, res.Header, said)
		}
	}
}

// watches is told by metrics, the log and its audit what the site holds and what was done.
func (p *team) watches(t *testing.T) {
	for deadline := time.Now().Add(2 * time.Minute); ; <-time.After(100 * time.Millisecond) {
		_, said := askFront(t, "GET", p.url+"/metrics")
		if strings.Contains(said, fmt.Sprintf("\ncms_invalid_entries %d\n", p.wrong())) && strings.Contains(said, `cms_ready{part="repository"} 1`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the metrics tell nothing of %d entries: %s", p.wrong(), said)
		}
	}
	var said []byte
	for deadline := time.Now().Add(time.Minute); strings.Count(string(said), "changed  Ann <ann@example.org>") < 1; <-time.After(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the audit log has %s", said)
		}
		var err error
		if said, err = p.command("audit", "--entry", "notes/"+noteTitled).Output(); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(string(said), "unchanged") {
		t.Errorf("the audit log keeps what changed nothing: %s", said)
	}
}

// keeps checks the site and its service, and makes a backup of both while it runs.
func (p *team) keeps(t *testing.T) {
	run := func(code int, has []string, args ...string) string {
		t.Helper()
		said, err := p.command(args...).Output()
		ended := (*exec.ExitError)(nil)
		got := 0
		if errors.As(err, &ended) {
			got = ended.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if got != code {
			t.Errorf("cms %v: got %d, want %d: %s", args, got, code, said)
		}
		for _, text := range has {
			if !strings.Contains(string(said), text) {
				t.Errorf("cms %v says no %q: %.2000s", args, text, said)
			}
		}
		return string(said)
	}
	run(3, []string{fmt.Sprintf("%[1]d in %[1]d entries", p.wrong()), "src/notes.v2/", fmt.Sprint("ordre: must be at most ", p.most), fmt.Sprintf("%d entries checked, %d with problems", p.entries-1, p.wrong())}, "check")
	run(3, []string{"master is at", "and is ready", "git --git-dir " + p.git + " config gc.auto 0"}, "doctor")
	run(0, []string{"the repository with master at"}, "backup", "backups")
	archives, err := filepath.Glob(filepath.Join(filepath.Dir(p.config), "backups", "*.tar"))
	if err != nil || len(archives) != 1 {
		t.Fatalf("got %v, %v", archives, err)
	}
	run(0, []string{"is whole", fmt.Sprint(p.commits+4, " commits")}, "restore", "--check", archives[0])
	run(0, nil, "healthcheck")
}
