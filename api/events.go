package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"cms/api/openapi"
	"cms/auth"
	"cms/site"
	"cms/web"
)

// Event is what a commit did to an entry or to a file of the media folder.
type Event struct {
	Collection string   `json:"collection,omitempty" doc:"Absent of a file of the media folder." example:"consultations"`
	Slug       string   `json:"slug,omitempty" doc:"Absent of a file of the media folder." example:"plan-velo"`
	Media      string   `json:"media,omitempty" doc:"Of a file of the media folder alone: its path below that." example:"photos/atelier.jpg"`
	Path       string   `json:"path" doc:"Where the file is; of a deleted one, where it was."`
	From       string   `json:"from,omitempty" doc:"Where a moved file was."`
	Action     string   `json:"action" enum:"created,updated,deleted,moved"`
	Revision   string   `json:"revision,omitempty" doc:"The revision after it; absent where it was deleted."`
	Commit     string   `json:"commit"`
	Sequence   string   `json:"sequence,omitempty" doc:"Of two events the one whose sequence is greater, compared as text, happened later; those of one commit share it. Webhooks tell the same. Absent while the database does not answer." example:"1764115200-0000000042"`
	Author     Person   `json:"author"`
	Changed    []string `json:"changed" doc:"The fields of the entry that differ; body for the body."`
}

// kind is entry or media.
func kind(c *site.FileChange) string {
	if c.Media != "" {
		return auth.Media
	}
	return "entry"
}

func eventOf(c *site.FileChange, sequence func(depth int) string) Event {
	e := Event{
		Collection: c.Collection, Slug: c.Slug, Media: c.Media, Path: c.Path.String(), From: c.From, Action: c.Action,
		Revision: c.Revision, Commit: c.Commit, Sequence: sequence(c.Depth), Author: Person(c.Author), Changed: c.Changed,
	}
	if e.Changed == nil {
		e.Changed = []string{}
	}
	return e
}

// sequences gives what is read next its sequences. Ask before it is read: what the
// history becomes meanwhile is then told as earlier, never as later, than what
// follows.
func (a *API) sequences(ctx context.Context) func(depth int) string {
	none := func(int) string { return "" }
	if a.outbound == nil {
		return none
	}
	head, _ := a.site.Head()
	sequence, err := a.outbound.Sequences(ctx, head)
	if err != nil {
		if ctx.Err() == nil {
			a.log.WarnContext(ctx, "changes are told without their sequence", "error", err)
		}
		return none
	}
	return sequence
}

// Feed is a part of what happened since a commit.
type Feed struct {
	Items []FeedItem `json:"items" doc:"Oldest first. A commit is told whole or not at all."`
	Until string     `json:"until" doc:"The last commit that was looked at. Give it as since to go on."`
	More  bool       `json:"more" doc:"Whether there are later commits."`
}

// FeedItem is an event, and what its commit says of itself.
type FeedItem struct {
	Event
	At      time.Time `json:"at" doc:"When the commit was authored, RFC 3339."`
	Message string    `json:"message" doc:"The commit's subject."`
}

type changesInput struct {
	Since string `query:"since" pattern:"^[0-9a-f]{40}$" doc:"The commit after which to begin; without it, the first one is the beginning."`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"After about this many changes the answer ends, at the end of a commit."`
}

var listChangesDoc = doc{
	id: "list-changes", tag: "Changes",
	summary:   "What changed since a commit",
	text:      "The changes of the entries and files that you may read, in the order of history. A commit that is not in the history, as after it was rewritten, is 404: read what you need afresh then.",
	responses: map[int]any{200: Feed{}},
	problems:  []int{400, 404},
}

func (a *API) listChanges(ctx context.Context, in *changesInput) (*reply, error) {
	sequence := a.sequences(ctx)
	seen, err := a.site.Since(ctx, web.Principal(ctx), in.Since, in.Limit)
	if err != nil {
		return nil, err
	}
	feed := Feed{Items: []FeedItem{}, Until: seen.Until, More: seen.More}
	for i := range seen.Changes {
		c := &seen.Changes[i]
		feed.Items = append(feed.Items, FeedItem{eventOf(c, sequence), c.At, c.Message})
	}
	return answer(http.StatusOK, feed)
}

// How the event stream behaves.
const (
	heartbeat   = 15 * time.Second // where Options name no other
	streamWrite = 30 * time.Second // for one write to a watcher
)

type eventsInput struct {
	LastEventID string `header:"Last-Event-ID" pattern:"^[0-9a-f]{40}$" doc:"The id of the last event that you had: the stream begins behind its commit. Without it, it begins now."`
}

// Reset is that a watcher's commit is not in the history any more.
type Reset struct {
	Commit   string `json:"commit"`           // where the history is now
	Previous string `json:"previous"`         // the watcher's commit
	Backup   string `json:"backup,omitempty"` // the reference of the repository that keeps it
}

var streamEventsDoc = doc{
	id: "stream-events", tag: "Changes",
	summary: "What changes, as it does",
	text: "Server-sent events, of the types entry.created, entry.updated, entry.deleted and entry.moved, and the same of media, whose data is an Event as JSON. " +
		"The first event, ready, says from which commit on they are told, and has it as its id. The last event of each commit has the commit as its id. Who does not take the events in time is cut off, and goes on with that. An event reset says that the commit of Last-Event-ID is not in the history any more: " +
		"read what you need afresh. Its data has the commit that the history is at, yours as previous and, as backup, the reference of the repository that keeps yours, if one does. An event deployment, without an id, is a Deployment: what was reported of the build of a commit. A comment every 15 seconds shows that the stream is alive. It ends with the token or the session, also within seconds when those are taken back. 429 where you have as many streams open as one caller may, 503 where all of the service are taken.",
	responses: map[int]any{200: map[string]any{"text/event-stream": openapi.Stream{}}},
}

func (a *API) streamEvents(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	pr := web.Principal(ctx)
	sight, err := a.site.Sees(pr) // whether they may at all
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	leave, refused := a.streams.join(web.CallerKey(pr))
	if refused != nil {
		return nil, a.problem(ctx, refused)
	}
	head, _ := a.site.Head()
	s := &stream{api: a, principal: pr, sight: sight, at: site.Place{Commit: head}, builds: time.Now().Truncate(time.Millisecond).Add(-1)}
	switch in.LastEventID {
	case "":
	case beginning:
		s.at.Commit = ""
	default:
		s.at.Commit = in.LastEventID
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer leave()
		s.run(hc)
	}}, nil
}

// EndStreams ends every event stream, now and from now on, so that a server can
// shut down without waiting for its watchers.
func (a *API) EndStreams() { a.endStreams() }

// beginning is the id of what comes before the first commit.
const beginning = "0000000000000000000000000000000000000000"

// Ready is that a stream has begun.
type Ready struct {
	Commit string `json:"commit"` // up to which the watcher knows everything
}

// stream is one watcher's events.
type stream struct {
	api       *API
	principal *auth.Principal
	sight     string     // what they see, as [site.Site.Sees] names it
	at        site.Place // up to which the watcher knows everything
	builds    time.Time  // when the last build was reported that the watcher knows
	out       http.ResponseWriter
	control   *http.ResponseController
}

// run serves the watcher until they go, their token or session ends or is taken
// back, or the streams end. What a session's account may see is what counts at the
// moment.
func (s *stream) run(hc huma.Context) {
	r, w := humamux.Unwrap(hc)
	s.out, s.control = w, http.NewResponseController(w)
	_ = s.control.SetReadDeadline(time.Time{}) // a server without deadlines has none to lift
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if s.ready() != nil {
		return
	}
	ctx := r.Context()
	expiry := time.NewTimer(s.untilExpiry())
	defer expiry.Stop()
	beat := time.NewTicker(s.api.heartbeat)
	defer beat.Stop()
	look := time.NewTicker(auth.RevocationDelay)
	defer look.Stop()
	for {
		builds, news := s.api.streams.now()
		if s.catchUp(ctx) != nil || s.deployments(builds) != nil {
			return
		}
		for waiting := true; waiting; {
			select {
			case <-news:
				waiting = false
			case <-beat.C:
				if s.write([]byte(": alive\n\n")) != nil {
					return
				}
			case <-expiry.C: // a leeway may still let it in
				if err := s.look(r); err != nil {
					return
				}
				expiry.Reset(s.untilExpiry())
			case <-look.C:
				if err := s.look(r); err != nil {
					s.api.log.InfoContext(ctx, "event stream ends: its caller may not listen any more", "cause", err, "request_id", web.RequestID(ctx))
					return
				}
			case <-ctx.Done():
				return
			case <-s.api.streamsEnd:
				return
			}
		}
	}
}

// ready begins the stream with an event that has an id, so that who is cut off before
// the first change goes on from here.
func (s *stream) ready() error {
	id := cmp.Or(s.at.Commit, beginning)
	data, err := json.Marshal(Ready{id})
	if err != nil {
		return err
	}
	return s.write(fmt.Appendf(nil, "event: ready\nid: %s\ndata: %s\n\n", id, data))
}

// untilExpiry is when to look again whether the watcher's token is still good: when it
// expires and, within a leeway, each second.
func (s *stream) untilExpiry() time.Duration {
	if s.principal.Expires.IsZero() {
		return math.MaxInt64
	}
	return max(time.Second, time.Until(s.principal.Expires))
}

// look sees whether the caller of r may still listen, and to what.
func (s *stream) look(r *http.Request) (err error) {
	if s.principal, err = s.api.web.Caller(r); err == nil {
		s.sight, err = s.api.site.Sees(s.principal)
	}
	return err
}

// catchUp sends what has happened behind the place that the watcher knows.
func (s *stream) catchUp(ctx context.Context) error {
	unsent := 0
	for {
		if head, _ := s.api.site.Head(); head == s.at.Commit && s.at.Files == 0 {
			return s.flush(unsent)
		}
		t, err := s.api.streams.part(ctx, s.principal, s.sight, s.at)
		if err != nil {
			return s.failed(ctx, err)
		}
		err = s.put(t.events)
		unsent += len(t.events)
		stays := t.next == s.at
		s.at = t.next
		s.api.streams.release(t)
		if err != nil || stays {
			return errors.Join(err, s.flush(unsent))
		}
	}
}

// failed tells the watcher of an error where their commit is not there any more, and
// gives it where it ends the stream.
func (s *stream) failed(ctx context.Context, err error) error {
	if refused := (*site.Error)(nil); errors.As(err, &refused) && refused.Code == site.NotFound {
		return s.reset(ctx)
	}
	if ctx.Err() == nil {
		s.api.log.ErrorContext(ctx, "event stream ends", "error", err)
	}
	return err
}

// deployments sends what was reported of builds since the watcher knows.
func (s *stream) deployments(builds []toldBuild) error {
	from, _ := slices.BinarySearchFunc(builds, s.builds, func(b toldBuild, then time.Time) int {
		if b.At.After(then) {
			return 1
		}
		return -1
	})
	sent := 0
	for _, b := range builds[from:] {
		if err := s.put(b.event); err != nil {
			return err
		}
		s.builds, sent = b.At, sent+len(b.event)
	}
	return s.flush(sent)
}

// reset tells a watcher, whose commit is not in the history any more, to begin anew.
func (s *stream) reset(ctx context.Context) error {
	backup, err := s.api.site.Backup(ctx, s.at.Commit)
	if err != nil && ctx.Err() == nil { // it can be found in the repository, too
		s.api.log.WarnContext(ctx, "a reset is told without its backup", "error", err)
	}
	head, _ := s.api.site.Head()
	data, err := json.Marshal(Reset{head, s.at.Commit, backup})
	if err != nil {
		return err
	}
	s.at = site.Place{Commit: head}
	return s.write(fmt.Appendf(nil, "event: reset\nid: %s\ndata: %s\n\n", head, data))
}

// write sends text at once. A watcher that does not take it in time is given up, and
// goes on behind the last id that they got when they come back.
func (s *stream) write(text []byte) error {
	if err := s.put(text); err != nil {
		return err
	}
	return s.flush(len(text))
}

// put sends text, or leaves it to be sent with what follows.
func (s *stream) put(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(streamWrite))
	_, err := s.out.Write(text)
	return err
}

// flush sends what was put, if there is any.
func (s *stream) flush(unsent int) error {
	if unsent == 0 {
		return nil
	}
	return s.control.Flush()
}
