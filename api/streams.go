package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"cms/auth"
	"cms/site"
	"cms/state"
	"cms/web"
	"cms/webhooks"
)

// Streams bounds how many event streams are open at once.
type Streams struct {
	PerCaller int // of whom a token names, by all its tokens; 100 when 0
	Total     int // 2000 when 0
}

// How many streams there may be where Options name no other bounds.
const (
	streamsPerCaller = 100
	streamsInAll     = 2000
)

// Bounds of what streams are told, as they hold it: the bytes of all of it together,
// those of one part of it that are set aside while it is made, and what each part
// takes beside its bytes.
const (
	maxTold   = 16 << 20
	roomATime = 128 << 10
	toldCost  = 512
)

// streams are the event streams that are open: how many of whom, what wakes them, and
// what they are told. That is read and encoded once for all who see the same, by the
// one who comes first, never by who makes an edit. It is kept for those who come
// later as long as there is room.
type streams struct {
	site        *site.Site
	deployments *webhooks.Deployments // nil for none
	sequences   func(context.Context) func(depth int) string
	bounds      Streams
	room        *semaphore.Weighted // of maxTold bytes
	made        atomic.Int64        // parts that were read and encoded

	mu     sync.Mutex
	open   map[string]int // streams, by caller
	count  int            // of all of them
	news   chan struct{}  // closed when there may be something to tell
	stop   func()         // ends follow, which runs while a stream is open
	builds []toldBuild    // what was reported, in the order of the reports
	told   map[toldName]*told
	idle   idleTold // of told, those that nobody holds
}

func newStreams(a *API, bounds Streams) *streams {
	bounds.PerCaller, bounds.Total = cmp.Or(bounds.PerCaller, streamsPerCaller), cmp.Or(bounds.Total, streamsInAll)
	return &streams{
		site: a.site, deployments: a.deployments, sequences: a.sequences, bounds: bounds,
		room: semaphore.NewWeighted(maxTold), open: map[string]int{}, news: make(chan struct{}), told: map[toldName]*told{},
	}
}

// join counts a stream of a caller, until leave, or refuses it.
func (s *streams) join(caller string) (leave func(), p *web.Problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.open[caller] >= s.bounds.PerCaller:
		return nil, web.NewProblem(http.StatusTooManyRequests, fmt.Sprintf("You have %d event streams open, which is as many as anyone may. Close one first.", s.bounds.PerCaller)).
			With("Retry-After", streamRetry)
	case s.count >= s.bounds.Total:
		return nil, web.NewProblem(http.StatusServiceUnavailable, fmt.Sprintf("All %d event streams of the service are taken. Try again in a moment, or ask for /v1/changes.", s.bounds.Total)).
			With("Retry-After", streamRetry)
	}
	s.open[caller]++
	if s.count++; s.count == 1 {
		ctx, stop := context.WithCancel(context.Background())
		s.stop = stop
		go s.follow(ctx)
	}
	return sync.OnceFunc(func() { s.leave(caller) }), nil
}

// streamRetry is after how many seconds to ask again for a stream that was refused.
const streamRetry = "10"

func (s *streams) leave(caller string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[caller]--; s.open[caller] == 0 {
		delete(s.open, caller)
	}
	if s.count--; s.count == 0 {
		s.stop()
	}
}

// opened is how many streams are open.
func (s *streams) opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// follow wakes the streams when there is something new, so that those who publish it
// wake one goroutine, however many streams there are.
func (s *streams) follow(ctx context.Context) {
	look := time.NewTicker(auth.RevocationDelay) // for what other services were told of builds
	defer look.Stop()
	for {
		_, superseded := s.site.Head()
		builds, reported := s.reported(ctx)
		s.mu.Lock()
		s.builds = builds
		close(s.news)
		s.news = make(chan struct{})
		s.mu.Unlock()
		for waiting := true; waiting; {
			select {
			case <-superseded:
				waiting = false
			case <-reported:
				waiting = false
			case <-look.C:
				_, _ = s.reported(ctx)
			case <-ctx.Done():
				return
			}
		}
	}
}

// toldBuild is the event of a build.
type toldBuild struct {
	state.Deployment
	event []byte
}

// reported are the builds of which something was reported, and a channel that is
// closed when there is more; nil where none are kept.
func (s *streams) reported(ctx context.Context) ([]toldBuild, <-chan struct{}) {
	if s.deployments == nil {
		return nil, nil
	}
	all, news := s.deployments.Since(ctx, time.Time{})
	builds := make([]toldBuild, 0, len(all))
	for _, d := range all {
		data, err := json.Marshal(Deployment{d.State, d.Commit, maybe(d.At), d.URL})
		if err != nil {
			continue // of texts and a time
		}
		builds = append(builds, toldBuild{d, fmt.Appendf(nil, "event: deployment\ndata: %s\n\n", data)})
	}
	return builds, news
}

// now is what was reported of builds by now, and a channel that is closed when there
// may be something to tell after this. Ask it first.
func (s *streams) now() ([]toldBuild, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.builds, s.news
}

// told is the events of a part of the changes, as those see it who see the same.
// Whoever gets one has to release it.
type told struct {
	name   toldName
	ready  chan struct{} // closed when what follows is there
	events []byte
	next   site.Place
	err    error
	weight int64 // of the room

	// Guarded by streams.mu.
	holders        int
	older, younger *told // in idleTold
}

// idleTold are in the order in which they were let go of. To take one out and put it
// back, which each watcher does with each edit, costs no memory.
type idleTold struct{ oldest, youngest *told }

func (all *idleTold) add(t *told) {
	if t.older = all.youngest; t.older != nil {
		t.older.younger = t
	} else {
		all.oldest = t
	}
	all.youngest = t
}

// remove takes out t, which is there.
func (all *idleTold) remove(t *told) {
	if t.older != nil {
		t.older.younger = t.younger
	} else {
		all.oldest = t.younger
	}
	if t.younger != nil {
		t.younger.older = t.older
	} else {
		all.youngest = t.older
	}
	t.older, t.younger = nil, nil
}

// toldName is what someone sees, as [site.Site.Sees] names it, and where.
type toldName struct {
	sight string
	at    site.Place
}

// part is what pr, who sees what sight names, is told of what happened behind a
// place. It is empty, and goes nowhere, where nothing did.
func (s *streams) part(ctx context.Context, pr *auth.Principal, sight string, at site.Place) (*told, error) {
	for {
		t, first := s.hold(toldName{sight, at})
		if first {
			s.make(ctx, pr, t)
		}
		select {
		case <-t.ready:
		case <-ctx.Done():
			s.release(t)
			return nil, ctx.Err()
		}
		if t.err == nil && s.holds(t) {
			return t, nil
		}
		err := t.err
		s.forget(t)
		s.release(t)
		if first && err != nil || err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
	}
}

// holds says whether what was told is still so: the branch may have been rewritten.
func (s *streams) holds(t *told) bool {
	if t.next.Commit == "" {
		return true
	}
	_, there := s.site.Position(t.next.Commit)
	return there
}

// hold is what has the name, held once more. The first one has to make it.
func (s *streams) hold(name toldName) (t *told, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t = s.told[name]
	if first = t == nil; first {
		t = &told{name: name, ready: make(chan struct{})}
		s.told[name] = t
	}
	if t.holders++; t.holders == 1 && !first {
		s.idle.remove(t)
	}
	return t, first
}

// release lets go of t, which stays for others as long as there is room.
func (s *streams) release(t *told) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.holders--; t.holders > 0 {
		return
	}
	if s.told[t.name] == t {
		s.idle.add(t)
	} else {
		s.room.Release(t.weight)
	}
}

// forget leaves t to those who hold it.
func (s *streams) forget(t *told) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told[t.name] == t {
		delete(s.told, t.name)
	}
}

// make reads and encodes t, once there is room for it.
func (s *streams) make(ctx context.Context, pr *auth.Principal, t *told) {
	defer close(t.ready)
	if t.err = s.take(ctx, roomATime); t.err != nil {
		return
	}
	t.weight = roomATime
	s.made.Add(1)
	sequence := s.sequences(ctx)
	part, err := s.site.After(ctx, pr, t.name.at)
	if err == nil {
		t.next = part.Next
		t.events, err = eventsOf(part, t.name.at.Files > 0, sequence)
	}
	if t.err = err; err != nil {
		return
	}
	if weight := int64(len(t.events) + toldCost); weight < t.weight { // a larger one is rare, and its room is not waited for
		s.room.Release(t.weight - weight)
		t.weight = weight
	}
	if t.next == t.name.at { // when there is more, it is another part
		s.forget(t)
	}
}

// take takes room: first that of what nobody holds.
func (s *streams) take(ctx context.Context, bytes int64) error {
	for !s.room.TryAcquire(bytes) {
		if !s.drop() {
			return s.room.Acquire(ctx, bytes)
		}
	}
	return nil
}

// drop gives back the room of the oldest that nobody holds; false when there is none.
func (s *streams) drop() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.idle.oldest
	if oldest == nil {
		return false
	}
	s.idle.remove(oldest)
	delete(s.told, oldest.name)
	s.room.Release(oldest.weight)
	return true
}

// eventsOf are the events of a part. The id comes with the last one of a commit, so
// that who is cut off within one gets all of it again; by itself, when that was in a
// part before.
func eventsOf(p *site.Part, begun bool, sequence func(depth int) string) ([]byte, error) {
	var b bytes.Buffer
	for i := range p.Changes {
		c := &p.Changes[i]
		data, err := json.Marshal(eventOf(c, sequence))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "event: %s.%s\n", kind(c), c.Action)
		if i+1 == len(p.Changes) && p.Commit != "" {
			fmt.Fprintf(&b, "id: %s\n", p.Commit)
		}
		fmt.Fprintf(&b, "data: %s\n\n", data)
	}
	if begun && len(p.Changes) == 0 && p.Commit != "" {
		fmt.Fprintf(&b, "id: %s\n\n", p.Commit)
	}
	return slices.Clip(b.Bytes()), nil
}
