package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// rounds is how often each of two versions is measured, in turn.
const rounds = 5

// version is a binary of the service and what its rounds gave.
type version struct {
	name, binary string
	svc          *service
	results      []result
	cpu          time.Duration // of the service in all rounds
	done         float64       // requests in all rounds
}

// against measures edits and reads of another binary and of this code in turn, so that
// what else the machine does falls on both; and tells the medians of the rounds.
func (b *bench) against(ctx context.Context, other string) error {
	other, err := filepath.Abs(other)
	if err != nil {
		return err
	}
	b.printf("\n## Against %s\n\nMedians of %d rounds each, in turn.\n", filepath.Base(other), rounds)
	for _, sh := range b.plan.shapes {
		if err := b.shapeAgainst(ctx, sh, other); err != nil {
			return fmt.Errorf("%s: %w", sh.name, err)
		}
	}
	return nil
}

// shapeAgainst measures one site.
func (b *bench) shapeAgainst(ctx context.Context, sh shape, other string) error {
	before, now := &version{name: "before", binary: other}, &version{name: "now", binary: b.binary}
	for _, v := range []*version{before, now} {
		work := filepath.Join(b.dir, fmt.Sprintf("against-%s-%d", v.name, sh.entries))
		if err := os.MkdirAll(work, 0o755); err != nil {
			return err
		}
		repository := filepath.Join(work, "site.git")
		if _, err := makeSite(ctx, repository, sh); err != nil {
			return err
		}
		of := &bench{dir: b.dir, binary: v.binary, plan: b.plan, out: b.out}
		var err error
		if v.svc, _, err = of.start(ctx, work, repository); err != nil {
			return err
		}
		defer v.svc.kill()
	}
	b.printf("\n### %s entries\n\n| | before: a second | median | 99th percentile | CPU each | now: a second | median | 99th percentile | CPU each | now of before |\n|---|---|---|---|---|---|---|---|---|---|\n", sh.name)
	type load struct {
		name string
		run  func(*service) (result, error)
	}
	var loads []load
	for _, clients := range []int{1, 16, 64} {
		loads = append(loads, load{fmt.Sprintf("edits, %d clients", clients), func(s *service) (result, error) {
			return s.edit(ctx, sh, clients, b.plan.duration/2)
		}})
	}
	for _, ask := range []struct{ name, path string }{
		{"one entry", "/v1/collections/consultations/entries/" + sh.slug(sh.entries/2)}, {"list", sortedList}, {"search", wordSearch},
	} {
		loads = append(loads, load{ask.name, func(s *service) (result, error) {
			return timedFor(b.plan.duration/4, func() error {
				_, err := s.get(ctx, http.DefaultClient, s.url+ask.path)
				return err
			})
		}})
	}
	for _, l := range loads {
		fmt.Fprintf(os.Stderr, "%s: %s\n", sh.name, l.name)
		for _, v := range []*version{before, now} {
			v.results, v.cpu, v.done = nil, 0, 0
		}
		turn := []*version{before, now}
		for range rounds {
			slices.Reverse(turn) // what one leaves behind on the disk falls on both
			for _, v := range turn {
				if err := v.measure(l.run); err != nil {
					return fmt.Errorf("%s, %s: %w", l.name, v.name, err)
				}
			}
		}
		x, y := middle(before.results), middle(now.results)
		b.printf("| %s | %.0f | %.2f ms | %.2f ms | %.2f ms | %.0f | %.2f ms | %.2f ms | %.2f ms | %.2f |\n", l.name,
			x.rate, milliseconds(x.median), milliseconds(x.p99), milliseconds(before.cpu)/before.done,
			y.rate, milliseconds(y.median), milliseconds(y.p99), milliseconds(now.cpu)/now.done, y.rate/x.rate)
	}
	return errors.Join(before.svc.stop(), now.svc.stop())
}

// measure does a round.
func (v *version) measure(run func(*service) (result, error)) error {
	began, start := v.svc.cpu(), time.Now()
	r, err := run(v.svc)
	if err != nil {
		return err
	}
	v.results = append(v.results, r)
	v.cpu += v.svc.cpu() - began
	v.done += r.rate * time.Since(start).Seconds()
	return nil
}

// timedFor does something again and again for a while.
func timedFor(d time.Duration, do func() error) (result, error) {
	var took []time.Duration
	start := time.Now()
	for time.Since(start) < d {
		began := time.Now()
		if err := do(); err != nil {
			return result{}, err
		}
		took = append(took, time.Since(began))
	}
	return resultOf(took, time.Since(start)), nil
}

// middle is made of the median of each figure.
func middle(results []result) result {
	of := func(figure func(result) float64) float64 {
		var all []float64
		for _, r := range results {
			all = append(all, figure(r))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return result{
		rate:   of(func(r result) float64 { return r.rate }),
		median: time.Duration(of(func(r result) float64 { return float64(r.median) })),
		p99:    time.Duration(of(func(r result) float64 { return float64(r.p99) })),
	}
}
