package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cms/api"
	"cms/auth"
)

// patience is how long a test waits for what has to come before it fails. None
// waits for so long when all is well.
const patience = time.Minute

// message is what an event stream says: an event, or a comment.
type message struct {
	name, id, comment string
	event             api.Event
	data              string
}

// watch is one open event stream. Its channel is closed when the stream ends.
type watch struct {
	testing.TB
	messages chan message
	close    func()
	began    message // the first event
}

// watch opens an event stream and waits until it has begun.
func (s *server) watch(token, lastEventID string) *watch {
	s.Helper()
	return s.listen(http.DefaultClient, func(h http.Header) {
		h.Set("Authorization", "Bearer "+token)
		if lastEventID != "" {
			h.Set("Last-Event-ID", lastEventID)
		}
	})
}

func (s *server) listen(client *http.Client, set func(http.Header)) *watch {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", s.url+"/v1/events", http.NoBody)
	if err != nil {
		s.Fatal(err)
	}
	set(req.Header)
	res, err := client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	if ct := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || ct != "text/event-stream" {
		s.Fatalf("got %d of type %q, want an event stream", res.StatusCode, ct)
	}
	w := &watch{TB: s.TB, messages: make(chan message, 1000), close: cancel}
	go func() {
		defer close(w.messages)
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		var m message
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch {
			case lines.Text() == "":
				w.messages <- m
				m = message{}
			case field == "event":
				m.name = value
			case field == "id":
				m.id = value
			case field == "data":
				m.data = value
				if err := json.Unmarshal([]byte(value), &m.event); err != nil && ctx.Err() == nil { // else it was cut off
					s.Errorf("data %q: %v", value, err)
				}
			case field == "":
				m.comment = value
			}
		}
	}()
	s.Cleanup(cancel)
	if w.began = w.next(); w.began.name != "ready" || len(w.began.id) != 40 || w.began.data != `{"commit":"`+w.began.id+`"}` {
		s.Fatalf("the stream begins with %+v, want an event with an id", w.began)
	}
	return w
}

// watch opens the event stream that a browser with a session has.
func (b *browser) watch() *watch {
	b.Helper()
	return b.server.listen(b.client, func(h http.Header) {
		for k, v := range b.from {
			h.Set(k, v)
		}
	})
}

// next is what the stream says next.
func (w *watch) next() message {
	w.Helper()
	select {
	case m, open := <-w.messages:
		if !open {
			w.Fatal("the stream has ended, want it to go on")
		}
		return m
	case <-time.After(patience):
		w.Fatal("nothing comes from the stream")
	}
	return message{}
}

// ended waits for the end of the stream, before which only comments may come.
func (w *watch) ended() {
	w.Helper()
	for deadline := time.After(patience); ; {
		select {
		case m, open := <-w.messages:
			if !open {
				return
			}
			if m.comment == "" {
				w.Errorf("got %+v, want the end of the stream", m)
			}
		case <-deadline:
			w.Fatal("the stream does not end")
		}
	}
}

// want checks that the next events are these, each written "created a-slug".
func (w *watch) want(events ...string) (last message) {
	w.Helper()
	for _, want := range events {
		last = w.next()
		if got := last.event.Action + " " + last.event.Slug; got != want || last.name != "entry."+last.event.Action {
			w.Fatalf("got %+v, want %s", last, want)
		}
	}
	return last
}

func (s *server) patch(slug, body string) {
	s.Helper()
	res := s.do(request{method: "PATCH", path: entryPath(slug), body: body,
		header: map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": "*"}})
	if res.status != http.StatusOK {
		s.Fatalf("patch %s: got %d %s", slug, res.status, res.body)
	}
}

// clone is a working copy of the repository, as someone has it who pushes.
func (s *server) clone() (git func(args ...string), dir string) {
	s.Helper()
	dir = s.TempDir()
	git = func(args ...string) {
		s.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
			"GIT_AUTHOR_NAME=Bob", "GIT_AUTHOR_EMAIL=bob@example.org", "GIT_COMMITTER_NAME=Bob", "GIT_COMMITTER_EMAIL=bob@example.org")
		if out, err := cmd.CombinedOutput(); err != nil {
			s.Fatalf("git %v: %v\n%s", args, err, out)
		}
		if args[0] == "push" {
			s.takeOver()
		}
	}
	git("clone", "-q", "-b", "main", s.git, ".")
	return git, dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// limited mints a token that shows the entries of one organisation, without
// their notes.
func (s *server) limited(org string) string {
	s.Helper()
	return s.limitedAs("lou", org)
}

func (s *server) limitedAs(subject, org string) string {
	s.Helper()
	token, err := auth.Mint(s.issuer, auth.Claims{Subject: subject, Roles: []string{"limited"}, TTL: time.Hour,
		Extra: map[string]any{"org": []string{org}}})
	if err != nil {
		s.Fatal(err)
	}
	return token
}

func TestEventsOfEditsAndPushes(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "avant", sample)
	w := s.watch(s.token, "")

	s.create("consultations", "plan-velo", sample)
	m := w.want("created plan-velo")
	if m.id != s.head() || m.event.Commit != m.id || m.event.Author.Name != "Ann Éditrice" || m.event.Path != "_consultations/plan-velo.md" ||
		!slices.Contains(m.event.Changed, "title") || !slices.Contains(m.event.Changed, "body") || m.event.Revision == "" {
		t.Errorf("got %+v at %s", m, s.head())
	}
	s.patch("plan-velo", `{"fields":{"note":4}}`)
	if m = w.want("updated plan-velo"); !slices.Equal(m.event.Changed, []string{"note"}) {
		t.Errorf("got changed %q, want the note alone", m.event.Changed)
	}
	if res := s.do(request{method: "DELETE", path: entryPath("plan-velo"), header: map[string]string{"If-Match": "*"}}); res.status >= 300 {
		t.Fatalf("delete: got %d %s", res.status, res.body)
	}
	if m = w.want("deleted plan-velo"); m.event.Revision != "" {
		t.Errorf("a deleted entry has the revision %s", m.event.Revision)
	}

	git, dir := s.clone()
	write(t, dir, "_consultations/tram.md", sample)
	write(t, dir, "LISEZ-MOI", "No entry: nothing is told of it.\n")
	git("add", ".")
	git("commit", "-qm", "Ajouter le tram")
	git("mv", "_consultations/avant.md", "_consultations/apres.md")
	git("commit", "-qam", "Renommer")
	git("push", "-q", "origin", "main")
	if m = w.want("created tram"); m.event.Author.Name != "Bob" || m.id != m.event.Commit {
		t.Errorf("got %+v, want an event of the pushed commit by Bob", m)
	}
	if m = w.want("moved apres"); m.event.From != "_consultations/avant.md" || m.id != s.head() {
		t.Errorf("got %+v, want a move from avant at %s", m, s.head())
	}
}

// Whoever is cut off, wherever that is, and comes back with the last id gets
// each event once, in order.
func TestEventsAreResumed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "premier", sample)
	start := s.head()
	git, dir := s.clone()
	var all []string
	for n := range 6 { // commits of one, two and three entries
		for k := range n%3 + 1 {
			slug := fmt.Sprintf("c%d-%d", n, k)
			write(t, dir, "_consultations/"+slug+".md", sample)
			all = append(all, "created "+slug)
		}
		git("add", ".")
		git("commit", "-qm", "Ajouter")
	}
	git("push", "-q", "origin", "main")

	whole := s.watch(s.token, start)
	whole.want(all...)
	whole.close()
	for cut := range all {
		first := s.watch(s.token, start)
		last, known := start, 0 // what a client of the standard keeps: the last id
		for i := range cut + 1 {
			if m := first.next(); m.id != "" {
				last, known = m.id, i+1
			}
		}
		first.close()
		second := s.watch(s.token, last)
		second.want(all[known:]...)
		slug := fmt.Sprintf("apres-%d", cut)
		s.create("consultations", slug, sample)
		second.want("created " + slug) // and nothing between
		second.close()
		all = append(all, "created "+slug)
	}
}

func TestEventStreamBeats(t *testing.T) {
	t.Parallel()
	s := newServerWith(t, func(o *options) { o.Heartbeat = 10 * time.Millisecond })
	w := s.watch(s.token, "")
	for range 3 {
		if m := w.next(); m.comment != "alive" {
			t.Errorf("got %+v, want a comment that the stream is alive", m)
		}
	}
}

func TestEventsResetAfterRewrittenHistory(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "un", sample)
	s.create("consultations", "deux", sample)
	old := s.head()
	w := s.watch(s.token, "")
	git, dir := s.clone()
	write(t, dir, "_consultations/trois.md", sample)
	git("add", ".")
	git("commit", "-q", "--amend", "-m", "Tout autre")
	git("push", "-qf", "origin", "main")

	m := w.next()
	var told api.Reset
	if err := json.Unmarshal([]byte(m.data), &told); err != nil || m.name != "reset" || m.id != s.head() || told.Commit != s.head() || told.Previous != old {
		t.Errorf("got %+v, want a reset to %s", m, s.head())
	}
	kept, err := os.ReadFile(filepath.Join(s.git, filepath.FromSlash(told.Backup)))
	if !strings.HasPrefix(told.Backup, "refs/cms/backup/") || strings.TrimSpace(string(kept)) != old {
		t.Errorf("the backup %q is at %q, %v; want %s", told.Backup, kept, err, old)
	}
	back := s.watch(s.token, old)
	if m := back.next(); m.name != "reset" || m.id != s.head() {
		t.Errorf("got %+v for a commit that is gone, want a reset", m)
	}
	s.create("consultations", "quatre", sample)
	w.want("created quatre")
	back.want("created quatre")

	for _, id := range []string{"x", strings.Repeat("g", 40), old[:39]} {
		res := s.do(request{method: "GET", path: "/v1/events", header: map[string]string{"Last-Event-ID": id}})
		if res.status != http.StatusUnprocessableEntity && res.status != http.StatusBadRequest {
			t.Errorf("Last-Event-ID %q: got %d %s, want a refusal", id, res.status, res.body)
		}
		s.problem(res)
	}
}

func TestEventStreamsEnd(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	short, err := auth.Mint(s.issuer, auth.Claims{Subject: "ann", Roles: []string{"editor"}, TTL: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	expiring, lasting := s.watch(short, ""), s.watch(s.token, "")
	expiring.ended()
	s.create("consultations", "apres", sample)
	lasting.want("created apres")

	s.api.EndStreams()
	s.api.EndStreams() // as often as one likes
	lasting.ended()
	s.watch(s.token, "").ended()
}

// What a watcher may not see does not happen to them.
func TestEventsOfLimitedRoles(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	theirs := strings.Replace(sample, "Ville de Valmont", "Ville d’Aubeterre", 1)
	reader, limited, editor := s.watch(s.mint("reader"), ""), s.watch(s.limited("Ville de Valmont"), ""), s.watch(s.token, "")

	s.create("pages", "accueil", "---\ntitle: Accueil\n---\n")
	s.create("consultations", "eux", theirs)
	s.create("consultations", "nous", sample)
	editor.want("created accueil", "created eux", "created nous")
	reader.want("created eux", "created nous")
	m := limited.want("created nous")
	whole := s.do(request{method: "GET", path: entryPath("nous")}).header.Get("ETag")
	if slices.Contains(m.event.Changed, "note") || !slices.Contains(m.event.Changed, "title") || m.event.Revision == "" || `"`+m.event.Revision+`"` == whole {
		t.Errorf("got %+v, want no note in it, nor the revision of the whole file", m.event)
	}

	s.patch("nous", `{"fields":{"note":5}}`) // hidden from the limited
	s.patch("nous", `{"fields":{"note":2,"title":"Plan marche"}}`)
	reader.want("updated nous", "updated nous")
	if m := limited.want("updated nous"); !slices.Equal(m.event.Changed, []string{"title"}) {
		t.Errorf("got changed %q, want the title alone", m.event.Changed)
	}
	s.patch("nous", `{"fields":{"organisateur":"Ville d’Aubeterre"}}`)
	reader.want("updated nous")
	if m := limited.want("deleted nous"); m.event.Revision != "" {
		t.Errorf("an entry that went out of view has the revision %s", m.event.Revision)
	}
	s.patch("nous", `{"fields":{"organisateur":"Ville de Valmont"}}`)
	reader.want("updated nous")
	limited.want("created nous")
}

func TestManyWatchers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "avant", sample)
	watches := make([]*watch, 100)
	for i := range watches {
		watches[i] = s.watch(s.token, "")
	}
	var want []string
	for n := range 20 {
		slug := fmt.Sprintf("c%02d", n)
		s.create("consultations", slug, sample)
		want = append(want, "created "+slug)
	}
	var wg sync.WaitGroup
	for _, w := range watches {
		wg.Go(func() {
			for _, event := range want {
				select {
				case m := <-w.messages:
					if got := m.event.Action + " " + m.event.Slug; got != event {
						t.Errorf("got %s, want %s", got, event)
						return
					}
				case <-time.After(patience):
					t.Errorf("%s does not come", event)
					return
				}
			}
		})
	}
	wg.Wait()
	s.api.EndStreams()
	for _, w := range watches {
		w.ended()
	}
}

func TestEventsEndWhenTheTokenIsRevoked(t *testing.T) {
	t.Parallel()
	issuer := auth.Issuer{Issuer: "bots", Audience: "cms", Algorithms: []string{"HS256"}, Secret: []byte("fedcba9876543210fedcba9876543210")}
	var revoked atomic.Bool
	s := newServerWith(t, func(o *options) {
		var err error
		o.Verifier, err = auth.NewVerifier(auth.Options{Issuers: []auth.Issuer{issuer}, Revoked: func(issuer, id string) bool {
			return revoked.Load() && issuer == "bots" && id == "leaked"
		}})
		if err != nil {
			t.Fatal(err)
		}
	})
	mint := func(id string) string {
		token, err := auth.Mint(issuer, auth.Claims{ID: id, Subject: "bot", Roles: []string{"editor"}, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	s.token = mint("kept")
	leaked, kept := s.watch(mint("leaked"), ""), s.watch(s.token, "")
	revoked.Store(true)
	leaked.ended()
	s.create("consultations", "plan", sample)
	kept.want("created plan")
}

func TestEventsOfASession(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  func(*browser, *auth.Accounts) error
	}{
		{"end when the account is disabled", func(b *browser, a *auth.Accounts) error { return a.SetDisabled(b.Context(), email, true) }},
		{"end with a logout", func(b *browser, _ *auth.Accounts) error {
			if res := b.send(request{method: "POST", path: "/v1/auth/logout"}); res.status != http.StatusNoContent {
				return fmt.Errorf("got %d %s", res.status, res.body)
			}
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, db := newLoginServer(t, "http://localhost:8080")
			b := s.browser()
			b.login()
			w := b.watch()
			s.create("consultations", "plan", sample)
			w.want("created plan")
			if err := c.end(b, auth.NewAccounts(db, []string{"editor"})); err != nil {
				t.Fatal(err)
			}
			w.ended()
		})
	}
}

func TestEventsOfMedia(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	editor, photographer, reader := s.watch(s.token, ""), s.watch(s.mint("photographer"), ""), s.watch(s.mint("reader"), "")
	picture := encodedPNG(t)
	put := func(path string, header ...string) {
		t.Helper()
		if res := s.upload(path, picture, "", header...); res.status >= 300 {
			t.Fatalf("got %d %s", res.status, res.body)
		}
	}
	put("prive/a.png", "If-None-Match", "*")
	put("photos/b.png?message=Un+secret", "If-None-Match", "*")
	git, _ := s.clone()
	git("mv", "img/prive/a.png", "img/photos/a.png")
	git("commit", "-q", "-m", "Montre")
	git("mv", "img/photos/b.png", "img/photos/c.png")
	git("commit", "-q", "-m", "Renomme")
	git("mv", "img/photos/a.png", "img/prive/d.png")
	git("commit", "-q", "-m", "Cache")
	git("push", "-q")
	if res := s.do(request{method: "DELETE", path: "/v1/media/photos/c.png", header: map[string]string{"If-Match": "*"}}); res.status != 204 {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	s.create("consultations", "plan", sample)

	want := func(w *watch, events ...string) {
		t.Helper()
		for _, want := range events {
			m := w.next()
			got := strings.TrimSpace(m.name + " " + m.event.Media + " " + m.event.Slug + " " + strings.TrimPrefix(m.event.From, "img/"))
			if got != want || m.event.Media != "" && m.event.Path != "img/"+m.event.Media || (m.event.Revision == "") != (m.event.Action == "deleted") {
				t.Fatalf("got %q in %+v, want %q", got, m, want)
			}
		}
	}
	want(editor, "media.created prive/a.png", "media.created photos/b.png", "media.moved photos/a.png  prive/a.png", "media.moved photos/c.png  photos/b.png",
		"media.moved prive/d.png  photos/a.png", "media.deleted photos/c.png", "entry.created  plan")
	want(photographer, "media.created photos/b.png", "media.created photos/a.png", "media.moved photos/c.png  photos/b.png", "media.deleted photos/a.png", "media.deleted photos/c.png")
	want(reader, "entry.created  plan")

	told := string(s.do(request{method: "GET", path: "/v1/changes", token: s.mint("photographer")}).body)
	if !strings.Contains(told, `"media":"photos/b.png"`) || !strings.Contains(told, "Create media/photos/b.png") {
		t.Errorf("got %s, want the changes of photos", told)
	}
	for _, hidden := range []string{"prive", "secret", "plan"} {
		if strings.Contains(told, hidden) {
			t.Errorf("%s tells of %s", told, hidden)
		}
	}
}
