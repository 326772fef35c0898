package webhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"cms/content"
	"cms/site"
	"cms/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ann = site.Person{Name: "Ann Éditrice", Email: "ann@example.org"}

// path is a path that is right.
func path(s string) content.Path {
	p, err := content.ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

// history is a Source in memory. The zero history is a branch without commits.
type history struct {
	mu         sync.Mutex
	changes    []site.FileChange
	tip        string
	made       int
	superseded chan struct{}
	failures   int               // of the reads to come
	read       int               // changes that were handed out
	traced     trace.Context     // of the commits to come
	again      map[string]string // by commits that were made again, what stands for them
}

func (h *history) Head() (string, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.superseded == nil {
		h.superseded = make(chan struct{})
	}
	return h.tip, h.superseded
}

func (h *history) AsideAtTip(context.Context) ([]site.FileChange, error) { return nil, nil }

func (h *history) Changes(ctx context.Context, since, until string, limit int) ([]site.FileChange, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failures > 0 {
		h.failures--
		return nil, errors.New("disque illisible")
	}
	from := 0
	if since != "" {
		stands := h.again[since]
		from = 1 + slices.IndexFunc(h.changes, func(c site.FileChange) bool { return c.Commit == since || c.Commit == stands })
		if from == 0 {
			return nil, fmt.Errorf("since %s: %w", since, site.ErrUnknownCommit)
		}
		if stands != "" {
			from--
		}
		for from < len(h.changes) && h.changes[from].Commit == since {
			from++
		}
	}
	if !slices.ContainsFunc(h.changes[from:], func(c site.FileChange) bool { return c.Commit == until }) && until != since {
		return nil, fmt.Errorf("until %s: %w", until, site.ErrUnknownCommit)
	}
	to := len(h.changes)
	for to > from && h.changes[to-1].Commit != until {
		to--
	}
	if limit > 0 && to-from > limit {
		n := from + limit
		for n < to && h.changes[n].Commit == h.changes[n-1].Commit {
			n++
		}
		to = n
	}
	h.read += to - from
	return slices.Clone(h.changes[from:to]), ctx.Err()
}

func (h *history) Depth(commit string) (int, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.changes, func(c site.FileChange) bool { return c.Commit == commit })
	if i < 0 {
		return 0, false
	}
	return h.changes[i].Depth, true
}

func (h *history) HasCommit(commit string) bool {
	_, ok := h.Depth(commit)
	return ok
}

func (h *history) Backup(_ context.Context, commit string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failures > 0 {
		h.failures--
		return "", errors.New("disque illisible")
	}
	return "refs/cms/backup/" + commit, nil
}

// commit makes a commit of an update to each slug of the collection
// "consultations"; a slug that begins with a slash is a file elsewhere.
func (h *history) commit(slugs ...string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.made++
	h.tip = fmt.Sprintf("%040x", h.made)
	depth := 1
	if n := len(h.changes); n > 0 {
		depth += h.changes[n-1].Depth
	}
	for _, s := range slugs {
		c := site.FileChange{Change: site.Change{Commit: h.tip, Depth: depth, Action: "updated", At: time.Unix(int64(h.made), 0), Author: ann}, Changed: []string{"title"}, Trace: h.traced}
		if c.Path = path(strings.TrimPrefix(s, "/")); s[0] != '/' {
			c.Collection, c.Slug, c.Path = "consultations", s, path("_consultations/"+s+".md")
		}
		h.changes = append(h.changes, c)
	}
	h.publish()
	return h.tip
}

// rewrite replaces all of the history with a commit.
func (h *history) rewrite(slug string) string {
	h.mu.Lock()
	h.changes = nil
	h.mu.Unlock()
	return h.commit(slug)
}

// state is all of the history, for force.
func (h *history) state() []site.FileChange {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.changes)
}

// force makes the history what it was before.
func (h *history) force(was []site.FileChange) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changes, h.tip = slices.Clone(was), was[len(was)-1].Commit
	h.publish()
}

func (h *history) publish() {
	if h.superseded != nil {
		close(h.superseded)
	}
	h.superseded = make(chan struct{})
}

// arrival is a request that a receiver got and whose signature it verified.
type arrival struct {
	at                   time.Time
	id, stamp, signature string
	body                 string
	header               http.Header
	event                Event
	status               int // of the answer; 0 when the connection was cut instead
}

// receiver verifies what it gets as a user of the library would, and then
// leaves the answer to answer; nil, or no status, is 204. n counts requests from 0.
type receiver struct {
	answer func(n int, w http.ResponseWriter, r *http.Request)

	mu       sync.Mutex
	requests int
	forged   []string
	got      []arrival
}

func (rc *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	library, _ := standardwebhooks.NewWebhook(secret)
	a := arrival{at: time.Now(), body: string(body), header: r.Header,
		id: r.Header.Get("webhook-id"), stamp: r.Header.Get("webhook-timestamp"), signature: r.Header.Get("webhook-signature")}
	err = errors.Join(err, library.Verify(body, r.Header), json.Unmarshal(body, &a.event))
	rc.mu.Lock()
	n := rc.requests
	rc.requests++
	if err != nil {
		rc.forged = append(rc.forged, err.Error())
	}
	rc.got = append(rc.got, a)
	mine := len(rc.got) - 1
	rc.mu.Unlock()
	tell := func(status int) {
		rc.mu.Lock()
		defer rc.mu.Unlock()
		rc.got[mine].status = status
	}
	tells := &teller{w, tell, false}
	if rc.answer != nil {
		rc.answer(n, tells, r)
	}
	if !tells.told {
		tells.WriteHeader(http.StatusNoContent)
	}
}

// teller tells the status of an answer.
type teller struct {
	http.ResponseWriter
	tell func(status int)
	told bool
}

func (t *teller) WriteHeader(status int) {
	t.tell(status)
	t.told = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *teller) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// arrivals are those so far.
func (rc *receiver) arrivals(t testing.TB) []arrival {
	t.Helper()
	rc.mu.Lock()
	defer rc.mu.Unlock()
	for _, f := range rc.forged {
		t.Errorf("the library refuses a request: %s", f)
	}
	return slices.Clone(rc.got)
}

func subjects(got []arrival) (s []string) {
	for _, a := range got {
		if s = append(s, a.event.Subject); a.event.Subject == "" {
			s[len(s)-1] = a.event.Type
		}
	}
	return s
}

// start runs r until the returned function is called, which waits for Run.
func start(r *Relay) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	return func() { cancel(); <-done }
}

// local is an endpoint for the receiver at s.
func local(name string, s *httptest.Server) Endpoint {
	return Endpoint{Name: name, URL: s.URL + "/hook", Secret: secret, AllowPrivate: true}
}

// logged is a logger and what it wrote.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
