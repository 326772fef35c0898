package editor

import (
	"context"
	"errors"
	"strings"
	"time"

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
// write.
func (e *Editor) send(v *visit, key, body string, run func(ctx context.Context, key string, dry bool) (path string, err error)) (string, error) {
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
	if made := (*once.MadeError)(nil); errors.As(err, &made) {
		path, _, _ := strings.Cut(v.r.URL.RequestURI(), "?")
		return path + "?saved=1", nil
	}
	return path, err
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
	if told := (*site.Error)(nil); errors.As(err, &told) {
		return statusOf(told.Code)
	}
	return e.web.Problem(ctx, err).Status
}
