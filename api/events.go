package api

import (
	"cmp"
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"cms/api/openapi"
	"cms/site"
	"cms/web"
)

type eventsInput struct {
	LastEventID string `header:"Last-Event-ID" pattern:"^[0-9a-f]{40}$" doc:"The id of the last event that you had: the stream begins behind its commit. Without it, it begins now."`
}

var streamEventsDoc = doc{
	ID: "stream-events", Tag: "Changes",
	Summary: "Stream changes as they happen",
	Text: "Server-sent events entry.created, .updated, .deleted and .moved, and the same of media, whose data is an Event. The first one, ready, names the commit where it begins. " +
		"The id of the last event of a commit is the commit, from which a client can go on. An event reset says that the commit of Last-Event-ID is no longer in the history: its data has the commit of now, yours as previous and, as backup, the reference that keeps it. " +
		"An event deployment, without an id, is a Deployment. A comment comes every 15 seconds. It ends with the token or the session. 429 beyond the streams of a caller, 503 beyond those of all.",
	Responses: map[int]any{200: map[string]any{"text/event-stream": openapi.Stream{}}},
}

// beginning is the id of what comes before the first commit.
const beginning = "0000000000000000000000000000000000000000"

func (a *API) streamEvents(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	pr := web.Principal(ctx)
	visibility, err := a.site.Sees(pr) // whether they may at all
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	open, err := a.streams.Open(web.CallerKey(pr))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	head, _ := a.site.Head()
	w := &watcher{events: a.events, principal: pr, visibility: visibility, at: site.Place{Commit: head}, lastBuild: time.Now().Truncate(time.Millisecond).Add(-1)}
	switch in.LastEventID {
	case "":
	case beginning:
		w.at.Commit = ""
	default:
		w.at.Commit = in.LastEventID
	}
	// An event with an id, so that who is cut off before the first change goes on from here.
	id := cmp.Or(w.at.Commit, beginning)
	hello := message("ready", id, Ready{id})
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, out := humamux.Unwrap(hc)
		open.Serve(out, r, hello, w)
	}}, nil
}

// EndStreams ends every event stream, now and from now on, so that a server can
// shut down without waiting for its watchers.
func (a *API) EndStreams() { a.streams.End() }
