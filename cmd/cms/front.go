package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"cms/config"
	"cms/repo"
	"cms/say"
	"cms/web"
)

// A front is the server of a service from its first moment on: it tells how far the start
// has come until the service takes over.
type front struct {
	server   *http.Server
	starting web.Starting
	progress repo.Progress
	service  atomic.Pointer[http.Handler] // nil until it can work
	ended    chan error                   // of the server, once it is serving
}

func newFront(c *config.Config, log *slog.Logger) *front {
	f := &front{ended: make(chan error, 1)}
	f.starting = web.Starting{Progress: func() say.Text { return toldProgress(&f.progress) }, Secure: strings.HasPrefix(c.Server.PublicURL, "https://")}
	f.server = newServer(c.Server.Listen, f, log)
	f.server.MaxHeaderBytes += int(c.Server.MaxTokenBytes)
	return f
}

// ServeHTTP implements [http.Handler].
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if service := f.service.Load(); service != nil {
		(*service).ServeHTTP(w, r)
		return
	}
	f.starting.ServeHTTP(w, r)
}

// lead has the service answer from now on.
func (f *front) lead(service http.Handler) { f.service.Store(&service) }

// serve begins to answer at l; ended has what became of it.
func (f *front) serve(l net.Listener) {
	go func() { f.ended <- f.server.Serve(l) }()
}

// close ends a server that no service has taken over, and returns when it has.
func (f *front) close() error {
	err := f.server.Close()
	if ended := <-f.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// toldProgress is how far the start has come, for whoever asks: as a share, since how many
// commits there are is not for everybody.
func toldProgress(p *repo.Progress) say.Text {
	switch phase, done, total := p.Now(); {
	case phase == repo.ReadingCommits:
		return say.New("It is finding the commits of the site's history.")
	case phase == repo.ReadingChanges && done < total:
		return say.New("It is reading the site's history: %d %% until now.", done*100/total)
	}
	return say.New("It is opening the site's repository.")
}

// watchStart tells at each tick how far the start has come, until ctx ends: in the log, or
// on a terminal as a bar, which is gone in the end.
func watchStart(ctx context.Context, p *repo.Progress, ticks <-chan time.Time, log *slog.Logger, terminal io.Writer) {
	if terminal != nil {
		defer fmt.Fprint(terminal, "\r\x1b[K")
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
		phase, done, total := p.Now()
		switch {
		case terminal != nil:
			fmt.Fprint(terminal, "\r\x1b[K"+bar(phase, done, total))
		case phase == repo.ReadingCommits:
			log.Info("starting: finding the commits of the history", "commits", done)
		case phase == repo.ReadingChanges:
			log.Info("starting: reading what the commits changed", "commits", done, "of", total)
		default:
			log.Info("starting: opening the repository")
		}
	}
}

// bar is a line of a terminal that says how far the start has come.
func bar(phase repo.Phase, done, total int64) string {
	const width = 40
	switch {
	case phase == repo.ReadingCommits:
		return fmt.Sprintf("finding the commits of the history: %d", done)
	case phase == repo.ReadingChanges && total > 0:
		full := int(min(done, total) * width / total)
		return fmt.Sprintf("reading the history [%s%s] %d of %d commits", strings.Repeat("#", full), strings.Repeat(".", width-full), done, total)
	}
	return "opening the repository"
}

// terminalOf is w where people read it at a terminal, and the log is not JSON.
func terminalOf(w io.Writer, format string) io.Writer {
	if f, ok := w.(*os.File); ok && format != "json" && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// open wires the service while the front tells how far it has come; an error, also that of
// ctx, ends the front.
func (f *front) open(ctx context.Context, c *config.Config, log *slog.Logger, terminal io.Writer) (*service, error) {
	watching, stop := context.WithCancel(ctx)
	ticker, over := time.NewTicker(time.Second), make(chan struct{})
	defer ticker.Stop()
	go func() {
		defer close(over)
		watchStart(watching, &f.progress, ticker.C, log, terminal)
	}()
	s, err := openService(ctx, c, f, log)
	stop()
	<-over
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return s, nil
}
