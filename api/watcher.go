package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"cms/auth"
	"cms/site"
	"cms/state"
	"cms/web/stream"
)

// events are what streams tell: the commits, in parts that are made once for all who see
// the same, and the builds.
type events struct {
	*API
	parts  *stream.Parts[place]
	made   atomic.Int64 // parts
	builds atomic.Pointer[[]build]
}

func newEvents(a *API) *events { return &events{API: a, parts: stream.NewParts[place]()} }

// place is where in the history someone is, and what they see, as [site.Site.Sees] names
// it.
type place struct {
	visibility string
	at         site.Place

	// Of what follows a part that tells something: 1 more than [site.Site.Rewritten] when it
	// was made. What comes again after the history was rewritten has another sequence.
	made int
}

// build is one of which something was reported, and its event.
type build struct {
	state.Deployment
	event  []byte
	reason []byte // the event with the reason, for those who see everything
}

// follow wakes the streams when there is a commit, or when something was reported of a
// build.
func (e *events) follow(ctx context.Context, wake func()) {
	look := time.NewTicker(auth.RevocationDelay) // for builds that were reported to other services
	defer look.Stop()
	for {
		_, superseded := e.site.Head()
		builds, reported := e.reported(ctx)
		e.builds.Store(&builds)
		wake()
		for waiting := true; waiting; {
			select {
			case <-superseded:
				waiting = false
			case <-reported:
				waiting = false
			case <-look.C:
				_, _ = e.reported(ctx)
			case <-ctx.Done():
				return
			}
		}
	}
}

// reported are the builds of which something was reported, in the order of the reports,
// and a channel that is closed when there is more; nil where none are kept.
func (e *events) reported(ctx context.Context) ([]build, <-chan struct{}) {
	if e.deployments == nil {
		return nil, nil
	}
	all, news := e.deployments.Since(ctx, time.Time{})
	builds := make([]build, len(all))
	for i, d := range all {
		builds[i] = build{d, message("deployment", "", deploymentOf(d, false)), message("deployment", "", deploymentOf(d, true))}
	}
	return builds, news
}

// message is an event of a stream, with or without an id.
func message(name, id string, data any) []byte {
	b := fmt.Appendf(nil, "event: %s\n", name)
	if id != "" {
		b = fmt.Appendf(b, "id: %s\n", id)
	}
	text, _ := json.Marshal(data) // of texts and times
	return fmt.Appendf(b, "data: %s\n\n", text)
}

// Ready is that a stream has begun.
type Ready struct {
	Commit string `json:"commit"` // up to which the watcher knows everything
}

// Reset is that a watcher's commit is not in the history any more.
type Reset struct {
	Commit   string `json:"commit"`           // where the history is now
	Previous string `json:"previous"`         // the watcher's commit
	Backup   string `json:"backup,omitempty"` // the reference of the repository that keeps it
}

// watcher is who watches the events by one stream.
type watcher struct {
	*events
	principal  *auth.Principal
	visibility string     // what they see, as [site.Site.Sees] names it
	at         site.Place // up to which they know everything
	lastBuild  time.Time  // when the last build was reported that they know
}

// Expires implements [stream.Watcher].
func (w *watcher) Expires() time.Time { return w.principal.Expires }

// Check implements [stream.Watcher]. What a session's account may see is what counts at
// the moment.
func (w *watcher) Check(r *http.Request) (err error) {
	if w.principal, err = w.web.Caller(r); err == nil {
		w.visibility, err = w.site.Sees(w.principal)
	}
	return err
}

// Tell implements [stream.Watcher]: it tells of the commits, and then of the builds that
// were reported before it looked for commits.
func (w *watcher) Tell(ctx context.Context, out *stream.Writer) error {
	builds := w.builds.Load()
	if err := w.tellCommits(ctx, out); err != nil || builds == nil {
		return err
	}
	for _, b := range *builds {
		if !b.At.After(w.lastBuild) {
			continue
		}
		event := b.event
		if w.site.SeesDeliveries(w.principal) {
			event = b.reason
		}
		if _, err := out.Write(event); err != nil {
			return err
		}
		w.lastBuild = b.At
	}
	return nil
}

// tellCommits tells what happened behind the place that the watcher knows.
func (w *watcher) tellCommits(ctx context.Context, out *stream.Writer) error {
	for {
		if head, _ := w.site.Head(); head == w.at.Commit && w.at.Files == 0 {
			return nil
		}
		p, err := w.parts.Get(ctx, w, place{visibility: w.visibility, at: w.at})
		if err != nil {
			return w.failed(ctx, err, out)
		}
		_, err = out.Write(p.Text)
		stays := p.Next.at == w.at
		w.at = p.Next.at
		w.parts.Release(p)
		if err != nil || stays {
			return err
		}
	}
}

// failed tells the watcher to begin anew where err is that their commit is not in the
// history any more. Another err ends the stream.
func (w *watcher) failed(ctx context.Context, err error, out *stream.Writer) error {
	if refused := (*site.Error)(nil); !errors.As(err, &refused) || refused.Code != site.NotFound {
		if ctx.Err() == nil {
			w.log.ErrorContext(ctx, "event stream ends", "error", err)
		}
		return err
	}
	backup, err := w.site.Backup(ctx, w.at.Commit)
	if err != nil && ctx.Err() == nil { // it can be found in the repository, too
		w.log.WarnContext(ctx, "a reset is sent without its backup", "error", err)
	}
	head, _ := w.site.Head()
	_, err = out.Write(message("reset", head, Reset{head, w.at.Commit, backup}))
	w.at = site.Place{Commit: head}
	return err
}

// Make implements [stream.Source].
func (w *watcher) Make(ctx context.Context, name place) ([]byte, place, error) {
	w.made.Add(1)
	made := 1 + w.site.Rewritten()
	sequence := w.sequences(ctx)
	part, err := w.site.After(ctx, w.principal, name.at)
	if err != nil {
		return nil, place{}, err
	}
	if part.Next == name.at {
		return nil, name, nil
	}
	return eventsOf(part, name.at.Files > 0, sequence), place{name.visibility, part.Next, made}, nil
}

// Holds implements [stream.Source]: the branch may have been rewritten.
func (w *watcher) Holds(next place) bool {
	if next.made > 0 && next.made != 1+w.site.Rewritten() {
		return false
	}
	return next.at.Commit == "" || w.site.Continues(next.at.Commit)
}

// eventsOf are the events of a part. The id comes with the last one of a commit, so
// that who is cut off within one gets all of it again; by itself, when that was in a
// part before.
func eventsOf(p *site.Part, begun bool, sequence func(depth int) string) []byte {
	var b []byte
	for i := range p.Changes {
		c, id := &p.Changes[i], ""
		if i+1 == len(p.Changes) {
			id = p.Commit
		}
		b = append(b, message(kind(c)+"."+c.Action, id, eventOf(c, sequence))...)
	}
	if begun && len(p.Changes) == 0 && p.Commit != "" {
		b = fmt.Appendf(b, "id: %s\n\n", p.Commit)
	}
	return slices.Clip(b)
}
