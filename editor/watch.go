package editor

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"cms/site"
	"cms/web"
	"cms/web/stream"
)

// watch tells a page that shows an entry what happens to it: who else has it open, whether
// it is on the site, and that somebody has changed it.
func (e *Editor) watch(v *visit) error {
	ref, err := v.ref()
	if err != nil {
		return err
	}
	entry, err := e.site.Entry(v.r.Context(), v.caller, ref)
	if err != nil {
		return err
	}
	open, err := e.streams.Open(web.CallerKey(v.caller))
	if err != nil {
		return err
	}
	w := &watcher{e: e, visit: v, ref: ref, revision: entry.Revision}
	defer e.present.leave(v.caller, ref)
	open.Serve(v.w, v.r, []byte("retry: 5000\n\n"), w)
	return nil
}

// EndStreams ends what pages are told, so that a server can shut down.
func (e *Editor) EndStreams() { e.streams.End() }

// follow wakes the pages when there is a commit, a report about a build, or somebody who
// comes or goes; and now and then, for who went without a word.
func (e *Editor) follow(ctx context.Context, wake func()) {
	look := time.NewTicker(awayAfter / 3)
	defer look.Stop()
	for {
		_, superseded := e.site.Head()
		changed := e.present.changed()
		var news <-chan struct{}
		if e.o.Builds != nil {
			news = e.o.Builds.News(ctx)
		}
		wake()
		select {
		case <-superseded:
		case <-changed:
		case <-news:
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// watcher is a page that is told about an entry.
type watcher struct {
	e        *Editor
	visit    *visit
	ref      site.Ref
	revision string // that the page shows
	said     string // last
}

// told is what a page is told.
type told struct {
	Others []string `json:"others"`          // what to say about each who has it open too
	State  string   `json:"state,omitempty"` // whether it is on the site
	Kind   string   `json:"kind,omitempty"`
	Moved  string   `json:"moved,omitempty"` // that somebody has changed it, or deleted it
}

// Tell implements [stream.Watcher].
func (w *watcher) Tell(ctx context.Context, out *stream.Writer) error {
	v := w.visit
	v.now = time.Now()
	is := told{Others: []string{}}
	for _, name := range w.e.present.look(v.caller, w.ref, v.now) {
		is.Others = append(is.Others, v.T("entry.other", name))
	}
	entry, err := w.e.site.Entry(ctx, v.caller, w.ref)
	switch {
	case isMissing(err):
		is.Moved = v.T("entry.gone")
	case err != nil:
		return err
	default:
		if state := w.e.state(v, entry).whole(); state != nil {
			is.State, is.Kind = state.Text, state.Kind
		}
		if entry.Revision != w.revision {
			is.Moved = v.T("entry.moved", entry.Updated.Author.Name)
		}
	}
	data, err := json.Marshal(is)
	if err != nil || string(data) == w.said {
		return err
	}
	w.said = string(data)
	_, err = out.Write([]byte("data: " + w.said + "\n\n"))
	return err
}

// Check implements [stream.Watcher].
func (w *watcher) Check(r *http.Request) error {
	pr, err := w.e.web.PageWatcher(r)
	if err == nil {
		w.visit.caller = pr
		_, err = w.e.site.Entry(r.Context(), pr, w.ref)
	}
	if isMissing(err) {
		return nil // Tell says so
	}
	return err
}

// Expires implements [stream.Watcher].
func (w *watcher) Expires() time.Time { return time.Time{} } // Check finds out
