package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// histories measures the history of files in a repository of many commits.
func (b *bench) histories(ctx context.Context) error {
	s := shape{entries: 3500}
	fmt.Fprintf(os.Stderr, "history of %d commits\n", b.plan.history)
	work := filepath.Join(b.dir, "history")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(work)
	repository := filepath.Join(work, "site.git")
	if _, err := makeSite(ctx, repository, s); err != nil {
		return err
	}
	if err := lengthen(ctx, repository, s, b.plan.history); err != nil {
		return err
	}

	began := time.Now()
	if _, err := command(ctx, repository, "git", "log", "--format=%H", "--name-only", "main"); err != nil {
		return err
	}
	names := time.Since(began)

	svc, cold, err := b.start(ctx, work, repository)
	if err != nil {
		return err
	}
	var ours, plain []time.Duration
	for k := range 1000 {
		i := k * 61 % s.entries
		began := time.Now()
		total, err := svc.history(ctx, s.slug(i))
		if err != nil {
			svc.kill()
			return err
		}
		ours = append(ours, time.Since(began))
		if k >= 10 {
			continue
		}
		began = time.Now()
		out, err := command(ctx, repository, "git", "log", "--format=%H", "main", "--", s.path(i))
		if err != nil {
			svc.kill()
			return err
		}
		plain = append(plain, time.Since(began))
		if got := strings.Count(out, "\n"); got != total {
			svc.kill()
			return fmt.Errorf("history of %s: %d commits, git log has %d", s.path(i), total, got)
		}
	}
	if err := svc.stop(); err != nil {
		return err
	}
	svc, warm, err := b.start(ctx, work, repository)
	if err != nil {
		return err
	}
	if err := svc.stop(); err != nil {
		return err
	}
	o, p := resultOf(ours, time.Second), resultOf(plain, time.Second)
	b.printf("\n## History of a repository of %d commits, %d files in one folder\n\n| | median | 99th percentile |\n|---|---|---|\n", b.plan.history, s.entries)
	b.printf("| git log -- path | %.1f ms | %.1f ms |\n", p.median.Seconds()*1000, p.p99.Seconds()*1000)
	b.printf("| **cms**, GET history | %.2f ms | %.2f ms |\n", o.median.Seconds()*1000, o.p99.Seconds()*1000)
	b.printf("\nStart to ready: %.2f s from nothing, which includes the index of the history, %.2f s with the saved index; `git log --name-only` alone takes %.2f s.\n", cold.Seconds(), warm.Seconds(), names.Seconds())
	return nil
}

// lengthen adds so many commits to a site.
func lengthen(ctx context.Context, repository string, s shape, commits int) error {
	if commits == 0 {
		return nil
	}
	return stream(ctx, repository, func(w *bufio.Writer) error {
		from := "from refs/heads/main^0\n"
		for k := range commits {
			i := k * 7919 % s.entries
			f := file(i, k+1)
			fmt.Fprintf(w, "commit refs/heads/main\ncommitter Ada <ada@example.org> %d +0000\ndata 4\nEdit%sM 100644 inline %s\ndata %d\n%s\n", 1700000001+k, from, s.path(i), len(f), f)
			from = ""
		}
		return nil
	})
}
