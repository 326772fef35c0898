package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"time"
)

// fresh measures the reading of what was just committed, in repositories with few
// and with many objects.
func (b *bench) fresh(ctx context.Context) error {
	b.printf("\n## What was just committed\n\nThe changes since the commit before an edit are asked for right after it, which\nreads both revisions from the repository; and once more.\n\n| objects | median | slowest | again: median | × that |\n|---|---|---|---|---|\n")
	for _, n := range []int{1000, b.plan.objects} {
		if err := b.freshOf(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) freshOf(ctx context.Context, n int) error {
	sh := shape{name: fmt.Sprintf("%d objects", n), entries: 100}
	svc, work, repository, err := b.site(ctx, fmt.Sprintf("fresh-%d", n), sh)
	if err != nil {
		return err
	}
	defer func() { svc.kill() }()
	if err := svc.stop(); err != nil {
		return err
	}
	err = stream(ctx, repository, func(w *bufio.Writer) error {
		fmt.Fprintf(w, "commit refs/heads/main\ncommitter Ada <ada@example.org> %d +0000\ndata 4\nMore\nfrom refs/heads/main^0\n", time.Now().Unix())
		for i := range n {
			blob := fmt.Sprintf("blob %d\n", i)
			fmt.Fprintf(w, "M 100644 inline data/%d/%d.bin\ndata %d\n%s\n", i/1000, i, len(blob), blob)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if svc, _, err = b.start(ctx, work, repository); err != nil {
		return err
	}
	since, _, err := svc.patch(ctx, http.DefaultClient, sh.slug(0), 0)
	if err != nil {
		return err
	}
	var first, again []result
	for i := range 15 {
		commit, _, err := svc.patch(ctx, http.DefaultClient, sh.slug(i), i+1)
		if err != nil {
			return err
		}
		for _, to := range []*[]result{&first, &again} {
			r, err := timed(1, func(int) error {
				_, err := svc.get(ctx, http.DefaultClient, svc.url+"/v1/changes?since="+since)
				return err
			})
			if err != nil {
				return err
			}
			*to = append(*to, r)
		}
		since = commit
	}
	f, a := together(first), together(again)
	fmt.Fprintf(os.Stderr, "fresh: %d objects measured\n", n)
	b.printf("| %d | %.2f ms | %.2f ms | %.2f ms | %.1f |\n", n, milliseconds(f.median), milliseconds(f.p99), milliseconds(a.median), f.median.Seconds()/a.median.Seconds())
	return svc.stop()
}
