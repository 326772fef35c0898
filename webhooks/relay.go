// Package webhooks gets every change of the repository to every endpoint that
// asked for it: a signed POST for each entry that a commit changed, at least
// once, in the order of history.
//
// History is the outbox. An endpoint is a cursor, the commit up to which its
// events have arrived. What is pending is read from history, once and a page at
// a time, and kept nowhere else, so that commits pushed with plain Git are events like
// those of the API, and an endpoint that is down holds no other back and costs
// no more memory the longer it is.
//
// Requests follow Standard Webhooks (webhook-id, webhook-timestamp,
// webhook-signature; HMAC-SHA256) with a CloudEvents 1.0 body. A receiver
// tells a repeated event by its webhook-id.
package webhooks

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// pageSize is how many changes are read at once for an endpoint, and kept while
// they are delivered; a commit is never divided.
const pageSize = 1000

// Source is the history that events are made of. It is used by several
// goroutines at once.
type Source interface {
	// Head is the tip, "" for a branch without commits, and a channel that is
	// closed when there is a newer one.
	Head() (commit string, superseded <-chan struct{})

	// Changes are those of the commits after since, or of all when since is
	// "", up to until, along first parents: oldest first, those of one commit
	// together, one for each file, always in the same order. The error is
	// ErrUnknownCommit when until does not follow upon since.
	//
	// The last commit is the first one that brings their number to limit, if
	// there is one before until; a limit of 0 is none. So fewer changes than
	// limit are all there are. The cost should follow what is returned, not
	// what is left out.
	Changes(ctx context.Context, since, until string, limit int) ([]Change, error)
}

// Change is what one commit did to one file.
type Change struct {
	Collection, Slug string // both empty for a file that is no entry
	Path             string // at most 1024 bytes
	From             string // the former path of a moved file
	Action           string // created, updated, deleted, moved
	Revision         string // the blob's id; may be empty for a deleted file
	Commit           string
	At               time.Time
	Author           Author
	Changed          []string // names of fields, "body" for the body
}

// ErrUnknownCommit says that a cursor is no commit of the branch's history,
// which was rewritten then.
var ErrUnknownCommit = errors.New("unknown commit")

// Options are the parts of a Relay.
type Options struct {
	Source    Source
	Endpoints []Endpoint
	PublicURL string        // of the service: the source of its events
	Grace     time.Duration // for what is pending when Run is told to end; 5 s if zero
	Logger    *slog.Logger  // discards if nil
}

// Relay delivers events.
type Relay struct {
	workers []*worker
	grace   time.Duration
}

// New checks o. The events of a Relay are those of the commits after the tip
// that it finds here. The error names every endpoint that cannot be used, and
// why.
func New(o Options) (*Relay, error) {
	if o.Source == nil || o.PublicURL == "" {
		return nil, errors.New("webhooks: a source and a public URL are needed")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Relay{grace: o.Grace}
	if r.grace == 0 {
		r.grace = 5 * time.Second
	}
	tip, _ := o.Source.Head()
	var errs []error
	for i, e := range o.Endpoints {
		if err := e.Check(); err != nil {
			errs = append(errs, fmt.Errorf("webhook endpoint %q: %w", e.Name, err))
			continue
		}
		if slices.ContainsFunc(o.Endpoints[:i], func(f Endpoint) bool { return f.Name == e.Name }) {
			errs = append(errs, fmt.Errorf("webhook endpoint %q: there are two of this name", e.Name))
			continue
		}
		s, err := newSender(e)
		if err != nil {
			return nil, fmt.Errorf("webhook endpoint %q: %w", e.Name, err)
		}
		r.workers = append(r.workers, &worker{
			endpoint: e, sender: s, source: o.Source, origin: o.PublicURL,
			log: o.Logger.With("endpoint", e), at: cursor{commit: tip},
		})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// Run delivers until ctx ends. Then it tries what is pending once more, each
// endpoint up to its first failure and for no longer than the grace, and logs
// how many events are left. The source must be readable until Run returns, and
// ctx should end after the last commit was made. Run is called once; it
// returns nil.
func (r *Relay) Run(ctx context.Context) error {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var workers sync.WaitGroup
	for _, w := range r.workers {
		workers.Go(func() { w.run(late, ctx.Done()) })
	}
	<-ctx.Done()
	grace := time.AfterFunc(r.grace, cancel)
	defer grace.Stop()
	workers.Wait()
	return nil
}

// worker keeps one endpoint up to date. Its goroutine owns what changes.
type worker struct {
	endpoint Endpoint
	sender   *sender
	source   Source
	origin   string
	log      *slog.Logger

	at       cursor
	page     []Change // read from history after at.commit, up to pageEnd
	pageEnd  string
	failures int // in a row
}

// cursor is how far an endpoint has come: it has all events up to commit, and
// the first part ones of those after it, with what it did not ask for counted.
type cursor struct {
	commit string
	part   int
}

// run returns when there is nothing left to try after closing was closed, or
// the endpoint wants no more.
func (w *worker) run(ctx context.Context, closing <-chan struct{}) {
	defer w.sender.close()
	for {
		tip, superseded := w.source.Head()
		if tip == w.at.commit {
			select {
			case <-superseded:
			case <-closing:
				if now, _ := w.source.Head(); now == tip {
					return
				}
			}
			continue
		}
		err := w.advance(ctx, tip)
		if err == nil {
			continue
		}
		if gone(err) {
			w.log.Error("webhook endpoint disabled until the next start", "error", err)
			return
		}
		select {
		case <-closing:
			w.logLeft(ctx, err)
			return
		default:
		}
		wait := backoff(w.failures, err)
		w.failures++
		w.log.Warn("webhook not delivered", "error", err, "failures", w.failures, "next", wait)
		select {
		case <-time.After(wait):
		case <-closing:
		}
	}
}

// advance delivers what is pending up to tip, or a page of it, and moves the
// cursor past what has arrived.
func (w *worker) advance(ctx context.Context, tip string) error {
	if len(w.page) == 0 {
		changes, err := w.source.Changes(ctx, w.at.commit, tip, pageSize)
		if errors.Is(err, ErrUnknownCommit) {
			return w.deliver(ctx, rewrittenEvent(w.origin, w.at.commit, tip), cursor{commit: tip})
		}
		if err != nil {
			return fmt.Errorf("read history: %w", err)
		}
		if w.page, w.pageEnd = changes, tip; len(changes) >= pageSize {
			w.pageEnd = changes[len(changes)-1].Commit
		}
	}
	for ev, next := range w.pending(w.page) {
		if err := w.deliver(ctx, ev, next); err != nil {
			return err
		}
	}
	w.at, w.page = cursor{commit: w.pageEnd}, nil
	return nil
}

func (w *worker) deliver(ctx context.Context, ev Event, next cursor) error {
	began := time.Now()
	if err := w.sender.post(ctx, ev); err != nil {
		return fmt.Errorf("deliver %s %s: %w", ev.Type, ev.ID, err)
	}
	w.at, w.failures = next, 0
	w.log.Info("webhook delivered", "event", ev.ID, "type", ev.Type, "subject", ev.Subject, "took", time.Since(began))
	return nil
}

// pending yields the events of changes, which begin after the cursor's commit,
// that the endpoint asked for and does not have yet, each with the cursor
// behind it.
func (w *worker) pending(changes []Change) iter.Seq2[Event, cursor] {
	return func(yield func(Event, cursor) bool) {
		next := cursor{commit: w.at.commit}
		had := w.at.part
		for len(changes) > 0 {
			n := 1
			for n < len(changes) && changes[n].Commit == changes[0].Commit {
				n++
			}
			for _, ev := range eventsOf(w.origin, changes[:n]) {
				next.part++
				if next.part > had && w.endpoint.wants(ev) && !yield(ev, next) {
					return
				}
			}
			changes = changes[n:]
		}
	}
}

// logLeft tells how many events the endpoint lacks at the end, and the error
// that kept them.
func (w *worker) logLeft(ctx context.Context, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	tip, _ := w.source.Head()
	changes, err := w.source.Changes(ctx, w.at.commit, tip, 0)
	if err != nil {
		w.log.Error("webhook events left undelivered, their number unknown", "cause", cause, "error", err)
		return
	}
	left := 0
	for range w.pending(changes) {
		left++
	}
	w.log.Error("webhook events left undelivered", "left", left, "cause", cause)
}
