package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What a soak is made of, and what it holds the service to.
const (
	soakWriters, soakReaders, soakListers = 16, 4, 2

	historyBytes = 300      // that the index of the history may take for each commit
	memoryFactor = 1.3      // the last third may take so much more memory than the first,
	memoryMargin = 32 << 20 // and so many bytes, besides
	flatMargin   = 50       // and so many more descriptors and goroutines
	mostPacks    = 1000     // at any time, those apart that are kept for a while after they were repacked
)

// soak keeps the service under load for d, watches what it takes, and holds the
// repository against what was acknowledged. The error says what went wrong.
func (b *bench) soak(ctx context.Context, d time.Duration) error {
	sh := shape{"2,000 flat", 2000, 0}
	repository := filepath.Join(b.dir, "site.git")
	if _, err := makeSite(ctx, repository, sh); err != nil {
		return err
	}
	svc, _, err := b.start(ctx, b.dir, repository)
	if err != nil {
		return err
	}
	l := &soakLoad{service: svc, shape: sh, acked: make([]int64, sh.entries)}
	samples, err := l.run(ctx, d)
	if err = errors.Join(err, svc.stop()); err != nil {
		svc.kill()
		return err
	}
	b.printf("%d edits acknowledged, %d reads, %d pages of lists in %s\n", l.edits.Load(), l.reads.Load(), l.lists.Load(), d)
	return errors.Join(b.judge(samples), l.verify(ctx, repository))
}

// soakLoad is the clients, and what they were promised.
type soakLoad struct {
	*service
	shape               shape
	acked               []int64 // the value of each entry's last acknowledged edit; an entry has one writer
	edits, reads, lists atomic.Int64
}

// run loads the service for d, and tells what it took meanwhile.
func (l *soakLoad) run(ctx context.Context, d time.Duration) ([]sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	until := time.Now().Add(d)
	var wg sync.WaitGroup
	clients := func(n int, work func(context.Context, *http.Client, int, time.Time) error) {
		for c := range n {
			wg.Go(func() {
				if err := work(ctx, &http.Client{Transport: &http.Transport{}}, c, until); err != nil {
					cancel(err)
				}
			})
		}
	}
	clients(soakWriters, l.write)
	clients(soakReaders, l.read)
	clients(soakListers, l.list)
	var samples []sample
	ticks := time.NewTicker(min(5*time.Second, d/8))
	defer ticks.Stop()
	for ctx.Err() == nil && time.Now().Before(until) {
		select {
		case <-ctx.Done():
		case <-ticks.C:
			s, err := l.sample(ctx)
			if err != nil {
				cancel(err)
			}
			samples = append(samples, s)
		}
	}
	wg.Wait()
	return samples, context.Cause(ctx)
}

// write edits the entries of one writer in turn, under the ETag of the last edit.
func (l *soakLoad) write(ctx context.Context, client *http.Client, c int, until time.Time) error {
	tags := make(map[int]string)
	for n := int64(1); time.Now().Before(until); n++ {
		i := int(n)%(l.shape.entries/soakWriters)*soakWriters + c
		if tags[i] == "" {
			tag, err := l.do(ctx, client, http.MethodGet, l.shape.slug(i), "", nil)
			if err != nil {
				return err
			}
			tags[i] = tag
		}
		tag, err := l.do(ctx, client, http.MethodPatch, l.shape.slug(i), tags[i], fmt.Appendf(nil, `{"fields": {"ordre": %d}}`, n))
		if err != nil {
			return err
		}
		tags[i], l.acked[i] = tag, n
		l.edits.Add(1)
	}
	return nil
}

// read reads entries at random.
func (l *soakLoad) read(ctx context.Context, client *http.Client, _ int, until time.Time) error {
	for time.Now().Before(until) {
		if _, err := l.do(ctx, client, http.MethodGet, l.shape.slug(rand.IntN(l.shape.entries)), "", nil); err != nil { //nolint:gosec // which one does not matter
			return err
		}
		l.reads.Add(1)
	}
	return nil
}

// list goes through the list from its beginning to its end, again and again.
func (l *soakLoad) list(ctx context.Context, client *http.Client, _ int, until time.Time) error {
	cursor := ""
	for time.Now().Before(until) {
		page := url.Values{"limit": {"100"}}
		if cursor != "" {
			page.Set("cursor", cursor)
		}
		raw, err := l.get(ctx, client, l.url+"/v1/collections/consultations/entries?"+page.Encode())
		if err != nil {
			return err
		}
		var list struct {
			Next string `json:"next_cursor"`
		}
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		cursor = list.Next
		l.lists.Add(1)
	}
	return nil
}

// A sample is what the service takes at one moment.
type sample struct{ memory, commits, descriptors, packs, goroutines float64 }

func (s sample) megabytes() float64 { return s.memory / (1 << 20) }
func (s sample) history() float64   { return s.commits * historyBytes / (1 << 20) }

func (l *soakLoad) sample(ctx context.Context) (sample, error) {
	s := sample{memory: float64(l.memory())}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.cmd.Process.Pid))
	if err != nil {
		return s, fmt.Errorf("a soak needs /proc: %w", err)
	}
	s.descriptors = float64(len(open))
	for name, value := range map[string]*float64{
		"go_goroutines": &s.goroutines, "cms_history_commits": &s.commits, "cms_packs": &s.packs,
	} {
		if *value, err = l.metric(ctx, name); err != nil {
			return s, err
		}
	}
	return s, nil
}

// judge compares the last third of the samples with the first.
func (b *bench) judge(samples []sample) error {
	third := len(samples) / 3
	if third == 0 {
		return errors.New("too short to judge")
	}
	first, last := samples[:third], samples[len(samples)-third:]
	var wrong []error
	row := func(name string, of func(sample) float64, most func(first float64) float64) {
		a, z := mean(first, of), mean(last, of)
		b.printf("%-12s %8.1f in the first third, %8.1f in the last\n", name, a, z)
		if z > most(a) {
			wrong = append(wrong, fmt.Errorf("%s: %.1f in the last third, %.1f at most", name, z, most(a)))
		}
	}
	flat := func(first float64) float64 { return first + flatMargin }
	b.printf("%-12s %8.1f in the first third, %8.1f in the last, of which the history may take %.1f and %.1f\n", "memory (MB)",
		mean(first, sample.megabytes), mean(last, sample.megabytes), mean(first, sample.history), mean(last, sample.history))
	row("without it", func(s sample) float64 { return s.megabytes() - s.history() },
		func(first float64) float64 { return first*memoryFactor + memoryMargin>>20 })
	row("descriptors", func(s sample) float64 { return s.descriptors }, flat)
	row("goroutines", func(s sample) float64 { return s.goroutines }, flat)
	most := 0.0
	for _, s := range samples {
		most = max(most, s.packs)
	}
	b.printf("%-12s %8.0f at most\n", "packs", most)
	if most > mostPacks {
		wrong = append(wrong, fmt.Errorf("packs: %.0f, %d at most", most, mostPacks))
	}
	return errors.Join(wrong...)
}

func mean(samples []sample, of func(sample) float64) (sum float64) {
	for _, s := range samples {
		sum += of(s)
	}
	return sum / float64(len(samples))
}

// verify holds the repository against what was acknowledged: a commit for each
// edit, and each entry as its last one left it.
func (l *soakLoad) verify(ctx context.Context, repository string) error {
	git := func(args ...string) (string, error) {
		return command(ctx, "", "git", append([]string{"--git-dir", repository}, args...)...)
	}
	if said, err := git("fsck", "--strict", "--no-dangling", "--no-progress"); err != nil || said != "" {
		return fmt.Errorf("git fsck: %s %w", said, err)
	}
	commits, err := git("rev-list", "--count", "main")
	if err != nil {
		return err
	}
	if want := fmt.Sprintln(l.edits.Load() + 1); commits != want { // one imported the site
		return fmt.Errorf("there are %s commits, want %s", strings.TrimSpace(commits), strings.TrimSpace(want))
	}
	found, err := git("grep", "^ordre: ", "main")
	if err != nil {
		return err
	}
	has := make(map[string]string)
	for line := range strings.Lines(found) {
		path, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "main:"), ":ordre: ")
		has[path] = value
	}
	for i, n := range l.acked {
		if got := has[l.shape.path(i)]; got != strconv.FormatInt(n, 10) {
			return fmt.Errorf("%s has %q, not the acknowledged %d", l.shape.path(i), got, n)
		}
	}
	return nil
}
