package api

import (
	"context"
	"net/http"
	"time"

	"cms/auth"
	"cms/say"
	"cms/site"
	"cms/web"
)

// Event is what a commit did to an entry or to a file of the media folder.
type Event struct {
	Collection string   `json:"collection,omitempty" doc:"Absent for a file in the media folder." example:"consultations"`
	Slug       string   `json:"slug,omitempty" doc:"Absent for a file in the media folder." example:"plan-velo"`
	Media      string   `json:"media,omitempty" doc:"Only for a file in the media folder: its path in the folder." example:"photos/atelier.jpg"`
	Path       string   `json:"path" doc:"Where the file is; of a deleted one, where it was."`
	From       string   `json:"from,omitempty" doc:"Where a moved file was."`
	Action     string   `json:"action"`
	Revision   string   `json:"revision,omitempty" doc:"The revision after it; absent where it was deleted."`
	Commit     string   `json:"commit"`
	Sequence   string   `json:"sequence,omitempty" doc:"Of two events the one whose sequence is greater, compared as text, happened later; those of one commit share it. Absent while the database does not answer." example:"1764115200-0000000042"`
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
// history becomes meanwhile then counts as earlier, never as later, than what
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
			a.log.WarnContext(ctx, "changes are sent without their sequence", "error", err)
		}
		return none
	}
	return sequence
}

// Feed is a part of what happened since a commit.
type Feed struct {
	Items      []FeedItem `json:"items" doc:"In the order asked for. The changes of one commit are never split."`
	Until      string     `json:"until" doc:"The latest commit that was looked at. Give it as since to go on."`
	More       bool       `json:"more" doc:"Whether there are more."`
	NextCursor string     `json:"next_cursor,omitempty" doc:"With order=desc, unless at the end."`
}

// FeedItem is an event, and what its commit says of itself.
type FeedItem struct {
	Event
	At      time.Time `json:"at" doc:"When the commit was authored."`
	Message string    `json:"message" doc:"The commit's subject, of 1,000 bytes at most: a longer one ends with …."`
}

type changesInput struct {
	Since  string `query:"since" pattern:"^[0-9a-f]{40}$" doc:"The commit after which to begin; without it, the first one is the beginning."`
	Order  string `query:"order" enum:"asc,desc" default:"asc" doc:"Oldest or newest first."`
	Cursor string `query:"cursor" pattern:"^[0-9a-f]{40}$" doc:"With order=desc: the next_cursor of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"After about this many changes the answer ends, at the end of a commit."`
}

var listChangesDoc = doc{
	ID: "list-changes", Tag: "Changes",
	Summary:   "What changed since a commit",
	Text:      "The changes of the entries and files that you may read, in the order of history, or backwards. 404 for a commit that is not in the history any more: read what you need again then.",
	Responses: map[int]any{200: Feed{}},
	Problems:  []int{400, 404},
}

func (a *API) listChanges(ctx context.Context, in *changesInput) (*reply, error) {
	sequence := a.sequences(ctx)
	seen, err := a.changesIn(ctx, in)
	if err != nil {
		return nil, err
	}
	feed := Feed{Items: []FeedItem{}, Until: seen.Until, More: seen.More, NextCursor: seen.Next}
	for i := range seen.Changes {
		c := &seen.Changes[i]
		feed.Items = append(feed.Items, FeedItem{eventOf(c, sequence), c.At, c.Message})
	}
	return answer(http.StatusOK, feed)
}

// changesIn are the changes in the order that was asked for.
func (a *API) changesIn(ctx context.Context, in *changesInput) (*site.Seen, error) {
	pr := web.Principal(ctx)
	switch {
	case in.Order == "desc":
		return a.site.Before(ctx, pr, in.Since, in.Cursor, in.Limit)
	case in.Cursor != "":
		return nil, web.NewProblem(http.StatusBadRequest, say.New("A cursor goes with order=desc. To go on in the order of history, give until as since."))
	}
	return a.site.Since(ctx, pr, in.Since, in.Limit)
}
