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
	editsBeside = 10 // edits a second beside them
)

// pushes measures whether a developer gets through beside editors: a commit, and
// git pull --rebase && git push, once each time.
func (b *bench) pushes(ctx context.Context) error {
	sh := b.plan.shapes[1]
	svc, work, repository, err := b.site(ctx, "pushes", sh)
	if err != nil {
		return err
	}
	defer svc.kill()
	b.printf(`
## Pushes beside edits, %s entries

A developer commits one new entry in a clone, then git pull --rebase && git push, once;
%d times over. What does not get through goes with the next.

| | got through | median | slowest | edits: median | 99th percentile |
|---|---|---|---|---|---|
`, sh.name, pushLoops)
	for _, row := range []struct {
		name string
		rate int
	}{{"nobody edits", 0}, {fmt.Sprintf("%d edits/s", editsBeside), editsBeside}} {
		var edits *steady
		if row.rate > 0 {
			edits = svc.edits(ctx, sh, row.rate)
		}
		through, took, err := pushLoop(ctx, filepath.Join(work, fmt.Sprintf("clone-%d", row.rate)), repository, row.rate)
		var r result
		if edits != nil {
			var failed error
			r, failed = edits.stop()
			err = errors.Join(err, failed)
		}
		if err != nil {
			return err
		}
		b.printf("| %s | %d of %d | %.0f ms | %.0f ms | %s | %s |\n", row.name, through, pushLoops, milliseconds(resultOf(took, time.Second).median), milliseconds(slowest(took)), orDash(r.median), orDash(r.p99))
	}
	return svc.stop()
}

func orDash(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f ms", milliseconds(d))
}

// pushLoop pushes from a new clone, and tells how often that got through and how
// long each took. Loops of different numbers make different entries.
func pushLoop(ctx context.Context, tree, repository string, number int) (through int, took []time.Duration, err error) {
	if _, err := command(ctx, "", "git", "clone", "-q", "--no-local", repository, tree); err != nil {
		return 0, nil, err
	}
	for n := range pushLoops {
		path := filepath.Join(tree, fmt.Sprintf("_consultations/dehors-%d-%d.md", number, n))
		if err := os.WriteFile(path, file(n, n), 0o644); err != nil {
			return through, took, err
		}
		for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", "Push"}} {
			if _, err := command(ctx, tree, "git", args...); err != nil {
				return through, took, err
			}
		}
		began := time.Now()
		if _, err := command(ctx, tree, "git", "pull", "-q", "--rebase"); err != nil {
			return through, took, err
		}
		_, err := command(ctx, tree, "git", "push", "-q")
		took = append(took, time.Since(began))
		switch {
		case err == nil:
			through++
		case ctx.Err() != nil || !slices.ContainsFunc([]string{"rejected", "failed to push"}, func(s string) bool { return strings.Contains(err.Error(), s) }):
			return through, took, err
		}
	}
	return through, took, nil
}
