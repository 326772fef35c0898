package site_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"cms/auth"
	"cms/site"
)

// stalled is a context that does not tell whether it has ended until it may.
type stalled struct {
	context.Context
	until chan struct{}
}

func (c stalled) Err() error {
	<-c.until
	return c.Context.Err()
}

func TestPreviewsWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	if _, err := f.Preview(gone, f.editor, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that has gone: got %v", err)
	}
	_, err := f.Preview(t.Context(), &auth.Principal{Subject: "eve", Roles: []string{"stranger"}}, "a")
	refused(t, err, site.Forbidden, "")
	_, err = f.Preview(t.Context(), f.editor, strings.Repeat("- ", 8000)+"a")
	refused(t, err, site.Invalid, "")

	var all sync.WaitGroup
	held := stalled{t.Context(), make(chan struct{})}
	for err = nil; ; runtime.Gosched() { // until nobody else may wait
		if _, err = f.Preview(gone, f.editor, "a"); !errors.Is(err, context.Canceled) {
			break
		}
		all.Go(func() { f.Preview(held, f.editor, "a") })
	}
	refused(t, err, site.Unavailable, "")
	close(held.until)
	all.Wait()
	if html, err := f.Preview(t.Context(), f.editor, "a"); err != nil || html != "<p>a</p>\n" {
		t.Errorf("when all are done: got %q, %v", html, err)
	}
}
