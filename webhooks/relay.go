// Package webhooks gets every change of the repository to every endpoint that
// asked for it: a signed POST for each entry that a commit changed, at least
// once, in the order of history.
//
// History is the outbox. Each endpoint has a cursor in the database, the commit
// up to which its events are enqueued; what follows is read from history, a page
// at a time, and enqueued in the transaction that moves the cursor. So commits
// pushed with plain Git are events like those of the API, those made while
// nobody was here too, and a crash loses none.
//
// Events of one entry are delivered one after the other. Each endpoint has a
// worker of its own, so that one that is dead holds no other back.
//
// Requests follow Standard Webhooks (webhook-id, webhook-timestamp,
// webhook-signature; HMAC-SHA256) with a CloudEvents 1.0 body. A receiver
// tells a repeated event by its webhook-id.
package webhooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"cms/site"
	"cms/state"
	"cms/trace"
)

// pageSize is how many changes are read at once for an endpoint, and kept while
// they are delivered; a commit is never divided.
const pageSize = 1000

// Source is the history that events are made of: that of a [site.Site]. It is used by
// several goroutines at once.
type Source interface {
	// Head is the tip, "" for a branch without commits, and a channel that is
	// closed when there is a newer one.
	Head() (commit string, superseded <-chan struct{})

	// Depth grows from each commit to those that follow upon it. False for one
	// that the branch does not have.
	Depth(commit string) (int, bool)

	// HasCommit says whether the branch has a commit itself. One that was made again, as a linear
	// history asks for, it has not, though [Source.Changes] goes on from it.
	HasCommit(commit string) bool

	// Backup is the name of the reference that keeps a commit which the branch no
	// longer leads to; "" when there is none.
	Backup(ctx context.Context, commit string) (string, error)

	// AsideAtTip are the conflicts that are not resolved, as changes of the tip.
	AsideAtTip(ctx context.Context) ([]site.FileChange, error)

	// Changes are those of the commits after since, or of all when since is
	// "", up to until, along first parents: oldest first, those of one commit
	// together, one for each file, always in the same order. The error is
	// [site.ErrUnknownCommit] when until does not follow upon since.
	//
	// The last commit is the first one that brings their number to limit, if
	// there is one before until; a limit of 0 is none. So fewer changes than
	// limit are all there are. The cost should follow what is returned, not
	// what is left out.
	Changes(ctx context.Context, since, until string, limit int) ([]site.FileChange, error)
}

// Options are the parts of a Relay. The source, the state and the public URL are
// required.
type Options struct {
	Source    Source
	State     *state.DB
	Endpoints []Endpoint    // those of the configuration
	PublicURL string        // of the service: the source of its events
	Private   bool          // whether endpoints that operators make may lead to private addresses
	Grace     time.Duration // for attempts under way when Run is told to end; 5 s if zero
	Logger    *slog.Logger  // discards if nil
	Tracer    *trace.Tracer // is told of attempts; nil tells nobody
}

// Relay enqueues events and delivers them. Services that share a database may
// each run one: each event is enqueued once, and one of them delivers.
type Relay struct {
	source     Source
	db         *state.DB
	store      *state.Webhooks
	configured map[string]Endpoint
	origin     string

	allowPrivate bool // of endpoints that are not configured
	grace        time.Duration
	log          *slog.Logger
	tracer       *trace.Tracer

	changed chan struct{} // has a token when endpoints or deliveries may have

	following sync.Mutex
	seen      state.Cursor // where the branch was when it was last looked at; see epochAt
	looked    time.Time
	told      state.Cursor // up to where sequences were told and that was noted; see note
}

const (
	// pollInterval is how often to look for what other services did.
	pollInterval = time.Second
	// replicaGrace is how long another service may be ahead of this one before its
	// commit is taken for one of a history that was rewritten.
	replicaGrace = 5 * time.Minute
	// retention is how long deliveries are kept that were finished.
	retention = 7 * 24 * time.Hour
)

// New checks o and makes its endpoints known. The events of a new endpoint are
// those of the commits after the tip that it finds here. The error names every
// endpoint that cannot be used, and why.
func New(ctx context.Context, o Options) (*Relay, error) {
	if o.Source == nil || o.State == nil || o.PublicURL == "" {
		return nil, errors.New("webhooks: a source, a state and a public URL are needed")
	}
	r := &Relay{
		source: o.Source, db: o.State, store: o.State.Webhooks(), configured: map[string]Endpoint{},
		origin: o.PublicURL, allowPrivate: o.Private, grace: o.Grace, log: o.Logger, tracer: o.Tracer, changed: make(chan struct{}, 1),
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.grace == 0 {
		r.grace = 5 * time.Second
	}
	var (
		errs  []error
		names []string
	)
	for _, e := range o.Endpoints {
		if err := e.Check(); err != nil {
			errs = append(errs, fmt.Errorf("webhook endpoint %q: %w", e.Name, err))
		} else if slices.Contains(names, e.Name) {
			errs = append(errs, fmt.Errorf("webhook endpoint %q: the name is duplicated", e.Name))
		}
		names = append(names, e.Name)
		r.configured[e.Name] = e
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	tip, _ := o.Source.Head()
	if err := r.store.Configure(ctx, names, tip, time.Now()); err != nil {
		return nil, err
	}
	_, err := r.epochAt(ctx, tip)
	return r, err
}

// Run enqueues and delivers until ctx ends. Then it enqueues what the last
// commits changed, and gives attempts that are under way the grace to end. What
// is pending then is delivered after the next start. The source must be readable
// until Run returns, and ctx should end after the last commit was made. Run is
// called once; it returns nil.
func (r *Relay) Run(ctx context.Context) error {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	wake := make(chan struct{}, 1)
	var parts sync.WaitGroup
	parts.Go(func() { r.enqueue(late, ctx.Done(), wake) })
	parts.Go(func() { r.deliver(late, ctx.Done(), wake) })
	<-ctx.Done()
	grace := time.AfterFunc(r.grace, cancel)
	defer grace.Stop()
	parts.Wait()
	return nil
}

// poke puts a token into a channel that holds one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// enqueue brings every endpoint's cursor to the tip, whenever it moves.
func (r *Relay) enqueue(ctx context.Context, closing <-chan struct{}, wake chan struct{}) {
	for {
		tip, superseded := r.source.Head()
		err := r.enqueueAll(ctx, tip)
		poke(wake)
		var again <-chan time.Time
		if err != nil {
			r.log.Error("webhook events could not be enqueued yet", "error", err)
		}
		if err != nil || r.db.Postgres() {
			again = time.After(pollInterval)
		}
		select {
		case <-superseded:
		case <-again:
		case <-r.changed:
		case <-closing:
			if now, _ := r.source.Head(); now == tip || err != nil {
				return
			}
		}
	}
}

func (r *Relay) enqueueAll(ctx context.Context, tip string) error {
	now, err := r.epochAt(ctx, tip)
	if err != nil {
		return err
	}
	rows, err := r.store.Cursors(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, row := range rows {
		if e, ok := r.endpoint(row); ok && row.Disabled.IsZero() {
			if err := r.advance(ctx, e, row, tip, now); err != nil {
				errs = append(errs, fmt.Errorf("endpoint %s: %w", e.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// endpoint is what row stands for; false for one that another service has in
// its configuration, or that cannot be read.
func (r *Relay) endpoint(row state.Endpoint) (Endpoint, bool) {
	if row.Configured {
		e, ok := r.configured[row.Name]
		return e, ok
	}
	e, err := r.decode(row.Name, row.Settings)
	if err != nil {
		r.log.Error("webhook endpoint cannot be used", "endpoint", row.Name, "error", err)
	}
	return e, err == nil
}

// advance enqueues what e asked for of the commits up to tip, a page at a time.
func (r *Relay) advance(ctx context.Context, e Endpoint, row state.Endpoint, tip string, now epoch) error {
	for at := row.Cursor; at.Commit != tip; {
		now.number = max(now.number, at.Epoch)
		changes, err := r.source.Changes(ctx, at.Commit, tip, pageSize)
		end := state.Cursor{Epoch: now.number, Commit: tip}
		if len(changes) >= pageSize {
			end.Commit = changes[len(changes)-1].Commit
		}
		var events []Event
		switch {
		case errors.Is(err, site.ErrUnknownCommit):
			if r.behind(ctx, at.Commit, tip, row.MovedAt) {
				return nil
			}
			if now, err = r.after(ctx, at.Epoch, now, tip); err != nil {
				return err
			}
			depth, err := r.depth(tip)
			if err != nil {
				return err
			}
			backup, err := r.source.Backup(ctx, at.Commit)
			if err != nil {
				return fmt.Errorf("look for what keeps the history that was left: %w", err)
			}
			end.Epoch = now.number
			aside, err := r.source.AsideAtTip(ctx)
			if err != nil {
				return fmt.Errorf("look for what was set aside: %w", err)
			}
			events = append([]Event{rewrittenEvent(now, at.Commit, backup, tip, depth)}, r.wanted(e, now, aside)...)
		case err != nil:
			return fmt.Errorf("read history: %w", err)
		default:
			events = r.wanted(e, now, changes)
		}
		moved, err := r.move(ctx, e, at, end, tip, now, events)
		if err != nil || !moved { // another service was faster
			return err
		}
		at = end
	}
	return nil
}

// behind says whether another service may have seen commits that this one has
// not: at, which it reached then, follows upon tip, or is not known here and was
// reached a short while ago.
func (r *Relay) behind(ctx context.Context, at, tip string, then time.Time) bool {
	if !r.db.Postgres() {
		return false
	}
	_, err := r.source.Changes(ctx, tip, at, 1)
	return err == nil || time.Since(then) < replicaGrace
}

// wanted are the events of changes that e asked for.
func (r *Relay) wanted(e Endpoint, now epoch, changes []site.FileChange) []Event {
	var events []Event
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[n].Commit == changes[0].Commit {
			n++
		}
		for _, ev := range eventsOf(now, changes[:n]) {
			if e.wants(ev) {
				events = append(events, ev)
			}
		}
		changes = changes[n:]
	}
	return events
}

// move enqueues events, or a build of tip in their stead, with the cursor.
func (r *Relay) move(ctx context.Context, e Endpoint, at, end state.Cursor, tip string, in epoch, events []Event) (bool, error) {
	now := time.Now()
	if e.builds() {
		if len(events) == 0 {
			return r.store.AdvanceBuild(ctx, e.Name, at, end, now, nil)
		}
		depth, err := r.depth(tip)
		if err != nil {
			return false, err
		}
		build := buildEvent(in, tip, depth, now)
		build.trace = events[len(events)-1].trace
		d, err := e.delivery(build, now)
		if err != nil {
			return false, err
		}
		d.Next = now.Add(e.Coalesce)
		return r.store.AdvanceBuild(ctx, e.Name, at, end, now, &d)
	}
	var ds []state.Delivery
	for _, ev := range events {
		d, err := e.delivery(ev, now)
		if err != nil {
			return false, err
		}
		ds = append(ds, d)
	}
	return r.store.Advance(ctx, e.Name, at, end, now, ds)
}

// delivery is ev to be delivered to e now. Events of no entry share a path, and so
// keep their order.
func (e *Endpoint) delivery(ev Event, now time.Time) (state.Delivery, error) {
	prefixed := ev
	if e.EventTypePrefix != "" {
		prefixed.Type = e.EventTypePrefix + "." + ev.Type
	}
	body, err := prefixed.encode()
	if err != nil {
		return state.Delivery{}, err
	}
	path := ev.Data.Path
	if path == "" {
		path = "."
	}
	return state.Delivery{
		EventID: ev.ID, Type: ev.Type, Subject: ev.Subject, Path: path, From: ev.Data.From,
		Commit: ev.Data.Commit, Body: string(body), Created: now, Next: now,
		TraceParent: ev.trace.Parent(), TraceState: ev.trace.State,
	}, nil
}
