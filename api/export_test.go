package api

import (
	"context"
	"net/http"

	"cms/auth"
	"cms/site"
)

// Made is how many parts of what happened were read and encoded for streams.
func (a *API) Made() int64 { return a.streams.made.Load() }

// Opened is how many streams are open.
func (a *API) Opened() int { return a.streams.opened() }

// MaxTold bounds the bytes that streams hold of what they are told.
const MaxTold = maxTold

// RoomIsWhole says whether all the room for what streams are told can be had, once what
// is kept for nobody is dropped.
func (a *API) RoomIsWhole() bool {
	for a.streams.drop() {
		continue
	}
	if !a.streams.room.TryAcquire(maxTold) {
		return false
	}
	a.streams.room.Release(maxTold)
	return true
}

// Catching gives what brings a watcher of pr, who writes to w and knows all until now,
// from there to the newest commit, as often as it is called.
func (a *API) Catching(ctx context.Context, pr *auth.Principal, w http.ResponseWriter) (func() error, error) {
	sight, err := a.site.Sees(pr)
	if err != nil {
		return nil, err
	}
	head, _ := a.site.Head()
	s := &stream{api: a, principal: pr, sight: sight, out: w, control: http.NewResponseController(w)}
	return func() error {
		s.at = site.Place{Commit: head}
		builds, _ := a.streams.now()
		if err := s.catchUp(ctx); err != nil {
			return err
		}
		return s.deployments(builds)
	}, nil
}
