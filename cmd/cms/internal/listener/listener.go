// Package listener hides the receiving side of webhooks, for those who build
// their site on a machine of their own: it takes signed events, runs a command
// for them, one at a time, and reports to the service what became of it.
package listener

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"cms/trace"
	"cms/webhooks"
)

const maxHook = 1 << 20 // bytes of a webhook's body

// Options are the parts of a Listener.
type Options struct {
	Secrets    []string      // of the endpoint, as whsec_ and base64; several during a rotation, the first one signs
	Command    string        // for sh -c
	Dir        string        // where it runs; "" is the current folder
	Repository string        // path or URL that Dir is cloned from and kept at the newest commit; "": Dir is left to the command
	Branch     string        // of Repository; "" is the one that its HEAD names
	Coalesce   time.Duration // how long a build waits for more events
	Report     string        // the service's public URL; "" to believe the events, "none" not to report
	SiteURL    string        // where a build can be seen, for the report
	PageURLs   []string      // patterns of where the pages of entries are; none looks for no pages
	PageWait   time.Duration // how long a page is looked for that is not there after a build
	Output     io.Writer     // of the command
	Logger     *slog.Logger

	pause time.Duration // before Repository is asked again at first; firstPause if zero
}

// A repository that cannot be read, or lacks what an event told of, as a Git host does that
// it is not pushed to yet, is asked again: first after firstPause, and then each time after
// twice as long, up to lastPause.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
)

// Listener takes webhooks and builds. What comes during a build leads to one
// more, so that the last one always is of the newest commit.
type Listener struct {
	o        Options
	verify   []*standardwebhooks.Webhook
	reporter *reporter
	pages    *pages        // nil where none are looked for
	untold   bool          // the last build that succeeded was reported to nobody; owned by Run
	tried    string        // the commit of the last build; owned by Run
	unread   bool          // Repository could not be read since an event asked for it; owned by Run
	wake     chan struct{} // holds one value when an event came since the last build began

	mu      sync.Mutex
	newest  event             // of those that came
	built   string            // the commit of the last build that succeeded; set by Run
	changed map[string]string // the entries whose pages are to be looked for, with their files
}

// event is what a build needs to know of a CloudEvent.
type event struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Source   string    `json:"source"`   // the public URL of the service
	Sequence string    `json:"sequence"` // in the history, as text; "" from a service of an earlier version
	Time     time.Time `json:"time,omitzero"`
	Data     struct {
		Commit     string `json:"commit"`
		Collection string `json:"collection"`
		Slug       string `json:"slug"`
		Path       string `json:"path"`
		Action     string `json:"action"`
		From       string `json:"from"` // the file of what was moved
	} `json:"data"`
}

// New checks o.
func New(o Options) (*Listener, error) {
	if len(o.Secrets) == 0 || o.Command == "" || o.Output == nil || o.Logger == nil {
		return nil, errors.New("listen: a secret, a command, an output and a logger are required")
	}
	if o.Repository != "" && o.Dir == "" {
		return nil, errors.New("listen: a repository needs a folder to be checked out in")
	}
	// Git runs in Dir, and a path is meant from here.
	if _, err := os.Stat(o.Repository); o.Repository != "" && (err == nil || isPath(o.Repository)) {
		if o.Repository, err = filepath.Abs(o.Repository); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	o.pause = cmp.Or(o.pause, firstPause)
	l := &Listener{o: o, wake: make(chan struct{}, 1), changed: map[string]string{}}
	var err error
	if l.pages, err = newPages(o.PageURLs, o.Dir, o.PageWait); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	for _, secret := range o.Secrets {
		w, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return nil, errors.New("listen: the secret is not whsec_ and base64")
		}
		l.verify = append(l.verify, w)
	}
	if o.Report != "none" {
		l.reporter = newReporter(l.verify[0], o.Report, o.SiteURL)
	}
	return l, nil
}

// ServeHTTP takes a signed webhook, by POST at any path, and answers at once
// with 204; Run builds. Events that tell of no content, such as a test or a
// deployment's, are taken and lead to nothing.
func (l *Listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "send a webhook by POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHook))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		http.Error(w, "the body is too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	if !l.signed(body, r.Header) {
		l.o.Logger.Warn("a webhook was refused: its signature is not valid", "remote", r.RemoteAddr)
		http.Error(w, "the signature is not valid", http.StatusUnauthorized)
		return
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		http.Error(w, "the body is no CloudEvent", http.StatusBadRequest)
		return
	}
	if e.Data.Commit != "" && !isCommit(e.Data.Commit) {
		http.Error(w, "the event's commit is no id of one", http.StatusBadRequest)
		return
	}
	l.receive(e)
	w.WriteHeader(http.StatusNoContent)
}

func (l *Listener) signed(body []byte, header http.Header) bool {
	for _, w := range l.verify {
		if w.Verify(body, header) == nil {
			return true
		}
	}
	return false
}

// after says whether e stands behind o in the history of the service that tells of
// both. The time is when something was authored, and says nothing of that. Where
// there is no sequence, e counts once o is built, and before that unless it is older.
func (e *event) after(o *event, built bool) bool {
	if e.Source == o.Source && e.Sequence != "" && o.Sequence != "" {
		return e.Sequence >= o.Sequence
	}
	return built || e.Source != o.Source || e.Sequence != "" || e.Time.IsZero() || !e.Time.Before(o.Time)
}

// receive notes an event. Of events that come out of order, as they may for
// different entries, the one that is last in the history counts.
func (l *Listener) receive(e event) {
	if !content(e.Type) || e.Data.Commit == "" {
		l.o.Logger.Info("an event that needs no build", "type", e.Type)
		return
	}
	l.mu.Lock()
	if e.after(&l.newest, l.newest.Data.Commit == l.built) {
		l.newest = e
	}
	l.note(e)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default: // a build is due anyway
	}
}

// note remembers the entry of an event, whose page is to be looked for. The lock is held.
func (l *Listener) note(e event) {
	entry := e.Data.Collection + "/" + e.Data.Slug
	if l.pages == nil || e.Data.Collection == "" || e.Data.Slug == "" {
		return
	}
	if from := e.Data.From; from != "" {
		maps.DeleteFunc(l.changed, func(_, file string) bool { return file == from })
	}
	_, known := l.changed[entry]
	_, _, asked := l.pages.of(e.Data.Collection, e.Data.Slug)
	switch {
	case e.Data.Action == "deleted":
		delete(l.changed, entry)
	case asked && (known || len(l.changed) < maxPages):
		l.changed[entry] = e.Data.Path
	case asked:
		l.o.Logger.Warn("there are more entries than are remembered: the page of one is not looked for", "entry", entry)
	}
}

// due are the entries whose pages are to be looked for, in order.
func (l *Listener) due() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.changed))
}

// lookFor looks for the pages of entries after a build, and forgets those that are there.
func (l *Listener) lookFor(ctx context.Context, entries []string) (found, missing []string) {
	if len(entries) == 0 {
		return nil, nil
	}
	found, missing = l.pages.look(ctx, entries)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, entry := range found {
		delete(l.changed, entry)
	}
	for _, entry := range missing {
		collection, slug, _ := strings.Cut(entry, "/")
		at, _, _ := l.pages.of(collection, slug)
		l.o.Logger.Warn("the page of an entry is not on the site", "entry", entry, "page", at)
	}
	return found, missing
}

// Run builds until ctx ends: at once, when a repository is given and there is
// a commit that was not built yet, after each event, and once the repository has what the
// last one told of. A command that still
// runs when ctx ends is told so by SIGTERM and has ten seconds. Run returns nil.
func (l *Listener) Run(ctx context.Context) error {
	asked, pause := l.o.Repository != "", l.o.pause
	for {
		var again <-chan time.Time // nil where there is nothing to ask again for
		if (asked || l.o.Repository != "") && l.build(ctx, asked) {
			again = time.After(pause)
			pause = min(2*pause, lastPause)
		}
		select {
		case <-l.wake:
			asked, pause = true, l.o.pause
		case <-again:
			asked = false
			continue
		case <-ctx.Done():
			return nil
		}
		select {
		case <-time.After(l.o.Coalesce):
		case <-ctx.Done():
			return nil
		}
		l.clearWake()
	}
}

// clearWake forgets what came while a build waited: it will be part of it.
func (l *Listener) clearWake() {
	select {
	case <-l.wake:
	default:
	}
}

// build runs the command for the newest commit, unless that was built already, and
// reports. Where nobody asked for it since the last one, what failed stays as it is. It says
// whether the repository may be behind the events, or cannot be read.
func (l *Listener) build(ctx context.Context, asked bool) (behind bool) {
	entries := l.due() // which the build has, or an earlier one had
	l.mu.Lock()
	e := l.newest
	l.mu.Unlock()
	commit := e.Data.Commit
	log := l.o.Logger
	told := l.unread // that it failed
	if l.o.Repository != "" {
		tip, err := checkout(ctx, l.o.Repository, l.o.Branch, l.o.Dir)
		if err != nil {
			log.Error("the newest commit could not be checked out", "error", err)
			if asked {
				l.unread = true
				l.report(ctx, e.Source, report{Commit: commit, State: failed, Reason: webhooks.Reason(err.Error())})
			}
			return true
		}
		l.unread, asked = false, asked || l.unread
		if behind = !contains(ctx, l.o.Dir, commit); behind && asked {
			log.Warn("the repository does not have yet what an event told of", "commit", commit, "newest", tip)
		}
		if commit = tip; behind {
			entries = nil // some may be of what is not there yet
		}
	}
	if commit == l.tried && !asked {
		return behind
	}
	l.tried = commit
	if commit == l.built {
		if found, missing := l.lookFor(ctx, entries); l.untold || told || len(found)+len(missing) > 0 { // events that came behind those that it was built for
			l.report(ctx, e.Source, report{Commit: commit, State: live, Found: found, Missing: missing})
			l.untold = l.nobody(e.Source)
		}
		return behind
	}
	log.Info("building", "commit", commit)
	l.report(ctx, e.Source, report{Commit: commit, State: building})
	began := time.Now()
	if output, err := l.run(ctx, commit); err != nil {
		reason := cmp.Or(webhooks.Reason(output), err.Error())
		log.Error("the build failed", "commit", commit, "error", err, trace.Duration(time.Since(began)), "reason", reason)
		l.report(ctx, e.Source, report{Commit: commit, State: failed, Reason: reason})
		return behind
	}
	l.mu.Lock()
	l.built = commit
	l.mu.Unlock()
	log.Info("built", "commit", commit, trace.Duration(time.Since(began)))
	found, missing := l.lookFor(ctx, entries)
	l.report(ctx, e.Source, report{Commit: commit, State: live, Found: found, Missing: missing})
	l.untold = l.nobody(e.Source)
	return behind
}

// nobody says whether there is nobody to report to yet: no event has told where the
// service is.
func (l *Listener) nobody(source string) bool {
	return l.reporter != nil && source == "" && l.o.Report == ""
}

// report tells the service, where there is one to tell. A report that does not
// get through keeps no build from being made.
func (l *Listener) report(ctx context.Context, source string, r report) {
	if l.reporter == nil || r.Commit == "" || l.nobody(source) {
		return
	}
	if err := l.reporter.send(ctx, source, r); err != nil {
		l.o.Logger.Warn("the build could not be reported", "commit", r.Commit, "state", string(r.State), "error", err)
	}
}

// content reports whether events of the type tell of new content. A prefix in front of
// it is a setting of the endpoint.
func content(eventType string) bool {
	parts := strings.Split(eventType, ".")
	return len(parts) > 1 && slices.Contains([]string{"entry", "media", "repository"}, parts[len(parts)-2])
}

// isCommit says whether s can be the whole id of a commit, by SHA-1 or SHA-256. A
// command may put it anywhere.
func isCommit(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}
