package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// site makes a site of its own for a section, and starts the service on it.
func (b *bench) site(ctx context.Context, name string, sh shape) (svc *service, work, repository string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %s\n", name, sh.name)
	work = filepath.Join(b.dir, fmt.Sprintf("%s-%d", name, sh.entries))
	repository = filepath.Join(work, "site.git")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return nil, "", "", err
	}
	if _, err := makeSite(ctx, repository, sh); err != nil {
		return nil, "", "", err
	}
	svc, _, err = b.start(ctx, work, repository)
	return svc, work, repository, err
}

// timed does something n times, and tells how long it took.
func timed(n int, do func(i int) error) (result, error) {
	var took []time.Duration
	start := time.Now()
	for i := range n {
		began := time.Now()
		if err := do(i); err != nil {
			return result{}, err
		}
		took = append(took, time.Since(began))
	}
	return resultOf(took, time.Since(start)), nil
}

// steady is edits that are sent at a rate, whether or not those before them were
// answered.
type steady struct {
	cancel context.CancelFunc
	done   chan struct{}
	took   []time.Duration
	err    error
}

// edits sends so many edits a second, of one entry after the other, until they are
// stopped.
func (s *service) edits(ctx context.Context, sh shape, perSecond int) *steady {
	ctx, cancel := context.WithCancel(ctx)
	e := &steady{cancel: cancel, done: make(chan struct{})}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	go func() {
		defer close(e.done)
		var (
			mu sync.Mutex
			wg sync.WaitGroup
		)
		defer wg.Wait()
		ticks := time.NewTicker(time.Second / time.Duration(perSecond))
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
			}
			n := int(s.edited.Add(1))
			wg.Go(func() {
				began := time.Now()
				_, answered, err := s.patch(context.WithoutCancel(ctx), client, sh.slug(n*7919%sh.entries), n)
				mu.Lock()
				defer mu.Unlock()
				e.took = append(e.took, answered.Sub(began))
				if err != nil {
					e.err = err
				}
			})
		}
	}()
	return e
}

// stop ends the edits, and tells how long they took.
func (e *steady) stop() (result, error) {
	e.cancel()
	<-e.done
	return resultOf(e.took, time.Second), e.err
}

// slowest is the longest of what took so long each.
func slowest(took []time.Duration) (most time.Duration) {
	for _, d := range took {
		most = max(most, d)
	}
	return most
}

// together is the result of several of one measurement each; its 99th percentile is
// the slowest.
func together(all []result) result {
	var took []time.Duration
	for _, r := range all {
		took = append(took, r.median)
	}
	r := resultOf(took, time.Second)
	r.p99 = slowest(took)
	return r
}

// repeatedly asks for the same n times, and tells how many bytes the service
// allocated for each.
func (s *service) repeatedly(ctx context.Context, n int, path string) (result, float64, error) {
	const allocated = "go_memstats_alloc_bytes_total"
	before, err := s.metric(ctx, allocated)
	if err != nil {
		return result{}, 0, err
	}
	r, err := timed(n, func(int) error { return s.until(ctx, path) })
	if err != nil {
		return r, 0, err
	}
	after, err := s.metric(ctx, allocated)
	return r, (after - before) / float64(n), err
}
