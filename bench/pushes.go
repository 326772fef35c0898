package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	pushLoops   = 12
	pushWithin  = 10 * time.Second // of the commit, however often it is tried
	editsBeside = 10               // edits a second beside them
)

// pushes measures whether a developer gets through beside editors: a commit, and
// git pull --rebase && git push until it is there.
func (b *bench) pushes(ctx context.Context) error {
	sh := b.plan.shapes[1]
	svc, work, repository, err := b.site(ctx, "pushes", sh)
	if err != nil {
		return err
	}
	defer svc.kill()
	b.printf(`
## Pushes beside edits, %s entries

A developer commits one new entry in a clone, then git pull --rebase && git push, again
until it is there or %.0f s are over; %d times.

| | got through | at the first try | median | slowest | edits: median | 99th percentile |
|---|---|---|---|---|---|---|
`, sh.name, pushWithin.Seconds(), pushLoops)
	for _, row := range []struct {
		name string
		rate int
	}{{"nobody edits", 0}, {fmt.Sprintf("%d edits/s", editsBeside), editsBeside}} {
		var edits *steady
		if row.rate > 0 {
			edits = svc.edits(ctx, sh, row.rate)
		}
		through, first, took, err := pushLoop(ctx, filepath.Join(work, fmt.Sprintf("clone-%d", row.rate)), repository, row.rate)
		var r result
		if edits != nil {
			var failed error
			r, failed = edits.stop()
			err = errors.Join(err, failed)
		}
		if err != nil {
			return err
		}
		b.printf("| %s | %d of %d | %d | %.0f ms | %.0f ms | %s | %s |\n", row.name, through, pushLoops, first, milliseconds(resultOf(took, time.Second).median), milliseconds(slowest(took)), orDash(r.median), orDash(r.p99))
	}
	return svc.stop()
}

func orDash(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f ms", milliseconds(d))
}

// pushLoop pushes from a new clone, and tells how often that got through, how often
// at the first try, and how long each took. Loops of different numbers make different
// entries.
func pushLoop(ctx context.Context, tree, repository string, number int) (through, first int, took []time.Duration, err error) {
	if _, err := command(ctx, "", "git", "clone", "-q", "--no-local", repository, tree); err != nil {
		return 0, 0, nil, err
	}
	for n := range pushLoops {
		path := filepath.Join(tree, fmt.Sprintf("_consultations/dehors-%d-%d.md", number, n))
		if err := os.WriteFile(path, file(n, n), 0o644); err != nil {
			return through, first, took, err
		}
		for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", "Push"}} {
			if _, err := command(ctx, tree, "git", args...); err != nil {
				return through, first, took, err
			}
		}
		began := time.Now()
		for try := 1; time.Since(began) < pushWithin; try++ {
			done, err := pullAndPush(ctx, tree)
			if err != nil {
				return through, first, took, err
			}
			if !done {
				continue
			}
			if time.Since(began) <= pushWithin {
				through++
			}
			if try == 1 {
				first++
			}
			break
		}
		took = append(took, time.Since(began))
	}
	return through, first, took, nil
}

// pullAndPush says whether the push got through.
func pullAndPush(ctx context.Context, tree string) (bool, error) {
	if _, err := command(ctx, tree, "git", "pull", "-q", "--rebase"); err != nil {
		return false, err
	}
	_, err := command(ctx, tree, "git", "push", "-q")
	late := func(s string) bool { return strings.Contains(err.Error(), s) }
	if err == nil || ctx.Err() == nil && slices.ContainsFunc([]string{"rejected", "failed to push"}, late) {
		return err == nil, nil
	}
	return false, err
}
