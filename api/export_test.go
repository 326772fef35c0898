package api

import (
	"context"
	"net/http"

	"cms/auth"
	"cms/site"
	"cms/web/stream"
)

// Made is how many parts of what happened were read and encoded for streams.
func (a *API) Made() int64 { return a.events.made.Load() }

// Opened is how many streams are open.
func (a *API) Opened() int { return a.streams.Opened() }

// RoomIsWhole says whether all the room for what streams are told can be had, once what
// is kept for nobody is dropped.
func (a *API) RoomIsWhole() bool { return a.events.parts.Trim() == 0 }

// Catching gives what brings a watcher of pr, who writes to w and knows all until now,
// from there to the newest commit, as often as it is called.
func (a *API) Catching(ctx context.Context, pr *auth.Principal, w http.ResponseWriter) (func() error, error) {
	visibility, err := a.site.Sees(pr)
	if err != nil {
		return nil, err
	}
	head, _ := a.site.Head()
	s, out := &watcher{events: a.events, principal: pr, visibility: visibility}, stream.NewWriter(w)
	return func() error {
		s.at = site.Place{Commit: head}
		return s.Tell(ctx, out)
	}, nil
}
