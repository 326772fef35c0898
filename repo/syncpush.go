package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// How long the writer lets one contact with the remote take, how often and how long it
// tries a group again while others move the remote's branch, and how long it leaves a
// remote alone that cannot be reached or asks for it at least.
const (
	syncTimeout  = 20 * time.Second
	minSyncTries = 5
	maxSyncTime  = 15 * time.Second
	syncRest     = 500 * time.Millisecond
)

// A RemoteError says that an update was not saved, since it has to be at the remote, and
// that cannot be reached, or refuses it. It is ErrStorage.
type RemoteError struct {
	Refused bool          // by the remote, in words that Err has: they are for the log
	Retry   time.Duration // when to try again; 0 when that is not known
	Err     error
}

func (e *RemoteError) Error() string {
	return "not saved, as the remote does not take it: " + e.Err.Error()
}

func (e *RemoteError) Unwrap() []error { return []error{ErrStorage, e.Err} }

// errUnpushed: the branch has commits that the remote is not known to have, or the other
// way round, so that a group cannot be pushed upon it.
var errUnpushed = errors.New("branch and remote are not in step")

// ofRemote says whether an error is about the remote alone, so that nothing is left behind
// here but packs, which are kept while the group is tried again.
func ofRemote(err error) bool {
	return errors.Is(err, errMovedThere) || errors.Is(err, errUnpushed) || errors.Is(err, ErrSent) || errors.As(err, new(*RemoteError))
}

// syncs says whether an update is done only when the remote has it.
func (m *Remote) syncs() bool { return m != nil && m.Push && m.Sync }

// commitSync commits requests that are done when the remote has them. What others pushed
// there first is taken in, and the functions run again upon it. Of several that the remote
// refuses each half is tried by itself. It is true if the disk is in doubt.
func (r *Repo) commitSync(ctx context.Context, requests []*request) (unsure bool) {
	began, since := time.Now(), r.View().commit
	for tries := 1; len(requests) > 0; tries++ {
		if err := r.inStep(ctx); err != nil {
			r.failRemote(requests, nil, err)
			return false
		}
		if tip := r.View().commit; tip != since {
			requests, since = r.dropRepeated(ctx, since, requests), tip
		}
		outcomes := make([]outcome, len(requests))
		next, err := r.attempt(ctx, requests, outcomes, time.Now().Add(lockTimeout))
		if err == nil {
			if since != r.leftAt {
				r.overtaken += countFailed(outcomes)
			}
			r.leftAt = next.commit
			r.succeed(requests, outcomes, next)
			return false
		}
		requests, outcomes = stay(requests, outcomes)
		var refused *refusal
		switch moved := errors.Is(err, errMovedThere) || errors.Is(err, errUnpushed) || errors.Is(err, errMoved); {
		case moved && (tries < minSyncTries || time.Since(began) < maxSyncTime):
			r.remoteAt = Hash{}                                                          // to be asked
			_ = pauseFor(ctx, rand.N(time.Duration(min(tries, 20))*10*time.Millisecond)) //nolint:gosec // no secret
		case errors.As(err, &refused) && refused.content && len(requests) > 1:
			half := len(requests) / 2
			first := r.commitSync(ctx, requests[:half])
			return r.commitSync(ctx, requests[half:]) || first
		case errors.Is(err, ErrSent):
			r.remoteAt = Hash{}
			r.unknownUntil.Store(time.Now().Add(pushTimeout).UnixNano())
			r.failRemote(requests, outcomes, fmt.Errorf("%w: %w", ErrUnsure, err))
			return errors.Is(err, ErrUnsure)
		case moved:
			r.failRemote(requests, outcomes, &RemoteError{Err: err})
			return false
		case errors.As(err, new(*RemoteError)):
			r.failRemote(requests, outcomes, err)
			return false
		default:
			r.failGroup(requests, outcomes, storageError(err))
			return errors.Is(err, ErrUnsure)
		}
	}
	return false
}

// mayHaveTaken says whether the remote may have got what this side does not know of: by a
// push without an answer, of this process or, until the first contact, of the one before.
func (r *Repo) mayHaveTaken() bool {
	return r.remote.syncs() && (r.contact.err() != nil || time.Now().UnixNano() < r.unknownUntil.Load())
}

// inStep has the remote and the branch be at the same commit, as far as is known: what only
// one of them has is fetched, joined and pushed. Where that is known already it asks nobody.
func (r *Repo) inStep(ctx context.Context) error {
	if err := r.contact.err(); err != nil {
		return err
	}
	if rest := time.Until(r.restUntil); rest > 0 {
		return &RemoteError{Retry: rest, Err: errors.New("it is left alone for a while")}
	}
	if tip := r.View().commit; !r.remoteAt.IsZero() && tip == r.contact.followed() {
		r.remoteAt = tip // a fetch may have found it there
		return nil
	}
	err := r.serving(ctx, func(ctx context.Context) error {
		if err := r.Fetch(ctx); err != nil {
			return err
		}
		return r.push(ctx)
	})
	if errors.Is(err, ErrUnsure) { // about what the remote has, and not about any update
		err = fmt.Errorf("%w: take in what the remote has: %s", ErrStorage, err.Error())
	}
	if err != nil {
		return r.leaveAlone(err)
	}
	r.remoteAt = r.contact.followed()
	return nil
}

// serving has another goroutine do what may ask the writer for something, for as long as a
// contact may take, and does that meanwhile.
func (r *Repo) serving(ctx context.Context, do func(context.Context) error) error {
	contact, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- do(contact) }()
	for {
		select {
		case a := <-r.refUpdates:
			a.done <- r.updateRef(ctx, a)
		case err := <-done:
			return err
		}
	}
}

// A turn is a time in which no other service pushes, but where it was not to be had.
type turn struct {
	had bool
	end func() // gives it to the next one
}

// takeTurn waits until it is this process's turn to push. What came to wait meanwhile is in
// the same group. Where the turn does not come in time there is a push nevertheless: it is
// the remote that decides between two.
func (r *Repo) takeTurn(ctx context.Context) turn {
	none := turn{end: func() {}}
	if !r.remote.syncs() || r.remote.Turn == nil || r.contact.err() != nil || time.Now().Before(r.restUntil) {
		return none
	}
	var release func()
	var others bool
	err := r.serving(ctx, func(ctx context.Context) (err error) {
		release, others, err = r.remote.Turn(ctx)
		return err
	})
	if err != nil {
		r.log.Warn("the turn to push does not come", "error", err)
		return none
	}
	if others {
		r.remoteAt = Hash{} // to be asked
	}
	return turn{true, release}
}

// For how long at least and at most a turn is kept for those who read and write again.
const (
	minKeepTurn = 50 * time.Millisecond
	maxKeepTurn = time.Second
)

// keepsTurn is for how long a turn is kept for those who read and write again: less than a
// push takes, so that a turn in which nobody does costs others little.
func (r *Repo) keepsTurn() time.Duration {
	return max(min(max(r.pushTook/2, minKeepTurn), maxKeepTurn), r.remote.minWait)
}

// leaveAlone is the error of a remote that takes nothing, which is not asked again before
// it says, and not at once.
func (r *Repo) leaveAlone(err error) error {
	e := &RemoteError{Retry: syncRest, Err: err}
	var refused *refusal
	if e.Refused = errors.As(err, &refused); e.Refused {
		e.Retry = max(e.Retry, refused.retry)
	}
	r.restUntil = time.Now().Add(e.Retry)
	return e
}

// succeed answers the requests of a group that is done.
func (r *Repo) succeed(requests []*request, outcomes []outcome, next *Snapshot) {
	r.setWriteErr(nil)
	r.waiting = r.queue.size()
	for i, q := range requests {
		o := outcomes[i]
		q.answer(Result{Commit: o.commit, Snapshot: next, Changed: o.changed}, o.err)
	}
}

// countFailed is how many updates failed by themselves.
func countFailed(outcomes []outcome) (n int) {
	for _, o := range outcomes {
		if o.err != nil {
			n++
		}
	}
	return n
}

// failRemote answers requests that the remote did not take, or maybe took: the repository
// itself can be written all the same.
func (r *Repo) failRemote(requests []*request, outcomes []outcome, err error) {
	r.log.Warn("edits wait for the Git host in vain", "updates", len(requests), "error", err)
	r.contact.pushEnded(err)
	r.waiting = r.queue.size()
	for i, q := range requests {
		switch unsure := errors.Is(err, ErrUnsure); {
		case outcomes != nil && outcomes[i].err != nil && !outcomes[i].upon: // what is not saved, or maybe not
			q.answer(Result{}, outcomes[i].err)
		case unsure && !outcomes[i].changed:
			q.answer(Result{}, fmt.Errorf("%w: an update before this one may be saved, or not", ErrStorage))
		default:
			q.answer(Result{}, err)
		}
	}
}

// dropRepeated is requests without those whose key a commit since has: an earlier push of
// theirs landed late. They are asked to come again, and then told what it did.
func (r *Repo) dropRepeated(ctx context.Context, since Hash, requests []*request) []*request {
	var still []*request
	for _, q := range requests {
		if q.meta.Key != "" {
			if made, err := r.findKey(ctx, since, q.meta.Key); err != nil || !made.IsZero() {
				q.answer(Result{}, fmt.Errorf("%w: a request of the same key may be saved", ErrUnsure))
				continue
			}
		}
		still = append(still, q)
	}
	return still
}

// send pushes the group, whose objects are in place, upon what the remote has. After an
// error the remote has not got it, but after ErrSent, when it may have.
func (g *group) send(ctx context.Context) error {
	err := g.repo.sendUpon(ctx, g.base.commit, g.commit, func() (*pack, error) {
		pack, err := g.packed()
		if err == nil {
			for _, q := range g.requests {
				q.beginSending()
			}
		}
		return pack, err
	})
	if refused := (*refusal)(nil); errors.As(err, &refused) && refused.content {
		return &RemoteError{Refused: true, Err: fmt.Errorf("push %s: %w", g.span(), err)}
	}
	return err
}

// span names the commits of the group.
func (g *group) span() string {
	if first := g.commits[0].hash; first != g.commit {
		return fmt.Sprintf("commits %s up to %s", first, g.commit)
	}
	return "commit " + g.commit.String()
}

// sendUpon pushes a pack that leads from where the remote is to a commit. What the remote
// refuses because of content is a refusal, what it does not take otherwise a RemoteError.
func (r *Repo) sendUpon(ctx context.Context, from, to Hash, packed func() (*pack, error)) error {
	if r.remoteAt != from {
		return errUnpushed
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	session, err := r.remote.openPush(ctx)
	if err != nil {
		return r.leaveAlone(err)
	}
	defer session.close()
	if session.tip(r.branch.name) != from {
		return errMovedThere
	}
	pack, err := packed()
	if err != nil {
		return err
	}
	err = session.push(ctx, r.branch.name, from, to, bytes.NewReader(pack.buf.Bytes()))
	if refused := (*refusal)(nil); errors.As(err, &refused) && !refused.content {
		return r.leaveAlone(err)
	}
	if err == nil {
		r.pushTook = time.Since(began)
	}
	return err
}

// land has the branch go on to what a push brings: where updates are done when the remote
// has them, once it has that. The errors are those of Update, and errMoved, after which the
// branch has what others have pushed there.
func (r *Repo) land(ctx context.Context, a *refUpdate) (err error) {
	if r.remote != nil {
		defer func() {
			if err == nil {
				r.window.pushArrived(time.Now())
			}
		}()
	}
	if !r.remote.syncs() {
		return r.updateRef(ctx, a)
	}
	turn := r.takeTurn(ctx)
	defer turn.end()
	err = r.landThere(ctx, a)
	if ofRemote(err) { // what is refused here says nothing of the host
		r.log.Warn("a push waits for the Git host in vain", "error", err)
		r.contact.pushEnded(err)
	}
	return err
}

// landThere is land by who has the turn to push.
func (r *Repo) landThere(ctx context.Context, a *refUpdate) error {
	if err := r.inStep(ctx); err != nil {
		return err
	}
	s := r.View()
	if s.commit != a.from {
		return errMoved
	}
	if err := a.before(); err != nil {
		return err
	}
	coming, err := r.prepareIncoming(ctx, s, a.to, nil, nil)
	if err != nil {
		return err
	}
	h, err := r.branch.acquire(s.commit, a.to, time.Now().Add(lockTimeout))
	if err != nil {
		return err
	}
	if err = h.sync(); err == nil {
		err = r.sendUpon(ctx, s.commit, a.to, func() (*pack, error) { return r.packLanding(ctx, coming.extension) })
	}
	if err != nil {
		err = errors.Join(err, h.drop())
	} else if err = h.move(); err != nil {
		r.dirty = true
		err = fmt.Errorf("%w: the remote has it: %w", ErrSent, err)
	}
	refused := (*refusal)(nil)
	switch {
	case err == nil:
		r.applyIncoming(coming)
		r.sent(a.to)
		return nil
	case errors.Is(err, errMovedThere), errors.Is(err, errUnpushed):
		r.remoteAt = Hash{}
		if err := r.inStep(ctx); err != nil { // so that the pusher gets here what is there
			return err
		}
		return errMoved
	case errors.Is(err, ErrSent):
		r.remoteAt = Hash{}
		r.unknownUntil.Store(time.Now().Add(pushTimeout).UnixNano())
		return fmt.Errorf("%w: %w", ErrUnsure, err)
	case errors.As(err, &refused) && refused.content:
		return &RemoteError{Refused: true, Err: fmt.Errorf("push commits up to %s: %w", a.to, err)}
	}
	return err
}

// packLanding is the pack of all that the branch gets.
func (r *Repo) packLanding(ctx context.Context, e *extension) (*pack, error) {
	own := r.store.withOwnCache()
	defer own.Close()
	o := &objectWalk{store: own, pack: newPack(), seen: make(map[Hash]bool)}
	for _, c := range e.added {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if _, err := o.commit(c.hash); err != nil {
			return nil, storageError(err)
		}
	}
	o.pack.finish()
	return o.pack, nil
}

// packed is the pack of all that the group made: that of the writer, unless there are
// uploads, which are packs of their own.
func (g *group) packed() (*pack, error) {
	r := g.repo
	if len(g.uploads) == 0 {
		return r.pack, nil
	}
	own := r.store.withOwnCache()
	defer own.Close()
	o := &objectWalk{store: own, pack: newPack(), seen: make(map[Hash]bool)}
	for _, c := range g.commits {
		if _, err := o.commit(c.hash); err != nil {
			return nil, storageError(err)
		}
	}
	o.pack.finish()
	return o.pack, nil
}

// sent notes that the remote has a commit, and the branch too.
func (r *Repo) sent(commit Hash) {
	r.remoteAt = commit
	r.contact.pushEnded(nil)
	if err := r.setFollowed(commit); err != nil {
		r.log.Warn("where the remote is cannot be noted before the next contact", "error", err)
	}
}

// Where a request is while the remote is waited for.
const (
	running int32 = iota // or in the queue
	sending              // its commit is on the way, and its function does not run
	left                 // nobody waits for its answer any more
)

// beginSending lets who waits for the request go, should they have no more time.
func (q *request) beginSending() {
	if q.sent == nil || !q.state.CompareAndSwap(running, sending) {
		return
	}
	select {
	case q.sent <- struct{}{}:
	default:
	}
}

// stay are the requests that somebody still waits for, which may run again.
func stay(requests []*request, outcomes []outcome) ([]*request, []outcome) {
	var still []*request
	var of []outcome
	for i, q := range requests {
		if q.state.CompareAndSwap(sending, running) || q.state.Load() == running {
			still, of = append(still, q), append(of, outcomes[i])
		}
	}
	return still, of
}

// leave is what an Update is told whose time ends while its commit is on the way; nil
// once it is done.
func (q *request) leave() error {
	for {
		select {
		case <-q.done:
			return nil
		case <-q.sent:
			if q.state.CompareAndSwap(sending, left) {
				return fmt.Errorf("%w: %w: it is on its way", ErrUnsure, ErrSent)
			}
		}
	}
}
