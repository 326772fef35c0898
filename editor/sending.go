package editor

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"cms/auth"
	"cms/say"
	"cms/site"
	"cms/state"
	"cms/web"
	"cms/web/once"
)

// sendings are forms that change something. Each has a key, so that one which is sent
// twice, by a second click or a lost answer, is saved once. What is kept of it is the
// path of the page that it led to.
type sendings struct{ *Editor }

// Kept implements [once.Door].
func (s sendings) Kept(path string) string { return path }

// Again implements [once.Door].
func (s sendings) Again(_ context.Context, path string) (string, error) { return path, nil }

// Tell implements [once.Door].
func (s sendings) Tell(ctx context.Context, err error) (int, error) {
	return s.status(ctx, err), err
}

// send makes the write of a form by run, or tells what it has led to before. A form that
// was saved, changed and sent again, as a browser that goes back can have it, is another
// write. Of one that was made, and whose answer was lost, made says by what its commit did
// where it leads to.
func (e *Editor) send(v *visit, key, body string, made func([]site.FileChange) string, run func(ctx context.Context, key string, dry bool) (path string, err error)) (string, error) {
	ctx := v.r.Context()
	if e.once == nil || key == "" {
		return run(ctx, "", false)
	}
	r := v.r.Clone(ctx)
	r.Header.Set(once.Header, key)
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") { // whose boundary differs each time
		r.Header.Set("Content-Type", "multipart/form-data")
	}
	path, err := e.onceFree(ctx, func() (string, error) {
		path, _, err := e.once.Do(ctx, once.Request{Request: r, Caller: v.caller, Body: []byte(body), Limit: e.web.Timeout(web.CallOf(ctx).Operation)}, func(ctx context.Context, how once.Attempt) (string, error) {
			return run(ctx, how.Key, how.Dry)
		})
		return path, err
	})
	switch {
	case errors.Is(err, state.ErrKeyReused), errors.Is(err, once.ErrMalformed), errors.Is(err, once.ErrUnavailable):
		return run(ctx, "", false)
	}
	if errors.Is(err, once.ErrUnseen) {
		return "", web.NewProblem(http.StatusForbidden, say.New("Your roles do not allow you to make this write."))
	}
	if lost := (*once.MadeError)(nil); errors.As(err, &lost) {
		done, err := e.changesOf(v, lost.Commit)
		if err != nil {
			return "", err
		}
		return made(done), nil
	}
	return path, err
}

// keyOf is the key of a form that is shown again with a status: its own, where nothing was
// asked for yet or what was asked for may be saved, so that it is saved once; and fresh
// where it was refused, as what is sent then is another write.
func keyOf(own string, status int, fresh string) string {
	if own != "" && (status == http.StatusOK || status == http.StatusGatewayTimeout) {
		return own
	}
	return fresh
}

// auditEntry has the audit log and Cms-Commit tell of a write that was made to an entry.
func auditEntry(ctx context.Context, ref site.Ref, out *site.Outcome) {
	web.Audit(ctx, web.Target{Collection: ref.Collection, Name: ref.Slug.String(), Commit: out.Commit, Unchanged: !out.Changed})
}

// savedPath is the page of an entry that says whether a form has changed it.
func savedPath(ref site.Ref, out *site.Outcome) string {
	if !out.Changed {
		return refPath("entry", ref) + "?saved=same"
	}
	return refPath("entry", ref) + "?saved=1"
}

// auditFile is auditEntry of a write to a media file, by its path in the media folder.
func auditFile(ctx context.Context, name, commit string, changed bool) {
	web.Audit(ctx, web.Target{Collection: auth.Media, Name: name, Commit: commit, Unchanged: !changed})
}

// changesOf is what a commit did, as far as the caller sees it.
func (e *Editor) changesOf(v *visit, commit string) ([]site.FileChange, error) {
	seen, err := e.site.Before(v.r.Context(), v.caller, "", commit, 1)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(seen.Changes, func(c site.FileChange) bool { return c.Commit != commit }), nil
}

// always leads to one path, whatever was done.
func always(path string) func([]site.FileChange) string {
	return func([]site.FileChange) string { return path }
}

// onceFree does what asks for a key once nobody else uses it: after a second click, a
// browser waits for the second answer alone.
func (e *Editor) onceFree(ctx context.Context, do func() (string, error)) (string, error) {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		path, err := do()
		if !errors.Is(err, state.ErrKeyInUse) {
			return path, err
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(wait):
		}
	}
}

// status is what an error is over HTTP.
func (e *Editor) status(ctx context.Context, err error) int {
	told, made := (*site.Error)(nil), (*once.MadeError)(nil)
	switch {
	case errors.As(err, &told):
		return statusOf(told.Code)
	case errors.As(err, &made):
		return http.StatusConflict
	case errors.Is(err, once.ErrUnseen):
		return http.StatusForbidden
	}
	return e.web.Problem(ctx, err).Status
}
